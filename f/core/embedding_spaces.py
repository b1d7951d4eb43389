"""Moving tenants to another embedding model: vectors of both side by side, and the switch from one to the other.

Shared module. A tenant is searched in one space at a time, that of ``tenants.embedding_model``. Vectors of the next
model gather in ``next_embeddings``, where nothing is searched, batch by batch, each with its usage. When every passage
has one, a single statement puts them in the place of the old ones and says so of the tenant: a search sees all of the
old space or all of the next. A run that is killed loses the batches in flight, and the next one goes on after them.
What a job that began before the switch still writes in the old space is moved by the next run.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypedDict

from f.core.ai_settings import AiSettings, ProviderKeys, read_ai_settings
from f.core.database import OPERATORS_DATABASE, Database, Row, Transaction, open_database, vector_text
from f.core.embedding import BATCH_SIZE, Embeddings
from f.core.embedding_batches import Batch, BatchesInFlight, embedding_event
from f.core.errors import Conflict, ProviderRejected
from f.core.identity import Caller, background
from f.core.maintenance import maintain_vector_index
from f.core.usage import UsageEvent, cost_microusd, record_usage
from f.core.waiting_documents import PendingChunk, pending_chunk

CHUNKS_AT_ONCE = 5 * BATCH_SIZE
"""Passages that are read at a time: what is in flight, and a batch more."""

_WAIT_SECONDS = 3.0
"""How long a run waits for another: one that finds nothing to do ends sooner."""

_ONE_RUN = "SELECT pg_try_advisory_xact_lock(hashtextextended('reembed', 0)) AS alone"
_PATIENCE = "SET LOCAL statement_timeout = '30min'"
_DROP_INDEX = "SELECT maintain_vector_index(2147483647, 2147483646)"

_IS_BEHIND = """
-- Whether documents are of another model, or, where a next one has been chosen, the tenant is searched by another.
SELECT %(chosen)s AND t.embedding_model IS DISTINCT FROM %(model)s
       OR EXISTS (SELECT FROM documents AS d WHERE d.tenant_id = %(tenant)s AND d.embedding_model <> %(model)s)
       AS behind
FROM tenants AS t WHERE t.id = %(tenant)s
"""

_LACKING = """
FROM document_chunks AS c
WHERE c.tenant_id = %(tenant)s AND c.embedding_model <> %(model)s
  AND NOT EXISTS (SELECT FROM next_embeddings AS n
                  WHERE n.tenant_id = %(tenant)s AND n.chunk_id = c.id AND n.embedding_model = %(model)s)
"""
_COUNT = f"SELECT count(*) AS chunks {_LACKING}"
_PENDING = f"""
-- A page of passages that have a vector, but none of the next model.
SELECT lacking.id, lacking.document_id, lacking.ordinal, concat_ws(E'\\n', d.title, lacking.heading) AS context,
       lacking.content
