"""Ids in an archive, and what they are here.

Shared module. Members, documents and chunks that are imported get ids of this database, because those of another could
meet ids that are given here later. ``imported_ids`` remembers them from page to page, and whatever names one is changed
with it. What names something that was gone already when the archive was written gets a new number too, so that it
never names something else.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from f.core.archive_lines import Line
from f.core.arguments import MAXIMUM_ID
from f.core.database import Transaction

_SEQUENCES = {"member": "family_members_id_seq", "document": "documents_id_seq", "chunk": "document_chunks_id_seq"}

_GIVE = """
-- What is named for the first time gets an id, in the order of the old ones.
WITH wanted AS (
    SELECT old_id, row_number() OVER (ORDER BY old_id) AS number
    FROM (SELECT DISTINCT unnest(%(old)s::integer[]) AS old_id) AS named
    WHERE NOT EXISTS (SELECT FROM imported_ids AS known
                      WHERE known.tenant_id = %(tenant)s AND known.kind = %(kind)s AND known.old_id = named.old_id)
), given AS (
    SELECT id, row_number() OVER (ORDER BY id) AS number
    FROM (SELECT new_id(%(sequence)s)::integer AS id FROM wanted) AS drawn
)
INSERT INTO imported_ids (tenant_id, kind, old_id, new_id)
SELECT %(tenant)s, %(kind)s, old_id, id FROM wanted JOIN given USING (number)
"""

_LOOK_UP = """
SELECT old_id, new_id FROM imported_ids
WHERE tenant_id = %(tenant)s AND kind = %(kind)s AND old_id = ANY (%(old)s::integer[])
"""


@dataclass(frozen=True, slots=True)
class _Names:
    """What a table's columns name.

    Attributes:
        own: The kind of its own id, where that is remembered.
        there: Columns that name what must have been imported, with its kind.
        perhaps: Columns that may name what is gone.
    """

    own: str | None = None
    there: tuple[tuple[str, str], ...] = ()
    perhaps: tuple[tuple[str, str], ...] = ()


_NAMES = {
    "family_members": _Names("member"),
    "documents": _Names("document", there=(("assigned_to", "member"), ("created_by", "member"))),
    "document_chunks": _Names("chunk", there=(("document_id", "document"),)),
    "document_versions": _Names(
        there=(("document_id", "document"), ("assigned_to", "member"), ("changed_by", "member"))
    ),
    "notice_deliveries": _Names(there=(("document_id", "document"), ("member_id", "member"))),
    "expiry_notices": _Names(there=(("document_id", "document"), ("member_id", "member"))),
    "conversation_sessions": _Names(there=(("member_id", "member"),)),
    "api_usage": _Names(there=(("member_id", "member"),), perhaps=(("document_id", "document"),)),
    "audit_log": _Names(perhaps=(("member_id", "member"),)),
}
_CITED = (("document_id", "document"), ("chunk_id", "chunk"))


@dataclass(slots=True)
class ImportedIds:
    """The ids of one tenant's archive, as far as the page has asked for them."""

    transaction: Transaction
    _here: dict[tuple[str, int], int] = field(default_factory=dict)

    def learn(self, lines: Sequence[Line]) -> None:
        """Find out all ids that lines name, and give one to what is named for the first time.

        Raises:
            InvalidArgument: When a line names something by what is no id.
        """
        given = {named for line in lines for named in _may_be_new(line)}
        needed = {named for line in lines for named in _columns(line, _names(line).there)}
        for kind, sequence in _SEQUENCES.items():
            fresh = sorted(old for one, old in given if one == kind)
            wanted = [old for one, old in given | needed if one == kind]
            parameters = {"tenant": self.transaction.tenant_id, "kind": kind, "sequence": sequence}
            if fresh:
                self.transaction.execute(_GIVE, {**parameters, "old": fresh})
            if wanted:
                for row in self.transaction.rows(_LOOK_UP, {**parameters, "old": wanted}):
                    self._here[kind, row["old_id"]] = row["new_id"]

    def changes(self, line: Line) -> dict[str, Any]:
        """Return the columns of a line that name something, as they are here.

        Raises:
            InvalidArgument: When it names something that must be there and has not been imported.
        """
        names = _names(line)
        changed: dict[str, Any] = {}
        if names.own:
            changed["id"] = self._here[names.own, line.row["id"]]
        for column, kind in names.there + names.perhaps:
            if line.row[column] is not None:
                if (kind, line.row[column]) not in self._here:
                    raise line.refused(
                        f"it refers to a {kind} that has not been imported; pages come in the order of the export."
                    )
                changed[column] = self._here[kind, line.row[column]]
        if line.table == "conversation_messages":
            changed["sources"] = [self._here["document", one] for one in line.row["sources"]]
            changed["citations"] = [
                {**citation, **{key: self._here[kind, citation[key]] for key, kind in _CITED}}
                for citation in line.row["citations"]
            ]
        target = _target(line)
        if target:
            changed["target_id"] = str(self._here[target])
        return changed


def _names(line: Line) -> _Names:
    """Say what the columns of a line's table name."""
    return _NAMES.get(line.table, _Names())


def _may_be_new(line: Line) -> Iterator[tuple[str, int]]:
    """Yield what a line names and what need not be there: itself, and what may be gone."""
    names = _names(line)
    if names.own:
        yield names.own, line.id(line.row["id"])
    yield from _columns(line, names.perhaps)
    if line.table == "conversation_messages":
        citations, sources = line.row["citations"], line.row["sources"]
        if not _is_list_of(citations, dict) or not isinstance(sources, list):
            raise line.refused("its citations or sources have another form.")
        yield from (("document", line.id(one)) for one in sources)
        yield from ((kind, line.id(one.get(key))) for one in citations for key, kind in _CITED)
    target = _target(line)
    if target:
        yield target


def _columns(line: Line, columns: Iterable[tuple[str, str]]) -> Iterator[tuple[str, int]]:
    """Yield what some columns of a line name."""
    for column, kind in columns:
        if line.row[column] is not None:
            yield kind, line.id(line.row[column])


def _target(line: Line) -> tuple[str, int] | None:
    """Return the member or document that an entry of the audit log tells of."""
    if line.table != "audit_log" or line.row["target_type"] not in ("member", "document"):
        return None
    number = line.row["target_id"]
    if not isinstance(number, str) or not number.isascii() or not number.isdecimal() or len(number) > 10:
        return None
    return (line.row["target_type"], int(number)) if 1 <= int(number) <= MAXIMUM_ID else None


def _is_list_of(value: object, kind: type) -> bool:
    """Tell whether a value is a list of such items."""
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)
