"""A tenant's archive: what is in it, in which form, and how its pages are written.

Shared module. An archive is JSON lines, cut into pages. The first line of each page is a header; every other line is
``{"table": ..., "row": {...}}`` as the database writes it, so that a new column comes along by itself: vectors as
pgvector's text, bytes in hexadecimal, moments in UTC. Lines of memberships and members also name their ``account`` by
its e-mail address, which is what an account is known by elsewhere. Tables come in the order in which they can be taken
back (``f.core.archive_import``).

Pages go on by keys, and what was stored after the first page began is left out; but they are no snapshot: what is
changed or removed while an archive is written may be in it in either state.
"""

import base64
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from f.core.arguments import identifier, integer, moment
from f.core.database import Row, Transaction
from f.core.errors import InvalidArgument

FORMAT, VERSION = "family-brain-export", 1
MAXIMUM_BYTES = 50_000_000
LONGEST_CURSOR = 1_000

DERIVED = {"document_chunks": ("words", "word_count")}
"""Columns that are not in the archive, because they are computed from others when it is taken back."""
LEFT_OUT = (
    "chunk_words",
    "document_bands",
    "files",
    "next_embeddings",
    "calendar_feeds",
    "session_tokens",
    "rate_states",
    "chat_slots",
    "query_embeddings",
    "cached_answers",
    "imported_ids",
)
"""Tables with a ``tenant_id`` that are not in it: derived, of this installation, or of the moment."""

_LINE_BREAKS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
"""What the database leaves as it is inside a text, and some programs that read lines take for the end of one."""
_ROWS_AT_ONCE = 2_000
_GREATEST_KEY = 2**63 - 1
_SETTINGS = """
SELECT set_config('TimeZone', 'UTC', true), set_config('bytea_output', 'hex', true),
       set_config('extra_float_digits', '1', true)
"""
_BEGIN = "SELECT now() AS began, (SELECT max(version) FROM schema_migrations) AS schema_version"
_ACCOUNT = ", 'account', (SELECT account.email FROM users AS account WHERE account.id = t.user_id)"


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a table's lines come from: constants of this module, of which its statement is made.

    Attributes:
        table: Its name.
        condition: Which rows are the tenant's, and were there when the archive was begun.
        keys: The columns by which pages go on, with their types.
        size: About how many bytes a row's line has, told without reading what is stored out of line.
        row: The row as JSON.
        more: What the line has besides.
    """

    table: str
    condition: str = "t.tenant_id = %(tenant)s AND t.created_at < %(began)s"
    keys: tuple[tuple[str, str], ...] = (("id", "bigint"),)
    size: str = "500"
    row: str = "to_jsonb(t)"
    more: str = ""

    @property
    def statement(self) -> str:
        """The statement that gives the next lines: as many as may have room by their sizes, and at least one."""
        names = ", ".join(f"t.{name}" for name, _ in self.keys)
        after = ", ".join(f"%(after_{name})s::{kind}" for name, kind in self.keys)
        first = f"%(after_{self.keys[0][0]})s IS NULL"
        same = " AND ".join(f"next.{name} = t.{name}" for name, _ in self.keys)
        return f"""
        SELECT jsonb_build_object('table', '{self.table}', 'row', {self.row}{self.more})::text AS line, {names}
        FROM (SELECT {names}, sum({self.size}) OVER (ORDER BY {names}) - {self.size} AS before
              FROM {self.table} AS t
              WHERE {self.condition} AND ({first} OR ({names}) > ({after}))
              ORDER BY {names} LIMIT {_ROWS_AT_ONCE}) AS next
        JOIN {self.table} AS t ON {same} AND {self.condition}
        WHERE next.before < %(room)s
        ORDER BY {names}
        """  # noqa: S608 -- constants of this module


_BY_UUID = (("id", "uuid"),)
_OF_TENANT = "SELECT m.user_id FROM tenant_memberships AS m WHERE m.tenant_id = %(tenant)s"
_OF_DOCUMENTS = (
    "t.tenant_id = %(tenant)s AND EXISTS (SELECT FROM documents AS d WHERE d.tenant_id = t.tenant_id"
    " AND d.id = t.document_id AND d.created_at < %(began)s)"
)
_VECTOR_BYTES = 20_000

_SOURCES = (
    _Source("tenants", "t.id = %(tenant)s", keys=_BY_UUID),
    _Source("users", f"t.id IN ({_OF_TENANT})", keys=_BY_UUID),
    _Source("tenant_memberships", keys=(("user_id", "uuid"),), more=_ACCOUNT),
    _Source("family_members", more=_ACCOUNT),
    _Source("documents", size=f"(octet_length(t.content) + {_VECTOR_BYTES})"),
    _Source(
        "document_chunks",
        _OF_DOCUMENTS,
        keys=(("document_id", "bigint"), ("ordinal", "bigint")),
        size=f"(octet_length(t.content) + {_VECTOR_BYTES})",
        row=f"to_jsonb(t) - ARRAY{list(DERIVED['document_chunks'])}",
    ),
    _Source(
        "document_versions",
        "t.tenant_id = %(tenant)s AND t.replaced_at < %(began)s",
        keys=(("document_id", "bigint"), ("version", "bigint")),
        size="(octet_length(t.content) + 1000)",
    ),
    _Source("expiry_notices"),
    _Source("notice_deliveries", keys=_BY_UUID),
    _Source("conversation_sessions", keys=_BY_UUID),
    _Source("conversation_messages", size="(octet_length(t.content) + 1000)"),
    _Source("api_usage"),
    _Source("audit_log", "t.tenant_id = %(tenant)s AND t.occurred_at < %(began)s", keys=_BY_UUID),
)
TABLES = tuple(source.table for source in _SOURCES)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of an archive.

    Attributes:
        lines: JSON lines, each ended by a line feed.
        rows: How many there are besides the header.
        next_cursor: Where the next page begins; None after the last.
    """

    lines: str
    rows: int
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class _Position:
    """How far an archive has been written: it is what a cursor says.

    Attributes:
        archive: The archive's id: its pages are taken back together, and with those of no other.
        began: When its first page was written.
        table: The table that is being written.
        after: The keys of its last row that was written, or nothing.
    """

    archive: str
    began: datetime
    table: str
    after: list[str | int] | None

    def at(self, table: str) -> "_Position":
        """Return this position if it is in a table, or else that table's beginning."""
        return self if self.table == table else replace(self, table=table, after=None)


