"""The jobs of the server: queued, running and completed, in memory and bounded.

Module of the stand-in for Windmill. A job's result is kept as JSON text, so that it reaches every reader as the
script wrote it.
"""

import asyncio
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.server.errors import NotFound

MAX_COMPLETED_JOBS = 2_000
MAX_COMPLETED_BYTES = 256 * 1024 * 1024
MAX_LOG_CHARACTERS = 500_000
MAX_STREAM_CHARACTERS = 20_000_000
LARGEST_SHOWN = 90_000
"""Bytes of arguments above which a job's record says ``TOO_BIG`` in their place; ``get_args`` tells them."""
TOO_BIG = {"reason": "WINDMILL_TOO_BIG"}


@dataclass(frozen=True, slots=True)
class Change:
    """The next change of a job after some moment."""

    event: asyncio.Event

    async def wait(self, timeout_seconds: float) -> bool:
        """Wait for it, and tell whether it came in time."""
        try:
            await asyncio.wait_for(self.event.wait(), timeout_seconds)
        except TimeoutError:
            return False
        return True


@dataclass(slots=True)
class Job:
    """One run of a script, a flow, or a step of a flow.

    Attributes:
        kind: ``script``, ``flow``, ``preview`` (source that came with the request) or ``identity``.
        path: Of the script or flow.
        args: As they came: references such as ``$var:`` are replaced only inside of the job.
        parent: The flow whose step this is, or the job that started it.
        root: The outermost flow.
        preprocesses: Whether the script's ``preprocessor`` makes the arguments of ``main`` out of these.
        source: Python source of a preview or of an inline step.
        stream_from: The step whose stream is this flow's stream.
        streams_into: The flow of which this is the step.
        result: JSON text, once completed.
    """

    kind: str
    path: str
    args: dict[str, Any]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    parent: str | None = None
    root: str | None = None
    step_id: str | None = None
    schedule_path: str | None = None
    preprocesses: bool = False
    flow_path: str | None = None
    source: str | None = None
    script_hash: str | None = None
    timeout_seconds: float | None = None
    delay_seconds: float = 0.0
    tag: str = "python3"
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    started_at: datetime | None = None
    completed_at: datetime | None = None
    success: bool = False
    skipped: bool = False
    result: str | None = None
    logs: str = ""
    logs_are_cut: bool = False
    stream: str = ""
    stream_from: "Job | None" = None
    streams_into: "Job | None" = None
    progress: int | None = None
    canceled_reason: str | None = None
    canceled_by: str | None = None
    user_states: dict[str, Any] = field(default_factory=dict)
    flow_status: dict[str, Any] | None = None
    token: str = ""
    cancelling: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_completed(self) -> bool:
        """Whether there is a result."""
        return self.completed_at is not None

    @property
    def is_canceled(self) -> bool:
        """Whether somebody has asked for its end."""
        return self.cancelling.is_set()

    @property
    def visible_stream(self) -> str:
        """What the job has streamed so far; of a flow, what its last step has."""
        return self.stream_from.visible_stream if self.stream_from is not None else self.stream

    @property
    def size(self) -> int:
        """About how much memory it takes, in characters."""
        return len(self.logs) + len(self.stream) + len(self.result or "") + len(json.dumps(self.args, default=str))

    def append_log(self, text: str) -> None:
        """Add to the log; what exceeds the limit is dropped and said so once."""
        room = MAX_LOG_CHARACTERS - len(self.logs)
        if room > 0:
            self.logs += text[:room]
        if len(text) > room and not self.logs_are_cut:
            self.logs_are_cut = True
            self.logs += f"\n[the log is longer than {MAX_LOG_CHARACTERS:,} characters; the rest is not kept]\n"
        self.notify()

    def append_stream(self, text: str) -> None:
        """Add to the result stream, up to a limit."""
        self.stream += text[: max(0, MAX_STREAM_CHARACTERS - len(self.stream))]
        self.notify()

    def notify(self) -> None:
        """Wake everyone who waits for a change of this job, or of the flow whose stream it gives."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        if self.streams_into is not None:
            self.streams_into.notify()

    def changes(self) -> "Change":
        """Give something to wait with for the next change after this moment."""
        return Change(self._changed)

    async def wait_until_completed(self) -> None:
        """Wait for the result."""
        while not self.is_completed:
            await self._changed.wait()

    def cancel(self, reason: str, by: str) -> None:
        """Ask for the end of the job; repeats change nothing."""
        if not self.is_completed and not self.is_canceled:
            self.canceled_reason, self.canceled_by = reason, by
            self.cancelling.set()
            self.notify()

    def as_json(self) -> dict[str, Any]:
        """Give the form of ``jobs_u/get``, without the result and the log."""
        common: dict[str, Any] = {
            "id": self.id,
            "parent_job": self.parent,
            "root_job": self.root,
            "created_by": "admin",
            "created_at": iso(self.created_at),
            "started_at": iso(self.started_at),
            "script_path": self.path,
            "script_hash": self.script_hash,
            "args": TOO_BIG if len(json.dumps(self.args)) > LARGEST_SHOWN else self.args,
            "canceled": self.is_canceled,
            "canceled_by": self.canceled_by,
            "canceled_reason": self.canceled_reason,
            "job_kind": self.kind,
            "schedule_path": self.schedule_path,
            "permissioned_as": "u/admin",
            "email": "admin@windmill.local",
            "flow_status": self.flow_status,
            "is_flow_step": self.step_id is not None,
            "flow_step_id": self.step_id,
            "language": None if self.kind == "flow" else "python3",
            "visible_to_owner": True,
            "tag": "flow" if self.kind == "flow" else self.tag,
        }
        if self.is_completed and self.completed_at is not None:
            started = self.started_at or self.completed_at
            return {
                **common,
                "type": "CompletedJob",
                "success": self.success,
                "duration_ms": round((self.completed_at - started).total_seconds() * 1000),
                "completed_at": iso(self.completed_at),
                "is_skipped": self.skipped,
                "deleted": False,
            }
        return {**common, "type": "QueuedJob", "running": self.started_at is not None}


class JobStore:
    """All jobs, the newest last; the oldest completed ones are forgotten when there are too many."""

    def __init__(self, *, max_jobs: int = MAX_COMPLETED_JOBS, max_bytes: int = MAX_COMPLETED_BYTES) -> None:
        """Set the limits for completed jobs."""
        self._jobs: dict[str, Job] = {}
        self._completed: dict[str, int] = {}
        self._completed_bytes = 0
        self._max_jobs = max_jobs
        self._max_bytes = max_bytes

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._jobs.values()))

    def add(self, job: Job) -> None:
        """Take in a new job."""
        self._jobs[job.id] = job

    def find(self, job_id: str) -> Job | None:
        """Give a job, or None."""
        return self._jobs.get(job_id)

    def get(self, job_id: str) -> Job:
        """Give a job.

        Raises:
            NotFound: When there is none, or it is forgotten.
        """
        job = self._jobs.get(job_id)
        if job is None:
            raise NotFound(f"job not found at id {job_id}")
        return job

    def knows_token(self, token: str) -> bool:
        """Tell whether a token is that of a running job; those are among the newest, so it is found at once."""
        return any(job.token == token for job in reversed(self._jobs.values()))

    def complete(self, job: Job, *, success: bool, result: str) -> None:
        """Store the result, wake who waits, and forget the oldest jobs when there are too many."""
        job.success, job.result = success, result
        job.completed_at = datetime.now(UTC)
        job.token = ""
        job.notify()
        self._completed[job.id] = job.size
        self._completed_bytes += job.size
        while len(self._completed) > self._max_jobs or (
            self._completed_bytes > self._max_bytes and len(self._completed) > 1
        ):
            oldest = next(iter(self._completed))
            self._completed_bytes -= self._completed.pop(oldest)
            del self._jobs[oldest]

    def root_of(self, job: Job) -> Job:
        """Give the outermost flow of a job, or the job itself."""
        return self._jobs.get(job.root or job.id, job)


def iso(moment: datetime | None) -> str | None:
    """Write a time as Windmill does."""
    return moment.isoformat().replace("+00:00", "Z") if moment is not None else None


def error_result(message: str, name: str, **more: object) -> str:
    """Give the result of a failed job as JSON text."""
    return json.dumps({"error": {"message": message, "name": name, **more}})


def canceled_result(job: Job) -> str:
    """Give the result of a canceled job."""
    reason, by = job.canceled_reason or "no reason given", job.canceled_by or "unknown"
    return error_result(f"Job canceled: {reason} by {by}", "Canceled", reason=reason, canceler=by)
