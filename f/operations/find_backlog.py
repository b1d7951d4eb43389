# skip_result_postprocessing
"""Find out whether anything waits to be parsed, stored or embedded, in any tenant.

Script for a schedule: one round trip to the database. A flow that goes on only when something waits costs next to
nothing as long as nothing does.
"""

from f.core.database import OPERATORS_DATABASE, open_database
from f.core.job import script
from f.core.waiting_work import tenants_that_wait


@script(ahead=(OPERATORS_DATABASE,))
def main() -> dict[str, int]:
    """Return how many tenants have anything waiting."""
    with open_database(OPERATORS_DATABASE) as database:
        return {"tenants": len(tenants_that_wait(database, "both"))}
