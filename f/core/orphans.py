"""What should not be there: rows that lost what they belong to, and what disagrees with what it was made from.

Shared module, for operators and schedules. Foreign keys, and one transaction for each deed, keep all of this from
coming about. It is looked for because a backup that was restored in part, or a change by hand, could bring it about all
the same, and what is left of something that was deleted may tell of it. What is derived, over or addressed to nobody is
repaired by itself; where texts disagree, a person has to look.

A tenant takes one statement, which reads its chunks and their words once, and the texts of documents that changed in
the last days. With nothing wrong that is four milliseconds for a small tenant, and half a second for 10,000 chunks.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from f.core.database import OPERATORS_DATABASE, Row, Transaction, open_database
from f.core.document_bands import WITHOUT_BANDS, write_missing_bands
from f.core.maintenance import over_tenants

_PATIENCE = "SET LOCAL statement_timeout = '20min'"
_TEXT_AT_ONCE_BYTES = 4_000_000

_MEMBER = "SELECT FROM family_members AS m WHERE m.tenant_id = %(tenant)s AND m.removed_at IS NULL"
_COUNTED = "words_without_chunk"  # by the pass over all words that is made anyway
_REMOVABLE = {
    _COUNTED: """
        FROM chunk_words AS w
        WHERE w.tenant_id = %(tenant)s
          AND NOT EXISTS (SELECT FROM document_chunks AS c WHERE c.tenant_id = %(tenant)s AND c.id = w.chunk_id)""",
    "notices_for_nobody": """
        FROM expiry_notices AS n
        WHERE n.tenant_id = %(tenant)s AND NOT EXISTS (
            SELECT FROM documents AS d
            JOIN tenants AS t ON t.id = d.tenant_id
            JOIN family_members AS m ON m.tenant_id = d.tenant_id AND m.id = n.member_id AND m.removed_at IS NULL
            WHERE d.tenant_id = %(tenant)s AND d.id = n.document_id AND d.deleted_at IS NULL
              AND may_see(m.member_type, m.id, t.admins_see_private, d.visibility, d.assigned_to))""",
    "slots_of_nobody": f"""
        FROM chat_slots AS s
        WHERE s.tenant_id = %(tenant)s AND s.member_id IS NOT NULL AND NOT EXISTS ({_MEMBER} AND m.id = s.member_id)""",
    "limits_of_nobody": f"""
        FROM rate_states AS r
        WHERE r.tenant_id = %(tenant)s AND r.subject <> 0 AND NOT EXISTS ({_MEMBER} AND m.id = r.subject)""",
    "questions_of_nobody": f"""
        FROM query_embeddings AS q
        WHERE q.tenant_id = %(tenant)s AND q.subject <> 0 AND NOT EXISTS ({_MEMBER} AND m.id = q.subject)""",
    "answers_for_nobody": f"""
        FROM cached_answers AS a
        WHERE a.tenant_id = %(tenant)s AND a.subject <> 0 AND NOT EXISTS ({_MEMBER} AND m.id = a.subject)""",
    "answers_from_nothing": """
        FROM cached_answers AS a
        WHERE a.tenant_id = %(tenant)s
          AND NOT a.sources <@ ARRAY(SELECT d.id FROM documents AS d WHERE d.tenant_id = %(tenant)s)""",
    "tokens_long_expired": """
        FROM session_tokens AS t WHERE t.tenant_id = %(tenant)s AND t.expires_at < now() - interval '2 days'""",
}
"""Rows that nobody can need, by what they are called in the answer."""

_LOOK = """
WITH chunk AS MATERIALIZED (
    SELECT id, document_id, embedding_model, length(words) AS words FROM document_chunks WHERE tenant_id = %(tenant)s
), indexed AS MATERIALIZED (
    SELECT chunk_id, count(*) AS words FROM chunk_words WHERE tenant_id = %(tenant)s GROUP BY chunk_id
), piece AS (
    SELECT document_id, count(*) AS chunks, count(embedding_model) AS embedded, min(embedding_model) AS first_model,
           max(embedding_model) AS last_model
    FROM chunk GROUP BY document_id
), document AS MATERIALIZED (
    SELECT d.id, piece.document_id, piece.chunks, d.chunk_count,
           d.status = 'completed' AND d.deleted_at IS NULL AND piece.chunks IS NOT NULL
           AND (piece.embedded, piece.first_model, piece.last_model)
               IS DISTINCT FROM (piece.chunks, d.embedding_model, d.embedding_model) AS unembedded
    FROM (SELECT * FROM documents WHERE tenant_id = %(tenant)s) AS d FULL JOIN piece ON piece.document_id = d.id
), misworded AS MATERIALIZED (
    SELECT chunk.id FROM chunk LEFT JOIN indexed ON indexed.chunk_id = chunk.id
    WHERE coalesce(indexed.words, 0) <> chunk.words
)
"""
_COUNTS = ", ".join(f"(SELECT count(*) {rows}) AS {name}" for name, rows in _REMOVABLE.items() if name != _COUNTED)
_COUNT = f"""
-- How many there are of each, in one pass over the tenant's chunks and words.
{_LOOK}
SELECT (SELECT count(*) FROM misworded) AS chunks_with_other_words,
       (SELECT coalesce(sum(chunks), 0)::bigint FROM document WHERE id IS NULL) AS chunks_without_document,
       (SELECT count(*) FROM document WHERE chunks IS DISTINCT FROM chunk_count AND id IS NOT NULL)
           AS documents_with_other_chunks,
       (SELECT count(*) FROM document WHERE unembedded) AS documents_without_vectors,
       (SELECT count(*) {WITHOUT_BANDS}) AS documents_without_sketch,
       (SELECT count(*) FROM conversation_messages AS m
        WHERE m.tenant_id = %(tenant)s AND NOT EXISTS (
            SELECT FROM conversation_sessions AS s WHERE s.tenant_id = %(tenant)s AND s.id = m.session_id)
       ) AS messages_without_session,
       (SELECT coalesce(sum(words), 0)::bigint FROM indexed
        WHERE NOT EXISTS (SELECT FROM chunk WHERE chunk.id = indexed.chunk_id)) AS words_without_chunk,
       {_COUNTS}
