"""How far files and documents are, over HTTP: what is told, to whom, and in which order."""

from functools import partial

from tests.scripts.test_parse_file import ARCHIVE, LETTER, given, zipped
from tests.support.cloud import chunks, insert_documents
from tests.support.installation import Installation, Json, Tenant

STATUS, PARSE, RETRY = "f/chatbot/get_ingest_status", "f/chatbot/parse_file", "f/chatbot/retry_document"


def status(installation: Installation, tenant: Tenant, **arguments: object) -> Json:
    return dict(installation.run(STATUS, tenant_id=tenant.id, **arguments).data)


def test_a_file_is_followed_from_its_parsing_to_its_last_vector(installation: Installation) -> None:
    tenant = installation.new_tenant()
    text = "\n\n".join(f"# Part {n}\n\n" + f"Word{n} of the part. " * 80 for n in range(4)).encode()
    file_id = installation.run(PARSE, **given(tenant, text)).data["file_id"]

    def item() -> Json:
        [only] = status(installation, tenant, file_id=file_id)["items"]
        return dict(only)

    parsed = item()
    assert (parsed["status"], parsed["step"], parsed["percent"], parsed["name"]) == ("queued", "store", 0, "letter.md")
    document = installation.run("f/chatbot/ingest", tenant_id=tenant.id, file_id=file_id).data["document_id"]
    assert (item()["status"], item()["step"], item()["document_id"]) == ("queued", "embed", document)
    pieces = chunks(installation, document)
    installation.query(
        "UPDATE document_chunks SET embedding = array_fill(1, ARRAY[1024])::halfvec, embedding_model = 'm'"
        " WHERE id = %s",
        (pieces[0]["id"],),
    )
    assert item()["percent"] == 100 // len(pieces)
    installation.run("f/chatbot/embed", tenant_id=tenant.id, document_id=document).done()
    done = item()
    assert (done["status"], done["percent"], done["error"]) == ("completed", 100, None)
    assert done["created_at"] <= done["started_at"] <= done["completed_at"]
    [as_document] = status(installation, tenant, document_id=document)["items"]
    assert (as_document["status"], as_document["file_id"], as_document["name"]) == ("completed", None, "Part 0")


def test_an_archive_is_as_far_as_what_is_inside(installation: Installation) -> None:
    tenant = installation.new_tenant()
    data = installation.run(PARSE, **given(tenant, zipped(**ARCHIVE), "all.zip")).data
    asked = partial(status, installation, tenant, file_id=data["file_id"])

    told = asked()
    assert told["status"] == "processing"
    assert told["items"][0]["name"] == "all.zip"
    assert told["items"][0]["inside"] == {"unfinished": 2, "completed": 0, "failed": 1}
    assert {one["name"]: one["error_code"] for one in told["items"][1:]} == {
        "a.md": None, "b.md": None, "c.pdf": "damaged",
    }  # fmt: skip
    for waiting in data["waiting"]:
        stored = installation.run("f/chatbot/ingest", tenant_id=tenant.id, file_id=waiting).data["document_id"]
        installation.run("f/chatbot/embed", tenant_id=tenant.id, document_id=stored).done()
    told = asked()
    assert (told["status"], told["items"][0]["percent"]) == ("completed", 100)
    assert told["items"][0]["inside"] == {"unfinished": 0, "completed": 2, "failed": 1}
    hopeless = installation.run(PARSE, **given(tenant, zipped(c__pdf=b"%PDF-1.4 no more"), "bad.zip")).data
    told = status(installation, tenant, file_id=hopeless["file_id"])
    assert (told["status"], told["items"][0]["error_code"]) == ("failed", "damaged")


def test_a_batch_is_counted_by_status_and_paged(installation: Installation) -> None:
    tenant = installation.new_tenant()
    for number in range(3):
        installation.run(PARSE, **given(tenant, LETTER + b"%d" % number, batch="b")).done()
    installation.run(PARSE, **given(tenant, b"%PDF-1.4 no more", "a.pdf", batch="b")).refused(422)
    installation.run(PARSE, **given(tenant, batch="other")).done()

    first = status(installation, tenant, batch="b", limit=3)
    second = status(installation, tenant, batch="b", limit=3, before=first["next_before"])

    assert first["totals"] == {"queued": 3, "processing": 0, "completed": 0, "failed": 1}
    assert (first["status"], first["has_more"], second["has_more"]) == ("processing", True, False)
    assert [one["name"] for one in first["items"]] == ["a.pdf", "letter.md", "letter.md"]
    seen = [one["file_id"] for one in first["items"] + second["items"]]
    assert len(set(seen)) == len(seen) == 4
    installation.run(STATUS, tenant_id=tenant.id, before="soon").refused(422, "invalid_argument")
    sentence = installation.run(STATUS, tenant_id=tenant.id, batch="none").refused(404, "not_found")
    assert sentence == "No file of this batch has begun yet, or none that you may see."


