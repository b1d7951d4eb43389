"""A tenant's rows in all tables, which come from the catalogue: a new table is looked at without anybody's help."""

from tests.attacks.hostile import tables
from tests.support.installation import Installation, Tenant


def tenants_tables(installation: Installation) -> list[str]:
    """List the tables with a ``tenant_id``."""
    rows = installation.query(
        "SELECT c.relname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant_id'"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'"
    )
    return [row["relname"] for row in rows]


def rows_of(installation: Installation, tenant_id: str) -> dict[str, int]:
    """Count a tenant's rows in each table that has its own."""
    return {
        table: installation.query(f"SELECT count(*) AS n FROM {table} WHERE tenant_id = %s", (tenant_id,))[0]["n"]
        for table in tenants_tables(installation)
    }


def holding(installation: Installation, text: str) -> set[str]:
    """List the tables in which a row holds a text, wherever in it and in whatever case."""
    return {
        table
        for table in tables(installation)
        if installation.query(f"SELECT 1 FROM {table} AS t WHERE t::text ILIKE %s LIMIT 1", (f"%{text}%",))
    }


def slug_of(installation: Installation, tenant: Tenant) -> str:
    """Return a tenant's slug."""
    return str(installation.query("SELECT slug FROM tenants WHERE id = %s", (tenant.id,))[0]["slug"])


def add_account(installation: Installation, tenant: Tenant, member: int, email: str) -> str:
    """Give a member an account, a new one or the one with this address."""
    [account] = installation.query(
        "INSERT INTO users (email) VALUES (%s) ON CONFLICT (email) DO UPDATE SET email = excluded.email RETURNING id",
        (email,),
    )
    installation.query("INSERT INTO tenant_memberships VALUES (%s, %s)", (tenant.id, account["id"]))
    installation.query("UPDATE family_members SET user_id = %s WHERE id = %s", (account["id"], member))
    return str(account["id"])
