"""The database: one connection of a job, and transactions in somebody's name.

Shared module. It reads the resource ``f/chatbot/postgres_db`` or ``f/operations/postgres_db``. The tenant and the
member are set for the transaction only, in the same round trip that begins it, so that it works behind PgBouncer in
transaction mode and nothing is left on a connection. psycopg2 puts parameters into the statement on the client's side:
they arrive as literals, which lets the planner use a tenant's partial index. What the driver raises is translated here,
without the statement and its values, which its messages repeat.
"""

# extra_requirements:
# psycopg2-binary==2.9.13
# pgvector==0.5.1

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 -- it is a class
from psycopg2.extras import RealDictCursor

from f.core.errors import (
    DatabaseUnavailable,
    KnowledgeError,
    Misconfigured,
    NotFound,
    StatementRefused,
    TooManyRequests,
    Unauthorized,
)
from f.core.identity import Caller
from f.core.job import read_resource

MEMBERS_DATABASE = "f/chatbot/postgres_db"
OPERATORS_DATABASE = "f/operations/postgres_db"
_CONNECT_TIMEOUT_SECONDS = 10
_SIGHT = {"child": 1, "teen": 1, "adult": 2, "admin": 3, "system": 3}

_SET_SIGHT = "SELECT set_config('app.member_type', %s, true)"
Result = TypeVar("Result")
Row = dict[str, Any]
Parameters = Mapping[str, object] | Sequence[object] | None

_BEGIN = "BEGIN; SET LOCAL statement_timeout = '60s'; "
_ENTER = f"{_BEGIN} SELECT * FROM enter_tenant(%s, %s, %s, %s)"  # noqa: S608 -- two constants
_ADMIT = "SELECT * FROM admit(%s, %s, %s, %s)"
_REFUSALS: dict[str, tuple[type[KnowledgeError], str]] = {
    "no_tenant": (NotFound, "There is no such tenant."),
    "no_member": (NotFound, "There is no such member."),
    "no_token": (Unauthorized, "The session token has been revoked."),
}


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction in a caller's name, as the database knows the caller.

    Attributes:
        tenant_id: The tenant.
        member_id: The member, or None.
        member_type: What the member may see: the type in the database, narrowed by the caller; None is the least.
        language: The tenant's text search configuration.
        token_id: The session token under which the member acts, if any.
    """

    connection: Connection
    tenant_id: str
    member_id: int | None
    member_type: str | None
    language: str
    token_id: str | None = None

    @property
    def sight(self) -> int:
        """How much is seen: 0 nobody named, 1 teen or child, 2 adult, 3 admin."""
        return _SIGHT.get(self.member_type or "", 0)

    def rows(self, statement: str, parameters: Parameters = None) -> list[Row]:
        """Run a statement and return its rows."""
        return _run(self.connection, statement, parameters)

    def row(self, statement: str, parameters: Parameters = None) -> Row | None:
        """Run a statement and return its first row, or None."""
        found = self.rows(statement, parameters)
        return found[0] if found else None

    def execute(self, statement: str, parameters: Parameters = None) -> None:
        """Run a statement for what it does."""
        _run(self.connection, statement, parameters)

    @contextmanager
    def unrestricted(self) -> Iterator[None]:
        """See all of the tenant for the statements inside: for what is the caller's own, whoever may see it."""
        self.execute(_SET_SIGHT, ("system",))
        yield
        self.execute(_SET_SIGHT, (self.member_type or "",))


