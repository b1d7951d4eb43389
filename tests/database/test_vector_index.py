"""A large tenant's own vector index: made, kept and dropped, used by the search, and complete enough.

The thresholds are arguments, so that a tenant of some thousand vectors is large here. Vectors lie in clusters, as those
of real texts do.
"""

import random
import time
from dataclasses import dataclass
from typing import Any

import psycopg2
import pytest

from f.core.identity import Caller
from f.core.maintenance import maintain_vector_index
from f.core.retrieval import LEG, Query, SearchFilter, rank_passages
from tests.database.test_enter_tenant import open_app
from tests.database.worlds import APP, OPERATOR, Filled, World, new_tenant, random_vector
from tests.support.patience import PROMPTLY_SECONDS

LARGE, SMALL = 4_000, 40
CLUSTERS = 50
MODEL = "m"

_VECTORS = """
-- Chunks around so many centres: a centre with noise in every 16th dimension, which is enough to tell them apart.
WITH centres AS MATERIALIZED (
    SELECT number, array_agg(random() - 0.5 ORDER BY dimension) AS centre
    FROM generate_series(0, %(clusters)s - 1) AS number, generate_series(1, 1024) AS dimension GROUP BY number
)
INSERT INTO document_chunks (tenant_id, document_id, ordinal, start_offset, end_offset, content, token_count, words,
                             word_count, embedding, embedding_model)
SELECT %(tenant)s, %(document)s, n, n, n + 1, 'x', 1, '', 0,
       (SELECT array_agg(CASE WHEN i %% 16 = n %% 16 THEN v + (random() - 0.5) * 2 ELSE v END ORDER BY i)::real[]
               ::halfvec(1024)
        FROM unnest(centre) WITH ORDINALITY AS c (v, i)), 'm'
FROM generate_series(0, %(count)s - 1) AS n JOIN centres ON number = n %% %(clusters)s
"""


@dataclass(frozen=True)
class Tenants:
    """A large and a small tenant with vectors, each with a document that everyone sees."""

    large: Filled
    small: Filled


def index_of(tenant: Filled) -> str:
    return f"document_chunks_nearest_{tenant.id.replace('-', '')}"


def indexes(world: World) -> set[str]:
    rows = world.query("SELECT indexname FROM pg_indexes WHERE indexname LIKE 'document_chunks_nearest_%'")
    return {row["indexname"] for row in rows}


def maintain(world: World, tenant: Filled, make_above: int, drop_below: int) -> str:
    with world.connected(OPERATOR) as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM enter_tenant(%s, NULL, 'system')", (tenant.id,))
        cursor.execute("SELECT maintain_vector_index(%s, %s) AS outcome", (make_above, drop_below))
        outcome = str(cursor.fetchone()["outcome"])
        cursor.execute("COMMIT")
    return outcome


def add_vectors(world: World, tenant: Filled, count: int) -> int:
    document: int = world.one(
        "INSERT INTO documents (tenant_id, title, content, content_hash, language, chunk_count, word_count)"
        " VALUES (%s, 'Vectors', 'x', '', 'simple', %s, 0) RETURNING id",
        (tenant.id, count),
    )
    parameters = {"tenant": tenant.id, "document": document, "count": count, "clusters": CLUSTERS}
    world.query(_VECTORS, parameters)
    return document


def scans_of(world: World, tenant: Filled, at_least: int = 0) -> int:
    """Count how often a tenant's index was asked: a session that has ended is counted a moment later."""
    scans, until = -1, time.monotonic() + PROMPTLY_SECONDS
    while scans < at_least and time.monotonic() < until:
        scans = world.one("SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = %s", (index_of(tenant),))
    return scans


@pytest.fixture(scope="module")
def tenants(world: World) -> Tenants:
    made = Tenants(new_tenant(world), new_tenant(world))
    # Or what is known of an index would change whenever the server comes round.
    world.query("ALTER TABLE document_chunks SET (autovacuum_enabled = off)")
    add_vectors(world, made.large, LARGE)
    add_vectors(world, made.small, SMALL)
    world.query("ANALYZE document_chunks")
    return made


