"""A server with a throw-away workspace, written by the tests themselves, and clients for it."""

import json
import os
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]  # ships no types
import pytest
import yaml

from local.server.server import LocalServer
from tests.support.patience import PROMPTLY_SECONDS

Job = dict[str, Any]


class Workbench:
    """Writes scripts and flows into the workspace of a running server, and runs them."""

    def __init__(self, server: LocalServer) -> None:
        self.server = server
        self.client = httpx.Client(
            base_url=f"{server.base_url}/api/w/{server.workspace_name}",
            headers={"Authorization": f"Bearer {server.token}"},
            timeout=30,
        )

    def script(self, path: str, source: str, **details: object) -> str:
        """Create a script over the API and give its path."""
        body = {"path": path, "content": textwrap.dedent(source), "language": "python3", **details}
        answer = self.client.post("/scripts/create", json=body)
        assert answer.status_code == 201, answer.text
        return path

    def flow(self, path: str, value: str) -> str:
        """Create or replace a flow from YAML and give its path."""
        self.client.delete(f"/flows/delete/{path}")
        body = {"path": path, "summary": "", "value": yaml.safe_load(textwrap.dedent(value))}
        answer = self.client.post("/flows/create", json=body)
        assert answer.status_code == 201, answer.text
        return path

    def run(self, path: str, args: object = None, **query: str) -> httpx.Response:
        """Run a script and wait."""
        return self.client.post(f"/jobs/run_wait_result/p/{path}", json={} if args is None else args, params=query)

    def run_flow(self, path: str, args: object = None) -> httpx.Response:
        """Run a flow and wait."""
        return self.client.post(f"/jobs/run_wait_result/f/{path}", json={} if args is None else args)

    def start(self, path: str, args: object = None, **query: str) -> str:
        """Start a script and give the job's id."""
        answer = self.client.post(f"/jobs/run/p/{path}", json={} if args is None else args, params=query)
        assert answer.status_code == 201, answer.text
        return answer.text

    def job(self, job_id: str) -> Job:
        """Give everything about a job."""
        answer = self.client.get(f"/jobs_u/get/{job_id}")
        assert answer.status_code == 200, answer.text
        job: Job = answer.json()
        return job

    def wait(self, job_id: str) -> Job:
        """Wait until a job is completed, by its stream of updates, and give everything about it."""
        self.events(job_id)
        return self.job(job_id)

    def events(self, job_id: str, **query: str) -> list[dict[str, Any]]:
        """Read the updates of a job until they end."""
        with self.client.stream("GET", f"/jobs_u/getupdate_sse/{job_id}", params=query) as answer:
            return [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line]


def wait_for_template(bench: Workbench, server_pid: int | None = None) -> int:
    """Run jobs until one is forked from the template, and give its pid; the server is this process unless told."""
    path = bench.script("f/template/parent", "import os\ndef main():\n    return os.getppid()\n")
    deadline = time.monotonic() + PROMPTLY_SECONDS
    while (parent := int(bench.run(path).json())) == (server_pid or os.getpid()):
        assert time.monotonic() < deadline, "jobs are not forked"
        time.sleep(0.1)
    return parent


def is_gone(process: psutil.Process) -> bool:
    """Tell whether a process has ended; its number may be another's by now."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    directory = tmp_path_factory.mktemp("stand-in")
    with LocalServer(storage=directory / "storage", bytecode=directory / "bytecode", delay_factor=0.0) as running:
        yield running


@pytest.fixture(scope="session")
def warm_bench(server: LocalServer) -> Workbench:
    """A server that forks its jobs from a template, which is ready."""
    bench = Workbench(server)
    wait_for_template(bench)
    return bench


@pytest.fixture(scope="session")
def cold_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A server that starts a new Python for each job."""
    with LocalServer(bytecode=tmp_path_factory.mktemp("cold") / "bytecode", warm=False) as running:
        yield Workbench(running)


@pytest.fixture(scope="session")
def bench(warm_bench: Workbench) -> Workbench:
    """The server of most tests; those of what processes do ask for both kinds of start."""
    return warm_bench


@pytest.fixture
def write() -> Callable[[Path, str], Path]:
    """Writes a file with its folders."""

    def written(file: Path, text: str) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return file

    return written
