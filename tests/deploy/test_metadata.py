"""The metadata of scripts: what the docstrings and Windmill's parser give, and that the committed files say it."""

import functools
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy import generated, metadata
from deploy.docstrings import read_documentation
from deploy.flow_schemas import MARKER, flow_files, flow_schema
from deploy.layout import lay_out
from deploy.scripts import parse_sources
from deploy.tools import REPOSITORY, DeployError, run, wmill_command
from local.server.server import LocalServer
from tests.support.node import needs_node

pytestmark = needs_node

SCRIPT = '''"""Store a document: all or nothing.

Script: it writes ``documents``.
"""

from typing import Literal

from f.core.job import script


@script()
def main(
    title: str,
    tenant_id: str,
    user_member_type: Literal["admin", "teen"] | None = None,
    visibility: Literal["everyone", "private"] = "everyone",
    assigned_to: int | None = None,
    minimum: float = 0.5,
    loud: bool = False,
    tags: list[str] | None = None,
    document_ids: list[int] | None = None,
    kinds: list[Literal["a", "b"]] | None = None,
    events: list[dict] | None = None,
    metadata: dict | None = None,
    expires_at: str | None = None,
) -> dict[str, object]:
    """Store it.

    A longer text.

    Args:
        title: The title,
            over two lines: with ``code``.
        tenant_id: The tenant.
        user_member_type: Who.
        visibility: Who sees it.
        assigned_to: Whose.
        minimum (float): Least.
        loud: Whether.
        tags: Words.
        document_ids: Which.
        kinds: Kinds.
        events: What happened.
        metadata: Anything.
        expires_at: When.

    Returns:
        title: not a parameter.

    Raises:
        NotFound: neither.
    """
    return {}
'''


@functools.cache
def described(source: str, path: str = "f/chatbot/store") -> dict[str, Any]:
    return metadata.metadata(parse_sources({path: source})[path])


def test_summary_and_description_come_from_the_module_and_parameters_from_main() -> None:
    content = described(SCRIPT)
    assert content["summary"] == "Store a document: all or nothing"
    assert content["description"] == "Script: it writes `documents`."
    assert content["lock"] == "!inline f/chatbot/store.script.lock"
    assert content["timeout"] == metadata.DEFAULT_TIMEOUT_SECONDS
    properties = content["schema"]["properties"]
    assert properties["title"]["description"] == "The title, over two lines: with `code`."
    assert content["schema"]["order"] == list(properties)
    assert list(properties)[:2] == ["title", "tenant_id"]
    assert content["schema"]["required"] == ["title", "tenant_id"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("title", {"type": "string", "originalType": "string", "default": None}),
        ("tenant_id", {"type": "string", "originalType": "string", "format": "uuid", "default": None}),
        ("expires_at", {"type": "string", "originalType": "string", "format": "date-time", "default": None}),
        (
            "user_member_type",
            {"type": "string", "originalType": "enum", "enum": ["admin", "teen"], "default": None},
        ),
        (
            "visibility",
            {"type": "string", "originalType": "enum", "enum": ["everyone", "private"], "default": "everyone"},
        ),
        ("assigned_to", {"type": "integer", "default": None}),
        ("minimum", {"type": "number", "default": 0.5}),
        ("loud", {"type": "boolean", "default": False}),
        ("tags", {"type": "array", "items": {"type": "string"}, "originalType": "string[]", "default": None}),
        ("document_ids", {"type": "array", "items": {"type": "number"}, "originalType": "number[]", "default": None}),
        (
            "kinds",
            {
                "type": "array",
                "items": {"type": "string", "enum": ["a", "b"]},
                "originalType": "enum[]",
                "default": None,
            },
        ),
        ("events", {"type": "array", "items": {"type": "object"}, "originalType": "record[]", "default": None}),
        ("metadata", {"type": "object", "properties": {}, "default": None}),
    ],
)
def test_each_type_becomes_the_field_that_windmill_makes_of_it(name: str, expected: dict[str, Any]) -> None:
    found = described(SCRIPT)["schema"]["properties"][name]
    assert {key: value for key, value in found.items() if key != "description"} == expected


def test_a_module_without_main_has_no_parameters_and_no_timeout() -> None:
    content = described('"""Words."""\n\nWORDS = ("a",)\n', "f/core/words")
    assert content["schema"]["properties"] == {}
    assert "timeout" not in content


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ('"""X."""\ndef main(x: int):\n    """Do."""\n', "does not describe the parameter x"),
        (
            '"""X."""\ndef main(x: int):\n    """Do.\n\n    Args:\n        x: A.\n        y: B.\n    """\n',
            "not have: y",
        ),
        ('"""X."""\ndef main(x: dict[str, int]):\n    """Do.\n\n    Args:\n        x: A.\n    """\n', "type of x"),
        ('"""X."""\ndef main(x: object):\n    """Do.\n\n    Args:\n        x: A.\n    """\n', "type of x"),
        (
            '"""X."""\ndef main(x: list[bool]):\n    """Do.\n\n    Args:\n        x: A.\n    """\n',
            "items of the list x",
        ),
        ('"""X."""\ndef main(*x: int):\n    """Do."""\n', "positional parameters only"),
        ('"""X."""\ndef main(x: int):\n    """Do.\n\n    Args:\n        x: In [0, 1] | none.\n    """\n', "for a type"),
        ("def main():\n    ...\n", "no docstring"),
        ("def main(:\n", "f/chatbot/store.py"),
    ],
)
def test_what_windmill_would_show_wrongly_is_refused_with_the_name_of_the_script(source: str, reason: str) -> None:
    with pytest.raises(DeployError, match=reason) as caught:
        described(source)
    assert "f/chatbot/store" in str(caught.value)


