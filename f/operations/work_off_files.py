# skip_result_postprocessing
"""Parse and store the files that wait: what a failure, or a run that was killed, has left.

Script for a schedule: all tenants that have any. A file that a run holds is left alone, one whose lease is over is
taken up again, and one that was tried often enough has failed. What comes out of them waits to be embedded. A repeat
finds what is left to do.
"""

from f.core.arguments import integer
from f.core.file_backlog import work_off_files
from f.core.job import script


@script()
def main(limit: int = 100) -> dict[str, int]:
    """Work off what waits.

    Args:
        limit: The most files to parse for a tenant, from 1 to 10,000.
    """
    return work_off_files(integer("limit", limit, 1, 10_000, default=100)).data()
