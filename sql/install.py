"""Install or upgrade the schema on any PostgreSQL 15 or later with pgvector 0.8 or later.

``python -m sql.install`` reads the connection from the environment (see ``main``). One transaction: it is all there or
nothing is. It makes the roles, runs the migrations that have not been run, in order, and applies functions, policies
and grants anew. A repeat changes nothing; two at once wait for each other.
"""

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from psycopg2 import sql as compose
from psycopg2.extensions import connection as Connection  # noqa: N812 -- it is a class
from psycopg2.extensions import cursor as Cursor  # noqa: N812 -- it is a class
from psycopg2.extensions import encrypt_password

OWNER, APP, OPERATOR = "knowledge_owner", "knowledge_app", "knowledge_operator"
MINIMUM_SERVER, MINIMUM_VECTOR = 150000, (0, 8)
_LOCK = 7_031_944_410  # any fixed number: whoever installs here waits for whoever else does
_FOLDER = Path(__file__).parent


class InstallError(Exception):
    """The schema cannot be installed as things are."""


@dataclass(frozen=True, slots=True)
class InstallReport:
    """What an installation did.

    Attributes:
        schema_version: The last migration that the database has now.
        applied: The migrations that this run applied, in order.
    """

    schema_version: str
    applied: list[str]


def install(
    admin_dsn: str,
    *,
    app_password: str,
    operator_password: str,
    folder: Path = _FOLDER,
    up_to: str | None = None,
) -> InstallReport:
    """Bring a database to this version of the schema.

    Args:
        admin_dsn: Connects as somebody who may create roles and extensions in the database: a superuser, or a managed
            service's administrator.
        app_password: For the login of members' scripts.
        operator_password: For the login of operators' scripts.
        folder: Where ``migrations``, ``functions`` and ``policies`` are.
        up_to: Stop after this migration; functions and policies are then left out. For tests of upgrades.

    Raises:
        InstallError: When the server is too old, cannot tell Greek letters, or a released migration was changed.
        psycopg2.Error: When the database refuses; nothing has changed then.
    """
    connection = psycopg2.connect(admin_dsn)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            _check_server(connection, cursor)
            _make_roles(cursor, {APP: app_password, OPERATOR: operator_password})
            cursor.execute(compose.SQL("SET LOCAL ROLE {}").format(compose.Identifier(OWNER)))
            applied = _run_migrations(cursor, folder / "migrations", up_to)
            if up_to is None:
                for part in ("functions", "policies"):
                    for path in sorted((folder / part).glob("*.sql")):
                        cursor.execute(path.read_text(encoding="utf-8"))
            cursor.execute("SELECT max(version) FROM schema_migrations")
            row = cursor.fetchone()
    finally:
        connection.close()
    return InstallReport(schema_version=row[0] if row else "", applied=applied)


def _check_server(connection: Connection, cursor: Cursor) -> None:
    """Refuse a server on which searches would be wrong."""
    if connection.server_version < MINIMUM_SERVER:
        raise InstallError("PostgreSQL 15 or later is needed.")
    cursor.execute("SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()")
    encoding = cursor.fetchone()
    cursor.execute("SELECT lower('ΆΛΦΑ') = 'άλφα' AND to_tsvector('simple', 'άλφα') @@ to_tsquery('simple', 'άλφα')")
    greek = cursor.fetchone()
    if not encoding or encoding[0] != "UTF8" or not greek or not greek[0]:
        raise InstallError("The database needs the encoding UTF8 and a locale with Greek letters, such as C.UTF-8.")
    cursor.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
    cursor.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
    version = cursor.fetchone()
    if not version or tuple(int(part) for part in version[0].split(".")[:2]) < MINIMUM_VECTOR:
        raise InstallError("pgvector 0.8 or later is needed: ALTER EXTENSION vector UPDATE.")


