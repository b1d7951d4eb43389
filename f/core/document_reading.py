"""Reading a document: all that is known of it, and its text piece by piece or page by page, as it is or as it was.

Shared module. It reads what the caller may see, which the policies decide, of earlier versions too; what is read of
documents that are for admins or for one member alone is noted in the audit log. All positions count characters of the
version that is read, as citations of that version do.
"""

from typing import TypedDict

from f.core.audit import record_reading
from f.core.database import Row, Transaction
from f.core.errors import NotFound
from f.core.ocr_confidence import is_doubtful

_READ = """
-- A document as it is, or as an earlier version was, with a piece of its text: from an offset, or of one page.
SELECT d.id, d.version AS current_version, d.created_by, d.source, d.source_url, d.metadata, d.created_at, d.status,
       d.failure_code, d.failure_reason, d.media_type, d.ocr_confidence, d.chunk_count, d.page_count AS stored_pages,
       it.version, it.title, it.category, it.visibility, it.assigned_to, it.tags, it.language, it.expires_at,
       it.written_at, it.replaced_at, d.visibility AS visibility_now, size.total, size.pages, piece.start,
       piece.length, substr(it.content, piece.start + 1, least(greatest(piece.length, 0), %(limit)s)) AS text
FROM documents AS d
CROSS JOIN LATERAL (
    SELECT d.version, d.title, d.content, d.category, d.visibility, d.assigned_to, d.tags, d.language, d.expires_at,
           d.changed_at AS written_at, NULL::timestamptz AS replaced_at
    WHERE %(version)s IS NULL OR %(version)s = d.version
    UNION ALL
    SELECT v.version, v.title, v.content, v.category, v.visibility, v.assigned_to, v.tags, v.language, v.expires_at,
           v.written_at, v.replaced_at
    FROM document_versions AS v
    WHERE v.tenant_id = %(tenant)s AND v.document_id = d.id AND v.version = %(version)s
) AS it
CROSS JOIN LATERAL (
    SELECT char_length(it.content) AS total, 1 + octet_length(it.content)
           - octet_length(replace(it.content, chr(12), '')) AS pages
) AS size
CROSS JOIN LATERAL (
    SELECT %(offset)s AS start, size.total - %(offset)s AS length
    WHERE %(page)s IS NULL
    UNION ALL
    SELECT coalesce(sum(char_length(page) + 1) FILTER (WHERE number < %(page)s), 0)::integer,
           coalesce(max(char_length(page)) FILTER (WHERE number = %(page)s), 0)
    FROM string_to_table(it.content, chr(12)) WITH ORDINALITY AS part (page, number)
    WHERE %(page)s IS NOT NULL
    HAVING %(page)s IS NOT NULL
) AS piece
WHERE d.tenant_id = %(tenant)s AND d.id = %(document)s AND d.deleted_at IS NULL
"""

_IS_SEEN = "SELECT 1 FROM documents WHERE tenant_id = %s AND id = %s AND deleted_at IS NULL"


class DocumentData(TypedDict):
    """A document with a piece of its text, which is content[start:start + length of text], to the letter.

    Fields from ``title`` to ``replaced_at`` are those of ``version``, all others those of the document as it is.
    ``next_offset`` asks for the piece after this one; empty at the end of the text, or of the page that was asked for.
    ``chunks`` and ``page_count`` are empty for an earlier version and a text without pages.
    """

    document_id: int
    current_version: int
    version: int
    title: str
    text: str
    start: int
    next_offset: int | None
    total_characters: int
    page: int | None
    page_count: int | None
    category: str | None
    visibility: str
    assigned_to: int | None
    tags: list[str]
    language: str
    expires_at: str | None
    written_at: str
    replaced_at: str | None
    created_at: str
    created_by: int | None
    source: str | None
    source_url: str | None
    metadata: dict[str, object]
    media_type: str | None
    ocr_confidence: float | None
    low_confidence: bool
    status: str
    failure_code: str | None
    failure_reason: str | None
    chunks: int | None


def read_document(
    transaction: Transaction, document_id: int, *, version: int | None, page: int | None, offset: int, limit: int
) -> DocumentData:
    """Return a document with a piece of its text.

    Args:
        transaction: In whose name.
        document_id: The document.
        version: An earlier version; None is what it is.
        page: Only this page, from 1, where the text has pages; then the offset is not looked at.
        offset: Where the piece begins, in characters from 0.
        limit: The most characters to return.

    Raises:
        NotFound: When there is no such document, version or page that the caller may see.
    """
    parameters = {
        "tenant": transaction.tenant_id, "document": document_id, "version": version, "page": page, "offset": offset,
        "limit": limit,
    }  # fmt: skip
    row = transaction.row(_READ, parameters)
    if row is None:
        seen = transaction.row(_IS_SEEN, (transaction.tenant_id, document_id))
        what = "version of the document" if seen else "document"
        raise NotFound(f"There is no such {what}.", about=("document", document_id))
    if page is not None and page > row["pages"]:
        raise NotFound(f"The document has no such page; its pages are 1 to {row['pages']:,}.")
    record_reading(transaction, [(document_id, row["visibility"]), (document_id, row["visibility_now"])])
    return _data(row, page)


def _data(row: Row, page: int | None) -> DocumentData:
    """Give a row its public form."""
    text: str = row["text"]
    is_current = row["version"] == row["current_version"]
    pages = row["pages"] if row["pages"] > 1 else (row["stored_pages"] if is_current else None)
    return DocumentData(
        document_id=row["id"],
        current_version=row["current_version"],
        version=row["version"],
        title=row["title"],
        text=text,
        start=row["start"],
        next_offset=row["start"] + len(text) if len(text) < row["length"] else None,
        total_characters=row["total"],
        page=page,
        page_count=pages,
        category=row["category"],
        visibility=row["visibility"],
        assigned_to=row["assigned_to"],
        tags=row["tags"],
        language=row["language"],
        expires_at=row["expires_at"].isoformat() if row["expires_at"] else None,
        written_at=row["written_at"].isoformat(),
        replaced_at=row["replaced_at"].isoformat() if row["replaced_at"] else None,
        created_at=row["created_at"].isoformat(),
        created_by=row["created_by"],
        source=row["source"],
        source_url=row["source_url"],
        metadata=row["metadata"],
        media_type=row["media_type"],
        ocr_confidence=row["ocr_confidence"],
        low_confidence=is_doubtful(row["ocr_confidence"]),
        status=row["status"],
        failure_code=row["failure_code"],
        failure_reason=row["failure_reason"],
        chunks=row["chunk_count"] if is_current else None,
    )
