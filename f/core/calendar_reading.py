"""Reading a calendar feed: whoever has its secret, as the member sees it now.

Shared module. What a feed shows is asked under the member's sight each time: a document that is hidden from the member
disappears from it. Whatever is wrong with a secret gets the same answer. That documents for admins or one member alone
were read is noted once a day and feed: programs come every few hours.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypedDict

from f.core.audit import record, record_reading
from f.core.calendar_feeds import NO_FEED, Named, named_feed, reader_of
from f.core.calendar_text import ExpiringDocument, calendar_text
from f.core.database import Transaction, open_database
from f.core.errors import NotFound
from f.core.identity import Caller

SHOWN_AFTER_DAYS = 30
MOST_EVENTS = 1_000

_READ = """
-- Notes that a feed is read, and tells whether it is the first time in a day: programs come every few hours.
WITH before AS (
    SELECT last_read_at FROM calendar_feeds WHERE tenant_id = %(tenant)s AND id = %(feed)s
), read AS (
    UPDATE calendar_feeds SET last_read_at = now()
    WHERE tenant_id = %(tenant)s AND id = %(feed)s AND revoked_at IS NULL
    RETURNING id
)
SELECT coalesce(before.last_read_at < now() - interval '1 day', true) AS first_in_a_day FROM before, read
"""

_EXPIRING = """
-- What expires, or has done so lately, of all that the member of this transaction may see; days are the tenant's.
SELECT d.id, d.title, d.category, d.visibility, d.changed_at,
       (d.expires_at AT TIME ZONE t.time_zone)::date AS expires_on
FROM documents AS d JOIN tenants AS t ON t.id = d.tenant_id
WHERE d.tenant_id = %(tenant)s AND d.deleted_at IS NULL AND d.expires_at > now() - make_interval(days => %(days)s)
ORDER BY d.expires_at, d.id LIMIT %(most)s
"""


class CalendarData(TypedDict):
    """A calendar, in the format iCalendar."""

    calendar: str


def read_feed(secret: object) -> CalendarData:
    """Return the calendar that a secret opens; the call counts as one of the member's.

    Raises:
        NotFound: When it opens none: one sentence, whatever the reason.
        TooManyRequests: When the member or the tenant has made too many calls.
    """
    named = named_feed(secret)
    if named is None:
        raise NotFound(NO_FEED)
    with _one_answer(), open_database() as database:
        caller = Caller(named.tenant_id, reader_of(database, named))
        with database.admit(caller).transaction(caller) as transaction:
            return _calendar(transaction, named)


def as_web_answer(data: Mapping[str, object]) -> dict[str, object]:
    """Answer a calendar program with the bare calendar; Windmill reads the keys.

    No other cache than the program's own keeps it, and each time it is asked for anew: it may have been revoked.
    """
    return {
        "wm_content_type": "text/calendar; charset=utf-8",
        "wm_headers": {
            "cache-control": "private, no-cache",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
        },
        "result": data["calendar"],
    }


def _calendar(transaction: Transaction, named: Named) -> CalendarData:
    """Put the calendar together, under the member's sight."""
    noted = transaction.row(_READ, {"tenant": named.tenant_id, "feed": named.feed_id})
    if noted is None:
        raise NotFound(NO_FEED)
    parameters = {"tenant": named.tenant_id, "days": SHOWN_AFTER_DAYS, "most": MOST_EVENTS}
    rows = transaction.rows(_EXPIRING, parameters)
    if noted["first_in_a_day"]:
        record(transaction, "read_calendar_feed", [("calendar_feed", named.feed_id)])
        record_reading(transaction, [(row["id"], row["visibility"]) for row in rows])
    documents = [ExpiringDocument(**{key: row[key] for key in ExpiringDocument.__slots__}) for row in rows]
    return CalendarData(calendar=calendar_text(named.tenant_id, documents, transaction.language))


@contextmanager
def _one_answer() -> Iterator[None]:
    """Let no tenant, no member and no feed all be told in the same words."""
    try:
        yield
    except NotFound:
        raise NotFound(NO_FEED) from None
