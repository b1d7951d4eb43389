"""A job that is forked from the template process is as fresh, and ends in the same ways, as one in a new Python."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import certifi
import psutil  # type: ignore[import-untyped]  # ships no types
import pytest
from coverage import CoverageData

from local.server import template_process
from local.server.server import LocalServer
from tests.local.conftest import Workbench, is_gone, wait_for_template
from tests.support.patience import PROMPTLY_SECONDS, wait_until


@pytest.fixture
def own_bench(tmp_path: Path) -> Iterator[Workbench]:
    """A server that forks its jobs already, and that a test may do harm to."""
    with LocalServer(directory=tmp_path / "server") as server:
        bench = Workbench(server)
        wait_for_template(bench)
        yield bench


@pytest.fixture(params=["warm_bench", "cold_bench"])
def either_bench(request: pytest.FixtureRequest) -> Workbench:
    """A server of each kind."""
    chosen: Workbench = request.getfixturevalue(request.param)
    return chosen


def test_nothing_of_a_job_is_seen_in_the_next(either_bench: Workbench) -> None:
    either_bench.script("f/fresh/state", "seen = []\n")
    path = either_bench.script(
        "f/fresh/job",
        """
        import json, os, random, sys, uuid
        from f.fresh import state
        def main(name: str):
            state.seen.append(name)
            json.left_behind = getattr(json, "left_behind", "") + name
            left = os.environ.get("LEFT")
            os.environ["LEFT"] = name
            sys.path.append(name)
            os.chdir("/")
            chance = [random.random(), os.urandom(4).hex(), str(uuid.uuid4())]
            return [state.seen, json.left_behind, left, sys.path.count("a"), os.getpid(), *chance]
        """,
    )
    first, second = either_bench.run(path, {"name": "a"}).json(), either_bench.run(path, {"name": "b"}).json()
    assert first[:4] == [["a"], "a", None, 1]
    assert second[:4] == [["b"], "b", None, 0]
    assert not set(first[4:]) & set(second[4:])


SURROUNDINGS = """
import __main__, gc, os, signal, sys, threading, time
def main():
    open_ones = []
    for descriptor in range(256):
        try:
            kind = os.fstat(descriptor)
        except OSError:
            continue
        open_ones.append([descriptor, "null" if kind.st_rdev == os.stat("/dev/null").st_rdev else "pipe"])
    return {
        "flags": str(sys.flags),
        "path": sys.path,
        "program": [__main__.__name__, __main__.__file__, sys.argv[0], sys.argv[1] == os.getcwd(), len(sys.argv)],
        "streams": [
            [one.name, one.mode, one.encoding, one.errors, one.write_through, one.buffer.__class__.__name__]
            for one in (sys.stdout, sys.stderr)
        ],
        "input": [sys.stdin.read(), sys.stdin.fileno(), os.stat(0).st_rdev == os.stat("/dev/null").st_rdev],
        "descriptors": open_ones,
        "handlers": [str(signal.getsignal(number)) for number in signal.valid_signals()],
        "mask": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
        "wakeup": signal.set_wakeup_fd(-1),
        "group": [os.getpgrp() == os.getpid(), os.getsid(0) == os.getsid(os.getppid())],
        "threads": [threading.active_count(), threading.current_thread().name],
        "garbage": [gc.isenabled(), gc.get_threshold()],
        "zone": time.tzname,
        "umask": os.umask(0o22),
        "environment": sorted(os.environ),
        "bytecode": bool(sys.pycache_prefix),
        "scripts": [name for name in sys.modules if name.startswith("f.")],
    }
