"""Working off what waits to be embedded: batches, leases, and what is left after a failure.

Shared module. The provider is asked by several threads, each for one full batch; the database is written by one. Each
batch is a transaction of its own, with its usage, so that a kill at any moment loses at most the batches in flight.
"""

import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TypedDict

from f.core.ai_settings import AiSettings, ProviderKeys, read_ai_settings
from f.core.database import OPERATORS_DATABASE, Database, open_database
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
"""Documents that a run holds at a time: small ones share a batch, and a killed run holds up no more than these."""
_POLL_SECONDS = 0.5


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
        progress = Progress()
        patience = time.monotonic() + self.settings.deadline_seconds
        while progress.documents + progress.failed < limit:
            with self.database.transaction(tenant) as transaction:
                if budget_is_spent(transaction):
                    break  # what waits goes on waiting, until the schedule comes by with tokens left
                taken = claim(
                    transaction,
                    run_id(),
                    self.lease_seconds,
                    document_id=document_id,
                    limit=min(DOCUMENTS_AT_ONCE, limit - progress.documents),
                )
                pending = pending_chunks(transaction, taken, self.settings.embed.model)
                state = document_state(transaction, document_id) if document_id and not taken else None
            if taken:
                self._embed(tenant, taken, pending, progress)
            elif state is None or state.status != "processing" or time.monotonic() > patience:
                break
            else:
                time.sleep(_POLL_SECONDS)
        with self.database.transaction(tenant) as transaction:
            progress.remaining = waiting_count(transaction)
            state = document_state(transaction, document_id) if document_id else None
        progress.status = state.status if state else None
        return progress

    def _embed(self, tenant: Caller, taken: list[int], pending: list[PendingChunk], progress: Progress) -> None:
        """Embed the chunks of the documents that this run has taken, and complete the documents."""
        try:
            for batch, embeddings in self._batches(pending):
                self._save(tenant, taken, batch, embeddings, progress)
        except KnowledgeError as error:
            final = isinstance(error, ProviderRejected)
            pause = error.retry_after_seconds is not None  # the provider asks to wait: no attempt has failed
            reason = str(error) if isinstance(error, ProviderRejected | ProviderUnavailable) else type(error).__name__
            with self.database.transaction(tenant) as transaction:
                progress.documents += len(complete(transaction, taken, self.settings.embed.model))
                progress.failed += len(give_back(transaction, taken, run_id(), reason, final=final, pause=pause))
            raise
        with self.database.transaction(tenant) as transaction:
            done = complete(transaction, taken, self.settings.embed.model)
            left = [document for document in taken if document not in done]
            progress.documents += len(done)
            # Nothing waits and it is still not complete: to take it again would never end.
            progress.failed += len(give_back(transaction, left, run_id(), "It cannot be completed.", final=True))

    def _batches(self, pending: list[PendingChunk]) -> Iterator[tuple[list[PendingChunk], Embeddings]]:
        """Ask for the vectors of full batches, several at once, and give each batch as it comes.

        When a batch fails, those in flight are still given before the failure is raised: they are paid for.
        """
        batches = [pending[start : start + BATCH_SIZE] for start in range(0, len(pending), BATCH_SIZE)]
        failure: KnowledgeError | None = None
        with ThreadPoolExecutor(CALLS_IN_FLIGHT) as pool:
            waiting: dict[Future[Embeddings], list[PendingChunk]] = {}
            while waiting or (batches and failure is None):
                while batches and failure is None and len(waiting) < CALLS_IN_FLIGHT:
                    batch = batches.pop(0)
                    texts = [chunk.text for chunk in batch]
                    waiting[pool.submit(embed_texts, texts, "document", self.settings, self.keys)] = batch
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    batch = waiting.pop(future)
                    try:
                        embeddings = future.result()
                    except KnowledgeError as error:
                        failure = error
                    else:
                        yield batch, embeddings
        if failure is not None:
            raise failure

    def _save(
        self,
        tenant: Caller,
        taken: list[int],
        batch: list[PendingChunk],
        embeddings: Embeddings,
        progress: Progress,
    ) -> None:
        """Commit a batch's vectors with its usage, and keep the lease."""
        chunks = [chunk.id for chunk in batch]
        documents = {chunk.document_id for chunk in batch}
        event = UsageEvent(_event_id(chunks, embeddings.model), "embed", embeddings.model, embeddings.input_tokens)
        with self.database.transaction(tenant) as transaction:
            save_vectors(transaction, chunks, embeddings.vectors, embeddings.model)
            renew_lease(transaction, taken, run_id(), self.lease_seconds)
            record_usage(
                transaction, [event], self.settings, document_id=documents.pop() if len(documents) == 1 else None
            )
        progress.chunks += len(chunks)
        progress.usage.append(event)


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
