"""Entering a tenant: who is let in, as what, and for how long."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg2
import pytest
from psycopg2.extras import RealDictCursor

from f.core.database import Database
from f.core.errors import NotFound
from f.core.identity import Caller
from tests.database.worlds import APP, Filled, World, new_tenant
from tests.support.pgbouncer import pgbouncer

SETTINGS = ("app.tenant_id", "app.member_id", "app.member_type", "app.admins_see_private")

NARROWED: dict[str | None, dict[str | None, str | None]] = {
    # stored:  claimed -> what the member counts as; teen and child see the same, so either may stand for the other
    "admin": {None: "admin", "admin": "admin", "adult": "adult", "teen": "teen", "child": "child"},
    "adult": {None: "adult", "admin": "adult", "adult": "adult", "teen": "teen", "child": "child"},
    "teen": {None: "teen", "admin": "teen", "adult": "teen", "teen": "teen", "child": "teen"},
    "child": {None: "child", "admin": "child", "adult": "child", "teen": "child", "child": "child"},
    None: {None: None, "admin": "admin", "adult": "adult", "teen": "teen", "child": "child", "system": "system"},
}


def enter(cursor: Any, tenant: object, member: object = None, claimed: object = None) -> dict[str, Any]:
    cursor.execute("SELECT * FROM enter_tenant(%s, %s, %s)", (tenant, member, claimed))
    return dict(cursor.fetchone())


def settings(cursor: Any) -> list[str]:
    """Return the settings that are not empty."""
    cursor.execute("SELECT " + ", ".join(f"current_setting('{name}', true) AS \"{name}\"" for name in SETTINGS))
    return [f"{name}={value}" for name, value in cursor.fetchone().items() if value not in (None, "", "off")]


def seen(cursor: Any) -> int:
    cursor.execute("SELECT (SELECT count(*) FROM tenants) + (SELECT count(*) FROM documents) AS n")
    return int(cursor.fetchone()["n"])


@pytest.mark.parametrize("stored", NARROWED)
def test_what_a_caller_says_of_a_member_narrows_and_never_widens(
    world: World, two_tenants: tuple[Filled, Filled], stored: str | None
) -> None:
    tenant = two_tenants[0]
    with world.entered(APP, None) as cursor:
        for claimed, effective in NARROWED[stored].items():
            found = enter(cursor, tenant.id, tenant.members[stored] if stored else None, claimed)

            assert (found["outcome"], found["member_type"]) == ("entered", effective), claimed
            assert found["language"] == "english"
            cursor.execute("SELECT current_setting('app.member_type') AS type")
            assert cursor.fetchone()["type"] == (effective or "")


@pytest.mark.parametrize("claimed", ["system", "owner", "ADMIN", "", "admin ", "system; --"])
def test_a_word_that_is_no_type_gives_a_member_nothing_more(
    world: World, two_tenants: tuple[Filled, Filled], claimed: str
) -> None:
    tenant = two_tenants[0]
    with world.entered(APP, tenant.id, tenant.members["teen"]) as cursor:
        by_right = seen(cursor)
        enter(cursor, tenant.id, tenant.members["teen"], claimed)
        assert seen(cursor) <= by_right


def test_an_unknown_tenant_is_not_entered(world: World, two_tenants: tuple[Filled, Filled]) -> None:
    with world.entered(APP, None) as cursor:
        assert enter(cursor, str(uuid.uuid4()), None, "admin")["outcome"] == "no_tenant"
        assert (settings(cursor), seen(cursor)) == ([], 0)
        assert enter(cursor, None, None, "system")["outcome"] == "no_tenant"
        assert (settings(cursor), seen(cursor)) == ([], 0)


def test_a_member_of_another_tenant_is_as_unknown_as_one_that_does_not_exist(
    world: World, two_tenants: tuple[Filled, Filled]
) -> None:
    mine, other = two_tenants
    with world.entered(APP, None) as cursor:
        answers = [enter(cursor, mine.id, member, "admin") for member in (other.members["admin"], 2_000_000_000, 0, -1)]

        assert answers == [{"outcome": "no_member", "member_type": None, "language": None}] * 4
        assert (settings(cursor), seen(cursor)) == ([], 0)


def test_a_removed_member_is_not_let_in(world: World) -> None:
    tenant = new_tenant(world)
    world.query("UPDATE family_members SET removed_at = now() WHERE id = %s", (tenant.members["admin"],))
    with world.entered(APP, None) as cursor:
        assert enter(cursor, tenant.id, tenant.members["admin"])["outcome"] == "no_member"
        assert (settings(cursor), seen(cursor)) == ([], 0)


def test_who_fails_to_enter_has_also_left_where_they_were(world: World, two_tenants: tuple[Filled, Filled]) -> None:
    mine, other = two_tenants
    for wanted in ((str(uuid.uuid4()), None), (mine.id, other.members["admin"])):
        with world.entered(APP, mine.id, mine.members["admin"]) as cursor:
            assert seen(cursor) > 1
            enter(cursor, *wanted)
            assert (settings(cursor), seen(cursor)) == ([], 0)


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
def test_the_settings_end_with_the_transaction(world: World, two_tenants: tuple[Filled, Filled], ending: str) -> None:
    tenant = two_tenants[0]
    with world.connected(APP) as cursor:
        cursor.execute("BEGIN")
        enter(cursor, tenant.id, tenant.members["admin"])
        assert len(settings(cursor)) == len(SETTINGS)
        assert seen(cursor) > 1
        cursor.execute(ending)

        assert (settings(cursor), seen(cursor)) == ([], 0)


def test_the_settings_end_with_a_transaction_that_failed(world: World, two_tenants: tuple[Filled, Filled]) -> None:
    tenant = two_tenants[0]
    with world.connected(APP) as cursor:
        cursor.execute("BEGIN")
        enter(cursor, tenant.id, None, "system")
        with pytest.raises(psycopg2.errors.DivisionByZero):
            cursor.execute("SELECT 1 / 0")
        cursor.execute("COMMIT")

        assert (settings(cursor), seen(cursor)) == ([], 0)


def open_app(dsn: str) -> Database:
    connection = psycopg2.connect(dsn, cursor_factory=RealDictCursor)
    connection.autocommit = True
    return Database(connection)


def titles_in_turn(database: Database, tenants: tuple[Filled, Filled], turns: int) -> list[tuple[str, set[str]]]:
    """Read the documents' tenants on one connection, for one tenant and then the other, in turn."""
    found = []
    for turn in range(turns):
        tenant = tenants[turn % 2]
        with database.transaction(Caller(tenant.id, tenant.members["admin"])) as transaction:
            rows = transaction.rows("SELECT tenant_id::text AS tenant FROM documents")
        found.append((tenant.id, {row["tenant"] for row in rows}))
    return found


