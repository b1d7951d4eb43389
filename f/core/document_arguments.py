"""What a caller says of a document besides its text, checked.

Shared module, pure. Whoever stores a text and whoever hands in a file say the same things of it.
"""

from f.core.arguments import (
    MAXIMUM_CATEGORY,
    MAXIMUM_NAME,
    choice,
    expiry,
    metadata_json,
    optional_choice,
    optional_id,
    optional_label,
    optional_text,
    tag_list,
    web_address,
)
from f.core.documents import VISIBILITIES, NewDocument
from f.core.errors import InvalidArgument
from f.core.identity import Caller
from f.core.language import LANGUAGES


def checked_document(
    caller: Caller,
    *,
    title: str,
    content: str,
    category: object = None,
    visibility: object = None,
    assigned_to: object = None,
    tags: object = None,
    expires_at: object = None,
    language: object = None,
    source: object = None,
    source_url: object = None,
    metadata: object = None,
    idempotency_key: object = None,
) -> NewDocument:
    """Check the fields of a document.

    Args:
        caller: Who stores it.
        title: Its title, which has been checked.
        content: Its text, which has been checked; empty as long as it is not known.
        category: One word or phrase for its kind.
        visibility: Who may see it; everyone by default.
        assigned_to: The member whom it concerns; of a private document by default the one who acts.
        tags: Tags.
        expires_at: When what it describes ends; a day ends where the tenant is.
        language: Its language as a text search configuration; None stays None.
        source: Where it came from.
        source_url: Address of the original.
        metadata: An object to keep with it.
        idempotency_key: The caller's own key; empty when there is none.

    Raises:
        InvalidArgument: When one is malformed, or a private document is for nobody.
        TooLarge: When one is too long.
    """
    new = NewDocument(
        title=title,
        content=content,
        visibility=choice("visibility", visibility, VISIBILITIES, default="everyone"),
        language=optional_choice("language", language, LANGUAGES),
        category=optional_label("category", category, MAXIMUM_CATEGORY),
        assigned_to=optional_id("assigned_to", assigned_to) or (caller.member_id if visibility == "private" else None),
        created_by=caller.member_id,
        tags=tuple(tag_list("tags", tags)),
        expires_at=expiry("expires_at", expires_at),
        source=optional_text("source", source, MAXIMUM_NAME),
        source_url=web_address("source_url", source_url),
        metadata=metadata_json("metadata", metadata),
        idempotency_key=optional_text("idempotency_key", idempotency_key, MAXIMUM_NAME) or "",
    )
    if new.visibility == "private" and new.assigned_to is None:
        raise InvalidArgument("A private document needs assigned_to: the member who may see it.")
    return new
