"""Updates of a job, once or as server-sent events.

Module of the stand-in for Windmill. A client that loses the connection, or whose stream was closed after its time,
comes again with the last ``stream_offset`` that it has seen and misses nothing.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.responses import StreamingResponse

from local.server.jobs import Job, JobStore
from local.server.requests import is_set, whole_number

PING_SECONDS = 5.0
# Pieces of a stream that come faster than this are sent together, as on Windmill, whose worker flushes now and then.
_GATHER_SECONDS = 0.02


def update_of(job: Job, log_offset: int, stream_offset: int, *, only_result: bool) -> dict[str, Any]:
    """Tell what is new about a job.

    Args:
        job: The job.
        log_offset: So much of its log is known.
        stream_offset: So much of its result stream is known.
        only_result: Leave the log out, and give the result when there is one.
    """
    stream = job.visible_stream
    update: dict[str, Any] = {"completed": True} if job.is_completed else {"running": job.started_at is not None}
    if len(stream) > stream_offset:
        update |= {"new_result_stream": stream[stream_offset:], "stream_offset": len(stream)}
    if job.progress is not None:
        update["progress"] = job.progress
    if only_result:
        if job.is_completed:
            update["only_result"] = json.loads(job.result or "null")
        return update
    if len(job.logs) > log_offset:
        update |= {"new_logs": job.logs[log_offset:], "log_offset": len(job.logs)}
    if job.flow_status is not None:
        update["flow_status"] = job.flow_status
    if job.is_completed:
        update["job"] = {**job.as_json(), "result": json.loads(job.result or "null")}
    return update


def stream_updates(
    store: JobStore, job_id: str, query: Mapping[str, str], stream_seconds: float, *, only_result: bool = False
) -> StreamingResponse:
    """Send a job's updates until it is completed or the time is over.

    Args:
        store: Holds the job.
        job_id: Its id; an unknown one gives one event, ``notfound``.
        query: ``only_result``, ``log_offset``, ``stream_offset``, ``no_logs``.
        stream_seconds: After so long an event ``timeout`` ends the stream.
        only_result: Leave the log out whatever the query says.
    """
    only_result = only_result or is_set(query, "only_result") or is_set(query, "no_logs")
    offsets = whole_number(query, "log_offset", 0), whole_number(query, "stream_offset", 0)
    events = _events(store.find(job_id), *offsets, only_result=only_result, stream_seconds=stream_seconds)
    headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def _events(
    job: Job | None, log_offset: int, stream_offset: int, *, only_result: bool, stream_seconds: float
) -> AsyncIterator[str]:
    if job is None:
        yield _event({"type": "notfound"})
        return
    ends_at = time.monotonic() + stream_seconds
    last: dict[str, Any] = {}
    while True:
        # Taken before the update is put together, so that nothing gets lost while it is being sent.
        seen = job.changes()
        update = update_of(job, log_offset, stream_offset, only_result=only_result)
        if update != last:
            yield _event({"type": "update", **update})
            log_offset = update.get("log_offset", log_offset)
            stream_offset = update.get("stream_offset", stream_offset)
            last = {name: value for name, value in update.items() if name not in _NEWS}
        if "completed" in update:
            return
        left = ends_at - time.monotonic()
        if left <= 0:
            yield _event({"type": "timeout"})
            return
        if not await seen.wait(min(PING_SECONDS, left)):
            yield _event({"type": "ping"})
        elif not job.is_completed:
            await asyncio.sleep(_GATHER_SECONDS)


_NEWS = ("new_logs", "log_offset", "new_result_stream", "stream_offset")


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value)}\n\n"
