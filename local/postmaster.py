"""The processes and the port of the embedded PostgreSQL: found, ended, and told whether they are in the way.

Module of ``local.database``.
"""

import contextlib
import secrets
import signal
import socket
import subprocess
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # ships no types

HOST = "127.0.0.1"
KEEPER = '"$@" & server=$!; read -r _; kill -INT "$server" 2>/dev/null; wait "$server"'
"""The keeper, for ``sh -c``, with the server's command line as its arguments.

It starts the server, waits for the end of its standard input, which the owner's death brings about as well, asks the
server for a fast shutdown, and waits for that. A shell is on every machine where ``make`` is, and costs nothing.
"""

_STOP_SECONDS = 15.0
_PORTS = range(20_000, 30_000)
"""Below those that Linux and macOS give to whoever asks for any, which would give it away before it is listened on."""


def find_postmaster(data_directory: Path) -> psutil.Process | None:
    """Find the running server of a cluster; a stale ``postmaster.pid`` may name any process or none."""
    try:
        process = psutil.Process(int((data_directory / "postmaster.pid").read_text().split("\n", 1)[0]))
        return process if str(data_directory) in process.cmdline() else None
    except (OSError, ValueError, psutil.Error):
        return None


def end_keeper(keeper: "subprocess.Popen[bytes]", postmaster: psutil.Process | None) -> None:
    """Let the keeper stop the server; when that takes too long, do it ourselves."""
    if keeper.stdin is not None:
        with contextlib.suppress(OSError):
            keeper.stdin.close()
    try:
        keeper.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        keeper.kill()
        keeper.wait()
    if postmaster is not None:
        end_process(postmaster, signal.SIGQUIT)


def end_process(process: psutil.Process, first: signal.Signals) -> None:
    """Ask a server to end, then make it, with its children."""
    with contextlib.suppress(psutil.NoSuchProcess):
        everyone = [process, *process.children(recursive=True)]
        process.send_signal(first)
        _, alive = psutil.wait_procs(everyone, timeout=_STOP_SECONDS)
        for survivor in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                survivor.kill()
        psutil.wait_procs(alive, timeout=_STOP_SECONDS)


def free_port() -> int:
    """Find a TCP port on 127.0.0.1 that nobody listens on at this moment, and that nobody is given by chance.

    Raises:
        OSError: When none is found.
    """
    for _ in _PORTS:
        port = secrets.choice(_PORTS)
        if not is_taken(port):
            return port
    raise OSError(f"no port of {HOST} from {_PORTS.start} to {_PORTS.stop - 1} is free")


def is_taken(port: int) -> bool:
    """Tell whether somebody listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
        return False
