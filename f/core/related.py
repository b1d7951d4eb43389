"""Related documents: what a tenant has that deals with the same as one of its documents.

Shared module. A document's embedding is compared with those of all that the caller may see, exactly, and within one
model. Where it has none yet, its most telling words are looked for instead, and the answer says so.
"""

from typing import Literal, TypedDict

from f.core.audit import record_reading
from f.core.database import Row, Transaction
from f.core.errors import NotFound
from f.core.near_duplicates import nearly_same
from f.core.retrieval import Query, SearchFilter, rank_passages
from f.core.shingles import COMPARED_CHARACTERS
from f.core.telling_words import telling_words

_OWN = """
SELECT title, visibility, left(content, %(longest)s) AS content, embedding IS NOT NULL AS is_embedded FROM documents
WHERE tenant_id = %(tenant)s AND id = %(document)s AND deleted_at IS NULL
"""

_NEAREST = """
-- Exact: an index over documents' embeddings would be one over all tenants. 25,000 documents take 0.17 s.
WITH own AS MATERIALIZED (
    SELECT embedding, embedding_model FROM documents
    WHERE tenant_id = %(tenant)s AND id = %(document)s AND deleted_at IS NULL
)
SELECT d.id AS document_id, 1 - (d.embedding <=> (SELECT embedding FROM own)) AS similarity
FROM documents AS d
WHERE d.tenant_id = %(tenant)s AND d.id <> %(document)s AND d.deleted_at IS NULL AND d.embedding IS NOT NULL
  AND d.embedding_model = (SELECT embedding_model FROM own)
ORDER BY d.embedding <=> (SELECT embedding FROM own), d.id LIMIT %(limit)s
"""

_SHOWN = """
SELECT d.id AS document_id, d.title, d.category, d.tags, d.visibility
FROM unnest(%(documents)s::integer[]) WITH ORDINALITY AS chosen (id, number)
JOIN documents AS d ON d.tenant_id = %(tenant)s AND d.id = chosen.id AND d.deleted_at IS NULL
ORDER BY chosen.number
"""


class RelatedDocument(TypedDict):
    """A document that deals with the same.

    ``similarity`` is the cosine of the two embeddings, from -1 to 1; ``covered`` the share, by rarity, of the
    document's telling words that its best passage holds, from 0 to 1. More is better; one of them is empty, as
    ``by`` says.
    """

    document_id: int
    title: str
    category: str | None
    tags: list[str]
    similarity: float | None
    covered: float | None
    near_duplicate: bool


class RelatedData(TypedDict):
    """Related documents, best first; ``by`` is ``embedding``, or ``words`` while the document has no embedding."""

    document_id: int
    by: Literal["embedding", "words"]
    documents: list[RelatedDocument]


def related_documents(transaction: Transaction, document_id: int, limit: int, *, near_duplicates: bool) -> RelatedData:
    """Return the documents nearest to one, of those that the caller may see.

    What is told of documents that are for admins or one member alone is noted as read.

    Args:
        transaction: In whose name.
        document_id: The document.
        limit: How many at most.
        near_duplicates: Whether documents that are nearly the same are among them, marked, or left out.

    Raises:
        NotFound: When there is no such document that the caller may see.
    """
    named: dict[str, object] = {"tenant": transaction.tenant_id, "document": document_id}
    own = transaction.row(_OWN, named | {"longest": COMPARED_CHARACTERS})
    if own is None:
        raise NotFound("There is no such document.", about=("document", document_id))
    same = nearly_same(transaction, document_id, own["content"])
    most = limit if near_duplicates else limit + len(same)
    if own["is_embedded"]:
        scores = {row["document_id"]: row["similarity"] for row in transaction.rows(_NEAREST, named | {"limit": most})}
    else:
        scores = _by_words(transaction, document_id, own)
    chosen = [document for document in scores if near_duplicates or document not in same][:limit]
    rows = transaction.rows(_SHOWN, named | {"documents": chosen})
    record_reading(transaction, [(row["document_id"], row["visibility"]) for row in rows])
    return RelatedData(
        document_id=document_id,
        by="embedding" if own["is_embedded"] else "words",
        documents=[
            RelatedDocument(
                document_id=row["document_id"],
                title=row["title"],
                category=row["category"],
                tags=row["tags"],
                similarity=round(scores[row["document_id"]], 4) if own["is_embedded"] else None,
                covered=None if own["is_embedded"] else round(scores[row["document_id"]], 4),
                near_duplicate=row["document_id"] in same,
            )
            for row in rows
        ],
    )


def _by_words(transaction: Transaction, document_id: int, own: Row) -> dict[int, float]:
    """Return documents by their best passage for a document's telling words, best first, with what it covers."""
    found = rank_passages(transaction, Query(telling_words(own["title"], own["content"]), None, ""), SearchFilter())
    best: dict[int, float] = {}
    for passage in found:
        if passage.document_id != document_id:
            best.setdefault(passage.document_id, passage.covered)
    return best
