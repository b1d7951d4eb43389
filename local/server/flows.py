"""The flow engine: runs the modules of a flow one after another, as its ``flow.yaml`` says.

Module of the stand-in for Windmill. Known are steps that are scripts, Python sources, flows or the identity;
``retry``, ``timeout``, ``sleep``, ``skip_if``, ``stop_after_if``, ``continue_on_error`` and ``mock``; ``forloopflow``
(also parallel), ``branchone`` and ``branchall``; and the failure module with ``recover``. Anything else, for example
an approval, ends the flow with an error that names it: a flow that silently does less than on Windmill would teach
the wrong thing.

What follows a failed step is as in Windmill: its retries with the very same arguments; then the failure module, once,
whose result becomes the flow's; and the flow stays failed unless that result says ``recover: true``.
"""

import asyncio
import json
import random
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from local.server.jobs import Job, error_result
from local.server.transforms import TransformFailed, Transforms
from local.server.worker import Outcome

Module = Mapping[str, Any]
_UNKNOWN = ("suspend", "stop_after_all_iters_if")
_MAX_RETRIES = 1_000
_MAX_RETRY_SECONDS = 6 * 60 * 60.0


class StepRunner(Protocol):
    """What the flow engine needs from the server."""

    transforms: Transforms
    delay_factor: float

    async def run_step(self, job: Job) -> Outcome:
        """Run the job of a step and complete it."""

    def flow_value(self, path: str) -> Module:
        """Give the value of another flow."""


@dataclass(slots=True)
class Scope:
    """What the expressions of a flow can name.

    Attributes:
        flow_input: The flow's arguments; inside of a loop also ``iter``.
        results: Of the steps that are done, by their id.
        previous: The result of the step before; at first the flow's arguments.
    """

    flow_input: dict[str, Any]
    results: dict[str, Any] = field(default_factory=dict)
    previous: Any = None

    def names(self, *, with_results: bool = True) -> dict[str, Any]:
        """Give the names and values."""
        previous = self.previous
        error = previous.get("error") if isinstance(previous, dict) else None
        return {
            "flow_input": self.flow_input,
            "previous_result": previous,
            "result": previous,
            "error": error,
            "params": {},
            **({"results": self.results} if with_results else {}),
        }


@dataclass(frozen=True, slots=True)
class Stop:
    """How a sequence of modules ended.

    Attributes:
        success: Whether all of it went well.
        result: Of the last step that ran, as plain data.
        stopped: ``stop_after_if`` ended it early.
        skipped: And the flow counts as skipped then.
    """

    success: bool
    result: Any
    stopped: bool = False
    skipped: bool = False