"""  # noqa: S608 -- constants of this module
_NAME = f"""
{_LOOK}
SELECT ARRAY(SELECT id FROM document WHERE unembedded) AS documents, ARRAY(SELECT id FROM misworded) AS chunks
"""  # noqa: S608 -- constants of this module

_REQUEUE = """
UPDATE documents SET status = 'queued', attempts = 0, failure_reason = NULL, updated_at = now()
WHERE tenant_id = %(tenant)s AND id = ANY (%(documents)s)
"""
_FORGET_ANSWERS = "DELETE FROM cached_answers WHERE tenant_id = %(tenant)s"
_FORGET_WORDS = "DELETE FROM chunk_words WHERE tenant_id = %(tenant)s AND chunk_id = ANY (%(chunks)s)"
_LEARN_WORDS = """
-- As the trigger on new chunks does it.
INSERT INTO chunk_words (tenant_id, lexeme, chunk_id, document_id, frequency, chunk_length)
SELECT c.tenant_id, word.lexeme, c.id, c.document_id, cardinality(word.positions), least(c.word_count, 32767)
FROM document_chunks AS c, unnest(c.words) AS word
WHERE c.tenant_id = %(tenant)s AND c.id = ANY (%(chunks)s)
"""

_SIZES = """
SELECT id, octet_length(content) AS bytes FROM documents
WHERE tenant_id = %s AND (%s OR updated_at > now() - interval '3 days')
ORDER BY id
"""
_TEXTS = "SELECT id, content FROM documents WHERE tenant_id = %s AND id = ANY (%s)"
_PASSAGES = """
SELECT document_id, start_offset, end_offset, content FROM document_chunks
WHERE tenant_id = %s AND document_id = ANY (%s)
"""

_ACCOUNTS = "SELECT user_id::text AS id FROM tenant_memberships WHERE tenant_id = %s"
_OWNERLESS = "SELECT count(*) AS found FROM users WHERE created_at < %s AND id <> ALL (%s::uuid[])"
_LOST_INDEXES = """
SELECT right(i.relname, 32)::uuid::text AS tenant FROM pg_class AS i
WHERE i.relnamespace = 'public'::regnamespace AND i.relkind = 'i'
  AND i.relname ~ '^document_chunks_nearest_[0-9a-f]{32}$'
  AND NOT EXISTS (SELECT FROM tenants AS t WHERE replace(t.id::text, '-', '') = right(i.relname, 32))
