"""The dates in a text that somebody has to keep in mind: when it expires, is renewed, or something is due.

Shared module, pure. What is written is found by ``date_forms``, what it is for by ``date_phrases``. Which of the two
numbers of 03/04/2026 is the month is told by the other dates of the text, where they can tell it, and else by the
tenant's setting; then the date is called ambiguous, with its other reading.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, TypedDict

from f.core.date_cues import Kind
from f.core.date_durations import end_of
from f.core.date_forms import DateOrder, DatePrecision, WrittenDate, folded, written_dates
from f.core.date_phrases import Told, told_of
from f.core.time_zones import end_of_day, today

KINDS: tuple[Kind, ...] = ("expiry", "renewal", "due", "start", "issued")
COUNTING: tuple[Kind, ...] = ("expiry", "renewal", "due")
_LONGEST_SENTENCE = 400
_FORM = re.compile(
    r"[ \t]{0,2}[(\[]?(?<!\w)(?P<first>dd?|mm?|ηη|μμ)(?P<by>[/.-])(?:dd?|mm?|μμ)(?P=by)(?:yy(?:yy)?|εε(?:εε)?)(?!\w)"
)
_FORM_BEFORE = 40
_UNSEEN = "".join(map(chr, (*range(0x300, 0x370), 0xAD, *range(0x200B, 0x2010), 0x2060, 0xFEFF)))


class FoundDate(TypedDict):
    """A date and where it is written.

    ``quote`` is exactly what stands from ``start`` to ``end``; what was ``computed`` quotes the period and the date it
    runs from. ``other_reading`` is the day with day and month changed, where nothing in the text tells; ``read_by``
    says by what it was read: its form, the other dates of the text, or the tenant's setting.
    """

    date: str
    precision: DatePrecision
    kind: Kind
    quote: str
    start: int
    end: int
    page: int | None
    sentence: str
    confidence: float
    ambiguous: bool
    other_reading: str | None
    read_by: Literal["form", "text", "setting"]
    computed: bool


@dataclass(frozen=True, slots=True)
class _Order:
    """Which number is the day, and whether the text tells so."""

    month_first: bool
    told: bool


def find_dates(text: str, date_order: DateOrder, kinds: Collection[Kind] = COUNTING) -> list[FoundDate]:
    """Find the dates of some kinds in a text, in the order of the text.

    Args:
        text: Any text.
        date_order: How 03/04/2026 is read where the text does not tell.
        kinds: Which to return.
    """
    plain, places = _plain(text)
    compared = folded(plain)
    written = written_dates(compared)
    all_told = told_of(plain, compared, written)
    forms = [_printed_form(compared, one) for one in written]
    order = _order(compared, written, all_told, forms, date_order)
    found: list[FoundDate] = []
    for one, told, form in zip(written, all_told, forms, strict=True):
        found += _readings(plain, one, told, order if form is None else _Order(form, told=True))
    written_out = {(one["kind"], one["date"]) for one in found if not one["computed"]}
    wanted = [one for one in found if one["kind"] in kinds]
    once = [one for one in wanted if not one["computed"] or (one["kind"], one["date"]) not in written_out]
    return _placed(text, once, places)


def suggested_expiry(dates: Sequence[FoundDate], now: datetime, time_zone: str) -> str | None:
    """Return when a text's document expires: the end of the earliest day of expiry that is to come and not ambiguous.

    Args:
        dates: As ``find_dates`` gives them.
        now: The moment.
        time_zone: In which the day ends.
    """
    days = [date.fromisoformat(one["date"]) for one in dates if one["kind"] == "expiry" and not one["ambiguous"]]
    coming = [day for day in days if day >= today(now, time_zone)]
    return end_of_day(min(coming), time_zone).isoformat() if coming else None


def _plain(text: str) -> tuple[str, list[int] | None]:
    """Take out what is not seen, with the places of what is left: accents of their own, soft hyphens, zero widths."""
    if text.isascii() or not any(character in text for character in _UNSEEN):
        return text, None
    places = [at for at, character in enumerate(text) if character not in _UNSEEN]
    return "".join(map(text.__getitem__, places)), places


def _order(
    text: str, written: Sequence[WrittenDate], told: Sequence[Told], forms: Sequence[bool | None], date_order: DateOrder
) -> _Order:
    """Tell how the writer puts them: from printed forms, and from the dates that can be read one way only.

    Of these, two digits of a year count only where words say what the date is for: it may be another number.
    """
    orders = {form for form in forms if form is not None}
    for one, what in zip(written, told, strict=True):
        tells = one.numeric and not one.loose and (one.day is None or _settles(one))
        if tells and (what.kind or text[one.end - 4 : one.end].isdigit()):
            orders.add(one.day is None)
    if len(orders) == 1:
        return _Order(orders.pop(), told=True)
    return _Order(date_order == "month_first", told=False)


def _printed_form(text: str, one: WrittenDate) -> bool | None:
    """Tell whether the form printed beside a date that can be read two ways puts the month first."""
    if one.day is None or one.swapped is None:
        return None
    before = list(_FORM.finditer(text, max(one.start - _FORM_BEFORE, 0), one.start))
    form = before[-1] if before else _FORM.match(text, one.end)
    return None if form is None else form["first"] in ("m", "mm")


def _settles(one: WrittenDate) -> bool:
    """Tell whether a numeric date can be read with the day first only: 31/01/2026, and not 03/03/2026."""
    return one.swapped is None and one.day is not None and one.day.day > 12


def _readings(text: str, one: WrittenDate, told: Told, order: _Order) -> list[FoundDate]:
    """Return what a date says, and what a period beside it gives."""
    both = one.day is not None and one.swapped is not None
    first, second = (one.swapped, one.day) if order.month_first else (one.day, one.swapped)
    day = first or second
    assert day is not None
    other = second if both and not order.told else None
    read_by: Literal["form", "text", "setting"] = "form" if not both else "text" if order.told else "setting"
    confidence = told.confidence - (0.25 if other else 0.0) - (0.05 if one.precision != "day" else 0.0)

    def found(kind: Kind, day: date, start: int, other: date | None, confidence: float, *, computed: bool) -> FoundDate:
        return FoundDate(
            date=day.isoformat(), precision=one.precision, kind=kind, quote="", start=start, end=one.end, page=None,
            sentence=_sentence(text, told.span, start, one.end), confidence=round(max(confidence, 0.1), 2),
            ambiguous=other is not None, other_reading=other.isoformat() if other else None, read_by=read_by,
            computed=computed,
        )  # fmt: skip

    readings = [found(told.kind, day, one.start, other, confidence, computed=False)] if told.kind else []
    if told.duration and told.computed_kind and (last := end_of(day, told.duration)):
        start, end = min(told.duration.start, one.start), max(told.duration.end, one.end)
        computed = found(
            told.computed_kind, last, start, other and end_of(other, told.duration), 0.7 - (0.25 if other else 0.0),
            computed=True,
        )  # fmt: skip
        readings.append(computed | {"end": end})
    return readings


def _sentence(text: str, span: tuple[int, int], start: int, end: int) -> str:
    """Return the sentence around a date, at most some hundred characters of it."""
    low = max(min(span[0], start), start - _LONGEST_SENTENCE // 2)
    return text[low : min(max(span[1], end), low + _LONGEST_SENTENCE)].strip()


def _placed(text: str, found: list[FoundDate], places: list[int] | None) -> list[FoundDate]:
    """Add quotes and pages, by the places in the text as it is."""
    paged, page, counted = "\f" in text, 1, 0
    for one in found:
        if places is not None:
            one["start"], one["end"] = places[one["start"]], places[one["end"] - 1] + 1
        one["quote"] = text[one["start"] : one["end"]]
        if one["start"] > counted:
            page += text.count("\f", counted, one["start"])
            counted = one["start"]
        one["page"] = page if paged else None
    return found