def _make_roles(cursor: Cursor, passwords: dict[str, str]) -> None:
    """Make the owner and the logins, set the logins' passwords, which travel as SCRAM verifiers only, and say where.

    Roles are made without SUPERUSER and BYPASSRLS, which only a superuser could take away again; so a role that has
    one is refused.
    """
    for role in (OWNER, *passwords):
        cursor.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = %s", (role,))
        found = cursor.fetchone()
        if found is None:
            cursor.execute(compose.SQL("CREATE ROLE {}").format(compose.Identifier(role)))
        elif found[0]:
            raise InstallError(f"The role {role} is a superuser or bypasses row-level security; it must do neither.")
    for role, password in passwords.items():
        if not password:
            raise InstallError(f"The login {role} needs a password.")
        verifier = encrypt_password(password, role, cursor.connection, "scram-sha-256")
        cursor.execute(
            compose.SQL("ALTER ROLE {} LOGIN NOCREATEDB NOCREATEROLE NOINHERIT PASSWORD {}").format(
                compose.Identifier(role), compose.Literal(verifier)
            )
        )
        _hide_statements(cursor, role)
    database = compose.Identifier(cursor.connection.info.dbname)
    logins = compose.SQL(", ").join(compose.Identifier(role) for role in passwords)
    owner = compose.Identifier(OWNER)
    for statement in (
        "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        "GRANT CONNECT ON DATABASE {database} TO {logins}",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "GRANT USAGE ON SCHEMA public TO {logins}",
        "GRANT ALL ON SCHEMA public TO {owner}",
        "GRANT {owner} TO CURRENT_USER",
    ):
        cursor.execute(compose.SQL(statement).format(database=database, logins=logins, owner=owner))


def _hide_statements(cursor: Cursor, role: str) -> None:
    """Let nobody who is logged in as this role see what others run under it, as far as the server permits.

    ``pg_stat_activity`` shows a login its own statements with their values, and all members' jobs are one login. Only a
    superuser, or who was granted it, may switch that off.
    """
    cursor.execute("SAVEPOINT hiding")
    try:
        cursor.execute(compose.SQL("ALTER ROLE {} SET track_activities = off").format(compose.Identifier(role)))
    except psycopg2.errors.InsufficientPrivilege:
        cursor.execute("ROLLBACK TO SAVEPOINT hiding")


def _run_migrations(cursor: Cursor, folder: Path, up_to: str | None) -> list[str]:
    """Run the migrations that the ledger does not name, and check those that it does."""
    cursor.execute((_FOLDER / "ledger.sql").read_text(encoding="utf-8"))
    cursor.execute("SELECT version, checksum FROM schema_migrations")
    ledger = dict(cursor.fetchall())
    files = sorted(folder.glob("*.sql"))
    unknown = set(ledger) - {path.stem for path in files}
    if unknown and up_to is None:
        raise InstallError(f"The database is newer than this version of the project: it has {max(unknown)}.")
    applied = []
    for path in files:
        statements = path.read_text(encoding="utf-8")
        checksum = hashlib.sha256(statements.encode()).hexdigest()
        if path.stem not in ledger:
            cursor.execute(statements)
            cursor.execute("INSERT INTO schema_migrations (version, checksum) VALUES (%s, %s)", (path.stem, checksum))
            applied.append(path.stem)
        elif ledger[path.stem] != checksum:
            raise InstallError(f"The migration {path.stem} was changed after it had been run; write a new one instead.")
        if path.stem == up_to:
            break
    return applied


def main() -> int:
    """Install from the command line.

    Reads ``DATABASE_ADMIN_URL`` (``postgresql://...``), ``KNOWLEDGE_APP_PASSWORD`` and ``KNOWLEDGE_OPERATOR_PASSWORD``
    from the environment, where other users of the machine do not see them.
    """
    names = ("DATABASE_ADMIN_URL", "KNOWLEDGE_APP_PASSWORD", "KNOWLEDGE_OPERATOR_PASSWORD")
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        print(f"Set {', '.join(missing)} in the environment.", file=sys.stderr)
        return 2
    url, app_password, operator_password = (os.environ[name] for name in names)
    try:
        report = install(url, app_password=app_password, operator_password=operator_password)
    except (InstallError, psycopg2.Error) as error:
        print(f"The schema was not installed, nothing has changed: {error}".strip(), file=sys.stderr)
        return 1
    print(f"schema {report.schema_version}: {len(report.applied)} migration(s) applied, functions and policies renewed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
