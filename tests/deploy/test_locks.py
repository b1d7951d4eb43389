"""The locks: which packages Windmill infers for a script, and that the committed locks hold them and nothing else."""

import ast
import re
from pathlib import Path

import pytest

from deploy import locks
from deploy.imports import all_modules, extra_requirements, package_name, package_of, requirements, top_level_modules
from deploy.scripts import Script, parse_sources, read_scripts
from deploy.tools import REPOSITORY, DeployError
from tests.support.node import needs_node

pytestmark = needs_node

SOURCES = {
    "f/chatbot/search": '"""Search."""\n\nfrom f.core.face import find\n\n\ndef main(query: str):\n    find(query)\n',
    "f/core/face": (
        '"""Face."""\n\n# extra_requirements:\n# psycopg2-binary==2.9.13\n# wmill==1.850.0\n\n'
        "import json\n\nfrom f.core.models import ask\n\n\ndef find(query):\n    import psycopg2\n    ask(query)\n"
    ),
    "f/core/models": (
        '"""Models."""\n\nfrom __future__ import annotations\n\n# extra_requirements:\n# wmill==1.850.0\n\n'
        "import wmill\nfrom f.core.face import find\n\n\ndef ask(query):\n    return find(query)\n"
    ),
    "f/core/plain": '"""Plain."""\n\nimport re\nfrom collections.abc import Mapping\n',
}


@pytest.fixture(scope="module")
def scripts() -> dict[str, Script]:
    return parse_sources(SOURCES)


@pytest.fixture(scope="module")
def ours() -> dict[str, Script]:
    return read_scripts(REPOSITORY)


def script(source: str) -> Script:
    return Script(path="f/core/x", source=source, arguments=(), is_library=True, imports=())


def test_headers_and_imports_of_everything_that_is_imported_count(scripts: dict[str, Script]) -> None:
    assert requirements("f/chatbot/search", scripts) == ("psycopg2-binary==2.9.13", "wmill==1.850.0")
    assert requirements("f/core/models", scripts) == ("psycopg2-binary==2.9.13", "wmill==1.850.0")
    assert requirements("f/core/plain", scripts) == ()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("# extra_requirements:\n# a==1\n#b==2\n\n# c==3\n", ["a==1", "b==2"]),
        ("#extra_requirements:\n# a==1\nimport os\n", ["a==1"]),
        ("# extra_requirements:\n# a==1\n# two words\n# b==2\n", ["a==1"]),
        ("# extra_requirements:\n#\n# a==1\n", []),
        ("X = 1\n", []),
    ],
)
def test_a_header_ends_at_the_first_line_that_is_not_one_word(source: str, expected: list[str]) -> None:
    assert extra_requirements(script(source)) == expected


@pytest.mark.parametrize("header", ["# requirements:", "#requirements:", "# /// script"])
def test_a_header_that_switches_the_inference_off_is_refused(header: str) -> None:
    with pytest.raises(DeployError, match="switches off"):
        extra_requirements(script(f"{header}\n# a==1\n"))


def test_only_imports_at_the_top_level_are_seen_by_windmill() -> None:
    lazy = script("import a.b\nfrom c_d import e\nimport os, tomllib\nif True:\n    import g\ndef h():\n    import i\n")
    assert top_level_modules(lazy) == {"a", "c_d", "tomllib"}
    assert all_modules(lazy) == {"a", "c_d", "tomllib", "g", "i"}
    assert [package_of(name) for name in ("psycopg2", "c_d")] == ["psycopg2-binary", "c-d"]


def test_two_pins_for_one_package_are_refused() -> None:
    sources = {
        "f/core/a": "# extra_requirements:\n# x==1\n\nimport f.core.b\n",
        "f/core/b": "# extra_requirements:\n# x==2\n",
    }
    with pytest.raises(DeployError, match=r"x==2.*x==1"):
        requirements("f/core/a", parse_sources(sources))


@pytest.mark.parametrize("requirement", ["x-y==1", "x-y>=1", "x-y[z]==1", "x-y"])
def test_the_name_of_a_requirement(requirement: str) -> None:
    assert package_name(requirement) == "x-y"


def test_the_committed_locks_are_what_uv_makes_of_what_windmill_infers() -> None:
    assert locks.main(["--check"]) == 0


def test_the_committed_locks_hold_versions_and_no_address_and_no_path() -> None:
    files = sorted((REPOSITORY / "f").rglob("*.script.lock"))
    assert files
    for file in files:
        header, *lines = file.read_text(encoding="utf-8").splitlines()
        assert header == f"# py: {locks.PYTHON_VERSION}"
        assert [line for line in lines if not re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.]*", line)] == [], file
        assert lines == sorted(lines, key=package_name), file


def test_every_package_that_a_script_may_import_is_in_its_lock(ours: dict[str, Script]) -> None:
    """Also what is imported in functions, and by shared modules that are themselves imported in functions."""
    for path in (path for path, found in ours.items() if not found.is_library):
        lock = (REPOSITORY / f"{path}.script.lock").read_text(encoding="utf-8")
        locked = {package_name(line) for line in lock.splitlines()[1:]}
        needed = {package_of(module) for other in reached_anyhow(path, ours) for module in all_modules(ours[other])}
        assert needed <= locked, path


def reached_anyhow(path: str, scripts: dict[str, Script]) -> set[str]:
    """Follow every import of scripts, in functions too."""
    seen: set[str] = set()
    pending = [path]
    while pending:
        current = pending.pop()
        if current in seen:
            continue
        seen.add(current)
        for node in ast.walk(ast.parse(scripts[current].source)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            pending += [found for name in names if (found := name.replace(".", "/")) in scripts]
    return seen


def test_every_requirement_of_a_script_is_pinned_as_in_requirements_txt(ours: dict[str, Script]) -> None:
    pins = locks.direct_pins(REPOSITORY)
    assert "psycopg2-binary==2.9.13" in pins
    for path in ours:
        assert set(requirements(path, ours)) <= pins, path


def test_scripts_name_no_package_themselves(ours: dict[str, Script]) -> None:
    for path, found in ours.items():
        if not path.startswith("f/core/"):
            assert (extra_requirements(found), all_modules(found)) == ([], set()), path


def test_an_unpinned_package_stops_the_locks(tmp_path: Path) -> None:
    (tmp_path / "f/core").mkdir(parents=True)
    (tmp_path / "f/core/a.py").write_text('"""A."""\n\nimport wmill\n')
    (tmp_path / "requirements.txt").write_text("wmill==1.850.0  # who uses it\n")
    with pytest.raises(DeployError, match=r"f/core/a needs wmill; .* requirements\.txt"):
        locks.lock_files(tmp_path)


def test_what_cannot_be_resolved_is_told(tmp_path: Path) -> None:
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("httpx==0.28.1\n")
    with pytest.raises(DeployError, match=r"uv cannot resolve httpx==0\.27\.0"):
        locks.resolve(("httpx==0.27.0",), constraints)
