# skip_result_postprocessing
"""Issue a session token for a member.

Script for operators, and for a product's own login page. The token names tenant and member, is signed, ends by itself,
and can be revoked before. Whoever holds it is that member, so it is sent to nobody else. Each run issues a new one.
"""

from typing import TypedDict

from f.core.arguments import MAXIMUM_ID, identifier, integer
from f.core.audit import record
from f.core.database import OPERATORS_DATABASE, open_database
from f.core.documents import member_exists
from f.core.errors import NotFound
from f.core.identity import background, sign_token, signing_keys
from f.core.job import script
from f.core.session_tokens import issue


class IssueSessionTokenData(TypedDict):
    """The token, and when it ends."""

    session_token: str
    expires_at: str


@script()
def main(tenant_id: str, user_member_id: int, valid_seconds: int = 3600) -> IssueSessionTokenData:
    """Issue a token.

    Args:
        tenant_id: The tenant, a UUID.
        user_member_id: The member.
        valid_seconds: How long it is valid, from 60 seconds to 30 days.
    """
    tenant = identifier("tenant_id", tenant_id)
    member = integer("user_member_id", user_member_id, 1, MAXIMUM_ID)
    seconds = integer("valid_seconds", valid_seconds, 60, 30 * 86_400, default=3600)
    keys = signing_keys()
    with open_database(OPERATORS_DATABASE) as database, database.transaction(background(tenant)) as transaction:
        if not member_exists(transaction, member):
            raise NotFound("There is no such member.")
        token_id, expires_at = issue(transaction, member, seconds)
        record(transaction, "issue_session_token", [("member", member), ("token", token_id)])
    return IssueSessionTokenData(
        session_token=sign_token(token_id, tenant, member, int(expires_at.timestamp()), keys),
        expires_at=expires_at.isoformat(),
    )
