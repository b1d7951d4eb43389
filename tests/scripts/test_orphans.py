"""What should not be there is found and, where that can be, repaired; what is right is left alone.

What a foreign key forbids is brought about here as a restore of a part of a backup would: by the superuser, without
triggers.
"""

import secrets
import uuid
from typing import Any

import psycopg2
import pytest

from tests.attacks.hostile import contents, nothing_changes
from tests.conftest import InstallationMaker
from tests.support.installation import Installation, Json, Tenant, autocommit_cursor

FIND = "f/operations/find_orphans"
TEXT = "# Roof\n\nThe roof was mended in May.\n\n# Garden\n\nThe roses are watered on Monday.\n"


@pytest.fixture(scope="module")
def night(make_installation: InstallationMaker) -> Installation:
    """An installation to itself: what runs here runs for every tenant in it."""
    return make_installation()


def find(night: Installation, **arguments: object) -> Json:
    """Return what was found, without the zeros."""
    data = night.run(FIND, **arguments).data
    assert data["tenants"] == night.query("SELECT count(*) AS n FROM tenants")[0]["n"]
    return {name: count for name, count in data.items() if count and name != "tenants"}


def undisturbed(night: Installation, statement: str, *parameters: object) -> None:
    """Change rows without triggers and foreign keys."""
    with night.as_admin() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement, parameters)


def used(night: Installation) -> tuple[Tenant, int]:
    """Make a tenant that has been used, and return it with its document."""
    tenant = night.new_tenant()
    document = night.add_document(tenant, TEXT, "Handbook", user_member_id=tenant.adult, expires_at="2020-01-01")
    caller: Json = {"tenant_id": tenant.id, "user_member_id": tenant.adult}
    night.run("f/chatbot/chat", question="When was the roof mended?", **caller).done()
    night.run("f/operations/issue_session_token", tenant_id=tenant.id, user_member_id=tenant.adult).done()
    night.query(
        "INSERT INTO expiry_notices (tenant_id, document_id, member_id, threshold, expires_at)"
        " SELECT tenant_id, id, %s, 'expired', expires_at FROM documents WHERE id = %s",
        (tenant.teen, document),
    )
    return tenant, document


def test_in_what_has_been_used_nothing_is_found(night: Installation) -> None:
    tenant, _ = used(night)
    night.add_document(tenant, "For the adult alone.", "Diary", visibility="private", assigned_to=tenant.adult)
    night.run("f/chatbot/ingest", tenant_id=tenant.id, title="Waits", content="It waits to be embedded.").done()
    # As nobody named: a slot and a limit that are the tenant's own.
    night.run("f/chatbot/search", tenant_id=tenant.id, query="roof").done()
    night.query("INSERT INTO chat_slots VALUES (%s, 'run', NULL, now())", (tenant.id,))

    with nothing_changes(night):
        assert find(night) == {}
        assert find(night, repair=True, thorough=True) == {}


