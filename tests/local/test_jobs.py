"""The server survives what scripts do, runs many at once, and tells of them."""

import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]  # ships no types
import pytest

from local.server.jobs import MAX_LOG_CHARACTERS, Job, JobStore
from local.server.server import LocalServer
from tests.local.conftest import Workbench
from tests.support.patience import PROMPTLY_SECONDS, wait_until


@pytest.fixture(params=["warm_bench", "cold_bench"])
def bench(request: pytest.FixtureRequest) -> Workbench:
    """A server of each kind: what is said here holds however a job is started."""
    chosen: Workbench = request.getfixturevalue(request.param)
    return chosen


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        ("os._exit(3)", "ExitCode: 3"),
        ("os.kill(os.getpid(), 9)", "signal: 9"),
        ("ctypes.string_at(0)", "signal: 11"),
        ("sys.exit(0)", "0"),
    ],
)
def test_a_crash_fails_the_job_and_nothing_else(bench: Workbench, ending: str, told: str) -> None:
    path = bench.script("f/jobs/crash", f"import ctypes, os, sys\ndef main():\n    print('last words')\n    {ending}\n")
    answer = bench.run(path)
    assert answer.status_code == 422
    assert told in answer.json()["error"]["message"]
    assert bench.run(bench.script("f/jobs/fine", "def main():\n    return 'fine'\n")).json() == "fine"


def test_a_job_that_hangs_is_ended_after_its_timeout_with_its_children(bench: Workbench, tmp_path: Path) -> None:
    pid_file = tmp_path / "child"
    path = bench.script(
        "f/jobs/hang",
        f"""
        import subprocess, time
        def main():
            child = subprocess.Popen(["sleep", "600"])
            open({str(pid_file)!r}, "w").write(str(child.pid))
            print("hanging")
            time.sleep(600)
        """,
        timeout=3,
    )
    started = time.monotonic()
    answer = bench.run(path)
    assert answer.status_code == 422
    assert "timed out after 3s" in answer.json()["error"]["message"]
    assert time.monotonic() - started < PROMPTLY_SECONDS
    wait_until(lambda: not _is_alive(int(pid_file.read_text())), "the child is gone")


def test_a_canceled_job_is_ended_with_its_children(bench: Workbench, tmp_path: Path) -> None:
    pid_file = tmp_path / "pids"
    path = bench.script(
        "f/jobs/canceled",
        f"""
        import os, subprocess, time
        def main():
            child = subprocess.Popen(["sh", "-c", "sleep 600 & echo $!; wait"], stdout=subprocess.PIPE, text=True)
            pids = [os.getpid(), child.pid, int(child.stdout.readline())]
            open({str(pid_file)!r}, "w").write(" ".join(map(str, pids)) + ".")
            time.sleep(600)
        """,
    )
    job_id = bench.start(path)
    wait_until(lambda: pid_file.exists() and pid_file.read_text().endswith("."), "it has children")
    pids = [int(pid) for pid in pid_file.read_text().rstrip(".").split()]
    assert all(_is_alive(pid) for pid in pids)
    bench.client.post(f"/jobs_u/queue/cancel/{job_id}", json={})
    assert bench.wait(job_id)["result"]["error"]["name"] == "Canceled"
    wait_until(lambda: not any(_is_alive(pid) for pid in pids), "all are gone")


def test_the_request_can_set_a_timeout(bench: Workbench) -> None:
    path = bench.script("f/jobs/slow", "import time\ndef main():\n    time.sleep(600)\n")
    assert bench.run(path, timeout="1").status_code == 422


def test_a_child_that_keeps_the_output_open_does_not_hold_the_job(bench: Workbench) -> None:
    path = bench.script(
        "f/jobs/child", "import subprocess\ndef main():\n    subprocess.Popen(['sleep', '600'])\n    return 1\n"
    )
    started = time.monotonic()
    assert bench.run(path).json() == 1
    assert time.monotonic() - started < PROMPTLY_SECONDS


def test_megabytes_of_output_are_cut_in_the_log(bench: Workbench) -> None:
    path = bench.script(
        "f/jobs/loud",
        """
        def main():
            for number in range(50_000):
                print(f"{number:06d} " + "x" * 92)
            print("y" * 12_000_000)
            return "done"
        """,
    )
    job_id = bench.start(path)
    job = bench.wait(job_id)
    assert (job["success"], job["result"]) == (True, "done")
    log = bench.client.get(f"/jobs_u/get_logs/{job_id}").text
    assert "000000 xxx" in log
    assert log.count("the rest is not kept") == 1
    assert len(log) < MAX_LOG_CHARACTERS + 1_000


