# ruff: noqa: RUF001 - Greek letters are meant here
"""Dates as they are written, in English and Greek: where they stand, and which day each may mean.

Shared module, pure. It says nothing of what a date is for (``date_phrases``). Every pattern repeats a bounded number of
times, so that the time is linear in the text. A day that no calendar has, such as 31/02/2026, is no date.
"""

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal
from unicodedata import normalize

import f.core.errors  # noqa: F401 -- refuses to run as a script

DateOrder = Literal["day_first", "month_first"]
DatePrecision = Literal["day", "month", "year"]

_FIRST_YEAR, _LAST_YEAR = 1900, 2199
_CENTURY_TURNS = 70
"""Years of two digits are from 1970 to 2069, as POSIX has it, but for one."""

_MONTH_WORDS = (
    "january jan ιανουαριοσ ιανουαριου ιανουαριο γεναρησ γεναρη ιαν",
    "february feb φεβρουαριοσ φεβρουαριου φεβρουαριο φλεβαρησ φλεβαρη φεβρ φεβ",
    "march mar μαρτιοσ μαρτιου μαρτιο μαρτησ μαρτη μαρτ μαρ",
    "april apr απριλιοσ απριλιου απριλιο απριλησ απριλη απρ",
    "may μαιοσ μαιου μαιο μαησ μαη μαι",
    "june jun ιουνιοσ ιουνιου ιουνιο ιουνησ ιουνη ιουν",
    "july jul ιουλιοσ ιουλιου ιουλιο ιουλησ ιουλη ιουλ",
    "august aug αυγουστοσ αυγουστου αυγουστο αυγ",
    "september sept sep σεπτεμβριοσ σεπτεμβριου σεπτεμβριο σεπτεμβρησ σεπτεμβρη σεπτ σεπ",
    "october oct οκτωβριοσ οκτωβριου οκτωβριο οκτωβρησ οκτωβρη οχτωβρησ οχτωβρη οκτ",
    "november nov νοεμβριοσ νοεμβριου νοεμβριο νοεμβρησ νοεμβρη νοεμ νοε",
    "december dec δεκεμβριοσ δεκεμβριου δεκεμβριο δεκεμβρησ δεκεμβρη δεκ",
)
_MONTHS = {word: number for number, words in enumerate(_MONTH_WORDS, 1) for word in words.split()}
_MONTH = f"(?:{'|'.join(sorted(_MONTHS, key=len, reverse=True))})(?![a-zα-ω])"
_LEFT = r"(?<!\w)(?<!\d[.,:/])"
_RIGHT = r"(?!\w)(?![.,:]\d|/\w)(?!-(?!\d{1,2}[./]\d{1,2}[./])\w)"
_GAP = r"[ \t]{0,3}\n?[ \t]{0,3}"
_ORDINAL = r"(?: ?(?:st|nd|rd|th|η[σν]?|ησ|ασ?|οσ?)(?![a-zα-ω]))?"
_YEAR = r"(?P<year>\d{4}|'?\d{2})"

