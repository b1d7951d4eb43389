"""Documents that were deleted and are still kept: who is shown them, and taking one back.

Shared module. A deleted document is hidden from everybody by the policies; so what is read of it here is read while all
of the tenant is seen, under a condition that says the same again: who saw it while it lived, and could delete it, may
take it back as long as the tenant keeps it. Chunks, words and vectors are still there: from the end of the transaction
on it is found as before.
"""

from typing import TypedDict

from f.core.database import Row, Transaction
from f.core.documents import require_right
from f.core.errors import NotFound
from f.core.identity import Caller

MAY_RESTORE = """
d.deleted_at >= now() - make_interval(days => t.retention_days)
AND (%(sees_all)s OR may_see(%(viewer_type)s, %(viewer)s, t.admins_see_private, d.visibility, d.assigned_to))
AND (%(owns_all)s OR d.created_by = %(viewer)s OR (d.visibility = 'private' AND d.assigned_to = %(viewer)s))
"""
"""A condition on ``documents AS d`` and ``tenants AS t``; ``viewer_of`` gives its parameters."""

_HOLD = f"""
-- A deleted document, if it is the caller's to restore; and nobody purges it until the transaction ends.
SELECT d.created_by, d.idempotency_key, encode(d.content_hash, 'hex') AS text
FROM documents AS d JOIN tenants AS t ON t.id = d.tenant_id
WHERE d.tenant_id = %(tenant)s AND d.id = %(document)s AND {MAY_RESTORE}
FOR NO KEY UPDATE OF d
"""  # noqa: S608 -- constants

_RESERVE = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"

_RESTORE = """
-- Where its idempotency key was used again meanwhile, the newer document keeps it.
UPDATE documents AS d
SET deleted_at = NULL, updated_at = now(), idempotency_key = CASE WHEN NOT EXISTS (
        SELECT FROM documents AS newer
        WHERE newer.tenant_id = d.tenant_id AND newer.deleted_at IS NULL AND newer.idempotency_key = d.idempotency_key
          AND newer.created_by IS NOT DISTINCT FROM d.created_by
    ) THEN d.idempotency_key END
WHERE d.tenant_id = %(tenant)s AND d.id = %(document)s
"""

_LIVING = """
SELECT version, status, chunk_count AS chunks, created_by, assigned_to, visibility FROM documents
WHERE tenant_id = %(tenant)s AND id = %(document)s AND deleted_at IS NULL
"""

_SAME_TEXT = """
-- Another document with the same text, if the caller may see it.
SELECT id FROM documents
WHERE tenant_id = %(tenant)s AND deleted_at IS NULL AND id <> %(document)s AND content_hash = decode(%(text)s, 'hex')
ORDER BY created_at, id LIMIT 1
"""


class RestoreData(TypedDict):
    """A document that is there again; ``restored`` is false when it was there already.

    ``duplicate_of`` names another document with the same text, which may have been stored meanwhile.
    """

    document_id: int
    restored: bool
    version: int
    status: str
    chunks: int
    duplicate_of: int | None


def viewer_of(transaction: Transaction, caller: Caller, *, sees_all: bool) -> dict[str, object]:
    """Return who looks at deleted documents, as ``MAY_RESTORE`` takes it.

    Args:
        transaction: In the caller's name.
        caller: Who looks.
        sees_all: Whether nothing is shown, so that a back end that names nobody may mean any document.
    """
    anybody = not caller.is_named
    return {
        "viewer": transaction.member_id,
        "viewer_type": transaction.member_type,
        "sees_all": sees_all and anybody,
        "owns_all": anybody or transaction.member_type == "admin",
    }


def restore_document(transaction: Transaction, caller: Caller, document_id: int) -> RestoreData:
    """Take a deleted document back.

    Raises:
        NotFound: When there is no document of this id that the caller may see, or might restore.
        Forbidden: When it is there, and not the caller's.
    """
    named = {"tenant": transaction.tenant_id, "document": document_id}
    viewer = viewer_of(transaction, caller, sees_all=True)
    with transaction.unrestricted():
        found = transaction.row(_HOLD, named | viewer)
        if found is not None:
            key = f"{transaction.tenant_id}:{found['created_by']}:{found['idempotency_key']}"
            transaction.execute(_RESERVE, (key,))  # whoever stores something under this key waits
            transaction.execute(_RESTORE, named)
        row = transaction.row(_LIVING, named) if found or not caller.is_named else None
    if found is None and caller.is_named:
        row = _living(transaction, document_id)
    if row is None:
        raise NotFound("There is no such document.", about=("document", document_id))
    same = transaction.row(_SAME_TEXT, named | {"text": found["text"]}) if found else None
    return RestoreData(
        document_id=document_id,
        restored=found is not None,
        version=row["version"],
        status=row["status"],
        chunks=row["chunks"],
        duplicate_of=same["id"] if same else None,
    )


def _living(transaction: Transaction, document_id: int) -> Row | None:
    """Return a document that is not deleted, if it is the member's: a repeat finds it restored."""
    row = transaction.row(_LIVING, {"tenant": transaction.tenant_id, "document": document_id})
    if row is not None:
        require_right(transaction, document_id, row, "restore")
    return row
