"""Taking an archive back: a page at a time, each in one transaction, and each as often as one likes.

Shared module. A row that is there already is left as it is; ids are changed (``f.core.archive_ids``), accounts are
found by their e-mail address, and what is derived is computed again: words as ``f.core.documents`` computes them, the
hash and the sketch of a text, and the state of a document that was being processed somewhere. A page that cannot be
taken back as a whole is not taken back at all.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from f.core.archive import TABLES
from f.core.archive_ids import ImportedIds
from f.core.archive_lines import WITH_TEXT, Header, Line, expected_columns, read_page
from f.core.database import Transaction
from f.core.document_bands import write_missing_bands
from f.core.documents import content_hash, searched_text
from f.core.errors import Conflict, InvalidArgument, StatementRefused
from f.core.hidden_text import visible_text

MAXIMUM_LINES = 320_000_000
"""The most characters of a page: more than the export writes, where a document's text may take six each in JSON."""

_COLUMNS = """
SELECT c.relname::text AS name, array_agg(a.attname::text) AS columns
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%s)
GROUP BY c.relname
"""

_PATIENCE = "SET LOCAL statement_timeout = '10min'"
_WAIT = "SELECT pg_advisory_xact_lock(hashtextextended('import:' || %s, 0))"
_FIND_TENANT = "SELECT imported_from::text AS archive FROM tenants WHERE id = %s"
_ENTER = "SELECT language FROM enter_tenant(%s, NULL, 'system')"
_ACCOUNTS = "SELECT email, id::text AS id FROM users WHERE email = ANY (%s)"
_DOCUMENTS = "SELECT id, title, language, content FROM documents WHERE tenant_id = %s AND id = ANY (%s)"

_SUM_WORDS = """
-- A document whose chunks are all there counts their words, which this database may have stemmed in another way.
UPDATE documents AS d SET word_count = whole.words
FROM (SELECT document_id, count(*) AS chunks, sum(word_count) AS words FROM document_chunks
      WHERE tenant_id = %(tenant)s AND document_id = ANY (%(documents)s) GROUP BY document_id) AS whole
WHERE d.tenant_id = %(tenant)s AND d.id = whole.document_id AND d.chunk_count = whole.chunks
  AND d.word_count <> whole.words
"""

_CHANGED = "(given.line::jsonb -> 'row') || given.change::jsonb"
_SEARCHED = """
CROSS JOIN LATERAL (
    SELECT jsonb_build_object('words', stems::text, 'word_count',
               (SELECT coalesce(sum(cardinality(word.positions)), 0) FROM unnest(stems) AS word)) AS more
    FROM words_of(given.change::jsonb ->> 'language', given.change::jsonb ->> 'searched') AS stems
) AS derived
"""


def _insertion(table: str, conflict: str, *, columns: str = "*", more: str = "", derived: str = "") -> str:
    """Make the statement that inserts lines of a table, of constants of this module.

    Args:
        table: Its name.
        conflict: The key by which a row is there already.
        columns: The only columns that are taken, if not all.
        more: An expression that is added to a row.
        derived: Where that expression comes from.
    """
    into, taken = ("", "r.*") if columns == "*" else (f" ({columns})", columns)
    return f"""
    WITH added AS (
        INSERT INTO {table}{into}
        SELECT {taken} FROM unnest(%(lines)s::text[], %(changes)s::text[]) AS given (line, change)
        {derived} CROSS JOIN LATERAL jsonb_populate_record(NULL::{table}, {_CHANGED}{more}) AS r
        ON CONFLICT {conflict} DO NOTHING RETURNING 1
    )
    SELECT count(*) AS added FROM added
    """  # noqa: S608 -- see above


def _with_new_id(sequence: str) -> str:
    """Make the expression that gives a row an id that nothing names."""
    return f" || jsonb_build_object('id', new_id('{sequence}'))"


