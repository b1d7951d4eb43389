"""Files that were handed in, and those that were inside of them: their rows, from the bytes to the document.

Shared module. A file is parsed under a lease with a heartbeat, which a killed run loses by time. Its bytes are kept
until it has been parsed, its text until its document is stored. What is inside of an archive or a mail has a row of its
own, with the fields of the whole, under the file that was handed in, however deep it was.

Rows are written with all of the tenant in sight, because a policy lets nobody write what they could not read
afterwards; what a caller may hand in and be told is settled before that (``incoming_files``).
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, count

from f.core.database import Row, Transaction
from f.core.errors import NotFound
from f.core.identity import Caller
from f.core.parsed_parts import ParsedPart, ParsingFailure
from f.core.waiting_documents import BACKING_OFF_SECONDS, MAXIMUM_ATTEMPTS

LEASE_SECONDS = 120
"""How long a file is held without a sign of life: parsing gives one every second, or ends."""
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_NOTHING_INSIDE = ParsingFailure("empty", "There is nothing in this file that could be read.")

_TAKE = """
-- Take files to parse: those that wait and are due, and, when one is named, also one that is not due, has failed, or
-- whose holder was killed.
WITH waiting AS (
    SELECT id FROM files
    WHERE tenant_id = %(tenant)s AND (%(file)s IS NULL OR id = %(file)s) AND step = 'parse' AND content IS NOT NULL
      AND ((status = 'queued' AND (next_attempt_at IS NULL OR next_attempt_at <= now() OR id = %(file)s))
           OR (id = %(file)s AND (status = 'failed'
               OR status = 'processing' AND (lease_until < now() OR lease_holder = %(holder)s))))
    ORDER BY created_at, id LIMIT 1
    FOR UPDATE SKIP LOCKED
)
UPDATE files AS f
SET status = 'processing', percent = 0, attempts = CASE WHEN f.status = 'failed' THEN 1 ELSE f.attempts + 1 END,
    lease_holder = %(holder)s, lease_until = now() + make_interval(secs => %(lease_seconds)s), next_attempt_at = NULL,
    started_at = now(), updated_at = now()
FROM waiting
WHERE f.tenant_id = %(tenant)s AND f.id = waiting.id
RETURNING f.id, f.name, f.content
"""

_HEARTBEAT = """
UPDATE files
SET percent = %(percent)s, lease_until = now() + make_interval(secs => %(lease_seconds)s), updated_at = now()
WHERE tenant_id = %(tenant)s AND id = %(file)s AND status = 'processing' AND lease_holder = %(holder)s
RETURNING id
"""

_PARSED = """
-- What parsing has found, if the file is still this run's: its text, which is to be stored; or none of its own, and
-- then it is done, or parsed again where something inside has failed that may pass: then its bytes are kept.
UPDATE files AS f
SET media_type = %(media_type)s, page_count = %(page_count)s, ocr_pages = %(ocr_pages)s,
    ocr_confidence = %(ocr_confidence)s, warnings = %(warnings)s::text[], title = coalesce(f.title, %(title)s),
    parsed = %(parsed)s, content = CASE WHEN %(parsed)s IS NULL AND %(passes)s THEN f.content END,
    step = CASE held.outcome WHEN 'store' THEN 'store' ELSE 'parse' END,
    status = CASE held.outcome WHEN 'done' THEN 'completed' ELSE 'queued' END,
    percent = CASE held.outcome WHEN 'done' THEN 100 ELSE 0 END,
    attempts = CASE held.outcome WHEN 'store' THEN 0 ELSE f.attempts END,
    completed_at = CASE held.outcome WHEN 'done' THEN now() END,
    next_attempt_at = CASE held.outcome WHEN 'again'
                      THEN now() + make_interval(secs => %(seconds)s * 2 ^ (f.attempts - 1)) END,
    failure_code = NULL, failure_reason = NULL, lease_holder = NULL, lease_until = NULL, updated_at = now()
FROM (SELECT id, CASE WHEN %(parsed)s IS NOT NULL THEN 'store'
                      WHEN %(passes)s AND attempts < %(maximum_attempts)s THEN 'again' ELSE 'done' END AS outcome
      FROM files
      WHERE tenant_id = %(tenant)s AND id = %(file)s AND status = 'processing' AND lease_holder = %(holder)s
      FOR UPDATE) AS held
WHERE f.tenant_id = %(tenant)s AND f.id = held.id
RETURNING f.id
"""

_ADD_INSIDE = """
-- What was inside, with the fields of the whole. What an earlier try has found is left, unless it had failed.
INSERT INTO files AS f (tenant_id, parent_id, name, batch, size_bytes, sha256, title, category, visibility, assigned_to,
                        created_by, tags, language, source, source_url, metadata, expires_at, media_type, parsed,
                        page_count, ocr_pages, ocr_confidence, warnings, step, status, failure_code, failure_reason)
