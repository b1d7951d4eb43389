"""Conversations in the database: sessions, and the messages in them.

Shared module. A session belongs to one member, or to the back end that named none; the policies let nobody else read or
continue it. An answer remembers the documents that it rests on. As soon as one of them is deleted or hidden from the
reader, or the reader sees less than when it was written, its text is given to nobody any more: neither to a person nor
to a model (the view ``readable_messages`` in sql/functions decides, and all reading goes through it).
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

from f.core.audit import record_reading
from f.core.database import Row, Transaction

if TYPE_CHECKING:
    from f.core.prompts import Turn

FIRST_VERSION = 1
"""What a citation names that was kept before documents could be changed."""
HISTORY_TURNS = 8
"""The most earlier messages that a question is understood by."""

_FIND_SESSION = """
SELECT id FROM conversation_sessions
WHERE tenant_id = %(tenant)s AND id = %(session)s AND member_id IS NOT DISTINCT FROM %(member)s AND expires_at > now()
"""

_HISTORY = """
SELECT role, content, sources FROM readable_messages
WHERE tenant_id = %(tenant)s AND session_id = %(session)s AND NOT withheld
ORDER BY created_at DESC, role, id LIMIT %(limit)s
"""

_PAGE = """
-- Messages of a session, newest first, from before one that is named.
SELECT id, role, content, withheld, citations, confidence, model, provider, created_at
FROM readable_messages AS message
WHERE tenant_id = %(tenant)s AND session_id = %(session)s
  AND (%(before)s IS NULL OR EXISTS (
      SELECT FROM conversation_messages AS later
      WHERE later.tenant_id = %(tenant)s AND later.session_id = %(session)s AND later.id = %(before)s
        AND (message.created_at < later.created_at
             OR (message.created_at = later.created_at AND (message.role, message.id) > (later.role, later.id)))))
ORDER BY created_at DESC, role, id LIMIT %(limit)s
"""

_CITED = """
-- Documents that are cited, of those that the reader may see now, with the cited characters: those of the version that
-- was cited, if the reader may see that too. Where the document has been changed since, the page is counted there.
SELECT named.number, d.id AS document_id, it.title, d.source_url, d.visibility, it.visibility AS visibility_then,
       c.heading, substr(it.content, named.start_offset + 1, named.end_offset - named.start_offset) AS quote,
       CASE WHEN d.version = named.version THEN c.page
            WHEN strpos(it.content, chr(12)) > 0
            THEN 1 + named.start_offset - char_length(replace(left(it.content, named.start_offset), chr(12), ''))
       END AS page
FROM unnest(%(documents)s::integer[], %(versions)s::integer[], %(chunks)s::integer[], %(starts)s::integer[],
            %(ends)s::integer[])
     WITH ORDINALITY AS named (document_id, version, chunk_id, start_offset, end_offset, number)
JOIN documents AS d ON d.tenant_id = %(tenant)s AND d.id = named.document_id AND d.deleted_at IS NULL
CROSS JOIN LATERAL (
    SELECT d.title, d.content, d.visibility WHERE d.version = named.version
    UNION ALL
    SELECT v.title, v.content, v.visibility FROM document_versions AS v
    WHERE v.tenant_id = %(tenant)s AND v.document_id = d.id AND v.version = named.version
) AS it
LEFT JOIN document_chunks AS c ON c.tenant_id = %(tenant)s AND c.id = named.chunk_id
"""

_OPEN_SESSION = """
INSERT INTO conversation_sessions (tenant_id, id, member_id) VALUES (%(tenant)s, %(session)s, %(member)s)
ON CONFLICT (tenant_id, id) DO NOTHING
"""

_ADD_MESSAGES = """
WITH touched AS (
    UPDATE conversation_sessions SET last_message_at = now(), expires_at = now() + interval '90 days'
    WHERE tenant_id = %(tenant)s AND id = %(session)s
)
INSERT INTO conversation_messages (tenant_id, session_id, event_id, role, content, sight, citations, sources,
                                   confidence, model, provider, input_tokens, output_tokens)
VALUES (%(tenant)s, %(session)s, %(event)s, 'user', %(question)s, member_sight(), '[]', '{}', NULL, NULL, NULL, 0, 0),
       (%(tenant)s, %(session)s, %(event)s, 'assistant', %(answer)s, member_sight(), %(citations)s::jsonb,
        %(sources)s::integer[], %(confidence)s, %(model)s, %(provider)s, %(input_tokens)s, %(output_tokens)s)
