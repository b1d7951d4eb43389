"""A child process for work on bytes that nobody trusts: with bounds on memory, CPU and time, and without secrets.

Shared module. A fork, because a fresh interpreter in a Windmill job could not import ``f.core``. What the child has to
say comes as JSON through a pipe, of any size, and is never executed. It is killed with all that it began when it is
silent for too long, and by the system when its parent dies.
"""

import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import f.core.errors  # noqa: F401 -- refuses to run as a script

Message = dict[str, object]
Send = Callable[[Message], None]

_LENGTH_BYTES = 8
_PIECE_BYTES = 1_048_576
_MOST_OF_A_MESSAGE = 400_000_000
_BEAT_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1
_SECRET_WORDS = ("TOKEN", "SECRET", "PASSWORD", "KEY", "CREDENTIAL", "DATABASE_URL")


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """What a child may take.

    Attributes:
        deadline: When it must be over, by ``time.monotonic()``.
        quiet_seconds: How long it may say nothing.
        memory_bytes: Beyond what the parent has.
        cpu_seconds: For itself.
    """

    deadline: float
    quiet_seconds: float
    memory_bytes: int
    cpu_seconds: int


@dataclass(slots=True)
class ChildProcess:
    """A child that works, and how it ended.

    Attributes:
        ending: ``finished``, ``out_of_time`` (the deadline), ``quiet``, ``out_of_memory``, ``out_of_cpu`` or
            ``crashed``; empty while it runs.
        peak_bytes: The most memory that it had.
    """

    pid: int
    ending: str = ""
    peak_bytes: int = 0
    _reader: int = -1
    _buffer: bytearray = field(default_factory=bytearray)

    def messages(self, limits: ProcessLimits, beat: Callable[[], None]) -> Iterator[Message]:
        """Yield what the child says until it ends; afterwards ``ending`` tells how.

        Args:
            limits: When to give it up.
            beat: Called about once a second. What it raises ends the child, and goes on.
        """
        heard = beaten = time.monotonic()
        closed = False
        try:
            while not closed:
                ready, _, _ = select.select([self._reader], [], [], _BEAT_SECONDS / 2)
                now = time.monotonic()
                if now - beaten >= _BEAT_SECONDS:
                    beat()
                    beaten = now
                if ready:
                    piece = os.read(self._reader, _PIECE_BYTES)
                    closed = not piece
                    heard = now
                    self._buffer += piece
                    yield from self._complete()
                if now > limits.deadline or now - heard > limits.quiet_seconds:
                    self.ending = "out_of_time" if now > limits.deadline else "quiet"
                    break
        finally:
            self._end(closed)

    def _complete(self) -> Iterator[Message]:
        """Yield the messages that have come wholly."""
        while len(self._buffer) >= _LENGTH_BYTES:
            size = int.from_bytes(self._buffer[:_LENGTH_BYTES], "big")
            if size > _MOST_OF_A_MESSAGE:
                raise ValueError("A child's message is longer than any part can be.")
            if len(self._buffer) < _LENGTH_BYTES + size:
                return
            message = json.loads(bytes(self._buffer[_LENGTH_BYTES : _LENGTH_BYTES + size]))
            del self._buffer[: _LENGTH_BYTES + size]
            yield message

    def _end(self, closed: bool) -> None:
        """Kill the child and what it began, and note how it ended."""
        if not closed:
            _kill(self.pid)
        os.close(self._reader)
        _, status, used = _wait_briefly(self.pid)
        _kill(self.pid)  # what it began, if it left anything
        self.peak_bytes = used.ru_maxrss * 1024
        self.ending = self.ending or _ending(status)


def start_child(work: Callable[[Send], None], limits: ProcessLimits) -> ChildProcess:
    """Begin some work in a child; it says what it has to say through the function that it is given."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # threads of the parent wait on I/O and hold nothing of ours
        parent = os.getpid()
        pid = os.fork()
    if pid == 0:
        _run(work, writer, limits, parent)
    os.close(writer)
    with suppress(OSError):  # the child does the same; whoever is first
        os.setpgid(pid, pid)
    return ChildProcess(pid, _reader=reader)


def _run(work: Callable[[Send], None], writer: int, limits: ProcessLimits, parent: int) -> None:
    """Be the child, from its first to its last moment."""
    status = 1
    try:
        _give_up_rights(writer, limits, parent)
        work(lambda message: _write(writer, message))
        status = 0
    except MemoryError:
        status = _STATUS_OF_MEMORY
    finally:
        os._exit(status)


_STATUS_OF_MEMORY = 77


def _give_up_rights(writer: int, limits: ProcessLimits, parent: int) -> None:
    """Leave the parent's group, files, secrets and signals, and take on the limits."""
    os.setpgid(0, 0)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before it could be noticed
        os._exit(1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.closerange(3, writer)
    os.closerange(writer + 1, 65_536)
    for name in list(os.environ):
        if any(word in name.upper() for word in _SECRET_WORDS):
            del os.environ[name]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 5))
    with suppress(OSError, ValueError):  # a system without /proc, or with a lower limit already
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + limits.memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _write(writer: int, message: Message) -> None:
    """Send a message."""
    body = json.dumps(message, ensure_ascii=False).encode("utf-8")
    left = memoryview(len(body).to_bytes(_LENGTH_BYTES, "big") + body)
    while left:
        left = left[os.write(writer, left) :]


def _wait_briefly(pid: int) -> tuple[int, int, "resource.struct_rusage"]:
    """Wait for a child that has closed its pipe, which it does when it ends; kill it where it does not."""
    patience = time.monotonic() + 5
    while time.monotonic() < patience:
        ended, status, used = os.wait4(pid, os.WNOHANG)
        if ended:
            return ended, status, used
        time.sleep(0.005)
    _kill(pid)
    return os.wait4(pid, 0)


def _kill(pid: int) -> None:
    """Kill a child with its group."""
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
            return


def _ending(status: int) -> str:
    """Tell how a child ended that was not given up."""
    if os.WIFSIGNALED(status):
        endings = {signal.SIGKILL: "out_of_memory", signal.SIGXCPU: "out_of_cpu"}
        return endings.get(signal.Signals(os.WTERMSIG(status)), "crashed")
    codes = {0: "finished", _STATUS_OF_MEMORY: "out_of_memory"}
    return codes.get(os.WEXITSTATUS(status), "crashed")
