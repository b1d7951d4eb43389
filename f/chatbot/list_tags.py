# skip_result_postprocessing
"""List the tags of a tenant's documents, with how many documents have each.

Script: it reads, and changes nothing. Only documents that the caller may see count: a tag that none of them has is not
there, and what is hidden changes no count.
"""

from typing import Literal, TypedDict

from f.core.arguments import MAXIMUM_TAG, integer, optional_text
from f.core.database import admitted
from f.core.identity import identify
from f.core.job import script
from f.core.tags import TagCount, list_tags

MOST = 500


class ListTagsData(TypedDict):
    """A page of tags in the order of their characters; ``next_after`` continues with those behind it."""

    tags: list[TagCount]
    has_more: bool
    next_after: str | None


@script()
def main(
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    prefix: str | None = None,
    limit: int = 100,
    after: str | None = None,
) -> ListTagsData:
    """List tags.

    Args:
        tenant_id: The tenant, a UUID.
        user_member_id: The member who acts. Without one the caller is the tenant's back end.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        prefix: Only tags that begin so; upper and lower case are the same, and accents do not count.
        limit: How many tags at most, from 1 to 500.
        after: The next_after of the page before.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    begins = (optional_text("prefix", prefix, MAXIMUM_TAG) or "").strip()
    most = integer("limit", limit, 1, MOST, default=100)
    behind = optional_text("after", after, MAXIMUM_TAG)
    with admitted(caller) as database, database.transaction(caller) as transaction:
        tags = list_tags(transaction, begins, most + 1, behind)
    page = tags[:most]
    has_more = len(tags) > most
    return ListTagsData(tags=page, has_more=has_more, next_after=page[-1]["tag"] if has_more else None)
