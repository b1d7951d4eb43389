"""The search that teams write, a fixture of ``search_at_scale``: correct, with a tenant filter, as a plain login."""

from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812 -- it is a class

from local.database import Server
from tests.benchmarks.scale_filling import SESSION, run

_LOGIN, _PASSWORD = "usual", "usual"
_SEARCH = (Path(__file__).parent / "usual_search.sql").read_text(encoding="utf-8")
_NEAREST = """
SELECT id FROM usual_passages WHERE tenant_id = %(tenant)s AND visibility = ANY (%(visibilities)s)
ORDER BY embedding <=> %(vector)s::vector LIMIT 10
"""
_TABLE = (
    """
    CREATE TABLE usual_passages (
        id integer NOT NULL, tenant_id uuid NOT NULL, document_id integer NOT NULL, title text NOT NULL,
        content text NOT NULL, visibility text NOT NULL, embedding vector(1024) NOT NULL
    )
    """,
    """
    INSERT INTO usual_passages
    SELECT c.id, c.tenant_id, c.document_id, d.title, c.content, d.visibility, c.embedding::vector
    FROM document_chunks AS c JOIN documents AS d ON d.tenant_id = c.tenant_id AND d.id = c.document_id
    ORDER BY c.document_id
    """,
    "ALTER TABLE usual_passages ADD PRIMARY KEY (id)",
    "CREATE INDEX ON usual_passages (tenant_id)",
    "CREATE INDEX ON usual_passages USING hnsw (embedding vector_cosine_ops)",
    "VACUUM (FREEZE, ANALYZE) usual_passages",
    f"CREATE ROLE {_LOGIN} LOGIN PASSWORD '{_PASSWORD}'",
    f"GRANT SELECT ON usual_passages TO {_LOGIN}",
    f"DO $$ BEGIN EXECUTE format('GRANT CONNECT ON DATABASE %I TO {_LOGIN}', current_database()); END $$",
    f"GRANT USAGE ON SCHEMA public TO {_LOGIN}",
)


class UsualSearch:
    """A connection of the usual kind, for one member who sees what is for everyone."""

    def __init__(self, server: Server, name: str) -> None:
        self._connection = psycopg2.connect(server.dsn(_LOGIN, _PASSWORD, name))
        self._connection.autocommit = True
        self._cursor: Cursor = self._connection.cursor()
        self._cursor.execute("SET hnsw.iterative_scan = strict_order; SET hnsw.ef_search = 40")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def search(self, tenant: str, language: str, question: str, vector: list[float]) -> list[int]:
        """Search, and return the ids of the ten that were found, whose texts were loaded."""
        parameters = {"language": language, "question": question}
        return self._ids(_SEARCH, tenant, vector, parameters)

    def nearest(self, tenant: str, vector: list[float]) -> list[int]:
        """Return the ids of the ten that the index calls nearest."""
        return self._ids(_NEAREST, tenant, vector, {})

    def _ids(self, statement: str, tenant: str, vector: list[float], more: dict[str, Any]) -> list[int]:
        """Run a statement and return the ids of its rows."""
        parameters = {"tenant": tenant, "visibilities": ["everyone"], "vector": str(vector), **more}
        self._cursor.execute(statement, parameters)
        return [row[0] for row in self._cursor.fetchall()]


def make_usual_table(dsn: str) -> None:
    """Copy the passages of a database into the usual table, and index it."""
    run(dsn, SESSION, *_TABLE)
