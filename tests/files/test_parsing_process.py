"""The child in which files are read: what it may take, what its death costs, and what it cannot do to its parent."""

import ctypes
import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import psutil  # type: ignore[import-untyped] # it has no types
import pytest

from f.core import unpacking
from f.core.file_types import PLAIN
from f.core.parsed_parts import Extracted, ParsingSettings, Work
from f.core.parsing import parse
from f.core.parsing_process import ProcessLimits, Send, start_child
from tests.files.producers import archive
from tests.files.reading import SETTINGS, read_all
from tests.support.patience import PROMPTLY_SECONDS

Reader = Callable[[bytes, Work], Extracted]


def crash() -> None:
    """Die as a parser in C does."""
    ctypes.string_at(0)


def hang() -> None:
    """Do nothing for ever."""
    while True:
        time.sleep(60)


def eat() -> None:
    """Take far more memory than is allowed: at once, because filling what is allowed takes its time."""
    bytearray(2_000_000_000)


def be_killed() -> None:
    """Be chosen by the system when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)


def leave() -> None:
    """End without a word."""
    os._exit(3)


DEATHS = {
    "crash": (crash, "damaged", False),
    "hang": (hang, "timed_out", True),
    "eat": (eat, "out_of_memory", False),
    "be_killed": (be_killed, "out_of_memory", False),
    "leave": (leave, "damaged", False),
}


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a text that is the name of a death cause it."""
    usual = unpacking._READERS[PLAIN]

    def read_text(content: bytes, work: Work) -> Extracted:
        word = content.decode()
        if word in DEATHS:
            DEATHS[word][0]()
        return usual(content, work)

    monkeypatch.setitem(unpacking._READERS, PLAIN, read_text)


@pytest.mark.usefixtures("deadly")
@pytest.mark.parametrize("death", DEATHS)
def test_a_file_that_kills_what_reads_it_fails_clearly(death: str) -> None:
    quiet_seconds = 1.0 if death == "hang" else 60.0
    settings = replace(SETTINGS, quiet_seconds=quiet_seconds, memory_bytes=300_000_000)

    (part,) = parse(death.encode(), "file", settings, lambda percent: None)

    assert part.failure is not None
    assert (part.failure.code, part.failure.passes) == DEATHS[death][1:]
    assert part.sha256 is not None


@pytest.mark.usefixtures("deadly")
def test_files_that_kill_what_reads_them_cost_the_others_nothing() -> None:
    settings = replace(SETTINGS, quiet_seconds=3.0, memory_bytes=300_000_000)
    inner = archive({"1": b"leave", "2": b"inner words"})
    content = archive({"1": b"first words", "2": b"crash", "3": inner, "4": b"eat", "5": b"hang", "6": b"last words"})

    parts = read_all(content, settings=settings)

    assert [(part.path, part.failure.code if part.failure else part.text) for part in parts] == [
        ((), ""),
        (("1",), "first words"),
        (("2",), "damaged"),
        (("3",), ""),
        (("3", "1"), "damaged"),
        (("3", "2"), "inner words"),
        (("4",), "out_of_memory"),
        (("5",), "timed_out"),
        (("6",), "last words"),
    ]


@pytest.mark.usefixtures("deadly")
def test_an_archive_of_nothing_but_deaths_is_given_up_and_the_rest_named() -> None:
    parts = read_all(archive({f"{number:02}": b"leave" for number in range(30)}))

    codes = [part.failure.code if part.failure else "" for part in parts]
    assert codes == ["", *["damaged"] * 20, *["given_up"] * 10]
    assert [part.path for part in parts[1:]] == [(f"{number:02}",) for number in range(30)]


@pytest.mark.usefixtures("deadly")
def test_when_the_time_is_over_what_is_read_is_kept_and_the_rest_named() -> None:
    content = archive({"1": b"first words", "2": b"hang", "3": b"third words"})

    parts = read_all(content, settings=replace(SETTINGS, seconds=2.0))

    assert [part.failure.code if part.failure else part.text for part in parts] == [
        "",
        "first words",
        "timed_out",
        "timed_out",
    ]
    assert all(part.failure.passes for part in parts if part.failure)


