# skip_result_postprocessing
"""Put the counts of clean_up's steps into one answer.

Script: the last step of the flow clean_up. It reads and writes nothing.
"""

from f.core.job import script
from f.core.maintenance import only_counts


@script()
def main(
    documents: dict | None = None,  # type: ignore[type-arg] # Windmill's form knows this type alone
    sessions: dict | None = None,  # type: ignore[type-arg] # the same
    requeued: dict | None = None,  # type: ignore[type-arg] # the same
    indexes: dict | None = None,  # type: ignore[type-arg] # the same
    orphans: dict | None = None,  # type: ignore[type-arg] # the same
) -> dict[str, dict[str, int]]:
    """Put counts together.

    Args:
        documents: What purge_documents counted.
        sessions: What purge_sessions counted.
        requeued: What requeue_documents counted.
        indexes: What maintain_vector_indexes counted.
        orphans: What find_orphans counted.
    """
    parts = {
        "documents": documents,
        "sessions": sessions,
        "requeued": requeued,
        "indexes": indexes,
        "orphans": orphans,
    }
    return {name: only_counts(part) for name, part in parts.items()}
