"""Program of ``test_entrypoint_override``: calls every callable of modules, as Windmill does with an override.

``python call_everything.py <modules> <arguments as JSON>`` prints a line of JSON for each call: what it gave or raised,
and what it wrote. Each call runs in a process of its own, forked when the module has been imported, with the token of
a job that may read everything. The module that refuses to be run as a script is told another path, so that what stands
behind that refusal is tried too.
"""

import contextlib
import importlib
import inspect
import io
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

SECONDS_PER_CALL = 5


def outcome(function: Callable[..., Any], arguments: dict[str, Any]) -> str:
    """Call a function and describe what came of it, as a job's result and log would show it."""
    written = io.StringIO()
    with contextlib.redirect_stdout(written), contextlib.redirect_stderr(written):
        try:
            result = function(**arguments)
            if inspect.isgenerator(result):
                result = list(result)
            text = json.dumps(result, default=str)
        except BaseException as error:  # noqa: BLE001 -- whatever is raised is what a caller would be told
            text = f"{type(error).__name__}: {error} {error.__dict__}"
    return text + written.getvalue()


def chosen(function: Callable[..., Any], offered: dict[str, Any]) -> dict[str, Any]:
    """Choose the arguments that a function knows, and make up those that are not offered."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return {p.name: offered.get(p.name, offered["*"]) for p in named if p.name in offered or p.default is p.empty}


def in_child(work: Callable[[], str]) -> str:
    """Do something in a forked process and return what it gave."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        signal.alarm(SECONDS_PER_CALL)
        with os.fdopen(write, "w") as pipe:
            pipe.write(work())
            pipe.flush()
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text


def main(modules: list[str], offered: dict[str, Any]) -> None:
    """Call everything of the modules, once each: without arguments, and with those that fit."""
    called: set[int] = set()
    for module in modules:
        imported = importlib.import_module(module)
        for name, value in sorted(vars(imported).items()):
            if name.startswith("__") or name == "main" or not callable(value) or id(value) in called:
                continue
            called.add(id(value))
            for arguments in ({}, chosen(value, offered)):
                text = in_child(lambda value=value, arguments=arguments: outcome(value, arguments))  # type: ignore[misc]
                line = json.dumps({"module": module, "name": name, "arguments": [*arguments], "text": text})
                sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), json.loads(sys.argv[2]))