"""


def find_orphans(*, repair: bool, thorough: bool) -> dict[str, int]:
    """Count what should not be there, in every tenant and beside them; see the module.

    Args:
        repair: Remove what nobody can need, make the words of chunks anew, and let documents be embedded again.
        thorough: Compare the texts of all documents, not only of those that changed in the last three days.

    Returns:
        Counts of what was found, by what it is; ``repaired`` is how much of it is mended.

    Raises:
        KnowledgeError: After all tenants, when it failed for some.
    """
    accounts: set[str] = set()

    def look(transaction: Transaction) -> Mapping[str, int]:
        accounts.update(row["id"] for row in transaction.rows(_ACCOUNTS, (transaction.tenant_id,)))
        return _look(transaction, repair=repair, thorough=thorough)

    with open_database(OPERATORS_DATABASE) as database:
        with database.administration() as outside:
            began = outside.rows("SELECT now() AS now")[0]["now"]
        counts = over_tenants(look)
        with database.administration() as outside:
            beside = _look_outside(outside, began, accounts, repair=repair)
    return {**counts, **beside, "repaired": counts.get("repaired", 0) + beside["repaired"]}


def _look(transaction: Transaction, *, repair: bool, thorough: bool) -> Mapping[str, int]:
    """Count what should not be there in one tenant, and repair of it what can be."""
    transaction.execute(_PATIENCE)
    tenant: dict[str, object] = {"tenant": transaction.tenant_id}
    counts: dict[str, int] = dict(transaction.rows(_COUNT, tenant)[0])
    repaired = 0
    if repair:
        for name, rows in _REMOVABLE.items():
            if counts[name]:
                transaction.execute(f"DELETE {rows}", tenant)
                repaired += counts[name]
        if counts["chunks_with_other_words"] or counts["documents_without_vectors"]:
            named = transaction.rows(_NAME, tenant)[0]
            for statement in (_FORGET_WORDS, _LEARN_WORDS, _REQUEUE):
                transaction.execute(statement, tenant | named)
            repaired += len(named["chunks"]) + len(named["documents"])
        if counts["documents_without_sketch"]:
            repaired += write_missing_bands(transaction)
        if repaired:  # words that are mended change no document, and what is found all the same
            transaction.execute(_FORGET_ANSWERS, tenant)
    others = sum(1 for document in _texts(transaction, thorough=thorough) if not document)
    return {**counts, "documents_with_other_text": others, "repaired": repaired}


def _texts(transaction: Transaction, *, thorough: bool) -> Iterator[bool]:
    """Yield for each document whether its chunks are what stands in it at their places."""
    sizes = transaction.rows(_SIZES, (transaction.tenant_id, thorough))
    while sizes:
        some, bytes_of_some = [sizes.pop()], 0
        while sizes and bytes_of_some + sizes[-1]["bytes"] < _TEXT_AT_ONCE_BYTES:
            some.append(sizes.pop())
            bytes_of_some += some[-1]["bytes"]
        chosen = (transaction.tenant_id, [row["id"] for row in some])
        texts = {row["id"]: row["content"] for row in transaction.rows(_TEXTS, chosen)}
        agrees = dict.fromkeys(texts, True)
        for passage in transaction.rows(_PASSAGES, chosen):
            text = texts[passage["document_id"]][passage["start_offset"] : passage["end_offset"]]
            agrees[passage["document_id"]] &= text == passage["content"]
        yield from agrees.values()


def _look_outside(outside: Transaction, began: datetime, accounts: set[str], *, repair: bool) -> dict[str, int]:
    """Count what belongs to no tenant; the accounts are those that belonged to one when the tenants were looked at."""
    lost = [row["tenant"] for row in outside.rows(_LOST_INDEXES)]
    ownerless: Row = outside.rows(_OWNERLESS, (began, list(accounts)))[0]
    if repair:
        for tenant in lost:
            outside.execute("SELECT drop_index_of_gone_tenant(%s)", (tenant,))
    return {
        "indexes_without_tenant": len(lost),
        "accounts_without_tenant": ownerless["found"],
        "repaired": len(lost) if repair else 0,
    }
