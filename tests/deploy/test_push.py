"""The deployment, by the real command line against the local server: what arrives, what stays, what is never shown."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import psycopg2
import pytest
import yaml

from deploy import push, smoke, sync, tools
from deploy.credentials import VARIABLES, Change, plan_changes, read_values
from deploy.environment import SECRETS as SECRET_NAMES
from deploy.environment import SHORTEST_SECRET, read_environment, secrets_of, without_secrets
from deploy.layout import BuildFolder, lay_out
from deploy.server import WindmillServer
from deploy.tools import REPOSITORY, DeployError
from local.database import Server
from local.server.server import LocalServer
from local.settings import OFFLINE_SETTINGS, Credentials
from tests.support.node import needs_node

pytestmark = needs_node

TOKEN = "token-of-the-deployment"
SECRETS = {
    "WM_TOKEN": TOKEN,
    "KNOWLEDGE_APP_PASSWORD": "app-password-of-the-test",
    "KNOWLEDGE_OPERATOR_PASSWORD": "operator-password-of-the-test",
    "COHERE_API_KEY": "cohere-key-of-the-test",
    "GROQ_API_KEY": "groq-key-of-the-test",
    "SESSION_SIGNING_KEYS": "first-signing-key-of-the-test-0123456789 second-signing-key-of-the-test-0123456789",
}


@dataclass
class Run:
    """What a deployment did, as seen from outside."""

    commands: list[list[str]] = field(default_factory=list)
    environments: list[dict[str, str]] = field(default_factory=list)
    inherited: list[tuple[str, ...]] = field(default_factory=list)
    output: str = ""


def build_folder(tmp_path: Path) -> Path:
    """Name a folder for one test of one run: pytest gives two runs at once the same names."""
    return REPOSITORY / ".build" / f"test-{os.getpid()}-{tmp_path.name}"


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Let a deployment work in folders of the test, and note every program that it starts."""
    seen = Run()
    real = tools.run

    def run(command: list[str], **options: Any) -> CompletedProcess[str]:
        seen.commands.append(list(command))
        seen.environments.append(dict(options["environment"]))
        seen.inherited.append(tuple(options["inherited"]))
        finished = real(command, **options)
        kept = Path(options["environment"]["WMILL_CONFIG_DIR"])
        assert [file for file in kept.rglob("*") if file.is_file() and contains_secret(file)] == []
        return finished

    monkeypatch.setattr(sync, "run", run)
    monkeypatch.setattr(push, "BUILD_FOLDER", build_folder(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "home").mkdir()
    (tmp_path / "tmp").mkdir()
    return seen


@pytest.fixture(autouse=True)
def no_build_folder_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    shutil.rmtree(build_folder(tmp_path), ignore_errors=True)


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """An empty workspace."""
    with LocalServer(token=TOKEN, delay_factor=0.05) as running:
        yield running


def contains_secret(file: Path) -> bool:
    text = file.read_text(encoding="utf-8", errors="replace")
    return any(word in text for value in SECRETS.values() for word in value.split())


def environment_for(server: LocalServer, **more: str) -> dict[str, str]:
    return {**SECRETS, "WINDMILL_URL": server.base_url, "WM_WORKSPACE": server.workspace_name, **more}


def deployed(environment: Mapping[str, str], *, dry_run: bool = False, ask: bool = False) -> None:
    push.deploy(read_environment(environment, dry_run=dry_run), ask=ask)


def in_repository(pattern: str) -> dict[str, Any]:
    """Read the files of the repository's build folder that end so, by Windmill's path."""
    build = push.BUILD_FOLDER
    return {
        file.relative_to(build).as_posix().removesuffix(pattern): yaml.safe_load(file.read_text(encoding="utf-8"))
        for file in build.rglob(f"*{pattern}")
    }


def superset(item: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(item.get(key) == value for key, value in wanted.items())


def test_what_arrives_is_what_the_repository_has(server: LocalServer, record: Run) -> None:
    deployed(environment_for(server))
    workspace = server.workspace
    scripts = in_repository(".script.yaml")
    assert set(workspace.scripts) == set(scripts)
    for path, metadata in scripts.items():
        script = workspace.scripts[path]
        assert script.content == (push.BUILD_FOLDER / f"{path}.py").read_text(encoding="utf-8"), path
        assert script.details["lock"] == (push.BUILD_FOLDER / f"{path}.script.lock").read_text(encoding="utf-8"), path
        assert superset(script.details, {key: value for key, value in metadata.items() if key != "lock"}), path
    flows = in_repository(".flow/flow.yaml")
    assert set(workspace.flows) == set(flows)
    assert [path for path, flow in flows.items() if not superset(workspace.flows[path], flow)] == []
    schedules = in_repository(".schedule.yaml")
    assert set(workspace.schedules) == set(schedules)
    assert [path for path, wanted in schedules.items() if not superset(workspace.schedules[path], wanted)] == []
    triggers = in_repository(".http_trigger.yaml")
    assert set(workspace.http_triggers) == set(triggers) == {"f/chatbot/serve_calendar_feed"}
    assert [path for path, wanted in triggers.items() if not superset(workspace.http_triggers[path], wanted)] == []
    types = in_repository(".resource-type.yaml")
    assert [name for name, wanted in types.items() if not superset(workspace.resource_types[name], wanted)] == []
    assert set(workspace.folders) == {"core", "chatbot", "operations"}
    assert set(workspace.resources) == set(in_repository(".resource.yaml"))
    assert set(workspace.variables) == set(in_repository(".variable.yaml"))


def test_a_dry_run_changes_nothing_and_shows_everything(
    server: LocalServer, record: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed(environment_for(server, DATABASE_ADMIN_URL="postgresql://nobody@127.0.0.1:1/none"), dry_run=True)
    workspace = server.workspace
    assert [workspace.scripts, workspace.flows, workspace.schedules, workspace.folders] == [{}] * 4
    assert [workspace.resources, workspace.variables, workspace.resource_types, workspace.http_triggers] == [{}] * 4
    output = capsys.readouterr().out
    for told in (
        "schema     would be installed",
        "+ script f/chatbot/search.py",
        "+ flow f/chatbot/ingest_document.flow/flow.yaml",
        "+ http_trigger f/chatbot/serve_calendar_feed",
        "type       c_family_brain_ai_settings: from the repository (not set)",
        "variable   f/chatbot/cohere_key: from COHERE_API_KEY (not set)",
        "schedule   f/operations/clean_up would be enabled",
        "done, nothing was changed",
    ):
        assert told in output


def test_a_second_deployment_pushes_what_differs_and_keeps_credentials_that_were_set_by_hand(
    server: LocalServer, record: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed(environment_for(server))
    server.workspace.set_variable("f/chatbot/identity_mode", "signed")
    settings = {**OFFLINE_SETTINGS, "deadline_seconds": 7}
    server.workspace.set_resource("f/chatbot/ai_settings", settings)
    server.workspace.schedules["f/operations/clean_up"]["enabled"] = False
    capsys.readouterr()
    deployed({name: value for name, value in environment_for(server).items() if name != "COHERE_API_KEY"})
    output = capsys.readouterr().out
    assert "local: 1 changes to apply" in output
    assert "\ntype " not in output
    assert "~ schedule f/operations/clean_up" in output
    assert server.workspace.schedules["f/operations/clean_up"]["enabled"] is True
    assert "stale" not in output.lower()
    assert server.workspace.variables["f/chatbot/identity_mode"]["value"] == "signed"
    assert server.workspace.variables["f/chatbot/cohere_key"]["value"] == SECRETS["COHERE_API_KEY"]
    assert server.workspace.resources["f/chatbot/ai_settings"]["value"] == settings


def test_what_left_the_repository_leaves_the_server_and_nothing_of_others_does(
    server: LocalServer, record: Run
) -> None:
    for path in ("f/chatbot/retired", "f/elsewhere/theirs", "u/admin/private"):
        server.workspace.put_script({"path": path, "content": "def main(): ...\n", "language": "python3"})
    server.workspace.set_variable("f/chatbot/set_by_hand", "kept")
    server.workspace.resource_types["c_theirs"] = {"name": "c_theirs", "schema": {}, "description": "theirs"}
    server.workspace.folders["elsewhere"] = {"name": "elsewhere"}
    deployed(environment_for(server))
    assert "f/chatbot/retired" not in server.workspace.scripts
    assert {"f/elsewhere/theirs", "u/admin/private"} <= set(server.workspace.scripts)
    assert server.workspace.variables["f/chatbot/set_by_hand"]["value"] == "kept"
    assert "c_theirs" in server.workspace.resource_types
    assert "elsewhere" in server.workspace.folders


def test_secrets_reach_the_server_and_nothing_else(
    server: LocalServer, record: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = {"KNOWLEDGE_DATABASE_HOST": "database.example", "KNOWLEDGE_DATABASE_PORT": "6432"}
    deployed(environment_for(server, **database))
    variables, resources = server.workspace.variables, server.workspace.resources
    for path, name in (("f/chatbot/cohere_key", "COHERE_API_KEY"), ("f/chatbot/groq_key", "GROQ_API_KEY")):
        assert (variables[path]["value"], variables[path]["is_secret"]) == (SECRETS[name], True)
    assert variables["f/chatbot/session_signing_keys"]["value"] == SECRETS["SESSION_SIGNING_KEYS"]
    assert variables["f/chatbot/identity_mode"]["value"] == "trusted"
    assert variables["f/chatbot/postgres_password"]["value"] == SECRETS["KNOWLEDGE_APP_PASSWORD"]
    assert variables["f/operations/postgres_password"]["value"] == SECRETS["KNOWLEDGE_OPERATOR_PASSWORD"]
    assert resources["f/chatbot/cohere_api_key"]["value"] == "$var:f/chatbot/cohere_key"
    value = resources["f/operations/postgres_db"]["value"]
    assert (value["host"], value["port"], value["user"]) == ("database.example", 6432, "knowledge_operator")
    assert value["password"] == "$var:f/operations/postgres_password"

    written = [*tmp_path.rglob("*"), *push.BUILD_FOLDER.rglob("*")]
    assert [file for file in written if file.is_file() and contains_secret(file)] == []
    shown = capsys.readouterr()
    words = [word for secret in SECRETS.values() for word in secret.split()]
    assert [word for word in words if word in shown.out + shown.err] == []
    assert record.commands
    assert [
        word for word in words if any(word in argument for command in record.commands for argument in command)
    ] == []
    for environment, inherited in zip(record.environments, record.inherited, strict=True):
        given = {**environment, **{name: os.environ.get(name, "") for name in inherited}}
        assert [word for word in words if word != TOKEN and word in " ".join(given.values())] == []


def test_a_value_never_shows_in_the_plan(server: LocalServer) -> None:
    with WindmillServer(server.base_url, server.workspace_name, TOKEN) as client:
        changes = plan_changes(REPOSITORY, read_values(SECRETS), client)
    assert changes
    assert not any(word in repr(changes) for secret in SECRETS.values() for word in secret.split())
    assert isinstance(changes[0], Change)
    assert TOKEN not in repr(read_environment(environment_for(server)))


def test_the_whole_way_ends_with_a_cited_answer_and_can_be_gone_again(
    server: LocalServer, record: Run, postgres: Server, credentials: Credentials, tmp_path: Path, capsys: Any
) -> None:
    name = postgres.create_database()
    settings = tmp_path / "ai_settings.json"
    settings.write_text(json.dumps(OFFLINE_SETTINGS))
    environment = environment_for(
        server,
        DATABASE_ADMIN_URL=postgres.admin_dsn(name),
        KNOWLEDGE_APP_PASSWORD=credentials.app_password,
        KNOWLEDGE_OPERATOR_PASSWORD=credentials.operator_password,
        KNOWLEDGE_DATABASE_HOST=postgres.host,
        KNOWLEDGE_DATABASE_PORT=str(postgres.port),
        KNOWLEDGE_DATABASE_NAME=name,
        KNOWLEDGE_DATABASE_SSLMODE="disable",
        AI_SETTINGS_FILE=str(settings),
    )
    deployed(environment, ask=True)
    output = capsys.readouterr().out
    assert "migration(s) applied" in output
    assert "smoke      health ok; answered with 1 citation(s): The lighthouse keeper winds the clock" in output

    # Where identities are signed, too, and as the same tenant: nothing piles up.
    deployed({**environment, "IDENTITY_MODE": "signed"}, ask=True)
    assert "smoke      health ok" in capsys.readouterr().out
    assert counts(postgres, name) == (1, 1, 1)

    # The variable that remembers the tenant was lost: another one is made, since nobody can say whose the first is.
    del server.workspace.variables[smoke.TENANT_VARIABLE]
    deployed({**environment, "IDENTITY_MODE": "trusted"}, ask=True)
    assert counts(postgres, name) == (2, 2, 2)


def counts(postgres: Server, name: str) -> tuple[int, ...]:
    """Count tenants, members and documents."""
    connection = psycopg2.connect(postgres.admin_dsn(name))
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT (SELECT count(*) FROM tenants), (SELECT count(*) FROM family_members), count(*) FROM documents"
            )
            row = cursor.fetchone()
    finally:
        connection.close()
    assert row is not None
    return tuple(row)


def test_a_schema_that_cannot_be_installed_stops_before_anything_is_pushed(server: LocalServer, record: Run) -> None:
    url = f"postgresql://admin:{SECRETS['KNOWLEDGE_APP_PASSWORD']}@127.0.0.1:1/none"
    with pytest.raises(DeployError, match="schema was not installed") as caught:
        deployed(environment_for(server, DATABASE_ADMIN_URL=url))
    assert SECRETS["KNOWLEDGE_APP_PASSWORD"] not in str(caught.value)
    assert server.workspace.scripts == {}


def test_a_refused_push_says_why_without_the_token(server: LocalServer, tmp_path: Path) -> None:
    deployment = read_environment(environment_for(server, WM_TOKEN="another-token-that-is-wrong"))
    folder = lay_out(REPOSITORY, tmp_path / "build").folder
    with pytest.raises(DeployError, match="wmill sync push") as caught:
        sync.sync_push(deployment, BuildFolder(folder, (), (), ()))
    assert "another-token-that-is-wrong" not in str(caught.value)


def test_a_broken_flow_is_not_pushed(server: LocalServer, tmp_path: Path) -> None:
    build = lay_out(REPOSITORY, tmp_path / "build")
    (build.folder / "f/chatbot/answer_question.flow/flow.yaml").write_text("summary: broken\nvalue: {modules: 3}\n")
    with pytest.raises(DeployError, match="wmill lint"):
        sync.sync_push(read_environment(environment_for(server)), build)
    assert server.workspace.scripts == {}


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "Set WINDMILL_URL, WM_TOKEN in the environment"),
        ({"WINDMILL_URL": "http://x", "WM_TOKEN": "  "}, "Set WM_TOKEN in"),
        (
            {"WINDMILL_URL": "http://x", "WM_TOKEN": TOKEN, "DATABASE_ADMIN_URL": "postgresql://x"},
            "Set KNOWLEDGE_APP_PASSWORD, KNOWLEDGE_OPERATOR_PASSWORD in",
        ),
        ({"WINDMILL_URL": "windmill.example", "WM_TOKEN": TOKEN}, "WINDMILL_URL must begin with http"),
    ],
)
def test_a_missing_environment_is_told_at_once_and_completely(environment: dict[str, str], told: str) -> None:
    with pytest.raises(DeployError, match=told):
        read_environment(environment)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"IDENTITY_MODE": "anything"}, "IDENTITY_MODE must be trusted or signed"),
        ({"KNOWLEDGE_DATABASE_PORT": "5432x"}, "KNOWLEDGE_DATABASE_PORT must be a number"),
        ({"AI_SETTINGS_FILE": "/does/not/exist.json"}, "AI_SETTINGS_FILE cannot be read"),
        ({"FILE_SOURCES_FILE": "/does/not/exist.json"}, "FILE_SOURCES_FILE cannot be read"),
    ],
)
def test_a_malformed_value_is_told_by_its_name_before_anything_is_done(more: dict[str, str], told: str) -> None:
    environment = {**SECRETS, "WINDMILL_URL": "http://127.0.0.1:1", **more}
    with pytest.raises(DeployError, match=told):
        push.deploy(read_environment(environment), wait_seconds=0)


