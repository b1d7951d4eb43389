# skip_result_postprocessing
"""Change a document: its title, text, category, tags, visibility, the member whom it concerns, or its expiry.

Script: one transaction, all or nothing. What the document was becomes an earlier version, which can be read, compared
and restored. Members change what they stored and what is private to them, admins what they see, and a back end that
names nobody any document of its tenant. ``version`` is the one that the caller has read: when the document has been
changed since, the answer is 409 and tells the version that it is at.

Of a new text only the passages that changed are embedded again, of a new title all; anything else touches no passage.
Until ``embed`` has run (the flow ``change_document`` does both), new passages are found by their words alone. What
would change nothing makes no version, so that a repeat is safe.
"""

from dataclasses import replace
from datetime import date
from typing import Literal

from f.core.arguments import (
    MAXIMUM_CATEGORY,
    MAXIMUM_CONTENT,
    MAXIMUM_ID,
    MAXIMUM_TITLE,
    expiry,
    integer,
    is_missing,
    optional_choice,
    optional_id,
    optional_label,
    optional_text,
    tag_list,
    word_list,
)
from f.core.audit import record
from f.core.chunking import split_document
from f.core.database import admitted
from f.core.document_changes import ChangeData, Fields, change_document, hold_document, language_for
from f.core.documents import VISIBILITIES, expiry_moment
from f.core.errors import InvalidArgument
from f.core.identity import identify
from f.core.job import script
from f.core.language import LANGUAGES

CLEARED: dict[str, object] = {"category": None, "tags": (), "assigned_to": None, "expires_at": None}
"""What can be emptied, and what it is then."""


@script()
def main(
    document_id: int,
    version: int,
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    title: str | None = None,
    content: str | None = None,
    category: str | None = None,
    tags: list[str] | None = None,
    visibility: Literal["everyone", "adults_only", "admins_only", "private"] | None = None,
    assigned_to: int | None = None,
    expires_at: str | None = None,
    language: str | None = None,
    clear: list[str] | None = None,
) -> ChangeData:
    """Change a document. What is not given stays as it is.

    Args:
        document_id: The document.
        version: The version of it that you have read.
        tenant_id: The tenant, a UUID.
        user_member_id: The member who acts. Without one the caller is the tenant's back end.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        title: Its new title, at most 500 characters.
        content: Its new text, plain or Markdown, at most 50,000,000 characters. A form feed begins a new page.
        category: Its new category, at most 100 characters.
        tags: Its new tags, instead of those that it has.
        visibility: Who may see it from now on. A member can only make of it what they could have stored.
        assigned_to: The member whom it concerns. A private document is for this member; the acting one by default.
        expires_at: When what it describes ends, in ISO 8601. A date alone is the end of that day where the tenant is.
        language: Its language as a PostgreSQL text search configuration; told by a new text by default.
        clear: What is to be empty from now on, of category, tags, assigned_to and expires_at.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    document = integer("document_id", document_id, 1, MAXIMUM_ID)
    read_version = integer("version", version, 1, MAXIMUM_ID)
    for name, text in (("title", title), ("content", content)):
        if isinstance(text, str) and text.isspace():
            raise InvalidArgument(f"{name} is blank. Leave it out to keep what it is.")
    new_title = optional_text("title", title, MAXIMUM_TITLE)
    given = {
        "title": new_title.strip() if new_title else None,
        "content": optional_text("content", content, MAXIMUM_CONTENT, lines=True),
        "category": optional_label("category", category, MAXIMUM_CATEGORY),
        "tags": None if is_missing(tags) else tuple(tag_list("tags", tags)),
        "visibility": optional_choice("visibility", visibility, VISIBILITIES),
        "assigned_to": optional_id("assigned_to", assigned_to),
        "expires_at": expiry("expires_at", expires_at),
        "language": optional_choice("language", language, LANGUAGES),
    }
    wanted: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    for name in word_list("clear", clear, tuple(CLEARED)):
        if name in wanted:
            raise InvalidArgument(f"clear names {name}, which is given too.")
        wanted[name] = CLEARED[name]
    text = given["content"] if isinstance(given["content"], str) else None
    chunks = None if text is None else split_document(text)
    with admitted(caller) as database, database.transaction(caller) as transaction:
        with_text = not wanted.keys().isdisjoint(("title", "content", "language"))
        held = hold_document(transaction, caller, document, with_text=with_text)
        if text is not None and text != held.fields.content:
            wanted.setdefault("language", language_for(held.fields, text))
        if isinstance(day := wanted.get("expires_at"), date):
            wanted["expires_at"] = expiry_moment(transaction, day)
        after: Fields = replace(held.fields, **wanted)  # type: ignore[arg-type] # by name, each checked above
        if after.visibility == "private" and held.fields.visibility != "private" and "assigned_to" not in wanted:
            after = replace(after, assigned_to=transaction.member_id or after.assigned_to)
        data = change_document(transaction, caller, held, after, read_version, chunks)
        if data["changed"]:
            record(transaction, "update_document", [("document", document)])
    return data
