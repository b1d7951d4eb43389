"""Tell of a flow that failed: which flow and step, for which tenant, and why, without content.

Script: the failure step of every flow. It returns the same answer as a script that failed, with its HTTP status, and
writes one line to the log, by which an alert can be raised.
"""

import json
import uuid


def main(
    flow: str,
    tenant_id: str | None = None,
    step: str | None = None,
    name: str | None = None,
    message: str | None = None,
    extra: dict | None = None,  # type: ignore[type-arg] # Windmill's form knows this type alone
) -> dict[str, object]:
    """Report a failure.

    Args:
        flow: Path of the flow.
        tenant_id: The tenant, where the flow is for one.
        step: The step that failed.
        name: The error's class.
        message: The error's sentence. It is passed on only when it is one of ours, which hold no content.
        extra: The error's attributes, with our status and code.
    """
    known = extra if isinstance(extra, dict) else {}
    status, code = known.get("http_status"), known.get("error_code")
    if not isinstance(status, int) or not 400 <= status < 600 or not isinstance(code, str):
        status, code, message = 500, "flow_failed", f"The step {step} failed ({name})."
    line = {"flow": flow, "step": step, "tenant_id": _tenant(tenant_id), "error_code": code, "error": message}
    print(json.dumps(line))  # noqa: T201 -- a job's log is its standard output
    body: dict[str, object] = {"success": False, "data": None, "error": message, "error_code": code, "step": step}
    if isinstance(known.get("retry_after_seconds"), int):
        body["retry_after_seconds"] = known["retry_after_seconds"]
    return {"wm_status_code": status, "result": body}


def _tenant(tenant_id: object) -> str | None:
    """Return a tenant's id, and nothing that is none: a caller could have put anything there."""
    try:
        return str(uuid.UUID(str(tenant_id)))
    except ValueError:
        return None
