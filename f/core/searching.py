"""Searching for a question: its embedding, the search in the database, reranking, and what these calls cost.

Shared module, used by search and by chat. A provider that does not answer makes a search poorer, not impossible: words
alone are searched, or the order stays as it was fused, and ``notices`` says so. Question and passages go to providers
as a reader sees them (``f.core.hidden_text``).

The embedding of a question that the member has asked before is looked up while the member is let in
(``f.core.question_cache``); then no provider is asked for it. While one is asked, what is needed next is imported.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypedDict

from f.core.ai_settings import AI_SETTINGS, COHERE_KEY, GROQ_KEY, AiSettings, ProviderKeys, read_ai_settings
from f.core.database import MEMBERS_DATABASE, Database, Transaction, connecting, vector_text
from f.core.embedding import embed_texts
from f.core.errors import ProviderRejected, ProviderUnavailable
from f.core.hidden_text import visible_text
from f.core.identity import Caller
from f.core.job import Meanwhile, import_meanwhile, run_id
from f.core.provider_calls import http_client
from f.core.question_cache import REMEMBER_VECTOR, SPACE_AND_KNOWN_VECTOR, folded, place_of, places_of
from f.core.retrieval import Hit, Query, Ranked, SearchFilter, best_possible, load_passages, rank_passages

if TYPE_CHECKING:
    from f.core.usage import Operation, UsageEvent

SEARCH_READS = (MEMBERS_DATABASE, AI_SETTINGS, COHERE_KEY)
"""The resources that a search reads whoever calls; where another provider is chosen, a key of Cohere's is not used."""
CHAT_READS = (*SEARCH_READS, GROQ_KEY)
_NEEDED_NEXT = ("f.core.usage", "f.core.reranking")

RERANK_POOL = 50
"""The most passages that are reranked; what lies beyond keeps its fused order behind them."""
PASSAGES = 8
"""The most passages that a question is answered from."""
_AGREE = 0.9999  # of the best score: being second in a leg costs more, and adding up in floats less


