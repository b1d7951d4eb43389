"""Vectors without a model: words and pieces of words, hashed into 1024 dimensions.

Shared module, pure. The same text gives the same vector in every process and on every machine. It finds what shares
words or parts of words (inflections, compounds, names with a typing mistake), not what means the same in other words.
"""

from collections import Counter
from math import log, sqrt
from zlib import crc32

from f.core.words import STOP_WORDS, stem, words

DIMENSION = 1024
"""As ``document_chunks.embedding`` has it."""

_PIECE_LENGTHS = (3, 4, 5)
_PIECES_SHARE = 1.2
"""Weight of all pieces of a word together against the word's own: what inflected Greek needs and English bears."""
_STOP_WORD_WEIGHT = 0.05
_NUMBER_WEIGHT = 1.2
_REMEMBERED_WORDS = 20_000
_EMPTY = "\0"

_remembered: dict[str, tuple[tuple[int, float], ...]] = {}


def embed(texts: list[str]) -> list[list[float]]:
    """Return one vector of 1024 dimensions and length 1 for each text, in order; no texts give none.

    Signed feature hashing (Weinberger et al., 2009, https://arxiv.org/abs/0902.2206) of stems and of their characters
    3 to 5 at a time; a repeated word counts with 1 + ln(times); stop words hardly count, long words a little more. A
    text without any word gets the vector of its characters, and an empty one that of a feature of its own, never zeros:
    the cosine distance to a zero vector is not a number.
    """
    return [_vector(text) for text in texts]


def _vector(text: str) -> list[float]:
    """Embed one text."""
    vector = [0.0] * DIMENSION
    for word, times in Counter(words(text)).items():
        weight = 1.0 + log(times)
        for index, value in _features(word):
            vector[index] += weight * value
    length = sqrt(sum(value * value for value in vector))
    if length < 1e-9:
        index, sign = _place(_EMPTY + "".join(text[:200].split()))
        vector[index], length = sign, 1.0
    return [value / length for value in vector]


def _features(word: str) -> tuple[tuple[int, float], ...]:
    """Return the dimensions of a folded word and what it adds to each."""
    known = _remembered.get(word)
    if known is not None:
        return known
    found: dict[int, float] = {}
    weight = _weight(word)
    _add(found, "w" + stem(word), weight)
    if weight > _STOP_WORD_WEIGHT:
        bounded = f"<{word[:100]}>"
        pieces = [bounded[at : at + size] for size in _PIECE_LENGTHS for at in range(len(bounded) - size + 1)]
        for piece in pieces:
            _add(found, "p" + piece, weight * _PIECES_SHARE / sqrt(len(pieces)))
    if len(_remembered) >= _REMEMBERED_WORDS:
        _remembered.clear()
    features = _remembered[word] = tuple(found.items())
    return features


def _weight(word: str) -> float:
    """Guess from a word alone how much it tells."""
    if word in STOP_WORDS:
        return _STOP_WORD_WEIGHT
    return _NUMBER_WEIGHT if word[0].isdigit() else min(1.6, 0.5 + len(word) / 8)


def _add(found: dict[int, float], feature: str, weight: float) -> None:
    """Add a feature to the dimension it hashes to."""
    index, sign = _place(feature)
    found[index] = found.get(index, 0.0) + sign * weight


def _place(feature: str) -> tuple[int, float]:
    """Hash a feature to a dimension and a sign; CRC-32, because Python's own ``hash`` changes with every process."""
    code = crc32(feature.encode("utf-8", "surrogatepass"))
    return code % DIMENSION, 1.0 if code >> 31 else -1.0
