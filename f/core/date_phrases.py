"""What a date in a text is for, by the words around it: an expiry, a renewal, something due, a start, or an issue.

Shared module, pure. In this order: the label above that has its place, the range that it ends, what is said right
before it, the cell, column or row of a table that it stands in, what is said right behind it, the line above it. The
nearest words count, also those of what is none of these (a birth, a meeting), so that the date after them is none
either. A date is looked at with at most 160 characters before it, and none of those before the last date, and a line
above or a cell is read a bounded number of times, so that the time is linear.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from f.core.date_columns import ColumnReader, last_match, line_above
from f.core.date_cues import (
    CARD,
    ENDING,
    FILLER,
    JOINED,
    LINK,
    NEGATED,
    NEGATED_END,
    OF_COURSE,
    OF_DEADLINE,
    PREPOSITION,
    SAYING,
    SUBJECT,
    TO,
    Kind,
)
from f.core.date_durations import Duration, duration_before, duration_behind
from f.core.date_forms import WrittenDate
from f.core.sentences import sentence_spans

_BEFORE, _BEHIND = 160, 70
_SENTENCE_BEFORE, _SENTENCE_BEHIND = 250, 150
_NEAR, _FAR = 30, 100
_LABEL = 80
_BETWEEN = 60
_COUNTS = ("expiry", "renewal", "due")
_DESCRIBES = re.compile(r"[ \t]*(?:[:|\u2192]\s{0,4}|\t|-|  )(?=\S|\s)")
_CLOSES = re.compile(r"(?<!\w)(?:clos(?:es?|ed|ing)|ends?|ending)(?!\w)(?=.{0,25}\bon\W*(?:\w{6,9}\W*)?$)")
_PAYABLE = re.compile(r"(?<!\w)(?:payable|due|payment|paid|πληρω\w+|καταβ\w+|εξοφλ\w+)(?!\w)")
_DEADLINE = re.compile(r"(?<!\w)(?:deadlines?|προθεσμι\w*|διορι\w*)(?!\w)")
_IS_THE = re.compile(r"\s*(?:is|are|was|will be|ειναι|αποτελει)\s+(?:\w{1,14}\s+){1,4}")


@dataclass(frozen=True, slots=True)
class Told:
    """What a date is for.

    Attributes:
        kind: None when it is none of the kinds.
        confidence: How plainly the words say so, from 0 to 1.
        above: Whether the line above says so, so that it holds for a list below it.
        span: The sentence or line that it stands in.
        duration: A period beside it, and what its end is.
    """

    kind: Kind | None
    confidence: float
    span: tuple[int, int]
    above: bool = False
    duration: Duration | None = None
    computed_kind: Kind | None = None


def told_of(text: str, folded: str, dates: Sequence[WrittenDate]) -> list[Told]:
    """Tell of each date what it is for.

    Args:
        text: The text.
        folded: The same, folded.
        dates: Its dates, in their order.

    Returns:
        As many, in the same order.
    """
    reader = _Reader(text, folded, dates)
    for number in range(len(dates)):
        reader.read(number)
    return reader.told


class _Reader:
    """Goes from date to date."""

    def __init__(self, text: str, folded: str, dates: Sequence[WrittenDate]) -> None:
        """Begin."""
        self.text, self.folded, self.dates = text, folded, dates
        self.told: list[Told] = []
        self._sentence = (0, 0)
        self._columns = ColumnReader(folded, dates)

    def read(self, number: int) -> None:
        """Tell of one date."""
        one = self.dates[number]
        low, high = self._sentence_of(one)
        line = self._line_of(one)
        in_table = "|" in self.folded[line[0] : line[1]]
        if in_table:
            low, high = max(low, line[0]), min(high, line[1])
        since = max(self.dates[number - 1].end if number else 0, one.start - _BEFORE)
        columns = None if in_table else self._in_columns(number, line)
        found = (
            columns
            or self._joined(number, low)
            or self._said_before(one, max(low, since))
            or (self._in_table(one, line) if in_table else None)
            or self._false_end(one, low, since, line[0])
            or self._said_behind(number, high)
            or self._described(number, one.start)
            or self._above(number, line[0])
        )
        kind, confidence, above = found or (None, 0.0, False)
        if (one.loose and confidence < 0.85) or (
            one.short and not (kind == "expiry" and (in_table or columns or self._on_a_card(one)))
        ):
            kind = None
        told = Told(None if kind == "none" else cast("Kind | None", kind), confidence, (low, high), above)
        self.told.append(self._with_duration(one, told, max(low, since), high))

    def _on_a_card(self, one: WrittenDate) -> bool:
        """Tell whether the wording of cards and labels stands right before a date."""
        return CARD.search(self.folded, max(one.start - _BETWEEN, 0), one.start) is not None

    def _sentence_of(self, one: WrittenDate) -> tuple[int, int]:
        """Find the sentence of a date."""
        if not self._sentence[0] <= one.start < one.end <= self._sentence[1]:
            low, high = max(one.start - _SENTENCE_BEFORE, 0), min(one.end + _SENTENCE_BEHIND, len(self.text))
            spans = sentence_spans(self.text, low, high)
            self._sentence = next((span for span in spans if span[0] <= one.start < span[1]), (one.start, one.end))
        return self._sentence[0], max(self._sentence[1], one.end)

    def _line_of(self, one: WrittenDate) -> tuple[int, int]:
        """Find the line of a date, or the thousand characters around it."""
        low, high = max(one.start - 1000, 0), min(one.end + 1000, len(self.folded))
        start = self.folded.rfind("\n", low, one.start)
        end = self.folded.find("\n", one.end, high)
        return (low if start < 0 else start + 1), (high if end < 0 else end)

    def _joined(self, number: int, low: int) -> tuple[str, float, bool] | None:
        """Tell of a date that goes on from the one before: the end of a range, or the next of a list."""
        if not number:
            return None
        one, before, told = self.dates[number], self.dates[number - 1], self.told[number - 1]
        between = self.folded[before.end : one.start]
        if len(between) > _BETWEEN or before.end < low:
            return None
        to = TO.fullmatch(between)
        if to and not (to["and"] and not self._between(before)):
            described = self._described(number, before.start)
            kind, confidence = (
                described[:2] if described else self._end_of_range(before, max(low, before.start - _BEFORE), told)
            )
            head = self.folded[max(low, before.start - _NEAR) : before.start]
            if not (told.kind == "expiry" and re.search(r"\bdates\b", head)):  # use-by dates from ... to ...
                self.told[number - 1] = Told("start", confidence or 0.5, told.span)
            return kind, confidence, told.above
        if JOINED.fullmatch(between) and told.kind:
            return told.kind, told.confidence - 0.05, told.above
        return None

    def _between(self, before: WrittenDate) -> bool:
        """Tell whether a range begins with between."""
        return (
            re.search(r"(?:between|μεταξυ)\W*(?:\w{1,4}\W*)?$", self.folded[max(before.start - 25, 0) : before.start])
            is not None
        )

    def _end_of_range(self, before: WrittenDate, low: int, told: Told) -> tuple[str, float]:
        """Tell what the last day of a range is, by what the range is about."""
        head = self.folded[low : before.start]
        if not SUBJECT.search(head) and not SAYING.search(head):
            line = max(self._line_of(before)[0], before.start - _BEFORE)
            head = self.folded[max(line - _LABEL, 0) : before.start]
        subject = last_match(SUBJECT, head)
        saying = last_match(SAYING, head)
        if saying and saying[0] == "none" and (not subject or saying[1] > subject[1]):
            return "none", 0.6
        if subject:
            return subject[0], 0.85
        if saying and saying[0] in ("expiry", "due"):
            return saying[0], 0.8
        if told.kind in _COUNTS:
            return str(told.kind), 0.7
        return "none", 0.5

    def _said_before(  # noqa: PLR0911, PLR0912 -- each is one way of saying it
        self, one: WrittenDate, low: int, *, close: bool = False
    ) -> tuple[str, float, bool] | None:
        """Tell of a date by the words right before it."""
        left = self.folded[low : one.start]
        preposition = last_match(PREPOSITION, left)
        if preposition and not FILLER.fullmatch(left, preposition[2]):
            preposition = None
        for match in reversed(list(SAYING.finditer(left))):
            kind, words, gap = str(match.lastgroup), match.group(), left[match.end() :]
            after = preposition[0] if preposition and preposition[1] >= match.end() else ""
            if kind in _COUNTS and _is_negated(kind, left[: match.start()], after):
                return "none", 0.6, False
            if FILLER.fullmatch(gap):
                if after == "start" and kind in _COUNTS and "dates" not in words + gap:
                    return "start", 0.7, False
                if kind in _COUNTS or after not in ("until", "by"):
                    return self._deadline_if_so(kind, words, one, low + match.start()), 0.95, False
                break
            if close:
                return None
            linked = any(FILLER.fullmatch(gap, link.end()) for link in LINK.finditer(gap))
            if kind not in _COUNTS:
                if len(gap) <= _NEAR and not after:
                    return kind, 0.6, False
                continue
            if after in ("until", "by") and len(gap) <= _FAR and not (kind == "expiry" and after == "by"):
                return self._deadline_if_so(kind, words, one, one.start), 0.8, False
            if not preposition and (len(gap) <= _NEAR or (linked and len(gap) <= _FAR)):
                return self._deadline_if_so(kind, words, one, one.start), 0.75, False
            break
        if close:
            return None
        closing = None if preposition else last_match(_CLOSES, left)
        if closing and len(left) - closing[2] <= _NEAR:
            return self._by_subject("until", left[: closing[1]], one)
        return self._by_subject(preposition[0], left[: preposition[1]], one) if preposition else None

    def _by_subject(self, preposition: str, left: str, one: WrittenDate) -> tuple[str, float, bool] | None:
        """Tell of a date with no more than "by", "until" or "from" before it, by what the sentence is about."""
        if preposition == "start":
            return "start", 0.6, False
        about = [str(match.lastgroup) for match in SUBJECT.finditer(left)] or [
            str(match.lastgroup)
            for match in SUBJECT.finditer(self.folded, max(self._sentence[0], one.start - _BEFORE), one.start)
        ]
        if not about:
            match = SUBJECT.search(self.folded, one.end, min(one.end + _BEHIND, self._sentence[1]))
            about = [str(match.lastgroup)] if match else []
        if preposition == "by":
            about = [kind for kind in about if kind != "expiry"]
        return (about[-1], 0.75, False) if about else None

    def _deadline_if_so(self, kind: str, words: str, one: WrittenDate, at: int) -> str:
        """Turn the end of what does not expire by itself, such as of a period to pay, into something due."""
        if kind != "expiry" or not ENDING.fullmatch(words):
            return kind
        before = self.folded[max(self._sentence[0], one.start - _BEFORE) : at]
        behind = self.folded[one.end : min(self._sentence[1], one.end + _NEAR)]
        return (
            "due"
            if OF_DEADLINE.search(before[-_FAR:]) or _DEADLINE.search(behind)
            else "none"
            if OF_COURSE.search(before)
            else kind
        )

    def _false_end(self, one: WrittenDate, low: int, since: int, line: int) -> tuple[str, float, bool] | None:
        """Tell of a date behind an abbreviation that was taken for the end of a sentence: Exp. 31/01/2026."""
        start = max(since, line)
        if start >= low or not FILLER.fullmatch(self.folded, low, one.start):
            return None
        return self._said_before(one, start, close=True)

    def _said_behind(self, number: int, high: int) -> tuple[str, float, bool] | None:
        """Tell of a date by the words right behind it, unless they belong to the next."""
        one = self.dates[number]
        limit = self.dates[number + 1].start if number + 1 < len(self.dates) else len(self.folded)
        end = min(high, limit, one.end + _BEHIND)
        match = SAYING.search(self.folded, one.end, end)
        if match is None or match.lastgroup not in _COUNTS:
            return None
        between = self.folded[one.end : match.start()]
        if not FILLER.fullmatch(between) and not _IS_THE.fullmatch(between):
            return None
        behind = self.folded[match.end() : limit]
        if len(behind) < _BETWEEN and limit < len(self.folded) and "\n" not in behind and ")" not in behind:
            return None
        return self._deadline_if_so(str(match.lastgroup), match.group(), one, one.start), 0.8, False

    def _described(self, number: int, start: int) -> tuple[str, float, bool] | None:
        """Tell of a date that begins its line, or whose range does, by what the line says: a list of dates."""
        one = self.dates[number]
        if not FILLER.fullmatch(self.folded, self._line_of(one)[0], start):
            return None
        limit = self.dates[number + 1].start if number + 1 < len(self.dates) else len(self.folded)
        opening = _DESCRIBES.match(self.folded, one.end, min(limit, one.end + _LABEL))
        if opening is None:
            return None
        end = self.folded.find("\n", opening.end(), min(limit, opening.end() + _FAR))
        saying = SAYING.search(self.folded, opening.end(), min(limit, opening.end() + _FAR) if end < 0 else end)
        return None if saying is None else (str(saying.lastgroup), 0.8, False)

    def _in_columns(self, number: int, line: tuple[int, int]) -> tuple[str, float, bool] | None:
        """Tell of a date by the label above that has its place: the second of two for the second of two dates."""
        kind = self._columns.kind_above(number, line)
        if kind == "none" and (described := self._described(number, self.dates[number].start)):
            return described
        return (kind, 0.9, False) if kind else None

    def _in_table(self, one: WrittenDate, line: tuple[int, int]) -> tuple[str, float, bool] | None:
        """Tell of a date by its column's title, or by the cells to its left."""
        found = self._columns.kind_in_table(one, line)
        return (found, 0.9, False) if found else None

    def _above(self, number: int, line: int) -> tuple[str, float, bool] | None:
        """Tell of a date that begins its line by the line above, or by the head of its list."""
        one = self.dates[number]
        if not FILLER.fullmatch(self.folded, line, one.start) or line == 0:
            return None
        above = line_above(self.folded, line)
        if number and above and self.told[number - 1].above and self.dates[number - 1].end > above[0]:
            return str(self.told[number - 1].kind), self.told[number - 1].confidence, True
        end = (
            len(self.folded[:line].rstrip())
            if line < 2000
            else line - 2000 + len(self.folded[line - 2000 : line].rstrip())
        )
        start = max(self.folded.rfind("\n", 0, end) + 1, end - _LABEL, self.dates[number - 1].end if number else 0)
        saying = last_match(SAYING, self.folded[start:end])
        if saying is None or end - start - saying[2] > _NEAR:
            return None
        return saying[0], 0.85, True

    def _with_duration(self, one: WrittenDate, told: Told, low: int, high: int) -> Told:
        """Add the period beside a date, if there is one that ends something."""
        if one.precision != "day" or one.loose:
            return told
        found = duration_before(self.folded, low, one.start)
        if found is None and told.kind == "start":
            included = not re.search(r"(?:from|απο)\W*\w{0,4}\W*$", self.folded[max(low, one.start - 20) : one.start])
            found = duration_behind(self.folded, one.end, high, included=included)
        if found is None:
            return told
        about = [str(match.lastgroup) for match in SUBJECT.finditer(self.folded, low, found.end)]
        ends = next((kind for kind in reversed(about) if kind in ("expiry", "renewal")), None)
        kind = "due" if found.within or (ends is None and _PAYABLE.search(self.folded, low, found.end)) else ends
        if kind is None:
            return told
        own = None if found.within or told.kind in _COUNTS else told.kind or "start"
        return Told(own, told.confidence, told.span, told.above, found, cast("Kind", kind))


def _is_negated(kind: str, before: str, after: str) -> bool:
    """Tell whether the words before a phrase turn it around; what does not expire until a day expires then."""
    if NEGATED.search(before):
        return True
    return kind == "expiry" and after != "until" and NEGATED_END.search(before) is not None
