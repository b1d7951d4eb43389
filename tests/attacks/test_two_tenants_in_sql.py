"""Two tenants in SQL: what functions, views, sequences, ids and the work of a search tell a login of the other tenant.

Functions, views and sequences come from the catalogue: a new one has to be listed here, or fails.
"""

import random
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import psycopg2
import pytest
from psycopg2.extras import RealDictCursor

from f.core.database import Database
from f.core.identity import Caller
from f.core.retrieval import Query, SearchFilter, load_passages, rank_passages
from local.database import Server
from local.settings import Credentials
from tests.attacks.other_tenant import NOBODYS, rows_of
from tests.database.worlds import (
    APP,
    MEMBER_TYPES,
    OPERATOR,
    Filled,
    World,
    add_document,
    fill,
    new_tenant,
    random_vector,
)

LOGINS = (APP, OPERATOR)
NOBODYS_UUID = "6f1c7d52-0c5e-4a53-9d0b-2f4f2a7c8b11"
VIEWERS = (None, *MEMBER_TYPES, "system")

CALLS: dict[str, tuple[str, ...]] = {
    # In one's own tenant, %(own)s, with the other's member or token. Who names the other tenant is let into it: that is
    # what these two are for, and why a login's password is worth all tenants.
    "enter_tenant(uuid,integer,text,uuid)": (
        "SELECT * FROM enter_tenant(%(own)s, %(member)s, 'admin')",
        "SELECT * FROM enter_tenant(%(own)s, %(own_member)s, 'admin', %(token)s)",
        "SELECT * FROM enter_tenant(%(own)s, %(member)s, 'admin', %(token)s)",
    ),
    "require_entry(uuid,integer,text,uuid)": (
        "SELECT require_entry(%(own)s, %(member)s, 'admin')",
        "SELECT require_entry(%(own)s, %(own_member)s, 'admin', %(token)s)",
    ),
    "admit(uuid,integer,text,uuid)": (
        "SELECT * FROM admit(%(own)s, %(member)s, 'admin')",
        "SELECT * FROM admit(%(own)s, %(own_member)s, 'admin', %(token)s)",
    ),
    "charge_tokens(uuid,integer,bigint)": (
        "SELECT charge_tokens(%(tenant)s, %(member)s, 7)",
        "SELECT charge_tokens(%(own)s, %(member)s, 7)",
    ),
    "take_chat_slot(uuid,integer,text,double precision)": (
        "SELECT take_chat_slot(%(tenant)s, %(member)s, 'r', 60)",
        "SELECT take_chat_slot(%(own)s, %(member)s, 'r', 60)",
    ),
    "rank_by_words(uuid,text,integer[],text[],double precision,double precision,integer)": (
        "SELECT * FROM rank_by_words(%(tenant)s, 'excess euros', ARRAY[%(document)s], ARRAY['english'], 9, 9, 9)",
        "SELECT * FROM rank_by_words(%(own)s, 'excess euros', ARRAY[%(document)s], ARRAY['english'], 9, 9, 9)",
    ),
    "nearest_chunks(uuid,halfvec,text,integer[],double precision,integer)": (
        "SELECT * FROM nearest_chunks(%(tenant)s, array_fill(1, '{1024}')::halfvec, 'm', ARRAY[%(document)s], 9, 9)",
        "SELECT * FROM nearest_chunks(%(tenant)s, array_fill(1, '{1024}')::halfvec, 'm', ARRAY[%(document)s], 1e4, 9)",
        "SELECT * FROM nearest_chunks(%(own)s, array_fill(1, '{1024}')::halfvec, 'm', ARRAY[%(document)s], 9, 9)",
    ),
    "tenants_with_backlog()": ("SELECT * FROM tenants_with_backlog()",),
    "maintain_vector_index(integer,integer)": ("SELECT maintain_vector_index(1000000, 999999)",),
    "drop_index_of_gone_tenant(uuid)": ("SELECT drop_index_of_gone_tenant(%(tenant)s)",),
    "erase_tenant()": ("SELECT erase_tenant()",),
    "erase_member(integer)": ("SELECT erase_member(%(member)s)",),
    "erase_accounts(uuid[])": ("SELECT erase_accounts(ARRAY[%(account)s]::uuid[])",),
    "may_see(text,integer,boolean,text,integer)": ("SELECT may_see('adult', 1, true, 'private', %(member)s)",),
    "member_may_see(text,integer)": ("SELECT member_may_see('private', %(member)s)",),
    "member_sight()": ("SELECT member_sight()",),
    "take_provider_turn(text,uuid,integer,double precision,double precision)": (
        "SELECT take_provider_turn('model', %(session)s::uuid, 60000, 9, 1)",
    ),
    "pause_provider_queue(text,uuid,double precision)": (
        "SELECT pause_provider_queue('model', %(session)s::uuid, 60)",
    ),
    "new_id(text)": ("SELECT new_id('documents_id_seq') > 0",),
    "add_chunk_words()": ("SELECT add_chunk_words()",),
    "remove_chunk_words()": ("SELECT remove_chunk_words()",),
    "touch_documents()": ("SELECT touch_documents()",),
    "seen_by_member()": ("SELECT seen_by_member()",),
    "any_of_words(text[])": ("SELECT any_of_words(ARRAY['excess'])",),
    "fold_accents(text)": ("SELECT fold_accents('Excess')",),
    "words_of(text,text)": ("SELECT words_of('english', 'excess')",),
}
"""How each function is called with the other tenant's things; a new one has to be listed."""

