"""What it helps to search a chunk by its document's title and its headings, in words and in embeddings, each apart."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.chunking_evidence import Placed, filled, overlap
from evaluation.chunking_retrieval import Ranking, fused, rank_by_vectors, rank_by_words, vectors
from evaluation.chunking_splitters import ours, size_in_bytes
from evaluation.chunking_trials import Course
from evaluation.data import DataError, EvaluationSet, read_sets
from evaluation.report import Results, Row, print_table
from evaluation.scores import score
from f.core.chunking import BUDGET_TOKENS

READ_TOKENS = 800


@dataclass(frozen=True, slots=True)
class Searched:
    """A chunk as it may be searched: with or without the title of its document, and its headings."""

    title: str
    headings: str
    text: str

    def parts(self, context: str) -> str:
        """Put together what one of `CONTEXTS` searches."""
        title = self.title if "title" in context else ""
        headings = self.headings if "headings" in context else ""
        return " ".join(part for part in (title, headings, self.text) if part)


CONTEXTS = ("text alone", "title", "headings", "title and headings")
Judge = Callable[[list[Ranking]], Row]
Ranked = dict[str, tuple[list[Ranking], list[Ranking]]]
"""By context, the rankings by words and by vectors."""


def compare_contexts(data: Path, course: Course, results: Results) -> None:
    """Print and keep what each context comes to, on the long texts and on every set of passages."""
    rows = [*_long_texts(course), *(row for chosen in _sets(data) for row in _passages(chosen))]
    for row in rows:
        results.add("context", row)
    texts = [row for row in rows if row["set"] == "chunking"]
    print_table(f"What a chunk is searched by: recall of the evidence in {READ_TOKENS} tokens", texts)
    print_table("What a chunk is searched by: passages found", [row for row in rows if row["set"] != "chunking"])


def _long_texts(course: Course) -> list[Row]:
    """Compare on the texts with evidence, which have headings and no titles."""
    pieces = [(corpus, piece) for corpus, text in course.texts.items() for piece in ours(text, BUDGET_TOKENS)]
    placed = [Placed(corpus, piece.start, piece.end, size_in_bytes(piece.text)) for corpus, piece in pieces]
    searched = [Searched("", " ".join(piece.headings), piece.text) for _, piece in pieces]

    def judge(rankings: list[Ranking]) -> Row:
        taken = [filled([placed[at] for at in ranking], course.texts, READ_TOKENS) for ranking in rankings]
        found = [overlap(one, chunks).recall for one, chunks in zip(course.asked, taken, strict=True)]
        return {"recall": sum(found) / len(found)}

    questions = [one.question for one in course.asked]
    contexts = [context for context in CONTEXTS if "title" not in context]
    return _rows("chunking", _ranked(searched, questions, contexts), judge)


def _passages(chosen: EvaluationSet) -> list[Row]:
    """Compare on passages with titles, each tenant's searched apart; a passage is found by the best of its chunks."""
    ranked: Ranked = {context: ([], []) for context in CONTEXTS}
    owners: list[list[str]] = []
    right: list[tuple[str, ...]] = []
    for tenant in chosen.tenants:
        asked = [question for question in chosen.questions if question.tenant == tenant]
        if not asked:
            continue
        searched, owner = _chunks_of(chosen, tenant)
        for context, legs in _ranked(searched, [question.text for question in asked], CONTEXTS).items():
            for kept, leg in zip(ranked[context], legs, strict=True):
                kept.extend(leg)
        owners += [owner] * len(asked)
        right += [question.passages for question in asked]

    def judge(rankings: list[Ranking]) -> Row:
        passages = [
            list(dict.fromkeys(owner[at] for at in ranking)) for owner, ranking in zip(owners, rankings, strict=True)
        ]
        found = score(passages, right).row()
        return {name: found[name] for name in ("R@1", "R@5")}

    return _rows(chosen.name, ranked, judge)


def _rows(name: str, ranked: Ranked, judge: Judge) -> list[Row]:
    """Judge words, vectors and both by each context, and both with the context in one of them alone."""
    bare, *_, fullest = ranked
    mixed = {
        f"{fullest}: in words": (ranked[fullest][0], ranked[bare][1]),
        f"{fullest}: in vectors": (ranked[bare][0], ranked[fullest][1]),
    }
    return [
        {"set": name, "searched by": context}
        | {f"words {key}": value for key, value in judge(by_words).items()}
        | {f"vectors {key}": value for key, value in judge(by_vectors).items()}
        | {f"fused {key}": value for key, value in judge(fused(by_words, by_vectors)).items()}
        for context, (by_words, by_vectors) in (ranked | mixed).items()
    ]


def _ranked(searched: Sequence[Searched], questions: Sequence[str], contexts: Sequence[str]) -> Ranked:
    """Rank chunks by words and by vectors, in each context."""
    embedded = vectors(questions)
    ranked: Ranked = {}
    for context in contexts:
        texts = [one.parts(context) for one in searched]
        ranked[context] = rank_by_words(texts, questions), rank_by_vectors(texts, embedded)
    return ranked


def _chunks_of(chosen: EvaluationSet, tenant: str) -> tuple[list[Searched], list[str]]:
    """Cut a tenant's passages into chunks, each with the id of its passage."""
    found = [
        (Searched(passage.title, " ".join(piece.headings), piece.text), passage.id)
        for passage in chosen.passages
        if passage.tenant == tenant
        for piece in ours(passage.text, BUDGET_TOKENS)
    ]
    return [one for one, _ in found], [owner for _, owner in found]


def _sets(data: Path) -> list[EvaluationSet]:
    """Read the sets of passages, none where the folder has none."""
    try:
        return read_sets(data)
    except DataError:
        return []
