"""Rows of cells as a Markdown table.

Shared module, pure. A cell is one line; the first row is the head, as Markdown has no tables without one.
"""

import re
from collections.abc import Iterable, Sequence

import f.core.errors  # noqa: F401 -- refuses to run as a script

_SPACE = re.compile(r"\s+")


def markdown_table(rows: Iterable[Sequence[str]]) -> str:
    """Write a table; rows and columns without any text are left out.

    Args:
        rows: Cells as text, row by row; rows may have different lengths.

    Returns:
        The table without a line feed at its end; an empty text when no cell has text.
    """
    filled = [cells for row in rows if any(cells := [cell_text(cell) for cell in row])]
    if not filled:
        return ""
    width = max(len(row) for row in filled)
    padded = [row + [""] * (width - len(row)) for row in filled]
    kept = [column for column in range(width) if any(row[column] for row in padded)]
    lines = [markdown_row([row[column] for column in kept]) for row in padded]
    return "\n".join([lines[0], markdown_rule(len(kept)), *lines[1:]])


def markdown_row(cells: Sequence[str]) -> str:
    """Write one row of cells that went through ``cell_text``."""
    return "| " + " | ".join(cells) + " |"


def markdown_rule(columns: int) -> str:
    """Write the line between the head and the rows."""
    return "|" + " --- |" * columns


def cell_text(text: str) -> str:
    """Put a cell's text in one line, and keep its bars from parting columns."""
    line = _SPACE.sub(" ", text).strip()
    return line.replace("|", "\\|") if "|" in line else line
