"""What every script has in common: the envelope of its answer, and the way to secrets, which only a running main has.

Shared module. It reads resources and variables through ``wmill`` and promises:

- A caller's mistake becomes an HTTP status and one sentence; inside a flow it raises, so that the flow stops.
- Nothing that a caller can name with ``_ENTRYPOINT_OVERRIDE`` reaches a secret or the database: both demand a running
  job, and only a ``main`` under ``@script`` makes one.
- An argument that Windmill would have replaced by a secret (``$var:``, ``$res:``, ...) is refused before it is used.
"""

# extra_requirements:
# wmill==1.850.0

import functools
import json
import os
import re
import sys
import traceback
import uuid
from collections.abc import Callable, Mapping
from typing import ParamSpec

import wmill

from f.core.errors import CallerMistake, InvalidArgument, KnowledgeError, Misconfigured

Arguments = ParamSpec("Arguments")
Answer = dict[str, object]

_REFERENCES = ("$var:", "$res:", "$jsonvar:", "$encrypted:")
_ESCAPES = re.compile(r"\\[\\n]")
_running: list[str] = []  # the ids of running jobs; one, or none


def script(
    *, tells: tuple[type[KnowledgeError], ...] = ()
) -> Callable[[Callable[Arguments, Mapping[str, object]]], Callable[Arguments, Answer]]:
    """Make a function the ``main`` of a script: it returns its data, and callers get the envelope.

    Args:
        tells: Errors besides a caller's mistakes that are told to the caller with a status instead of failing the job.

    Returns:
        A decorator. The decorated function returns ``{"success": true, "data": ..., "error": null}``, or for a mistake
        outside a flow ``{"wm_status_code": 4xx, "result": {"success": false, "data": null, "error", "error_code"}}``.
    """
    told: tuple[type[KnowledgeError], ...] = (CallerMistake, *tells)

    def decorate(function: Callable[Arguments, Mapping[str, object]]) -> Callable[Arguments, Answer]:
        @functools.wraps(function)
        def main(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
            _running.append(os.environ.get("WM_JOB_ID") or str(uuid.uuid4()))
            try:
                _refuse_references()
                return {"success": True, "data": dict(function(*args, **kwargs)), "error": None}
            except KnowledgeError as error:
                if in_flow() or not isinstance(error, told):
                    raise
                return failure(error)
            except Exception as unexpected:  # noqa: BLE001 -- every other error is a bug, told without its values
                _log_place(unexpected)
                raise KnowledgeError(
                    f"Something went wrong inside ({type(unexpected).__name__}); the job's log says where."
                ) from None
            finally:
                _running.clear()

        return main

    return decorate


def failure(error: KnowledgeError) -> Answer:
    """Give the answer that tells of an error with its HTTP status."""
    body: Answer = {"success": False, "data": None, "error": str(error), "error_code": error.code}
    if error.retry_after_seconds is not None:
        body["retry_after_seconds"] = error.retry_after_seconds
    return {"wm_status_code": error.status, "result": body}


def require_running_job() -> str:
    """Return the id of the running job.

    Raises:
        Misconfigured: Outside a ``main``: whoever called got here by another way.
    """
    if not _running:
        raise Misconfigured("This can be called by a script's main only.")
    return _running[0]


def run_id() -> str:
    """Return what stays the same when this job is repeated: its flow and step, or the job itself."""
    job = require_running_job()
    flow, step = os.environ.get("WM_FLOW_JOB_ID"), os.environ.get("WM_FLOW_STEP_ID")
    return f"{flow}:{step}" if flow and step else job


def in_flow() -> bool:
    """Tell whether this job is a step of a flow."""
    return bool(os.environ.get("WM_FLOW_JOB_ID"))


def read_resource(path: str) -> object:
    """Return the value of a resource.

    Raises:
        Misconfigured: When it is not there or may not be read; outside a running job too.
    """
    require_running_job()
    return _read("resource", path, lambda: wmill.get_resource(path))


def read_variable(path: str) -> str:
    """Return the value of a variable.

    Raises:
        Misconfigured: When it is not there or may not be read; outside a running job too.
    """
    require_running_job()
    value = _read("variable", path, lambda: wmill.get_variable(path))
    if not isinstance(value, str):
        raise Misconfigured(f"The variable {path} must be a text.")
    return value


def send_event(event: Mapping[str, object]) -> None:
    """Send one event to whoever follows this job's stream: a JSON object on a line of its own.

    Windmill turns the two characters backslash and n into a new line wherever they stand in a stream, so neither a new
    line nor a backslash is written in its short form.
    """
    require_running_job()
    line = _ESCAPES.sub(lambda found: "\\u000a" if found.group() == "\\n" else "\\u005c", json.dumps(event))
    wmill.append_to_result_stream(line + "\n")


def _read(kind: str, path: str, read: Callable[[], object]) -> object:
    """Read by ``wmill``, whose failures are plain exceptions with addresses in them."""
    try:
        return read()
    except Exception as error:  # noqa: BLE001 -- wmill raises nothing more precise; it is translated, not swallowed
        raise Misconfigured(f"The {kind} {path} cannot be read ({type(error).__name__}).") from None


def _refuse_references() -> None:
    """Refuse a job in whose arguments Windmill has put the value of a variable or resource.

    The replacement happens before ``main`` runs and cannot be seen there; but the job's record keeps the arguments as
    they came.
    """
    if not os.environ.get("WM_JOB_ID"):
        return
    job = _read("job", "record", lambda: wmill.get_job(os.environ["WM_JOB_ID"]))
    if _names_reference(job.get("args") if isinstance(job, dict) else None):
        raise InvalidArgument(f"An argument must not begin with {', '.join(_REFERENCES)}: nothing was read or stored.")


def _names_reference(value: object) -> bool:
    """Tell whether a JSON value holds, at any depth, a text that Windmill replaces."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str) and item.startswith(_REFERENCES):
            return True
        if isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return False


def _log_place(error: BaseException) -> None:
    """Write to the job's log where an unexpected error came from: files and lines, no values."""
    for frame in traceback.extract_tb(error.__traceback__):
        sys.stderr.write(f"{frame.filename}:{frame.lineno} in {frame.name}\n")
    sys.stderr.write(f"{type(error).__name__}\n")
