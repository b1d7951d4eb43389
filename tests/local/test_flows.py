"""Flows run as their YAML says: inputs by JavaScript, retries, failures, conditions, loops and branches."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from local.server.server import LocalServer
from local.server.transforms import TransformFailed, Transforms
from tests.local.conftest import Workbench
from tests.support.patience import PROMPTLY_SECONDS

STEP = """
def main(value: object = None, fails: bool = False):
    if fails:
        raise ValueError(f"refused {value}")
    return {"value": value}
"""


@pytest.fixture(scope="module", autouse=True)
def step(bench: Workbench) -> str:
    bench.script(
        "f/flows/count",
        """
        import os
        def main(file: str, until: int):
            with open(file, "a") as opened:
                opened.write("x")
            if os.path.getsize(file) < until:
                raise ConnectionError("not yet")
            return os.path.getsize(file)
        """,
    )
    bench.script(
        "f/flows/report",
        "def main(message: str, status: int = 0, recover: bool = False):\n"
        "    body = {'told': message}\n"
        "    if status:\n        return {'wm_status_code': status, 'result': body}\n"
        "    return {**body, 'recover': recover}\n",
    )
    return bench.script("f/flows/step", STEP)


def _module(step_id: str, expression: str, more: str = "") -> str:
    inputs = f"value: {{type: javascript, expr: {json.dumps(expression)}}}"
    return f"""
  - id: {step_id}
    value:
      type: script
      path: f/flows/step
      input_transforms: {{{inputs}}}
{more}"""


def _run(bench: Workbench, value: str, args: object = None, status: int = 200) -> Any:
    answer = bench.run_flow(bench.flow("f/flows/tested", value), args)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_expressions_see_input_and_results(bench: Workbench) -> None:
    flow = f"""
modules:
{_module("a", "flow_input.n + 1")}
{_module("b", "({ a: results.a.value, before: previous_result.value, list: [1, 2].map(n => n * flow_input.n) })")}
"""
    assert _run(bench, flow, {"n": 4}) == {"value": {"a": 5, "before": 5, "list": [4, 8]}}


def test_an_expression_that_fails_fails_the_flow_and_names_itself(bench: Workbench) -> None:
    error = _run(bench, f"modules:\n{_module('a', 'results.none.value')}", {}, 422)["error"]
    assert "results.none.value" in error["message"]
    assert "TypeError" in error["message"]


def test_a_failed_step_ends_the_flow_with_its_error(bench: Workbench, tmp_path: Path) -> None:
    flow = f"""
modules:
  - id: a
    value:
      type: script
      path: f/flows/step
      input_transforms: {{fails: {{type: static, value: true}}, value: {{type: static, value: 7}}}}
  - id: never
    value: {{type: script, path: f/flows/count, input_transforms: {{file: {{type: static, value: {tmp_path}/x}}}}}}
"""
    error = _run(bench, flow, {}, 422)["error"]
    assert (error["name"], error["message"], error["step_id"]) == ("ValueError", "refused 7", "a")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("retry", "until", "status"),
    [
        ("{constant: {attempts: 3, seconds: 1}}", 3, 200),
        ("{exponential: {attempts: 2, multiplier: 2, seconds: 3, random_factor: 10}}", 3, 200),
        ("{constant: {attempts: 1, seconds: 1}, exponential: {attempts: 1, multiplier: 1, seconds: 1}}", 3, 200),
        ("{constant: {attempts: 1, seconds: 1}}", 3, 422),
        ("{constant: {attempts: 5, seconds: 1}, retry_if: {expr: 'error.name == \"ValueError\"'}}", 3, 422),
    ],
)
def test_retries(bench: Workbench, tmp_path: Path, retry: str, until: int, status: int) -> None:
    file = tmp_path / "tries"
    flow = f"""
modules:
  - id: a
    retry: {retry}
    value:
      type: script
      path: f/flows/count
      input_transforms: {{file: {{type: static, value: {file}}}, until: {{type: static, value: {until}}}}}
