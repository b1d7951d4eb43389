"""Trying once more what has failed for good.

Shared module. What is tried again waits like what is new; the backlog takes it up, or whoever names it.
"""

from typing import Literal, TypedDict

from f.core.database import Transaction
from f.core.documents import require_right
from f.core.errors import Conflict, NotFound
from f.core.identity import Caller
from f.core.incoming_files import require_owned

_DOCUMENT = """
SELECT created_by, assigned_to, visibility, status FROM documents
WHERE tenant_id = %(tenant)s AND id = %(document)s AND deleted_at IS NULL
"""

_RETRY_DOCUMENT = """
UPDATE documents
SET status = 'queued', attempts = 0, failure_code = NULL, failure_reason = NULL, next_attempt_at = NULL,
    updated_at = now()
WHERE tenant_id = %(tenant)s AND id = %(document)s AND status = 'failed'
RETURNING id
"""

_FILE = """
SELECT f.document_id, f.status, whole.content IS NOT NULL AS has_bytes, f.parsed IS NOT NULL AS has_text
FROM files AS f JOIN files AS whole ON whole.tenant_id = f.tenant_id AND whole.id = coalesce(f.parent_id, f.id)
WHERE f.tenant_id = %(tenant)s AND f.id = %(file)s
FOR UPDATE OF whole
"""

_RETRY_FILE = """
-- The file itself; or the archive around it, which has the bytes, and of which what is well is left as it is.
UPDATE files
SET status = 'queued', attempts = 0, percent = 0, failure_code = NULL, failure_reason = NULL, next_attempt_at = NULL,
    completed_at = NULL, updated_at = now()
WHERE tenant_id = %(tenant)s AND id = CASE WHEN %(has_text)s THEN %(file)s ELSE %(whole)s END
  AND status IN ('failed', 'completed', 'queued')
RETURNING step
"""


class RetryData(TypedDict):
    """What waits again, and what is to be done next: parse, store or embed."""

    file_id: int | None
    document_id: int | None
    status: Literal["queued"]
    step: str


def retry_document(transaction: Transaction, caller: Caller, document_id: int) -> RetryData:
    """Let a document that could not be embedded wait again.

    Raises:
        NotFound: When there is no such document that the caller may see.
        Forbidden: When it is not the caller's to change.
        Conflict: When it has not failed.
    """
    about = ("document", document_id)
    parameters = {"tenant": transaction.tenant_id, "document": document_id}
    if caller.is_named:
        found = transaction.row(_DOCUMENT, parameters)
        if found is not None:
            require_right(transaction, document_id, found, "try it again")
    with transaction.unrestricted():
        if not caller.is_named:
            found = transaction.row(_DOCUMENT, parameters)
        if found is None:
            raise NotFound("There is no such document.", about=about)
        if transaction.row(_RETRY_DOCUMENT, parameters) is None:
            raise Conflict(f"This document has not failed: it is {found['status']}.", about=about)
    return RetryData(file_id=None, document_id=document_id, status="queued", step="embed")


def retry_file(transaction: Transaction, caller: Caller, file_id: int) -> RetryData:
    """Let a file that could not be parsed or stored wait again; one that was, by its document.

    Raises:
        NotFound: When there is no such file that the caller may see.
        Forbidden: When it is not the caller's to change.
        Conflict: When it has not failed, or its bytes are not kept.
    """
    about = ("file", file_id)
    whole = require_owned(transaction, caller, file_id)
    with transaction.unrestricted():
        found = transaction.rows(_FILE, {"tenant": transaction.tenant_id, "file": file_id})[0]
    if found["document_id"] is not None:
        told = retry_document(transaction, caller, found["document_id"])
        told["file_id"] = file_id
        return told
    if found["status"] != "failed":
        raise Conflict(f"This file has not failed: it is {found['status']}.", about=about)
    if not found["has_bytes"] and not found["has_text"]:
        raise Conflict("The bytes of this file are not kept: hand it in again.", about=about)
    parameters = {
        "tenant": transaction.tenant_id,
        "file": file_id,
        "whole": whole,
        "has_text": found["has_text"],
    }
    with transaction.unrestricted():
        row = transaction.row(_RETRY_FILE, parameters)
    if row is None:
        raise Conflict("The archive around this file is being read at this moment.", about=about)
    return RetryData(file_id=file_id, document_id=None, status="queued", step=row["step"])
