"""Checks of what callers send: Windmill checks nothing, and what is missing arrives as None.

Shared module, pure. Each function returns the value in its right type or raises ``InvalidArgument`` (or ``TooLarge``)
with a sentence that names the argument and never repeats its value. An empty text counts as missing, because a form
sends it so.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TypeVar
from uuid import UUID

from f.core.errors import InvalidArgument, TooLarge

Word = TypeVar("Word", bound=str)

MAXIMUM_ID = 2_147_483_647  # of PostgreSQL's integer
MAXIMUM_LONG_ID = 2**53 - 1  # what JSON keeps exactly
MAXIMUM_TITLE = 500
MAXIMUM_CONTENT = 50_000_000
MAXIMUM_QUESTION = 4_000
MAXIMUM_NAME = 200
MAXIMUM_CATEGORY = 100
MAXIMUM_URL = 2_000
MAXIMUM_TAG = 50
MAXIMUM_TAGS = 50
MAXIMUM_IDS = 1_000
MAXIMUM_METADATA_BYTES = 20_000
_FIRST_EXPIRY_YEAR, _LAST_EXPIRY_YEAR = 1900, 9998
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def is_missing(value: object) -> bool:
    """Tell whether a value was not sent: None, or the empty text of a form. Other empty values are of a wrong type."""
    return value is None or value == ""


def required_text(name: str, value: object, maximum: int, *, lines: bool = False) -> str:
    """Check a text that must be there.

    Args:
        name: Of the argument, for the message.
        value: What came.
        maximum: The greatest length in characters.
        lines: Whether line breaks, tabs and other control characters are allowed; NUL never is.

    Raises:
        InvalidArgument: When it is missing, no text, blank, or has characters that cannot be stored.
        TooLarge: When it is too long.
    """
    text = optional_text(name, value, maximum, lines=lines)
    if text is None:
        raise InvalidArgument(f"{name} is missing.")
    return text


def optional_text(name: str, value: object, maximum: int, *, lines: bool = False) -> str | None:
    """Check a text that may be missing; see ``required_text``. Returns it unchanged, or None when it is blank."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidArgument(f"{name} must be a text.")
    if len(value) > maximum:
        raise TooLarge(f"{name} has {len(value):,} characters; at most {maximum:,} are allowed.")
    for forbidden in _forbidden(value, lines):
        raise InvalidArgument(f"{name} has a character that is not allowed here (U+{ord(forbidden):04X}).")
    return value if value and not value.isspace() else None


def _forbidden(value: str, lines: bool) -> str:
    """Return the first character that cannot be stored, or must not stand in one line, or an empty text."""
    if lines:
        unstorable = _UNSTORABLE.search(value)
        return unstorable.group() if unstorable else ""
    for character in value:
        if _UNSTORABLE.match(character) or unicodedata.category(character) in ("Cc", "Zl", "Zp"):
            return character
    return ""


def choice(name: str, value: object, allowed: Sequence[Word], *, default: Word | None = None) -> Word:
    """Check that a value is one of the allowed words; one that is missing is the default, if there is any."""
    if is_missing(value) and default is not None:
        return default
    for word in allowed:
        if value == word:
            return word
    raise InvalidArgument(f"{name} must be one of: {', '.join(allowed)}.")


def optional_choice(name: str, value: object, allowed: Sequence[Word]) -> Word | None:
    """Check one of the allowed words that may be missing."""
    return None if is_missing(value) else choice(name, value, allowed)


def flag(name: str, value: object, *, default: bool | None = None) -> bool:
    """Check that a value is true or false; one that is missing is the default, if there is any."""
    if is_missing(value) and default is not None:
        return default
    if not isinstance(value, bool):
        raise InvalidArgument(f"{name} must be true or false.")
    return value


def optional_flag(name: str, value: object) -> bool | None:
    """Check true or false that may be missing."""
    return None if is_missing(value) else flag(name, value)


def integer(name: str, value: object, least: int, most: int, *, default: int | None = None) -> int:
    """Check a whole number within bounds, both included; one that is missing is the default, if there is any."""
    if is_missing(value) and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidArgument(f"{name} must be a whole number.")
    if not least <= value <= most:
        raise InvalidArgument(f"{name} must be from {least:,} to {most:,}.")
    return value


def optional_integer(name: str, value: object, least: int, most: int) -> int | None:
    """Check a whole number within bounds that may be missing."""
    return None if is_missing(value) else integer(name, value, least, most)


def optional_id(name: str, value: object) -> int | None:
    """Check an id that may be missing."""
    return optional_integer(name, value, 1, MAXIMUM_ID)


