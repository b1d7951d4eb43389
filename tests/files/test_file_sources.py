"""The three ways in which a file's bytes come, with what each refuses, inside of real jobs where it matters."""

import base64
import os
import time
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import pytest

from f.core.errors import Forbidden, InvalidArgument, Misconfigured, SourceUnavailable, TooLarge
from f.core.file_sources import (
    MAXIMUM_FILE_BYTES,
    FileSources,
    decoded,
    parse_file_sources,
    plain_name,
    read_file_argument,
)
from f.core.identity import Caller
from f.core.job import script
from f.core.network_addresses import AllowedHost
from f.core.stored_objects import object_key, read_object
from tests.support.installation import Installation, Json, Reply, Tenant
from tests.support.patience import PROMPTLY_SECONDS
from tests.support.ports import deaf_port
from tests.support.raw_servers import Answer, http_answer, raw_server

TENANT, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
BACK_END = Caller(TENANT)
PREFIX = "{tenant_id}/"
PATH = "f/chatbot/tells_of_a_file"
SCRIPT = """
from f.core.errors import SourceUnavailable
from f.core.file_sources import read_file_argument
from f.core.identity import identify
from f.core.job import script

@script(tells=(SourceUnavailable,))
def main(
    tenant_id: str, user_member_id: int | None = None, user_member_type: str | None = None,
    session_token: str | None = None, content_base64: str | None = None, s3_object: dict | None = None,
    url: str | None = None, file_name: str | None = None,
):
    caller = identify(tenant_id, user_member_id, user_member_type, session_token)
    file = read_file_argument(caller, content_base64, s3_object, url, file_name)
    return {"name": file.name, "text": file.content.decode(), "source_url": file.source_url}
"""


# An argument


@pytest.mark.parametrize("size", [1, 2, 3, 4, 100, 1_000])
def test_base64_is_taken_in_every_form_that_programs_write(size: int) -> None:
    content = os.urandom(size)
    standard, safe = base64.b64encode(content).decode(), base64.urlsafe_b64encode(content).decode()
    lines = base64.encodebytes(content).decode()
    for text in (
        *(standard, standard.rstrip("="), safe, safe.rstrip("=")),
        *(lines, lines.replace("\n", "\r\n"), f"data:application/pdf;base64,{standard}", f"data:;base64,{safe}"),
        f"data:text/plain;charset=utf-8;base64,{standard}",
    ):
        assert decoded(text) == content


@pytest.mark.parametrize(
    "text",
    ["a", "abc=d", "ab=c", "=abc", "a===", "ab===", "abcd====", "ab cd", "abc!", "abc.", "+-ab", "αβγδ", "\0abc",
     "%41%41", "data:application/pdf,abcd", "data:application/pdf;base64", "http://a/b", "abcd data:;base64,abcd"],
)  # fmt: skip
def test_what_is_no_base64_is_refused_and_not_guessed(text: str) -> None:
    with pytest.raises(InvalidArgument, match="content_base64"):
        decoded(text)


def test_a_file_may_have_fifty_million_bytes_and_not_one_more() -> None:
    largest = base64.b64encode(bytes(MAXIMUM_FILE_BYTES)).decode()
    assert len(decoded(largest)) == MAXIMUM_FILE_BYTES
    for text in (base64.b64encode(bytes(MAXIMUM_FILE_BYTES + 1)).decode(), largest + "AAAA", "A" * 200_000_000):
        with pytest.raises(TooLarge, match="50,000,000 bytes"):
            decoded(text)


def test_just_one_of_the_three_is_given() -> None:
    wrong: list[tuple[Any, Any, Any]] = [
        (None, None, None),
        ("", {}, ""),
        ("QQ==", {"s3": "a"}, None),
        ("QQ==", None, "https://a.example/"),
        (None, {"s3": "a"}, "https://a.example/"),
    ]
    for given in wrong:
        with pytest.raises(InvalidArgument, match="content_base64, s3_object and url"):
            read_file_argument(BACK_END, *given, None)
    assert read_file_argument(BACK_END, "QQ==", {}, "", "a.txt").content == b"A"


