"""What every contestant's process does: read a job, load chunks or search, and print JSON lines.

Only the standard library is imported here, because the start of a process is measured. Vectors lie in files of 32-bit
floats, so that reading them costs all contestants the same and little.
"""

import json
import sys
import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

DIMENSION = 1024
RESULTS = 10


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage with its vector, and the document of a tenant that it is from."""

    id: str
    tenant: str
    document: int
    text: str
    vector: list[float]


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that was found."""

    id: str
    tenant: str


class Contestant(Protocol):
    """A store of passages. ``tenant`` None is a search whose filter was forgotten."""

    def create(self) -> None:
        """Make what the store needs, before the first chunk."""

    def add(self, chunks: Sequence[Chunk]) -> None:
        """Store chunks that have their vectors."""

    def finish(self) -> None:
        """Do what is documented to be done after loading."""

    def by_vector(self, vector: list[float], tenant: str | None) -> list[Found]:
        """Find the nearest passages."""

    def by_both(self, question: str, vector: list[float], tenant: str | None) -> list[Found]:
        """Find passages by words and vector."""


def run(contestant_of: Any) -> None:
    """Do the job whose file the command line names, with the contestant that is made from the database's settings."""
    job = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    contestant: Contestant = contestant_of(job["database"])
    if job["action"] == "load":
        _load(contestant, job)
    else:
        _search(contestant, job)


def vectors(path: str) -> Iterator[list[float]]:
    """Read vectors one by one."""
    with Path(path).open("rb") as file:
        while data := file.read(DIMENSION * 4):
            yield array("f", data).tolist()


def _load(contestant: Contestant, job: dict[str, Any]) -> None:
    """Store all chunks, in portions, and tell how long that took; reading the files is not counted."""
    lines = Path(job["chunks"]).read_text("utf-8").splitlines()
    chunks = []
    for line, vector in zip(lines, vectors(job["vectors"]), strict=True):
        name, tenant, document, text = json.loads(line)
        chunks.append(Chunk(name, tenant, document, text, vector))
    contestant.create()
    began, spent = time.perf_counter(), time.process_time()
    for start in range(0, len(chunks), job["portion"]):
        contestant.add(chunks[start : start + job["portion"]])
    added = time.perf_counter()
    contestant.finish()
    _say(
        {
            "chunks": len(chunks),
            "add_seconds": added - began,
            "finish_seconds": time.perf_counter() - added,
            "cpu_seconds": time.process_time() - spent,
        }
    )


def _search(contestant: Contestant, job: dict[str, Any]) -> None:
    """Ask one question after the other; the first answer is told at once, because it is waited for."""
    questions = json.loads(Path(job["questions"]).read_text("utf-8"))
    for number, (question, vector) in enumerate(zip(questions, vectors(job["question_vectors"]), strict=True)):
        answer: dict[str, Any] = {"question": number}
        for way in job["ways"]:
            began = time.perf_counter()
            found = _ask(contestant, way, question["text"], vector, question["tenant"])
            answer[way] = {"milliseconds": (time.perf_counter() - began) * 1000, "found": found}
        _say(answer)
        if number + 1 == job.get("questions_at_most"):
            break


def _ask(contestant: Contestant, way: str, text: str, vector: list[float], tenant: str) -> list[list[str]]:
    """Ask in one way: by vector, by both, or by vector without the tenant."""
    if way == "both":
        found = contestant.by_both(text, vector, tenant)
    else:
        found = contestant.by_vector(vector, None if way == "forgotten" else tenant)
    return [[hit.id, hit.tenant] for hit in found[:RESULTS]]


def _say(line: dict[str, Any]) -> None:
    """Print a line where the benchmark reads it."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
