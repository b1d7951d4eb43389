"""Tags and categories that fit a document: by those of the documents nearest to it, and by the model where it is asked.

Shared module. The nearest documents are found as a search finds them, by the text's most telling words and by its
embedding, under the caller's sight: what is hidden neither votes nor counts. A label's score is the share of the
nearest documents' weight that have it, and names them. A model sees the text and the labels that the caller sees, as
data; what it writes is checked (``f.core.suggestion_prompts``). Whatever provider does not answer makes suggestions
poorer, not impossible, and ``notice`` says so.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

from f.core.arguments import MAXIMUM_CONTENT, MAXIMUM_TITLE, flag, integer, optional_id, optional_text
from f.core.audit import record_reading
from f.core.chat_slots import give_chat_slot_back, take_chat_slot
from f.core.database import Transaction, vector_text
from f.core.embedding import embed_texts
from f.core.errors import InvalidArgument, NotFound, ProviderRejected, ProviderUnavailable, TooManyRequests
from f.core.hidden_text import visible_text
from f.core.identity import Caller
from f.core.retrieval import Query, SearchFilter, rank_passages
from f.core.searching import Searcher, admitted_searcher
from f.core.suggestion_prompts import SUGGESTION_TOKENS, Label, read_suggestions, render_suggestion_messages
from f.core.tags import frequent_labels, labels_in_use
from f.core.telling_words import READ_CHARACTERS, telling_words

NEAREST = 20
"""Documents that vote."""
EMPHASIS = 2
"""By which power of their likeness: the nearest decide, and a crowd of far ones does not outvote them."""
LEAST_SCORE = 0.1
"""What hardly any of the nearest documents has is not suggested."""
NAMED_DOCUMENTS = 5
KNOWN_LABELS = 200
"""Labels that a model is told, the most frequent ones."""
MOST = 20
MODELS_WEIGHT = 0.5
"""What the model's word counts in the order, where that of all nearest documents together counts 1."""
_EMBEDDED_CHARACTERS = 6_000
_SLOT_MARGIN_SECONDS = 60

_SUBJECT = """
SELECT title, left(content, %(longest)s) AS content, visibility, tags, embedding::text AS vector,
       embedding_model AS model
FROM documents WHERE tenant_id = %(tenant)s AND id = %(document)s AND deleted_at IS NULL
"""
_LABELS = """
SELECT id, visibility, tags, category FROM documents
WHERE tenant_id = %(tenant)s AND id = ANY (%(documents)s) AND deleted_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Subject:
    """What labels are wanted for.

    Attributes:
        title: Its title; empty where none was given.
        content: Its text, or the beginning.
        document_id: The document, where it is one.
        visibility: The document's.
        tags: The tags that it has.
        vector: Its embedding as PostgreSQL writes it, where there is one.
        model: The model of that embedding.
    """

    title: str
    content: str
    document_id: int | None = None
    visibility: str | None = None
    tags: tuple[str, ...] = ()
    vector: str | None = None
    model: str = ""


class Suggestion(TypedDict):
    """A label, and what speaks for it.

    ``score`` is the share of the nearest documents' weight that have it, from 0 to 1 and more is better: a vote, no
    probability; 0 where the model alone proposes it. ``document_ids`` are the nearest that have it, at most five.
    ``is_new`` tells that none of the documents that the caller may see has it.
    """

    label: str
    score: float
    document_ids: list[int]
    by_model: bool
    is_new: bool


class SuggestionsData(TypedDict):
    """Labels that fit, best first; ``model`` is the one that was asked, ``degraded`` that a provider did not answer."""

    document_id: int | None
    suggestions: list[Suggestion]
    model: str | None
    degraded: bool
    notice: str | None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A near document: how much its vote counts, and its labels."""

    id: int
    visibility: str
    weight: float
    labels: tuple[str, ...]


