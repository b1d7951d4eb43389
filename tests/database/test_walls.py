"""The walls between tenants: rules that every table keeps, and attempts to pass them, table by table.

Tables come from the catalogue, so that a new one is tried without anybody thinking of it. The login with all grants
shows that the policies alone hold; the real logins have grants in addition.
"""

import json
import uuid
from typing import Any

import psycopg2
import pytest

from tests.database.worlds import APP, OPERATOR, OWNER, WITH_ALL_GRANTS, Filled, World

LOGINS = (APP, OPERATOR, WITH_ALL_GRANTS)
SETTING = "current_setting('app.tenant_id'::text, true)"
WALL = f"(NULLIF({SETTING}, ''::text))::uuid"
"""How PostgreSQL writes the expression that gives no row without a tenant, never an error."""

NO_TENANT_NEEDED = {
    ("tenants", "operators list tenants"),
    ("tenants", "operators create tenants"),
    ("users", "operators know accounts"),
    ("users", "operators create accounts"),
    ("users", "accounts of nobody are erased"),
    ("users", "accounts are known to who erases them"),
    ("erasures", "operators keep what was erased"),
    ("id_secrets", "new_id() alone reads the keys of ids"),
    ("provider_queues", "take_provider_turn() alone knows the queues"),
    ("provider_turns", "take_provider_turn() alone knows who waits"),
}
"""Policies for the operators' login, or for the owner that nobody can be, about what is beside the tenants."""
SEEN_BY_OPERATORS = {"tenants", "users", "erasures"}
MANY_TENANTS_KEYS: dict[str, set[tuple[str, ...]]] = {
    "tenants": {("id",), ("slug",)}, "users": {("id",), ("email",)}, "erasures": {("id",)},
    "id_secrets": {("sequence_name",)},
    "provider_queues": {("queue",)}, "provider_turns": {("queue", "share", "ticket")},
}  # fmt: skip
"""Unique keys of the tables that are beside the tenants; only operators, or functions of the owner's, write them."""


@pytest.fixture(scope="module")
def tenants(world: World, two_tenants: tuple[Filled, Filled]) -> tuple[Filled, Filled]:
    world.allow_everything()
    return two_tenants


def column_of(table: str) -> str:
    """Name the column that says whose a row is."""
    return {"tenants": "id", "users": "id", "erasures": "tenant"}.get(table, "tenant_id")


def owner_of(world: World, table: str, tenant: Filled) -> str:
    """Give the value of that column for a tenant's rows; an account's is the one of the tenant's only account."""
    if table != "users":
        return tenant.id
    return str(world.one("SELECT user_id FROM tenant_memberships WHERE tenant_id = %s", (tenant.id,)))


def attempt(cursor: Any, statement: str, parameters: object = None) -> int:
    """Run a statement and return how many rows it touched; what is not permitted touches none."""
    cursor.execute("SAVEPOINT attempt")
    try:
        cursor.execute(statement, parameters)
        touched = int(cursor.rowcount)
    except psycopg2.errors.InsufficientPrivilege:
        touched = 0
    cursor.execute("ROLLBACK TO attempt")
    return touched


