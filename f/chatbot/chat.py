# skip_result_postprocessing
"""Answer a question from the documents that the caller may see, with citations.

Script: reads passages, asks the model, and keeps the question and the answer with their usage in one transaction.
Passages are given to the model as data, never as instructions. Each [n] in the answer is a citation with the exact
quote and its place in the document. When the documents do not hold the answer, it says so (answered is false).

With session_id a conversation goes on: a follow-up question is understood by what was said before. With stream, events
come while it works, a JSON object a line: thinking, search, answer (piece by piece), complete (the whole data).
A provider that does not answer, nor its fallback, gives HTTP 503; one that is asked too much, 429 with the time to come
back.

The first line of this file keeps Windmill from writing null for "NaN" and "Infinity" inside of texts.
"""

from typing import Literal

from f.core.arguments import (
    MAXIMUM_CATEGORY,
    MAXIMUM_QUESTION,
    flag,
    id_list,
    optional_identifier,
    optional_label,
    required_text,
    tag_list,
)
from f.core.asking import Asked, Asker, ChatData
from f.core.errors import ProviderUnavailable
from f.core.identity import identify
from f.core.job import script, send_event
from f.core.retrieval import SearchFilter
from f.core.searching import CHAT_READS, admitted_searcher


@script(tells=(ProviderUnavailable,), ahead=CHAT_READS, asks_models=True)
def main(
    question: str,
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    session_id: str | None = None,
    stream: bool = False,
    chunk_ids: list[int] | None = None,
    category: str | None = None,
    tags: list[str] | None = None,
    document_ids: list[int] | None = None,
) -> ChatData:
    """Answer a question.

    Args:
        question: The question, at most 4,000 characters.
        tenant_id: The tenant, a UUID.
        user_member_id: The member who asks. Without one, only what is for everyone is used.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        session_id: The conversation that goes on; without it a new one begins.
        stream: Whether events are sent while it works.
        chunk_ids: Passages that a search has found, best first. Without them it searches itself.
        category: Only documents of this category.
        tags: Only documents with any of these tags.
        document_ids: Only these documents.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    asked = Asked(
        question=required_text("question", question, MAXIMUM_QUESTION, lines=True),
        session_id=optional_identifier("session_id", session_id),
        chosen=SearchFilter(
            category=optional_label("category", category, MAXIMUM_CATEGORY),
            tags=tag_list("tags", tags),
            document_ids=id_list("document_ids", document_ids),
        ),
        chunk_ids=id_list("chunk_ids", chunk_ids),
    )
    streams = flag("stream", stream, default=False)
    stands_alone = asked.session_id is None and asked.chunk_ids is None
    with admitted_searcher(caller, asked.question if stands_alone else None, chats=True) as searcher:
        return Asker(searcher, send_event if streams else None).ask(asked)
