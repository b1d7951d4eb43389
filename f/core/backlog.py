"""Working off what waits to be embedded: batches, leases, and what is left after a failure.

Shared module. The provider is asked by several threads, each for one full batch; the database is written by one. Each
batch is a transaction of its own, with its usage, so that a kill at any moment loses at most the batches in flight.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TypedDict

from f.core.ai_settings import AiSettings, ProviderKeys, read_ai_settings
from f.core.database import OPERATORS_DATABASE, Database, Transaction, open_database
from f.core.documents import document_state
from f.core.embedding import BATCH_SIZE, Embeddings
from f.core.embedding_batches import Batch, BatchesInFlight, embedding_event
from f.core.errors import KnowledgeError, ProviderRejected, ProviderUnavailable
from f.core.identity import Caller, background
from f.core.job import run_id
from f.core.usage import UsageData, UsageEvent, budget_is_spent, record_usage
from f.core.waiting_documents import (
    PendingChunk,
    claim,
    complete,
    give_back,
    pending_chunks,
    renew_lease,
    save_vectors,
    waiting_count,
)

DOCUMENTS_AT_ONCE = 50
"""Documents that a run takes at a time. Small ones share a batch; a killed run holds up those whose chunks are in
flight, and no more than these besides."""
CHUNKS_AT_ONCE = 5 * BATCH_SIZE
"""Chunks that are read at a time: what is in flight, and a batch more."""
_POLL_SECONDS = 0.5
_SHARE_OF_LEASE = 0.25
"""How much of a lease may pass until it is renewed."""


class EmbedData(TypedDict):
    """What a run did, what is left, and the calls that it made; ``status`` is of the named document."""

    documents: int
    chunks: int
    failed: int
    remaining: int
    document_id: int | None
    status: str | None
    usage: list[UsageData]


@dataclass(slots=True)
class Progress:
    """What a run has done.

    Attributes:
        documents: Documents completed.
        chunks: Chunks that got their vector.
        failed: Documents that failed for good.
        remaining: Documents of the tenant that still wait.
        status: Of the document that was asked for.
        usage: The calls that were made and counted.
    """

    documents: int = 0
    chunks: int = 0
    failed: int = 0
    remaining: int = 0
    status: str | None = None
    usage: list[UsageEvent] = field(default_factory=list)

    def add(self, other: "Progress") -> None:
        """Add what was done for another tenant."""
        self.documents += other.documents
        self.chunks += other.chunks
        self.failed += other.failed
        self.remaining += other.remaining
        self.usage += other.usage

    def data(self, document_id: int | None) -> EmbedData:
        """Give what was done its public form."""
        return EmbedData(
            documents=self.documents,
            chunks=self.chunks,
            failed=self.failed,
            remaining=self.remaining,
            document_id=document_id,
            status=self.status,
            usage=[event.data() for event in self.usage],
        )


@dataclass(frozen=True, slots=True)
class Embedder:
    """Embeds what waits, tenant by tenant, with one model."""

    database: Database
    settings: AiSettings
    keys: ProviderKeys

    @property
    def lease_seconds(self) -> int:
        """How long a document is held without a sign of life: longer than one batch can take."""
        return int(self.settings.deadline_seconds) + 60

    def in_space_of(self, tenant: Caller) -> "Embedder":
        """Return the one with the model whose vectors are searched in a tenant."""
        if self.settings.next_space is None:
            return self
        from f.core.embedding_spaces import searched_model  # noqa: PLC0415 -- while a model is being changed

        with self.database.transaction(tenant) as transaction:
            return replace(self, settings=self.settings.in_space(searched_model(transaction)))

    def run(self, tenant: Caller, *, document_id: int | None = None, limit: int = 1) -> Progress:
        """Embed what waits in a tenant.

        Args:
            tenant: Background work of the tenant.
            document_id: Only this document; waits as long as one batch may take while another run has it.
            limit: The most documents to take.

        Raises:
            ProviderUnavailable: When the provider does not answer; the documents wait again, or have failed.
            ProviderRejected: When it refuses; the documents have failed.
        """
        run = _Run(self.in_space_of(tenant), tenant, document_id, limit)
        try:
            for batch, embeddings in run.embedded():
                run.save(batch, embeddings)
        except KnowledgeError as error:
            final = isinstance(error, ProviderRejected)
            pause = error.retry_after_seconds is not None  # the provider asks to wait: no attempt has failed
            reason = str(error) if isinstance(error, ProviderRejected | ProviderUnavailable) else type(error).__name__
            run.give_back(reason, code=error.code, final=final, pause=pause)
            raise
        # Nothing waits, and what is still not complete would be taken again for ever.
        run.give_back("It cannot be completed.", code="cannot_be_completed", final=True, pause=False)
        with self.database.transaction(tenant) as transaction:
            run.progress.remaining = waiting_count(transaction)
            state = document_state(transaction, document_id) if document_id else None
        run.progress.status = state.status if state else None
        return run.progress


class _Run:
    """A run through a tenant's backlog.

    Documents are taken as calls need texts, so that each call is full although documents are small, and chunks are read
    in pages, so that a large document is not held in memory. The main thread does all that is done in the database.
    """

    def __init__(self, embedder: Embedder, tenant: Caller, document_id: int | None, limit: int) -> None:
        self.progress = Progress()
        self._embedder = embedder
        self._tenant = tenant
        self._document_id = document_id
        self._limit = limit
        self._model = embedder.settings.embed.model
        self._held: dict[int, int] = {}  # documents of this run, and how many of their chunks are on their way
        self._reading: set[int] = set()  # those of them whose chunks are still being read
        self._held_from = time.monotonic()

    def embedded(self) -> Iterator[tuple[Batch, Embeddings]]:
        """Ask for the vectors of full batches, several at once, and give each batch as it comes."""
        settings, keys = self._embedder.settings, self._embedder.keys
        seconds = self._embedder.lease_seconds * _SHARE_OF_LEASE
        calls = BatchesInFlight(settings, keys, keep=self._keep_lease_alone, keep_seconds=seconds)
        yield from calls.embedded(self._batches())

    def save(self, batch: Batch, embeddings: Embeddings) -> None:
        """Commit a batch's vectors with its usage, complete documents that have all of theirs, and keep the lease."""
        chunks = [chunk.id for chunk in batch]
        for chunk in batch:
            self._held[chunk.document_id] -= 1
        documents = {chunk.document_id for chunk in batch}
        whole = [one for one in documents if not self._held[one] and one not in self._reading]
        event = embedding_event(batch, embeddings)
        with self._embedder.database.transaction(self._tenant) as transaction:
            self._keep_lease(transaction)
            save_vectors(transaction, chunks, embeddings.vectors, embeddings.model)
            done = complete(transaction, whole, self._model) if whole else []
            record_usage(
                transaction,
                [event],
                self._embedder.settings,
                document_id=documents.pop() if len(documents) == 1 else None,
            )
        self._completed(done)
        self.progress.chunks += len(chunks)
        self.progress.usage.append(event)

    def give_back(self, reason: str, *, code: str, final: bool, pause: bool) -> None:
        """Complete what is complete of the documents that this run still holds, and give back the others."""
        if not self._held:
            return
        with self._embedder.database.transaction(self._tenant) as transaction:
            done = complete(transaction, list(self._held), self._model)
            left = [document for document in self._held if document not in done]
            failed = give_back(transaction, left, run_id(), reason, code=code, final=final, pause=pause)
            self.progress.failed += len(failed)
        self._completed(done)
        self._held.clear()

    def _batches(self) -> Iterator[Batch]:
        """Give full batches of what waits, and the rest in the last one."""
        batch: Batch = []
        for chunk in self._pending():
            batch.append(chunk)
            if len(batch) == BATCH_SIZE:
                yield batch
                batch = []
        if batch:
            yield batch

    def _pending(self) -> Iterator[PendingChunk]:
        """Give the chunks that wait, taking documents as they are needed."""
        while taken := self._take():
            page: list[PendingChunk] = []
            while True:
                with self._embedder.database.transaction(self._tenant) as transaction:
                    page = pending_chunks(transaction, taken, self._model, CHUNKS_AT_ONCE, page[-1] if page else None)
                for chunk in page:
                    self._held[chunk.document_id] += 1
                if len(page) < CHUNKS_AT_ONCE:
                    break
                self._reading = {document for document in self._reading if document >= page[-1].document_id}
                yield from page
            self._reading.clear()
            yield from page

    def _take(self) -> list[int]:
        """Take documents; none when there are no more, or no tokens are left: then what waits goes on waiting."""
        patience = time.monotonic() + self._embedder.settings.deadline_seconds
        room = self._limit - len(self._held) - self.progress.documents - self.progress.failed
        while room > 0:
            with self._embedder.database.transaction(self._tenant) as transaction:
                if budget_is_spent(transaction):
                    return []
                taken = claim(
                    transaction,
                    run_id(),
                    self._embedder.lease_seconds,
                    document_id=self._document_id,
                    limit=min(DOCUMENTS_AT_ONCE, room),
                    without=list(self._held),
                )
                state = document_state(transaction, self._document_id) if self._document_id and not taken else None
            if not self._held:
                self._held_from = time.monotonic()
            self._held |= dict.fromkeys(taken, 0)
            self._reading |= set(taken)
            # Queued and not taken: another run is just taking it.
            is_others = state is not None and state.status in ("queued", "processing") and not self._held
            if taken or not is_others or time.monotonic() > patience:
                return taken
            time.sleep(_POLL_SECONDS)
        return []

    def _keep_lease_alone(self) -> None:
        """Keep the lease while nothing else is written."""
        if self._lease_ages():
            with self._embedder.database.transaction(self._tenant) as transaction:
                self._keep_lease(transaction)

    def _lease_ages(self) -> bool:
        """Tell whether a good part of the lease may be over."""
        return time.monotonic() - self._held_from > self._embedder.lease_seconds * _SHARE_OF_LEASE

    def _keep_lease(self, transaction: Transaction) -> None:
        """Keep the documents for another lease, where a good part of this one is over."""
        if self._lease_ages():
            renew_lease(transaction, list(self._held), run_id(), self._embedder.lease_seconds)
            self._held_from = time.monotonic()

    def _completed(self, documents: list[int]) -> None:
        """Count documents that are completed, and hold them no more."""
        self.progress.documents += len(documents)
        for document in documents:
            self._held.pop(document, None)


def embed_all_tenants(limit: int) -> Progress:
    """Embed the backlog of all tenants that have any, one after the other, as the operators' login."""
    from f.core.maintenance import requeue_documents  # noqa: PLC0415 -- whoever embeds one document does not need it
    from f.core.waiting_work import tenants_that_wait  # noqa: PLC0415 -- the same

    total = Progress()
    with open_database(OPERATORS_DATABASE) as database:
        embedder = Embedder(database, *read_ai_settings())
        for tenant in tenants_that_wait(database, "documents"):
            with database.transaction(background(tenant)) as transaction:
                requeue_documents(transaction)
            total.add(embedder.run(background(tenant), limit=limit - total.documents))
    return total
