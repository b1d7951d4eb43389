"""Installing and upgrading the schema: all or nothing, once, and always the same."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

from local.database import EmbeddedPostgres, Server
from local.placement import server_user
from local.settings import Credentials
from sql.install import InstallError, InstallReport, install
from tests.database.catalogue import snapshot
from tests.database.worlds import World, fill, new_tenant

SQL = Path(__file__).resolve().parents[2] / "sql"
MIGRATIONS = sorted(path.stem for path in (SQL / "migrations").glob("*.sql"))


def run_install(world: World, folder: Path = SQL, up_to: str | None = None) -> InstallReport:
    return install(
        world.dsn("postgres"),
        app_password=world.credentials.app_password,
        operator_password=world.credentials.operator_password,
        folder=folder,
        up_to=up_to,
    )


def described(world: World) -> dict[str, list[str]]:
    with world.connected("postgres") as cursor:
        return snapshot(cursor)


@pytest.fixture
def copied_sql(tmp_path: Path) -> Path:
    """A copy of the SQL files that a test may change."""
    for part in ("migrations", "functions", "policies"):
        shutil.copytree(SQL / part, tmp_path / part)
    return tmp_path


@pytest.fixture(scope="module")
def fresh(postgres: Server, credentials: Credentials, template: str) -> dict[str, list[str]]:
    """The description of a database that was installed at once."""
    return described(World(postgres, credentials, template))


def test_an_empty_database_gets_every_migration_in_order(empty: World) -> None:
    report = run_install(empty)

    assert report.applied == MIGRATIONS
    assert report.schema_version == MIGRATIONS[-1]


def test_a_repeat_applies_nothing_changes_nothing_and_keeps_the_rows(own: World, fresh: dict[str, list[str]]) -> None:
    fill(own)
    rows = own.count_rows()
    ledger = own.query("SELECT version, applied_at FROM schema_migrations ORDER BY version")

    report = run_install(own)

    assert report.applied == []
    assert report.schema_version == MIGRATIONS[-1]
    assert described(own) == fresh
    assert own.count_rows() == rows
    assert own.query("SELECT version, applied_at FROM schema_migrations ORDER BY version") == ledger


def test_what_was_added_to_policies_and_grants_by_hand_is_gone_after_a_repeat(
    own: World, fresh: dict[str, list[str]]
) -> None:
    own.query("CREATE POLICY everybody ON documents FOR SELECT USING (true)")
    own.query("GRANT DELETE ON documents TO knowledge_app")
    own.query("ALTER TABLE documents NO FORCE ROW LEVEL SECURITY")

    run_install(own)

    assert described(own) == fresh


def test_two_installations_at_once_install_once(empty: World, fresh: dict[str, list[str]]) -> None:
    with ThreadPoolExecutor(2) as both:
        reports = [done.result() for done in [both.submit(run_install, empty) for _ in range(2)]]

    assert sorted((report.applied for report in reports), key=len) == [[], MIGRATIONS]
    assert described(empty) == fresh


def test_a_changed_migration_that_was_run_is_refused_and_nothing_changes(
    own: World, copied_sql: Path, fresh: dict[str, list[str]]
) -> None:
    changed = copied_sql / "migrations" / f"{MIGRATIONS[1]}.sql"
    changed.write_text(changed.read_text() + "\n-- an afterthought\n")
    (copied_sql / "functions" / "another.sql").write_text("CREATE FUNCTION another() RETURNS int RETURN 1;")
    (copied_sql / "migrations" / "0099_new.sql").write_text("CREATE TABLE new (id int);")

    with pytest.raises(InstallError, match=MIGRATIONS[1]):
        run_install(own, copied_sql)

    assert described(own) == fresh


def test_a_migration_that_fails_half_way_leaves_nothing(
    own: World, copied_sql: Path, fresh: dict[str, list[str]]
) -> None:
    (copied_sql / "migrations" / "0098_good.sql").write_text("CREATE TABLE good (id int);")
    (copied_sql / "migrations" / "0099_bad.sql").write_text("CREATE TABLE half (id int); SELECT 1/0;")

    with pytest.raises(psycopg2.Error):
        run_install(own, copied_sql)

    assert described(own) == fresh


def test_a_database_that_is_newer_than_the_files_is_refused_and_nothing_changes(own: World, copied_sql: Path) -> None:
    (copied_sql / "migrations" / "0099_future.sql").write_text("ALTER TABLE tenants ADD COLUMN future text;")
    run_install(own, copied_sql)
    newer = described(own)

    with pytest.raises(InstallError, match="0099_future"):
        run_install(own)

    assert described(own) == newer


@pytest.mark.parametrize("stop", MIGRATIONS)
def test_a_database_upgraded_from_any_version_is_the_same_as_a_fresh_one(
    empty: World, fresh: dict[str, list[str]], stop: str
) -> None:
    first = run_install(empty, up_to=stop)
    rest = run_install(empty)

    assert first.applied + rest.applied == MIGRATIONS
    for part, rows in described(empty).items():
        assert rows == fresh[part], part


def test_an_upgrade_keeps_the_rows_that_were_there(empty: World, copied_sql: Path) -> None:
    run_install(empty)
    tenant = fill(empty)
    rows = empty.count_rows()
    (copied_sql / "migrations" / "0099_more.sql").write_text(
        "ALTER TABLE documents ADD COLUMN more text; COMMENT ON COLUMN documents.more IS 'More.';"
    )

    assert run_install(empty, copied_sql).applied == ["0099_more"]

    assert empty.count_rows() == {**rows, "schema_migrations": rows["schema_migrations"] + 1}
    with empty.entered("knowledge_app", tenant.id, tenant.members["admin"]) as cursor:
        cursor.execute("SELECT count(*) AS n FROM documents")
        assert cursor.fetchone()["n"] == len(tenant.documents)


def test_the_command_line_installs_and_names_what_is_missing(empty: World) -> None:
    command = [sys.executable, "-m", "sql.install"]
    names = {
        "DATABASE_ADMIN_URL": empty.dsn("postgres"),
        "KNOWLEDGE_APP_PASSWORD": empty.credentials.app_password,
        "KNOWLEDGE_OPERATOR_PASSWORD": empty.credentials.operator_password,
    }
    inherited = {name: value for name, value in os.environ.items() if name not in names}

    missing = subprocess.run(command, env=inherited, cwd=SQL.parent, capture_output=True, text=True, check=False)
    done = subprocess.run(command, env=inherited | names, cwd=SQL.parent, capture_output=True, text=True, check=False)

    assert missing.returncode == 2
    assert all(name in missing.stderr for name in names)
    assert done.returncode == 0, done.stderr
    assert MIGRATIONS[-1] in done.stdout
    for password in (names["KNOWLEDGE_APP_PASSWORD"], names["KNOWLEDGE_OPERATOR_PASSWORD"]):
        assert password not in done.stdout + done.stderr


def test_vectors_of_chunks_are_half_precision_and_stored_in_line(world: World) -> None:
    [column] = world.query(
        "SELECT format_type(atttypid, atttypmod) AS type, attstorage::text AS storage FROM pg_attribute"
        " WHERE attrelid = 'document_chunks'::regclass AND attname = 'embedding'"
    )

    assert column == {"type": "halfvec(1024)", "storage": "p"}


def test_every_table_column_and_function_of_ours_has_a_comment(world: World) -> None:
    uncommented = world.query(
        """
        SELECT relname AS name FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
          AND coalesce(obj_description(oid, 'pg_class'), '') = ''
        UNION ALL
        SELECT relname || '.' || attname FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm') AND attnum > 0
          AND NOT attisdropped AND coalesce(col_description(attrelid, attnum), '') = ''
        UNION ALL
        SELECT p.oid::regprocedure::text FROM pg_proc AS p
        WHERE pronamespace = 'public'::regnamespace AND coalesce(obj_description(p.oid, 'pg_proc'), '') = ''
          AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e')
        """
    )

    assert [row["name"] for row in uncommented] == []


@dataclass(frozen=True)
class Postgres16:
    """A PostgreSQL 16 as a managed service gives it: an administrator who is no superuser. It logs every statement."""

    world: World
    administrator_dsn: str
    log: Path


@pytest.fixture(scope="module")
def postgres16(template: str) -> Iterator[Postgres16]:
    """Start it; ``template`` comes first so that only one server starts at a time."""
    directory = Path(tempfile.mkdtemp(prefix="postgres-16-"))
    if server_user() is not None:
        directory.chmod(0o711)  # passable, as temporary_postgres() does
    embedded = EmbeddedPostgres(directory, durable=False, version=16)
    try:
        server = embedded.start()
        world = World(server, Credentials(), "managed")
        with World(server, world.credentials, "postgres").connected("postgres") as cursor:
            cursor.execute("ALTER SYSTEM SET log_statement = 'all'")
            cursor.execute("SELECT pg_reload_conf()")
            cursor.execute("CREATE ROLE administrator LOGIN CREATEROLE CREATEDB PASSWORD 'administrator'")
            cursor.execute("CREATE DATABASE managed OWNER administrator")
        world.query("CREATE EXTENSION vector SCHEMA public")
        yield Postgres16(world, server.dsn("administrator", "administrator", "managed"), embedded.log_file)
    finally:
        embedded.remove()


def check_installation(world: World, dsn: str, fresh: dict[str, list[str]], log: Path) -> None:
    """Install twice on an empty database, and check that it works, is the same and told no password."""
    app, operator = world.credentials.app_password, world.credentials.operator_password

    reports = [install(dsn, app_password=app, operator_password=operator) for _ in range(2)]

    assert [report.applied for report in reports] == [MIGRATIONS, []]
    here = described(world)
    for part in ("policies", "functions", "triggers", "comments", "ledger", "indexes"):
        assert here[part] == fresh[part], part
    tenant, other = fill(world), new_tenant(world)
    for seen_as, documents in ((tenant, len(tenant.documents)), (other, 0)):
        with world.entered("knowledge_app", seen_as.id, seen_as.members["admin"]) as cursor:
            cursor.execute("SELECT count(*) AS n FROM documents")
            assert cursor.fetchone()["n"] == documents
    with world.entered("knowledge_operator", tenant.id, None, "system") as cursor:
        cursor.execute("DELETE FROM documents")
        cursor.execute("SELECT count(*) AS n FROM chunk_words")
        assert cursor.fetchone()["n"] == 0
    written = log.read_text(errors="replace")
    assert "ALTER ROLE" in written, "the log has no statements, so it proves nothing"
    assert app not in written
    assert operator not in written


def test_an_administrator_who_is_no_superuser_can_install(postgres16: Postgres16, fresh: dict[str, list[str]]) -> None:
    check_installation(postgres16.world, postgres16.administrator_dsn, fresh, postgres16.log)


def test_postgresql_16_gets_the_same_schema_and_its_log_no_password(
    postgres16: Postgres16, fresh: dict[str, list[str]]
) -> None:
    server = postgres16.world.postgres
    world = World(server, postgres16.world.credentials, server.create_database())
    try:
        check_installation(world, world.dsn("postgres"), fresh, postgres16.log)
    finally:
        server.drop_database(world.name)


def test_the_server_keeps_scram_verifiers_and_no_passwords(world: World) -> None:
    kept = world.query("SELECT rolname, rolpassword FROM pg_authid WHERE rolname LIKE 'knowledge%' AND rolcanlogin")

    assert {row["rolname"] for row in kept} == {"knowledge_app", "knowledge_operator"}
    assert all(re.match(r"SCRAM-SHA-256\$\d+:", row["rolpassword"]) for row in kept)
    wrong = {**parse_dsn(world.dsn("knowledge_app")), "password": "wrong"}
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(**wrong)