@pytest.fixture
def unindexed(world: World, tenants: Tenants) -> Tenants:
    """The tenants without any index."""
    for name in indexes(world):
        world.query(f"DROP INDEX {name}")
    return tenants


@pytest.fixture(scope="module")
def indexed(world: World, tenants: Tenants) -> Tenants:
    """The large tenant with its index."""
    maintain(world, tenants.large, LARGE - 1, 1)
    assert index_of(tenants.large) in indexes(world)
    return tenants


def test_the_search_for_a_large_tenant_uses_its_index_and_finds_what_an_exact_search_finds(
    world: World, indexed: Tenants
) -> None:
    source = random.Random(7)
    vectors = world.query(
        "SELECT embedding::text AS vector FROM document_chunks WHERE tenant_id = %s"
        " ORDER BY md5(embedding::text) LIMIT 500",
        (indexed.large.id,),
    )
    database, found, wanted = open_app(world.dsn(APP)), 0, 0
    for row in source.sample(vectors, 10):
        vector = [float(number) + source.gauss(0, 0.05) for number in row["vector"].strip("[]").split(",")]
        with database.transaction(Caller(indexed.large.id)) as transaction:
            hits = rank_passages(transaction, Query("zzz", vector, MODEL), SearchFilter())[:10]
            exact = transaction.rows(
                "SELECT id FROM document_chunks WHERE tenant_id = %s ORDER BY (embedding <=> %s::halfvec) + 0 LIMIT 10",
                (indexed.large.id, str(vector)),
            )
        found += len({hit.chunk_id for hit in hits} & {row["id"] for row in exact})
        wanted += len(exact)
    database.connection.close()

    assert wanted == 100
    assert found >= 95
    assert scans_of(world, indexed.large, at_least=10) >= 10


def test_few_documents_of_a_large_tenant_are_searched_without_its_index_and_completely(
    world: World, indexed: Tenants
) -> None:
    before = scans_of(world, indexed.large)
    document, vector = add_vectors(world, indexed.large, 30), random_vector(random.Random(2))
    database = open_app(world.dsn(APP))
    with database.transaction(Caller(indexed.large.id)) as transaction:
        found = rank_passages(transaction, Query("zzz", vector, MODEL), SearchFilter(document_ids=[document]))
        of_another_model = rank_passages(
            transaction, Query("zzz", vector, "another"), SearchFilter(document_ids=[document])
        )
    with database.transaction(Caller(indexed.large.id)) as transaction:  # what was counted is told at its end
        transaction.rows("SELECT pg_stat_force_next_flush()")
    database.connection.close()

    assert len(found) == 30
    assert of_another_model == []
    assert scans_of(world, indexed.large) == before


def test_the_index_gives_no_vectors_of_another_model(world: World, indexed: Tenants) -> None:
    database, vector = open_app(world.dsn(APP)), random_vector(random.Random(3))
    with database.transaction(Caller(indexed.large.id)) as transaction:
        assert rank_passages(transaction, Query("zzz", vector, "another"), SearchFilter()) == []
    database.connection.close()


def test_equal_vectors_are_in_the_order_of_their_ids_also_where_the_leg_ends(world: World) -> None:
    tenant = new_tenant(world)
    document = add_vectors(world, tenant, LEG + 50)
    world.query(
        "UPDATE document_chunks SET embedding = array_fill(1, '{1024}')::halfvec WHERE tenant_id = %s", (tenant.id,)
    )
    database = open_app(world.dsn(APP))
    with database.transaction(Caller(tenant.id)) as transaction:
        found = rank_passages(transaction, Query("zzz", [1.0] * 1024, MODEL), SearchFilter())
    database.connection.close()

    ids = world.query("SELECT id FROM document_chunks WHERE document_id = %s ORDER BY id LIMIT %s", (document, LEG))
    assert [passage.chunk_id for passage in found] == [row["id"] for row in ids]


def test_the_small_tenant_is_searched_without_it_and_completely(world: World, indexed: Tenants) -> None:
    database = open_app(world.dsn(APP))
    vector = random_vector(random.Random(1))
    with database.transaction(Caller(indexed.small.id)) as transaction:
        found = rank_passages(transaction, Query("zzz", vector, MODEL), SearchFilter())
    database.connection.close()

    assert len(found) == SMALL