def test_output_that_is_no_text_comes_through_as_far_as_it_is(bench: Workbench) -> None:
    path = bench.script(
        "f/jobs/bytes",
        """
        import os, sys
        def main():
            sys.stdout.buffer.write(b"out \\xff\\xfe\\x00 \\xce")
            os.write(2, b"error \\x80\\n")
            return "done"
        """,
    )
    job_id = bench.start(path)
    assert bench.wait(job_id)["result"] == "done"
    log = bench.client.get(f"/jobs_u/get_logs/{job_id}").text
    assert "out \ufffd\ufffd\x00 \ufffd\n" in log
    assert "error \ufffd\n" in log


def test_a_large_argument_and_a_large_result_come_through(bench: Workbench) -> None:
    path = bench.script("f/jobs/large", "def main(text: str):\n    return text + '!'\n")
    text = "ώ" * 2_000_000
    assert bench.run(path, {"text": text}).json() == text + "!"


def test_eight_jobs_run_at_once(bench: Workbench, tmp_path: Path) -> None:
    path = bench.script(
        "f/jobs/together",
        """
        import os, time
        def main(folder: str, number: int, of: int):
            open(f"{folder}/{number}", "w").close()
            deadline = time.monotonic() + 20
            while len(os.listdir(folder)) < of:
                if time.monotonic() > deadline:
                    raise TimeoutError("the others do not run")
                time.sleep(0.02)
            return number
        """,
    )
    with ThreadPoolExecutor(8) as threads:
        args = [{"folder": str(tmp_path), "number": number, "of": 8} for number in range(8)]
        answers = list(threads.map(lambda one: bench.run(path, one), args))
    assert [answer.json() for answer in answers] == list(range(8))


def test_a_running_job_shows_its_log_and_can_be_canceled(bench: Workbench) -> None:
    path = bench.script("f/jobs/long", "import time\ndef main():\n    print('working on it')\n    time.sleep(600)\n")
    job_id = bench.start(path)
    wait_until(lambda: "working on it" in bench.job(job_id)["logs"], "the log shows")
    running = bench.job(job_id)
    assert (running["type"], running["running"]) == ("QueuedJob", True)
    assert job_id in [job["id"] for job in bench.client.get("/jobs/queue/list").json()]
    assert bench.client.get(f"/jobs_u/completed/get_result/{job_id}").status_code == 404
    canceled = bench.client.post(f"/jobs_u/queue/cancel/{job_id}", json={"reason": "no longer needed"})
    assert (canceled.status_code, canceled.text) == (200, job_id)
    job = bench.wait(job_id)
    assert (job["success"], job["canceled"], job["canceled_reason"]) == (False, True, "no longer needed")
    assert job["result"]["error"]["name"] == "Canceled"
    assert bench.client.post(f"/jobs_u/queue/cancel/{job_id}", json={}).status_code == 400


