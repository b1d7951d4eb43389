"""The database: one connection of a job, and transactions in somebody's name.

Shared module. It reads the resource ``f/chatbot/postgres_db`` or ``f/operations/postgres_db``. The tenant and the
member are set for the transaction only, so that it works behind PgBouncer in transaction mode and nothing is left on a
connection. What gives nothing back is sent together with what does: the beginning with the first statement that is
waited for, and the end with all that was left for later (``Transaction.later``), each in one round trip. psycopg2 puts
parameters into the statement on the client's side: they arrive as literals, which lets the planner use a tenant's
partial index. What the driver raises is translated here, without the statement and its values, which its messages
repeat.
"""

# extra_requirements:
# psycopg2-binary==2.9.13

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
from f.core.job import Meanwhile, read_resource

MEMBERS_DATABASE = "f/chatbot/postgres_db"
OPERATORS_DATABASE = "f/operations/postgres_db"
_CONNECT_TIMEOUT_SECONDS = 10
_SIGHT = {"child": 1, "teen": 1, "adult": 2, "admin": 3, "system": 3}

_SET_SIGHT = "SELECT set_config('app.member_type', %s, true)"
Result = TypeVar("Result")
Row = dict[str, Any]
Parameters = Mapping[str, object] | Sequence[object] | None

_BEGIN = "BEGIN; "
_PATIENCE = "SET LOCAL statement_timeout = '60s'; "
_ENTER = f"{_PATIENCE} SELECT require_entry(%s, %s, %s, %s)"
_ENTRY_REFUSED = "KB001"  # what require_entry raises, with the outcome as its message
_WHO = """
SELECT nullif(current_setting('app.member_type', true), '') AS member_type, language FROM tenants WHERE id = %s
"""
_ADMIT = """
SELECT admission.*, CASE WHEN admission.outcome = 'entered' THEN ({beside}) END AS beside
FROM admit(%(caller_tenant)s, %(caller_member)s, %(caller_type)s, %(caller_token)s) AS admission
"""
_REFUSALS: dict[str, tuple[type[KnowledgeError], str]] = {
    "no_tenant": (NotFound, "There is no such tenant."),
    "no_member": (NotFound, "There is no such member."),
    "no_token": (Unauthorized, "The session token has been revoked."),
}


