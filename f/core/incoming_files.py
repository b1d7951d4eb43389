"""Handing files in: what is kept of one, when it is one that is there already, and whose it is.

Shared module. What a caller may hand in and be told is settled here; the work on files (``files``) goes on with all of
the tenant in sight.
"""

import hashlib
from dataclasses import dataclass

from f.core.database import Row, Transaction
from f.core.documents import NewDocument, expiry_moment
from f.core.errors import Conflict, Forbidden, NotFound
from f.core.identity import Caller

_RESERVE = """
-- A new id, while whoever hands in the same file waits for the end of this transaction.
SELECT pg_advisory_xact_lock(hashtextextended(%(name)s, 1)) AS locked, new_id('files_id_seq')::integer AS id
"""

_FIND_BY_KEY = """
-- What this caller has handed in under this key, and whether something of it is still there or may come of it.
SELECT f.id, f.sha256 = %(sha256)s AS same_content,
       CASE WHEN f.document_id IS NOT NULL THEN d.deleted_at IS NULL
            WHEN f.status <> 'completed' THEN true
            ELSE EXISTS (SELECT FROM files AS inside LEFT JOIN documents AS made
                             ON made.tenant_id = inside.tenant_id AND made.id = inside.document_id
                         WHERE inside.tenant_id = %(tenant)s AND inside.parent_id = f.id AND made.deleted_at IS NULL)
       END AS lives
FROM files AS f LEFT JOIN documents AS d ON d.tenant_id = f.tenant_id AND d.id = f.document_id
WHERE f.tenant_id = %(tenant)s AND f.idempotency_key = %(key)s AND f.created_by IS NOT DISTINCT FROM %(created_by)s
"""

_SEES = "SELECT 1 FROM files WHERE tenant_id = %s AND id = %s"

_RELEASE_KEY = "UPDATE files SET idempotency_key = NULL WHERE tenant_id = %(tenant)s AND id = %(id)s"

_ADD = """
INSERT INTO files (tenant_id, id, name, batch, size_bytes, sha256, content, title, category, visibility, assigned_to,
                   created_by, tags, language, source, source_url, metadata, expires_at, idempotency_key)
VALUES (%(tenant)s, %(id)s, %(name)s, %(batch)s, %(size_bytes)s, %(sha256)s, %(content)s, %(title)s, %(category)s,
        %(visibility)s, %(assigned_to)s, %(created_by)s, %(tags)s::text[], %(language)s, %(source)s, %(source_url)s,
        %(metadata)s::jsonb, %(expires_at)s, %(key)s)
"""

_RENEW = """
-- The same file again, of which nothing has come yet: as its caller wants it now. An archive in which something could
-- not be read is read again, too, and what is well in it stays as it is.
UPDATE files AS f
SET content = coalesce(content, %(content)s), status = CASE status WHEN 'completed' THEN 'queued' ELSE status END,
    attempts = CASE status WHEN 'completed' THEN 0 ELSE attempts END, completed_at = NULL, title = %(title)s,
    category = %(category)s, visibility = %(visibility)s, assigned_to = %(assigned_to)s, tags = %(tags)s::text[],
    language = %(language)s, source = %(source)s, source_url = %(source_url)s, metadata = %(metadata)s::jsonb,
    expires_at = %(expires_at)s, updated_at = now()
WHERE tenant_id = %(tenant)s AND id = %(id)s AND step = 'parse'
  AND (status IN ('queued', 'failed') OR status = 'processing' AND (lease_until < now() OR lease_holder = %(holder)s)
       OR EXISTS (SELECT FROM files AS inside WHERE inside.tenant_id = %(tenant)s AND inside.parent_id = f.id
                  AND f.status = 'completed' AND inside.status = 'failed' AND inside.step = 'parse'))
"""

_INTO_BATCH = """
UPDATE files SET batch = %(batch)s WHERE tenant_id = %(tenant)s AND (id = %(id)s OR parent_id = %(id)s)
"""

