"""Reading a document: its fields, its text piece by piece and page by page, and what it was."""

from functools import partial

import pytest

from tests.attacks.hostile import nothing_changes
from tests.support.installation import Installation, Json, Tenant

GET, UPDATE = "f/chatbot/get_document", "f/chatbot/update_document"
TEXT = 'Πρώτη σελίδα: "NaN".\n\fSecond page, with 🏡.\f\fFourth page.'


@pytest.fixture
def tenant(installation: Installation) -> Tenant:
    return installation.new_tenant()


def stored(installation: Installation, tenant: Tenant, content: str = TEXT, **more: object) -> int:
    return int(
        installation.run("f/chatbot/ingest", tenant_id=tenant.id, title="T", content=content, **more).data[
            "document_id"
        ]
    )


def audited(installation: Installation, tenant: Tenant) -> list[Json]:
    return installation.query(
        "SELECT member_id, target_id FROM audit_log WHERE tenant_id = %s AND action = 'read_document'", (tenant.id,)
    )


def test_all_that_is_known_of_a_document_is_told(installation: Installation, tenant: Tenant) -> None:
    given: Json = {
        "category": "house", "visibility": "adults_only", "assigned_to": tenant.teen, "tags": ["a", "b"],
        "source": "mail", "source_url": "https://example.org/a", "metadata": {"wm_status_code": 500, "a": [1.5, None]},
    }  # fmt: skip
    wanted = installation.add_document(
        tenant, TEXT, "House", expires_at="2031-01-01", user_member_id=tenant.adult, **given
    )
    installation.query(
        "UPDATE documents SET media_type = 'application/pdf', page_count = 4, ocr_confidence = 0.5 WHERE id = %s",
        (wanted,),
    )

    data = installation.run(GET, tenant_id=tenant.id, document_id=wanted, user_member_id=tenant.adult).data

    created, written = data.pop("created_at"), data.pop("written_at")
    assert created == written > "2026"
    assert data == {
        "document_id": wanted, "current_version": 1, "version": 1, "title": "House", "text": TEXT, "start": 0,
        "next_offset": None, "total_characters": len(TEXT), "page": None, "page_count": 4, "language": "english",
        "expires_at": "2031-01-01T23:59:59+00:00", "replaced_at": None, "created_by": tenant.adult,
        "media_type": "application/pdf", "ocr_confidence": 0.5, "low_confidence": True, "status": "completed",
        "failure_code": None, "failure_reason": None, "chunks": 3, **given,
    } | {"language": data["language"]}  # fmt: skip


def test_a_text_is_read_piece_by_piece_to_the_letter(installation: Installation, tenant: Tenant) -> None:
    read = partial(installation.run, GET, tenant_id=tenant.id, document_id=stored(installation, tenant))
    pieces, offset = [], 0
    while offset is not None:
        data = read(limit=7, offset=offset).data
        assert (data["start"], data["total_characters"], len(data["text"]) <= 7) == (offset, len(TEXT), True)
        pieces.append(data["text"])
        offset = data["next_offset"]
    assert "".join(pieces) == TEXT
    for beyond in (len(TEXT), len(TEXT) + 100):
        data = read(offset=beyond).data
        assert (data["text"], data["next_offset"]) == ("", None)


def test_a_page_is_the_one_that_chunks_and_citations_name(installation: Installation, tenant: Tenant) -> None:
    wanted = stored(installation, tenant)
    read = partial(installation.run, GET, tenant_id=tenant.id, document_id=wanted)
    pieces = installation.query("SELECT page, content FROM document_chunks WHERE document_id = %s", (wanted,))

    for number, text in enumerate(TEXT.split("\f"), 1):
        data = read(page=number).data
        assert (data["page"], data["page_count"], data["text"], data["next_offset"]) == (number, 4, text, None)
        assert TEXT[data["start"] : data["start"] + len(text)] == text
        assert all(piece["content"] in text for piece in pieces if piece["page"] == number)
    assert {piece["page"] for piece in pieces} == {1, 2, 4}
    long = read(page=2, limit=6).data
    assert (long["text"], read(offset=long["next_offset"], limit=5).data["text"]) == ("Second", " page")
    assert "1 to 4" in read(page=5).refused(404, "not_found")
    read(page=1, offset=3).refused(422)
    plain = stored(installation, tenant, "No pages.")
    data = installation.run(GET, tenant_id=tenant.id, document_id=plain, page=1).data
    assert (data["text"], data["page_count"]) == ("No pages.", None)


