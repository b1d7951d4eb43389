# skip_result_postprocessing
"""Purge documents that were deleted longer ago than their tenant keeps them, with chunks, vectors, words and notices.

Script for a schedule: every tenant in turn, each in a transaction of its own. Answers that rest on a purged document
lose their text with it. So do files of which nothing has come for as long. A repeat finds nothing left to do.
"""

from f.core.job import script
from f.core.maintenance import over_tenants, purge_documents


@script()
def main() -> dict[str, int]:
    """Do it for every tenant, and return the counts."""
    return over_tenants(purge_documents, until_zero=True)
