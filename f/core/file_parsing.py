"""Parsing a file under its lease, and what a caller is told of it.

Shared module. A run may be killed at any moment: what it held is taken up again when its lease is over, and what was
found is written in one transaction.
"""

import time
from collections.abc import Callable
from typing import TypedDict

from f.core.database import Database
from f.core.errors import DatabaseUnavailable, InvalidArgument, KnowledgeError, ParsingInterrupted
from f.core.files import LEASE_SECONDS, HeldFile, Part, fail, finish, keep
from f.core.identity import Caller
from f.core.job import run_id
from f.core.ocr_confidence import is_doubtful
from f.core.parsed_parts import MAY_PASS, ParsingFailure, ParsingSettings
from f.core.parsing import parse

_HEARTBEAT_SECONDS = LEASE_SECONDS / 8
_PERCENT_SECONDS = 2.0


class InsideData(TypedDict):
    """A file that has text, or should have, and how far it is; ``status`` is that of its document once it has one."""

    file_id: int
    name: str | None
    status: str
    document_id: int | None
    error: str | None
    error_code: str | None


class ParsedFileData(TypedDict):
    """What was found in a file.

    ``files`` are the file itself, if it has text, and what was inside; ``waiting`` are those whose document is to be
    stored or embedded next. ``duplicate_of`` is the document of a file that had been handed in before.
    """

    file_id: int
    status: str
    media_type: str | None
    pages: int | None
    ocr_pages: int
    ocr_confidence: float | None
    low_confidence: bool
    warnings: list[str]
    files: list[InsideData]
    waiting: list[int]
    duplicate_of: int | None


class _LeaseLost(Exception):
    """The file is another run's by now."""


def parse_held(database: Database, tenant: Caller, held: HeldFile) -> None:
    """Parse a file that this run holds, and write what was found; one that was lost meanwhile is left alone.

    Raises:
        KnowledgeError: When something broke; the file waits for another try.
    """
    try:
        parts = parse(held.content, held.name, ParsingSettings(), _heartbeat(database, tenant, held))
        with database.transaction(tenant) as transaction:
            finish(transaction, held.id, run_id(), parts)
    except _LeaseLost:
        return
    except DatabaseUnavailable:
        raise  # nothing can be written of it; the lease ends by itself
    except Exception as error:
        reason = str(error) if isinstance(error, KnowledgeError) else f"Parsing broke off ({type(error).__name__})."
        with database.transaction(tenant) as transaction:
            fail(transaction, held.id, run_id(), ParsingFailure("interrupted", reason), passes=True)
        raise


def outcome_of(parts: list[Part], *, was_there: bool) -> ParsedFileData:
    """Tell what has become of a file that was handed in.

    Args:
        parts: The file, and what was inside of it.
        was_there: Whether this run found it parsed already.

    Raises:
        InvalidArgument: When the file cannot be read, with the stable word for why.
        ParsingInterrupted: When that depends on the machine: it waits for another try, or there were enough.
    """
    whole, inside = parts[0], parts[1:]
    if whole.document_id is None and whole.failure_code is not None:
        if whole.status == "failed" and whole.failure_code not in MAY_PASS:
            raise InvalidArgument(whole.failure_reason, code=whole.failure_code, about=("file", whole.id))
        raise ParsingInterrupted(whole.failure_reason, code=whole.failure_code, about=("file", whole.id))
    with_text = parts if whole.step == "store" else inside
    return ParsedFileData(
        file_id=whole.id,
        status=whole.status,
        media_type=whole.media_type,
        pages=whole.page_count,
        ocr_pages=whole.ocr_pages,
        ocr_confidence=whole.ocr_confidence,
        low_confidence=any(is_doubtful(part.ocr_confidence) for part in parts),
        warnings=whole.warnings,
        files=[
            InsideData(
                file_id=part.id,
                name=part.name,
                status=part.status,
                document_id=part.document_id,
                error=part.failure_reason,
                error_code=part.failure_code,
            )
            for part in with_text
            if part.is_told
        ],
        waiting=[part.id for part in with_text if part.status != "completed" and part.step == "store"],
        duplicate_of=whole.document_id if was_there and whole.is_told else None,
    )


def _heartbeat(database: Database, tenant: Caller, held: HeldFile) -> Callable[[int], None]:
    """Return what parsing calls about once a second: it keeps the lease, and writes how far parsing is."""
    written_at, written = time.monotonic(), 0

    def tell(percent: int) -> None:
        nonlocal written_at, written
        age = time.monotonic() - written_at
        if age < _PERCENT_SECONDS or (percent == written and age < _HEARTBEAT_SECONDS):
            return
        with database.transaction(tenant) as transaction:
            is_ours = keep(transaction, held.id, run_id(), percent)
        if not is_ours:
            raise _LeaseLost
        written_at, written = time.monotonic(), percent

    return tell