def test_each_is_told_of_what_is_for_them(installation: Installation) -> None:
    tenant, other = installation.new_tenant(), installation.new_tenant()
    files: dict[tuple[str, int | None], int] = {}
    for visibility in ("everyone", "adults_only", "admins_only", "private"):
        for assigned in (tenant.teen, tenant.adult) if visibility == "private" else (None,):
            data = installation.run(
                PARSE, **given(tenant, LETTER + f"{visibility} {assigned}".encode(), f"{visibility}.md"),
                user_member_id=tenant.admin, visibility=visibility, assigned_to=assigned, batch="b",
            ).data  # fmt: skip
            files[visibility, assigned] = data["file_id"]
    sees: dict[int | None, set[tuple[str, int | None]]] = {
        tenant.admin: set(files),
        tenant.adult: {("everyone", None), ("adults_only", None), ("private", tenant.adult)},
        tenant.teen: {("everyone", None), ("private", tenant.teen)},
        tenant.child: {("everyone", None)},
        None: {("everyone", None)},
    }
    for member, expected in sees.items():
        told = status(installation, tenant, batch="b", user_member_id=member)
        assert {one["file_id"] for one in told["items"]} == {files[one] for one in expected}, member
        assert sum((told["totals"] or {}).values()) == len(expected)
    for member in (tenant.adult, tenant.teen):
        asked = {"tenant_id": tenant.id, "user_member_id": member, "file_id": files["admins_only", None]}
        assert installation.run(STATUS, **asked).refused(404, "not_found") == "There is no such file."
    narrowed = status(installation, tenant, batch="b", user_member_id=tenant.admin, user_member_type="child")
    assert len(narrowed["items"]) == 1
    installation.run(STATUS, tenant_id=other.id, file_id=files["everyone", None]).refused(404, "not_found")
    installation.run(STATUS, tenant_id=other.id, batch="b").refused(404, "not_found")


def test_what_was_inside_of_an_archive_is_for_whom_the_archive_is(installation: Installation) -> None:
    tenant = installation.new_tenant()
    data = installation.run(
        PARSE, **given(tenant, zipped(**ARCHIVE), "all.zip"), user_member_id=tenant.adult, visibility="adults_only"
    ).data
    for one in (data["file_id"], *data["waiting"]):
        installation.run(STATUS, tenant_id=tenant.id, user_member_id=tenant.teen, file_id=one).refused(404)
        installation.run("f/chatbot/ingest", tenant_id=tenant.id, user_member_id=tenant.teen, file_id=one).refused(404)
        assert status(installation, tenant, user_member_id=tenant.adult, file_id=one)["items"]


def test_a_file_whose_text_was_there_already_says_so_and_its_first_one_does_not(installation: Installation) -> None:
    tenant = installation.new_tenant()
    first = installation.run(PARSE, **given(tenant)).data["file_id"]
    document = installation.run("f/chatbot/ingest", tenant_id=tenant.id, file_id=first).data["document_id"]
    second = installation.run(PARSE, **given(tenant, name="copy.md")).data["file_id"]
    installation.run("f/chatbot/ingest", tenant_id=tenant.id, file_id=second).done()

    told = {one["file_id"]: one for one in status(installation, tenant)["items"]}
    assert (told[first]["document_id"], told[first]["duplicate_of"]) == (document, None)
    assert (told[second]["document_id"], told[second]["duplicate_of"]) == (document, document)


