"""Ids: none is given twice, and they tell nothing of each other; also in a database that has given others before."""

import json
from collections.abc import Iterator
from itertools import pairwise

import pytest

from local.database import Server
from local.settings import Credentials
from sql.install import install
from tests.database.worlds import World

DRAW = "SELECT new_id(%s) AS id FROM generate_series(1, %s)"


def drawn(world: World, sequence: str, number: int) -> list[int]:
    return [row["id"] for row in world.query(DRAW, (sequence, number))]


@pytest.mark.parametrize(
    ("sequence", "most"), [("documents_id_seq", 2**31 - 1), ("conversation_messages_id_seq", 2**52 - 1)]
)
def test_ids_are_different_and_fit(world: World, sequence: str, most: int) -> None:
    ids = drawn(world, sequence, 20_000)

    assert len(set(ids)) == len(ids)
    assert min(ids) >= 1
    assert max(ids) <= most


def test_ids_in_the_order_of_writing_tell_neither_order_nor_distance(world: World) -> None:
    """What follows is as often greater as smaller, and no difference comes back: as with numbers drawn by lot."""
    ids = drawn(world, "documents_id_seq", 4_000)

    steps = [later - earlier for earlier, later in pairwise(ids)]
    rising = sum(step > 0 for step in steps)
    assert 1_850 < rising < 2_150
    assert len(set(steps)) > 0.99 * len(steps)
    low_bits = [sum(number >> bit & 1 for number in ids) for bit in range(30)]
    assert all(1_800 < ones < 2_200 for ones in low_bits), low_bits


def test_two_databases_scatter_differently(postgres: Server, credentials: Credentials, world: World) -> None:
    other = World(postgres, credentials, postgres.create_database())
    install(
        other.dsn("postgres"), app_password=credentials.app_password, operator_password=credentials.operator_password
    )

    both = set(drawn(world, "documents_id_seq", 500)) & set(drawn(other, "documents_id_seq", 500))
    assert len(both) < 5
    postgres.drop_database(other.name)


@pytest.fixture
def before(postgres: Server, credentials: Credentials) -> Iterator[World]:
    """A database from before ids were scattered, with rows."""
    made = World(postgres, credentials, postgres.create_database())
    upgrade(made, credentials, up_to="0004_usage")
    yield made
    postgres.drop_database(made.name)


def upgrade(world: World, credentials: Credentials, up_to: str | None = None) -> None:
    install(
        world.dsn("postgres"), app_password=credentials.app_password,
        operator_password=credentials.operator_password, up_to=up_to,
    )  # fmt: skip


def test_an_upgrade_keeps_ids_gives_none_again_and_knows_what_old_answers_rest_on(
    before: World, credentials: Credentials
) -> None:
    tenant = before.one("INSERT INTO tenants (name, slug) VALUES ('Old', 'old') RETURNING id")
    document = (
        "INSERT INTO documents (tenant_id, title, content, content_hash, language, chunk_count)"
        " SELECT %s, 'Old', 'Old', '', 'english', 1 FROM generate_series(1, 300) RETURNING id"
    )
    old = [row["id"] for row in before.query(document, (tenant,))]
    session = before.one("INSERT INTO conversation_sessions (tenant_id) VALUES (%s) RETURNING id", (tenant,))
    citations = json.dumps([{"n": 1, "document_id": 7}, {"n": 2, "document_id": 7}])
    before.query(
        "INSERT INTO conversation_messages (tenant_id, session_id, event_id, role, content, sight, citations)"
        " VALUES (%s, %s, 'e', 'assistant', 'Old.', 1, %s)",
        (tenant, session, citations),
    )

    upgrade(before, credentials)

    assert sorted(old) == list(range(1, 301))
    assert min(drawn(before, "documents_id_seq", 5_000)) > 300
    assert before.one("SELECT sources FROM conversation_messages") == [7]