VIEWS = {
    "readable_messages": "SELECT * FROM readable_messages WHERE tenant_id = %(tenant)s OR session_id = %(session)s"
}
"""The same for each view."""

TOLD_TO_OPERATORS = {
    "SELECT charge_tokens(%(tenant)s, %(member)s, 7)",
    "SELECT take_chat_slot(%(tenant)s, %(member)s, 'r', 60)",
}
"""Refused for a tenant that exists, and without effect for one that does not: operators list all tenants anyway."""


@pytest.fixture
def own_world(postgres: Server, credentials: Credentials, template: str) -> Iterator[World]:
    """A database of the test's own: others' rows would be in the way."""
    name = postgres.create_database(template=template)
    yield World(postgres, credentials, name)
    postgres.drop_database(name)


@pytest.fixture(scope="module")
def tenants(world: World) -> tuple[Filled, Filled]:
    """One's own, and the other, which has a vector index too."""
    mine, other = fill(world), fill(world)
    with world.connected("postgres") as cursor:
        vectors = [random_vector(random.Random(number)) for number in range(2)]
        add_document(cursor, other.id, texts=["One.", "Two."], vectors=vectors)
    with world.connected(OPERATOR) as cursor:
        cursor.execute("BEGIN; SELECT enter_tenant(%s, NULL, 'system')", (other.id,))
        cursor.execute("SELECT maintain_vector_index(1, 0) AS outcome")
        assert cursor.fetchone()["outcome"] == "made"
        cursor.execute("COMMIT")
    return mine, other


def our_functions(world: World) -> set[str]:
    rows = world.query(
        "SELECT oid::regprocedure::text AS name FROM pg_proc AS p WHERE pronamespace = 'public'::regnamespace"
        " AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e')"
    )
    return {row["name"] for row in rows}


def our_views(world: World) -> set[str]:
    rows = world.query(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm', 'f')"
    )
    return {row["relname"] for row in rows}


def things_of(world: World, tenant: Filled) -> dict[str, object]:
    """Give a tenant's ids, as the statements name them."""
    [row] = world.query(
        "SELECT (SELECT id FROM session_tokens WHERE tenant_id = %(tenant)s)::text AS token,"
        " (SELECT id FROM conversation_sessions WHERE tenant_id = %(tenant)s)::text AS session,"
        " (SELECT user_id FROM tenant_memberships WHERE tenant_id = %(tenant)s)::text AS account",
        {"tenant": tenant.id},
    )
    document = tenant.documents["everyone", "adult"]
    return {"tenant": tenant.id, "member": tenant.members["adult"], "document": document, **row}


