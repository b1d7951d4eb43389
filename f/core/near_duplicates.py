"""Near duplicates: finding documents that are nearly the same, and saying what differs.

Shared module. Each document's sketch (``f.core.shingles``) is kept as rows of ``document_bands``. Who shares bands with
a text, or lies near it by the embedding of one and the same model, is a candidate; the texts themselves decide. All of
it runs under the caller's sight: what is hidden is no candidate, is not read, not counted, and takes no other's place.

The least similarity and containment are measured (``make evaluate``, the part ``duplicates``): copies with edits, moved
paragraphs, appended pages or recognised at 1 to 3 % wrong characters are above, other texts on the same subject below.
Translations are no near duplicates here.
"""

# extra_requirements:
# rapidfuzz==3.14.6

from typing import TypedDict

from f.core.audit import record_reading
from f.core.database import Row, Transaction
from f.core.errors import NotFound
from f.core.shingles import COMPARED_CHARACTERS, Likeness, bands, likeness, shingles

LEAST_SIMILARITY = 0.2
LEAST_CONTAINMENT = 0.6
CANDIDATES = 20
"""The most documents that are compared with a text."""
HOLDERS = 100
"""The most documents that are looked at for each band: one that hundreds share is of a form, and tells little."""
NEAREST = 10
"""The most candidates that come by embedding."""
LEAST_EMBEDDING_SIMILARITY = 0.8
COMPARED_IN_ALL = 2_000_000
"""Bytes of candidates that are compared, at most; it takes less than a second."""
HUNKS = 5
"""The most differences that are told of a near duplicate."""
HUNK_CHARACTERS = 200
_READ_CHARACTERS = COMPARED_CHARACTERS + 1
"""One more than are compared, which tells that there are more."""
_DIFFERING_CHARACTERS = 100_000
"""Of longer texts only so much is looked through for what differs."""

BY_BANDS = """
-- Who shares bands, those first that share most of what few others have. What is added up are whole numbers, because a
-- sum of fractions depends on the plan.
SELECT document_id FROM (
    SELECT holder.document_id, 1000000000 / count(*) OVER (PARTITION BY given.band) AS rarity
    FROM unnest(%(bands)s::bigint[]) AS given (band)
    CROSS JOIN LATERAL (
        SELECT b.document_id FROM document_bands AS b
        WHERE b.tenant_id = %(tenant)s AND b.band = given.band AND b.document_id <> %(document)s
        ORDER BY b.document_id LIMIT %(holders)s
    ) AS holder
) AS shared
GROUP BY document_id ORDER BY sum(rarity) DESC, document_id LIMIT %(candidates)s
"""

_BY_EMBEDDING = """
-- Whose embedding by the same model is nearest to that of a document; exact, because no index is.
SELECT other.id AS document_id
FROM documents AS own
JOIN documents AS other ON other.tenant_id = own.tenant_id AND other.embedding_model = own.embedding_model
     AND other.id <> own.id AND other.deleted_at IS NULL AND other.embedding IS NOT NULL
WHERE own.tenant_id = %(tenant)s AND other.tenant_id = %(tenant)s AND own.id = %(document)s
  AND own.deleted_at IS NULL AND own.embedding IS NOT NULL
  AND other.embedding <=> own.embedding <= 1 - %(least)s
ORDER BY other.embedding <=> own.embedding, other.id LIMIT %(nearest)s
"""

_TEXTS = """
-- The candidates in their order, as many as may be compared; how long one is, is told without reading it.
SELECT d.id AS document_id, d.title, d.visibility, left(d.content, %(longest)s) AS content,
       coalesce(d.content_hash = own.content_hash, false) AS is_same,
       CASE WHEN d.embedding_model = own.embedding_model THEN 1 - (d.embedding <=> own.embedding) END
           AS embedding_similarity
FROM (
    SELECT chosen.number, d.id, sum(least(octet_length(d.content), %(longest)s)) OVER (ORDER BY chosen.number) AS bytes
    FROM unnest(%(candidates)s::integer[]) WITH ORDINALITY AS chosen (id, number)
    JOIN documents AS d ON d.tenant_id = %(tenant)s AND d.id = chosen.id AND d.deleted_at IS NULL
) AS sized
JOIN documents AS d ON d.tenant_id = %(tenant)s AND d.id = sized.id
LEFT JOIN documents AS own ON own.tenant_id = %(tenant)s AND own.id = %(document)s AND own.deleted_at IS NULL
WHERE sized.number = 1 OR sized.bytes <= %(in_all)s
ORDER BY sized.number
"""

_SAME = """
SELECT other.id AS document_id, other.title, other.visibility
FROM documents AS own
JOIN documents AS other ON other.tenant_id = own.tenant_id AND other.content_hash = own.content_hash
     AND other.id <> own.id AND other.deleted_at IS NULL
WHERE own.tenant_id = %(tenant)s AND other.tenant_id = %(tenant)s AND own.id = %(document)s AND own.deleted_at IS NULL
ORDER BY other.id LIMIT %(limit)s
"""

_OWN_TEXT = """
SELECT left(content, %(longest)s) AS content, visibility FROM documents
WHERE tenant_id = %(tenant)s AND id = %(document)s AND deleted_at IS NULL
"""


class DifferenceData(TypedDict):
    """A place where a near duplicate differs: what only this text has, and what only the other has instead."""

    only_here: str
    only_there: str


class NearDuplicate(TypedDict):
    """A document that is nearly the same; of all scores more is more alike.

    ``similarity`` is the share of shingles (three words in a row) that both have, of all that any has; ``containment``
    that of the shorter one's; ``embedding_similarity`` the cosine of their embeddings, empty where they have none of
    the same model. ``partial`` says that a text is too long to be compared as a whole: its beginning stands for it.
    ``differences`` are the first ones, shortened.
    """

    document_id: int
    title: str
    similarity: float
    containment: float
    embedding_similarity: float | None
    partial: bool
    differences: list[DifferenceData]
    more_differences: bool


