"""What every script has in common: the envelope of its answer, and the way to secrets, which only a running main has.

Shared module. It reads resources and variables through ``wmill`` and promises:

- A caller's mistake becomes an HTTP status and one sentence; inside a flow it raises, so that the flow stops.
- Nothing that a caller can name with ``_ENTRYPOINT_OVERRIDE`` reaches a secret or the database: both demand a running
  job, and only a ``main`` under ``@script`` makes one. Scripts define no other function, because Windmill would hand it
  arguments; and a shared module refuses to run as a script (``f.core.errors``).
- An argument in which Windmill has put a secret (``$var:``, ``$res:``, ...) is refused before it is used.

A member waits for all that a job does before it answers, and starting is much of it. So what a script names with
``ahead`` is read while the arguments are checked; what is needed later can be imported while something else is waited
for (``import_meanwhile``); and what ``wmill`` and ``httpx`` import and no job uses is left out, a third of their time.
"""

# extra_requirements:
# wmill==1.850.0

import functools
import gc
import hashlib
import importlib
import json
import os
import re
import sys
import threading
import types
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from f.core.errors import CallerMistake, InvalidArgument, KnowledgeError, Misconfigured

if TYPE_CHECKING:
    import ssl


class _NotLoaded(types.ModuleType):
    """Stands for a module until something of it is used."""

    def __getattr__(self, name: str) -> object:
        """Load the module, and return what is wanted of it."""
        return getattr(importlib.import_module(self.__name__), name)


if os.environ.get("WM_JOB_ID"):
    gc.disable()  # what is loaded stays; to look through it again and again, and at the end, takes a fifth of a start
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type] # its command line, which needs click and pygments
_asyncio = sys.modules.setdefault("asyncio", _NotLoaded("asyncio"))  # wmill names it for workflows written as code

import wmill  # noqa: E402 -- after what it is not to load

if isinstance(_asyncio, _NotLoaded):
    del sys.modules["asyncio"]  # whoever imports it from now on gets it

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Answer = dict[str, object]

_REFERENCES = ("$var:", "$res:", "$jsonvar:", "$encrypted:")
_INTERPOLATION = "$interpolate"
_MENTION = re.compile(r"\$(?:(?:var|res|jsonvar|encrypted):|interpolate)")
_CONTEXTUAL = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*")
_ESCAPES = re.compile(r"\\[\\n]")
_running: list[str] = []  # names of the run of the job that is running; one, or none
_denials: list[Callable[[KnowledgeError], None]] = []  # who wants to know when this job's caller is denied something
_ahead: dict[str, "Meanwhile[object]"] = {}  # what is being read by now, by the path of its resource
_DENIED = (401, 403, 404)


class Meanwhile(Generic[Result]):
    """Something that a thread of its own does from now on, while the job goes on."""

    def __init__(self, action: Callable[[], Result]) -> None:
        """Begin."""
        self._action = action
        self._results: list[Result] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self, timeout_seconds: float | None = None) -> Result:
        """Wait for its end, and return what the action returned or raise what it raised.

        Args:
            timeout_seconds: How long to wait at most; None is until it ends.

        Raises:
            TimeoutError: When it has not ended by then; it goes on, and ends with the job at the latest.
        """
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            raise TimeoutError
        if self._error is not None:
            raise self._error
        return self._results[0]

    def _run(self) -> None:
        try:
            self._results.append(self._action())
        except BaseException as error:  # noqa: BLE001 -- raised again where the result is wanted
            self._error = error


