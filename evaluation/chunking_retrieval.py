"""Ranking chunks for questions, the same way for every splitter: words, vectors, and both fused.

Words are ranked by plain BM25 (bm25s: k1 1.2, b 0.75, accents folded, neither stems nor stop words), vectors are this
project's offline embeddings, and both are fused by reciprocal rank. No splitter is favoured by one way of searching
when it has to show itself in all.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from f.core.offline_embedding import embed
from f.core.retrieval import RANK_CONSTANT
from f.core.words import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Ranking = list[int]
"""Positions of chunks, best first."""
RETRIEVERS = ("words", "vectors", "fused")
DEPTH = 100
"""How many chunks are ranked: enough to fill the largest budget with the smallest chunks."""


def rank_by_words(chunks: Sequence[str], questions: Sequence[str]) -> list[Ranking]:
    """Rank chunks for each question by plain BM25; a word that a question repeats counts once."""
    import bm25s  # noqa: PLC0415  # only who compares has it

    index = bm25s.BM25(k1=1.2, b=0.75)
    index.index([words(chunk) or ["\0"] for chunk in chunks], show_progress=False)
    known = set(index.vocab_dict)
    asked = [[word for word in dict.fromkeys(words(question)) if word in known] for question in questions]
    found, _ = index.retrieve(asked, k=min(DEPTH, len(chunks)), show_progress=False)
    return [[int(position) for position in row] for row in found]


def rank_by_vectors(chunks: Sequence[str], questions: "NDArray[np.float32]") -> list[Ranking]:
    """Rank chunks by the cosine of their offline embeddings to each question's, as `vectors` gives them."""
    import numpy as np  # noqa: PLC0415  # comes with bm25s

    order = np.argsort(-(questions @ vectors(chunks).T), axis=1, kind="stable")[:, :DEPTH]
    return [[int(position) for position in row] for row in order]


def vectors(texts: Sequence[str]) -> "NDArray[np.float32]":
    """Embed texts offline, one row each."""
    import numpy as np  # noqa: PLC0415  # comes with bm25s

    return np.array(embed(list(texts)), "f4")


def fused(*rankings: list[Ranking]) -> list[Ranking]:
    """Fuse rankings of the same questions by reciprocal rank."""
    return [_fused_one(legs) for legs in zip(*rankings, strict=True)]


def rank(retriever: str, by_words: list[Ranking], by_vectors: list[Ranking]) -> list[Ranking]:
    """Choose one of `RETRIEVERS`, from the rankings by words and by vectors."""
    return {"words": by_words, "vectors": by_vectors}.get(retriever) or fused(by_words, by_vectors)


def _fused_one(legs: Sequence[Ranking]) -> Ranking:
    """Fuse the rankings of one question."""
    scores: dict[int, float] = {}
    for leg in legs:
        for place, position in enumerate(leg, 1):
            scores[position] = scores.get(position, 0.0) + 1.0 / (RANK_CONSTANT + place)
    return sorted(scores, key=lambda position: (-scores[position], position))[:DEPTH]
