"""Reads a folder of evaluation data: passages with a tenant each, and questions that name the passage which answers.

README.md describes the format. A row that breaks it is refused with its file and line, before anything is measured.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PASSAGES, QUESTIONS = "passages.jsonl", "questions.jsonl"
ONLY_TENANT = "all"


class DataError(ValueError):
    """A folder, or a row in it, is not as evaluation/README.md describes."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A text to be found, which is stored as a document of its own."""

    id: str
    tenant: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """What one tenant's member asks; each (tenant, question) is asked once.

    Attributes:
        passages: The ids of all passages that some row gives for it: any of them is a hit.
        answers: The texts that answer it, of the first of those passages; none where the data names none.
    """

    tenant: str
    text: str
    passages: tuple[str, ...]
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Passages and the questions that are asked of them.

    Attributes:
        name: Its folder and its file's prefix, such as ``xquad/en``.
    """

    name: str
    passages: tuple[Passage, ...]
    questions: tuple[Question, ...]

    @property
    def tenants(self) -> list[str]:
        """The tenants that have passages, in the order of their first."""
        return list(dict.fromkeys(passage.tenant for passage in self.passages))

    def first(self, questions: int | None) -> "EvaluationSet":
        """Return the set with so many questions, spread evenly over all; None keeps all of them."""
        if questions is None or questions >= len(self.questions):
            return self
        step = len(self.questions) / questions
        return EvaluationSet(
            self.name, self.passages, tuple(self.questions[int(number * step)] for number in range(questions))
        )


def read_sets(folder: Path) -> list[EvaluationSet]:
    """Read all sets under a folder, in the order of their names.

    Raises:
        DataError: When there is none, or a row is malformed.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.")
    found = [_read_set(folder, file) for file in sorted(folder.rglob(f"*{PASSAGES}"))]
    if not found:
        raise DataError(f"{folder} holds no {PASSAGES}, nor one with a prefix such as en.{PASSAGES}.")
    return found


def _read_set(folder: Path, file: Path) -> EvaluationSet:
    """Read the set of one file of passages, and of the questions beside it."""
    prefix = file.name.removesuffix(PASSAGES)
    questions = file.with_name(prefix + QUESTIONS)
    if not questions.is_file():
        raise DataError(f"{file} has no {questions.name} beside it.")
    parts = [*file.parent.relative_to(folder).parts, *([prefix.rstrip(".")] if prefix else [])]
    passages = _read_passages(file)
    return EvaluationSet(
        "/".join(parts) or folder.resolve().name,
        passages,
        read_questions(questions, {(passage.tenant, passage.id) for passage in passages}),
    )


def _read_passages(file: Path) -> tuple[Passage, ...]:
    """Read passages, each id once within its tenant."""
    found: dict[tuple[str, str], Passage] = {}
    for place, row in _rows(file):
        passage = Passage(
            _text(row, "id", place),
            _text(row, "tenant", place, ONLY_TENANT),
            _text(row, "title", place, "").strip() or _text(row, "id", place),
            _text(row, "text", place),
        )
        if (passage.tenant, passage.id) in found:
            raise DataError(f"{place}: the passage {passage.id} is there twice in the tenant {passage.tenant}.")
        found[passage.tenant, passage.id] = passage
    return tuple(found.values())


def read_questions(file: Path, known: set[tuple[str, str]]) -> tuple[Question, ...]:
    """Read questions, those that a tenant asks more than once as one with several passages.

    Args:
        file: The file of questions.
        known: Each passage's tenant and id.

    Raises:
        DataError: When a row is malformed, or names a passage that is not known.
    """
    found: dict[tuple[str, str], Question] = {}
    for place, row in _rows(file):
        tenant, passage = _text(row, "tenant", place, ONLY_TENANT), _text(row, "passage", place)
        if (tenant, passage) not in known:
            raise DataError(f"{place}: the tenant {tenant} has no passage {passage}.")
        text, answers = _text(row, "question", place), _answers(row, place)
        before = found.get((tenant, text), Question(tenant, text, (), answers))
        if passage not in before.passages:
            before = Question(tenant, text, (*before.passages, passage), before.answers)
        found[tenant, text] = before
    return tuple(found.values())


def _rows(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of a file of JSON lines, each with where it stands."""
    try:
        lines = file.read_text("utf-8").split("\n")  # a text may hold what splitlines takes for the end of a line
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: it is not UTF-8 (byte {error.start}).") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"{file}, line {number}"
        try:
            row = json.loads(line)
        except ValueError:
            raise DataError(f"{place}: it is not JSON.") from None
        if not isinstance(row, dict):
            raise DataError(f"{place}: it is not a JSON object.")
        yield place, row


def _text(row: dict[str, Any], key: str, place: str, default: str | None = None) -> str:
    """Return a field of a row that must be a text, and must not be empty unless it has a default."""
    value = row.get(key, default)
    if not isinstance(value, str) or (default is None and not value.strip()):
        raise DataError(f"{place}: {key} must be a text.")
    return value


def _answers(row: dict[str, Any], place: str) -> tuple[str, ...]:
    """Return the texts of a question's answers."""
    answers = row.get("answers") or []
    if not isinstance(answers, list) or not all(
        isinstance(answer, dict) and isinstance(answer.get("text"), str) for answer in answers
    ):
        raise DataError(f'{place}: answers must be a list of objects such as {{"text": "...", "start": 0}}.')
    return tuple(answer["text"] for answer in answers if answer["text"].strip())
