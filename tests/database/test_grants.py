"""What the two logins may do: exactly what is listed here, and nothing by ownership, by a role, or by default."""

from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from local.database import Server
from local.settings import Credentials
from sql.install import install
from tests.database.worlds import APP, OPERATOR, OWNER, Filled, World

READ, ADD, CHANGE, REMOVE, EXECUTE = "SELECT", "INSERT", "UPDATE", "DELETE", "EXECUTE"

EXPECTED = {
    APP: {
        "tenants": {READ},
        "family_members": {READ},
        "schema_migrations": {READ},
        "documents": {READ, ADD, CHANGE},
        "document_chunks": {READ, ADD, REMOVE},
        **{
            f"document_chunks.{column}": {CHANGE}
            for column in ("embedding", "embedding_model", "ordinal", "start_offset", "end_offset", "page")
        },
        "chunk_words": {READ, ADD, REMOVE},
        "document_bands": {READ, ADD, REMOVE},
        "document_versions": {READ, ADD},
        "files": {READ, ADD, CHANGE},
        "calendar_feeds": {READ, ADD},
        "calendar_feeds.last_read_at": {CHANGE},
        "calendar_feeds.revoked_at": {CHANGE},
        "conversation_sessions": {READ, ADD},
        "conversation_sessions.last_message_at": {CHANGE},
        "conversation_sessions.expires_at": {CHANGE},
        "conversation_messages": {READ, ADD},
        "api_usage": {READ, ADD},
        "readable_messages": {READ},
        "session_tokens": {READ},
        "rate_states": {READ, ADD},
        "rate_states.spent_until": {CHANGE},
        "chat_slots": {READ, ADD, REMOVE},
        "query_embeddings": {READ, ADD},
        **{f"query_embeddings.{column}": {CHANGE} for column in ("key", "embedding", "created_at")},
        "cached_answers": {READ, ADD},
        **{
            f"cached_answers.{column}": {CHANGE}
            for column in ("key", "seen", "answer", "chunks", "sources", "model", "provider", "expires_at")
        },
        "audit_log": {READ},
        **{
            f"audit_log.{column}": {ADD}
            for column in (
                *("tenant_id", "identity", "member_id", "token_id", "action", "outcome", "target_type", "target_id"),
                "job_id",
            )
        },
        "new_id(text)": {EXECUTE},
        "take_provider_turn(text,uuid,integer,double precision,double precision)": {EXECUTE},
        "pause_provider_queue(text,uuid,double precision)": {EXECUTE},
    },
    OPERATOR: {
        "schema_migrations": {READ},
        "tenants": {READ, ADD},
        "users": {READ, ADD},
        "tenant_memberships": {READ, ADD},
        "family_members": {READ, ADD},
        "documents": {READ, ADD, CHANGE, REMOVE},
        "document_chunks": {READ, ADD, CHANGE, REMOVE},
        "chunk_words": {READ, ADD, REMOVE},
        "files": {READ, ADD, CHANGE, REMOVE},
        "next_embeddings": {READ, ADD, CHANGE, REMOVE},
        "notice_deliveries": {READ, ADD, CHANGE, REMOVE},
        "document_bands": {READ, ADD, REMOVE},
        "document_versions": {READ, ADD, REMOVE},
        "expiry_notices": {READ, ADD, REMOVE},
        "calendar_feeds": {READ, REMOVE},
        "calendar_feeds.revoked_at": {CHANGE},
        "conversation_sessions": {READ, ADD, REMOVE},
        "conversation_messages": {READ, ADD, REMOVE},
        "conversation_messages.content": {CHANGE},
        "conversation_messages.citations": {CHANGE},
        "api_usage": {READ, ADD},
        **{
            f"tenants.{column}": {CHANGE}
            for column in (
                *("requests_per_minute", "member_requests_per_minute", "tokens_per_day", "member_tokens_per_day"),
                *("concurrent_chats", "member_concurrent_chats", "name", "language", "retention_days"),
                *("admins_see_private", "date_order", "time_zone", "embedding_model"),
            )
        },
        "family_members.name": {CHANGE},
        "family_members.member_type": {CHANGE},
        "family_members.removed_at": {CHANGE},
        "family_members.notice_channels": {CHANGE},
        "session_tokens": {READ, ADD, REMOVE},
        "session_tokens.revoked_at": {CHANGE},
        "rate_states": {READ, ADD, REMOVE},
        "rate_states.spent_until": {CHANGE},
        "chat_slots": {READ, REMOVE},
        "query_embeddings": {READ, REMOVE},
        "cached_answers": {READ, REMOVE},
        "audit_log": {READ, ADD},
        "erasures": {READ, ADD},
        "imported_ids": {READ, ADD},
        "new_id(text)": {EXECUTE},
        "maintain_vector_index(integer,integer)": {EXECUTE},
        "drop_index_of_gone_tenant(uuid)": {EXECUTE},
        "erase_tenant()": {EXECUTE},
        "erase_member(integer)": {EXECUTE},
    },
}
"""A new grant has to be listed here too."""

