"""Searching for a question: its embedding, the search in the database, reranking, and what these calls cost.

Shared module, used by search and by chat. A provider that does not answer makes a search poorer, not impossible: words
alone are searched, or the order stays as it was fused, and ``notices`` says so. Question and passages go to providers
as a reader sees them (``f.core.hidden_text``).
"""

from dataclasses import dataclass, field, replace
from typing import TypedDict

from f.core.ai_settings import AiSettings, ProviderKeys
from f.core.database import Database, Transaction
from f.core.embedding import embed_texts
from f.core.errors import ProviderRejected, ProviderUnavailable
from f.core.hidden_text import visible_text
from f.core.identity import Caller
from f.core.job import run_id
from f.core.reranking import rerank as rerank_texts
from f.core.retrieval import Hit, Query, Ranked, SearchFilter, best_possible, load_passages, rank_passages
from f.core.usage import Operation, UsageEvent, record_usage

RERANK_POOL = 50
"""The most passages that are reranked; what lies beyond keeps its fused order behind them."""
PASSAGES = 8
"""The most passages that a question is answered from."""


class SearchHit(TypedDict):
    """A document that was found, by its best passage: content[start:end] of the document, to the letter.

    ``snippet`` is for display, without what is hidden in the text.
    """

    document_id: int
    chunk_id: int
    title: str
    category: str | None
    tags: list[str]
    visibility: str
    heading: str | None
    page: int | None
    start: int
    end: int
    snippet: str
    relevance: float
    source: str | None
    source_url: str | None
    expires_at: str | None
    created_at: str


class SearchData(TypedDict):
    """A page of hits, best first; ``degraded`` when words alone were searched, or the order is not reranked.

    ``chunk_ids`` are the best passages of all documents, which ``chat`` takes.
    """

    documents: list[SearchHit]
    total: int
    has_more: bool
    chunk_ids: list[int]
    degraded: bool
    notice: str | None


@dataclass(frozen=True, slots=True)
class Ranking:
    """Passages, best first, with the relevance of each in [0, 1]."""

    passages: list[Ranked]
    relevance: list[float]

    def documents(self) -> list[tuple[Ranked, float]]:
        """Return each document once, by its best passage, with its relevance."""
        best: dict[int, tuple[Ranked, float]] = {}
        for passage, relevance in zip(self.passages, self.relevance, strict=True):
            best.setdefault(passage.document_id, (passage, relevance))
        return list(best.values())


