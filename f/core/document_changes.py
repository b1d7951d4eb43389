"""Changing a document: who may, into what, and what is kept of it as it was.

Shared module. A change is one transaction: the document's row is locked first; what it was goes to
``document_versions``, its chunks follow its text (``f.core.chunk_changes``), and its version grows by one. Whoever
changes says which version they have read; when it is another one by now, nothing is done. What would change nothing
makes no version, whichever was read, so that a repeat is safe.

Who may: the member who stored the document, the one to whom it is private, an admin who sees it, and a back end that
names nobody. Nobody makes of it what they could not have stored: it is for those who see it to make it seen by others,
an adult cannot put it out of their own sight, and only an admin gives it to another member as private.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import TypedDict

from f.core.chunk_changes import ChangedText, replace_chunks
from f.core.chunking import Chunk, split_document
from f.core.database import Row, Transaction
from f.core.documents import NewDocument, check_may_store, content_hash, require_right
from f.core.errors import Conflict, InvalidArgument, NotFound
from f.core.identity import Caller
from f.core.language import told_language

_SEARCHED = ("title", "content", "language")
"""What chunks are made of."""

_HOLD = """
-- The document as it is, and nobody changes it until this transaction ends.
SELECT version, title, CASE WHEN %(with_text)s THEN content END AS content, category, visibility, assigned_to, tags,
       language, expires_at, created_by, page_count
FROM documents
WHERE tenant_id = %(tenant)s AND id = %(document)s AND deleted_at IS NULL
FOR NO KEY UPDATE
"""

_KEEP = """
-- What it was, before it is changed.
INSERT INTO document_versions (tenant_id, document_id, version, title, content, content_hash, category, visibility,
                               assigned_to, tags, language, expires_at, changed_by, written_at)
SELECT tenant_id, id, version, title, content, content_hash, category, visibility, assigned_to, tags, language,
       expires_at, %(member)s, changed_at
FROM documents WHERE tenant_id = %(tenant)s AND id = %(document)s
"""

_CHANGE = """
UPDATE documents
SET version = version + 1, changed_at = now(), updated_at = now(), title = %(title)s, category = %(category)s,
    visibility = %(visibility)s, assigned_to = %(assigned_to)s, tags = %(tags)s::text[], language = %(language)s,
    expires_at = %(expires_at)s
WHERE tenant_id = %(tenant)s AND id = %(document)s
"""

_CHANGE_TEXT = """
UPDATE documents SET content = %(content)s, content_hash = %(content_hash)s, page_count = %(page_count)s
WHERE tenant_id = %(tenant)s AND id = %(document)s
"""

_SETTLE = """
-- What follows from its chunks: where each has its vector still, the document stays completed, with the mean of those;
-- otherwise it waits to be embedded, as a new one does.
WITH whole AS (
    SELECT count(*) AS chunks, sum(word_count) AS words, count(embedding) AS embedded,
           min(embedding_model) AS first_model, max(embedding_model) AS last_model,
           l2_normalize(avg(embedding)::vector) AS embedding
    FROM document_chunks WHERE tenant_id = %(tenant)s AND document_id = %(document)s
), verdict AS (
    SELECT d.id, d.status = 'completed' AND whole.embedded = whole.chunks
                 AND whole.first_model = d.embedding_model AND whole.last_model = d.embedding_model AS complete
    FROM documents AS d, whole WHERE d.tenant_id = %(tenant)s AND d.id = %(document)s
)
UPDATE documents AS d
SET chunk_count = whole.chunks, word_count = whole.words,
    status = CASE WHEN complete THEN 'completed' ELSE 'queued' END,
    embedding = CASE WHEN complete THEN whole.embedding END,
    embedding_model = CASE WHEN complete THEN d.embedding_model END,
    attempts = CASE WHEN complete THEN d.attempts ELSE 0 END, failure_code = NULL, failure_reason = NULL,
    next_attempt_at = NULL, lease_holder = NULL, lease_until = NULL