@pytest.mark.parametrize("given", [(None, {"s3": f"{TENANT}/a"}, None), (None, None, "https://files.example.org/")])
def test_outside_of_a_job_nothing_is_read_but_the_argument(given: tuple[Any, Any, Any]) -> None:
    with pytest.raises(Misconfigured):
        read_file_argument(BACK_END, *given, None)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\maria\\scan.png", "scan.png"),
        ("folder/", "file"),
        ("", "file"),
        ("  a.txt \n", "a.txt"),
        ("in\u202efdp.exe", "infdp.exe"),
        ("a\0\ud800\u2028b", "ab"),
        ("Λογαριασμός.pdf", "Λογαριασμός.pdf"),
        ("a" * 600 + ".pdf", "a" * 496 + ".pdf"),
        ("a" * 600, "a" * 500),
    ],
)
def test_a_name_has_no_folders_and_nothing_that_is_not_seen(given: str, name: str) -> None:
    assert plain_name(given) == name


# The settings


def test_settings_name_hosts_in_one_form() -> None:
    value = {
        "url_hosts": [
            {"host": "Files.Example.org"},
            {"host": "*.example.org", "port": 8443, "tenants": [TENANT.upper()]},
            {"host": "αρχεία.example"},
            {"host": "FD00:0::1", "plain_http": True, "internal": True},
        ],
        "s3_prefix": "tenants/{tenant_id}/",
        "s3_storages": ["archive"],
    }
    assert parse_file_sources(value) == FileSources(
        url_hosts=(
            AllowedHost("files.example.org"),
            AllowedHost("example.org", subdomains=True, port=8443, tenants=(TENANT,)),
            AllowedHost("xn--kxadbo3dtb.example"),
            AllowedHost("fd00::1", plain_http=True, internal=True),
        ),
        s3_prefix="tenants/{tenant_id}/",
        s3_storages=("archive",),
    )
    assert parse_file_sources({}) == FileSources()


@pytest.mark.parametrize(
    "value",
    [
        *(None, "files.example.org", {"url_hosts": "files.example.org"}, {"url_hosts": ["files.example.org"]}),
        *({"url_hosts": [{"host": host}]} for host in ("*", "*.org", "https://a.example", "a.example/x", "a b", "", 7)),
        *({"url_hosts": [{"host": "a.example:80"}]}, {"url_hosts": [{"host": "a.example", "port": "443"}]}),
        *({"url_hosts": [{"host": "a.example", key: "no"}]} for key in ("internal", "plain_http", "tenants")),
        *({"url_hosts": [{"host": "a.example", "tenants": [one]}]} for one in ("ours", None)),
        *({"s3_prefix": one} for one in ("", "/", "{tenant_id}", "all/", "{tenant_id}/x/", "../{tenant_id}/", 7)),
        *({"s3_storages": one} for one in ("archive", [""], [None])),
    ],
)  # fmt: skip
def test_malformed_settings_allow_nothing(value: object) -> None:
    with pytest.raises(Misconfigured, match="f/chatbot/file_sources"):
        parse_file_sources(value)


# The storage


def test_a_caller_names_objects_of_their_own_folder_only() -> None:
    member = Caller(TENANT, 7)
    assert object_key({"s3": f"{TENANT}/a/b.pdf"}, BACK_END, PREFIX, ()) == (f"{TENANT}/a/b.pdf", None)
    assert object_key({"s3": f"{TENANT}/7/b.pdf"}, member, PREFIX, ()) == (f"{TENANT}/7/b.pdf", None)
    assert object_key({"s3": f"t/{TENANT}/a", "storage": "archive"}, BACK_END, "t/{tenant_id}/", ("archive",)) == (
        f"t/{TENANT}/a",
        "archive",
    )
    assert object_key({"s3": f"{TENANT}/a", "storage": "_default_"}, BACK_END, PREFIX, ())[1] is None
    for caller, key in (
        (BACK_END, f"{OTHER}/a.pdf"),
        (BACK_END, "a.pdf"),
        (BACK_END, f"x/{TENANT}/a.pdf"),
        (BACK_END, f"{TENANT}x/a.pdf"),
        (BACK_END, TENANT),
        (member, f"{TENANT}/a.pdf"),
        (member, f"{TENANT}/8/a.pdf"),
        (member, f"{TENANT}/77/a.pdf"),
        (Caller(TENANT, None, "admin"), f"{TENANT}/a.pdf"),
    ):
        with pytest.raises(Forbidden, match="must begin with"):
            object_key({"s3": key}, caller, PREFIX, ())
    with pytest.raises(Forbidden, match="storage"):
        object_key({"s3": f"{TENANT}/a", "storage": "archive"}, BACK_END, PREFIX, ())


