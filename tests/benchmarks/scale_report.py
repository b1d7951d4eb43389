"""Tables and plots of ``search_at_scale``."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evaluation.report import Results, Row, bar_plot, line_plot, print_table, results_folder, save_plot
from tests.benchmarks.timing import percentile

SMALL = 500
"""Tenants of up to so many passages are one class."""
_RECALLS = {"ours": "vector", "usual": "usual vector"}


@dataclass
class Measured:
    """What was measured in the tenants of a size: milliseconds, and shares of what an exact search finds."""

    ours: list[float] = field(default_factory=list)
    usual: list[float] = field(default_factory=list)
    recall: list[float] = field(default_factory=list)
    overlap: list[float] = field(default_factory=list)
    usual_recall: list[float] = field(default_factory=list)


def report_sizes(results: Results, chunks: int, measured: Mapping[int, Measured]) -> None:
    """Print and keep what was measured, a row for each size."""
    rows = []
    for size, taken in measured.items():
        ours, usual = percentile(taken.ours, 0.95), percentile(taken.usual, 0.95)
        row: Row = {
            "passages of the tenant": f"<= {SMALL}" if size == SMALL else f"{size:,}",
            "questions": len(taken.ours),
            "ours median ms": statistics.median(taken.ours),
            "ours p95 ms": ours,
            "usual median ms": statistics.median(taken.usual),
            "usual p95 ms": usual,
            "p95 ratio": ours / usual,
            "vector recall@10": statistics.mean(taken.recall),
            "hybrid overlap@10": statistics.mean(taken.overlap),
            "usual vector recall@10": statistics.mean(taken.usual_recall),
        }
        rows.append(row)
        results.add("by size", row)
    print_table(f"Hybrid search among {chunks:,} passages, by the tenant's size", rows)
    labels = [str(row["passages of the tenant"]) for row in rows]
    times = {name: [float(row[f"{name} p95 ms"] or 0) for row in rows] for name in ("ours", "usual")}
    figure = bar_plot("Hybrid search, 95 of 100 are quicker", labels, times, "milliseconds (logarithmic)", least=1)
    figure.axes[0].set_yscale("log")
    save_plot(figure, results_folder(), "search_at_scale_time")
    recalls = {name: [float(row[f"{column} recall@10"] or 0) for row in rows] for name, column in _RECALLS.items()}
    figure = bar_plot("Of the ten nearest vectors, found", labels, recalls, "recall@10", least=0.5)
    save_plot(figure, results_folder(), "search_at_scale_recall")


def report_growth(results: Results, size: int, times: Mapping[int, Sequence[float]]) -> None:
    """Print and keep the times by the size of the database, and each as a ratio to the smallest."""
    base = statistics.median(next(iter(times.values())))
    rows: list[Row] = [
        {
            "passages of all tenants": chunks,
            "median ms": statistics.median(taken),
            "p95 ms": percentile([*taken], 0.95),
            "ratio of medians": statistics.median(taken) / base,
        }
        for chunks, taken in times.items()
    ]
    for row in rows:
        results.add("growth", row)
    print_table(f"The same search in tenants of {size:,} passages, by the size of the database", rows)
    medians = {"median": [float(row["median ms"] or 0) for row in rows]}
    title = f"Hybrid search in tenants of {size:,} passages"
    figure = line_plot(title, [*times], medians, "passages in the database", "milliseconds")
    figure.axes[0].set_ylim(bottom=0)
    save_plot(figure, results_folder(), "search_at_scale_growth")
