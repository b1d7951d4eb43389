"""The list of guards: read, and checked against the files that it breaks."""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("guards.yaml")


@dataclass(frozen=True, slots=True)
class Change:
    """A text of a file, which occurs there once, and what is put in its place."""

    file: str
    find: str
    put: str

    def apply(self, text: str) -> str:
        """Return a file's text with the change made."""
        return text.replace(self.find, self.put)


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard that is broken.

    Attributes:
        broken: A sentence of what is the case then.
        changes: How it is broken.
        tests: Which tests have to notice: paths or node ids.
    """

    broken: str
    changes: tuple[Change, ...]
    tests: tuple[str, ...]


def read_guards(source: Path = LIST) -> list[Guard]:
    """Read the list."""
    return [_guard(entry) for entry in yaml.safe_load(source.read_text(encoding="utf-8"))]


def stale(guards: list[Guard], repository: Path = REPOSITORY) -> list[str]:
    """Tell what in the list does not fit the files any more: a sentence each."""
    found = []
    for guard in guards:
        for change in guard.changes:
            path = repository / change.file
            times = path.read_text(encoding="utf-8").count(change.find) if path.exists() else 0
            if times != 1:
                found.append(f"{guard.broken}: the text occurs {times} times in {change.file}: {change.find!r}")
        found += [f"{guard.broken}: there is no test {test}" for test in guard.tests if not _exists(test, repository)]
        if not guard.tests:
            found.append(f"{guard.broken}: no test is named")
    sentences = [guard.broken for guard in guards]
    found += [f"{sentence}: is there twice" for sentence in {s for s in sentences if sentences.count(s) > 1}]
    return found


def _guard(entry: dict[str, Any]) -> Guard:
    """Give an entry its types; one with a single change has it at the top."""
    changes = entry.get("changes") or [entry]
    return Guard(
        entry["broken"],
        tuple(Change(change["file"], change["find"], change["put"]) for change in changes),
        tuple(entry["tests"]),
    )


def _exists(test: str, repository: Path) -> bool:
    """Tell whether there is a test of this path or node id, whatever its parameters."""
    file, _, name = test.partition("::")
    path = repository / file
    if not path.exists():
        return False
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return not name or name.partition("[")[0] in functions
