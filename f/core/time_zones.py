"""Time zones by their IANA names.

Shared module, pure. Named as Python and PostgreSQL both know them, because days are counted in either.
"""

# extra_requirements:
# tzdata==2026.6

from datetime import date, datetime, time
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from f.core.arguments import optional_text
from f.core.errors import InvalidArgument

_LONGEST_NAME = 100


def optional_time_zone(name: str, value: object) -> str | None:
    """Check the name of a time zone that may be missing, such as Europe/Athens.

    Raises:
        InvalidArgument: When there is no such zone.
    """
    text = optional_text(name, value, _LONGEST_NAME)
    if text is not None and text not in available_timezones():
        raise InvalidArgument(f"{name} must be an IANA time zone such as Europe/Athens.")
    return text


def today(now: datetime, time_zone: str) -> date:
    """Return the day that a moment belongs to in a time zone."""
    return now.astimezone(_zone(time_zone)).date()


def end_of_day(day: date, time_zone: str) -> datetime:
    """Return the last second of a day in a time zone."""
    return datetime.combine(day, time(23, 59, 59), _zone(time_zone))


@cache
def _zone(name: str) -> ZoneInfo:
    """Look a zone up."""
    return ZoneInfo(name)
