"""The whole command, on data of one's own, with models on loopback. Needs what `make evaluate` installs."""

import json
from pathlib import Path

import pytest

from tests.support.provider_servers import openai_server

pytest.importorskip("bm25s", reason="evaluation/requirements.txt is not installed here")
pytest.importorskip("matplotlib", reason="evaluation/requirements.txt is not installed here")

from evaluation.__main__ import main

PASSAGES = (
    {"id": "1", "title": "Trains", "text": "Trains are booked by the Travel Office. Seats are in second class."},
    {"id": "2", "title": "Parking", "text": "The car park opens at seven. Visitors park at the gate of Hall Two."},
    {"id": "3", "title": "Lunch", "text": "Lunch is served from noon. The kitchen of Hall Two closes at two."},
)
QUESTIONS = (
    {"passage": "1", "question": "Who books trains?", "answers": [{"text": "travel office"}]},
    {"passage": "2", "question": "When does the car park open?", "answers": [{"text": "seven"}]},
    {"passage": "3", "question": "When does the kitchen close in Hall Two?", "answers": [{"text": "two"}]},
    {"passage": "3", "question": "Is lunch served before noon in Hall Two?", "answers": [{"text": "from noon"}]},
)


def write(folder: Path) -> None:
    folder.mkdir()
    for name, rows in (("passages", PASSAGES), ("questions", QUESTIONS)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_folder_is_measured_with_a_server_that_embeds_answers_and_judges(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "data")
    with openai_server() as server:
        server.answer = lambda messages: (
            '{"statements": 2, "supported": 1, "relevance": 4}'
            if "You grade" in messages[0]["content"]
            else "The Travel Office books trains [1]."
        )
        address = f"{server.base_url}/v1"
        chosen = ["--provider", "openai_compatible", "--model", "m", "--base-url", address, "--chat-model", "c"]
        judge = ["--judge-model", "j", "--judge-base-url", address]
        folders = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "kept")]
        assert main([*folders, *chosen, *judge]) == 0

    printed = capsys.readouterr().out
    assert "Words alone, as a member, against plain BM25" in printed
    lines = [json.loads(line) for line in (tmp_path / "out" / "quality.jsonl").read_text().splitlines()]
    assert lines[0]["table"] == "about"
    assert lines[0]["pgvector"]
    assert str(tmp_path) not in json.dumps(lines)
    rows = {table: [line for line in lines if line["table"] == table] for table in {line["table"] for line in lines}}
    assert [row["R@1"] for row in rows["words"] if row["method"] == "words alone"] == [1.0]
    assert {row["method"] for row in rows["hybrid"]} == {"words", "vectors", "fused"}
    (answers,) = rows["answers"]
    assert (answers["citation precision"], answers["faithfulness"], answers["relevance"]) == (1.0, 0.5, 1.0)
    assert answers["coverage"] == pytest.approx(1 / 4)
    assert {path.suffix for path in (tmp_path / "out").glob("quality-*")} == {".png", ".svg"}


def test_what_cannot_be_measured_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err == f"python -m evaluation: There is no folder {tmp_path / 'nowhere'}.\n"
