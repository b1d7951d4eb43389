# ruff: noqa: RUF001 - Greek letters are meant here
"""Vectors, texts and questions that are drawn for ``search_at_scale``: the same at every run.

Vectors are a mixture of gaussians: topics in a space of 64 dimensions, documents around them, passages around their
document, turned into 1024 dimensions, with some noise in all of these. Texts are words by Zipf's law; the most frequent
are the stop words of their language, so that half of an English text is stop words, as it is in real ones, and Greek
stop words count, because PostgreSQL has no list of them. A question is words of a passage, and a vector near it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from struct import pack
from uuid import UUID

import numpy as np

DIMENSIONS, LATENT = 1024, 64
TOPICS = 300
PASSAGES_A_TOPIC = 150
TOPIC_SPREAD, DOCUMENT_SPREAD, PASSAGE_SPREAD, NOISE = 1.0, 0.6, 0.45, 0.03
VOCABULARY = 30_000
SEED = 20_261_121
QUESTION_WORDS = 7
QUESTION_SPREAD = 0.35
ONE_IN_GREEK = 5
_STOP_WORDS = {
    "english": "the of and a to in is it you that he was for on are with as his they at be this from i have or by one "
    "had not but what all were when we there can an your which their if do will each how them then she many some so "
    "these would into has more her two him see could no than been its who now my over did down only way may long "
    "about out up other any same most own such very just because while against between where both few",
    "greek": "και το να του η της με που την από για είναι στο οι τα των σε ο τον θα στην δεν τους στη τη τις μας ένα "
    "ότι μια μου σας κατά ως αλλά αν ή όπως πολύ πως αυτό όταν έχει έχουν μετά πριν πιο μόνο μία αυτή τι ήταν κάθε",
}  # fmt: skip
_LETTERS = {"english": ("bcdfgklmnprstv", "aeiou"), "greek": ("βγδζθκλμνπρστφχ", "αειου")}


@dataclass(frozen=True)
class Passages:
    """What is drawn for one tenant."""

    language: str
    texts: list[str]
    vectors: np.ndarray
    latent: np.ndarray


class Drawing:
    """Draws tenants and questions; a tenant of the same number and size is the same whenever it is drawn.

    Attributes:
        words_a_passage: How long texts are.
        a_document: How many chunks a document has.
    """

    def __init__(self, words_a_passage: int, a_document: int) -> None:
        source = np.random.default_rng(SEED)
        self.words_a_passage, self.a_document = words_a_passage, a_document
        self._topics = _points(source, TOPICS, TOPIC_SPREAD)
        self._turn = source.standard_normal((LATENT, DIMENSIONS), dtype=np.float32) / np.float32(LATENT**0.5)
        self._words = {language: np.array(self._vocabulary(language), dtype=object) for language in _LETTERS}
        self._frequency = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
        self._frequency /= self._frequency[-1]

    def tenant(self, number: int, size: int) -> Passages:
        """Draw the passages of a tenant."""
        source = np.random.default_rng((SEED, number, size))
        language = "greek" if number % ONE_IN_GREEK == 1 else "english"
        topics = self._topics[source.choice(TOPICS, min(TOPICS, max(2, size // PASSAGES_A_TOPIC)), replace=False)]
        documents = -(-size // self.a_document)
        centres = topics[source.integers(len(topics), size=documents)] + _points(source, documents, DOCUMENT_SPREAD)
        latent = np.repeat(centres, self.a_document, axis=0)[:size] + _points(source, size, PASSAGE_SPREAD)
        drawn = np.searchsorted(self._frequency, source.random((size, self.words_a_passage)))
        texts = [" ".join(self._words[language][row]) for row in drawn]
        return Passages(language, texts, self._turned(source, latent), latent)

    def question(self, passages: Passages, number: int, about: int) -> tuple[str, list[float]]:
        """Draw a question about a passage of a tenant: words, and a vector."""
        source = np.random.default_rng((SEED, number, about))
        words = source.choice(passages.texts[about].split(" "), QUESTION_WORDS, replace=False)
        vector = self._turned(source, passages.latent[about : about + 1] + _points(source, 1, QUESTION_SPREAD))[0]
        return " ".join(words), vector.tolist()

    def _turned(self, source: np.random.Generator, latent: np.ndarray) -> np.ndarray:
        """Turn points into vectors, at the precision with which they are stored."""
        return (latent @ self._turn + _points(source, len(latent), NOISE, DIMENSIONS)).astype(np.float16)

    @staticmethod
    def _vocabulary(language: str) -> list[str]:
        """Give words by frequency: stop words, then made-up ones of two or three syllables that a stemmer leaves."""
        consonants, vowels = _LETTERS[language]
        source = Random(language)
        words = dict.fromkeys(_STOP_WORDS[language].split())
        while len(words) < VOCABULARY:
            syllables = [source.choice(consonants) + source.choice(vowels) for _ in range(source.randint(2, 3))]
            words["".join((*syllables, source.choice(consonants)))] = None
        return list(words)


def _points(source: np.random.Generator, count: int, spread: float, dimensions: int = LATENT) -> np.ndarray:
    return source.standard_normal((count, dimensions), dtype=np.float32) * np.float32(spread)


def copied(tenant: UUID, ids: Sequence[int], documents: Sequence[int], drawn: Passages) -> Iterator[bytes]:
    """Give passages as PostgreSQL's binary COPY takes them: tenant, id, document, text and vector."""
    vector = DIMENSIONS.to_bytes(2, "big") + bytes(2)
    for chunk, document, text, half in zip(ids, documents, drawn.texts, drawn.vectors.astype(">f2"), strict=True):
        content = text.encode()
        yield b"".join(
            (
                pack(">hi", 5, 16), tenant.bytes, pack(">iiiii", 4, chunk, 4, document, len(content)), content,
                pack(">i", len(vector) + half.nbytes), vector, half.tobytes(),
            )
        )  # fmt: skip
