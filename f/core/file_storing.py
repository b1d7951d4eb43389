"""Storing the document of a file that has been parsed.

Shared module. One transaction: the document with its chunks, and the file that is completed by it. A repeat, or another
run at the same time, gives the same document.
"""

from dataclasses import dataclass
from typing import cast

from f.core.audit import record
from f.core.chunking import split_document
from f.core.database import Database, Row, Transaction
from f.core.documents import NewDocument, document_state, find_same, member_exists, reserve_id, store
from f.core.errors import Conflict, NotFound
from f.core.files import locked_file, mark_stored, parsed_file
from f.core.identity import Caller, background
from f.core.incoming_files import is_creator
from f.core.language import told_language

_LONGEST_TITLE = 500


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """The document of a file, and whether its text was there before."""

    id: int
    chunks: int
    status: str
    duplicate_of: int | None


def store_file_of(database: Database, caller: Caller, file_id: int) -> StoredDocument:
    """Store the document of a file for the caller who handed it in, or whose back end did; see ``store_file``.

    Raises:
        NotFound: When there is no such file that the caller may see.
        Forbidden: When another member handed it in.
        Conflict: As ``store_file`` does.
    """
    with database.transaction(caller) as transaction:
        is_own = is_creator(transaction, caller, file_id)
    return store_file(database, caller.tenant_id, file_id, caller if is_own else None)


def store_file(database: Database, tenant_id: str, file_id: int, caller: Caller | None = None) -> StoredDocument:
    """Store the document of a file that has been parsed; one that has its document already gets no other.

    It is the document of whoever handed the file in. Whether its text is there already is looked at with that member's
    eyes, never with those of whoever runs this: a file is not tied to a document that its member may not see.

    Args:
        database: An open one.
        tenant_id: The tenant.
        file_id: The file.
        caller: The member who handed it in, where that is who calls: their type may be narrowed.

    Raises:
        NotFound: When there is no such file, or its document was deleted.
        Conflict: When it has not been parsed, has failed, or is an archive.
    """
    with database.transaction(background(tenant_id)) as transaction:
        row = parsed_file(transaction, file_id)
        known = _known(transaction, file_id, row)
        if known is not None or row is None:
            return cast("StoredDocument", known)
        creator = row["created_by"]
        if creator is not None and not member_exists(transaction, creator):
            creator = None  # has left the tenant: what counts as there already is what everybody sees
    new = _document_of(file_id, row)
    chunks = split_document(new.content)
    with database.transaction(caller or Caller(tenant_id, creator)) as transaction:
        with transaction.unrestricted():
            known = _known(transaction, file_id, locked_file(transaction, file_id))
        if known is not None:
            return known
        document_id = reserve_id(transaction, new)
        same = find_same(transaction, new)
        if same is None:
            store(transaction, document_id, new, chunks)
            record(transaction, "ingest", [("document", document_id)])
        with transaction.unrestricted():
            mark_stored(transaction, file_id, same.id if same else document_id)
    if same is not None:
        return StoredDocument(same.id, same.chunks, same.status, same.id)
    return StoredDocument(document_id, len(chunks), "queued", None)


def _known(transaction: Transaction, file_id: int, row: Row | None) -> StoredDocument | None:
    """Return the document that a file has already; None when its text is to be stored."""
    about = ("file", file_id)
    if row is None:
        raise NotFound("There is no such file.", about=about)
    if row["document_id"] is not None:
        state = document_state(transaction, row["document_id"])
        if state is None:
            raise NotFound("There is no such file.", about=about)
        return StoredDocument(state.id, state.chunks, state.status, state.id)
    if row["status"] == "completed":
        raise Conflict("This file has no text of its own: store the files inside of it.", about=about)
    if row["status"] == "failed":
        raise Conflict("This file could not be read; get_ingest_status says why.", about=about)
    if row["step"] != "store":
        raise Conflict("This file has not been parsed yet.", about=about)
    return None


def _document_of(file_id: int, row: Row) -> NewDocument:
    """Make the document of a file's row."""
    return NewDocument(
        title=row["title"] or row["name"].rpartition("/")[2].strip()[:_LONGEST_TITLE] or "Document",
        content=row["parsed"],
        visibility=row["visibility"],
        language=row["language"] or told_language(row["parsed"]),
        category=row["category"],
        assigned_to=row["assigned_to"],
        created_by=row["created_by"],
        tags=tuple(row["tags"]),
        expires_at=row["expires_at"],
        source=row["source"],
        source_url=row["source_url"],
        metadata=row["metadata"],
        idempotency_key=f"file:{file_id}",
        media_type=row["media_type"],
        page_count=row["page_count"],
        ocr_confidence=row["ocr_confidence"],
    )