@pytest.mark.usefixtures("deadly")
def test_while_nothing_moves_the_caller_is_told_so_that_it_can_keep_its_lease() -> None:
    beats: list[int] = []

    (part,) = parse(b"hang", "file", replace(SETTINGS, quiet_seconds=3.5, seconds=20.0), beats.append)

    assert len(beats) >= 2
    assert part.failure is not None
    assert part.failure.reason == "Reading the file did not get on for too long."


@pytest.mark.usefixtures("deadly")
def test_what_the_caller_raises_ends_the_child_and_goes_on() -> None:
    class LeaseLost(Exception):
        pass

    def tell(percent: int) -> None:
        raise LeaseLost

    before = {child.pid for child in psutil.Process().children()}
    with pytest.raises(LeaseLost):
        parse(b"hang", "file", SETTINGS, tell)

    assert not multiprocessing.active_children()
    assert {child.pid for child in psutil.Process().children()} <= before


LIMITS = ProcessLimits(deadline=0.0, quiet_seconds=300.0, memory_bytes=500_000_000, cpu_seconds=60)


def said_by(work: Callable[[Send], None], limits: ProcessLimits = LIMITS) -> tuple[list[dict[str, object]], str]:
    """Let a child work, and return what it said and how it ended."""
    limits = replace(limits, deadline=time.monotonic() + 300)
    child = start_child(work, limits)
    said = list(child.messages(limits, lambda: None))
    return said, child.ending


def wait_for_end(pid: object) -> None:
    """Wait for a process that has been killed; nobody may have asked yet how it ended."""
    deadline = time.monotonic() + PROMPTLY_SECONDS
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        while process.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, "it goes on"
            time.sleep(0.05)


def test_a_child_has_neither_the_secrets_nor_the_connections_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WM_TOKEN", "secret")
    monkeypatch.setenv("PGPASSWORD", "secret")
    reader, writer = os.pipe()

    def look(send: Send) -> None:
        numbers = [int(name) for name in os.listdir("/proc/self/fd")]  # noqa: PTH208
        opened = [number for number in numbers if number > 2 and os.path.exists(f"/proc/self/fd/{number}")]  # noqa: PTH110
        send({"open": len(opened), "secrets": [name for name, value in os.environ.items() if value == "secret"]})
        send({"core": resource.getrlimit(resource.RLIMIT_CORE)[0], "group": os.getpgid(0) == os.getpid()})

    said, ending = said_by(look)

    os.close(reader)
    os.close(writer)
    assert said == [{"open": 1, "secrets": []}, {"core": 0, "group": True}]
    assert ending == "finished"


def test_what_a_child_says_may_be_longer_than_any_pipe() -> None:
    text = "λέξεις " * 3_000_000

    said, ending = said_by(lambda send: send({"text": text}))

    assert said == [{"text": text}]
    assert ending == "finished"


def test_the_memory_of_a_child_is_bounded() -> None:
    def take(send: Send) -> None:
        taken = []
        for _ in range(60):
            taken.append(bytearray(50_000_000))
            send({"taken": len(taken)})

    said, ending = said_by(take, replace(LIMITS, memory_bytes=300_000_000))

    assert 1 <= len(said) < 30  # what its parent has had and given back is there for it too
    assert ending == "out_of_memory"


def test_a_child_that_computes_for_too_long_is_ended() -> None:
    def compute(send: Send) -> None:
        while True:
            pass

    assert said_by(compute, replace(LIMITS, cpu_seconds=1))[1] == "out_of_cpu"


def test_what_a_child_has_begun_ends_with_it() -> None:
    import subprocess

    def begin(send: Send) -> None:
        send({"pid": subprocess.Popen(["sleep", "300"]).pid})
        leave()

    (message,), ending = said_by(begin)

    assert ending == "crashed"
    wait_for_end(message["pid"])


def test_a_child_ends_when_its_parent_is_killed() -> None:
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        child = start_child(lambda send: hang(), replace(LIMITS, deadline=time.monotonic() + 60))
        os.write(writer, str(child.pid).encode())
        time.sleep(60)
    child_pid = int(os.read(reader, 20))
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)

    wait_for_end(child_pid)


def test_many_pages_never_take_longer_than_they_may() -> None:
    from tests.files.producers import many_pages_pdf

    began = time.monotonic()
    (part,) = parse(many_pages_pdf(4_000), "long.pdf", ParsingSettings(seconds=0.05), lambda percent: None)

    assert part.failure is not None
    assert part.failure.code == "timed_out"
    assert time.monotonic() - began < 60
