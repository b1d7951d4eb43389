"""One splitter at one size, tried on all questions: what it finds in each way of searching, at each budget."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import mean

from evaluation.chunking_evidence import Asked, Overlap, Placed, filled, overlap
from evaluation.chunking_retrieval import RETRIEVERS, rank, rank_by_vectors, rank_by_words, vectors
from evaluation.chunking_splitters import BYTES_PER_TOKEN, Piece, Splitter, size_in_bytes
from evaluation.report import Row

BUDGETS = (400, 800, 1600)
"""Tokens that are read for each question."""


class Course:
    """The texts and questions that every splitter is tried on; the texts are searched together, as one tenant's."""

    def __init__(self, texts: dict[str, str], asked: Sequence[Asked]) -> None:
        """Embed the questions once."""
        self.texts = texts
        self.asked = list(asked)
        self._questions = [one.question for one in self.asked]
        self._vectors = vectors(self._questions)

    def run(self, splitter: Splitter, tokens: int) -> "Trial":
        """Try one splitter at one size."""
        pieces = [(corpus, piece) for corpus, text in self.texts.items() for piece in splitter.split(text, tokens)]
        placed = [Placed(corpus, piece.start, piece.end, size_in_bytes(piece.text)) for corpus, piece in pieces]
        searched = [searched_text(piece, headings=splitter.searches_headings) for _, piece in pieces]
        by_words, by_vectors = rank_by_words(searched, self._questions), rank_by_vectors(searched, self._vectors)
        trial = Trial(splitter.name, tokens, _shape(pieces, self.texts), [one.corpus for one in self.asked])
        for retriever in RETRIEVERS:
            ranked = [[placed[at] for at in ranking] for ranking in rank(retriever, by_words, by_vectors)]
            for budget in BUDGETS:
                trial.found[retriever, budget] = self._judged(ranked, budget, cut=True)
                trial.found_whole[retriever, budget] = self._judged(ranked, budget, cut=False)
        return trial

    def _judged(self, ranked: Sequence[Sequence[Placed]], budget: int, *, cut: bool) -> list[Overlap]:
        """Compare what each question reads at a budget with its evidence."""
        return [
            overlap(one, filled(chunks, self.texts, budget, cut=cut))
            for one, chunks in zip(self.asked, ranked, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Trial:
    """What was found.

    Attributes:
        shape: How many chunks there are, how large, how many are not exact.
        corpora: Which text each question is about.
        found: By way of searching and budget, what was found for each question.
        found_whole: The same by the other rule: a chunk that does not fit is left out, with all behind it.
    """

    splitter: str
    tokens: int
    shape: Row
    corpora: list[str]
    found: dict[tuple[str, int], list[Overlap]] = field(default_factory=dict)
    found_whole: dict[tuple[str, int], list[Overlap]] = field(default_factory=dict)

    def recalls(self, budget: int) -> list[float]:
        """Return each question's recall, the mean of all ways of searching."""
        legs = [self.found[retriever, budget] for retriever in RETRIEVERS]
        return [mean(one.recall for one in found) for found in zip(*legs, strict=True)]

    def recall(self, budget: int) -> float:
        """Return the mean recall of all questions and ways of searching."""
        return mean(self.recalls(budget))

    def row(self, budget: int) -> Row:
        """Give what was found at a budget as a row of a table."""
        every = [one for retriever in RETRIEVERS for one in self.found[retriever, budget]]
        row: Row = {"splitter": self.splitter, "size": self.tokens, "read": budget}
        for retriever in RETRIEVERS:
            row[retriever] = mean(one.recall for one in self.found[retriever, budget])
        row |= {"recall": self.recall(budget), "precision": mean(one.precision for one in every)}
        row["iou"] = mean(one.iou for one in every)
        row["recall, none cut"] = mean(one.recall for leg in RETRIEVERS for one in self.found_whole[leg, budget])
        for corpus in dict.fromkeys(self.corpora):
            of_corpus = zip(self.recalls(budget), self.corpora, strict=True)
            row[corpus] = mean(recall for recall, name in of_corpus if name == corpus)
        return row


def searched_text(piece: Piece, *, headings: bool) -> str:
    """Return what a chunk is found by: its text, and the headings that it stands under where they are searched."""
    return " ".join((*piece.headings, piece.text)) if headings else piece.text


def _shape(pieces: Sequence[tuple[str, Piece]], texts: dict[str, str]) -> Row:
    """Count the chunks, and those that are not what stands at their place."""
    inexact = sum(texts[corpus][piece.start : piece.end] != piece.text or piece.start < 0 for corpus, piece in pieces)
    total = sum(size_in_bytes(piece.text) for _, piece in pieces)
    whole = sum(size_in_bytes(text) for text in texts.values())
    return {
        "chunks": len(pieces),
        "mean tokens": total / BYTES_PER_TOKEN / len(pieces),
        "stored, % of the text": 100 * total / whole,
        "not exact": inexact,
    }
