# skip_result_postprocessing
"""Delete a document: from the end of this run on nobody finds, cites or is told anything of it.

Script: soft deletion. Search, chat, citations of old answers and all else stop in the same transaction; text, chunks
and vectors are purged when the tenant's retention is over. Members delete what they stored and what is private to them,
admins what they see, and a back end that names nobody any document of its tenant. A repeat finds no such document.
"""

from typing import Literal, TypedDict

from f.core.arguments import MAXIMUM_ID, integer
from f.core.audit import record
from f.core.database import admitted
from f.core.documents import delete_document
from f.core.identity import identify
from f.core.job import script


class DeleteDocumentData(TypedDict):
    """The document, and until when it is kept."""

    document_id: int
    kept_until: str


@script()
def main(
    document_id: int,
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
) -> DeleteDocumentData:
    """Delete a document.

    Args:
        document_id: The document.
        tenant_id: The tenant, a UUID.
        user_member_id: The member who acts. Without one the caller is the tenant's back end.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    document = integer("document_id", document_id, 1, MAXIMUM_ID)
    with admitted(caller) as database, database.transaction(caller) as transaction:
        kept_until = delete_document(transaction, caller, document)
        record(transaction, "delete_document", [("document", document)])
    return DeleteDocumentData(document_id=document, kept_until=kept_until.isoformat())
