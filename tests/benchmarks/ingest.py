"""How quickly chunks go into the database beside the peers, and what a large text takes.

First, ours and the libraries of ``tests/benchmarks/peers`` load the same chunks with the same vectors, twice in turn,
so without a provider's time: from texts in hand, cut already, until they are found. Peers load as documented (with
their HNSW index and the words that hybrid search needs), and with as little as they can (no index, no words where a
library can do without), which searches no tenant quickly. Ours always keeps words for BM25, exact spans, and looks for
duplicates. What our chunker would take is measured beside it.

Then whole jobs of ``ingest`` and ``embed`` (offline model) take texts of some megabytes; the memory is the job's
process alone, at its highest, which Linux tells. Some six minutes.
"""

import os
import random
import statistics
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

from evaluation.report import Results, Row, bar_plot, print_table, readable, results_folder, save_plot
from f.core.chunking import split_document
from local.database import Server
from local.stack import Stack, local_stack
from tests.benchmarks.peers.contest import OURS, Contestant, contest, enter, server_cpu_seconds
from tests.support.installation import Installation

SIZES = [100] * 5 + [500] * 3 + [2_000]
ROUNDS = 2
TEXTS = (("english", 5), ("greek", 5), ("greek", 50))
_ENTRANTS = (
    (OURS, True, True),
    ("LangChain", True, True),
    ("LlamaIndex", True, True),
    ("Haystack", True, True),
    ("LangChain without words", False, True),
    ("LlamaIndex bare", False, False),
    ("Haystack without HNSW", True, False),
)
_ALPHABETS = {"english": "abcdefghijklmnopqrstuvwxyz", "greek": "αβγδεζηθικλμνξοπρστυφχψωάέή"}


def main(sizes: list[int] | None = None, texts: tuple[tuple[str, int], ...] = TEXTS) -> None:
    """Load, measure jobs, and print."""
    rates = _rates(sizes or SIZES)
    print_table("chunks a second into the database, vectors given", rates)
    print(f"\nOurs is {_times_the_best(rates, documented=True):.1f} times the best peer that loads as documented, and")
    print(f"{_times_the_best(rates, documented=False):.1f} times the best that makes no vector index.")
    print_table("the chunker alone", [_cutting()])
    jobs = _jobs(texts)
    print_table("jobs with large texts (text in UTF-8)", jobs)
    results = Results(results_folder(), "ingest")
    for table, rows in (("rates", rates), ("jobs", jobs)):
        for row in rows:
            results.add(table, row)
    results.save()
    names, values = [str(row["library"]) for row in rates], [float(row["chunks/s"] or 0) for row in rates]
    figure = bar_plot("Chunks per second into the database", names, {"chunks/s": values}, "chunks/s")
    figure.autofmt_xdate(rotation=20)
    save_plot(figure, results_folder(), "ingest_rates")


def _rates(sizes: list[int]) -> list[Row]:
    """Load with each entrant in turn, each time into a new database, and return the medians."""
    loads: dict[str, list[tuple[float, float, float | None]]] = {}
    with contest(sizes, 1) as (server, corpus):
        for number in range(ROUNDS):
            for name, words, index in _ENTRANTS:
                print(f"round {number + 1}: {name} loads {sum(sizes):,} chunks ...", flush=True)
                one = enter(server, corpus, name, words=words, index=index)
                loads.setdefault(name, []).append(_load(server, one))
                server.drop_database(str(one.database["dbname"]))
    return [
        {
            "library": name,
            "words": "BM25" if name == OURS else "tsvector" if words else "none",
            "vector index": "per tenant, nightly" if name == OURS else "HNSW" if index else "none",
            "chunks/s": statistics.median(sum(sizes) / (added + finished) for added, finished, _ in loads[name]),
            "of it afterwards s": statistics.median(finished for _, finished, _ in loads[name]),
            "CPU ms a chunk": _median(milliseconds for _, _, milliseconds in loads[name]),
        }
        for name, words, index in _ENTRANTS
    ]


def _load(server: Server, one: Contestant) -> tuple[float, float, float | None]:
    """Load once; returns the seconds for adding and for what comes after, and CPU time a chunk on both sides."""
    before = server_cpu_seconds(server)
    load = one.load()
    after = server_cpu_seconds(server)
    known = before is not None and after is not None
    cpu = (load["cpu_seconds"] + after - before) * 1000 / load["chunks"] if known else None
    return load["add_seconds"], load["finish_seconds"], cpu


