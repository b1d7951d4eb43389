"""What PostgreSQL's own relations and functions tell a login of another tenant: all of it is listed here.

Policies are for our tables. The server also keeps names and numbers of its own, which every login may read: no script
hands them out, so they are within reach of somebody who speaks SQL with a login's password, who can name any tenant as
well. The list is what SECURITY.md says; relations come from the catalogue, so that a new one is looked at too.
"""

import re
import struct
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest

from tests.attacks.other_tenant import new_mark
from tests.database.worlds import APP, OPERATOR, Filled, World, add_document, fill

LOGINS = (APP, OPERATOR)
DOCUMENTS = 60

INDEX = "the index of a tenant with many vectors has the tenant's id in its name and in its condition"
NAMING = {
    "pg_class": INDEX,
    "pg_index": INDEX,
    "pg_indexes": INDEX,
    "pg_stats": "that name, in the statistics of pg_class; those of our tables are closed",
    "pg_stat_all_indexes": INDEX,
    "pg_stat_user_indexes": INDEX,
    "pg_statio_all_indexes": INDEX,
    "pg_statio_user_indexes": INDEX,
}
"""Relations in which another tenant's id or text stands, and why."""

TOTALS = "sizes and row counts of whole tables, of all tenants together"
TRAFFIC = "how often whole tables, indexes and sequences were read and written, by all tenants together"
SERVER = "work of the whole server or database"
OWN_WORK = "how often one's own transaction read the server's tables, which is more after they were vacuumed"
SESSIONS = "that there are other sessions, and what they wait for"
COUNTING = {
    "pg_class": TOTALS,
    "pg_stats": "the same, in the statistics of pg_class",
    **{
        f"pg_{kind}_{whose}_{what}": TRAFFIC
        for kind in ("stat", "statio")
        for whose in ("all", "user", "sys")
        for what in ("tables", "indexes", "sequences")
    },
    **{
        f"pg_stat_{what}": SERVER
        for what in ("archiver", "bgwriter", "checkpointer", "database", "database_conflicts", "io", "slru", "wal")
    },
    **{f"pg_stat_xact_{whose}_tables": OWN_WORK for whose in ("all", "sys")},
    **{f"pg_stat_progress_{what}": SESSIONS for what in ("vacuum", "analyze", "create_index")},
    **dict.fromkeys(("pg_locks", "pg_stat_activity", "pg_stat_gssapi", "pg_stat_ssl"), SESSIONS),
}
"""Relations whose numbers may change because another tenant writes, and what they count."""
SURELY = {"pg_class", "pg_stat_user_tables", "pg_stat_all_tables"}
"""Of these, what certainly does: were it closed one day, the list would be too long."""
BY_THE_CLOCK = {"pg_timezone_names"}
"""What changes by itself: somewhere summer time begins or ends."""

EXPRESSIONS = {
    "pg_relation_size('documents')": TOTALS,
    "pg_database_size(current_database())": TOTALS,
    "pg_stat_get_tuples_inserted('documents'::regclass)": TRAFFIC,
    "pg_current_wal_lsn()": SERVER,
    "pg_current_xact_id()": "how many transactions have written anything",
    "(SELECT ctid FROM documents ORDER BY created_at DESC LIMIT 1)": "where in the table one's own row came to stand",
    "(SELECT xmin FROM documents ORDER BY created_at DESC LIMIT 1)": "after how many transactions it was written",
    "EXPLAIN": "the planner's guess, which knows how often a value occurs in all tenants' rows together",
}
"""The same by functions, system columns and EXPLAIN; each is shown to tell."""

CLOSED = (
    "SELECT stavalues1 FROM pg_statistic",
    "SELECT * FROM pg_statistic_ext_data",
    "SELECT rolpassword FROM pg_authid",
    "SELECT * FROM pg_largeobject",
    "SELECT * FROM pg_hba_file_rules",
    "SELECT * FROM pg_file_settings",
    "SELECT pg_read_file('pg_hba.conf')",
    "SELECT pg_ls_waldir()",
    "SELECT pg_stat_reset()",
    "SELECT pg_read_binary_file('global/pg_control')",
    "SELECT pg_logical_slot_get_changes('a', NULL, NULL)",
    "SELECT lo_import('/etc/passwd')",
    "SELECT pg_reload_conf()",
)
"""What no login may read or do."""
EMPTY = (
    "SELECT * FROM pg_stats WHERE schemaname = 'public' AND tablename <> 'schema_migrations'",
    "SELECT * FROM pg_stats_ext",
    "SELECT * FROM pg_sequences WHERE last_value IS NOT NULL",
    "SELECT * FROM pg_prepared_xacts",
    "SELECT * FROM pg_prepared_statements WHERE prepare_time < now() - interval '1 hour'",
    "SELECT * FROM pg_user_mappings",
    "SELECT 1 FROM pg_extension WHERE extname NOT IN ('plpgsql', 'vector')",
)
"""What gives a login nothing."""


@pytest.fixture(scope="module")
def mark() -> str:
    return new_mark()


