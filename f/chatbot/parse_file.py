# skip_result_postprocessing
"""Take a file in and read its text: PDF, scan, Word, slides, tables, web page, mail, picture, text, or archive.

Script: keeps the bytes, parses them under a lease with a heartbeat, and keeps the text until `ingest` stores it by its
file_id; what was inside of an archive or a mail becomes a file of its own. What a file is, is told by its content. A
killed run's file is taken up again, what may pass is tried three times, and a file that cannot be read is on record as
failed, for retry_document. The same file by the same caller again is the file that is there: only what is missing is
done, and an archive in which something could not be read is read again. What was inside and the caller may not see is
not told.
"""

from typing import Literal

from f.core.arguments import MAXIMUM_NAME, MAXIMUM_TITLE, is_missing, optional_id, optional_text
from f.core.audit import record
from f.core.database import admitted
from f.core.document_arguments import checked_document
from f.core.documents import check_may_store
from f.core.errors import InvalidArgument, ParsingInterrupted, SourceUnavailable
from f.core.file_parsing import ParsedFileData, outcome_of, parse_held
from f.core.file_sources import read_file_argument
from f.core.files import parts_of, take
from f.core.identity import background, identify
from f.core.incoming_files import NewFile, receive, require_owned
from f.core.job import run_id, script


@script(tells=(ParsingInterrupted, SourceUnavailable))
def main(
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    content_base64: str | None = None,
    s3_object: dict | None = None,  # type: ignore[type-arg] # Windmill's form knows this type alone
    url: str | None = None,
    file_id: int | None = None,
    file_name: str | None = None,
    title: str | None = None,
    category: str | None = None,
    visibility: Literal["everyone", "adults_only", "admins_only", "private"] = "everyone",
    assigned_to: int | None = None,
    tags: list[str] | None = None,
    expires_at: str | None = None,
    language: str | None = None,
    source: str | None = None,
    source_url: str | None = None,
    metadata: dict | None = None,  # type: ignore[type-arg] # the same
    idempotency_key: str | None = None,
    batch: str | None = None,
) -> ParsedFileData:
    """Take a file in, or parse one again.

    Args:
        tenant_id: The tenant, a UUID.
        user_member_id: The member who acts. Without one the caller is the tenant's back end.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        content_base64: The file itself, as base64.
        s3_object: The file as an object of the workspace's storage, such as {"s3": "path/in/the/bucket"}.
        url: The file as an address on the web that this installation allows.
        file_id: A file that is there already and waits or has failed, instead of a new one.
        file_name: Its name with its ending; by default that of the object or address.
        title: Title of its document; by default the file's own, or its name.
        category: One word or phrase for its kind, such as insurance; at most 100 characters.
        visibility: Who may see it. A member can only store what they may see themselves.
        assigned_to: The member whom it concerns. A private document is for this member; the acting one by default.
        tags: At most 50 tags of at most 50 characters, kept in lower case.
        expires_at: When what it describes ends, in ISO 8601. A date alone is the end of that day where the tenant is.
        language: Its language as a PostgreSQL text search configuration, such as english; detected by default.
        source: Where it came from, such as e-mail; at most 200 characters.
        source_url: Address of the original, shown in citations; by default the url.
        metadata: An object to keep with it, at most 20,000 bytes as JSON.
        idempotency_key: Your own key for this file; by default its bytes and name are.
        batch: Your own word for files that belong together, by which get_ingest_status finds them.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    named = optional_id("file_id", file_id)
    if named is not None and any(not is_missing(given) for given in (content_base64, s3_object, url)):
        raise InvalidArgument("file_id goes with none of content_base64, s3_object and url.")
    wanted_title = optional_text("title", title, MAXIMUM_TITLE)
    document = checked_document(
        caller,
        title=(wanted_title or "").strip(),
        content="",
        category=category,
        visibility=visibility,
        assigned_to=assigned_to,
        tags=tags,
        expires_at=expires_at,
        language=language,
        source=source,
        source_url=source_url,
        metadata=metadata,
        idempotency_key=idempotency_key,
    )
    word = optional_text("batch", batch, MAXIMUM_NAME)
    tenant = background(caller.tenant_id)
    with admitted(caller) as database:
        new = None
        if named is None:
            incoming = read_file_argument(caller, content_base64, s3_object, url, file_name)
            new = NewFile(incoming.name, incoming.content, document, document.title or None, word, incoming.source_url)
        with database.transaction(caller) as transaction:
            if new is not None:
                check_may_store(transaction, caller, new.document)
                named = receive(transaction, new, run_id())
            else:
                named = require_owned(transaction, caller, named or 0)
            record(transaction, "parse_file", [("file", named)])
        with database.transaction(tenant) as transaction:
            held = take(transaction, run_id(), file_id=named)
        if held is not None:
            parse_held(database, tenant, held)
        with database.transaction(caller) as transaction:
            parts = parts_of(transaction, caller, named)
    return outcome_of(parts, was_there=held is None)