def write_page(transaction: Transaction, cursor: str | None, maximum_bytes: int) -> Page:
    """Write the next page of the archive of the transaction's tenant.

    Args:
        transaction: Background work of the tenant.
        cursor: Where it begins; None begins a new archive.
        maximum_bytes: The page is no longer, unless a single row is.

    Raises:
        InvalidArgument: When the cursor is malformed, or another tenant's.
    """
    transaction.execute(_SETTINGS)
    now = transaction.rows(_BEGIN)[0]
    position = (
        _Position(str(uuid.uuid4()), now["began"], TABLES[0], None)
        if cursor is None
        else _read_cursor(cursor, transaction.tenant_id)
    )
    lines = [_header(transaction.tenant_id, position, now["schema_version"])]
    size = len(lines[0])
    for source in _SOURCES[TABLES.index(position.table) :]:
        position = position.at(source.table)
        while rows := _next_rows(transaction, source, position, max(maximum_bytes - size, 1)):
            for row in rows:
                line = row.pop("line").translate(_LINE_BREAKS) + "\n"
                size += len(line.encode())
                if size > maximum_bytes and len(lines) > 1:
                    return Page("".join(lines), len(lines) - 1, _cursor(transaction.tenant_id, position))
                lines.append(line)
                position = replace(position, after=[_plain(row[name]) for name, _ in source.keys])
    return Page("".join(lines), len(lines) - 1, None)


def _next_rows(transaction: Transaction, source: _Source, position: _Position, room: int) -> list[Row]:
    """Return a table's next lines with their keys, about as many as fit, and one at least while there is any."""
    after: Sequence[object] = position.after or [None] * len(source.keys)
    parameters: dict[str, object] = {"tenant": transaction.tenant_id, "began": position.began, "room": room}
    parameters |= {f"after_{name}": value for (name, _), value in zip(source.keys, after, strict=True)}
    return transaction.rows(source.statement, parameters)


def _header(tenant_id: str, position: _Position, schema_version: str) -> str:
    """Write the first line of a page."""
    header = {
        "format": FORMAT,
        "version": VERSION,
        "schema_version": schema_version,
        "tenant": tenant_id,
        "archive": position.archive,
        "exported_at": position.began.isoformat(),
    }
    return json.dumps(header) + "\n"


def _cursor(tenant_id: str, position: _Position) -> str:
    """Write where the next page begins."""
    content = [tenant_id, position.archive, position.began.isoformat(), position.table, position.after]
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def _read_cursor(cursor: str, tenant_id: str) -> _Position:
    """Read a cursor, which may be anything.

    Raises:
        InvalidArgument: When it is not one of this tenant.
    """
    try:
        tenant, archive, began, table, after = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        [source] = [source for source in _SOURCES if source.table == table]
        start = moment("cursor", began)
        if identifier("cursor", tenant) != tenant_id or start is None:
            raise ValueError
        keys = (
            None if after is None else [_checked(kind, key) for (_, kind), key in zip(source.keys, after, strict=True)]
        )
        return _Position(identifier("cursor", archive), start, source.table, keys)
    except (ValueError, TypeError, RecursionError, InvalidArgument):
        raise InvalidArgument("cursor is not one that this tenant's export has returned.") from None


def _checked(kind: str, key: object) -> str | int:
    """Check a key of a cursor."""
    return identifier("cursor", key) if kind == "uuid" else integer("cursor", key, 0, _GREATEST_KEY)


def _plain(key: Any) -> str | int:
    """Give a key as JSON has it."""
    return key if isinstance(key, int) else str(key)
