"""The start of a job: from starting its process to its answer, ours beside the same job as it is usually written.

Each job runs as Windmill's worker runs one: a new Python, the wrapper of ``local/server/job_process.py``, Windmill's
API and PostgreSQL over TCP, modules compiled already. Providers are on loopback and wait as long as they are told:
nothing, which leaves the start alone, and what models take. Ours and the usual one run in turn; a ratio is the median
of the rounds' ratios. Round trips and requests are counted by a relay, in runs that are not timed.

``ROUNDS`` in the environment changes how many rounds are run; with 15, it takes less than four minutes.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg2

from evaluation.report import Results, Row, bar_plot, print_table, results_folder, save_plot
from local.server import job_process
from local.server.environment import JobEnvironment
from local.server.signatures import signature_of
from local.stack import REPOSITORY, Stack, local_stack
from tests.benchmarks.counting import CountingRelay
from tests.benchmarks.filling import MODEL, fill_tenant, random_question
from tests.benchmarks.timing import percentile
from tests.support.installation import cloud_settings
from tests.support.provider_servers import CohereServer, OpenAiServer, cohere_server, groq_server

ROUNDS = int(os.environ.get("ROUNDS", "15"))
SIZE = 500
USUAL_LOGIN = "usual"
LATENCIES = {"no latency": (0.0, 0.0, 0.0), "80 / 120 / 350 ms": (0.08, 0.12, 0.35)}
"""What the providers take, in seconds: embedding, reranking, the answer's first token."""
ANSWER = "The first passage says so [1]. The second one says more [2]. " * 4
Result = TypeVar("Result")
FLOOR, USUAL_SEARCH, USUAL_CHAT = "floor", "search as usual", "chat as usual"
SEARCH, REPEATED, CHAT = "search", "the same question again", "chat"
PAIRS = {SEARCH: USUAL_SEARCH, REPEATED: USUAL_SEARCH, CHAT: USUAL_CHAT}
TARGETS = {SEARCH: 0.50, REPEATED: 0.42, CHAT: 0.50, f"{CHAT}: first token": 0.45}
_MODULES = {
    FLOOR: "tests.benchmarks.usual.floor",
    USUAL_SEARCH: "tests.benchmarks.usual.search",
    USUAL_CHAT: "tests.benchmarks.usual.chat",
    SEARCH: "f.chatbot.search",
    REPEATED: "f.chatbot.search",
    CHAT: "f.chatbot.chat",
}


@dataclass(frozen=True, slots=True)
class Run:
    """What a job took, in milliseconds since its process was started: its first token, its end; and its own CPU."""

    end: float
    first_token: float | None
    cpu: float


@dataclass(slots=True)
class Stage:
    """What the jobs run against."""

    stack: Stack
    cohere: CohereServer
    groq: OpenAiServer
    tenant: str
    client: httpx.Client
    directory: Path
    last_question: str = ""
    base_url: str = field(default="")

    def wait(self, embed: float, rerank: float, answer: float) -> None:
        """Let the providers take so many seconds."""
        vector = [1 / 32] * 1024
        self.cohere.embed = lambda texts: _after(embed, [vector for _ in texts])
        self.cohere.rerank = lambda question, texts: _after(rerank, [1 / (n + 2) for n in range(len(texts))])
        self.groq.answer = lambda messages: _after(answer, ANSWER)

    def run(self, name: str) -> Run:
        """Run one job in a process of its own."""
        module = _MODULES[name]
        if name != REPEATED:
            self.last_question = random_question()
        arguments: dict[str, object] = {"tenant_id": self.tenant}
        arguments |= {"question" if "chat" in name else "query": self.last_question}
        if name == CHAT:
            arguments["stream"] = True
        folder = Path(tempfile.mkdtemp(dir=self.directory))
        (folder / "job.json").write_text(json.dumps(self._handed_over(module, {} if name == FLOOR else arguments)))
        return _timed(folder, self._environment(module, arguments))

    def _handed_over(self, module: str, arguments: dict[str, object]) -> dict[str, object]:
        signature = signature_of(REPOSITORY / f"{module.replace('.', '/')}.py", "main").as_json()
        folders = self.stack.server.workspace.source_folders
        return {
            "module": module, "function": "main", "signature": signature, "rewrites_result": False, "args": arguments,
            "folders": folders,
        }  # fmt: skip

    def _environment(self, module: str, arguments: dict[str, object]) -> dict[str, str]:
        """Give a job what Windmill gives it; its record is that of a job that waits for tomorrow."""
        path = "f/chatbot/chat" if module.endswith("chat") else "f/chatbot/search"
        started = self.client.post(self.stack.url(f"jobs/run/p/{path}?scheduled_in_secs=86400"), json=arguments)
        address = self.base_url or self.stack.base_url
        contextual = {
            "BASE_INTERNAL_URL": address, "WM_BASE_URL": address, "WM_TOKEN": self.stack.token,
            "WM_WORKSPACE": self.stack.workspace, "WM_JOB_ID": started.text, "WM_JOB_PATH": path, "WM_FLOW_JOB_ID": "",
        }  # fmt: skip
        usual = {"CO_API_URL": self.cohere.base_url, "GROQ_BASE_URL": self.groq.base_url}
        extra = {**usual, "PYTHONPATH": str(REPOSITORY)} if not module.startswith("f.") else {}
        return JobEnvironment(self.directory / "bytecode", extra).of_job(contextual)


