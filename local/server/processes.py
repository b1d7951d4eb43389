"""The processes of jobs: each in a group of its own, ended with everything that it has started.

Module of the stand-in for Windmill. A small shell process knows every group that is running and kills what is left
when the server itself is gone, however it went: so a killed server leaves no job behind.
"""

import asyncio
import contextlib
import os
import signal
import subprocess

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


class ProcessGroups:
    """Starts processes in groups of their own and sees to it that none outlives the server."""

    def __init__(self) -> None:
        """Start the reaper; it has a session of its own, so that Ctrl-C does not end it before the server."""
        self._reaper = subprocess.Popen(
            ["/bin/sh", "-c", _REAPER], stdin=subprocess.PIPE, start_new_session=True, cwd="/"
        )
        self._running: set[int] = set()

    async def start(
        self, command: list[str], environment: dict[str, str], directory: str
    ) -> asyncio.subprocess.Process:
        """Start a program with pipes for its output and nothing on its input."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            cwd=directory,
            start_new_session=True,
            limit=2**20,
        )
        self._running.add(process.pid)
        self._tell("+", process.pid)
        return process

    def end(self, process: asyncio.subprocess.Process) -> None:
        """Kill what is left of a process's group; a group that is gone is no error."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.pid in self._running:
            self._running.remove(process.pid)
            self._tell("-", process.pid)

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
