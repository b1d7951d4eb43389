"""The routes that start jobs, wait for them, cancel them and tell of them.

Module of the stand-in for Windmill.
"""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from local.server.access import Tokens
from local.server.answers import json_text, to_response
from local.server.engine import Engine
from local.server.errors import BadRequest, NotFound, WaitedTooLong
from local.server.jobs import Job
from local.server.requests import (
    described,
    is_set,
    job_arguments,
    json_body,
    moment,
    object_body,
    optional_flag,
    whole_number,
)
from local.server.streams import stream_updates, update_of
from local.server.worker import Outcome

_SCOPE_KINDS = {"p": "scripts", "h": "scripts", "f": "flows"}
_MAX_PER_PAGE = 1_000


@dataclass(slots=True)
class JobRoutes:
    """The routes below ``/api/w/<workspace>/jobs`` and ``/jobs_u``.

    Attributes:
        wait_seconds: So long may a caller of ``run_wait_result`` wait.
        stream_seconds: After so long a stream of updates is closed, and the client comes again.
    """

    engine: Engine
    tokens: Tokens
    wait_seconds: float
    stream_seconds: float

    def routes(self) -> list[Route]:
        """Give the routes, relative to the workspace."""
        return [
            Route("/jobs/run_wait_result/preview", self.run_preview_and_wait, methods=["POST"]),
            Route("/jobs/run_wait_result/{kind}/{path:path}", self.run_and_wait, methods=["GET", "POST"]),
            Route("/jobs/run_and_stream/{kind}/{path:path}", self.run_and_stream, methods=["GET", "POST"]),
            Route("/jobs/run/preview", self.run_preview, methods=["POST"]),
            Route("/jobs/run/{kind}/{path:path}", self.run, methods=["POST"]),
            Route("/jobs/list", self.list_all),
            Route("/jobs/queue/list", self.list_queue),
            Route("/jobs/completed/list", self.list_completed),
            Route("/jobs/worker_is_draining/{id}", self.worker_is_draining),
            Route("/jobs/flow/user_states/{id}/{key}", self.user_state, methods=["GET", "POST"]),
            Route("/jobs_u/get/{id}", self.get),
            Route("/jobs_u/get_args/{id}", self.get_args),
            Route("/jobs_u/get_logs/{id}", self.get_logs),
            Route("/jobs_u/get_root_job_id/{id}", self.get_root),
            Route("/jobs_u/getupdate/{id}", self.get_update),
            Route("/jobs_u/getupdate_sse/{id}", self.get_updates_as_stream),
            Route("/jobs_u/completed/get/{id}", self.get),
            Route("/jobs_u/completed/get_result/{id}", self.get_result),
            Route("/jobs_u/completed/get_result_maybe/{id}", self.get_result_maybe),
            Route("/jobs_u/queue/cancel/{id}", self.cancel, methods=["POST"]),
            Route("/jobs_u/queue/force_cancel/{id}", self.cancel, methods=["POST"]),
            Route("/job_metrics/set_progress/{id}", self.set_progress, methods=["POST"]),
            Route("/job_metrics/get_progress/{id}", self.get_progress),
            Route("/schedules/run/{path:path}", self.run_schedule, methods=["POST"]),
        ]

    async def run(self, request: Request) -> Response:
        """Start a job and answer with its id."""
        return PlainTextResponse((await self._started(request)).id, 201)

    async def run_and_wait(self, request: Request) -> Response:
        """Start a job and answer with its result; a caller that hangs up cancels it."""
        return await self.waited_for(request, await self._started(request))

    async def run_and_stream(self, request: Request) -> Response:
        """Start a job and answer with the stream of its updates."""
        self.tokens.check(request, "jobs:read")
        job = await self._started(request)
        return stream_updates(self.engine.store, job.id, request.query_params, self.stream_seconds, only_result=True)

    async def run_preview(self, request: Request) -> Response:
        """Run a source that came with the request and answer with the job's id."""
        return PlainTextResponse((await self._preview(request)).id, 201)

    async def run_preview_and_wait(self, request: Request) -> Response:
        """Run a source that came with the request and answer with its result."""
        return await self.waited_for(request, await self._preview(request))

    async def run_schedule(self, request: Request) -> Response:
        """Run what a schedule names, now; schedules do not fire by themselves here."""
        path = request.path_params["path"]
        self.tokens.check(request, f"schedules:write:{path}")
        schedule = self.engine.workspace.schedules.get(path)
        if schedule is None:
            raise NotFound(f"schedule not found at name {path}")
        kind = "flow" if schedule.get("is_flow") else "script"
        job = Job(kind, str(schedule.get("script_path")), dict(schedule.get("args") or {}), schedule_path=path)
        return PlainTextResponse(self.engine.submit(job).id, 201)

    async def get(self, request: Request) -> Response:
        """Tell everything about a job."""
        job = self._job(request)
        told = job.as_json()
        if job.is_completed:
            told["result"] = json.loads(job.result or "null")
        if not is_set(request.query_params, "no_logs"):
            told["logs"] = job.logs
        return JSONResponse(told)

    async def get_args(self, request: Request) -> Response:
        """Tell the arguments as they came."""
        return JSONResponse(self._job(request).args)

    async def get_logs(self, request: Request) -> Response:
        """Tell the log as text."""
        return PlainTextResponse(self._job(request).logs)

    async def get_root(self, request: Request) -> Response:
        """Tell the outermost flow of a job."""
        return JSONResponse(self.engine.store.root_of(self._job(request)).id)

    async def get_update(self, request: Request) -> Response:
        """Tell what is new about a job."""
        query = request.query_params
        offsets = whole_number(query, "log_offset", 0), whole_number(query, "stream_offset", 0)
        return JSONResponse(update_of(self._job(request), *offsets, only_result=is_set(query, "only_result")))

    async def get_updates_as_stream(self, request: Request) -> Response:
        """Send what becomes new about a job, as server-sent events."""
        self.tokens.check(request, "jobs:read")
        store = self.engine.store
        return stream_updates(store, request.path_params["id"], request.query_params, self.stream_seconds)

    async def get_result(self, request: Request) -> Response:
        """Answer with the result of a completed job."""
        job = self._job(request)
        if not job.is_completed:
            raise NotFound(f"completed job not found at id {job.id}")
        return json_text(job.result or "null")

    async def get_result_maybe(self, request: Request) -> Response:
        """Tell whether a job is completed, and if so its result."""
        self.tokens.check(request, "jobs:read")
        job = self.engine.store.find(request.path_params["id"])
        if job is None or not job.is_completed:
            started = job is not None and job.started_at is not None
            return JSONResponse({"started": started, "completed": False, "success": False, "result": None})
        result = json.loads(job.result or "null")
        return JSONResponse({"started": True, "completed": True, "success": job.success, "result": result})

    async def cancel(self, request: Request) -> Response:
        """Cancel a job."""
        job = self._job(request)
        body = await json_body(request)
        reason = body.get("reason") if isinstance(body, dict) else None
        if job.is_completed:
            raise BadRequest(f"queued job {job.id} is already completed")
        job.cancel(str(reason or "no reason given"), "admin")
        return PlainTextResponse(job.id)

    async def set_progress(self, request: Request) -> Response:
        """Note how far a job is; it never goes back."""
        self.tokens.check(request, "jobs:read")
        job = self.engine.store.get(request.path_params["id"])
        percent = (await object_body(request)).get("percent")
        if isinstance(percent, bool) or not isinstance(percent, int):
            raise BadRequest("invalid type for `percent`: expected a whole number")
        if not 0 <= percent <= 99:
            raise BadRequest("Progress should be between 0 and 99")
        job.progress = max(job.progress or 0, percent)
        job.notify()
        return JSONResponse(None)

    async def get_progress(self, request: Request) -> Response:
        """Tell how far a job is, in percent."""
        job = self._job(request)
        return JSONResponse(100 if job.is_completed and job.success else job.progress)

    async def worker_is_draining(self, request: Request) -> Response:
        """Say that the worker goes on."""
        self.tokens.check(request, "jobs:read")
        return JSONResponse(content=False)

    async def user_state(self, request: Request) -> Response:
        """Keep a value with a flow's run, or tell it."""
        job = self._job(request)
        if request.method == "POST":
            job.user_states[request.path_params["key"]] = await json_body(request)
            return PlainTextResponse("")
        return JSONResponse(job.user_states.get(request.path_params["key"]))

    async def list_all(self, request: Request) -> Response:
        """List jobs, the newest first."""
        return self._listed(request, [job for job in self.engine.store if job.kind != "dependencies"])

    async def list_queue(self, request: Request) -> Response:
        """List the jobs that are not completed."""
        return self._listed(request, [job for job in self.engine.store if not job.is_completed])

    async def list_completed(self, request: Request) -> Response:
        """List the jobs that are completed."""
        return self._listed(request, [job for job in self.engine.store if job.is_completed])

    def _job(self, request: Request) -> Job:
        self.tokens.check(request, "jobs:read")
        return self.engine.store.get(request.path_params["id"])

    async def _started(self, request: Request) -> Job:
        kind, path = request.path_params["kind"], request.path_params["path"]
        if kind not in _SCOPE_KINDS:
            raise NotFound(f"no such kind of job: {kind}")
        path = self.engine.workspace.script_by_hash(path).path if kind == "h" else path
        self.tokens.check(request, f"jobs:run:{_SCOPE_KINDS[kind]}:{path}")
        arguments = await job_arguments(request)
        job = Job("flow" if kind == "f" else "script", path, arguments)
        if (
            kind != "f"
            and "_ENTRYPOINT_OVERRIDE" not in arguments
            and not is_set(request.query_params, "skip_preprocessor")
        ):
            self.engine.preprocess(job, {"kind": "webhook", "body": arguments, **described(request)})
        return self.engine.submit(self._with_query(job, request))

    async def _preview(self, request: Request) -> Job:
        self.tokens.check(request, "jobs:run:preview")
        body = await object_body(request)
        content, args = body.get("content"), body.get("args") or {}
        if not isinstance(content, str) or not isinstance(args, dict):
            raise BadRequest("missing field `content`")
        if body.get("language", "python3") != "python3":
            raise BadRequest("the local stand-in runs python3 only")
        path = str(body.get("path") or "tmp/main")
        return self.engine.submit(self._with_query(Job("preview", path, args, source=content), request))

    def _with_query(self, job: Job, request: Request) -> Job:
        """Take over the query parameters that a job is started with."""
        query = request.query_params
        if wanted := query.get("job_id"):
            if self.engine.store.find(wanted) is not None:
                raise BadRequest(f"a job with id {wanted} already exists")
            job.id = wanted
        job.parent, job.root = query.get("parent_job"), query.get("root_job")
        job.tag = query.get("tag") or job.tag
        if "timeout" in query:
            job.timeout_seconds = float(whole_number(query, "timeout", 0)) or None
        job.delay_seconds = float(whole_number(query, "scheduled_in_secs", 0))
        if (start := moment(query, "scheduled_for")) is not None:
            job.delay_seconds = max(0.0, (start - datetime.now(start.tzinfo)).total_seconds())
        return job

    async def waited_for(self, request: Request, job: Job) -> Response:
        """Answer with a job's result; a caller that hangs up, or waits too long, cancels it."""
        hung_up = asyncio.ensure_future(_hang_up(request))
        completed = asyncio.ensure_future(job.wait_until_completed())
        try:
            await asyncio.wait({hung_up, completed}, timeout=self.wait_seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (hung_up, completed):
                task.cancel()
        if job.is_completed:
            return to_response(Outcome(success=job.success, result=job.result or "null"))
        # Windmill cancels here as well, because nobody is left who would take the result.
        gone = hung_up.done() and not hung_up.cancelled()
        job.cancel("http connection broke" if gone else "timeout", "admin")
        raise WaitedTooLong(f"timeout after {self.wait_seconds:g}s")

    def _listed(self, request: Request, jobs: list[Job]) -> Response:
        self.tokens.check(request, "jobs:read")
        query = request.query_params
        chosen = [job for job in jobs if _matches(job, query)]
        chosen.sort(key=lambda job: job.created_at, reverse=query.get("order_desc", "true") != "false")
        size = min(whole_number(query, "per_page", 30) or 30, _MAX_PER_PAGE)
        start = max(0, whole_number(query, "page", 1) - 1) * size
        return JSONResponse([job.as_json() for job in chosen[start : start + size]])


async def _hang_up(request: Request) -> None:
    """Wait until the client has closed the connection; its body must have been read."""
    with contextlib.suppress(asyncio.CancelledError):
        while (await request.receive())["type"] != "http.disconnect":
            pass


def _matches(job: Job, query: Any) -> bool:
    """Apply the filters of the lists."""
    wanted = optional_flag(query, "success")
    running = optional_flag(query, "running")
    is_step = optional_flag(query, "is_flow_step")
    kinds = query.get("job_kinds")
    checks = (
        wanted is None or (job.is_completed and job.success == wanted),
        running is None or (not job.is_completed and (job.started_at is not None) == running),
        is_step is None or (job.step_id is not None) == is_step,
        kinds is None or job.kind in kinds.split(","),
        query.get("script_path_exact") in {None, job.path},
        job.path.startswith(query.get("script_path_start", "")),
        query.get("script_hash") in {None, job.script_hash},
        query.get("parent_job") in {None, job.parent},
        query.get("schedule_path") in {None, job.schedule_path},
        query.get("tag") in {None, job.tag},
        not is_set(query, "has_null_parent") or job.parent is None,
        _is_between(job.created_at, query, "created"),
        _is_between(job.started_at, query, "started"),
        _is_between(job.completed_at, query, "completed"),
    )
    return all(checks)


def _is_between(when: datetime | None, query: Any, name: str) -> bool:
    after, before = moment(query, f"{name}_after"), moment(query, f"{name}_before")
    if after is None and before is None:
        return True
    return when is not None and (after is None or when > after) and (before is None or when < before)