DEEDS: dict[str, tuple[str, int, bool]] = {
    # What is done to a tenant, with its document and its adult; how many are found; whether that is repaired.
    "words_without_chunk": (
        "INSERT INTO chunk_words VALUES (%(tenant)s, 'lost', 7, %(document)s, 1, 1), (%(tenant)s, 'gone', 7, 8, 1, 1)",
        2, True,
    ),
    "notices_for_nobody": (
        "UPDATE documents SET visibility = 'adults_only' WHERE tenant_id = %(tenant)s", 1, True,
    ),
    "slots_of_nobody": ("INSERT INTO chat_slots VALUES (%(tenant)s, 'run', 7, now() + '1 hour')", 1, True),
    "limits_of_nobody": ("INSERT INTO rate_states VALUES (%(tenant)s, 7, 'tokens', now())", 1, True),
    "questions_of_nobody": (
        "INSERT INTO query_embeddings VALUES (%(tenant)s, 7, 0, sha256(''), array_fill(0, ARRAY[1024])::halfvec)",
        1, True,
    ),
    "answers_for_nobody": (
        "INSERT INTO cached_answers VALUES (%(tenant)s, 7, 0, sha256(''), sha256(''), 'A', ARRAY[1],"
        " ARRAY[%(document)s], 'm', 'offline', now() + '1 hour')", 1, True,
    ),
    "answers_from_nothing": (
        "INSERT INTO cached_answers VALUES (%(tenant)s, 0, 0, sha256(''), sha256(''), 'A', ARRAY[1],"
        " ARRAY[%(document)s, 8], 'm', 'offline', now() + '1 hour')", 1, True,
    ),
    "tokens_long_expired": (
        "UPDATE session_tokens SET expires_at = now() - interval '49 hours' WHERE tenant_id = %(tenant)s", 1, True,
    ),
    "chunks_with_other_words": (
        "DELETE FROM chunk_words WHERE tenant_id = %(tenant)s AND lexeme = 'roof'", 1, True,
    ),
    "documents_without_vectors": (
        "UPDATE document_chunks SET embedding = NULL, embedding_model = NULL WHERE tenant_id = %(tenant)s", 1, True,
    ),
    "documents_without_sketch": ("DELETE FROM document_bands WHERE tenant_id = %(tenant)s", 1, True),
    "documents_with_other_chunks": ("UPDATE documents SET chunk_count = 7 WHERE tenant_id = %(tenant)s", 1, False),
    "documents_with_other_text": (
        "UPDATE documents SET content = replace(content, 'May', 'Mai') WHERE tenant_id = %(tenant)s", 1, False,
    ),
    "messages_without_session": (
        "DELETE FROM conversation_sessions WHERE tenant_id = %(tenant)s", 2, False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DEEDS)
def test_each_kind_is_found_alone_and_repaired_where_that_is_safe(night: Installation, name: str) -> None:
    deed, count, is_repaired = DEEDS[name]
    tenant, document = used(night)
    other, _ = used(night)
    night.run("f/chatbot/embed", tenant_id=tenant.id).done()
    with night.as_admin() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(deed, {"tenant": tenant.id, "document": document})

    with nothing_changes(night):
        assert find(night) == {name: count}
    before = of(night, other)
    assert find(night, repair=True) == {name: count, **({"repaired": count} if is_repaired else {})}
    assert of(night, other) == before
    assert find(night) == ({} if is_repaired else {name: count})
    # What cannot be repaired would be found by the other tests too.
    night.query("DELETE FROM tenants WHERE id = %s", (tenant.id,))
    undisturbed(night, "DELETE FROM conversation_messages WHERE tenant_id = %s", tenant.id)


def of(night: Installation, tenant: Tenant) -> Json:
    """Return all rows of a tenant."""
    return {
        table: night.query(f"SELECT t::text FROM {table} AS t WHERE t::text LIKE %s ORDER BY 1", (f"%{tenant.id}%",))
        for table in contents(night)
    }


def test_words_that_were_lost_are_found_again(night: Installation) -> None:
    tenant, document = used(night)
    night.query("UPDATE documents SET embedding_model = 'other' WHERE id = %s", (document,))
    night.query("UPDATE document_chunks SET embedding_model = 'other' WHERE document_id = %s", (document,))
    words = "SELECT * FROM chunk_words WHERE tenant_id = %s ORDER BY lexeme, chunk_id"
    before = night.query(words, (tenant.id,))
    night.query("DELETE FROM chunk_words WHERE tenant_id = %s", (tenant.id,))
    search: Json = {"tenant_id": tenant.id, "query": "roses watered"}
    assert night.run("f/chatbot/search", **search).data["total"] == 0

    assert set(find(night, repair=True)) == {"chunks_with_other_words", "repaired"}

    assert night.query(words, (tenant.id,)) == before
    assert night.run("f/chatbot/search", **search).data["total"] == 1


@pytest.mark.parametrize("lacks", ["a vector", "its own model"])
def test_a_document_that_lacks_vectors_is_embedded_again(night: Installation, lacks: str) -> None:
    tenant, document = used(night)
    change = "embedding_model = 'other'" if lacks == "its own model" else "embedding = NULL, embedding_model = NULL"
    night.query(f"UPDATE document_chunks SET {change} WHERE document_id = %s AND ordinal = 0", (document,))

    assert find(night, repair=True) == {"documents_without_vectors": 1, "repaired": 1}

    assert night.run("f/chatbot/embed", tenant_id=tenant.id).data["documents"] == 1
    [row] = night.query("SELECT status, attempts FROM documents WHERE id = %s", (document,))
    assert (row["status"], row["attempts"]) == ("completed", 1)
    assert find(night) == {}


def test_a_notice_is_for_who_may_see_the_document_now(night: Installation) -> None:
    changes = (
        "UPDATE documents SET deleted_at = now() WHERE id = %(document)s",
        "UPDATE family_members SET removed_at = now() WHERE id = %(teen)s",
        "UPDATE documents SET visibility = 'private', assigned_to = %(adult)s WHERE id = %(document)s",
    )
    for change in changes:
        tenant, document = used(night)
        named = {"document": document, "teen": tenant.teen, "adult": tenant.adult}
        night.query(change, named)
        assert find(night, repair=True) == {"notices_for_nobody": 1, "repaired": 1}, change
    tenant, document = used(night)
    night.query("UPDATE documents SET visibility = 'private', assigned_to = %s WHERE id = %s", (tenant.teen, document))
    assert find(night) == {}


def test_chunks_whose_document_is_gone_are_told_and_kept_for_a_person_to_look_at(night: Installation) -> None:
    tenant, document = used(night)
    undisturbed(night, "DELETE FROM expiry_notices WHERE tenant_id = %s", tenant.id)
    undisturbed(night, "DELETE FROM documents WHERE id = %s", document)
    chunks = night.query("SELECT count(*) AS n FROM document_chunks WHERE document_id = %s", (document,))[0]["n"]

    assert find(night, repair=True) == {"chunks_without_document": chunks}

    assert (
        night.query("SELECT count(*) AS n FROM document_chunks WHERE document_id = %s", (document,))[0]["n"] == chunks
    )
    night.query("DELETE FROM document_chunks WHERE document_id = %s", (document,))
    assert find(night) == {}


def test_texts_that_have_not_changed_lately_are_compared_when_it_is_asked_for(night: Installation) -> None:
    _, document = used(night)
    night.query(
        "UPDATE documents SET content = replace(content, 'May', 'Mai'), updated_at = now() - interval '4 days'"
        " WHERE id = %s",
        (document,),
    )

    assert find(night) == {}
    assert find(night, thorough=True) == {"documents_with_other_text": 1}
    night.query("UPDATE documents SET content = replace(content, 'Mai', 'May') WHERE id = %s", (document,))


def test_what_belongs_to_no_tenant_is_found_and_the_index_of_a_tenant_that_is_gone_is_dropped(
    night: Installation,
) -> None:
    tenant, _ = used(night)
    night.query("INSERT INTO users (email) VALUES (%s)", (f"{secrets.token_hex(6)}@example.org",))
    night.query("UPDATE users SET created_at = now() - interval '1 minute'")
    gone = str(uuid.uuid4())
    there, lost = (f"document_chunks_nearest_{one.replace('-', '')}" for one in (tenant.id, gone))
    for name, owner in ((there, tenant.id), (lost, gone)):
        night.query(
            f"CREATE INDEX {name} ON document_chunks USING hnsw (embedding halfvec_cosine_ops)"
            f" WHERE tenant_id = '{owner}'"
        )
    indexes = "SELECT relname FROM pg_class WHERE relname = ANY (%s)"

    assert find(night) == {"indexes_without_tenant": 1, "accounts_without_tenant": 1}
    assert len(night.query(indexes, ([there, lost],))) == 2
    assert find(night, repair=True) == {"indexes_without_tenant": 1, "accounts_without_tenant": 1, "repaired": 1}
    assert [row["relname"] for row in night.query(indexes, ([there, lost],))] == [there]
    assert find(night) == {"accounts_without_tenant": 1}
    night.query("DELETE FROM users WHERE NOT EXISTS (SELECT FROM tenant_memberships AS m WHERE m.user_id = users.id)")


def asked_to_drop(cursor: Any, tenant: object) -> bool:
    cursor.execute("SELECT drop_index_of_gone_tenant(%s) AS dropped", (tenant,))
    return bool(cursor.fetchone()["dropped"])


def test_the_index_of_a_tenant_that_exists_is_dropped_by_nobody(night: Installation) -> None:
    tenant, other = night.new_tenant(), night.new_tenant()
    name = f"document_chunks_nearest_{tenant.id.replace('-', '')}"
    night.query(
        f"CREATE INDEX {name} ON document_chunks USING hnsw (embedding halfvec_cosine_ops)"
        f" WHERE tenant_id = '{tenant.id}'"
    )
    with autocommit_cursor(night.operator_dsn) as cursor:
        for entered in ("", tenant.id, other.id):
            cursor.execute("BEGIN; SELECT set_config('app.tenant_id', %s, true)", (entered,))
            assert asked_to_drop(cursor, tenant.id) is False
            assert asked_to_drop(cursor, other.id) is False
            assert asked_to_drop(cursor, None) is False
            cursor.execute("SELECT current_setting('app.tenant_id') AS tenant")
            assert cursor.fetchone()["tenant"] == entered
            cursor.execute("COMMIT")
    assert night.query("SELECT 1 FROM pg_class WHERE relname = %s", (name,))
    with autocommit_cursor(night.app_dsn) as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        asked_to_drop(cursor, str(uuid.uuid4()))


def test_what_is_no_flag_is_refused_and_changes_nothing(night: Installation) -> None:
    cases: tuple[Json, ...] = ({"repair": "yes"}, {"repair": 1}, {"thorough": "true"}, {"thorough": []})
    with nothing_changes(night):
        for case in cases:
            night.run(FIND, **case).refused(422, "invalid_argument")
