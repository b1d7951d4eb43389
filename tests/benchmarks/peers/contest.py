"""Runs contestants on one server, each in a database of its own and in processes of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg2

from evaluation.stage import connected
from f.core.database import Database
from f.core.identity import Caller
from f.core.maintenance import INDEX_ABOVE, maintain_vector_index
from local.database import Server, temporary_postgres
from local.stack import REPOSITORY
from sql.install import install
from tests.benchmarks.filling import PASSWORD
from tests.benchmarks.peers.corpus import Corpus, make_corpus

PEERS = {"LangChain": "langchain_peer", "LlamaIndex": "llamaindex_peer", "Haystack": "haystack_peer"}
OURS = "ours"
PORTION = 2_048
"""Chunks that are handed over at a time; LlamaIndex's own default."""
_PEERS_PYTHON = REPOSITORY / ".venv-peers" / "bin" / "python"


@dataclass(frozen=True, slots=True)
class Contestant:
    """A library, or this project, with its database."""

    name: str
    database: dict[str, object]
    corpus: Corpus

    def load(self) -> dict[str, Any]:
        """Store the corpus, and return what its process says of that."""
        return self._run({"action": "load", "portion": PORTION})[1][0]

    def first_answer_milliseconds(self) -> float:
        """Start a process, ask one question, and return how long its answer took from the start of the process."""
        return self._run({"action": "search", "ways": ["vector"], "questions_at_most": 1})[0]

    def search(self) -> list[dict[str, Any]]:
        """Ask all questions in each way, one after the other."""
        return self._run({"action": "search", "ways": ["vector", "both", "forgotten"]})[1]

    def _run(self, job: dict[str, object]) -> tuple[float, list[dict[str, Any]]]:
        """Run a process; returns the milliseconds until its first line, and all lines."""
        module = "ours" if self.name == OURS else PEERS[self.name.split(" ")[0]]
        path = self.corpus.folder / "job.json"
        path.write_text(json.dumps(job | self.corpus.files() | {"database": self.database}), "utf-8")
        python = sys.executable if self.name == OURS else str(_PEERS_PYTHON)
        command = [python, "-m", f"tests.benchmarks.peers.{module}", str(path)]
        began = time.perf_counter()
        with subprocess.Popen(
            command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline()]
            took = (time.perf_counter() - began) * 1000
            rest, errors = process.communicate()
        if process.returncode:
            raise RuntimeError(f"{self.name} failed:\n{errors[-3_000:]}")
        return took, [json.loads(line) for line in [*lines, *rest.splitlines()] if line.startswith("{")]


@contextmanager
def contest(sizes: list[int], questions_a_size: int) -> Iterator[tuple[Server, Corpus]]:
    """Start a server and draw a corpus."""
    if not _PEERS_PYTHON.exists():
        raise SystemExit("The peers are not installed: make .venv-peers/installed")
    with TemporaryDirectory() as folder, temporary_postgres() as server:
        yield server, make_corpus(Path(folder), sizes, questions_a_size)


def enter(server: Server, corpus: Corpus, name: str, *, words: bool = True, index: bool = True) -> Contestant:
    """Make a contestant's database.

    Args:
        server: Where.
        corpus: What it will store.
        name: ``OURS``, or one of ``PEERS`` with a word behind it that tells several apart.
        words: Whether a peer keeps words too, as its documentation says for hybrid search.
        index: Whether a peer has its HNSW index.
    """
    dbname = server.create_database()
    login: dict[str, object] = {"user": "postgres", "password": server.admin_password, "words": words, "index": index}
    if name == OURS:
        install(server.admin_dsn(dbname), app_password=PASSWORD, operator_password=PASSWORD)
        _add_tenants(server.admin_dsn(dbname), corpus)
        login = {"user": "knowledge_app", "password": PASSWORD}
    return Contestant(name, {"host": server.host, "port": str(server.port), "dbname": dbname} | login, corpus)


def tend(server: Server, ours: Contestant) -> float:
    """Do for large tenants what our nightly flow does, a vector index of their own, and return how long it took."""
    began = time.perf_counter()
    dsn = server.dsn("knowledge_operator", PASSWORD, str(ours.database["dbname"]))
    with connected(dsn) as database:
        for tenant, size in ours.corpus.sizes.items():
            if size > INDEX_ABOVE:
                _make_index(database, tenant)
    return time.perf_counter() - began


def server_cpu_seconds(server: Server) -> float | None:
    """Return the CPU time of the server's processes, those that are over too; Linux only."""
    stats: dict[int, list[str]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            stats[int(path.parent.name)] = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it is over
    mark = f"port={server.port}\0".encode()
    mains = [pid for pid in stats if mark in _command(pid) and _command(pid).split(b"\0")[0].endswith(b"postgres")]
    if not mains:
        return None
    ticks = sum(sum(map(int, fields[11:13])) for fields in stats.values() if int(fields[1]) in mains)
    ticks += sum(sum(map(int, stats[pid][11:15])) for pid in mains)
    return ticks / os.sysconf("SC_CLK_TCK")


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def analyze(server: Server, contestant: Contestant) -> None:
    """Let the planner know the tables, as autovacuum does within a minute."""
    connection = psycopg2.connect(server.admin_dsn(str(contestant.database["dbname"])))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    connection.close()


def _make_index(database: Database, tenant: str) -> None:
    with database.transaction(Caller(tenant, None, "system")) as transaction:
        assert maintain_vector_index(transaction)["made"] == 1


def _add_tenants(dsn: str, corpus: Corpus) -> None:
    connection = psycopg2.connect(dsn)
    with connection, connection.cursor() as cursor:
        for tenant in corpus.sizes:
            cursor.execute(
                "INSERT INTO tenants (id, name, slug, requests_per_minute, tokens_per_day) "
                "VALUES (%s, 'Benchmark', 'b' || md5(random()::text), 1000000, 1000000000)",
                (tenant,),
            )
    connection.close()
