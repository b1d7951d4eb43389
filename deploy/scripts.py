"""The scripts of the repository as Windmill's own parsers see them.

``python -m deploy.metadata`` writes what the signatures give, ``python -m deploy.locks`` what the imports give; both
read them here.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.tools import DeployError, node_command, run

PARSER = Path(__file__).with_name("parse_scripts.mjs")


@dataclass(frozen=True, slots=True)
class Argument:
    """One parameter of ``main``.

    Attributes:
        name: Its name.
        type: Windmill's name for its type: a word such as ``int``, or ``{"str": [...]}``, ``{"list": ...}`` and so on.
        default: Its default as JSON; ``None`` without one, too.
        has_default: Whether it has one. A default that the parser cannot read counts as none.
    """

    name: str
    type: Any
    default: Any
    has_default: bool


@dataclass(frozen=True, slots=True)
class Script:
    """A file under ``f/``.

    Attributes:
        path: Windmill's path for it, such as ``f/chatbot/search``.
        source: Its text.
        arguments: The parameters of ``main``, in order.
        is_library: Whether it has no ``main``.
        imports: The paths of the scripts that it imports at the top level, as Windmill follows them.
        has_preprocessor: Whether a trigger's request goes through a function of it first.
    """

    path: str
    source: str
    arguments: tuple[Argument, ...]
    is_library: bool
    imports: tuple[str, ...]
    has_preprocessor: bool = False


def read_scripts(repository: Path) -> dict[str, Script]:
    """Read and parse every script and shared module.

    Args:
        repository: The root of the repository.

    Returns:
        The scripts by their path, sorted.

    Raises:
        DeployError: If node or the parsers are missing, or a file cannot be parsed; the message names the file.
    """
    sources = {
        file.relative_to(repository).with_suffix("").as_posix(): file.read_text(encoding="utf-8")
        for file in sorted((repository / "f").rglob("*.py"))
    }
    return parse_sources(sources)


def parse_sources(sources: dict[str, str]) -> dict[str, Script]:
    """Parse scripts given as text.

    Args:
        sources: The text of each script by its path.

    Returns:
        The scripts by their path, in the order of ``sources``.

    Raises:
        DeployError: If node or the parsers are missing, or a text cannot be parsed; the message names its path.
    """
    process = run([node_command(), str(PARSER)], text=json.dumps(sources))
    if process.returncode != 0:
        raise DeployError(f"Windmill's parsers failed: {process.stderr.strip()}")
    answers: dict[str, Any] = json.loads(process.stdout)
    return {path: _script(path, source, answers[path]) for path, source in sources.items()}


def _script(path: str, source: str, answer: dict[str, Any]) -> Script:
    if "error" in answer:
        raise DeployError(f"{path}.py: {answer['error']}")
    signature = answer["signature"]
    if signature.get("type") == "Invalid":
        raise DeployError(f"{path}.py: Windmill cannot read the signature of main.")
    if signature["star_args"] or signature["star_kwargs"]:
        raise DeployError(f"{path}.py: main takes positional parameters only, no * and no **.")
    for item in signature["args"]:
        if "[" in (item["otyp"] or "") and "|" in item["otyp"]:
            raise DeployError(f"{path}.py: Windmill takes [ and | in the description of {item['name']} for a type.")
    return Script(
        path=path,
        source=source,
        arguments=tuple(
            Argument(item["name"], item["typ"], item["default"], bool(item["has_default"]))
            for item in signature["args"]
        ),
        is_library=signature["auto_kind"] == "lib",
        has_preprocessor=bool(signature.get("has_preprocessor")),
        imports=tuple(answer["imports"]),
    )