FROM (SELECT c.* {_LACKING} AND c.id > %(after)s ORDER BY c.id LIMIT %(limit)s) AS lacking
JOIN documents AS d ON d.tenant_id = %(tenant)s AND d.id = lacking.document_id
ORDER BY lacking.id
"""  # noqa: S608 -- constants

_SAVE = """
-- A passage that is gone by now is passed over; one that is just going is waited for.
INSERT INTO next_embeddings (tenant_id, chunk_id, document_id, embedding, embedding_model)
SELECT c.tenant_id, c.id, c.document_id, given.vector::halfvec, %(model)s
FROM unnest(%(chunks)s::integer[], %(vectors)s::text[]) AS given (id, vector)
JOIN document_chunks AS c ON c.tenant_id = %(tenant)s AND c.id = given.id
FOR KEY SHARE OF c
ON CONFLICT (tenant_id, chunk_id) DO UPDATE
SET embedding = excluded.embedding, embedding_model = excluded.embedding_model
"""

_LOCK = """
-- Whoever changes a document and its passages locks the document first.
SELECT count(*) AS documents FROM (
    SELECT FROM documents
    WHERE tenant_id = %(tenant)s AND id IN (SELECT document_id FROM next_embeddings WHERE tenant_id = %(tenant)s)
    ORDER BY id FOR UPDATE
) AS locked
"""

_SWITCH = f"""
-- The next vectors take the place of the old ones, all at once and only when all are there; and from then on the tenant
-- is searched by them. A document's own vector is the mean of its passages, as when it is completed.
WITH lacking AS (
    SELECT EXISTS (SELECT {_LACKING}) AS some
), chunks AS (
    UPDATE document_chunks AS c SET embedding = n.embedding, embedding_model = n.embedding_model
    FROM next_embeddings AS n, lacking
    WHERE NOT lacking.some AND c.tenant_id = %(tenant)s AND n.tenant_id = %(tenant)s AND n.chunk_id = c.id
      AND n.embedding_model = %(model)s
    RETURNING c.id
), whole AS (
    SELECT c.document_id, l2_normalize(avg(coalesce(n.embedding, c.embedding))::vector) AS embedding
    FROM document_chunks AS c
    LEFT JOIN next_embeddings AS n
           ON n.tenant_id = %(tenant)s AND n.chunk_id = c.id AND n.embedding_model = %(model)s
    WHERE c.tenant_id = %(tenant)s
      AND c.document_id IN (SELECT document_id FROM next_embeddings WHERE tenant_id = %(tenant)s)
    GROUP BY c.document_id
    HAVING bool_and(coalesce(n.embedding_model, c.embedding_model) IS NOT DISTINCT FROM %(model)s)
), whole_documents AS (
    UPDATE documents AS d SET embedding = whole.embedding, embedding_model = %(model)s, updated_at = now()
    FROM whole, lacking
    WHERE NOT lacking.some AND d.tenant_id = %(tenant)s AND d.id = whole.document_id AND d.embedding IS NOT NULL
), emptied AS (
    DELETE FROM next_embeddings AS n USING lacking WHERE NOT lacking.some AND n.tenant_id = %(tenant)s
), switched AS (
    UPDATE tenants SET embedding_model = %(model)s FROM lacking WHERE NOT lacking.some AND id = %(tenant)s
    RETURNING id
)
SELECT EXISTS (SELECT FROM switched) AS switched
"""  # noqa: S608 -- constants


class ReembedData(TypedDict):
    """What a run did: tenants it moved to the model, vectors it made, and how many passages still lack one."""

    model: str
    tenants: int
    moved: int
    chunks: int
    remaining: int
    cost_microusd: int


@dataclass(slots=True)
class _Done:
    """What a run has done."""

    tenants: int = 0
    moved: int = 0
    chunks: int = 0
    remaining: int = 0
    events: list[UsageEvent] = field(default_factory=list)


def searched_model(transaction: Transaction) -> str | None:
    """Return the embedding model to which the tenant has been moved; None where it never was."""
    row = transaction.row("SELECT embedding_model FROM tenants WHERE id = %s", (transaction.tenant_id,))
    return None if row is None else row["embedding_model"]


def reembed_tenants(tenant_id: str | None, limit: int) -> ReembedData:
    """Move tenants to the next embedding model, one after the other, as the operators' login.

    Args:
        tenant_id: Only this one; None is all.
        limit: The most vectors to make in this run.

    Raises:
        Conflict: When another run is at it.
        NotFound: When there is no such tenant.
        ProviderRejected: After all tenants, when the model refused passages of some; the message names them.
        KnowledgeError: When the provider fails; what was made until then is kept.
    """
    settings, keys = read_ai_settings(chats=False)
    following = settings.next_space.embed if settings.next_space else settings.embed
    done, refused = _Done(), dict[str, str]()
    with _alone(), open_database(OPERATORS_DATABASE) as database:
        move = _Move(database, settings.in_space(following.model), keys, following.model, done, limit)
        for tenant in [tenant_id] if tenant_id else database.tenant_ids():
            done.tenants += 1
            try:
                move.tenant(background(tenant))
            except ProviderRejected as error:  # what one tenant's passages hold keeps no other from being moved
                refused[tenant] = str(error)
    if refused:
        raise ProviderRejected(f"{len(refused)} tenant(s) could not be moved: {refused}")
    return ReembedData(
        model=following.model,
        tenants=done.tenants,
        moved=done.moved,
        chunks=done.chunks,
        remaining=done.remaining,
        cost_microusd=sum(cost_microusd(event, following) for event in done.events),
    )


@contextmanager
def _alone() -> Iterator[None]:
    """Hold off every other run: two would pay for the same vectors twice.

    Raises:
        Conflict: When another run is at it.
    """
    with open_database(OPERATORS_DATABASE) as database, database.administration() as outside:
        until = time.monotonic() + _WAIT_SECONDS
        while not outside.rows(_ONE_RUN)[0]["alone"]:
            if time.monotonic() > until:
                raise Conflict("Tenants are being moved to another embedding model by another run; look at its result.")
            time.sleep(_WAIT_SECONDS / 10)
        yield


@dataclass(frozen=True, slots=True)
class _Move:
    """Moves tenants to one model, until enough vectors have been made."""

    database: Database
    settings: AiSettings
    keys: ProviderKeys
    model: str
    done: _Done
    limit: int

    def tenant(self, tenant: Caller) -> None:
        """Make the vectors that a tenant lacks, and switch it when it has all; a repeat does nothing."""
        if not self._ask(tenant, _IS_BEHIND)["behind"]:
            return
        while True:
            self._embed(tenant)
            lacking = int(self._ask(tenant, _COUNT)["chunks"])
            if not lacking and self._switch(tenant):
                self.done.moved += 1
                return
            if lacking and self.done.chunks >= self.limit:
                self.done.remaining += lacking
                return

    def _ask(self, tenant: Caller, statement: str) -> Row:
        """Return the one row of a statement about a tenant."""
        chosen = self.settings.next_space is not None
        with self.database.transaction(tenant) as transaction:
            named = {"tenant": transaction.tenant_id, "model": self.model, "chosen": chosen}
            return transaction.rows(statement, named)[0]

    def _embed(self, tenant: Caller) -> None:
        """Make vectors, and keep each batch with its usage."""
        calls = BatchesInFlight(self.settings, self.keys, keep=lambda: None, keep_seconds=60)
        for batch, embeddings in calls.embedded(self._batches(tenant)):
            event = embedding_event(batch, embeddings)
            with self.database.transaction(tenant) as transaction:
                self._save(transaction, batch, embeddings)
                # Nobody's budget is spent: it is the operator who changes the model.
                record_usage(transaction, [event], self.settings, charged=False)
            self.done.chunks += len(batch)
            self.done.events.append(event)

    def _batches(self, tenant: Caller) -> Iterator[Batch]:
        """Give full batches of what lacks a vector, and the rest in the last one, within the limit."""
        after, asked = 0, self.done.chunks
        while asked < self.limit:
            with self.database.transaction(tenant) as transaction:
                page = self._pending(transaction, after, min(CHUNKS_AT_ONCE, self.limit - asked))
            yield from (page[start : start + BATCH_SIZE] for start in range(0, len(page), BATCH_SIZE))
            if not page:
                return
            after, asked = page[-1].id, asked + len(page)

    def _pending(self, transaction: Transaction, after: int, limit: int) -> Batch:
        """Return a page of passages that lack a vector, in the order of their ids."""
        parameters = {"tenant": transaction.tenant_id, "model": self.model, "after": after, "limit": limit}
        return [pending_chunk(row) for row in transaction.rows(_PENDING, parameters)]

    def _save(self, transaction: Transaction, batch: list[PendingChunk], embeddings: Embeddings) -> None:
        """Keep vectors beside those that are searched."""
        parameters = {
            "tenant": transaction.tenant_id,
            "model": self.model,
            "chunks": [chunk.id for chunk in batch],
            "vectors": [vector_text(vector) for vector in embeddings.vectors],
        }
        transaction.later(_SAVE, parameters)

    def _switch(self, tenant: Caller) -> bool:
        """Let the tenant be searched by the new vectors, if all are there, and tell whether it is.

        A vector index would be rewritten vector by vector; it is dropped before, in a transaction of its own because
        nobody can search while it goes, and made anew after. Meanwhile all vectors are compared.
        """
        with self.database.transaction(tenant) as transaction:
            transaction.execute(_DROP_INDEX)
        with self.database.transaction(tenant) as transaction:
            named = {"tenant": transaction.tenant_id, "model": self.model}
            transaction.execute(_PATIENCE)
            transaction.execute(_LOCK, named)
            row = transaction.rows(_SWITCH, named)[0]
        with self.database.transaction(tenant) as transaction:
            maintain_vector_index(transaction)
        return bool(row["switched"])
