# skip_result_postprocessing
"""Write the notices of documents that expire: one for each member who may see the document, once for each threshold.

Script for a schedule: every tenant in turn, each in a transaction of its own. The thresholds are 30, 7 and 1 days
before, by the calendar of the tenant's time zone, and expired; of a document that expired more than 30 days ago nobody
is told any more. A new date gives new notices, a repeat writes nothing twice. No provider is called.
"""

from f.core.job import script
from f.core.maintenance import notify_expiring, over_tenants


@script()
def main() -> dict[str, int]:
    """Do it for every tenant, and return the counts."""
    return over_tenants(notify_expiring)
