# skip_result_postprocessing
"""Remove expired conversations, session tokens that open nothing, and what is remembered of questions for too long.

Script for a schedule: every tenant in turn, each in a transaction of its own. A repeat finds nothing left to do.
"""

from f.core.job import script
from f.core.maintenance import over_tenants, purge_sessions


@script()
def main() -> dict[str, int]:
    """Do it for every tenant, and return the counts."""
    return over_tenants(purge_sessions)
