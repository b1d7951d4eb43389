"""How good rankings are: recall among the first k, and the mean reciprocal rank. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from evaluation.report import Row

DEPTHS = (1, 5, 10)
Ranking = Sequence[str]
"""Passage ids, best first."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What the rankings of many questions come to; every figure is in [0, 1], and more is better.

    Attributes:
        questions: How many were asked.
        recall: For each depth k of ``DEPTHS``, the share of questions with a right passage among the first k.
        reciprocal_rank: The mean of 1 / place of the first right passage; 0 where there is none.
    """

    questions: int
    recall: dict[int, float]
    reciprocal_rank: float

    def row(self) -> Row:
        """Give the scores as a row of a table."""
        recalls: Row = {f"R@{depth}": self.recall[depth] for depth in DEPTHS}
        return {"questions": self.questions, **recalls, "MRR": self.reciprocal_rank}


def score(rankings: Sequence[Ranking], right: Sequence[Collection[str]]) -> Scores:
    """Score rankings against the passages that are right for each question; no questions give zeros."""
    places = [_place(ranking, wanted) for ranking, wanted in zip(rankings, right, strict=True)]
    total = max(len(places), 1)
    return Scores(
        len(places),
        {depth: sum(1 for place in places if place and place <= depth) / total for depth in DEPTHS},
        sum(1 / place for place in places if place) / total,
    )


def _place(ranking: Ranking, wanted: Collection[str]) -> int | None:
    """Return the place of the first right passage, from 1."""
    return next((place for place, passage in enumerate(ranking, 1) if passage in wanted), None)