FUNCTIONS = {
    "add_chunk_words()",
    "admit(uuid,integer,text,uuid)",
    "any_of_words(text[])",
    "charge_tokens(uuid,integer,bigint)",
    "drop_index_of_gone_tenant(uuid)",
    "erase_accounts(uuid[])",
    "erase_member(integer)",
    "erase_tenant()",
    "enter_tenant(uuid,integer,text,uuid)",
    "require_entry(uuid,integer,text,uuid)",
    "fold_accents(text)",
    "maintain_vector_index(integer,integer)",
    "may_see(text,integer,boolean,text,integer)",
    "member_may_see(text,integer)",
    "member_sight()",
    "nearest_chunks(uuid,halfvec,text,integer[],double precision,integer)",
    "new_id(text)",
    "pause_provider_queue(text,uuid,double precision)",
    "rank_by_words(uuid,text,integer[],text[],double precision,double precision,integer)",
    "remove_chunk_words()",
    "seen_by_member()",
    "take_chat_slot(uuid,integer,text,double precision)",
    "tenants_with_backlog()",
    "touch_documents()",
    "take_provider_turn(text,uuid,integer,double precision,double precision)",
    "words_of(text,text)",
}
OF_MEMBERS = {
    "new_id(text)",
    "pause_provider_queue(text,uuid,double precision)",
    "take_provider_turn(text,uuid,integer,double precision,double precision)",
}
"""Functions that run with their owner's rights, and that the members' login may call."""
DEFINERS = {
    *OF_MEMBERS,
    "drop_index_of_gone_tenant(uuid)",
    "erase_member(integer)",
    "erase_tenant()",
    "maintain_vector_index(integer,integer)",
}
"""All functions that run with their owner's rights."""
PARTS_OF_THEM = {"erase_accounts(uuid[])"}
"""Functions that only these may call."""

_GRANTS = """
SELECT grantee::regrole::text AS login, name, privilege_type AS privilege FROM (
    SELECT (aclexplode(relacl)).*, relname::text AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT (aclexplode(attacl)).*, attrelid::regclass || '.' || attname FROM pg_attribute
        JOIN pg_class AS c ON c.oid = attrelid WHERE relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT (aclexplode(proacl)).*, oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
) AS granted
WHERE grantee = coalesce(to_regrole(%s), 0::oid)
"""
_OUR_FUNCTIONS = """
SELECT p.oid::regprocedure::text AS name, prosecdef AS is_definer, proconfig AS settings,
       pg_get_userbyid(proowner) AS owner,
       has_function_privilege('knowledge_app', p.oid, 'EXECUTE') AS for_app,
       has_function_privilege('public', p.oid, 'EXECUTE') AS for_public
FROM pg_proc AS p WHERE pronamespace = 'public'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e')
"""


@pytest.fixture(scope="module")
def world(postgres: Server, credentials: Credentials, template: str) -> Iterator[World]:
    """An installed database: a clone would not have the grants on the database itself."""
    made = World(postgres, credentials, postgres.create_database())
    install(
        made.dsn("postgres"),
        app_password=credentials.app_password,
        operator_password=credentials.operator_password,
    )
    yield made
    postgres.drop_database(made.name)


