"""Handing files in over HTTP: what is kept, what is the same file, whose it is, and what a failure leaves."""

import base64
import io
import warnings
import zipfile
from collections.abc import Iterator
from functools import partial

import pytest
from PIL import Image

from f.core.database import Database
from f.core.files import fail, finish, keep, take
from f.core.identity import Caller
from f.core.parsed_parts import ParsedPart, ParsingFailure
from local.database import Server
from local.settings import Credentials
from local.stack import local_stack
from tests.support.installation import Installation, Json, Tenant, autocommit_cursor

PARSE, INGEST, RETRY = "f/chatbot/parse_file", "f/chatbot/ingest", "f/chatbot/retry_document"
LETTER = b"# Letter\n\nThe excess for theft is 400 euros.\n"


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def zipped(**entries: bytes) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name.replace("__", ".")), content)
    return whole.getvalue()


def given(tenant: Tenant, content: bytes = LETTER, name: str = "letter.md", **more: object) -> Json:
    return {"tenant_id": tenant.id, "content_base64": encoded(content), "file_name": name, **more}


def row(installation: Installation, file_id: int) -> Json:
    return installation.query("SELECT * FROM files WHERE id = %s", (file_id,))[0]


@pytest.fixture(scope="module")
def without_ocr(
    postgres: Server, credentials: Credentials, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """An installation whose workers have no tesseract, and a database of its own."""
    with local_stack(
        tmp_path_factory.mktemp("without_ocr"), postgres=postgres, dbname=postgres.create_database(template=template),
        installs=False, credentials=credentials, environment={}, delay_factor=0.05,
        extra_environment={"PATH": "/nonexistent"},
    ) as stack:  # fmt: skip
        yield Installation(stack)


def test_a_file_is_parsed_and_its_document_stored_by_its_id(installation: Installation) -> None:
    tenant = installation.new_tenant()
    data = installation.run(PARSE, **given(tenant, tags=["Car"], batch="b1")).data
    kept = row(installation, data["file_id"])

    assert (data["status"], data["waiting"], data["duplicate_of"]) == ("queued", [data["file_id"]], None)
    assert (kept["step"], kept["content"], kept["lease_holder"], kept["batch"]) == ("store", None, None, "b1")
    assert kept["parsed"].strip() == LETTER.decode().strip()
    stored = installation.run(INGEST, tenant_id=tenant.id, file_id=data["file_id"]).data
    again = installation.run(INGEST, tenant_id=tenant.id, file_id=data["file_id"]).data
    assert (stored["status"], stored["chunks"], stored["duplicate_of"]) == ("queued", 1, None)
    assert (again["document_id"], again["duplicate_of"]) == (stored["document_id"],) * 2
    [document] = installation.query("SELECT * FROM documents WHERE tenant_id = %s", (tenant.id,))
    assert (document["title"], document["tags"]) == ("Letter", ["car"])
    assert document["media_type"] == data["media_type"]
    kept = row(installation, data["file_id"])
    assert (kept["status"], kept["parsed"], kept["document_id"]) == ("completed", None, stored["document_id"])


def test_the_same_file_by_the_same_caller_is_the_file_that_is_there_and_anybody_elses_is_not(
    installation: Installation,
) -> None:
    tenant, other = installation.new_tenant(), installation.new_tenant()
    run = partial(installation.run, PARSE, **given(tenant))
    first = run(user_member_id=tenant.adult).data
    stored = installation.run(INGEST, tenant_id=tenant.id, file_id=first["file_id"]).data["document_id"]

    again = run(user_member_id=tenant.adult, batch="later").data
    others = [run(user_member_id=tenant.teen).data, run().data, installation.run(PARSE, **given(other)).data]

    assert (again["file_id"], again["duplicate_of"], again["waiting"]) == (first["file_id"], stored, [first["file_id"]])
    assert row(installation, first["file_id"])["batch"] == "later"
    assert len({first["file_id"], *(one["file_id"] for one in others)}) == 4
    assert [one["duplicate_of"] for one in others] == [None] * 3
    installation.run("f/chatbot/delete_document", tenant_id=tenant.id, document_id=stored).done()
    anew = run(user_member_id=tenant.adult).data
    assert anew["file_id"] != first["file_id"]
    assert anew["duplicate_of"] is None


def test_a_key_is_its_callers_own_word_for_one_file(installation: Installation) -> None:
    tenant = installation.new_tenant()
    keyed = partial(installation.run, PARSE, idempotency_key="k", user_member_id=tenant.adult)
    first = keyed(**given(tenant)).data

    assert keyed(**given(tenant, name="renamed.md")).data["file_id"] == first["file_id"]
    keyed(**given(tenant, b"Another text.")).refused(409, "conflict")
    theirs = installation.run(
        PARSE, **given(tenant, b"Another text."), idempotency_key="k", user_member_id=tenant.teen
    ).data
    assert theirs["file_id"] != first["file_id"]


def test_who_may_see_less_now_is_not_told_of_the_file_that_is_there(installation: Installation) -> None:
    tenant = installation.new_tenant()
    who = {"user_member_id": tenant.adult}
    first = installation.run(PARSE, **given(tenant), **who, visibility="adults_only").data

    narrowed = installation.run(PARSE, **given(tenant), **who, user_member_type="teen").data

    assert narrowed["file_id"] != first["file_id"]
    installation.run(PARSE, **given(tenant), **who, user_member_type="teen", visibility="adults_only").refused(403)
    for member in (tenant.teen, tenant.child):
        for path in (PARSE, INGEST, RETRY):
            reply = installation.run(path, tenant_id=tenant.id, user_member_id=member, file_id=first["file_id"])
            assert reply.refused(404, "not_found") == "There is no such file."


def test_a_file_that_cannot_be_read_is_refused_and_kept_for_another_try(installation: Installation) -> None:
    tenant = installation.new_tenant()
    sentence = installation.run(PARSE, **given(tenant, b"%PDF-1.4 no more", "a.pdf")).refused(422, "damaged")

    [kept] = installation.query("SELECT * FROM files WHERE tenant_id = %s", (tenant.id,))
    assert (kept["status"], kept["step"], kept["failure_code"]) == ("failed", "parse", "damaged")
    assert (kept["failure_reason"], bytes(kept["content"])) == (sentence, b"%PDF-1.4 no more")
    named = {"tenant_id": tenant.id, "file_id": kept["id"]}
    installation.run(INGEST, **named).refused(409, "conflict")
    retried = installation.run(RETRY, **named).data
    assert retried == {"file_id": kept["id"], "document_id": None, "status": "queued", "step": "parse"}
    assert row(installation, kept["id"])["attempts"] == 0
    installation.run(RETRY, **named).refused(409, "conflict")
    installation.run(INGEST, **named).refused(409, "conflict")
    installation.run(PARSE, **named).refused(422, "damaged")
    installation.query("UPDATE files SET content = %s WHERE id = %s", (LETTER, kept["id"]))
    assert installation.run(PARSE, **named).data["status"] == "queued"
    done = installation.query("SELECT action FROM audit_log WHERE tenant_id = %s AND outcome = 'done'", (tenant.id,))
    assert [entry["action"] for entry in done].count("retry_document") == 1


def test_a_file_is_retried_and_stored_by_whose_it_is(installation: Installation) -> None:
    tenant = installation.new_tenant()
    broken = given(tenant, b"%PDF-1.4 no more", "a.pdf", user_member_id=tenant.adult)
    installation.run(PARSE, **broken).refused(422)
    [kept] = installation.query("SELECT id FROM files WHERE tenant_id = %s", (tenant.id,))
    named = {"tenant_id": tenant.id, "file_id": kept["id"]}

    installation.run(RETRY, **named, user_member_id=tenant.teen).refused(403, "forbidden")
    installation.run(INGEST, **named, user_member_id=tenant.admin).refused(403, "forbidden")
    installation.run(RETRY, **named, user_member_id=tenant.admin).done()
    assert row(installation, kept["id"])["status"] == "queued"


ARCHIVE = {"a__md": LETTER, "b__md": b"# Second\n\nThe boiler is serviced in March.\n", "c__pdf": b"%PDF-1.4 no more"}


def test_what_is_inside_of_an_archive_becomes_files_with_its_fields_and_one_bad_one_costs_no_other(
    installation: Installation,
) -> None:
    tenant = installation.new_tenant()
    fields: Json = {"visibility": "adults_only", "tags": ["x"], "batch": "b", "category": "letters"}
    call = partial(installation.run, PARSE, **given(tenant, zipped(**ARCHIVE), "all.zip"), **fields)
    data = call(user_member_id=tenant.adult).data

    whole = row(installation, data["file_id"])
    assert (whole["status"], whole["content"], whole["parsed"]) == ("completed", None, None)
    inside = installation.query("SELECT * FROM files WHERE parent_id = %s ORDER BY name", (whole["id"],))
    assert [(one["name"], one["status"], one["failure_code"]) for one in inside] == [
        ("a.md", "queued", None), ("b.md", "queued", None), ("c.pdf", "failed", "damaged"),
    ]  # fmt: skip
    for one in inside:
        assert {name: one[name] for name in fields} == fields
        assert (one["created_by"], one["content"]) == (tenant.adult, None)
    told = {one["name"]: (one["status"], one["error_code"]) for one in data["files"]}
    assert told == {"a.md": ("queued", None), "b.md": ("queued", None), "c.pdf": ("failed", "damaged")}
    assert data["waiting"] == [inside[0]["id"], inside[1]["id"]]
    stored = installation.run(INGEST, tenant_id=tenant.id, file_id=inside[1]["id"]).data
    installation.run("f/chatbot/embed", tenant_id=tenant.id, document_id=stored["document_id"]).done()
    assert call(user_member_id=tenant.adult).data["waiting"] == [inside[0]["id"]]
    installation.run(INGEST, tenant_id=tenant.id, file_id=whole["id"]).refused(409, "conflict")
    installation.run(RETRY, tenant_id=tenant.id, file_id=inside[2]["id"]).refused(409, "conflict")
    installation.run(INGEST, tenant_id=tenant.id, file_id=inside[0]["id"], title="T").refused(422, "invalid_argument")


def test_an_archive_that_is_handed_in_again_is_read_again_where_something_inside_has_failed(
    installation: Installation,
) -> None:
    tenant = installation.new_tenant()
    who = {"user_member_id": tenant.admin}
    call = partial(installation.run, PARSE, **given(tenant, zipped(**ARCHIVE), "all.zip", **who))
    data = call().data
    files = {one["name"]: one["file_id"] for one in data["files"]}
    stored = installation.run(INGEST, tenant_id=tenant.id, file_id=files["a.md"]).data["document_id"]
    installation.query(
        "UPDATE files SET status = 'failed', step = 'parse', parsed = NULL, failure_code = 'damaged' WHERE id = %s",
        (files["b.md"],),
    )
    installation.run(RETRY, tenant_id=tenant.id, file_id=files["b.md"]).refused(409, "conflict")

    again = call(visibility="admins_only").data

    told = {one["name"]: (one["file_id"], one["status"], one["document_id"]) for one in again["files"]}
    assert told == {
        "a.md": (files["a.md"], "queued", stored), "b.md": (files["b.md"], "queued", None),
        "c.pdf": (files["c.pdf"], "failed", None),
    }  # fmt: skip
    assert again["file_id"] == data["file_id"]
    assert row(installation, data["file_id"])["status"] == "completed"
    assert [row(installation, files[name])["visibility"] for name in ("a.md", "b.md")] == ["everyone", "admins_only"]
    whole = call(**given(tenant, zipped(a__md=LETTER), "well.zip")).data["file_id"]
    seen = row(installation, whole)
    call(**given(tenant, zipped(a__md=LETTER), "well.zip")).done()
    assert row(installation, whole) == seen  # nothing inside has failed: it is left alone


def test_names_that_come_again_in_an_archive_are_numbered_until_one_is_free(installation: Installation) -> None:
    tenant = installation.new_tenant()
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive, warnings.catch_warnings(action="ignore"):
        for number, name in enumerate(("a.txt", "a.txt", "a.txt (2)")):
            archive.writestr(zipfile.ZipInfo(name), f"The text number {number}.")

    data = installation.run(PARSE, **given(tenant, whole.getvalue(), "all.zip")).data

    assert {one["name"] for one in data["files"]} == {"a.txt", "a.txt (2)", "a.txt (2) (2)"}
    assert len(data["waiting"]) == 3


def test_a_file_is_tied_to_no_document_that_its_member_may_not_see(installation: Installation) -> None:
    tenant = installation.new_tenant()
    ingest = partial(installation.run, INGEST, tenant_id=tenant.id)
    text = LETTER.decode().strip()
    hidden = ingest(title="Hidden", content=text, visibility="admins_only").data["document_id"]
    by_teen, by_child, by_admin, by_nobody = (
        installation.run(PARSE, **given(tenant, user_member_id=member)).data["file_id"]
        for member in (tenant.teen, tenant.child, tenant.admin, None)
    )

    own = ingest(file_id=by_teen, user_member_id=tenant.teen).data
    installation.run("f/operations/work_off_files").done()

    assert own["document_id"] != hidden
    assert own["duplicate_of"] is None
    assert row(installation, by_teen)["document_id"] == own["document_id"]
    assert {row(installation, one)["document_id"] for one in (by_child, by_nobody)} == {own["document_id"]}
    assert row(installation, by_admin)["document_id"] == hidden
    assert {row(installation, one)["status"] for one in (by_child, by_nobody, by_admin)} == {"completed"}


def test_a_file_that_another_run_holds_is_left_alone_until_its_lease_is_over(installation: Installation) -> None:
    tenant = installation.new_tenant()
    file_id = installation.run(PARSE, **given(tenant)).data["file_id"]
    held = (
        "UPDATE files SET step = 'parse', status = 'processing', content = %s, parsed = NULL, lease_holder = 'a run',"
        " attempts = 1, lease_until = now() + %s::interval WHERE id = %s"
    )
    installation.query(held, (LETTER, "1 minute", file_id))

    beside = installation.run(PARSE, **given(tenant)).data
    installation.run("f/operations/work_off_files").done()
    assert (beside["file_id"], beside["status"], beside["waiting"]) == (file_id, "processing", [])
    assert row(installation, file_id)["lease_holder"] == "a run"
    installation.query(held, (LETTER, "-1 second", file_id))
    installation.run("f/operations/work_off_files").done()
    assert row(installation, file_id)["status"] == "completed"
    installation.query(held.replace("attempts = 1", "attempts = 3"), (LETTER, "-1 second", file_id))
    installation.run("f/operations/work_off_files").done()
    kept = row(installation, file_id)
    assert (kept["status"], kept["failure_code"], kept["lease_holder"]) == ("failed", "interrupted", None)


def test_a_run_that_has_lost_its_file_writes_nothing_of_it(installation: Installation) -> None:
    tenant = installation.new_tenant()
    file_id = installation.run(PARSE, **given(tenant)).data["file_id"]
    installation.query(
        "UPDATE files SET step = 'parse', status = 'queued', content = %s, parsed = NULL WHERE id = %s",
        (LETTER, file_id),
    )
    part = ParsedPart((), "letter.md", "text/plain", 9, bytes(32), text="Late words.")
    caller = Caller(tenant.id, None, "system")
    with autocommit_cursor(installation.app_dsn) as cursor:
        database = Database(cursor.connection)
        with database.transaction(caller) as transaction:
            held = take(transaction, "first")
            assert held is not None
            assert take(transaction, "second", file_id=file_id) is None
            assert keep(transaction, file_id, "first", 40)
        assert row(installation, file_id)["percent"] == 40
        installation.query("UPDATE files SET lease_until = now() WHERE id = %s", (file_id,))
        with database.transaction(caller) as transaction:
            assert take(transaction, "second", file_id=file_id) is not None
            assert not keep(transaction, file_id, "first", 90)
            finish(transaction, file_id, "first", [part])
            fail(transaction, file_id, "first", ParsingFailure("damaged", "Too late."))
    kept = row(installation, file_id)
    assert (kept["status"], kept["lease_holder"], kept["parsed"]) == ("processing", "second", None)
    assert (kept["failure_code"], kept["attempts"]) == (None, 2)


def test_what_may_pass_is_tried_three_times_with_longer_and_longer_pauses(without_ocr: Installation) -> None:
    tenant = without_ocr.new_tenant()
    picture = io.BytesIO()
    Image.new("L", (400, 200), 255).save(picture, "PNG")
    pauses, outcomes = [], []
    for attempt in range(3):
        reply = without_ocr.run(PARSE, **given(tenant, picture.getvalue(), "scan.png"))
        outcomes.append(reply.status)
        [kept] = without_ocr.query("SELECT *, next_attempt_at - now() AS pause FROM files")
        assert (kept["attempts"], kept["failure_code"]) == (attempt + 1, "ocr_missing")
        pauses.append(kept["pause"].total_seconds() if kept["pause"] else None)
        assert without_ocr.run("f/operations/find_backlog").data == {"tenants": 0}
    assert outcomes == [503, 503, 503]
    assert kept["status"] == "failed"
    assert pauses[0] is not None
    assert pauses[1] is not None
    assert 50 < pauses[0] < pauses[1] / 1.5 < 100
    assert pauses[2] is None