def test_settings_that_are_no_object_are_refused(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(DeployError, match="must hold a JSON object"):
        read_values({"AI_SETTINGS_FILE": str(tmp_path / "list.json")})


def test_a_server_that_is_not_there_and_a_wrong_token_are_told_apart(server: LocalServer) -> None:
    nobody = read_environment({"WINDMILL_URL": "http://127.0.0.1:1", "WM_TOKEN": TOKEN})
    with pytest.raises(DeployError, match=r"No Windmill server at http://127\.0\.0\.1:1"):
        push.deploy(nobody, wait_seconds=0)
    stranger = read_environment({"WINDMILL_URL": server.base_url, "WM_TOKEN": "not-the-right-token"})
    with pytest.raises(DeployError, match="may not be used in the workspace family-brain") as caught:
        push.deploy(stranger)
    assert "not-the-right-token" not in str(caught.value)


def test_the_program_says_what_is_missing_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("WINDMILL_URL", raising=False)
    monkeypatch.delenv("WM_TOKEN", raising=False)
    assert push.main([]) == 1
    assert "Set WINDMILL_URL, WM_TOKEN" in capsys.readouterr().err


def test_an_output_is_cleaned_of_every_secret_but_not_of_short_words() -> None:
    environment = {**SECRETS, "WM_TOKEN": "local"}
    text = "local server, " + SECRETS["SESSION_SIGNING_KEYS"].split()[1]
    assert without_secrets(text, environment) == "local server, ***"
    assert all(len(secret) >= SHORTEST_SECRET for secret in secrets_of(environment))
    assert "p@ss word" in secrets_of({"DATABASE_ADMIN_URL": "postgresql://admin:p%40ss%20word@host/name"})
    assert set(SECRETS) <= set(SECRET_NAMES)
    assert set(VARIABLES.values()) - {"IDENTITY_MODE", "NOTICE_SENDER"} <= set(SECRET_NAMES)


SmokeAnswer = Callable[[str, str, dict[str, Any]], tuple[int, Any]]


@pytest.mark.parametrize(
    ("path", "answer", "told"),
    [
        ("f/operations/check_health", (200, {"success": True, "data": {"status": "down"}}), "is down"),
        ("f/chatbot/answer_question", (200, {"success": True, "data": {"citations": []}}), "without a citation"),
        (
            "f/chatbot/ingest_document",
            (422, {"error": {"name": "DatabaseUnavailable", "message": "The database does not answer."}}),
            "ingest_document failed with the status 422: The database does not answer",
        ),
        ("f/operations/create_tenant", (403, {"success": False, "error": "You may not."}), "403: You may not"),
        ("f/operations/add_member", (500, "?"), "500: no reason given"),
    ],
)
def test_a_smoke_question_that_fails_says_where(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch, path: str, answer: tuple[int, Any], told: str
) -> None:
    well: dict[str, Any] = {"status": "ok", "tenant_id": "t", "user_member_id": 1, "citations": [1], "answer": "a"}

    def run(_self: WindmillServer, _kind: str, asked: str, _arguments: dict[str, Any]) -> tuple[int, Any]:
        return answer if asked == path else (200, {"success": True, "data": well})

    monkeypatch.setattr(WindmillServer, "run", run)
    with (
        WindmillServer(server.base_url, server.workspace_name, TOKEN) as client,
        pytest.raises(DeployError, match=told),
    ):
        smoke.ask_smoke_question(client)