SELECT whole.tenant_id, whole.id, part.name, whole.batch, part.size_bytes, part.sha256, part.title, whole.category,
       whole.visibility, whole.assigned_to, whole.created_by, whole.tags, whole.language, whole.source,
       whole.source_url, whole.metadata, whole.expires_at, part.media_type, part.parsed, part.page_count,
       part.ocr_pages, part.ocr_confidence, ARRAY(SELECT jsonb_array_elements_text(part.warnings::jsonb)),
       CASE WHEN part.code IS NULL THEN 'store' ELSE 'parse' END,
       CASE WHEN part.code IS NULL THEN 'queued' ELSE 'failed' END, part.code, part.reason
FROM files AS whole
CROSS JOIN unnest(%(names)s::text[], %(sizes)s::bigint[], %(hashes)s::bytea[], %(titles)s::text[], %(types)s::text[],
                  %(texts)s::text[], %(pages)s::integer[], %(ocr_pages)s::integer[], %(confidences)s::real[],
                  %(warnings)s::text[], %(codes)s::text[], %(reasons)s::text[])
    WITH ORDINALITY AS part (name, size_bytes, sha256, title, media_type, parsed, page_count, ocr_pages,
                             ocr_confidence, warnings, code, reason, number)
WHERE whole.tenant_id = %(tenant)s AND whole.id = %(file)s
ORDER BY part.number
ON CONFLICT (tenant_id, parent_id, name) WHERE parent_id IS NOT NULL DO UPDATE
SET size_bytes = excluded.size_bytes, sha256 = excluded.sha256, title = excluded.title, parsed = excluded.parsed,
    category = excluded.category, visibility = excluded.visibility, assigned_to = excluded.assigned_to,
    tags = excluded.tags, language = excluded.language, source = excluded.source, source_url = excluded.source_url,
    metadata = excluded.metadata, expires_at = excluded.expires_at,
    media_type = excluded.media_type, page_count = excluded.page_count, ocr_pages = excluded.ocr_pages,
    ocr_confidence = excluded.ocr_confidence, warnings = excluded.warnings, step = excluded.step,
    status = excluded.status, failure_code = excluded.failure_code, failure_reason = excluded.failure_reason,
    updated_at = now()
WHERE f.status = 'failed' AND f.step = 'parse'
"""

_FAIL = """
-- After a failure: wait for another try, or fail when there were enough or none would help.
UPDATE files
SET status = CASE WHEN %(passes)s AND attempts + %(begun)s < %(maximum_attempts)s THEN 'queued' ELSE 'failed' END,
    attempts = attempts + %(begun)s, failure_code = %(code)s, failure_reason = %(reason)s, percent = 0,
    media_type = coalesce(%(media_type)s, media_type), warnings = coalesce(%(warnings)s::text[], warnings),
    next_attempt_at = CASE WHEN %(passes)s AND attempts + %(begun)s < %(maximum_attempts)s
                           THEN now() + make_interval(secs => %(seconds)s * 2 ^ (attempts + %(begun)s - 1)) END,
    lease_holder = NULL, lease_until = NULL, updated_at = now()
WHERE tenant_id = %(tenant)s AND id = %(file)s
  AND CASE WHEN %(begun)s = 1 THEN status = 'queued' AND step = 'store'
           ELSE status = 'processing' AND lease_holder = %(holder)s END
RETURNING status
"""

_PARSED_FILE = """
SELECT id, name, title, category, visibility, assigned_to, created_by, tags, language, source, source_url,
       metadata::text AS metadata, expires_at, media_type, page_count, ocr_confidence, parsed, status, step,
       document_id, failure_code, failure_reason
FROM files WHERE tenant_id = %(tenant)s AND id = %(file)s
"""

_LOCK = "SELECT status, step, document_id FROM files WHERE tenant_id = %(tenant)s AND id = %(file)s FOR UPDATE"

_STORED = """
UPDATE files
SET status = 'completed', percent = 100, document_id = %(document)s, parsed = NULL, failure_code = NULL,
    failure_reason = NULL, next_attempt_at = NULL, completed_at = now(), updated_at = now()
WHERE tenant_id = %(tenant)s AND id = %(file)s
"""

_REQUEUE = """
-- Files whose run was killed: they wait again, or have failed when there were enough attempts.
UPDATE files
SET status = CASE WHEN attempts >= %(maximum_attempts)s THEN 'failed' ELSE 'queued' END, percent = 0,
    failure_code = 'interrupted', failure_reason = 'The run that parsed it ended without a word.',
    lease_holder = NULL, lease_until = NULL, updated_at = now()
