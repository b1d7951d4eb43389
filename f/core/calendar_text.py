"""A calendar of what expires, in the format iCalendar (RFC 5545, RFC 7986).

Shared module, pure. Each document is an all-day event with its title and its category, and nothing of its text. An
event's name stays the same as long as its document lives, and tells no id. The same documents give the same calendar.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid5

from icalendar import Calendar, Event, vDuration

from f.core.notice_text import one_line

# extra_requirements:
# icalendar==7.3.0

_ASKED_EVERY = timedelta(hours=6)
_NAMES = {"english": "Expiring documents", "greek": "Έγγραφα που λήγουν"}
_LONGEST_TEXT = 500


@dataclass(frozen=True, slots=True)
class ExpiringDocument:
    """What a calendar says of a document.

    Attributes:
        id: Never shown.
        title: As somebody wrote it.
        category: The same.
        changed_at: Since when the document is what it is.
        expires_on: The day, in the tenant's time zone.
    """

    id: int
    title: str
    category: str | None
    changed_at: datetime
    expires_on: date


def calendar_text(tenant_id: str, documents: Sequence[ExpiringDocument], language: str) -> str:
    """Write the calendar.

    Args:
        tenant_id: The tenant, in which an event's name is made.
        documents: In any order; none gives a calendar without events.
        language: The tenant's text search configuration.
    """
    calendar = Calendar()
    name = _NAMES.get(language.rpartition(".")[2], _NAMES["english"])
    calendar.add("prodid", "-//Family Brain//Expiring documents//EN")
    calendar.add("version", "2.0")
    calendar.add("name", name)
    calendar.add("x-wr-calname", name)
    calendar.add("refresh-interval", _ASKED_EVERY, parameters={"value": "DURATION"})
    calendar.add("x-published-ttl", vDuration(_ASKED_EVERY))
    for document in documents:
        calendar.add_component(_event(tenant_id, document))
    written: bytes = calendar.to_ical()
    return written.decode()


def _event(tenant_id: str, document: ExpiringDocument) -> Event:
    """Write a document's event."""
    event = Event()
    changed = document.changed_at.astimezone(UTC).replace(microsecond=0)
    event.add("uid", f"{uuid5(UUID(tenant_id), f'document {document.id} expires')}@family-brain")
    event.add("dtstamp", changed)
    event.add("last-modified", changed)
    event.add("dtstart", document.expires_on)
    event.add("dtend", document.expires_on + timedelta(days=1))
    event.add("summary", one_line(document.title)[:_LONGEST_TEXT])
    if document.category:
        event.add("description", one_line(document.category)[:_LONGEST_TEXT])
    event.add("transp", "TRANSPARENT")
    event.add("class", "PRIVATE")
    return event
