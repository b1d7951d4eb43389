# skip_result_postprocessing
"""Read the tenant's audit log: who did what to which id, when, and under which identity.

Script for admins, newest entry first. It holds no content. What operators did to the tenant stands there too.
"""

from typing import Literal, TypedDict

from f.core.arguments import identifier, integer, is_missing, moment, optional_id, optional_text
from f.core.audit import AuditEntry, read_entries, record
from f.core.database import admitted
from f.core.errors import Forbidden
from f.core.identity import identify
from f.core.job import script


class ReadAuditLogData(TypedDict):
    """A page of entries, newest first; ``next_before`` asks for the page of those before it."""

    entries: list[AuditEntry]
    has_more: bool
    next_before: str | None


@script()
def main(
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    action: str | None = None,
    acted_by: int | None = None,
    since: str | None = None,
    limit: int = 50,
    before: str | None = None,
) -> ReadAuditLogData:
    """Read the audit log.

    Args:
        tenant_id: The tenant, a UUID.
        user_member_id: The admin who reads.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        action: Only entries of this action, such as read_document.
        acted_by: Only what this member did or tried.
        since: Only entries from this moment on, in ISO 8601.
        limit: How many to return, from 1 to 500.
        before: Only entries before this one, by its id.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    wanted = {
        "action": optional_text("action", action, 100),
        "member": optional_id("acted_by", acted_by),
        "since": moment("since", since),
        "before": None if is_missing(before) else identifier("before", before),
    }
    most = integer("limit", limit, 1, 500, default=50)
    with admitted(caller) as database, database.transaction(caller) as transaction:
        if transaction.member_type != "admin":
            raise Forbidden("Only an admin can read the audit log.")
        found = read_entries(transaction, most + 1, wanted)
        record(transaction, "read_audit_log")
    entries = found[:most]
    has_more = len(found) > most
    return ReadAuditLogData(entries=entries, has_more=has_more, next_before=entries[-1]["id"] if has_more else None)
