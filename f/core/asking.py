"""Answering a question: what was said before, the passages, the model, the citations, and keeping the exchange.

Shared module. The passages that the model gets are read under the caller's sight, and so are those that a flow names by
their ids. What the model writes is checked against them: a citation is an exact quote from a passage that it was given,
and a number that names none is removed. The exchange and its usage are kept in one transaction, so that a job which is
killed leaves neither or both.

A member waits for what is imported here. So what is needed only once there are passages is imported where it is used:
it is loaded by then, because that was begun while a provider was waited for (``AFTER_THE_SEARCH``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from f.core.chat_slots import give_chat_slot_back, take_chat_slot
from f.core.conversations import Exchange, History, history, keep_exchange, new_session_id, session_exists
from f.core.errors import KnowledgeError, NotFound, ProviderRejected, ProviderUnavailable
from f.core.hidden_text import visible_text
from f.core.job import run_id
from f.core.retrieval import Hit, Ranked, SearchFilter, load_passages
from f.core.searching import PASSAGES, Searcher

if TYPE_CHECKING:
    from f.core.answer_cache import Known, Place
    from f.core.answering import Completion
    from f.core.citations import Citation, ResolvedAnswer
    from f.core.prompts import Turn
    from f.core.provider_turns import Turns
    from f.core.usage import Operation

AFTER_THE_SEARCH = ("f.core.language", "f.core.answering", "f.core.citations")
"""Modules that are needed when the passages are there."""

Notify = Callable[[Mapping[str, object]], None]

_SLOT_MARGIN_SECONDS = 60
"""Beyond the two calls of models that an answer takes at most, and their pauses, for all the rest of it."""


class CitationData(TypedDict):
    """Where a statement of the answer comes from: ``quote`` is content[start:end] of the document, to the letter.

    It is so for this ``version`` of it, which ``get_document`` still gives after a change.
    """

    n: int
    document_id: int
    version: int
    chunk_id: int
    title: str
    heading: str | None
    page: int | None
    source_url: str | None
    quote: str
    start: int
    end: int


class ChatUsage(TypedDict):
    """What the answer took."""

    input_tokens: int
    output_tokens: int


class ChatData(TypedDict):
    """An answer.

    ``confidence`` in [0, 1] is the share of its sentences that a passage which they cite bears out, lowered, at most by
    half, by what of the question's words the cited passages do not hold. ``cached`` is an answer for which no model was
    asked, because nothing has changed since it was given to the same member (``f.core.answer_cache``).
    """

    answer: str
    citations: list[CitationData]
    session_id: str
    confidence: float
    answered: bool
    cached: bool
    model: str | None
    provider: str | None
    degraded: bool
    notice: str | None
    usage: ChatUsage


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as a caller put it; every field has been checked."""

    question: str
    session_id: str | None
    chosen: SearchFilter
    chunk_ids: list[int] | None


