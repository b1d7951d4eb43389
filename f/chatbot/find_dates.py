# skip_result_postprocessing
"""Find in a text when something expires, is renewed or is due, in English and Greek and every common form.

Script: reads a document that the caller may see, or a text that is given; nothing is stored and no model is asked. Each
date comes with the exact quote, its characters and page, and says where it is ambiguous or computed. What it suggests
as expires_at is for ingest or update_document to take.
"""

from typing import Literal, TypedDict

from f.core.arguments import choice, is_missing, optional_id, optional_text
from f.core.audit import record_reading
from f.core.database import admitted
from f.core.dates import COUNTING, KINDS, FoundDate, find_dates, suggested_expiry
from f.core.errors import InvalidArgument
from f.core.expiry import read_by
from f.core.identity import identify
from f.core.job import script

_LONGEST_TEXT = 1_000_000
_LONGEST_DOCUMENT = 5_000_000
_MOST_DATES = 1_000


class FindDatesData(TypedDict):
    """The dates in the order of the text; ``complete`` says whether all of the text was looked at and all are here.

    ``suggested_expires_at`` is the end of the earliest day of expiry to come that is not ambiguous, or null.
    """

    dates: list[FoundDate]
    suggested_expires_at: str | None
    date_order: Literal["day_first", "month_first"]
    time_zone: str
    complete: bool


@script()
def main(
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    document_id: int | None = None,
    text: str | None = None,
    kinds: list[str] | None = None,
) -> FindDatesData:
    """Find dates.

    Args:
        tenant_id: The tenant, a UUID.
        user_member_id: The member who acts. Without one the caller is the tenant's back end.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        document_id: The document to read; its first 5,000,000 characters are.
        text: A text to read instead, at most 1,000,000 characters.
        kinds: Which dates: expiry, renewal, due (these three by default), start, issued.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    document = optional_id("document_id", document_id)
    given = optional_text("text", text, _LONGEST_TEXT, lines=True)
    if (document is None) == (given is None):
        raise InvalidArgument("Give either document_id or text.")
    if not is_missing(kinds) and not isinstance(kinds, list):
        raise InvalidArgument("kinds must be a list of texts.")
    chosen = [choice("Each of kinds", kind, KINDS) for kind in kinds or COUNTING]
    with admitted(caller) as database, database.transaction(caller) as transaction:
        known = read_by(transaction, document, _LONGEST_DOCUMENT)
        if document is not None and known.visibility is not None:
            record_reading(transaction, [(document, known.visibility)])
    found = find_dates(given or known.content or "", known.date_order, KINDS)
    wanted = [one for one in found if one["kind"] in chosen]
    return FindDatesData(
        dates=wanted[:_MOST_DATES],
        suggested_expires_at=suggested_expiry(found, known.now, known.time_zone),
        date_order=known.date_order,
        time_zone=known.time_zone,
        complete=not known.longer and len(wanted) <= _MOST_DATES,
    )