def script(
    *,
    tells: tuple[type[KnowledgeError], ...] = (),
    ahead: Sequence[str] = (),
    asks_models: bool = False,
    answers: Callable[[Mapping[str, object]], Answer] | None = None,
) -> Callable[[Callable[Arguments, Mapping[str, object]]], Callable[Arguments, Answer]]:
    """Make a function the ``main`` of a script: it returns its data, and callers get the envelope.

    Args:
        tells: Errors besides a caller's mistakes that are told to the caller with a status instead of failing the job.
        ahead: Resources to begin reading at once, because this script reads them whoever calls. One that cannot be
            read is no error before somebody reads it.
        asks_models: Whether it calls model providers, so that what TLS needs is begun at once, too.
        answers: Makes the answer of a success out of the data, for callers who want no envelope.

    Returns:
        A decorator. The decorated function returns ``{"success": true, "data": ..., "error": null}``, or for a mistake
        outside a flow ``{"wm_status_code": 4xx, "result": {"success": false, "data": null, "error", "error_code"}}``.
    """
    told: tuple[type[KnowledgeError], ...] = (CallerMistake, *tells)

    def decorate(function: Callable[Arguments, Mapping[str, object]]) -> Callable[Arguments, Answer]:
        @functools.wraps(function)
        def main(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
            try:
                gc.freeze()
                gc.enable()
                if asks_models:
                    Meanwhile(tls_context)
                _ahead.update({path: Meanwhile(functools.partial(_resource, path)) for path in ahead})
                _running[:] = [check_arguments()]
                data = dict(function(*args, **kwargs))
                return {"success": True, "data": data, "error": None} if answers is None else answers(data)
            except KnowledgeError as error:
                _tell_of_denial(error)
                if in_flow() or not isinstance(error, told):
                    raise
                return failure(error)
            except Exception as unexpected:  # noqa: BLE001 -- every other error is a bug, told without its values
                _log_place(unexpected)
                raise KnowledgeError(
                    f"Something went wrong inside ({type(unexpected).__name__}); the job's log says where."
                ) from None
            finally:
                gc.freeze()
                _running.clear()
                _denials.clear()
                _ahead.clear()

        return main

    return decorate


def failure(error: KnowledgeError) -> Answer:
    """Give the answer that tells of an error with its HTTP status."""
    body: Answer = {"success": False, "data": None, "error": str(error), "error_code": error.code}
    if error.retry_after_seconds is not None:
        body["retry_after_seconds"] = error.retry_after_seconds
    return {"wm_status_code": error.status, "result": body}


def require_running_job() -> str:
    """Return what ``run_id`` does.

    Raises:
        Misconfigured: Outside a ``main``: whoever called got here by another way.
    """
    if not _running:
        raise Misconfigured("This can be called by a script's main only.")
    return _running[0]


def run_id() -> str:
    """Return what stays the same when this job is repeated: its flow, step and arguments, or the job itself."""
    return require_running_job()


def job_id() -> str:
    """Return the id under which Windmill keeps this job's record; empty outside a job."""
    return os.environ.get("WM_JOB_ID", "")


def when_denied(tell: Callable[[KnowledgeError], None]) -> None:
    """Call a function when this job ends by denying its caller something (401, 403, 404). The last one given counts."""
    require_running_job()
    _denials[:] = [tell]


def in_flow() -> bool:
    """Tell whether this job is a step of a flow."""
    return bool(os.environ.get("WM_FLOW_JOB_ID"))


def read_resource(path: str) -> object:
    """Return the value of a resource.

    Raises:
        Misconfigured: When it is not there or may not be read; outside a running job too.
    """
    require_running_job()
    begun = _ahead.get(path)
    return begun.result() if begun else _resource(path)


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


def import_meanwhile(*modules: str) -> None:
    """Import modules in a thread, for whoever imports them later: Windmill asks its server for each of ours.

    What goes wrong does so again, and is told, where the module is needed.
    """
    Meanwhile(lambda: [importlib.import_module(module) for module in modules])


def tls_context() -> "ssl.SSLContext":
    """Return the one TLS context of the process: reading the certificates takes longer than connecting."""
    with _tls_lock:
        return _make_tls_context()


@functools.cache
def _make_tls_context() -> "ssl.SSLContext":
    """Read the certificates."""
    import httpx  # noqa: PLC0415 -- loaded by wmill

    return httpx.create_ssl_context()


def check_arguments() -> str:
    """Refuse arguments in which Windmill has put a secret, and return the name of the job's run.

    Windmill replaces references before ``main`` runs, where it cannot be seen any more; but the job's record keeps the
    arguments as they came. They also tell the iterations of a loop apart, which share a flow and a step.

    Raises:
        InvalidArgument: When there is such an argument.
        Misconfigured: When the arguments cannot be read as they came: nothing is done unchecked.
    """
    job = os.environ.get("WM_JOB_ID")
    if not job:
        return str(uuid.uuid4())
    arguments = _arguments_as_sent(job)
    if any(_names_reference(value) for value in arguments.values()):
        raise InvalidArgument(f"An argument must not begin with {', '.join(_REFERENCES)}: nothing was read or stored.")
    flow, step = os.environ.get("WM_FLOW_JOB_ID"), os.environ.get("WM_FLOW_STEP_ID")
    if not flow or not step:
        return job
    return f"{flow}:{step}:{hashlib.sha256(json.dumps(arguments, sort_keys=True).encode()).hexdigest()[:16]}"


def _tell_of_denial(error: KnowledgeError) -> None:
    """Tell whoever wants to know; the caller gets the same answer if that fails, and the job's log says that it did."""
    if error.status not in _DENIED:
        return
    for tell in _denials:
        try:
            tell(error)
        except KnowledgeError as trouble:
            sys.stderr.write(f"A denied call could not be noted: {trouble}\n")


def _resource(path: str) -> object:
    """Read a resource."""
    return _read("resource", path, lambda: wmill.get_resource(path))


def _read(kind: str, path: str, read: Callable[[], object]) -> object:
    """Read by ``wmill``, whose failures are plain exceptions with addresses in them."""
    try:
        _share_client()
        return read()
    except Exception as error:  # noqa: BLE001 -- wmill raises nothing more precise; it is translated, not swallowed
        raise Misconfigured(f"The {kind} {path} cannot be read ({type(error).__name__}).") from None


_client_lock = threading.Lock()
_tls_lock = threading.Lock()


def _share_client() -> None:
    """Give ``wmill`` its client, once; its own would read all certificates even for an address without TLS."""
    with _client_lock:
        if wmill.client._client is None and os.environ.get("WM_TOKEN"):
            address = os.environ.get("BASE_INTERNAL_URL") or os.environ.get("WM_BASE_URL") or ""
            verify: Any = False if address.startswith("http://") else tls_context()
            wmill.client._client = wmill.Windmill(verify=verify)  # type: ignore[no-untyped-call] # wmill has no types


def _arguments_as_sent(job: str) -> dict[str, object]:
    """Return a job's arguments as its caller sent them.

    The record of a job with large arguments says ``{"reason": "WINDMILL_TOO_BIG"}`` in their place; no script has a
    parameter of that name, so then, and only then, they are asked for by themselves.
    """
    record = _read("job", "record", lambda: wmill.get_job(job))
    arguments = record.get("args") if isinstance(record, dict) else record
    if isinstance(arguments, dict) and arguments.keys() == {"reason"}:
        client: Any = wmill.client._client  # the one that has just read the record
        address = f"/w/{client.workspace}/jobs_u/get_args/{job}"
        arguments = _read("job", "arguments", lambda: client.get(address).json())
    if arguments is None:
        return {}
    if not isinstance(arguments, dict):
        raise Misconfigured("The arguments of the job cannot be read.")
    return arguments


def _names_reference(argument: object) -> bool:
    """Tell whether Windmill replaces anything in an argument.

    It looks at an argument when one of the words is anywhere in it, and then replaces, at any depth, texts that begin
    with a reference, texts that name a variable of the job (``$WM_TOKEN``), and ``{"$interpolate": [...]}``.
    """
    if not _MENTION.search(argument if isinstance(argument, str) else json.dumps(argument)):
        return False
    pending = [argument]
    while pending:
        item = pending.pop()
        if isinstance(item, str) and (item.startswith(_REFERENCES) or _CONTEXTUAL.fullmatch(item)):
            return True
        if isinstance(item, dict):
            if _INTERPOLATION in item:
                return True
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return False


def _log_place(error: BaseException) -> None:
    """Write to the job's log where an unexpected error came from: files and lines, no values."""
    import traceback  # noqa: PLC0415 -- only here

    for frame in traceback.extract_tb(error.__traceback__):
        sys.stderr.write(f"{frame.filename}:{frame.lineno} in {frame.name}\n")
    sys.stderr.write(f"{type(error).__name__}\n")
