# ruff: noqa: RUF001 - Greek letters are meant here
"""The inverted index of words follows the chunks, whoever changes them, and a purge leaves nothing."""

from collections import Counter

from f.core.database import Database
from f.core.identity import Caller
from f.core.maintenance import purge_documents
from tests.database.test_enter_tenant import open_app
from tests.database.worlds import APP, OPERATOR, WITH_ALL_GRANTS, Filled, World, add_document, new_tenant

Words = Counter[tuple[int, int, str, int, int]]

_KEPT = """
SELECT chunk_id, document_id, lexeme, frequency::integer, chunk_length::integer
FROM chunk_words WHERE tenant_id = %s
"""
_TRUE = """
SELECT c.id AS chunk_id, c.document_id, word.lexeme, cardinality(word.positions) AS frequency,
       c.word_count AS chunk_length
FROM document_chunks AS c, unnest(c.words) AS word WHERE c.tenant_id = %s
"""


def words_of(world: World, tenant: Filled, statement: str) -> Words:
    return Counter(tuple(row.values()) for row in world.query(statement, (tenant.id,)))


def in_step(world: World, tenant: Filled) -> bool:
    return words_of(world, tenant, _KEPT) == words_of(world, tenant, _TRUE)


def with_documents(world: World) -> tuple[Filled, list[int]]:
    """Make a tenant whose documents the members' login has stored."""
    tenant = new_tenant(world)
    texts = ("The excess is 75 euros, the excess for theft 400 euros.", "Glass, glass and glass.", "Nothing else.")
    with world.connected(APP) as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM enter_tenant(%s, NULL, 'system')", (tenant.id,))
        documents = [
            add_document(cursor, tenant.id, texts=texts),
            add_document(
                cursor, tenant.id, texts=("Η απαλλαγή για κλοπή είναι 400 ευρώ.", "Τίποτα άλλο."), language="greek"
            ),
        ]
        cursor.execute("COMMIT")
    return tenant, documents


def test_the_words_of_new_chunks_are_kept_with_their_frequency_and_length(world: World) -> None:
    tenant, _ = with_documents(world)

    assert in_step(world, tenant)
    glass = world.query(
        "SELECT frequency, chunk_length FROM chunk_words WHERE tenant_id = %s AND lexeme = 'glass'", (tenant.id,)
    )
    assert glass == [{"frequency": 3, "chunk_length": 3}]
    assert world.one("SELECT count(*) FROM chunk_words WHERE tenant_id = %s AND lexeme = 'κλοπ'", (tenant.id,)) == 1


def test_the_words_of_a_removed_chunk_go_and_the_others_stay(world: World) -> None:
    tenant, documents = with_documents(world)
    before = sum(words_of(world, tenant, _KEPT).values())
    with world.connected(OPERATOR) as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM enter_tenant(%s, NULL, 'system')", (tenant.id,))
        cursor.execute("DELETE FROM document_chunks WHERE document_id = %s AND ordinal = 1", (documents[0],))
        assert cursor.rowcount == 1
        cursor.execute("COMMIT")

    assert in_step(world, tenant)
    assert 0 < sum(words_of(world, tenant, _KEPT).values()) < before


def test_removing_many_chunks_of_a_tenant_that_the_planner_knows_nothing_of_takes_no_minutes(world: World) -> None:
    """It came after the last ANALYZE. Compared with each other, so many words keep a database busy for minutes."""
    alike = [" ".join(f"word{number * step % 997}" for step in range(1, 151)) for number in range(1, 601)]
    with world.connected("postgres") as cursor:
        add_document(cursor, new_tenant(world).id, texts=alike[:100])
        cursor.execute("ANALYZE")
    tenant = new_tenant(world)
    with world.connected(APP) as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM enter_tenant(%s, NULL, 'system')", (tenant.id,))
        document = add_document(cursor, tenant.id, texts=alike)
        cursor.execute("COMMIT")
        assert sum(words_of(world, tenant, _KEPT).values()) > 80_000
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM enter_tenant(%s, NULL, 'system')", (tenant.id,))
        cursor.execute("SET LOCAL statement_timeout = '30s'")
        cursor.execute("DELETE FROM document_chunks WHERE document_id = %s", (document,))
        cursor.execute("COMMIT")

    assert words_of(world, tenant, _KEPT) == Counter()