def test_row_level_security_is_enabled_and_forced_on_every_table(world: World) -> None:
    tables = world.query(
        "SELECT relname, relrowsecurity AND relforcerowsecurity AS walled FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    )

    assert {table["relname"] for table in tables if not table["walled"]} == {"schema_migrations"}


def test_every_policy_compares_the_tenant_in_the_form_that_gives_no_rows_without_one(world: World) -> None:
    policies = world.query("SELECT tablename, policyname, cmd, roles::text[], qual, with_check FROM pg_policies")

    for policy in policies:
        named = (policy["tablename"], policy["policyname"])
        column = "id" if policy["tablename"] == "tenants" else "tenant_id"
        for expression in (policy["qual"], policy["with_check"]):
            if expression is None:
                continue
            if named in NO_TENANT_NEEDED:
                assert policy["roles"] in ([OPERATOR], [OWNER]), named
            else:
                assert f"({column} = {WALL})" in expression, named
                assert " OR " not in expression.partition(WALL)[0], named
    for table in world.walled_tables():
        commands = {policy["cmd"] for policy in policies if policy["tablename"] == table}
        assert "ALL" in commands or "SELECT" in commands, f"{table} can be read by nobody"


def test_every_unique_key_of_a_tenants_table_begins_with_the_tenant(world: World) -> None:
    keys = world.query(
        """
        SELECT i.indrelid::regclass::text AS table_name, i.indexrelid::regclass::text AS index_name,
               (SELECT array_agg(coalesce(a.attname, '?') ORDER BY k.n)
                FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, n)
                LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum) AS columns
        FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
        WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace
        """
    )
    tenant_tables = set(world.tenant_tables())

    assert {key["table_name"] for key in keys} >= tenant_tables, "a table without a key"
    for key in keys:
        if key["table_name"] in tenant_tables:
            assert key["columns"][0] == "tenant_id", key["index_name"]
        elif key["table_name"] in MANY_TENANTS_KEYS:
            assert tuple(key["columns"]) in MANY_TENANTS_KEYS[key["table_name"]], key["index_name"]


def test_every_foreign_key_between_tenants_tables_includes_the_tenant(world: World) -> None:
    keys = world.query(
        """
        SELECT conname, conrelid::regclass::text AS child, confrelid::regclass::text AS parent,
               (SELECT attname FROM pg_attribute WHERE attrelid = conrelid AND attnum = conkey[1]) AS first,
               (SELECT attname FROM pg_attribute WHERE attrelid = confrelid AND attnum = confkey[1]) AS referred
        FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace
        """
    )
    tenant_tables = set(world.tenant_tables())
    between = [key for key in keys if {key["child"], key["parent"]} <= tenant_tables]

    assert len(between) >= 8
    for key in between:
        assert (key["first"], key["referred"]) == ("tenant_id", "tenant_id"), key["conname"]


def test_both_tenants_have_rows_in_every_table(world: World, tenants: tuple[Filled, Filled]) -> None:
    """Or the attempts below prove nothing for it: ``worlds.fill`` has to fill a new table too."""
    for table in world.walled_tables():
        for tenant in tenants:
            statement = f"SELECT count(*) FROM {table} WHERE {column_of(table)} = %s"
            assert world.one(statement, (owner_of(world, table, tenant),)) > 0, table


@pytest.mark.parametrize("login", LOGINS)
def test_without_a_tenant_no_table_gives_a_row(world: World, tenants: tuple[Filled, Filled], login: str) -> None:
    open_to_login = SEEN_BY_OPERATORS if login == OPERATOR else set()
    with world.entered(login, None) as cursor:
        for table in world.walled_tables():
            touched = attempt(cursor, f"SELECT * FROM {table}")
            assert (touched > 0) == (table in open_to_login), table


@pytest.mark.parametrize("setting", ["", "' '", "not-a-uuid"])
def test_a_setting_that_names_no_tenant_gives_no_row(
    world: World, tenants: tuple[Filled, Filled], setting: str
) -> None:
    with world.entered(APP, None) as cursor:
        cursor.execute("SELECT set_config('app.tenant_id', %s, true)", (setting,))
        for table in world.walled_tables():
            try:
                assert attempt(cursor, f"SELECT * FROM {table}") == 0, table
            except psycopg2.errors.InvalidTextRepresentation:
                cursor.execute("ROLLBACK TO attempt")


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("claimed", ["admin", "system"])
def test_inside_one_tenant_no_row_of_another_is_read_changed_or_removed(
    world: World, tenants: tuple[Filled, Filled], login: str, claimed: str
) -> None:
    mine, other = tenants
    rows = world.count_rows()
    open_to_login = SEEN_BY_OPERATORS if login == OPERATOR else set()
    with world.entered(login, mine.id, None, claimed) as cursor:
        for table in world.walled_tables():
            column, foreign = column_of(table), owner_of(world, table, other)
            read = attempt(cursor, f"SELECT * FROM {table} WHERE {column} = %s", (foreign,))
            assert (read > 0) == (table in open_to_login), table
            assert attempt(cursor, f"UPDATE {table} SET {column} = {column} WHERE {column} = %s", (foreign,)) == 0, (
                table
            )
            assert attempt(cursor, f"DELETE FROM {table} WHERE {column} = %s", (foreign,)) == 0, table
    assert world.count_rows() == rows


@pytest.mark.parametrize("login", LOGINS)
def test_inside_one_tenant_an_unfiltered_statement_touches_its_own_rows_only(
    world: World, tenants: tuple[Filled, Filled], login: str
) -> None:
    mine = tenants[0]
    with world.entered(login, mine.id, None, "system") as cursor:
        for table in world.tenant_tables():
            own = world.one(f"SELECT count(*) FROM {table} WHERE tenant_id = %s", (mine.id,))
            for statement in (f"SELECT * FROM {table}", f"UPDATE {table} SET tenant_id = tenant_id"):
                assert attempt(cursor, statement) in {own, 0}, statement
            if login == WITH_ALL_GRANTS:
                assert attempt(cursor, f"SELECT * FROM {table}") == own, table


@pytest.mark.parametrize("login", LOGINS)
def test_inside_one_tenant_nothing_can_be_written_into_another(
    world: World, tenants: tuple[Filled, Filled], login: str
) -> None:
    mine, other = tenants
    rows = world.count_rows()
    with world.entered(login, mine.id, None, "system") as cursor:
        for table in world.tenant_tables():
            # A row that is there: were it not for the policy, the answer would be that it exists.
            row = world.one(f"SELECT to_jsonb(t) FROM {table} AS t WHERE tenant_id = %s LIMIT 1", (other.id,))
            insert = f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, %s)"
            assert attempt(cursor, insert, (json.dumps(row),)) == 0, table
            move = f"UPDATE {table} SET tenant_id = %s WHERE tenant_id = %s"
            assert attempt(cursor, move, (other.id, mine.id)) == 0, table
    assert world.count_rows() == rows


