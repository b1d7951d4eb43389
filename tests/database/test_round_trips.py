"""What is sent together: a beginning with a first statement, an end with what was left for later, or all at once."""

import uuid
from collections.abc import Iterator
from typing import Any, ClassVar

import psycopg2
import pytest
from psycopg2.extras import RealDictCursor

from f.core.database import Database, Transaction
from f.core.errors import NotFound, StatementRefused
from f.core.identity import Caller
from tests.database.worlds import APP, Filled, World

ADD = "INSERT INTO conversation_sessions (tenant_id, id) VALUES (%s, %s)"
COUNT = "SELECT count(*) AS n FROM conversation_sessions WHERE id = %s"
SETTINGS = "SELECT current_setting('app.tenant_id', true) AS tenant, current_setting('statement_timeout') AS timeout"


class Counting(RealDictCursor):
    """Counts what is sent."""

    sent: ClassVar[list[bytes]] = []

    def execute(self, query: Any, vars: Any = None) -> None:
        self.sent.append(query)
        super().execute(query, vars)


@pytest.fixture
def database(world: World) -> Iterator[Database]:
    connection = psycopg2.connect(world.dsn(APP), cursor_factory=Counting)
    connection.autocommit = True
    Counting.sent.clear()
    yield Database(connection)
    connection.close()


def kept(world: World, session: str) -> int:
    return int(world.query(COUNT, (session,))[0]["n"])


def outside(database: Database) -> list[str]:
    """Return what is set on the connection outside of a transaction."""
    with database.connection.cursor() as cursor:
        cursor.execute(SETTINGS)
        return [value or "" for row in cursor.fetchall() for value in dict(row).values()]


def add(transaction: Transaction, session: str) -> None:
    transaction.later(ADD, (transaction.tenant_id, session))


@pytest.mark.parametrize(("at_once", "trips"), [(False, 2), (True, 1)])
def test_a_transaction_with_one_statement_takes_so_many_round_trips_and_leaves_nothing_behind(
    world: World, database: Database, two_tenants: tuple[Filled, Filled], at_once: bool, trips: int
) -> None:
    session = str(uuid.uuid4())
    before = outside(database)
    Counting.sent.clear()

    with database.transaction(Caller(two_tenants[0].id), at_once=at_once) as transaction:
        add(transaction, session)
        assert transaction.rows(SETTINGS) == [{"tenant": two_tenants[0].id, "timeout": "1min"}]

    assert len(Counting.sent) == trips
    assert kept(world, session) == 1
    assert outside(database) == before


@pytest.mark.parametrize("at_once", [False, True])
def test_a_transaction_in_which_nothing_is_waited_for_is_one_round_trip(
    world: World, database: Database, two_tenants: tuple[Filled, Filled], at_once: bool
) -> None:
    session = str(uuid.uuid4())
    with database.transaction(Caller(two_tenants[0].id), at_once=at_once) as transaction:
        add(transaction, session)
        assert Counting.sent == []

    assert len(Counting.sent) == 1
    assert kept(world, session) == 1


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("at_once", [False, True])
def test_nothing_is_done_of_what_is_sent_with_an_entry_that_is_refused(
    world: World, database: Database, two_tenants: tuple[Filled, Filled], at_once: bool, waits: bool
) -> None:
    tenant, session = two_tenants[0], str(uuid.uuid4())
    nobody = Caller(tenant.id, 2_000_000_000)
    with (  # noqa: PT012 -- it may be the end of the block that raises
        pytest.raises(NotFound, match="no such member"),
        database.transaction(nobody, at_once=at_once) as transaction,
    ):
        add(transaction, session)
        if waits:
            transaction.rows("SELECT 1")

    assert kept(world, session) == 0


@pytest.mark.parametrize("at_once", [False, True])
def test_what_fails_later_undoes_all_of_it(
    world: World, database: Database, two_tenants: tuple[Filled, Filled], at_once: bool
) -> None:
    session = str(uuid.uuid4())
    caller = Caller(two_tenants[0].id)
    with (  # noqa: PT012 -- the end of the block raises
        pytest.raises(StatementRefused),
        database.transaction(caller, at_once=at_once) as transaction,
    ):
        add(transaction, session)
        transaction.later("SELECT 1 / 0")

    assert kept(world, session) == 0
    with database.transaction(caller) as transaction:
        assert transaction.rows("SELECT 1 AS one") == [{"one": 1}]


def test_nothing_can_be_sent_in_a_transaction_that_has_ended(
    database: Database, two_tenants: tuple[Filled, Filled]
) -> None:
    caller = Caller(two_tenants[0].id)
    with database.transaction(caller, at_once=True) as transaction:
        transaction.rows("SELECT 1")
        with pytest.raises(RuntimeError):
            transaction.rows("SELECT 1")


def test_what_a_transaction_does_in_another_name_is_its_own(
    world: World, database: Database, two_tenants: tuple[Filled, Filled]
) -> None:
    session = str(uuid.uuid4())
    with database.transaction(Caller(two_tenants[0].id)) as transaction:
        add(transaction.named(two_tenants[0].id, None, "system", "english"), session)

    assert kept(world, session) == 1