@pytest.mark.parametrize(
    "path",
    ["../{other}/a", "x/../../{other}/a", "./a", "x//a", "", "%2e%2e/{other}/a", "%252e%252e/a", "..%2f{other}/a",
     "..\\{other}\\a", "a%5c..%5c..", "x/."],
)  # fmt: skip
def test_a_key_leads_nowhere_else(path: str) -> None:
    with pytest.raises(InvalidArgument, match="s3_object"):
        object_key({"s3": f"{TENANT}/{path}".replace("{other}", OTHER)}, BACK_END, PREFIX, ())


@pytest.mark.parametrize("value", ["a.pdf", ["a"], {"s3": None}, {"s3": 7}, {"s3": "a\nb"}, {"path": "a"}])
def test_an_object_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(InvalidArgument, match="s3_object"):
        object_key(value, BACK_END, PREFIX, ())


def falls_silent() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n\r\nx"
    time.sleep(PROMPTLY_SECONDS)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (lambda: http_answer(b"whole"), None),
        (lambda: http_answer(b"Internal: Error retrieving file: Object at location a not found", 500), 404),
        (lambda: http_answer(b"Internal: the secret key of the bucket is wrong", 500), 503),
        (lambda: http_answer(b"ha", Content_Length="4"), 503),
        (lambda: b"", 503),
        (lambda: repeat(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000), 413),
        (falls_silent, 503),
    ],
    ids=["whole", "not there", "broken", "cut off", "hung up", "endless", "silent"],
)
def test_a_storage_that_fails_is_told_of_without_its_words(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[], Answer], status: int | None
) -> None:
    @script(tells=(SourceUnavailable,))
    def main() -> dict[str, object]:
        seconds = 2 if answer is falls_silent else PROMPTLY_SECONDS
        return {"text": read_object("a", None, 100, timeout_seconds=seconds).decode()}

    with raw_server(lambda _: answer()) as server:
        monkeypatch.setenv("BASE_INTERNAL_URL", server.url)
        monkeypatch.setenv("WM_TOKEN", "local")
        monkeypatch.setenv("WM_WORKSPACE", "family-brain")
        monkeypatch.setattr("wmill.client._client", None)
        told = main()
        assert server.requests[0].startswith("GET /api/w/family-brain/job_helpers/download_s3_file?file_key=a ")
    assert told.get("wm_status_code") == status
    assert "secret" not in str(told)


# Inside of jobs


@pytest.fixture(scope="module")
def told(installation: Installation) -> Installation:
    """The installation with a script that tells what it was given."""
    body = {"path": PATH, "content": SCRIPT, "language": "python3"}
    assert installation.client.post(installation.stack.url("scripts/create"), json=body).status_code == 201
    return installation


@pytest.fixture
def tenant(told: Installation) -> Tenant:
    return told.new_tenant()


@pytest.fixture
def settings(told: Installation) -> Iterator[Json]:
    """The value of the resource, which goes back to what it was."""
    resources = told.stack.server.workspace.resources
    before = resources["f/chatbot/file_sources"]["value"]
    changed = {**before}
    resources["f/chatbot/file_sources"]["value"] = changed
    yield changed
    resources["f/chatbot/file_sources"]["value"] = before


