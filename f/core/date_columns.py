"""What the dates of a text are for by their place: the titles of columns, as many labels above, the cells of a table.

Shared module, pure. What the words beside a date say, and which of the two comes first, is told by ``date_phrases``.
Labels in no columns count only where they are as many as the dates below them. A line above or a cell is read a
bounded number of times, so that the time is linear.
"""

import re
from collections.abc import Sequence

from f.core.date_cues import FILLER, PREPOSITION, SAYING
from f.core.date_forms import WrittenDate

_WIDE, _MANY = 400, 8
_BLANK = 30  # characters, at most, between a line and the one above
_TABS, _GAPS = re.compile(r"\t"), re.compile(r"(?<=\S) {2,}")
_RULE = re.compile(r"[ \t]*\|?[ \t]*:?-{2,}")


class ColumnReader:
    """Pairs the dates of one text with what stands above and beside them; it is asked date by date, in their order."""

    def __init__(self, folded: str, dates: Sequence[WrittenDate]) -> None:
        """Begin.

        Args:
            folded: The text, folded.
            dates: Its dates, in their order.
        """
        self.folded, self.dates = folded, dates
        self._header: tuple[int, int, list[str | None]] = (-1, -1, [])  # where rows were read, and their titles
        self._columns: dict[int, str] = {}  # what labels above say of the dates of a line
        self._labels: tuple[int, Sequence[str | None]] = (-1, [])  # where a line below labels ended, and they
        self._row: tuple[int, str | None] = (0, None)  # up to where a row was read, and what its last title says

    def kind_above(self, number: int, line: tuple[int, int]) -> str | None:
        """Tell of a date in no table by the label above that has its place: the second of two for the second date.

        Args:
            number: Which date, from 0.
            line: Where its line starts and ends.

        Returns:
            A kind, "none" where it is none of them, or None where no label has its place.
        """
        if number not in self._columns and (not number or self.dates[number - 1].end <= line[0]):
            self._columns = self._paired(number, line)
        return self._columns.get(number)

    def _paired(self, number: int, line: tuple[int, int]) -> dict[int, str]:
        """Pair the dates of a line with the titles of its columns, or with as many labels above."""
        low, high = line[0], line[0] + len(self.folded[line[0] : line[1]].rstrip(" "))
        above = line_above(self.folded, low)
        if above is None or high - low > _WIDE:
            return {}
        here = [at for at in range(number, min(number + _MANY, len(self.dates))) if self.dates[at].end <= high]
        head = "" if number and self.dates[number - 1].end > above[0] else self.folded[above[0] : above[1]]
        titles = (
            self._labels[1]
            if self._labels[0] == above[1]
            else [_title(cell) for cell in _between_cells(head).split(head)]
        )
        row = self.folded[low:high]
        parts = _between_cells(row)
        if any(titles) and 1 < len(titles) == len(parts.split(row)):
            self._labels = high, titles
            return {
                at: self._by_column(at, titles, parts, low) for at in here if self._fills_cell(at, parts, low, high)
            }
        if not self._are_all(here, low, high):
            return {}
        labels = self._labels[1] if self._labels[0] == above[1] else _labels(head)
        if len(labels) > 1:
            self._labels = high, labels
            return (
                dict(zip(here, map(str, labels), strict=True))
                if len(here) == len(labels)
                else dict.fromkeys(here, "none")
            )
        return self._one_below_another(number, above) if len(here) == 1 and labels else {}

    def _fills_cell(self, number: int, parts: re.Pattern[str], low: int, high: int) -> bool:
        """Tell whether a date is all that stands in its cell."""
        one = self.dates[number]
        before, end = parts.split(self.folded[low : one.start])[-1], parts.search(self.folded, one.end, high)
        behind = self.folded[one.end : end.start() if end else high]
        return FILLER.fullmatch(before) is not None and FILLER.fullmatch(behind) is not None

    def _by_column(self, number: int, titles: Sequence[str | None], parts: re.Pattern[str], low: int) -> str:
        """Tell of a date by the title of its column, or by the cells to its left."""
        left = self.folded[low : self.dates[number].start]
        since = max(self.dates[number - 1].end, low) if number else low
        return titles[len(parts.findall(left))] or _title(self.folded[since : low + len(left)]) or "none"

    def _are_all(self, numbers: Sequence[int], low: int, high: int) -> bool:
        """Tell whether dates are all that a piece of the text holds."""
        ends = [low, *(self.dates[at].end for at in numbers)]
        starts = [*(self.dates[at].start for at in numbers), high]
        return all(FILLER.fullmatch(self.folded, end, start) for end, start in zip(ends, starts, strict=True))

    def _one_below_another(self, number: int, above: tuple[int, int]) -> dict[int, str]:
        """Pair dates that stand one below another with as many labels that stand so above them."""
        labels: list[str] = []
        line: tuple[int, int] | None = above
        while line and len(labels) < _MANY and len(label := _labels(self.folded[line[0] : line[1]])) == 1:
            labels[:0] = label
            line = line_above(self.folded, line[0])
        below = list(range(number, min(number + len(labels), len(self.dates))))
        gaps = [self.folded[self.dates[at].end : self.dates[at + 1].start] for at in below[:-1]]
        if len(below) < len(labels) or len(set(labels)) < 2 or not all("\n" in gap and gap.isspace() for gap in gaps):
            return {}
        return dict(zip(below, labels, strict=True))

    def kind_in_table(self, one: WrittenDate, line: tuple[int, int]) -> str | None:
        """Tell of a date in a row of a table by its column's title, or by the cells to its left.

        Args:
            one: The date; dates are asked for in their order.
            line: Where its row starts and ends.

        Returns:
            A kind, "none" where a title says that it is none of them, or None where no title says anything.
        """
        column = self.folded.count("|", line[0], one.start) - (self.folded[line[0] : line[1]].lstrip()[:1] == "|")
        titles = self._titles(line[0])
        found = titles[column] if 0 <= column < len(titles) else None
        return found or self._row_title(one, line[0])

    def _row_title(self, one: WrittenDate, line: int) -> str | None:
        """Tell what the nearest title among the cells to the left of a date says; each cell is read once."""
        at, known = self._row if self._row[0] >= line else (line, None)
        end = self.folded.rfind("|", at, one.start)
        if end >= at:
            cells = reversed(self.folded[at:end].split("|"))
            known = next((found for cell in cells if (found := _title(cell))), known)
            self._row = (end + 1, known)
        return known

    def _titles(self, line: int) -> list[str | None]:
        """Tell what the first row says of the table that a line belongs to, column by column."""
        rows: list[tuple[int, int]] = []
        known = self._header
        at = line
        while at > 0 and len(rows) < 2000:
            start = self.folded.rfind("\n", max(at - 2000, 0), at - 1) + 1
            if start >= at or (not start and at > 2000) or "|" not in self.folded[start : at - 1]:
                break
            if known[0] <= start <= known[1]:
                self._header = (known[0], line, known[2])
                return known[2]
            rows.append((start, at - 1))
            at = start
        first = self.folded[rows[-1][0] : rows[-1][1]] if rows else ""
        if len(rows) == 1 and _RULE.match(first):
            first = ""
        titles = [_title(cell) for cell in first.strip().strip("|").split("|")]
        self._header = (rows[-1][0] if rows else line, line, titles)
        return titles


