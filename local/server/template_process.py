"""What the template process runs: it has imported what jobs import, and forks a fresh process for each of them.

Program of the stand-in for Windmill, started as ``python -P -u template_process.py <socket> <module>...``. The modules
are those of packages, never the workspace's: what belongs to scripts is imported anew by every job.

On the socket it says ``ready`` once. Then one byte with three descriptors asks for a process: its order, its standard
output and its standard error. The answers are lines: ``started <pid>`` or ``refused <errno>`` for each request, in
turn, and later ``ended <pid> <status>``, negative for a signal. The order is JSON, ``{"directory", "environment"}``;
the new process waits for its end, and ends itself when none comes: so nothing runs that the server does not know of.
The template ends when the server closes the socket, or is gone.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import ssl
import sys
import threading
import time
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

_PROGRAM = str(Path(__file__).with_name("job_process.py"))
_DESCRIPTORS = 3
_STANDARD_DESCRIPTORS = 3
_ABOVE_ALL_DESCRIPTORS = 256  # the template has a handful
_TLS_CONTEXTS = 3  # `wmill` makes one or two, the providers share one


def main(link: socket.socket, modules: list[str]) -> None:
    """Serve until the server is gone; in a forked process, run its job."""
    program = compile(Path(_PROGRAM).read_bytes(), _PROGRAM, "exec", dont_inherit=True)
    _prepare(modules)
    order = _serve(link)
    if order is not None:
        _run(program, order)


def _prepare(modules: list[str]) -> None:
    """Do what is then done for all jobs; garbage is not collected in between, so that its memory stays shared."""
    gc.disable()
    for module in modules:
        # A package that is missing or broken is the affair of the job that needs it.
        with contextlib.suppress(Exception):
            importlib.import_module(module)
    with contextlib.suppress(ImportError, OSError):
        _prepare_tls_contexts()
    gc.collect()
    gc.freeze()


def _prepare_tls_contexts() -> None:
    """Have TLS contexts ready: ``wmill`` makes one in every job, and reading the list of authorities takes 20 ms.

    Each is handed out once in a job, and only to who asks for what httpx asks for: a plain one with this list.
    """
    import certifi  # noqa: PLC0415  # it may be missing

    make, authorities = ssl.create_default_context, os.environ.get("SSL_CERT_FILE") or certifi.where()
    ready = [make(cafile=authorities) for _ in range(_TLS_CONTEXTS)]

    def create_default_context(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        with contextlib.suppress(IndexError):
            if not args and kwargs == {"cafile": authorities}:
                return ready.pop()
        return make(*args, **kwargs)

    ssl.create_default_context = create_default_context


def _serve(link: socket.socket) -> dict[str, Any] | None:
    """Fork a process for each request; return its order in that process, and None in the template at the end."""
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    with contextlib.suppress(ConnectionError):  # the server is gone
        link.sendall(b"ready\n")
        while True:
            ready, _, _ = select.select([link.fileno(), woken], [], [])
            if woken in ready:
                os.read(woken, 4096)
                _report_ends(link)
            if link.fileno() in ready:
                request, descriptors, _, _ = socket.recv_fds(link, 1, _DESCRIPTORS)
                if not request:
                    return None
                if _fork(link, descriptors):
                    return _take_order(link, descriptors)
    return None


def _fork(link: socket.socket, descriptors: list[int]) -> bool:
    """Fork, and tell whether this is the new process."""
    try:
        pid = os.fork()
    except OSError as error:
        link.sendall(f"refused {error.errno}\n".encode())
    else:
        if pid == 0:
            return True
        # The new process does the same: whoever is first, its group is there before the server hears of it.
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        link.sendall(f"started {pid}\n".encode())
    for descriptor in descriptors:
        os.close(descriptor)
    return False


def _report_ends(link: socket.socket) -> None:
    """Tell of the processes that have ended."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            link.sendall(f"ended {pid} {os.waitstatus_to_exitcode(status)}\n".encode())


def _take_order(link: socket.socket, descriptors: list[int]) -> dict[str, Any]:
    """Let go of all that is the template's, and wait for the order."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    link.detach()  # closed below, with everything else
    for standard, descriptor in enumerate(descriptors):
        os.dup2(descriptor, standard)
    os.closerange(_STANDARD_DESCRIPTORS, _ABOVE_ALL_DESCRIPTORS)
    with open(0, "rb", closefd=False) as file:  # it is no path
        text = file.read()
    if not text:
        os._exit(1)  # the server has given up, or is gone; nobody hears of the status
    order: dict[str, Any] = json.loads(text)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return order


def _run(program: CodeType, order: dict[str, Any]) -> None:
    """Run the program of a job as Python runs a program, in a process that is like a new one."""
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    os.chdir(order["directory"])
    sys.argv[:] = [_PROGRAM, order["directory"]]
    main_module = ModuleType("__main__")
    main_module.__file__ = _PROGRAM
    sys.modules["__main__"] = main_module
    gc.enable()
    try:
        exec(program, main_module.__dict__)  # noqa: S102  # it is the file beside this one
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        _end(end.code)


def _end(status: int) -> None:
    """End as Python ends, but for taking apart all modules, which would take longer than many a job."""
    threading._shutdown()  # type: ignore[attr-defined]  # as `multiprocessing` does
    atexit._run_exitfuncs()  # the same
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status & 0xFF)


if __name__ == "__main__":
    given = int(sys.argv[1])
    low = os.dup(given)  # a server with many connections gives a number that `select` does not take
    os.close(given)
    main(socket.socket(fileno=low), sys.argv[2:])
