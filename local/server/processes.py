"""The processes of jobs: each in a group of its own, ended with everything that it has started.

Module of the stand-in for Windmill. A small shell process knows every group that is running and kills what is left
when the server itself is gone, however it went: so a killed server leaves no job behind.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_PROGRAM = Path(__file__).with_name("job_process.py")

# Reads "+ <group>" and "- <group>" lines; at the end of its input it kills the groups that are still in the list.
_REAPER = """
groups=' '
while read -r sign group; do
  case "$sign" in
    +) groups="$groups$group " ;;
    -) groups="${groups%% "$group" *} ${groups#* "$group" }" ;;
  esac
done
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done
"""
_READ_LIMIT_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class JobProcess:
    """A running program.

    Attributes:
        pid: Of the process, and of its group.
        stdout: What it prints.
        stderr: What it complains.
        ended: Its status once it has ended; what it has started may still hold the pipes open then.
    """

    pid: int
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader
    ended: "asyncio.Future[int]"


class ProcessGroups:
    """Starts processes in groups of their own and sees to it that none outlives the server."""

    def __init__(self) -> None:
        """Start the reaper; it has a session of its own, so that Ctrl-C does not end it before the server."""
        self._reaper = subprocess.Popen(
            ["/bin/sh", "-c", _REAPER], stdin=subprocess.PIPE, start_new_session=True, cwd="/"
        )
        self._running: set[int] = set()

    async def start(self, directory: str, environment: dict[str, str]) -> JobProcess:
        """Start the job of a directory in a new Python, with pipes for its output and nothing on its input."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-u", str(_PROGRAM), directory],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=directory,
            start_new_session=True,
        )
        self.add(process.pid)
        assert process.stdout is not None
        assert process.stderr is not None
        # asyncio's own subprocesses count as running until everybody has closed the pipes; a job is done when its
        # process is.
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[int] = loop.create_future()
        threading.Thread(target=_await_end, args=(process, loop, ended), daemon=True).start()
        return JobProcess(process.pid, await reader_of(process.stdout), await reader_of(process.stderr), ended)

    def add(self, group: int) -> None:
        """Take in a process that has a group of its own."""
        self._running.add(group)
        self._tell("+", group)

    def end(self, group: int) -> None:
        """Kill what is left of a group, once: its number may be another's later. One that is gone is no error."""
        if group in self._running:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
            self._running.remove(group)
            self._tell("-", group)

    def close(self) -> None:
        """Kill all groups and end the reaper."""
        if self._reaper.stdin is not None:
            with contextlib.suppress(OSError):
                self._reaper.stdin.close()
        self._reaper.wait()

    def _tell(self, sign: str, group: int) -> None:
        if self._reaper.stdin is not None:
            with contextlib.suppress(OSError):
                self._reaper.stdin.write(f"{sign} {group}\n".encode())
                self._reaper.stdin.flush()


async def reader_of(pipe: IO[bytes]) -> asyncio.StreamReader:
    """Read a pipe in the running loop, which closes it in the end."""
    reader = asyncio.StreamReader(limit=_READ_LIMIT_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader


def _await_end(
    process: "subprocess.Popen[bytes]", loop: asyncio.AbstractEventLoop, ended: "asyncio.Future[int]"
) -> None:
    status = process.wait()

    def tell() -> None:
        if not ended.done():
            ended.set_result(status)

    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(tell)
