# skip_result_postprocessing
"""Change a member's name, type, or the channels by which they are told of what expires.

Script for operators. A lower type sees the less at once: in searches, answers, and the citations of old conversations.
A repeat changes nothing.
"""

from typing import Literal, TypedDict

from f.core.arguments import MAXIMUM_ID, MAXIMUM_NAME, identifier, integer, optional_choice, optional_text
from f.core.audit import record
from f.core.database import OPERATORS_DATABASE, open_database
from f.core.errors import InvalidArgument, NotFound
from f.core.identity import MEMBER_TYPES, background
from f.core.job import script
from f.core.tenants import NoticeChannel, change_member, channel_list


class ChangeMemberData(TypedDict):
    """What decides what the member sees from now on, and how they are told of what expires."""

    member_type: str
    notice_channels: list[NoticeChannel]


@script()
def main(
    tenant_id: str,
    user_member_id: int,
    name: str | None = None,
    member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    notice_channels: list[str] | None = None,
) -> ChangeMemberData:
    """Change a member.

    Args:
        tenant_id: The tenant, a UUID.
        user_member_id: The member.
        name: A new name, at most 200 characters.
        member_type: A new type.
        notice_channels: By which of email and webhook the member is told of what expires; an empty list is by none.
    """
    tenant = background(identifier("tenant_id", tenant_id))
    member = integer("user_member_id", user_member_id, 1, MAXIMUM_ID)
    named = optional_text("name", name, MAXIMUM_NAME)
    kind = optional_choice("member_type", member_type, MEMBER_TYPES)
    channels = channel_list("notice_channels", notice_channels)
    if named is None and kind is None and channels is None:
        raise InvalidArgument("Give a new name, a new member_type, or notice_channels.")
    with open_database(OPERATORS_DATABASE) as database, database.transaction(tenant) as transaction:
        changed = change_member(transaction, member, named.strip() if named else None, kind, channels)
        if changed is None:
            raise NotFound("There is no such member.")
        record(transaction, "change_member", [("member", member)])
    return ChangeMemberData(member_type=changed[0], notice_channels=changed[1])
