"""The worker: runs each script in a fresh process and turns its end into a result.

Module of the stand-in for Windmill. It replaces the references in the arguments, hands the job over in a directory of
its own, reads the output as it comes (log lines, and lines of the result stream), and survives whatever the script
does: it may crash, hang, print megabytes or leave children behind.
"""

import asyncio
import json
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.server.environment import JobEnvironment
from local.server.errors import ApiError
from local.server.jobs import Job, JobStore, canceled_result, error_result
from local.server.processes import JobProcess, ProcessGroups
from local.server.references import resolve_arguments
from local.server.signatures import annotations_of, signature_of
from local.server.template import Template
from local.server.workspace import USER_EMAIL, USER_NAME, Workspace

DEFAULT_TIMEOUT_SECONDS = 900.0
_STREAM_MARK = "WM_STREAM: "
_MAX_LINE_BYTES = 8 * 1024 * 1024
_LOG_TAIL_LINES = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended: whether well, and its result as JSON text."""

    success: bool
    result: str


@dataclass(slots=True)
class Worker:
    """Runs scripts of one workspace.

    Attributes:
        slots: So many scripts run at once; more wait in the queue.
        base_url: Where jobs reach the server.
        jobs_directory: Where each job has a directory while it runs.
        environment: Makes the environment of a job.
        template: Forks the processes of jobs; without it, each is a new Python.
    """

    workspace: Workspace
    store: JobStore
    slots: asyncio.Semaphore
    processes: ProcessGroups
    base_url: str
    jobs_directory: Path
    environment: JobEnvironment
    template: Template | None = None

    async def run(self, job: Job) -> Outcome:
        """Run a script job, from waiting for a slot to its outcome; the job itself is not completed here."""
        if job.delay_seconds > 0:
            await _sleep_unless_canceled(job, job.delay_seconds)
        async with self.slots:
            if job.is_canceled:
                return Outcome(success=False, result=canceled_result(job))
            job.started_at = datetime.now(UTC)
            job.notify()
            directory = tempfile.mkdtemp(dir=self.jobs_directory)
            try:
                return await self._run_in(directory, job)
            finally:
                shutil.rmtree(directory, ignore_errors=True)

    def close(self) -> None:
        """End every process."""
        if self.template is not None:
            self.template.close()
        self.processes.close()

    def contextual_variables(self, job: Job) -> dict[str, str]:
        """Give what Windmill tells a job about itself."""
        flow = job.parent if job.step_id is not None else None
        return {
            "BASE_INTERNAL_URL": self.base_url,
            "BASE_URL": self.base_url,
            "WM_BASE_URL": self.base_url,
            "WM_TOKEN": job.token,
            "WM_WORKSPACE": self.workspace.name,
            "WM_JOB_ID": job.id,
            "WM_JOB_PATH": job.path,
            "WM_FLOW_JOB_ID": flow or "",
            "WM_ROOT_FLOW_JOB_ID": (job.root or "") if flow else "",
            "WM_FLOW_PATH": job.flow_path or "",
            "WM_FLOW_STEP_ID": job.step_id or "",
            "WM_SCHEDULE_PATH": job.schedule_path or "",
            "WM_USERNAME": USER_NAME,
            "WM_EMAIL": USER_EMAIL,
            "WM_PERMISSIONED_AS": f"u/{USER_NAME}",
            "WM_STATE_PATH": f"u/{USER_NAME}/{job.path}",
            "WM_OBJECT_PATH": f"{self.workspace.name}/{job.path}",
        }

    async def _run_in(self, directory: str, job: Job) -> Outcome:
        contextual = self.contextual_variables(job)
        try:
            args = resolve_arguments(self.workspace, job.args, contextual)
            Path(directory, "job.json").write_text(
                json.dumps(self._handed_over(directory, job, args)), encoding="utf-8"
            )
        except (ApiError, SyntaxError, ValueError) as error:
            return Outcome(success=False, result=error_result(str(error), "ExecutionErr"))
        job.append_log(f"job={job.id} tag={job.tag} worker=local\n\n--- PYTHON CODE EXECUTION ---\n")
        process = await (self.template or self.processes).start(directory, self.environment.of_job(contextual))
        try:
            problem = await self._wait(process, job)
        finally:
            self.processes.end(process.pid)
        return problem or _outcome(job, Path(directory, "result.json"), process.ended.result())

    def _handed_over(self, directory: str, job: Job, args: dict[str, Any]) -> dict[str, Any]:
        override = job.args.get("_ENTRYPOINT_OVERRIDE")
        function = override if isinstance(override, str) and override else "main"
        folders = self.workspace.source_folders
        if job.source is not None:
            file = Path(directory, f"{job.path}.py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(job.source, encoding="utf-8")
            folders = [directory, *folders]
        else:
            file = self.workspace.script(job.path).file
        return {
            "module": job.path.replace("/", "."),
            "function": function,
            "signature": signature_of(file, function).as_json(),
            "preprocessor": signature_of(file, "preprocessor").as_json() if job.preprocesses else None,
            "rewrites_result": "skip_result_postprocessing" not in annotations_of(file),
            "args": args,
            "folders": folders,
        }

    async def _wait(self, process: JobProcess, job: Job) -> Outcome | None:
        """Read the output until the process ends; an outcome here means that it was made to end."""
        finished = asyncio.gather(
            _read_output(process.stdout, job, may_stream=True),
            _read_output(process.stderr, job, may_stream=False),
        )
        canceled = asyncio.ensure_future(job.cancelling.wait())
        timeout_seconds = job.timeout_seconds or DEFAULT_TIMEOUT_SECONDS
        try:
            ends: set[asyncio.Future[Any]] = {process.ended, canceled}
            await asyncio.wait(ends, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
            in_time = process.ended.done()
            # Children that hold the pipes open are ended here, so that the output ends too.
            self.processes.end(process.pid)
            await process.ended
            await finished
        finally:
            finished.cancel()
            canceled.cancel()
        if job.is_canceled:
            return Outcome(success=False, result=canceled_result(job))
        if not in_time:
            text = f"execution error:\nJob timed out after {timeout_seconds:g}s"
            job.append_log(f"\n{text}\n")
            return Outcome(success=False, result=error_result(text, "ExecutionErr"))
        return None


async def _read_output(pipe: asyncio.StreamReader, job: Job, *, may_stream: bool) -> None:
    """Append a pipe's lines to the log or the stream; an endless line is cut, so that memory stays bounded."""
    kept = b""
    while chunk := await pipe.read(65_536):
        *lines, kept = (kept + chunk).split(b"\n")
        log = "".join(_taken_as_log(line, job, may_stream=may_stream) for line in lines)
        if len(kept) > _MAX_LINE_BYTES:
            log += _taken_as_log(kept, job, may_stream=may_stream)
            kept = b""
        if log:
            job.append_log(log)
    if kept:
        job.append_log(_taken_as_log(kept, job, may_stream=may_stream))


