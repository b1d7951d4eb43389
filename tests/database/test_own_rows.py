"""What inside a tenant is somebody's own, row by row: conversations, usage, the log, session tokens.

The members' login reads without any condition, so that only the policies decide.
"""

import uuid
from typing import Any

import psycopg2
import pytest

from f.core.conversations import Exchange, history, keep_exchange, read_messages, session_exists
from f.core.errors import DatabaseUnavailable, KnowledgeError
from f.core.identity import Caller
from tests.database.test_enter_tenant import open_app
from tests.database.worlds import APP, Filled, World, add_document, new_tenant


@pytest.fixture(scope="module")
def tenant(world: World, two_tenants: tuple[Filled, Filled]) -> Filled:
    """A tenant whose adult has a conversation, a token, and a call that was counted; another call is nobody's."""
    filled = two_tenants[0]
    world.query(
        "INSERT INTO api_usage (tenant_id, member_id, event_id, operation, model, cost_microusd)"
        " VALUES (%s, %s, 'of the adult', 'chat', 'm', 1)",
        (filled.id, filled.members["adult"]),
    )
    return filled


def rows(world: World, table: str, tenant: Filled, member: str | None, claimed: str | None = None) -> int:
    """Count what a member sees of a table."""
    with world.entered(APP, tenant.id, tenant.members[member] if member else None, claimed) as cursor:
        cursor.execute(f"SELECT count(*) AS rows FROM {table}")
        return int(cursor.fetchone()["rows"])


@pytest.mark.parametrize("table", ["conversation_sessions", "conversation_messages", "readable_messages"])
def test_a_conversation_is_seen_by_whose_it_is_and_by_nobody_else(world: World, tenant: Filled, table: str) -> None:
    assert rows(world, table, tenant, "adult") == 1
    for member in ("admin", "teen", "child", None):
        assert rows(world, table, tenant, member) == 0, member
    assert rows(world, table, tenant, None, "admin") == 0


def test_the_conversation_of_another_is_as_unknown_as_one_that_does_not_exist(world: World, tenant: Filled) -> None:
    session = str(world.one("SELECT id FROM conversation_sessions WHERE tenant_id = %s", (tenant.id,)))
    database = open_app(world.dsn(APP))
    found = {}
    for member in ("adult", "admin", "teen", None):
        who = Caller(tenant.id, tenant.members[member] if member else None)
        with database.transaction(who) as transaction:
            past = history(transaction, session)
            messages = read_messages(transaction, session, 10, None)
            found[member] = (session_exists(transaction, session), len(past.turns), len(messages))
    database.connection.close()

    nothing = (False, 0, 0)
    assert found == {"adult": (True, 1, 1), "admin": nothing, "teen": nothing, None: nothing}


def test_a_message_cannot_be_put_into_anothers_conversation(world: World, tenant: Filled) -> None:
    session = world.one("SELECT id FROM conversation_sessions WHERE tenant_id = %s", (tenant.id,))
    message = (
        "INSERT INTO conversation_messages (tenant_id, session_id, event_id, role, content, sight)"
        " VALUES (%s, %s, 'planted', 'assistant', 'Pay me.', 0)"
    )
    with (
        world.entered(APP, tenant.id, tenant.members["admin"]) as cursor,
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
    ):
        cursor.execute(message, (tenant.id, session))
    with world.entered(APP, tenant.id, tenant.members["adult"]) as cursor:
        cursor.execute(message, (tenant.id, session))


def test_who_sees_less_than_its_author_did_does_not_read_a_message(world: World) -> None:
    """Also one that rests on no document: what the author saw may stand in the question."""
    tenant = new_tenant(world)
    member = tenant.members["adult"]
    world.query(
        "WITH session AS (INSERT INTO conversation_sessions (tenant_id, member_id) VALUES (%s, %s) RETURNING *)"
        " INSERT INTO conversation_messages (tenant_id, session_id, event_id, role, content, sight)"
        " SELECT tenant_id, id, 'e', 'user', 'The code is 4711?', 2 FROM session",
        (tenant.id, member),
    )
    read: dict[str | None, Any] = {}
    for claimed in (None, "teen"):
        with world.entered(APP, tenant.id, member, claimed) as cursor:
            cursor.execute("SELECT content, withheld FROM readable_messages")
            read[claimed] = [tuple(row.values()) for row in cursor.fetchall()]

    assert read == {None: [("The code is 4711?", False)], "teen": [(None, True)]}


def test_an_answer_is_read_and_told_to_a_model_as_long_as_its_documents_are_seen(world: World) -> None:
    tenant = new_tenant(world)
    somebody, session = Caller(tenant.id, tenant.members["adult"]), str(uuid.uuid4())
    with world.connected("postgres") as cursor:
        kept, gone = (add_document(cursor, tenant.id, visibility="adults_only") for _ in range(2))
    database = open_app(world.dsn(APP))
    for number, sources in enumerate(([kept], [kept, gone], [])):
        exchange = Exchange(f"e{number}", "What?", f"Answer {number}", [], sources, 1.0, None, None, 0, 0)
        with database.transaction(somebody) as transaction:
            keep_exchange(transaction, session, exchange)

    def read() -> tuple[list[str], list[str], list[int]]:
        """Give the answers that are read, those that a model is told, and what these rest on."""
        with database.transaction(somebody) as transaction:
            messages = read_messages(transaction, session, 10, None)[::-1]
            past = history(transaction, session)
        answers = [message["content"] or "" for message in messages if message["role"] == "assistant"]
        return answers, [turn.text for turn in past.turns if turn.role == "assistant"], past.sources

    everything = ["Answer 0", "Answer 1", "Answer 2"]
    assert read() == (everything, everything, sorted([kept, gone]))
    for change in ("deleted_at = now()", "deleted_at = NULL, visibility = 'admins_only'"):
        world.query(f"UPDATE documents SET {change} WHERE tenant_id = %s AND id = %s", (tenant.id, gone))
        assert read() == (["Answer 0", "", "Answer 2"], ["Answer 0", "Answer 2"], [kept]), change
    world.query("DELETE FROM documents WHERE tenant_id = %s AND id = %s", (tenant.id, gone))
    assert read() == (["Answer 0", "", "Answer 2"], ["Answer 0", "Answer 2"], [kept])
    database.connection.close()


