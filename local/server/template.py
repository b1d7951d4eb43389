"""The template process as the server sees it: it is asked for the process of a job, and tells how that ended.

Module of the stand-in for Windmill. Python's start and the imports are most of what a small job costs; the template
has done both already, once. ``template_process`` says what the two tell each other.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO

from local.server.environment import is_measured
from local.server.processes import JobProcess, ProcessGroups, reader_of

_PROGRAM = Path(__file__).with_name("template_process.py")
# What the jobs of this collection import of other packages; never anything of theirs.
_MODULES = (
    *("wmill", "httpcore", "psycopg2.extras", "hmac", "fractions", "concurrent.futures.thread"),
    *("cohere.client_v2", "groq.resources"),
)
_MOST_LOSSES = 3

_Pipe = tuple[IO[bytes], IO[bytes]]
_Started = tuple[int, "asyncio.Future[int]"]


class TemplateLost(Exception):
    """The template process has ended before it started a job."""


def can_fork() -> bool:
    """Tell whether jobs can be forked from a template here.

    Not on macOS: its own libraries may crash in a forked process, which is why ``multiprocessing`` forks no more there
    (https://github.com/python/cpython/issues/77906).
    """
    return hasattr(os, "fork") and sys.platform != "darwin"


class Template:
    """Starts jobs as forks of a warm process.

    The warm process is started at the first job, and again when it is gone. Until it is ready, and when it does not
    get ready again and again, each job is a new Python.
    """

    def __init__(self, processes: ProcessGroups, environment: Callable[[], dict[str, str]]) -> None:
        """Take what is needed; nothing is started yet.

        Args:
            processes: Starts the jobs that are not forked, and sees to it that nothing outlives the server.
            environment: Gives what the template is started with; a job is given its own.
        """
        self._processes = processes
        self._environment = environment
        self._link: _Link | None = None
        self._losses = 0

    async def start(self, directory: str, environment: dict[str, str]) -> JobProcess:
        """Start the job of a directory, with pipes for its output and nothing on its input.

        Raises:
            OSError: When the machine has no room for another process.
        """
        link = self._living_link()
        if link is not None and link.is_ready:
            with contextlib.suppress(TemplateLost):
                return await link.start(json.dumps({"directory": directory, "environment": environment}).encode())
        return await self._processes.start(directory, environment)

    def close(self) -> None:
        """End the template."""
        if self._link is not None and not self._link.is_lost:
            self._link.end()

    def _living_link(self) -> "_Link | None":
        """Give the template, a new one when it is gone, and none when too many have ended before they were ready."""
        if self._link is not None and self._link.is_lost:
            self._losses = 0 if self._link.is_ready else self._losses + 1
            self._link = None
        if self._link is None and self._losses < _MOST_LOSSES:
            self._link = _Link(self._processes, self._environment())
        return self._link


class _Link:
    """One template process and the socket to it; all of it belongs to the loop in which it was made."""

    def __init__(self, processes: ProcessGroups, environment: dict[str, str]) -> None:
        self.is_ready = False
        self.is_lost = False
        self._processes = processes
        self._asked: deque[asyncio.Future[_Started]] = deque()
        self._running: dict[int, asyncio.Future[int]] = {}
        self._half_line = b""
        self._loop = asyncio.get_running_loop()
        self._socket, other = socket.socketpair()
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-u", str(_PROGRAM), str(other.fileno()), *_modules()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=environment,
                cwd="/",
                pass_fds=[other.fileno()],
                start_new_session=True,
            )
        processes.add(self._process.pid)
        self._loop.add_reader(self._socket, self._read)

    async def start(self, order: bytes) -> JobProcess:
        """Have a process forked and give it its order.

        Raises:
            TemplateLost: When the template has ended before; nothing of the job has run then.
            OSError: When it could not fork.
        """
        (orders, ordering), (stdout, printing), (stderr, complaining) = _pipe(), _pipe(), _pipe()
        with contextlib.ExitStack() as unless_started:
            unless_started.enter_context(stdout)
            unless_started.enter_context(stderr)
            # A process that gets no order, because this block is left by an exception, ends by itself.
            with orders, ordering, printing, complaining:
                pid, ended = await self._ask([orders, printing, complaining])
                _write(ordering, order)
            unless_started.pop_all()
        return JobProcess(pid, await reader_of(stdout), await reader_of(stderr), ended)

    def end(self) -> None:
        """End the template, and give up what it has started."""
        self.is_lost = True
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._process.kill()
        self._process.wait()
        self._processes.end(self._process.pid)
        for asked in self._asked:
            if not asked.done():
                asked.set_exception(TemplateLost())
        # How these end will never be known; who waits for their end kills what is left of them.
        for ended in self._running.values():
            if not ended.done():
                ended.set_result(-signal.SIGKILL)

    async def _ask(self, ends: list[IO[bytes]]) -> _Started:
        try:
            socket.send_fds(self._socket, [b"."], [end.fileno() for end in ends])
        except ConnectionError:
            self.end()
            raise TemplateLost from None
        asked: asyncio.Future[_Started] = self._loop.create_future()
        self._asked.append(asked)
        return await asked

    def _read(self) -> None:
        """Take what the template tells."""
        try:
            told = self._socket.recv(65_536)
        except ConnectionError:
            told = b""
        if not told:
            self.end()
            return
        *lines, self._half_line = (self._half_line + told).split(b"\n")
        for line in lines:
            word, *numbers = line.decode().split()
            self._take(word, *map(int, numbers))

    def _take(self, word: str, number: int = 0, status: int = 0) -> None:
        if word == "ready":
            self.is_ready = True
        elif word == "ended":
            self._processes.end(number)
            ended = self._running.pop(number)
            if not ended.done():
                ended.set_result(status)
        elif word == "started":
            self._processes.add(number)
            self._running[number] = self._loop.create_future()
            asked = self._asked.popleft()
            if not asked.done():
                asked.set_result((number, self._running[number]))
        else:
            asked = self._asked.popleft()
            if not asked.done():
                asked.set_exception(OSError(number, os.strerror(number)))


def _modules() -> list[str]:
    return [*(["coverage"] if is_measured() else []), *_MODULES]


def _pipe() -> _Pipe:
    """Make a pipe: the end to read from, and the end to write to."""
    reading, writing = os.pipe()
    return os.fdopen(reading, "rb", buffering=0), os.fdopen(writing, "wb", buffering=0)


def _write(pipe: IO[bytes], text: bytes) -> None:
    """Write all of a text; a process that is dead already has ended, and its end is told in another way."""
    with contextlib.suppress(BrokenPipeError):
        while text:
            text = text[os.write(pipe.fileno(), text) :]
