# skip_result_postprocessing
"""Count calls of providers, each once, at the installation's prices.

Script: for flows and other callers. An event_id names a call: the same again is not counted again, so a repeat is safe.
A model without a price in f/chatbot/ai_settings is an error and not a cost of zero. As the last step of ingest_document
it also says how far the document is.
"""

from typing import Literal, TypedDict

from f.core.ai_settings import read_ai_settings
from f.core.arguments import optional_id, tag_list
from f.core.database import admitted
from f.core.documents import document_state
from f.core.errors import InvalidArgument, NotFound
from f.core.identity import background, identify
from f.core.job import script
from f.core.usage import checked_events, record_usage


class LogUsageData(TypedDict):
    """How many calls were new, how many were counted before, and what all cost; and the named document, if any.

    ``near_duplicates`` are what ingest has said of it, and ``changed`` what update_document has, handed on.
    """

    recorded: int
    already_recorded: int
    cost_microusd: int
    document_id: int | None
    chunks: int | None
    status: str | None
    version: int | None
    duplicate_of: int | None
    near_duplicates: list[object]
    changed: list[str] | None


@script()
def main(
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    event_id: str | None = None,
    operation: Literal["embed", "rerank", "rewrite", "chat"] | None = None,
    model: str | None = None,
    input_tokens: int = 0,
    output_tokens: int = 0,
    searches: int = 0,
    events: list[dict] | None = None,  # type: ignore[type-arg] # Windmill's form knows this type alone
    document: dict | None = None,  # type: ignore[type-arg] # the same
) -> LogUsageData:
    """Count usage.

    Args:
        tenant_id: The tenant, a UUID.
        user_member_id: The member for whom the calls were made.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        event_id: Names the call, at most 200 characters. The same again is not counted again.
        operation: What was asked for.
        model: The model, as f/chatbot/ai_settings calls it.
        input_tokens: Tokens that went in.
        output_tokens: Tokens that came out.
        searches: Searches that were billed for reranking.
        events: Several calls instead of one, each an object of these six.
        document: What ingest or update_document said of the document for which the calls were made; only its
            document_id is needed.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    named = document if isinstance(document, dict) else {}
    if document is not None and not named:
        raise InvalidArgument("document must be an object with a document_id.")
    document_id = optional_id("document.document_id", named.get("document_id"))
    single = {"event_id": event_id, "operation": operation, "model": model, "input_tokens": input_tokens}
    checked = checked_events(single | {"output_tokens": output_tokens, "searches": searches}, events)
    settings, _ = read_ai_settings()
    with admitted(caller) as database:
        seen_by = caller if caller.is_named else background(caller.tenant_id)
        with database.transaction(seen_by) as transaction:
            state = document_state(transaction, document_id) if document_id else None
            if document_id and state is None:
                raise NotFound("There is no such document.", about=("document", document_id))
            recorded = record_usage(transaction, checked, settings, document_id=document_id, charged=False)
    return LogUsageData(
        recorded=recorded.new,
        already_recorded=len({event.event_id for event in checked}) - recorded.new,
        cost_microusd=recorded.cost_microusd,
        document_id=document_id,
        chunks=state.chunks if state else None,
        status=state.status if state else None,
        version=state.version if state else None,
        duplicate_of=optional_id("document.duplicate_of", named.get("duplicate_of")),
        near_duplicates=near if isinstance(near := named.get("near_duplicates"), list) else [],
        changed=tag_list("document.changed", named.get("changed")) or None,
    )
