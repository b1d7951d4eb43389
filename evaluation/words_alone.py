"""The part ``words``: words alone, through our own SQL as a member, against plain BM25 on the same files."""

from evaluation.report import Results, Row, bar_plot, print_table, save_plot
from evaluation.run import Run
from evaluation.scores import score
from evaluation.targets import target_rows
from evaluation.yardstick import bm25_rankings


def measure(run: Run, results: Results) -> None:
    """Measure every set, print and keep the tables, and say which targets were reached."""
    ours: dict[str, Row] = {}
    bm25: dict[str, Row] = {}
    foreign = 0
    for stored in run.stored:
        found = run.by_words(stored)
        name = stored.chosen.name
        foreign += stored.foreign(found)
        bm25[name] = score(bm25_rankings(stored.chosen), stored.right).row()
        ours[name] = score(stored.rankings(found), stored.right).row()
    rows: list[Row] = [
        {"set": name, "method": method, **scores[name]}
        for name in ours
        for method, scores in (("plain BM25", bm25), ("words alone", ours))
    ]
    print_table("Words alone, as a member, against plain BM25", rows)
    targets = target_rows(ours, bm25, foreign)
    print_table("What is aimed at", targets)
    for table, kept in (("words", rows), ("targets", targets)):
        for row in kept:
            results.add(table, row)
    _plot(run, ours, bm25)


def _plot(run: Run, ours: dict[str, Row], bm25: dict[str, Row]) -> None:
    """Draw R@1 and R@5 of both."""
    for measure_name in ("R@1", "R@5"):
        series = {
            "plain BM25": [float(bm25[name][measure_name] or 0) for name in ours],
            "words alone": [float(ours[name][measure_name] or 0) for name in ours],
        }
        figure = bar_plot(f"Words alone: {measure_name}", list(ours), series, measure_name)
        save_plot(figure, run.folder, f"quality-words-{measure_name.replace('@', '').lower()}")