def test_what_it_was_is_read_by_its_version(installation: Installation, tenant: Tenant) -> None:
    wanted = stored(installation, tenant, "The excess is 400 euros.", category="car")
    change = partial(installation.run, UPDATE, tenant_id=tenant.id, document_id=wanted)
    change(version=1, content="It is 500.\fReally.", title="New", tags=["x"]).done()
    change(version=2, clear=["category"]).done()
    read = partial(installation.run, GET, tenant_id=tenant.id, document_id=wanted)

    first, second, third, now = read(version=1).data, read(version=2).data, read(version=3).data, read().data

    assert (first["text"], first["title"], first["tags"], first["category"]) == (
        "The excess is 400 euros.",
        "T",
        [],
        "car",
    )
    assert (second["text"], second["title"], second["tags"], second["category"]) == (
        "It is 500.\fReally.",
        "New",
        ["x"],
        "car",
    )
    assert third == now
    assert [data["current_version"] for data in (first, second, third)] == [3, 3, 3]
    assert [data["page_count"] for data in (first, second, third)] == [None, 2, 2]
    assert [data["chunks"] for data in (first, second, third)] == [None, None, 2]
    assert (first["replaced_at"], second["replaced_at"], third["replaced_at"]) == (
        second["written_at"], third["written_at"], None,
    )  # fmt: skip
    assert read(version=2, page=2).data["text"] == "Really."
    assert read(version=4).refused(404, "not_found") == "There is no such version of the document."


def test_reading_what_is_for_few_is_noted(installation: Installation, tenant: Tenant) -> None:
    everybodys, admins = (
        stored(installation, tenant),
        stored(installation, tenant, "For few.", visibility="admins_only"),
    )
    read = partial(installation.run, GET, tenant_id=tenant.id, user_member_id=tenant.admin)
    for wanted in (everybodys, admins):
        read(document_id=wanted).done()
    assert audited(installation, tenant) == [{"member_id": tenant.admin, "target_id": str(admins)}]
    installation.run(UPDATE, tenant_id=tenant.id, document_id=admins, version=1, visibility="everyone").done()
    read(document_id=admins).done()
    assert len(audited(installation, tenant)) == 1
    read(document_id=admins, version=1).done()
    assert len(audited(installation, tenant)) == 2


@pytest.mark.parametrize("visibility", ["everyone", "adults_only", "admins_only", "private"])
def test_who_may_not_see_a_document_is_told_that_there_is_none(
    installation: Installation, tenant: Tenant, visibility: str
) -> None:
    wanted = stored(installation, tenant, visibility=visibility, assigned_to=tenant.teen)
    seen_by: dict[str, set[str | None]] = {
        "everyone": {"admin", "adult", "teen", "child", None}, "adults_only": {"admin", "adult"},
        "admins_only": {"admin"}, "private": {"admin", "teen"},
    }  # fmt: skip
    for kind in (*tenant.types, None):
        member = tenant.types[kind] if kind else None
        read = partial(installation.run, GET, tenant_id=tenant.id, user_member_id=member)
        if kind in seen_by[visibility]:
            assert read(document_id=wanted).data["text"] == TEXT
        else:
            for more in ({}, {"version": 1}, {"version": 9}, {"page": 1}, {"page": 99}):
                assert read(document_id=wanted, **more).refused(404) == "There is no such document."


def test_another_tenants_document_and_a_deleted_one_are_as_unknown_as_none(
    installation: Installation, tenant: Tenant
) -> None:
    deleted, theirs = stored(installation, tenant), stored(installation, installation.new_tenant())
    installation.run("f/chatbot/delete_document", tenant_id=tenant.id, document_id=deleted).done()
    with nothing_changes(installation):
        for who in ({}, {"user_member_id": tenant.admin}):
            read = partial(installation.run, GET, tenant_id=tenant.id, **who)
            assert {read(document_id=one).refused(404) for one in (deleted, theirs, 7)} == {
                "There is no such document."
            }
