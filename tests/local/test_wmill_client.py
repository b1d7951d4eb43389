"""The real ``wmill`` package works against the server, from outside and inside of jobs."""

import datetime

import pytest
import wmill

from tests.local.conftest import Workbench


@pytest.fixture(scope="module", autouse=True)
def outside(bench: Workbench) -> object:
    """Make the environment of this process that of a caller."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BASE_INTERNAL_URL", bench.server.base_url)
        environment.setenv("WM_TOKEN", "local")
        environment.setenv("WM_WORKSPACE", bench.server.workspace_name)
        environment.setattr("wmill.client._client", None)
        yield
        environment.setattr("wmill.client._client", None)


def test_the_client_runs_scripts_and_flows(bench: Workbench) -> None:
    path = bench.script("f/wmill/double", "def main(n: int):\n    return n * 2\n")
    assert wmill.run_script_by_path(path, args={"n": 4}) == 8
    job_id = wmill.run_script_by_path_async(path, args={"n": 5})
    bench.wait(job_id)
    assert wmill.get_result(job_id) == 10
    assert wmill.get_job_status(job_id) == "COMPLETED"
    assert wmill.get_job(job_id)["args"] == {"n": 5}
    flow = bench.flow(
        "f/wmill/flow",
        "modules:\n  - {id: a, value: {type: script, path: f/wmill/double, "
        "input_transforms: {n: {type: javascript, expr: flow_input.n}}}}",
    )
    job_id = wmill.run_flow_async(flow, args={"n": 6})
    bench.wait(job_id)
    assert wmill.get_result(job_id) == 12


def test_the_client_reports_a_failed_job(bench: Workbench) -> None:
    path = bench.script("f/wmill/fails", "def main():\n    raise ValueError('told')\n")
    with pytest.raises(Exception, match="told"):
        wmill.run_script_by_path(path)
    with pytest.raises(Exception, match="404"):
        wmill.run_script_by_path("f/wmill/none")


def test_the_client_gives_up_waiting_and_cancels(bench: Workbench) -> None:
    path = bench.script("f/wmill/slow", "import time\ndef main():\n    time.sleep(600)\n")
    with pytest.raises(TimeoutError):
        wmill.run_script_by_path(path, timeout=datetime.timedelta(seconds=0.2), cleanup=False)
    job = bench.client.get("/jobs/list", params={"script_path_exact": path}).json()[0]
    bench.wait(job["id"])
    assert bench.job(job["id"])["canceled_reason"] == "reached timeout"


def test_the_client_keeps_resources_variables_and_states() -> None:
    wmill.set_variable("f/wmill/key", "k1", is_secret=True)
    wmill.set_variable("f/wmill/key", "k2", is_secret=True)
    assert wmill.get_variable("f/wmill/key") == "k2"
    wmill.set_resource("f/wmill/thing", {"key": "$var:f/wmill/key"}, "any")
    assert wmill.get_resource("f/wmill/thing") == {"key": "k2"}
    wmill.set_resource("f/wmill/thing", "text", "any")
    assert wmill.get_resource("f/wmill/thing") == "text"
    with pytest.raises(Exception, match="404"):
        wmill.get_resource("f/wmill/none")
    assert wmill.whoami()["email"]


def test_a_job_streams_reports_its_progress_and_calls_others(bench: Workbench) -> None:
    bench.server.workspace.set_resource("f/wmill/config", {"a": 1})
    bench.server.workspace.set_variable("f/wmill/name", "value")
    bench.script("f/wmill/other", "def main(text: str):\n    return text.upper()\n")
    path = bench.script(
        "f/wmill/inside",
        """
        import wmill
        def main():
            wmill.set_progress(40)
            wmill.append_to_result_stream("first\\n")
            wmill.append_to_result_stream("second")
            return {
                "resource": wmill.get_resource("f/wmill/config"),
                "variable": wmill.get_variable("f/wmill/name"),
                "other": wmill.run_script_by_path("f/wmill/other", args={"text": "abc"}),
                "progress": wmill.get_progress(),
            }
        """,
    )
    job_id = bench.start(path)
    job = bench.wait(job_id)
    assert job["result"] == {
        "resource": {"a": 1},
        "variable": "value",
        "other": "ABC",
        "progress": 40,
        "wm_stream": "first\nsecond",
    }
    children = bench.client.get("/jobs/list", params={"parent_job": job_id}).json()
    assert [one["script_path"] for one in children] == ["f/wmill/other"]