@dataclass(frozen=True, slots=True)
class Database:
    """An open connection.

    Attributes:
        budget_after_seconds: When the caller may spend tokens of models again; 0 is now. What ``admitted`` has found.
    """

    connection: Connection
    budget_after_seconds: int = 0

    @contextmanager
    def transaction(self, caller: Caller) -> Iterator[Transaction]:
        """Run a transaction in a caller's name: committed at the end, rolled back when anything is raised.

        Raises:
            NotFound: When there is no such tenant, or no such member in it.
            Unauthorized: When the session token has been revoked.
            DatabaseUnavailable: When the connection breaks.
        """
        found = _run(self.connection, _ENTER, _whom(caller))[0]
        try:
            _check_entered(found["outcome"])
            yield Transaction(
                self.connection,
                caller.tenant_id,
                caller.member_id,
                found["member_type"],
                found["language"],
                caller.token_id,
            )
        except BaseException:
            self._roll_back()
            raise
        _run(self.connection, "COMMIT")

    def admit(self, caller: Caller) -> int:
        """Let a caller in, before anything is spent on them: check who it is, and count the call.

        Returns:
            The seconds after which the caller may spend tokens of models again; 0 is now.

        Raises:
            NotFound: When there is no such tenant, or no such member in it.
            Unauthorized: When the session token has been revoked.
            TooManyRequests: When the tenant or the member has made too many calls; this one is not counted.
        """
        found = _run(self.connection, _ADMIT, _whom(caller))[0]
        if found["outcome"] == "too_many":
            raise TooManyRequests(retry_after_seconds=found["retry_after_seconds"])
        _check_entered(found["outcome"])
        return int(found["budget_after_seconds"])

    def require_budget(self) -> None:
        """Raise TooManyRequests when the tenant or the member has spent the tokens of the day."""
        if self.budget_after_seconds:
            raise TooManyRequests(
                "The tokens of the last 24 hours are spent; try again later.",
                retry_after_seconds=self.budget_after_seconds,
            )

    @contextmanager
    def administration(self) -> Iterator[Transaction]:
        """Run a transaction outside any tenant: it sees no tenant's rows, and what the login may see beside them."""
        _run(self.connection, _BEGIN + "SELECT set_config('app.tenant_id', '', true)")
        try:
            yield Transaction(self.connection, "", None, None, "")
        except BaseException:
            self._roll_back()
            raise
        _run(self.connection, "COMMIT")

    def tenant_ids(self) -> list[str]:
        """Return the ids of all tenants, which only the operators' login sees."""
        with self.administration() as outside:
            return [str(row["id"]) for row in outside.rows("SELECT id FROM tenants ORDER BY created_at, id")]

    def _roll_back(self) -> None:
        """End a transaction that failed; when the connection is gone, so is the transaction."""
        if not self.connection.closed:
            try:
                _run(self.connection, "ROLLBACK")
            except DatabaseUnavailable:
                self.connection.close()


@contextmanager
def open_database(resource: str = MEMBERS_DATABASE) -> Iterator[Database]:
    """Connect as the login of a resource, and close at the end. Only inside a running job.

    Raises:
        Misconfigured: When the resource is missing or malformed.
        DatabaseUnavailable: When the database does not answer.
    """
    settings = read_resource(resource)
    if not isinstance(settings, dict) or not all(settings.get(key) for key in ("host", "dbname", "user")):
        raise Misconfigured(f"The resource {resource} needs host, port, dbname, user, password and sslmode.")
    connection = _translated(lambda: _connect(cast("dict[str, Any]", settings)))
    try:
        yield Database(connection)
    finally:
        connection.close()


@contextmanager
def admitted(caller: Caller) -> Iterator[Database]:
    """Connect as the members' login and let a caller in; every script of members begins so. Only in a running job.

    Raises:
        KnowledgeError: As ``open_database`` and ``Database.admit`` do.
    """
    with open_database() as database:
        yield Database(database.connection, database.admit(caller))


def vector_text(vector: list[float]) -> str:
    """Write a vector of 1024 numbers as PostgreSQL reads it, at the precision with which chunks keep it."""
    from pgvector import HalfVector  # noqa: PLC0415 -- jobs that touch no vector do not pay for it

    return str(HalfVector(vector).to_text())


def _whom(caller: Caller) -> tuple[object, ...]:
    """Name a caller as the database's functions take it."""
    return caller.tenant_id, caller.member_id, caller.claimed_type, caller.token_id


def _check_entered(outcome: str) -> None:
    """Raise what an outcome of ``enter_tenant`` means."""
    if outcome != "entered":
        error, sentence = _REFUSALS[outcome]
        raise error(sentence)


def _connect(settings: dict[str, Any]) -> Connection:
    """Connect; each statement is its own transaction unless it says BEGIN."""
    connection = psycopg2.connect(
        host=settings["host"],
        port=settings.get("port") or 5432,
        dbname=settings["dbname"],
        user=settings["user"],
        password=settings.get("password"),
        sslmode=settings.get("sslmode") or "prefer",
        connect_timeout=_CONNECT_TIMEOUT_SECONDS,
        application_name="family-brain",
        cursor_factory=RealDictCursor,
    )
    connection.autocommit = True
    return connection


def _run(connection: Connection, statement: str, parameters: Parameters = None) -> list[Row]:
    """Run a statement and return its rows, or none when it gives none."""

    def run() -> list[Row]:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cast("list[Row]", cursor.fetchall()) if cursor.description else []

    return _translated(run)


def _translated(action: Callable[[], Result]) -> Result:
    """Run an action of the driver and translate what it raises; nothing of the driver's message is kept."""
    try:
        return action()
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        state = error.pgcode if isinstance(error, psycopg2.Error) and error.pgcode else "no connection"
        raise DatabaseUnavailable(f"The database does not answer ({state}); try again later.") from None
    except psycopg2.Error as error:
        raise StatementRefused(error.pgcode) from None