NOBODY: dict[str, object] = {
    "tenant": NOBODYS_UUID, "member": NOBODYS, "document": NOBODYS, "token": NOBODYS_UUID, "session": NOBODYS_UUID,
    "account": NOBODYS_UUID,
}  # fmt: skip


def outcome(world: World, login: str, mine: Filled, viewer: str | None, statement: str, things: Any) -> str:
    """Run a statement inside one's own tenant and commit it; return its rows, or how it was refused."""
    member = mine.members.get(viewer or "")
    own = {"own": mine.id, "own_member": mine.members["adult"]}
    with world.connected(login) as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM enter_tenant(%s, %s, %s)", (mine.id, member, viewer))
        try:
            cursor.execute(statement, {**things, **own})
            told = str([dict(row) for row in cursor.fetchall()])
            cursor.execute("COMMIT")
        except psycopg2.Error as error:
            told = f"{type(error).__name__}: {error.diag.message_primary} {error.diag.message_detail}"
            cursor.execute("ROLLBACK")
    for name, value in things.items():
        told = re.sub(rf"\b{value}\b", name, told)
    return told


def everything_of(world: World, tenant: Filled) -> Any:
    """Give a fingerprint of a tenant's rows, and its index."""
    index = f"document_chunks_nearest_{tenant.id.replace('-', '')}"
    return rows_of(world, tenant.id), world.one("SELECT to_regclass(%s)::text", (index,))


def test_every_function_and_view_is_tried(world: World) -> None:
    assert our_functions(world) == set(CALLS)
    assert our_views(world) == set(VIEWS)


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("name", [*CALLS, *VIEWS])
def test_a_function_or_view_tells_and_changes_nothing_of_another_tenant(
    world: World, tenants: tuple[Filled, Filled], login: str, name: str
) -> None:
    mine, other = tenants
    before = everything_of(world, other)
    for statement in CALLS.get(name) or (VIEWS[name],):
        for viewer in VIEWERS:
            told = [
                outcome(
                    world, login, new_tenant(world) if name == "erase_tenant()" else mine, viewer, statement, things
                )
                for things in (things_of(world, other), NOBODY)
            ]
            if login == OPERATOR and statement in TOLD_TO_OPERATORS:
                assert told[0].startswith("InsufficientPrivilege"), statement
            else:
                assert told[0] == told[1], (statement, viewer)
    assert everything_of(world, other) == before


def our_sequences(world: World) -> list[str]:
    return [
        row["name"] for row in world.query("SELECT sequencename AS name FROM pg_sequences WHERE schemaname = 'public'")
    ]


@pytest.mark.parametrize("login", LOGINS)
def test_no_login_reads_or_draws_from_a_sequence(world: World, tenants: tuple[Filled, Filled], login: str) -> None:
    """A counter that all tenants share would tell each how much the others write."""
    assert len(our_sequences(world)) >= 6
    for sequence in our_sequences(world):
        for statement in (
            "nextval('{}')",
            "currval('{}')",
            "setval('{}', 7)",
            "lastval()",
            "(SELECT last_value FROM {})",
        ):
            with world.entered(login, tenants[0].id, None, "system") as cursor:
                cursor.execute("SELECT new_id(%s)", (sequence,))
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute(f"SELECT {statement.format(sequence)}")
        with world.entered(login, tenants[0].id) as cursor:
            cursor.execute(f"SELECT pg_sequence_last_value('{sequence}') AS told")
            assert cursor.fetchone()["told"] is None
            cursor.execute("SELECT last_value FROM pg_sequences WHERE sequencename = %s", (sequence,))
            assert [row["last_value"] for row in cursor.fetchall()] == [None]


