"""Which tenants have anything waiting.

Shared module. One round trip for all tenants, as the operators' login: for schedules, which ask often and in vain.
"""

from typing import Literal

from f.core.database import Database

_WAITING = """
-- Whoever waits, oldest tenant first.
SELECT tenant::text AS tenant FROM tenants_with_backlog()
WHERE CASE %s WHEN 'files' THEN has_files WHEN 'documents' THEN has_documents ELSE true END
"""


def tenants_that_wait(database: Database, kind: Literal["files", "documents", "both"]) -> list[str]:
    """Return the tenants with files or documents that a run could take up now.

    Args:
        database: The operators' login; any other sees no tenants.
        kind: What is waiting: files to parse or to store, documents to embed, or either.
    """
    with database.administration() as outside:
        return [row["tenant"] for row in outside.rows(_WAITING, (kind,))]