WHERE tenant_id = %(tenant)s AND status = 'processing' AND (lease_until IS NULL OR lease_until < now())
RETURNING status
"""

_TO_STORE = """
SELECT id FROM files
WHERE tenant_id = %(tenant)s AND status = 'queued' AND step = 'store'
  AND (next_attempt_at IS NULL OR next_attempt_at <= now())
ORDER BY created_at, id LIMIT %(limit)s
"""

_PARTS = """
-- A file and what was inside of it, each with the state of its document once it has one; the file itself comes first.
SELECT f.id, f.name, f.media_type, f.page_count, f.ocr_pages, f.ocr_confidence, f.warnings, f.document_id, f.step,
       f.created_by IS NULL AND d.created_by IS NULL AS is_nobodys, coalesce(d.status, f.status) AS status,
       coalesce(d.failure_code, f.failure_code) AS failure_code,
       coalesce(d.failure_reason, f.failure_reason) AS failure_reason
FROM files AS f LEFT JOIN documents AS d ON d.tenant_id = f.tenant_id AND d.id = f.document_id
WHERE f.tenant_id = %(tenant)s AND (f.id = %(file)s OR f.parent_id = %(file)s) AND d.deleted_at IS NULL
ORDER BY f.parent_id NULLS FIRST, f.name
"""

_SEEN = "SELECT id FROM files WHERE tenant_id = %(tenant)s AND (id = %(file)s OR parent_id = %(file)s)"


@dataclass(frozen=True, slots=True)
class HeldFile:
    """A file that this run may parse."""

    id: int
    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """A file, or one that was inside of it, and how far it or its document is.

    ``is_told`` says whether the caller may know of it, and not only work on it; without a name, where that is hidden.
    """

    id: int
    name: str | None
    is_told: bool
    status: str
    step: str
    document_id: int | None
    media_type: str | None
    page_count: int | None
    ocr_pages: int
    ocr_confidence: float | None
    warnings: list[str]
    failure_code: str | None
    failure_reason: str | None


def take(transaction: Transaction, holder: str, *, file_id: int | None = None) -> HeldFile | None:
    """Take a file to parse: the next one that waits, or the one that is named; None when there is none to take.

    Args:
        transaction: Background work of the tenant.
        holder: This run, which gets back what it held before it was killed.
        file_id: Only this one; also one that has failed and whose bytes are there.
    """
    parameters = _of(transaction, file_id) | {"holder": holder, "lease_seconds": LEASE_SECONDS}
    row = transaction.row(_TAKE, parameters)
    return None if row is None else HeldFile(row["id"], row["name"], bytes(row["content"]))


def keep(transaction: Transaction, file_id: int, holder: str, percent: int) -> bool:
    """Keep a file for another lease, and tell whether it is still this run's."""
    parameters = _of(transaction, file_id) | {
        "holder": holder,
        "lease_seconds": LEASE_SECONDS,
        "percent": min(99, max(0, percent)),
    }
    return transaction.row(_HEARTBEAT, parameters) is not None


def finish(transaction: Transaction, file_id: int, holder: str, parts: Sequence[ParsedPart]) -> None:
    """Write what parsing has found: the file's own text or failure, and what was inside.

    A run that has lost its lease writes nothing. Where nothing but something inside has failed, and may pass, the
    whole is parsed again later; what was found is kept.
    """
    whole, inside = parts[0], [part for part in parts[1:] if part.text or part.failure]
    failure = whole.failure
    if failure is None and not whole.text and not inside:
        failure = _NOTHING_INSIDE
    if failure is not None:
        fail(transaction, file_id, holder, failure, whole)
        return
    parameters = _of(transaction, file_id) | {
        "holder": holder,
        "media_type": whole.media_type[:200] or None,
        "page_count": whole.page_count or None,
        "ocr_pages": whole.ocr_pages,
        "ocr_confidence": whole.ocr_confidence,
        "warnings": list(whole.warnings),
        "title": _storable(whole.title),
        "parsed": _storable(whole.text) or None,
        "passes": any(part.failure.passes for part in inside if part.failure),
        "maximum_attempts": MAXIMUM_ATTEMPTS,
        "seconds": BACKING_OFF_SECONDS,
    }
    if transaction.row(_PARSED, parameters) is not None and inside:
        transaction.execute(_ADD_INSIDE, _of(transaction, file_id) | _columns(inside))