"""
    result = _run(bench, flow, {}, status)
    tries = len(file.read_text())
    expected = until if status == 200 else 1 if "retry_if" in retry else 2
    assert tries == expected
    assert status != 200 or result == until


def test_the_pauses_of_retries() -> None:
    flow = """
modules:
  - id: a
    retry: {exponential: {attempts: 1, multiplier: 2, seconds: 3}}
    value:
      type: script
      path: f/flows/step
      input_transforms: {fails: {type: static, value: true}}
"""
    pause_seconds = 2 * 3**1  # multiplier times seconds to the power of the attempt
    with LocalServer(delay_factor=0.1) as server:
        patient = Workbench(server)
        patient.script("f/flows/step", STEP)
        patient.flow("f/flows/tested", flow)
        started = time.monotonic()
        assert patient.run_flow("f/flows/tested").status_code == 422
        assert pause_seconds * 0.1 <= time.monotonic() - started < PROMPTLY_SECONDS


FAILING = """
modules:
  - id: a
    value:
      type: script
      path: f/flows/step
      input_transforms: {fails: {type: static, value: true}, value: {type: javascript, expr: flow_input.name}}
failure_module:
  id: failure
  value:
    type: script
    path: f/flows/report
    input_transforms:
      message: {type: javascript, expr: "`${error.name} in ${error.step_id}: ${error.message}`"}
      MORE
"""


def test_the_failure_modules_result_is_the_flows_and_the_flow_stays_failed(bench: Workbench) -> None:
    told = "ValueError in a: refused x"
    assert _run(bench, FAILING.replace("MORE", ""), {"name": "x"}, 422) == {"told": told, "recover": False}
    recovering = FAILING.replace("MORE", "recover: {type: static, value: true}")
    assert _run(bench, recovering, {"name": "x"}) == {"told": told, "recover": True}


def test_a_failure_module_can_choose_the_status(bench: Workbench) -> None:
    flow = FAILING.replace("MORE", "status: {type: static, value: 409}")
    assert _run(bench, flow, {"name": "x"}, 409) == {"told": "ValueError in a: refused x"}
    last = bench.client.get("/jobs/completed/list", params={"script_path_exact": "f/flows/tested"}).json()[0]
    assert (last["success"], last["flow_status"]["modules"][0]["type"]) == (False, "Failure")


def test_a_step_can_stop_the_flow_early(bench: Workbench) -> None:
    stop = "    stop_after_if: {expr: result.value == 'enough', skip_if_stopped: true}"
    flow = f"modules:\n{_module('a', 'flow_input.word', stop)}\n{_module('b', '1')}"
    assert _run(bench, flow, {"word": "enough"}) == {"value": "enough"}
    assert bench.client.get("/jobs/completed/list", params={"script_path_exact": "f/flows/tested"}).json()[0][
        "is_skipped"
    ]
    assert _run(bench, flow, {"word": "more"}) == {"value": 1}


def test_a_step_can_be_skipped(bench: Workbench) -> None:
    skip = "    skip_if: {expr: results.a.value > 1}"
    flow = f"modules:\n{_module('a', 'flow_input.n')}\n{_module('b', '99', skip)}"
    assert _run(bench, flow, {"n": 2}) == {"value": 2}
    assert _run(bench, flow, {"n": 1}) == {"value": 99}


def test_a_step_may_fail_and_the_flow_goes_on(bench: Workbench) -> None:
    flow = f"""
modules:
  - id: a
    continue_on_error: true
    value:
      type: script
      path: f/flows/step
      input_transforms: {{fails: {{type: static, value: true}}}}
{_module("b", "results.a.error.name")}
"""
    assert _run(bench, flow) == {"value": "ValueError"}


@pytest.mark.parametrize("parallel", ["", "parallel: true, parallelism: {type: static, value: 2},"])
def test_loops(bench: Workbench, parallel: str) -> None:
    flow = """
modules:
  - id: loop
    value:
      type: forloopflow
      skip_failures: false
      iterator: {type: javascript, expr: flow_input.items}
      modules:
        - id: inner
          value:
            type: script
            path: f/flows/step
            input_transforms:
              value: {type: javascript, expr: "flow_input.iter.value * 10 + flow_input.iter.index"}
