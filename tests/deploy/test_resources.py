"""The templates of resources and variables: what the scripts read is there, fits its type, and holds no secret."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it brings no types

from deploy.credentials import CHANNEL_FIELDS, DATABASE_RESOURCES, JSON_FILES, VARIABLES
from deploy.tools import REPOSITORY
from f.core.errors import Misconfigured

FOLDER = REPOSITORY / "resources"
RESOURCE_FILES = sorted(FOLDER.glob("*/*.resource.yaml"))
VARIABLE_FILES = sorted(FOLDER.glob("*/*.variable.yaml"))
TYPE_FILES = sorted((FOLDER / "types").glob("*.resource-type.yaml"))


def read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return content


def path_of(file: Path) -> str:
    return f"f/{file.parent.name}/{file.name.partition('.')[0]}"


CHANNEL_SECRETS = (("smtp", "password"), ("notice_webhook", "signing_secret"))
TYPES = {file.name.partition(".")[0]: read(file)["schema"] for file in TYPE_FILES}


@pytest.mark.parametrize("file", RESOURCE_FILES, ids=path_of)
def test_a_resource_fits_its_type(file: Path) -> None:
    template = read(file)
    assert template["description"]
    brought = {  # by Windmill
        "postgresql": {"host", "port", "dbname", "user", "password", "sslmode"},
        "smtp": {"host", "port", "user", "password"},
    }
    if template["resource_type"] in brought:
        assert set(template["value"]) == brought[template["resource_type"]]
        return
    schema = TYPES[template["resource_type"]]
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(template["value"])


@pytest.mark.parametrize("file", VARIABLE_FILES, ids=path_of)
def test_a_secret_variable_is_empty_and_marked(file: Path) -> None:
    template = read(file)
    assert template["description"]
    shown = {"f/chatbot/identity_mode": "trusted", "f/operations/notice_sender": ""}
    assert template["is_secret"] is (path_of(file) not in shown)
    assert template["value"] == shown.get(path_of(file), "")


def test_a_secret_in_a_resource_is_a_reference_to_a_secret_variable() -> None:
    secret = {path_of(file) for file in VARIABLE_FILES if read(file)["is_secret"]}
    references = [str(read(FOLDER / f"{path[2:]}.resource.yaml")["value"]["password"]) for path in DATABASE_RESOURCES]
    references += [str(read(file)["value"]) for file in RESOURCE_FILES if file.name.endswith("_api_key.resource.yaml")]
    references += [
        read(FOLDER / "operations" / f"{name}.resource.yaml")["value"][field] for name, field in CHANNEL_SECRETS
    ]
    assert len(references) == 6
    assert {reference.removeprefix("$var:") for reference in references} <= secret


def test_the_deployment_can_set_every_variable() -> None:
    assert set(VARIABLES) == {path_of(file) for file in VARIABLE_FILES}
    assert {*JSON_FILES, *DATABASE_RESOURCES, *CHANNEL_FIELDS} <= {path_of(file) for file in RESOURCE_FILES}


def test_everything_that_the_shared_modules_read_has_a_template() -> None:
    templates = {path_of(file) for file in (*RESOURCE_FILES, *VARIABLE_FILES)}
    reading = re.compile(r"""(?:read_(?:resource|variable)\(\s*f?|^[A-Z].* = .*)["'](f/[a-z_/{}]+)["']""", re.MULTILINE)
    read_paths = {
        path for file in (REPOSITORY / "f").rglob("*.py") for path in reading.findall(file.read_text(encoding="utf-8"))
    }
    assert {*JSON_FILES, *DATABASE_RESOURCES} <= read_paths
    for path in read_paths:
        pattern = re.compile(re.sub(r"\\\{.*?\\\}", "[a-z_]+", re.escape(path)))
        assert [template for template in templates if pattern.fullmatch(template)], path


def test_the_scripts_accept_the_settings_and_refuse_what_the_type_refuses() -> None:
    from f.core import ai_settings as settings

    value = read(FOLDER / "chatbot" / "ai_settings.resource.yaml")["value"]
    parsed = settings.parse_ai_settings(value)
    assert (parsed.provider, parsed.embed.model, parsed.chat.model) == ("cloud", "embed-v4.0", "openai/gpt-oss-120b")
    validator = Draft202012Validator(TYPES["c_family_brain_ai_settings"])
    for broken in ({**value, "provider": "other"}, {**value, "embed": {}}, {**value, "deadline_seconds": "long"}):
        assert list(validator.iter_errors(broken))
        with pytest.raises(Misconfigured):
            settings.parse_ai_settings(broken)


def test_no_host_on_the_web_is_allowed_until_an_operator_lists_it() -> None:
    from f.core.file_sources import FileSources, parse_file_sources

    value = read(FOLDER / "chatbot" / "file_sources.resource.yaml")["value"]
    assert parse_file_sources(value) == FileSources(url_hosts=(), s3_prefix="{tenant_id}/", s3_storages=())
    validator = Draft202012Validator(TYPES["c_family_brain_file_sources"])
    listed: dict[str, Any] = {
        "host": "*.example.org",
        "port": None,
        "plain_http": False,
        "internal": False,
        "tenants": [],
    }
    validator.validate({**value, "url_hosts": [{"host": "files.example.org"}, listed]})
    for broken in (
        {**value, "url_hosts": "files.example.org"},
        {**value, "url_hosts": [{"port": 443}]},
        {**value, "url_hosts": [{"host": "a.example", "port": 0}]},
        {**value, "url_hosts": [{"host": "a.example", "internal": "yes"}]},
        {**value, "s3_prefix": "everybody/"},
        {**value, "s3_prefix": "{tenant_id}"},
        {**value, "s3_prefix": "../{tenant_id}/"},
        {**value, "s3_storages": [7]},
    ):
        assert list(validator.iter_errors(broken)), broken
        with pytest.raises(Misconfigured):
            parse_file_sources(broken)


def test_prices_are_marked_as_examples() -> None:
    assert "EXAMPLES" in read(FOLDER / "chatbot" / "ai_settings.resource.yaml")["description"]
