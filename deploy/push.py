"""Bring the collection to a Windmill server: ``python -m deploy.push``, or ``make deploy``.

In this order: wait for the server; install or upgrade the schema, when the database can be reached from here; lay out
the build folder; let Windmill's own command line check and push it; set variables and resources from the environment;
switch the schedules on; ask a question. With ``--dry-run`` nothing is changed anywhere, and what would be is printed.

Everything is read from the environment (``deploy/example.env`` lists it), and no secret leaves it but in a request to
the server: none is written to a file, shown, or given to a program as an argument.
"""

import argparse
import os
import sys

import psycopg2
import yaml

from deploy.credentials import apply_change, plan_changes, read_values
from deploy.environment import Deployment, read_environment, without_secrets
from deploy.layout import lay_out
from deploy.server import WAIT_SECONDS, WindmillServer
from deploy.smoke import ask_smoke_question
from deploy.sync import sync_push
from deploy.tools import REPOSITORY, DeployError
from sql.install import InstallError, install

BUILD_FOLDER = REPOSITORY / ".build" / "windmill"


def deploy(deployment: Deployment, *, wait_seconds: float = WAIT_SECONDS, ask: bool = True) -> None:
    """Deploy, and print what is done.

    Args:
        deployment: Where to, and with what.
        wait_seconds: How long to wait for the server.
        ask: Ask the smoke question at the end.

    Raises:
        DeployError: If a step fails. What was done before it stays; a repeat goes on.
    """
    values = read_values(deployment.environment)
    with WindmillServer(deployment.url, deployment.workspace, deployment.token) as server:
        version = server.wait(wait_seconds)
        print(f"server     Windmill {version} at {deployment.url}")
        print(f"workspace  {deployment.workspace}, as {server.check_access()}")
        _install_schema(deployment)
        build = lay_out(REPOSITORY, BUILD_FOLDER)
        print(f"build      {len(build.files)} files in {BUILD_FOLDER.relative_to(REPOSITORY)}")
        print(sync_push(deployment, build))
        for change in plan_changes(REPOSITORY, values, server):
            if not deployment.dry_run:
                apply_change(change, server)
            print(f"{change.kind:10} {change.path}: {change.reason}{' (not set)' if deployment.dry_run else ''}")
        _enable_schedules(deployment, server)
        if ask and not deployment.dry_run:
            report = ask_smoke_question(server)
            answer = report.answer.partition("\n")[0]
            print(f"smoke      health {report.health}; answered with {report.citations} citation(s): {answer}")
    print("done, nothing was changed" if deployment.dry_run else "done")


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
