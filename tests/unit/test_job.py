"""What every script has in common, where no server is needed to see it."""

import json
import subprocess
import sys
from collections.abc import Callable
from queue import SimpleQueue

import pytest
import wmill

from f.core.errors import KnowledgeError, Misconfigured, NotFound, ProviderUnavailable
from f.core.job import read_resource, read_variable, run_id, script, send_event
from local.stack import REPOSITORY
from tests.support.patience import PROMPTLY_SECONDS


@pytest.fixture(autouse=True)
def _no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when somebody runs a script by hand: Windmill has put nothing into the environment."""
    for name in ("WM_JOB_ID", "WM_FLOW_JOB_ID", "WM_FLOW_STEP_ID"):
        monkeypatch.delenv(name, raising=False)


def test_a_bug_is_told_by_its_kind_and_place_and_never_by_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    @script()
    def main(secret: str) -> dict[str, object]:
        return {"value": int(secret)}

    with pytest.raises(KnowledgeError) as raised:
        main(secret="the-password")

    log = capsys.readouterr().err
    assert "ValueError" in str(raised.value)
    assert "test_job.py" in log
    assert "the-password" not in f"{raised.value}{vars(raised.value)}{log}"
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_an_error_is_told_only_where_it_is_the_callers_or_said_to_be() -> None:
    def missing() -> dict[str, object]:
        raise NotFound

    def down() -> dict[str, object]:
        raise ProviderUnavailable(retry_after_seconds=7)

    assert script()(missing)() == {
        "wm_status_code": 404,
        "result": {
            "success": False,
            "data": None,
            "error": "There is nothing of this kind that the caller may see.",
            "error_code": "not_found",
        },
    }
    told = script(tells=(ProviderUnavailable,))(down)()
    assert told["wm_status_code"] == 503
    assert isinstance(told["result"], dict)
    assert told["result"]["retry_after_seconds"] == 7
    with pytest.raises(ProviderUnavailable):
        script()(down)()


def test_in_a_flow_a_mistake_stops_the_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    @script()
    def main() -> dict[str, object]:
        raise NotFound

    monkeypatch.setenv("WM_FLOW_JOB_ID", "a-flow")

    with pytest.raises(NotFound):
        main()


def test_secrets_and_the_stream_open_for_a_running_main_only() -> None:
    forbidden: list[Callable[[], object]] = [
        run_id,
        lambda: read_resource("a"),
        lambda: read_variable("a"),
        lambda: send_event({}),
    ]
    for call in forbidden:
        with pytest.raises(Misconfigured):
            call()

    @script()
    def main() -> dict[str, object]:
        return {"run": run_id()}

    first, second = main(), main()
    assert first != second
    with pytest.raises(Misconfigured):
        run_id()


def test_an_event_survives_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windmill turns backslash and n, wherever they stand, into a new line."""
    sent: list[str] = []
    monkeypatch.setattr(wmill, "append_to_result_stream", sent.append)
    event = {"text": 'one\ntwo \\n three \\\\ four "five" έξι 🎉\t\u0000'}

    @script()
    def main() -> dict[str, object]:
        send_event(event)
        return {}

    main()

    [line] = sent
    assert line.endswith("\n")
    received = line.removesuffix("\n").replace("\\n", "\n")
    assert "\n" not in received
    assert json.loads(received) == event


def test_a_variable_that_is_no_text_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wmill, "get_variable", lambda _path: {"a": 1})

    @script()
    def main() -> dict[str, object]:
        return {"value": read_variable("f/x/y")}

    with pytest.raises(Misconfigured, match="f/x/y must be a text"):
        main()


def test_what_is_read_ahead_is_asked_for_once_and_fails_only_who_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = SimpleQueue[str]()

    def next_asked(count: int) -> list[str]:
        return sorted(asked.get(timeout=PROMPTLY_SECONDS) for _ in range(count))

    def get_resource(path: str) -> str:
        asked.put(path)
        if path == "f/x/missing":
            raise RuntimeError("http://inner/address")
        return path.upper()

    monkeypatch.setattr(wmill, "get_resource", get_resource)

    @script(ahead=("f/x/there", "f/x/missing"))
    def main(path: str) -> dict[str, object]:
        return {"value": read_resource(path)}

    assert main("f/x/there")["data"] == {"value": "F/X/THERE"}
    assert next_asked(2) == ["f/x/missing", "f/x/there"]
    with pytest.raises(Misconfigured, match=r"f/x/missing cannot be read \(RuntimeError\)") as raised:
        main("f/x/missing")
    assert "inner" not in str(raised.value)
    assert next_asked(2) == ["f/x/missing", "f/x/there"]
    assert main("f/x/another")["data"] == {"value": "F/X/ANOTHER"}
    assert next_asked(3) == ["f/x/another", "f/x/missing", "f/x/there"]
    assert asked.empty()


def test_a_module_that_is_left_out_is_there_for_whoever_uses_it() -> None:
    code = (
        "import sys, f.core.job, wmill; assert not {'asyncio', 'click'} & sys.modules.keys()\n"
        "assert wmill.client._asyncio.iscoroutine(1) is False\n"
        "import anyio, asyncio, httpx; assert asyncio.run and anyio.run and httpx.AsyncClient"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30, cwd=REPOSITORY)
