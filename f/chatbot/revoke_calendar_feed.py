# skip_result_postprocessing
"""Revoke a calendar feed, or all feeds of a member.

Script: from the end of this run on the address opens nothing. Members revoke their own, admins those of their tenant's
members, and a back end that names nobody any of its tenant. A repeat revokes nothing more. What a calendar program has
read before, it keeps until it asks again.
"""

from typing import Literal, TypedDict

from f.core.arguments import optional_id, optional_identifier
from f.core.audit import record
from f.core.calendar_feeds import owner_of, revoke_feeds
from f.core.database import admitted
from f.core.errors import Forbidden, InvalidArgument, NotFound
from f.core.identity import identify
from f.core.job import script


class RevokeCalendarFeedData(TypedDict):
    """How many feeds were valid until now."""

    revoked: int


@script()
def main(
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    feed_id: str | None = None,
    member_id: int | None = None,
) -> RevokeCalendarFeedData:
    """Revoke.

    Args:
        tenant_id: The tenant, a UUID.
        user_member_id: The member who acts. Without one the caller is the tenant's back end.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        feed_id: Only this feed; without it all of the member.
        member_id: Whose feeds, for admins and the back end; without it one's own.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    feed = optional_identifier("feed_id", feed_id)
    member = optional_id("member_id", member_id) or caller.member_id
    if member is None and feed is None:
        raise InvalidArgument("feed_id or member_id is missing.")
    with admitted(caller) as database, database.transaction(caller) as transaction:
        rules = transaction.member_type == "admin" or not caller.is_named
        if member != caller.member_id and not rules:
            raise Forbidden("Only admins revoke other members' calendar feeds.")
        if feed is not None:
            owner = owner_of(transaction, feed)
            if owner is None or not (owner == caller.member_id or rules) or (member_id and owner != member):
                raise NotFound("There is no such calendar feed.", about=("calendar_feed", feed))
            member = owner
        revoked = revoke_feeds(transaction, member, feed) if member is not None else []
        record(transaction, "revoke_calendar_feed", [("calendar_feed", one) for one in revoked])
    return RevokeCalendarFeedData(revoked=len(revoked))