def _median(values: Iterable[float | None]) -> float | None:
    """Return the median of what is known."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _times_the_best(rates: list[Row], *, documented: bool) -> float:
    """Return how many times the best peer's rate ours is."""
    ours, *peers = rates
    rivals = [float(row["chunks/s"] or 0) for row in peers if (row["vector index"] == "HNSW") == documented]
    return float(ours["chunks/s"] or 0) / max(rivals)


def _cutting() -> Row:
    """Return how quickly our chunker cuts."""
    text = large_text("english", 5)
    began = time.process_time()
    chunks = split_document(text)
    seconds = time.process_time() - began
    return {"MB": 5, "chunks": len(chunks), "seconds": seconds, "chunks/s": len(chunks) / seconds}


def _jobs(texts: tuple[tuple[str, int], ...]) -> list[Row]:
    """Run ``ingest`` and ``embed`` for each text, and return what each took."""
    rows: list[Row] = []
    with TemporaryDirectory() as folder, local_stack(Path(folder), environment={}) as stack:
        installation = Installation(stack)
        installation.client.timeout = 900
        idle = _job(installation, stack, "f/chatbot/ingest", content="A small text.")[1]
        for language, megabytes in texts:
            print(f"jobs: {megabytes} MB of {language} ...", flush=True)
            text = large_text(language, megabytes)
            stored, ingest_mb, ingest_seconds = _job(installation, stack, "f/chatbot/ingest", content=text)
            row: Row = {"language": language, "MB": megabytes, "chunks": int(stored["chunks"])}
            row |= {"ingest s": ingest_seconds, "ingest peak MB": ingest_mb}
            row["MB a MB of text"] = None if ingest_mb is None or idle is None else (ingest_mb - idle) / megabytes
            _, embed_mb, embed_seconds = _job(
                installation, stack, "f/chatbot/embed", document_id=stored["document_id"], tenant_id=stored["tenant"]
            )
            rows.append(row | {"embed s": embed_seconds, "embed peak MB": embed_mb})
            print(", ".join(f"{name} {readable(value)}" for name, value in rows[-1].items()), flush=True)
    return rows


def _job(
    installation: Installation, stack: Stack, path: str, **arguments: object
) -> tuple[dict[str, Any], float | None, float]:
    """Run a job; returns its data, the most memory that its process took in MB, and its seconds."""
    tenant = arguments.pop("tenant_id", None) or installation.new_tenant().id
    given = {"tenant_id": tenant, **({"title": "Large"} if "content" in arguments else {}), **arguments}
    began = time.perf_counter()
    with _watched_children() as peaks:
        answer = installation.client.post(stack.url(f"jobs/run_wait_result/p/{path}"), json=given)
    assert answer.status_code == 200, answer.text[:500]
    return answer.json()["data"] | {"tenant": tenant}, max(peaks, default=None), time.perf_counter() - began


@contextmanager
def _watched_children() -> Iterator[list[float]]:
    """Note the most memory in MB of each process that is begun by this one's children meanwhile; Linux only."""
    over, peaks, before = Event(), dict[int, float](), set(_memory())

    def watch() -> None:
        while not over.wait(0.05):
            peaks.update({pid: most for pid, most in _memory().items() if pid not in before})

    watcher, found = Thread(target=watch), list[float]()
    watcher.start()
    try:
        yield found
    finally:
        over.set()
        watcher.join()
        found += peaks.values()


def _memory() -> dict[int, float]:
    """Return the most memory in MB that each of this user's Python processes has had so far."""
    found: dict[int, float] = {}
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
        except OSError:
            continue  # it is over
        if lines["Name"].strip().startswith("python") and "VmHWM" in lines and _is_ours(int(lines["PPid"])):
            found[int(lines["Pid"])] = int(lines["VmHWM"].split()[0]) / 1024
    return found


def _is_ours(pid: int) -> bool:
    """Tell whether a process is this one, or descends from it."""
    while pid > 1:
        if pid == os.getpid():
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            return False
    return False


def large_text(language: str, megabytes: int) -> str:
    """Write a Markdown text of so many megabytes in UTF-8: sections, paragraphs, sentences; the same each time."""
    chance = random.Random(f"{language}{megabytes}")
    words = ["".join(chance.choices(_ALPHABETS[language], k=chance.randrange(2, 10))) for _ in range(20_000)]
    sentences = [" ".join(chance.choices(words, k=14)).capitalize() + "." for _ in range(2_000)]
    parts, size, number = list[str](), 0, 0
    while size < megabytes * 1_000_000 - 2_000:
        heading = f"# Section {number}\n\n" if number % 10 == 0 else ""
        parts.append(f"{heading}{' '.join(chance.choices(sentences, k=6))}\n\n")
        size += len(parts[-1].encode())
        number += 1
    return "".join(parts)
