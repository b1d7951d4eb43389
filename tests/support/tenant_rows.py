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


LIFE = """
-- A row in each table of a document's life, for one document that has an expiry and chunks, and for one member.
WITH file AS (
    INSERT INTO files (tenant_id, name, size_bytes, sha256, content, visibility, assigned_to, created_by)
    VALUES (%(tenant)s, %(word)s, 3, sha256(''), '%%PD', 'private', %(member)s, %(member)s)
), version AS (
    INSERT INTO document_versions (tenant_id, document_id, version, title, content, content_hash, visibility, tags,
                                   language, written_at, changed_by)
    VALUES (%(tenant)s, %(document)s, 1, %(word)s, %(word)s, sha256(''), 'adults_only', '{}', 'english',
            '2026-01-01', %(member)s)
), band AS (
    INSERT INTO document_bands (tenant_id, band, document_id) VALUES (%(tenant)s, 1, %(document)s)
    ON CONFLICT DO NOTHING
), notice AS (
    INSERT INTO expiry_notices (tenant_id, document_id, member_id, threshold, expires_at)
    VALUES (%(tenant)s, %(document)s, %(member)s, 'expired', '2020-01-01')
), delivery AS (
    INSERT INTO notice_deliveries (tenant_id, document_id, member_id, threshold, expires_at, channel, status)
    VALUES (%(tenant)s, %(document)s, %(member)s, 'expired', '2020-01-01', 'email', 'sent')
), feed AS (
    INSERT INTO calendar_feeds (tenant_id, member_id, secret_hash) VALUES (%(tenant)s, %(member)s, sha256(''))
)
INSERT INTO next_embeddings (tenant_id, chunk_id, document_id, embedding, embedding_model)
SELECT tenant_id, id, document_id, array_fill(0, ARRAY[1024])::halfvec, 'next' FROM document_chunks
WHERE tenant_id = %(tenant)s AND document_id = %(document)s LIMIT 1
"""
"""Puts rows into the tables that are not filled by storing a text, searching and asking."""
