# skip_result_postprocessing
"""Tell how the installation is: database, schema, providers, and what waits.

Script for operators and monitoring. It costs nothing at the providers, and a part that is broken is told, not raised:
status is ok, degraded (a provider or the backlog) or down (the database).
"""

from f.core.health import HealthData, check_installation
from f.core.job import script


@script()
def main() -> HealthData:
    """Check the installation."""
    return check_installation()
