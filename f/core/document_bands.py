"""Sketches of documents in the database, by which those that are nearly the same meet.

Shared module. A document's bands (``f.core.shingles``) are written by the transaction that stores it or changes its
text; ``f.core.near_duplicates`` looks for who shares some.
"""

from collections.abc import Sequence

from f.core.database import Transaction
from f.core.shingles import COMPARED_CHARACTERS, bands, shingles

SKETCHED_AT_ONCE_BYTES = 20_000_000
"""Texts of documents without a sketch that one run reads, each by as much as is compared; it takes some seconds."""

_FORGET = "DELETE FROM document_bands WHERE tenant_id = %s AND document_id = %s"
_REMEMBER = "INSERT INTO document_bands (tenant_id, band, document_id) SELECT %s, unnest(%s::bigint[]), %s"

WITHOUT_BANDS = """
FROM documents AS d
WHERE d.tenant_id = %(tenant)s AND d.deleted_at IS NULL
  AND NOT EXISTS (SELECT FROM document_bands AS b WHERE b.tenant_id = %(tenant)s AND b.document_id = d.id)
"""
"""Documents that were stored before there were sketches, or put in by hand."""

_MISSING = f"""
SELECT id, left(content, %(longest)s) AS content FROM documents
WHERE tenant_id = %(tenant)s AND id IN (
    SELECT id FROM (
        SELECT d.id, sum(least(octet_length(d.content), %(longest)s)) OVER (ORDER BY d.id)
                     - least(octet_length(d.content), %(longest)s) AS before
        {WITHOUT_BANDS} AND (%(documents)s::integer[] IS NULL OR d.id = ANY (%(documents)s::integer[]))
    ) AS sized
    WHERE %(at_once)s IS NULL OR before < %(at_once)s
)
"""  # noqa: S608 -- constants of this module


def write_bands(transaction: Transaction, document_id: int, content: str, *, new: bool = False) -> None:
    """Keep a document's sketch instead of the one that it had; sent with what the transaction sends next.

    Args:
        transaction: In whose name; the document need not be for them.
        document_id: The document.
        content: Its text.
        new: Whether it has no sketch yet.
    """
    if not new:
        with transaction.unrestricted():  # nobody removes a row that they do not see
            transaction.later(_FORGET, (transaction.tenant_id, document_id))
    kept = bands(shingles(content)) or [-document_id]  # no words: a band that nobody shares, so that it is known
    transaction.later(_REMEMBER, (transaction.tenant_id, kept, document_id))


def write_missing_bands(transaction: Transaction, documents: Sequence[int] | None = None) -> int:
    """Give documents without a sketch theirs, as many as fit one run, and return how many got it.

    Args:
        transaction: Background work of the tenant.
        documents: Only these, however many they are.
    """
    parameters = {
        "tenant": transaction.tenant_id,
        "documents": None if documents is None else list(documents),
        "longest": COMPARED_CHARACTERS,
        "at_once": SKETCHED_AT_ONCE_BYTES if documents is None else None,
    }
    rows = transaction.rows(_MISSING, parameters)
    for row in rows:
        write_bands(transaction, row["id"], row["content"], new=True)
    return len(rows)
