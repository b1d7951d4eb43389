"""What differs between two texts, line by line, and inside changed lines word by word.

Shared module, pure. It promises: the same two texts give the same differences; what they say is removed and added makes
the new text of the old one, to the letter; and time and memory are bounded, whatever the texts are: 3 s and 400 MB for
two texts of 1,000,000 characters at the worst, 0.1 s for most. What is too large to be compared exactly is first cut at
lines or words that both texts have once; where that does not help it is told as replaced as a whole, which is right,
though not the smallest difference.

The longest common subsequence is found by ``rapidfuzz`` (bit-parallel; Hyyro 2004), where ``difflib`` takes minutes for
a few thousand lines that repeat themselves.
"""

# extra_requirements:
# rapidfuzz==3.14.6

import re
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypedDict

import f.core.errors  # noqa: F401 -- refuses to run as a script

LONGEST_SHOWN = 1_000
"""Characters of what was removed or added that a hunk shows at most."""

_LINE = re.compile(r"[^\n\f]*[\n\f]|[^\n\f]+")
_WORD = re.compile(r"\w+|\s+|[^\w\s]")
_MOST_LINES = 1_000_000
"""Texts with more lines where they differ are told as replaced there as a whole."""
_LONGEST_COMPARED = 2_000_000
"""Characters of changed lines that are compared word by word."""
_EXACT_CELLS = 250_000_000
"""Pairs of lines or words that are compared exactly: an eighth of that in bytes, and some 0.1 s."""
_FEW_EDITS = 1_000
"""So many edits are found in however long a sequence, in a time that grows with its length alone."""
_ANCHORS = (1, 5)
"""How many lines or words in a row are looked for that both texts have once, where there are too many pairs."""

_Change = tuple[int, int, int, int]
"""Where something was and is: from and to (exclusive) in the old sequence, from and to in the new one."""
_Numbers = Sequence[int]
"""A text's lines or words, each as a number, and the same ones as the same number."""


class Hunk(TypedDict):
    """A change. Positions count characters from 0, ends are exclusive, and lines count from 1.

    Attributes:
        old_start: Where it begins in the old text.
        old_end: Where it ends there; the same where something was only added.
        new_start: Where it begins in the new text.
        new_end: Where it ends there; the same where something was only removed.
        old_line: The line in which it begins in the old text.
        new_line: The line in which it begins in the new text.
        removed: What was there, its first ``LONGEST_SHOWN`` characters.
        added: What is there instead, as much of it.
    """

    old_start: int
    old_end: int
    new_start: int
    new_end: int
    old_line: int
    new_line: int
    removed: str
    added: str


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs between two texts.

    Attributes:
        hunks: The first changes, in the order of the text.
        removed_characters: How many characters were removed by all changes.
        added_characters: How many were added.
        truncated: Whether there are more changes than ``hunks``.
    """

    hunks: list[Hunk]
    removed_characters: int
    added_characters: int
    truncated: bool


def differences(old: str, new: str, most: int = 100) -> Differences:
    """Return what differs between two texts.

    Args:
        old: The text as it was.
        new: The text as it is.
        most: The most hunks to return; all changes are counted.
    """
    hunks: list[Hunk] = []
    removed = added = changes = 0
    old_at = new_at = 0
    old_line = new_line = 1
    for low, high, new_low, new_high in _changes(old, new):
        changes += 1
        removed += high - low
        added += new_high - new_low
        if changes <= most:
            old_line += old.count("\n", old_at, low)
            new_line += new.count("\n", new_at, new_low)
            old_at, new_at = low, new_low
            hunks.append(
                Hunk(
                    old_start=low, old_end=high, new_start=new_low, new_end=new_high, old_line=old_line,
                    new_line=new_line, removed=old[low : min(high, low + LONGEST_SHOWN)],
                    added=new[new_low : min(new_high, new_low + LONGEST_SHOWN)],
                )
            )  # fmt: skip
    return Differences(hunks, removed, added, changes > most)


def _changes(old: str, new: str) -> Iterator[_Change]:
    """Yield the changes between two texts, in characters."""
    low, high, new_high = _changed_lines(old, new)
    if max(old.count("\n", low, high), new.count("\n", low, new_high)) > _MOST_LINES:
        yield low, high, low, new_high
        return
    known: dict[str, int] = {}
    lines, new_lines = _Pieces(_LINE, old, low, high, known), _Pieces(_LINE, new, low, new_high, known)
    for first, last, new_first, new_last in _aligned(lines.numbers, new_lines.numbers):
        block, new_block = (
            (lines.starts[first], lines.starts[last]),
            (new_lines.starts[new_first], new_lines.starts[new_last]),
        )
        if max(block[1] - block[0], new_block[1] - new_block[0]) > _LONGEST_COMPARED:
            yield *block, *new_block
            continue
        known = {}
        words, new_words = _Pieces(_WORD, old, *block, known), _Pieces(_WORD, new, *new_block, known)
        yield from _joined(
            old,
            [
                (words.starts[a], words.starts[b], new_words.starts[c], new_words.starts[d])
                for a, b, c, d in _aligned(words.numbers, new_words.numbers)
            ],
        )


def _changed_lines(old: str, new: str) -> tuple[int, int, int]:
    """Return where the lines that differ begin, and where they end in the old and in the new text."""
    shorter = min(len(old), len(new))
    low = _longest(shorter, lambda length: old[:length] == new[:length])
    low = old.rfind("\n", 0, low) + 1
    same = _longest(shorter - low, lambda length: old[len(old) - length :] == new[len(new) - length :])
    line_end = old.find("\n", len(old) - same)
    same = len(old) - line_end - 1 if same and line_end >= 0 else 0
    return low, len(old) - same, len(new) - same


def _longest(most: int, holds: Callable[[int], bool]) -> int:
    """Return the greatest length up to ``most`` for which something holds that holds for all shorter ones."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low