def main() -> None:
    """Measure, print, and keep the results."""
    results = Results(results_folder(), "start_of_job")
    with _stage() as stage:
        counted = _counts(stage)
        rows = [row for name, seconds in LATENCIES.items() for row in _compared(stage, name, seconds)]
    print_table("What a job asks for: requests to Windmill, and round trips to the database after connecting", counted)
    print_table("From the start of the process, medians in ms, and ratios of pairs", rows)
    for row in counted:
        results.add("round_trips", row)
    for row in rows:
        results.add("start_of_job", row)
    results.save()
    _plot(rows)


def _compared(stage: Stage, latency: str, seconds: tuple[float, float, float]) -> list[Row]:
    """Run all jobs in turn, and compare each of ours with the usual one of the same round."""
    print(f"providers take {latency}: {ROUNDS} rounds ...", flush=True)
    stage.wait(*seconds)
    rounds: list[dict[str, Run]] = []
    order = [FLOOR, USUAL_SEARCH, SEARCH, REPEATED, USUAL_CHAT, CHAT]
    for number in range(ROUNDS + 2):
        turn = order if number % 2 else [FLOOR, SEARCH, REPEATED, USUAL_SEARCH, CHAT, USUAL_CHAT]
        rounds.append({name: stage.run(name) for name in turn})
    return _rows(latency, rounds[2:])


def _rows(latency: str, rounds: list[dict[str, Run]]) -> list[Row]:
    """Make the table's rows."""
    times = {name: [run[name].end for run in rounds] for name in _MODULES}
    cpu = {name: statistics.median(run[name].cpu for run in rounds) for name in _MODULES}
    times[f"{CHAT}: first token"] = [run[CHAT].first_token or 0.0 for run in rounds]
    times[f"{USUAL_CHAT}: first token"] = [run[USUAL_CHAT].first_token or 0.0 for run in rounds]
    pairs = {**PAIRS, f"{CHAT}: first token": f"{USUAL_CHAT}: first token"}
    floor = statistics.median(times[FLOOR])
    rows: list[Row] = []
    for ours, usual in pairs.items():
        ratios = [one / other for one, other in zip(times[ours], times[usual], strict=True)]
        rows.append(
            {
                "providers take": latency,
                "job": ours,
                "floor": floor,
                "ours": statistics.median(times[ours]),
                "usual": statistics.median(times[usual]),
                "ratio": statistics.median(ratios),
                "10 %": percentile(ratios, 0.1),
                "90 %": percentile(ratios, 0.9),
                "target": TARGETS[ours],
                "above floor": statistics.median(times[ours]) - floor,
                "CPU ours": cpu.get(ours),
                "CPU usual": cpu.get(usual),
            }
        )
    return rows


def _counts(stage: Stage) -> list[Row]:
    """Count what each job asks Windmill and the database for; connecting, which the floor does too, is left out."""
    stage.wait(0, 0, 0)
    host, port = stage.stack.base_url.removeprefix("http://").split(":")
    database = stage.stack.postgres
    rows: list[Row] = []
    with CountingRelay(host, int(port)) as windmill, CountingRelay(database.host, database.port) as postgres:
        stage.base_url = f"http://127.0.0.1:{windmill.port}"
        _lead_to(stage.stack, postgres.port)
        connecting = 0
        for name in _MODULES:
            stage.run(name)  # so that a compilation is not in the way of the next one
            windmill.reset()
            postgres.reset()
            stage.run(name)
            trips = postgres.reset()
            connecting = trips if name == FLOOR else connecting
            rows.append({"job": name, "requests": windmill.reset(), "round trips": trips - connecting})
        stage.base_url = ""
        _lead_to(stage.stack, database.port)
    return rows