ON CONFLICT (tenant_id, session_id, event_id, role) DO NOTHING
"""


class PastCitation(TypedDict):
    """What an earlier answer cites: as in ``chat``, or nothing but ``n`` when the reader may not see the document.

    The quote stays what it was when the document is changed: it is that of the ``version`` that was cited.
    """

    n: int
    removed: bool
    document_id: int | None
    version: int | None
    chunk_id: int | None
    title: str | None
    heading: str | None
    page: int | None
    source_url: str | None
    quote: str | None
    start: int | None
    end: int | None


class MessageData(TypedDict):
    """A message; ``content`` is empty and ``removed`` true when it rests on what the reader may not see any more."""

    id: int
    role: str
    content: str | None
    removed: bool
    citations: list[PastCitation]
    confidence: float | None
    model: str | None
    provider: str | None
    created_at: str


@dataclass(frozen=True, slots=True)
class History:
    """What was said before, oldest first, and the documents that the answers in it rest on."""

    turns: "list[Turn]" = field(default_factory=list)
    sources: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer, as they are kept.

    Attributes:
        event_id: The run that made it; a run that is repeated keeps it once.
        citations: What the answer cites: ids and offsets, never the quoted text.
        sources: The documents that the answer may hold something of.
        confidence: In [0, 1].
    """

    event_id: str
    question: str
    answer: str
    citations: Sequence[dict[str, object]]
    sources: Sequence[int]
    confidence: float
    model: str | None
    provider: str | None
    input_tokens: int
    output_tokens: int


def session_exists(transaction: Transaction, session_id: str) -> bool:
    """Tell whether the caller has this session."""
    parameters = {"tenant": transaction.tenant_id, "session": session_id, "member": transaction.member_id}
    return transaction.row(_FIND_SESSION, parameters) is not None


def history(transaction: Transaction, session_id: str) -> History:
    """Return the last messages of a session that the caller may still read, oldest first."""
    parameters = {"tenant": transaction.tenant_id, "session": session_id, "limit": HISTORY_TURNS}
    from f.core.prompts import Turn  # noqa: PLC0415 -- a new conversation has no turns

    rows = transaction.rows(_HISTORY, parameters)[::-1]
    sources = {document for row in rows for document in row["sources"]}
    return History([Turn(row["role"], row["content"]) for row in rows], sorted(sources))


def read_messages(transaction: Transaction, session_id: str, limit: int, before: int | None) -> list[MessageData]:
    """Return messages of a session, newest first, as the caller may read them now; citations hold their exact quote.

    What is read of documents that not everybody sees is noted in the audit log.

    Args:
        transaction: In whose name.
        session_id: One that is the caller's.
        limit: How many at most.
        before: Only messages that are older than this one.
    """
    parameters = {"tenant": transaction.tenant_id, "session": session_id, "limit": limit, "before": before}
    rows = transaction.rows(_PAGE, parameters)
    cited = _cited(transaction, [citation for row in rows for citation in row["citations"]])
    seen = ("visibility", "visibility_then")
    record_reading(transaction, [(row["document_id"], row[name]) for row in cited.values() for name in seen])
    numbers = iter(range(1, 1 + sum(len(row["citations"]) for row in rows)))
    return [
        MessageData(
            id=row["id"],
            role=row["role"],
            content=row["content"],
            removed=row["withheld"],
            citations=[_citation(citation, cited.get(next(numbers))) for citation in row["citations"]],
            confidence=row["confidence"],
            model=row["model"],
            provider=row["provider"],
            created_at=row["created_at"].isoformat(),
        )
        for row in rows
    ]


def new_session_id(run: str) -> str:
    """Return the id of the session that a run begins: the same when the run is repeated, and of no use to others."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"session:{run}"))


def keep_exchange(transaction: Transaction, session_id: str, exchange: Exchange) -> None:
    """Keep a question and its answer, opening the session if it is new."""
    parameters = {
        "tenant": transaction.tenant_id,
        "session": session_id,
        "member": transaction.member_id,
        "event": exchange.event_id,
        "question": exchange.question,
        "answer": exchange.answer,
        "citations": json.dumps(list(exchange.citations)),
        "sources": list(exchange.sources),
        "confidence": exchange.confidence,
        "model": exchange.model,
        "provider": exchange.provider,
        "input_tokens": exchange.input_tokens,
        "output_tokens": exchange.output_tokens,
    }
    transaction.later(_OPEN_SESSION, parameters)
    transaction.later(_ADD_MESSAGES, parameters)


def _cited(transaction: Transaction, citations: Sequence[dict[str, int]]) -> dict[int, Row]:
    """Look citations up, and return what the caller may see of them by their number, from 1."""
    if not citations:
        return {}
    parameters = {
        "tenant": transaction.tenant_id,
        "documents": [citation["document_id"] for citation in citations],
        "versions": [citation.get("version", FIRST_VERSION) for citation in citations],
        "chunks": [citation["chunk_id"] for citation in citations],
        "starts": [citation["start"] for citation in citations],
        "ends": [citation["end"] for citation in citations],
    }
    return {row["number"]: row for row in transaction.rows(_CITED, parameters)}


def _citation(citation: dict[str, int], found: Row | None) -> PastCitation:
    """Give a citation its public form; of a document that is gone there is nothing but its number in the answer."""
    return PastCitation(
        n=citation["n"],
        removed=found is None,
        document_id=citation["document_id"] if found else None,
        version=citation.get("version", FIRST_VERSION) if found else None,
        chunk_id=citation["chunk_id"] if found else None,
        title=found["title"] if found else None,
        heading=found["heading"] if found else None,
        page=found["page"] if found else None,
        source_url=found["source_url"] if found else None,
        quote=found["quote"] if found else None,
        start=citation["start"] if found else None,
        end=citation["end"] if found else None,
    )
