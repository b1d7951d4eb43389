"""Rules of the house that hold for every script and shared module, also for those that are still to be written."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(
    path.relative_to(REPOSITORY)
    for folder in ("chatbot", "operations")
    for path in (REPOSITORY / "f" / folder).glob("*.py")
)
SHARED = sorted(path.relative_to(REPOSITORY) for path in (REPOSITORY / "f" / "core").glob("*.py"))


PREPROCESSED = {Path("f/chatbot/serve_calendar_feed.py")}
"""Scripts whose arguments come from a request by an HTTP trigger; what their preprocessor gives away is attacked."""


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_a_script_defines_no_function_but_main(script: Path) -> None:
    """Windmill hands arguments to any function that a script's file defines, when a caller names it."""
    tree = ast.parse((REPOSITORY / script).read_text(encoding="utf-8"))

    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    assert defined == (["preprocessor", "main"] if script in PREPROCESSED else ["main"])


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_what_a_script_returns_is_passed_on_to_the_letter(script: Path) -> None:
    """Otherwise Windmill writes null for the words NaN and Infinity, in titles and quotes too."""
    assert (REPOSITORY / script).read_text(encoding="utf-8").startswith("# skip_result_postprocessing\n")


@pytest.mark.parametrize("module", SHARED, ids=str)
def test_a_shared_module_refuses_to_run_as_a_script(module: Path) -> None:
    """Otherwise a caller could name any of its functions, with secrets as arguments."""
    path = str(module.with_suffix(""))
    program = f"import importlib; importlib.import_module({path.replace('/', '.')!r})"
    environment = {**os.environ, "WM_JOB_PATH": path, "PYTHONPATH": str(REPOSITORY)}

    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 1
    assert "none of them is a script" in ended.stderr


@pytest.mark.parametrize("module", [*SCRIPTS, *SHARED], ids=str)
def test_only_shared_modules_import_what_is_not_ours(module: Path) -> None:
    tree = ast.parse((REPOSITORY / module).read_text(encoding="utf-8"))
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }

    foreign = {name for name in imported if name.split(".")[0] not in {*sys.stdlib_module_names, "f"}}
    scripts = {name for name in imported if name.startswith("f.") and not name.startswith("f.core.")}

    assert not scripts, "scripts do not import each other"
    if module in SCRIPTS:
        assert not foreign