@dataclass(slots=True)
class Suggester:
    """Suggests labels of one kind, in a caller's name."""

    searcher: Searcher
    kind: Label

    def suggest(self, subject: Subject, most: int, *, asks_model: bool) -> SuggestionsData:
        """Return labels that fit, best first, and count the calls that it took.

        Args:
            subject: What they are wanted for; tags that it has are left out.
            most: How many at most.
            asks_model: Whether the model is asked too; where it is ``offline``, there is none to ask.
        """
        if subject.vector is None:
            subject = self._embedded(subject)
        neighbours, known = self._look(subject, asks_model=asks_model)
        model, proposed = self._ask(subject, known, most) if asks_model else (None, [])
        has = subject.tags if self.kind == "tag" else ()
        with self.searcher.database.transaction(self.searcher.caller) as transaction:
            there = labels_in_use(transaction, self.kind, proposed) if proposed else set()
            suggestions = ordered_labels(neighbours, proposed, there, without=has)[:most]
            named = {document for suggestion in suggestions for document in suggestion["document_ids"]}
            record_reading(transaction, [(one.id, one.visibility) for one in neighbours if one.id in named])
        notices = self.searcher.notices
        return SuggestionsData(
            document_id=subject.document_id,
            suggestions=suggestions,
            model=model,
            degraded=bool(notices),
            notice=" ".join(notices) or None,
        )

    def _look(self, subject: Subject, *, asks_model: bool) -> tuple[list[Neighbour], list[str]]:
        """Return the nearest documents, and for the model the labels that the tenant's documents have."""
        with self.searcher.database.transaction(self.searcher.caller) as transaction:
            neighbours = nearest(transaction, subject, self.kind)
            tags, categories = frequent_labels(transaction, KNOWN_LABELS) if asks_model else ([], [])
            self.searcher.count_usage(transaction)
        return neighbours, tags if self.kind == "tag" else categories

    def _embedded(self, subject: Subject) -> Subject:
        """Embed what has no embedding; without the provider, or the tokens for it, words alone decide."""
        searcher = self.searcher
        text = visible_text(f"{subject.title}\n\n{subject.content[:_EMBEDDED_CHARACTERS]}").strip()
        if not text:  # nothing but hidden characters, which a provider refuses
            return subject
        if searcher.database.budget_after_seconds:
            searcher.notices.append("The tokens of the last 24 hours are spent: only words were compared.")
            return subject
        seconds = min(searcher.settings.search_deadline_seconds, searcher.settings.deadline_seconds)
        try:
            made = embed_texts([text], "document", replace(searcher.settings, deadline_seconds=seconds), searcher.keys)
        except (ProviderUnavailable, ProviderRejected):
            searcher.notices.append("The embedding provider does not answer: only words were compared.")
            return subject
        searcher.spent("embed", made.model, made.input_tokens)
        return replace(subject, vector=vector_text(made.vectors[0]), model=made.model)

    def _ask(self, subject: Subject, known: Sequence[str], most: int) -> tuple[str | None, list[str]]:
        """Ask the model, and return which one it was and what it proposes; nothing where that is not possible."""
        from f.core.answering import complete_messages  # noqa: PLC0415 -- who asks no model does not wait for it
        from f.core.provider_turns import Turns  # noqa: PLC0415 -- the same

        searcher = self.searcher
        if searcher.settings.provider == "offline":
            searcher.notices.append("There is no model that could be asked.")
            return None, []
        if searcher.database.budget_after_seconds:
            searcher.notices.append("The tokens of the last 24 hours are spent: the model was not asked.")
            return None, []
        messages = render_suggestion_messages(self.kind, subject.title, subject.content, known, most)
        try:
            with searcher.database.transaction(searcher.caller) as transaction:
                take_chat_slot(transaction, searcher.settings.deadline_seconds + _SLOT_MARGIN_SECONDS)
            turns = Turns(searcher.database, searcher.caller)
            written = complete_messages(messages, SUGGESTION_TOKENS, searcher.settings, searcher.keys, turns)
        except (ProviderUnavailable, ProviderRejected, TooManyRequests):
            searcher.notices.append("The model does not answer: the suggestions are from your documents alone.")
            return None, []
        else:
            searcher.spent("chat", written.model, written.input_tokens, written.output_tokens)
            return written.model, read_suggestions(self.kind, written.text, known, most)
        finally:
            with searcher.database.transaction(searcher.caller) as transaction:
                give_chat_slot_back(transaction)
                searcher.count_usage(transaction)