def test_a_connection_that_serves_two_tenants_in_turn_mixes_nothing(
    world: World, two_tenants: tuple[Filled, Filled]
) -> None:
    database = open_app(world.dsn(APP))

    for tenant, tenants_seen in titles_in_turn(database, two_tenants, 6):
        assert tenants_seen == {tenant}
    with pytest.raises(NotFound), database.transaction(Caller(str(uuid.uuid4()))):
        pass
    with database.administration() as outside:
        assert outside.rows("SELECT id FROM documents") == []
    database.connection.close()


def test_behind_pgbouncer_in_transaction_mode_tenants_share_a_connection_and_mix_nothing(
    world: World, two_tenants: tuple[Filled, Filled]
) -> None:
    with pgbouncer(world.postgres, world.credentials, world.name, pool_size=1) as server:
        databases = [open_app(server.dsn(APP, world.credentials.app_password, world.name)) for _ in range(4)]

        def work(number: int) -> list[tuple[str, set[str]]]:
            order = two_tenants if number % 2 else (two_tenants[1], two_tenants[0])
            return titles_in_turn(databases[number], order, 30)

        with ThreadPoolExecutor(4) as clients:
            for found in clients.map(work, range(4)):
                for tenant, tenants_seen in found:
                    assert tenants_seen == {tenant}
        shared = set()
        for database in databases:
            with database.connection.cursor() as cursor:  # a statement of somebody who has entered no tenant
                assert settings(cursor) == []
                assert seen(cursor) == 0
            with database.administration() as outside:
                assert outside.rows("SELECT id FROM documents") == []
                shared.add(outside.rows("SELECT pg_backend_pid() AS pid")[0]["pid"])
            database.connection.close()
        assert len(shared) == 1, "each client had a connection of its own, so it proves nothing"
