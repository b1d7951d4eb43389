"""What became of each of several files, from what their flows have answered.

Shared module, pure. A sentence of an error is passed on only when it is one of ours, which hold no content.
"""

from collections.abc import Sequence
from typing import TypedDict

import f.core.errors  # noqa: F401 -- refuses to run as a script

_LONGEST_NAME = 500


class FileOutcome(TypedDict):
    """A file that was given: whether it went in, and why not."""

    name: str | None
    success: bool
    file_id: int | None
    status: str
    document_ids: list[int]
    error: str | None
    error_code: str | None


def outcomes_of(names: Sequence[object], answers: Sequence[object]) -> list[FileOutcome]:
    """Tell of each file what its flow has answered.

    Args:
        names: The files' names; what is no text is none.
        answers: The envelope of get_ingest_status, that of a failure, or what Windmill puts in place of an answer.
    """
    return [_outcome(name, answer) for name, answer in zip(names, answers, strict=True)]


def _outcome(name: object, answer: object) -> FileOutcome:
    """Tell of one file."""
    shown = name[:_LONGEST_NAME] if isinstance(name, str) else None
    envelope = answer if isinstance(answer, dict) else {}
    data = envelope.get("data")
    items = data.get("items") if envelope.get("success") is True and isinstance(data, dict) else None
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        return _failed(shown, envelope.get("result"))
    whole = items[0]
    documents = [item["document_id"] for item in items if isinstance(item.get("document_id"), int)]
    return FileOutcome(
        name=shown,
        success=whole.get("status") == "completed",
        file_id=whole.get("file_id") if isinstance(whole.get("file_id"), int) else None,
        status=str(whole.get("status")),
        document_ids=list(dict.fromkeys(documents)),
        error=whole.get("error") if isinstance(whole.get("error"), str) else None,
        error_code=whole.get("error_code") if isinstance(whole.get("error_code"), str) else None,
    )


def _failed(name: str | None, body: object) -> FileOutcome:
    """Tell of a file whose flow has failed: with its own sentence, which report_failure has chosen."""
    told = body if isinstance(body, dict) else {}
    error, code = told.get("error"), told.get("error_code")
    return FileOutcome(
        name=name,
        success=False,
        file_id=None,
        status="failed",
        document_ids=[],
        error=error if isinstance(error, str) else "It could not be taken in; the job's record says why.",
        error_code=code if isinstance(code, str) else "flow_failed",
    )
