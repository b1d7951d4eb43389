"""How far files and documents are on their way in, as a member may see it.

Shared module. A file and its document are one thing here: how far it is, is what its document is once it has one. An
archive or a mail is as far as what was inside of it. A member sees what the documents are, or will be, for them; a back
end that names nobody sees what everybody does and what was handed in like that, and of the latter no names. What a
document has become since it was handed in counts.
"""

import re
from datetime import datetime
from typing import Literal, TypedDict, cast

from f.core.arguments import MAXIMUM_ID, integer, moment, optional_text
from f.core.database import Row, Transaction
from f.core.errors import InvalidArgument
from f.core.ocr_confidence import is_doubtful

Status = Literal["queued", "processing", "completed", "failed"]
MOST_INSIDE = 1_000
"""Files of an archive that are listed with it: the most that one may have."""
MOST_LISTED = 1_000
"""Files of a batch that are looked at when it is reported: the most that the flow ingest_files takes."""
_CURSOR = re.compile(r"(?P<at>[^|]{10,40})\|(?P<kind>file|document)\|(?P<id>\d{1,10})")
_LONGEST_CURSOR = 100

_FOR_ALL = "f.visibility = 'everyone' AND coalesce(d.visibility, 'everyone') = 'everyone'"
_TOLD = """(NOT %(nobody)s OR ((f.visibility = 'everyone' OR f.created_by IS NULL)
           AND (coalesce(d.visibility, 'everyone') = 'everyone' OR d.created_by IS NULL)))"""
"""Whether a back end that names nobody is told of a file and its document; of others the policies decide."""

_ITEM = f"""
-- Files with the state of their documents, and documents that came from no file. Background work sees all rows; then a
-- back end asks that named nobody, who gets what it handed in, without names, and what everybody sees.
WITH item AS (
    SELECT 'file' AS kind, f.id, f.parent_id, f.document_id, f.batch, f.media_type, f.page_count, f.ocr_pages,
           f.ocr_confidence, f.warnings, f.created_at,
           CASE WHEN NOT %(nobody)s OR {_FOR_ALL} THEN f.name END AS name,
           CASE WHEN coalesce(d.idempotency_key <> 'file:' || f.id, d.created_at < f.created_at) THEN d.id END
               AS duplicate_of,
           CASE WHEN d.id IS NULL THEN f.step ELSE 'embed' END AS step,
           coalesce(d.status, f.status) AS own_status, f.percent,
           CASE WHEN d.id IS NULL THEN f.attempts ELSE d.attempts END AS attempts,
           CASE WHEN d.id IS NULL THEN f.failure_code ELSE d.failure_code END AS failure_code,
           CASE WHEN d.id IS NULL THEN f.failure_reason ELSE d.failure_reason END AS failure_reason,
           CASE WHEN d.id IS NULL THEN f.next_attempt_at ELSE d.next_attempt_at END AS next_attempt_at,
           coalesce(d.started_at, f.started_at) AS started_at,
           CASE WHEN d.id IS NULL THEN f.completed_at ELSE d.completed_at END AS completed_at, d.chunk_count
    FROM files AS f LEFT JOIN documents AS d ON d.tenant_id = f.tenant_id AND d.id = f.document_id
    WHERE f.tenant_id = %(tenant)s AND (f.document_id IS NULL OR d.id IS NOT NULL) AND d.deleted_at IS NULL
      AND {_TOLD}
      AND CASE %(wanted)s WHEN 'file' THEN f.id = %(id)s OR f.parent_id = %(id)s
                          WHEN 'batch' THEN f.batch = %(batch)s AND f.parent_id IS NULL
                          WHEN 'own' THEN f.created_by IS NOT DISTINCT FROM %(member)s AND f.parent_id IS NULL
                          ELSE false END
    UNION ALL
    SELECT 'document', d.id, NULL, d.id, NULL, d.media_type, d.page_count, coalesce(f.ocr_pages, 0), d.ocr_confidence,
           coalesce(f.warnings, '{{}}'), d.created_at,
           CASE WHEN d.visibility = 'everyone' OR NOT %(nobody)s THEN d.title END, NULL, 'embed', d.status, 0,
           d.attempts, d.failure_code, d.failure_reason, d.next_attempt_at, d.started_at, d.completed_at, d.chunk_count
    FROM documents AS d LEFT JOIN LATERAL (
        SELECT f.ocr_pages, f.warnings FROM files AS f
        WHERE f.tenant_id = %(tenant)s AND f.document_id = d.id ORDER BY f.created_at, f.id LIMIT 1) AS f ON true
    WHERE d.tenant_id = %(tenant)s AND d.deleted_at IS NULL
      AND (NOT %(nobody)s OR d.visibility = 'everyone' OR d.created_by IS NULL)
      AND CASE %(wanted)s WHEN 'document' THEN d.id = %(id)s
                          WHEN 'own' THEN d.created_by IS NOT DISTINCT FROM %(member)s AND f.ocr_pages IS NULL
                          ELSE false END
), whole AS (
    SELECT item.*, inside.*,
           CASE WHEN own_status = 'completed' AND inside.unfinished > 0 THEN 'processing'
                WHEN own_status = 'completed' AND item.document_id IS NULL AND inside.failed > 0
                     AND inside.completed = 0 THEN 'failed'
                ELSE own_status END AS status
    FROM item CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE coalesce(d.status, f.status) IN ('queued', 'processing')) AS unfinished,
               count(*) FILTER (WHERE coalesce(d.status, f.status) = 'completed') AS completed,
               count(*) FILTER (WHERE coalesce(d.status, f.status) = 'failed') AS failed,
               count(*) FILTER (WHERE d.id IS NULL AND f.status = 'queued') AS to_store,
               min(f.failure_reason) AS inside_reason, min(f.failure_code) AS inside_code
        FROM files AS f LEFT JOIN documents AS d ON d.tenant_id = f.tenant_id AND d.id = f.document_id
        WHERE item.kind = 'file' AND f.tenant_id = %(tenant)s AND f.parent_id = item.id
          AND (f.document_id IS NULL OR d.id IS NOT NULL) AND d.deleted_at IS NULL AND {_TOLD}
    ) AS inside
)
"""  # noqa: S608 -- constants

