# skip_result_postprocessing
"""Let documents and files wait again whose processing was killed.

Script for a schedule: every tenant in turn, each in a transaction of its own. Those that were tried often enough have
failed instead. A repeat finds nothing left to do.
"""

from f.core.job import script
from f.core.maintenance import over_tenants, requeue_documents


@script()
def main() -> dict[str, int]:
    """Do it for every tenant, and return the counts."""
    return over_tenants(requeue_documents)
