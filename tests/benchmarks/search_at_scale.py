"""Search in a database of 200,000 passages of 359 tenants, by the tenant's size, beside the usual design.

What is timed is what a member's search does in the database, as the restricted login and under the policies, with two
of seven documents hidden: entering, ranking, and loading ten passages with their snippets. In turn with it the usual
design answers the same questions over the same passages (``usual_search``). What is found is compared with an exact
search: the ten nearest vectors, and the ten best of the same fusion over the exact order of vectors.

The same tenants of 1,500 passages stand in a database of 20,000 too, and are searched there in turn, to see what other
tenants' passages cost. BENCH_GROWTH=1 adds a database of a million. BENCH_CHUNKS is for trying it out. About eight
minutes, of which five are filling and indexing; a million takes some five more, and 20 GB of disk.
"""

import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TypeVar

from evaluation.report import Results, results_folder
from evaluation.stage import connected
from f.core.database import Database, Transaction, vector_text
from f.core.identity import Caller
from f.core.maintenance import INDEX_ABOVE, maintain_vector_index
from f.core.retrieval import LEG, RANK_CONSTANT, Query, Ranked, SearchFilter, load_passages, rank_passages
from local.database import Server
from tests.benchmarks.filling import MODEL, PASSWORD
from tests.benchmarks.scale_drawing import Drawing
from tests.benchmarks.scale_filling import ScaleTenant, fill, large_server, multiply, run
from tests.benchmarks.scale_report import SMALL, Measured, report_growth, report_sizes
from tests.benchmarks.timing import milliseconds
from tests.benchmarks.usual_search import UsualSearch, make_usual_table

CHUNKS = int(os.environ.get("BENCH_CHUNKS", "200000"))
WORDS_A_PASSAGE, CHUNKS_A_DOCUMENT = 200, 10
"""A passage is as long as the chunker makes them, some 340 of at most 400 tokens."""
CLASSES = {1_500: 20, 5_000: 8, 15_000: 3, 50_000: 1}
"""How many tenants there are of a size, among 200,000 passages; the others have 20 to 500, some 330 of them."""
SMALLEST = 20
EQUAL_SIZE = 1_500
QUESTIONS = {SMALL: 80, 1_500: 60, 5_000: 40, 15_000: 30, 50_000: 20}
GROWTH_QUESTIONS = 80
WARM_UP = 3
_EXACT = """
SELECT c.id FROM document_chunks AS c WHERE c.tenant_id = %s AND c.document_id = ANY (ARRAY(SELECT id FROM documents))
ORDER BY (c.embedding <=> %s::halfvec) + 0, c.id LIMIT %s
"""
_VERSIONS = "SELECT current_setting('server_version'), (SELECT extversion FROM pg_extension WHERE extname = 'vector')"

Result = TypeVar("Result")


@dataclass(frozen=True)
class Asked:
    """A question in a tenant."""

    tenant: ScaleTenant
    question: str
    vector: list[float]

    @property
    def language(self) -> str:
        """Give the tenant's language."""
        return self.tenant.passages.language

    def query(self, *, words: bool = True, vectors: bool = True) -> Query:
        """Give what is searched for."""
        return Query(self.question if words else "", self.vector if vectors else None, MODEL)


