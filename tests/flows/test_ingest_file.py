"""The flows for files over HTTP: one, many, and what is left for the schedule."""

from collections.abc import Iterator
from functools import partial

import pytest

from tests.conftest import InstallationMaker
from tests.scripts.test_parse_file import ARCHIVE, LETTER, encoded, given, zipped
from tests.support.cloud import Cloud, cloud_of, row_counts, usage
from tests.support.installation import Installation, Json, Tenant
from tests.support.provider_faults import status

FILE, FILES, BACKLOG = "f/chatbot/ingest_file", "f/chatbot/ingest_files", "f/operations/embed_backlog"


@pytest.fixture(scope="module")
def running_cloud(make_installation: InstallationMaker) -> Iterator[Cloud]:
    """An installation to itself: the backlog is everybody's."""
    with cloud_of(make_installation()) as cloud:
        yield cloud


@pytest.fixture
def cloud(running_cloud: Cloud) -> Cloud:
    running_cloud.reset()
    return running_cloud


@pytest.fixture
def tenant(cloud: Cloud) -> Tenant:
    return cloud.installation.new_tenant()


def one(content: bytes, name: str, **more: object) -> Json:
    return {"content_base64": encoded(content), "file_name": name, **more}


def steps_of(installation: Installation, job: str) -> list[str]:
    return [module["id"] for module in installation.job(job)["flow_status"]["modules"]]


def test_a_file_goes_in_whole_and_again_is_only_told_of(cloud: Cloud, tenant: Tenant) -> None:
    fields: Json = {"user_member_id": tenant.adult, "visibility": "adults_only"}
    call = partial(cloud.installation.flow, FILE, **given(tenant), **fields)
    first = call().data
    again = call().data

    [item] = first["items"]
    assert (first["status"], item["status"], item["percent"]) == ("completed", "completed", 100)
    assert again == first
    [counted] = usage(cloud.installation, tenant)
    assert counted["document_id"] == item["document_id"]
    assert len(cloud.cohere.requests_to("/embed")) == 1
    found = cloud.installation.run("f/chatbot/search", tenant_id=tenant.id, query="excess for theft")
    assert found.data["documents"] == []
    [hit] = cloud.installation.run(
        "f/chatbot/search", tenant_id=tenant.id, query="excess for theft", user_member_id=tenant.adult
    ).data["documents"]
    assert hit["document_id"] == item["document_id"]


def test_a_bad_file_fails_the_flow_with_its_own_error(cloud: Cloud, tenant: Tenant) -> None:
    reply = cloud.installation.flow(FILE, **given(tenant, b"%PDF-1.4 secret words", "a.pdf"))

    reply.refused(422, "damaged")
    assert reply.body["step"] == "parse"
    assert "secret" not in reply.text
    [kept] = cloud.installation.query("SELECT status, attempts FROM files WHERE tenant_id = %s", (tenant.id,))
    assert kept == {"status": "failed", "attempts": 1}  # not tried again for what cannot pass


def test_an_archive_goes_in_but_for_the_file_that_cannot_be_read_which_is_named(cloud: Cloud, tenant: Tenant) -> None:
    told = cloud.installation.flow(FILE, **given(tenant, zipped(**ARCHIVE), "all.zip")).data

    assert told["status"] == "completed"
    assert {item["name"]: (item["status"], item["error_code"]) for item in told["items"]} == {
        "all.zip": ("completed", None), "a.md": ("completed", None), "b.md": ("completed", None),
        "c.pdf": ("failed", "damaged"),
    }  # fmt: skip
    assert row_counts(cloud.installation, tenant.id)["documents"] == 2
    assert len(usage(cloud.installation, tenant)) == 2


def test_with_the_provider_down_a_file_waits_and_the_schedule_takes_it_up(cloud: Cloud, tenant: Tenant) -> None:
    cloud.use(deadline_seconds=0.4)
    cloud.cohere.fail(status(503), times=None)

    told = cloud.installation.flow(FILE, **given(tenant)).data

    [item] = told["items"]
    assert (item["status"], item["step"], item["error_code"]) == ("queued", "embed", "provider_unavailable")
    assert item["attempts"] == 2
    cloud.reset()
    assert cloud.installation.run("f/operations/find_backlog").data == {"tenants": 0}  # not yet
    cloud.installation.query("UPDATE documents SET next_attempt_at = now() WHERE tenant_id = %s", (tenant.id,))
    assert cloud.installation.flow(BACKLOG).data["documents"] == 1
    [item] = cloud.installation.run("f/chatbot/get_ingest_status", tenant_id=tenant.id).data["items"]
    assert item["status"] == "completed"


