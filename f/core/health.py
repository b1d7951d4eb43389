"""How an installation is: its database, its providers, and what waits.

Shared module. It costs nothing at the providers, and tells of what is broken instead of raising it.
"""

import time
from typing import TypedDict

from f.core.ai_settings import read_ai_settings
from f.core.database import MEMBERS_DATABASE, OPERATORS_DATABASE, open_database
from f.core.errors import KnowledgeError
from f.core.identity import background
from f.core.provider_health import ProviderHealth, check_providers


class DatabaseHealth(TypedDict):
    """Whether the members' login reaches the database, and how long a round trip takes."""

    ok: bool
    latency_ms: int | None
    problem: str | None


class Backlog(TypedDict):
    """Documents of all tenants by what they wait for."""

    queued: int
    processing: int
    failed: int


class HealthData(TypedDict):
    """How the installation is."""

    status: str
    database: DatabaseHealth
    providers: list[ProviderHealth]
    backlog: Backlog | None
    schema_version: str | None
    tenants: int | None


_COUNT = """
SELECT count(*) FILTER (WHERE status = 'queued') AS queued, count(*) FILTER (WHERE status = 'processing') AS processing,
       count(*) FILTER (WHERE status = 'failed') AS failed
FROM documents WHERE tenant_id = %s AND deleted_at IS NULL AND status <> 'completed'
"""


def check_installation() -> HealthData:
    """Check: ``ok``, ``degraded`` (a provider is, or documents have failed) or ``down`` (the database is)."""
    database, schema_version = _check_database()
    backlog, tenants = _count_backlog() if database["ok"] else (None, None)
    try:
        providers = check_providers(*read_ai_settings())
    except KnowledgeError as error:
        providers = [
            ProviderHealth(role="chat", model="", ok=False, latency_ms=0, problem=str(error)),
        ]
    healthy = all(provider["ok"] for provider in providers) and backlog is not None and not backlog["failed"]
    return HealthData(
        status="down" if not database["ok"] else "ok" if healthy else "degraded",
        database=database,
        providers=providers,
        backlog=backlog,
        schema_version=schema_version,
        tenants=tenants,
    )


def _check_database() -> tuple[DatabaseHealth, str | None]:
    """Ask the database for its schema's version, as the members' login."""
    try:
        with open_database(MEMBERS_DATABASE) as database, database.administration() as transaction:
            began = time.perf_counter()
            row = transaction.row("SELECT max(version) AS version FROM schema_migrations")
            milliseconds = round((time.perf_counter() - began) * 1000)
    except KnowledgeError as error:
        return DatabaseHealth(ok=False, latency_ms=None, problem=str(error)), None
    return DatabaseHealth(ok=True, latency_ms=milliseconds, problem=None), row["version"] if row else None


def _count_backlog() -> tuple[Backlog | None, int | None]:
    """Count what waits, tenant by tenant."""
    total = Backlog(queued=0, processing=0, failed=0)
    try:
        with open_database(OPERATORS_DATABASE) as database:
            tenants = database.tenant_ids()
            for tenant in tenants:
                with database.transaction(background(tenant)) as transaction:
                    row = transaction.rows(_COUNT, (tenant,))[0]
                total = Backlog(
                    queued=total["queued"] + row["queued"],
                    processing=total["processing"] + row["processing"],
                    failed=total["failed"] + row["failed"],
                )
    except KnowledgeError:
        return None, None
    return total, len(tenants)
