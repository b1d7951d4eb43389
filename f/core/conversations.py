"""Conversations in the database: sessions, and the messages in them.

Shared module. A session belongs to one member, or to the back end that named none; nobody else can read or continue it.
A message remembers how much its author could see, and is not read again by whoever sees less, so that a member whose
rights were lowered does not meet in a history what they may not see any more.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from f.core.database import Transaction
from f.core.prompts import Turn

HISTORY_TURNS = 8
"""The most earlier messages that a question is understood by."""

_FIND_SESSION = """
SELECT id FROM conversation_sessions
WHERE tenant_id = %(tenant)s AND id = %(session)s AND member_id IS NOT DISTINCT FROM %(member)s AND expires_at > now()
"""

_HISTORY = """
SELECT role, content FROM conversation_messages
WHERE tenant_id = %(tenant)s AND session_id = %(session)s AND sight <= %(sight)s
ORDER BY id DESC LIMIT %(limit)s
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
INSERT INTO conversation_messages (tenant_id, session_id, event_id, role, content, sight, citations, confidence, model,
                                   provider, input_tokens, output_tokens)
VALUES (%(tenant)s, %(session)s, %(event)s, 'user', %(question)s, %(sight)s, '[]', NULL, NULL, NULL, 0, 0),
       (%(tenant)s, %(session)s, %(event)s, 'assistant', %(answer)s, %(sight)s, %(citations)s::jsonb, %(confidence)s,
        %(model)s, %(provider)s, %(input_tokens)s, %(output_tokens)s)
ON CONFLICT (tenant_id, session_id, event_id, role) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer, as they are kept.

    Attributes:
        event_id: The run that made it; a run that is repeated keeps it once.
        citations: What the answer cites: ids and offsets, never the quoted text.
        confidence: In [0, 1].
    """

    event_id: str
    question: str
    answer: str
    citations: Sequence[dict[str, object]]
    confidence: float
    model: str | None
    provider: str | None
    input_tokens: int
    output_tokens: int


def session_exists(transaction: Transaction, session_id: str) -> bool:
    """Tell whether the caller has this session."""
    parameters = {"tenant": transaction.tenant_id, "session": session_id, "member": transaction.member_id}
    return transaction.row(_FIND_SESSION, parameters) is not None


def history(transaction: Transaction, session_id: str) -> list[Turn]:
    """Return the last messages of a session that the caller may still see, oldest first."""
    parameters = {
        "tenant": transaction.tenant_id,
        "session": session_id,
        "sight": transaction.sight,
        "limit": HISTORY_TURNS,
    }
    return [Turn(row["role"], row["content"]) for row in reversed(transaction.rows(_HISTORY, parameters))]


def new_session_id(run: str) -> str:
    """Return the id of the session that a run begins: the same when the run is repeated, and of no use to others."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"session:{run}"))


def keep_exchange(transaction: Transaction, session_id: str, exchange: Exchange) -> None:
    """Keep a question and its answer, opening the session if it is new."""
    parameters = {
        "tenant": transaction.tenant_id,
        "session": session_id,
        "member": transaction.member_id,
        "sight": transaction.sight,
        "event": exchange.event_id,
        "question": exchange.question,
        "answer": exchange.answer,
        "citations": json.dumps(list(exchange.citations)),
        "confidence": exchange.confidence,
        "model": exchange.model,
        "provider": exchange.provider,
        "input_tokens": exchange.input_tokens,
        "output_tokens": exchange.output_tokens,
    }
    transaction.execute(_OPEN_SESSION, parameters)
    transaction.execute(_ADD_MESSAGES, parameters)
