"""The yardstick: plain BM25 by bm25s, as teams use it, on the same passages and questions.

k1 1.2 and b 0.75, accents folded, no stemming, no stop words; one index per tenant, over the title and the text of each
passage; a word that a question repeats counts once.
"""

import re
from collections.abc import Sequence

import bm25s

from evaluation.data import EvaluationSet
from evaluation.scores import DEPTHS, Ranking
from f.core.words import fold

K1, B = 1.2, 0.75
_WORD = re.compile(r"\w+")


def bm25_rankings(chosen: EvaluationSet) -> list[Ranking]:
    """Rank each question's passages within its tenant; the ten best of each."""
    found: dict[int, Ranking] = {}
    for tenant in chosen.tenants:
        passages = [passage for passage in chosen.passages if passage.tenant == tenant]
        asked = [(place, question) for place, question in enumerate(chosen.questions) if question.tenant == tenant]
        if not asked:
            continue
        ids = [passage.id for passage in passages]
        rankings = _ranked(
            [f"{passage.title} {passage.text}" for passage in passages], [question.text for _, question in asked]
        )
        found.update({place: [ids[at] for at in ranking] for (place, _), ranking in zip(asked, rankings, strict=True)})
    return [found[place] for place in range(len(chosen.questions))]


def _ranked(texts: Sequence[str], questions: Sequence[str]) -> list[list[int]]:
    """Rank texts by their places, for each question."""
    index = bm25s.BM25(k1=K1, b=B)
    index.index([_folded_words(text) for text in texts], show_progress=False)
    known = set(index.vocab_dict)
    asked = [[word for word in dict.fromkeys(_folded_words(question)) if word in known] for question in questions]
    ranked = index.retrieve(asked, k=min(max(DEPTHS), len(texts)), show_progress=False, return_as="documents")
    return [[int(place) for place in row] for row in ranked]


def _folded_words(text: str) -> list[str]:
    """List the words of a text in order, in lower case and without accents."""
    return _WORD.findall(fold(text))