_OWNER = """
SELECT coalesce(parent_id, id) AS id, created_by, assigned_to, visibility FROM files WHERE tenant_id = %s AND id = %s
"""


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file as it was handed in; every field has been checked.

    Attributes:
        name: Its name.
        content: Its bytes.
        document: What its document is to be; the text is not known yet.
        title: The title that was asked for, if any.
        batch: The caller's word for files that belong together.
        address: From which it was fetched, if it was.
    """

    name: str
    content: bytes
    document: NewDocument
    title: str | None = None
    batch: str | None = None
    address: str | None = None


def receive(transaction: Transaction, new: NewFile, holder: str) -> int:
    """Keep a file that is handed in, and return its id; the same file by the same caller is the one that is there.

    It is the same by the caller's key, or else by its bytes and name, as long as its document has not been deleted and
    the caller still sees it. What has not been parsed yet gets the fields that are given now;
    of an archive, that is what could not be read.

    Raises:
        Conflict: When the key was used for another file.
    """
    sha256 = hashlib.sha256(new.content).digest()
    key = new.document.idempotency_key or f"file:{hashlib.sha256(sha256 + new.name.encode()).hexdigest()}"
    values = _values(transaction, new, sha256, key) | {"holder": holder}
    name = f"{transaction.tenant_id}:file:{new.document.created_by}:{key}"
    reserved = transaction.rows(_RESERVE, {"name": name})[0]
    with transaction.unrestricted():
        found = transaction.row(_FIND_BY_KEY, values)
    if found is not None and new.document.idempotency_key and found["lives"] and not found["same_content"]:
        raise Conflict("This idempotency_key was used for another file.")
    is_same = found is not None and found["lives"]
    if is_same and found and not new.document.idempotency_key and new.document.created_by is not None:
        is_same = transaction.row(_SEES, (transaction.tenant_id, found["id"])) is not None
    with transaction.unrestricted():
        if found is not None and is_same:
            transaction.later(_RENEW, values | {"id": found["id"]})
            if new.batch is not None:
                transaction.later(_INTO_BATCH, values | {"id": found["id"]})
            return int(found["id"])
        if found is not None:
            transaction.later(_RELEASE_KEY, values | {"id": found["id"]})
        transaction.later(_ADD, values | {"id": reserved["id"]})
    return int(reserved["id"])


def require_owned(transaction: Transaction, caller: Caller, file_id: int) -> int:
    """Check that a file is the caller's to work on, and return the id of what was handed in: the archive around it.

    Members work on what they handed in, on what a back end did that named nobody, and on what is private to them,
    admins on all that they see; a back end that names nobody works for the whole tenant.

    Raises:
        NotFound: When there is no such file that the caller may see.
        Forbidden: When it is somebody else's.
    """
    found = _owner(transaction, caller, file_id)
    own = found["created_by"] in (None, transaction.member_id) or (
        found["visibility"] == "private" and found["assigned_to"] == transaction.member_id
    )
    if caller.is_named and not own and transaction.member_type != "admin":
        raise Forbidden("Only who handed a file in, or an admin, can do this.", about=("file", file_id))
    return int(found["id"])


def is_creator(transaction: Transaction, caller: Caller, file_id: int) -> bool:
    """Tell whether the caller is the member who handed a file in; False for one that no member did.

    Raises:
        NotFound: When there is no such file that the caller may see.
        Forbidden: When another member did: what is found to be there already is for that member's eyes.
    """
    creator = _owner(transaction, caller, file_id)["created_by"]
    if caller.is_named and creator not in (None, transaction.member_id):
        raise Forbidden("Only who handed a file in can store its document.", about=("file", file_id))
    return creator is not None and creator == transaction.member_id


def _owner(transaction: Transaction, caller: Caller, file_id: int) -> Row:
    """Return whose a file is, if the caller may see it."""
    named = (transaction.tenant_id, file_id)
    if caller.is_named:
        found = transaction.row(_OWNER, named)
    else:
        with transaction.unrestricted():
            found = transaction.row(_OWNER, named)
    if found is None:
        raise NotFound("There is no such file.", about=("file", file_id))
    return found


def _values(transaction: Transaction, new: NewFile, sha256: bytes, key: str) -> dict[str, object]:
    """Return a new file as columns."""
    document = new.document
    return {
        "tenant": transaction.tenant_id,
        "name": new.name,
        "batch": new.batch,
        "size_bytes": len(new.content),
        "sha256": sha256,
        "content": new.content,
        "title": new.title,
        "category": document.category,
        "visibility": document.visibility,
        "assigned_to": document.assigned_to,
        "created_by": document.created_by,
        "tags": list(document.tags),
        "language": document.language,
        "source": document.source,
        "source_url": document.source_url or new.address,
        "metadata": document.metadata,
        "expires_at": expiry_moment(transaction, document.expires_at),
        "key": key,
    }