def put(told: Installation, key: str, content: bytes, storage: str | None = None) -> Json:
    """Put an object into the storage as a product's back end does, and return how to name it."""
    where = {"file_key": key} | ({"storage": storage} if storage else {})
    answer = told.client.post(told.stack.url("job_helpers/upload_s3_file"), params=where, content=content)
    assert answer.status_code == 200, answer.text
    return {"s3": key} | ({"storage": storage} if storage else {})


def test_a_job_takes_a_file_from_its_argument(told: Installation, tenant: Tenant) -> None:
    given = base64.b64encode(b"in an argument").decode()
    assert told.run(PATH, tenant_id=tenant.id, content_base64=given, file_name="x/a.txt").data == {
        "name": "a.txt",
        "text": "in an argument",
        "source_url": None,
    }


def test_a_job_takes_an_object_of_its_tenant_and_member_and_of_nobody_else(told: Installation, tenant: Tenant) -> None:
    neighbour = told.new_tenant()
    ours = put(told, f"{tenant.id}/folder/λογαριασμός.txt", b"ours")
    admins = put(told, f"{tenant.id}/{tenant.admin}/pay.txt", b"the admin's")
    theirs = put(told, f"{neighbour.id}/a.txt", b"theirs")
    anybodys = put(told, "a.txt", b"anybody's")

    def read(named: Json, **who: Any) -> Reply:
        return told.run(PATH, tenant_id=tenant.id, s3_object=named, **who)

    assert read(ours).data == {"name": "λογαριασμός.txt", "text": "ours", "source_url": None}
    assert read(admins).data["text"] == "the admin's"
    assert read(admins, user_member_id=tenant.admin).data["text"] == "the admin's"
    for named, who in (
        (theirs, {}),
        (anybodys, {}),
        (admins, {"user_member_id": tenant.teen}),
        (ours, {"user_member_id": tenant.teen}),
        (theirs, {"user_member_id": tenant.admin}),
        (ours, {"user_member_type": "admin"}),
    ):
        sentence = read(named, **who).refused(403, "forbidden")
        assert neighbour.id not in sentence
    read({"s3": f"{tenant.id}/../{neighbour.id}/a.txt"}).refused(422, "invalid_argument")
    missing = read({"s3": f"{tenant.id}/none.txt"}).refused(404, "not_found")
    assert missing == "There is no such file in the storage."


def test_a_token_names_the_folder_and_no_argument_does(told: Installation, tenant: Tenant) -> None:
    mine = put(told, f"{tenant.id}/{tenant.teen}/mine.txt", b"mine")
    adults = put(told, f"{tenant.id}/{tenant.adult}/yours.txt", b"yours")
    issued = told.run("f/operations/issue_session_token", tenant_id=tenant.id, user_member_id=tenant.teen)
    token = issued.data["session_token"]
    assert told.run(PATH, tenant_id=tenant.id, session_token=token, s3_object=mine).data["text"] == "mine"
    told.run(PATH, tenant_id=tenant.id, session_token=token, s3_object=adults).refused(403, "forbidden")


def test_an_object_that_is_too_large_is_given_up(told: Installation, tenant: Tenant) -> None:
    named = put(told, f"{tenant.id}/large.bin", bytes(MAXIMUM_FILE_BYTES + 1))
    told.run(PATH, tenant_id=tenant.id, s3_object=named).refused(413, "too_large")


def test_a_storage_is_read_only_where_an_operator_lists_it(told: Installation, tenant: Tenant, settings: Json) -> None:
    storage = told.stack.server.storage
    assert storage is not None
    (storage / "archive").mkdir(parents=True, exist_ok=True)
    named = put(told, f"{tenant.id}/old.txt", b"from the archive", "archive")
    told.run(PATH, tenant_id=tenant.id, s3_object=named).refused(403, "forbidden")
    settings["s3_storages"] = ["archive", "gone"]
    assert told.run(PATH, tenant_id=tenant.id, s3_object=named).data["text"] == "from the archive"
    gone = told.run(PATH, tenant_id=tenant.id, s3_object={**named, "storage": "gone"})
    gone.refused(503, "source_unavailable")
    settings["s3_prefix"] = None
    told.run(PATH, tenant_id=tenant.id, s3_object=named).refused(403, "forbidden")


