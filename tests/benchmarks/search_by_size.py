"""How long a search takes in the database, by the size of the tenant.

Tenants of 500, 2,000 and 5,000 chunks stand in one database, and are searched as the members' login, under the
policies, with half of the documents hidden from the member. What is timed is what ``search`` and ``chat`` do there: the
transaction, the ranking and the loading of ten passages. Rounds alternate between the cases, so that a change of the
machine's speed meets them all.
"""

import statistics

from evaluation.stage import connected
from f.core.database import Database
from f.core.identity import Caller
from f.core.retrieval import Query, SearchFilter, load_passages, rank_passages
from tests.benchmarks.filling import (
    MODEL,
    PASSWORD,
    fill_tenant,
    filled_server,
    random_question,
    random_vector,
)
from tests.benchmarks.timing import milliseconds, percentile

SIZES = (500, 2_000, 5_000)
ROUNDS = 15


def main() -> None:
    """Fill a database, time the cases and print a table."""
    with filled_server() as (server, name):
        print(f"filling tenants of {', '.join(f'{size:,}' for size in SIZES)} chunks ...", flush=True)
        tenants = {size: fill_tenant(server.admin_dsn(name), size) for size in SIZES}
        with connected(server.dsn("knowledge_app", PASSWORD, name)) as database:
            _report(_measure(database, tenants))


def search(database: Database, caller: Caller, query: Query) -> None:
    """Do what a search does in the database."""
    with database.transaction(caller) as transaction:
        load_passages(transaction, rank_passages(transaction, query, SearchFilter())[:10], snippets_for=query.question)


def _measure(database: Database, tenants: dict[int, str]) -> dict[tuple[str, int], list[float]]:
    """Time each kind of search in each tenant, in turn, and return milliseconds."""
    times: dict[tuple[str, int], list[float]] = {}
    for _ in range(ROUNDS):
        question, vector = random_question(), random_vector()
        for size, tenant in tenants.items():
            for kind, used in (("words", None), ("words and vectors", vector)):
                caller, query = Caller(tenant, None, "teen"), Query(question, used, MODEL)
                took = milliseconds(lambda: search(database, caller, query))  # noqa: B023 -- called at once
                times.setdefault((kind, size), []).append(took)
    return times


def _report(times: dict[tuple[str, int], list[float]]) -> None:
    """Print medians, the spread, and each as a ratio to words alone in the smallest tenant."""
    base = statistics.median(times["words", SIZES[0]])
    print(f"\n{'search':<20}{'chunks':>8}{'median ms':>12}{'p95 ms':>10}{'ratio':>8}")
    for (kind, size), taken in sorted(times.items()):
        median = statistics.median(taken)
        print(f"{kind:<20}{size:>8,}{median:>12.1f}{percentile(taken, 0.95):>10.1f}{median / base:>8.1f}")
