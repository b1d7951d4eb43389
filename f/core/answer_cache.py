"""Answers that a member has been given before, and is given again while nothing that they may see has changed.

Shared module, for asking; off unless ``answer_cache_seconds`` of the settings says otherwise. An answer is known by the
member, the question and its filters, and all settings and rules that shape an answer. It is given again only while
``seen_by_member()`` says what it said before the passages were looked for: an edit, a deletion, a new document or a
change of rights gives another value, also when it came while the model was answering. What is kept is what the model
wrote and which passages it had. The passages are read again under the caller's sight, noted in the audit log as ever,
and the citations are checked against them anew; so not even a wrong row could show what may not be seen.

Only a whole answer of the first model to a question without a conversation is kept: none that a notice goes with, and
none that was found without a model.
"""

import hashlib
from dataclasses import dataclass
from typing import cast

from f.core.ai_settings import AiSettings
from f.core.answering import ANSWER_TOKENS, Completion
from f.core.database import Transaction
from f.core.prompts import AnswerRequest, render_answer_messages
from f.core.provider_calls import ProviderName
from f.core.retrieval import Hit, Ranked, SearchFilter, load_passages

PLACES = 512
"""Answers to one member that are kept at most; a newer one takes the place of an older."""

_FIND = """
-- What the caller sees now, and the answer that was given when it was the same.
SELECT now.seen, a.answer, a.chunks, a.model, a.provider
FROM (SELECT seen_by_member() AS seen) AS now
LEFT JOIN cached_answers AS a ON a.tenant_id = %(tenant)s AND a.subject = %(subject)s AND a.place = %(place)s
     AND a.key = %(key)s AND a.seen = now.seen AND a.expires_at > now()
"""

_KEEP = """
-- Unless something has changed since the passages were looked for.
INSERT INTO cached_answers (tenant_id, subject, place, key, seen, answer, chunks, sources, model, provider, expires_at)
SELECT %(tenant)s, %(subject)s, %(place)s, %(key)s, %(seen)s, %(answer)s, %(chunks)s::integer[], %(sources)s::integer[],
       %(model)s, %(provider)s, now() + make_interval(secs => %(seconds)s)
WHERE seen_by_member() = %(seen)s
ON CONFLICT (tenant_id, subject, place) DO UPDATE
SET key = excluded.key, seen = excluded.seen, answer = excluded.answer, chunks = excluded.chunks,
    sources = excluded.sources, model = excluded.model, provider = excluded.provider, expires_at = excluded.expires_at
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer is kept.

    Attributes:
        parameters: Tenant, subject, place and key.
        seen: What the caller could see when it was looked for.
    """

    parameters: dict[str, object]
    seen: bytes


@dataclass(frozen=True, slots=True)
class Known:
    """An answer that was found, and the passages that it rests on, as they are now."""

    completion: Completion
    hits: list[Hit]


def find_answer(
    transaction: Transaction, question: str, chosen: SearchFilter, chunk_ids: list[int] | None, settings: AiSettings
) -> tuple[Place, Known | None]:
    """Look for an answer, before anything else is looked for; the place is for ``keep_answer``.

    Args:
        transaction: In whose name.
        question: As it was asked; no conversation went before it.
        chosen: Which documents it is about.
        chunk_ids: The passages that the caller named, if any.
        settings: The models, and all else that shapes an answer.
    """
    key = _key(question, chosen, chunk_ids, settings)
    number = int.from_bytes(key[:4], "big") % PLACES
    parameters = {
        "tenant": transaction.tenant_id, "subject": transaction.member_id or 0, "place": number, "key": key,
    }  # fmt: skip
    row = transaction.rows(_FIND, parameters)[0]
    place = Place(parameters, bytes(row["seen"]))
    if row["answer"] is None:
        return place, None
    hits = load_passages(transaction, [Ranked(chunk_id) for chunk_id in row["chunks"]])
    if [hit.chunk_id for hit in hits] != row["chunks"]:
        return place, None
    return place, Known(Completion(row["answer"], row["model"], cast("ProviderName", row["provider"]), 0, 0), hits)


def keep_answer(
    transaction: Transaction, place: Place, completion: Completion, hits: list[Hit], settings: AiSettings
) -> None:
    """Keep what the first model answered from these passages, unless the caller sees something else by now."""
    if completion.model != settings.chat.model or not hits:
        return
    answer = {
        "seen": place.seen,
        "answer": completion.text,
        "chunks": [hit.chunk_id for hit in hits],
        "sources": sorted({hit.document_id for hit in hits}),
        "model": completion.model,
        "provider": completion.provider,
        "seconds": settings.answer_cache_seconds,
    }
    transaction.later(_KEEP, {**place.parameters, **answer})


def _key(question: str, chosen: SearchFilter, chunk_ids: list[int] | None, settings: AiSettings) -> bytes:
    """Hash all that shapes an answer beside what can be seen; the rules for the model are among it, by their text."""
    rules = render_answer_messages(AnswerRequest("", [], [], "english"))
    shapes = (question, chosen, chunk_ids, settings, rules, ANSWER_TOKENS)
    return hashlib.sha256(repr(shapes).encode("utf-8", "surrogatepass")).digest()