"""


def test_a_forked_job_finds_what_a_new_python_finds(
    warm_bench: Workbench, cold_bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bench in (warm_bench, cold_bench):
        _surroundings(bench)
    # The environment of a job is that of its moment, and not the one that the template was started with.
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.delenv("HOME", raising=False)
    warm, cold = (_surroundings(bench) for bench in (warm_bench, cold_bench))
    assert warm["zone"] == ["JST", "JST"]
    assert "HOME" not in warm["environment"]
    assert warm["group"][0] is True
    assert warm.pop("group")[0] == cold.pop("group")[0]
    assert warm == cold


def _surroundings(bench: Workbench) -> dict[str, Any]:
    found: dict[str, Any] = bench.run(bench.script("f/fresh/surroundings", SURROUNDINGS)).json()
    return found


ENDINGS = {
    "status": "def main():\n    os._exit(7)",
    "killed": "def main():\n    os.kill(os.getpid(), signal.SIGKILL)",
    "terminated": "def main():\n    os.kill(os.getpid(), signal.SIGTERM)",
    "crashed": "def main():\n    ctypes.string_at(0)",
    "aborted": "def main():\n    os.abort()",
    "stack": "def main():\n    return main()",
    "exit in main": "def main():\n    sys.exit(5)",
    "exit with a text in main": "def main():\n    sys.exit('text')",
    "exit at the top": "sys.exit(300)",
    "exit without a number at the top": "sys.exit()",
    "exit with a text at the top": "sys.exit('text of the end')",
    "error at the top": "raise ValueError('at the top')",
    "interrupt at the top": "raise KeyboardInterrupt",
    "at exit": "atexit.register(print, 'printed at exit')\ndef main():\n    return 'result'",
    "status at exit": "atexit.register(os._exit, 9)\ndef main():\n    return 'result'",
    "thread": "def main():\n    threading.Timer(0.3, print, ['printed by a thread']).start()\n    return 'result'",
    "daemon": "def main():\n    threading.Thread(target=time.sleep, args=[600], daemon=True).start()\n    return 1",
    "buffered": "sys.stdout = open(1, 'w', closefd=False)\ndef main():\n    print('left in a buffer')\n    return 1",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_forked_job_ends_as_a_new_python_ends(warm_bench: Workbench, cold_bench: Workbench, ending: str) -> None:
    warm, cold = (_ending(bench, ENDINGS[ending]) for bench in (warm_bench, cold_bench))
    assert warm == cold


def _ending(bench: Workbench, source: str) -> list[object]:
    """Run a script; give its result without the end of the log, and the last line of the log."""
    imports = "import atexit, ctypes, os, signal, sys, threading, time\n"
    body = {"content": imports + source + "\n", "language": "python3", "path": "f/fresh/ending"}
    job_id = bench.client.post("/jobs/run/preview", json=body).text
    job = bench.wait(job_id)
    result = job["result"]
    if not job["success"]:
        error = result["error"]
        result = [error["name"], error["message"].partition("last log lines")[0], error.get("extra")]
    return [job["success"], result, job["logs"].splitlines()[-1]]


def test_the_template_has_packages_and_tls_contexts_and_nothing_of_the_workspace(own_bench: Workbench) -> None:
    path = own_bench.script(
        "f/fresh/loaded",
        """
        import ssl, sys
        def main():
            names = [name for name in sys.modules if name.split(".")[0] in ("f", "u")]
            packages = {"wmill", "psycopg2", "cohere", "groq"}
            return [packages <= set(sys.modules), ssl.create_default_context.__module__, names]
        """,
    )
    assert own_bench.run(path).json() == [True, "__main__", ["f", "f.fresh", "f.fresh.loaded"]]


@pytest.fixture
def certifis_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let httpx read certifi's list, whatever this machine prefers."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)


@pytest.mark.usefixtures("certifis_authorities")
def test_tls_contexts_are_as_one_makes_them_and_never_shared(
    own_bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = tmp_path / "one.pem"
    mark = "-----END CERTIFICATE-----"
    one.write_text(Path(certifi.where()).read_text().partition(mark)[0] + mark + "\n")
    path = own_bench.script(
        "f/fresh/tls",
        """
        import ssl, httpx
        def main(one: str):
            made = [httpx.create_ssl_context() for _ in range(6)]
            told = [[c.verify_mode, c.check_hostname, c.options, c.minimum_version, c.get_ca_certs()] for c in made]
            server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            other = [len(ssl.create_default_context(cafile=one).get_ca_certs()), server.check_hostname]
            return [len({id(c) for c in made}), [t == told[-1] for t in told], other, len(told[0][-1])]
        """,
    )
    distinct, equal, other, authorities = own_bench.run(path, {"one": str(one)}).json()
    assert (distinct, equal, other) == (6, [True] * 6, [1, False])
    assert authorities == Path(certifi.where()).read_text().count(mark)
    # Which list is read is said by the job's environment, and not by the template's, which may be older.
    monkeypatch.setenv("SSL_CERT_FILE", str(one))
    chosen = own_bench.script(
        "f/fresh/tls_chosen",
        "import httpx\ndef main():\n    return len(httpx.create_ssl_context().get_ca_certs())\n",
    )
    assert own_bench.run(chosen).json() == 1


def test_a_forked_job_is_measured_when_the_server_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, kept = tmp_path / "settings", tmp_path / "measured"
    settings.write_text(f"[run]\nparallel = true\ndata_file = {kept}\nsource = {tmp_path / 'server'}\n")
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    monkeypatch.setenv("COVERAGE_PROCESS_START", str(settings))
    with LocalServer(directory=tmp_path / "server") as server:
        bench = Workbench(server)
        template = wait_for_template(bench)
        source = "import os\ndef main(ask: bool):\n    if ask:\n        return os.getppid()\n    return 0\n"
        path = bench.script("f/fresh/measured", source)
        assert bench.run(path, {"ask": True}).json() == template
        [lines] = [lines for file in tmp_path.glob("measured.*") if (lines := _measured_lines(file, f"{path}.py"))]
    assert lines == [1, 2, 3, 4]


def _measured_lines(file: Path, script: str) -> list[int]:
    """Read which lines of a script were run, by the data of one process."""
    data = CoverageData(str(file))
    data.read()
    measured = [name for name in data.measured_files() if name.endswith(script)]
    return sorted(data.lines(measured[0]) or []) if measured else []


def test_a_killed_template_is_started_again(own_bench: Workbench) -> None:
    first = wait_for_template(own_bench)
    os.kill(first, signal.SIGKILL)
    second = wait_for_template(own_bench)
    assert second != first
    assert wait_for_template(own_bench) == second


def test_a_job_that_runs_when_the_template_is_killed_is_ended_and_told(own_bench: Workbench, tmp_path: Path) -> None:
    pid_file = tmp_path / "pids"
    path = own_bench.script(
        "f/fresh/long",
        f"""
        import os, subprocess, time
        def main():
            child = subprocess.Popen(["sleep", "600"])
            open({str(pid_file)!r}, "w").write(f"{{os.getppid()}} {{os.getpid()}} {{child.pid}}.")
            time.sleep(600)
        """,
    )
    job_id = own_bench.start(path)
    wait_until(lambda: pid_file.exists() and pid_file.read_text().endswith("."), "it runs")
    template, *job = [psutil.Process(int(pid)) for pid in pid_file.read_text().rstrip(".").split()]
    template.kill()
    ended = own_bench.wait(job_id)
    assert (ended["success"], "signal: 9" in ended["result"]["error"]["message"]) == (False, True)
    wait_until(lambda: all(is_gone(one) for one in job), "nothing of it is left")
    assert wait_for_template(own_bench) != template.pid


def test_a_job_that_a_killed_template_has_not_started_is_run_once(own_bench: Workbench, tmp_path: Path) -> None:
    template = psutil.Process(wait_for_template(own_bench))
    path = own_bench.script(
        "f/fresh/once", "def main(file: str):\n    open(file, 'a').write('run.')\n    return 'done'\n"
    )
    template.suspend()
    job_ids = [own_bench.start(path, {"file": str(tmp_path / f"times{number}")}) for number in range(4)]
    wait_until(lambda: all(own_bench.job(job_id)["started_at"] for job_id in job_ids), "they are started")
    template.kill()
    assert [own_bench.wait(job_id)["result"] for job_id in job_ids] == ["done"] * 4
    assert [(tmp_path / f"times{number}").read_text() for number in range(4)] == ["run."] * 4


@pytest.mark.parametrize(("instead", "times"), [("raise SystemExit(0)", 3), ("__import__('time').sleep(600)", 1)])
def test_jobs_run_without_a_template_that_does_not_get_ready(tmp_path: Path, instead: str, times: int) -> None:
    started = tmp_path / "started"
    (tmp_path / "sitecustomize.py").write_text(
        f"""
