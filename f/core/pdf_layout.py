# ruff: noqa: RUF001 - dashes and Greek letters are meant here
"""Arranges the words of a PDF's page: reading order, columns, tables, paragraphs, items of lists.

Shared module, pure. The order in which a page was written is kept, but where lines run over a gap that those above and
below them have as well: then it is columns, read one after the other, or a table. A line goes on in the next one where
the next word would not have fitted any more; where there was room, its end was meant.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from f.core.markdown_tables import markdown_table
from f.core.pdf_tables import RuledTable, find_tables
from f.core.pdf_words import PdfWord, Rule

SOFT_HYPHEN = "\u00ad"
"""What a word ends with that goes on in the next line."""

_GAP_OF_COLUMNS = 2.0
"""Parts of a line are apart where the space between is so many times the size of the letters; a space is 0.3 of it."""

_NARROW_GAP = 1.0
_LEAST_NARROW_COLUMNS = 3
"""Narrower gaps count as well where so many columns have them."""

_SAME_BASELINE = 0.2
"""How much higher or lower a word may be on the same line, in sizes of its letters."""

_LEAST_LINES_IN_COLUMNS = 3
_LEAST_WORDS_OF_PROSE = 3.0
_SPARE_ROOM = 0.9
"""What a line may leave free besides its next word, in sizes of its letters: two spaces, and a little."""

_NEW_PARAGRAPH = 1.3  # times the usual distance of lines
_OTHER_SIZE = 1.08
BULLET = re.compile(r"(?:[•▪◦‣●○■□➢➤✓✔❖]|[\uf0b7\uf0a7\uf0d8\uf0fc\uf076]|[–—-](?=\s))\s*")
COUNTED = re.compile(r"(\d{1,3}|[a-zα-ω])[.)]\s+(?=\S)")
"""How items of lists begin: with a bullet, or counted."""


@dataclass(slots=True)
class Line:
    """Words beside each other.

    Attributes:
        words: In the order in which they are read.
        left: The place of its word that is furthest to the left.
        right: The place of its word that is furthest to the right.
        baseline: What it stands on.
        size: Of most of its letters.
    """

    words: list[PdfWord]
    left: float = 0.0
    right: float = 0.0
    baseline: float = 0.0
    size: float = 0.0

    def __post_init__(self) -> None:
        """Measure it."""
        self.left, self.right = min(word.left for word in self.words), max(word.right for word in self.words)
        self.baseline = self.words[0].baseline
        sizes: Counter[float] = Counter()
        for word in self.words:
            sizes[round(word.size, 1)] += len(word.text)
        self.size = sizes.most_common(1)[0][0]

    @property
    def text(self) -> str:
        """Return its words."""
        return " ".join(word.text for word in self.words)


@dataclass(slots=True)
class Block:
    """A paragraph, an item of a list, or a table that is written already.

    Attributes:
        lines: Of a paragraph or item.
        table: In Markdown; empty for a paragraph.
        close: Whether it stands right below the block before it, without a distance of its own.
    """

    lines: list[Line] = field(default_factory=list)
    table: str = ""
    close: bool = False


def page_blocks(words: Sequence[PdfWord], rules: Sequence[Rule]) -> list[Block]:
    """Arrange the words of one page."""
    tables = find_tables(words, rules)
    blocks: list[Block] = []
    for table, lines in _around_tables(words, tables):
        if table is not None:
            blocks.append(Block(table=table.markdown))
        for kind, group in _arranged(lines):
            if kind == "table":
                blocks.append(Block(table=markdown_table([[cell.text for cell in row] for row in group])))
            else:
                blocks += _paragraphs([line for row in group for line in row])
    return blocks


def plain_blocks(words: Sequence[PdfWord]) -> list[Block]:
    """Return the words of one page line by line, where nothing is known of how they are arranged."""
    return [Block([Line(row)], close=True) for row in _beside_each_other(words)]


def _around_tables(
    words: Sequence[PdfWord], tables: Sequence[RuledTable]
) -> Iterable[tuple[RuledTable | None, list[list[Line]]]]:
    """Yield each table where the page has its first word, with the lines up to the next one; None at the beginning."""
    owner = {word: table for table in tables for word in table.words}
    pending: RuledTable | None = None
    begun: set[int] = set()
    waiting: list[PdfWord] = []
    for word in words:
        table = owner.get(word)
        if table is None:
            waiting.append(word)
        elif id(table) not in begun:
            begun.add(id(table))
            yield pending, _lines(waiting)
            pending, waiting = table, []
    yield pending, _lines(waiting)


def _lines(words: Sequence[PdfWord]) -> list[list[Line]]:
    """Put words into lines, each of one or more parts with a gap between them."""
    return [[Line(part) for part in split_at_gaps(together, _NARROW_GAP)] for together in _beside_each_other(words)]


def split_at_gaps(words: Iterable[PdfWord], gap: float = _GAP_OF_COLUMNS) -> list[list[PdfWord]]:
    """Split the words of a line where a gap is between them, of so many times the size of the letters."""
    parts: list[list[PdfWord]] = []
    for word in words:
        if not parts:
            parts.append([word])
            continue
        part = parts[-1]
        if word.right < part[0].left:
            between = min(other.left for other in part) - word.right
        else:
            between = word.left - part[-1].right
        if between > gap * word.size:
            parts.append([word])
        else:
            part.append(word)
    return parts


def _beside_each_other(words: Sequence[PdfWord]) -> Iterable[list[PdfWord]]:
    """Yield the words of each line; PDFium begins a new one at a single letter that stands apart on the same line."""
    row: list[PdfWord] = []
    for word in words:
        if row and word.line != (last := row[-1]).line:
            same = abs(word.baseline - last.baseline) <= _SAME_BASELINE * word.size and word.left >= last.right
            if not same:
                yield row
                row = []
        row.append(word)
    if row:
        yield row


def _arranged(rows: list[list[Line]]) -> Iterable[tuple[str, list[list[Line]]]]:
    """Yield runs of lines in reading order: as they are, columns one after the other, or rows of a table."""
    at = 0
    plain: list[list[Line]] = []
    narrow, rows = rows, [_with_wide_gaps(row) for row in rows]
    while at < len(rows):
        end = _end_of_aligned(rows, at) if len(rows[at]) > 1 else at
        group = rows[at:end]
        if len(narrow[at]) >= _LEAST_NARROW_COLUMNS and (further := _end_of_aligned(narrow, at)) >= end:
            end, group = further, narrow[at:further]
        if end - at < _LEAST_LINES_IN_COLUMNS:  # a gap by chance, as in justified lines
            plain.append(rows[at] if len(rows[at]) == 1 else [Line([word for part in rows[at] for word in part.words])])
            at += 1
            continue
        if _is_prose(group):
            columns, at = _columns(rows, at, end)
            plain += [[line] for line in columns]
            continue
        at = end
        if plain:
            yield "lines", plain
            plain = []
        yield "table", group
    if plain:
        yield "lines", plain


def _with_wide_gaps(row: list[Line]) -> list[Line]:
    """Join the parts of a line that only a narrow gap is between."""
    if len(row) == 1:
        return row
    return [Line(part) for part in split_at_gaps([word for part in row for word in part.words])]


def _is_prose(group: list[list[Line]]) -> bool:
    """Tell two columns of text from the cells of a table."""
    parts = [part for row in group for part in row]
    return len(group[0]) == 2 and sum(len(part.words) for part in parts) >= _LEAST_WORDS_OF_PROSE * len(parts)


def _columns(rows: list[list[Line]], at: int, end: int) -> tuple[list[Line], int]:
    """Read two columns one after the other, down to where a line goes across both or the page begins anew.

    Args:
        rows: All lines.
        at: Where the columns begin.
        end: Behind the last line that has both of them without a break.

    Returns:
        The lines in reading order, and the index behind them.
    """
    gutter = max(row[0].right for row in rows[at:end]), min(row[1].left for row in rows[at:end])
    first, second = [row[0] for row in rows[at:end]], [row[1] for row in rows[at:end]]
    while end < len(rows) and rows[end][0].baseline < rows[end - 1][0].baseline:
        row = rows[end]
        in_first = [part for part in row if part.right <= gutter[1]]
        in_second = [part for part in row if part.left >= gutter[0] and part not in in_first]
        if len(row) > 2 or len(in_first) + len(in_second) < len(row) or len(in_first) > 1:
            break
        first += in_first
        second += in_second
        end += 1
    return first + second, end


def _end_of_aligned(rows: list[list[Line]], at: int) -> int:
    """Return the index behind the lines that have the same gaps as the one at an index."""
    first = rows[at]
    gutters = [[left.right, right.left] for left, right in pairwise(first)]
    end = at + 1
    while end < len(rows) and len(rows[end]) == len(first):
        if rows[end][0].baseline >= rows[end - 1][0].baseline:
            break
        narrowed = [
            [max(gutter[0], left.right), min(gutter[1], right.left)]
            for gutter, left, right in zip(gutters, rows[end], rows[end][1:], strict=False)
        ]
        if any(gutter[1] - gutter[0] < first[0].size / 2 for gutter in narrowed):
            break
        gutters = narrowed
        end += 1
    return end


def _paragraphs(lines: Sequence[Line]) -> list[Block]:
    """Join lines into paragraphs and items."""
    pitch = _usual_pitch(lines)
    blocks: list[Block] = []
    for number, line in enumerate(lines):
        before = lines[number - 1] if number else None
        if before is None or not blocks:
            blocks.append(Block([line]))
            continue
        step = (before.baseline - line.baseline) / max(before.size, 1.0)
        apart = step > pitch * _NEW_PARAGRAPH or _ratio(before.size, line.size) > _OTHER_SIZE
        above = step < -0.5  # a new column, or something out of place
        if apart and not above:
            blocks.append(Block([line]))
        elif above:
            same = _ratio(before.size, line.size) <= _OTHER_SIZE
            inside = len(blocks[-1].lines) > 1 or line.text[:1].islower()
            goes_on = same and inside and _is_open(before) and not _is_item(line.text)
            if goes_on and not _ends_early(before, line, lines):
                blocks[-1].lines.append(line)
            else:
                blocks.append(Block([line]))
        elif _is_item(line.text) or _ends_early(before, line, lines):
            blocks.append(Block([line], close=True))
        else:
            blocks[-1].lines.append(line)
    return blocks


def _usual_pitch(lines: Sequence[Line]) -> float:
    """Return the distance of lines that is usual, in sizes of their letters."""
    steps: Counter[float] = Counter()
    for above, below in pairwise(lines):
        step = (above.baseline - below.baseline) / max(above.size, 1.0)
        if 0.8 < step < 3.0 and _ratio(above.size, below.size) <= _OTHER_SIZE:
            steps[round(step, 1)] += 1
    if not steps:
        return 1.25
    most = max(steps.values())
    return min(step for step, count in steps.items() if count * 3 >= most)


def _ratio(one: float, other: float) -> float:
    """Return how many times as large the larger of two sizes is."""
    return max(one, other) / max(min(one, other), 0.1)


def _is_item(text: str) -> bool:
    """Tell whether a line begins an item of a list."""
    return bool(BULLET.match(text) or COUNTED.match(text))


def _is_open(line: Line) -> bool:
    """Tell whether a sentence goes on behind a line."""
    return line.text[-1:] not in '.!?;:»”"'


def _ends_early(before: Line, line: Line, lines: Sequence[Line]) -> bool:
    """Tell whether the next word would have fitted into a line, so that its end was meant."""
    beside = [other for other in lines if other.left < before.right and other.right > before.left]
    room = max((other.right for other in beside), default=before.right) - before.right
    if before.words[-1].right < before.words[0].left:  # it is written from right to left
        room = max(room, before.left - min((other.left for other in beside), default=before.left))
    first = line.words[0]
    needed = first.right - first.left + _SPARE_ROOM * first.size
    return room > needed and not before.text.endswith(SOFT_HYPHEN)
