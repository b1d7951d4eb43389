"""When documents expire, as a caller sees them: the list, and what a document's text is read by.

Shared module. Days are counted in the tenant's time zone; who may see what, the policies decide.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict, cast

from f.core.arguments import MAXIMUM_ID, optional_text
from f.core.database import Transaction
from f.core.date_forms import DateOrder
from f.core.errors import InvalidArgument, NotFound

DAYS_LEFT = "((d.expires_at AT TIME ZONE t.time_zone)::date - (now() AT TIME ZONE t.time_zone)::date)"
"""SQL: whole days until a document ``d`` of the tenant ``t`` expires; negative when its day is over."""
THRESHOLD = f"""CASE WHEN d.expires_at <= now() THEN 'expired'
            WHEN {DAYS_LEFT} <= 1 THEN '1_day'
            WHEN {DAYS_LEFT} <= 7 THEN '7_days'
            WHEN {DAYS_LEFT} <= 30 THEN '30_days' END"""
"""SQL: the threshold of notices that it has reached; NULL when none."""
_LONGEST_CURSOR = 200

_LIST = f"""
-- A page of the documents that expire, soonest first. A day before and after is left for the time zone, so that the
-- index on expires_at is used.
SELECT d.id AS document_id, d.title, d.category, d.visibility, d.assigned_to, d.expires_at,
       d.expires_at AT TIME ZONE t.time_zone AS expires_there, {DAYS_LEFT} AS days_left, {THRESHOLD} AS threshold
FROM documents AS d JOIN tenants AS t ON t.id = d.tenant_id
WHERE d.tenant_id = %(tenant)s AND d.deleted_at IS NULL AND d.expires_at IS NOT NULL
  AND d.expires_at < now() + make_interval(days => %(within_days)s + 2) AND {DAYS_LEFT} <= %(within_days)s
  AND (%(include_expired)s OR d.expires_at > now())
  AND (%(after_moment)s::timestamptz IS NULL
       OR (d.expires_at, d.id) > (%(after_moment)s::timestamptz, %(after_id)s::integer))
ORDER BY d.expires_at, d.id LIMIT %(limit)s
"""  # noqa: S608 -- constants

_READ_BY = """
-- How the tenant's dates are read, and a document's text, if one is named that the caller may see.
SELECT t.date_order, t.time_zone, now() AS moment, d.id, d.visibility, left(d.content, %(most)s) AS content,
       length(d.content) > %(most)s AS longer
FROM tenants AS t
LEFT JOIN documents AS d ON d.tenant_id = t.id AND d.id = %(document)s AND d.deleted_at IS NULL
WHERE t.id = %(tenant)s
"""


class ExpiringDocument(TypedDict):
    """A document and when it expires: the moment, and its day in the tenant's time zone.

    ``days_left`` counts days of the calendar there: 0 on the day itself, negative after it. ``threshold`` is the last
    one that has been reached, of 30_days, 7_days, 1_day and expired.
    """

    document_id: int
    title: str
    category: str | None
    assigned_to: int | None
    expires_at: str
    expires_on: str
    days_left: int
    threshold: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the moment and the id of its last document."""

    moment: datetime
    document_id: int


@dataclass(frozen=True, slots=True)
class ReadBy:
    """What a text is read by, and the text of a document where one was named.

    Attributes:
        date_order: The tenant's.
        time_zone: The tenant's.
        now: The moment.
        content: The document's text, or its beginning.
        longer: Whether there is more of it.
    """

    date_order: DateOrder
    time_zone: str
    now: datetime
    visibility: str | None = None
    content: str | None = None
    longer: bool = False


def list_expiring(
    transaction: Transaction, within_days: int, limit: int, after: Place | None, *, include_expired: bool
) -> list[tuple[ExpiringDocument, str]]:
    """Return documents that expire, soonest first, each with its visibility.

    Args:
        transaction: In whose name.
        within_days: The most days that are left.
        limit: How many at most.
        after: Where the page before ended.
        include_expired: Also those that have expired.
    """
    parameters = {
        "tenant": transaction.tenant_id,
        "within_days": within_days,
        "limit": limit,
        "after_moment": after.moment if after else None,
        "after_id": after.document_id if after else None,
        "include_expired": include_expired,
    }
    found: list[tuple[ExpiringDocument, str]] = []
    for row in transaction.rows(_LIST, parameters):
        visibility, there = row.pop("visibility"), row.pop("expires_there")
        row |= {"expires_at": row["expires_at"].isoformat(), "expires_on": there.date().isoformat()}
        found.append((cast("ExpiringDocument", dict(row)), visibility))
    return found


def read_by(transaction: Transaction, document_id: int | None, most: int) -> ReadBy:
    """Return what dates are read by, and the first characters of a document.

    Raises:
        NotFound: When a document is named and there is none such that the caller may see.
    """
    parameters = {"tenant": transaction.tenant_id, "document": document_id, "most": most}
    row = transaction.rows(_READ_BY, parameters)[0]
    if document_id is not None and row["id"] is None:
        raise NotFound("There is no such document.", about=("document", document_id))
    return ReadBy(
        row["date_order"], row["time_zone"], row["moment"], row["visibility"], row["content"], bool(row["longer"])
    )


def written_place(last: ExpiringDocument) -> str:
    """Write where a page ended, as a cursor for the next."""
    return base64.urlsafe_b64encode(json.dumps([last["expires_at"], last["document_id"]]).encode()).decode()


def optional_place(name: str, value: object) -> Place | None:
    """Read a cursor that may be missing.

    Raises:
        InvalidArgument: When it is none that ``written_place`` has written.
    """
    text = optional_text(name, value, _LONGEST_CURSOR)
    if text is None:
        return None
    try:
        moment, document_id = json.loads(base64.b64decode(text, altchars=b"-_", validate=True))
        place = Place(datetime.fromisoformat(moment), document_id)
    except (ValueError, TypeError, binascii.Error):
        raise InvalidArgument(f"{name} must be a next_cursor of an earlier answer.") from None
    right = place.moment.tzinfo and type(place.document_id) is int and 0 < place.document_id <= MAXIMUM_ID
    if not right:
        raise InvalidArgument(f"{name} must be a next_cursor of an earlier answer.")
    return place