FROM whole, verdict
WHERE d.tenant_id = %(tenant)s AND d.id = verdict.id
"""

_OUTCOME = """
SELECT d.version, d.status, d.chunk_count AS chunks,
       (SELECT count(*) FROM document_chunks AS c
        WHERE c.tenant_id = %(tenant)s AND c.document_id = %(document)s AND c.embedding IS NULL) AS to_embed
FROM documents AS d WHERE d.tenant_id = %(tenant)s AND d.id = %(document)s
"""

_IS_SEEN = """
-- Whether the caller sees the document still.
SELECT id FROM documents WHERE tenant_id = %(tenant)s AND id = %(document)s
"""

_SAME_TEXT = """
-- Another document with the same text, if the caller may see it.
SELECT id FROM documents
WHERE tenant_id = %(tenant)s AND deleted_at IS NULL AND content_hash = %(content_hash)s AND id <> %(document)s
ORDER BY created_at, id LIMIT 1
"""


class ChangeData(TypedDict):
    """What a document is after a change.

    ``changed`` names the fields that are not what they were; none of them means that nothing was done. ``to_embed``
    says how many of its ``chunks`` wait for their vector; ``duplicate_of`` names another document with the same text.
    ``visible`` is whether the member who changed it sees it still: an admin may give it to another as private. For a
    back end that names nobody it is true: that embeds whatever its tenant has.
    """

    document_id: int
    version: int
    changed: list[str]
    chunks: int
    to_embed: int
    status: str
    duplicate_of: int | None
    visible: bool


@dataclass(frozen=True, slots=True)
class Fields:
    """What a version keeps of a document; without a content the text is not looked at."""

    title: str
    content: str | None
    category: str | None
    visibility: str
    assigned_to: int | None
    tags: tuple[str, ...]
    language: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Held:
    """A document that nobody else changes until the transaction ends."""

    id: int
    version: int
    fields: Fields
    page_count: int | None


def hold_document(transaction: Transaction, caller: Caller, document_id: int, *, with_text: bool) -> Held:
    """Lock a document that the caller may change.

    Args:
        transaction: In the caller's name.
        caller: Who wants to change it. A back end that names nobody may change any.
        document_id: The document.
        with_text: Whether its text is wanted too.

    Raises:
        NotFound: When there is no such document that the caller may see.
        Forbidden: When it is not the caller's to change.
    """
    parameters = {"tenant": transaction.tenant_id, "document": document_id, "with_text": with_text}
    if caller.is_named:
        found = transaction.row(_HOLD, parameters)
    else:
        with transaction.unrestricted():
            found = transaction.row(_HOLD, parameters)
    if found is None:
        raise NotFound("There is no such document.", about=("document", document_id))
    if caller.is_named:
        require_right(transaction, document_id, found, "change")
    return Held(document_id, found["version"], fields_of(found), found["page_count"])


def fields_of(row: Row) -> Fields:
    """Return the fields of a document or of a version, from its row."""
    return Fields(**{field.name: row[field.name] for field in fields(Fields)} | {"tags": tuple(row["tags"])})


def changed_fields(before: Fields, after: Fields) -> list[str]:
    """Name the fields that differ."""
    return [field.name for field in fields(Fields) if getattr(before, field.name) != getattr(after, field.name)]


def language_for(before: Fields, content: str) -> str:
    """Tell the language of a document's new text; one that was fixed against what its text told stays."""
    fixed = before.content is not None and told_language(before.content) not in (before.language, None)
    return before.language if fixed else told_language(content) or before.language


