"""Turns the words that tesseract recognised into text: paragraphs, whole words, and letters of one alphabet.

Shared module, pure. Where a line ends only because the paper does, it goes on in the same paragraph; where there would
have been room for the next word, the end was meant. What is repaired are habits of tesseract's Greek model, each named
where it is.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from unicodedata import normalize

import f.core.errors  # noqa: F401 -- refuses to run as a script

_WORD_LEVEL = "5"
_HYPHENATED = re.compile(r"\w[-\u00ad\u2010¬]\Z")
_LOOKS_LIKE = str.maketrans(
    {"\u00b5": "μ", "\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl"}
)
_ONE_ACCENT = re.compile(r"[ά-ώΐΰΆΈ-Ώ]")
_SEVERAL_ACCENTS = re.compile(r"[\u1f00-\u1fbc\u1fc2-\u1fcc\u1fd0-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ffc]")
_POLYTONIC_SHARE = 0.25
_ACUTE, _DIAERESIS, _BREATHINGS = "\u0301", "\u0308", "\u0313\u0314"


@dataclass(frozen=True, slots=True)
class RecognisedWord:
    """A word as it was recognised, with its place.

    Attributes:
        text: The word.
        confidence: From 0 to 1.
        paragraph: Numbers that words of one paragraph have in common.
        line: The number of its line within the paragraph.
        left: Where it begins, in pixels.
        right: Where it ends.
    """

    text: str
    confidence: float
    paragraph: tuple[int, int]
    line: int
    left: int
    right: int


def read_words(table: str) -> list[RecognisedWord]:
    """Read tesseract's table of words (``tsv``), in its order, which is the reading order."""
    words = list[RecognisedWord]()
    for row in table.split("\n"):
        columns = row.split("\t", 11)
        if len(columns) < 12 or columns[0] != _WORD_LEVEL or not columns[11].strip():
            continue
        block, paragraph, line, _, left, _, width, _ = map(int, columns[2:10])
        # Not NFKC, which would make 10² a 102; the two things that it would repair are done by name.
        text = normalize("NFC", columns[11].strip()).translate(_LOOKS_LIKE)
        confidence = min(1.0, max(0.0, float(columns[10]) / 100))
        words.append(RecognisedWord(text, confidence, (block, paragraph), line, left, left + width))
    return words


def certainty(words: Sequence[RecognisedWord]) -> float:
    """Return the words' confidence, each weighing as much as it has characters; 0 without words."""
    characters = sum(len(word.text) for word in words)
    return sum(word.confidence * len(word.text) for word in words) / max(1, characters)


def write_text(words: Sequence[RecognisedWord]) -> str:
    """Write words as paragraphs with an empty line between two; what was meant to be one alphabet's is."""
    edges = dict[int, int]()
    for word in words:
        edges[word.paragraph[0]] = max(edges.get(word.paragraph[0], 0), word.right)
    paragraphs = groupby(words, key=lambda word: word.paragraph)
    return _with_one_accent("\n\n".join(_paragraph(list(members), edges[key[0]]) for key, members in paragraphs))


def _with_one_accent(text: str) -> str:
    """Write Greek as it has been written since 1982: the model knows the old accents too, and sees some in dust.

    A text in which they are usual is an old one, and stays as it is.
    """
    several = len(_SEVERAL_ACCENTS.findall(text))
    if not several or several > _POLYTONIC_SHARE * (several + len(_ONE_ACCENT.findall(text))):
        return text
    return _SEVERAL_ACCENTS.sub(lambda found: _modern(found[0]), text)


def _modern(letter: str) -> str:
    """Return a letter with one accent at most; on a capital letter a breathing is none."""
    decomposed = normalize("NFD", letter)
    base, marks = decomposed[0], decomposed[1:]
    accented = any(mark not in _DIAERESIS + _BREATHINGS for mark in marks)
    accented |= base.islower() and any(mark in _BREATHINGS for mark in marks)
    return normalize("NFC", base + _DIAERESIS * (_DIAERESIS in marks) + _ACUTE * accented)


def _paragraph(words: list[RecognisedWord], right: int) -> str:
    """Write one paragraph, whose block reaches to the given pixel."""
    lines = [list(members) for _, members in groupby(words, key=lambda word: word.line)]
    text = ""
    for line, following in zip(lines, [*lines[1:], None], strict=True):
        text += " ".join(word.text for word in line)
        if following is None:
            break
        if _HYPHENATED.search(text):
            divided = following[0].text[0].islower() and not text[-2].isdigit()
            text = text[:-1] if divided else text
        elif line[-1].right + _space(line) + following[0].right - following[0].left > right:
            text += " "
        else:
            text += "\n"
    return text


def _space(line: list[RecognisedWord]) -> float:
    """Return how wide a space is on a line: as wide as half its average letter."""
    return 0.5 * sum(word.right - word.left for word in line) / sum(len(word.text) for word in line)
