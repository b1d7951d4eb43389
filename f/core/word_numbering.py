"""The numbers that Word makes of lists and headings, counted as it counts them.

Shared module, pure.
"""

# extra_requirements:
# python-docx==1.2.0

import re
from dataclasses import dataclass, field
from typing import Any

from f.core.clean_text import one_line
from f.core.word_elements import MOST_LEVELS, W, is_on, number_of, related, value_of

_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
    (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_PLACE_OF_NUMBER = re.compile(r"%([1-9])")
_PLAIN_NUMBER = re.compile(r"%[1-9][.)]?\Z")
_LONGEST_LABEL = 100


@dataclass(frozen=True, slots=True)
class _Level:
    """How a level of a list is counted, and how its label is made of the numbers of its level and those above."""

    form: str
    label: str
    start: int
    in_digits: bool

    @property
    def is_counted(self) -> bool:
        """Tell whether its items have numbers, and not bullets."""
        return self.form not in ("bullet", "none", "")


@dataclass(slots=True)
class Numbering:
    """A list: its levels, and the name of the form that it shares its counting with."""

    shared: str
    levels: dict[int, _Level]
    begins_anew: dict[int, int] = field(default_factory=dict)  # by level; each once


def read_numberings(part: Any) -> dict[str, Numbering]:
    """Read the lists of a document by their ids."""
    root = related(part, "numbering")
    if root is None:
        return {}
    forms = {
        abstract.get(f"{W}abstractNumId", ""): dict(map(_level, abstract.findall(f"{W}lvl")))
        for abstract in root.findall(f"{W}abstractNum")
    }
    numberings: dict[str, Numbering] = {}
    for number in root.findall(f"{W}num"):
        shared = value_of(number.find(f"{W}abstractNumId"))
        numbering = Numbering(shared, dict(forms.get(shared, {})))
        for override in number.findall(f"{W}lvlOverride"):
            numbering.levels.update(map(_level, override.findall(f"{W}lvl")))
            if (start := override.find(f"{W}startOverride")) is not None:
                numbering.begins_anew[number_of(override.get(f"{W}ilvl", ""))] = number_of(value_of(start))
        numberings[number.get(f"{W}numId", "")] = numbering
    return numberings


def _level(element: Any) -> tuple[int, _Level]:
    """Read a level of a list."""
    start = element.find(f"{W}start")
    level = _Level(
        form=value_of(element.find(f"{W}numFmt")),
        label=value_of(element.find(f"{W}lvlText"))[:_LONGEST_LABEL],
        start=1 if start is None else number_of(value_of(start)),
        in_digits=is_on(element.find(f"{W}isLgl")),
    )
    return number_of(element.get(f"{W}ilvl", "")), level


def _counted(number: int, form: str) -> str:
    """Write a number as a list's level does; forms that are not known are written in digits."""
    if form in ("lowerLetter", "upperLetter") and number:
        written = chr(ord("a") + (number - 1) % 26) * min((number - 1) // 26 + 1, 100)
    elif form in ("lowerRoman", "upperRoman"):
        written = ""
        for value, letters in _ROMAN:
            written += letters * (number // value)
            number %= value
    else:
        written = f"{number:02}" if form == "decimalZero" else str(number)
    return written.upper() if form.startswith("upper") else written


@dataclass(slots=True)
class Counting:
    """Counts the items of a document's lists, in order."""

    numberings: dict[str, Numbering]
    counts: dict[tuple[str, int], int] = field(default_factory=dict)

    def label(self, paragraph: Any, name: str, level: int) -> tuple[str, str]:
        """Count a paragraph in its list.

        Args:
            paragraph: Its element.
            name: The list that its style makes it an item of; empty for none.
            level: The level there.

        Returns:
            The number that Word shows before it, and what stands before it as an item; both empty where it is in none.
        """
        own = paragraph.find(f"{W}pPr/{W}numPr")
        if own is not None:
            name = value_of(own.find(f"{W}numId")) or name
            level = number_of(value_of(own.find(f"{W}ilvl")))
        level = min(level, MOST_LEVELS - 1)
        if not name or name == "0" or paragraph.find(f"{W}pPr/{W}rPr/{W}del") is not None:
            return "", ""
        numbering = self.numberings.get(name) or Numbering("", {})
        self._count(numbering, level)
        form = numbering.levels.get(level)
        indent = "  " * level
        if form is None or not form.is_counted:
            return "", f"{indent}- "
        shown = _PLACE_OF_NUMBER.sub(lambda place: self._number_at(numbering, int(place[1]) - 1, form), form.label)
        label = one_line(shown)
        if form.form == "decimal" and (not label or _PLAIN_NUMBER.match(form.label.strip())):
            return label, f"{indent}{self.counts[numbering.shared, level]}. "
        return label, f"{indent}{label} " if label else f"{indent}- "

    def _count(self, numbering: Numbering, level: int) -> None:
        """Count an item, and let the levels below it begin anew."""
        start = numbering.levels[level].start if level in numbering.levels else 1
        if level in numbering.begins_anew:
            self.counts[numbering.shared, level] = numbering.begins_anew.pop(level)
        else:
            self.counts[numbering.shared, level] = self.counts.get((numbering.shared, level), start - 1) + 1
        for deeper in range(level + 1, MOST_LEVELS):
            self.counts.pop((numbering.shared, deeper), None)

    def _number_at(self, numbering: Numbering, level: int, shown_by: _Level) -> str:
        """Write the number that a level has come to; one that has no item yet is at its start."""
        form = numbering.levels.get(level, shown_by)
        number = self.counts.get((numbering.shared, level), form.start)
        return _counted(number, "decimal" if shown_by.in_digits else form.form)
