# skip_result_postprocessing
"""List documents that expire, soonest first, with the days that are left in the tenant's time zone.

Script: one transaction, which reads what the caller may see. A page ends with a cursor for the next, and stays right
when documents come or go between them.
"""

from typing import Literal, TypedDict

from f.core.arguments import flag, integer
from f.core.audit import record_reading
from f.core.database import admitted
from f.core.expiry import ExpiringDocument, list_expiring, optional_place, written_place
from f.core.identity import identify
from f.core.job import script


class ListExpiringData(TypedDict):
    """A page of documents; ``next_cursor`` asks for the next one, and is null on the last."""

    documents: list[ExpiringDocument]
    next_cursor: str | None


@script()
def main(
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    within_days: int = 30,
    include_expired: bool = True,
    limit: int = 50,
    cursor: str | None = None,
) -> ListExpiringData:
    """List documents that expire.

    Args:
        tenant_id: The tenant, a UUID.
        user_member_id: The member who acts. Without one the caller is the tenant's back end.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        within_days: The most days that are left, from 0 (today) to 36,500.
        include_expired: Whether those that have expired are listed too; they come first.
        limit: How many to return, from 1 to 200.
        cursor: next_cursor of the page before.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    days = integer("within_days", within_days, 0, 36_500, default=30)
    expired = flag("include_expired", include_expired, default=True)
    most = integer("limit", limit, 1, 200, default=50)
    after = optional_place("cursor", cursor)
    with admitted(caller) as database, database.transaction(caller) as transaction:
        found = list_expiring(transaction, days, most + 1, after, include_expired=expired)
        record_reading(transaction, [(one["document_id"], visibility) for one, visibility in found[:most]])
    documents = [one for one, _ in found[:most]]
    return ListExpiringData(
        documents=documents, next_cursor=written_place(documents[-1]) if len(found) > most else None
    )
