"""Documents and their chunks in the database: storing, finding what is the same, deleting, and who may.

Shared module. Every statement names the tenant beside the policies that enforce it. A document and its chunks are
written by one transaction.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from f.core.chunking import Chunk
from f.core.database import Row, Transaction
from f.core.errors import Forbidden, NotFound
from f.core.hidden_text import visible_text
from f.core.identity import Caller

VISIBILITIES = ("everyone", "adults_only", "admins_only", "private")
STORED_AT_ONCE = 1_000
"""Chunks that one statement stores: some two seconds of work, and the memory that a large text takes more than once."""
_HASHED_AT_ONCE = 1_000_000
_SPACE = re.compile(r"\s")
_SIGHT_NEEDED = {"adults_only": 2, "admins_only": 3}

_RESERVE = """
-- A new id, while any other ingestion of the same text, or with the same key, waits for the end of this transaction.
SELECT count(pg_advisory_xact_lock(name)) AS locks, new_id('documents_id_seq')::integer AS id
FROM (SELECT DISTINCT hashtextextended(unnest(%(names)s), 0) AS name ORDER BY 1) AS names
"""

_FIND_BY_KEY = """
-- What this caller has stored under this key, whatever may be seen of it: it is the caller's own. It is the same also
-- when it has been edited since.
SELECT id, chunk_count, status, content_hash = %(content_hash)s OR EXISTS (
           SELECT FROM document_versions AS v
           WHERE v.tenant_id = %(tenant)s AND v.document_id = documents.id AND v.content_hash = %(content_hash)s
       ) AS same_content
FROM documents
WHERE tenant_id = %(tenant)s AND deleted_at IS NULL AND idempotency_key = %(key)s
  AND created_by IS NOT DISTINCT FROM %(member)s
"""

_FIND_BY_CONTENT = """
-- The same text, if the caller may see it.
SELECT id, chunk_count, status, true AS same_content
FROM documents
WHERE tenant_id = %(tenant)s AND deleted_at IS NULL AND content_hash = %(content_hash)s
ORDER BY created_at, id LIMIT 1
"""

CHUNKS = """
-- Chunks with their words: by their document's title and their headings too, and as a reader sees them, where that is
-- not how they were written. The words are made once: OFFSET 0 keeps the planner from making them again to count them.
WITH chunk AS MATERIALIZED (
    SELECT given.*, made.words,
           (SELECT coalesce(sum(cardinality(word.positions)), 0) FROM unnest(made.words) AS word) AS word_count
    FROM unnest(%(starts)s::integer[], %(ends)s::integer[], %(pages)s::integer[], %(headings)s::text[],
                %(contents)s::text[], %(tokens)s::integer[], %(visible)s::text[])
         WITH ORDINALITY AS given (start_offset, end_offset, page, heading, content, token_count, visible, number)
    CROSS JOIN LATERAL (
        SELECT words_of(%(language)s,
                        coalesce(given.visible, concat_ws(' ', %(title)s, given.heading, given.content))) AS words
        OFFSET 0
    ) AS made
"""

_ADD_CHUNKS = """
INSERT INTO document_chunks (tenant_id, document_id, ordinal, start_offset, end_offset, page, heading, content,
                             token_count, words, word_count)
SELECT %(tenant)s, %(id)s, %(before)s + number - 1, start_offset, end_offset, page, heading, content, token_count,
       words, word_count
FROM chunk
"""

_STORE = f"""
-- A document with its first chunks, in one statement: most have no others.
{CHUNKS}), document AS (
    INSERT INTO documents (tenant_id, id, title, content, content_hash, category, visibility, assigned_to, created_by,
                           tags, language, source, source_url, metadata, idempotency_key, expires_at, chunk_count,
                           word_count, media_type, page_count, ocr_confidence)
    SELECT %(tenant)s, %(id)s, %(title)s, %(content)s, %(content_hash)s, %(category)s, %(visibility)s, %(assigned_to)s,
           %(member)s, %(tags)s::text[], %(language)s, %(source)s, %(source_url)s, %(metadata)s::jsonb, %(key)s,
           %(expires_at)s, %(chunk_count)s, sum(chunk.word_count), %(media_type)s, %(page_count)s, %(ocr_confidence)s
    FROM chunk
)
{_ADD_CHUNKS}"""  # noqa: S608 -- constants

_STORE_MORE = f"""
-- Further chunks of a document that this transaction has stored.
{CHUNKS})
{_ADD_CHUNKS}"""

_COUNT_WORDS = """
UPDATE documents SET word_count = (
    SELECT sum(word_count) FROM document_chunks WHERE tenant_id = %(tenant)s AND document_id = %(id)s
)
WHERE tenant_id = %(tenant)s AND id = %(id)s
"""

_OWNED = """
SELECT created_by, assigned_to, visibility FROM documents
WHERE tenant_id = %(tenant)s AND id = %(document)s AND deleted_at IS NULL
"""

_DELETE = """
UPDATE documents AS d SET deleted_at = now(), updated_at = now()
FROM tenants AS t
WHERE d.tenant_id = %(tenant)s AND d.id = %(document)s AND d.deleted_at IS NULL AND t.id = d.tenant_id
RETURNING d.deleted_at + make_interval(days => t.retention_days) AS kept_until
"""

_MEMBER = "SELECT 1 FROM family_members WHERE tenant_id = %s AND id = %s AND removed_at IS NULL"

_END_OF_DAY = """
-- As f.core.time_zones.end_of_day has it, here by the database: who stores a document does not wait for Python's zones.
SELECT (%(day)s::date + time '23:59:59') AT TIME ZONE time_zone AS moment FROM tenants WHERE id = %(tenant)s
"""

_STATE = """
SELECT id, status, chunk_count, version FROM documents WHERE tenant_id = %s AND id = %s AND deleted_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document as it is to be stored; every field has been checked.

    Without a language it has the tenant's. A day without a time at which it expires ends where the tenant is.
    """

    title: str
    content: str
    visibility: str
    language: str | None = None
    category: str | None = None
    assigned_to: int | None = None
    created_by: int | None = None
    tags: tuple[str, ...] = ()
    expires_at: date | None = None
    source: str | None = None
    source_url: str | None = None
    metadata: str = "{}"
    idempotency_key: str = ""
    media_type: str | None = None
    page_count: int | None = None
    ocr_confidence: float | None = None


@dataclass(frozen=True, slots=True)
class SameDocument:
    """A document that is there already: by its content, by the caller's key, or by both."""

    id: int
    chunks: int
    status: str
    same_content: bool


