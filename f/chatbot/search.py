# skip_result_postprocessing
"""Find documents by words and by meaning, and show the passage that fits best.

Script: reads only, but for the usage of the provider calls that it makes. Words and vectors are searched inside what
the caller may see, fused by rank, and reranked when asked or by the installation's default. Each document comes once,
with its best passage. When the provider does not answer, words alone are searched and the answer says so.

relevance is in [0, 1]. Reranked, it is the reranker's score. Otherwise it is the share of the best possible rank: 1 is
first by words and by meaning, .5 first by one of the two; it compares hits of one search, not of two.
In a snippet the matching words stand between two asterisks; it is plain text, not HTML.

The first line of this file keeps Windmill from writing null for "NaN" and "Infinity" inside of texts.
"""

from typing import Literal

from f.core.arguments import (
    MAXIMUM_CATEGORY,
    MAXIMUM_NAME,
    MAXIMUM_QUESTION,
    choice,
    id_list,
    integer,
    moment,
    optional_flag,
    optional_id,
    optional_label,
    optional_text,
    required_text,
    tag_list,
)
from f.core.identity import identify
from f.core.job import script
from f.core.retrieval import SearchFilter
from f.core.searching import SEARCH_READS, SearchData, admitted_searcher


@script(ahead=SEARCH_READS, asks_models=True)
def main(
    query: str,
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    category: str | None = None,
    tags: list[str] | None = None,
    tags_match: Literal["any", "all"] = "any",
    assigned_to: int | None = None,
    created_from: str | None = None,
    created_to: str | None = None,
    expiring_before: str | None = None,
    source: str | None = None,
    document_ids: list[int] | None = None,
    limit: int = 10,
    offset: int = 0,
    rerank: bool | None = None,
) -> SearchData:
    """Search.

    Args:
        query: Words or a question, at most 4,000 characters.
        tenant_id: The tenant, a UUID.
        user_member_id: The member who searches. Without one, only what is for everyone is found.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        category: Only documents of this category.
        tags: Only documents with these tags.
        tags_match: Whether any of the tags is enough, or all are needed.
        assigned_to: Only documents that concern this member.
        created_from: Only documents stored at this moment or later, in ISO 8601.
        created_to: Only documents stored before this moment, in ISO 8601.
        expiring_before: Only documents that expire before this moment, in ISO 8601.
        source: Only documents from this source.
        document_ids: Only these documents, at most 1,000.
        limit: How many documents to return, from 1 to 100.
        offset: How many to leave out before, from 0 to 10,000.
        rerank: Whether a reranker puts the best 50 in order. The installation's default without it.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    question = required_text("query", query, MAXIMUM_QUESTION, lines=True)
    chosen = SearchFilter(
        category=optional_label("category", category, MAXIMUM_CATEGORY),
        tags=tag_list("tags", tags),
        tags_match=choice("tags_match", tags_match, ("any", "all"), default="any"),
        assigned_to=optional_id("assigned_to", assigned_to),
        created_from=moment("created_from", created_from),
        created_to=moment("created_to", created_to),
        expiring_before=moment("expiring_before", expiring_before),
        source=optional_text("source", source, MAXIMUM_NAME),
        document_ids=id_list("document_ids", document_ids),
    )
    most = integer("limit", limit, 1, 100, default=10)
    skipped = integer("offset", offset, 0, 10_000, default=0)
    wanted = optional_flag("rerank", rerank)
    with admitted_searcher(caller, question) as searcher:
        return searcher.search(question, chosen, most, skipped, rerank=wanted)
