"""Asking for the vectors of many passages: several calls at once, and patience with a provider that asks to wait.

Shared module. It writes nothing: what comes is given back batch by batch, and whoever asked keeps what it holds
meanwhile (``keep``).
"""

import hashlib
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from f.core.ai_settings import AiSettings, ProviderKeys
from f.core.embedding import CALLS_IN_FLIGHT, Embeddings, embed_texts
from f.core.errors import KnowledgeError, ProviderUnavailable
from f.core.usage import UsageEvent
from f.core.waiting_documents import PendingChunk

PAUSED_DEADLINES = 5
"""For how many deadlines of a call a run waits, in all, for a provider that asks to wait."""

Batch = list[PendingChunk]


class BatchesInFlight:
    """Embeds batches as they come, a call in a thread of its own for each."""

    def __init__(
        self, settings: AiSettings, keys: ProviderKeys, *, keep: Callable[[], None], keep_seconds: float
    ) -> None:
        """Begin nothing yet.

        Args:
            settings: Provider and model.
            keys: Its keys.
            keep: Is called at least every so often while calls are waited for.
            keep_seconds: How often.
        """
        self._settings = settings
        self._keys = keys
        self._keep = keep
        self._keep_seconds = keep_seconds
        self._patience_seconds = settings.deadline_seconds * PAUSED_DEADLINES

    def embedded(self, batches: Iterator[Batch]) -> Iterator[tuple[Batch, Embeddings]]:
        """Ask for the vectors of batches, several at once, and give each batch as it comes.

        A provider that asks to wait is left alone for so long, and then asked for the same batch again; what is in
        flight comes in meanwhile. When a batch fails, those in flight are still given before the failure is raised:
        they are paid for.
        """
        again = list[Batch]()
        failure: KnowledgeError | None = None
        in_flight: dict[Future[Embeddings], Batch] = {}
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

    def _ask(self, pool: ThreadPoolExecutor, batch: Batch) -> Future[Embeddings]:
        """Ask for a batch's vectors in another thread."""
        return pool.submit(embed_texts, [chunk.text for chunk in batch], "document", self._settings, self._keys)

    def _wait(self, calls: Collection[Future[Embeddings]], ready_at: float) -> set[Future[Embeddings]]:
        """Wait until a call is over or the provider may be asked again, and return the calls that are over.

        It may return sooner, so that what is held can be kept meanwhile.
        """
        self._keep()
        seconds = self._keep_seconds
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


def embedding_event(batch: Batch, embeddings: Embeddings) -> UsageEvent:
    """Return the call that embedded a batch, named by its chunks and model, so that a repeat is counted once."""
    named = repr(([chunk.id for chunk in batch], embeddings.model))
    event_id = f"embed:{hashlib.sha256(named.encode()).hexdigest()[:32]}"
    return UsageEvent(event_id, "embed", embeddings.model, embeddings.input_tokens)