"""
    if parallel:
        flow = flow.replace("      skip_failures: false\n", "      skip_failures: false\n      parallel: true\n")
    assert _run(bench, flow, {"items": [1, 2, 3]}) == [{"value": 10}, {"value": 21}, {"value": 32}]
    assert _run(bench, flow, {"items": []}) == []
    assert "array" in _run(bench, flow, {"items": 1}, 422)["error"]["message"]


def test_a_loop_stops_at_a_failure_unless_it_skips_them(bench: Workbench) -> None:
    flow = """
modules:
  - id: loop
    value:
      type: forloopflow
      skip_failures: SKIPS
      iterator: {type: static, value: [false, true, false]}
      modules:
        - id: inner
          value:
            type: script
            path: f/flows/step
            input_transforms: {fails: {type: javascript, expr: flow_input.iter.value}}
"""
    assert len(_run(bench, flow.replace("SKIPS", "true"))) == 3
    assert len(_run(bench, flow.replace("SKIPS", "false"), {}, 422)) == 2


def test_a_flow_in_a_loop_gives_what_its_failure_module_gave_and_the_others_go_on(bench: Workbench) -> None:
    bench.flow(
        "f/flows/one",
        f"""
modules:
{_module("outer", "results.before")}
  - id: last
    value:
      type: script
      path: f/flows/step
      input_transforms:
        fails: {{type: javascript, expr: flow_input.fails}}
        value: {{type: javascript, expr: flow_input.told}}
failure_module:
  id: failure
  value:
    type: script
    path: f/flows/report
    input_transforms:
      message: {{type: javascript, expr: error.message}}
      status: {{type: static, value: 409}}
""".replace("results.before", "flow_input.told"),
    )
    flow = f"""
modules:
{_module("before", "7")}
  - id: loop
    value:
      type: forloopflow
      skip_failures: true
      parallel: true
      parallelism: {{type: javascript, expr: 'Math.max(1, Math.min(8, Number(flow_input.most) || 2))'}}
      iterator: {{type: static, value: [false, true, false]}}
      modules:
        - id: inner
          value:
            type: flow
            path: f/flows/one
            input_transforms:
              fails: {{type: javascript, expr: flow_input.iter.value}}
              told: {{type: javascript, expr: results.before.value}}
"""
    for most in (None, 1, 100, "x"):
        assert _run(bench, flow, {"most": most}) == [
            {"value": 7}, {"wm_status_code": 409, "result": {"told": "refused 7"}}, {"value": 7},
        ]  # fmt: skip


def test_branches(bench: Workbench) -> None:
    def inner(text: str) -> str:
        return f"[{{id: {text}, value: {{type: identity}}, mock: {{enabled: true, return_value: {text}}}}}]"

    one = f"""
modules:
  - id: b
    value:
      type: branchone
      default: {inner("none")}
      branches:
        - {{expr: flow_input.n > 2, modules: {inner("large")}}}
        - {{expr: flow_input.n > 1, modules: {inner("small")}}}
"""
    assert [_run(bench, one, {"n": n}) for n in (3, 2, 1)] == ["large", "small", "none"]
    for parallel in ("true", "false"):
        every = f"""
modules:
  - id: b
    value:
      type: branchall
      parallel: {parallel}
      branches:
        - {{skip_failure: false, modules: {inner("first")}}}
        - {{skip_failure: false, modules: {inner("second")}}}
"""
        assert _run(bench, every) == ["first", "second"]


def test_python_inside_of_a_flow_and_a_flow_inside_of_a_flow(bench: Workbench) -> None:
    bench.flow("f/flows/inner", f"modules:\n{_module('a', 'flow_input.n * 2')}")
    flow = """
modules:
  - id: raw
    value:
      type: rawscript
      language: python3
      content: |
        from f.flows.step import main as step
        def main(n: int):
            return step(value=n + 1)["value"]
      input_transforms: {n: {type: javascript, expr: flow_input.n}}
  - id: sub
    value: {type: flow, path: f/flows/inner, input_transforms: {n: {type: javascript, expr: results.raw}}}
