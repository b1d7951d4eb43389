"""The programs that a deployment runs, and how their absence is told.

Everything is pinned: the npm packages in ``package-lock.json``, ``uv`` in ``requirements.txt``. Nothing here looks for
a program that happens to be installed elsewhere, apart from ``node`` itself.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
"""The root of the repository that this file belongs to."""

NODE_MODULES = REPOSITORY / "node_modules"


class DeployError(Exception):
    """Something that a person has to put right before the deployment can go on; the message says what."""


def node_command() -> str:
    """Find Node.js.

    Returns:
        The path of the ``node`` program.

    Raises:
        DeployError: If there is no ``node``, or the pinned packages are not installed.
    """
    node = shutil.which("node")
    if node is None:
        raise DeployError("node is not installed; Windmill's command line and checks need Node.js 20 or later.")
    if not (NODE_MODULES / "windmill-cli").is_dir():
        raise DeployError("Windmill's npm packages are not installed; run `npm ci` in the repository.")
    return node


def wmill_command() -> list[str]:
    """Tell how the pinned Windmill command line is started.

    Returns:
        The first words of a command line.

    Raises:
        DeployError: If ``node`` or the pinned packages are missing.
    """
    return [node_command(), str(NODE_MODULES / "windmill-cli" / "esm" / "main.js")]


def uv_command() -> list[str]:
    """Tell how the pinned ``uv`` is started: as a module of this interpreter's environment."""
    return [sys.executable, "-m", "uv"]


def run(
    command: Sequence[str],
    *,
    folder: Path = REPOSITORY,
    text: str | None = None,
    environment: Mapping[str, str] | None = None,
    inherited: Iterable[str] | None = None,
    timeout_seconds: float = 300,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and keep what it says.

    Args:
        command: The program and its arguments. A secret never belongs here: other users of the machine can read it.
        folder: The working directory.
        text: What the program reads on its standard input; without it, that is empty, so nothing can wait for a person.
        environment: Variables to set beside those of this process.
        inherited: The variables of this process that the program gets; without it, all of them.
        timeout_seconds: How long it may take.

    Returns:
        The finished process, whatever its exit status.

    Raises:
        DeployError: If the program cannot be started or does not end in time.
    """
    kept = os.environ if inherited is None else {name: os.environ[name] for name in inherited if name in os.environ}
    try:
        return subprocess.run(
            command,
            cwd=folder,
            input=text or "",
            env={**kept, **(environment or {})},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout_seconds,
            check=False,
        )
    except FileNotFoundError as error:
        raise DeployError(f"{command[0]} cannot be started.") from error
    except subprocess.TimeoutExpired as error:
        raise DeployError(f"{Path(command[0]).name} did not end within {timeout_seconds:g} seconds.") from error