def suggest(
    caller: Caller, kind: Label, document_id: object, title: object, content: object, limit: object, use_model: object
) -> SuggestionsData:
    """Check what came, let the caller in, and suggest labels for a document or a text.

    Args:
        caller: In whose name.
        kind: Tags or categories.
        document_id: The document; or else
        title: the title of a text, which may be missing, and
        content: the text.
        limit: How many at most, from 1 to ``MOST``; 5 when it is missing.
        use_model: Whether the model is asked too; not when it is missing.

    Raises:
        InvalidArgument: When an argument is malformed, or there are both a document and a text, or neither.
        NotFound: When there is no such document that the caller may see.
    """
    document = optional_id("document_id", document_id)
    named = optional_text("title", title, MAXIMUM_TITLE)
    text = optional_text("content", content, MAXIMUM_CONTENT, lines=True)
    most = integer("limit", limit, 1, MOST, default=5)
    asks_model = flag("use_model", use_model, default=False)
    if (document is None) == (text is None):
        raise InvalidArgument("Give either document_id, or content with or without a title.")
    with admitted_searcher(caller, None, chats=asks_model) as searcher:
        if document is None:
            subject = Subject(named or "", (text or "")[:READ_CHARACTERS])
        else:
            with searcher.database.transaction(caller) as transaction:
                subject = read_subject(transaction, document)
        return Suggester(searcher, kind).suggest(subject, most, asks_model=asks_model)


def read_subject(transaction: Transaction, document_id: int) -> Subject:
    """Return a document as what labels are wanted for.

    Raises:
        NotFound: When there is no such document that the caller may see.
    """
    parameters = {"tenant": transaction.tenant_id, "document": document_id, "longest": READ_CHARACTERS}
    row = transaction.row(_SUBJECT, parameters)
    if row is None:
        raise NotFound("There is no such document.", about=("document", document_id))
    record_reading(transaction, [(document_id, row["visibility"])])
    return Subject(
        title=row["title"],
        content=row["content"],
        document_id=document_id,
        visibility=row["visibility"],
        tags=tuple(row["tags"]),
        vector=row["vector"],
        model=row["model"] or "",
    )


def nearest(transaction: Transaction, subject: Subject, kind: Label) -> list[Neighbour]:
    """Return the documents nearest to a text by its words and its embedding, nearest first, with their labels.

    How much each counts is told by its best passage.
    """
    query = Query(telling_words(subject.title, subject.content), subject.vector, subject.model)
    weights: dict[int, float] = {}
    for passage in rank_passages(transaction, query, SearchFilter()):
        if passage.document_id != subject.document_id:
            weights.setdefault(passage.document_id, (passage.covered + max(passage.similarity, 0.0)) ** EMPHASIS)
        if len(weights) == NEAREST:
            break
    rows = transaction.rows(_LABELS, {"tenant": transaction.tenant_id, "documents": list(weights)})
    labelled = {row["id"]: row for row in rows}
    return [
        Neighbour(
            document,
            row["visibility"],
            weight,
            tuple(row["tags"]) if kind == "tag" else tuple(filter(None, [row["category"]])),
        )
        for document, weight in weights.items()
        if (row := labelled.get(document))
    ]


def ordered_labels(
    neighbours: Sequence[Neighbour], proposed: Sequence[str], there: Collection[str], *, without: Collection[str]
) -> list[Suggestion]:
    """Put together what the nearest documents and the model say, best first."""
    whole = sum(neighbour.weight for neighbour in neighbours) or 1.0
    holders: dict[str, list[Neighbour]] = {label: [] for label in proposed}
    for neighbour in neighbours:
        for label in neighbour.labels:
            holders.setdefault(label, []).append(neighbour)
    found = [
        Suggestion(
            label=label,
            score=round(sum(holder.weight for holder in those) / whole, 4),
            document_ids=[holder.id for holder in those[:NAMED_DOCUMENTS]],
            by_model=label in proposed,
            is_new=not those and label not in there,
        )
        for label, those in holders.items()
        if label not in without
    ]
    wanted = [one for one in found if one["by_model"] or one["score"] >= LEAST_SCORE]
    return sorted(wanted, key=lambda one: (-one["score"] - MODELS_WEIGHT * one["by_model"], one["label"]))