def test_usage_is_seen_by_who_caused_it_and_by_admins(world: World, tenant: Filled) -> None:
    assert rows(world, "api_usage", tenant, "admin") == 2
    assert rows(world, "api_usage", tenant, "adult") == 1
    assert rows(world, "api_usage", tenant, "teen") == 0
    assert rows(world, "api_usage", tenant, "admin", "adult") == 0
    assert rows(world, "api_usage", tenant, None) == 1


def test_the_log_is_read_by_admins_alone(world: World, tenant: Filled) -> None:
    assert rows(world, "audit_log", tenant, "admin") == 1
    for member in ("adult", "teen", "child", None):
        assert rows(world, "audit_log", tenant, member) == 0, member
    assert rows(world, "audit_log", tenant, "admin", "adult") == 0


@pytest.mark.parametrize(
    ("signer", "identity"), [("adult", "trusted"), (None, "signed"), ("teen", "operator")], ids=str
)
def test_nobody_signs_for_another_in_the_log(world: World, tenant: Filled, signer: str | None, identity: str) -> None:
    entry = (
        "INSERT INTO audit_log (tenant_id, identity, member_id, action, outcome, job_id)"
        " VALUES (%s, %s, %s, 'search', 'done', 'j')"
    )
    with (
        world.entered(APP, tenant.id, tenant.members["teen"]) as cursor,
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
    ):
        cursor.execute(entry, (tenant.id, identity, tenant.members[signer] if signer else None))
    with world.entered(APP, tenant.id, tenant.members["teen"]) as cursor:
        cursor.execute(entry, (tenant.id, "signed", tenant.members["teen"]))


@pytest.fixture(scope="module")
def tokens(world: World, two_tenants: tuple[Filled, Filled]) -> dict[str, str]:
    """Tokens of each kind: the adult's, and others."""
    mine, other = two_tenants
    made = {}
    for name, tenant, member, revoked_at, expires_at in (
        ("the adult's own", mine, "adult", None, "2100-01-01"),
        ("the admin's", mine, "admin", None, "2100-01-01"),
        ("another tenant's", other, "adult", None, "2100-01-01"),
        ("revoked", mine, "adult", "2026-01-01", "2100-01-01"),
        ("over", mine, "adult", None, "2026-01-01"),
    ):
        made[name] = world.one(
            "INSERT INTO session_tokens (tenant_id, member_id, revoked_at, expires_at) VALUES (%s, %s, %s, %s)"
            " RETURNING id::text",
            (tenant.id, tenant.members[member], revoked_at, expires_at),
        )
    return made | {"never issued": str(uuid.uuid4())}


@pytest.mark.parametrize(
    ("which", "outcome"),
    [
        ("the adult's own", "entered"), ("the admin's", "no_token"), ("another tenant's", "no_token"),
        ("revoked", "no_token"), ("over", "no_token"), ("never issued", "no_token"),
    ],
)  # fmt: skip
def test_a_token_lets_its_member_in_while_it_is_valid_and_nobody_else(
    world: World, two_tenants: tuple[Filled, Filled], tokens: dict[str, str], which: str, outcome: str
) -> None:
    tenant = two_tenants[0]
    for function in ("enter_tenant", "admit"):
        with world.entered(APP, None) as cursor:
            cursor.execute(
                f"SELECT outcome FROM {function}(%s, %s, NULL, %s)",
                (tenant.id, tenant.members["adult"], tokens[which]),
            )
            assert cursor.fetchone()["outcome"] == outcome
            cursor.execute("SELECT count(*) AS rows FROM documents")
            assert (cursor.fetchone()["rows"] > 0) == (outcome == "entered")


def test_without_a_member_a_token_lets_nobody_in(
    world: World, two_tenants: tuple[Filled, Filled], tokens: dict[str, str]
) -> None:
    with world.entered(APP, None) as cursor:
        cursor.execute(
            "SELECT outcome FROM enter_tenant(%s, NULL, 'admin', %s)", (two_tenants[0].id, tokens["the adult's own"])
        )
        assert cursor.fetchone()["outcome"] == "no_token"


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELECT %s::integer", KnowledgeError),
        ("SELECT a FROM nowhere WHERE b = %s", KnowledgeError),
        ("INSERT INTO documents (title) VALUES (%s)", KnowledgeError),
        ("SELECT pg_terminate_backend(pg_backend_pid()), %s", DatabaseUnavailable),
    ],
)
def test_what_the_database_says_of_a_failure_is_not_repeated(
    world: World, tenant: Filled, statement: str, error: type[KnowledgeError]
) -> None:
    """Its messages hold the statement and the values."""
    database = open_app(world.dsn(APP))
    with pytest.raises(error) as raised, database.transaction(Caller(tenant.id)) as transaction:
        transaction.rows(statement, ("the-password-4711",))
    database.connection.close()

    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    told = f"{raised.value}{vars(raised.value)}"
    for word in ("4711", "nowhere", "SELECT", "INSERT", "documents"):
        assert word not in told
