"""Which packages Windmill installs for a script.

Windmill infers them on the server, so this is its rules again, read from its source: the packages that a script
imports at the top level, those under a header ``# extra_requirements:``, and the same of every script that it imports.
Which scripts those are is asked of Windmill's own parser (``Script.imports``). When a shared module is deployed again,
Windmill makes the locks of its importers anew by these rules; a package that only a function imports must therefore
stand under the header, or the next deployment of a module would lose it.
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping

from deploy.scripts import Script
from deploy.tools import DeployError

PACKAGES = {
    "psycopg2": "psycopg2-binary",
    "yaml": "pyyaml",
    "PIL": "pillow",
    "docx": "python-docx",
    "pptx": "python-pptx",
}
"""Windmill's names for packages that are called otherwise than their module; the part of its list that is used here."""

_EXTRA = re.compile(r"^# ?extra_requirements:")
_SWITCHES_OFF = re.compile(r"^# ?requirements:|^# /// script")
_ENTRY = re.compile(r"^#\s?(\S+)\s*$")
_NAME = re.compile(r"^[^!=<>~\[ ]+")
_NOT_KNOWN_AS_STANDARD = frozenset({"tomllib"})  # Windmill's list of standard modules is that of Python 3.10


def requirements(path: str, scripts: Mapping[str, Script]) -> tuple[str, ...]:
    """Infer what Windmill installs for one script.

    Args:
        path: The script, such as ``f/chatbot/search``.
        scripts: Every script and shared module by its path.

    Returns:
        The requirements as Windmill hands them to the resolver, sorted: ``name==version``, or a bare name where an
        import is all that is known.

    Raises:
        DeployError: If a file has a header that switches the inference off, or two files pin one package differently.
    """
    pinned: dict[str, str] = {}
    imported: set[str] = set()
    for script in _reachable(path, scripts):
        for requirement in extra_requirements(script):
            name = package_name(requirement)
            if pinned.setdefault(name, requirement) != requirement:
                raise DeployError(f"{script.path}.py asks for {requirement}, another module for {pinned[name]}.")
        imported |= {package_of(module) for module in top_level_modules(script)}
    return tuple(sorted({*pinned.values(), *(imported - pinned.keys())}))


def extra_requirements(script: Script) -> list[str]:
    """Read the header of a file.

    Args:
        script: The file.

    Returns:
        The entries under ``# extra_requirements:``, in order; the first line that is not one word ends them.

    Raises:
        DeployError: If the file has a header that switches Windmill's inference off.
    """
    lines = script.source.splitlines()
    if any(_SWITCHES_OFF.match(line) for line in lines):
        raise DeployError(f"{script.path}.py has a header that switches off the inference of its packages.")
    start = next((number for number, line in enumerate(lines) if _EXTRA.match(line)), None)
    entries: list[str] = []
    for line in lines[start + 1 :] if start is not None else []:
        entry = _ENTRY.match(line)
        if entry is None:
            break
        entries.append(entry[1])
    return entries


def top_level_modules(script: Script) -> set[str]:
    """Collect the foreign modules that a file imports where Windmill looks: at the top level.

    Args:
        script: The file.

    Returns:
        The first parts of their names, without the standard library and without scripts.
    """
    return _foreign(ast.parse(script.source).body)


def all_modules(script: Script) -> set[str]:
    """Collect the foreign modules that a file imports anywhere, inside functions too.

    Args:
        script: The file.

    Returns:
        The first parts of their names, without the standard library and without scripts.
    """
    return _foreign(ast.walk(ast.parse(script.source)))


def package_of(module: str) -> str:
    """Name the package that Windmill installs for a module."""
    return PACKAGES.get(module, module.replace("_", "-"))


def package_name(requirement: str) -> str:
    """Name the package of a requirement such as ``name==1.2``."""
    found = _NAME.match(requirement)
    return found[0] if found else requirement


def _foreign(nodes: "Iterator[ast.AST] | list[ast.stmt]") -> set[str]:
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    roots = {name.partition(".")[0] for name in names}
    return roots - (sys.stdlib_module_names - _NOT_KNOWN_AS_STANDARD) - {"f", "u"}


def _reachable(path: str, scripts: Mapping[str, Script]) -> Iterator[Script]:
    """Follow the imports from a script, itself first; what does not exist is nothing, as for Windmill."""
    pending, seen = [path], set[str]()
    while pending:
        current = pending.pop()
        if current in seen or current not in scripts:
            continue
        seen.add(current)
        yield scripts[current]
        pending.extend(scripts[current].imports)
