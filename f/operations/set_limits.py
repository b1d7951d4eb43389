# skip_result_postprocessing
"""Set how much a tenant, and each of its members, may do; what is left out stays as it is.

Script for operators. A call over a limit gets HTTP 429 with retry_after_seconds and is not counted. Limits of one
tenant take nothing from another.
"""

from f.core.arguments import identifier, optional_integer
from f.core.audit import record
from f.core.database import OPERATORS_DATABASE, open_database
from f.core.identity import background
from f.core.job import script
from f.core.tenants import Limits, set_limits

_MOST = 1_000_000
_MOST_TOKENS = 1_000_000_000_000


@script()
def main(
    tenant_id: str,
    requests_per_minute: int | None = None,
    member_requests_per_minute: int | None = None,
    tokens_per_day: int | None = None,
    member_tokens_per_day: int | None = None,
    concurrent_chats: int | None = None,
    member_concurrent_chats: int | None = None,
) -> Limits:
    """Set limits, and return all of them.

    Args:
        tenant_id: The tenant, a UUID.
        requests_per_minute: Calls of all its members and its back end in a minute.
        member_requests_per_minute: Calls of one member in a minute.
        tokens_per_day: Tokens of models, in and out, in 24 hours.
        member_tokens_per_day: The same for one member.
        concurrent_chats: Questions that are answered at once.
        member_concurrent_chats: The same for one member.
    """
    tenant = background(identifier("tenant_id", tenant_id))
    limits = {
        "requests_per_minute": optional_integer("requests_per_minute", requests_per_minute, 1, _MOST),
        "member_requests_per_minute": optional_integer(
            "member_requests_per_minute", member_requests_per_minute, 1, _MOST
        ),
        "tokens_per_day": optional_integer("tokens_per_day", tokens_per_day, 1, _MOST_TOKENS),
        "member_tokens_per_day": optional_integer("member_tokens_per_day", member_tokens_per_day, 1, _MOST_TOKENS),
        "concurrent_chats": optional_integer("concurrent_chats", concurrent_chats, 1, _MOST),
        "member_concurrent_chats": optional_integer("member_concurrent_chats", member_concurrent_chats, 1, _MOST),
    }
    with open_database(OPERATORS_DATABASE) as database, database.transaction(tenant) as transaction:
        all_limits = set_limits(transaction, limits)
        record(transaction, "set_limits", [("tenant", tenant.tenant_id)])
    return all_limits
