"""Documents that wait to be embedded: taking them by a lease, their chunks, their vectors, and giving them back.

Shared module. A document is held by a lease, which a killed run loses by time. Whoever changes a document and its
chunks locks the document first, so that an edit and a run that embeds wait for each other, and neither for ever. After
a failure that may pass a document waits longer and longer; after one that cannot, or three, it has failed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from f.core.database import Row, Transaction, vector_text
from f.core.hidden_text import visible_text

MAXIMUM_ATTEMPTS = 3
BACKING_OFF_SECONDS = 60
"""Until the second attempt; each further one waits twice as long."""
_NOTHING_VISIBLE = "-"
"""Is embedded where a reader sees nothing: a provider that refuses an empty text would refuse the whole batch."""

_CLAIM = """
-- Take documents to embed: those that wait and are due, those whose holder was killed, and, when one is named, also one
-- that is not due or has failed. What was killed too often is left: it would go on for ever.
WITH waiting AS (
    SELECT id FROM documents
    WHERE tenant_id = %(tenant)s AND deleted_at IS NULL AND (%(document)s IS NULL OR id = %(document)s)
      AND ((status = 'queued' AND (next_attempt_at IS NULL OR next_attempt_at <= now() OR id = %(document)s))
           OR (status = 'processing' AND (lease_until < now() OR lease_holder = %(holder)s)
               AND (attempts < %(maximum_attempts)s OR id = %(document)s))
           OR (status = 'failed' AND id = %(document)s))
      AND id <> ALL (%(without)s::integer[])
    ORDER BY created_at, id LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE documents AS d
SET status = 'processing', attempts = CASE WHEN d.status = 'failed' THEN 1 ELSE d.attempts + 1 END,
    lease_holder = %(holder)s, lease_until = now() + make_interval(secs => %(lease_seconds)s), next_attempt_at = NULL,
    started_at = now(), updated_at = now()
FROM waiting
WHERE d.tenant_id = %(tenant)s AND d.id = waiting.id
RETURNING d.id
"""

_PENDING = """
-- A page of the chunks of taken documents that have no vector of this model yet, in the order of the text.
SELECT c.id, c.document_id, c.ordinal, concat_ws(E'\\n', d.title, c.heading) AS context, c.content
FROM document_chunks AS c JOIN documents AS d ON d.tenant_id = c.tenant_id AND d.id = c.document_id
WHERE c.tenant_id = %(tenant)s AND c.document_id = ANY (%(documents)s)
  AND c.embedding_model IS DISTINCT FROM %(model)s AND (c.document_id, c.ordinal) > (%(document)s, %(ordinal)s)
ORDER BY c.document_id, c.ordinal LIMIT %(limit)s
"""

_HOLD = """
-- Documents' rows are locked before their chunks', by whoever changes either: so that an edit and a run that embeds
-- wait for each other, and neither for ever.
SELECT count(*) FROM (
    SELECT FROM documents WHERE tenant_id = %(tenant)s AND id = ANY (%(documents)s) ORDER BY id FOR NO KEY UPDATE
) AS held
"""

_HOLD_OF_CHUNKS = """
-- The same for the documents of some chunks.
SELECT count(*) FROM (
    SELECT FROM documents
    WHERE tenant_id = %(tenant)s
      AND id = ANY (ARRAY(SELECT document_id FROM document_chunks
                          WHERE tenant_id = %(tenant)s AND id = ANY (%(chunks)s)))
    ORDER BY id FOR NO KEY UPDATE
) AS held
"""

_SAVE_VECTORS = """
-- The ids are named twice so that each chunk is looked up by its key: joined alone, all chunks of the tenant are read.
UPDATE document_chunks AS c SET embedding = given.vector::halfvec, embedding_model = %(model)s
FROM unnest(%(chunks)s::integer[], %(vectors)s::text[]) AS given (id, vector)
WHERE c.tenant_id = %(tenant)s AND c.id = given.id AND c.id = ANY (%(chunks)s)
"""

_RENEW_LEASE = """
UPDATE documents SET lease_until = now() + make_interval(secs => %(lease_seconds)s)
WHERE tenant_id = %(tenant)s AND id = ANY (%(documents)s) AND status = 'processing' AND lease_holder = %(holder)s
"""

_COMPLETE = """
-- Documents all of whose chunks have their vector; the document's own is the mean of them.
UPDATE documents AS d
SET status = 'completed', embedding = whole.embedding, embedding_model = %(model)s, failure_code = NULL,
    failure_reason = NULL, lease_holder = NULL, lease_until = NULL, completed_at = now(), updated_at = now()
FROM (SELECT document_id, l2_normalize(avg(embedding)::vector) AS embedding
      FROM document_chunks
      WHERE tenant_id = %(tenant)s AND document_id = ANY (%(documents)s)
      GROUP BY document_id
      HAVING bool_and(embedding_model IS NOT DISTINCT FROM %(model)s)) AS whole
WHERE d.tenant_id = %(tenant)s AND d.id = whole.document_id AND d.status = 'processing'
RETURNING d.id
"""

_GIVE_BACK = """
-- After a failure: wait for another try, or fail when there were enough or none would help.
UPDATE documents
SET status = CASE WHEN %(final)s OR attempts - %(pause)s::integer >= %(maximum_attempts)s THEN 'failed'
                  ELSE 'queued' END,
    attempts = attempts - %(pause)s::integer, failure_code = %(code)s, failure_reason = %(reason)s,
    next_attempt_at = CASE WHEN NOT %(pause)s
                           THEN now() + make_interval(secs => %(seconds)s * 2 ^ (attempts - 1)) END,
    lease_holder = NULL, lease_until = NULL, updated_at = now()
WHERE tenant_id = %(tenant)s AND id = ANY (%(documents)s) AND status = 'processing' AND lease_holder = %(holder)s
RETURNING id, status
"""

_WAITING_COUNT = """
SELECT count(*) AS waiting FROM documents
WHERE tenant_id = %s AND status IN ('queued', 'processing') AND deleted_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class PendingChunk:
    """A chunk that waits for its vector; ``text`` is what is embedded: title, headings and the passage."""

    id: int
    document_id: int
    ordinal: int
    text: str


def claim(
    transaction: Transaction,
    holder: str,
    lease_seconds: int,
    *,
    document_id: int | None = None,
    limit: int = 1,
    without: Sequence[int] = (),
) -> list[int]:
    """Take documents to embed, and return their ids; what another run holds is passed over.

    Args:
        transaction: Background work of the tenant.
        holder: This run, which gets back what it held before it was killed.
        lease_seconds: For how long.
        document_id: Only this one; also one that has failed.
        limit: The most to take.
        without: Documents that the run holds already.
    """
    parameters = {
        "tenant": transaction.tenant_id,
        "document": document_id,
        "holder": holder,
        "limit": limit,
        "lease_seconds": lease_seconds,
        "without": list(without),
        "maximum_attempts": MAXIMUM_ATTEMPTS,
    }
    return [row["id"] for row in transaction.rows(_CLAIM, parameters)]


def pending_chunks(
    transaction: Transaction, documents: list[int], model: str, limit: int, after: PendingChunk | None = None
) -> list[PendingChunk]:
    """Return chunks of these documents that have no vector of a model, in the order of the text.

    Args:
        transaction: Background work of the tenant.
        documents: Which documents.
        model: The model.
        limit: The most to return.
        after: The last one of the page before; without it, the first page.
    """
    parameters = {
        "tenant": transaction.tenant_id,
        "documents": documents,
        "model": model,
        "limit": limit,
        "document": after.document_id if after else 0,
        "ordinal": after.ordinal if after else -1,
    }
    return [pending_chunk(row) for row in transaction.rows(_PENDING, parameters)]


def pending_chunk(row: Row) -> PendingChunk:
    """Return a chunk that waits, from a row with ``id``, ``document_id``, ``ordinal``, ``context`` and ``content``."""
    text = visible_text(f"{row['context']}\n\n{row['content']}").strip()
    return PendingChunk(row["id"], row["document_id"], row["ordinal"], text or _NOTHING_VISIBLE)


def save_vectors(transaction: Transaction, chunks: list[int], vectors: list[list[float]], model: str) -> None:
    """Give chunks their vectors, in the same order; a chunk that is gone by now is passed over."""
    parameters = {
        "tenant": transaction.tenant_id,
        "chunks": chunks,
        "vectors": [vector_text(vector) for vector in vectors],
        "model": model,
    }
    transaction.later(_HOLD_OF_CHUNKS, parameters)
    transaction.later(_SAVE_VECTORS, parameters)


def renew_lease(transaction: Transaction, documents: list[int], holder: str, lease_seconds: int) -> None:
    """Keep documents that this run holds from being taken over."""
    parameters = {
        "tenant": transaction.tenant_id,
        "documents": documents,
        "holder": holder,
        "lease_seconds": lease_seconds,
    }
    transaction.later(_RENEW_LEASE, parameters)


def complete(transaction: Transaction, documents: list[int], model: str) -> list[int]:
    """Mark those of the documents as completed all of whose chunks have a vector, and return their ids."""
    parameters = {"tenant": transaction.tenant_id, "documents": documents, "model": model}
    transaction.later(_HOLD, parameters)  # what is counted next is what there is when the documents are marked
    return [row["id"] for row in transaction.rows(_COMPLETE, parameters)]


def give_back(
    transaction: Transaction,
    documents: list[int],
    holder: str,
    reason: str,
    *,
    code: str,
    final: bool,
    pause: bool = False,
) -> list[int]:
    """Give back documents that this run could not complete, and return those that failed for good.

    Args:
        transaction: Background work of the tenant.
        documents: Which ones; what another run holds by now is left alone.
        holder: This run.
        reason: Why, without content.
        code: The same as a stable word.
        final: No repeat would help.
        pause: The provider asked to wait, which is no failed attempt.
    """
    parameters = {
        "tenant": transaction.tenant_id,
        "documents": documents,
        "holder": holder,
        "reason": reason[:500],
        "code": code,
        "seconds": BACKING_OFF_SECONDS,
        "final": final,
        "pause": pause,
        "maximum_attempts": MAXIMUM_ATTEMPTS,
    }
    return [row["id"] for row in transaction.rows(_GIVE_BACK, parameters) if row["status"] == "failed"]


def waiting_count(transaction: Transaction) -> int:
    """Return how many of the tenant's documents are not embedded yet, of those that the caller may see."""
    row = transaction.row(_WAITING_COUNT, (transaction.tenant_id,))
    return int(row["waiting"]) if row else 0