@pytest.fixture(scope="module")
def tenants(world: World, mark: str) -> tuple[Filled, Filled]:
    """One's own, and the other with a mark in its texts and an index of its own."""
    mine, other = fill(world), fill(world)
    write(world, other, mark, vectors=[[1.0] * 1024])
    with world.connected(OPERATOR) as cursor:
        cursor.execute("BEGIN; SELECT enter_tenant(%s, NULL, 'system')", (other.id,))
        cursor.execute("SELECT maintain_vector_index(1, 0) AS outcome")
        assert cursor.fetchone()["outcome"] == "made"
        cursor.execute("COMMIT")
    world.query("ANALYZE")
    return mine, other


def write(world: World, tenant: Filled, mark: str, **more: Any) -> None:
    """Write documents, and have the server's own numbers brought up to date."""
    with world.connected("postgres") as cursor:
        for number in range(DOCUMENTS):
            texts = [f"The {mark}harbour dues, {number}."]
            add_document(cursor, tenant.id, texts=texts, category=f"{mark}category", tags=[mark], **more)
        cursor.execute("ANALYZE documents, document_chunks, chunk_words")
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT 1")


def servers_relations(world: World) -> list[str]:
    """List the server's own relations; those of pg_catalog by their name alone."""
    rows = world.query(
        "SELECT c.oid::regclass::text AS name FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace"
        " WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname <> 'public' AND nspname NOT LIKE 'pg_temp%'"
    )
    return [row["name"] for row in rows]


def read_all(world: World, login: str, mine: Filled) -> dict[str, list[str]]:
    """Read each of the server's relations as a login inside its own tenant; what is closed is empty."""
    found = {}
    with world.entered(login, mine.id, None, "admin") as cursor:
        for relation in servers_relations(world):
            cursor.execute("SAVEPOINT reading")
            try:
                cursor.execute(f"SELECT t::text AS row FROM {relation} AS t")
                found[relation] = sorted(row["row"] for row in cursor.fetchall())
            except psycopg2.errors.InsufficientPrivilege:
                found[relation] = []
                cursor.execute("ROLLBACK TO reading")
    return found


@contextmanager
def working(world: World, login: str, tenant: Filled, mark: str) -> Iterator[None]:
    """Have a job of the same login at work for a tenant."""
    with world.entered(login, tenant.id, None, "admin") as cursor:
        cursor.execute("SELECT * FROM documents WHERE category = %s", (f"{mark}category",))
        yield


@pytest.mark.parametrize("login", LOGINS)
def test_another_tenants_id_and_texts_stand_in_the_listed_relations_alone(
    world: World, tenants: tuple[Filled, Filled], mark: str, login: str
) -> None:
    mine, other = tenants
    # The condition of an index is kept as the bytes of the id.
    signed = " ".join(str(byte) for byte in struct.unpack("16b", uuid.UUID(other.id).bytes))
    forms = re.compile("|".join((other.id, other.id.replace("-", ""), signed, mark)))
    with working(world, login, other, mark):
        found = read_all(world, login, mine)

    assert len(found) > 150
    naming = {name for name, rows in found.items() if any(forms.search(row) for row in rows)}
    assert naming | {"pg_stats"} == set(NAMING)  # a statistic holds one of a few names, by chance


@pytest.mark.parametrize("login", LOGINS)
def test_another_tenants_writing_changes_numbers_in_the_listed_relations_alone(
    world: World, tenants: tuple[Filled, Filled], mark: str, login: str
) -> None:
    mine, other = tenants
    before = read_all(world, login, mine)
    write(world, other, mark)
    after = read_all(world, login, mine)

    changed = {name for name, rows in after.items() if rows != before[name]}
    assert changed - COUNTING.keys() - BY_THE_CLOCK == set()
    assert changed >= SURELY


def measured(world: World, login: str, mine: Filled, mark: str) -> dict[str, object]:
    """Evaluate each expression in one's own tenant, after having written there."""
    told: dict[str, object] = {}
    with world.connected("postgres") as cursor:
        add_document(cursor, mine.id)
    with world.entered(login, mine.id, None, "admin") as cursor:
        for expression in EXPRESSIONS.keys() - {"EXPLAIN"}:
            cursor.execute(f"SELECT {expression} AS value")
            told[expression] = cursor.fetchone()["value"]
        cursor.execute("EXPLAIN (FORMAT JSON) SELECT FROM documents WHERE category = %s", (f"{mark}category",))
        told["EXPLAIN"] = cursor.fetchone()["QUERY PLAN"][0]["Plan"]["Plan Rows"]
    return told


@pytest.mark.parametrize("login", LOGINS)
def test_what_is_said_to_tell_does(world: World, tenants: tuple[Filled, Filled], login: str) -> None:
    mine, other = tenants
    mark = new_mark()
    before = measured(world, login, mine, mark)
    for _ in range(3):
        write(world, other, mark)
    after = measured(world, login, mine, mark)

    assert [expression for expression in EXPRESSIONS if before[expression] == after[expression]] == []


@pytest.mark.parametrize("login", LOGINS)
def test_what_is_said_to_be_closed_is(world: World, tenants: tuple[Filled, Filled], login: str) -> None:
    for statement in CLOSED:
        refused = pytest.raises(psycopg2.errors.InsufficientPrivilege)
        with world.entered(login, tenants[0].id, None, "system") as cursor, refused:
            cursor.execute(statement)
    for statement in EMPTY:
        with world.entered(login, tenants[0].id, None, "system") as cursor:
            cursor.execute(statement)
            assert cursor.fetchall() == [], statement
