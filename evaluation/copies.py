"""Copies of texts as they come about: edited, moved about, with pages added, recognised from a scan.

Pure, and the same for the same texts: what is drawn is drawn from a fixed seed.
"""

import random
import re
from collections.abc import Callable, Sequence

from evaluation.data import EvaluationSet

LEAST_CHARACTERS = 200
"""Shorter passages are no documents."""
_SEED = 20_261_121
_SENTENCE_END = re.compile(r"(?<=[.;!?])\s+")
_WRONG, _LOST = 0.6, 0.8
"""Of the characters that OCR gets wrong: those that become another up to the first share, those that are lost up to the
second; beside the rest an additional one stands."""

Copying = Callable[[str, Sequence[str], random.Random], str]


def _edited(text: str, _others: Sequence[str], draw: random.Random) -> str:
    """Put another of the text's words in the place of every twentieth."""
    words = text.split()
    for place in draw.sample(range(len(words)), max(1, len(words) // 20)):
        words[place] = draw.choice(words)
    return " ".join(words)


def _reordered(text: str, _others: Sequence[str], draw: random.Random) -> str:
    """Put the sentences in another order."""
    sentences = _SENTENCE_END.split(text)
    draw.shuffle(sentences)
    return " ".join(sentences)


def _with_pages(number: int) -> Copying:
    """Add other passages behind."""
    return lambda text, others, draw: "\f".join([text, *draw.sample(others, min(number, len(others)))])


def _scanned(share: float) -> Copying:
    """Get a share of the characters wrong, with letters of the same text."""

    def copy(text: str, _others: Sequence[str], draw: random.Random) -> str:
        letters = [character for character in text if character.isalpha()]

        def read(character: str) -> str:
            if draw.random() >= share:
                return character
            how = draw.random()
            return draw.choice(letters) if how < _WRONG else "" if how < _LOST else character + draw.choice(letters)

        return "".join(map(read, text))

    return copy


COPIES: dict[str, Copying] = {
    "5 % of the words edited": _edited,
    "sentences reordered": _reordered,
    "a page as long appended": _with_pages(1),
    "three pages appended": _with_pages(3),
    "OCR, 1 % wrong": _scanned(0.01),
    "OCR, 2 % wrong": _scanned(0.02),
    "OCR, 3 % wrong": _scanned(0.03),
}
"""What a copy went through, and how it is made of a text, other texts and what is drawn."""


def copies(texts: Sequence[str], kind: str, pages: Sequence[str] = ()) -> list[str]:
    """Return a copy of each text, which is of a kind of ``COPIES``; pages that are added are from the other texts.

    Args:
        texts: What is copied.
        kind: What the copies go through.
        pages: From these instead, where the others are documents too, of which the copy would be one as well.
    """
    draw = random.Random(f"{_SEED} {kind}")  # noqa: S311 -- to measure with
    return [COPIES[kind](text, pages or [other for other in texts if other is not text], draw) for text in texts]


def unlike(chosen: EvaluationSet, most: int = 3_000) -> dict[str, list[tuple[str, str]]]:
    """Return pairs of a set's passages that are none of each other's copies: of one title, and of different ones."""
    passages = [passage for passage in chosen.passages if len(passage.text) >= LEAST_CHARACTERS]
    same, others = list[tuple[str, str]](), list[tuple[str, str]]()
    for number, passage in enumerate(passages):
        for before in passages[:number]:
            (same if before.title == passage.title else others).append((before.text, passage.text))
    draw = random.Random(_SEED)  # noqa: S311 -- to measure with
    return {
        "another passage of the same title": draw.sample(same, min(most, len(same))),
        "another title": draw.sample(others, min(most, len(others))),
    }


def translations(sets: Sequence[EvaluationSet]) -> list[tuple[str, str]]:
    """Return pairs of passages that say the same in two languages: those of the same id of sets in one folder."""
    pairs = []
    for number, chosen in enumerate(sets):
        texts = {(passage.tenant, passage.id): passage.text for passage in chosen.passages}
        for before in sets[:number]:
            same_folder = "/" in chosen.name and before.name.rpartition("/")[0] == chosen.name.rpartition("/")[0]
            if same_folder and {(passage.tenant, passage.id) for passage in before.passages} == texts.keys():
                pairs += [(passage.text, texts[passage.tenant, passage.id]) for passage in before.passages]
    return pairs