import sys
if "template_process" in str(sys.orig_argv):
    open({str(started)!r}, "a").write("started.")
    {instead}
"""
    )
    with LocalServer(extra_environment={"PYTHONPATH": str(tmp_path)}) as server:
        bench = Workbench(server)
        path = bench.script("f/fresh/parent", "import os\ndef main():\n    return os.getppid()\n")
        parents = []
        while not started.exists() or started.read_text() != "started." * times:
            parents.append(bench.run(path).json())
        parents += [bench.run(path).json() for _ in range(5)]
    assert set(parents) == {os.getpid()}
    assert started.read_text() == "started." * times


def test_without_fork_each_job_is_a_new_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    with LocalServer() as server:
        bench = Workbench(server)
        path = bench.script("f/fresh/parent", "import os\ndef main():\n    return os.getppid()\n")
        before = _templates()
        assert bench.run(path).json() == os.getpid()
        assert _templates() == before


def _templates() -> list[int]:
    """List the template processes of this process's servers."""
    children = psutil.Process().children()
    return sorted(child.pid for child in children if "template_process" in " ".join(child.cmdline()))


def test_a_machine_without_room_for_a_process_fails_the_job_and_not_the_template(tmp_path: Path) -> None:
    full = tmp_path / "full"
    (tmp_path / "sitecustomize.py").write_text(
        f"""
import os
fork = os.fork
def refuse():
    if os.path.exists({str(full)!r}):
        raise BlockingIOError(11, "in the template")
    return fork()
os.fork = refuse
"""
    )
    with LocalServer(extra_environment={"PYTHONPATH": str(tmp_path)}) as server:
        bench = Workbench(server)
        template = wait_for_template(bench)
        path = bench.script("f/fresh/any", "def main():\n    return 1\n")
        full.touch()
        answer = bench.run(path)
        full.unlink()
        assert (answer.status_code, answer.json()["error"]["name"]) == (422, "InternalErr")
        assert os.strerror(11) in answer.json()["error"]["message"]
        assert bench.run(path).json() == 1
        assert wait_for_template(bench) == template