def test_of_many_files_each_has_its_outcome_and_a_repeat_does_only_what_is_missing(
    cloud: Cloud, tenant: Tenant
) -> None:
    files = [
        one(LETTER, "letter.md", tags=["car"]), one(b"%PDF-1.4 no", "a.pdf"), {"content_base64": "!", "file_name": "b"},
        one(zipped(**ARCHIVE), "all.zip"), one(b"The roof was mended in May.", "roof.txt", visibility="admins_only"),
        one(b" \n", "empty.txt"),
    ]  # fmt: skip
    call = partial(cloud.installation.flow, FILES, tenant_id=tenant.id, files=files, batch="move", parallel_limit=3)
    first = call().data
    counts, requests = row_counts(cloud.installation, tenant.id), len(cloud.cohere.requests)
    again = call().data

    outcomes = {file["name"]: (file["success"], file["status"], file["error_code"]) for file in first["files"]}
    assert outcomes == {
        "letter.md": (True, "completed", None), "a.pdf": (False, "failed", "damaged"),
        "b": (False, "failed", "invalid_argument"), "all.zip": (True, "completed", None),
        "roof.txt": (True, "completed", None), "empty.txt": (False, "failed", "no_text"),
    }  # fmt: skip
    assert first["files"] == again["files"]
    assert first["batch"] == "move"
    assert first["totals"] == {"queued": 0, "processing": 0, "completed": 3, "failed": 3}
    assert again["totals"] == first["totals"]
    assert [len(file["document_ids"]) for file in first["files"]] == [1, 0, 0, 2, 1, 0]
    # One of the two letters is tied to the document of the other, and says so.
    assert [file["duplicate_of"] for file in first["files"]].count([first["files"][0]["document_ids"][0]]) == 1
    # The letter in the archive is the letter beside it: its text is there once.
    assert counts["documents"] == 3
    assert row_counts(cloud.installation, tenant.id) == counts
    assert len(cloud.cohere.requests) == requests
    missing = call(files=[*files, one(b"The garden.", "new.txt")]).data
    assert missing["files"][-1]["success"] is True
    assert row_counts(cloud.installation, tenant.id)["documents"] == 4


def test_a_batch_of_which_no_file_was_taken_in_has_failed(cloud: Cloud, tenant: Tenant) -> None:
    files = [{"content_base64": "", "file_name": "empty.pdf"}, {"url": "https://example.org/a.pdf"}]
    files.append({"content_base64": "!"})

    data = cloud.installation.flow(FILES, tenant_id=tenant.id, files=files, batch="bad").data

    assert [file["error_code"] for file in data["files"]] == ["empty", "forbidden", "invalid_argument"]
    assert data["status"] == "failed"
    assert data["totals"] == {"queued": 0, "processing": 0, "completed": 0, "failed": 3}
    cloud.installation.run("f/chatbot/get_ingest_status", tenant_id=tenant.id, batch="bad").refused(404, "not_found")


def test_a_file_that_is_there_already_or_nearly_is_told_with_what_is_there(cloud: Cloud, tenant: Tenant) -> None:
    lease = " ".join(
        f"Clause {n} of the lease says that the tenant pays {n * 7} euros for item {n}." for n in range(40)
    )
    there = cloud.installation.run("f/chatbot/ingest", tenant_id=tenant.id, title="Lease", content=lease).data
    files = [
        one(lease.encode(), "same.txt", visibility="private", assigned_to=tenant.adult),
        one(lease.replace("Clause 3 ", "Clause three ").encode(), "near.txt"),
    ]

    data = cloud.installation.flow(FILES, tenant_id=tenant.id, user_member_id=tenant.adult, files=files).data
    [near] = cloud.installation.flow(
        FILE, **given(tenant, lease.replace("Clause 5 ", "Clause five ").encode()), user_member_id=tenant.teen
    ).data["items"]

    assert [file["document_ids"] == [there["document_id"]] for file in data["files"]] == [True, False]
    assert [file["duplicate_of"] for file in data["files"]] == [[there["document_id"]], []]
    assert near["duplicate_of"] is None
    assert there["document_id"] in [each["document_id"] for each in near["near_duplicates"]]
    assert [each["document_id"] for each in data["files"][1]["near_duplicates"]] == [there["document_id"]]


@pytest.mark.parametrize(
    ("changes", "http_status"),
    [
        ({"files": None}, 422), ({"files": "a"}, 422), ({"files": [7]}, 422), ({"files": [{}] * 1001}, 413),
        ({"files": [], "parallel_limit": 9}, 422), ({"files": [], "batch": "x" * 201}, 413),
        ({"files": [], "session_token": "a.b"}, 401),
    ],
)  # fmt: skip
def test_a_list_that_is_none_is_refused_before_anything_is_done(
    cloud: Cloud, tenant: Tenant, changes: Json, http_status: int
) -> None:
    reply = cloud.installation.flow(FILES, **{"tenant_id": tenant.id, **changes})

    reply.refused(http_status)
    assert reply.body["step"] == "prepare"
    assert cloud.installation.query("SELECT 1 AS one FROM files WHERE tenant_id = %s", (tenant.id,)) == []


def test_no_file_at_all_is_a_batch_of_none(cloud: Cloud, tenant: Tenant) -> None:
    data = cloud.installation.flow(FILES, tenant_id=tenant.id, files=[]).data

    assert (data["files"], data["totals"]) == ([], {"queued": 0, "processing": 0, "completed": 0, "failed": 0})


def test_the_schedule_ends_after_one_short_step_when_nothing_waits(cloud: Cloud, tenant: Tenant) -> None:
    cloud.installation.flow(BACKLOG)
    cloud.installation.flow(FILE, **given(tenant)).done()
    idle = cloud.installation.start(BACKLOG, "f")
    assert cloud.installation.wait(idle)["result"]["data"] == {"tenants": 0}
    assert steps_of(cloud.installation, idle) == ["find_backlog"]
    data = cloud.installation.run("f/chatbot/parse_file", **given(tenant, LETTER + b"More.")).data
    cloud.installation.query("UPDATE files SET next_attempt_at = now() + '1 hour' WHERE id = %s", (data["file_id"],))
    assert cloud.installation.run("f/operations/find_backlog").data == {"tenants": 0}
    cloud.installation.query("UPDATE files SET next_attempt_at = now() WHERE id = %s", (data["file_id"],))
    busy = cloud.installation.start(BACKLOG, "f")
    assert cloud.installation.wait(busy)["result"]["data"]["documents"] == 1
    assert steps_of(cloud.installation, busy) == ["find_backlog", "work_off_files", "embed"]
    assert cloud.installation.run("f/operations/find_backlog").data == {"tenants": 0}
