# skip_result_postprocessing
"""Export all data of a tenant, page by page, as an archive that import_tenant takes back.

Script for operators. It writes the tenant's settings, accounts, members, documents (deleted ones too, until they are
purged) with passages and vectors, notices, conversations, usage and audit log. Session tokens, limits that are spent
and answers in progress are of this installation, and are left out, as is what import computes again. A page may be
asked for again; none is a snapshot of the others: what is written meanwhile may be missing, and what is changed or
removed meanwhile may be in it in either state. Whoever reads the archive, or this job's result, reads everything.
"""

from typing import TypedDict

from f.core.archive import LONGEST_CURSOR, MAXIMUM_BYTES, write_page
from f.core.arguments import identifier, integer, optional_text
from f.core.audit import record
from f.core.database import OPERATORS_DATABASE, open_database
from f.core.identity import background
from f.core.job import script


class ExportTenantData(TypedDict):
    """A page: its lines, how many rows they hold, and where the next one begins; nothing after the last."""

    lines: str
    rows: int
    next_cursor: str | None


@script()
def main(tenant_id: str, cursor: str | None = None, maximum_bytes: int = 4_000_000) -> ExportTenantData:
    """Export a page.

    Args:
        tenant_id: The tenant, a UUID.
        cursor: The next_cursor of the page before; without one a new archive begins.
        maximum_bytes: The most that a page may have, up to 50,000,000; a single row that has more is a page of its own.
    """
    tenant = background(identifier("tenant_id", tenant_id))
    begins = optional_text("cursor", cursor, LONGEST_CURSOR)
    most = integer("maximum_bytes", maximum_bytes, 1, MAXIMUM_BYTES, default=4_000_000)
    with open_database(OPERATORS_DATABASE) as database, database.transaction(tenant) as transaction:
        page = write_page(transaction, begins, most)
        record(transaction, "export_tenant", [("tenant", tenant.tenant_id)])
    return ExportTenantData(lines=page.lines, rows=page.rows, next_cursor=page.next_cursor)