_ISO = re.compile(
    rf"{_LEFT}(?P<year>\d{{4}})(?P<by>[-/.])(?P<month>\d{{1,2}})(?P=by)(?P<day>\d{{1,2}})"
    rf"(?=t\d{{2}}:?\d{{2}}|(?!\w)(?![.,:/-]\d))"
)
_NUMERIC = re.compile(
    rf"{_LEFT}(?P<first>\d{{1,2}})(?:η[νσ]?)? {{0,2}}(?P<by>[./-]) {{0,2}}(?P<second>\d{{1,2}}) {{0,2}}(?P=by)"
    rf" {{0,2}}{_YEAR}{_RIGHT}"
)
_SPACED = re.compile(rf"{_LEFT}(?P<first>\d{{2}}) (?P<second>\d{{2}}) (?P<year>\d{{4}}){_RIGHT}(?! \d)")
_DAY_MONTH = re.compile(
    rf"{_LEFT}(?P<day>\d{{1,2}}){_ORDINAL}{_GAP}(?:day of |of |[-/.])?{_GAP}(?P<month>{_MONTH})\.?"
    rf"(?P<also> ?/ ?[a-zα-ω]{{3,12}}\.?)?{_GAP}(?P<by>[,./-]|of |του ετουσ |του |the year )?{_GAP}{_YEAR}{_RIGHT}"
)
_MONTH_DAY = re.compile(
    rf"(?<!\w)(?P<month>{_MONTH})\.?[ -]{_GAP}(?:the )?(?P<day>\d{{1,2}}){_ORDINAL}"
    rf"(?:[ ]?(?:-|to|through|until) ?(?P<last>\d{{1,2}}){_ORDINAL})?"
    rf"(?:{_GAP},{_GAP}|[ -]{_GAP})(?P<year>\d{{4}}|'\d{{2}}){_RIGHT}"
)
_MONTH_ALONE = re.compile(
    rf"(?<!\w)(?P<month>{_MONTH})\.?{_GAP}(?:,|[-/]|of |του )?{_GAP}(?P<year>\d{{4}}|'\d{{2}}){_RIGHT}"
)
_MONTH_NUMBER = re.compile(rf"{_LEFT}(?P<month>\d{{1,2}}) ?[/.-] ?(?P<year>(?:19|20|21)\d{{2}}){_RIGHT}(?! ?[/.-] ?\d)")
_YEAR_MONTH = re.compile(rf"{_LEFT}(?P<year>(?:19|20|21)\d{{2}})[/-](?P<month>\d{{2}}){_RIGHT}")
_SHORT_MONTH = re.compile(rf"{_LEFT}(?P<month>\d{{2}}) ?[/ -] ?(?P<year>\d{{2}}|20\d{{2}}){_RIGHT}(?! ?[/.-] ?\d)")
_WORD_SHORT_MONTH = re.compile(rf"(?<!\w)(?P<month>{_MONTH})\.?[/-](?P<year>\d{{2}}){_RIGHT}(?! ?[/.-] ?\d)")
_YEAR_END = re.compile(
    r"(?<!\w)(?:end of (?:the )?(?:year )?|τελοσ (?:του )?(?:ετουσ )?|τελη (?:του )?)"
    r"(?P<year>(?:19|20|21)\d{2})(?![\w/-])"
)
_EXPIRY_YEAR = re.compile(
    r"(?<!\w)(?:valid (?:until|through|thru|to)|expir(?:es|ing) in|expir(?:es|y):?|λη(?:γει|ξη):?(?: το)?"
    r"|ισχυει (?:εωσ|μεχρι)(?: το)?) "
    r"(?P<year>20\d{2})(?=\s*\Z|[ \t]*\n|[.,;)](?!\d)| unless| and| or)"
)
_LONG_PAST = 12
"""What 10/12 would be as a month and a year is long past: then it is a day and a month, or no date."""
_NUMBERED = re.compile(
    r"(?<!\w)(?:sort code|(?:part|serial|model|batch|lot|order|invoice|policy|account) (?:no|number)"
    r"|version|release|firmware|regulation|section|clause|article|paragraph|rule|chapter"
    r"|ορ(?:οσ|ου|ο)|αρθρ(?:ο|ου)|παραγραφ(?:οσ|ου)|εκδοχη)"
    r"[ \t:.#]{0,3}\Z"
)
"""What stands right before numbers that are no date, though they look like one."""
_BEFORE_RANGE = re.compile(
    rf"(?<![\w.,/:-])(?P<written>(?P<day>\d{{1,2}}){_ORDINAL}(?: {{0,2}}(?P<month>{_MONTH})\.?)?)"
    r" {0,2}(?:-|to|until|till|through|and|εωσ|μεχρι|ωσ|και)(?: (?:και|τισ|την|τη|the|on|στισ)){0,3} {0,2}$"
)
_BEFORE_MONTH_RANGE = re.compile(
    rf"(?<!\w)(?P<written>(?P<month>{_MONTH})\.? (?P<day>\d{{1,2}}){_ORDINAL})"
    r" {0,2}(?:-|to|until|till|through|and)(?: the)? {0,2}$"
)
_BEFORE_NUMERIC_RANGE = re.compile(
    r"(?<![\w.,/:-])(?P<written>(?P<first>\d{1,2}) ?[./] ?(?P<second>\d{1,2}))"
    r" {0,2}(?:-|to|until|till|through|εωσ|μεχρι|ωσ)(?: (?:και|τισ|την|τη|the)){0,3} {0,2}$"
)
_CLOSING = re.compile(r"\s{0,9}\Z|[.,;:)|\]\n]|  ")
_LOOKED_BACK = 60
_FIRST_OF = re.compile(r"(?:beginning|start) of (?:the )?$|αρχεσ (?:του )?$|αρχη του $")