def test_every_id_that_is_drawn_is_scattered_or_random(world: World) -> None:
    defaults = world.query(
        "SELECT attrelid::regclass || '.' || attname AS name, pg_get_expr(adbin, adrelid) AS value FROM pg_attrdef"
        " JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum JOIN pg_class AS c ON c.oid = adrelid"
        " WHERE relnamespace = 'public'::regnamespace AND attname = 'id'"
    )
    assert len(defaults) >= 9
    for column in defaults:
        assert re.fullmatch(r"new_id\('\w+_id_seq'::text\)|gen_random_uuid\(\)", column["value"]), column
    assert {row["sequence_name"] for row in world.query("SELECT * FROM id_secrets")} == set(our_sequences(world))


def rank_correlation(left: Sequence[int], right: Sequence[int]) -> float:
    """Spearman's coefficient; of two lists that have nothing to do with each other it is near 0."""

    def ranks(values: Sequence[int]) -> list[float]:
        order = sorted(range(len(values)), key=values.__getitem__)
        found = [0.0] * len(values)
        for rank, index in enumerate(order):
            found[index] = rank - (len(values) - 1) / 2
        return found

    first, second = ranks(left), ranks(right)
    products = sum(a * b for a, b in zip(first, second, strict=True))
    return float(products / (sum(a * a for a in first) * sum(b * b for b in second)) ** 0.5)


def test_ids_tell_nothing_of_how_much_others_wrote_in_between(world: World, tenants: tuple[Filled, Filled]) -> None:
    """Six standard deviations from chance: a false alarm once in five hundred million runs."""
    source = random.Random(20260101)
    written = [source.randrange(20) for _ in range(300)]
    for sequence in our_sequences(world):
        with world.entered(APP, tenants[0].id) as cursor:
            cursor.execute(
                "SELECT new_id(%s) AS id FROM generate_series(1, %s)", (sequence, sum(written) + len(written))
            )
            drawn = [row["id"] for row in cursor.fetchall()]
        own = [drawn[sum(written[:number]) + number] for number in range(len(written))]

        for distances in ([abs(b - a) for a, b in pairwise(own)], [b - a for a, b in pairwise(own)]):
            assert abs(rank_correlation(written[:-1], distances)) < 6 / 299**0.5, sequence
        assert abs(rank_correlation(range(len(drawn)), drawn)) < 6 / (len(drawn) - 1) ** 0.5, sequence


_WRITE = """
SELECT setseed(0.42);
WITH drawn AS MATERIALIZED (
    SELECT tenant, number, ordinal,
           (SELECT string_agg((%(words)s::text[])[1 + floor(random() * 10)::integer], ' ')
            FROM generate_series(1, 12 + 0 * (number + ordinal))) AS text,
           (SELECT array_agg(random() - 0.5)
            FROM generate_series(1, 1024 + 0 * (number + ordinal)))::real[]::vector AS vector
    FROM generate_series(1, %(documents)s) AS number, unnest(%(tenants)s::uuid[]) AS tenant,
         generate_series(0, 4) AS ordinal
), document AS (
    INSERT INTO documents (tenant_id, title, content, content_hash, language, chunk_count, word_count)
    SELECT tenant, 'Harbour', text, sha256(uuid_send(gen_random_uuid())), 'english', 5, 60
    FROM drawn WHERE ordinal = 0 ORDER BY number, tenant
    RETURNING id, tenant_id
), numbered AS (
    SELECT id, tenant_id AS tenant, row_number() OVER (PARTITION BY tenant_id) AS number FROM document
)
INSERT INTO document_chunks (tenant_id, document_id, ordinal, start_offset, end_offset, content, token_count, words,
                             word_count, embedding, embedding_model)
SELECT tenant, id, ordinal, 0, char_length(text), text, 20, words_of('english', text), 12, vector::halfvec, 'm'
FROM drawn JOIN numbered USING (tenant, number) ORDER BY number, tenant, ordinal
"""
"""Documents of five chunks with the same ten words, of several tenants in turn."""
WORDS = ["harbour", "ferry", "mooring", "yacht", "dues", "drachma", "anchor", "lighthouse", "breakwater", "quay"]

