# skip_result_postprocessing
"""Find what should not be there, such as words or vectors of what is gone, and repair what can be repaired.

Script for a schedule, and for operators after a restore: every tenant in turn, each in a transaction of its own, and
then what belongs to no tenant. Counts are of what was found. A repeat finds what was not repaired.
"""

from f.core.arguments import flag
from f.core.job import script
from f.core.orphans import find_orphans


@script()
def main(repair: bool = False, thorough: bool = False) -> dict[str, int]:
    """Look, and return the counts.

    Args:
        repair: Remove what nobody can need, make words anew, and let documents that lack vectors be embedded again.
        thorough: Compare the texts of all documents with their passages, not only of those that changed lately.
    """
    return find_orphans(
        repair=flag("repair", repair, default=False), thorough=flag("thorough", thorough, default=False)
    )