@dataclass(slots=True)
class Searcher:
    """Searches for one caller.

    Attributes:
        database: Where.
        caller: In whose name.
        settings: The models.
        keys: Their keys.
        notices: Sentences that say what could not be done.
        session_id: The conversation in which it searches.
        usage: Calls that were made and are not counted yet: each transaction counts them, so that a kill loses none
            that is over.
    """

    database: Database
    caller: Caller
    settings: AiSettings
    keys: ProviderKeys
    session_id: str | None = None
    notices: list[str] = field(default_factory=list)
    usage: list[UsageEvent] = field(default_factory=list)

    def search(
        self, question: str, chosen: SearchFilter, limit: int, offset: int, *, rerank: bool | None
    ) -> SearchData:
        """Return a page of documents, each by its best passage, and count the calls that it took."""
        ranking = self.rank(question, chosen, rerank=rerank)
        documents = ranking.documents()
        page = documents[offset : offset + limit]
        with self.database.transaction(self.caller) as transaction:
            hits = load_passages(transaction, [passage for passage, _ in page], snippets_for=visible_text(question))
            self.count_usage(transaction)
        relevance = {passage.chunk_id: share for passage, share in page}
        return SearchData(
            documents=[_public(hit, relevance[hit.chunk_id]) for hit in hits],
            total=len(documents),
            has_more=offset + len(page) < len(documents),
            chunk_ids=[passage.chunk_id for passage in ranking.passages[:PASSAGES]],
            degraded=bool(self.notices),
            notice=" ".join(self.notices) or None,
        )

    def passages(self, question: str, chosen: SearchFilter) -> list[Hit]:
        """Return the best passages for a question, and count the calls that it took."""
        ranking = self.rank(question, chosen, rerank=None)
        with self.database.transaction(self.caller) as transaction:
            hits = load_passages(transaction, ranking.passages[:PASSAGES])
            self.count_usage(transaction)
        return hits

    def rank(self, question: str, chosen: SearchFilter, *, rerank: bool | None) -> Ranking:
        """Rank the passages for a question by words and vectors, and rerank the best of them if so wanted."""
        question = visible_text(question)
        query = self.query(question)
        wanted = self.settings.rerank_by_default if rerank is None else rerank
        reranks = wanted and self.settings.rerank is not None
        with self.database.transaction(self.caller) as transaction:
            found = rank_passages(transaction, query, chosen)
            pool = load_passages(transaction, found[:RERANK_POOL], shown=False) if reranks else []
            self.count_usage(transaction)
        best = best_possible(query)
        fused = Ranking(found, [min(passage.score / best, 1.0) for passage in found])
        return self._reranked(question, pool, fused) if pool else fused

    def query(self, question: str) -> Query:
        """Embed a question; without the provider, or the tokens for it, it is searched by words alone."""
        model = self.settings.embed.model
        vector = None
        if self.database.budget_after_seconds:
            self.notices.append("The tokens of the last 24 hours are spent: only words were searched.")
            return Query(question, None, model, self.settings.minimum_similarity)
        if not question.strip():  # nothing but hidden characters, which a provider refuses
            return Query(question, None, model, self.settings.minimum_similarity)
        try:
            embeddings = embed_texts([question], "query", self._hurried, self.keys)
        except (ProviderUnavailable, ProviderRejected):
            self.notices.append("The embedding provider does not answer: only words were searched.")
        else:
            vector = embeddings.vectors[0]
            self.spent("embed", model, embeddings.input_tokens)
        return Query(question, vector, model, self.settings.minimum_similarity)

    def count_usage(self, transaction: Transaction) -> None:
        """Count the calls that were made, in a transaction. A run that is repeated counts none twice."""
        record_usage(transaction, self.usage, self.settings, session_id=self.session_id)
        self.usage.clear()

    def spent(
        self, operation: Operation, model: str, input_tokens: int = 0, output_tokens: int = 0, searches: int = 0
    ) -> None:
        """Note a call to be counted; a run makes one of each kind, so that a repeat of the run names it the same."""
        event_id = f"{run_id()}:{operation}"
        self.usage.append(UsageEvent(event_id, operation, model, input_tokens, output_tokens, searches))

    @property
    def _hurried(self) -> AiSettings:
        """The settings for calls during which a member waits, and which a search can do without."""
        seconds = min(self.settings.search_deadline_seconds, self.settings.deadline_seconds)
        return replace(self.settings, deadline_seconds=seconds)

    def _reranked(self, question: str, pool: list[Hit], fused: Ranking) -> Ranking:
        """Put the best passages into the reranker's order; what lies beyond follows, below the least of them."""
        texts = [
            visible_text("\n".join(part for part in (hit.title, hit.heading, hit.content) if part)) for hit in pool
        ]
        try:
            answer = rerank_texts(question, texts, self._hurried, self.keys)
        except (ProviderUnavailable, ProviderRejected):
            self.notices.append("The reranking provider does not answer: the order is by words and vectors.")
            return fused
        self.spent("rerank", answer.model, searches=answer.searches)
        order = sorted(range(len(pool)), key=lambda index: -answer.scores[index])
        least = answer.scores[order[-1]]
        return Ranking(
            [pool[index].ranked for index in order] + fused.passages[RERANK_POOL:],
            [answer.scores[index] for index in order] + [least * share for share in fused.relevance[RERANK_POOL:]],
        )


def _public(hit: Hit, relevance: float) -> SearchHit:
    """Give a hit its public form."""
    return SearchHit(
        document_id=hit.document_id,
        chunk_id=hit.chunk_id,
        title=hit.title,
        category=hit.category,
        tags=hit.tags,
        visibility=hit.visibility,
        heading=hit.heading,
        page=hit.page,
        start=hit.start,
        end=hit.end,
        snippet=visible_text(hit.snippet or ""),
        relevance=round(relevance, 4),
        source=hit.source,
        source_url=hit.source_url,
        expires_at=hit.expires_at.isoformat() if hit.expires_at else None,
        created_at=hit.created_at.isoformat(),
    )
