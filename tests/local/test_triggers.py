"""HTTP triggers of the stand-in: an address that runs a script, through the script's preprocessor."""

import json
from typing import Any

import httpx
import pytest

from tests.local.conftest import Workbench

ECHO = """
def preprocessor(event: dict):
    return {"event": event}

def main(event: dict | None = None, x: int = 1):
    return {"event": event, "x": x}
"""
PLAIN = "def main(x: int = 1):\n    return x\n"


def trigger(bench: Workbench, path: str, route: str, script: str, **changed: Any) -> None:
    body = {
        "path": path, "route_path": route, "script_path": script, "is_flow": False, "http_method": "get",
        "request_type": "sync", "authentication_method": "none", "is_static_website": False, "workspaced_route": False,
        "wrap_body": False, "raw_string": False, **changed,
    }  # fmt: skip
    answer = bench.client.post("/http_triggers/create", json=body)
    assert answer.status_code == 201, answer.text


def come(bench: Workbench, path: str, method: str = "GET", **more: Any) -> httpx.Response:
    """Come without a token."""
    return httpx.request(method, f"{bench.server.base_url}/api/r/{path}", timeout=30, **more)


def test_the_parts_of_an_address_reach_a_script_through_its_preprocessor(bench: Workbench) -> None:
    bench.script("f/t/echo", ECHO, has_preprocessor=True)
    trigger(bench, "f/t/echo_route", "echo/:name/and/*rest", "f/t/echo")

    event = come(bench, "echo/a%20b/and/c/d?q=1", headers={"x-own": "2"}).json()["event"]

    assert event["kind"] == "http"
    assert (event["route"], event["path"], event["method"]) == ("echo/:name/and/*rest", "echo/a b/and/c/d", "get")
    assert (event["params"], event["query"]) == ({"name": "a b", "rest": "c/d"}, {"q": "1"})
    assert event["headers"]["x-own"] == "2"
    assert come(bench, "echo/a/and/c/").json()["event"]["params"] == {"name": "a", "rest": "c"}
    for elsewhere in ("echo", "echo/a", "echo//and/c", "other"):
        assert come(bench, elsewhere).status_code == 404
    assert come(bench, "echo/a/and/b", "POST").status_code == 404
    assert (come(bench, "echo/a/and/b", "HEAD").status_code, come(bench, "x", "OPTIONS").status_code) == (200, 200)


def test_without_a_preprocessor_a_script_gets_the_body_alone(bench: Workbench) -> None:
    bench.script("f/t/plain", PLAIN)
    trigger(bench, "f/t/plain_get", "plain/:x", "f/t/plain")
    trigger(bench, "f/t/plain_post", "plain/:x", "f/t/plain", http_method="post")

    assert come(bench, "plain/7?x=8").json() == 1
    assert come(bench, "plain/7", "POST", json={"x": 9}).json() == 9


def test_a_webhook_goes_through_the_preprocessor_too_unless_it_says_otherwise(bench: Workbench) -> None:
    path = bench.script("f/t/hook", ECHO, has_preprocessor=True)

    event = bench.run(path, {"a": 1}).json()["event"]

    assert (event["kind"], event["body"]) == ("webhook", {"a": 1})
    assert bench.run(path, {"x": 5}, skip_preprocessor="true").json() == {"event": None, "x": 5}


def test_a_trigger_may_ask_for_windmills_token_or_be_of_the_workspace_or_switched_off(bench: Workbench) -> None:
    bench.script("f/t/plain", PLAIN)
    trigger(bench, "f/t/guarded", "guarded", "f/t/plain", authentication_method="windmill")
    trigger(bench, "f/t/own", "own", "f/t/plain", workspaced_route=True)
    trigger(bench, "f/t/off", "off", "f/t/plain", mode="disabled")

    assert come(bench, "guarded").status_code == 401
    assert come(bench, "guarded", headers={"authorization": f"Bearer {bench.server.token}"}).json() == 1
    assert (come(bench, "own").status_code, come(bench, f"{bench.server.workspace_name}/own").json()) == (404, 1)
    assert come(bench, "off").status_code == 404


@pytest.mark.parametrize(
    "changed",
    [
        {"request_type": "async"},
        {"authentication_method": "signature"},
        {"raw_string": True},
        {"is_static_website": True},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_the_stand_in_does_not_know_is_said(bench: Workbench, changed: dict[str, Any]) -> None:
    bench.script("f/t/plain", PLAIN)
    route = f"strange-{next(iter(changed))}"
    trigger(bench, f"f/t/{route}", route, "f/t/plain", **changed)

    answer = come(bench, route)

    assert answer.status_code == 400
    assert "not in the local stand-in" in answer.text


def test_triggers_are_items_that_are_listed_changed_and_deleted(bench: Workbench) -> None:
    bench.script("f/t/plain", PLAIN)
    trigger(bench, "f/t/item", "item", "f/t/plain")

    assert bench.client.get("/http_triggers/get/f/t/item").json()["route_path"] == "item"
    assert "f/t/item" in [one["path"] for one in bench.client.get("/http_triggers/list").json()]
    assert json.loads(bench.client.get("/http_triggers/exists/f/t/item").text) is True
    bench.client.delete("/http_triggers/delete/f/t/item").raise_for_status()
    assert come(bench, "item").status_code == 404
