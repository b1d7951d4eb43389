"""Session tokens in the database: which were issued, and which of them are revoked.

Shared module, for operators' scripts: the members' login can only look. What a token says is signed (``identity``);
whether it is still worth anything stands here, and is looked at in every transaction.
"""

from datetime import datetime

from f.core.database import Transaction

_ISSUE = """
INSERT INTO session_tokens (tenant_id, member_id, expires_at)
VALUES (%s, %s, date_trunc('second', now()) + make_interval(secs => %s))
RETURNING id, expires_at
"""

_REVOKE = """
UPDATE session_tokens SET revoked_at = now()
WHERE tenant_id = %(tenant)s AND member_id = %(member)s AND (%(token)s::uuid IS NULL OR id = %(token)s::uuid)
  AND revoked_at IS NULL AND expires_at > now()
RETURNING id
"""


def issue(transaction: Transaction, member_id: int, valid_seconds: int) -> tuple[str, datetime]:
    """Note a new token of a member, and return its id and when it ends, in whole seconds."""
    row = transaction.rows(_ISSUE, (transaction.tenant_id, member_id, valid_seconds))[0]
    return str(row["id"]), row["expires_at"]


def revoke(transaction: Transaction, member_id: int, token_id: str | None = None) -> list[str]:
    """Revoke a member's tokens, or one of them, and return the ids of those that were valid until now."""
    parameters = {"tenant": transaction.tenant_id, "member": member_id, "token": token_id}
    return [str(row["id"]) for row in transaction.rows(_REVOKE, parameters)]
