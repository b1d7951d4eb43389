"""Starts and stops the stand-in for Windmill, in a thread of the calling process.

Module of the stand-in for Windmill.
"""

import asyncio
import shutil
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import uvicorn

from local.server.access import Tokens
from local.server.api import build_app
from local.server.engine import Engine
from local.server.environment import JobEnvironment
from local.server.jobs import JobStore
from local.server.listening import listen
from local.server.processes import ProcessGroups
from local.server.template import Template, can_fork
from local.server.transforms import Transforms
from local.server.worker import Worker
from local.server.workspace import Workspace

DEFAULT_WORKSPACE = "family-brain"
DEFAULT_TOKEN = "local"  # noqa: S105  # for a server that only this machine reaches
WORKER_SLOTS = 8
WAIT_SECONDS = 600.0
STREAM_SECONDS = 60.0
_STOP_SECONDS = 15.0


@dataclass(slots=True)
class LocalServer:
    """A stand-in for a Windmill server with its workers; also a context manager.

    Attributes:
        root: A folder in the layout of ``wmill sync`` that fills the workspace; None is an empty one.
        port: None takes a free one.
        token: What requests must show.
        workspace_name: The only workspace.
        slots: So many scripts run at once.
        delay_factor: Multiplies the pauses of flows; 0 lets tests not wait for them.
        wait_seconds: So long may a caller of ``run_wait_result`` wait.
        stream_seconds: After so long a stream of updates is closed.
        directory: For what the server leaves while it runs, emptied at the start; without it, a temporary one.
        storage: The folder of the workspace's storage of objects, which is kept; None is a workspace without one.
        bytecode: Where jobs keep compiled modules, so that the next start is faster; without it, in ``directory``.
        extra_environment: Added to every job's environment.
        warm: True forks each job from a process that has imported what most jobs import, where and as soon as that can
            be; False starts a new Python for each, as Windmill's worker does: to measure how long a job takes.
    """

    root: Path | None = None
    port: int | None = None
    token: str = DEFAULT_TOKEN
    workspace_name: str = DEFAULT_WORKSPACE
    slots: int = WORKER_SLOTS
    delay_factor: float = 1.0
    wait_seconds: float = WAIT_SECONDS
    stream_seconds: float = STREAM_SECONDS
    directory: Path | None = None
    storage: Path | None = None
    bytecode: Path | None = None
    extra_environment: dict[str, str] = field(default_factory=dict)
    warm: bool = True
    base_url: str = ""
    workspace: Workspace = field(init=False)
    _uvicorn: uvicorn.Server | None = field(default=None, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)
    _own_directory: Path | None = field(default=None, init=False)
    _engine: Engine | None = field(default=None, init=False)

    def __enter__(self) -> "LocalServer":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> "LocalServer":
        """Start the server; ``base_url`` and ``workspace`` can be used afterwards.

        Raises:
            PortTaken: When another program listens on the port.
        """
        listener = listen(self.port)
        self.port = listener.getsockname()[1]
        self.base_url = f"http://127.0.0.1:{self.port}"
        directory = self._empty_directory()
        self.workspace = Workspace(self.workspace_name, directory / "pushed", self.root)
        store = JobStore()
        processes = ProcessGroups()
        environment = JobEnvironment(self.bytecode or directory / "bytecode", self.extra_environment)
        worker = Worker(
            workspace=self.workspace,
            store=store,
            slots=asyncio.Semaphore(self.slots),
            processes=processes,
            base_url=self.base_url,
            jobs_directory=directory / "jobs",
            environment=environment,
            template=Template(processes, environment.of_template) if self.warm and can_fork() else None,
        )
        self._engine = engine = Engine(self.workspace, store, worker, Transforms(), self.delay_factor)
        tokens = Tokens(self.token, store)
        app = build_app(
            engine, tokens, wait_seconds=self.wait_seconds, stream_seconds=self.stream_seconds, storage=self.storage
        )
        config = uvicorn.Config(app, log_level="warning", lifespan="on", timeout_graceful_shutdown=4, ws="none")
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._uvicorn.run, args=([listener],), name="stand-in", daemon=True)
        self._thread.start()
        while not self._uvicorn.started and self._thread.is_alive():
            self._thread.join(0.005)
        if not self._uvicorn.started:
            self.stop()
            raise RuntimeError("The stand-in for Windmill did not start; its log says why.")
        return self

    def stop(self) -> None:
        """Stop the server and every job; a stopped one is no error."""
        if self._uvicorn is not None and self._thread is not None:
            if self._engine is not None:
                self._engine.cancel_all()
            self._uvicorn.should_exit = True
            self._thread.join(_STOP_SECONDS)
            self._uvicorn = self._thread = None
        if self._own_directory is not None:
            shutil.rmtree(self._own_directory, ignore_errors=True)
            self._own_directory = None

    def is_running(self) -> bool:
        """Tell whether the server answers requests."""
        return self._thread is not None and self._thread.is_alive()

    def _empty_directory(self) -> Path:
        if self.directory is None:
            directory = Path(tempfile.mkdtemp(prefix="stand-in-"))
        else:
            directory = self.directory.absolute()
            shutil.rmtree(directory, ignore_errors=True)
        (directory / "jobs").mkdir(parents=True)
        self._own_directory = directory
        return directory
