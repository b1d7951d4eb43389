# skip_result_postprocessing
"""Read a document: all that is known of it, and its text piece by piece, or one page of it.

Script: reads only. With ``version`` it reads what the document was before it was changed, so that a citation of that
time can be checked: content[start:end] of that version is the quote. An earlier version is shown to who sees the
document as it is now, and might have seen it as it was then.

The first line of this file keeps Windmill from writing null for "NaN" and "Infinity" inside of texts.
"""

from typing import Literal

from f.core.arguments import MAXIMUM_CONTENT, MAXIMUM_ID, integer, optional_integer
from f.core.database import admitted
from f.core.document_reading import DocumentData, read_document
from f.core.errors import InvalidArgument
from f.core.identity import identify
from f.core.job import script


@script()
def main(
    document_id: int,
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    version: int | None = None,
    page: int | None = None,
    offset: int = 0,
    limit: int = 50_000,
) -> DocumentData:
    """Read a document.

    Args:
        document_id: The document.
        tenant_id: The tenant, a UUID.
        user_member_id: The member who reads. Without one, only what is for everyone is found.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        version: What it was at this version, instead of what it is.
        page: Only this page, from 1, of a text that has pages.
        offset: Where the piece of the text begins, in characters from 0. Not with page.
        limit: The most characters to return, from 1 to 1,000,000.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    document = integer("document_id", document_id, 1, MAXIMUM_ID)
    wanted = optional_integer("version", version, 1, MAXIMUM_ID)
    one_page = optional_integer("page", page, 1, MAXIMUM_ID)
    first = integer("offset", offset, 0, MAXIMUM_CONTENT, default=0)
    most = integer("limit", limit, 1, 1_000_000, default=50_000)
    if one_page is not None and first:
        raise InvalidArgument("page goes without offset: go on behind a long page by offset alone.")
    with admitted(caller) as database, database.transaction(caller) as transaction:
        return read_document(transaction, document, version=wanted, page=one_page, offset=first, limit=most)