_WORK = """
SELECT sum(pg_stat_get_xact_tuples_returned(oid))::integer AS returned,
       sum(pg_stat_get_xact_tuples_fetched(oid))::integer AS fetched,
       sum(CASE relkind WHEN 'i' THEN pg_stat_get_xact_numscans(oid) END)::integer AS searches
FROM pg_class WHERE relnamespace = 'public'::regnamespace
"""
"""What this transaction has read of our tables and indexes so far, inside of functions too."""


class Recording(RealDictCursor):
    """Keeps the statements as they were sent."""

    sent: ClassVar[list[str]] = []

    def execute(self, query: Any, vars: Any = None) -> None:
        super().execute(query, vars)
        self.sent.append((self.query or b"").decode())


def search_in(world: World, tenant: Filled) -> tuple[list[Any], list[dict[str, int]]]:
    """Search as the members' login; return what was found, and the work of ranking and of loading."""
    connection = psycopg2.connect(world.dsn(APP), cursor_factory=Recording)
    connection.autocommit = True
    query = Query("ferry dues of the harbour", random_vector(random.Random(7)), "m")
    work = []
    with Database(connection).transaction(Caller(tenant.id, tenant.members["adult"])) as transaction:
        assert transaction.member_type == "adult"  # so that the beginning has been sent, and by itself
        ranked = rank_passages(transaction, query, SearchFilter())
        statements = [Recording.sent[-1]]
        hits = load_passages(transaction, ranked[:50], snippets_for=query.question)
        statements.append(Recording.sent[-1])
        for statement in statements:
            for _ in range(6):  # the first ones fill caches
                before = transaction.rows(_WORK)[0]
                explained = transaction.rows(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON, TIMING OFF) {statement}")
                after = transaction.rows(_WORK)[0]
            plan = explained[0]["QUERY PLAN"][0]["Plan"]
            buffers = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
            work.append({"buffers": buffers, **{name: after[name] - before[name] for name in after}})
    connection.close()
    return [ranked, hits], work


def test_a_search_finds_the_same_in_the_same_order_with_the_same_work_however_much_another_tenant_has(
    own_world: World,
) -> None:
    """Buffers stand for time: they do not depend on the machine. A larger index may be a level deeper."""
    mine, other = new_tenant(own_world), new_tenant(own_world)

    def write(tenants: list[Filled], documents: int) -> None:
        given = {"words": WORDS, "documents": documents, "tenants": [tenant.id for tenant in tenants]}
        own_world.query(_WRITE, given)

    write([mine, other], 60)
    write([other], 100)  # tables of a few pages PostgreSQL reads whole, everybody's rows
    own_world.query("VACUUM ANALYZE")
    found, before = search_in(own_world, mine)
    assert len(found[0]) > 200

    write([other], 1_200)  # 20 times as many chunks as mine
    unanalysed, _ = search_in(own_world, mine)
    own_world.query("VACUUM ANALYZE")
    analysed, after = search_in(own_world, mine)

    assert unanalysed == found
    assert analysed == found
    for was, is_now in zip(before, after, strict=True):
        assert is_now["returned"] <= was["returned"], (was, is_now)
        # Whether an index alone is enough depends on when the rows were last vacuumed, and not on whose they are.
        looked_up = max(was["returned"] - was["fetched"], 0)
        assert is_now["fetched"] <= was["fetched"] + looked_up, (was, is_now)
        assert is_now["buffers"] <= was["buffers"] + is_now["searches"] + looked_up, (was, is_now)
    # A passage, its document, and the document once more for the policy: not all of the tenant's.
    assert after[1]["returned"] <= 3 * len(found[1]), after
