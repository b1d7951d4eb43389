"""Bring the collection to a Windmill server: ``python -m deploy.push``, or ``make deploy``.

In this order: wait for the server; install or upgrade the schema, when the database can be reached from here; lay out
the build folder; let Windmill's own command line check and push it; set variables and resources from the environment;
switch the schedules on; ask a question. With ``--dry-run`` nothing is changed anywhere, and what would be is printed.

Everything is read from the environment (``deploy/example.env`` lists it), and no secret leaves it but in a request to
the server: the command line gets the token as ``WM_TOKEN`` in its environment, which other users cannot read, and never
as an argument, which they can; its settings folder is an empty temporary one, so it neither finds a profile of the
person who deploys nor stores one; and whatever it prints is cleaned of every secret before it is shown.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg2
import yaml

from deploy.credentials import apply_change, plan_changes, secrets_of
from deploy.layout import BuildFolder, lay_out
from deploy.server import WAIT_SECONDS, WindmillServer
from deploy.smoke import ask_smoke_question
from deploy.tools import REPOSITORY, DeployError, run, wmill_command
from sql.install import InstallError, install

BUILD_FOLDER = REPOSITORY / ".build" / "windmill"
DEFAULT_WORKSPACE = "family-brain"
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "NODE_EXTRA_CA_CERTS")
"""What the command line gets of this environment: nothing that is secret."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where to deploy to, and with what.

    Attributes:
        url: The server's address.
        workspace: The workspace's id.
        token: A token of one of its administrators.
        environment: Everything else that the deployment may set.
        dry_run: Change nothing.
    """

    url: str
    workspace: str
    token: str = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    dry_run: bool = False


def read_environment(environment: Mapping[str, str], *, dry_run: bool = False) -> Deployment:
    """Read where to deploy to.

    Args:
        environment: The environment of the process.
        dry_run: Change nothing.

    Returns:
        The deployment.

    Raises:
        DeployError: If something is missing; the message names all of it.
    """
    needed = ["WINDMILL_URL", "WM_TOKEN"]
    if environment.get("DATABASE_ADMIN_URL"):
        needed += ["KNOWLEDGE_APP_PASSWORD", "KNOWLEDGE_OPERATOR_PASSWORD"]
    missing = [name for name in needed if not environment.get(name, "").strip()]
    if missing:
        raise DeployError(f"Set {', '.join(missing)} in the environment; deploy/example.env says what they are.")
    if not environment["WINDMILL_URL"].startswith(("http://", "https://")):
        raise DeployError("WINDMILL_URL must begin with http:// or https://.")
    return Deployment(
        url=environment["WINDMILL_URL"].rstrip("/"),
        workspace=environment.get("WM_WORKSPACE") or DEFAULT_WORKSPACE,
        token=environment["WM_TOKEN"].strip(),
        environment=environment,
        dry_run=dry_run,
    )


def deploy(deployment: Deployment, *, wait_seconds: float = WAIT_SECONDS, ask: bool = True) -> None:
    """Deploy, and print what is done.

    Args:
        deployment: Where to, and with what.
        wait_seconds: How long to wait for the server.
        ask: Ask the smoke question at the end.

    Raises:
        DeployError: If a step fails. What was done before it stays; a repeat goes on.
    """
    with WindmillServer(deployment.url, deployment.workspace, deployment.token) as server:
        version = server.wait(wait_seconds)
        print(f"server     Windmill {version} at {deployment.url}")
        print(f"workspace  {deployment.workspace}, as {server.check_access()}")
        _install_schema(deployment)
        build = lay_out(REPOSITORY, BUILD_FOLDER)
        print(f"build      {len(build.files)} files in {BUILD_FOLDER.relative_to(REPOSITORY)}")
        print(sync_push(deployment, build))
        for change in plan_changes(REPOSITORY, deployment.environment, server):
            if not deployment.dry_run:
                apply_change(change, server)
            print(f"{change.kind:10} {change.path}: {change.reason}{' (not set)' if deployment.dry_run else ''}")
        _enable_schedules(deployment, server)
        if ask and not deployment.dry_run:
            report = ask_smoke_question(server)
            print(f"smoke      health {report.health}; answered with {report.citations} citation(s): {report.answer}")
    print("done, nothing was changed" if deployment.dry_run else "done")


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
                    "BASE_URL": deployment.url,
                    "BASE_INTERNAL_URL": deployment.url,
                    "WM_WORKSPACE": deployment.workspace,
                    "WM_TOKEN": deployment.token,
                    "WMILL_CONFIG_DIR": settings,
                    "GIT_CEILING_DIRECTORIES": str(build.folder.parent),
                    "NO_COLOR": "1",
                },
                inherited=INHERITED,
            )
            output = without_secrets(process.stdout + process.stderr, deployment.environment)
            if process.returncode != 0:
                raise DeployError(f"wmill {' '.join(arguments)} failed:\n{output.strip()}")
            if arguments[0] == "sync":
                said += [f"wmill      {line}" for line in output.splitlines() if line.strip()]
    return "\n".join(said)


def without_secrets(text: str, environment: Mapping[str, str]) -> str:
    """Replace every secret value of an environment in a text."""
    for secret in secrets_of(environment):
        text = text.replace(secret, "***")
    return text


def _install_schema(deployment: Deployment) -> None:
    environment = deployment.environment
    if not environment.get("DATABASE_ADMIN_URL"):
        print("schema     not installed from here, since DATABASE_ADMIN_URL is not set")
    elif deployment.dry_run:
        print("schema     would be installed or upgraded")
    else:
        try:
            report = install(
                environment["DATABASE_ADMIN_URL"],
                app_password=environment["KNOWLEDGE_APP_PASSWORD"],
                operator_password=environment["KNOWLEDGE_OPERATOR_PASSWORD"],
            )
        except (InstallError, psycopg2.Error) as error:
            told = without_secrets(str(error).strip(), environment)
            raise DeployError(f"The schema was not installed, nothing has changed: {told}") from None
        print(f"schema     {report.schema_version}, {len(report.applied)} migration(s) applied")


def _enable_schedules(deployment: Deployment, server: WindmillServer) -> None:
    """Switch on every schedule whose file says so; a push leaves one off that a person has switched off."""
    for file in sorted((REPOSITORY / "flows").rglob("schedule.yaml")):
        path = f"f/{file.parent.relative_to(REPOSITORY / 'flows').as_posix()}"
        if not yaml.safe_load(file.read_text(encoding="utf-8"))["enabled"]:
            continue
        known = server.schedule(path)
        if known is not None and known.get("enabled"):
            state = "is enabled"
        elif deployment.dry_run:
            state = "would be enabled"
        else:
            server.enable_schedule(path)
            state = "enabled"
        print(f"schedule   {path} {state}")


def main(arguments: list[str] | None = None) -> int:
    """Deploy from the command line.

    Args:
        arguments: The command line; that of the process when it is not given.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(description="Bring the collection to a Windmill server.")
    parser.add_argument("--dry-run", action="store_true", help="change nothing; show what would be changed")
    parser.add_argument("--wait-seconds", type=float, default=WAIT_SECONDS, help="how long to wait for the server")
    parser.add_argument("--no-question", action="store_true", help="do not ask the smoke question at the end")
    options = parser.parse_args(arguments)
    try:
        deployment = read_environment(os.environ, dry_run=options.dry_run)
        deploy(deployment, wait_seconds=options.wait_seconds, ask=not options.no_question)
    except DeployError as error:
        print(without_secrets(str(error), os.environ), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
