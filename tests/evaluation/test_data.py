"""Reading evaluation data: what is there, and what is refused with its place."""

import json
from pathlib import Path
from typing import Any

import pytest

from evaluation.data import DataError, read_sets

PASSAGE = {"id": "p1", "tenant": "one", "title": "Title", "text": "A text."}
QUESTION = {
    "id": "q1",
    "tenant": "one",
    "passage": "p1",
    "question": "What?",
    "answers": [{"text": "text", "start": 2}],
}


def write(folder: Path, name: str, *rows: dict[str, Any] | str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / name).write_text("\n".join(lines) + "\n", "utf-8")


def test_sets_are_found_by_their_files_and_named_by_folder_and_prefix(tmp_path: Path) -> None:
    for folder, prefix in ((tmp_path, ""), (tmp_path / "deep", "en."), (tmp_path / "deep", "el.")):
        write(folder, f"{prefix}passages.jsonl", PASSAGE)
        write(folder, f"{prefix}questions.jsonl", QUESTION)
    write(tmp_path / "other", "questions.jsonl", QUESTION)
    assert [found.name for found in read_sets(tmp_path)] == ["deep/el", "deep/en", tmp_path.name]


def test_a_question_that_is_asked_twice_is_one_with_two_passages(tmp_path: Path) -> None:
    write(tmp_path, "passages.jsonl", PASSAGE, PASSAGE | {"id": "p2"}, PASSAGE | {"tenant": "two"})
    rows = (QUESTION, QUESTION | {"passage": "p2", "answers": []}, QUESTION | {"tenant": "two"})
    write(tmp_path, "questions.jsonl", *rows)
    (found,) = read_sets(tmp_path)
    assert [(q.tenant, q.passages, q.answers) for q in found.questions] == [
        ("one", ("p1", "p2"), ("text",)),
        ("two", ("p1",), ("text",)),
    ]


def test_tenant_title_and_answers_may_be_left_out(tmp_path: Path) -> None:
    write(tmp_path, "passages.jsonl", {"id": "p1", "text": "A\u2028text."})
    write(tmp_path, "questions.jsonl", {"passage": "p1", "question": "What?"})
    (found,) = read_sets(tmp_path)
    assert found.passages[0].tenant == found.questions[0].tenant
    assert found.passages[0].title == "p1"
    assert found.questions[0].answers == ()


@pytest.mark.parametrize(
    ("passages", "questions", "said"),
    [
        ([PASSAGE, "{"], [QUESTION], "passages.jsonl, line 2: it is not JSON."),
        ([PASSAGE, "[]"], [QUESTION], "passages.jsonl, line 2: it is not a JSON object."),
        ([PASSAGE, PASSAGE], [QUESTION], "passages.jsonl, line 2: the passage p1 is there twice in the tenant one."),
        ([PASSAGE | {"text": " "}], [QUESTION], "passages.jsonl, line 1: text must be a text."),
        ([PASSAGE], [QUESTION | {"passage": "p9"}], "questions.jsonl, line 1: the tenant one has no passage p9."),
        ([PASSAGE], [QUESTION | {"tenant": "two"}], "questions.jsonl, line 1: the tenant two has no passage p1."),
        ([PASSAGE], [QUESTION | {"answers": ["text"]}], "questions.jsonl, line 1: answers must be a list of objects"),
        ([PASSAGE], [{"passage": "p1", "tenant": "one"}], "questions.jsonl, line 1: question must be a text."),
    ],
)
def test_a_row_that_breaks_the_format_is_refused_with_its_place(
    tmp_path: Path, passages: list[Any], questions: list[Any], said: str
) -> None:
    write(tmp_path, "passages.jsonl", *passages)
    write(tmp_path, "questions.jsonl", *questions)
    with pytest.raises(DataError, match=said.replace("(", r"\(")) as raised:
        read_sets(tmp_path)
    assert str(tmp_path) in str(raised.value)


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no passages\.jsonl"):
        read_sets(tmp_path)
    write(tmp_path, "en.passages.jsonl", PASSAGE)
    with pytest.raises(DataError, match=r"has no en\.questions\.jsonl beside it"):
        read_sets(tmp_path)


def test_the_first_questions_are_spread_over_all(tmp_path: Path) -> None:
    write(tmp_path, "passages.jsonl", PASSAGE)
    write(tmp_path, "questions.jsonl", *[QUESTION | {"question": f"What {number}?"} for number in range(10)])
    (found,) = read_sets(tmp_path)
    assert [question.text for question in found.first(3).questions] == ["What 0?", "What 3?", "What 6?"]
    assert found.first(None) is found
