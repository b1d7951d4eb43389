# skip_result_postprocessing
"""Erase a member with what is theirs alone, for good.

Script for operators. Private documents that are assigned to the member go, with their passages, words and vectors, and
so do conversations, notices, session tokens, and the account if it belongs to no other tenant. What the member shares
with others stays without their name: documents that they stored, the cost of their calls. Answers to others that rest
on an erased document lose their text. Entries of the audit log keep the member's bare number, because the tenant stays
accountable for what was done. A repeat finds no member.
"""

from f.core.arguments import MAXIMUM_ID, identifier, integer
from f.core.audit import record
from f.core.database import OPERATORS_DATABASE, open_database
from f.core.erasure import ErasureData, erase_member
from f.core.errors import NotFound
from f.core.identity import background
from f.core.job import script


@script()
def main(tenant_id: str, user_member_id: int) -> ErasureData:
    """Erase a member.

    Args:
        tenant_id: The tenant, a UUID.
        user_member_id: The member, also one who has been removed.
    """
    tenant = background(identifier("tenant_id", tenant_id))
    member = integer("user_member_id", user_member_id, 1, MAXIMUM_ID)
    with open_database(OPERATORS_DATABASE) as database, database.transaction(tenant) as transaction:
        erased = erase_member(transaction, member)
        if erased is None:
            raise NotFound("There is no such member.")
        record(transaction, "erase_member", [("member", member)])
    return erased