_PAGE = f"""
{_ITEM}
SELECT page.*, embedded.chunks AS embedded_chunks
FROM (SELECT * FROM whole
      WHERE %(at)s::timestamptz IS NULL OR (created_at, kind, id) < (%(at)s::timestamptz, %(kind)s, %(before)s)
      ORDER BY (%(wanted)s = 'file' AND parent_id IS NULL) DESC, created_at DESC, kind DESC, id DESC
      LIMIT %(limit)s) AS page
LEFT JOIN LATERAL (
    SELECT count(c.embedding) AS chunks FROM document_chunks AS c
    WHERE c.tenant_id = %(tenant)s AND c.document_id = page.document_id AND page.own_status <> 'completed'
) AS embedded ON true
ORDER BY (%(wanted)s = 'file' AND parent_id IS NULL) DESC, created_at DESC, kind DESC, id DESC
"""  # noqa: S608 -- constants

_TOTALS = f"""
{_ITEM}
SELECT status, count(*) AS files FROM whole GROUP BY status
"""  # noqa: S608 -- constants


class InsideCounts(TypedDict):
    """How many of the files inside of an archive or mail are how far."""

    unfinished: int
    completed: int
    failed: int


class IngestItem(TypedDict):
    """A file or document on its way in; times are ISO 8601, ``percent`` is of the step.

    ``duplicate_of`` is its document where that was there already, from another file or a text. ``near_duplicates``
    are handed on by the flow that has just stored its document.
    """

    file_id: int | None
    parent_id: int | None
    document_id: int | None
    duplicate_of: int | None
    name: str | None
    batch: str | None
    status: Status
    step: str
    percent: int
    attempts: int
    error: str | None
    error_code: str | None
    next_attempt_at: str | None
    media_type: str | None
    pages: int | None
    ocr_pages: int
    ocr_confidence: float | None
    low_confidence: bool
    warnings: list[str]
    inside: InsideCounts | None
    created_at: str
    started_at: str | None
    completed_at: str | None
    near_duplicates: list[object]


class IngestStatusData(TypedDict):
    """What was asked for: ``status`` is that of all of it; ``totals`` counts a batch, as far as it has begun."""

    status: Status
    items: list[IngestItem]
    totals: dict[str, int] | None
    has_more: bool
    next_before: str | None