def test_the_words_go_with_their_document(world: World) -> None:
    tenant, documents = with_documents(world)
    with world.connected(OPERATOR) as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM enter_tenant(%s, NULL, 'system')", (tenant.id,))
        cursor.execute("DELETE FROM documents WHERE tenant_id = %s AND id = %s", (tenant.id, documents[0]))
        assert cursor.rowcount == 1
        cursor.execute("COMMIT")

    assert in_step(world, tenant)
    assert {document for _, document, *_ in words_of(world, tenant, _KEPT)} == {documents[1]}


def test_the_words_go_with_their_tenant(world: World) -> None:
    tenant, _ = with_documents(world)
    other, _ = with_documents(world)
    world.query("DELETE FROM tenants WHERE id = %s", (tenant.id,))

    assert words_of(world, tenant, _KEPT) == Counter()
    assert in_step(world, other)
    assert words_of(world, other, _KEPT)


def test_a_purge_leaves_nothing_of_a_document(world: World) -> None:
    tenant, documents = with_documents(world)
    gone, kept = documents
    world.query("UPDATE documents SET deleted_at = now() - interval '31 days' WHERE id = %s", (gone,))
    world.query("UPDATE documents SET deleted_at = now() - interval '29 days' WHERE id = %s", (kept,))
    world.query(
        "INSERT INTO expiry_notices (tenant_id, document_id, member_id, threshold, expires_at)"
        " SELECT %s, id, %s, 'expired', now() FROM documents WHERE tenant_id = %s",
        (tenant.id, tenant.members["admin"], tenant.id),
    )
    operator: Database = open_app(world.dsn(OPERATOR))
    with operator.transaction(Caller(tenant.id, None, "system")) as transaction:
        counts = purge_documents(transaction)
    operator.connection.close()

    assert counts == {"documents": 1, "chunks": 3, "files": 0}
    for table, column in (
        *(("documents", "id"), ("document_chunks", "document_id")),
        *(("chunk_words", "document_id"), ("expiry_notices", "document_id")),
    ):
        left = world.query(f"SELECT DISTINCT {column} AS id FROM {table} WHERE tenant_id = %s", (tenant.id,))
        assert left == [{"id": kept}], table
    assert in_step(world, tenant)


def test_words_of_a_transaction_that_is_rolled_back_are_not_kept(world: World) -> None:
    tenant = new_tenant(world)
    with world.entered(APP, tenant.id, None, "system") as cursor:
        add_document(cursor, tenant.id)
        cursor.execute("SELECT count(*) AS n FROM chunk_words")
        assert cursor.fetchone()["n"] == 3

    assert words_of(world, tenant, _KEPT) == Counter()


def test_removing_chunks_leaves_the_transaction_in_the_name_that_it_had(world: World) -> None:
    tenant, documents = with_documents(world)
    names = ("app.tenant_id", "app.member_id", "app.member_type", "app.admins_see_private")
    settings = "SELECT " + ", ".join(f"current_setting('{name}', true)" for name in names)
    world.allow_everything()
    for statement in ("DELETE FROM document_chunks WHERE document_id = %s", "DELETE FROM documents WHERE id = %s"):
        with world.entered(WITH_ALL_GRANTS, tenant.id, tenant.members["teen"]) as cursor:
            cursor.execute(settings)
            before = cursor.fetchall()
            cursor.execute(statement, (documents[0],))
            assert cursor.rowcount > 0
            cursor.execute(settings)
            assert cursor.fetchall() == before
