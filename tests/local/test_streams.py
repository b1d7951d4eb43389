"""Result streams and updates as server-sent events."""

import json
from pathlib import Path
from typing import Any

from local.server.server import LocalServer
from tests.local.conftest import Workbench
from tests.support.patience import PROMPTLY_SECONDS

SLOW_STREAM = """
import time
def main(pieces: list, pause: float):
    for piece in pieces:
        print("WM_STREAM: " + piece.replace("\\n", "\\\\n"))
        time.sleep(pause)
    return {"said": len(pieces)}
"""
GATED_STREAM = """
import os, time
def main(pieces: list, folder: str):
    for number, piece in enumerate(pieces):
        while len(os.listdir(folder)) < number:
            time.sleep(0.01)
        print("WM_STREAM: " + piece.replace("\\n", "\\\\n"))
    return {"said": len(pieces)}
"""
"""Says a piece more for each file that is put into a folder."""


def _text(events: list[dict[str, Any]]) -> str:
    return "".join(event.get("new_result_stream", "") for event in events)


def test_the_stream_arrives_while_the_job_runs(bench: Workbench, tmp_path: Path) -> None:
    path = bench.script("f/streams/gated", GATED_STREAM)
    arrived: list[str] = []
    url, body = f"/jobs/run_and_stream/p/{path}", {"pieces": ["one\n", "two", "three"], "folder": str(tmp_path)}
    with bench.client.stream("POST", url, json=body) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = []
        for line in answer.iter_lines():
            if line:
                events.append(json.loads(line.removeprefix("data: ")))
                if text := events[-1].get("new_result_stream"):
                    arrived.append(text)
                    (tmp_path / str(len(arrived))).touch()  # until then the job goes no further
    assert arrived == ["one\n", "two", "three"]
    last = events[-1]
    assert (last["type"], last["completed"]) == ("update", True)
    assert last["only_result"] == {"said": 3, "wm_stream": "one\ntwothree"}


def test_a_client_resumes_where_it_stopped(bench: Workbench) -> None:
    path = bench.script("f/streams/slow", SLOW_STREAM)
    job_id = bench.start(path, {"pieces": ["abc", "def"], "pause": 0.0})
    first = bench.events(job_id, only_result="true")
    offset = max(event.get("stream_offset", 0) for event in first)
    assert _text(first) == "abcdef"
    assert _text(bench.events(job_id, only_result="true", stream_offset="3")) == "def"
    assert _text(bench.events(job_id, only_result="true", stream_offset=str(offset))) == ""
    assert bench.events(job_id, only_result="true", stream_offset=str(offset))[-1]["only_result"]["said"] == 2


def test_the_stream_closes_after_its_time_and_is_taken_up_again(tmp_path: Path) -> None:
    with LocalServer(stream_seconds=0.5) as server:
        bench = Workbench(server)
        path = bench.script("f/streams/gated", GATED_STREAM)
        job_id = bench.start(path, {"pieces": ["ab", "cd"], "folder": str(tmp_path)}, timeout=str(PROMPTLY_SECONDS))
        told: list[str] = []
        completed = False
        while not completed:
            events = bench.events(job_id, only_result="true", stream_offset=str(len("".join(told))))
            completed = events[-1].get("completed", False)
            assert completed or events[-1] == {"type": "timeout"}
            told += filter(None, [_text(events)])
            if told:
                (tmp_path / "1").touch()
    assert told == ["ab", "cd"]


def test_logs_come_as_updates_too(bench: Workbench) -> None:
    path = bench.script("f/streams/logs", "def main():\n    print('a line')\n    return 1\n")
    events = bench.events(bench.start(path))
    assert "a line\n" in "".join(event.get("new_logs", "") for event in events)
    assert events[-1]["job"]["result"] == 1
    once = bench.client.get(f"/jobs_u/getupdate/{events[-1]['job']['id']}", params={"log_offset": "0"}).json()
    assert once["completed"]
    assert "a line\n" in once["new_logs"]


def test_an_unknown_job_is_not_found(bench: Workbench) -> None:
    assert bench.events("00000000-0000-0000-0000-000000000000") == [{"type": "notfound"}]


def test_of_a_flow_only_the_last_steps_stream_is_seen(bench: Workbench) -> None:
    bench.script("f/streams/slow", SLOW_STREAM)
    path = bench.flow(
        "f/streams/flow",
        """
        modules:
          - id: first
            value: &step
              type: script
              path: f/streams/slow
              input_transforms:
                pieces: {type: static, value: [hidden]}
                pause: {type: static, value: 0}
          - id: last
            value:
              type: script
              path: f/streams/slow
              input_transforms:
                pieces: {type: static, value: [seen, " too"]}
                pause: {type: static, value: 0.2}
        """,
    )
    job_id = bench.client.post(f"/jobs/run/f/{path}", json={}).text
    events = bench.events(job_id, only_result="true")
    assert _text(events) == "seen too"
    assert events[-1]["only_result"] == {"said": 2, "wm_stream": "seen too"}
