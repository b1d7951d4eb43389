"""Resolves an answer's ``[n]`` to exact quotes of the passages, and says how much of the answer they bear out.

Shared module, pure. It promises: a quote is an exact substring of its passage, and ``start`` and ``end`` are its place
in the document; the numbers of the passages stay as they are. Answer and passages are compared as a reader sees them,
because the model was told no more (``f.core.hidden_text``); the quote is what was stored, with what is hidden inside.
What a text may contain is the business of ``f.core.answer_text``, whose public names are offered here too.
"""

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from f.core.answer_text import AnswerStream, clean_answer, is_abstention, strip_links
from f.core.hidden_text import Visible, aligned, visible_text
from f.core.offline_reranking import rarity
from f.core.sentences import sentence_spans
from f.core.words import STOP_WORDS, WORD, fold, stem

__all__ = [
    "AnswerStream", "Citation", "CitedPassage", "ResolvedAnswer",
    "clean_answer", "is_abstention", "resolve_citations", "strip_links",
]  # fmt: skip

LONGEST_QUOTE = 300
"""Characters of a quote."""

_MARKER = re.compile(r"(?<!\s)\s*+\[(\d{1,3})\]")
_NUMBER_WEIGHT = 2.0
_SAME_BEGINNING = 0.7
_BEGINNING_LETTERS = 5
_SECOND_SENTENCE_GAIN = 1.25
"""Two sentences are quoted where they cover that much more of the answer than the best one alone."""
_HEADING_SHARE = 0.5
"""A heading names what its text says, and is the poorer quote."""
_LEAST_OVERLAP = 0.4
"""Share of a sentence's informative words that its passages must hold; a model's own words take the rest."""


@dataclass(frozen=True, slots=True)
class CitedPassage:
    """A passage that an answer may cite: its number, its text, and where the text begins in the document."""

    n: int
    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Citation:
    """A quote of passage ``n``; ``start`` and ``end`` (exclusive) are its place in the document, in code points."""

    n: int
    quote: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ResolvedAnswer:
    """An answer that is ready to be shown and stored.

    Attributes:
        text: The answer, with the markers that name a passage, without links and without the abstention marker.
        citations: One for each passage that is cited, in the order of their numbers; the quote bears out the first
            sentence that cites it.
        supported: From 0 to 1, more is better: the share of the answer's sentences that cite a passage which holds a
            good part of their words. Between two languages only names and numbers are found again.
    """

    text: str
    citations: list[Citation]
    supported: float


def resolve_citations(answer: str, passages: list[CitedPassage]) -> ResolvedAnswer:
    """Clean an answer and find the quote that each of its citations stands for.

    Args:
        answer: What a model wrote.
        passages: The passages it was given.
    """
    by_number = {passage.n: passage for passage in passages}
    allowed_text = "\n".join(passage.text for passage in passages)
    text = clean_answer(answer, by_number.keys(), allowed_text).strip()
    if is_abstention(answer):
        return ResolvedAnswer(text, [], 0.0)
    sentences = _cited_sentences(visible_text(text), by_number.keys())
    shown = {n: aligned(by_number[n].text) for n in sorted({n for _, cited in sentences for n in cited})}
    citations: list[Citation] = []
    for n, passage in shown.items():
        said = next(sentence for sentence, cited in sentences if n in cited)
        low, high = _original_span(passage, *_best_quote(said, passage.text))
        origin = by_number[n].start
        citations.append(Citation(n, by_number[n].text[low:high], origin + low, origin + high))
    return ResolvedAnswer(text, citations, _supported(sentences, shown))


def _original_span(passage: Visible, low: int, high: int) -> tuple[int, int]:
    """Find where a visible quote stands in what was stored, cut where that is longer than a quote may be."""
    most = bisect_right(passage.offsets, passage.offsets[low] + LONGEST_QUOTE - 1, low, high)
    if most < high:
        most = max(passage.text.rfind(" ", low, most), low) or most
    return passage.span(low, most)


def _cited_sentences(text: str, numbers: Collection[int]) -> list[tuple[str, list[int]]]:
    """Cut an answer into sentences without markers, each with the numbers that it cites.

    A marker belongs to the sentence it stands in or behind.
    """
    plain, markers, at = "", list[tuple[int, int]](), 0
    for match in _MARKER.finditer(text):
        plain += text[at : match.start()]
        markers.append((len(plain), int(match.group(1))))
        at = match.end()
    plain += text[at:]
    spans = sentence_spans(plain)
    cited: list[list[int]] = [[] for _ in spans]
    current = 0
    for position, n in markers:
        while current + 1 < len(spans) and spans[current + 1][0] < position:
            current += 1
        if spans and n in numbers and n not in cited[current]:
            cited[current].append(n)
    return [(plain[start:end], named) for (start, end), named in zip(spans, cited, strict=True)]


