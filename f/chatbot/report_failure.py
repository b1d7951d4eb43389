# skip_result_postprocessing
"""Tell of a flow that failed: which flow and step, for which tenant, and why, without content.

Script: the failure step of every flow. It returns the same answer as a script that failed, with its HTTP status, and
writes one line to the log, by which an alert can be raised.
"""

import json

from f.core.errors import InvalidArgument
from f.core.flow_failures import describe_failure, log_line
from f.core.job import check_arguments, failure


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
    try:
        check_arguments()
    except InvalidArgument as mistake:
        return failure(mistake)
    answer = describe_failure(flow, step, name, message, extra)
    print(json.dumps(log_line(flow, tenant_id, answer)))  # noqa: T201 -- a job's log is its standard output
    return answer
