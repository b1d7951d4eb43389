"""This project and the libraries that a team would pick, side by side: start, search, recall, isolation, loading.

LangChain, LlamaIndex and Haystack store the same passages with the same vectors on the same server, each as its
documentation says (``tests/benchmarks/peers``), with the tenant in the metadata and in the filter of every search. Ours
runs as the restricted login under the policies. Recall is counted against an exact search inside the tenant, by size of
tenant. In the end the filter is forgotten, which each counts its rows of other tenants for. Some four minutes.
"""

import statistics
from typing import Any

from evaluation.report import Results, Row, bar_plot, print_table, results_folder, save_plot
from tests.benchmarks.peers.contest import OURS, PEERS, Contestant, analyze, contest, enter, tend
from tests.benchmarks.peers.job import RESULTS
from tests.benchmarks.timing import percentile

SIZES = [100] * 8 + [300] * 4 + [1_000] * 2 + [2_000, 7_000]
QUESTIONS_A_SIZE = 16
STARTS = 5
UNCOUNTED = 5
"""Questions at the beginning whose times are not counted: connections and plans are new there."""


def main(sizes: list[int] | None = None) -> None:
    """Load, search and print."""
    with contest(sizes or SIZES, QUESTIONS_A_SIZE) as (server, corpus):
        contestants = [enter(server, corpus, name) for name in (OURS, *PEERS)]
        rows, recalls = list[Row](), list[Row]()
        loads = {}
        for one in contestants:
            print(f"{one.name}: loading {sum(corpus.sizes.values()):,} chunks ...", flush=True)
            loads[one.name] = one.load()
            analyze(server, one)
        made = tend(server, contestants[0])
        starts: dict[str, list[float]] = {one.name: [] for one in contestants}
        for _ in range(STARTS):
            for one in contestants:
                starts[one.name].append(one.first_answer_milliseconds())
        for one in contestants:
            answers = one.search()
            rows.append({"library": one.name, **_times(one, starts[one.name], answers), **_loading(loads[one.name])})
            recalls.append({"library": one.name, **_recall(one, answers)})
    _report(rows, recalls, made)


def _times(one: Contestant, starts: list[float], answers: list[dict[str, Any]]) -> Row:
    """Return times in milliseconds, and how many rows of other tenants came when the filter was forgotten."""
    counted = answers[UNCOUNTED:]
    by = {way: [answer[way]["milliseconds"] for answer in counted] for way in ("vector", "both")}
    return {
        "start to result ms": statistics.median(starts),
        "p50 ms": statistics.median(by["vector"]),
        "p95 ms": percentile(by["vector"], 0.95),
        "with words p50": statistics.median(by["both"]),
        "with words p95": percentile(by["both"], 0.95),
        "foreign rows": sum(
            tenant != one.corpus.question_tenants[answer["question"]]
            for answer in answers
            for _, tenant in answer["forgotten"]["found"]
        ),
    }


def _loading(load: dict[str, Any]) -> Row:
    """Return how quickly chunks went in, with what is documented to be done after loading."""
    return {"chunks/s in": load["chunks"] / (load["add_seconds"] + load["finish_seconds"])}


def _recall(one: Contestant, answers: list[dict[str, Any]]) -> Row:
    """Return the share of the exact nearest that was found, over all questions and by size of tenant."""
    shares: dict[str, list[float]] = {"recall@10": []}
    for answer in answers:
        number = answer["question"]
        found = {one.corpus.chunk_of_text.get(name, name) for name, _ in answer["vector"]["found"]}
        share = len(found & set(one.corpus.exact[number])) / RESULTS
        shares["recall@10"].append(share)
        shares.setdefault(f"{one.corpus.question_sizes[number]:,} chunks", []).append(share)
    sizes = sorted(set(one.corpus.question_sizes))
    return {name: statistics.mean(shares[name]) for name in ("recall@10", *(f"{size:,} chunks" for size in sizes))}


def _report(rows: list[Row], recalls: list[Row], made_seconds: float) -> None:
    """Print, keep and plot what came out."""
    print_table("start, warm search inside a tenant, filter forgotten, loading", rows)
    print_table("recall@10 inside the tenant, by its size", recalls)
    print(f"\nOurs' nightly vector index for the largest tenant, not counted in loading: {made_seconds:.1f} s.")
    results = Results(results_folder(), "peers")
    for name, table in (("peers", rows), ("recall", recalls)):
        for row in table:
            results.add(name, row)
    results.save()
    names = [str(row["library"]) for row in rows]
    for title, column, file in (
        ("Start of a process to its first result", "start to result ms", "peers_start"),
        ("Chunks per second into the database, vectors given", "chunks/s in", "peers_loading"),
    ):
        figure = bar_plot(title, names, {column: [float(row[column] or 0) for row in rows]}, column)
        save_plot(figure, results_folder(), file)
    search = {column: [float(row[column] or 0) for row in rows] for column in ("p50 ms", "p95 ms")}
    save_plot(bar_plot("Warm search inside a tenant", names, search, "ms"), results_folder(), "peers_search")
    by_size = {str(row["library"]): [float(row[key] or 0) for key in row if key != "library"] for row in recalls}
    labels = [key for key in recalls[0] if key != "library"]
    figure = bar_plot("Recall@10 inside the tenant, by its size", labels, by_size, "recall")
    save_plot(figure, results_folder(), "peers_recall")
