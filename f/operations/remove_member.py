# skip_result_postprocessing
"""Remove a member from a tenant.

Script for operators. From the end of this run on the member is let in nowhere, and each of their session tokens and
calendar feeds is revoked. What they stored stays; erase_member removes a member with all that is theirs.
"""

from typing import TypedDict

from f.core.arguments import MAXIMUM_ID, identifier, integer
from f.core.audit import record
from f.core.calendar_feeds import revoke_feeds
from f.core.database import OPERATORS_DATABASE, open_database
from f.core.errors import NotFound
from f.core.identity import background
from f.core.job import script
from f.core.session_tokens import revoke
from f.core.tenants import remove_member


class RemoveMemberData(TypedDict):
    """How many of the member's tokens, and of their calendar feeds, were valid until now."""

    revoked: int
    revoked_calendar_feeds: int


@script()
def main(tenant_id: str, user_member_id: int) -> RemoveMemberData:
    """Remove a member.

    Args:
        tenant_id: The tenant, a UUID.
        user_member_id: The member.
    """
    tenant = background(identifier("tenant_id", tenant_id))
    member = integer("user_member_id", user_member_id, 1, MAXIMUM_ID)
    with open_database(OPERATORS_DATABASE) as database, database.transaction(tenant) as transaction:
        if not remove_member(transaction, member):
            raise NotFound("There is no such member.")
        revoked = revoke(transaction, member)
        feeds = revoke_feeds(transaction, member)
        targets = [("token", token) for token in revoked] + [("calendar_feed", feed) for feed in feeds]
        record(transaction, "remove_member", [("member", member), *targets])
    return RemoveMemberData(revoked=len(revoked), revoked_calendar_feeds=len(feeds))