def _taken_as_log(line: bytes, job: Job, *, may_stream: bool) -> str:
    """Give the line for the log, or put it into the result stream and give nothing."""
    text = line.decode("utf-8", "replace")
    if may_stream and text.startswith(_STREAM_MARK):
        job.append_stream(text.removeprefix(_STREAM_MARK).replace("\\n", "\n"))
        return ""
    return text + "\n"


async def _sleep_unless_canceled(job: Job, seconds: float) -> None:
    try:
        await asyncio.wait_for(job.cancelling.wait(), seconds)
    except TimeoutError:
        return


def _outcome(job: Job, file: Path, status: int) -> Outcome:
    """Read the result that the process left, or say how it ended without one."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    if status == 0 and text:
        return _with_stream(job, text)
    if status == 1 and text:
        return Outcome(success=False, result=f'{{"error":{text}}}')
    tail = "\n".join(job.logs.splitlines()[-_LOG_TAIL_LINES:])
    if status < 0:
        message = f"execution error:\nprocess terminated by signal: {-status}, last log lines:\n{tail}"
    else:
        message = f"ExitCode: {status}, last log lines:\n{tail}"
    return Outcome(success=False, result=error_result(message, "ExecutionErr"))


def _with_stream(job: Job, text: str) -> Outcome:
    """Check that the result is JSON and put the stream into it, as Windmill does, as the key ``wm_stream``."""
    try:
        value = json.loads(text)
    except ValueError as error:
        return Outcome(success=False, result=error_result(f"invalid result: {error}", "ExecutionErr"))
    if job.stream and value is None:
        return Outcome(success=True, result=json.dumps(job.stream))
    if job.stream and isinstance(value, dict):
        return Outcome(success=True, result=json.dumps({**value, "wm_stream": job.stream}))
    return Outcome(success=True, result=text)
