"""What runs inside the fresh process of one job: Windmill's wrapper around a script.

Program of the stand-in for Windmill, started as ``python -P -u job_process.py <job directory>``, or run in a process
that was forked from the template (``template_process``). It reads ``job.json`` in that directory (module, function,
signature, arguments, folders with scripts), calls the function and writes ``result.json``. A failed script leaves the
description of its exception in that file and ends with status 1, as Windmill's own wrapper does.

It imports as little as it can, because every job that is not forked pays for it.
"""

import json
import os
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import Any

# What the wrapper does not take for a stream although one can iterate over it.
_WHOLE_RESULTS = (str, dict, list, bytes, tuple, set, frozenset, range, memoryview, bytearray)
# Where scripts can be; a preview without a path is in the last.
_SCRIPT_FOLDERS = ("f", "u", "tmp")
_DATE_FORMATS = ("%d-%m-%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d")


class _EmptyLoader:
    """Makes a package, or a module that does not exist, without running anything."""

    def create_module(self, _spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, _module: ModuleType) -> None:
        return None


class ScriptFinder:
    """Finds ``f.<folder>.<name>`` in the workspace, as Windmill's import loader finds it on the server.

    ``__file__`` is not set, ``__init__.py`` is not looked at, and a module that does not exist is an empty one instead
    of an ImportError: so it is on Windmill.
    """

    def __init__(self, folders: list[str]) -> None:
        """Take the folders with scripts, the first one winning."""
        self.folders = folders

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        """Find a module of the workspace; leave every other name to Python."""
        if name.partition(".")[0] not in _SCRIPT_FOLDERS:
            return None
        relative = name.replace(".", "/") + ".py"
        for folder in self.folders:
            file = os.path.join(folder, relative)  # noqa: PTH118  # pathlib is not worth its import here
            if os.path.isfile(file):  # noqa: PTH113  # the same
                # The true path, not the link: tracebacks and coverage then name the file that one edits.
                file = os.path.realpath(file)
                return ModuleSpec(name, SourceFileLoader(name, file), origin=file)
        return ModuleSpec(name, _EmptyLoader(), is_package=True)  # type: ignore[arg-type]  # only two methods are used


def main(directory: str) -> int:
    """Run the job of ``directory`` and return the exit status."""
    with open(f"{directory}/job.json", encoding="utf-8") as file:  # noqa: PTH123  # pathlib is not worth its import
        job = json.load(file)
    _start_coverage()
    sys.meta_path.insert(0, ScriptFinder(job["folders"]))
    # An error in the script's own top level is outside of Windmill's `try`: it ends up in the log only.
    script = __import__(job["module"], fromlist=["main"])
    result_file = f"{directory}/result.json"
    try:
        text = _call(script, job)
    except BaseException as error:  # noqa: BLE001  # the wrapper reports whatever a script raises, also SystemExit
        _write(result_file, json.dumps(_describe(error), separators=(",", ":"), default=str))
        return 1
    _write(result_file, text)
    return 0


def _call(script: ModuleType, job: dict[str, Any]) -> str:
    """Call the function and return its result as JSON."""
    function: Any = getattr(script, job["function"])
    if not callable(function):
        raise ValueError(f"{job['function']} function is missing")
    given = job["args"]
    if job["preprocessor"] is not None:
        given = json.loads(_to_json(script.preprocessor(**_arguments(job["preprocessor"], given)), rewrites=True))
    result = function(**_arguments(job["signature"], given))
    kind = type(result)
    if hasattr(result, "__iter__") and not isinstance(result, _WHOLE_RESULTS) and kind.__name__ != "DataFrame":
        for piece in result:
            print("WM_STREAM: " + piece.replace("\n", "\\n"))
        result = None
    return _to_json(result, rewrites=job["rewrites_result"])


def _arguments(signature: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Choose the arguments: missing ones are None or left to the default, unknown ones are dropped."""
    for name, _, converted_to in signature["parameters"]:
        if converted_to and given.get(name) is not None:
            given[name] = _CONVERSIONS[converted_to](given[name])
    if signature["takes_any"]:
        chosen = given
    else:
        chosen = {}
        for name, has_default, _ in signature["parameters"]:
            if given.get(name) is not None or not has_default:
                chosen[name] = given.get(name)
    return {name: value for name, value in chosen.items() if not _is_call_marker(value)}


def _is_call_marker(value: object) -> bool:
    """Tell whether it is the text by which Windmill's form stands for a default that is a call; it is then left out."""
    return isinstance(value, str) and value == "<function call>"


def _to_bytes(value: str) -> bytes:
    from base64 import b64decode  # noqa: PLC0415  # few scripts need it

    return b64decode(value)


def _to_datetime(value: str) -> object:
    from datetime import datetime  # noqa: PLC0415  # few scripts need it

    return datetime.fromisoformat(value)


def _to_date(value: str) -> object:
    from datetime import date, datetime  # noqa: PLC0415  # few scripts need it

    try:
        return date.fromisoformat(value)
    except ValueError:
        for form in _DATE_FORMATS:
            try:
                return datetime.strptime(value, form).date()
            except ValueError:
                continue
        return value


_CONVERSIONS: dict[str, Callable[[str], object]] = {"bytes": _to_bytes, "datetime": _to_datetime, "date": _to_date}


def _to_json(result: object, *, rewrites: bool) -> str:
    """Encode a result as the wrapper does: what JSON does not know becomes ``str()``, bytes become base64."""
    if type(result) is bytes:
        result = _base64(result)
    elif type(result) is dict:
        result = {key: _base64(value) if type(value) is bytes else value for key, value in result.items()}
    text = json.dumps(result, separators=(",", ":"), default=str)
    if rewrites and ("NaN" in text or "Infinity" in text or "\\u0000" in text):
        import re  # noqa: PLC0415  # few results need it

        # Also inside of strings: a document that says "Infinity" comes back with " null " in its place.
        text = re.sub(r"\bNaN\b|\\*\\u0000|-?Infinity", " null ", text)
    return text


def _base64(value: bytes) -> str:
    from base64 import b64encode  # noqa: PLC0415  # few results need it

    return b64encode(value).decode("ascii")


def _describe(error: BaseException) -> dict[str, Any]:
    import traceback  # noqa: PLC0415  # only a failed job needs it

    # The frames of this program are left out: the script's own are what one wants to see.
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename != __file__]
    description: dict[str, Any] = {
        "message": str(error),
        "name": type(error).__name__,
        "stack": "\n".join(traceback.format_list(own)),
    }
    if error.__dict__:
        description["extra"] = error.__dict__
    if step := os.environ.get("WM_FLOW_STEP_ID"):
        description["step_id"] = step
    return description


def _start_coverage() -> None:
    """Measure this process too when the server itself is being measured."""
    if os.environ.get("COVERAGE_PROCESS_START") or os.environ.get("COVERAGE_PROCESS_CONFIG"):
        import coverage  # noqa: PLC0415  # only while measuring

        coverage.process_startup()


def _write(file: str, text: str) -> None:
    with open(file, "w", encoding="utf-8") as opened:  # noqa: PTH123  # pathlib is not worth its import
        opened.write(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
