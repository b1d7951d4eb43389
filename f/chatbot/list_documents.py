# skip_result_postprocessing
"""List documents: filtered, in order, page by page, and counted by category, tag, member and month.

Script: reads only, and counts nothing that the caller may not see. With ``deleted`` it lists what was deleted and the
caller may restore, each with the moment until which it is kept. A page goes on where the one before ended, whatever was
stored meanwhile. A facet counts without its own filter: categories as if no category were chosen, and so on; months
are those of the tenant's time zone. ``next_cursor`` asks for the next page of the same list.

The first line of this file keeps Windmill from writing null for "NaN" and "Infinity" inside of texts.
"""

from typing import Literal

from f.core.arguments import (
    MAXIMUM_CATEGORY,
    MAXIMUM_NAME,
    MAXIMUM_TITLE,
    choice,
    flag,
    integer,
    moment,
    optional_choice,
    optional_id,
    optional_label,
    optional_text,
    tag_list,
)
from f.core.database import admitted
from f.core.document_listing import LONGEST_CURSOR, ORDERS, SORTS, ListData, ListFilter, Listing, list_documents
from f.core.documents import VISIBILITIES
from f.core.identity import identify
from f.core.job import script


@script()
def main(
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    category: str | None = None,
    tags: list[str] | None = None,
    tags_match: Literal["any", "all"] = "any",
    assigned_to: int | None = None,
    created_by: int | None = None,
    visibility: Literal["everyone", "adults_only", "admins_only", "private"] | None = None,
    status: Literal["queued", "processing", "completed", "failed"] | None = None,
    media_type: str | None = None,
    title: str | None = None,
    created_from: str | None = None,
    created_to: str | None = None,
    expiring_from: str | None = None,
    expiring_before: str | None = None,
    deleted: bool = False,
    sort: Literal["created_at", "changed_at", "title", "expires_at"] = "created_at",
    order: Literal["asc", "desc"] | None = None,
    facets: bool = False,
    limit: int = 20,
    cursor: str | None = None,
) -> ListData:
    """List documents.

    Args:
        tenant_id: The tenant, a UUID.
        user_member_id: The member who reads. Without one, only what is for everyone is found.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        category: Only documents of this category.
        tags: Only documents with these tags.
        tags_match: Whether any of the tags is enough, or all are needed.
        assigned_to: Only documents that concern this member.
        created_by: Only documents that this member has stored.
        visibility: Only documents that are for these.
        status: Only documents that are so far.
        media_type: Only documents that came from files of this type, such as application/pdf.
        title: Only documents whose title holds each of these words or parts of words, in any order, case and accents.
        created_from: Only documents stored at this moment or later, in ISO 8601.
        created_to: Only documents stored before this moment, in ISO 8601.
        expiring_from: Only documents that expire at this moment or later, in ISO 8601.
        expiring_before: Only documents that expire before this moment, in ISO 8601.
        deleted: List what was deleted and can be restored by the caller, instead of what is there.
        sort: By what the list is sorted; what has no expiry comes last.
        order: Upwards or downwards; by default the newest first, titles from A, and what expires soonest first.
        facets: Whether to count by category, tag, member and month, too.
        limit: How many documents to return, from 1 to 100.
        cursor: Where the page begins: next_cursor of the page before, with the same filter and order.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    chosen = ListFilter(
        category=optional_label("category", category, MAXIMUM_CATEGORY),
        tags=tag_list("tags", tags),
        tags_match=choice("tags_match", tags_match, ("any", "all"), default="any"),
        assigned_to=optional_id("assigned_to", assigned_to),
        created_by=optional_id("created_by", created_by),
        visibility=optional_choice("visibility", visibility, VISIBILITIES),
        status=optional_choice("status", status, ("queued", "processing", "completed", "failed")),
        media_type=optional_text("media_type", media_type, MAXIMUM_NAME),
        title=optional_text("title", title, MAXIMUM_TITLE),
        created_from=moment("created_from", created_from),
        created_to=moment("created_to", created_to),
        expiring_from=moment("expiring_from", expiring_from),
        expiring_before=moment("expiring_before", expiring_before),
        deleted=flag("deleted", deleted, default=False),
    )
    by = choice("sort", sort, SORTS, default="created_at")
    way = optional_choice("order", order, ORDERS) or ("desc" if by in ("created_at", "changed_at") else "asc")
    counted = flag("facets", facets, default=False)
    most = integer("limit", limit, 1, 100, default=20)
    begin = optional_text("cursor", cursor, LONGEST_CURSOR)
    with admitted(caller) as database, database.transaction(caller) as transaction:
        listing = Listing(chosen, by, way)
        return list_documents(transaction, caller, listing, limit=most, cursor=begin, facets=counted)