@dataclass(frozen=True, slots=True)
class Asker:
    """Answers a question in a caller's name.

    Attributes:
        searcher: Finds passages, and collects what is to be counted.
        listener: Is told what happens while it happens, the answer piece by piece; None when nobody wants to know.
    """

    searcher: Searcher
    listener: Notify | None

    def ask(self, asked: Asked) -> ChatData:
        """Answer.

        Raises:
            NotFound: When the caller has no such session.
            TooManyRequests: When the tokens of the day are spent, or too many questions are being answered.
            ProviderUnavailable: When no model answers; what was spent until then is counted.
            ProviderBusy: When the models are asked too much, so that waiting would take too long.
            ProviderRejected: When the models refuse.
        """
        self.searcher.database.require_budget()
        self.searcher.needed_next += AFTER_THE_SEARCH
        session_id = self.searcher.session_id = asked.session_id or new_session_id(run_id())
        past, place, known = self._begin(asked)
        self._notify({"type": "thinking", "session_id": session_id})
        try:
            hits = known.hits if known else self._passages(asked, past.turns)
            self._notify({"type": "search", "documents": _titles(hits)})
            completion = self._repeat(known) if known else self._complete(asked, hits, past.turns)
        except KnowledgeError:
            with self.searcher.database.transaction(self.searcher.caller) as transaction:
                give_chat_slot_back(transaction)
                self.searcher.count_usage(transaction)
            raise
        data = self._resolve(asked.question, completion, hits, session_id, cached=known is not None)
        kept = None if known or data["notice"] else place
        self._keep(asked, data, sorted({*past.sources, *(hit.document_id for hit in hits)}), kept, completion, hits)
        self._notify({"type": "complete", **data})
        return data

    def _begin(self, asked: Asked) -> "tuple[History, Place | None, Known | None]":
        """Read what was said before in the caller's session, and take the right to answer now.

        Where answers are kept, the place of this one and the answer that it holds come with it.
        """
        settings = self.searcher.settings
        at_once = asked.session_id is None and not settings.answer_cache_seconds
        with self.searcher.database.transaction(self.searcher.caller, at_once=at_once) as transaction:
            past = History()
            if asked.session_id is not None:
                if not session_exists(transaction, asked.session_id):
                    raise NotFound("There is no such session.", about=("session", asked.session_id))
                past = history(transaction, asked.session_id)
            take_chat_slot(transaction, 2 * settings.deadline_seconds + settings.queue_seconds + _SLOT_MARGIN_SECONDS)
            if past.turns or not settings.answer_cache_seconds:
                return past, None, None
            from f.core.answer_cache import find_answer  # noqa: PLC0415 -- most installations keep no answers

            found = find_answer(transaction, asked.question, asked.chosen, asked.chunk_ids, settings)
            return past, *found

    def _passages(self, asked: Asked, turns: "list[Turn]") -> list[Hit]:
        """Find the passages: those that are named, and those for the question as it stands alone."""
        question = self._standalone(asked.question, turns) if turns else asked.question
        hits: list[Hit] = []
        if asked.chunk_ids is not None:
            with self.searcher.database.transaction(self.searcher.caller) as transaction:
                named = list(dict.fromkeys(asked.chunk_ids))[:PASSAGES]
                hits = load_passages(transaction, [Ranked(chunk_id) for chunk_id in named])
        if asked.chunk_ids is None or question != asked.question:
            found = self.searcher.passages(question, asked.chosen)
            best = {hit.chunk_id: hit for hit in [*found, *hits]}
            hits = list(best.values())[:PASSAGES]
        return hits

    def _standalone(self, question: str, turns: "list[Turn]") -> str:
        """Make a follow-up question one that can be searched for by itself."""
        from f.core.answering import rewrite_question  # noqa: PLC0415 -- see the module's docstring

        try:
            rewritten = rewrite_question(question, turns, self.searcher.settings, self.searcher.keys, self._turns())
        except (ProviderUnavailable, ProviderRejected):
            self.searcher.notices.append("The question was searched for together with the one before it.")
            earlier = [turn.text for turn in turns if turn.role == "user"]
            return " ".join([*earlier[-1:], question])
        self._spent("rewrite", rewritten)
        return rewritten.text.strip() or question

    def _complete(self, asked: Asked, hits: list[Hit], turns: "list[Turn]") -> "Completion | None":
        """Let the model answer from the passages; without any there is nothing to ask it."""
        from f.core.answering import write_answer  # noqa: PLC0415 -- see the module's docstring
        from f.core.citations import AnswerStream  # noqa: PLC0415 -- see the module's docstring
        from f.core.language import detect_language  # noqa: PLC0415 -- see the module's docstring
        from f.core.prompts import AnswerRequest, Passage, no_documents_sentence  # noqa: PLC0415 -- see the module's docstring

        language = detect_language(visible_text(asked.question))
        if not hits:
            self._tell(no_documents_sentence(language))
            return None
        passages = [Passage(n, hit.title, hit.heading, hit.page, hit.content) for n, hit in enumerate(hits, 1)]
        request = AnswerRequest(asked.question, passages, turns, language)
        settings, keys = self.searcher.settings, self.searcher.keys
        if self.listener is None:
            completion = write_answer(request, settings, keys, turns=self._turns())
        else:
            stream = AnswerStream([passage.n for passage in passages], "\n".join(hit.content for hit in hits))
            completion = write_answer(
                request, settings, keys, lambda piece: self._tell(stream.feed(piece)), self._turns()
            )
            self._tell(stream.close())
        self._spent("chat", completion)
        return completion

    def _repeat(self, known: "Known") -> "Completion":
        """Tell an answer again as the model's would be told."""
        from f.core.citations import AnswerStream  # noqa: PLC0415 -- see the module's docstring

        stream = AnswerStream(list(range(1, len(known.hits) + 1)), "\n".join(hit.content for hit in known.hits))
        self._tell(stream.feed(known.completion.text))
        self._tell(stream.close())
        return known.completion

    def _resolve(
        self, question: str, completion: "Completion | None", hits: list[Hit], session_id: str, *, cached: bool
    ) -> ChatData:
        """Check the answer against the passages, and give it its public form."""
        from f.core.citations import CitedPassage, is_abstention, resolve_citations  # noqa: PLC0415 -- see the module's docstring
        from f.core.language import detect_language  # noqa: PLC0415 -- see the module's docstring
        from f.core.prompts import abstention_sentence, no_documents_sentence  # noqa: PLC0415 -- see the module's docstring

        language = detect_language(visible_text(question))
        text = completion.text if completion else f"[0] {no_documents_sentence(language)}"
        resolved = resolve_citations(text, [CitedPassage(n, hit.content, hit.start) for n, hit in enumerate(hits, 1)])
        answered = not is_abstention(text)
        notices = list(self.searcher.notices)
        if answered and not resolved.citations:
            notices.append("The answer cites no passage of the documents.")
        return ChatData(
            answer=resolved.text or abstention_sentence(language),
            citations=[_citation(citation, hits[citation.n - 1]) for citation in resolved.citations],
            session_id=session_id,
            confidence=_confidence(question, resolved, hits) if answered else 0.0,
            answered=answered,
            cached=cached,
            model=completion.model if completion else None,
            provider=completion.provider if completion else None,
            degraded=bool(self.searcher.notices),
            notice=" ".join(notices) or None,
            usage=ChatUsage(
                input_tokens=completion.input_tokens if completion else 0,
                output_tokens=completion.output_tokens if completion else 0,
            ),
        )

    def _keep(
        self,
        asked: Asked,
        data: ChatData,
        sources: list[int],
        place: "Place | None",
        completion: "Completion | None",
        hits: list[Hit],
    ) -> None:
        """Keep the exchange with its usage, and the answer in its place if it has one."""
        kept = ("n", "document_id", "version", "chunk_id", "start", "end")
        exchange = Exchange(
            event_id=run_id(),
            question=asked.question,
            answer=data["answer"],
            citations=[{key: citation[key] for key in kept} for citation in data["citations"]],  # type: ignore[literal-required]
            sources=sources,
            confidence=data["confidence"],
            model=data["model"],
            provider=data["provider"],
            input_tokens=data["usage"]["input_tokens"],
            output_tokens=data["usage"]["output_tokens"],
        )
        with self.searcher.database.transaction(self.searcher.caller) as transaction:
            keep_exchange(transaction, data["session_id"], exchange)
            if place and completion:
                from f.core.answer_cache import keep_answer  # noqa: PLC0415 -- as above

                keep_answer(transaction, place, completion, hits, self.searcher.settings)
            give_chat_slot_back(transaction)
            self.searcher.count_usage(transaction)

    def _turns(self) -> "Turns | None":
        """Give what takes turns at models with a limit."""
        settings = self.searcher.settings
        if not any(model and model.requests_per_minute for model in (settings.chat, settings.fallback_chat)):
            return None
        from f.core.provider_turns import Turns  # noqa: PLC0415 -- most installations name no limit

        return Turns(self.searcher.database, self.searcher.caller)

    def _spent(self, operation: "Operation", completion: "Completion") -> None:
        """Note a call to be counted."""
        self.searcher.spent(operation, completion.model, completion.input_tokens, completion.output_tokens)

    def _notify(self, event: Mapping[str, object]) -> None:
        """Tell an event to whoever listens."""
        if self.listener is not None:
            self.listener(event)

    def _tell(self, text: str) -> None:
        """Tell a piece of the answer."""
        if text:
            self._notify({"type": "answer", "text": text})


