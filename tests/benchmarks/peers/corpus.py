"""Tenants of several sizes with passages, vectors, questions, and what an exact search inside each tenant finds.

Passages are words drawn by Zipf's law from a vocabulary of pronounceable words; vectors are a mixture of gaussians
whose centres all tenants share, so that what is nearest of all is often another tenant's.
"""

import json
import random
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.peers.job import DIMENSION, RESULTS

if TYPE_CHECKING:
    import numpy as np

SEED = 20_261_121
WORDS_A_CHUNK = 180
WORDS_A_SENTENCE = 15
VOCABULARY = 20_000
CHUNKS_A_DOCUMENT = 40
CENTRES = 150
SPREAD = 0.9
_SYLLABLES = [f"{first}{vowel}" for first in (*"bcdfglmnprstv", "st", "tr", "pl") for vowel in "aeiou"]
_FREQUENT = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "a",
    "is",
    "that",
    "for",
    "it",
    "as",
    "was",
    "with",
    "be",
    "by",
    "on",
    "not",
]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Files that every contestant reads, and what only the benchmark knows.

    Attributes:
        sizes: Chunks by tenant.
        chunk_of_text: The id of a chunk by its text.
        exact: For each question the ids of the nearest chunks of its tenant.
        question_sizes: For each question its tenant's size.
        question_tenants: For each question its tenant.
    """

    folder: Path
    sizes: dict[str, int]
    chunk_of_text: dict[str, str]
    exact: list[list[str]]
    question_sizes: list[int]
    question_tenants: list[str]

    def files(self) -> dict[str, str]:
        """Name the files as a job names them."""
        names = {"chunks": "chunks.jsonl", "vectors": "chunks.f32"}
        names |= {"questions": "questions.json", "question_vectors": "questions.f32"}
        return {key: str(self.folder / name) for key, name in names.items()}


def make_corpus(folder: Path, sizes: list[int], questions_a_size: int) -> Corpus:
    """Draw a corpus, the same for the same arguments, and write its files."""
    import numpy as np

    chance, numbers = random.Random(SEED), np.random.default_rng(SEED)
    centres = numbers.standard_normal((CENTRES, DIMENSION), dtype=np.float32)
    texts, tenants = _Texts(chance), {str(uuid.UUID(int=number + 1)): size for number, size in enumerate(sizes)}
    owners = [tenant for tenant, size in tenants.items() for _ in range(size)]
    vectors = _drawn(numbers, centres, len(owners))
    vectors.tofile(folder / "chunks.f32")
    passages = [texts.passage() for _ in owners]
    ids = [str(uuid.UUID(int=10**9 + number)) for number in range(len(owners))]
    with (folder / "chunks.jsonl").open("w", encoding="utf-8") as file:
        for number, (tenant, passage) in enumerate(zip(owners, passages, strict=True)):
            file.write(json.dumps([ids[number], tenant, number // CHUNKS_A_DOCUMENT, passage]) + "\n")
    exact, question_sizes, asked, first = list[list[str]](), list[int](), list["np.ndarray"](), 0
    questions: list[dict[str, str]] = []
    for tenant, size in tenants.items():
        own = vectors[first : first + size]
        for _ in range(max(1, questions_a_size // sizes.count(size))):
            target = chance.randrange(size)
            vector = _unit(own[target] + numbers.standard_normal(DIMENSION, dtype=np.float32) * 0.5 / DIMENSION**0.5)
            asked.append(vector)
            nearest = np.argsort(-(own @ vector), kind="stable")[:RESULTS]
            exact.append([ids[first + int(index)] for index in nearest])
            question_sizes.append(size)
            questions.append({"tenant": tenant, "text": texts.question(passages[first + target])})
        first += size
    order = list(range(len(questions)))
    chance.shuffle(order)
    np.stack([asked[index] for index in order]).astype(np.float32).tofile(folder / "questions.f32")
    (folder / "questions.json").write_text(json.dumps([questions[index] for index in order]), "utf-8")
    return Corpus(
        folder,
        tenants,
        dict(zip(passages, ids, strict=True)),
        [exact[index] for index in order],
        [question_sizes[index] for index in order],
        [questions[index]["tenant"] for index in order],
    )


class _Texts:
    """Draws passages, and questions about them."""

    def __init__(self, chance: random.Random) -> None:
        rare = {"".join(chance.choices(_SYLLABLES, k=chance.choice((2, 3, 3, 4)))) for _ in range(VOCABULARY)}
        self.chance = chance
        drawn = sorted(rare)
        chance.shuffle(drawn)
        self.words = [*_FREQUENT, *drawn]
        self.weights = [1 / (number + 2) for number in range(len(self.words))]

    def passage(self) -> str:
        """Draw the sentences of a passage."""
        words = self.chance.choices(self.words, self.weights, k=WORDS_A_CHUNK)
        starts = range(0, WORDS_A_CHUNK, WORDS_A_SENTENCE)
        return " ".join(" ".join(words[start : start + WORDS_A_SENTENCE]).capitalize() + "." for start in starts)

    def question(self, passage: str) -> str:
        """Ask with words of a passage."""
        said = [word.strip(".").lower() for word in passage.split()]
        return " ".join(self.chance.sample([word for word in said if word not in _FREQUENT], 6))


def _drawn(numbers: "np.random.Generator", centres: "np.ndarray", how_many: int) -> "np.ndarray":
    """Draw vectors around centres, each of length one."""
    import numpy as np

    near = centres[numbers.integers(0, len(centres), how_many)]
    return _unit(near + numbers.standard_normal((how_many, DIMENSION), dtype=np.float32) * SPREAD)


def _unit(vectors: "np.ndarray") -> "np.ndarray":
    """Give vectors the length one."""
    import numpy as np

    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)
