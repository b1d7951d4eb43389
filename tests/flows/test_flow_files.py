"""The flows as files: valid for Windmill's own validators, and built by the rules that every flow here keeps."""

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from deploy.layout import lay_out
from deploy.metadata import DEFAULT_TIMEOUT_SECONDS, TIMEOUT_SECONDS
from deploy.tools import REPOSITORY, node_command, run, wmill_command
from f.core import errors
from tests.support.node import needs_node

FOLDER = REPOSITORY / "flows"
FLOW_FILES = sorted(FOLDER.rglob("flow.yaml"))
SCHEDULE_FILES = sorted(FOLDER.rglob("schedule.yaml"))
TRIGGER_FILES = sorted((REPOSITORY / "triggers" / "chatbot").glob("*.http_trigger.yaml"))
FLOWS = {
    "f/chatbot/answer_question",
    "f/chatbot/change_document",
    "f/chatbot/ingest_document",
    "f/chatbot/ingest_file",
    "f/chatbot/ingest_files",
    "f/operations/change_embedding_model",
    "f/operations/clean_up",
    "f/operations/deliver_notices",
    "f/operations/embed_backlog",
    "f/operations/expire_documents",
}
IDENTITY = ("tenant_id", "user_member_id", "user_member_type", "session_token")
NEVER_REPEATED = {
    ("f/chatbot/answer_question", "chat"),
    *(
        (f"f/operations/{flow}", step)
        for flow in ("expire_documents", "deliver_notices")
        for step in ("deliver_by_email", "deliver_by_webhook", "report_deliveries")
    ),
}
VALIDATE = """
import { readFileSync } from "node:fs";
import { WindmillYamlValidator, getValidationTargetFromFilename } from "windmill-yaml-validator";
const validator = new WindmillYamlValidator();
const documents = JSON.parse(readFileSync(0, "utf8"));
const errors = {};
for (const [name, text] of Object.entries(documents)) {
  const found = validator.validate(text, getValidationTargetFromFilename(name));
  const mistakes = found.errors.map((error) => `${error.instancePath} ${error.message}`);
  errors[name] = [...mistakes, ...found.parsed.diagnostics.map(String)];
}
process.stdout.write(JSON.stringify(errors));
"""


def path_of(file: Path) -> str:
    return f"f/{file.parent.relative_to(FOLDER).as_posix()}"


def read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return content


def validate(documents: dict[str, str]) -> dict[str, list[str]]:
    process = run([node_command(), "--input-type=module", "-e", VALIDATE], text=json.dumps(documents))
    assert process.returncode == 0, process.stderr
    found: dict[str, list[str]] = json.loads(process.stdout)
    return found


def modules_of(modules: list[dict[str, Any]], kinds: tuple[str, ...]) -> list[dict[str, Any]]:
    """List the modules of some types, those inside of loops too."""
    inside = [one for module in modules for one in modules_of(module["value"].get("modules", []), kinds)]
    return [module for module in modules if module["value"]["type"] in kinds] + inside


def every_step(*kinds: str) -> list[Any]:
    return [
        pytest.param(path_of(file), step, id=f"{path_of(file)}:{step['id']}")
        for file in FLOW_FILES
        for step in modules_of(read(file)["value"]["modules"], kinds or ("script",))
    ]


def test_these_are_the_flows() -> None:
    assert {path_of(file) for file in FLOW_FILES} == FLOWS
    assert {path_of(file) for file in SCHEDULE_FILES} == {path for path in FLOWS if path.startswith("f/operations/")}


@needs_node
def test_windmills_validator_accepts_every_flow_schedule_and_trigger() -> None:
    documents = {f"{path_of(file)}.flow/flow.yaml": file.read_text(encoding="utf-8") for file in FLOW_FILES}
    documents |= {f"{path_of(file)}.schedule.yaml": file.read_text(encoding="utf-8") for file in SCHEDULE_FILES}
    documents |= {f"f/chatbot/{file.name}": file.read_text(encoding="utf-8") for file in TRIGGER_FILES}
    assert validate(documents) == {name: [] for name in documents}


@needs_node
def test_windmills_validator_would_find_a_mistake() -> None:
    flow = FLOW_FILES[0].read_text(encoding="utf-8").replace("path: f/chatbot", "paht: f/chatbot", 1)
    schedule = SCHEDULE_FILES[0].read_text(encoding="utf-8").replace("enabled: true", "enabled: 'perhaps'")
    errors_found = validate({"f/x/a.flow/flow.yaml": flow, "f/x/a.schedule.yaml": schedule})
    assert all(errors_found.values())