def test_a_back_end_that_names_nobody_follows_what_it_handed_in_without_its_names(installation: Installation) -> None:
    tenant = installation.new_tenant()
    file_id = installation.run(PARSE, **given(tenant, name="divorce.md"), visibility="admins_only").data["file_id"]
    reply = installation.run(STATUS, tenant_id=tenant.id, file_id=file_id)

    assert reply.data["items"][0]["status"] == "queued"
    assert "divorce" not in reply.text
    [shown] = status(installation, tenant, user_member_id=tenant.admin, file_id=file_id)["items"]
    assert shown["name"] == "divorce.md"


def test_without_a_question_a_caller_is_told_of_their_own_newest_first(installation: Installation) -> None:
    tenant = installation.new_tenant()
    who = {"user_member_id": tenant.adult}
    ingested = installation.run(
        "f/chatbot/ingest", tenant_id=tenant.id, title="Typed", content="The boiler is serviced in May.", **who
    ).data
    parsed = installation.run(PARSE, **given(tenant), **who).data
    installation.run(PARSE, **given(tenant, LETTER + b"!"), user_member_id=tenant.teen).done()

    told = status(installation, tenant, **who)

    assert [(one["name"], one["file_id"], one["document_id"]) for one in told["items"]] == [
        ("letter.md", parsed["file_id"], None), ("Typed", None, ingested["document_id"]),
    ]  # fmt: skip
    first = status(installation, tenant, **who, limit=1)
    rest = status(installation, tenant, **who, limit=1, before=first["next_before"])
    assert first["items"] + rest["items"] == told["items"]


def test_a_deleted_document_is_followed_no_more(installation: Installation) -> None:
    tenant = installation.new_tenant()
    file_id = installation.run(PARSE, **given(tenant)).data["file_id"]
    document = installation.run("f/chatbot/ingest", tenant_id=tenant.id, file_id=file_id).data["document_id"]
    installation.run("f/chatbot/delete_document", tenant_id=tenant.id, document_id=document).done()

    for named in ({"file_id": file_id}, {"document_id": document}):
        for member in (None, tenant.admin):
            installation.run(STATUS, tenant_id=tenant.id, user_member_id=member, **named).refused(404, "not_found")
            installation.run(RETRY, tenant_id=tenant.id, user_member_id=member, **named).refused(404, "not_found")
    assert status(installation, tenant)["items"] == []


def test_a_document_that_failed_is_retried_by_whose_it_is(installation: Installation) -> None:
    tenant, other = installation.new_tenant(), installation.new_tenant()
    [wanted, hidden] = insert_documents(installation, tenant, ["The roof.", "The garden."])
    installation.query(
        "UPDATE documents SET status = 'failed', attempts = 3, failure_code = 'x', failure_reason = 'It broke.',"
        " created_by = %s WHERE tenant_id = %s",
        (tenant.adult, tenant.id),
    )
    installation.query("UPDATE documents SET visibility = 'admins_only' WHERE id = %s", (hidden,))
    retry = partial(installation.run, RETRY, tenant_id=tenant.id)

    [failed] = status(installation, tenant, document_id=wanted)["items"]
    assert (failed["status"], failed["error"], failed["error_code"], failed["attempts"]) == (
        "failed", "It broke.", "x", 3,
    )  # fmt: skip
    retry(document_id=wanted, user_member_id=tenant.teen).refused(403, "forbidden")
    retry(document_id=hidden, user_member_id=tenant.adult).refused(404, "not_found")
    installation.run(RETRY, tenant_id=other.id, document_id=wanted).refused(404, "not_found")
    retry(document_id=wanted, file_id=1).refused(422, "invalid_argument")
    data = retry(document_id=wanted, user_member_id=tenant.adult).data
    assert data == {"file_id": None, "document_id": wanted, "status": "queued", "step": "embed"}
    [waiting] = status(installation, tenant, document_id=wanted)["items"]
    assert (waiting["status"], waiting["attempts"], waiting["error"]) == ("queued", 0, None)
    retry(document_id=wanted).refused(409, "conflict")
    retry(document_id=hidden).done()
    [entry] = installation.query(
        "SELECT action, target_id, member_id FROM audit_log WHERE tenant_id = %s AND outcome = 'done'"
        " AND member_id IS NOT NULL AND action = 'retry_document'",
        (tenant.id,),
    )
    assert (entry["target_id"], entry["member_id"]) == (str(wanted), tenant.adult)
    assert installation.run("f/chatbot/embed", tenant_id=tenant.id).data["documents"] == 2
