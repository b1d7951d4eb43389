"""What Windmill's parser reads from the source of a script: the parameters of ``main``, and which have a default.

Module of the stand-in for Windmill. The parser never runs the script. It takes a default into account only when it is
a plain literal or a call: with ``-1``, a name, a tuple or an f-string the parameter counts as required, and a missing
value arrives as None.
"""

import ast
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Any

_TAKEN_AS_DEFAULT = (ast.Constant, ast.List, ast.Dict, ast.Call)
_CONVERTED_TYPES = ("bytes", "datetime", "date")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.

    Attributes:
        name: As in the source.
        has_default: Whether a missing value is left to Python's default; otherwise it arrives as None.
        converted_to: ``bytes`` (from base64), ``datetime`` or ``date`` (from ISO 8601), or empty.
    """

    name: str
    has_default: bool
    converted_to: str


@dataclass(frozen=True, slots=True)
class Signature:
    """How a function of a script is called.

    Attributes:
        parameters: In the order of the source; keyword-only ones are not known to Windmill.
        takes_any: The function has ``**kwargs`` and gets every argument as it came.
    """

    parameters: tuple[Parameter, ...]
    takes_any: bool

    def as_json(self) -> dict[str, Any]:
        """Give the form in which the job's process reads it."""
        return {
            "takes_any": self.takes_any,
            "parameters": [[one.name, one.has_default, one.converted_to] for one in self.parameters],
        }


def signature_of(file: Path, function: str) -> Signature:
    """Read the signature of a function; a name that the file does not define itself has no parameters.

    Args:
        file: The script's source.
        function: Usually ``main``.

    Raises:
        SyntaxError: When the source is not Python.
    """
    status = file.stat()
    return _read(file, function, status.st_mtime_ns, status.st_size)


def annotations_of(file: Path) -> set[str]:
    """Read the words that a script's leading comments consist of, by which it asks for special treatment."""
    lines = file.read_text(encoding="utf-8").splitlines()
    leading = takewhile(lambda line: line.startswith("#"), lines)
    return {word for line in leading for word in line.lstrip("# ").split()}


@lru_cache(maxsize=256)
def _read(file: Path, function: str, _modified_ns: int, _size: int) -> Signature:
    """Parse a file; the last two arguments make an edited file a new key of the cache."""
    for node in ast.parse(file.read_bytes(), str(file)).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function:
            return _signature(node.args)
    return Signature((), takes_any=False)


def _signature(arguments: ast.arguments) -> Signature:
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    defaults += arguments.defaults
    parameters = tuple(
        Parameter(one.arg, isinstance(default, _TAKEN_AS_DEFAULT), _converted_to(one.annotation))
        for one, default in zip(positional, defaults, strict=True)
    )
    return Signature(parameters, takes_any=arguments.kwarg is not None)


def _converted_to(annotation: ast.expr | None) -> str:
    """Name the type that the wrapper converts to, also when the annotation is ``that type | None``."""
    if isinstance(annotation, ast.BinOp):
        annotation = annotation.left
    if isinstance(annotation, ast.Subscript) and isinstance(annotation.value, ast.Name):
        annotation = annotation.slice if annotation.value.id == "Optional" else annotation
    if isinstance(annotation, ast.Attribute):
        return annotation.attr if annotation.attr in _CONVERTED_TYPES else ""
    if isinstance(annotation, ast.Name):
        return annotation.id if annotation.id in _CONVERTED_TYPES else ""
    return ""
