# skip_result_postprocessing
"""Read a conversation of one's own, newest message first.

Script: what was asked and answered, as the reader may see it now. The citations of an answer quote the version of the
document that they were made of, also when it has been changed since; one whose document was deleted, or is hidden from
the reader now, or was so in that version, says removed and nothing else. An answer that rests on a document which is
deleted or hidden is removed too, with its text: it could repeat what the document said.
"""

from typing import Literal, TypedDict

from f.core.arguments import MAXIMUM_LONG_ID, identifier, integer, optional_integer
from f.core.conversations import MessageData, read_messages, session_exists
from f.core.database import admitted
from f.core.errors import NotFound
from f.core.identity import identify
from f.core.job import script


class ReadSessionData(TypedDict):
    """A page of messages, newest first; ``next_before`` asks for the page of those before it."""

    messages: list[MessageData]
    has_more: bool
    next_before: int | None


@script()
def main(
    session_id: str,
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    limit: int = 20,
    before: int | None = None,
) -> ReadSessionData:
    """Read a conversation.

    Args:
        session_id: The conversation.
        tenant_id: The tenant, a UUID.
        user_member_id: The member, whose own it must be.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        limit: How many messages to return, from 1 to 100.
        before: Only messages before this one, by its id.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    session = identifier("session_id", session_id)
    most = integer("limit", limit, 1, 100, default=20)
    older_than = optional_integer("before", before, 1, MAXIMUM_LONG_ID)
    with admitted(caller) as database, database.transaction(caller) as transaction:
        if not session_exists(transaction, session):
            raise NotFound("There is no such session.", about=("session", session))
        found = read_messages(transaction, session, most + 1, older_than)
    messages = found[:most]
    has_more = len(found) > most
    return ReadSessionData(messages=messages, has_more=has_more, next_before=messages[-1]["id"] if has_more else None)
