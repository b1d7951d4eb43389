# skip_result_postprocessing
"""Create a tenant: a family, a school or a company.

Script for operators. It has no members yet; add_member adds them. A slug that is taken is a conflict, so that a repeat
creates nothing twice.
"""

from typing import Literal, TypedDict

from f.core.arguments import MAXIMUM_NAME, choice, flag, integer, required_text
from f.core.database import OPERATORS_DATABASE, open_database
from f.core.errors import Conflict
from f.core.job import script
from f.core.language import LANGUAGES
from f.core.tenants import DATE_ORDERS, TENANT_KINDS, checked_slug, insert_tenant, require_known_time_zone
from f.core.time_zones import optional_time_zone


class CreateTenantData(TypedDict):
    """The new tenant."""

    tenant_id: str


@script()
def main(
    name: str,
    slug: str,
    kind: Literal["family", "school", "company"] = "family",
    language: str = "english",
    retention_days: int = 30,
    admins_see_private: bool = True,
    date_order: Literal["day_first", "month_first"] = "day_first",
    time_zone: str = "UTC",
) -> CreateTenantData:
    """Create a tenant.

    Args:
        name: What its members call it, at most 200 characters.
        slug: A short name that no other tenant has: lower-case letters, digits and hyphens, at most 63.
        kind: What it is.
        language: Of documents whose language cannot be told, as a PostgreSQL text search configuration.
        retention_days: Days between the deletion of a document and its purge, from 0 to 3,650.
        admins_see_private: Whether its admins see private documents that are assigned to others.
        date_order: How 03/04/2026 is read in its documents.
        time_zone: In which its days begin and end, as an IANA name such as Europe/Athens.
    """
    named = required_text("name", name, MAXIMUM_NAME).strip()
    chosen = checked_slug(slug)
    zone = optional_time_zone("time_zone", time_zone) or "UTC"
    settings = {
        "kind": choice("kind", kind, TENANT_KINDS, default="family"),
        "language": choice("language", language, LANGUAGES, default="english"),
        "retention_days": integer("retention_days", retention_days, 0, 3650, default=30),
        "admins_see_private": flag("admins_see_private", admins_see_private, default=True),
        "date_order": choice("date_order", date_order, DATE_ORDERS, default="day_first"),
        "time_zone": zone,
    }
    with open_database(OPERATORS_DATABASE) as database, database.administration() as transaction:
        require_known_time_zone(transaction, zone)
        tenant_id = insert_tenant(transaction, named, chosen, settings)
        if tenant_id is None:
            raise Conflict("There is a tenant with this slug already.")
    return CreateTenantData(tenant_id=tenant_id)
