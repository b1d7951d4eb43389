# skip_result_postprocessing
"""List what a document was: its versions, newest first, with who changed what and when.

Script: reads only. A version is listed for who sees the document as it is now, and might have seen it as it was then;
what it changed is told to who may see the one before it, too.

The first line of this file keeps Windmill from writing null for "NaN" and "Infinity" inside of texts.
"""

from typing import Literal, TypedDict

from f.core.arguments import MAXIMUM_ID, integer, optional_integer
from f.core.database import admitted
from f.core.document_versions import VersionData, list_versions
from f.core.identity import identify
from f.core.job import script


class ListVersionsData(TypedDict):
    """A page of versions, newest first; ``next_before`` asks for the page of those before it."""

    versions: list[VersionData]
    has_more: bool
    next_before: int | None


@script()
def main(
    document_id: int,
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    limit: int = 20,
    before: int | None = None,
) -> ListVersionsData:
    """List a document's versions.

    Args:
        document_id: The document.
        tenant_id: The tenant, a UUID.
        user_member_id: The member who reads. Without one, only what is for everyone is found.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        limit: How many to return, from 1 to 100.
        before: Only versions before this one.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    document = integer("document_id", document_id, 1, MAXIMUM_ID)
    most = integer("limit", limit, 1, 100, default=20)
    older_than = optional_integer("before", before, 1, MAXIMUM_ID)
    with admitted(caller) as database, database.transaction(caller) as transaction:
        found = list_versions(transaction, document, most + 1, older_than)
    versions = found[:most]
    has_more = len(found) > most
    next_before = versions[-1]["version"] if has_more else None
    return ListVersionsData(versions=versions, has_more=has_more, next_before=next_before)