def test_an_index_holds_the_vectors_of_its_tenant_alone(world: World, indexed: Tenants) -> None:
    definition = world.one("SELECT indexdef FROM pg_indexes WHERE indexname = %s", (index_of(indexed.large),))

    assert "USING hnsw (embedding halfvec_cosine_ops)" in definition
    assert f"WHERE (tenant_id = '{indexed.large.id}'::uuid)" in definition
    assert world.one("SELECT reltuples::int FROM pg_class WHERE relname = %s", (index_of(indexed.large),)) == LARGE


def test_an_index_is_made_kept_and_dropped_as_the_tenants_size_demands(world: World, unindexed: Tenants) -> None:
    small, mine = unindexed.small, {index_of(unindexed.small)}

    assert maintain(world, small, SMALL, 10) == "none"
    assert indexes(world) == set()
    assert maintain(world, small, SMALL - 1, 10) == "made"
    assert indexes(world) == mine
    assert maintain(world, small, SMALL - 1, 10) == "kept"
    # Between the two thresholds it is neither made nor dropped.
    assert maintain(world, small, SMALL + 100, SMALL) == "kept"
    assert indexes(world) == mine
    assert maintain(world, small, SMALL + 100, SMALL + 1) == "dropped"
    assert indexes(world) == set()
    assert maintain(world, small, SMALL + 100, SMALL + 1) == "none"


def test_an_index_has_the_time_and_the_memory_that_it_takes(world: World, unindexed: Tenants) -> None:
    database = open_app(world.dsn(OPERATOR))
    with database.transaction(Caller(unindexed.large.id, None, "system")) as transaction:
        assert maintain_vector_index(transaction)["none"] == 1
        assert transaction.row("SHOW statement_timeout") == {"statement_timeout": "1h"}
        transaction.execute("SET LOCAL maintenance_work_mem = '1MB'")
        assert transaction.row("SELECT maintain_vector_index(%s, 1) AS outcome", (LARGE - 1,)) == {"outcome": "made"}
        memory = transaction.row("SELECT setting::bigint AS kb FROM pg_settings WHERE name = 'maintenance_work_mem'")
        assert memory is not None
        assert memory["kb"] > 2 * LARGE  # two kilobytes a vector, and its neighbours
    database.connection.close()


def test_one_tenants_size_decides_nothing_for_another(world: World, unindexed: Tenants) -> None:
    assert maintain(world, unindexed.small, SMALL + 1, 10) == "none"
    assert maintain(world, new_tenant(world), 1, 0) == "none"
    assert indexes(world) == set()


def test_chunks_without_a_vector_do_not_count(world: World) -> None:
    tenant = new_tenant(world)
    add_vectors(world, tenant, 20)
    world.query(
        "UPDATE document_chunks SET embedding = NULL, embedding_model = NULL WHERE tenant_id = %s AND ordinal < 15",
        (tenant.id,),
    )

    assert maintain(world, tenant, 10, 1) == "none"
    assert maintain(world, tenant, 4, 1) == "made"


def refused(cursor: Any, *arguments: object) -> type[psycopg2.Error]:
    with pytest.raises(psycopg2.Error) as error:
        cursor.execute("SELECT maintain_vector_index(%s, %s)", arguments)
    return error.type


@pytest.mark.parametrize("arguments", [(10, 10), (10, 20), (10, -1)])
def test_thresholds_that_make_no_sense_are_refused_and_make_nothing(
    world: World, unindexed: Tenants, arguments: tuple[int, int]
) -> None:
    with world.entered(OPERATOR, unindexed.small.id, None, "system") as cursor:
        assert refused(cursor, *arguments) is psycopg2.errors.RaiseException
    assert indexes(world) == set()


def test_without_a_tenant_nothing_is_made(world: World, unindexed: Tenants) -> None:
    with world.entered(OPERATOR, None) as cursor:
        assert refused(cursor, 1, 0) is psycopg2.errors.RaiseException


def test_the_members_login_may_not_call_it(world: World, unindexed: Tenants) -> None:
    with world.entered(APP, unindexed.large.id, None, "system") as cursor:
        assert refused(cursor, 1, 0) is psycopg2.errors.InsufficientPrivilege
