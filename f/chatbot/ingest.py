"""Store a document and its chunks, ready to be embedded.

Script: one transaction, all or nothing. The text is kept as it is given, and cut into chunks along its headings,
paragraphs and sentences; each chunk knows its exact characters, its page (form feeds part pages) and its headings.
A text that the tenant has already, as far as the caller may see, is not stored again: the answer names it.
A repeat with the same idempotency_key, or the same text, is safe.
"""

from typing import Literal, TypedDict

from f.core.arguments import (
    MAXIMUM_CATEGORY,
    MAXIMUM_CONTENT,
    MAXIMUM_NAME,
    MAXIMUM_TITLE,
    choice,
    metadata_json,
    moment,
    optional_choice,
    optional_id,
    optional_text,
    required_text,
    tag_list,
    web_address,
)
from f.core.audit import record
from f.core.chunking import split_document
from f.core.database import admitted
from f.core.documents import VISIBILITIES, NewDocument, check_may_store, find_same, reserve_id, store
from f.core.errors import Conflict, InvalidArgument
from f.core.identity import identify
from f.core.job import run_id, script
from f.core.language import LANGUAGES, told_language


class IngestData(TypedDict):
    """What is known of the document now; ``duplicate_of`` names the one that was there already."""

    document_id: int
    chunks: int
    status: str
    duplicate_of: int | None


@script()
def main(
    title: str,
    content: str,
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    category: str | None = None,
    visibility: Literal["everyone", "adults_only", "admins_only", "private"] = "everyone",
    assigned_to: int | None = None,
    tags: list[str] | None = None,
    expires_at: str | None = None,
    language: str | None = None,
    source: str | None = None,
    source_url: str | None = None,
    metadata: dict | None = None,  # type: ignore[type-arg] # Windmill's form knows this type alone
    idempotency_key: str | None = None,
) -> IngestData:
    """Store a document.

    Args:
        title: Title of the document, at most 500 characters.
        content: Its text, plain or Markdown, at most 50,000,000 characters. A form feed begins a new page.
        tenant_id: The tenant, a UUID.
        user_member_id: The member who acts. Without one the caller is the tenant's back end.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        category: One word or phrase for its kind, such as insurance; at most 100 characters.
        visibility: Who may see it. A member can only store what they may see themselves.
        assigned_to: The member whom it concerns. A private document is for this member; the acting one by default.
        tags: At most 50 tags of at most 50 characters, kept in lower case.
        expires_at: When what it describes ends, in ISO 8601.
        language: Its language as a PostgreSQL text search configuration, such as english; detected by default.
        source: Where it came from, such as e-mail; at most 200 characters.
        source_url: Address of the original, shown in citations.
        metadata: An object to keep with it, at most 20,000 bytes as JSON.
        idempotency_key: Your own key for this document; the same key again stores nothing new.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    new = NewDocument(
        title=required_text("title", title, MAXIMUM_TITLE).strip(),
        content=required_text("content", content, MAXIMUM_CONTENT, lines=True),
        visibility=choice("visibility", visibility, VISIBILITIES, default="everyone"),
        language=optional_choice("language", language, LANGUAGES) or told_language(content),
        category=optional_text("category", category, MAXIMUM_CATEGORY),
        assigned_to=optional_id("assigned_to", assigned_to) or (caller.member_id if visibility == "private" else None),
        created_by=caller.member_id,
        tags=tuple(tag_list("tags", tags)),
        expires_at=moment("expires_at", expires_at),
        source=optional_text("source", source, MAXIMUM_NAME),
        source_url=web_address("source_url", source_url),
        metadata=metadata_json("metadata", metadata),
        # A run that is repeated stores nothing twice, even what its caller may not see.
        idempotency_key=optional_text("idempotency_key", idempotency_key, MAXIMUM_NAME) or f"run:{run_id()}",
    )
    if new.visibility == "private" and new.assigned_to is None:
        raise InvalidArgument("A private document needs assigned_to: the member who may see it.")
    chunks = split_document(new.content)
    with admitted(caller) as database, database.transaction(caller) as transaction:
        check_may_store(transaction, caller, new)
        document_id = reserve_id(transaction, new)
        same = find_same(transaction, new)
        if same is not None:
            if not same.same_content:
                raise Conflict("This idempotency_key was used for a document with another content.")
            return IngestData(document_id=same.id, chunks=same.chunks, status=same.status, duplicate_of=same.id)
        store(transaction, document_id, new, chunks)
        record(transaction, "ingest", [("document", document_id)])
    return IngestData(document_id=document_id, chunks=len(chunks), status="queued", duplicate_of=None)
