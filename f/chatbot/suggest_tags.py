# skip_result_postprocessing
"""Suggest tags for a document, or for a text that is not stored yet.

Script: it changes no document; it counts what providers took. By the tags of the nearest documents, of those that the
caller may see; each has a score and the documents that it rests on. With use_model the chat model is asked too. What
the document has already is not suggested again. Without the providers it suggests what the documents' words tell, and
says so.
"""

from typing import Literal

from f.core.identity import identify
from f.core.job import script
from f.core.suggestions import SuggestionsData, suggest


@script()
def main(
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    document_id: int | None = None,
    title: str | None = None,
    content: str | None = None,
    limit: int = 5,
    use_model: bool = False,
) -> SuggestionsData:
    """Suggest tags.

    Args:
        tenant_id: The tenant, a UUID.
        user_member_id: The member who acts. Without one the caller is the tenant's back end.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        document_id: The document. Give this, or content.
        title: Title of a text that is not stored yet.
        content: A text that is not stored yet, plain or Markdown. Its beginning counts.
        limit: How many at most, from 1 to 20.
        use_model: Whether the chat model is asked too. The document and the tags that the caller sees go to it.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    return suggest(caller, "tag", document_id, title, content, limit, use_model)