@needs_node
def test_wmill_lint_accepts_the_build_folder(tmp_path: Path) -> None:
    build = lay_out(REPOSITORY, tmp_path / "build").folder
    process = run(
        [*wmill_command(), "lint", "--locks-required", "--fail-on-warn"],
        folder=build,
        environment={"WMILL_CONFIG_DIR": str(tmp_path)},
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert f"{len(FLOW_FILES) + len(SCHEDULE_FILES) + len(TRIGGER_FILES)} valid" in process.stdout


@pytest.mark.parametrize("file", FLOW_FILES, ids=path_of)
def test_a_flow_says_what_it_does_and_its_steps_are_scripts_with_names_of_their_own(file: Path) -> None:
    flow = read(file)
    assert flow["summary"]
    assert flow["description"]
    steps = modules_of(flow["value"]["modules"], ("script", "flow", "forloopflow"))
    assert len({step["id"] for step in steps}) == len(steps)
    assert all(step["summary"] for step in steps)
    for step in modules_of(steps, ("script",)):
        assert (REPOSITORY / f"{step['value']['path']}.py").is_file()
    for step in modules_of(steps, ("flow",)):
        assert step["value"]["path"] in FLOWS


@pytest.mark.parametrize(("path", "step"), every_step("forloopflow"))
def test_a_loop_goes_on_after_a_failure_and_does_a_bounded_number_at_once(path: str, step: dict[str, Any]) -> None:
    assert (step["value"]["skip_failures"], step["value"]["parallel"]) == (True, True), path
    limit = step["value"]["parallelism"]
    assert limit.get("value", 0) in range(1, 9) or limit["expr"].startswith("Math.max(1, Math.min(8, ")


@pytest.mark.parametrize(("path", "step"), every_step())
def test_a_step_has_a_time_limit_that_is_its_scripts(path: str, step: dict[str, Any]) -> None:
    limit = TIMEOUT_SECONDS.get(step["value"]["path"], DEFAULT_TIMEOUT_SECONDS)
    assert step["timeout"]["type"] == "static"
    assert 0 < step["timeout"]["value"] <= limit


@pytest.mark.parametrize(("path", "step"), every_step())
def test_a_step_is_repeated_only_for_what_may_pass(path: str, step: dict[str, Any]) -> None:
    if (path, step["id"]) in NEVER_REPEATED:
        assert "retry" not in step
        return
    (policy,) = set(step["retry"]) - {"retry_if"}
    assert 1 <= step["retry"][policy]["attempts"] <= 3
    assert step["retry"][policy]["seconds"] >= 1
    condition = step["retry"]["retry_if"]["expr"]
    listed, found = condition.rsplit("]", 1)[0].lstrip("!"), condition.rsplit("]", 1)[1]
    assert found == ".includes(result.error.name)"
    assert set(json.loads(listed + "]")) == not_worth_repeating()


def not_worth_repeating() -> set[str]:
    """Name the errors after which a repeat would end the same."""
    mistakes = {kind.__name__ for kind in errors.CallerMistake.__subclasses__() if kind.__module__ == errors.__name__}
    return mistakes | {errors.Misconfigured.__name__, errors.ProviderRejected.__name__}


@pytest.mark.parametrize(("path", "step"), every_step("script", "flow"))
def test_a_members_identity_passes_through_every_step(path: str, step: dict[str, Any]) -> None:
    transforms = step["value"]["input_transforms"]
    expected = {name: {"type": "javascript", "expr": f"flow_input.{name}"} for name in IDENTITY}
    passed = {name: transform for name, transform in transforms.items() if name in IDENTITY}
    assert passed == (expected if path.startswith("f/chatbot/") else {})


@pytest.mark.parametrize("file", FLOW_FILES, ids=path_of)
def test_a_failure_is_reported_with_tenant_and_cause_and_without_content(file: Path) -> None:
    failure = read(file)["value"]["failure_module"]
    assert failure["id"] == "failure"
    assert failure["value"]["path"] == "f/chatbot/report_failure"
    assert failure["timeout"]["value"] > 0
    member = path_of(file).startswith("f/chatbot/")
    assert failure["value"]["input_transforms"] == {
        "flow": {"type": "static", "value": path_of(file)},
        "tenant_id": {"type": "javascript", "expr": "flow_input.tenant_id"}
        if member
        else {"type": "static", "value": None},
        "step": {"type": "javascript", "expr": "error.step_id"},
        "name": {"type": "javascript", "expr": "error.name"},
        "message": {"type": "javascript", "expr": "error.message"},
        "extra": {"type": "javascript", "expr": "error.extra"},
    }


@pytest.mark.parametrize("file", SCHEDULE_FILES, ids=path_of)
def test_a_schedule_runs_its_own_flow_at_least_every_day_and_never_twice_at_once(file: Path) -> None:
    schedule = read(file)
    seconds, minutes, hours, *days = schedule["schedule"].split()
    once_a_day = all(part.isdecimal() for part in (seconds, minutes, hours))
    once_an_hour = (seconds, hours) == ("0", "*") and minutes.isdecimal()
    assert once_a_day or once_an_hour or (seconds, minutes, hours) == ("0", "*/5", "*")
    assert days == ["*", "*", "*"]
    assert ZoneInfo(schedule["timezone"])
    assert (schedule["script_path"], schedule["is_flow"]) == (path_of(file), True)
    assert schedule["enabled"] is True
    assert schedule["no_flow_overlap"] is True
    assert schedule["args"] == {}
    assert read(file.with_name("flow.yaml"))["schema"]["required"] == []


def test_an_answer_can_be_streamed_because_chat_comes_last() -> None:
    assert read(FOLDER / "chatbot" / "answer_question" / "flow.yaml")["value"]["modules"][-1]["id"] == "chat"
