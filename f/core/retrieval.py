"""Finding passages: words and vectors inside what the caller may see, fused by rank.

Shared module. One statement (one round trip) does it all; the member's sight is in the policies that it runs under,
and the statement names the tenant again. Everything that ranks is counted over what the caller may see: a word's
rarity, the mean length, the totals. So not even the order of results tells of a document that is hidden.

Words are ranked by BM25 (``rank_by_words`` in sql/functions), any word counting; vectors by cosine, compared within
one model only; both are fused by reciprocal rank (Cormack, Clarke and Buettcher, SIGIR 2009; k = 60).
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from f.core.database import Row, Transaction, vector_text

LEG = 200
"""The most chunks that each leg hands to the fusion; it bounds ``total`` too."""
RANK_CONSTANT = 60

_SCOPE = """
-- What is searched: the documents that the caller may see and that pass the filters, and how much text that is.
WITH scope AS MATERIALIZED (
    SELECT id, language, chunk_count, word_count FROM documents
    WHERE tenant_id = %(tenant)s AND deleted_at IS NULL
      AND (%(category)s IS NULL OR category = %(category)s)
      AND (%(any_tags)s::text[] IS NULL OR tags && %(any_tags)s::text[])
      AND (%(all_tags)s::text[] IS NULL OR tags @> %(all_tags)s::text[])
      AND (%(assigned_to)s IS NULL OR assigned_to = %(assigned_to)s)
      AND (%(created_from)s::timestamptz IS NULL OR created_at >= %(created_from)s::timestamptz)
      AND (%(created_to)s::timestamptz IS NULL OR created_at < %(created_to)s::timestamptz)
      AND (%(expiring_before)s::timestamptz IS NULL OR expires_at < %(expiring_before)s::timestamptz)
      AND (%(source)s IS NULL OR source = %(source)s)
      AND (%(documents)s::integer[] IS NULL OR id = ANY (%(documents)s::integer[]))
), size AS (
    SELECT greatest(sum(chunk_count), 1)::float8 AS chunks,
           greatest(sum(word_count)::float8 / greatest(sum(chunk_count), 1), 1) AS mean_length
    FROM scope
), asked AS MATERIALIZED (
    -- The question's words, stemmed in each language that is searched: what a snippet marks.
    SELECT unnest(tsvector_to_array(words_of(spoken.language, %(question)s))) AS lexeme
    FROM (SELECT DISTINCT language FROM scope) AS spoken
)
"""

_LEGS = """
, by_words AS (
    SELECT ranked.*
    FROM size, rank_by_words(%(tenant)s, %(question)s, ARRAY(SELECT id FROM scope), ARRAY(SELECT language FROM scope),
                             size.chunks, size.mean_length, %(leg)s) AS ranked
), by_vectors AS (
    SELECT chunk_id, document_id, similarity, row_number() OVER (ORDER BY similarity DESC, chunk_id) AS place
    FROM (SELECT c.id AS chunk_id, c.document_id, 1 - (c.embedding <=> %(vector)s::halfvec) AS similarity
          FROM document_chunks AS c
          WHERE c.tenant_id = %(tenant)s AND c.embedding_model = %(model)s AND %(vector)s IS NOT NULL
            AND c.document_id IN (SELECT id FROM scope)
          ORDER BY c.embedding <=> %(vector)s::halfvec
          LIMIT %(leg)s) AS nearest
    WHERE similarity >= coalesce(%(minimum_similarity)s, -1)
), fused AS (
    SELECT chunk_id, document_id, coalesce(covered, 0) AS covered, coalesce(similarity, 0) AS similarity,
           coalesce(1.0 / (%(rank_constant)s + by_words.place), 0)
           + coalesce(1.0 / (%(rank_constant)s + by_vectors.place), 0) AS score
    FROM by_words FULL JOIN by_vectors USING (chunk_id, document_id)
)
"""

_BEST_OF_DOCUMENT = """
, chosen AS (
    SELECT *, count(*) OVER () AS total
    FROM (SELECT DISTINCT ON (document_id) * FROM fused ORDER BY document_id, score DESC, chunk_id) AS best
    ORDER BY score DESC, chunk_id
    LIMIT %(limit)s OFFSET %(offset)s
)
"""

_BEST_PASSAGES = """
, chosen AS (
    SELECT *, count(*) OVER () AS total FROM fused ORDER BY score DESC, chunk_id LIMIT %(limit)s OFFSET %(offset)s
)
"""

_HITS = """
SELECT chosen.total, chosen.score, chosen.covered, chosen.similarity, c.id AS chunk_id, c.document_id, d.title,
       d.category, d.tags, d.visibility, d.source, d.source_url, d.expires_at, d.created_at, c.heading, c.page,
       c.start_offset, c.end_offset, c.content,
       ts_headline(d.language::regconfig, c.content, any_of_words(ARRAY(SELECT lexeme FROM asked)),
                   'StartSel=**, StopSel=**, MinWords=15, MaxWords=35, MaxFragments=2, FragmentDelimiter=" … "'
       ) AS snippet
FROM chosen
JOIN document_chunks AS c ON c.tenant_id = %(tenant)s AND c.id = chosen.chunk_id
JOIN documents AS d ON d.tenant_id = %(tenant)s AND d.id = c.document_id
ORDER BY chosen.score DESC, chosen.chunk_id
"""

_NAMED_PASSAGES = """
-- Passages that a caller names, of those that the caller may see, in the order in which they are named.
SELECT 0 AS total, 0 AS score, 0 AS covered, 0 AS similarity, c.id AS chunk_id, c.document_id, d.title, d.category,
       d.tags, d.visibility, d.source, d.source_url, d.expires_at, d.created_at, c.heading, c.page, c.start_offset,
       c.end_offset, c.content, '' AS snippet
