# skip_result_postprocessing
"""Make a calendar feed: a secret address under which a calendar program reads what expires.

Script: a feed of the member who asks. The secret is shown here and never again, neither is it stored; whoever has it
reads titles, categories and days of all that the member may see, as long as neither the feed is revoked nor the member
removed. It stands in an address, so it stands in the logs of every server on its way, and in Windmill's record of this
job and of each that reads the feed: who thinks it has got out revokes it and makes another. Earlier feeds stay valid.
"""

from typing import Literal, TypedDict

from f.core.audit import record
from f.core.calendar_feeds import ROUTE, create_feed, stored_type
from f.core.database import admitted
from f.core.errors import Forbidden, InvalidArgument
from f.core.identity import identify
from f.core.job import script


class CreateCalendarFeedData(TypedDict):
    """The feed, its secret, and the path of its address on Windmill's server."""

    feed_id: str
    secret: str
    path: str


@script()
def main(
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
) -> CreateCalendarFeedData:
    """Make a feed.

    Args:
        tenant_id: The tenant, a UUID.
        user_member_id: The member, whose feed it is.
        user_member_type: Narrows what the member may see; it never widens it. A feed shows all that the member may see.
        session_token: A signed token that names tenant and member, instead of the arguments.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    with admitted(caller) as database, database.transaction(caller) as transaction:
        if caller.member_id is None:
            raise InvalidArgument("user_member_id is missing: a calendar feed is a member's.")
        if stored_type(transaction, caller.member_id) != transaction.member_type:
            raise Forbidden("Who acts with a narrower user_member_type makes no calendar feed: it would show more.")
        feed, secret = create_feed(transaction, caller.member_id)
        record(transaction, "create_calendar_feed", [("calendar_feed", feed)])
    return CreateCalendarFeedData(feed_id=feed, secret=secret, path=f"{ROUTE}/{secret}")
