# skip_result_postprocessing
"""Revoke a session token, or all those of a member.

Script for operators, and for a product's own log-out. From the end of this run on the token opens nothing; what runs
under it at this moment ends with its next transaction. A repeat revokes nothing more.
"""

from typing import TypedDict

from f.core.arguments import MAXIMUM_ID, identifier, integer, optional_text
from f.core.audit import record
from f.core.database import OPERATORS_DATABASE, open_database
from f.core.documents import member_exists
from f.core.errors import InvalidArgument, NotFound
from f.core.identity import LONGEST_TOKEN, background, signing_keys, token_named
from f.core.job import script
from f.core.session_tokens import revoke


class RevokeSessionTokenData(TypedDict):
    """How many tokens were valid until now."""

    revoked: int


@script()
def main(tenant_id: str, user_member_id: int, session_token: str | None = None) -> RevokeSessionTokenData:
    """Revoke.

    Args:
        tenant_id: The tenant, a UUID.
        user_member_id: The member.
        session_token: Only this token of the member; without it all of them.
    """
    tenant = identifier("tenant_id", tenant_id)
    member = integer("user_member_id", user_member_id, 1, MAXIMUM_ID)
    token = optional_text("session_token", session_token, LONGEST_TOKEN)
    named = None if token is None else token_named(token, signing_keys())
    if named is not None and (named.tenant_id, named.member_id) != (tenant, member):
        raise InvalidArgument("The session token is not one of this member.")
    with open_database(OPERATORS_DATABASE) as database, database.transaction(background(tenant)) as transaction:
        if not member_exists(transaction, member):
            raise NotFound("There is no such member.")
        revoked = revoke(transaction, member, named.token_id if named else None)
        record(transaction, "revoke_session_token", [("member", member), *(("token", token) for token in revoked)])
    return RevokeSessionTokenData(revoked=len(revoked))
