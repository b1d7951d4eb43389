# skip_result_postprocessing
"""Change a tenant's settings; what is left out stays as it is.

Script for operators. All of it holds from the next call on: what admins may not see any more is in no search, answer or
remembered answer; deleted documents are kept for the new number of days; dates are read, and days counted, the new way.
A repeat changes nothing.
"""

from typing import Literal

from f.core.arguments import (
    MAXIMUM_NAME,
    identifier,
    optional_choice,
    optional_flag,
    optional_integer,
    optional_text,
)
from f.core.audit import record
from f.core.database import OPERATORS_DATABASE, open_database
from f.core.errors import InvalidArgument
from f.core.identity import background
from f.core.job import script
from f.core.language import LANGUAGES
from f.core.tenants import DATE_ORDERS, TenantSettings, change_tenant, require_known_time_zone
from f.core.time_zones import optional_time_zone


@script()
def main(
    tenant_id: str,
    name: str | None = None,
    language: str | None = None,
    retention_days: int | None = None,
    admins_see_private: bool | None = None,
    date_order: Literal["day_first", "month_first"] | None = None,
    time_zone: str | None = None,
) -> TenantSettings:
    """Change settings, and return all of them.

    Args:
        tenant_id: The tenant, a UUID.
        name: What its members call it, at most 200 characters.
        language: Of documents whose language cannot be told, as a PostgreSQL text search configuration.
        retention_days: Days between the deletion of a document and its purge, from 0 to 3,650.
        admins_see_private: Whether its admins see private documents that are assigned to others.
        date_order: How 03/04/2026 is read in its documents.
        time_zone: In which its days begin and end, as an IANA name such as Europe/Athens.
    """
    tenant = background(identifier("tenant_id", tenant_id))
    named = optional_text("name", name, MAXIMUM_NAME)
    zone = optional_time_zone("time_zone", time_zone)
    settings = {
        "name": named.strip() if named else None,
        "language": optional_choice("language", language, LANGUAGES),
        "retention_days": optional_integer("retention_days", retention_days, 0, 3650),
        "admins_see_private": optional_flag("admins_see_private", admins_see_private),
        "date_order": optional_choice("date_order", date_order, DATE_ORDERS),
        "time_zone": zone,
    }
    if all(value is None for value in settings.values()):
        raise InvalidArgument(f"Give at least one of {', '.join(settings)}.")
    with open_database(OPERATORS_DATABASE) as database, database.transaction(tenant) as transaction:
        require_known_time_zone(transaction, zone)
        all_settings = change_tenant(transaction, settings)
        record(transaction, "change_tenant", [("tenant", tenant.tenant_id)])
    return all_settings
