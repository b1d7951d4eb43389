"""The tags and categories that a tenant's documents have, as far as the caller may see.

Shared module. Counted over the documents that the policies let through, and over nothing else.
"""

from collections.abc import Sequence
from typing import TypedDict

from f.core.database import Transaction

_TAGS = """
-- In the order of their bytes, so that pages go on the same way in any database.
SELECT tag COLLATE "C" AS tag, count(*) AS documents
FROM documents AS d CROSS JOIN LATERAL unnest(d.tags) AS tag
WHERE d.tenant_id = %(tenant)s AND d.deleted_at IS NULL
  AND starts_with(fold_accents(tag), fold_accents(%(prefix)s))
  AND (%(after)s::text IS NULL OR tag COLLATE "C" > %(after)s::text)
GROUP BY tag COLLATE "C" ORDER BY 1 LIMIT %(limit)s
"""

_FREQUENT = """
-- The most frequent ones of both; a tenant with more is known by these.
SELECT (SELECT coalesce(array_agg(tag), '{}') FROM (
            SELECT tag FROM documents AS d CROSS JOIN LATERAL unnest(d.tags) AS tag
            WHERE d.tenant_id = %(tenant)s AND d.deleted_at IS NULL
            GROUP BY tag ORDER BY count(*) DESC, tag COLLATE "C" LIMIT %(limit)s) AS tags) AS tags,
       (SELECT coalesce(array_agg(category), '{}') FROM (
            SELECT category FROM documents
            WHERE tenant_id = %(tenant)s AND deleted_at IS NULL AND category IS NOT NULL
            GROUP BY category ORDER BY count(*) DESC, category COLLATE "C" LIMIT %(limit)s) AS categories) AS categories
"""

_IN_USE = """
SELECT label FROM unnest(%(labels)s::text[]) AS label
WHERE EXISTS (SELECT FROM documents AS d
              WHERE d.tenant_id = %(tenant)s AND d.deleted_at IS NULL
                AND CASE %(kind)s WHEN 'tag' THEN d.tags @> ARRAY[label] ELSE d.category = label END)
"""


class TagCount(TypedDict):
    """A tag, and how many documents have it that the caller may see."""

    tag: str
    documents: int


def list_tags(transaction: Transaction, prefix: str, limit: int, after: str | None = None) -> list[TagCount]:
    """Return tags with their counts, in the order of their characters.

    Args:
        transaction: In whose name.
        prefix: How they begin, but for case and accents; empty for all.
        limit: How many at most.
        after: Only those behind this one.
    """
    parameters = {"tenant": transaction.tenant_id, "prefix": prefix, "limit": limit, "after": after}
    return [TagCount(tag=row["tag"], documents=row["documents"]) for row in transaction.rows(_TAGS, parameters)]


def frequent_labels(transaction: Transaction, limit: int) -> tuple[list[str], list[str]]:
    """Return the most frequent tags and categories of the documents that the caller may see, most frequent first."""
    row = transaction.rows(_FREQUENT, {"tenant": transaction.tenant_id, "limit": limit})[0]
    return row["tags"], row["categories"]


def labels_in_use(transaction: Transaction, kind: str, labels: Sequence[str]) -> set[str]:
    """Return those of some labels (``tag`` or ``category``) that a document has which the caller may see."""
    parameters = {"tenant": transaction.tenant_id, "kind": kind, "labels": list(labels)}
    return {row["label"] for row in transaction.rows(_IN_USE, parameters)}