@pytest.mark.parametrize("login", [APP, OPERATOR])
def test_a_login_has_exactly_the_grants_that_are_listed(world: World, login: str) -> None:
    granted: dict[str, set[str]] = {}
    for row in world.query(_GRANTS, (login,)):
        granted.setdefault(row["name"], set()).add(row["privilege"])

    assert granted == EXPECTED[login]


def test_the_public_has_no_grant_on_tables_sequences_schema_and_database(world: World) -> None:
    on_relations = [row for row in world.query(_GRANTS, ("-",)) if "(" not in row["name"]]
    acls = world.query(
        "SELECT (aclexplode(nspacl)).grantee FROM pg_namespace WHERE nspname = 'public' UNION ALL"
        " SELECT (aclexplode(datacl)).grantee FROM pg_database WHERE datname = current_database()"
    )

    assert on_relations == []
    assert acls
    assert all(row["grantee"] != 0 for row in acls)


def test_there_are_no_functions_but_the_listed_ones_and_the_definers_are_closed(world: World) -> None:
    functions = {row["name"]: row for row in world.query(_OUR_FUNCTIONS)}

    assert set(functions) == FUNCTIONS
    assert {name for name, row in functions.items() if row["is_definer"]} == DEFINERS
    assert {name for name, row in functions.items() if not row["for_public"]} == DEFINERS | PARTS_OF_THEM
    for name in DEFINERS:
        assert functions[name]["settings"] == ['search_path=""'], name
        assert functions[name]["owner"] == OWNER, name
        assert functions[name]["for_app"] is (name in OF_MEMBERS), name


def test_there_are_no_views_that_could_pass_the_policies_by(world: World) -> None:
    views = world.query(
        "SELECT relname, relkind::text, reloptions FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm', 'f')"
    )

    assert [view for view in views if "security_invoker=true" not in (view["reloptions"] or [])] == []


@pytest.mark.parametrize("login", [APP, OPERATOR])
def test_a_login_owns_nothing_is_in_no_role_and_bypasses_nothing(world: World, login: str) -> None:
    [role] = world.query(
        "SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolreplication, rolinherit FROM pg_roles"
        " WHERE rolname = %s",
        (login,),
    )
    owned = world.query(
        "SELECT classid::regclass::text, objid FROM pg_shdepend WHERE refobjid = to_regrole(%s) AND deptype = 'o'",
        (login,),
    )
    roles = world.query("SELECT roleid::regrole::text FROM pg_auth_members WHERE member = to_regrole(%s)", (login,))

    assert not any(role.values()), role
    assert owned == []
    assert roles == []


def test_the_owner_cannot_log_in_and_is_under_the_policies(world: World, two_tenants: tuple[Filled, Filled]) -> None:
    [role] = world.query("SELECT rolcanlogin, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = %s", (OWNER,))
    assert not any(role.values()), role
    with world.connected("postgres") as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"SET LOCAL ROLE {OWNER}")
        for table in world.walled_tables():
            cursor.execute(f"SELECT count(*) AS n FROM {table}")
            assert cursor.fetchone()["n"] == 0, table
        cursor.execute("ROLLBACK")


