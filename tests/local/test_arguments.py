"""Arguments reach a script as they do on Windmill: chosen by the signature, converted, and with references replaced."""

import base64
import json
from typing import Any

import pytest

from tests.local.conftest import Workbench


def test_missing_arguments_are_none_and_unknown_ones_are_dropped(bench: Workbench) -> None:
    path = bench.script(
        "f/arguments/missing",
        """
        def main(required: str, other: int, has_default: str = "kept", nothing: str | None = None):
            return [required, other, has_default, nothing]
        """,
    )
    assert bench.run(path, {"other": 3, "unknown": "x"}).json() == [None, 3, "kept", None]


def test_null_means_missing_so_that_a_default_applies(bench: Workbench) -> None:
    path = bench.script("f/arguments/null", 'def main(a: str = "default", b: str = "default"):\n    return [a, b]\n')
    assert bench.run(path, {"a": None, "b": ""}).json() == ["default", ""]


def test_only_plain_literals_count_as_defaults(bench: Workbench) -> None:
    path = bench.script(
        "f/arguments/defaults",
        """
        LIMIT = 5
        def main(a: int = -1, b: int = LIMIT, c: tuple = (1,), d: str = f"{LIMIT}", e: list = [1], f: dict = {"k": 1}):
            return [a, b, c, d, e, f]
        """,
    )
    assert bench.run(path).json() == [None, None, None, None, [1], {"k": 1}]


def test_dates_and_bytes_are_converted(bench: Workbench) -> None:
    path = bench.script(
        "f/arguments/converted",
        """
        from datetime import date, datetime
        def main(when: datetime, day: date, data: bytes, maybe: datetime | None = None):
            return [type(when).__name__, type(day).__name__, data.decode(), type(maybe).__name__]
        """,
    )
    args = {"when": "2026-01-02T03:04:05+00:00", "day": "02/03/2026", "data": base64.b64encode(b"bytes").decode()}
    assert bench.run(path, {**args, "maybe": "2026-01-02"}).json() == ["datetime", "date", "bytes", "datetime"]


def test_a_payload_of_a_get_carries_the_arguments(bench: Workbench) -> None:
    path = bench.script("f/arguments/payload", "def main(text: str):\n    return text\n")
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        payload = encode(json.dumps({"text": "από GET >>>???"}, ensure_ascii=False).encode()).decode().rstrip("=")
        answer = bench.client.get(f"/jobs_u/../jobs/run_wait_result/p/{path}", params={"payload": payload})
        assert (answer.status_code, answer.json()) == (200, "από GET >>>???")


@pytest.mark.parametrize("payload", ["!!", base64.b64encode(b"[1]").decode(), base64.b64encode(b"{").decode()])
def test_a_malformed_payload_is_refused(bench: Workbench, payload: str) -> None:
    path = bench.script("f/arguments/payload", "def main(text: str):\n    return text\n")
    answer = bench.client.get(f"/jobs/run_wait_result/p/{path}", params={"payload": payload})
    assert answer.status_code == 400


def test_malformed_bodies_are_refused_as_text(bench: Workbench) -> None:
    path = bench.script("f/arguments/body", "def main(body: list):\n    return body\n")
    url = f"/jobs/run_wait_result/p/{path}"
    malformed = bench.client.post(url, content=b'{"a": ', headers={"content-type": "application/json"})
    assert (malformed.status_code, malformed.headers["content-type"].split(";")[0]) == (400, "text/plain")
    unknown = bench.client.post(url, content=b"x", headers={"content-type": "image/png"})
    assert unknown.status_code == 415


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf{}", "{}".encode("utf-16"), b'{"a": "\xff"}', b'{"a":' + b"[" * 128 + b"]" * 128 + b"}",
        b"[" * 100_000,
    ],
    ids=["byte order mark", "UTF-16", "not UTF-8", "nested 129 deep", "nested without end"],
)  # fmt: skip
def test_what_the_real_server_does_not_take_for_json_is_refused(bench: Workbench, body: bytes) -> None:
    path = bench.script("f/arguments/strict", "def main(a: list = []):\n    return 1\n")

    answer = bench.client.post(
        f"/jobs/run_wait_result/p/{path}", content=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == 400


def test_a_body_that_is_no_object_becomes_the_argument_body(bench: Workbench) -> None:
    path = bench.script("f/arguments/body", "def main(body: list):\n    return body\n")
    assert bench.run(path, [1, 2]).json() == [1, 2]


def test_the_entry_point_can_be_any_name_of_the_file(bench: Workbench) -> None:
    path = bench.script(
        "f/arguments/entry",
        """
        from os import getpid as imported
        def main(a: int):
            return "main"
        def other(a: int, b: int = 2):
            return ["other", a, b]
        """,
    )
    assert bench.run(path, {"_ENTRYPOINT_OVERRIDE": "other", "a": 1}).json() == ["other", 1, 2]
    assert isinstance(bench.run(path, {"_ENTRYPOINT_OVERRIDE": "imported", "a": 1}).json(), int)
    assert bench.run(path, {"_ENTRYPOINT_OVERRIDE": "nothing"}).status_code == 422


@pytest.fixture(scope="module")
def echo(bench: Workbench) -> str:
    workspace = bench.server.workspace
    workspace.set_variable("f/arguments/secret", "s3cret", is_secret=True)
    workspace.set_variable("f/arguments/json", '{"n": 1}')
    workspace.set_resource("f/arguments/resource", {"password": "$var:f/arguments/secret", "port": 5432})
    return bench.script("f/arguments/echo", "def main(value: dict):\n    return value\n")


@pytest.mark.parametrize(
    ("given", "received"),
    [
        ("$var:f/arguments/secret", "s3cret"),
        ("$jsonvar:f/arguments/json", {"n": 1}),
        ("$res:f/arguments/resource", {"password": "s3cret", "port": 5432}),
        ({"deep": [{"er": "$var:f/arguments/secret"}]}, {"deep": [{"er": "s3cret"}]}),
        ('{"text": "$var:f/arguments/secret"}', '{"text": "$var:f/arguments/secret"}'),
        (" $var:f/arguments/secret", " $var:f/arguments/secret"),
        ("$WM_WORKSPACE", "$WM_WORKSPACE"),
        (["$WM_WORKSPACE", "$var:f/arguments/secret"], ["family-brain", "s3cret"]),
        ({"$interpolate": ["<", {"$var": "f/arguments/secret"}, ">"]}, "<s3cret>"),
    ],
)
def test_references_are_replaced_before_main_runs(bench: Workbench, echo: str, given: Any, received: Any) -> None:
    assert bench.run(echo, {"value": given}).json() == received


@pytest.mark.parametrize("given", ["$var:f/none/none", "$res:f/none/none", "$encrypted:abc", "$res:x"])
def test_a_reference_to_nothing_fails_the_job(bench: Workbench, echo: str, given: str) -> None:
    answer = bench.run(echo, {"value": given})
    assert answer.status_code == 422
    assert answer.json()["error"]["name"] == "ExecutionErr"


def test_whoever_reads_the_job_sees_the_reference_and_not_the_secret(bench: Workbench, echo: str) -> None:
    job_id = bench.start(echo, {"value": "$var:f/arguments/secret"})
    job = bench.wait(job_id)
    assert (job["args"], job["result"]) == ({"value": "$var:f/arguments/secret"}, "s3cret")
    assert bench.client.get(f"/jobs_u/get_args/{job_id}").json() == {"value": "$var:f/arguments/secret"}
