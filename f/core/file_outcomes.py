"""What became of each of several files, from what their flows have answered.

Shared module, pure. A sentence of an error is passed on only when it is one of ours, which hold no content.
"""

from collections.abc import Collection, Sequence
from typing import TypedDict

import f.core.errors  # noqa: F401 -- refuses to run as a script

_LONGEST_NAME = 500


class FileOutcome(TypedDict):
    """A file that was given: whether it went in, and why not.

    ``duplicate_of`` are those of its documents that were there already; ``near_duplicates`` what is nearly the same as
    one that is new.
    """

    name: str | None
    success: bool
    file_id: int | None
    status: str
    document_ids: list[int]
    duplicate_of: list[int]
    near_duplicates: list[object]
    error: str | None
    error_code: str | None


def outcomes_of(names: Sequence[object], answers: Sequence[object]) -> list[FileOutcome]:
    """Tell of each file what its flow has answered.

    Args:
        names: The files' names; what is no text is none.
        answers: The envelope of get_ingest_status, that of a failure, or what Windmill puts in place of an answer.
    """
    return [_outcome(name, answer) for name, answer in zip(names, answers, strict=True)]


def refused(outcomes: Sequence[FileOutcome], kept: Collection[int | None]) -> int:
    """Count the files of a batch that were refused before they were kept.

    Args:
        outcomes: Those of all files that were given.
        kept: The ids of the files that the batch has. A file that was kept and then failed is among them, but its
            outcome does not name it.
    """
    named = {outcome["file_id"] for outcome in outcomes}
    nameless = sum(outcome["file_id"] is None for outcome in outcomes)
    return max(0, nameless - sum(file_id not in named for file_id in kept))


def near_duplicates_of(answers: Sequence[object]) -> dict[int, list[object]]:
    """Return what is nearly the same as each new document, from what log_usage has answered of it."""
    found: dict[int, list[object]] = {}
    for answer in answers:
        data = answer.get("data") if isinstance(answer, dict) else None
        if isinstance(data, dict) and isinstance(data.get("document_id"), int):
            near = data.get("near_duplicates")
            found[data["document_id"]] = near if isinstance(near, list) else []
    return found


def _outcome(name: object, answer: object) -> FileOutcome:
    """Tell of one file."""
    shown = name[:_LONGEST_NAME] if isinstance(name, str) else None
    envelope = answer if isinstance(answer, dict) else {}
    data = envelope.get("data")
    items = data.get("items") if envelope.get("success") is True and isinstance(data, dict) else None
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        return _failed(shown, envelope.get("result"))
    whole = items[0]
    documents, same = (
        list(dict.fromkeys(item[key] for item in items if isinstance(item.get(key), int)))
        for key in ("document_id", "duplicate_of")
    )
    near = [each for item in items if isinstance(item.get("near_duplicates"), list) for each in item["near_duplicates"]]
    return FileOutcome(
        name=shown,
        success=whole.get("status") == "completed",
        file_id=whole.get("file_id") if isinstance(whole.get("file_id"), int) else None,
        status=str(whole.get("status")),
        document_ids=documents,
        duplicate_of=same,
        near_duplicates=near,
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
        duplicate_of=[],
        near_duplicates=[],
        error=error if isinstance(error, str) else "It could not be taken in; the job's record says why.",
        error_code=code if isinstance(code, str) else "flow_failed",
    )