def id_list(name: str, value: object) -> list[int] | None:
    """Check a list of ids; None when it is missing, an empty list stays one (and finds nothing)."""
    if is_missing(value):
        return None
    if not isinstance(value, list):
        raise InvalidArgument(f"{name} must be a list of whole numbers.")
    if len(value) > MAXIMUM_IDS:
        raise TooLarge(f"{name} has {len(value):,} entries; at most {MAXIMUM_IDS:,} are allowed.")
    return [integer(name, item, 1, MAXIMUM_ID) for item in value]


def optional_label(name: str, value: object, most: int) -> str | None:
    """Check a category that may be missing: what looks the same is the same (NFC), without white space around it."""
    text = optional_text(name, _composed(value), most)
    return None if text is None else text.strip() or None


def _composed(value: object) -> object:
    """Return a text in its composed form (NFC); anything else as it is."""
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


def tag_list(name: str, value: object) -> list[str]:
    """Check a list of tags; returns them in lower case, composed, each once, in the order in which they came."""
    if is_missing(value):
        return []
    if not isinstance(value, list):
        raise InvalidArgument(f"{name} must be a list of texts.")
    if len(value) > MAXIMUM_TAGS:
        raise TooLarge(f"{name} has {len(value):,} entries; at most {MAXIMUM_TAGS} are allowed.")
    checked = (required_text(f"Each of {name}", _composed(tag), MAXIMUM_TAG) for tag in value)
    return list(dict.fromkeys(tag.strip().lower() for tag in checked))


def word_list(name: str, value: object, allowed: Sequence[Word]) -> list[Word]:
    """Check a list of allowed words; returns each once, and none when it is missing."""
    if is_missing(value):
        return []
    if not isinstance(value, list):
        raise InvalidArgument(f"{name} must be a list of: {', '.join(allowed)}.")
    return list(dict.fromkeys(choice(f"Each of {name}", item, allowed) for item in value))


def moment(name: str, value: object) -> datetime | None:
    """Check a date or a date with time in ISO 8601; without an offset it is in UTC, without a time midnight."""
    text = optional_text(name, value, 40)
    if text is None:
        return None
    try:
        parsed = datetime.fromisoformat(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument(f"{name} must be a date such as 2027-01-31 or 2027-01-31T12:00:00+02:00.") from None


def expiry(name: str, value: object) -> date | None:
    """Check when something expires, in ISO 8601: a day alone stays one, because it ends where the tenant is.

    Years are those that calendars and databases can count days from and back to; what never ends has no expiry.
    """
    text = optional_text(name, value, 40)
    if text is None:
        return None
    found: date | None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = moment(name, text)
    if found is not None and not _FIRST_EXPIRY_YEAR <= found.year <= _LAST_EXPIRY_YEAR:
        years = f"{_FIRST_EXPIRY_YEAR} to {_LAST_EXPIRY_YEAR}"
        raise InvalidArgument(f"{name} must be in the years {years}; leave it out for what never ends.")
    return found


def identifier(name: str, value: object) -> str:
    """Check a UUID; returns it in its usual form."""
    if is_missing(value):
        raise InvalidArgument(f"{name} is missing.")
    try:
        if not isinstance(value, str):
            raise ValueError
        return str(UUID(value))
    except ValueError:
        raise InvalidArgument(f"{name} must be an id such as 6f1c7d52-0c5e-4a53-9d0b-2f4f2a7c8b11.") from None


def optional_identifier(name: str, value: object) -> str | None:
    """Check a UUID that may be missing."""
    return None if is_missing(value) else identifier(name, value)


def web_address(name: str, value: object) -> str | None:
    """Check an http or https address."""
    text = optional_text(name, value, MAXIMUM_URL)
    if text is not None and (not text.lower().startswith(("http://", "https://")) or " " in text):
        raise InvalidArgument(f"{name} must begin with http:// or https:// and have no spaces.")
    return text


def metadata_json(name: str, value: object) -> str:
    """Check an object that can be stored, and return it as JSON; missing is an empty one."""
    if is_missing(value):
        return "{}"
    if not isinstance(value, dict):
        raise InvalidArgument(f"{name} must be an object.")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise InvalidArgument(f"{name} has a number that cannot be stored.") from None
    if len(text.encode("utf-8", "surrogatepass")) > MAXIMUM_METADATA_BYTES:
        raise TooLarge(f"{name} has more than {MAXIMUM_METADATA_BYTES:,} bytes as JSON.")
    if "\\u0000" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidArgument(f"{name} has a character that cannot be stored.")
    return text