FORBIDDEN = {
    "create a table": "CREATE TABLE mine (id int)",
    "create a temporary table": "CREATE TEMPORARY TABLE mine (id int)",
    "create a schema": "CREATE SCHEMA mine",
    "create a function": "CREATE FUNCTION mine() RETURNS int LANGUAGE sql RETURN 1",
    "create a view": "CREATE VIEW mine AS SELECT * FROM documents",
    "create an extension": "CREATE EXTENSION vector WITH SCHEMA public",
    "create a role": "CREATE ROLE mine",
    "alter a table": "ALTER TABLE documents DISABLE ROW LEVEL SECURITY",
    "alter a policy": 'ALTER POLICY "members see documents that are for them" ON documents USING (true)',
    "drop a policy": 'DROP POLICY "members see documents that are for them" ON documents',
    "drop a table": "DROP TABLE api_usage",
    "empty a table": "TRUNCATE documents CASCADE",
    "replace a function": "CREATE OR REPLACE FUNCTION fold_accents(original text) RETURNS text LANGUAGE sql RETURN ''",
    "make a function leakproof": "ALTER FUNCTION may_see LEAKPROOF",
    "switch triggers off": "ALTER TABLE document_chunks DISABLE TRIGGER ALL",
    "skip triggers": "SET session_replication_role = replica",
    "become the owner": f"SET ROLE {OWNER}",
    "become the superuser": "SET ROLE postgres",
    "take another identity": "SET SESSION AUTHORIZATION postgres",
    "grant itself the owner": f"GRANT {OWNER} TO CURRENT_USER",
    # To who has some right on a table, granting the others is no error, and has no effect either.
    "grant itself a table": "GRANT ALL ON tenants TO CURRENT_USER; DELETE FROM tenants",
    "raise itself": "ALTER ROLE CURRENT_USER SUPERUSER",
    "bypass policies": "ALTER ROLE CURRENT_USER BYPASSRLS",
    "read files": "SELECT pg_read_file('postgresql.conf')",
    "run programs": "COPY tenants TO PROGRAM 'cat'",
    "write files": "COPY tenants TO '/tmp/tenants'",
    "read passwords": "SELECT rolpassword FROM pg_authid",
    "copy a table past the policies": "SET row_security = off; SELECT * FROM documents",
    "write the ledger": "DELETE FROM schema_migrations",
    "rename a tenant's slug": "UPDATE tenants SET slug = 'mine'",
    "move a member to another tenant": "UPDATE family_members SET tenant_id = gen_random_uuid()",
    "change the audit log": "UPDATE audit_log SET outcome = 'done'",
    "shorten the audit log": "DELETE FROM audit_log",
    "read the keys of ids": "SELECT * FROM id_secrets",
    "see who waits for a provider": "SELECT * FROM provider_turns",
    "take a turn past the line": "UPDATE provider_turns SET arrived_at = '-infinity'",
    "end a provider's pause": "UPDATE provider_queues SET paused_until = now()",
    "read a sequence": "SELECT last_value FROM documents_id_seq",
    "draw from a sequence": "SELECT nextval('documents_id_seq')",
    "prolong a session token": "UPDATE session_tokens SET expires_at = now() + interval '1 year'",
    "set a sequence back": "SELECT setval('documents_id_seq', 1)",
}


@pytest.mark.parametrize("login", [APP, OPERATOR])
@pytest.mark.parametrize("deed", FORBIDDEN)
def test_a_login_cannot(world: World, two_tenants: tuple[Filled, Filled], login: str, deed: str) -> None:
    errors = (psycopg2.errors.InsufficientPrivilege, psycopg2.errors.DuplicateObject)
    with world.entered(login, two_tenants[0].id, None, "system") as cursor, pytest.raises(errors) as refused:
        cursor.execute(FORBIDDEN[deed])
    # The extension is there already, which is told before the right to make it is looked at.
    assert refused.type is psycopg2.errors.InsufficientPrivilege or deed == "create an extension"


def test_a_login_without_grants_cannot_even_connect(world: World) -> None:
    with world.connected("postgres") as cursor:
        cursor.execute("DROP ROLE IF EXISTS stranger")
        cursor.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        psycopg2.connect(world.postgres.dsn("stranger", "stranger", world.name))
    world.query("DROP ROLE stranger")


def test_statistics_tell_a_login_nothing_of_the_rows(world: World, two_tenants: tuple[Filled, Filled]) -> None:
    world.query("ANALYZE")
    statement = (
        "SELECT tablename, attname FROM pg_stats WHERE schemaname = 'public' AND tablename <> 'schema_migrations'"
    )

    def told(cursor: Any) -> list[Any]:
        cursor.execute(statement)
        return list(cursor.fetchall())

    assert world.query(statement), "there are no statistics, so it proves nothing"
    for login in (APP, OPERATOR):
        with world.entered(login, two_tenants[0].id) as cursor:
            assert told(cursor) == []


@pytest.mark.parametrize("login", [APP, OPERATOR])
def test_a_login_does_not_see_what_others_run_under_it(world: World, login: str) -> None:
    with world.connected(login) as other, world.connected(login) as mine:
        other.execute("SELECT 'the question of another tenant'")

        mine.execute("SELECT query FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()")

        shown = [row["query"] for row in mine.fetchall()]
        assert shown, "the other is not there, so it proves nothing"
        assert all("another tenant" not in (query or "") for query in shown), shown