@contextmanager
def _stage() -> Iterator[Stage]:
    """Start everything, with a tenant of ``SIZE`` chunks."""
    with ExitStack() as opened:
        home = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        stack = opened.enter_context(local_stack(home, environment={}, durable=False, warm=False))
        cohere, groq = opened.enter_context(cohere_server()), opened.enter_context(groq_server())
        workspace = stack.server.workspace
        settings = cloud_settings(cohere.base_url, groq.base_url)
        settings["embed"] = {**settings["embed"], "model": MODEL}
        workspace.set_resource("f/chatbot/ai_settings", settings)
        for name in ("cohere", "groq"):
            workspace.set_variable(f"f/chatbot/{name}_key", f"a-key-of-{name}")
        _add_login(stack)
        _lead_to(stack, stack.postgres.port)
        tenant = fill_tenant(stack.admin_dsn, SIZE)
        client = opened.enter_context(httpx.Client(headers=stack.headers))
        yield Stage(stack, cohere, groq, tenant, client, home)


def _add_login(stack: Stack) -> None:
    """Make the login of the usual jobs, for whom there are no policies: all that they have is their WHERE."""
    connection = psycopg2.connect(stack.admin_dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {USUAL_LOGIN} LOGIN BYPASSRLS PASSWORD '{USUAL_LOGIN}'")
        cursor.execute(f"GRANT CONNECT ON DATABASE {stack.dbname} TO {USUAL_LOGIN}")
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {USUAL_LOGIN}")
        cursor.execute(f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {USUAL_LOGIN}")
        cursor.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {USUAL_LOGIN}")
        cursor.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {USUAL_LOGIN}")
    connection.close()


def _lead_to(stack: Stack, port: int) -> None:
    """Let all jobs find the database at a port."""
    workspace = stack.server.workspace
    address = {"host": "127.0.0.1", "port": port, "dbname": stack.dbname, "sslmode": "disable"}
    workspace.set_resource("f/usual/postgres_db", {**address, "user": USUAL_LOGIN, "password": USUAL_LOGIN})
    app = {"user": "knowledge_app", "password": stack.credentials.app_password}
    workspace.set_resource("f/chatbot/postgres_db", {**address, **app})


def _timed(folder: Path, environment: dict[str, str]) -> Run:
    """Start the wrapper, read what it prints, and tell when it came to what."""
    began = time.perf_counter()
    command = [sys.executable, "-P", "-u", job_process.__file__, str(folder)]
    process = subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    first = None
    for line in process.stdout:
        if first is None and line.startswith(b"WM_STREAM: ") and b'"answer"' in line:
            first = (time.perf_counter() - began) * 1000
    _, status, used = os.wait4(process.pid, 0)
    end = (time.perf_counter() - began) * 1000
    process.returncode = os.waitstatus_to_exitcode(status)
    _check(process.returncode, folder / "result.json")
    return Run(end, first, (used.ru_utime + used.ru_stime) * 1000)


def _check(status: int, file: Path) -> None:
    """Stop where a job has failed, or has not done what is measured."""
    result: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    data = result.get("data") or result
    poor = data.get("degraded") or data.get("documents") == [] or ("answer" in data and not data["citations"])
    if status or poor or "wm_status_code" in result:
        raise RuntimeError(f"A job did not do its work: {data.get('notice')} {str(result)[:500]}")


def _after(seconds: float, result: Result) -> Result:
    """Return something, but not at once."""
    if seconds:
        time.sleep(seconds)
    return result


def _plot(rows: list[Row]) -> None:
    """Draw the medians, a group for each job."""
    for number, latency in enumerate(LATENCIES):
        chosen = [row for row in rows if row["providers take"] == latency]
        series = {name: [float(row[name] or 0) for row in chosen] for name in ("floor", "ours", "usual")}
        title = f"From the start of the process; providers take {latency}"
        figure = bar_plot(title, [str(row["job"]) for row in chosen], series, "ms")
        save_plot(figure, results_folder(), f"start_of_job_{number}")