def change_document(
    transaction: Transaction,
    caller: Caller,
    held: Held,
    after: Fields,
    read_version: int,
    chunks: Sequence[Chunk] | None = None,
) -> ChangeData:
    """Make a document what it is to be.

    Args:
        transaction: The one that holds it.
        caller: In whose name.
        held: The document. With its text, where the title, the content or the language may change.
        after: What it is to be.
        read_version: The version that the caller has read.
        chunks: The new text, cut, where that has been done already.

    Raises:
        Conflict: When the document has been changed since it was read.
        NotFound: When the member does not exist to whom it is to be assigned.
        Forbidden: When the caller could not have stored it so.
        InvalidArgument: When it would be private to nobody.
    """
    before, changed = held.fields, changed_fields(held.fields, after)
    moved = (before.visibility, before.assigned_to) != (after.visibility, after.assigned_to)
    parameters: dict[str, object] = {"tenant": transaction.tenant_id, "document": held.id}
    if changed:
        if read_version != held.version:
            raise Conflict(
                f"The document has been changed since: it is at version {held.version:,} now, and nothing was done."
            )
        if moved:
            _check_may_become(transaction, caller, before, after)
        cut = _cut(after, chunks) if changed_searched(changed) else None
        with transaction.unrestricted():  # it may be seen by others from now on
            transaction.execute(_KEEP, parameters | {"member": transaction.member_id})
            transaction.execute(_CHANGE, parameters | _columns(after))
            if cut is not None:
                _change_text(transaction, held, after, cut)
    same = None
    if "content" in changed and after.content is not None:
        from f.core.document_bands import write_bands  # noqa: PLC0415 -- other changes do not wait for it

        write_bands(transaction, held.id, after.content)
        same = transaction.row(_SAME_TEXT, parameters | {"content_hash": content_hash(after.content)})
    with transaction.unrestricted():
        [outcome] = transaction.rows(_OUTCOME, parameters)
    return ChangeData(
        document_id=held.id,
        version=outcome["version"],
        changed=changed,
        chunks=outcome["chunks"],
        to_embed=outcome["to_embed"],
        status=outcome["status"],
        duplicate_of=same["id"] if same else None,
        visible=not (moved and caller.is_named) or transaction.row(_IS_SEEN, parameters) is not None,
    )


def changed_searched(changed: Sequence[str]) -> bool:
    """Tell whether any of these fields is one that chunks are made of."""
    return any(name in _SEARCHED for name in changed)


def _check_may_become(transaction: Transaction, caller: Caller, before: Fields, after: Fields) -> None:
    """Check that the caller could have stored the document for those whom it is to be for."""
    if after.visibility == "private" and after.assigned_to is None:
        raise InvalidArgument("A private document needs assigned_to: the member who may see it.")
    wanted = NewDocument(after.title, "", after.visibility, assigned_to=after.assigned_to)
    if after.assigned_to == before.assigned_to and after.visibility != "private":
        wanted = replace(wanted, assigned_to=None)  # whom it concerned before may have been removed since
    check_may_store(transaction, caller, wanted)


def _cut(after: Fields, chunks: Sequence[Chunk] | None) -> Sequence[Chunk]:
    """Cut the text, where that was not done."""
    if after.content is None:
        raise ValueError("A document is held with its text where what is searched changes.")
    return split_document(after.content) if chunks is None else chunks


def _change_text(transaction: Transaction, held: Held, after: Fields, chunks: Sequence[Chunk]) -> None:
    """Let the text, its chunks and all that is made of them follow."""
    assert after.content is not None
    before, parameters = held.fields, {"tenant": transaction.tenant_id, "document": held.id}
    if after.content != before.content:
        more = {
            "content": after.content,
            "content_hash": content_hash(after.content),
            "page_count": pages_in(after.content) or (1 if held.page_count == 1 else None),
        }
        transaction.execute(_CHANGE_TEXT, parameters | more)
    text = ChangedText(
        held.id,
        after.title,
        after.content,
        after.language,
        chunks,
        embeds_as_before=after.title == before.title,
        stems_as_before=after.language == before.language,
    )
    replace_chunks(transaction, text)
    transaction.execute(_SETTLE, parameters)


def pages_in(content: str) -> int | None:
    """Count the pages of a text; None when it has no form feed."""
    return content.count("\f") + 1 if "\f" in content else None


def _columns(after: Fields) -> dict[str, object]:
    """Return the fields beside the text as columns."""
    return {
        "title": after.title,
        "category": after.category,
        "visibility": after.visibility,
        "assigned_to": after.assigned_to,
        "tags": list(after.tags),
        "language": after.language,
        "expires_at": after.expires_at,
    }