@dataclass(frozen=True, slots=True)
class WrittenDate:
    """A date as it stands in a text.

    Attributes:
        start: Where it begins, in the folded text.
        end: Where it ends.
        day: The day that it means, when days come before months; the last one of a month or year. None, with no other
            reading, when no calendar has it: then no month within is taken for a date either.
        swapped: The day when months come before days; None when there is one reading only.
        precision: What is written of it.
        numeric: Whether day, month and year are numbers, the year last: what can tell a writer's order.
        loose: It may well be another number, unless a phrase of expiry stands right before it.
        short: It is a month with two digits of a year, which may as well be a day and a month.
    """

    start: int
    end: int
    day: date | None
    swapped: date | None = None
    precision: DatePrecision = "day"
    numeric: bool = False
    loose: bool = False
    short: bool = False


def _folding() -> dict[int, str]:
    """Make the table by which letters are compared: each becomes one letter, so that places stay what they are."""
    table = {code: chr(code).lower() for code in (*range(0x41, 0x5B), *range(0xC0, 0x180))}
    for code in (*range(0x370, 0x400), *range(0x1F00, 0x2000)):
        plain = normalize("NFD", chr(code))[0].lower()
        table[code] = plain if len(plain) == 1 else chr(code)
    table |= dict.fromkeys(map(ord, "\xa0\u2002\u2003\u2009\u202f\u2007\u3000"), " ")
    table |= dict.fromkeys(map(ord, "‐‑‒–—−"), "-")
    table |= dict.fromkeys(map(ord, "’‘′`"), "'")
    table |= {
        0xD: " ",
        0x3C2: "σ",
        0xB7: " ",
        0xB5: "μ",
        0x2206: "δ",
        0x2126: "ω",
        0x2022: "*",
        0x2044: "/",
        0x2215: "/",
        0x130: "i",
    }
    return {code: letter for code, letter in table.items() if len(letter) == 1}


_FOLDING = _folding()


def folded(text: str) -> str:
    """Fold a text for these patterns: small letters, without Greek accents; each character stays at its place."""
    return text.translate(_FOLDING)


def written_dates(text: str) -> list[WrittenDate]:
    """Find the dates in a folded text, in their order; of those that overlap, the first, and the longest of these."""
    found = [date for scan in _SCANS for date in scan(text) if not _is_number(text, date)]
    found.sort(key=lambda one: (one.start, one.loose, -one.end))
    kept: list[WrittenDate] = []
    for one in found:
        if not kept or one.start >= kept[-1].end:
            kept += [*_shared(text, one, kept[-1].end if kept else 0), one]
    return [one for one in kept if one.day or one.swapped]


def last_of_month(year: int, month: int) -> date:
    """Return the last day of a month."""
    return date(year, month, monthrange(year, month)[1])


def _iso(text: str) -> Iterator[WrittenDate]:
    """2026-01-31, 2026/1/31."""
    for match in _ISO.finditer(text):
        day = _day(int(match["year"]), int(match["month"]), int(match["day"]))
        if day:
            yield WrittenDate(match.start(), match.end(), day)


def _numeric(text: str) -> Iterator[WrittenDate]:
    """31/01/2026, 31.1.2026, 31-01-26, 1/31/2026, and 31 08 2026."""
    for pattern in (_NUMERIC, _SPACED):
        for match in pattern.finditer(text):
            if pattern is _NUMERIC and match["by"] == "-" and text[match.start() - 1 : match.start()] == "-":
                continue
            yield from _either_way(match, loose=pattern is _SPACED)


def _either_way(match: re.Match[str], *, loose: bool) -> Iterator[WrittenDate]:
    """Read two numbers and a year in both orders, as far as the calendar has them."""
    year, first, second = _year(match["year"]), int(match["first"]), int(match["second"])
    day, swapped = _day(year, second, first), _day(year, first, second)
    if day or swapped:
        other = swapped if swapped != day else None
        yield WrittenDate(match.start(), match.end(), day, other, numeric=True, loose=loose)