_INSERT = {
    "tenants": _insertion("tenants", ""),
    "users": _insertion("users", "(email)", columns="email, created_at"),
    "tenant_memberships": _insertion("tenant_memberships", "(tenant_id, user_id)"),
    "family_members": _insertion("family_members", "(tenant_id, id)"),
    "documents": _insertion("documents", "(tenant_id, id)"),
    "document_chunks": _insertion("document_chunks", "(tenant_id, id)", more=" || derived.more", derived=_SEARCHED),
    "expiry_notices": _insertion(
        "expiry_notices",
        "(tenant_id, document_id, member_id, threshold, expires_at)",
        more=_with_new_id("expiry_notices_id_seq"),
    ),
    "document_versions": _insertion("document_versions", "(tenant_id, document_id, version)"),
    "notice_deliveries": _insertion(
        "notice_deliveries", "(tenant_id, document_id, member_id, threshold, expires_at, channel)"
    ),
    "conversation_sessions": _insertion("conversation_sessions", "(tenant_id, id)"),
    "conversation_messages": _insertion(
        "conversation_messages",
        "(tenant_id, session_id, event_id, role)",
        more=_with_new_id("conversation_messages_id_seq"),
    ),
    "api_usage": _insertion("api_usage", "(tenant_id, event_id)", more=_with_new_id("api_usage_id_seq")),
    "audit_log": _insertion("audit_log", "(tenant_id, id)"),
}

_REFUSED_VALUES = ("22", "23", "54")
"""The classes of SQLSTATE that are about values and not about the statement."""
_MISSING_REFERENCE = "23503"


@dataclass(frozen=True, slots=True)
class Taken:
    """What a page has brought.

    Attributes:
        transaction: In the tenant's name.
        rows: How many rows the page has.
        imported: How many of them are new, by table.
    """

    transaction: Transaction
    rows: int
    imported: dict[str, int]


def take_page(outside: Transaction, lines: str, tenant_id: str | None, name: str | None, slug: str | None) -> Taken:
    """Take back a page.

    Args:
        outside: An operator's transaction outside any tenant.
        lines: JSON lines, as the export wrote them.
        tenant_id: The tenant that the archive becomes; without one it gets its own id again.
        name: What it is called then, if not as before.
        slug: Its slug then, if not as before.

    Raises:
        InvalidArgument: When a line is not as it should be, or comes too early.
        Conflict: When the tenant or the slug is there already, and is not of this archive.
    """
    columns = {row["name"]: row["columns"] for row in outside.rows(_COLUMNS, (list(TABLES),))}
    header, rows = read_page(lines, expected_columns(columns))
    target = tenant_id or header.tenant
    outside.execute(_PATIENCE)
    outside.execute(_WAIT, (target,))
    there = outside.row(_FIND_TENANT, (target,))
    if there is None:
        changes = {"name": name, "slug": slug}
        _create_tenant(outside, header, target, rows, {key: value for key, value in changes.items() if value})
    elif there["archive"] != header.archive:
        raise Conflict("There is a tenant with this id that is not from this archive: give another tenant_id.")
    language = outside.rows(_ENTER, (target,))[0]["language"]
    importer = _Importer(outside.named(target, None, "system", language), header)
    for table, group in groupby(rows, key=lambda line: line.table):
        if table != "tenants":
            importer.take(table, list(group))
    if there is None:
        importer.imported["tenants"] = 1
    return Taken(importer.transaction, len(rows), importer.imported)


def _create_tenant(
    outside: Transaction, header: Header, target: str, rows: Sequence[Line], changes: dict[str, str]
) -> None:
    """Create the tenant that an archive becomes, from the first line of its first page."""
    if not rows or rows[0].table != "tenants":
        raise Conflict("There is no such tenant yet: the first page of the archive comes first.")
    change = {"id": target, "imported_from": header.archive, **changes}
    if not _insert(outside, "tenants", rows[:1], [change]):
        raise Conflict("There is a tenant with this slug already: give another slug.")