class Transaction:
    """A transaction in a caller's name, as the database knows the caller.

    Attributes:
        tenant_id: The tenant.
        member_id: The member, or None.
        token_id: The session token under which the member acts, if any.
    """

    __slots__ = ("_at_once", "_known", "_unsent", "connection", "member_id", "tenant_id", "token_id")

    def __init__(
        self,
        connection: Connection,
        tenant_id: str,
        member_id: int | None,
        member_type: str | None,
        language: str,
        token_id: str | None = None,
    ) -> None:
        """Take a transaction that has begun."""
        self.connection = connection
        self.tenant_id = tenant_id
        self.member_id = member_id
        self.token_id = token_id
        self._known: tuple[str | None, str] | None = (member_type, language)
        self._unsent: list[bytes] = []
        self._at_once: bool | None = False

    @classmethod
    def entering(cls, connection: Connection, caller: Caller, *, at_once: bool) -> "Transaction":
        """Take one that begins, in a caller's name, with the first statement that is sent, and may end with it."""
        entering = cls(connection, caller.tenant_id, caller.member_id, None, "", caller.token_id)
        entering._known = None
        entering._at_once = at_once
        entering.later(_ENTER if at_once else _BEGIN + _ENTER, _whom(caller))
        return entering

    @property
    def member_type(self) -> str | None:
        """What the member may see: the type in the database, narrowed by the caller; None is the least."""
        return self._who()[0]

    @property
    def language(self) -> str:
        """The tenant's text search configuration."""
        return self._who()[1]

    @property
    def sight(self) -> int:
        """How much is seen: 0 nobody named, 1 teen or child, 2 adult, 3 admin."""
        return _SIGHT.get(self.member_type or "", 0)

    def rows(self, statement: str, parameters: Parameters = None) -> list[Row]:
        """Run a statement and return its rows."""
        self.later(statement, parameters)
        return self._send()

    def row(self, statement: str, parameters: Parameters = None) -> Row | None:
        """Run a statement and return its first row, or None."""
        found = self.rows(statement, parameters)
        return found[0] if found else None

    def execute(self, statement: str, parameters: Parameters = None) -> None:
        """Run a statement for what it does."""
        self.rows(statement, parameters)

    def later(self, statement: str, parameters: Parameters = None) -> None:
        """Run a statement for what it does, in its order, when something is sent next: at the end at the latest.

        What it raises is raised there.
        """
        with self.connection.cursor() as cursor:
            self._unsent.append(_translated(lambda: cursor.mogrify(statement, parameters)))

    def commit(self) -> None:
        """End it, with all that was left for later. Only whoever began it does so."""
        if self._at_once is None:
            return
        if not self._at_once:
            self.later("COMMIT")
        self._send()

    def named(
        self, tenant_id: str, member_id: int | None, member_type: str | None, language: str, token_id: str | None = None
    ) -> "Transaction":
        """Return this transaction as it goes on in another name, which has been set in it."""
        same = Transaction(self.connection, tenant_id, member_id, member_type, language, token_id)
        same._unsent = self._unsent
        return same

    @contextmanager
    def unrestricted(self) -> Iterator[None]:
        """See all of the tenant for the statements inside: for what is the caller's own, whoever may see it."""
        seen = self.member_type or ""
        self.later(_SET_SIGHT, ("system",))
        yield
        self.later(_SET_SIGHT, (seen,))

    def _who(self) -> tuple[str | None, str]:
        """Ask the database who the caller is, once."""
        if self._known is None:
            found = self.rows(_WHO, (self.tenant_id,))[0]
            self._known = (found["member_type"], found["language"])
        return self._known

    def _send(self) -> list[Row]:
        """Send what was not sent yet, in one round trip, and return the rows of the last of it."""
        if self._at_once is None:
            raise RuntimeError("A transaction that is sent at once has ended.")
        self._at_once = None if self._at_once else False
        statements = b"; ".join(self._unsent)
        self._unsent.clear()
        return _run(self.connection, statements)


@dataclass(frozen=True, slots=True)
class Database:
    """An open connection.

    Attributes:
        budget_after_seconds: When the caller may spend tokens of models again; 0 is now. What ``admitted`` has found.
        beside: What ``admit`` was asked for besides.
    """

    connection: Connection
    budget_after_seconds: int = 0
    beside: Any = None

    @contextmanager
    def transaction(self, caller: Caller, *, at_once: bool = False) -> Iterator[Transaction]:
        """Run a transaction in a caller's name: committed at the end, rolled back when anything is raised.

        Args:
            caller: In whose name.
            at_once: Whether it ends with the first statement that is waited for, all in one round trip: what is sent
                at once without a BEGIN is a transaction to PostgreSQL. Nothing can be sent in it afterwards.

        Raises:
            NotFound: When there is no such tenant, or no such member in it.
            Unauthorized: When the session token has been revoked.
            DatabaseUnavailable: When the connection breaks.
        """
        try:
            transaction = Transaction.entering(self.connection, caller, at_once=at_once)
            yield transaction
            transaction.commit()
        except BaseException:
            self._roll_back()
            raise

    def admit(self, caller: Caller, beside: str = "NULL", parameters: Mapping[str, object] | None = None) -> "Database":
        """Let a caller in, before anything is spent on them: check who it is, and count the call.

        Args:
            caller: Who wants in.
            beside: A constant query of one value, or none, which is run in the caller's name in the same round trip.
            parameters: Those of the query.

        Returns:
            The database with ``budget_after_seconds``, and in ``beside`` what the query gave.

        Raises:
            NotFound: When there is no such tenant, or no such member in it.
            Unauthorized: When the session token has been revoked.
            TooManyRequests: When the tenant or the member has made too many calls; this one is not counted.
        """
        named = dict(zip(("caller_tenant", "caller_member", "caller_type", "caller_token"), _whom(caller), strict=True))
        found = _run(self.connection, _ADMIT.replace("{beside}", beside), {**(parameters or {}), **named})[0]
        if found["outcome"] == "too_many":
            raise TooManyRequests(retry_after_seconds=found["retry_after_seconds"])
        if found["outcome"] != "entered":
            raise _refusal(found["outcome"])
        return Database(self.connection, int(found["budget_after_seconds"]), found["beside"])

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
        _run(self.connection, f"{_BEGIN}{_PATIENCE}SELECT set_config('app.tenant_id', '', true)")
        try:
            transaction = Transaction(self.connection, "", None, None, "")
            yield transaction
            transaction.commit()
        except BaseException:
            self._roll_back()
            raise

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
    connection = _connect(resource)
    try:
        yield Database(connection)
    finally:
        connection.close()


