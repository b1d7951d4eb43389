# skip_result_postprocessing
"""Make a vector index for each tenant that has become large, and drop those of tenants that have become small.

Script for a schedule: every tenant in turn, each in a transaction of its own. Writing to chunks waits while an index
is made. A repeat finds nothing left to do.
"""

from f.core.job import script
from f.core.maintenance import maintain_vector_index, over_tenants


@script()
def main() -> dict[str, int]:
    """Do it for every tenant, and return the counts."""
    return over_tenants(maintain_vector_index)