def fail(
    transaction: Transaction,
    file_id: int,
    holder: str | None,
    failure: ParsingFailure,
    part: ParsedPart | None = None,
    *,
    passes: bool | None = None,
) -> str | None:
    """Note a failure: the file waits for another try, or has failed; None when it is not this run's any more.

    Args:
        transaction: Background work of the tenant.
        file_id: The file.
        holder: The run that parses it; None when its document could not be stored.
        failure: Why.
        part: What is known of the file all the same.
        passes: Whether another try may succeed; by default what the failure says.
    """
    parameters = _of(transaction, file_id) | {
        "holder": holder,
        "begun": 1 if holder is None else 0,
        "code": failure.code,
        "reason": failure.reason[:500],
        "passes": failure.passes if passes is None else passes,
        "media_type": (part.media_type[:200] or None) if part else None,
        "warnings": list(part.warnings) if part else None,
        "maximum_attempts": MAXIMUM_ATTEMPTS,
        "seconds": BACKING_OFF_SECONDS,
    }
    row = transaction.row(_FAIL, parameters)
    return None if row is None else str(row["status"])


def parsed_file(transaction: Transaction, file_id: int) -> Row | None:
    """Return a file's row with its text and fields, if it is there."""
    return transaction.row(_PARSED_FILE, _of(transaction, file_id))


def locked_file(transaction: Transaction, file_id: int) -> Row | None:
    """Return a file's state, and hold it until the end of this transaction."""
    return transaction.row(_LOCK, _of(transaction, file_id))


def mark_stored(transaction: Transaction, file_id: int, document_id: int) -> None:
    """Note the document that came out of a file, or that was there already; the text is kept by it from now on."""
    transaction.execute(_STORED, _of(transaction, file_id) | {"document": document_id})


def requeue_files(transaction: Transaction) -> list[str]:
    """Let the tenant's files wait again whose run was killed, and return what each is now: queued, or failed."""
    parameters = _of(transaction, None) | {"maximum_attempts": MAXIMUM_ATTEMPTS}
    return [row["status"] for row in transaction.rows(_REQUEUE, parameters)]


def files_to_store(transaction: Transaction, limit: int) -> list[int]:
    """Return files of the tenant that have been parsed and whose document waits to be stored."""
    return [row["id"] for row in transaction.rows(_TO_STORE, _of(transaction, None) | {"limit": limit})]


def parts_of(transaction: Transaction, caller: Caller, file_id: int) -> list[Part]:
    """Return a file that is the caller's to work on and what was inside of it, without what has been deleted since.

    What was inside and is hidden from a member is not there. A back end that names nobody works on all of it, and is
    told of what everybody sees and, without names, of what was handed in like that.

    Raises:
        NotFound: When the file's document has been deleted.
    """
    seen = {row["id"] for row in transaction.rows(_SEEN, _of(transaction, file_id))}
    with transaction.unrestricted():
        rows = transaction.rows(_PARTS, _of(transaction, file_id))
    if not rows or rows[0]["id"] != file_id:
        raise NotFound("There is no such file.", about=("file", file_id))
    if caller.is_named:
        rows = [row for row in rows if row["id"] in seen or row["id"] == file_id]
    return [_part(row, is_seen=row["id"] in seen, names_nobody=not caller.is_named) for row in rows]


def _part(row: Row, *, is_seen: bool, names_nobody: bool) -> Part:
    """Give a row its form, without the name of what is not seen."""
    is_nobodys = row.pop("is_nobodys")
    return Part(**row | {"name": row["name"] if is_seen else None}, is_told=is_seen or (names_nobody and is_nobodys))


def _of(transaction: Transaction, file_id: int | None) -> dict[str, object]:
    """Name a file of the transaction's tenant."""
    return {"tenant": transaction.tenant_id, "file": file_id}


def _columns(inside: Sequence[ParsedPart]) -> dict[str, object]:
    """Return what was inside as columns."""
    names: set[str] = set()
    return {
        "names": [_name_of(part, names) for part in inside],
        "sizes": [part.size_bytes for part in inside],
        "hashes": [part.sha256 for part in inside],
        "titles": [_storable(part.title) for part in inside],
        "types": [part.media_type[:200] or None for part in inside],
        "texts": [None if part.failure else _storable(part.text) for part in inside],
        "pages": [part.page_count or None for part in inside],
        "ocr_pages": [part.ocr_pages for part in inside],
        "confidences": [part.ocr_confidence for part in inside],
        "warnings": [json.dumps(part.warnings) for part in inside],
        "codes": [part.failure.code if part.failure else None for part in inside],
        "reasons": [part.failure.reason[:500] if part.failure else None for part in inside],
    }


def _name_of(part: ParsedPart, names: set[str]) -> str:
    """Return the way to a part as its name, and note it; one that is taken is numbered until it is free."""
    name = (_storable("/".join(part.path) or part.name) or "file")[-490:]
    numbered = (f"{name} ({number})" for number in count(2))
    free = next(each for each in chain([name], numbered) if each not in names)
    names.add(free)
    return free


def _storable(text: str | None) -> str | None:
    """Return a text with what the database cannot keep replaced."""
    return _UNSTORABLE.sub("\ufffd", text) if text else text
