"""Windmill's own command line, run so that it checks and pushes the build folder and never shows a secret.

The command line gets the token as ``WM_TOKEN`` in its environment, which other users cannot read, and never as an
argument, which they can. Its settings folder is an empty temporary one, so it neither finds a profile of the person who
deploys nor stores one. Whatever it prints is cleaned of every secret.
"""

import re
import tempfile

from deploy.environment import Deployment, without_secrets
from deploy.layout import BuildFolder
from deploy.tools import DeployError, run, wmill_command

INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "NODE_EXTRA_CA_CERTS")
"""What the command line gets of this process's environment: nothing that is secret."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def sync_push(deployment: Deployment, build: BuildFolder) -> str:
    """Run Windmill's own checks and ``wmill sync push`` over the build folder.

    Args:
        deployment: Where to push to.
        build: The folder.

    Returns:
        What ``wmill`` said, without any secret.

    Raises:
        DeployError: If a check or the push fails.
    """
    said: list[str] = []
    with tempfile.TemporaryDirectory(prefix="wmill-") as settings:  # made with mode 0700
        for arguments in (
            # Notes the checksums of metadata and locks, so that the push does not call them stale.
            ["generate-metadata", "rehash"],
            ["lint", "--locks-required"],
            ["sync", "push", "--skip-branch-validation", "--dry-run" if deployment.dry_run else "--yes"],
        ):
            process = run(
                [*wmill_command(), *arguments],
                folder=build.folder,
                environment={
                    "BASE_INTERNAL_URL": deployment.url,
                    "WM_WORKSPACE": deployment.workspace,
                    "WM_TOKEN": deployment.token,
                    "WMILL_CONFIG_DIR": settings,
                    "GIT_CEILING_DIRECTORIES": str(build.folder.parent),
                },
                inherited=INHERITED,
            )
            output = _COLOUR.sub("", without_secrets(process.stdout + process.stderr, deployment.environment))
            if process.returncode != 0:
                raise DeployError(f"wmill {' '.join(arguments)} failed:\n{output.strip()}")
            if arguments[0] == "sync":
                said += [f"wmill      {line}" for line in output.splitlines() if line.strip()]
    return "\n".join(said)
