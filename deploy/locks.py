"""Write the ``.script.lock`` beside every script: the packages that its jobs install, each with one version.

A lock is what ``uv pip compile`` makes of the requirements that Windmill infers (``deploy.imports``), held to the
versions in ``constraints.txt``. Windmill uses a lock that is there as it is, so a job in production runs with the
versions that were tested here::

    python -m deploy.locks
    python -m deploy.locks --check
"""

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy.generated import generate
from deploy.imports import requirements
from deploy.scripts import read_scripts
from deploy.tools import DeployError, run, uv_command

PYTHON_VERSION = "3.12"
"""The Python of Windmill's workers; the first line of a lock names it."""

PLATFORM = "x86_64-unknown-linux-gnu"
"""What the workers run on. It is fixed, so that a lock does not depend on the machine that makes it."""

_LOCKED = re.compile(r"^[a-z0-9][a-z0-9.-]*==[^\s;]+$")


def lock_files(repository: Path) -> dict[Path, str]:
    """Make the lock of every script and shared module.

    Args:
        repository: The root of the repository.

    Returns:
        The text of each ``.script.lock`` by its path.

    Raises:
        DeployError: If the packages cannot be resolved, a script cannot be parsed, or a package that is pinned in
            ``requirements.txt`` is asked for with another version or with none.
    """
    scripts = read_scripts(repository)
    pins = direct_pins(repository)
    needs = {path: requirements(path, scripts) for path in scripts}
    for path, needed in needs.items():
        unpinned = [requirement for requirement in needed if requirement not in pins]
        if unpinned:
            raise DeployError(
                f"{path} needs {', '.join(unpinned)}; the module that imports a package must name it under "
                "`# extra_requirements:` with the version that requirements.txt gives it."
            )
    distinct = sorted(set(needs.values()))
    constraints = repository / "constraints.txt"
    with ThreadPoolExecutor(max_workers=4) as threads:  # each waits for the package index most of the time
        locks = dict(zip(distinct, threads.map(lambda needed: resolve(needed, constraints), distinct), strict=True))
    return {repository / f"{path}.script.lock": locks[needed] for path, needed in needs.items()}


def direct_pins(repository: Path) -> frozenset[str]:
    """Read the packages that ``requirements.txt`` pins, as ``name==version``."""
    lines = (repository / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(pin for line in lines if (pin := line.partition("#")[0].strip()))


def resolve(needed: tuple[str, ...], constraints: Path) -> str:
    """Resolve requirements into a lock.

    Args:
        needed: The requirements.
        constraints: The file that fixes the versions of everything, of indirect packages too.

    Returns:
        The lock: the Python version, then a line ``name==version`` for each package, sorted. It names no index and no
        path, because it is the same for everybody.

    Raises:
        DeployError: If there is no solution, or uv fails otherwise.
    """
    header = f"# py: {PYTHON_VERSION}\n"
    if not needed:
        return header
    command = [*uv_command(), "pip", "compile", "-", "--quiet", "--no-header", "--no-annotate"]
    command += ["--python-version", PYTHON_VERSION, "--python-platform", PLATFORM, "--constraints", str(constraints)]
    command += ["--python", sys.executable, "--no-python-downloads"]  # no search for a Python that is not needed
    process = run(command, text="\n".join(needed))
    if process.returncode != 0:
        raise DeployError(f"uv cannot resolve {', '.join(needed)}:\n{process.stderr.strip()}")
    lines = process.stdout.splitlines()
    strange = [line for line in lines if not _LOCKED.match(line)]
    if strange:
        raise DeployError(f"A lock holds only name==version, not {strange[0]!r}.")
    return header + "".join(f"{line}\n" for line in lines)


def main(arguments: list[str] | None = None) -> int:
    """Write or check the locks.

    Args:
        arguments: The command line; that of the process when it is not given.

    Returns:
        The exit status: 1 when ``--check`` found a difference or a script is not as it should be.
    """
    return generate("the .script.lock of every script", lock_files, ".script.lock", arguments)


if __name__ == "__main__":
    sys.exit(main())
