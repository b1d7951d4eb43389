"""What is done for every tenant in turn: notices, purges, what is stuck, vector indexes.

Shared module. Each tenant is a transaction of its own, in its own name, so that one tenant's trouble stops neither the
others nor undoes them. No provider is called.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from f.core.database import OPERATORS_DATABASE, Transaction, open_database
from f.core.errors import KnowledgeError
from f.core.expiry import THRESHOLD
from f.core.files import requeue_files
from f.core.identity import background
from f.core.waiting_documents import MAXIMUM_ATTEMPTS

PURGED_AT_ONCE = 200
INDEX_ABOVE = 6_000
"""Vectors above which a tenant gets an index of its own; an exact scan of that many takes some 5 ms."""
INDEX_BELOW = 4_000
"""Vectors below which it is dropped again; less than INDEX_ABOVE, so that it is not made and dropped in turn."""
QUESTIONS_KEPT = 10_000
"""Embeddings of questions that a tenant keeps, the newest; 20 MB."""

TOLD_AFTER_DAYS = 30
"""Days after an expiry in which members who have not been told of it still are."""

_TIME_FOR_AN_INDEX = "SET LOCAL statement_timeout = '1h'"

_NOTIFY = f"""
-- A notice for each member who may see a document that expires, of the last threshold that is reached, once. A document
-- that expired long ago, such as one that has just been imported, gives none. A day before and after is left for the
-- time zone, so that the index on expires_at is used.
INSERT INTO expiry_notices (tenant_id, document_id, member_id, threshold, expires_at)
SELECT d.tenant_id, d.id, m.id, {THRESHOLD}, d.expires_at
FROM documents AS d
JOIN tenants AS t ON t.id = d.tenant_id
JOIN family_members AS m ON m.tenant_id = d.tenant_id AND m.removed_at IS NULL
     AND may_see(m.member_type, m.id, t.admins_see_private, d.visibility, d.assigned_to)
WHERE d.tenant_id = %(tenant)s AND d.deleted_at IS NULL AND d.expires_at < now() + interval '32 days'
  AND d.expires_at > now() - interval '{TOLD_AFTER_DAYS} days' AND {THRESHOLD} IS NOT NULL
ON CONFLICT (tenant_id, document_id, member_id, threshold, expires_at) DO NOTHING
RETURNING threshold
"""  # noqa: S608 -- constants

_PURGE_DOCUMENTS = """
-- Documents that were deleted longer ago than the tenant keeps them; chunks, vectors, words and notices go with them,
-- and so does the text of answers that rest on them, which nobody could read any more, and what is remembered of them.
WITH old AS (
    SELECT d.id FROM documents AS d JOIN tenants AS t ON t.id = d.tenant_id
    WHERE d.tenant_id = %(tenant)s AND d.deleted_at < now() - make_interval(days => t.retention_days)
    ORDER BY d.id LIMIT %(limit)s
), forgotten AS (
    DELETE FROM cached_answers AS a WHERE a.tenant_id = %(tenant)s AND a.sources && ARRAY(SELECT id FROM old)
), silenced AS (
    UPDATE conversation_messages AS m SET content = '', citations = '[]'
    WHERE m.tenant_id = %(tenant)s AND m.sources && ARRAY(SELECT id FROM old)
)
DELETE FROM documents AS d USING old
WHERE d.tenant_id = %(tenant)s AND d.id = old.id
RETURNING d.chunk_count
"""

_PURGE_FILES = """
-- Files of which nothing has come for longer than the tenant keeps what is deleted, and a day at least: what failed
-- or waits in vain, with its bytes; and archives all of whose files are gone. The row of a file that became a document
-- goes with that.
WITH old AS (
    SELECT f.id FROM files AS f JOIN tenants AS t ON t.id = f.tenant_id
    WHERE f.tenant_id = %(tenant)s AND f.document_id IS NULL
      AND f.updated_at < now() - make_interval(days => greatest(t.retention_days, 1))
      AND (f.status <> 'processing' OR f.lease_until IS NULL OR f.lease_until < now())
      AND NOT EXISTS (SELECT FROM files AS inside WHERE inside.tenant_id = f.tenant_id AND inside.parent_id = f.id)
    ORDER BY f.id LIMIT %(limit)s
)
DELETE FROM files AS f USING old WHERE f.tenant_id = %(tenant)s AND f.id = old.id
RETURNING f.id
"""

_PURGE_SESSIONS = """
-- Conversations and session tokens that are over, calendar feeds that were revoked long ago, embeddings of questions
-- that are too old or too many, and answers that are given to nobody any more.
WITH gone AS (
    DELETE FROM conversation_sessions WHERE tenant_id = %(tenant)s AND expires_at < now() RETURNING id
), ended AS (
    DELETE FROM session_tokens WHERE tenant_id = %(tenant)s AND (expires_at < now() OR revoked_at IS NOT NULL)
    RETURNING id
), feeds AS (
    DELETE FROM calendar_feeds WHERE tenant_id = %(tenant)s AND revoked_at < now() - interval '30 days' RETURNING id
), kept AS (
    SELECT min(created_at) AS oldest FROM (
        SELECT created_at FROM query_embeddings WHERE tenant_id = %(tenant)s ORDER BY created_at DESC LIMIT %(most)s
    ) AS newest
), questions AS (
    DELETE FROM query_embeddings AS q USING kept
    WHERE q.tenant_id = %(tenant)s AND (q.created_at < now() - interval '30 days' OR q.created_at < kept.oldest)
    RETURNING q.place
), answers AS (
    DELETE FROM cached_answers WHERE tenant_id = %(tenant)s AND expires_at < now() RETURNING place
)
SELECT count(DISTINCT gone.id) AS sessions, count(m.id) AS messages, (SELECT count(*) FROM ended) AS tokens,
       (SELECT count(*) FROM questions) AS questions, (SELECT count(*) FROM answers) AS answers,
       (SELECT count(*) FROM feeds) AS calendar_feeds
