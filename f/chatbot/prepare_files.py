# skip_result_postprocessing
"""Check a list of files that is to be taken in together, and name the batch.

Script: the first step of the flow ingest_files, so that a list that is none, or too long a one, is refused before any
work is done. Each file is checked by the flow that takes it in.
"""

from typing import Literal, TypedDict

from f.core.arguments import MAXIMUM_NAME, integer, optional_text
from f.core.database import admitted
from f.core.errors import InvalidArgument, TooLarge
from f.core.identity import identify
from f.core.job import run_id, script

MAXIMUM_FILES = 1_000
MOST_AT_ONCE = 8


class PrepareFilesData(TypedDict):
    """The batch by which get_ingest_status finds the files, how many there are, and how many are worked on at once."""

    batch: str
    files: int
    parallel_limit: int


@script()
def main(
    tenant_id: str,
    user_member_id: int | None = None,
    user_member_type: Literal["admin", "adult", "teen", "child"] | None = None,
    session_token: str | None = None,
    files: list[dict] | None = None,  # type: ignore[type-arg] # Windmill's form knows this type alone
    batch: str | None = None,
    parallel_limit: int = 2,
) -> PrepareFilesData:
    """Check the list.

    Args:
        tenant_id: The tenant, a UUID.
        user_member_id: The member who acts. Without one the caller is the tenant's back end.
        user_member_type: Narrows what the member may see; it never widens it.
        session_token: A signed token that names tenant and member, instead of the arguments.
        files: At most 1,000 objects, each with the arguments of ingest_file for one file, such as file_name and url.
        batch: Your own word for these files, by which get_ingest_status finds them; one is made by default.
        parallel_limit: How many files are worked on at once, from 1 to 8.
    """
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
        raise InvalidArgument("files must be a list of objects.")
    if len(files) > MAXIMUM_FILES:
        raise TooLarge(f"files has {len(files):,} entries; at most {MAXIMUM_FILES:,} are allowed.")
    most = integer("parallel_limit", parallel_limit, 1, MOST_AT_ONCE, default=2)
    word = optional_text("batch", batch, MAXIMUM_NAME) or run_id().partition(":")[0]  # the flow's own id
    with admitted(caller):
        return PrepareFilesData(batch=word, files=len(files), parallel_limit=most)