def test_documentation_of_a_script_without_docstrings_is_empty() -> None:
    documentation = read_documentation("def main(x: int): ...\n")
    assert (documentation.summary, documentation.description, documentation.parameters) == ("", "", {})


def test_the_committed_metadata_and_flow_inputs_are_what_the_scripts_say() -> None:
    assert metadata.main(["--check"]) == 0


def test_windmills_own_command_line_infers_the_same_schemas(tmp_path: Path) -> None:
    build = lay_out(REPOSITORY, tmp_path / "build").folder
    before = {file: yaml.safe_load(file.read_text()) for file in build.rglob("*.script.yaml")}
    with LocalServer(token="token-of-the-test") as server:
        process = run(
            [*wmill_command(), "generate-metadata", "--schema-only", "--yes"],
            folder=build,
            environment={
                "BASE_INTERNAL_URL": server.base_url,
                "WM_WORKSPACE": server.workspace_name,
                "WM_TOKEN": server.token,
                "WMILL_CONFIG_DIR": str(tmp_path),
            },
        )
    assert process.returncode == 0, process.stdout + process.stderr
    assert f"Updated \x1b[1m{len(before)}\x1b[22m item(s)" in process.stdout
    assert {file: yaml.safe_load(file.read_text()) for file in before} == before


def test_writing_and_checking_agree_and_stale_files_go(tmp_path: Path) -> None:
    wanted = {tmp_path / "a.script.yaml": "new\n", tmp_path / "b.script.yaml": "same\n"}
    (tmp_path / "a.script.yaml").write_text("old\n")
    (tmp_path / "b.script.yaml").write_text("same\n")
    (tmp_path / "gone.script.yaml").write_text("of a script that was removed\n")
    differing = [tmp_path / "a.script.yaml", tmp_path / "gone.script.yaml"]
    assert generated.write_files(tmp_path, wanted, ".script.yaml", check=True) == differing
    assert (tmp_path / "a.script.yaml").read_text() == "old\n"
    assert generated.write_files(tmp_path, wanted, ".script.yaml", check=False) == differing
    assert (tmp_path / "a.script.yaml").read_text() == "new\n"
    assert not (tmp_path / "gone.script.yaml").exists()
    assert generated.write_files(tmp_path, wanted, ".script.yaml", check=True) == []


def test_check_fails_and_names_the_file_that_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generated, "REPOSITORY", tmp_path)
    (tmp_path / "f").mkdir()
    make = lambda repository: {repository / "f/a.script.yaml": "text\n"}  # noqa: E731
    assert generated.generate("things", make, ".script.yaml", ["--check"]) == 1
    assert "differs: f/a.script.yaml" in capsys.readouterr().out
    assert generated.generate("things", make, ".script.yaml", []) == 0
    assert generated.generate("things", make, ".script.yaml", ["--check"]) == 0


SCHEMAS: dict[str, dict[str, Any]] = {
    "f/chatbot/find": {
        "properties": {"query": {"description": "What to find."}, "limit": {"description": "How many."}},
        "required": ["query"],
    },
    "f/chatbot/chat": {"properties": {"question": {"description": "What to ask."}}, "required": ["question"]},
    "f/chatbot/report_failure": {"properties": {"flow": {}, "tenant_id": {}}, "required": ["flow"]},
}


def flow(*steps: dict[str, Any]) -> dict[str, Any]:
    failure = step("failure", "f/chatbot/report_failure", {"flow": {"type": "static", "value": "x"}})
    return {"value": {"modules": list(steps), "failure_module": failure}}


def step(step_id: str, path: str, transforms: dict[str, Any]) -> dict[str, Any]:
    return {"id": step_id, "value": {"type": "script", "path": path, "input_transforms": transforms}}


def js(expression: str) -> dict[str, str]:
    return {"type": "javascript", "expr": expression}


def test_a_flow_takes_what_its_steps_read_described_by_the_parameter_of_the_same_name() -> None:
    schema = flow_schema(
        flow(
            step("find", "f/chatbot/find", {"query": js("flow_input.question"), "limit": js("flow_input.limit")}),
            step("chat", "f/chatbot/chat", {"question": js("flow_input.question")}),
        ),
        SCHEMAS,
    )
    assert schema["order"] == ["question", "limit"]
    assert schema["properties"]["question"]["description"] == "What to ask."
    assert schema["required"] == ["question"]


@pytest.mark.parametrize(
    ("path", "transforms", "reason"),
    [
        ("f/chatbot/gone", {}, "which is not there"),
        ("f/chatbot/chat", {"question": js("1"), "loud": js("1")}, r"\['loud'\], which it does not take"),
        ("f/chatbot/chat", {}, r"not \['question'\]"),
    ],
)
def test_a_step_that_does_not_fit_its_script_is_refused(path: str, transforms: dict[str, Any], reason: str) -> None:
    with pytest.raises(DeployError, match=reason):
        flow_schema(flow(step("one", path, transforms)), SCHEMAS)


def test_what_a_person_wrote_in_a_flow_stays_and_the_rest_is_written_anew(tmp_path: Path) -> None:
    file = tmp_path / "flows/chatbot/ask/flow.yaml"
    file.parent.mkdir(parents=True)
    written = "# By hand.\n" + yaml.dump(flow(step("chat", "f/chatbot/chat", {"question": js("flow_input.q")})))
    file.write_text(written + MARKER + "schema: {old: true}\n")
    text = flow_files(tmp_path, SCHEMAS)[file]
    assert text.startswith(written + MARKER)
    assert list(yaml.safe_load(text)["schema"]["properties"]) == ["q"]
    file.write_text(written)
    with pytest.raises(DeployError, match="lacks the line"):
        flow_files(tmp_path, SCHEMAS)
