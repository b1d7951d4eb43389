# ruff: noqa: RUF001 - Greek letters are meant here
"""Days that a text does not write but gives: two years from 1 May 2026, within 30 days of 1 March 2026.

Shared module, pure. Counted as Regulation (EEC, Euratom) 1182/71 and the Greek Civil Code (articles 241 to 243) have
it: the day from which a period runs is not counted, so that two years from 1 May 2026 end on 1 May 2028; a month that
has no such day ends it on its last. Where the first day belongs to the period (commencing, beginning, from and
including) it ends a day earlier. Working days are not counted: nobody here knows the holidays.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta

import f.core.errors  # noqa: F401 -- refuses to run as a script

_NUMBERS = (
    "a|an|one|ενα|ενοσ|μια|μιασ",
    "two|δυο",
    "three|τρια|τριων|τρεισ",
    "four|τεσσερα|τεσσαρων|τεσσερισ",
    "five|πεντε",
    "six|εξι",
    "seven|επτα|εφτα",
    "eight|οκτω|οχτω",
    "nine|εννεα|εννια",
    "ten|δεκα",
    "eleven|εντεκα",
    "twelve|δωδεκα",
)
_NUMBER_WORDS = {word: number for number, words in enumerate(_NUMBERS, 1) for word in words.split("|")} | {
    "fourteen": 14, "fifteen": 15, "eighteen": 18, "twenty": 20, "thirty": 30, "sixty": 60, "ninety": 90,
    "δεκαπεντε": 15, "εικοσι": 20, "τριαντα": 30, "εξηντα": 60, "ενενηντα": 90,
}  # fmt: skip
_UNITS = {
    "day": "(?:calendar )?days?|(?:ημερολογιακων |ημερολογιακεσ )?(?:η?μερεσ|ημερων|μερων)",
    "week": "weeks?|εβδομαδεσ|εβδομαδων|εβδομαδα",
    "month": "(?:calendar )?months?|μηνεσ|μηνων|μηνα",
    "year": "years?|ετη|ετων|ετοσ|ετουσ|χρονια|χρονων|χρονο",
}
_WHOLE = {"διετ": 2, "τριετ": 3, "τετραετ": 4, "πενταετ": 5, "δεκαετ": 10}
_LENGTH = (
    rf"(?<![\w.,-])(?:(?P<longer>\d{{1,3}}|{'|'.join(_NUMBER_WORDS)})(?: ?\(\w{{1,12}}\))? "
    rf"(?:(?P<years>{_UNITS['year']})|{_UNITS['month']}|{_UNITS['week']})(?:,? and|,? και|,) )?"
    rf"(?:(?P<count>\d{{1,3}}|{'|'.join(_NUMBER_WORDS)})(?: ?\(\w{{1,12}}\))?[ -](?:"
    + "|".join(f"(?P<{unit}>{words})" for unit, words in _UNITS.items())
    + rf")'?|(?P<whole>{'|'.join(_WHOLE)})(?:ησ|ια|ιασ|εσ|ουσ))(?!\w)"
)
_RUNS = (
    r"(?:from and including|(?:starting|beginning|commencing|effective)(?: on| from)?"
    r"|με εναρξη|αρχησ γενομενησ|αρχομεν\w{1,3})"
)
_BEFORE = re.compile(
    rf"(?P<within>(?:within|not later than|no later than|εντοσ|μεσα σε|το αργοτερο σε) (?:a period of )?)?{_LENGTH}"
    r"(?: (?:term|period|warranty|guarantee|lease|tenancy|contract|licence|license|cover|policy|εγγυηση|διαρκεια)){0,2}"
    rf"(?:,? (?:(?P<included>{_RUNS})|from|after|of|following|since|απο|μετα(?: απο)?))"
    r"(?: (?:the date of (?:\w{2,12} ?){1,3}(?: on)?|the|and including|issue|purchase|on|και|την|τη|τισ|τον))?\W{0,3}$"
)
_BEHIND = re.compile(
    rf"(?: [(\[]?[^\d\n.;]{{0,40}})??[ ,](?:and )?(?:for|lasting|runs? for|continu\w+ for|για|διαρκεια[σ]?|ισχυει για)"
    r" (?:a |an |the )?(?:further |fixed |initial |minimum )?(?:period of |term of |διαστημα |χρονικο διαστημα )?"
    rf"{_LENGTH}"
)
_LOOKED_AT = 110


@dataclass(frozen=True, slots=True)
class Duration:
    """A period beside a date.

    Attributes:
        start: Where it begins.
        end: Where it ends.
        count: How many.
        unit: day, week, month or year.
        within: Whether something has to be done in it.
        included: Whether the date is its first day.
    """

    start: int
    end: int
    count: int
    unit: str
    within: bool
    included: bool


def duration_before(text: str, start: int, at: int) -> Duration | None:
    """Find a period that runs from the date at a place: for two years from ..., within 30 days of ...

    Args:
        text: Folded text.
        start: Where to begin to look.
        at: Where the date begins.
    """
    low = max(start, at - _LOOKED_AT)
    match = _BEFORE.search(text[low:at])
    if match is None:
        return None
    if (length := _length(match)) is None:
        return None
    return Duration(low + match.start(), at, *length, bool(match["within"]), bool(match["included"]))


def duration_behind(text: str, at: int, end: int, *, included: bool) -> Duration | None:
    """Find the period that begins with the date that ends at a place: from 1 May 2026 for two years."""
    match = _BEHIND.match(text, at, min(end, at + _LOOKED_AT))
    if match is None:
        return None
    if (length := _length(match)) is None:
        return None
    return Duration(at, match.end(), *length, within=False, included=included)


def end_of(day: date, duration: Duration) -> date | None:
    """Return the last day of a period; None when it is beyond the calendar."""
    count = duration.count
    try:
        if duration.unit in ("day", "week"):
            last = day + timedelta(days=count * (7 if duration.unit == "week" else 1))
        else:
            months = day.month - 1 + count * (12 if duration.unit == "year" else 1)
            year, month = day.year + months // 12, months % 12 + 1
            last = date(year, month, min(day.day, monthrange(year, month)[1]))
            if duration.included and last.day < day.day:
                return last  # a year that begins on 29 February ends on 28 February
        return last - timedelta(days=1) if duration.included else last
    except (ValueError, OverflowError):
        return None


def _length(match: re.Match[str]) -> tuple[int, str] | None:
    """Read how many of what; two years and six months are thirty months. None for what no one unit gives."""
    if match["whole"]:
        return _WHOLE[match["whole"]], "year"
    count, unit = _number(match["count"]), next(unit for unit in _UNITS if match[unit])
    if match["longer"] is None:
        return count, unit
    return (12 * _number(match["longer"]) + count, unit) if match["years"] and unit == "month" else None


def _number(count: str) -> int:
    """Read a number in digits or as a word."""
    return int(count) if count.isdigit() else _NUMBER_WORDS[count]
