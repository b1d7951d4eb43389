"""What all tests share: one PostgreSQL, a database with the schema as the template of others, and installations."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest
from coverage import Coverage
from hypothesis import HealthCheck, settings

from local.database import Server, temporary_postgres
from local.settings import Credentials
from local.stack import local_stack
from sql.install import install
from tests.support.installation import Installation, autocommit_cursor

TEMPLATE = "installed_template"
# The same examples in each run, whatever the machine's speed; `--hypothesis-profile=default` looks for new ones.
settings.register_profile(
    "repeatable", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")
_LONG_IDS = """
-- Let every id of four bytes have ten digits: tests look for ids in texts, where short numbers occur by chance.
-- Sequences go on above the floor, as where ids had been given before, so that no id is drawn twice.
WITH changed AS (UPDATE id_secrets SET floor = 999999999 WHERE ceiling = 2147483647 RETURNING sequence_name)
SELECT setval(sequence_name::regclass, 999999999) FROM changed
"""
NOT_MEASURED = {"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server of its own, with nothing in it."""
    with temporary_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def credentials() -> Credentials:
    """The secrets of every installation of this run: logins belong to the whole server."""
    return Credentials()


@pytest.fixture(scope="session")
def template(postgres: Server, credentials: Credentials) -> str:
    """The name of a database with the schema, to be cloned."""
    postgres.create_database(TEMPLATE)
    install(
        postgres.admin_dsn(TEMPLATE),
        app_password=credentials.app_password,
        operator_password=credentials.operator_password,
    )
    with autocommit_cursor(postgres.admin_dsn(TEMPLATE)) as cursor:
        cursor.execute(_LONG_IDS)
    return TEMPLATE


@pytest.fixture(scope="session", autouse=True)
def children_save_their_own_coverage() -> None:
    """Keep a forked child from saving, when it ends by ``os._exit``, all that its parent has counted so far as well."""
    measuring = Coverage.current()
    if measuring is not None:
        os.register_at_fork(after_in_child=lambda: setattr(measuring, "save", lambda: None))


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Count no coverage meanwhile, here and in children: what takes minutes takes half of them, or a quarter."""
    for name in NOT_MEASURED:
        monkeypatch.delenv(name, raising=False)
    measuring = Coverage.current()
    if measuring is not None:
        measuring.stop()
    yield
    if measuring is not None:
        measuring.start()


class InstallationMaker(Protocol):
    """Starts an installation."""

    def __call__(self, *, measured: bool = True) -> Installation:
        """Start it; the jobs of one that is not measured are quicker, and count for no coverage."""


@pytest.fixture(scope="session")
def make_installation(
    postgres: Server, credentials: Credentials, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InstallationMaker]:
    """Give a function that starts an installation with a database of its own, offline models and quick retries."""
    with ExitStack() as started:

        def make(*, measured: bool = True) -> Installation:
            stack = started.enter_context(
                local_stack(
                    tmp_path_factory.mktemp("installation"),
                    postgres=postgres,
                    dbname=postgres.create_database(template=template),
                    installs=False,
                    credentials=credentials,
                    environment={},
                    delay_factor=0.05,
                    extra_environment={} if measured else NOT_MEASURED,
                )
            )
            return Installation(stack)

        yield make


@pytest.fixture(scope="session")
def installation(make_installation: InstallationMaker) -> Installation:
    """The installation that most tests share; each makes tenants of its own."""
    return make_installation()
