"""The audit log: who did what to which id, when, and under which identity. Never any content.

Shared module. An entry is written in the transaction of what it tells of, so that there is neither one without the
other; what was denied is written in a transaction of its own. The logins add entries and cannot change them.
"""

import os
from collections.abc import Iterable, Mapping
from typing import TypedDict, cast

from f.core.database import MEMBERS_DATABASE, Transaction, open_database
from f.core.errors import CallerMistake, KnowledgeError
from f.core.identity import Caller
from f.core.job import job_id

_GUARDED = ("admins_only", "private")
"""Visibilities whose documents' reading is noted."""

_RECORD = """
INSERT INTO audit_log (tenant_id, identity, member_id, token_id, action, outcome, target_type, target_id, job_id)
SELECT %(tenant)s, %(identity)s, %(member)s, %(token)s, %(action)s, %(outcome)s, target.type, target.id, %(job)s
FROM unnest(%(types)s::text[], %(ids)s::text[]) AS target (type, id)
"""

_READ = """
SELECT id::text, occurred_at, identity, member_id, token_id::text, action, outcome, target_type, target_id
FROM audit_log AS entry
WHERE tenant_id = %(tenant)s AND (%(action)s IS NULL OR action = %(action)s)
  AND (%(member)s IS NULL OR member_id = %(member)s)
  AND (%(since)s::timestamptz IS NULL OR occurred_at >= %(since)s::timestamptz)
  AND (%(before)s IS NULL OR (occurred_at, id) < (
      SELECT later.occurred_at, later.id FROM audit_log AS later
      WHERE later.tenant_id = %(tenant)s AND later.id = %(before)s::uuid))
ORDER BY entry.occurred_at DESC, entry.id DESC LIMIT %(limit)s
"""


class AuditEntry(TypedDict):
    """An entry: ``outcome`` is done, or the error code with which it was refused."""

    id: str
    occurred_at: str
    identity: str
    member_id: int | None
    token_id: str | None
    action: str
    outcome: str
    target_type: str | None
    target_id: str | None


def record(
    transaction: Transaction, action: str, targets: Iterable[tuple[str, object]] = (), *, outcome: str = "done"
) -> None:
    """Note something in the tenant's audit log, once for each target; without any, once.

    Args:
        transaction: In which it is done. Background work is noted as an operator's.
        action: What is done; the script's name where it does one thing.
        targets: To what: kind and id.
        outcome: ``done``, or the error code with which it was refused.
    """
    named: list[tuple[str | None, object]] = [*targets] or [(None, None)]
    operator = transaction.member_type == "system"
    identity = "operator" if operator else "trusted" if transaction.token_id is None else "signed"
    parameters = {
        "tenant": transaction.tenant_id,
        "identity": identity,
        "member": transaction.member_id,
        "token": transaction.token_id,
        "action": action,
        "outcome": outcome,
        "types": [kind for kind, _ in named],
        "ids": [None if target is None else str(target) for _, target in named],
        "job": job_id(),
    }
    transaction.later(_RECORD, parameters)


def record_reading(transaction: Transaction, documents: Iterable[tuple[int, str]]) -> None:
    """Note that documents are read, each once, of those that are for admins or for one member alone.

    Args:
        transaction: In whose name.
        documents: Their ids and visibilities.
    """
    guarded = {document for document, visibility in documents if visibility in _GUARDED}
    if guarded:
        record(transaction, "read_document", [("document", document) for document in sorted(guarded)])


def note_denial(caller: Caller, error: KnowledgeError) -> None:
    """Note that a caller was denied something.

    Who is not let in, because the member is gone or the token was revoked, has tried all the same: that is noted too,
    with the member as what was tried. Where there is no such tenant there is no log. It counts as a call of the tenant.

    Raises:
        KnowledgeError: When it cannot be written.
    """
    with open_database(MEMBERS_DATABASE) as database:
        database.admit(Caller(caller.tenant_id))  # whoever tries without end does not fill the log without end
        try:
            with database.transaction(caller) as transaction:
                _note(transaction, error.about, error)
        except CallerMistake:
            with database.transaction(Caller(caller.tenant_id)) as transaction:
                attempt = transaction.named(caller.tenant_id, None, None, transaction.language, caller.token_id)
                _note(attempt, ("member", caller.member_id), error)


def read_entries(transaction: Transaction, limit: int, wanted: Mapping[str, object]) -> list[AuditEntry]:
    """Return entries of the tenant's log, newest first; none when the caller is no admin.

    Args:
        transaction: In whose name.
        limit: How many at most.
        wanted: ``action``, ``member``, ``since`` and ``before`` (an entry's id); None does not restrict.
    """
    rows = transaction.rows(_READ, {"tenant": transaction.tenant_id, "limit": limit, **wanted})
    return [cast("AuditEntry", row | {"occurred_at": row["occurred_at"].isoformat()}) for row in rows]


def script_name() -> str:
    """Return the name of the script that runs."""
    return os.environ.get("WM_JOB_PATH", "").rpartition("/")[2] or "script"


def _note(transaction: Transaction, about: tuple[str, object] | None, error: KnowledgeError) -> None:
    """Write a denial."""
    record(transaction, script_name(), [about] if about else [], outcome=error.code)
