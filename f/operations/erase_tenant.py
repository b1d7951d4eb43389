# skip_result_postprocessing
"""Erase a tenant with all that it has, for good.

Script for operators. Documents, vectors, conversations, members, usage and the audit log go in one transaction, with
the accounts that belong to no other tenant. What stays is an entry of ids and counts, and the signed receipt, which
check_receipt reads. Backups, and Windmill's own records of earlier jobs, go by their own retention. A repeat finds no
tenant.
"""

from f.core.arguments import identifier, required_text
from f.core.database import OPERATORS_DATABASE, open_database
from f.core.erasure import ErasureData, erase_tenant, has_slug
from f.core.errors import Conflict
from f.core.identity import background
from f.core.job import script


@script()
def main(tenant_id: str, confirm_slug: str) -> ErasureData:
    """Erase a tenant.

    Args:
        tenant_id: The tenant, a UUID.
        confirm_slug: The tenant's slug: a slip in the id erases nobody else.
    """
    tenant = background(identifier("tenant_id", tenant_id))
    slug = required_text("confirm_slug", confirm_slug, 63)
    with open_database(OPERATORS_DATABASE) as database, database.transaction(tenant) as transaction:
        if not has_slug(transaction, slug):
            raise Conflict("confirm_slug is not the slug of this tenant: nothing was erased.")
        return erase_tenant(transaction)
