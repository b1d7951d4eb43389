"""Everything on one machine: database, schema, the stand-in for Windmill, and the resources that the scripts read.

``make serve`` and ``make demo`` start it so, and so do tests:

    with local_stack(Path(".local")) as stack:
        httpx.post(stack.url("jobs/run_wait_result/p/f/operations/check_health"), headers=stack.headers, json={})

Tests share one database server, and clone a database from an installed template:

    with temporary_postgres() as postgres, local_stack(directory, postgres=postgres, dbname=clone, ...) as stack:
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.layout import lay_out
from local.database import EmbeddedPostgres, Server
from local.server.server import DEFAULT_TOKEN, WORKER_SLOTS, LocalServer
from local.settings import Credentials, fill_workspace
from sql.install import InstallReport, install

REPOSITORY = Path(__file__).resolve().parent.parent
DATABASE = "family_brain"


@dataclass(frozen=True, slots=True)
class Stack:
    """What is running.

    Attributes:
        base_url: Of the server, without ``/api``.
        token: For the ``Authorization: Bearer`` header.
        postgres: The database server.
        dbname: The installed database.
        credentials: The passwords of the logins and the signing key.
        server: The stand-in for Windmill; its ``workspace`` can be changed while it runs.
        report: What the installation of the schema did; None when it was told not to.
    """

    base_url: str
    token: str = field(repr=False)
    postgres: Server
    dbname: str
    credentials: Credentials
    server: LocalServer
    report: InstallReport | None

    @property
    def workspace(self) -> str:
        """The workspace's name."""
        return self.server.workspace_name

    @property
    def headers(self) -> dict[str, str]:
        """The header that a request needs."""
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def admin_dsn(self) -> str:
        """The superuser's way into the installed database, for tests and repairs; no script uses it."""
        return self.postgres.admin_dsn(self.dbname)

    def url(self, path: str) -> str:
        """Give the address of a path in the workspace, for example ``jobs/list``."""
        return f"{self.base_url}/api/w/{self.workspace}/{path}"


@contextlib.contextmanager
def local_stack(
    home: Path,
    *,
    port: int | None = None,
    token: str = DEFAULT_TOKEN,
    postgres: Server | None = None,
    dbname: str = DATABASE,
    installs: bool = True,
    credentials: Credentials | None = None,
    environment: Mapping[str, str] | None = None,
    repository: Path = REPOSITORY,
    durable: bool = True,
    delay_factor: float = 1.0,
    slots: int = WORKER_SLOTS,
    extra_environment: Mapping[str, str] | None = None,
    warm: bool = True,
) -> Iterator[Stack]:
    """Start everything, and stop it at the end of the ``with`` block; nothing is left running.

    Args:
        home: For all that it leaves: the database, the secrets, the build folder, compiled modules. For one stack at a
            time.
        port: Of the server; without one, any free port.
        token: What requests must show.
        postgres: A running database server to use instead of starting one in ``home``.
        dbname: The database; made when it is missing.
        installs: False takes the schema as it is, for a database that was cloned from an installed one.
        credentials: The secrets; without them those of ``home`` are read, or drawn the first time. They must be those
            that the schema was installed with, because logins belong to the whole database server.
        environment: Chooses the provider, see ``local.settings.ai_settings``; without it, the process's own.
        repository: Whose scripts, flows and resources run.
        durable: False gives up the database's safety against a power cut for speed.
        delay_factor: Multiplies the pauses of flows.
        slots: So many scripts run at once.
        extra_environment: Added to every job's environment.
        warm: True forks each job from a process that has imported what most jobs import, where and as soon as that can
            be; False starts a new Python for each, as Windmill's worker does: to measure how long a job takes.

    Raises:
        DirectoryInUse: When the database of ``home`` is running already.
        PortTaken: When another program listens on the port.
        SettingsIncomplete: When the environment asks for a provider without its keys.
    """
    home.mkdir(parents=True, exist_ok=True)
    kept = credentials or Credentials.kept_in(home / "credentials.json")
    with contextlib.ExitStack() as started:
        if postgres is None:
            postgres = started.enter_context(EmbeddedPostgres(home / "postgres", durable=durable))
        if not postgres.has_database(dbname):
            postgres.create_database(dbname)
        report = None
        if installs:
            dsn = postgres.admin_dsn(dbname)
            report = install(dsn, app_password=kept.app_password, operator_password=kept.operator_password)
        server = LocalServer(
            root=lay_out(repository, home / "workspace", link=True).folder,
            port=port,
            token=token,
            slots=slots,
            delay_factor=delay_factor,
            directory=home / "server",
            storage=home / "storage",
            bytecode=home / "bytecode",
            extra_environment=dict(extra_environment or {}),
            warm=warm,
        )
        started.enter_context(server)
        database = {"host": postgres.host, "port": postgres.port, "dbname": dbname}
        fill_workspace(server.workspace, kept, database, os.environ if environment is None else environment)
        yield Stack(server.base_url, token, postgres, dbname, kept, server, report)
