"""Chunking, side by side: how much of the evidence is read when every splitter is read to the same number of tokens.

Texts and questions come from ``<data>/chunking``; README.md describes the format. Each splitter is tried at each size
of a common grid and in each way of searching, and compared twice: all at this project's own size, and each at the size
that suits it best. Two recalls are called equal when the difference is within what chance gives: the 95 % interval of
the paired difference, by bootstrap over the questions. Recall "none cut" is by the other rule of filling a budget.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean

from evaluation.chunking_context import compare_contexts
from evaluation.chunking_evidence import read_asked
from evaluation.chunking_splitters import OURS, OURS_TEXT_ALONE, splitters
from evaluation.chunking_stage import search_in_the_database
from evaluation.chunking_trials import BUDGETS, Course, Trial
from evaluation.report import Results, Row, bar_plot, line_plot, print_table, save_plot
from f.core.chunking import BUDGET_TOKENS

SIZES = (100, 200, 300, 400)
RESAMPLES = 2000
SAME_SIZE, BEST_SIZE = f"each at {BUDGET_TOKENS} tokens", "each at its best size"


def main(data: Path, out: Path) -> None:
    """Measure, print the tables, and write results and plots; about a minute and a half.

    Args:
        data: A folder that holds ``chunking/``, and passages with titles for the ablation.
        out: Where ``chunking.jsonl`` and the plots go.
    """
    folder = data / "chunking"
    if not (folder / "questions.jsonl").is_file():
        print(f"Chunking is not measured: {folder} holds no questions.jsonl.")
        return
    course = Course(*read_asked(folder))
    results = Results(out, "chunking")
    trials = [course.run(splitter, tokens) for splitter in splitters() for tokens in SIZES]
    _tell_shapes(trials, results)
    chosen = {SAME_SIZE: _at_the_same_size, BEST_SIZE: _at_the_best_size}
    for reading, choose in chosen.items():
        for budget in BUDGETS:
            _tell_budget(reading, budget, choose(trials, budget), results)
    for trial in trials:
        for budget in BUDGETS:
            results.add("all sizes", trial.row(budget))
    _plot(trials, out)
    compare_contexts(data, course, results)
    search_in_the_database(course, results)
    results.save()


def _tell_shapes(trials: Sequence[Trial], results: Results) -> None:
    """Tell how many chunks each splitter makes, and which of them are not what stands at their place."""
    rows: list[Row] = [{"splitter": trial.splitter, "size": trial.tokens, **trial.shape} for trial in trials]
    kept = [row for row in rows if row["splitter"] != OURS_TEXT_ALONE]
    for row in kept:
        results.add("chunks", row)
    print_table("Chunks: how many, how large, and how many are not the text at their place", kept)


def _at_the_same_size(trials: Sequence[Trial], _budget: int) -> list[Trial]:
    """Choose the trials at this project's size; the same for every budget."""
    return [trial for trial in trials if trial.tokens == BUDGET_TOKENS]


def _at_the_best_size(trials: Sequence[Trial], budget: int) -> list[Trial]:
    """Choose for each splitter the size with the best recall at a budget."""
    best: dict[str, Trial] = {}
    for trial in trials:
        if trial.splitter not in best or trial.recall(budget) > best[trial.splitter].recall(budget):
            best[trial.splitter] = trial
    return list(best.values())


def _tell_budget(reading: str, budget: int, trials: Sequence[Trial], results: Results) -> None:
    """Print one budget's table: recall by way of searching and by text, and ours against each of the others."""
    ours = next(trial for trial in trials if trial.splitter == OURS)
    rows = []
    for trial in trials:
        row = trial.row(budget)
        if trial is not ours:
            low, high = paired_interval(ours.recalls(budget), trial.recalls(budget))
            row |= {"ours - it": ours.recall(budget) - trial.recall(budget), "from": low, "to": high}
        rows.append(row)
        results.add(reading, row)
    columns = [name for name in dict.fromkeys(name for row in rows for name in row) if name != "read"]
    print_table(f"Evidence in {budget:,} tokens that are read, {reading}", rows, columns)
    print(_verdict(rows))


def _verdict(rows: Sequence[Row]) -> str:
    """Say in a sentence where ours stands among the others."""
    others = [row for row in rows if row["splitter"] not in {OURS, OURS_TEXT_ALONE}]
    own = next(row for row in rows if row["splitter"] == OURS)
    ahead = [row for row in others if _number(row["recall"]) > _number(own["recall"])]
    clearly = [str(row["splitter"]) for row in ahead if _number(row["to"]) < 0]
    if clearly:
        return f"Ours is behind {', '.join(clearly)}."
    if ahead:
        return f"Ours is equal to {', '.join(str(row['splitter']) for row in ahead)}, within the interval."
    return "Ours is first."


def paired_interval(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the mean difference, by bootstrap over questions; the same each time."""
    import numpy as np  # noqa: PLC0415  # comes with bm25s

    differences = np.array(ours) - np.array(theirs)
    chosen = np.random.default_rng(0).integers(0, len(differences), (RESAMPLES, len(differences)))
    low, high = np.percentile(differences[chosen].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def _number(value: str | int | float | None) -> float:
    """Take a cell that is a number."""
    assert isinstance(value, (int, float))
    return float(value)


def _plot(trials: Sequence[Trial], out: Path) -> None:
    """Draw recall by budget under both readings, and recall by size."""
    names = list(dict.fromkeys(trial.splitter for trial in trials))
    drawn: dict[str, tuple[str, Callable[[Sequence[Trial], int], list[Trial]]]] = {
        "chunking_same_size": (SAME_SIZE, _at_the_same_size),
        "chunking_best_size": (BEST_SIZE, _at_the_best_size),
    }
    for file, (reading, choose) in drawn.items():
        recalls = {
            f"{budget:,} tokens read": [_of(name, choose(trials, budget)).recall(budget) for name in names]
            for budget in BUDGETS
        }
        labels = [name.replace(", ", ",\n") for name in names]
        save_plot(bar_plot(f"Evidence that is read, {reading}", labels, recalls, "recall", least=0.4), out, file)
    by_size = {
        name: [
            mean(
                trial.recall(budget)
                for trial in trials
                if (trial.splitter, trial.tokens) == (name, size)
                for budget in BUDGETS
            )
            for size in SIZES
        ]
        for name in names
    }
    save_plot(
        line_plot("Evidence that is read, mean of all budgets", SIZES, by_size, "size of a chunk, tokens", "recall"),
        out, "chunking_by_size",
    )  # fmt: skip


def _of(name: str, trials: Sequence[Trial]) -> Trial:
    """Return the one trial of a splitter."""
    return next(trial for trial in trials if trial.splitter == name)