def ingest_status(
    transaction: Transaction, wanted: Literal["file", "document", "batch", "own"], *,
    nobody: bool, number: int | None = None, batch: str | None = None, before: str | None = None, limit: int = 50,
) -> IngestStatusData:  # fmt: skip
    """Tell how far files and documents are, newest first; a file comes first, then what was inside of it.

    Args:
        transaction: In whose name; background work where nobody is named.
        wanted: One file, one document, a batch, or what the caller has handed in.
        nobody: Whether a back end asks that names nobody.
        number: The file's or document's id.
        batch: The batch.
        before: ``next_before`` of the page before.
        limit: The most to return.
    """
    most = MOST_INSIDE + 1 if wanted == "file" else limit
    parameters = {
        "tenant": transaction.tenant_id,
        "member": transaction.member_id,
        "wanted": wanted,
        "nobody": nobody,
        "id": number,
        "batch": batch,
        "limit": most + 1,
    } | _cursor(before)
    rows = transaction.rows(_PAGE, parameters)
    items = [_item(row) for row in rows[:most]]
    counted = _counted(transaction, parameters) if wanted == "batch" else None
    deciding: set[str] = {item["status"] for item in items[: 1 if wanted == "file" else None]}
    return IngestStatusData(
        status=together({status for status, files in counted.items() if files} if counted else deciding),
        items=items,
        totals=counted,
        has_more=len(rows) > most,
        next_before=_cursor_of(rows[most - 1]) if len(rows) > most else None,
    )


def _counted(transaction: Transaction, parameters: dict[str, object]) -> dict[str, int]:
    """Count a batch by status."""
    counts = {row["status"]: int(row["files"]) for row in transaction.rows(_TOTALS, parameters)}
    return {status: counts.get(status, 0) for status in ("queued", "processing", "completed", "failed")}


def together(statuses: set[str]) -> Status:
    """Tell how far several are together: completed when none is under way and not all have failed."""
    if statuses & {"queued", "processing"}:
        return "queued" if statuses == {"queued"} else "processing"
    return "failed" if statuses == {"failed"} else "completed"


def _item(row: Row) -> IngestItem:
    """Give a row its public form."""
    total = row["unfinished"] + row["completed"] + row["failed"]
    is_container = total > 0 and row["document_id"] is None
    all_failed = is_container and row["status"] == "failed" and row["failure_code"] is None
    return IngestItem(
        file_id=row["id"] if row["kind"] == "file" else None,
        parent_id=row["parent_id"],
        document_id=row["document_id"],
        duplicate_of=row["duplicate_of"],
        name=row["name"],
        batch=row["batch"],
        status=cast("Status", row["status"]),
        step=("store" if row["to_store"] else "embed") if is_container else row["step"],
        percent=_percent(row, total),
        attempts=row["attempts"],
        error=row["inside_reason"] if all_failed else row["failure_reason"],
        error_code=row["inside_code"] if all_failed else row["failure_code"],
        next_attempt_at=_iso(row["next_attempt_at"]),
        media_type=row["media_type"],
        pages=row["page_count"],
        ocr_pages=row["ocr_pages"],
        ocr_confidence=row["ocr_confidence"],
        low_confidence=is_doubtful(row["ocr_confidence"]),
        warnings=row["warnings"],
        inside=InsideCounts(unfinished=row["unfinished"], completed=row["completed"], failed=row["failed"])
        if total
        else None,
        created_at=row["created_at"].isoformat(),
        started_at=_iso(row["started_at"]),
        completed_at=_iso(row["completed_at"]),
        near_duplicates=[],
    )


def _percent(row: Row, total: int) -> int:
    """Return how much of the step is done: of parsing as it says, of embedding by chunks, of an archive by files."""
    if row["status"] == "completed":
        return 100
    if row["document_id"] is not None:
        return int(100 * (row["embedded_chunks"] or 0) / max(1, row["chunk_count"]))
    if total:
        return int(100 * (row["completed"] + row["failed"]) / total)
    return int(row["percent"])


def _cursor(before: str | None) -> dict[str, object]:
    """Read where a page begins."""
    text = optional_text("before", before, _LONGEST_CURSOR)
    if text is None:
        return {"at": None, "kind": None, "before": None}
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise InvalidArgument("before must be the next_before of another page.")
    number = integer("before", int(found["id"]), 1, MAXIMUM_ID)
    return {"at": moment("before", found["at"]), "kind": found["kind"], "before": number}


def _cursor_of(row: Row) -> str:
    """Write where the page after a row begins."""
    return f"{row['created_at'].isoformat()}|{row['kind']}|{row['id']}"


def _iso(value: datetime | None) -> str | None:
    """Write a moment in ISO 8601."""
    return None if value is None else value.isoformat()
