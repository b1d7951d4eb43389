# ruff: noqa: RUF001 - Greek letters are meant here
"""What a mail about documents that expire says, in the tenant's language.

Shared module, pure. It tells titles and days and nothing of what a document says. Titles are somebody's words: they are
put into one line, without characters that change how a line is shown, and quoted.
"""

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import f.core.errors  # noqa: F401 -- refuses to run as a script

if TYPE_CHECKING:
    from f.core.notice_delivery import Notice

_LONGEST_TITLE = 200
_HIDDEN = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")
_PICTURES = ("So", "Sk")
_JOINER, _AS_PICTURE = "\u200d", "\ufe0f"
_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "el": "Ιανουαρίου Φεβρουαρίου Μαρτίου Απριλίου Μαΐου Ιουνίου Ιουλίου Αυγούστου Σεπτεμβρίου Οκτωβρίου Νοεμβρίου "
    "Δεκεμβρίου",
}


class MailText(NamedTuple):
    """A mail's subject, in one line, and its body."""

    subject: str
    body: str


class _Wording(NamedTuple):
    """The sentences of a language; ``several`` and ``in_days`` take a number."""

    months: list[str]
    past: str
    today: str
    tomorrow: str
    in_days: str
    several: str
    greeting: str
    ending: str


_ENGLISH = _Wording(
    _MONTHS["en"].split(),
    "“{title}” expired on {date}",
    "“{title}” expires today, {date}",
    "“{title}” expires tomorrow, {date}",
    "“{title}” expires in {days} days, on {date}",
    "{count} documents expire",
    "This is a reminder of documents that expire:",
    "You get this because you are a member who may see them.",
)
_GREEK = _Wording(
    _MONTHS["el"].split(),
    "Το «{title}» έληξε στις {date}",
    "Το «{title}» λήγει σήμερα, {date}",
    "Το «{title}» λήγει αύριο, {date}",
    "Το «{title}» λήγει σε {days} ημέρες, στις {date}",
    "{count} έγγραφα λήγουν",
    "Υπενθύμιση για έγγραφα που λήγουν:",
    "Το λαμβάνετε επειδή είστε μέλος που μπορεί να τα δει.",
)


def mail_text(notices: Sequence["Notice"]) -> MailText:
    """Write the mail that tells a member of notices, at least one of them."""
    wording = _GREEK if notices[0].language.endswith("greek") else _ENGLISH
    lines = [_line(wording, notice) for notice in notices]
    subject = lines[0] if len(lines) == 1 else wording.several.format(count=len(lines))
    listed = "\n".join(f"- {line}." for line in lines)
    return MailText(subject, f"{wording.greeting}\n\n{listed}\n\n{wording.ending}\n")


def shown_title(title: str) -> str:
    """Return a title as one line, cut with an ellipsis where it is too long."""
    line = one_line(title)
    return line if len(line) <= _LONGEST_TITLE else line[: _LONGEST_TITLE - 1] + "…"


def one_line(text: str) -> str:
    """Return a text as one line without characters that cannot be seen, but for those that join two pictures.

    Nothing left gives an ellipsis.
    """
    visible = "".join(
        " " if unicodedata.category(character) in _HIDDEN and not _joins(text, place) else character
        for place, character in enumerate(text)
    )
    return " ".join(visible.split()) or "…"


def _joins(text: str, place: int) -> bool:
    """Tell whether a character joins the picture before it with the one after it."""
    around = text[max(place - 1, 0) : place], text[place + 1 : place + 2]
    return text[place] == _JOINER and all(_is_picture(character) for character in around)


def _is_picture(character: str) -> bool:
    """Tell whether a character is a picture, the colour of one, or says that the one before it is."""
    return bool(character) and (character == _AS_PICTURE or unicodedata.category(character) in _PICTURES)


def _line(wording: _Wording, notice: "Notice") -> str:
    """Say when a document expires."""
    days = notice.days_left
    sentence = (
        wording.past if days < 0 else wording.today if days == 0 else wording.tomorrow if days == 1 else wording.in_days
    )
    day = notice.expires_on
    shown = f"{day.day} {wording.months[day.month - 1]} {day.year}"
    return sentence.format(title=shown_title(notice.title), date=shown, days=days)