@pytest.mark.parametrize("login", [APP, WITH_ALL_GRANTS])
def test_only_operators_make_tenants_and_accounts(world: World, tenants: tuple[Filled, Filled], login: str) -> None:
    statements = (
        "INSERT INTO tenants (name, slug) VALUES ('New', 'new-tenant')",
        "INSERT INTO users (email) VALUES ('new@example.org')",
    )
    for statement in statements:
        with world.entered(login, tenants[0].id, None, "system") as cursor:
            assert attempt(cursor, statement) == 0, statement
        with world.entered(OPERATOR, None) as cursor:
            assert attempt(cursor, statement) == 1, statement


def test_a_key_of_another_tenant_neither_points_anywhere_nor_collides(
    world: World, tenants: tuple[Filled, Filled]
) -> None:
    mine, other = tenants
    foreign = other.documents["everyone", "adult"]
    with world.entered(APP, mine.id, None, "system") as cursor:
        chunk = (
            "INSERT INTO document_chunks (tenant_id, document_id, ordinal, start_offset, end_offset, content,"
            " token_count, words, word_count) VALUES (%s, %s, 9, 0, 1, 'a', 1, '', 0)"
        )
        with pytest.raises(psycopg2.errors.ForeignKeyViolation) as of_other:
            attempt(cursor, chunk, (mine.id, foreign))
        cursor.execute("ROLLBACK TO attempt")
        with pytest.raises(psycopg2.errors.ForeignKeyViolation) as of_nobody:
            attempt(cursor, chunk, (mine.id, 2_000_000_000))
        cursor.execute("ROLLBACK TO attempt")
        assert str(of_other.value).replace(str(foreign), "#") == str(of_nobody.value).replace("2000000000", "#")
        document = "INSERT INTO documents (tenant_id, id, title, content, content_hash, language, chunk_count) "
        # The same number, event or session as another tenant's row has: no collision, so nothing is told.
        values = "VALUES (%s, %s, 'a', 'a', '', 'english', 1)"
        assert attempt(cursor, document + values, (mine.id, foreign)) == 1
        world.query("UPDATE api_usage SET event_id = 'theirs' WHERE tenant_id = %s", (other.id,))
        usage = "INSERT INTO api_usage (tenant_id, event_id, operation, model, cost_microusd) "
        assert attempt(cursor, usage + "VALUES (%s, 'theirs', 'chat', 'm', 1)", (mine.id,)) == 1


def test_a_condition_that_would_fail_on_anothers_row_is_never_tried_on_it(
    world: World, tenants: tuple[Filled, Filled]
) -> None:
    mine, other = tenants
    statement = "SELECT * FROM documents WHERE 1 / (CASE WHEN tenant_id = %s THEN 0 ELSE 1 END) = 1"
    with world.entered(APP, mine.id, None, "system") as cursor:
        assert attempt(cursor, statement, (other.id,)) == len(mine.documents) + len(mine.deleted)
        with pytest.raises(psycopg2.errors.DivisionByZero):
            attempt(cursor, statement, (mine.id,))
        cursor.execute("ROLLBACK TO attempt")


def test_a_tenant_that_does_not_exist_is_as_empty_as_none(world: World, tenants: tuple[Filled, Filled]) -> None:
    with world.entered(WITH_ALL_GRANTS, None) as cursor:
        cursor.execute(
            "SELECT set_config('app.tenant_id', %s, true), set_config('app.member_type', 'system', true)",
            (str(uuid.uuid4()),),
        )
        assert all(attempt(cursor, f"SELECT * FROM {table}") == 0 for table in world.walled_tables())
