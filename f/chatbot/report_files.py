# skip_result_postprocessing
"""Tell what has become of files that were taken in together.

Script: the last step of the flow ingest_files. It puts together what each file's flow has answered, and counts the
batch as it is now; a file that was refused before it was kept counts as failed. It changes nothing.
"""

from typing import Literal, TypedDict

from f.core.arguments import MAXIMUM_NAME, required_text
from f.core.database import admitted
from f.core.errors import InvalidArgument
from f.core.file_outcomes import FileOutcome, outcomes_of, refused
from f.core.identity import background, identify
from f.core.ingest_status import MOST_LISTED, ingest_status, together
from f.core.job import script


class ReportFilesData(TypedDict):
    """The batch as it is now, and each file's outcome in the order in which they were given."""

    batch: str
    status: str
    files: list[FileOutcome]
    totals: dict[str, int]


@script()
def main(
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    batch: str | None = None,
    names: list[str] | None = None,
    outcomes: list[dict] | None = None,  # type: ignore[type-arg] # Windmill's form knows this type alone
) -> ReportFilesData:
    """Report.

    Args:
        tenant_id: The tenant, a UUID.
        user_member_id: The member who acts. Without one the caller is the tenant's back end.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        batch: The batch that prepare_files has named.
        names: The files' names, as they were given.
        outcomes: What the flow of each file has answered, in the same order.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    word = required_text("batch", batch, MAXIMUM_NAME)
    if not isinstance(names, list) or not isinstance(outcomes, list) or len(names) != len(outcomes):
        raise InvalidArgument("names and outcomes must be lists of the same length.")
    files = outcomes_of(names, outcomes)
    with admitted(caller) as database:
        asks = caller if caller.is_named else background(caller.tenant_id)
        with database.transaction(asks) as transaction:
            told = ingest_status(transaction, "batch", nobody=not caller.is_named, batch=word, limit=MOST_LISTED)
    totals = dict(told["totals"] or {})
    totals["failed"] += refused(files, [item["file_id"] for item in told["items"]])
    status = together({each for each, number in totals.items() if number})
    return ReportFilesData(batch=word, status=status, files=files, totals=totals)
