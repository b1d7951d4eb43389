"""How long a search takes in the database, by the size of the tenant: ``make bench``.

Tenants of 500, 2,000 and 5,000 chunks of random words (Zipf) stand in one database, and are searched as the members'
login, under the policies, with half of the documents hidden from the member. What is timed is what ``search`` and
``chat`` do there: the transaction, the ranking and the loading of ten passages. Rounds alternate between the cases, so
that a change of the machine's speed meets them all.
"""

import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import psycopg2
from psycopg2.extras import RealDictCursor

from f.core.database import Database
from f.core.identity import Caller
from f.core.retrieval import Query, SearchFilter, load_passages, rank_passages
from local.database import temporary_postgres
from sql.install import install

SIZES = (500, 2_000, 5_000)
CHUNKS_A_DOCUMENT = 10
WORDS_A_CHUNK = 200
VOCABULARY = 20_000
ROUNDS = 15
MODEL = "benchmark"
FILL = (Path(__file__).parent / "fill.sql").read_text(encoding="utf-8")


def main() -> None:
    """Fill a database, time the cases and print a table."""
    random.seed(20_261_120)
    with temporary_postgres() as server:
        name = server.create_database("benchmark")
        install(server.admin_dsn(name), app_password="benchmark", operator_password="benchmark")
        print(f"filling tenants of {', '.join(f'{size:,}' for size in SIZES)} chunks ...", flush=True)
        tenants = {size: _fill(server.admin_dsn(name), size) for size in SIZES}
        dsn = server.dsn("knowledge_app", "benchmark", name)
        connection = psycopg2.connect(dsn, cursor_factory=RealDictCursor)
        connection.autocommit = True
        try:
            _report(_measure(Database(connection), tenants))
        finally:
            connection.close()


def _fill(dsn: str, size: int) -> str:
    """Make a tenant with so many chunks, every other document for adults only, and return its id."""
    words = [f"word{number}" for number in range(VOCABULARY)]
    weights = [1 / (number + 1) for number in range(VOCABULARY)]
    connection = psycopg2.connect(dsn)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO tenants (name, slug) VALUES ('Benchmark', %s) RETURNING id", (f"size-{size}",))
            tenant = str(cursor.fetchall()[0][0])
            for number in range(size // CHUNKS_A_DOCUMENT):
                texts = [" ".join(random.choices(words, weights, k=WORDS_A_CHUNK)) for _ in range(CHUNKS_A_DOCUMENT)]
                visibility = ("everyone", "adults_only")[number % 2]
                cursor.execute(FILL, {"tenant": tenant, "visibility": visibility, "texts": texts, "model": MODEL})
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    finally:
        connection.close()
    return tenant


def _measure(database: Database, tenants: dict[int, str]) -> dict[tuple[str, int], list[float]]:
    """Time each kind of search in each tenant, in turn, and return milliseconds."""
    times: dict[tuple[str, int], list[float]] = {}
    for _ in range(ROUNDS):
        question = " ".join(f"word{round(VOCABULARY ** random.random())}" for _ in range(8))
        vector = [random.uniform(-1, 1) for _ in range(1024)]
        for size, tenant in tenants.items():
            for kind, used in (("words", None), ("words and vectors", vector)):
                query = Query(question, used, MODEL)
                took = _milliseconds(lambda: _search(database, tenant, query))  # noqa: B023 -- called at once
                times.setdefault((kind, size), []).append(took)
    return times


def _search(database: Database, tenant: str, query: Query) -> None:
    """Do what a search does in the database."""
    with database.transaction(Caller(tenant, None, "teen")) as transaction:
        load_passages(transaction, rank_passages(transaction, query, SearchFilter())[:10], snippets_for=query.question)


def _milliseconds(action: Callable[[], None]) -> float:
    """Time an action."""
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


def _report(times: dict[tuple[str, int], list[float]]) -> None:
    """Print medians, the spread, and each as a ratio to words alone in the smallest tenant."""
    base = statistics.median(times["words", SIZES[0]])
    print(f"\n{'search':<20}{'chunks':>8}{'median ms':>12}{'p95 ms':>10}{'ratio':>8}")
    for (kind, size), taken in sorted(times.items()):
        ordered = sorted(taken)
        median, high = statistics.median(ordered), ordered[round(0.95 * (len(ordered) - 1))]
        print(f"{kind:<20}{size:>8,}{median:>12.1f}{high:>10.1f}{median / base:>8.1f}")


if __name__ == "__main__":
    main()