def test_a_server_with_many_connections_hands_none_of_them_on() -> None:
    with contextlib.ExitStack() as opened:
        for _ in range(300):
            opened.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        with LocalServer() as server:
            bench = Workbench(server)
            wait_for_template(bench)
            path = bench.script(
                "f/fresh/descriptors",
                """
                import os
                def main():
                    open_ones = []
                    for descriptor in range(1000):
                        try:
                            os.fstat(descriptor)
                            open_ones.append(descriptor)
                        except OSError:
                            pass
                    return open_ones
                """,
            )
            assert bench.run(path).json() == [0, 1, 2]


KILLED_SERVER = """
import sys, time
from local.server.server import LocalServer
server = LocalServer().start()
print(server.base_url, flush=True)
time.sleep(600)
"""


def test_a_killed_server_leaves_no_template_and_no_job(tmp_path: Path) -> None:
    serving = subprocess.Popen([sys.executable, "-c", KILLED_SERVER], stdout=subprocess.PIPE, text=True)
    try:
        assert serving.stdout is not None
        bench = Workbench(LocalServer(base_url=serving.stdout.readline().strip()))
        wait_for_template(bench, serving.pid)
        path = bench.script("f/fresh/long", "import subprocess\ndef main():\n    subprocess.run(['sleep', '600'])\n")
        bench.start(path)
        wait_until(lambda: "sleep" in _names_below(serving.pid), "the job runs")
        started = psutil.Process(serving.pid).children(recursive=True)
        assert len(started) >= 4  # the reaper, the template, the job and its child
    finally:
        serving.kill()
        serving.wait()
        if serving.stdout is not None:
            serving.stdout.close()
    wait_until(lambda: all(is_gone(one) for one in started), "nothing is left")


def _names_below(pid: int) -> list[str]:
    return [child.name() for child in psutil.Process(pid).children(recursive=True)]


@pytest.fixture
def template() -> Iterator[tuple["subprocess.Popen[bytes]", socket.socket]]:
    """A template process without a server, and the socket to it."""
    ours, other = socket.socketpair()
    with ours, other:
        command = [sys.executable, "-P", "-u", template_process.__file__, str(other.fileno())]
        process = subprocess.Popen(command, pass_fds=[other.fileno()], start_new_session=True)
        other.close()
        ours.settimeout(PROMPTLY_SECONDS)
        assert ours.recv(100) == b"ready\n"
        yield process, ours
        process.kill()
        process.wait()


def test_a_process_that_gets_no_order_does_nothing(
    template: tuple["subprocess.Popen[bytes]", socket.socket], tmp_path: Path
) -> None:
    _, link = template
    (tmp_path / "job.json").write_text(json.dumps({"module": "f.nothing", "folders": []}))
    order = json.dumps({"directory": str(tmp_path), "environment": {}}).encode()
    for sent in (b"", order[:-1]):
        reading, writing = os.pipe()
        with (tmp_path / "output").open("wb") as output:
            socket.send_fds(link, [b"."], [reading, output.fileno(), output.fileno()])
            os.close(reading)
            os.write(writing, sent)
            os.close(writing)
            told = b""
            while told.count(b"\n") < 2:
                told += link.recv(100)
        started, ended = told.decode().splitlines()
        assert started.split()[0] == "started"
        assert ended == f"ended {started.split()[1]} 1"
        assert not (tmp_path / "result.json").exists()


def test_a_template_ends_with_its_socket(template: tuple["subprocess.Popen[bytes]", socket.socket]) -> None:
    process, link = template
    link.close()
    assert process.wait(PROMPTLY_SECONDS) == 0