def test_a_job_fetches_from_the_web_only_what_an_operator_lists(
    told: Installation, tenant: Tenant, settings: Json
) -> None:
    with raw_server(lambda path: http_answer(f"at {path}".encode())) as server:
        address = f"{server.url}/folder/a.txt?key=1"
        sentence = told.run(PATH, tenant_id=tenant.id, url=address).refused(403, "forbidden")
        assert "operator" in sentence
        assert server.connections == 0
        listed: Json = {"host": "127.0.0.1", "port": server.port, "plain_http": True, "internal": True}
        settings["url_hosts"] = [{**listed, "tenants": [tenant.id]}]
        assert told.run(PATH, tenant_id=tenant.id, url=address).data == {
            "name": "a.txt",
            "text": "at /folder/a.txt?key=1",
            "source_url": address,
        }
        told.run(PATH, tenant_id=told.new_tenant().id, url=address).refused(403, "forbidden")
        assert server.connections == 1
    port = deaf_port()
    settings["url_hosts"] = [{**listed, "port": port}]
    told.run(PATH, tenant_id=tenant.id, url=f"http://127.0.0.1:{port}/").refused(503, "source_unavailable")
    told.run(PATH, tenant_id=tenant.id, url="file:///etc/passwd").refused(422, "invalid_argument")


def test_settings_that_are_wrong_fail_the_job_and_not_the_check(
    told: Installation, tenant: Tenant, settings: Json
) -> None:
    settings["url_hosts"] = [{"host": "*"}]
    assert "f/chatbot/file_sources" in told.run(PATH, tenant_id=tenant.id, url="https://a.example/").crashed()


def test_who_is_no_member_any_more_learns_nothing_of_the_storage(told: Installation, tenant: Tenant) -> None:
    mine = put(told, f"{tenant.id}/{tenant.teen}/mine.txt", b"Mine is the blue bicycle in the cellar.")
    who = {"tenant_id": tenant.id, "user_member_id": tenant.teen}
    token = told.run("f/operations/issue_session_token", **who).data["session_token"]
    file = told.run("f/chatbot/parse_file", tenant_id=tenant.id, session_token=token, s3_object=mine)
    assert file.data["status"] == "completed" or file.data["waiting"]
    told.run("f/operations/revoke_session_token", **who).done()
    for named in (mine, {"s3": f"{tenant.id}/{tenant.teen}/none.txt"}):
        refused = told.run("f/chatbot/parse_file", tenant_id=tenant.id, session_token=token, s3_object=named)
        refused.refused(401, "unauthorized")
    answers = {
        told.run("f/chatbot/parse_file", tenant_id=tenant.id, user_member_id=2**31 - 1, s3_object=named).refused(404)
        for named in (
            put(told, f"{tenant.id}/{2**31 - 1}/there.txt", b"there"),
            {"s3": f"{tenant.id}/{2**31 - 1}/none.txt"},
        )
    }
    assert answers == {"There is no such member."}


def test_a_file_of_an_address_becomes_a_document_that_names_it(
    told: Installation, tenant: Tenant, settings: Json
) -> None:
    with raw_server(lambda _: http_answer(b"<h1>Lamps</h1><p>The lamp on the quay is red.</p>")) as server:
        settings["url_hosts"] = [{"host": "127.0.0.1", "port": server.port, "plain_http": True, "internal": True}]
        address = f"{server.url}/lamps.html"
        taken = told.flow("f/chatbot/ingest_file", tenant_id=tenant.id, url=address).data
    assert taken["status"] == "completed", taken
    answer = told.run("f/chatbot/chat", tenant_id=tenant.id, question="Is the lamp on the quay red?").data
    assert "red" in answer["answer"]
    assert [cited["source_url"] for cited in answer["citations"]] == [address]
