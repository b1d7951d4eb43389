# skip_result_postprocessing
"""Add a member to a tenant.

Script for operators. With an e-mail address the member gets an account, which may belong to other tenants too. An
address that the tenant has already is a conflict, so that a repeat adds nobody twice.
"""

from typing import Literal, TypedDict

from f.core.arguments import MAXIMUM_NAME, choice, identifier, required_text
from f.core.audit import record
from f.core.database import OPERATORS_DATABASE, open_database
from f.core.errors import Conflict
from f.core.identity import MEMBER_TYPES, background
from f.core.job import script
from f.core.tenants import checked_email, insert_member


class AddMemberData(TypedDict):
    """The new member; scripts of members take this id."""

    user_member_id: int


@script()
def main(
    tenant_id: str,
    name: str,
    member_type: Literal["admin", "adult", "teen", "child"],
    email: str | None = None,
) -> AddMemberData:
    """Add a member.

    Args:
        tenant_id: The tenant, a UUID.
        name: What the tenant calls the member, at most 200 characters.
        member_type: Decides what the member sees.
        email: Address of the member's account.
    """
    tenant = background(identifier("tenant_id", tenant_id))
    named = required_text("name", name, MAXIMUM_NAME).strip()
    kind = choice("member_type", member_type, MEMBER_TYPES)
    address = checked_email(email)
    with open_database(OPERATORS_DATABASE) as database, database.transaction(tenant) as transaction:
        member_id = insert_member(transaction, named, kind, address)
        if member_id is None:
            raise Conflict("The tenant has a member with this e-mail address already.")
        record(transaction, "add_member", [("member", member_id)])
    return AddMemberData(user_member_id=member_id)
