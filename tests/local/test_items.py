"""Resources, variables, schedules, tokens and the folder that fills a workspace."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from local.server.access import covers
from local.server.server import LocalServer
from local.server.workspace import MalformedItem
from tests.local.conftest import Workbench


def test_resources_are_created_read_replaced_listed_and_deleted(bench: Workbench) -> None:
    client = bench.client
    body = {"path": "f/items/database", "value": {"user": "u", "password": "$var:f/items/password"}}
    assert client.post("/resources/create", json=body).status_code == 400
    assert client.post("/resources/create", json={**body, "resource_type": "postgresql"}).status_code == 201
    assert client.post("/resources/create", json={**body, "resource_type": "postgresql"}).status_code == 400
    assert client.get("/resources/get_value_interpolated/f/items/database").status_code == 404
    client.post("/variables/create", json={"path": "f/items/password", "value": "p", "is_secret": True})
    assert client.get("/resources/get_value/f/items/database").json()["password"] == "$var:f/items/password"
    assert client.get("/resources/get_value_interpolated/f/items/database").json() == {"user": "u", "password": "p"}
    assert client.get("/resources/get/f/items/database").json()["resource_type"] == "postgresql"
    assert client.post("/resources/update_value/f/items/database", json={"value": "plain"}).status_code == 200
    assert client.get("/resources/get_value/f/items/database").json() == "plain"
    listed = client.get("/resources/list", params={"resource_type": "postgresql"}).json()
    assert [one["path"] for one in listed] == ["f/items/database"]
    assert client.delete("/resources/delete/f/items/database").status_code == 200
    assert client.get("/resources/get/f/items/database").status_code == 404


def test_secret_variables_are_not_shown_in_lists(bench: Workbench) -> None:
    client = bench.client
    client.post("/variables/create", json={"path": "f/items/open", "value": "a", "is_secret": False})
    client.post("/variables/create", json={"path": "f/items/secret", "value": "b", "is_secret": True})
    listed = {one["path"]: one["value"] for one in client.get("/variables/list").json()}
    assert (listed["f/items/open"], listed["f/items/secret"]) == ("a", None)
    assert client.get("/variables/get_value/f/items/secret").text == '"b"'
    assert client.post("/variables/update/f/items/secret", json={"value": "c"}).status_code == 200
    assert client.get("/variables/get_value/f/items/secret").json() == "c"
    assert client.get("/variables/get/f/items/secret", params={"decrypt_secret": "false"}).json()["value"] is None


@pytest.mark.parametrize("path", ["nofolder", "f/only", "x/a/b", "f/a/../b", "", None, 3])
def test_paths_are_checked(bench: Workbench, path: object) -> None:
    answer = bench.client.post("/variables/create", json={"path": path, "value": "v", "is_secret": False})
    assert answer.status_code == 400
    assert bench.client.post("/scripts/create", json={"path": path, "content": "x"}).status_code == 400


def test_schedules_are_kept_switched_and_run_by_hand(bench: Workbench) -> None:
    script = bench.script(
        "f/items/scheduled", "import os\ndef main(n: int):\n    return [n, os.environ['WM_SCHEDULE_PATH']]\n"
    )
    body = {"path": "f/items/daily", "schedule": "0 0 6 * * *", "timezone": "Etc/UTC", "script_path": script}
    client = bench.client
    more = {"is_flow": False, "enabled": False, "args": {"n": 5}}
    assert client.post("/schedules/create", json={**body, **more}).status_code == 201
    assert client.post("/schedules/setenabled/f/items/daily", json={"enabled": True}).status_code == 200
    assert client.get("/schedules/get/f/items/daily").json()["enabled"] is True
    job_id = client.post("/schedules/run/f/items/daily").text
    assert bench.wait(job_id)["result"] == [5, "f/items/daily"]
    assert client.post("/schedules/run/f/items/none").status_code == 404


def test_requests_need_the_token(bench: Workbench) -> None:
    url = f"{bench.client.base_url}variables/list"
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert httpx.get(url, params={"token": "local"}).status_code == 200
    assert httpx.get(f"{bench.server.base_url}/api/version").text.startswith("CE v1.")
    login = httpx.post(f"{bench.server.base_url}/api/auth/login", json={"email": "x", "password": "local"})
    assert (login.status_code, login.text) == (200, "local")
    assert httpx.post(f"{bench.server.base_url}/api/auth/login", json={"password": "x"}).status_code == 401


def test_a_scoped_token_runs_one_script_and_reads_results(bench: Workbench) -> None:
    allowed = bench.script("f/items/allowed", "def main():\n    return 1\n")
    other = bench.script("f/items/other", "def main():\n    return 2\n")
    body = {"label": "back end", "scopes": [f"jobs:run:scripts:{allowed}"]}
    made = httpx.post(f"{bench.server.base_url}/api/users/tokens/create", json=body, headers=bench.client.headers)
    assert made.status_code == 201
    with httpx.Client(base_url=bench.client.base_url, headers={"Authorization": f"Bearer {made.text}"}) as scoped:
        assert scoped.post(f"/jobs/run_wait_result/p/{allowed}", json={}).json() == 1
        assert scoped.post(f"/jobs/run_wait_result/p/{other}", json={}).status_code == 403
        assert scoped.get("/variables/list").status_code == 403
        assert scoped.post("/scripts/create", json={"path": allowed, "content": ""}).status_code == 403
        assert scoped.get("/jobs/completed/list").status_code == 200


@pytest.mark.parametrize(
    ("scope", "needed", "is_covered"),
    [
        ("jobs:run:scripts:f/a/b", "jobs:run:scripts:f/a/b", True),
        ("jobs:run:scripts:f/a/b", "jobs:run:scripts:f/a/bc", False),
        ("jobs:run:scripts:f/a/b", "jobs:run:flows:f/a/b", False),
        ("jobs:run:scripts:f/a/*", "jobs:run:scripts:f/a/b", True),
        ("jobs:run", "jobs:run:flows:f/a/b", True),
        ("jobs:run:scripts:f/a/b", "jobs:read", True),
        ("variables:read:f/a/*", "variables:read:f/b/c", False),
        ("variables:write:f/a/*", "variables:read:f/a/c", True),
        ("variables:read:f/a/*", "variables:write:f/a/c", False),
        ("*", "users:write", True),
    ],
)
def test_scopes(scope: str, needed: str, is_covered: bool) -> None:
    assert covers([scope], needed) is is_covered


def test_a_jobs_own_token_ends_with_the_job(bench: Workbench) -> None:
    path = bench.script("f/items/token", "import os\ndef main():\n    return os.environ['WM_TOKEN']\n")
    token = bench.run(path).json()
    url = f"{bench.client.base_url}variables/list"
    assert httpx.get(url, headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_a_folder_in_the_layout_of_sync_fills_the_workspace(tmp_path: Path, write: Callable[[Path, str], Path]) -> None:
    source = write(tmp_path / "elsewhere.py", "def main(n: int = 1):\n    return n\n")
    root = tmp_path / "root"
    write(root / "f/a/folder.meta.yaml", "display_name: a\n")
    (root / "f/a/linked.py").symlink_to(source)
    write(
        root / "f/a/linked.script.yaml", "summary: s\ntimeout: 7\nschema: {}\nlock: '!inline f/a/linked.script.lock'\n"
    )
    write(root / "f/a/linked.script.lock", "# py: 3.12\n")
    write(root / "f/a/flow.flow/flow.yaml", "summary: f\nvalue: {modules: []}\n")
    write(root / "f/a/on.resource.yaml", "resource_type: any\nvalue: {since: 2026-01-02}\n")
    write(root / "f/a/mode.variable.yaml", "value: trusted\nis_secret: false\n")
    write(root / "f/a/daily.schedule.yaml", "schedule: 0 0 6 * * *\nis_flow: true\nscript_path: f/a/flow\n")
    write(root / "kind.resource-type.yaml", "description: k\nschema: {}\n")
    with LocalServer(root) as server:
        bench = Workbench(server)
        assert bench.run("f/a/linked").json() == 1
        write(source, "def main(n: int = 22):\n    return n\n")
        assert bench.run("f/a/linked").json() == 22
        script = bench.client.get("/scripts/get/p/f/a/linked").json()
        assert (script["summary"], script["lock"], script["timeout"]) == ("s", "# py: 3.12\n", 7)
        assert bench.run_flow("f/a/flow", {"x": 1}).status_code == 200
        assert bench.client.get("/resources/get_value/f/a/on").json() == {"since": "2026-01-02"}
        assert bench.client.get("/variables/get_value/f/a/mode").json() == "trusted"
        assert bench.client.get("/resources/type/get/kind").json()["description"] == "k"
        assert bench.client.get("/folders/get/a").json()["display_name"] == "a"
        bench.script("f/a/linked", "def main():\n    return 'pushed'\n")
        assert bench.run("f/a/linked").json() == "pushed"
    assert "22" in source.read_text()


def test_a_malformed_file_is_named(tmp_path: Path, write: Callable[[Path, str], Path]) -> None:
    write(tmp_path / "f/a/bad.resource.yaml", "value: a: b\n")
    with pytest.raises(MalformedItem, match=r"bad\.resource\.yaml"):
        LocalServer(tmp_path).start()