FROM gone LEFT JOIN conversation_messages AS m ON m.tenant_id = %(tenant)s AND m.session_id = gone.id
"""

_REQUEUE = """
-- Documents whose run was killed: they wait again, or have failed when there were enough attempts.
UPDATE documents
SET status = CASE WHEN attempts >= %(maximum_attempts)s THEN 'failed' ELSE 'queued' END,
    failure_code = 'interrupted', failure_reason = 'The run that processed it ended without a word.',
    lease_holder = NULL, lease_until = NULL, updated_at = now()
WHERE tenant_id = %(tenant)s AND status = 'processing' AND (lease_until IS NULL OR lease_until < now())
RETURNING status
"""


def notify_expiring(transaction: Transaction) -> Mapping[str, int]:
    """Write the tenant's notices that are due, and return how many of each threshold are new."""
    rows = transaction.rows(_NOTIFY, {"tenant": transaction.tenant_id})
    return _counted(("30_days", "7_days", "1_day", "expired"), [row["threshold"] for row in rows])


def purge_documents(transaction: Transaction) -> Mapping[str, int]:
    """Purge some of the tenant's documents that were deleted long enough ago, and of files of which nothing has come.

    Nothing left gives zeros.
    """
    some = {"tenant": transaction.tenant_id, "limit": PURGED_AT_ONCE}
    rows = transaction.rows(_PURGE_DOCUMENTS, some)
    files = transaction.rows(_PURGE_FILES, some)
    return {"documents": len(rows), "chunks": sum(row["chunk_count"] for row in rows), "files": len(files)}


def purge_sessions(transaction: Transaction) -> Mapping[str, int]:
    """Remove the tenant's expired conversations, and session tokens and remembered questions that serve no more."""
    return transaction.rows(_PURGE_SESSIONS, {"tenant": transaction.tenant_id, "most": QUESTIONS_KEPT})[0]


def requeue_documents(transaction: Transaction) -> Mapping[str, int]:
    """Let the tenant's documents and files that are stuck in processing wait again."""
    parameters = {"tenant": transaction.tenant_id, "maximum_attempts": MAXIMUM_ATTEMPTS}
    documents = [row["status"] for row in transaction.rows(_REQUEUE, parameters)]
    return _counted(("queued", "failed"), documents + requeue_files(transaction))


def maintain_vector_index(transaction: Transaction) -> Mapping[str, int]:
    """Make or drop the tenant's vector index as its size demands; to make one may take longer than other statements."""
    transaction.execute(_TIME_FOR_AN_INDEX)
    row = transaction.row("SELECT maintain_vector_index(%s, %s) AS outcome", (INDEX_ABOVE, INDEX_BELOW))
    return _counted(("made", "kept", "dropped", "none"), [row["outcome"]] if row else [])


def over_tenants(action: Callable[[Transaction], Mapping[str, int]], *, until_zero: bool = False) -> dict[str, int]:
    """Do something for every tenant, and return the sums of what it counts.

    Args:
        action: What to do in a tenant's transaction; it returns counts.
        until_zero: Repeat it for a tenant until all its counts are zero.

    Raises:
        KnowledgeError: After all tenants, when it failed for some; the message names them.
    """
    totals: Counter[str] = Counter()
    failed: dict[str, str] = {}
    with open_database(OPERATORS_DATABASE) as database:
        for tenant in database.tenant_ids():
            totals["tenants"] += 1
            try:
                while True:
                    with database.transaction(background(tenant)) as transaction:
                        counts = action(transaction)
                    totals.update(counts)
                    if not until_zero or not any(counts.values()):
                        break
            except KnowledgeError as error:
                failed[tenant] = str(error)
    if failed:
        raise KnowledgeError(f"It failed for {len(failed)} tenant(s): {failed}")
    return dict(totals)


def _counted(words: Sequence[str], found: Sequence[str]) -> dict[str, int]:
    """Count each of the words, those that were not found too."""
    counts = Counter(found)
    return {word: counts[word] for word in words}


def only_counts(part: object) -> dict[str, int]:
    """Keep of a step's answer what is a count."""
    return {str(key): value for key, value in part.items() if isinstance(value, int)} if isinstance(part, dict) else {}