class ExactDuplicate(TypedDict):
    """A document with the same text, but for white space."""

    document_id: int
    title: str


def near_duplicates(
    transaction: Transaction, document_id: int, content: str, most: int, *, by_embedding: bool = False
) -> list[NearDuplicate]:
    """Return the documents that the caller may see and that are nearly the same as a text, most alike first.

    Those that are wholly the same are not among them (``exact_duplicates``). What is told of documents that are for
    admins or one member alone is noted as read.

    Args:
        transaction: In whose name.
        document_id: The document whose text it is.
        content: The text.
        most: How many at most.
        by_embedding: Whether the document's embedding finds candidates too, where it has one.
    """
    near = _near(transaction, document_id, content, by_embedding=by_embedding)
    found = [(alike, row) for alike, row in near if not row["is_same"]][:most]
    record_reading(transaction, [(row["document_id"], row["visibility"]) for _, row in found])
    return [_near_duplicate(content, alike, row) for alike, row in found]


def near_duplicates_of_stored(transaction: Transaction, document_id: int, most: int) -> list[NearDuplicate]:
    """Return the same for a document as it is stored; none for one that the caller may not see."""
    try:
        content, _ = compared_text(transaction, document_id)
    except NotFound:
        return []
    return near_duplicates(transaction, document_id, content, most)


def nearly_same(transaction: Transaction, document_id: int, content: str) -> set[int]:
    """Return the ids of the documents that the caller may see and that are nearly, or wholly, the same as a text."""
    return {row["document_id"] for _, row in _near(transaction, document_id, content, by_embedding=False)}


def is_near(alike: Likeness) -> bool:
    """Tell whether two texts are nearly the same: as a whole, or the shorter one as a part of the longer."""
    return alike.similarity >= LEAST_SIMILARITY or alike.containment >= LEAST_CONTAINMENT


def exact_duplicates(transaction: Transaction, document_id: int, most: int) -> list[ExactDuplicate]:
    """Return the documents that the caller may see and that have the same text as one, by their ids.

    What is told of documents that are for admins or one member alone is noted as read.
    """
    rows = transaction.rows(_SAME, {"tenant": transaction.tenant_id, "document": document_id, "limit": most})
    record_reading(transaction, [(row["document_id"], row["visibility"]) for row in rows])
    return [ExactDuplicate(document_id=row["document_id"], title=row["title"]) for row in rows]


def compared_text(transaction: Transaction, document_id: int) -> tuple[str, str]:
    """Return what a document is compared by, which is all or the beginning of its text, and its visibility.

    Raises:
        NotFound: When there is no such document that the caller may see.
    """
    row = transaction.row(
        _OWN_TEXT, {"tenant": transaction.tenant_id, "document": document_id, "longest": _READ_CHARACTERS}
    )
    if row is None:
        raise NotFound("There is no such document.", about=("document", document_id))
    return row["content"], row["visibility"]


def _near(
    transaction: Transaction, document_id: int, content: str, *, by_embedding: bool
) -> list[tuple[Likeness, Row]]:
    """Compare a text with the candidates, and return those that are nearly the same, most alike first."""
    own = shingles(content)
    candidates = _candidates(transaction, document_id, own, by_embedding=by_embedding)
    if not candidates:
        return []
    parameters = {
        "tenant": transaction.tenant_id,
        "document": document_id,
        "candidates": candidates,
        "longest": _READ_CHARACTERS,
        "in_all": COMPARED_IN_ALL,
    }
    compared = [(likeness(own, shingles(row["content"])), row) for row in transaction.rows(_TEXTS, parameters)]
    found = [(alike, row) for alike, row in compared if is_near(alike)]
    return sorted(found, key=lambda each: (-each[0].similarity, -each[0].containment, each[1]["document_id"]))


def _candidates(transaction: Transaction, document_id: int, own: frozenset[int], *, by_embedding: bool) -> list[int]:
    """Return the documents with which a text is worth comparing, those first that share most bands."""
    parameters = {
        "tenant": transaction.tenant_id,
        "document": document_id,
        "bands": bands(own),
        "holders": HOLDERS,
        "candidates": CANDIDATES,
        "least": LEAST_EMBEDDING_SIMILARITY,
        "nearest": NEAREST,
    }
    rows = transaction.rows(BY_BANDS, parameters)
    if by_embedding:
        rows += transaction.rows(_BY_EMBEDDING, parameters)
    return list(dict.fromkeys(row["document_id"] for row in rows))


def _near_duplicate(content: str, alike: Likeness, row: Row) -> NearDuplicate:
    """Give a near duplicate its public form."""
    from f.core.text_differences import differences  # noqa: PLC0415 -- few texts have near duplicates

    other = row["content"]
    cosine = row["embedding_similarity"]
    told = differences(content[:_DIFFERING_CHARACTERS], other[:_DIFFERING_CHARACTERS], HUNKS)
    return NearDuplicate(
        document_id=row["document_id"],
        title=row["title"],
        similarity=round(alike.similarity, 4),
        containment=round(alike.containment, 4),
        embedding_similarity=None if cosine is None else round(cosine, 4),
        partial=max(len(content), len(other)) > COMPARED_CHARACTERS,
        differences=[
            DifferenceData(only_here=hunk["removed"][:HUNK_CHARACTERS], only_there=hunk["added"][:HUNK_CHARACTERS])
            for hunk in told.hunks
        ],
        more_differences=told.truncated,
    )
