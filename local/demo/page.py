"""Lays out what the demonstration prints, 92 columns wide.

Module of the demonstration.
"""

import sys
import textwrap
import unicodedata
from collections.abc import Sequence
from typing import Any

WIDTH = 92


def heading(text: str) -> None:
    """Print a heading of a part."""
    print(f"\n{text}\n{'=' * min(WIDTH, _columns(text))}")


def scene(who: str, note: str = "") -> None:
    """Print who asks, and what is remarkable about it."""
    print(f"\n-- {who} {'-' * max(3, WIDTH - _columns(who) - 4)}")
    if note:
        paragraph(note, "   ")


def paragraph(text: str, indent: str = "") -> None:
    """Print running text."""
    print(textwrap.fill(" ".join(text.split()), WIDTH, initial_indent=indent, subsequent_indent=indent))


def labelled(label: str, text: str) -> None:
    """Print a text behind a label of one or two letters, keeping its own lines."""
    prefix = f"{label:<3}"
    for line in text.strip().splitlines() or [""]:
        print(textwrap.fill(line, WIDTH, initial_indent=prefix, subsequent_indent="   "))
        prefix = "   "


def citation(cited: dict[str, Any]) -> None:
    """Print a citation: its number and title, its place, its words."""
    page = f"page {cited['page']}, " if cited.get("page") else ""
    under = f"{cited['heading']}, " if cited.get("heading") else ""
    indent = " " * 7
    print(f"   [{cited['n']}] {cited['title']}")
    place = f"{page}{under}characters {cited['start']:,} to {cited['end']:,}"
    print(textwrap.fill(place, WIDTH, initial_indent=indent, subsequent_indent=indent))
    quote = " ".join(str(cited["quote"]).split())
    print(textwrap.fill(f'"{quote}"', WIDTH, initial_indent=indent, subsequent_indent=indent, max_lines=4))


def table(columns: Sequence[str], rows: Sequence[Sequence[str | int]]) -> None:
    """Print a table; numbers stand on the right."""
    cells = [[f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in rows]
    widths = [max(map(_columns, column)) for column in zip(columns, *cells, strict=True)]
    print("  ".join(_placed(name, width) for name, width in zip(columns, widths, strict=True)).rstrip())
    print("  ".join("-" * width for width in widths))
    for row, texts in zip(rows, cells, strict=True):
        placed = (
            _placed(text, width, right=isinstance(cell, int))
            for cell, text, width in zip(row, texts, widths, strict=True)
        )
        print("  ".join(placed).rstrip())


class Typewriter:
    """Prints a text that arrives in pieces, breaking lines between words."""

    def __init__(self, label: str) -> None:
        """Take the label that stands before the text."""
        self._prefix = f"{label:<3}"
        self._column = 0
        self._word = ""

    def write(self, piece: str) -> None:
        """Print a piece; a word is held back until it is complete."""
        for character in piece:
            if not character.isspace():
                self._word += character
                continue
            self._print_word()
            if character == "\n":
                self._put("\n")
                self._column = 0
        sys.stdout.flush()

    def finish(self) -> None:
        """Print what is left, and end the line."""
        self._print_word()
        print()

    def _print_word(self) -> None:
        """Print the word that is complete now."""
        if not self._word:
            return
        if self._column and self._column + 1 + _columns(self._word) > WIDTH:
            self._put("\n")
            self._column = 0
        if not self._column:
            self._put(self._prefix)
            self._prefix = "   "
            self._column = 3
        else:
            self._put(" ")
            self._column += 1
        self._put(self._word)
        self._column += _columns(self._word)
        self._word = ""

    def _put(self, text: str) -> None:
        """Print without ending the line."""
        sys.stdout.write(text)


def _placed(text: str, width: int, *, right: bool = False) -> str:
    """Fill a cell up to its width."""
    space = " " * (width - _columns(text))
    return space + text if right else text + space


def _columns(text: str) -> int:
    """Count the columns that a terminal needs for a text: two for an emoji, none for what combines."""
    return sum(
        0 if unicodedata.combining(c) or c in "\ufe0f\u200d" else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
