"""A database of a test's own, the logins' ways into it, and rows of a tenant in every table.

Rows are made by the superuser, who is under no policy; what they prove is asked as the restricted logins.
"""

import random
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from local.database import Server
from local.settings import Credentials
from tests.support.installation import autocommit_cursor
from tests.support.tenant_rows import LIFE

Row = dict[str, Any]

APP, OPERATOR, OWNER = "knowledge_app", "knowledge_operator", "knowledge_owner"
WITH_ALL_GRANTS = "has_all_grants"
"""A login of tests that may do everything to every table: only the policies stand before it."""
_GRANTED_PASSWORD = "only-for-tests"
BESIDE_TENANTS = ("schema_migrations", "id_secrets", "provider_queues", "provider_turns")
"""The ledger of migrations, the keys of ids, and who waits for a provider: no login has a right on the latter three."""
MEMBER_TYPES = ("admin", "adult", "teen", "child")
VISIBILITIES = ("everyone", "adults_only", "admins_only", "private")


@dataclass(frozen=True)
class World:
    """An installed database, and the ways into it."""

    postgres: Server
    credentials: Credentials
    name: str

    def dsn(self, login: str) -> str:
        """Give a login's connection string; ``postgres`` is the superuser."""
        if login == "postgres":
            return self.postgres.admin_dsn(self.name)
        passwords = {
            APP: self.credentials.app_password,
            OPERATOR: self.credentials.operator_password,
            WITH_ALL_GRANTS: _GRANTED_PASSWORD,
        }
        return self.postgres.dsn(login, passwords[login], self.name)

    @contextmanager
    def connected(self, login: str) -> Iterator[Any]:
        """Open a connection whose statements are committed one by one, unless they say BEGIN; gives its cursor."""
        with autocommit_cursor(self.dsn(login)) as cursor:
            yield cursor

    @contextmanager
    def entered(
        self, login: str, tenant: str | None, member: int | None = None, claimed: str | None = None
    ) -> Iterator[Any]:
        """Open a transaction in a tenant's name (None: in nobody's), which is rolled back at the end."""
        with self.connected(login) as cursor:
            cursor.execute("BEGIN")
            if tenant is not None:
                cursor.execute("SELECT * FROM enter_tenant(%s, %s, %s)", (tenant, member, claimed))
                assert cursor.fetchone()["outcome"] == "entered"
            yield cursor
            cursor.execute("ROLLBACK")

    def query(self, statement: str, parameters: object = None) -> list[Row]:
        """Ask as the superuser, who sees everything."""
        with self.connected("postgres") as cursor:
            cursor.execute(statement, parameters)
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []

    def one(self, statement: str, parameters: object = None) -> Any:
        """Ask as the superuser for a single value."""
        [row] = self.query(statement, parameters)
        [value] = row.values()
        return value

    def tables(self) -> list[str]:
        """List the schema's tables, from the catalogue."""
        rows = self.query(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " ORDER BY relname"
        )
        return [row["relname"] for row in rows]

    def walled_tables(self) -> list[str]:
        """List the tables whose rows belong to tenants."""
        return [table for table in self.tables() if table not in BESIDE_TENANTS]

    def tenant_tables(self) -> list[str]:
        """List the tables with a ``tenant_id``."""
        rows = self.query(
            "SELECT table_name FROM information_schema.columns"
            " JOIN information_schema.tables USING (table_schema, table_name)"
            " WHERE table_schema = 'public' AND column_name = 'tenant_id' AND table_type = 'BASE TABLE'"
            " ORDER BY table_name"
        )
        return [row["table_name"] for row in rows]

    def count_rows(self) -> dict[str, int]:
        """Count the rows of every table."""
        parts = " UNION ALL ".join(
            f"SELECT '{table}' AS name, count(*) AS rows FROM {table}" for table in self.tables()
        )
        return {row["name"]: row["rows"] for row in self.query(parts)}

    def allow_everything(self) -> None:
        """Make the login that has every grant and still is under the policies."""
        with self.connected("postgres") as cursor:
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (WITH_ALL_GRANTS,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE ROLE {WITH_ALL_GRANTS} LOGIN PASSWORD '{_GRANTED_PASSWORD}'")
            cursor.execute(f"GRANT CONNECT ON DATABASE {self.name} TO {WITH_ALL_GRANTS}")
            cursor.execute(f"GRANT ALL ON SCHEMA public TO {WITH_ALL_GRANTS}")
            cursor.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {WITH_ALL_GRANTS}")
            cursor.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {WITH_ALL_GRANTS}")


@dataclass(frozen=True)
class Filled:
    """A tenant with rows in every table.

    Attributes:
        id: The tenant.
        members: A member of each type.
        documents: By visibility and the type of the member to whom each is assigned; none of them is deleted.
        deleted: The same, soft-deleted.
    """

    id: str
    members: dict[str, int]
    documents: dict[tuple[str, str], int]
    deleted: dict[tuple[str, str], int]


def new_tenant(world: World, *, admins_see_private: bool = True) -> Filled:
    """Make a tenant with a member of each type, and nothing else."""
    slug = f"t{secrets.token_hex(6)}"
    with world.connected("postgres") as cursor:
        tenant = _insert(cursor, "tenants", name="Family", slug=slug, admins_see_private=admins_see_private)["id"]
        members = {
            kind: _insert(cursor, "family_members", tenant_id=tenant, name=kind, member_type=kind)["id"]
            for kind in MEMBER_TYPES
        }
    return Filled(str(tenant), members, {}, {})


def fill(world: World, *, admins_see_private: bool = True) -> Filled:
    """Make a tenant with rows in every table: a document for each visibility and each member, and the same deleted."""
    tenant = new_tenant(world, admins_see_private=admins_see_private)
    with world.connected("postgres") as cursor:
        user = _insert(cursor, "users", email=f"{secrets.token_hex(6)}@example.org")["id"]
        _insert(cursor, "tenant_memberships", tenant_id=tenant.id, user_id=user)
        for into, deleted_at in ((tenant.documents, None), (tenant.deleted, "2026-01-01")):
            for visibility in VISIBILITIES:
                for kind, member in tenant.members.items():
                    document = add_document(
                        cursor, tenant.id, visibility=visibility, assigned_to=member, deleted_at=deleted_at
                    )
                    into[visibility, kind] = document
                    _insert(
                        cursor, "expiry_notices", tenant_id=tenant.id, document_id=document,
                        member_id=tenant.members["admin"], threshold="expired", expires_at="2026-01-01",
                    )  # fmt: skip
        life = {"document": tenant.documents["adults_only", "adult"], "member": tenant.members["adult"]}
        cursor.execute(LIFE, {"tenant": tenant.id, "word": "Policy", **life})
        session = _insert(cursor, "conversation_sessions", tenant_id=tenant.id, member_id=tenant.members["adult"])["id"]
        _insert(
            cursor, "conversation_messages", tenant_id=tenant.id, session_id=session, event_id="e", role="user",
            content="What?", sight=2,
        )  # fmt: skip
        _insert(
            cursor, "session_tokens", tenant_id=tenant.id, member_id=tenant.members["adult"], expires_at="2100-01-01"
        )
        _insert(cursor, "rate_states", tenant_id=tenant.id, subject=0, kind="requests", spent_until="2026-01-01")
        _insert(cursor, "chat_slots", tenant_id=tenant.id, run_id="r", ends_at="2026-01-01")
        remembered = {"tenant_id": tenant.id, "subject": tenant.members["adult"], "place": 0, "key": bytes(32)}
        _insert(cursor, "query_embeddings", **remembered, embedding=str([0.0] * 1024))
        _insert(
            cursor, "cached_answers", **remembered, seen=bytes(32), answer="75 euros.", chunks=[1], sources=[1],
            model="m", provider="offline", expires_at="2100-01-01",
        )  # fmt: skip
        _insert(
            cursor, "audit_log", tenant_id=tenant.id, identity="trusted", action="search", outcome="done", job_id="j"
        )
        _insert(cursor, "imported_ids", tenant_id=tenant.id, kind="member", old_id=1, new_id=1)
        _insert(cursor, "erasures", tenant=tenant.id, counts="{}")
        _insert(cursor, "api_usage", tenant_id=tenant.id, event_id="e", operation="chat", model="m", cost_microusd=1)
    return tenant


def add_document(
    cursor: Any, tenant: str, *, texts: Sequence[str] = ("The excess is 75 euros.",), language: str = "english",
    vectors: Sequence[Sequence[float]] | None = None, model: str = "m", **columns: object,
) -> int:  # fmt: skip
    """Put a document with a chunk for each text straight into the tables, and return its id.

    Args:
        cursor: Of a login that may.
        tenant: Whose it is.
        texts: The chunks' texts.
        language: By which their words are stemmed.
        vectors: One for each chunk, of 1024 numbers.
        model: Of the vectors.
        columns: Other columns of the document.
    """
    content = "\n".join(texts)
    lengths = [words_in(cursor, language, text) for text in texts]
    document = _insert(
        cursor, "documents", tenant_id=tenant, title="Policy", content=content, content_hash=secrets.token_bytes(32),
        language=language, chunk_count=len(texts), word_count=sum(lengths), **columns,
    )["id"]  # fmt: skip
    start = 0
    for ordinal, (text, length) in enumerate(zip(texts, lengths, strict=True)):
        cursor.execute(
            "INSERT INTO document_chunks (tenant_id, document_id, ordinal, start_offset, end_offset, content,"
            " token_count, words, word_count, embedding, embedding_model)"
            " VALUES (%s, %s, %s, %s, %s, %s, 1, words_of(%s, %s), %s, %s, %s)",
            (
                *(tenant, document, ordinal, start, start + len(text), text, language, text, length),
                *((None, None) if vectors is None else (str(list(vectors[ordinal])), model)),
            ),
        )
        start += len(text) + 1
    return int(document)


def words_in(cursor: Any, language: str, text: str) -> int:
    """Count a text's words that are searched, with repetitions."""
    cursor.execute(
        "SELECT coalesce(sum(cardinality(positions)), 0)::integer AS words FROM unnest(words_of(%s, %s))",
        (language, text),
    )
    return int(cursor.fetchone()["words"])


def random_vector(source: random.Random) -> list[float]:
    """Draw a vector of 1024 small numbers."""
    return [round(source.gauss(0, 1), 3) for _ in range(1024)]


def _insert(cursor: Any, table: str, **columns: object) -> Row:
    """Insert a row and return it."""
    names = ", ".join(columns)
    places = ", ".join(["%s"] * len(columns))
    cursor.execute(f"INSERT INTO {table} ({names}) VALUES ({places}) RETURNING *", list(columns.values()))
    return dict(cursor.fetchone())
