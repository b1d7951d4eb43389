# skip_result_postprocessing
"""Find the documents that are the same as one, or nearly the same, and say what differs.

Script: it reads, and changes nothing. Documents are compared by their words (three in a row), so that edits, moved
paragraphs, appended pages and wrong characters of OCR do not hide that they are one; where both were embedded by the
same model, that embedding finds candidates too. Among what the caller may see, and nothing else: what is hidden
changes no answer.
"""

from typing import Literal, TypedDict

from f.core.arguments import MAXIMUM_ID, integer
from f.core.audit import record_reading
from f.core.database import admitted
from f.core.identity import identify
from f.core.job import script
from f.core.near_duplicates import ExactDuplicate, NearDuplicate, compared_text, exact_duplicates, near_duplicates

MOST = 20


class FindDuplicatesData(TypedDict):
    """What is the same but for white space, and what is nearly the same, most alike first."""

    document_id: int
    exact: list[ExactDuplicate]
    near: list[NearDuplicate]


@script()
def main(
    document_id: int,
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    limit: int = 10,
) -> FindDuplicatesData:
    """Find duplicates.

    Args:
        document_id: The document.
        tenant_id: The tenant, a UUID.
        user_member_id: The member who acts. Without one the caller is the tenant's back end.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        limit: How many of each kind at most, from 1 to 20.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    document = integer("document_id", document_id, 1, MAXIMUM_ID)
    most = integer("limit", limit, 1, MOST, default=10)
    with admitted(caller) as database, database.transaction(caller) as transaction:
        content, visibility = compared_text(transaction, document)
        exact = exact_duplicates(transaction, document, most)
        near = near_duplicates(transaction, document, content, most, by_embedding=True)
        record_reading(transaction, [(document, visibility)])
    return FindDuplicatesData(document_id=document, exact=exact, near=near)