def _supported(sentences: list[tuple[str, list[int]]], passages: dict[int, Visible]) -> float:
    """Return the share of the sentences that cite a passage which bears them out."""
    counted = borne_out = 0
    for sentence, cited in sentences:
        said = _weights(sentence)
        aside = sentence.startswith("(") and sentence.endswith(")")
        if not cited and (len(said) < 2 or aside or sentence.endswith(":")):
            continue
        counted += 1
        held = _stems(" ".join(passages[n].text for n in cited))
        overlap = sum(weight * _meets(word, *held) for word, weight in said.items())
        borne_out += bool(cited) and overlap >= _LEAST_OVERLAP * sum(said.values())
    return borne_out / counted if counted else 0.0


def _best_quote(said: str, passage: str) -> tuple[int, int]:
    """Find the sentence of a passage, or two in a row, that bears out what was said, cut to the length of a quote."""
    spans = sentence_spans(passage)
    if not spans:
        return 0, 0
    stems = [_stems(passage[start:end]) for start, end in spans]
    rare = rarity(set(_weights(said)), [sorted(found) for found, _ in stems])
    wanted = {word: weight * rare[word] for word, weight in _weights(said).items()}
    scores = [sum(weight * _meets(word, *found) for word, weight in wanted.items()) for found in stems]
    scores = [
        score * (_HEADING_SHARE if passage.startswith("#", start) else 1.0)
        for score, (start, _) in zip(scores, spans, strict=True)
    ]
    if not any(scores):
        return _shorten(passage, spans[0][0], spans[-1][1], wanted)
    best = max(range(len(spans)), key=lambda index: (scores[index], -index))
    chosen, score = spans[best], scores[best]
    for first in (best - 1, best):
        if first < 0 or first + 1 >= len(spans):
            continue
        pair = (spans[first][0], spans[first + 1][1])
        found, beginnings = stems[first][0] | stems[first + 1][0], stems[first][1] | stems[first + 1][1]
        together = sum(weight * _meets(word, found, beginnings) for word, weight in wanted.items())
        if together > score and together >= scores[best] * _SECOND_SENTENCE_GAIN and pair[1] - pair[0] <= LONGEST_QUOTE:
            chosen, score = pair, together
    return _shorten(passage, *chosen, wanted)


def _shorten(passage: str, start: int, end: int, wanted: dict[str, float]) -> tuple[int, int]:
    """Cut a span to the length of a quote, at words, around those that are wanted."""
    if end - start <= LONGEST_QUOTE:
        return start, end
    found = [(m.start(), m.end(), wanted.get(stem(fold(m.group())), 0.0)) for m in WORD.finditer(passage, start, end)]
    best, best_value, behind, value = start, -1.0, 0, 0.0
    for first, (begin, _, weight) in enumerate(found):
        while behind < len(found) and found[behind][1] <= begin + LONGEST_QUOTE:
            value += found[behind][2]
            behind += 1
        if value > best_value:
            best, best_value = begin, value
        value -= weight if behind > first else 0.0
        behind = max(behind, first + 1)
    last = max((high for _, high, weight in found if weight and high <= best + LONGEST_QUOTE), default=start)
    low = start if last - start <= LONGEST_QUOTE else best
    ends = (high for begin, high, _ in found if begin >= low and high <= low + LONGEST_QUOTE)
    return low, max(ends, default=low + LONGEST_QUOTE)


def _weights(text: str) -> dict[str, float]:
    """Weigh the informative stems of a text; a number says more than a word."""
    folded = [fold(word) for word in WORD.findall(text)]
    return {stem(word): _NUMBER_WEIGHT if word[0].isdigit() else 1.0 for word in folded if word not in STOP_WORDS}


def _stems(text: str) -> tuple[set[str], set[str]]:
    """Return the stems of a text and the first letters of the longer ones."""
    found = {stem(fold(word)) for word in WORD.findall(text)}
    return found, _beginnings(found)


def _beginnings(stems: Iterable[str]) -> set[str]:
    """Return the first letters of the longer stems that are no numbers."""
    return {word[:_BEGINNING_LETTERS] for word in stems if len(word) >= _BEGINNING_LETTERS and word[0].isalpha()}


def _meets(word: str, found: set[str], beginnings: set[str]) -> float:
    """Say how well a stem is found: 1 as it is, less by its first letters, 0 not at all."""
    return 1.0 if word in found else _SAME_BEGINNING if word[:_BEGINNING_LETTERS] in beginnings else 0.0
