# skip_result_postprocessing
"""Take a deleted document back: from the end of this run on it is found and cited as before.

Script: as long as the tenant keeps deleted documents, who could delete it may restore it; to everybody else there is
none. Its text, passages, vectors and versions are what they were. Where its idempotency key was used again meanwhile,
the newer document keeps it. A repeat is safe.
"""

from typing import Literal

from f.core.arguments import MAXIMUM_ID, integer
from f.core.audit import record
from f.core.database import admitted
from f.core.deleted_documents import RestoreData, restore_document
from f.core.identity import identify
from f.core.job import script


@script()
def main(
    document_id: int,
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
) -> RestoreData:
    """Restore a document.

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
        data = restore_document(transaction, caller, document)
        if data["restored"]:
            record(transaction, "restore_document", [("document", document)])
    return data
