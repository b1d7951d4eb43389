"""Finding passages: words and vectors inside what the caller may see, fused by rank.

Shared module. One statement ranks and one loads what is wanted; the member's sight is in the policies that they run
under, and they name the tenant again. Everything that ranks is counted over what the caller may see: a word's
rarity, the mean length, the totals. So not even the order of results tells of a document that is hidden.

Words are ranked by BM25, any word counting (``rank_by_words`` in sql/functions); vectors by cosine, compared within
one model only (``nearest_chunks``); both are fused by reciprocal rank (Cormack, Clarke and Buettcher, SIGIR 2009;
k = 60).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from f.core.audit import record_reading
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
)
"""

_LEGS = """
, by_words AS (
    SELECT ranked.*
    FROM size, rank_by_words(%(tenant)s, %(question)s, ARRAY(SELECT id FROM scope), ARRAY(SELECT language FROM scope),
                             size.chunks, size.mean_length, %(leg)s) AS ranked
), by_vectors AS (
    SELECT nearest.*, row_number() OVER (ORDER BY similarity DESC, chunk_id) AS place
    FROM size, nearest_chunks(%(tenant)s, %(vector)s::halfvec, %(model)s, ARRAY(SELECT id FROM scope), size.chunks,
                              %(leg)s) AS nearest
    WHERE similarity >= coalesce(%(minimum_similarity)s, -1)
), fused AS (
    SELECT chunk_id, document_id, coalesce(covered, 0) AS covered, coalesce(similarity, 0) AS similarity,
           coalesce(1.0 / (%(rank_constant)s + by_words.place), 0)
           + coalesce(%(vector_weight)s * 1.0 / (%(rank_constant)s + by_vectors.place), 0) AS score
    FROM by_words FULL JOIN by_vectors USING (chunk_id, document_id)
)
"""

_BY_SCORE = """
-- Best first, in one row of lists: a row for each passage costs the driver as much as a search in a small tenant.
SELECT array_agg(chunk_id ORDER BY score DESC, chunk_id) AS chunk_ids,
       array_agg(document_id ORDER BY score DESC, chunk_id) AS document_ids,
       array_agg(score::float8 ORDER BY score DESC, chunk_id) AS scores,
       array_agg(covered ORDER BY score DESC, chunk_id) AS covered,
       array_agg(similarity ORDER BY score DESC, chunk_id) AS similarities
FROM fused
"""

_LOAD = """
-- Passages by their ids, of those that the caller may see, in the order in which they are named. With a question, a
-- snippet of each marks the question's words. Each is looked up by its key, whatever the planner believes of the table.
SELECT named.score, named.covered, named.similarity, c.id AS chunk_id, c.document_id, d.version, d.title, d.category,
       d.tags, d.visibility, d.source, d.source_url, d.expires_at, d.created_at, c.heading, c.page, c.start_offset,
       c.end_offset, c.content,
       ts_headline(d.language::regconfig, c.content,
                   any_of_words(tsvector_to_array(words_of(d.language, %(question)s))),
                   'StartSel=**, StopSel=**, MinWords=15, MaxWords=35, MaxFragments=2, FragmentDelimiter=" … "'
       ) AS snippet
FROM unnest(%(chunks)s::integer[], %(scores)s::float8[], %(covered)s::float8[], %(similarities)s::float8[])
     WITH ORDINALITY AS named (id, score, covered, similarity, number)
CROSS JOIN LATERAL (
    SELECT * FROM document_chunks WHERE tenant_id = %(tenant)s AND id = named.id OFFSET 0
) AS c
CROSS JOIN LATERAL (
    SELECT * FROM documents WHERE tenant_id = %(tenant)s AND id = c.document_id AND deleted_at IS NULL OFFSET 0
) AS d
ORDER BY named.number
"""