@dataclass(frozen=True, slots=True)
class DocumentState:
    """How far a document is."""

    id: int
    status: str
    chunks: int
    version: int


@lru_cache(maxsize=1)
def content_hash(content: str) -> bytes:
    """Return what makes two contents the same: SHA-256 of the text in NFC with white space folded.

    It is made piece by piece, so that a large text is not held as a list of its words. Pieces end before white space,
    where normalizing cannot join what is parted. What was last asked for is remembered: storing asks several times.
    """
    digest, at, gap = hashlib.sha256(), 0, b""
    while at < len(content):
        space = _SPACE.search(content, at + _HASHED_AT_ONCE)
        end = space.start() if space else len(content)
        if folded := " ".join(unicodedata.normalize("NFC", content[at:end]).split()):
            digest.update(gap + folded.encode())
            gap = b" "
        at = end
    return digest.digest()


def searched_text(title: str, heading: str | None, content: str) -> str:
    """Return what a chunk's words are taken from: its document's title, its headings and the passage."""
    return " ".join((title, heading or "", content))


def reserve_id(transaction: Transaction, new: NewDocument) -> int:
    """Return an id for a new document, holding back whoever is about to store the same one."""
    names = [content_hash(new.content).hex(), f"{new.created_by}:{new.idempotency_key}"]
    row = transaction.row(_RESERVE, {"names": [f"{transaction.tenant_id}:{name}" for name in names]})
    assert row is not None
    return int(row["id"])


def find_same(transaction: Transaction, new: NewDocument) -> SameDocument | None:
    """Return the document that is the same as a new one: of the caller's own key, or a text that the caller may see."""
    known = _identity_of(transaction, new)
    with transaction.unrestricted():
        row = transaction.row(_FIND_BY_KEY, known)
    row = row or transaction.row(_FIND_BY_CONTENT, known)
    if row is None:
        return None
    return SameDocument(row["id"], row["chunk_count"], row["status"], row["same_content"])


def expiry_moment(transaction: Transaction, given: date | None) -> datetime | None:
    """Return the moment at which something expires: of a day its last second in the tenant's time zone."""
    if given is None or isinstance(given, datetime):
        return given
    [row] = transaction.rows(_END_OF_DAY, {"tenant": transaction.tenant_id, "day": given})
    moment: datetime = row["moment"]
    return moment


def store(transaction: Transaction, document_id: int, new: NewDocument, chunks: Sequence[Chunk]) -> None:
    """Store a document and its chunks, some at a time; there must be at least one chunk."""
    language = new.language or transaction.language
    document = _identity_of(transaction, new) | {
        "id": document_id,
        "content": new.content,
        "category": new.category,
        "visibility": new.visibility,
        "assigned_to": new.assigned_to,
        "tags": list(new.tags),
        "source": new.source,
        "source_url": new.source_url,
        "metadata": new.metadata,
        "expires_at": expiry_moment(transaction, new.expires_at),
        "chunk_count": len(chunks),
        "media_type": new.media_type,
        "page_count": new.page_count,
        "ocr_confidence": new.ocr_confidence,
    }
    named = {"tenant": transaction.tenant_id, "id": document_id, "title": new.title, "language": language}
    for before in range(0, len(chunks), STORED_AT_ONCE):
        portion = chunks[before : before + STORED_AT_ONCE]
        some = chunk_columns(new.title, new.content, portion) | named | {"before": before}
        transaction.execute(_STORE_MORE if before else _STORE, some if before else document | some)
    if len(chunks) > STORED_AT_ONCE:
        with transaction.unrestricted():  # it may not be for who stores it
            transaction.execute(_COUNT_WORDS, named)
    from f.core.document_bands import write_bands  # noqa: PLC0415 -- who only reads documents does not wait for it

    write_bands(transaction, document_id, new.content, new=True)