"""
    assert _run(bench, flow, {"n": 1}) == {"value": 4}


def test_a_step_has_a_timeout(bench: Workbench) -> None:
    bench.script("f/flows/slow", "import time\ndef main():\n    time.sleep(600)\n")
    flow = """
modules:
  - id: a
    timeout: {type: static, value: 1}
    value: {type: script, path: f/flows/slow, input_transforms: {}}
"""
    assert "timed out" in _run(bench, flow, {}, 422)["error"]["message"]


def test_canceling_a_flow_cancels_its_step(bench: Workbench) -> None:
    bench.script("f/flows/slow", "import time\ndef main():\n    time.sleep(600)\n")
    path = bench.flow(
        "f/flows/canceled", "modules:\n  - id: a\n    value: {type: script, path: f/flows/slow, input_transforms: {}}"
    )
    job_id = bench.client.post(f"/jobs/run/f/{path}", json={}).text
    deadline = time.monotonic() + PROMPTLY_SECONDS
    steps: list[dict[str, Any]] = []
    while not [one for one in steps if one.get("running")] and time.monotonic() < deadline:
        steps = bench.client.get("/jobs/list", params={"parent_job": job_id}).json()
    bench.client.post(f"/jobs_u/queue/cancel/{job_id}", json={"reason": "enough"})
    assert bench.wait(job_id)["result"]["error"]["name"] == "Canceled"
    step = bench.job(steps[0]["id"])
    assert (step["canceled"], step["flow_step_id"], step["parent_job"]) == (True, "a", job_id)


def test_steps_know_their_flow(bench: Workbench) -> None:
    bench.script("f/flows/environment", "import os\ndef main():\n    return dict(os.environ)\n")
    path = bench.flow(
        "f/flows/told",
        "modules:\n  - id: a\n    value: {type: script, path: f/flows/environment, input_transforms: {}}",
    )
    job_id = bench.client.post(f"/jobs/run/f/{path}", json={}).text
    environment = bench.wait(job_id)["result"]
    told = {name: environment[name] for name in ("WM_FLOW_JOB_ID", "WM_ROOT_FLOW_JOB_ID", "WM_FLOW_STEP_ID")}
    assert told == {"WM_FLOW_JOB_ID": job_id, "WM_ROOT_FLOW_JOB_ID": job_id, "WM_FLOW_STEP_ID": "a"}


def test_what_is_not_known_is_named_instead_of_left_out(bench: Workbench) -> None:
    approval = f"modules:\n{_module('a', '1', '    suspend: {required_events: 1}')}"
    assert "`suspend` of step a" in _run(bench, approval, {}, 422)["error"]["message"]
    unknown = "modules:\n  - id: a\n    value: {type: whileloopflow, modules: []}"
    assert "whileloopflow" in _run(bench, unknown, {}, 422)["error"]["message"]
    assert bench.run_flow("f/flows/none").status_code == 404


async def _evaluate(expression: str, timeout_seconds: float = PROMPTLY_SECONDS) -> Any:
    transforms = Transforms(timeout_seconds)
    try:
        return await transforms.evaluate(expression, {"flow_input": {"n": 1}})
    finally:
        transforms.close()


# An endless loop that is broken off may still report to the engine when that is closed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("expression", ["while (true) {}", "(", "variable('f/x/y')", "throw new Error('own')"])
def test_a_bad_expression_is_an_error_and_not_the_end(expression: str) -> None:
    started = time.monotonic()
    with pytest.raises(TransformFailed, match="isolated evaluation"):
        asyncio.run(_evaluate(expression, timeout_seconds=0.5))
    assert time.monotonic() - started < PROMPTLY_SECONDS


def test_statements_give_their_last_value() -> None:
    assert asyncio.run(_evaluate("const two = flow_input.n + 1; two * 10")) == 20
    assert asyncio.run(_evaluate("undefined")) is None
