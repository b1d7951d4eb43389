"""Searching for a question: its embedding, the search in the database, reranking, and what these calls cost.

Shared module, used by search and by chat. A provider that does not answer makes a search poorer, not impossible: words
alone are searched, or the order stays as it was fused, and ``notices`` says so.
"""

from dataclasses import dataclass, field
from typing import TypedDict

from f.core.database import Database, Transaction
from f.core.embedding import embed_texts
from f.core.errors import ProviderRejected, ProviderUnavailable
from f.core.identity import Caller
from f.core.job import run_id
from f.core.reranking import rerank as rerank_texts
from f.core.retrieval import Found, Hit, Query, SearchFilter, best_possible, find_documents, find_passages
from f.core.settings import AiSettings, ProviderKeys
from f.core.usage import Operation, UsageEvent, record_usage

RERANK_POOL = 50
"""The most hits that are reranked; what lies beyond keeps its fused order behind them."""


class SearchHit(TypedDict):
    """A document that was found, by its best passage: content[start:end] of the document."""

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
    """A page of hits, best first; ``degraded`` when words alone were searched, or the order is not reranked."""

    documents: list[SearchHit]
    total: int
    has_more: bool
    degraded: bool
    notice: str | None


@dataclass(frozen=True, slots=True)
class RankedPage:
    """Hits, best first, with the relevance of each in [0, 1], and how many there are in all."""

    hits: list[Hit]
    relevance: list[float]
    total: int


@dataclass(slots=True)
class Searcher:
    """Searches for one caller.

    Attributes:
        database: Where.
        caller: In whose name.
        settings: The models.
        keys: Their keys.
        notices: Sentences that say what could not be done.
        usage: Calls that were made and are not counted yet; whoever ends the job counts them.
    """

    database: Database
    caller: Caller
    settings: AiSettings
    keys: ProviderKeys
    notices: list[str] = field(default_factory=list)
    usage: list[UsageEvent] = field(default_factory=list)

    def documents(
        self, question: str, chosen: SearchFilter, limit: int, offset: int, *, rerank: bool | None
    ) -> RankedPage:
        """Return a page of documents, each by its best passage, and count the calls that it took."""
        query = self.query(question)
        reranked = self._reranks(rerank) and offset < RERANK_POOL
        with self.database.transaction(self.caller) as transaction:
            if reranked:
                found = find_documents(transaction, query, chosen, max(RERANK_POOL, offset + limit), 0)
            else:
                found = find_documents(transaction, query, chosen, limit, offset)
            self.count_usage(transaction)
        if not reranked:
            return _by_fusion(found, query)
        page = self._reranked(question, found, query)
        if self.usage:
            with self.database.transaction(self.caller) as transaction:
                self.count_usage(transaction)
        return RankedPage(page.hits[offset : offset + limit], page.relevance[offset : offset + limit], page.total)

    def passages(self, question: str, chosen: SearchFilter, limit: int) -> RankedPage:
        """Return the best passages for a question; the calls are left in ``usage`` for the caller to count."""
        query = self.query(question)
        reranked = self._reranks(None)
        with self.database.transaction(self.caller) as transaction:
            found = find_passages(transaction, query, chosen, RERANK_POOL if reranked else limit)
        page = self._reranked(question, found, query) if reranked else _by_fusion(found, query)
        return RankedPage(page.hits[:limit], page.relevance[:limit], page.total)

    def data(self, page: RankedPage, offset: int) -> SearchData:
        """Give a page its public form."""
        return SearchData(
            documents=[_public(hit, relevance) for hit, relevance in zip(page.hits, page.relevance, strict=True)],
            total=page.total,
            has_more=offset + len(page.hits) < page.total,
            degraded=bool(self.notices),
            notice=" ".join(self.notices) or None,
        )

    def query(self, question: str) -> Query:
        """Embed a question; without the provider it is searched by words alone."""
        model = self.settings.embed.model
        vector = None
        try:
            embeddings = embed_texts([question], "query", self.settings, self.keys)
        except (ProviderUnavailable, ProviderRejected):
            self.notices.append("The embedding provider does not answer: only words were searched.")
        else:
            vector = embeddings.vectors[0]
            self.spent("embed", model, embeddings.input_tokens)
        return Query(question, vector, model, self.settings.minimum_similarity)

    def count_usage(self, transaction: Transaction, session_id: str | None = None) -> None:
        """Count the calls that were made, in a transaction."""
        record_usage(transaction, self.usage, self.settings, session_id=session_id)
        self.usage.clear()

    def spent(
        self, operation: Operation, model: str, input_tokens: int = 0, output_tokens: int = 0, searches: int = 0
    ) -> None:
        """Note a call to be counted; a run makes one of each kind, so that a repeat of the run names it the same."""
        event_id = f"{run_id()}:{operation}"
        self.usage.append(UsageEvent(event_id, operation, model, input_tokens, output_tokens, searches))

    def _reranks(self, wanted: bool | None) -> bool:
        """Tell whether to rerank: as the caller wants, by default as the settings say, and only with a model for it."""
        if self.settings.rerank is None:
            return False
        return self.settings.rerank_by_default if wanted is None else wanted

    def _reranked(self, question: str, found: Found, query: Query) -> RankedPage:
        """Put the best hits into the reranker's order; what lies beyond follows, below the least of them."""
        pool, beyond = found.hits[:RERANK_POOL], found.hits[RERANK_POOL:]
        if not pool:
            return RankedPage([], [], found.total)
        texts = ["\n".join(part for part in (hit.title, hit.heading, hit.content) if part) for hit in pool]
        try:
            ranking = rerank_texts(question, texts, self.settings, self.keys)
        except (ProviderUnavailable, ProviderRejected):
            self.notices.append("The reranking provider does not answer: the order is by words and vectors.")
            return _by_fusion(found, query)
        self.spent("rerank", ranking.model, searches=ranking.searches)
        order = sorted(range(len(pool)), key=lambda index: -ranking.scores[index])
        least = ranking.scores[order[-1]]
        fused = _by_fusion(Found(beyond, found.total), query)
        return RankedPage(
            [pool[index] for index in order] + beyond,
            [ranking.scores[index] for index in order] + [least * relevance for relevance in fused.relevance],
            found.total,
        )


def _by_fusion(found: Found, query: Query) -> RankedPage:
    """Keep the fused order; the relevance is the share of the best possible score."""
    best = best_possible(query)
    return RankedPage(found.hits, [min(hit.fused / best, 1.0) for hit in found.hits], found.total)


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
        snippet=hit.snippet,
        relevance=round(relevance, 4),
        source=hit.source,
        source_url=hit.source_url,
        expires_at=hit.expires_at.isoformat() if hit.expires_at else None,
        created_at=hit.created_at.isoformat(),
    )