def _worded(text: str) -> Iterator[WrittenDate]:
    """31 January 2026, 31st of January '26, 31-Jan-2026, 31η Ιανουαρίου 2026."""
    for match in _DAY_MONTH.finditer(text):
        short = len(match["year"]) == 2
        if short and not (match["also"] or match["by"] in ("-", "/", ".") or _closes(text, match.end())):
            continue
        day = _day(_year(match["year"]), _MONTHS[match["month"]], int(match["day"]))
        yield WrittenDate(match.start(), match.end(), day)


def _month_first(text: str) -> Iterator[WrittenDate]:
    """January 31, 2026, Jan. 31 '26, and January 26-30, 2026, which are two."""
    for match in _MONTH_DAY.finditer(text):
        year, month = _year(match["year"]), _MONTHS[match["month"]]
        day = _day(year, month, int(match["day"]))
        last = _day(year, month, int(match["last"])) if match["last"] else None
        if day and last:
            yield WrittenDate(match.start(), match.end("day"), day)
            yield WrittenDate(match.start("last"), match.end(), last)
        else:
            yield WrittenDate(match.start(), match.end(), day)


def _months(text: str) -> Iterator[WrittenDate]:
    """January 2026, Ιανουάριος 2026; 01/2026, 01/26 and JAN/26, which are loose; the end of 2026, valid until 2026."""
    for pattern in (_MONTH_ALONE, _MONTH_NUMBER, _YEAR_MONTH, _SHORT_MONTH, _WORD_SHORT_MONTH):
        for match in pattern.finditer(text):
            month = _MONTHS.get(match["month"]) or int(match["month"])
            year, short = _year(match["year"]), len(match["year"]) == 2
            if short and int(match["year"]) <= _LONG_PAST:
                continue
            if 1 <= month <= 12 and _FIRST_YEAR <= year <= _LAST_YEAR:
                first = pattern is _MONTH_ALONE and _FIRST_OF.search(text[max(match.start() - 20, 0) : match.start()])
                day = date(year, month, 1) if first else last_of_month(year, month)
                loose = pattern is not _MONTH_ALONE
                yield WrittenDate(match.start(), match.end(), day, precision="month", loose=loose, short=short)
    for match in _YEAR_END.finditer(text):
        yield WrittenDate(match.start(), match.end(), date(int(match["year"]), 12, 31), precision="year")
    for match in _EXPIRY_YEAR.finditer(text):
        yield WrittenDate(match.start("year"), match.end(), date(int(match["year"]), 12, 31), precision="year")


_SCANS = (_iso, _numeric, _worded, _month_first, _months)


def _shared(text: str, one: WrittenDate, since: int) -> list[WrittenDate]:
    """Find the first day of a range that shares its month or year with the last: from 26 to 30 January 2026."""
    if one.precision != "day" or one.day is None:
        return []
    low = max(since, one.start - _LOOKED_BACK)
    before = text[low : one.start]
    if one.numeric:
        match = _BEFORE_NUMERIC_RANGE.search(before)
    else:
        match = _BEFORE_MONTH_RANGE.search(before) or _BEFORE_RANGE.search(before)
    if match is None:
        return []
    if one.numeric:
        first, second = int(match["first"]), int(match["second"])
        day, swapped = _day(one.day.year, second, first), _day(one.day.year, first, second)
    else:
        month = _MONTHS[match["month"]] if match["month"] else one.day.month
        day, swapped = _day(one.day.year, month, int(match["day"])), None
    if day is None:
        return []
    return [WrittenDate(low + match.start(), low + match.end("written"), day, swapped if swapped != day else None)]


def _is_number(text: str, one: WrittenDate) -> bool:
    """Tell whether it is the number of something: a sort code, a version, a clause."""
    return (one.numeric or one.loose) and _NUMBERED.search(text, max(one.start - 30, 0), one.start) is not None


def _closes(text: str, at: int) -> bool:
    """Tell whether nothing that could be counted follows: the end, a mark, or a wider space."""
    return _CLOSING.match(text, at) is not None


def _year(digits: str) -> int:
    """Read a year of four digits, or of two."""
    number = int(digits.lstrip("'"))
    if len(digits.lstrip("'")) > 2:
        return number
    return number + (2000 if number < _CENTURY_TURNS else 1900)


def _day(year: int, month: int, day: int) -> date | None:
    """Return a day, or None when no calendar has it."""
    if not (_FIRST_YEAR <= year <= _LAST_YEAR and 1 <= month <= 12):
        return None
    return date(year, month, day) if 1 <= day <= monthrange(year, month)[1] else None
