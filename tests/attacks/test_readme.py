"""README lists every attack with its test, and no test that is not there."""

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent


def test_readme_names_every_attack_and_nothing_else() -> None:
    tests = {
        (file.name, node.name)
        for file in HERE.glob("test_*.py")
        if file.name != Path(__file__).name
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    named: set[tuple[str, str]] = set()
    file = ""
    for line in (HERE / "README.md").read_text(encoding="utf-8").splitlines():
        heading = re.search(r"^## .*`(test_\w+\.py)`", line)
        file = heading[1] if heading else file
        named |= {(file, name) for name in re.findall(r"`(test_\w+)`", line)}

    assert named == tests