def document_state(transaction: Transaction, document_id: int) -> DocumentState | None:
    """Return how far a document is, if the caller may see it."""
    row = transaction.row(_STATE, (transaction.tenant_id, document_id))
    return None if row is None else DocumentState(row["id"], row["status"], row["chunk_count"], row["version"])


def delete_document(transaction: Transaction, caller: Caller, document_id: int) -> datetime:
    """Delete a document softly, and return until when it is kept.

    Raises:
        NotFound: When there is no such document that the caller may see.
        Forbidden: When it is not the caller's to delete.
    """
    parameters = {"tenant": transaction.tenant_id, "document": document_id}
    if caller.is_named:
        found = transaction.row(_OWNED, parameters)
        if found is None:
            raise NotFound("There is no such document.", about=("document", document_id))
        require_right(transaction, document_id, found, "delete")
    with transaction.unrestricted():  # a policy lets nobody write a row that they could not read afterwards
        row = transaction.row(_DELETE, parameters)
    if row is None:
        raise NotFound("There is no such document.", about=("document", document_id))
    deleted: datetime = row["kept_until"]
    return deleted


def require_right(transaction: Transaction, document_id: int, found: Row, deed: str) -> None:
    """Check that a document is the member's to delete or to change: stored by them, private to them, or as an admin.

    Args:
        transaction: In whose name; the member sees the document.
        document_id: The document.
        found: Its ``created_by``, ``assigned_to`` and ``visibility``.
        deed: What is to be done, for the message.

    Raises:
        Forbidden: When it is not.
    """
    owned = transaction.member_id is not None and (
        found["created_by"] == transaction.member_id
        or (found["visibility"] == "private" and found["assigned_to"] == transaction.member_id)
    )
    if not owned and transaction.member_type != "admin":
        raise Forbidden(f"Only who stored a document, or an admin, can {deed} it.", about=("document", document_id))


def member_exists(transaction: Transaction, member_id: int) -> bool:
    """Tell whether the tenant has a member, who has not been removed."""
    return transaction.row(_MEMBER, (transaction.tenant_id, member_id)) is not None


def check_may_store(transaction: Transaction, caller: Caller, new: NewDocument) -> None:
    """Check that whom a document is for exists, and that a member stores only what they may see themselves.

    A back end that names nobody stores what it likes: it gets nothing back.

    Raises:
        NotFound: When there is no such member.
        Forbidden: When the caller could not see the document.
    """
    if new.assigned_to is not None and not member_exists(transaction, new.assigned_to):
        raise NotFound("There is no such member to assign the document to.", about=("member", new.assigned_to))
    if not caller.is_named:
        return
    own = new.assigned_to is not None and new.assigned_to == transaction.member_id
    if new.visibility == "private" and not own and transaction.member_type != "admin":
        raise Forbidden("A private document can be stored for yourself only.", about=("member", new.assigned_to))
    if transaction.sight < _SIGHT_NEEDED.get(new.visibility, 0):
        raise Forbidden("You can store only what you may see yourself.")


def chunk_columns(title: str, text: str, chunks: Sequence[Chunk]) -> dict[str, object]:
    """Return chunks of a text as the columns that ``CHUNKS`` takes."""
    headings = [heading_of(chunk) for chunk in chunks]
    contents = [text[chunk.start : chunk.end] for chunk in chunks]
    return {
        "starts": [chunk.start for chunk in chunks],
        "ends": [chunk.end for chunk in chunks],
        "pages": [chunk.page for chunk in chunks],
        "headings": headings,
        "contents": contents,
        "tokens": [chunk.token_count for chunk in chunks],
        "visible": [
            _visible_if_other(searched_text(title, heading, content))
            for heading, content in zip(headings, contents, strict=True)
        ],
    }


def heading_of(chunk: Chunk) -> str | None:
    """Return a chunk's headings as they are stored."""
    return " > ".join(chunk.heading_path) or None


def _visible_if_other(text: str) -> str | None:
    """Return what a reader sees of a text; None where that is the text itself, which need not be sent twice."""
    visible = visible_text(text)
    return None if visible == text else visible


def _identity_of(transaction: Transaction, new: NewDocument) -> dict[str, object]:
    """Return what tells whether a document is there already."""
    return {
        "tenant": transaction.tenant_id,
        "content_hash": content_hash(new.content),
        "key": new.idempotency_key,
        "member": new.created_by,
    }
