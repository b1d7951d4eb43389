"""Reads requests the way Windmill does: bodies, arguments of jobs, and query parameters.

Module of the stand-in for Windmill.
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from local.server.errors import BadRequest, UnsupportedMediaType

_DEEPEST = 127
"""How deep JSON may be nested: serde_json stops at the 128th level."""
_ENTRYPOINT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")


async def json_body(request: Request) -> Any:
    """Read a JSON body; an empty one is an empty object.

    Raises:
        BadRequest: When it is not JSON.
    """
    body = await request.body()
    if not body.strip():
        return {}
    try:
        return _parse(body)
    except ValueError as error:
        raise BadRequest(f"invalid json: {error}") from error


def _parse(text: str | bytes) -> Any:
    """Parse JSON as strictly as the real server does.

    It is UTF-8 without a byte order mark, without NaN, numbers beyond a double and halves of surrogate pairs, and not
    nested too deep.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    try:
        value = json.loads(text, parse_constant=_refuse_number, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode()  # raises on a lone surrogate
    except RecursionError:
        raise ValueError("recursion limit exceeded") from None
    if _depth(value) > _DEEPEST:
        raise ValueError("recursion limit exceeded")
    return value


def _depth(value: Any) -> int:
    """Count how deep lists and objects are nested; a number or text is 0 deep."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return depth


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_number(text)


def _refuse_number(text: str) -> float:
    raise ValueError(f"number out of range: {text}")


async def object_body(request: Request) -> dict[str, Any]:
    """Read a body that has to be a JSON object.

    Raises:
        BadRequest: When it is not.
    """
    value = await json_body(request)
    if not isinstance(value, dict):
        raise BadRequest("invalid json: expected an object")
    return value


async def job_arguments(request: Request) -> dict[str, Any]:
    """Read the arguments of a job from a POST's body or a GET's ``payload``.

    A body that is JSON but no object becomes the argument ``body``.

    Raises:
        BadRequest: When the body or the payload is malformed.
        UnsupportedMediaType: When the body is neither JSON nor a form nor plain text.
    """
    arguments = await _read_arguments(request)
    override = arguments.get("_ENTRYPOINT_OVERRIDE")
    if override is not None and not (isinstance(override, str) and _ENTRYPOINT.fullmatch(override)):
        raise BadRequest("Invalid entrypoint override: it must be an identifier")
    return arguments


async def _read_arguments(request: Request) -> dict[str, Any]:
    if request.method == "GET":
        return _from_payload(request.query_params.get("payload"))
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
    if kind == "text/plain":
        return {"raw_string": (await request.body()).decode("utf-8", "replace")}
    if kind not in {"application/json", "application/cloudevents+json"}:
        raise UnsupportedMediaType(f"Unsupported content type: {kind}")
    value = await json_body(request)
    if isinstance(value, dict) and not is_set(request.query_params, "wrap_body"):
        return value
    return {"body": value}


def described(request: Request) -> dict[str, Any]:
    """Describe a request as a preprocessor gets it, beside what kind of request it is."""
    return {"raw_string": None, "query": dict(request.query_params), "headers": dict(request.headers)}


def _from_payload(payload: str | None) -> dict[str, Any]:
    if payload is None:
        return {}
    try:
        # Both alphabets are in use; padding is often left out in URLs.
        text = payload.replace(" ", "+").replace("-", "+").replace("_", "/")
        value = _parse(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f"invalid payload: {error}") from error
    if not isinstance(value, dict):
        raise BadRequest("invalid payload: expected an object")
    return value


def is_set(query: Mapping[str, str], name: str) -> bool:
    """Read a query parameter that is true or false.

    Raises:
        BadRequest: When it is neither.
    """
    value = query.get(name, "false").lower()
    if value not in {"true", "false"}:
        raise BadRequest(f"Failed to deserialize query string: {name}: expected true or false")
    return value == "true"


def optional_flag(query: Mapping[str, str], name: str) -> bool | None:
    """Read a query parameter that is true, false or missing."""
    return is_set(query, name) if name in query else None


def whole_number(query: Mapping[str, str], name: str, default: int) -> int:
    """Read a query parameter that is a number from 0 up.

    Raises:
        BadRequest: When it is not.
    """
    text = query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise BadRequest(f"Failed to deserialize query string: {name}: invalid digit found in string")
    return int(text)


def moment(query: Mapping[str, str], name: str) -> datetime | None:
    """Read a query parameter that is a time in ISO 8601 with an offset.

    Raises:
        BadRequest: When it is not.
    """
    text = query.get(name)
    if text is None:
        return None
    try:
        value = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError as error:
        raise BadRequest(f"Failed to deserialize query string: {name}: {error}") from error
    if value.tzinfo is None:
        raise BadRequest(f"Failed to deserialize query string: {name}: premature end of input")
    return value
