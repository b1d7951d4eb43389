"""The part ``hybrid``: what words, vectors, their fusion and reranking each contribute, and how the fusion is set."""

from collections.abc import Sequence

from evaluation.fusion import fuse
from evaluation.jobs import Member
from evaluation.report import Results, Row, bar_plot, line_plot, print_table, save_plot
from evaluation.run import Run
from evaluation.scores import Ranking, score
from evaluation.stage import StoredSet, embed_stored
from evaluation.targets import hybrid_rows
from f.core.retrieval import RANK_CONSTANT, Ranked

WEIGHTS = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5)
CONSTANTS = (10, 30, 60, 100)
_SHOWN = ("R@1", "R@5", "R@10", "MRR")


def measure(run: Run, results: Results) -> None:
    """Measure every set, and print and keep the tables."""
    ablations: list[Row] = []
    fusions: list[Row] = []
    wholes: list[Row] = []
    for stored in run.embedded:
        vectors = run.vectors(stored)
        by_words, by_vectors = run.legs(stored, vectors)
        ablations += _ablation(run, stored, vectors, by_words, by_vectors)
        fusions += _fusions(stored, by_words, by_vectors)
        wholes += _whole_documents(run, stored, vectors)
    weight = run.models.settings.vector_weight
    print_table(f"What each leg contributes (model {run.models.name}, weight of the vectors {weight})", ablations)
    targets = hybrid_rows(ablations)
    print_table("What is aimed at", targets)
    print_table(f"R@1 by the weight of the vectors (k = {RANK_CONSTANT})", _grid(fusions, "weight", "k", RANK_CONSTANT))
    print_table(f"R@1 by k (weight {weight})", _grid(fusions, "k", "weight", weight))
    if wholes:
        print_table("Chunks against whole documents (each document one chunk)", wholes)
    for table, rows in (("hybrid", ablations), ("fusion", fusions), ("whole documents", wholes), ("targets", targets)):
        for row in rows:
            results.add(table, row)
    _plot(run, ablations, fusions)


def _ablation(
    run: Run,
    stored: StoredSet,
    vectors: list[list[float]],
    by_words: Sequence[Sequence[Ranked]],
    by_vectors: Sequence[Sequence[Ranked]],
) -> list[Row]:
    """Score each leg, the fusion as the database makes it, and the fusion reranked."""
    methods = {
        "words": stored.rankings(by_words),
        "vectors": stored.rankings(by_vectors),
        "fused": stored.rankings(_fused(run, stored, vectors)),
    }
    if run.models.settings.rerank and run.models.own:
        methods["fused + rerank"] = _reranked(run, stored)
    return [_row(stored, ranking, method=method) for method, ranking in methods.items()]


def _fused(run: Run, stored: StoredSet, vectors: list[list[float]]) -> list[list[Ranked]]:
    """Search by words and vectors, as ``search`` does without reranking."""
    return run.search(stored, [question.text for question in stored.chosen.questions], vectors)


def _reranked(run: Run, stored: StoredSet) -> list[Ranking]:
    """Search as ``search`` does with reranking: in a job each, and in the name of the tenant's adult."""
    members = {
        name: Member(run.database, tenant.caller, run.models.settings, run.models.keys)
        for name, tenant in stored.tenants.items()
    }
    return [
        [
            stored.tenants[question.tenant].passages[document]
            for document in members[question.tenant].search(question.text, rerank=True)
        ]
        for question in stored.chosen.questions
    ]


def _fusions(
    stored: StoredSet, by_words: Sequence[Sequence[Ranked]], by_vectors: Sequence[Sequence[Ranked]]
) -> list[Row]:
    """Score the fusion with every weight and every k."""
    rows = []
    for constant in CONSTANTS:
        for weight in WEIGHTS:
            found = [
                fuse(words, vectors, vector_weight=weight, rank_constant=constant) if weight else words
                for words, vectors in zip(by_words, by_vectors, strict=True)
            ]
            rows.append(_row(stored, stored.rankings(found), k=constant, weight=weight))
    return rows


def _whole_documents(run: Run, stored: StoredSet, vectors: list[list[float]]) -> list[Row]:
    """Compare chunks with documents that are not cut; nothing where no document is longer than a chunk."""
    if stored.chunks() == len(stored.chosen.passages):
        return []
    whole = run.stage.store(run.database, stored.chosen, whole=True)
    embed_stored(whole, run.models.embed_documents, run.models.name)
    return [
        _row(kept, kept.rankings(_fused(run, kept, vectors)), documents=how, chunks=kept.chunks())
        for kept, how in ((stored, "chunks"), (whole, "whole documents"))
    ]


def _row(stored: StoredSet, rankings: list[Ranking], **said: str | int | float) -> Row:
    """Score rankings as a row."""
    scores = score(rankings, stored.right).row()
    return {"set": stored.chosen.name, **said, **{name: scores[name] for name in _SHOWN}}


def _grid(fusions: list[Row], across: str, fixed: str, value: float) -> list[Row]:
    """Put R@1 of each set in a row, by one of the fusion's two numbers; the other one is fixed."""
    nearest = min((float(row[fixed] or 0) for row in fusions), key=lambda known: abs(known - value))
    grid: dict[str, Row] = {}
    for row in fusions:
        if row[fixed] == nearest:
            grid.setdefault(str(row["set"]), {"set": row["set"]})[str(row[across])] = row["R@1"]
    return list(grid.values())


def _plot(run: Run, ablations: list[Row], fusions: list[Row]) -> None:
    """Draw the legs, and the fusion by weight."""
    sets = list(dict.fromkeys(str(row["set"]) for row in ablations))
    methods = list(dict.fromkeys(str(row["method"]) for row in ablations))
    bars = {method: [float(row["R@1"] or 0) for row in ablations if row["method"] == method] for method in methods}
    save_plot(bar_plot(f"What each leg finds first ({run.models.name})", sets, bars, "R@1"), run.folder, "quality-legs")
    lines = {
        name: [float(row["R@1"] or 0) for row in fusions if row["set"] == name and row["k"] == RANK_CONSTANT]
        for name in sets
    }
    figure = line_plot(
        f"Fusion ({run.models.name}, k = {RANK_CONSTANT})", WEIGHTS, lines, "weight of the vectors", "R@1"
    )
    save_plot(figure, run.folder, "quality-fusion")
