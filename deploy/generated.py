"""Files below ``f/`` that are written from the scripts, and can be checked against them."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from deploy.tools import REPOSITORY, DeployError


def to_yaml(content: dict[str, Any]) -> str:
    """Write a mapping as YAML that a person can read: in its own order, texts of several lines as blocks."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Repeat values instead of using YAML's anchors, which not every reader of these files knows."""
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def write_files(folder: Path, files: dict[Path, str], suffix: str, *, check: bool) -> list[Path]:
    """Write generated files, or only compare them.

    Args:
        folder: Where files of this kind stand, at any depth.
        files: The text of each file that there should be.
        suffix: The ending that tells generated files of this kind; such a file that is not in ``files`` is stale.
        check: Change nothing.

    Returns:
        The files that differed from what they should be, stale ones last; without ``check`` they have been put right.
    """
    stale = [file for file in sorted(folder.rglob(f"*{suffix}")) if file not in files]
    changed = [file for file, text in files.items() if not file.is_file() or file.read_text(encoding="utf-8") != text]
    if not check:
        for file in stale:
            file.unlink()
        for file in changed:
            file.write_text(files[file], encoding="utf-8")
    return changed + stale


def generate(
    what: str, make: Callable[[Path], dict[Path, str]], suffix: str, arguments: list[str] | None = None
) -> int:
    """Run a generator as a program.

    Args:
        what: What it writes, for its help.
        make: Gives the text of each file for the root of the repository.
        suffix: The ending of the files.
        arguments: The command line; that of the process when it is not given.

    Returns:
        The exit status: 1 when ``--check`` found a difference, or a script is not as it should be.
    """
    parser = argparse.ArgumentParser(description=f"Write {what} from the scripts themselves.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail when a file would change")
    options = parser.parse_args(arguments)
    try:
        changed = write_files(REPOSITORY / "f", make(REPOSITORY), suffix, check=options.check)
    except DeployError as error:
        print(error, file=sys.stderr)
        return 1
    for file in changed:
        print(f"{'differs' if options.check else 'written'}: {file.relative_to(REPOSITORY)}")
    return 1 if options.check and changed else 0
