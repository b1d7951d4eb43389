"""Dates in texts: how many of those that expire, are renewed or are due are found, and how many found are such.

The phrasings stand in ``date_phrasings``: development.yaml, by which the grammar was made, and held_out.yaml, which was
collected after it from other texts and never used to change it. Real wording, with other dates.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from evaluation.data import DataError
from evaluation.report import Results, Row, print_table
from f.core.dates import COUNTING, KINDS, FoundDate, find_dates

FOLDER = Path(__file__).resolve().parent / "date_phrasings"
HALVES = ("development", "held_out")
FORMS = ("iso", "numeric", "word", "month", "duration", "table", "list", "negative")
_FLAGS = frozenset({"month", "year", "computed", "ambiguous"})


@dataclass(frozen=True, slots=True)
class Expected:
    """A date as a person reads it: its kind (or ``other``), its day, and what else applies of ``_FLAGS``."""

    kind: str
    day: str
    flags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Phrasing:
    """A text with its dates.

    Attributes:
        source: The kind of document it is taken from.
        form: How its dates are written; ``negative`` when none of them counts.
        month_first: Whether its writer puts months first.
    """

    text: str
    source: str
    form: str
    month_first: bool
    dates: tuple[Expected, ...]

    @property
    def language(self) -> str:
        """Greek where there is a Greek letter."""
        return "greek" if any("\u0370" <= letter <= "\u03ff" for letter in self.text) else "english"

    @property
    def counting(self) -> set[tuple[str, str]]:
        """Kinds and days of those that count."""
        return {(date.kind, date.day) for date in self.dates if date.kind in COUNTING}

    def found(self) -> set[tuple[str, str]]:
        """Kinds and days of those that are found, of the kinds that count."""
        return {(date["kind"], date["date"]) for date in self.all_found() if date["kind"] in COUNTING}

    def all_found(self) -> list[FoundDate]:
        """Find dates of every kind."""
        return find_dates(self.text, "month_first" if self.month_first else "day_first", KINDS)


@dataclass(frozen=True, slots=True)
class Score:
    """How many dates were right, how many were found, how many there are; and how many when the kind is not asked."""

    right: int
    found: int
    expected: int
    right_days: int

    @property
    def precision(self) -> float:
        """Of those found, the share that is right."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """Of those that there are, the share that is found."""
        return self.right / self.expected if self.expected else 1.0


def read_phrasings(half: str, folder: Path = FOLDER) -> list[Phrasing]:
    """Read one of ``HALVES``.

    Raises:
        DataError: When an entry is malformed.
    """
    entries: list[dict[str, Any]] = yaml.safe_load((folder / f"{half}.yaml").read_text("utf-8"))
    return [_phrasing(entry) for entry in entries]


def score(phrasings: Iterable[Phrasing]) -> Score:
    """Find the dates of phrasings, and compare kinds and days with what a person reads."""
    right = found = expected = days = 0
    for phrasing in phrasings:
        told, there = phrasing.found(), phrasing.counting
        right, found, expected = right + len(told & there), found + len(told), expected + len(there)
        days += len({day for _, day in told} & {day for _, day in there})
    return Score(right, found, expected, days)


def measure(folder: Path) -> None:
    """Measure both halves, by language and by form, print the tables and keep the rows."""
    results = Results(folder, "dates")
    for half in HALVES:
        phrasings = read_phrasings(half)
        _tell(f"Dates, {half}, by language", half, phrasings, lambda one: one.language, results)
        _tell(f"Dates, {half}, by form", half, phrasings, lambda one: one.form, results)
    print(f"\nresults: {results.save()}")


def _tell(
    title: str, half: str, phrasings: Sequence[Phrasing], part_of: Callable[[Phrasing], str], results: Results
) -> None:
    """Print a table with a row for each part, and keep it."""
    rows: list[Row] = []
    for part in (*sorted({part_of(one) for one in phrasings}), "all"):
        chosen = [one for one in phrasings if part in ("all", part_of(one))]
        told = score(chosen)
        row: Row = {
            "part": part, "phrasings": len(chosen), "dates": told.expected, "found": told.found,
            "precision": round(told.precision, 3), "recall": round(told.recall, 3),
            "recall of days": round(told.right_days / told.expected, 3) if told.expected else None,
        }  # fmt: skip
        rows.append(row)
        results.add("dates", {"half": half, **row})
    print_table(title, rows)


def _phrasing(entry: dict[str, Any]) -> Phrasing:
    """Check an entry, and read it."""
    dates = tuple(_expected(written) for written in entry["dates"])
    if entry["form"] not in FORMS:
        raise DataError(f"There is no form {entry['form']} (of: {entry['text'][:50]}).")
    if (entry["form"] == "negative") == any(date.kind in COUNTING for date in dates):
        raise DataError(f"Only what has no date that counts is negative: {entry['text'][:50]}")
    return Phrasing(entry["text"], entry["source"], entry["form"], entry.get("order") == "month_first", dates)


def _expected(written: str) -> Expected:
    """Read ``expiry 2027-01-31 month``."""
    kind, day, *flags = written.split()
    if kind not in (*KINDS, "other") or not _FLAGS.issuperset(flags):
        raise DataError(f"It is no date: {written}.")
    return Expected(kind, day, frozenset(flags))
