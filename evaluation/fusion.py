"""Reciprocal rank fusion as the database does it, over two rankings that the database gave: for ablations. Pure."""

from collections.abc import Sequence

from f.core.retrieval import Ranked


def fuse(
    by_words: Sequence[Ranked], by_vectors: Sequence[Ranked], *, vector_weight: float, rank_constant: int
) -> list[Ranked]:
    """Fuse what each leg found: 1 / (k + place) among the words, and the weight times that among the vectors.

    Args:
        by_words: Best first.
        by_vectors: Likewise.
        vector_weight: What a place among the vectors counts; among the words it counts 1.
        rank_constant: k; more makes the first places count less before the others.

    Returns:
        All passages, best first; of equal ones the one with the lesser id.
    """
    scores: dict[int, float] = {}
    passages = {passage.chunk_id: passage for passage in (*by_vectors, *by_words)}
    for leg, weight in ((by_words, 1.0), (by_vectors, vector_weight)):
        for place, passage in enumerate(leg, 1):
            scores[passage.chunk_id] = scores.get(passage.chunk_id, 0.0) + weight / (rank_constant + place)
    return [passages[chunk] for chunk in sorted(scores, key=lambda chunk: (-scores[chunk], chunk))]
