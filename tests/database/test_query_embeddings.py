"""Embeddings of questions in the database: found again to the last bit, by whom they belong to, and never too many."""

import random
from collections.abc import Iterator

import pytest

from f.core.database import Database, vector_text
from f.core.identity import Caller
from f.core.question_cache import PLACES, SPACE_AND_KNOWN_VECTOR, places_of, remember_vector
from f.core.retrieval import Query, SearchFilter, rank_passages
from tests.database.test_enter_tenant import open_app
from tests.database.worlds import APP, Filled, World, add_document, new_tenant, random_vector

MODEL, QUESTION = "m", "Where is the passport?"
VECTOR = random_vector(random.Random(6))


@pytest.fixture
def database(world: World) -> Iterator[Database]:
    opened = open_app(world.dsn(APP))
    yield opened
    opened.connection.close()


def remember(database: Database, caller: Caller, question: str = QUESTION, model: str = MODEL) -> None:
    with database.transaction(caller) as transaction:
        remember_vector(transaction, question, model, vector_text(VECTOR))


def known(database: Database, caller: Caller, question: str = QUESTION, model: str = MODEL) -> str | None:
    with database.transaction(caller) as transaction:
        row = transaction.row(
            SPACE_AND_KNOWN_VECTOR, places_of(caller.tenant_id, caller.member_id, question, model, None)
        )
    assert row is not None
    return None if row["found"]["vector"] is None else str(row["found"]["vector"])


def test_a_vector_that_is_known_finds_what_a_new_one_finds_to_the_last_bit(world: World, database: Database) -> None:
    tenant = new_tenant(world)
    caller = Caller(tenant.id, tenant.members["adult"])
    source = random.Random(7)
    with world.connected("postgres") as cursor:
        for _ in range(30):
            add_document(cursor, tenant.id, vectors=[random_vector(source)], model=MODEL)
    remember(database, caller)
    again = known(database, caller)

    assert again is not None
    found = []
    for vector in (VECTOR, [float(number) for number in again[1:-1].split(",")]):
        with database.transaction(caller) as transaction:
            found.append(rank_passages(transaction, Query("", vector, MODEL), SearchFilter()))
    assert len(found[0]) == 30
    assert found[0] == found[1]


def test_a_question_is_known_by_what_a_reader_sees_of_it_and_by_its_model(world: World, database: Database) -> None:
    tenant = new_tenant(world)
    caller = Caller(tenant.id, tenant.members["adult"])
    remember(database, caller)

    assert known(database, caller, "  Where is\n the\u200b passport? ")
    assert not known(database, caller, "where is the passport?")
    assert not known(database, caller, "Where is the passport")
    assert not known(database, caller, model="other")


def test_nobody_knows_what_another_has_asked(world: World, database: Database) -> None:
    tenant, other = new_tenant(world), new_tenant(world)
    callers = [Caller(each.id, member) for each in (tenant, other) for member in (None, *each.members.values())]
    for caller in callers:
        assert known(database, caller) is None, caller
        remember(database, caller)
        assert known(database, caller) is not None, caller


def test_nothing_of_a_question_is_kept_and_a_newer_one_takes_the_place_of_an_older(
    world: World, database: Database
) -> None:
    tenant = new_tenant(world)
    caller = Caller(tenant.id, tenant.members["teen"])
    for number in range(PLACES + PLACES // 2):
        remember(database, caller, f"{QUESTION} {number}")
    rows = "SELECT t::text AS text FROM query_embeddings AS t WHERE tenant_id = %s"
    kept = [row["text"] for row in world.query(rows, (tenant.id,))]

    assert PLACES / 2 < len(kept) <= PLACES
    assert not any("passport" in text for text in kept)
    assert known(database, caller, f"{QUESTION} {PLACES + PLACES // 2 - 1}")


def test_the_policies_alone_keep_members_apart(world: World, two_tenants: tuple[Filled, Filled]) -> None:
    tenant = two_tenants[0]
    for table in ("query_embeddings", "cached_answers"):
        seen = {}
        for member in ("adult", "admin", "teen", None):
            with world.entered(APP, tenant.id, tenant.members[member] if member else None, None) as cursor:
                cursor.execute(f"SELECT count(*) AS rows FROM {table}")
                seen[member] = cursor.fetchone()["rows"]
        assert seen == {"adult": 1, "admin": 0, "teen": 0, None: 0}, table