class _Pieces:
    """Pieces of a text: a number for each, the same for the same piece, and where they begin and the last one ends."""

    def __init__(self, pattern: re.Pattern[str], text: str, low: int, high: int, known: dict[str, int]) -> None:
        """Cut a text's span; ``known`` holds the numbers of all pieces, and is added to."""
        pieces = pattern.findall(text, low, high)
        self.numbers = array("I", [known.setdefault(piece, len(known)) for piece in pieces])
        self.starts = list(accumulate(map(len, pieces), initial=low))


def _joined(old: str, changes: Sequence[_Change]) -> Iterator[_Change]:
    """Join changes between which there is nothing but space: who rewrites a phrase has made one change."""
    pending: _Change | None = None
    for change in changes:
        if pending and not old[pending[1] : change[0]].strip():
            pending = (pending[0], change[1], pending[2], change[3])
            continue
        if pending:
            yield pending
        pending = change
    if pending:
        yield pending


def _aligned(old: _Numbers, new: _Numbers) -> list[_Change]:
    """Return what differs between two sequences, in order."""
    low, shorter = 0, min(len(old), len(new))
    while low < shorter and old[low] == new[low]:
        low += 1
    same = 0
    while same < shorter - low and old[-1 - same] == new[-1 - same]:
        same += 1
    changes: list[_Change] = []
    for part in _parts(old, new, (low, len(old) - same, low, len(new) - same), _ANCHORS):
        changes += _exact(old, new, part)
    return changes


def _parts(old: _Numbers, new: _Numbers, part: _Change, anchors: Sequence[int]) -> Iterator[_Change]:
    """Cut what is too large to be compared exactly at what both have once, in the same order.

    This is the first step of what is known as patience diff (Cohen): the longest increasing sequence of such places.
    """
    low, high, new_low, new_high = part
    if (high - low) * (new_high - new_low) <= _EXACT_CELLS or not anchors:
        yield part
        return
    length, *others = anchors
    places, new_places = _once(old, low, high, length), _once(new, new_low, new_high, length)
    pairs = [(place, new_places[key]) for key, place in places.items() if key in new_places]
    for place, new_place in _longest_increasing(pairs):
        if place >= low and new_place >= new_low:
            yield from _parts(old, new, (low, place, new_low, new_place), others)
            low, new_low = place + length, new_place + length
    yield from _parts(old, new, (low, high, new_low, new_high), others)


def _once(numbers: _Numbers, low: int, high: int, length: int) -> dict[tuple[int, ...], int]:
    """Return what occurs once in a part, so many numbers in a row, with its place, in order."""
    rows = list(zip(*(numbers[low + shift : high - length + 1 + shift] for shift in range(length)), strict=True))
    counts = Counter(rows)
    return {row: place for place, row in enumerate(rows, low) if counts[row] == 1}


def _longest_increasing(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest sequence of pairs whose second numbers grow, as their first ones do."""
    ends: list[int] = []  # the least second number with which a sequence of each length ends
    at_end: list[int] = []  # the pair that it belongs to
    before: list[int] = []  # for each pair the one before it
    for number, (_, second) in enumerate(pairs):
        length = bisect_left(ends, second)
        before.append(at_end[length - 1] if length else -1)
        ends[length : length + 1] = [second]
        at_end[length : length + 1] = [number]
    chain: list[tuple[int, int]] = []
    number = at_end[-1] if at_end else -1
    while number >= 0:
        chain.append(pairs[number])
        number = before[number]
    return chain[::-1]


def _exact(old: _Numbers, new: _Numbers, part: _Change) -> list[_Change]:
    """Return what differs within a part, or the part as a whole where it is too large."""
    low, high, new_low, new_high = part
    if low == high and new_low == new_high:
        return []
    if low == high or new_low == new_high:
        return [part]
    from rapidfuzz.distance import Indel, Levenshtein  # noqa: PLC0415 -- who has no differences does not wait for it

    before, behind = old[low:high], new[new_low:new_high]
    if len(before) * len(behind) <= _EXACT_CELLS:
        codes = Indel.opcodes(before, behind)
    elif (edits := Levenshtein.distance(before, behind, score_cutoff=_FEW_EDITS)) <= _FEW_EDITS:
        codes = Levenshtein.opcodes(before, behind, score_hint=edits)
    else:
        return [part]
    changes: list[_Change] = []
    for code in codes:
        if code.tag == "equal":
            continue
        change = low + code.src_start, low + code.src_end, new_low + code.dest_start, new_low + code.dest_end
        last = changes[-1] if changes else None
        if last and (last[1], last[3]) == (change[0], change[2]):  # what is removed and added at once is one change
            changes[-1] = (last[0], change[1], last[2], change[3])
        else:
            changes.append(change)
    return changes
