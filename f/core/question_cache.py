"""Embeddings of questions that a member has asked before, so that the provider is not asked again.

Shared module, for searching. A question is known by the SHA-256 of the embedding model and of its words as a reader
sees them, white space folded; its text is not kept. Another model makes other keys. Each member has places of their
own, and only the member's own transaction reads them: nobody can tell by a quick answer what another member has asked.
A member has ``PLACES`` of them, and a newer question takes the place of an older, so that no flood of questions makes
the table grow; ``clean_up`` removes what is older than 30 days. A vector that is read back is, to the last bit, what
the database made of the provider's.
"""

import hashlib

from f.core.database import Transaction
from f.core.hidden_text import visible_text

PLACES = 1_024
"""Questions of one member that are remembered at most: 2 MB."""

SPACE_AND_KNOWN_VECTOR = """
-- Which model's vectors are searched in the tenant, and the question's embedding by that model, if it is known.
SELECT jsonb_build_object('model', t.embedding_model, 'vector', q.embedding::text) AS found
FROM tenants AS t LEFT JOIN query_embeddings AS q
    ON q.tenant_id = t.id AND q.subject = %(subject)s
       AND CASE WHEN t.embedding_model = %(next_model)s THEN q.place = %(next_place)s AND q.key = %(next_key)s
                ELSE q.place = %(place)s AND q.key = %(key)s END
WHERE t.id = %(tenant)s
"""
"""Gives one row. It needs the caller to have been entered before, in the same transaction."""

REMEMBER_VECTOR = """
INSERT INTO query_embeddings (tenant_id, subject, place, key, embedding)
VALUES (%(tenant)s, %(subject)s, %(place)s, %(key)s, %(vector)s::halfvec(1024))
ON CONFLICT (tenant_id, subject, place) DO UPDATE
SET key = excluded.key, embedding = excluded.embedding, created_at = excluded.created_at
WHERE query_embeddings.key <> excluded.key
"""


def folded(question: str) -> str:
    """Return a question as it is looked up and is to be embedded: what a reader sees, white space folded."""
    return " ".join(visible_text(question).split())


def place_of(tenant_id: str, member_id: int | None, question: str, model: str) -> dict[str, object]:
    """Return where a question's vector has its place: all parameters of ``REMEMBER_VECTOR`` but ``vector``.

    Args:
        tenant_id: The tenant.
        member_id: The member who asks; None where nobody was named.
        question: As it was asked.
        model: The embedding model.
    """
    key = hashlib.sha256(f"{model}\0{folded(question)}".encode("utf-8", "surrogatepass")).digest()
    place = int.from_bytes(key[:4], "big") % PLACES
    return {"tenant": tenant_id, "subject": member_id or 0, "place": place, "key": key}


def places_of(
    tenant_id: str, member_id: int | None, question: str, model: str, next_model: str | None
) -> dict[str, object]:
    """Return the parameters of ``SPACE_AND_KNOWN_VECTOR``.

    Args:
        tenant_id: The tenant.
        member_id: The member who asks; None where nobody was named.
        question: As it was asked.
        model: The embedding model.
        next_model: The one to which tenants are being moved; None where there is none.
    """
    there = place_of(tenant_id, member_id, question, next_model or "")
    return {
        **place_of(tenant_id, member_id, question, model),
        "next_model": next_model,
        "next_place": there["place"],
        "next_key": there["key"],
    }


def remember_vector(transaction: Transaction, question: str, model: str, vector: str) -> None:
    """Remember the embedding of a question for whoever asks it, as ``vector_text`` writes it. A repeat does nothing."""
    place = place_of(transaction.tenant_id, transaction.member_id, question, model)
    transaction.later(REMEMBER_VECTOR, {**place, "vector": vector})
