# skip_result_postprocessing
"""Tell how far files and documents are on their way in: queued, processing, completed or failed, and why.

Script: of one file with what is inside of it, of one document, of a batch, or of what the caller has handed in. It
reads no content. What the caller may not see is not there. A batch is what has begun of it: while ingest_files runs,
files that wait for their turn are not counted yet, and completed says that what has begun is done. That all are, the
flow's own result tells.
"""

from typing import Literal

from f.core.arguments import MAXIMUM_NAME, integer, optional_id, optional_text
from f.core.database import admitted
from f.core.errors import InvalidArgument, NotFound
from f.core.file_outcomes import near_duplicates_of
from f.core.identity import background, identify
from f.core.ingest_status import IngestStatusData, ingest_status
from f.core.job import script


@script()
def main(
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    file_id: int | None = None,
    document_id: int | None = None,
    batch: str | None = None,
    before: str | None = None,
    limit: int = 50,
    documents: list[dict] | None = None,  # type: ignore[type-arg] # Windmill's form knows this type alone
) -> IngestStatusData:
    """Tell how far something is.

    Args:
        tenant_id: The tenant, a UUID.
        user_member_id: The member who acts. Without one the caller is the tenant's back end.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        file_id: This file, and what is inside of it.
        document_id: This document.
        batch: The files that were handed in with this word and have begun. Without any of the three, what the caller
            has handed in.
        before: The next_before of a page, for the one after it.
        limit: The most to list, from 1 to 200.
        documents: What log_usage has answered of documents that were just stored, as the flow ingest_file hands it on;
            their near_duplicates are told with them.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    file, document = optional_id("file_id", file_id), optional_id("document_id", document_id)
    word = optional_text("batch", batch, MAXIMUM_NAME)
    most = integer("limit", limit, 1, 200, default=50)
    if sum(given is not None for given in (file, document, word)) > 1:
        raise InvalidArgument("Give one of file_id, document_id and batch, or none.")
    if documents is not None and not isinstance(documents, list):
        raise InvalidArgument("documents must be a list.")
    near = near_duplicates_of(documents or [])
    wanted: Literal["file", "document", "batch", "own"] = (
        "file" if file else "document" if document else "batch" if word else "own"
    )
    with admitted(caller) as database:
        asks = caller if caller.is_named else background(caller.tenant_id)
        with database.transaction(asks) as transaction:
            told = ingest_status(
                transaction,
                wanted,
                nobody=not caller.is_named,
                number=file or document,
                batch=word,
                before=before,
                limit=most,
            )
        if (file or document) and not told["items"]:
            raise NotFound(f"There is no such {wanted}.", about=(wanted, file or document))
        if told["totals"] is not None and not any(told["totals"].values()):
            raise NotFound("No file of this batch has begun yet, or none that you may see.", about=("batch", word))
    for item in told["items"]:
        item["near_duplicates"] = near.get(item["document_id"] or 0, [])
    return told
