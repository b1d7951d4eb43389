"""A database with tenants of a given size, of random words (Zipf), for benchmarks."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2

from local.database import Server, temporary_postgres
from sql.install import install

CHUNKS_A_DOCUMENT = 10
WORDS_A_CHUNK = 200
VOCABULARY = 20_000
MODEL = "benchmark"
PASSWORD = "benchmark"
_FILL = (Path(__file__).parent / "fill.sql").read_text(encoding="utf-8")


@contextmanager
def filled_server(name: str = "benchmark") -> Iterator[tuple[Server, str]]:
    """Start a server with an installed database; gives the server and the database's name."""
    random.seed(20_261_120)
    with temporary_postgres() as server:
        database = server.create_database(name)
        install(server.admin_dsn(database), app_password=PASSWORD, operator_password=PASSWORD)
        yield server, database


def fill_tenant(dsn: str, size: int, visibilities: tuple[str, ...] = ("everyone", "adults_only")) -> str:
    """Make a tenant with so many chunks, its documents with each visibility in turn, and return its id."""
    words = [f"word{number}" for number in range(VOCABULARY)]
    weights = [1 / (number + 1) for number in range(VOCABULARY)]
    connection = psycopg2.connect(dsn)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO tenants (name, slug, requests_per_minute) VALUES ('Benchmark', 'b' || md5(random()::text),"
                " 1000000) RETURNING id"
            )
            tenant = str(cursor.fetchall()[0][0])
            for number in range(size // CHUNKS_A_DOCUMENT):
                texts = [" ".join(random.choices(words, weights, k=WORDS_A_CHUNK)) for _ in range(CHUNKS_A_DOCUMENT)]
                visibility = visibilities[number % len(visibilities)]
                cursor.execute(_FILL, {"tenant": tenant, "visibility": visibility, "texts": texts, "model": MODEL})
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    finally:
        connection.close()
    return tenant


def random_question() -> str:
    """Draw eight words, rare and frequent ones."""
    return " ".join(f"word{round(VOCABULARY ** random.random())}" for _ in range(8))


def random_vector() -> list[float]:
    """Draw a vector of 1024 numbers."""
    return [random.uniform(-1, 1) for _ in range(1024)]