@contextmanager
def connecting(resource: str = MEMBERS_DATABASE) -> Iterator[Callable[[], Database]]:
    """Begin to connect as ``open_database`` does, and give a function that waits for the end of that.

    What is done before that function is called, is done while the database connects. What connecting raises, that
    function raises.
    """
    begun = Meanwhile(lambda: _connect(resource))
    try:
        yield lambda: Database(begun.result())
    finally:
        with suppress(KnowledgeError):
            begun.result().close()


@contextmanager
def admitted(caller: Caller) -> Iterator[Database]:
    """Connect as the members' login and let a caller in; every script of members begins so. Only in a running job.

    Raises:
        KnowledgeError: As ``open_database`` and ``Database.admit`` do.
    """
    with open_database() as database:
        yield database.admit(caller)


def vector_text(vector: list[float]) -> str:
    """Write a vector as PostgreSQL reads it, at the precision with which chunks keep it: 16 bits a number."""
    numbers = memoryview(struct.pack(f"{len(vector)}e", *vector)).cast("H")
    return f"[{','.join(map(_HALF_TEXTS.__getitem__, numbers))}]"


class _HalfTexts(dict[int, str]):
    """Numbers of 16 bits as text, by their bits, each made once: there are few of them in many vectors."""

    def __missing__(self, bits: int) -> str:
        """Write it with five digits, which tell any two of them apart."""
        (number,) = struct.unpack("e", struct.pack("H", bits))
        text = self[bits] = f"{number:.5g}"
        return text


_HALF_TEXTS = _HalfTexts()


def _whom(caller: Caller) -> tuple[object, ...]:
    """Name a caller as the database's functions take it."""
    return caller.tenant_id, caller.member_id, caller.claimed_type, caller.token_id


def _refusal(outcome: str) -> KnowledgeError:
    """Return what an outcome of ``enter_tenant`` means."""
    error, sentence = _REFUSALS[outcome]
    return error(sentence)


def _connect(resource: str) -> Connection:
    """Connect by the settings in a resource."""
    settings = read_resource(resource)
    if not isinstance(settings, dict) or not all(settings.get(key) for key in ("host", "dbname", "user")):
        raise Misconfigured(f"The resource {resource} needs host, port, dbname, user, password and sslmode.")
    return _translated(lambda: _connection(cast("dict[str, Any]", settings)))


def _connection(settings: dict[str, Any]) -> Connection:
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


def _run(connection: Connection, statement: str | bytes, parameters: Parameters = None) -> list[Row]:
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
        if error.pgcode == _ENTRY_REFUSED and error.diag.message_primary in _REFUSALS:
            raise _refusal(error.diag.message_primary) from None
        raise StatementRefused(error.pgcode) from None