_RANK = f"{_SCOPE}{_LEGS}{_BY_SCORE}"


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
        vector: The question's embedding, 1024 numbers, or as ``vector_text`` writes it; None searches by words alone.
        model: The model of that embedding: only its vectors are compared.
        minimum_similarity: The least cosine at which a vector counts as found.
        vector_weight: How much a place among the vectors counts in the fusion; a place among the words counts 1.
    """

    question: str
    vector: list[float] | str | None
    model: str
    minimum_similarity: float | None = None
    vector_weight: float = 1.0


class Ranked(NamedTuple):
    """A passage's place in a search, without the passage.

    Attributes:
        score: The reciprocal rank score; more is better. The most is ``best_possible(...)``.
        covered: The share, by rarity, of the question's words that it holds, in [0, 1].
        similarity: Cosine to the question in [-1, 1]; 0 where it was not found by vector.
    """

    chunk_id: int
    document_id: int = 0
    score: float = 0.0
    covered: float = 0.0
    similarity: float = 0.0


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found: ``content`` is [start:end] of its document at this version.

    Attributes:
        ranked: Its place in the search.
        snippet: Its best part with the question's words marked; None when it was not asked for.
    """

    ranked: Ranked
    document_id: int
    version: int
    chunk_id: int
    title: str
    heading: str | None
    page: int | None
    start: int
    end: int
    content: str
    snippet: str | None
    category: str | None
    tags: list[str]
    visibility: str
    source: str | None
    source_url: str | None
    expires_at: datetime | None
    created_at: datetime


def best_possible(query: Query) -> float:
    """Return the score of a passage that is first in every leg."""
    return (1 if query.vector is None else 1 + query.vector_weight) / (RANK_CONSTANT + 1)


def rank_passages(transaction: Transaction, query: Query, chosen: SearchFilter) -> list[Ranked]:
    """Return the places of the passages that fit a question, best first: at most ``LEG`` of each leg."""
    parameters: dict[str, object] = {
        "tenant": transaction.tenant_id,
        "question": query.question,
        "vector": vector_text(query.vector) if isinstance(query.vector, list) else query.vector,
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
        "vector_weight": query.vector_weight,
        "rank_constant": RANK_CONSTANT,
    }
    [row] = transaction.rows(_RANK, parameters)
    columns = ("chunk_ids", "document_ids", "scores", "covered", "similarities")
    return list(map(Ranked, *(row[column] or () for column in columns)))


def load_passages(
    transaction: Transaction, ranked: Sequence[Ranked], *, snippets_for: str | None = None, shown: bool = True
) -> list[Hit]:
    """Return passages in the given order, of those that the caller may see.

    Args:
        transaction: In whose name.
        ranked: Which ones.
        snippets_for: The question whose words their snippets mark; without it they have none.
        shown: Whether the caller is shown something of them, which the audit log notes of documents that are for admins
            or for one member alone; False when they are only put in order.
    """
    if not ranked:
        return []
    parameters = {
        "tenant": transaction.tenant_id,
        "question": snippets_for,
        "chunks": [place.chunk_id for place in ranked],
        "scores": [place.score for place in ranked],
        "covered": [place.covered for place in ranked],
        "similarities": [place.similarity for place in ranked],
    }
    hits = [_hit(row) for row in transaction.rows(_LOAD, parameters)]
    if shown:
        record_reading(transaction, [(hit.document_id, hit.visibility) for hit in hits])
    return hits


def _hit(row: Row) -> Hit:
    """Give a row its types."""
    return Hit(
        ranked=Ranked(row["chunk_id"], row["document_id"], row["score"], row["covered"], row["similarity"]),
        document_id=row["document_id"],
        version=row["version"],
        chunk_id=row["chunk_id"],
        title=row["title"],
        heading=row["heading"],
        page=row["page"],
        start=row["start_offset"],
        end=row["end_offset"],
        content=row["content"],
        snippet=row["snippet"],
        category=row["category"],
        tags=row["tags"],
        visibility=row["visibility"],
        source=row["source"],
        source_url=row["source_url"],
        expires_at=row["expires_at"],
        created_at=row["created_at"],
    )
