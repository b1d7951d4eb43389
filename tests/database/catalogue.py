"""What a database's catalogue says of the schema, so that two databases can be compared."""

from typing import Any

_OURS = "NOT EXISTS (SELECT FROM pg_depend AS e WHERE e.objid = {oid} AND e.deptype = 'e')"

PARTS = {
    "tables": """
        SELECT relname, relkind::text, relpersistence::text, relrowsecurity, relforcerowsecurity, reloptions,
               pg_get_userbyid(relowner) AS owner, relacl::text[]
        FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind NOT IN ('i', 'I')""",
    "columns": """
        SELECT attrelid::regclass::text AS name, attnum, attname, format_type(atttypid, atttypmod), attnotnull,
               attstorage::text, attcompression::text, attcollation, attidentity::text, attgenerated::text,
               attstattarget, attacl::text[], pg_get_expr(d.adbin, d.adrelid) AS default_value
        FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid AND c.relkind = 'r'
        LEFT JOIN pg_attrdef AS d ON d.adrelid = attrelid AND d.adnum = attnum
        WHERE c.relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped""",
    "constraints": """
        SELECT conrelid::regclass::text AS name, conname, contype::text, convalidated, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace""",
    "indexes": """
        SELECT pg_get_indexdef(indexrelid), indisvalid, indisunique, indisprimary FROM pg_index
        JOIN pg_class AS c ON c.oid = indrelid WHERE c.relnamespace = 'public'::regnamespace""",
    "policies": "SELECT * FROM pg_policies WHERE schemaname = 'public'",
    "functions": f"""
        SELECT p.oid::regprocedure::text AS name, pg_get_functiondef(p.oid), pg_get_userbyid(proowner), proacl::text[]
        FROM pg_proc AS p
        WHERE pronamespace = 'public'::regnamespace AND prokind = 'f' AND {_OURS.format(oid="p.oid")}""",
    "triggers": """
        SELECT pg_get_triggerdef(t.oid), tgenabled::text FROM pg_trigger AS t
        JOIN pg_class AS c ON c.oid = tgrelid WHERE c.relnamespace = 'public'::regnamespace AND NOT tgisinternal""",
    "sequences": "SELECT schemaname, sequencename, data_type::text, start_value, increment_by, max_value, cycle,"
    " sequenceowner FROM pg_sequences WHERE schemaname = 'public'",
    "types": f"""
        SELECT typname, typtype::text FROM pg_type AS t
        WHERE typnamespace = 'public'::regnamespace AND typtype IN ('d', 'e', 'r') AND {_OURS.format(oid="t.oid")}""",
    "comments": f"""
        SELECT pg_describe_object(classoid, objoid, objsubid) AS name, description FROM pg_description AS d
        WHERE (objoid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
               OR objoid IN (SELECT oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace))
          AND {_OURS.format(oid="d.objoid")}""",
    "schema": "SELECT nspname, pg_get_userbyid(nspowner), nspacl::text[] FROM pg_namespace WHERE nspname = 'public'",
    "roles": """
        SELECT rolname, rolcanlogin, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolinherit, rolreplication,
               rolconnlimit, rolvaliduntil FROM pg_roles WHERE rolname LIKE 'knowledge%%'""",
    "extensions": "SELECT extname, extversion FROM pg_extension",
    "ledger": "SELECT version, checksum FROM schema_migrations",
}
"""What is compared: no oids, no times, nothing that depends on the order in which things were made."""


def snapshot(cursor: Any) -> dict[str, list[str]]:
    """Describe the schema of a database: each part's rows as sorted text."""
    described: dict[str, list[str]] = {}
    for part, statement in PARTS.items():
        if part == "ledger":
            cursor.execute("SELECT to_regclass('public.schema_migrations') IS NOT NULL AS there")
            if not cursor.fetchone()["there"]:
                described[part] = []
                continue
        cursor.execute(statement.replace("%%", "%"))
        described[part] = sorted(str(dict(row)) for row in cursor.fetchall())
    return described
