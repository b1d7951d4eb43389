# skip_result_postprocessing
"""List the documents that deal with the same as one.

Script: it reads, and changes nothing. By the documents' embeddings, where the document has one, else by its words; the
answer says by which. Among what the caller may see, and nothing else: what is hidden changes neither order nor score.
"""

from typing import Literal

from f.core.arguments import MAXIMUM_ID, flag, integer
from f.core.database import admitted
from f.core.identity import identify
from f.core.job import script
from f.core.related import RelatedData, related_documents

MOST = 50


@script()
def main(
    document_id: int,
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    limit: int = 10,
    near_duplicates: bool = True,
) -> RelatedData:
    """List related documents.

    Args:
        document_id: The document.
        tenant_id: The tenant, a UUID.
        user_member_id: The member who acts. Without one the caller is the tenant's back end.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        limit: How many at most, from 1 to 50.
        near_duplicates: False leaves out documents that are nearly the same; otherwise they are marked.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    document = integer("document_id", document_id, 1, MAXIMUM_ID)
    most = integer("limit", limit, 1, MOST, default=10)
    with_same = flag("near_duplicates", near_duplicates, default=True)
    with admitted(caller) as database, database.transaction(caller) as transaction:
        return related_documents(transaction, document, most, near_duplicates=with_same)