def line_above(folded: str, low: int) -> tuple[int, int] | None:
    """Find the line above a line, but for blank ones.

    Args:
        folded: The text, folded.
        low: Where the line starts.

    Returns:
        Where the line above starts and ends; None where there is none, or a long one.
    """
    since = max(low - _BLANK, 0)
    end = since + len(folded[since:low].rstrip(" \n"))
    start = folded.rfind("\n", max(end - _WIDE, 0), end) + 1
    return (start, end) if end > 0 and (start or end <= _WIDE) else None


def last_match(pattern: re.Pattern[str], text: str) -> tuple[str, int, int, str] | None:
    """Find the last match in a text.

    Args:
        pattern: One whose alternatives are named groups.
        text: Where to look.

    Returns:
        The name of its group, its start, its end and its words; None where there is no match.
    """
    found = list(pattern.finditer(text))
    if not found:
        return None
    last = found[-1]
    return str(last.lastgroup), last.start(), last.end(), last.group()


def _between_cells(line: str) -> re.Pattern[str]:
    """Return what parts the cells of a line: tabs, or else wider spaces."""
    return _TABS if "\t" in line else _GAPS


def _labels(line: str) -> list[str]:
    """Tell what the labels say of which a line is made, once for those beside each other that say the same."""
    labels: list[str] = []
    at = 0
    for saying in SAYING.finditer(line):
        if not FILLER.fullmatch(line, at, saying.start()):
            return []
        labels += [kind] if (kind := str(saying.lastgroup)) not in labels[-1:] else []
        at = saying.end()
    return labels if FILLER.fullmatch(line, at) else []


def _title(cell: str) -> str | None:
    """Tell what the dates are for that a cell is the title of."""
    saying = last_match(SAYING, cell)
    if saying:
        return saying[0]
    alone = PREPOSITION.fullmatch(cell.strip(" *_:\t"))
    return None if alone is None else {"until": "expiry", "by": "due"}.get(str(alone.lastgroup), "start")
