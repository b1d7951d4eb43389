"""The server without HTTP: takes jobs in, runs them and completes them.

Module of the stand-in for Windmill.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.server.errors import NotFound
from local.server.flows import FlowRun, Module
from local.server.jobs import Job, JobStore, canceled_result, error_result
from local.server.transforms import Transforms
from local.server.worker import Outcome, Worker
from local.server.workspace import Workspace


@dataclass(slots=True)
class Engine:
    """Runs the jobs of one workspace.

    Attributes:
        delay_factor: Multiplies the pauses of flows (retries, ``sleep``), so that tests need not wait for them.
        loop: In which the jobs run, once the server has started.
    """

    workspace: Workspace
    store: JobStore
    worker: Worker
    transforms: Transforms
    delay_factor: float = 1.0
    loop: asyncio.AbstractEventLoop | None = None
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    def submit(self, job: Job) -> Job:
        """Take a job in and run it in the background.

        Raises:
            NotFound: When there is no such script or flow.
        """
        self._check(job)
        self.store.add(job)
        task = asyncio.get_running_loop().create_task(self._run(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    def preprocess(self, job: Job, event: Mapping[str, Any]) -> Job:
        """Let a script that has a preprocessor make its arguments of a request; without one they stay as they are."""
        script = self.workspace.scripts.get(job.path)
        if script is not None and script.details.get("has_preprocessor"):
            job.args, job.preprocesses = {"event": dict(event)}, True
        return job

    async def run_step(self, job: Job) -> Outcome:
        """Run the job of a flow's step to its end; canceling the flow cancels it."""
        parent = self.store.get(job.parent or "")
        self.store.add(job)
        with contextlib.suppress(NotFound):
            if job.kind == "script":
                job.timeout_seconds = job.timeout_seconds or self.workspace.script(job.path).details.get("timeout")
        watcher = asyncio.get_running_loop().create_task(_pass_on_cancel(parent, job))
        try:
            await self._run(job)
        finally:
            watcher.cancel()
        return Outcome(success=job.success, result=job.result or "null")

    def flow_value(self, path: str) -> Module:
        """Give the value of a flow.

        Raises:
            NotFound: When there is none.
        """
        flow = self.workspace.flows.get(path)
        if flow is None:
            raise NotFound(f"flow not found at name {path}")
        value: dict[str, Any] = flow.get("value") or {}
        return value

    def cancel_all(self) -> None:
        """Cancel everything that is queued or running; may be called from any thread."""
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._cancel_all)

    def _cancel_all(self) -> None:
        for job in self.store:
            job.cancel("the server stops", "local")

    async def close(self) -> None:
        """Cancel everything that is queued or running, and wait for its end."""
        self._cancel_all()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=10)
        self.worker.close()
        self.transforms.close()

    def _check(self, job: Job) -> None:
        if job.kind == "flow":
            self.flow_value(job.path)
        elif job.kind == "script":
            script = self.workspace.script(job.path)
            job.script_hash = script.hash
            job.timeout_seconds = job.timeout_seconds or script.details.get("timeout")

    async def _run(self, job: Job) -> None:
        job.token = f"job_{secrets.token_urlsafe(24)}"
        try:
            outcome, job.skipped = await self._outcome(job)
        except Exception as error:
            # Whatever is wrong here is the stand-in's mistake, but whoever waits for the job has to hear of it.
            self.store.complete(job, success=False, result=error_result(repr(error), "InternalErr"))
            raise
        self.store.complete(job, success=outcome.success, result=outcome.result)

    async def _outcome(self, job: Job) -> tuple[Outcome, bool]:
        if job.kind != "flow":
            try:
                if job.kind == "script":
                    self.workspace.script(job.path)
            except NotFound as error:
                return Outcome(success=False, result=error_result(error.body, "NotFound")), False
            return await self.worker.run(job), False
        job.started_at = datetime.now(UTC)
        job.notify()
        try:
            value = self.flow_value(job.path)
        except NotFound as error:
            return Outcome(success=False, result=error_result(error.body, "NotFound")), False
        outcome, skipped = await FlowRun(job, value, self).run()
        if job.is_canceled and not outcome.success:
            return Outcome(success=False, result=canceled_result(job)), False
        return outcome, skipped


async def _pass_on_cancel(parent: Job, child: Job) -> None:
    await parent.cancelling.wait()
    child.cancel(parent.canceled_reason or "flow canceled", parent.canceled_by or "unknown")
