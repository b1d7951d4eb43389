"""Turns the result of a job into an HTTP answer.

Module of the stand-in for Windmill.
"""

import json
from typing import Any

from starlette.responses import Response

from local.server.errors import ApiError
from local.server.worker import Outcome

FAILED_STATUS = 422
_COMPOSITE_KEYS = ("wm_status_code", "wm_content_type", "wm_headers")


def json_text(text: str, status: int = 200) -> Response:
    """Answer with JSON that is already written."""
    return Response(text, status, media_type="application/json")


def to_response(outcome: Outcome) -> Response:
    """Answer with a job's result: bare, or as the result's ``wm_`` keys ask.

    A result with ``wm_status_code``, ``wm_content_type`` or ``wm_headers`` sets these and sends its ``result`` as the
    body. This holds for failed jobs as well: so the failure module of a flow can choose the status.
    """
    value = json.loads(outcome.result)
    plain = json_text(outcome.result, 200 if outcome.success else FAILED_STATUS)
    if not isinstance(value, dict):
        return plain
    # The older names are still understood.
    chosen = {key: value.get(key, value.get(key.replace("wm_", "windmill_"))) for key in _COMPOSITE_KEYS}
    status, content_type, headers = (chosen[key] for key in _COMPOSITE_KEYS)
    if status is None and content_type is None and headers is None:
        return plain
    if not _is_composite(status, content_type, headers):
        return plain
    if status is not None and not 100 <= status < 1000:
        raise ApiError("Invalid status code")
    return _composite(outcome, value.get("result"), status, content_type, headers or {})


def _is_composite(status: Any, content_type: Any, headers: Any) -> bool:
    """Tell whether the keys have the types that are understood; otherwise they are ordinary data."""
    return (
        (status is None or (isinstance(status, int) and not isinstance(status, bool) and 0 <= status < 2**16))
        and (content_type is None or isinstance(content_type, str))
        and (headers is None or (isinstance(headers, dict) and all(isinstance(one, str) for one in headers.values())))
    )


def _composite(
    outcome: Outcome, body: Any, status: int | None, content_type: str | None, headers: dict[str, str]
) -> Response:
    if status is None:
        status = FAILED_STATUS if not outcome.success else 200 if body is not None else 204
    if content_type is not None:
        text = body if isinstance(body, str) else "" if body is None else json.dumps(body)
        return Response(text, status, headers={**headers, "content-type": content_type})
    if body is None:
        return Response(None, status, headers=headers)
    return Response(json.dumps(body), status, headers=headers, media_type="application/json")