@dataclass(slots=True)
class _Importer:
    """Takes rows into a tenant, and counts what is new."""

    transaction: Transaction
    header: Header
    imported: dict[str, int] = field(default_factory=dict)

    def take(self, table: str, lines: list[Line]) -> None:
        """Take rows of one table.

        Raises:
            InvalidArgument: When a line is not as it should be, or comes too early.
        """
        ids = ImportedIds(self.transaction)
        ids.learn(lines)
        changes = [{"tenant_id": self.transaction.tenant_id, **ids.changes(line)} for line in lines]
        self._name_accounts(lines, changes)
        for line, change in zip(lines, changes, strict=True):
            if table in WITH_TEXT:
                change.update(_text_changes(line))
            elif line.row.get("target_type") == "tenant" and line.row["target_id"] == self.header.tenant:
                change["target_id"] = self.transaction.tenant_id
        if table == "document_chunks":
            self._add_searched_texts(lines, changes)
        added = _insert(self.transaction, table, lines, changes)
        self.imported[table] = self.imported.get(table, 0) + added
        if table == "documents":
            write_missing_bands(self.transaction, [change["id"] for change in changes])
        if table == "document_chunks":
            documents = list({change["document_id"] for change in changes})
            self.transaction.execute(_SUM_WORDS, {"tenant": self.transaction.tenant_id, "documents": documents})

    def _name_accounts(self, lines: Sequence[Line], changes: Sequence[dict[str, Any]]) -> None:
        """Put in the accounts that have these addresses here."""
        named = [line.account for line in lines if line.account is not None]
        here = {row["email"]: row["id"] for row in self.transaction.rows(_ACCOUNTS, (named,))} if named else {}
        for line, change in zip(lines, changes, strict=True):
            if line.account is not None:
                if line.account not in here:
                    raise line.refused("its account has not been imported; pages come in the order of the export.")
                change["user_id"] = here[line.account]

    def _add_searched_texts(self, lines: Sequence[Line], changes: Sequence[dict[str, Any]]) -> None:
        """Put in what chunks are found by, when they are what stands in their documents."""
        wanted = list({change.get("document_id") for change in changes})
        rows = self.transaction.rows(_DOCUMENTS, (self.transaction.tenant_id, wanted))
        documents = {row["id"]: row for row in rows}
        for line, change in zip(lines, changes, strict=True):
            document, row = documents.get(change.get("document_id")), line.row
            if document is None:
                raise line.refused("its document is not there; pages come in the order of the export.")
            span = slice(line.offset(row["start_offset"]), line.offset(row["end_offset"]))
            if document["content"][span] != row["content"]:
                raise line.refused("it is not what stands in its document at that place.")
            searched = visible_text(searched_text(document["title"], row["heading"], row["content"]))
            change |= {"searched": searched, "language": document["language"]}


def _text_changes(line: Line) -> dict[str, Any]:
    """Say what is not taken from a document's or version's line: its text's hash, and that a run somewhere has it."""
    changed: dict[str, Any] = {"content_hash": f"\\x{content_hash(line.row['content']).hex()}"}
    if line.row.get("status") == "processing":
        changed |= {"status": "queued", "lease_holder": None, "lease_until": None}
    return changed


def _insert(transaction: Transaction, table: str, lines: Sequence[Line], changes: Sequence[dict[str, Any]]) -> int:
    """Insert rows and return how many are new. When they are refused, find the line that is to blame.

    Raises:
        InvalidArgument: When the database does not take a line.
    """
    transaction.execute("SAVEPOINT lines")
    try:
        return _add(transaction, table, lines, changes)
    except StatementRefused as error:
        if not error.sqlstate.startswith(_REFUSED_VALUES):
            raise
        if len(lines) == 1:
            raise _blame(lines[0], error) from None
    transaction.execute("ROLLBACK TO lines")
    half = len(lines) // 2
    parts = ((lines[:half], changes[:half]), (lines[half:], changes[half:]))
    return sum(_insert(transaction, table, *part) for part in parts)


def _add(transaction: Transaction, table: str, lines: Sequence[Line], changes: Sequence[dict[str, Any]]) -> int:
    """Insert rows and return how many are new."""
    parameters = {"lines": [line.text for line in lines], "changes": [json.dumps(change) for change in changes]}
    return int(transaction.rows(_INSERT[table], parameters)[0]["added"])


def _blame(line: Line, error: StatementRefused) -> InvalidArgument:
    """Say why the database does not take a line."""
    if error.sqlstate == _MISSING_REFERENCE:
        return line.refused("it refers to what has not been imported; pages come in the order of the export.")
    return line.refused("a value in it is not one that its column can have.")