FROM unnest(%(chunks)s::integer[]) WITH ORDINALITY AS named (id, number)
JOIN document_chunks AS c ON c.tenant_id = %(tenant)s AND c.id = named.id
JOIN documents AS d ON d.tenant_id = %(tenant)s AND d.id = c.document_id AND d.deleted_at IS NULL
ORDER BY named.number
"""

_DOCUMENTS_FOUND = f"{_SCOPE}{_LEGS}{_BEST_OF_DOCUMENT}{_HITS}"
_PASSAGES_FOUND = f"{_SCOPE}{_LEGS}{_BEST_PASSAGES}{_HITS}"

# For tenants that have a vector index: how far it looks, and that it goes on when filters leave too few.
_INDEX_SETTINGS = (
    "SELECT set_config('hnsw.ef_search', '200', true), set_config('hnsw.iterative_scan', 'relaxed_order', true)"
)


@dataclass(frozen=True, slots=True)
class SearchFilter:
    """Which documents are searched; what is None does not restrict."""

    category: str | None = None
    tags: list[str] = field(default_factory=list)
    tags_match: Literal["any", "all"] = "any"
    assigned_to: int | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    expiring_before: datetime | None = None
    source: str | None = None
    document_ids: list[int] | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for.

    Attributes:
        question: The words.
        vector: The question's embedding, 1024 numbers; None searches by words alone.
        model: The model of that embedding: only its vectors are compared.
        minimum_similarity: The least cosine at which a vector counts as found.
    """

    question: str
    vector: list[float] | None
    model: str
    minimum_similarity: float | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found.

    Attributes:
        fused: The reciprocal rank score; more is better. The most is ``best_possible(...)``.
        covered: The share, by rarity, of the question's words that it holds, in [0, 1].
        similarity: Cosine to the question in [-1, 1]; 0 where it was not found by vector.
        start: Its first character in the document; ``end`` is the one after the last.
    """

    document_id: int
    chunk_id: int
    title: str
    heading: str | None
    page: int | None
    start: int
    end: int
    content: str
    snippet: str
    fused: float
    covered: float
    similarity: float
    category: str | None
    tags: list[str]
    visibility: str
    source: str | None
    source_url: str | None
    expires_at: datetime | None
    created_at: datetime

    @property
    def match(self) -> float:
        """How well it fits the question, in [0, 1]: the better of its words and its vector."""
        return min(max(self.covered, self.similarity, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Found:
    """A page of hits, best first, and how many there are in all."""

    hits: list[Hit]
    total: int


def best_possible(query: Query) -> float:
    """Return the fused score of a passage that is first in every leg."""
    return (1 if query.vector is None else 2) / (RANK_CONSTANT + 1)


def find_documents(transaction: Transaction, query: Query, chosen: SearchFilter, limit: int, offset: int) -> Found:
    """Return documents by their best passage, best first, each once."""
    return _find(transaction, _DOCUMENTS_FOUND, query, chosen, limit, offset)


def find_passages(transaction: Transaction, query: Query, chosen: SearchFilter, limit: int) -> Found:
    """Return passages, best first; a document may give several."""
    return _find(transaction, _PASSAGES_FOUND, query, chosen, limit, 0)


def named_passages(transaction: Transaction, chunk_ids: list[int]) -> list[Hit]:
    """Return the named passages that the caller may see, in the order in which they are named."""
    rows = transaction.rows(_NAMED_PASSAGES, {"tenant": transaction.tenant_id, "chunks": chunk_ids})
    return [_hit(row) for row in rows]


def _find(
    transaction: Transaction, statement: str, query: Query, chosen: SearchFilter, limit: int, offset: int
) -> Found:
    """Run a search; a page past the end asks once more for the total alone."""
    parameters: dict[str, object] = {
        "tenant": transaction.tenant_id,
        "question": query.question,
        "vector": None if query.vector is None else vector_text(query.vector),
        "model": query.model,
        "minimum_similarity": query.minimum_similarity,
        "category": chosen.category,
        "any_tags": chosen.tags if chosen.tags and chosen.tags_match == "any" else None,
        "all_tags": chosen.tags if chosen.tags and chosen.tags_match == "all" else None,
        "assigned_to": chosen.assigned_to,
        "created_from": chosen.created_from,
        "created_to": chosen.created_to,
        "expiring_before": chosen.expiring_before,
        "source": chosen.source,
        "documents": chosen.document_ids,
        "leg": LEG,
        "rank_constant": RANK_CONSTANT,
        "limit": limit,
        "offset": offset,
    }
    rows = transaction.rows(f"{_INDEX_SETTINGS};{statement}", parameters)
    if not rows and offset:
        first = transaction.rows(statement, parameters | {"limit": 1, "offset": 0})
        return Found([], first[0]["total"] if first else 0)
    return Found([_hit(row) for row in rows], rows[0]["total"] if rows else 0)


def _hit(row: Row) -> Hit:
    """Give a row its types."""
    return Hit(
        document_id=row["document_id"],
        chunk_id=row["chunk_id"],
        title=row["title"],
        heading=row["heading"],
        page=row["page"],
        start=row["start_offset"],
        end=row["end_offset"],
        content=row["content"],
        snippet=row["snippet"],
        fused=float(row["score"]),
        covered=float(row["covered"]),
        similarity=float(row["similarity"]),
        category=row["category"],
        tags=row["tags"],
        visibility=row["visibility"],
        source=row["source"],
        source_url=row["source_url"],
        expires_at=row["expires_at"],
        created_at=row["created_at"],
    )
