"""Lists of documents: filters, order, pages, and how many there are of each category, tag, member and month.

Shared module. What is listed and counted is what the caller may see, which the policies decide; of deleted documents
what the caller may restore (``f.core.deleted_documents``). What is shown of documents that are for admins or for one
member alone is noted in the audit log.

Pages go on by keys: what is stored or removed meanwhile shifts nothing. A cursor is worth something for the tenant, the
filter and the order of the list that gave it, and for no other; it opens nothing, because each page is read under its
reader's sight.

A facet counts what the list would hold with another choice in it: categories are counted without the filter by
category, members without that by member, months without that by time of storing, and tags without that by tags, unless
all tags are to match: then each further one narrows the list, and is counted within it.
"""

import base64
import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Literal, TypedDict, get_args

from f.core.arguments import MAXIMUM_ID, integer, moment, required_text
from f.core.audit import record_reading
from f.core.database import Row, Transaction
from f.core.deleted_documents import MAY_RESTORE, viewer_of
from f.core.errors import InvalidArgument, TooLarge
from f.core.identity import Caller
from f.core.ocr_confidence import is_doubtful

Sort = Literal["created_at", "changed_at", "title", "expires_at"]
Order = Literal["asc", "desc"]
SORTS: tuple[Sort, ...] = get_args(Sort)
ORDERS: tuple[Order, ...] = get_args(Order)
LONGEST_CURSOR = 12_000
LONGEST_FACET = 100
"""Values of a facet that are told, those with most documents."""

_KEYS: dict[Sort, tuple[str, str]] = {
    "created_at": ("d.created_at", "timestamptz"),
    "changed_at": ("d.changed_at", "timestamptz"),
    "title": ("fold_accents(d.title)", "text"),
    "expires_at": ("d.expires_at", "timestamptz"),
}
"""By what each order sorts, and its type."""

_LISTED = """
-- The documents that are not left out by a filter that holds for all facets too; each remembers which others it passes.
WITH asked AS MATERIALIZED (
    SELECT array_remove(regexp_split_to_array(fold_accents(%(title)s), '\\s+'), '') AS words
), listed AS MATERIALIZED (
    SELECT d.id, {key} AS key, d.category, d.tags, d.assigned_to, d.created_at, t.time_zone, t.retention_days,
           %(category)s IS NULL OR d.category IS NOT DISTINCT FROM %(category)s AS of_category,
           %(any_tags)s::text[] IS NULL OR d.tags && %(any_tags)s::text[] AS of_tags,
           %(assigned_to)s IS NULL OR d.assigned_to IS NOT DISTINCT FROM %(assigned_to)s AS of_member,
           (%(created_from)s::timestamptz IS NULL OR d.created_at >= %(created_from)s::timestamptz)
           AND (%(created_to)s::timestamptz IS NULL OR d.created_at < %(created_to)s::timestamptz) AS of_time
    FROM documents AS d JOIN tenants AS t ON t.id = d.tenant_id
    WHERE d.tenant_id = %(tenant)s AND {there}
      AND (%(all_tags)s::text[] IS NULL OR d.tags @> %(all_tags)s::text[])
      AND (%(created_by)s IS NULL OR d.created_by = %(created_by)s)
      AND (%(visibility)s IS NULL OR d.visibility = %(visibility)s)
      AND (%(status)s IS NULL OR d.status = %(status)s)
      AND (%(media_type)s IS NULL OR d.media_type = %(media_type)s)
      AND (%(expiring_from)s::timestamptz IS NULL OR d.expires_at >= %(expiring_from)s::timestamptz)
      AND (%(expiring_before)s::timestamptz IS NULL OR d.expires_at < %(expiring_before)s::timestamptz)
      AND (%(title)s IS NULL OR NOT EXISTS (
          SELECT FROM asked, unnest(asked.words) AS word WHERE strpos(fold_accents(d.title), word) = 0))
), chosen AS MATERIALIZED (
    SELECT * FROM listed WHERE of_category AND of_tags AND of_member AND of_time
)
"""

