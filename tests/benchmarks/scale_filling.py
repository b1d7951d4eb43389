"""Fills a database with many chunks quickly: rows by COPY, words by SQL, indexes at the end, two connections at once.

What triggers do is done in bulk instead, and documents of all tenants lie among each other, as they would have come.
"""

import random
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import psycopg2

from local.database import EmbeddedPostgres, Server
from sql.install import install
from tests.benchmarks.filling import MODEL, PASSWORD
from tests.benchmarks.scale_drawing import Drawing, Passages, copied

VISIBILITIES = ("everyone", "everyone", "everyone", "adults_only", "everyone", "admins_only", "everyone")
"""Of a tenant's documents, in turn: a teen sees five of seven."""
_SETTINGS = {
    "shared_buffers": "4GB", "effective_cache_size": "8GB", "max_wal_size": "16GB", "checkpoint_timeout": "1h",
    "autovacuum": "off", "random_page_cost": "1.1",
}  # fmt: skip
SESSION = "SET maintenance_work_mem = '2GB'; SET work_mem = '1GB'; SET session_replication_role = replica"
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_STAGED = """
CREATE UNLOGGED TABLE staged (tenant_id uuid, id integer, document_id integer, content text, embedding halfvec(1024));
ALTER TABLE staged ALTER COLUMN embedding SET STORAGE PLAIN;
"""
_DOCUMENTS = """
INSERT INTO documents (tenant_id, language, id, title, content, content_hash, visibility, chunk_count)
SELECT %s, %s, given.id, 'Document ' || given.id, 'Not used here.', int4send(given.id), given.visibility, given.chunks
FROM unnest(%s::integer[], %s::text[], %s::integer[]) AS given (id, visibility, chunks)
"""
# English words as they are drawn have no accents: to fold them is half of the work, and changes nothing.
_CHUNKS = """
INSERT INTO document_chunks (tenant_id, id, document_id, ordinal, start_offset, end_offset, content, token_count, words,
                             word_count, embedding, embedding_model)
SELECT s.tenant_id, s.id, s.document_id, s.id %% 10, 0, char_length(s.content), s.content, octet_length(s.content) / 4,
       stems.words, (SELECT sum(cardinality(positions)) FROM unnest(stems.words)), s.embedding, %(model)s
FROM staged AS s JOIN documents AS d ON d.tenant_id = s.tenant_id AND d.id = s.document_id,
     LATERAL (SELECT CASE d.language WHEN 'english' THEN to_tsvector('english', s.content)
                     ELSE words_of(d.language, s.content) END AS words OFFSET 0) AS stems
WHERE s.document_id BETWEEN %(first)s AND %(last)s
ORDER BY s.document_id
"""
_WORDS = """
INSERT INTO chunk_words (tenant_id, lexeme, chunk_id, document_id, frequency, chunk_length)
SELECT c.tenant_id, word.lexeme, c.id, c.document_id, cardinality(word.positions), c.word_count
FROM document_chunks AS c, unnest(c.words) AS word WHERE c.document_id BETWEEN %(first)s AND %(last)s
"""
_WORDS_KEY = (
    "ALTER TABLE chunk_words DROP CONSTRAINT chunk_words_pkey",
    "ALTER TABLE chunk_words ADD PRIMARY KEY (tenant_id, lexeme, chunk_id)"
    " INCLUDE (document_id, frequency, chunk_length)",
)
_COUNTS = """
UPDATE documents AS d SET word_count = whole.words
FROM (SELECT document_id, sum(word_count) AS words FROM document_chunks GROUP BY document_id) AS whole
WHERE d.id = whole.document_id
"""

_COLUMNS = """
SELECT table_name::text, string_agg(column_name, ', ') FROM information_schema.columns
WHERE table_schema = 'public' AND column_name <> 'tenant_id' AND is_generated = 'NEVER' GROUP BY table_name
"""


@dataclass(frozen=True)
class ScaleTenant:
    """A tenant that was filled.

    Attributes:
        chunks: The ids of the passages, in the order in which they were drawn.
        visible: The numbers of those that the member, a teen, sees.
    """

    id: str
    number: int
    passages: Passages
    chunks: list[int]
    visible: list[int]
    member: int


@contextmanager
def large_server() -> Iterator[Server]:
    """Run a temporary server with memory as a machine of some size gives it."""
    with TemporaryDirectory(prefix="scale-") as home:
        Path(home).chmod(0o711)
        postgres = EmbeddedPostgres(Path(home), durable=False)
        try:
            server = postgres.start()
            for name, value in _SETTINGS.items():
                run(server.admin_dsn(), f"ALTER SYSTEM SET {name} = '{value}'")
            postgres.stop()
            yield postgres.start()
        finally:
            postgres.remove()


