"""The real ``wmill`` command line pushes to the server, which takes it as Windmill does."""

import os
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest

from deploy.tools import wmill_command
from local.server.server import LocalServer
from tests.local.conftest import Workbench
from tests.support.node import needs_node

SCRIPT_METADATA = """
summary: A script
description: ''
lock: '!inline f/a/NAME.script.lock'
kind: script
timeout: 60
schema:
  $schema: https://json-schema.org/draft/2020-12/schema
  type: object
  order: [n]
  properties: {n: {type: integer, description: ''}}
  required: [n]
"""

FILES = {
    "wmill.yaml": "includes: ['f/**']\nincludeSchedules: true\n",
    "c_kind.resource-type.yaml": "description: A kind\nschema: {}\n",
    "f/a/folder.meta.yaml": "summary: A folder\ndisplay_name: a\n",
    "f/a/double.py": "from f.a.times import times\n\n\ndef main(n: int):\n    return times(n, 2)\n",
    "f/a/times.py": "def times(n, by):\n    return n * by\n",
    "f/a/flow.flow/flow.yaml": """
        summary: A flow
        description: ''
        value:
          modules:
            - id: a
              value:
                type: script
                path: f/a/double
                input_transforms: {n: {type: javascript, expr: flow_input.n + 1}}
        schema: {}
        """,
    "f/a/daily.schedule.yaml": """
        schedule: 0 0 6 * * *
        timezone: Etc/UTC
        enabled: false
        script_path: f/a/flow
        is_flow: true
        args: {}
        """,
    "f/a/thing.resource.yaml": "value: {a: 1}\ndescription: ''\nresource_type: c_kind\n",
    "f/a/mode.variable.yaml": "value: trusted\nis_secret: false\ndescription: ''\n",
}


def _sync(server: LocalServer, folder: Path, *arguments: str) -> str:
    """Run ``wmill sync`` in a folder, with no configuration of this machine."""
    command = [*wmill_command(), "sync", *arguments, "--yes"]
    target = ["--base-url", f"{server.base_url}/", "--token", server.token, "--workspace", server.workspace_name]
    home = {"HOME": str(folder.parent), "XDG_CONFIG_HOME": str(folder.parent)}
    done = subprocess.run(
        [*command, *target],
        cwd=folder,
        env={**os.environ, **home},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "build"
    files = dict(FILES)
    for name in ("double", "times"):
        files[f"f/a/{name}.script.yaml"] = SCRIPT_METADATA.replace("NAME", name)
        files[f"f/a/{name}.script.lock"] = "# py: 3.12\n"
    for name, text in files.items():
        file = made / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip(), encoding="utf-8")
    return made


@needs_node
def test_what_is_pushed_runs_and_equals_the_folder(folder: Path) -> None:
    with LocalServer() as server:
        bench = Workbench(server)
        assert "+ script f/a/double.py" in _sync(server, folder, "push", "--dry-run")
        assert not server.workspace.scripts
        _sync(server, folder, "push")
        assert bench.run_flow("f/a/flow", {"n": 2}).json() == 6
        assert bench.client.get("/scripts/get/p/f/a/double").json()["timeout"] == 60
        assert bench.client.get("/schedules/get/f/a/daily").json()["schedule"] == "0 0 6 * * *"
        assert "0 changes to apply" in _sync(server, folder, "push", "--dry-run")


@needs_node
def test_a_second_push_changes_and_removes(folder: Path) -> None:
    with LocalServer() as server:
        bench = Workbench(server)
        _sync(server, folder, "push")
        (folder / "f/a/times.py").write_text("def times(n, by):\n    return -n * by\n")
        (folder / "f/a/mode.variable.yaml").write_text("value: signed\nis_secret: false\ndescription: ''\n")
        (folder / "f/a/thing.resource.yaml").unlink()
        (folder / "f/a/daily.schedule.yaml").unlink()
        shutil.rmtree(folder / "f/a/flow.flow")
        _sync(server, folder, "push")
        assert bench.run("f/a/double", {"n": 2}).json() == -4
        assert bench.client.get("/variables/get_value/f/a/mode").json() == "signed"
        for gone in ("resources/get/f/a/thing", "schedules/get/f/a/daily", "flows/get/f/a/flow"):
            assert bench.client.get(f"/{gone}").status_code == 404
        assert "0 changes to apply" in _sync(server, folder, "push", "--dry-run")
