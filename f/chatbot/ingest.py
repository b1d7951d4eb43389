# skip_result_postprocessing
"""Store a document and its chunks, ready to be embedded: a text that is given, or that of a file that has been parsed.

Script: one transaction, all or nothing. The text is kept as it is given, and cut into chunks along its headings,
paragraphs and sentences; each chunk knows its exact characters, its page (form feeds part pages) and its headings.
A text that the tenant has already, as far as the caller may see, is not stored again: the answer names it. So it does
documents that are nearly the same, again of those that the caller may see, with what differs; they are stored.
A repeat with the same idempotency_key, or the same text, is safe.
"""

from dataclasses import replace
from typing import Literal, TypedDict

from f.core.arguments import MAXIMUM_CONTENT, MAXIMUM_TITLE, is_missing, optional_id, required_text
from f.core.audit import record
from f.core.chunking import split_document
from f.core.database import admitted
from f.core.document_arguments import checked_document
from f.core.documents import check_may_store, find_same, reserve_id, store
from f.core.errors import Conflict, InvalidArgument
from f.core.identity import identify
from f.core.job import run_id, script
from f.core.language import told_language
from f.core.near_duplicates import NearDuplicate, near_duplicates, near_duplicates_of_stored

_NEAR_DUPLICATES = 3


class IngestData(TypedDict):
    """What is known of the document now; ``duplicate_of`` names the one that was there already.

    ``near_duplicates`` are up to three that are nearly the same as one that is new, most alike first.
    """

    document_id: int
    chunks: int
    status: str
    duplicate_of: int | None
    near_duplicates: list[NearDuplicate]


@script()
def main(
    tenant_id: str,
    title: str | None = None,
    content: str | None = None,
    file_id: int | None = None,
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
        tenant_id: The tenant, a UUID.
        title: Title of the document, at most 500 characters.
        content: Its text, plain or Markdown, at most 50,000,000 characters. A form feed begins a new page.
        file_id: Instead of these two, a file that parse_file has read; what else is to be said of it was said there.
        user_member_id: The member who acts. Without one the caller is the tenant's back end.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        category: One word or phrase for its kind, such as insurance; at most 100 characters.
        visibility: Who may see it. A member can only store what they may see themselves.
        assigned_to: The member whom it concerns. A private document is for this member; the acting one by default.
        tags: At most 50 tags of at most 50 characters, kept in lower case.
        expires_at: When what it describes ends, in ISO 8601. A date alone is the end of that day where the tenant is.
        language: Its language as a PostgreSQL text search configuration, such as english; detected by default.
        source: Where it came from, such as e-mail; at most 200 characters.
        source_url: Address of the original, shown in citations.
        metadata: An object to keep with it, at most 20,000 bytes as JSON.
        idempotency_key: Your own key for this document; the same key again stores nothing new.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    fields = {
        "category": category,
        "assigned_to": assigned_to,
        "tags": tags,
        "expires_at": expires_at,
        "language": language,
        "source": source,
        "source_url": source_url,
        "metadata": metadata,
        "idempotency_key": idempotency_key,
    }
    wanted = optional_id("file_id", file_id)
    if wanted is not None:
        from f.core.file_storing import store_file_of  # noqa: PLC0415 -- a text needs nothing of it

        if any(not is_missing(given) for given in (title, content, *fields.values())):
            raise InvalidArgument("file_id goes with nothing else: what is to be said of a file is said to parse_file.")
        with admitted(caller) as database:
            stored = store_file_of(database, caller, wanted)
            with database.transaction(caller) as transaction:
                is_new = stored.duplicate_of is None
                near = near_duplicates_of_stored(transaction, stored.id, _NEAR_DUPLICATES) if is_new else []
        return IngestData(
            document_id=stored.id,
            chunks=stored.chunks,
            status=stored.status,
            duplicate_of=stored.duplicate_of,
            near_duplicates=near,
        )
    new = checked_document(
        caller,
        title=required_text("title", title, MAXIMUM_TITLE).strip(),
        content=required_text("content", content, MAXIMUM_CONTENT, lines=True),
        visibility=visibility,
        **fields,
    )
    # A run that is repeated stores nothing twice, even what its caller may not see.
    new = replace(
        new,
        language=new.language or told_language(new.content),
        idempotency_key=new.idempotency_key or f"run:{run_id()}",
    )
    chunks = split_document(new.content)
    with admitted(caller) as database, database.transaction(caller) as transaction:
        check_may_store(transaction, caller, new)
        document_id = reserve_id(transaction, new)
        same = find_same(transaction, new)
        if same is not None:
            if not same.same_content:
                raise Conflict("This idempotency_key was used for a document with another content.")
            return IngestData(
                document_id=same.id, chunks=same.chunks, status=same.status, duplicate_of=same.id, near_duplicates=[]
            )
        store(transaction, document_id, new, chunks)
        record(transaction, "ingest", [("document", document_id)])
        near = near_duplicates(transaction, document_id, new.content, _NEAR_DUPLICATES)
    return IngestData(
        document_id=document_id, chunks=len(chunks), status="queued", duplicate_of=None, near_duplicates=near
    )
