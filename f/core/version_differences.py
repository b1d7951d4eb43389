"""What differs between two versions of a document: its fields, and its text by lines and words.

Shared module. Both versions are read under the caller's sight, and that they were read is noted in the audit log where
either is for admins or for one member alone.
"""

from datetime import datetime
from typing import TypedDict

from f.core.audit import record_reading
from f.core.database import Transaction
from f.core.document_changes import changed_fields, fields_of
from f.core.document_versions import read_version
from f.core.text_differences import Hunk, differences


class FieldDifference(TypedDict):
    """A field, as it was and as it is; moments in ISO 8601."""

    field: str
    old: object
    new: object


class ComparisonData(TypedDict):
    """What differs between two versions: fields beside the text, and the first changes of the text.

    ``truncated`` when there are more changes than ``hunks``; the characters are counted over all of them.
    """

    document_id: int
    old_version: int
    new_version: int
    fields: list[FieldDifference]
    hunks: list[Hunk]
    removed_characters: int
    added_characters: int
    truncated: bool


def compare_versions(
    transaction: Transaction, document_id: int, old_version: int, new_version: int | None, most: int
) -> ComparisonData:
    """Return what differs between two versions of a document.

    Args:
        transaction: In whose name; who compares has read both.
        document_id: The document.
        old_version: The one from which the differences lead.
        new_version: The one to which they lead; None is the one that it is at.
        most: The most changes of the text to return.

    Raises:
        NotFound: When there is no such document, or not both versions, that the caller may see.
    """
    old, new = (read_version(transaction, document_id, version) for version in (old_version, new_version))
    record_reading(transaction, [(document_id, old["visibility"]), (document_id, new["visibility"])])
    before, after = fields_of(old), fields_of(new)
    found = differences(before.content or "", after.content or "", most)
    return ComparisonData(
        document_id=document_id,
        old_version=old["version"],
        new_version=new["version"],
        fields=[
            FieldDifference(field=name, old=_plain(getattr(before, name)), new=_plain(getattr(after, name)))
            for name in changed_fields(before, after)
            if name != "content"
        ],
        hunks=found.hunks,
        removed_characters=found.removed_characters,
        added_characters=found.added_characters,
        truncated=found.truncated,
    )


def _plain(value: object) -> object:
    """Give a field's value as JSON has it."""
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value