@dataclass(slots=True)
class FlowRun:
    """One run of a flow."""

    job: Job
    value: Module
    runner: StepRunner

    async def run(self) -> tuple[Outcome, bool]:
        """Run the flow and give its outcome, and whether it counts as skipped."""
        scope = Scope(dict(self.job.args), previous=dict(self.job.args))
        self.job.flow_status = {"step": 0, "modules": [], "failure_module": None}
        try:
            stop = await self._whole(scope)
        except TransformFailed as error:
            return Outcome(success=False, result=error_result(str(error), "ExecutionErr")), False
        return Outcome(success=stop.success, result=json.dumps(stop.result)), stop.skipped

    async def _whole(self, scope: Scope) -> Stop:
        if "preprocessor_module" in self.value:
            raise TransformFailed("preprocessor_module is not in the local stand-in for Windmill")
        if (expression := self.value.get("skip_expr")) and await self._is_true(expression, scope):
            return Stop(success=True, result="stopped early", skipped=True)
        modules: list[Module] = list(self.value.get("modules") or [])
        stop = await self._sequence(modules, scope, is_outermost=True)
        failure_module = self.value.get("failure_module")
        if stop.success or stop.stopped or failure_module is None or self.job.is_canceled:
            return stop
        failed = await self._step({"id": "failure", **failure_module}, scope, is_last=True)
        if self.job.flow_status is not None:
            self.job.flow_status["failure_module"] = self.job.flow_status["modules"].pop()
        recovered = failed.success and isinstance(failed.result, dict) and failed.result.get("recover") is True
        return Stop(success=recovered, result=failed.result)

    async def _sequence(self, modules: list[Module], scope: Scope, *, is_outermost: bool = False) -> Stop:
        """Run modules one after another; ``scope`` is carried along."""
        result: Any = scope.flow_input
        for position, module in enumerate(modules):
            if is_outermost and self.job.flow_status is not None:
                self.job.flow_status["step"] = position
            stop = await self._step(module, scope, is_last=is_outermost and position == len(modules) - 1)
            result = stop.result
            continues = module.get("continue_on_error") is True and not self.job.is_canceled
            if stop.stopped or (not stop.success and not continues):
                return stop
            await self._sleep(module, scope)
        return Stop(success=True, result=result)

    async def _step(self, module: Module, scope: Scope, *, is_last: bool) -> Stop:
        """Run one module with its conditions; its result goes into the scope."""
        for name in _UNKNOWN:
            if module.get(name):
                raise TransformFailed(f"`{name}` of step {module.get('id')} is not in the local stand-in for Windmill")
        step_id = str(module.get("id"))
        if (module.get("value") or {}).get("type") == "forloopflow" and module.get("stop_after_if"):
            raise TransformFailed(f"`stop_after_if` of loop {step_id} is not in the local stand-in for Windmill")
        if (condition := module.get("skip_if")) and await self._is_true(condition["expr"], scope):
            stop = Stop(success=True, result=scope.previous)
            self._note(step_id, "Success", [], skipped=True)
        else:
            stop = await self._module(module, scope, step_id, is_last=is_last)
        scope.results[step_id] = stop.result
        scope.previous = stop.result
        return await self._stopped_early(module, scope, stop) if stop.success and not stop.stopped else stop

    async def _stopped_early(self, module: Module, scope: Scope, stop: Stop) -> Stop:
        condition = module.get("stop_after_if")
        # On Windmill this one expression sees no `results`.
        if not condition or not await self._is_true(condition["expr"], scope, with_results=False):
            return stop
        message = condition.get("error_message")
        if message is not None:
            return Stop(success=False, result=f"Flow early stop: {message or condition['expr']}", stopped=True)
        return Stop(success=True, result=stop.result, stopped=True, skipped=condition.get("skip_if_stopped") is True)

    async def _module(self, module: Module, scope: Scope, step_id: str, *, is_last: bool) -> Stop:
        mock = module.get("mock")
        if mock and mock.get("enabled"):
            self._note(step_id, "Success", [])
            return Stop(success=True, result=mock.get("return_value"))
        value: Module = module.get("value") or {}
        kind = value.get("type")
        if kind == "identity":
            self._note(step_id, "Success", [])
            return Stop(success=True, result=scope.previous)
        if kind == "forloopflow":
            return await self._loop(value, scope, step_id)
        if kind == "branchone":
            return await self._branch_one(value, scope, step_id)
        if kind == "branchall":
            return await self._branch_all(value, scope, step_id)
        if kind in {"script", "rawscript", "flow"}:
            return await self._leaf(module, scope, step_id, is_last=is_last)
        raise TransformFailed(f"step {step_id} of type {kind!r} is not in the local stand-in for Windmill")

    async def _leaf(self, module: Module, scope: Scope, step_id: str, *, is_last: bool) -> Stop:
        """Run a step that is a job, with its retries."""
        value = module["value"]
        try:
            names = scope.names()
            transforms = value.get("input_transforms") or {}
            args = {name: await self.runner.transforms.value_of(one, names) for name, one in transforms.items()}
            timeout = await self._number(module.get("timeout"), scope)
        except TransformFailed as error:
            self._note(step_id, "Failure", [])
            return Stop(success=False, result=json.loads(error_result(str(error), "ExecutionErr")))
        failed: list[str] = []
        delay = 0.0
        while True:
            job = self._job(value, step_id, args, timeout, delay)
            if is_last:
                self.job.stream_from, job.streams_into = job, self.job
            outcome = await self.runner.run_step(job)
            result = json.loads(outcome.result)
            if outcome.success or self.job.is_canceled:
                break
            pause = await self._retry_pause(module.get("retry") or {}, len(failed), result, scope)
            if pause is None:
                break
            failed.append(job.id)
            delay = pause * self.runner.delay_factor
        self._note(step_id, "Success" if outcome.success else "Failure", failed, job=job.id)
        return Stop(success=outcome.success, result=result)

    def _job(self, value: Module, step_id: str, args: dict[str, Any], timeout: float | None, delay: float) -> Job:
        kind = {"script": "script", "rawscript": "preview", "flow": "flow"}[value["type"]]
        source = None
        path = str(value.get("path") or "")
        if kind == "preview":
            if value.get("language") != "python3":
                raise TransformFailed(f"step {step_id}: only python3 is in the local stand-in for Windmill")
            source, path = str(value.get("content")), f"{self.job.path}/{step_id}"
        return Job(
            kind=kind,
            path=path,
            args=args,
            parent=self.job.id,
            root=self.job.root or self.job.id,
            step_id=step_id,
            schedule_path=self.job.schedule_path,
            flow_path=self.job.path,
            source=source,
            timeout_seconds=timeout,
            delay_seconds=delay,
        )

    async def _retry_pause(self, retry: Module, failures: int, result: object, scope: Scope) -> float | None:
        """Give the pause before the next try in seconds, or None when there is none."""
        if failures >= _MAX_RETRIES:
            return None
        if condition := retry.get("retry_if"):
            names = Scope(scope.flow_input, scope.results, result).names()
            if not await self.runner.transforms.is_true(condition["expr"], names):
                return None
        constant, exponential = retry.get("constant") or {}, retry.get("exponential") or {}
        attempts = int(constant.get("attempts", 0))
        if failures < attempts:
            return min(float(constant.get("seconds", 0)), _MAX_RETRY_SECONDS)
        failures -= attempts
        if failures >= int(exponential.get("attempts", 0)):
            return None
        seconds = float(exponential.get("multiplier", 1)) * float(exponential.get("seconds", 0)) ** (failures + 1)
        if factor := exponential.get("random_factor"):
            seconds *= 1 + random.uniform(-factor, factor) / 100  # noqa: S311  # jitter, no secret
        return min(seconds, _MAX_RETRY_SECONDS)

    async def _loop(self, value: Module, scope: Scope, step_id: str) -> Stop:
        items = await self.runner.transforms.value_of(value.get("iterator"), scope.names())
        if not isinstance(items, list):
            raise TransformFailed(f"step {step_id}: expected an array value to iterate over, found {items!r}")
        skips_failures = value.get("skip_failures") is True

        async def iteration(index: int) -> Stop:
            flow_input = {**scope.flow_input, "iter": {"index": index, "value": items[index]}}
            inner = Scope(flow_input, dict(scope.results), previous=flow_input["iter"])
            return await self._sequence(list(value.get("modules") or []), inner)

        stops: list[Stop] = []
        if value.get("parallel") is True:
            limit = await self._number(value.get("parallelism"), scope)
            stops = await _at_once([iteration(index) for index in range(len(items))], int(limit or len(items) or 1))
        else:
            for index in range(len(items)):
                stops.append(await iteration(index))
                if stops[-1].stopped or self.job.is_canceled or not (stops[-1].success or skips_failures):
                    break
        return self._together(step_id, stops, well=skips_failures or all(stop.success for stop in stops))

    async def _branch_one(self, value: Module, scope: Scope, step_id: str) -> Stop:
        modules = list(value.get("default") or [])
        for branch in value.get("branches") or []:
            if await self._is_true(branch["expr"], scope):
                modules = list(branch.get("modules") or [])
                break
        if not modules:
            self._note(step_id, "Success", [])
            return Stop(success=True, result=[])
        inner = Scope(scope.flow_input, dict(scope.results), scope.previous)
        stop = await self._sequence(modules, inner)
        self._note(step_id, "Success" if stop.success else "Failure", [])
        return stop

    async def _branch_all(self, value: Module, scope: Scope, step_id: str) -> Stop:
        branches = list(value.get("branches") or [])

        async def run_branch(branch: Module) -> Stop:
            inner = Scope(scope.flow_input, dict(scope.results), scope.previous)
            return await self._sequence(list(branch.get("modules") or []), inner)

        stops: list[Stop] = []
        if value.get("parallel") is True:
            stops = await _at_once([run_branch(branch) for branch in branches], len(branches) or 1)
        else:
            for branch in branches:
                stops.append(await run_branch(branch))
                if not stops[-1].success and branch.get("skip_failure") is not True:
                    break
        well = all(stop.success or one.get("skip_failure") is True for stop, one in zip(stops, branches, strict=False))
        return self._together(step_id, stops, well=well)

    def _together(self, step_id: str, stops: list[Stop], *, well: bool) -> Stop:
        self._note(step_id, "Success" if well else "Failure", [])
        return Stop(success=well, result=[stop.result for stop in stops])

    async def _sleep(self, module: Module, scope: Scope) -> None:
        seconds = await self._number(module.get("sleep"), scope)
        if seconds:
            try:
                await asyncio.wait_for(self.job.cancelling.wait(), seconds * self.runner.delay_factor)
            except TimeoutError:
                return

    async def _number(self, transform: object, scope: Scope) -> float | None:
        if transform is None:
            return None
        value = transform
        if not isinstance(transform, int | float):
            value = await self.runner.transforms.value_of(transform, scope.names())
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TransformFailed(f"Expected a number, found: {value!r}")
        return float(value)

    async def _is_true(self, expression: str, scope: Scope, *, with_results: bool = True) -> bool:
        return await self.runner.transforms.is_true(expression, scope.names(with_results=with_results))

    def _note(
        self, step_id: str, kind: str, failed_retries: list[str], *, job: str | None = None, skipped: bool = False
    ) -> None:
        """Add the step to the flow's status, as ``jobs_u/get`` shows it."""
        if self.job.flow_status is not None:
            noted = {"id": step_id, "type": kind, "job": job, "failed_retries": failed_retries, "skipped": skipped}
            self.job.flow_status["modules"].append(noted)
        self.job.notify()


async def _at_once(runs: list[Coroutine[Any, Any, Stop]], limit: int) -> list[Stop]:
    """Run several at once, at most ``limit``, and give their ends in order."""
    room = asyncio.Semaphore(limit)

    async def within(run: Coroutine[Any, Any, Stop]) -> Stop:
        async with room:
            return await run

    return list(await asyncio.gather(*(within(run) for run in runs)))
