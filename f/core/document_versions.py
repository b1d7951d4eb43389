"""Earlier versions of documents: which there are, and what each of them was.

Shared module. A member sees an earlier version when they see the document as it is now, and might have seen it as it
was then; the policies say so, and what is told of a version by comparing it with the one before is told only to who
sees both. A back end that names nobody may restore any version, and is shown those that were for everybody.
"""

from typing import TypedDict

from f.core.audit import record_reading
from f.core.database import Row, Transaction
from f.core.document_changes import Fields, fields_of
from f.core.errors import NotFound
from f.core.identity import Caller

_EACH = """
-- What a document is and was, as far as the caller may see it.
WITH each AS (
    SELECT version, title, content, content_hash, category, visibility, assigned_to, tags, language, expires_at,
           changed_at AS written_at, NULL::timestamptz AS replaced_at, NULL::integer AS replaced_by, created_by
    FROM documents
    WHERE tenant_id = %(tenant)s AND id = %(document)s AND deleted_at IS NULL
    UNION ALL
    SELECT v.version, v.title, v.content, v.content_hash, v.category, v.visibility, v.assigned_to, v.tags, v.language,
           v.expires_at, v.written_at, v.replaced_at, v.changed_by, d.created_by
    FROM document_versions AS v JOIN documents AS d ON d.tenant_id = v.tenant_id AND d.id = v.document_id
    WHERE v.tenant_id = %(tenant)s AND v.document_id = %(document)s AND d.deleted_at IS NULL
)
"""

_LIST = f"""
{_EACH}
SELECT it.version, it.replaced_at IS NULL AS is_current, it.title, it.visibility, it.written_at, it.replaced_at,
       char_length(it.content) AS characters,
       CASE WHEN it.version = 1 THEN it.created_by ELSE before.replaced_by END AS written_by,
       it.version = 1 OR before.version IS NOT NULL AS is_compared,
       array_remove(ARRAY[
           CASE WHEN it.title <> before.title THEN 'title' END,
           CASE WHEN it.content_hash <> before.content_hash OR it.content <> before.content THEN 'content' END,
           CASE WHEN it.category IS DISTINCT FROM before.category THEN 'category' END,
           CASE WHEN it.visibility <> before.visibility THEN 'visibility' END,
           CASE WHEN it.assigned_to IS DISTINCT FROM before.assigned_to THEN 'assigned_to' END,
           CASE WHEN it.tags <> before.tags THEN 'tags' END,
           CASE WHEN it.language <> before.language THEN 'language' END,
           CASE WHEN it.expires_at IS DISTINCT FROM before.expires_at THEN 'expires_at' END
       ], NULL) AS changed
FROM each AS it LEFT JOIN each AS before ON before.version = it.version - 1
WHERE %(before)s IS NULL OR it.version < %(before)s
ORDER BY it.version DESC LIMIT %(limit)s
"""  # noqa: S608 -- constants

_ONE = f"""
{_EACH}
SELECT * FROM each WHERE version = %(version)s OR (%(version)s IS NULL AND replaced_at IS NULL)
"""  # noqa: S608 -- constants

_IS_SEEN = "SELECT 1 FROM documents WHERE tenant_id = %(tenant)s AND id = %(document)s AND deleted_at IS NULL"


class VersionData(TypedDict):
    """A version of a document; ``replaced_at`` is empty for the one that it is at.

    ``written_by`` is the member who made it so; empty for a back end, and where the version before may not be seen.
    ``changed`` names the fields that were other in the version before; empty (null) where that may not be seen.
    """

    version: int
    is_current: bool
    title: str
    visibility: str
    characters: int
    written_at: str
    written_by: int | None
    replaced_at: str | None
    changed: list[str] | None


def list_versions(transaction: Transaction, document_id: int, limit: int, before: int | None) -> list[VersionData]:
    """Return versions of a document, newest first, of those that the caller may see.

    Args:
        transaction: In whose name.
        document_id: The document.
        limit: How many at most.
        before: Only versions before this one.

    Raises:
        NotFound: When there is no such document that the caller may see.
    """
    parameters = {"tenant": transaction.tenant_id, "document": document_id, "limit": limit, "before": before}
    rows = transaction.rows(_LIST, parameters)
    if not rows:
        _require_document(transaction, document_id)
    record_reading(transaction, [(document_id, row["visibility"]) for row in rows])
    return [
        VersionData(
            version=row["version"],
            is_current=row["is_current"],
            title=row["title"],
            visibility=row["visibility"],
            characters=row["characters"],
            written_at=row["written_at"].isoformat(),
            written_by=row["written_by"],
            replaced_at=row["replaced_at"].isoformat() if row["replaced_at"] else None,
            changed=row["changed"] if row["is_compared"] else None,
        )
        for row in rows
    ]


def earlier_fields(transaction: Transaction, caller: Caller, document_id: int, version: int) -> Fields:
    """Return what a document was, for who restores it.

    Raises:
        NotFound: When there is no such version that the caller may see.
    """
    if caller.is_named:
        return fields_of(read_version(transaction, document_id, version))
    with transaction.unrestricted():
        return fields_of(read_version(transaction, document_id, version))


def read_version(transaction: Transaction, document_id: int, version: int | None) -> Row:
    """Return a version of a document, with what it is besides, or what the document is.

    Args:
        transaction: In whose name.
        document_id: The document.
        version: Which one; None is what it is.

    Raises:
        NotFound: When there is no such document, or no such version of it, that the caller may see.
    """
    parameters = {"tenant": transaction.tenant_id, "document": document_id, "version": version}
    row = transaction.row(_ONE, parameters)
    if row is None:
        _require_document(transaction, document_id)
        raise NotFound("There is no such version of the document.", about=("document", document_id))
    return row


def _require_document(transaction: Transaction, document_id: int) -> None:
    """Raise NotFound when there is no such document that the caller may see."""
    if transaction.row(_IS_SEEN, {"tenant": transaction.tenant_id, "document": document_id}) is None:
        raise NotFound("There is no such document.", about=("document", document_id))
