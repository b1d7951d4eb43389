"""Spreadsheets as Markdown: a heading and a table for each sheet.

Shared module, pure. Values are those that the program which saved the file has computed; formulas are never evaluated.
"""

# extra_requirements:
# openpyxl==3.1.5

import io
import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from typing import Any

from f.core.clean_text import clean, one_line, title_of
from f.core.markdown_tables import cell_text, markdown_row, markdown_rule
from f.core.parsed_parts import Extracted, Unreadable, Work
from f.core.zip_files import MOST_OFFICE_PARTS, open_archive, open_package

_MOST_CELLS = 20_000_000
_ROWS_PER_TELLING = 500
_PIECE_BYTES = 1_048_576
_LONGEST_CELL = 20_000
_NO_VALUE = re.compile(
    rb'<c(?=[ >])(?![^<>]*\bt="str")[^<>]*>\s*<f\b(?:[^<>]*/>|[^<>]*>[^<]*</f>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>'
)


def read_sheets(content: bytes, work: Work) -> Extracted:
    """Read a spreadsheet."""
    import openpyxl  # noqa: PLC0415 -- only where there is a spreadsheet

    open_package(content, work.settings)
    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
    reader = _Reader(work)
    texts = [text for sheet in book.worksheets if (text := reader.sheet(sheet))]
    if not texts:
        raise Unreadable(
            "no_text", "The sheets hold no values. If there are only formulas, open and save the file once."
        )
    warnings = [f"Sheets without any value were left out: {reader.empty}."] if reader.empty else []
    if missing := _formulas_without_value(content, work):
        warnings.append(f"Formulas without a value were left out: {missing:,}. Open and save the file once.")
    return Extracted("\n\n".join(texts), title_of(book.properties.title), warnings=warnings)


class _Reader:
    """Reads sheet after sheet, as many cells as are allowed together."""

    def __init__(self, work: Work) -> None:
        """Begin."""
        self._work = work
        self._cells = 0
        self._characters = 0
        self.empty = 0

    def sheet(self, sheet: Any) -> str:
        """Return a sheet's heading and table; nothing where it has no values."""
        sheet.reset_dimensions()  # what a file says of its own size is often wrong
        rows = [row for row in self._rows(sheet) if row]
        if not rows:
            self.empty += 1
            return ""
        width = max(len(row) for row in rows)
        used = [any(len(row) > column and row[column] for row in rows) for column in range(width)]
        kept = [column for column in range(width) if used[column]]
        lines = [markdown_row([row[c] if c < len(row) else "" for c in kept]) for row in rows]
        return "\n".join([f"# {one_line(sheet.title)}", "", lines[0], markdown_rule(len(kept)), *lines[1:]])

    def _rows(self, sheet: Any) -> Iterator[list[str]]:
        """Yield the rows as text, without empty cells at their ends."""
        for number, values in enumerate(sheet.iter_rows(values_only=True)):
            if number % _ROWS_PER_TELLING == 0:
                self._work.moved(min(0.99, self._cells / _MOST_CELLS))
            self._cells += len(values) + 1
            cells = _without_tail(values)
            self._characters += sum(map(len, cells))
            if self._cells > _MOST_CELLS or self._characters > self._work.settings.maximum_characters:
                raise Unreadable("too_large", "The sheets have more cells than can be read.")
            yield cells


def _formulas_without_value(content: bytes, work: Work) -> int:
    """Count the formulas whose value the file does not hold; a text of no characters is a value."""
    count = 0
    with open_archive(content, work.settings, MOST_OFFICE_PARTS) as archive:
        for info in archive.infolist():
            if not info.filename.startswith("xl/worksheets/"):
                continue
            rest = b""
            with archive.open(info) as packed:
                while piece := packed.read(_PIECE_BYTES):
                    found = list(_NO_VALUE.finditer(rest + piece))
                    count += len(found)
                    rest = (rest + piece)[found[-1].end() if found else 0 :][-_LONGEST_CELL:]
    return count


def _without_tail(values: Sequence[object]) -> list[str]:
    """Write a row's values, up to the last that says something."""
    cells = [_written(value) for value in values]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _written(value: object) -> str:
    """Write a value as a person would."""
    if value is None:
        return ""
    if isinstance(value, str):
        return cell_text(clean(value).replace("\f", " "))
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(round(value, 10))
    return _moment(value) if isinstance(value, date | time) else cell_text(str(value))


def _moment(value: date | time) -> str:
    """Write a date or a time in ISO 8601; midnight is a date's want of a time."""
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "seconds")
    return value.isoformat()
