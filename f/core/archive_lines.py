"""A page of an archive as it comes: lines that may be anything, checked before any of them is used.

Shared module. What is wrong is told with the number of its line, never with what stands in it. The database reads each
line's text itself, so that numbers keep all their digits; here a line is parsed for what has to be looked at.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from f.core.archive import DERIVED, FORMAT, TABLES, VERSION
from f.core.arguments import MAXIMUM_CONTENT, MAXIMUM_ID, identifier
from f.core.errors import InvalidArgument
from f.core.language import LANGUAGES

NAMED_BY_ACCOUNT = ("tenant_memberships", "family_members")
WITH_TEXT = ("documents", "document_versions")
_OF_TENANT = {"tenants": "id", "users": None}


@dataclass(frozen=True, slots=True)
class Header:
    """What the first line of a page says: the tenant that was exported, and the archive that the page is part of."""

    tenant: str
    archive: str


@dataclass(frozen=True, slots=True)
class Line:
    """A row of an archive.

    Attributes:
        number: Of its line in the page, from 1.
        table: Its table.
        row: Its columns.
        account: The e-mail address of the account that it names, if any.
        text: The line itself.
    """

    number: int
    table: str
    row: dict[str, Any]
    account: str | None
    text: str

    def refused(self, why: str) -> InvalidArgument:
        """Return the error that says what is wrong with it."""
        return _refused(self.number, why)

    def id(self, value: object) -> int:
        """Check an id in it."""
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAXIMUM_ID:
            raise self.refused("an id in it is not one.")
        return value

    def offset(self, value: object) -> int:
        """Check a place in a text."""
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.refused("a place in it is not one.")
        return value


def read_page(lines: str, columns: Mapping[str, set[str]]) -> tuple[Header, list[Line]]:
    """Read a page, or several of the same archive one after the other.

    Args:
        lines: JSON lines.
        columns: Of each table, as it is here.

    Raises:
        InvalidArgument: When a line is not as it should be; the message names it by its number.
    """
    header: Header | None = None
    found = []
    for number, text in enumerate(lines.split("\n"), 1):  # other line breaks may stand inside a text
        if not text.strip():
            continue
        value = _parsed(number, text)
        if header is None or "format" in value:
            header = _header(number, value, header)
            continue
        line = _line(number, value, text, columns)
        owner = _OF_TENANT.get(line.table, "tenant_id")
        if owner is not None and line.row[owner] != header.tenant:
            raise line.refused("it belongs to another tenant than the archive.")
        found.append(line)
    if header is None:
        raise InvalidArgument("lines is missing.")
    return header, found


def expected_columns(columns: Mapping[str, list[str]]) -> dict[str, set[str]]:
    """Take off a table's columns those that are not in an archive."""
    return {table: set(names) - set(DERIVED.get(table, ())) for table, names in columns.items()}


def _refused(number: int, why: str) -> InvalidArgument:
    """Say what is wrong with a line."""
    return InvalidArgument(f"Line {number}: {why} Nothing of this page was imported.")


def _parsed(number: int, text: str) -> dict[str, Any]:
    """Parse a line into an object whose texts can be stored."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise _refused(number, "it is not JSON.") from None
    if not isinstance(value, dict):
        raise _refused(number, "it is not a JSON object.")
    if "\\u" in text and not all(_is_storable(one) for one in _texts(value)):
        raise _refused(number, "it has a character that cannot be stored.")
    return value


def _header(number: int, value: dict[str, Any], before: Header | None) -> Header:
    """Read a header, which must be of the same archive as the one before."""
    if value.get("format") != FORMAT:
        raise _refused(number, "it is not the header of a tenant's archive.")
    if value.get("version") != VERSION:
        raise _refused(number, "this version of the archive is not known here.")
    try:
        header = Header(identifier("tenant", value.get("tenant")), identifier("archive", value.get("archive")))
    except InvalidArgument:
        raise _refused(number, "it does not name tenant and archive.") from None
    if before not in (None, header):
        raise _refused(number, "here begins another archive.")
    return header


def _line(number: int, value: dict[str, Any], text: str, columns: Mapping[str, set[str]]) -> Line:
    """Check that a line has the form of a row of its table."""
    table, row, account = value.get("table"), value.get("row"), value.get("account")
    if not isinstance(table, str) or table not in TABLES:
        raise _refused(number, "there is no such table in an archive.")
    keys = {"table", "row", *(["account"] if table in NAMED_BY_ACCOUNT else [])}
    if value.keys() != keys or not isinstance(row, dict) or not isinstance(account, str | None):
        raise _refused(number, "it does not have the form of a row.")
    if row.keys() != columns[table]:
        raise _refused(number, f"its columns are not those that {table} has here.")
    if (account is None) != (row.get("user_id") is None):
        raise _refused(number, "it does not say whose account it names.")
    if table in ("tenants", *WITH_TEXT) and row["language"] not in LANGUAGES:
        raise _refused(number, "its language is not known here.")
    if table in WITH_TEXT and (not isinstance(row["content"], str) or len(row["content"]) > MAXIMUM_CONTENT):
        raise _refused(number, f"its content is no text of at most {MAXIMUM_CONTENT:,} characters.")
    return Line(number, table, row, account, text)


def _texts(value: object) -> Iterator[str]:
    """Yield all texts inside a value, names of properties too."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            pending += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            pending += item


def _is_storable(text: str) -> bool:
    """Tell whether the database can hold a text."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