def test_a_client_that_hangs_up_cancels_its_job(bench: Workbench, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    path = bench.script(
        "f/jobs/abandoned",
        f"""
        import os, time
        def main():
            open({str(pid_file)!r}, "w").write(str(os.getpid()))
            time.sleep(600)
        """,
    )
    address = bench.client.base_url
    request = f"POST {address.path}jobs/run_wait_result/p/{path} HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n"
    with socket.create_connection((address.host, address.port or 80)) as caller:
        caller.sendall(f"{request}Authorization: Bearer local\r\n\r\n{{}}".encode())
        wait_until(lambda: pid_file.exists() and pid_file.read_text().isdigit(), "it runs")
    wait_until(lambda: not _is_alive(int(pid_file.read_text())), "the process is gone")
    completed = {"script_path_exact": path}
    wait_until(lambda: bench.client.get("/jobs/completed/list", params=completed).json(), "it is told")
    job = bench.client.get("/jobs/completed/list", params=completed).json()[0]
    assert (job["canceled"], job["canceled_reason"]) == (True, "http connection broke")


def test_jobs_are_listed_by_path_outcome_and_time(bench: Workbench) -> None:
    good = bench.script("f/jobs/listed_good", "def main(n: int):\n    return n\n")
    bad = bench.script("f/jobs/listed_bad", "def main():\n    raise ValueError('no')\n")
    before = datetime.now(UTC).isoformat()
    for number in range(3):
        bench.run(good, {"n": number})
    bench.run(bad)

    def listed(kind: str = "completed/list", **query: str) -> list[tuple[str, bool]]:
        jobs = bench.client.get(f"/jobs/{kind}", params={"started_after": before, **query}).json()
        return [(job["script_path"], job["success"]) for job in jobs]

    assert listed() == [(bad, False), (good, True), (good, True), (good, True)]
    assert listed("list", success="false") == [(bad, False)]
    assert listed(script_path_exact=good, per_page="2", page="2") == [(good, True)]
    assert listed(script_path_start="f/jobs/listed_b") == [(bad, False)]
    assert listed(started_before=before) == []
    assert bench.client.get("/jobs/list", params={"success": "perhaps"}).status_code == 400
    assert bench.client.get("/jobs/list", params={"started_after": "yesterday"}).status_code == 400


def test_a_result_can_be_asked_for_before_during_and_after(bench: Workbench) -> None:
    path = bench.script("f/jobs/asked", "def main():\n    return {'a': 1}\n")
    unknown = bench.client.get("/jobs_u/completed/get_result_maybe/00000000-0000-0000-0000-000000000000").json()
    assert unknown == {"started": False, "completed": False, "success": False, "result": None}
    job_id = bench.start(path)
    bench.wait(job_id)
    maybe = bench.client.get(f"/jobs_u/completed/get_result_maybe/{job_id}").json()
    assert maybe == {"started": True, "completed": True, "success": True, "result": {"a": 1}}
    assert bench.client.get(f"/jobs_u/completed/get_result/{job_id}").json() == {"a": 1}
    assert bench.client.get("/jobs_u/get/none").status_code == 404


def test_a_job_can_be_run_by_hash_and_as_a_preview(bench: Workbench) -> None:
    path = bench.script("f/jobs/hashed", "def main(n: int):\n    return n + 1\n")
    script_hash = bench.client.get(f"/scripts/get/p/{path}").json()["hash"]
    assert bench.client.post(f"/jobs/run_wait_result/h/{script_hash}", json={"n": 1}).json() == 2
    body = {"content": "def main(n: int):\n    return n * 2\n", "language": "python3", "args": {"n": 4}}
    assert bench.client.post("/jobs/run_wait_result/preview", json=body).json() == 8


def test_waiting_ends_after_the_servers_limit() -> None:
    with LocalServer(wait_seconds=0.5) as server:
        bench = Workbench(server)
        answer = bench.run(bench.script("f/jobs/slow", "import time\ndef main():\n    time.sleep(600)\n"))
    assert answer.status_code == 500
    assert "timeout after 0.5s" in answer.text


@pytest.mark.parametrize("warm", [True, False])
def test_stopping_the_server_ends_running_jobs(tmp_path: Path, *, warm: bool) -> None:
    pid_file = tmp_path / "pid"
    server = LocalServer(warm=warm).start()
    bench = Workbench(server)
    path = bench.script(
        "f/jobs/endless",
        f"""
        import os, time
        def main():
            open({str(pid_file)!r}, "w").write(str(os.getpid()))
            time.sleep(600)
        """,
    )
    answers: list[httpx.Response] = []
    waiting = threading.Thread(target=lambda: answers.append(bench.run(path)))
    waiting.start()
    wait_until(pid_file.exists, "the job runs")
    wait_until(lambda: pid_file.read_text().isdigit(), "it says which process")
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < PROMPTLY_SECONDS
    assert not _is_alive(int(pid_file.read_text()))
    waiting.join(PROMPTLY_SECONDS)
    assert answers[0].json()["error"]["reason"] == "the server stops"


def test_the_oldest_jobs_are_forgotten() -> None:
    store = JobStore(max_jobs=2, max_bytes=1_000_000)
    jobs = [Job("script", f"f/x/{number}", {}) for number in range(3)]
    for job in jobs:
        store.add(job)
        store.complete(job, success=True, result="1")
    assert [job.path for job in store] == ["f/x/1", "f/x/2"]
    small = JobStore(max_jobs=100, max_bytes=1_000)
    for job in jobs:
        small.add(job)
        small.complete(job, success=True, result="x" * 600)
    assert [job.path for job in small] == ["f/x/2"]


def test_a_job_gets_a_clean_environment(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COHERE_API_KEY", "of the server only")
    monkeypatch.setenv("COVERAGE_HANDED_ON", "so that jobs are measured too")
    path = bench.script("f/jobs/environment", "import os\ndef main():\n    return dict(os.environ)\n")
    environment = bench.run(path).json()
    assert "COHERE_API_KEY" not in environment
    assert environment["WM_WORKSPACE"] == "family-brain"
    assert environment["WM_JOB_PATH"] == path
    assert environment["BASE_INTERNAL_URL"] == bench.server.base_url
    assert environment["WM_TOKEN"] != "local"
    assert "127.0.0.1" in environment["NO_PROXY"]
    assert environment["WM_USERNAME"] == "admin"
    assert environment["COVERAGE_HANDED_ON"] == "so that jobs are measured too"


def _is_alive(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False
