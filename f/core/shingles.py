"""Word shingles: what a text is told from another by, and a sketch by which texts that are nearly the same meet.

Shared module, pure. Three words in a row are a shingle; case, accents, punctuation and hidden characters do not count,
and in scripts without spaces each letter is a word. It promises the same numbers for the same text on every machine
and in every process. The time is linear, and bounded: of a longer text its first ``COMPARED_CHARACTERS`` stand for it,
which take some 0.1 seconds.

The sketch is a MinHash by one permutation (Li, Owen and Zhang, NIPS 2012): the shingles' hashes fall into ``BINS``
bins, and the least of each bin is a band. A band is shared by two texts with a probability of about their Jaccard
similarity, so that texts that share a fifth of all their shingles have some band in common in 99.9 of 100 cases. A bin
without a shingle gives no band.
"""

import re
import zlib
from dataclasses import dataclass
from functools import lru_cache

from f.core.hidden_text import visible_text
from f.core.words import WORD, fold

WORDS_TOGETHER = 3
COMPARED_CHARACTERS = 300_000
"""Some hundred pages."""
BINS = 32
LEAST_CONTAINED = 10
"""Shingles that a text must have for it to be said that it is contained in another: of a sentence everything may be."""

_PRIME = (1 << 61) - 1
_BASE = 1_000_003_579_811_977
"""Any number below the prime; another one would make all stored bands worthless."""
_SHIFT = 61 - BINS.bit_length() + 1
_LETTER = "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
_WORD = re.compile(f"{_LETTER}|{WORD.pattern}")


@dataclass(frozen=True, slots=True)
class Likeness:
    """How much two texts have in common; more is more alike.

    Attributes:
        similarity: Jaccard: the shingles that both have, of all that any of them has, from 0 to 1.
        containment: The shingles that both have, of those of the text that has fewer, from 0 to 1; 0 where that one has
            too few to tell.
    """

    similarity: float
    containment: float


def shingles(text: str) -> frozenset[int]:
    """Return the hashes of a text's shingles; a text of fewer words than make one is a shingle as a whole."""
    hashes = [_hash(word) for word in _WORD.findall(visible_text(text[:COMPARED_CHARACTERS]))]
    if len(hashes) < WORDS_TOGETHER:
        hashes += [0] * (WORDS_TOGETHER - len(hashes)) if hashes else []
    return frozenset(
        ((first * _BASE + second) * _BASE + third) % _PRIME
        for first, second, third in zip(hashes, hashes[1:], hashes[2:], strict=False)
    )


def bands(of: frozenset[int]) -> list[int]:
    """Return the bands of a text's shingles: at most ``BINS`` whole numbers from 0, below 2^61; none of no shingles."""
    least: dict[int, int] = {}
    for one in of:
        place = one >> _SHIFT
        if one < least.get(place, _PRIME):
            least[place] = one
    return sorted(least.values())


def likeness(one: frozenset[int], other: frozenset[int]) -> Likeness:
    """Compare two texts by their shingles; texts without any are not alike."""
    common, smaller = len(one & other), min(len(one), len(other))
    return Likeness(
        similarity=common / (len(one) + len(other) - common) if common else 0.0,
        containment=common / smaller if smaller >= LEAST_CONTAINED else 0.0,
    )


@lru_cache(maxsize=1 << 16)
def _hash(word: str) -> int:
    """Hash a word as it is compared."""
    return zlib.crc32(fold(word).encode("utf-8", "surrogatepass"))