_PAGE = """
SELECT d.id, d.version, d.title, d.category, d.tags, d.visibility, d.assigned_to, d.created_by, d.language, d.source,
       d.status, d.failure_code, d.media_type, d.page_count, d.ocr_confidence, d.chunk_count, d.expires_at,
       d.created_at, d.changed_at, d.deleted_at, page.key,
       d.deleted_at + make_interval(days => page.retention_days) AS kept_until
FROM (
    SELECT id, key, retention_days FROM chosen
    WHERE %(after_id)s IS NULL
       OR CASE WHEN %(after_key)s IS NULL THEN key IS NULL AND id {beyond} %(after_id)s
               ELSE key IS NULL OR (key, id) {beyond} (%(after_key)s::{type}, %(after_id)s) END
    ORDER BY key {order} NULLS LAST, id {order} LIMIT %(limit)s
) AS page
JOIN documents AS d ON d.tenant_id = %(tenant)s AND d.id = page.id
ORDER BY page.key {order} NULLS LAST, page.id {order}
"""

_COUNT = """
SELECT (SELECT count(*) FROM chosen) AS total,
       CASE WHEN %(facets)s THEN ARRAY(
           SELECT jsonb_build_object('value', category, 'documents', count(*)) FROM listed
           WHERE of_tags AND of_member AND of_time
           GROUP BY category ORDER BY count(*) DESC, category LIMIT %(longest)s) END AS categories,
       CASE WHEN %(facets)s THEN ARRAY(
           SELECT jsonb_build_object('value', tag, 'documents', count(*)) FROM listed, unnest(tags) AS tag
           WHERE of_category AND of_member AND of_time
           GROUP BY tag ORDER BY count(*) DESC, tag LIMIT %(longest)s) END AS tags,
       CASE WHEN %(facets)s THEN ARRAY(
           SELECT jsonb_build_object('value', assigned_to, 'documents', count(*)) FROM listed
           WHERE of_category AND of_tags AND of_time
           GROUP BY assigned_to ORDER BY count(*) DESC, assigned_to LIMIT %(longest)s) END AS members,
       CASE WHEN %(facets)s THEN ARRAY(
           SELECT jsonb_build_object('value', month, 'documents', count(*))
           FROM listed CROSS JOIN LATERAL (SELECT to_char(created_at AT TIME ZONE time_zone, 'YYYY-MM') AS month) AS at
           WHERE of_category AND of_tags AND of_member
           GROUP BY month ORDER BY month DESC LIMIT %(longest)s) END AS months
"""

_LIVING = "d.deleted_at IS NULL"


class ListedDocument(TypedDict):
    """A document without its text; ``deleted_at`` and ``kept_until`` are there for one that was deleted."""

    document_id: int
    version: int
    title: str
    category: str | None
    tags: list[str]
    visibility: str
    assigned_to: int | None
    created_by: int | None
    language: str
    source: str | None
    status: str
    failure_code: str | None
    media_type: str | None
    page_count: int | None
    low_confidence: bool
    chunks: int
    expires_at: str | None
    created_at: str
    changed_at: str
    deleted_at: str | None
    kept_until: str | None


class FacetValue(TypedDict):
    """How many documents have a value; null is for those that have none."""

    value: str | int | None
    documents: int


class Facets(TypedDict):
    """How many documents there are of each category, tag, member (assigned_to) and month (2027-01, newest first)."""

    categories: list[FacetValue]
    tags: list[FacetValue]
    members: list[FacetValue]
    months: list[FacetValue]


class ListData(TypedDict):
    """A page of a list; ``total`` is how long the list is, and ``next_cursor`` asks for the next page."""

    documents: list[ListedDocument]
    total: int
    next_cursor: str | None
    facets: Facets | None


@dataclass(frozen=True, slots=True)
class ListFilter:
    """Which documents are listed; what is None does not restrict."""

    category: str | None = None
    tags: list[str] = field(default_factory=list)
    tags_match: Literal["any", "all"] = "any"
    assigned_to: int | None = None
    created_by: int | None = None
    visibility: str | None = None
    status: str | None = None
    media_type: str | None = None
    title: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    expiring_from: datetime | None = None
    expiring_before: datetime | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """A list: what is in it, and in which order."""

    chosen: ListFilter
    sort: Sort
    order: Order


