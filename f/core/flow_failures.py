"""What is told of a flow that failed.

Shared module, pure. An error's sentence is passed on only when it is one of ours, which hold no content.
"""

import uuid

from f.core.job import Answer


def describe_failure(flow: object, step: object, name: object, message: object, extra: object) -> Answer:
    """Give the answer of a flow that failed: the same as of a script that failed, and the step.

    Args:
        flow: Path of the flow.
        step: The step that failed.
        name: The error's class.
        message: The error's sentence.
        extra: The error's attributes; ours have http_status and error_code.
    """
    known = extra if isinstance(extra, dict) else {}
    status, code = known.get("http_status"), known.get("error_code")
    if not isinstance(status, int) or not 400 <= status < 600 or not isinstance(code, str):
        status, code, message = 500, "flow_failed", f"The step {step} of {flow} failed ({name})."
    body: Answer = {"success": False, "data": None, "error": message, "error_code": code, "step": step}
    if isinstance(known.get("retry_after_seconds"), int):
        body["retry_after_seconds"] = known["retry_after_seconds"]
    return {"wm_status_code": status, "result": body}


def log_line(flow: object, tenant_id: object, answer: Answer) -> dict[str, object]:
    """Give the line for the log: which flow and step, for which tenant, and why."""
    try:
        tenant = str(uuid.UUID(str(tenant_id)))
    except ValueError:
        tenant = None
    body = answer["result"]
    told = {key: body.get(key) for key in ("step", "error_code", "error")} if isinstance(body, dict) else {}
    return {"flow": flow, "tenant_id": tenant, **told}
