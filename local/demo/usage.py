"""Reads what the providers were asked for, from the table that every call is counted in.

Module of the demonstration. There is no script for this: a product reads it in its own back end, as here, by the login
that the scripts have, and under the same row-level security: without a tenant there are no rows, and who is no admin
sees their own alone.
"""

from dataclasses import dataclass

import psycopg2

from local.demo.client import DemoFailed

_USAGE_OF_TENANT = """
-- Calls, tokens and cost of a tenant by operation and model; searches are those that a reranker bills.
SELECT operation, model, count(*), sum(input_tokens)::bigint, sum(output_tokens)::bigint, sum(searches)::bigint,
       sum(cost_microusd)::bigint
FROM api_usage
WHERE tenant_id = %s
GROUP BY operation, model
ORDER BY operation, model
"""


@dataclass(frozen=True, slots=True)
class Usage:
    """Calls of one operation and model, added up; ``cost_microusd`` is in millionths of a US dollar."""

    operation: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    searches: int
    cost_microusd: int


def usage_by_tenant(app_dsn: str, tenant_ids: list[str]) -> list[list[Usage]]:
    """Return the usage of each tenant.

    Raises:
        DemoFailed: When there are rows without a tenant being set, which row-level security has to prevent.
    """
    connection = psycopg2.connect(app_dsn)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM api_usage")
            if cursor.fetchone() != (0,):
                raise DemoFailed("The login of the scripts sees usage without naming a tenant.")
        return [_usage(connection, tenant_id) for tenant_id in tenant_ids]
    finally:
        connection.close()


def _usage(connection: "psycopg2.extensions.connection", tenant_id: str) -> list[Usage]:
    """Read one tenant's usage, as an admin sees it, in a transaction of its own."""
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM enter_tenant(%s, NULL, 'admin')", (tenant_id,))
        cursor.execute(_USAGE_OF_TENANT, (tenant_id,))
        return [Usage(*row) for row in cursor.fetchall()]
