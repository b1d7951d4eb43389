# skip_result_postprocessing
"""Import a page of a tenant's archive, as export_tenant wrote it.

Script for operators. Pages are sent in the order of the export, each as it is; the first one creates the tenant. A
page is taken as a whole or not at all, and sent again it changes nothing. The tenant gets its own id again when that is
free, or the one that is given, which every page is then sent with. Members, documents and passages get new ids, and all
that names them goes with them; conversations keep their ids. Session tokens are not in an archive: members need new
ones. An archive also brings back what was erased after it was written.
"""

from typing import TypedDict

from f.core.archive_import import MAXIMUM_LINES, take_page
from f.core.arguments import MAXIMUM_NAME, optional_identifier, optional_text, required_text
from f.core.audit import record
from f.core.database import OPERATORS_DATABASE, open_database
from f.core.job import script
from f.core.tenants import checked_slug


class ImportTenantData(TypedDict):
    """The tenant, how many rows the page has, and how many of them are new, by table."""

    tenant_id: str
    rows: int
    imported: dict[str, int]


@script()
def main(
    lines: str, tenant_id: str | None = None, name: str | None = None, slug: str | None = None
) -> ImportTenantData:
    """Import a page.

    Args:
        lines: The lines of one page, or of several pages of the archive, one after the other.
        tenant_id: A UUID for the tenant where its own is not free; the same for all pages.
        name: What the tenant is called, if not as before; for the first page.
        slug: The tenant's slug, if not as before; for the first page.
    """
    page = required_text("lines", lines, MAXIMUM_LINES, lines=True)
    target = optional_identifier("tenant_id", tenant_id)
    named = optional_text("name", name, MAXIMUM_NAME)
    chosen = checked_slug(slug) if slug else None
    with open_database(OPERATORS_DATABASE) as database, database.administration() as outside:
        taken = take_page(outside, page, target, named.strip() if named else None, chosen)
        if any(taken.imported.values()):
            record(taken.transaction, "import_tenant", [("tenant", taken.transaction.tenant_id)])
    return ImportTenantData(tenant_id=taken.transaction.tenant_id, rows=taken.rows, imported=taken.imported)
