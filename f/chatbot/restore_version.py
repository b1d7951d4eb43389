# skip_result_postprocessing
"""Make a document again what it was at an earlier version.

Script: a change like any other (``update_document``), to the state of a version that the caller may see: what the
document is now becomes an earlier version itself, and nothing is lost. Its rules are those of a change: who may change
the document, and into what; ``current_version`` is the one that the caller has read last. Passages that the document
has now, too, keep their vectors, the others wait to be embedded. Where it concerned a member who has left since, whom
it concerns stays as it is.
"""

from dataclasses import replace
from typing import Literal

from f.core.arguments import MAXIMUM_ID, integer
from f.core.audit import record
from f.core.database import admitted
from f.core.document_changes import ChangeData, change_document, hold_document
from f.core.document_versions import earlier_fields
from f.core.documents import member_exists
from f.core.identity import identify
from f.core.job import script


@script()
def main(
    document_id: int,
    version: int,
    current_version: int,
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
) -> ChangeData:
    """Restore a version.

    Args:
        document_id: The document.
        version: The version to go back to.
        current_version: The version that the document is at, as far as you know.
        tenant_id: The tenant, a UUID.
        user_member_id: The member who acts. Without one the caller is the tenant's back end.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    document = integer("document_id", document_id, 1, MAXIMUM_ID)
    wanted = integer("version", version, 1, MAXIMUM_ID)
    read_version = integer("current_version", current_version, 1, MAXIMUM_ID)
    with admitted(caller) as database, database.transaction(caller) as transaction:
        held = hold_document(transaction, caller, document, with_text=True)
        after = earlier_fields(transaction, caller, document, wanted)
        if after.visibility != "private" and after.assigned_to not in (None, held.fields.assigned_to):
            # A member who has left since keeps nobody from having the text back.
            there = member_exists(transaction, after.assigned_to)
            after = after if there else replace(after, assigned_to=held.fields.assigned_to)
        data = change_document(transaction, caller, held, after, read_version)
        if data["changed"]:
            record(transaction, "restore_version", [("document", document)])
    return data
