"""Tables in a PDF that are drawn with lines: which words stand in which cell.

Shared module, pure. Lines that touch make a grid; a cell without a line to its left belongs to the one before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from f.core.markdown_tables import markdown_table
from f.core.pdf_words import PdfWord, Rule

_NEAR = 3.0
_MOST_RULES = 2_000
_LEAST_SHARE_OF_CELLS = 0.3


@dataclass(frozen=True, slots=True)
class RuledTable:
    """A table, and the words that stand in it."""

    words: tuple[PdfWord, ...]
    markdown: str


def find_tables(words: Sequence[PdfWord], rules: Sequence[Rule]) -> list[RuledTable]:
    """Find the tables of a page; none where it has too many lines to be anything but a drawing."""
    if not 4 <= len(rules) <= _MOST_RULES:
        return []
    tables = []
    for group in _touching(rules):
        if table := _table(words, group):
            tables.append(table)
    return tables


def _touching(rules: Sequence[Rule]) -> list[list[Rule]]:
    """Put rules together that touch each other, directly or by others."""
    parents = list(range(len(rules)))

    def root(number: int) -> int:
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    for one, rule in enumerate(rules):
        for other in range(one):
            if _touch(rule, rules[other]):
                parents[root(one)] = root(other)
    groups: dict[int, list[Rule]] = {}
    for number, rule in enumerate(rules):
        groups.setdefault(root(number), []).append(rule)
    return [group for group in groups.values() if len(group) >= 4]


def _touch(one: Rule, other: Rule) -> bool:
    """Tell whether two rules touch."""
    return (
        one.left - _NEAR <= other.right
        and other.left - _NEAR <= one.right
        and one.bottom - _NEAR <= other.top
        and other.bottom - _NEAR <= one.top
    )


def _table(words: Sequence[PdfWord], rules: Sequence[Rule]) -> RuledTable | None:
    """Read the table that some rules make; None where they make none."""
    upright = [rule for rule in rules if rule.left == rule.right]
    level = [rule for rule in rules if rule.bottom == rule.top]
    columns = _distinct([rule.left for rule in upright])
    rows = _distinct([rule.top for rule in level])[::-1]
    if len(columns) < 3 or len(rows) < 3:
        return None
    cells: dict[tuple[int, int], list[PdfWord]] = {}
    for word in words:
        row = _between(rows, word.baseline + word.size * 0.25, descending=True)
        column = _between(columns, (word.left + word.right) / 2, descending=False)
        if row is not None and column is not None:
            cells.setdefault((row, _first_column(row, column, rows, columns, upright)), []).append(word)
    if len(cells) < _LEAST_SHARE_OF_CELLS * (len(rows) - 1) * (len(columns) - 1) or len(cells) < 3:
        return None
    texts = [
        [_cell(cells.get((row, column), [])) for column in range(len(columns) - 1)] for row in range(len(rows) - 1)
    ]
    inside = tuple(word for found in cells.values() for word in found)
    return RuledTable(inside, markdown_table(texts))


def _distinct(values: Sequence[float]) -> list[float]:
    """Return values in order, those that are nearly the same once."""
    kept: list[float] = []
    for value in sorted(values):
        if not kept or value - kept[-1] > _NEAR:
            kept.append(value)
    return kept


def _between(edges: Sequence[float], value: float, *, descending: bool) -> int | None:
    """Return between which edges a value lies."""
    for number, (one, other) in enumerate(pairwise(edges)):
        low, high = (other, one) if descending else (one, other)
        if low <= value <= high:
            return number
    return None


def _first_column(
    row: int, column: int, rows: Sequence[float], columns: Sequence[float], upright: Sequence[Rule]
) -> int:
    """Return the column in which a cell begins that may go across several."""
    middle = (rows[row] + rows[row + 1]) / 2
    while column > 0 and not any(
        abs(rule.left - columns[column]) <= _NEAR and rule.bottom - _NEAR <= middle <= rule.top + _NEAR
        for rule in upright
    ):
        column -= 1
    return column


def _cell(words: Sequence[PdfWord]) -> str:
    """Return the words of a cell in one line; a word that was broken is whole again."""
    text = ""
    for word in words:
        text = text[:-1] + word.text if text.endswith("\u00ad") else f"{text} {word.text}"
    return text.replace("\u00ad", "").strip()