def list_documents(
    transaction: Transaction, caller: Caller, listing: Listing, *, limit: int, cursor: str | None, facets: bool
) -> ListData:
    """Return a page of a list.

    Args:
        transaction: In whose name.
        caller: The same.
        listing: Which list.
        limit: The most documents.
        cursor: Where the page begins; None is the beginning.
        facets: Whether to count by category, tag, member and month, too.

    Raises:
        InvalidArgument: When the cursor is not one of this list.
    """
    after = (None, None) if cursor is None else _read_cursor(cursor, transaction.tenant_id, listing)
    parameters = _parameters(transaction, listing.chosen) | {
        "after_key": after[0], "after_id": after[1], "limit": limit + 1, "facets": facets, "longest": LONGEST_FACET,
    }  # fmt: skip
    key, kind = _KEYS[listing.sort]
    there = MAY_RESTORE if listing.chosen.deleted else _LIVING
    listed = _LISTED.format(key=key, there=there)
    order = {"order": listing.order, "beyond": ">" if listing.order == "asc" else "<", "type": kind}
    statements = f"{listed}{_PAGE.format(**order)}", f"{listed}{_COUNT}"  # of constants of these modules
    if listing.chosen.deleted:
        parameters |= viewer_of(transaction, caller, sees_all=False)
        with transaction.unrestricted():
            rows, [counts] = (transaction.rows(statement, parameters) for statement in statements)
    else:
        rows, [counts] = (transaction.rows(statement, parameters) for statement in statements)
    page = rows[:limit]
    record_reading(transaction, [(row["id"], row["visibility"]) for row in page])
    return ListData(
        documents=[_listed(row) for row in page],
        total=counts["total"],
        next_cursor=_cursor(transaction.tenant_id, listing, page[-1]) if len(rows) > limit else None,
        facets=Facets(**{name: counts[name] for name in Facets.__annotations__}) if facets else None,  # type: ignore[typeddict-item]
    )


def _parameters(transaction: Transaction, chosen: ListFilter) -> dict[str, object]:
    """Return a filter as the statements take it."""
    tags = {"any_tags": None, "all_tags": None, f"{chosen.tags_match}_tags": chosen.tags or None}
    return {"tenant": transaction.tenant_id, **asdict(chosen), **tags}


def _listed(row: Row) -> ListedDocument:
    """Give a row its public form."""
    return ListedDocument(
        document_id=row["id"],
        version=row["version"],
        title=row["title"],
        category=row["category"],
        tags=row["tags"],
        visibility=row["visibility"],
        assigned_to=row["assigned_to"],
        created_by=row["created_by"],
        language=row["language"],
        source=row["source"],
        status=row["status"],
        failure_code=row["failure_code"],
        media_type=row["media_type"],
        page_count=row["page_count"],
        low_confidence=is_doubtful(row["ocr_confidence"]),
        chunks=row["chunk_count"],
        expires_at=_iso(row["expires_at"]),
        created_at=row["created_at"].isoformat(),
        changed_at=row["changed_at"].isoformat(),
        deleted_at=_iso(row["deleted_at"]),
        kept_until=_iso(row["kept_until"]),
    )


def _iso(value: datetime | None) -> str | None:
    """Write a moment that may be missing."""
    return value.isoformat() if value else None


def _cursor(tenant_id: str, listing: Listing, row: Row) -> str:
    """Write where the next page begins: behind a row."""
    key = row["key"].isoformat() if isinstance(row["key"], datetime) else row["key"]
    content = [_mark(tenant_id, listing, key, row["id"]), key, row["id"]]
    return base64.urlsafe_b64encode(json.dumps(content, ensure_ascii=False).encode()).decode()


def _read_cursor(cursor: str, tenant_id: str, listing: Listing) -> tuple[str | datetime | None, int]:
    """Read a cursor, which may be anything.

    Raises:
        InvalidArgument: When it is not one of this list.
    """
    try:
        mark, key, number = json.loads(base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True))
        if mark != _mark(tenant_id, listing, key, number):
            raise ValueError
        if listing.sort == "title":
            # A title that has nothing but marks of accents is ordered by an empty key.
            title = "" if key == "" else required_text("cursor", key, LONGEST_CURSOR, lines=True)
            return title, integer("cursor", number, 1, MAXIMUM_ID)
        return None if key is None else moment("cursor", key), integer("cursor", number, 1, MAXIMUM_ID)
    except (ValueError, TypeError, RecursionError, InvalidArgument, TooLarge):
        raise InvalidArgument("cursor is not one that this list, with this filter and order, has returned.") from None


def _mark(tenant_id: str, listing: Listing, key: object, number: object) -> str:
    """Hash what a cursor belongs to, so that one that was changed or is of another list is told from the right one."""
    return hashlib.sha256(repr((tenant_id, listing, key, number)).encode("utf-8", "surrogatepass")).hexdigest()[:32]
