"""How many questions of a tenant and of a member are answered at once.

Shared module. A run holds a slot from its first transaction to its last; the slot of a run that was killed ends by
itself. The limits are the tenant's (``take_chat_slot`` in sql/functions).
"""

from f.core.database import Transaction
from f.core.errors import TooManyRequests
from f.core.job import run_id

_RETRY_AFTER_SECONDS = 5
_TAKE = "SELECT take_chat_slot(%s, %s, %s, %s) AS taken"
_GIVE_BACK = "DELETE FROM chat_slots WHERE tenant_id = %s AND run_id = %s"


def take_chat_slot(transaction: Transaction, most_seconds: float) -> None:
    """Take the right to answer a question now.

    Args:
        transaction: In whose name; the last thing that it does, because others of the tenant wait for its end.
        most_seconds: When the slot is free again if nobody gives it back.

    Raises:
        TooManyRequests: When as many as are allowed are being answered.
    """
    row = transaction.row(_TAKE, (transaction.tenant_id, transaction.member_id, run_id(), most_seconds))
    if row is None or not row["taken"]:
        raise TooManyRequests(
            "Too many questions are being answered at once; try again when one is done.",
            retry_after_seconds=_RETRY_AFTER_SECONDS,
        )


def give_chat_slot_back(transaction: Transaction) -> None:
    """Let another question be answered; a repeat does nothing."""
    transaction.later(_GIVE_BACK, (transaction.tenant_id, run_id()))