def run(dsn: str, *statements: str | tuple[str, object]) -> list[tuple[Any, ...]]:
    """Run statements, some with parameters, each on its own; gives the rows of the last."""
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                text, parameters = (statement, None) if isinstance(statement, str) else statement
                cursor.execute(text, cast("Any", parameters))
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def fill(server: Server, name: str, drawing: Drawing, sizes: Sequence[int]) -> list[ScaleTenant]:
    """Install a database, and fill it with tenants of these sizes."""
    dsn = server.admin_dsn(server.create_database(name))
    install(dsn, app_password=PASSWORD, operator_password=PASSWORD)
    run(dsn, _STAGED)
    documents = random.Random(7).sample(range(1, 2**31 // 10), sum(-(-size // drawing.a_document) for size in sizes))
    tenants = _stage(dsn, drawing, sizes, iter(documents))
    at_once = [
        {"first": 0, "last": sorted(documents)[len(documents) // 2], "model": MODEL},
        {"first": sorted(documents)[len(documents) // 2] + 1, "last": 2**31 - 1, "model": MODEL},
    ]
    _both(dsn, _CHUNKS, at_once)
    run(dsn, SESSION, _COUNTS, "DROP TABLE staged", _WORDS_KEY[0])
    _both(dsn, _WORDS, at_once)
    run(dsn, SESSION, _WORDS_KEY[1], "VACUUM (FREEZE, ANALYZE)")
    return tenants


def _both(dsn: str, statement: str, parts: Sequence[dict[str, object]]) -> None:
    """Run a statement for each part at once."""
    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(lambda part: run(dsn, SESSION, (statement, part)), parts))


def _stage(dsn: str, drawing: Drawing, sizes: Sequence[int], documents: Iterator[int]) -> list[ScaleTenant]:
    """Write tenants, documents and what chunks are made of; a chunk's id is ten times its document's and its place."""
    tenants, source = [], random.Random(8)
    connection = psycopg2.connect(dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute(SESSION)
        for number, size in enumerate(sizes):
            tenant, drawn = uuid.UUID(int=source.getrandbits(128)), drawing.tenant(number, size)
            mine = [next(documents) for _ in range(-(-size // drawing.a_document))]
            of_chunk = [mine[n // drawing.a_document] for n in range(size)]
            chunks = [document * 10 + n % 10 for n, document in enumerate(of_chunk)]
            cursor.execute(
                "INSERT INTO tenants (id, name, slug) VALUES (%s, 'Tenant', %s);"
                "INSERT INTO family_members (tenant_id, id, name, member_type) VALUES (%s, %s, 'Member', 'teen')",
                (str(tenant), f"tenant{number}", str(tenant), number + 1),
            )
            sights = [VISIBILITIES[n % len(VISIBILITIES)] for n in range(len(mine))]
            counts = Counter(of_chunk)
            cursor.execute(_DOCUMENTS, (str(tenant), drawn.language, mine, sights, [counts[n] for n in mine]))
            rows = _Stream(copied(tenant, chunks, of_chunk, drawn))
            cursor.copy_expert("COPY staged FROM STDIN (FORMAT binary)", rows)
            visible = [n for n in range(size) if sights[n // drawing.a_document] == "everyone"]
            tenants.append(
                ScaleTenant(str(tenant), number, replace(drawn, vectors=drawn.vectors[:0]), chunks, visible, number + 1)
            )
    connection.close()
    return tenants


class _Stream:
    """Rows as a file that COPY reads."""

    def __init__(self, rows: Iterator[bytes]) -> None:
        self._parts = chain([_HEADER], rows, [b"\xff\xff"])

    def read(self, _size: int = 0, /) -> bytes:
        """Give the next hundred rows or so; nothing at the end."""
        return b"".join(islice(self._parts, 100))

    def readline(self, _size: int = 0, /) -> bytes:
        """Give the same: COPY asks for whatever there is."""
        return self.read()


def multiply(server: Server, name: str, source: str, times: int) -> None:
    """Make a database that is another one with so many copies of each tenant, under ids of their own."""
    dsn = server.admin_dsn(server.create_database(name, template=source))
    run(dsn, SESSION, "DROP TABLE IF EXISTS usual_passages", _WORDS_KEY[0])
    columns: dict[str, str] = dict(cast("list[Any]", run(dsn, _COLUMNS)))
    for table in ("documents", "document_chunks"):
        run(dsn, SESSION, *(_copy(table, columns[table], copy) for copy in range(1, times)))
    parts: list[dict[str, object]] = [
        {"first": first, "last": last} for first, last in ((0, 2**30 - 1), (2**30, 2**31 - 1))
    ]
    words = [_copy("chunk_words", columns["chunk_words"], copy) for copy in range(1, times)]
    for statement in words:
        _both(dsn, f"{statement} WHERE chunk_id BETWEEN %(first)s AND %(last)s", parts)
    run(dsn, SESSION, _WORDS_KEY[1], "VACUUM (FREEZE, ANALYZE)")


def _copy(table: str, columns: str, copy: int) -> str:
    """Give the statement that copies a table's rows to tenants of other ids; tenants themselves are not made."""
    return (
        f"INSERT INTO {table} (tenant_id, {columns}) SELECT md5(tenant_id::text || {copy})::uuid, {columns} FROM ("
        f"SELECT * FROM {table} WHERE tenant_id IN (SELECT id FROM tenants)) AS original"
    )
