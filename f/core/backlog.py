"""Working off what waits to be embedded: batches, leases, and what is left after a failure.

Shared module. The provider is asked by several threads, each for one full batch; the database is written by one. Each
batch is a transaction of its own, with its usage, so that a kill at any moment loses at most the batches in flight.
"""

import hashlib
import time
from collections.abc import Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TypedDict

from f.core.ai_settings import AiSettings, ProviderKeys, read_ai_settings
from f.core.database import OPERATORS_DATABASE, Database, Transaction, open_database
from f.core.documents import (
    PendingChunk,
    claim,
    complete,
    document_state,
    give_back,
    pending_chunks,
    renew_lease,
    save_vectors,
    waiting_count,
)
from f.core.embedding import BATCH_SIZE, CALLS_IN_FLIGHT, Embeddings, embed_texts
from f.core.errors import KnowledgeError, ProviderRejected, ProviderUnavailable
from f.core.identity import Caller, background
from f.core.job import run_id
from f.core.usage import UsageData, UsageEvent, budget_is_spent, record_usage

DOCUMENTS_AT_ONCE = 50
"""Documents that a run takes at a time. Small ones share a batch; a killed run holds up those whose chunks are in
flight, and no more than these besides."""
CHUNKS_AT_ONCE = 5 * BATCH_SIZE
"""Chunks that are read at a time: what is in flight, and a batch more."""
PAUSED_DEADLINES = 5
"""For how many deadlines of a call a run waits, in all, for a provider that asks to wait."""
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
        run = _Run(self, tenant, document_id, limit)
        try:
            for batch, embeddings in run.embedded():
                run.save(batch, embeddings)
        except KnowledgeError as error:
            final = isinstance(error, ProviderRejected)
            pause = error.retry_after_seconds is not None  # the provider asks to wait: no attempt has failed
            reason = str(error) if isinstance(error, ProviderRejected | ProviderUnavailable) else type(error).__name__
            run.give_back(reason, final=final, pause=pause)
            raise
        # Nothing waits, and what is still not complete would be taken again for ever.
        run.give_back("It cannot be completed.", final=True, pause=False)
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
        self._patience_seconds = embedder.settings.deadline_seconds * PAUSED_DEADLINES

    def embedded(self) -> Iterator[tuple[list[PendingChunk], Embeddings]]:
        """Ask for the vectors of full batches, several at once, and give each batch as it comes.

        A provider that asks to wait is left alone for so long, and then asked for the same batch again; what is in
        flight comes in meanwhile. When a batch fails, those in flight are still given before the failure is raised:
        they are paid for.
        """
        batches, again = self._batches(), list[list[PendingChunk]]()
        failure: KnowledgeError | None = None
        in_flight: dict[Future[Embeddings], list[PendingChunk]] = {}
        ready_at = 0.0
        with ThreadPoolExecutor(CALLS_IN_FLIGHT) as pool:
            while True:
                while failure is None and len(in_flight) < CALLS_IN_FLIGHT and time.monotonic() >= ready_at:
                    batch = again.pop() if again else next(batches, None)
                    if batch is None:
                        break
                    in_flight[self._ask(pool, batch)] = batch
                if not in_flight and (failure is not None or not again):
                    break
                for future in self._wait(in_flight, ready_at):
                    batch = in_flight.pop(future)
                    try:
                        embeddings = future.result()
                    except KnowledgeError as error:
                        seconds = self._pause_seconds(error, ready_at)
                        if seconds is None:
                            failure = failure or error
                        else:
                            ready_at = max(ready_at, time.monotonic() + seconds)
                            again.append(batch)
                    else:
                        yield batch, embeddings
        if failure is not None:
            raise failure

    def save(self, batch: list[PendingChunk], embeddings: Embeddings) -> None:
        """Commit a batch's vectors with its usage, complete documents that have all of theirs, and keep the lease."""
        chunks = [chunk.id for chunk in batch]
        for chunk in batch:
            self._held[chunk.document_id] -= 1
        documents = {chunk.document_id for chunk in batch}
        whole = [one for one in documents if not self._held[one] and one not in self._reading]
        event = UsageEvent(_event_id(chunks, embeddings.model), "embed", embeddings.model, embeddings.input_tokens)
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

    def give_back(self, reason: str, *, final: bool, pause: bool) -> None:
        """Complete what is complete of the documents that this run still holds, and give back the others."""
        if not self._held:
            return
        with self._embedder.database.transaction(self._tenant) as transaction:
            done = complete(transaction, list(self._held), self._model)
            left = [document for document in self._held if document not in done]
            self.progress.failed += len(give_back(transaction, left, run_id(), reason, final=final, pause=pause))
        self._completed(done)
        self._held.clear()

    def _ask(self, pool: ThreadPoolExecutor, batch: list[PendingChunk]) -> Future[Embeddings]:
        """Ask for a batch's vectors in another thread."""
        texts = [chunk.text for chunk in batch]
        return pool.submit(embed_texts, texts, "document", self._embedder.settings, self._embedder.keys)

    def _batches(self) -> Iterator[list[PendingChunk]]:
        """Give full batches of what waits, and the rest in the last one."""
        batch: list[PendingChunk] = []
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

    def _wait(self, calls: Collection[Future[Embeddings]], ready_at: float) -> set[Future[Embeddings]]:
        """Wait until a call is over or the provider may be asked again, and return the calls that are over.

        It may return sooner, because the lease has to be kept meanwhile.
        """
        if self._lease_ages():
            with self._embedder.database.transaction(self._tenant) as transaction:
                self._keep_lease(transaction)
        seconds = self._embedder.lease_seconds * _SHARE_OF_LEASE
        if ready_at > time.monotonic():
            seconds = min(seconds, ready_at - time.monotonic())
        if not calls:
            time.sleep(seconds)
            return set()
        return wait(calls, seconds, return_when=FIRST_COMPLETED).done

    def _pause_seconds(self, error: KnowledgeError, ready_at: float) -> float | None:
        """Return how long the provider wants to be left alone; None where that is no pause, or longer than may be."""
        seconds = error.retry_after_seconds
        if seconds is None or not isinstance(error, ProviderUnavailable):
            return None
        longer = max(0.0, time.monotonic() + seconds - max(ready_at, time.monotonic()))
        if longer > self._patience_seconds:
            return None
        self._patience_seconds -= longer
        return float(seconds)

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
    """Embed the backlog of all tenants, one after the other, as the operators' login."""
    total = Progress()
    with open_database(OPERATORS_DATABASE) as database:
        embedder = Embedder(database, *read_ai_settings())
        for tenant in database.tenant_ids():
            total.add(embedder.run(background(tenant), limit=limit - total.documents))
    return total


def _event_id(chunks: list[int], model: str) -> str:
    """Name the call that embeds these chunks with this model."""
    return f"embed:{hashlib.sha256(repr((chunks, model)).encode()).hexdigest()[:32]}"
