# skip_result_postprocessing
"""Try once more a file that could not be read, or a document that could not be embedded.

Script: what has failed waits again, with all its attempts before it. The backlog takes it up within minutes; parse_file
or embed do it at once, by its id. Members retry what they handed in or stored and what is private to them, admins what
they see, and a back end that names nobody anything of its tenant.
"""

from typing import Literal

from f.core.arguments import optional_id
from f.core.audit import record
from f.core.database import admitted
from f.core.errors import InvalidArgument
from f.core.identity import identify
from f.core.job import script
from f.core.retries import RetryData, retry_document, retry_file


@script()
def main(
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    document_id: int | None = None,
    file_id: int | None = None,
) -> RetryData:
    """Retry.

    Args:
        tenant_id: The tenant, a UUID.
        user_member_id: The member who acts. Without one the caller is the tenant's back end.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        document_id: A document that has failed.
        file_id: A file that has failed, instead of a document.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    document, file = optional_id("document_id", document_id), optional_id("file_id", file_id)
    if (document is None) == (file is None):
        raise InvalidArgument("Give one of document_id and file_id.")
    with admitted(caller) as database, database.transaction(caller) as transaction:
        if document is not None:
            told = retry_document(transaction, caller, document)
        else:
            told = retry_file(transaction, caller, file or 0)
        record(transaction, "retry_document", [("document", document) if document else ("file", file)])
    return told
