# skip_result_postprocessing
"""Tell what differs between two versions of a document: its fields, and its text by lines and words.

Script: reads only, and only versions that the caller may see. The first changes of the text are told with their place
in both versions; what was removed and added is counted over all of them.

The first line of this file keeps Windmill from writing null for "NaN" and "Infinity" inside of texts.
"""

from typing import Literal

from f.core.arguments import MAXIMUM_ID, integer, optional_integer
from f.core.database import admitted
from f.core.identity import identify
from f.core.job import script
from f.core.version_differences import ComparisonData, compare_versions


@script()
def main(
    document_id: int,
    version: int,
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    other_version: int | None = None,
    limit: int = 100,
) -> ComparisonData:
    """Compare two versions.

    Args:
        document_id: The document.
        version: The version from which the differences lead.
        tenant_id: The tenant, a UUID.
        user_member_id: The member who reads. Without one, only what is for everyone is found.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        other_version: The version to which they lead. Without one it is the document as it is.
        limit: The most changes of the text to return, from 1 to 1,000.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    document = integer("document_id", document_id, 1, MAXIMUM_ID)
    old = integer("version", version, 1, MAXIMUM_ID)
    new = optional_integer("other_version", other_version, 1, MAXIMUM_ID)
    most = integer("limit", limit, 1, 1_000, default=100)
    with admitted(caller) as database, database.transaction(caller) as transaction:
        return compare_versions(transaction, document, old, new, most)
