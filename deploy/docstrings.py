"""Read what a person wrote in a Google docstring, for the forms that Windmill makes of it."""

import ast
import inspect
import re
from dataclasses import dataclass

_SECTION = re.compile(r"^(Args|Returns|Raises|Yields|Attributes|Examples?|Notes?|Warnings?):$")
_ENTRY = re.compile(r"^(?P<name>\*{0,2}\w+)(?: \([^)]*\))?:(?: (?P<text>.*))?$")
_LITERAL = re.compile(r"``([^`]+)``")


@dataclass(frozen=True, slots=True)
class Documentation:
    """What the docstrings of a script say.

    Attributes:
        summary: The first line of the module's docstring, without its full stop.
        description: The rest of the module's docstring, as Markdown.
        parameters: What ``Args:`` of ``main`` says about each parameter, each on one line.
    """

    summary: str
    description: str
    parameters: dict[str, str]


def read_documentation(source: str) -> Documentation:
    """Collect the documentation of a script.

    Args:
        source: The text of the script.

    Returns:
        Its documentation; empty texts where nothing is written.
    """
    module = ast.parse(source)
    summary, _, rest = (ast.get_docstring(module) or "").partition("\n")
    main = next((node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == "main"), None)
    return Documentation(
        summary=_markdown(summary).rstrip("."),
        description=_markdown(rest.strip()),
        parameters=_parameters(ast.get_docstring(main) or "") if main else {},
    )


def _markdown(text: str) -> str:
    """Turn the literals of docstrings into those of Markdown, which Windmill shows."""
    return _LITERAL.sub(r"`\1`", text)


def _parameters(docstring: str) -> dict[str, str]:
    """Read the entries of ``Args:``; the lines that continue an entry are indented deeper than its name."""
    entries: dict[str, list[str]] = {}
    current: list[str] | None = None
    inside = False
    for line in inspect.cleandoc(docstring).splitlines():
        if _SECTION.match(line):
            inside, current = line == "Args:", None
        elif not inside or not line.strip():
            continue
        elif not line.startswith(" "):
            inside = False
        elif line.startswith("     ") and current is not None:
            current.append(line.strip())
        elif entry := _ENTRY.match(line.strip()):
            current = [entry["text"] or ""]
            entries[entry["name"]] = current
    return {name: _markdown(" ".join(lines).strip()) for name, lines in entries.items()}