def main() -> None:
    """Fill the databases, measure, print tables and write them with plots."""
    drawing = Drawing(WORDS_A_PASSAGE, CHUNKS_A_DOCUMENT)
    with large_server() as server:
        tenants = _said("filling", lambda: fill(server, "large", drawing, sizes_of(CHUNKS)))
        _said("vector indexes of large tenants", lambda: _index(server, "large", tenants))
        _said("filling a tenth", lambda: fill(server, "small", drawing, sizes_of_small()))
        _said("the usual table", lambda: make_usual_table(server.admin_dsn("large")))
        [(postgres, pgvector)] = run(server.admin_dsn("large"), _VERSIONS)
        results = Results(results_folder(), "search_at_scale", postgres=postgres, pgvector=pgvector)
        report_sizes(results, CHUNKS, _measure(server, drawing, tenants))
        databases = {CHUNKS // 10: "small", CHUNKS: "large"}
        if os.environ.get("BENCH_GROWTH"):
            _said("five times as much", lambda: multiply(server, "largest", "large", 5))
            databases[CHUNKS * 5] = "largest"
        report_growth(results, EQUAL_SIZE, _grow(server, databases, drawing, tenants))
    results.save()


def sizes_of(chunks: int) -> list[int]:
    """Give the tenants' sizes for so many passages in all, those of ``EQUAL_SIZE`` first."""
    large = [size for size, count in CLASSES.items() for _ in range(round(count * chunks / 200_000))]
    return with_small_ones(large, chunks)


def sizes_of_small() -> list[int]:
    """Give the sizes of a database of a tenth, which begins with the same tenants."""
    return with_small_ones([EQUAL_SIZE] * equal_in_small(), CHUNKS // 10)


def with_small_ones(sizes: list[int], chunks: int) -> list[int]:
    """Add tenants of 20 to 500 passages, most of them small, until there are so many passages."""
    source, left, added = random.Random(5), chunks - sum(sizes), list[int]()
    while left >= SMALLEST:
        added.append(min(left, SMALLEST + round((SMALL - SMALLEST) * source.random() ** 4.5)))
        left -= added[-1]
    return [*sizes, *added]


def _said(what: str, action: Callable[[], Result]) -> Result:
    """Do something, and say how long it took."""
    began = time.monotonic()
    result = action()
    print(f"{what}: {time.monotonic() - began:.0f} s", flush=True)
    return result


def _index(server: Server, name: str, tenants: Sequence[ScaleTenant]) -> None:
    """Let the nightly job do its work for the tenants that are large enough."""
    with connected(server.dsn("knowledge_operator", PASSWORD, name)) as database:
        for tenant in tenants:
            if len(tenant.chunks) > INDEX_ABOVE:
                with database.transaction(Caller(tenant.id, None, "system")) as transaction:
                    transaction.execute("SET LOCAL statement_timeout = 0; SET LOCAL maintenance_work_mem = '2GB'")
                    maintain_vector_index(transaction)


def _questions(drawing: Drawing, tenants: Sequence[ScaleTenant], count: int) -> list[Asked]:
    """Draw questions about passages that the member sees, tenant after tenant."""
    source, asked = random.Random(6), []
    for number in range(count):
        tenant = tenants[number % len(tenants)]
        asked.append(Asked(tenant, *drawing.question(tenant.passages, tenant.number, source.choice(tenant.visible))))
    return asked


def _search(database: Database, asked: Asked) -> list[int]:
    """Do what a member's search does in the database; gives the ten best."""
    with database.transaction(Caller(asked.tenant.id, asked.tenant.member)) as transaction:
        ranked = rank_passages(transaction, asked.query(), SearchFilter())[:10]
        load_passages(transaction, ranked, snippets_for=asked.question)
    return [passage.chunk_id for passage in ranked]


def _measure(server: Server, drawing: Drawing, tenants: Sequence[ScaleTenant]) -> dict[int, Measured]:
    """Ask the questions of each size, ours and the usual way in turn."""
    found = {}
    usual = UsualSearch(server, "large")
    with connected(server.dsn("knowledge_app", PASSWORD, "large")) as database:
        for size, count in QUESTIONS.items():
            of_size = [tenant for tenant in tenants if class_of(len(tenant.chunks)) == size]
            if of_size:
                asked = _questions(drawing, of_size, count + WARM_UP)
                found[size] = _said(f"questions in tenants of {size:,}", partial(_ask, database, usual, asked))
    usual.close()
    return found


def _ask(database: Database, usual: UsualSearch, questions: Sequence[Asked]) -> Measured:
    """Ask both ways, the first one first in every other round, and compare what ours finds with an exact search."""
    measured = Measured()
    for number, asked in enumerate(questions):
        ways: list[tuple[list[float], Callable[[], object]]] = [
            (measured.ours, partial(_search, database, asked)),
            (measured.usual, partial(usual.search, asked.tenant.id, asked.language, asked.question, asked.vector)),
        ]
        for times, search in ways if number % 2 else ways[::-1]:
            took = milliseconds(search)
            if number >= WARM_UP:
                times.append(took)
        _compare(database, usual, asked, measured)
    return measured


def _compare(database: Database, usual: UsualSearch, asked: Asked, measured: Measured) -> None:
    """Note the shares of an exact search's results that were found."""
    with database.transaction(Caller(asked.tenant.id, asked.tenant.member)) as transaction:
        nearest = _exact(transaction, asked)
        by_vectors = _ids(rank_passages(transaction, asked.query(words=False), SearchFilter()))
        by_words = _ids(rank_passages(transaction, asked.query(vectors=False), SearchFilter()))
        hybrid = _ids(rank_passages(transaction, asked.query(), SearchFilter()))
    measured.recall.append(_share(by_vectors, nearest))
    measured.overlap.append(_share(hybrid, fused(by_words, nearest)))
    measured.usual_recall.append(_share(usual.nearest(asked.tenant.id, asked.vector), nearest))


def fused(*legs: Sequence[int]) -> list[int]:
    """Merge by reciprocal rank, exactly."""
    scores: dict[int, Fraction] = {}
    for leg in legs:
        for place, chunk in enumerate(leg, 1):
            scores[chunk] = scores.get(chunk, Fraction()) + Fraction(1, RANK_CONSTANT + place)
    return sorted(scores, key=lambda chunk: (-scores[chunk], chunk))


def _exact(transaction: Transaction, asked: Asked) -> list[int]:
    """Give the nearest of all passages that the member sees, every one of them compared."""
    rows = transaction.rows(_EXACT, (asked.tenant.id, vector_text(asked.vector), LEG))
    return [row["id"] for row in rows]


def _ids(ranked: Sequence[Ranked]) -> list[int]:
    return [passage.chunk_id for passage in ranked]


def _share(found: Sequence[int], wanted: Sequence[int]) -> float:
    """Give the share of the first ten that are wanted which are among the first ten that were found."""
    return len({*found[:10]} & {*wanted[:10]}) / len(wanted[:10])


def class_of(size: int) -> int:
    """Give the class to which a tenant of a size belongs."""
    return size if size in CLASSES else SMALL


def _grow(
    server: Server, databases: Mapping[int, str], drawing: Drawing, tenants: Sequence[ScaleTenant]
) -> dict[int, list[float]]:
    """Ask the same questions in databases of several sizes in turn, in tenants that stand in all of them."""
    equal = [tenant for tenant in tenants[: equal_in_small()] if len(tenant.chunks) == EQUAL_SIZE]
    times: dict[int, list[float]] = {chunks: [] for chunks in databases}
    with ExitStack() as stack:
        opened = {
            chunks: stack.enter_context(connected(server.dsn("knowledge_app", PASSWORD, name)))
            for chunks, name in databases.items()
        }
        for number, asked in enumerate(_questions(drawing, equal, GROWTH_QUESTIONS + 2 * len(equal))):
            for chunks, database in opened.items() if number % 2 else [*opened.items()][::-1]:
                took = milliseconds(partial(_search, database, asked))
                if number >= 2 * len(equal):
                    times[chunks].append(took)
    return times


def equal_in_small() -> int:
    """Count the tenants of ``EQUAL_SIZE`` that the smaller database has too."""
    return min(sizes_of(CHUNKS).count(EQUAL_SIZE), CHUNKS // 10 // EQUAL_SIZE)