def _citation(citation: "Citation", hit: Hit) -> CitationData:
    """Say where a citation comes from."""
    return CitationData(
        n=citation.n,
        document_id=hit.document_id,
        version=hit.version,
        chunk_id=hit.chunk_id,
        title=hit.title,
        heading=hit.heading,
        page=hit.page,
        source_url=hit.source_url,
        quote=citation.quote,
        start=citation.start,
        end=citation.end,
    )


def _confidence(question: str, resolved: "ResolvedAnswer", hits: list[Hit]) -> float:
    """Say how well the cited passages bear out the answer and deal with the question; see ``ChatData``."""
    from f.core.words import informative_stems  # noqa: PLC0415 -- see the module's docstring

    cited = [hits[citation.n - 1] for citation in resolved.citations]
    text = " ".join(f"{hit.title} {hit.heading or ''} {hit.content}" for hit in cited)
    held = set(informative_stems(visible_text(text)))
    asked = set(informative_stems(visible_text(question)))
    covered = len(asked & held) / len(asked) if asked else 1.0
    return round(resolved.supported * (1 + covered) / 2, 2)


def _titles(hits: list[Hit]) -> list[dict[str, object]]:
    """Say which documents the passages are from, each once."""
    documents = {hit.document_id: hit.title for hit in hits}
    return [{"document_id": document_id, "title": title} for document_id, title in documents.items()]
