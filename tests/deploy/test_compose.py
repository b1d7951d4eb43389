"""compose.yaml: valid by the Compose specification, pinned, closed where it should be, with an example environment."""

import re
import sys
from typing import Any

import pytest
import yaml

from deploy.credentials import CHANNEL_FIELDS, DATABASE_FIELDS, JSON_FILES, VARIABLES
from deploy.locks import direct_pins
from deploy.tools import REPOSITORY, run
from f.core.ocr import LANGUAGES

COMPOSE = REPOSITORY / "deploy" / "compose.yaml"
EXAMPLE = REPOSITORY / "deploy" / "example.env"
SERVICES = {"windmill-database", "windmill-server", "windmill-worker", "knowledge-database", "install"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return content


def check(file: str) -> tuple[int, str]:
    process = run([sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", file])
    return process.returncode, process.stdout + process.stderr


def test_it_is_valid_by_the_schema_of_the_compose_specification() -> None:
    status, said = check(str(COMPOSE))
    assert status == 0, said


def test_the_schema_finds_a_mistake(tmp_path: Any) -> None:
    broken = tmp_path / "compose.yaml"
    broken.write_text(COMPOSE.read_text(encoding="utf-8").replace("networks: [knowledge]", "networcs: [knowledge]"))
    status, said = check(str(broken))
    assert status == 1
    assert "networcs" in said


def test_every_image_has_a_version(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == SERVICES
    for name, service in compose["services"].items():
        assert re.fullmatch(r"[a-z0-9./-]+:[0-9]+\.[0-9]+(\.[0-9]+)?(-[a-z0-9]+)?", service["image"]), name


def test_the_workers_run_windmill_as_the_server_does_with_what_ocr_needs(compose: dict[str, Any]) -> None:
    worker, server = (compose["services"][f"windmill-{name}"] for name in ("worker", "server"))
    recipe = (COMPOSE.parent / worker["build"] / "Dockerfile").read_text(encoding="utf-8")
    assert worker["image"].split(":")[1] == server["image"].split(":")[1]
    assert re.findall(r"^FROM (.+)$", recipe, re.MULTILINE) == [server["image"]]
    assert recipe.rstrip().endswith('CMD ["windmill"]')
    assert {"tesseract-ocr", *(f"tesseract-ocr-{language}" for language in LANGUAGES)} <= set(recipe.split())


def test_only_windmill_is_reachable_from_the_machine_and_only_from_itself(compose: dict[str, Any]) -> None:
    ports = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert ports == {"windmill-server": ["${WINDMILL_ADDRESS:-127.0.0.1:8000}:8000"]}
    assert compose["networks"]["knowledge"] == {"internal": True}
    assert compose["services"]["knowledge-database"]["networks"] == ["knowledge"]
    on_it = {name for name, service in compose["services"].items() if "knowledge" in service["networks"]}
    assert on_it == {"knowledge-database", "windmill-worker", "install"}


def test_what_keeps_running_is_watched_and_keeps_its_data(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if name != "install":
            assert service["restart"] == "unless-stopped", name
            assert service["healthcheck"]["test"], name
            assert service["volumes"], name
            assert service["logging"]["options"]["max-size"], name
    used = {volume.split(":")[0] for service in compose["services"].values() for volume in service["volumes"]}
    assert set(compose["volumes"]) == {name for name in used if not name.startswith(".")}


def test_no_secret_is_written_down_and_a_missing_one_stops_the_start(compose: dict[str, Any]) -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    for name in re.findall(r"\$\{(\w*PASSWORD\w*)", text):
        assert f"${{{name}:?set it in deploy/.env}}" in text
    for service in compose["services"].values():
        for key, value in service.get("environment", {}).items():
            if "PASSWORD" in key:
                assert value.startswith("${"), key


def test_the_example_names_every_variable_and_gives_no_secret(compose: dict[str, Any]) -> None:
    lines = [line for line in EXAMPLE.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    example = dict(line.split("=", 1) for line in lines)
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE.read_text(encoding="utf-8")))
    push = {*VARIABLES.values(), *DATABASE_FIELDS.values(), "WINDMILL_URL", "WM_TOKEN", "WM_WORKSPACE"}
    push |= {name for fields in CHANNEL_FIELDS.values() for name in fields.values()}
    assert used | push | {"DATABASE_ADMIN_URL", *JSON_FILES.values()} == set(example)
    filled = {name for name, value in example.items() if value}
    assert not {name for name in filled if re.search("PASSWORD|TOKEN|KEY|ADMIN", name)}


def test_the_installation_uses_the_pinned_driver_and_nothing_but_the_schema(compose: dict[str, Any]) -> None:
    install = compose["services"]["install"]
    pinned = re.search(r"psycopg2-binary==[\w.]+", install["command"][-1])
    assert pinned is not None
    assert pinned[0] in direct_pins(REPOSITORY)
    assert install["volumes"] == ["../sql:/repository/sql:ro"]
    assert install["profiles"] == ["install"]