class SearchHit(TypedDict):
    """A document that was found, by its best passage: content[start:end] of this version of it, to the letter.

    ``snippet`` is for display, without what is hidden in the text.
    """

    document_id: int
    version: int
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
        vectors: Embeddings of questions that are known, as PostgreSQL reads them.
        fresh: Of them, the questions that are not remembered yet: they are, with what is counted.
        lacks_model: Whether the tenant's vectors are of a model that the settings do not name.
        needed_next: Modules to import while a provider is asked for the first time.
    """

    database: Database
    caller: Caller
    settings: AiSettings
    keys: ProviderKeys
    session_id: str | None = None
    notices: list[str] = field(default_factory=list)
    usage: "list[UsageEvent]" = field(default_factory=list)
    vectors: dict[str, str] = field(default_factory=dict)
    fresh: list[str] = field(default_factory=list)
    lacks_model: bool = False
    needed_next: tuple[str, ...] = _NEEDED_NEXT

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
        ranking = self.rank(question, chosen, rerank=None, answers=True)
        with self.database.transaction(self.caller) as transaction:
            hits = load_passages(transaction, ranking.passages[:PASSAGES])
            self.count_usage(transaction)
        return hits

    def rank(self, question: str, chosen: SearchFilter, *, rerank: bool | None, answers: bool = False) -> Ranking:
        """Rank the passages for a question by words and vectors, and rerank the best of them if so wanted.

        Args:
            question: What is looked for.
            chosen: Which documents are searched.
            rerank: Whether to; None is as the settings say.
            answers: Whether a model is given the first of them, so that their order counts for less.
        """
        question = visible_text(question)
        query = self.query(question)
        wanted = self.settings.rerank_by_default if rerank is None else rerank
        reranks = wanted and self.settings.rerank is not None
        with self.database.transaction(self.caller, at_once=True) as transaction:
            found = rank_passages(transaction, query, chosen)
        if self._was_moved(query):
            return self.rank(question, chosen, rerank=rerank, answers=answers)
        if answers and self.settings.answers_rerank_in_doubt:
            reranks = reranks and not _is_certain(found, query)
        pool = self._pool(found[:RERANK_POOL]) if reranks and found else []
        best = best_possible(query)
        fused = Ranking(found, [min(passage.score / best, 1.0) for passage in found])
        return self._reranked(question, pool, fused) if pool else fused

    def query(self, question: str) -> Query:
        """Embed a question; without the provider, or the tokens for it, it is searched by words alone."""
        model = self.settings.embed.model
        asked = folded(question)
        if self.lacks_model:
            self.notices.append("The documents' embedding model is not in the settings: only words were searched.")
            return Query(question, None, model, self.settings.minimum_similarity)
        if asked in self.vectors:
            return self._with_vector(question, self.vectors[asked])
        vector = None
        if self.database.budget_after_seconds:
            self.notices.append("The tokens of the last 24 hours are spent: only words were searched.")
            return Query(question, None, model, self.settings.minimum_similarity)
        if not asked:  # nothing but hidden characters, which a provider refuses
            return Query(question, None, model, self.settings.minimum_similarity)
        try:
            self._import_what_is_next()
            embeddings = embed_texts([asked], "query", self._hurried, self.keys)
        except (ProviderUnavailable, ProviderRejected):
            self.notices.append("The embedding provider does not answer: only words were searched.")
        else:
            vector = self.vectors[asked] = vector_text(embeddings.vectors[0])
            self.fresh.append(asked)
            self.spent("embed", model, embeddings.input_tokens)
        return self._with_vector(question, vector)

    def _with_vector(self, question: str, vector: str | None) -> Query:
        """Put a question together with its embedding, and with what the settings say of such."""
        settings = self.settings
        return Query(question, vector, settings.embed.model, settings.minimum_similarity, settings.vector_weight)

    def count_usage(self, transaction: Transaction) -> None:
        """Count the calls that were made, in a transaction, and remember what they gave for the next time.

        A run that is repeated counts none twice. It is the last thing that a transaction does, or what is sent at once
        with it.
        """
        from f.core.usage import record_usage  # noqa: PLC0415 -- imported while a provider was asked

        for question in self.fresh:
            place = place_of(transaction.tenant_id, transaction.member_id, question, self.settings.embed.model)
            transaction.later(REMEMBER_VECTOR, {**place, "vector": self.vectors[question]})
        record_usage(transaction, self.usage, self.settings, session_id=self.session_id, waits=False)
        self.fresh.clear()
        self.usage.clear()

    def spent(
        self, operation: "Operation", model: str, input_tokens: int = 0, output_tokens: int = 0, searches: int = 0
    ) -> None:
        """Note a call to be counted; a run makes one of each kind, so that a repeat of the run names it the same.

        It makes a second one where its tenant was moved to another model meanwhile.
        """
        from f.core.usage import UsageEvent  # noqa: PLC0415 -- as above

        again = ":moved" if any(event.operation == operation for event in self.usage) else ""
        event_id = f"{run_id()}:{operation}{again}"
        self.usage.append(UsageEvent(event_id, operation, model, input_tokens, output_tokens, searches))

    @property
    def _hurried(self) -> AiSettings:
        """The settings for calls during which a member waits, and which a search can do without."""
        seconds = min(self.settings.search_deadline_seconds, self.settings.deadline_seconds)
        return replace(self.settings, deadline_seconds=seconds)

    def _pool(self, found: list[Ranked]) -> list[Hit]:
        """Return passages to be reranked, and count the calls that were made until now."""
        with self.database.transaction(self.caller, at_once=True) as transaction:
            self.count_usage(transaction)
            return load_passages(transaction, found, shown=False)

    def _was_moved(self, query: Query) -> bool:
        """Tell whether the tenant was moved to the next embedding model meanwhile, and search there from now on.

        Tenants are moved one way, so a tenant that is where it was has been there all the time.
        """
        if query.vector is None or self.settings.next_space is None:
            return False
        from f.core.embedding_spaces import searched_model  # noqa: PLC0415 -- while a model is being changed

        with self.database.transaction(self.caller, at_once=True) as transaction:
            moved = self.settings.in_space(searched_model(transaction))
        if moved.embed.model == query.model:
            return False
        self.settings = moved
        self.vectors.clear()
        self.fresh.clear()
        return True

    def _import_what_is_next(self) -> None:
        """Import what is needed after a provider's answer while it is waited for."""
        import_meanwhile(*self.needed_next)
        self.needed_next = ()

    def _reranked(self, question: str, pool: list[Hit], fused: Ranking) -> Ranking:
        """Put the best passages into the reranker's order; what lies beyond follows, below the least of them."""
        from f.core.reranking import rerank as rerank_texts  # noqa: PLC0415 -- as above

        texts = [
            visible_text("\n".join(part for part in (hit.title, hit.heading, hit.content) if part)) for hit in pool
        ]
        try:
            self._import_what_is_next()
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


@contextmanager
def admitted_searcher(caller: Caller, question: str | None, *, chats: bool = False) -> Iterator[Searcher]:
    """Connect as the members' login and let a caller in who searches, as ``f.core.database.admitted``.

    The settings are read, and the way to the providers is prepared, while the database connects; nothing is sent to a
    provider before the caller is let in.

    Args:
        caller: Who asks.
        question: What will be searched for, as far as that is known; its embedding is looked up.
        chats: Whether a model will be asked for an answer.
    """
    with connecting() as connected:
        settings, keys = read_ai_settings(chats=chats)
        if settings.provider != "offline":
            Meanwhile(http_client)
        asked = folded(question or "")
        following = settings.next_space.embed.model if settings.next_space else None
        places = places_of(caller.tenant_id, caller.member_id, asked, settings.embed.model, following)
        database = connected().admit(caller, SPACE_AND_KNOWN_VECTOR, places)
        model = database.beside["model"]
        searcher = Searcher(database, caller, settings.in_space(model), keys)
        searcher.lacks_model = model not in (None, settings.embed.model, following)
        if database.beside["vector"] is not None:
            searcher.vectors[asked] = database.beside["vector"]
        yield searcher


def _is_certain(found: list[Ranked], query: Query) -> bool:
    """Tell whether a model is given what it needs, whatever the order: everything, or what both legs put first.

    On 200 questions of XQuAD (English) both agreed on 84 %; with these left as they were, the first 8 held the passage
    that answers as often as with all of them reranked (.990). tests/benchmarks/cost.py measures what it saves.
    """
    agrees = query.vector is not None and bool(found) and found[0].score > _AGREE * best_possible(query)
    return agrees or len(found) <= PASSAGES


def _public(hit: Hit, relevance: float) -> SearchHit:
    """Give a hit its public form."""
    return SearchHit(
        document_id=hit.document_id,
        version=hit.version,
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
