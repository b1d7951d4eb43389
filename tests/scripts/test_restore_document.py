"""Taking a deleted document back: who may, until when, and that it is found at once."""

from functools import partial

import pytest

from tests.attacks.hostile import nothing_changes
from tests.support.installation import Installation, Json, Tenant

DELETE, RESTORE, SEARCH = (f"f/chatbot/{name}" for name in ("delete_document", "restore_document", "search"))


@pytest.fixture
def tenant(installation: Installation) -> Tenant:
    return installation.new_tenant()


def stored(installation: Installation, tenant: Tenant, content: str = "Text.", **more: object) -> int:
    return int(
        installation.run("f/chatbot/ingest", tenant_id=tenant.id, title="T", content=content, **more).data[
            "document_id"
        ]
    )


def row_of(installation: Installation, document: int) -> Json:
    return installation.query("SELECT * FROM documents WHERE id = %s", (document,))[0]


def test_a_restored_document_is_found_and_cited_at_once(installation: Installation, tenant: Tenant) -> None:
    run = partial(installation.run, tenant_id=tenant.id)
    text = "The excess for theft is 400 euros."
    wanted = installation.add_document(tenant, text, "Theft")
    session = run("f/chatbot/chat", question="What is the excess for theft?").data["session_id"]
    before = run(SEARCH, query="theft").data
    run(DELETE, document_id=wanted).done()
    assert run(SEARCH, query="theft").data["total"] == 0

    data = run(RESTORE, document_id=wanted).data

    assert data == {
        "document_id": wanted, "restored": True, "version": 1, "status": "completed", "chunks": 1, "duplicate_of": None,
    }  # fmt: skip
    assert run(SEARCH, query="theft").data == before
    assert run("f/chatbot/chat", question="What is the excess for theft?").data["answered"]
    assert not any(message["removed"] for message in run("f/chatbot/read_session", session_id=session).data["messages"])
    with nothing_changes(installation):
        again = run(RESTORE, document_id=wanted).data
    assert again == {**data, "restored": False}
    noted = installation.query("SELECT action FROM audit_log WHERE target_id = %s ORDER BY occurred_at", (str(wanted),))
    assert [row["action"] for row in noted][-2:] == ["delete_document", "restore_document"]


@pytest.mark.parametrize(
    ("stored_by", "visibility", "restored_by", "outcome"),
    [
        ("adult", "everyone", "adult", 200),
        ("adult", "everyone", "admin", 200),
        ("adult", "everyone", None, 200),
        ("adult", "everyone", "teen", 404),
        ("child", "everyone", "child", 200),
        ("child", "everyone", "adult", 404),
        ("admin", "admins_only", "adult", 404),
        ("admin", "admins_only", None, 200),
        ("adult", "private", "adult", 200),
        ("adult", "private", "teen", 404),
        ("adult", "private", "admin", 200),
    ],
)
def test_who_could_delete_it_may_restore_it_and_to_others_there_is_none(
    installation: Installation, tenant: Tenant, stored_by: str, visibility: str, restored_by: str | None, outcome: int
) -> None:
    wanted = stored(installation, tenant, visibility=visibility, user_member_id=tenant.types[stored_by])
    installation.run(DELETE, document_id=wanted, tenant_id=tenant.id).done()
    member = tenant.types[restored_by] if restored_by else None

    reply = installation.run(RESTORE, document_id=wanted, tenant_id=tenant.id, user_member_id=member)

    assert reply.status == outcome, reply.text
    assert outcome == 200 or reply.refused(404) == "There is no such document."
    assert (row_of(installation, wanted)["deleted_at"] is None) == (outcome == 200)


def test_a_member_who_sees_less_by_now_or_an_admin_who_sees_no_private_ones_restores_none(
    installation: Installation,
) -> None:
    tenant = installation.new_tenant(admins_see_private=False)
    run = partial(installation.run, tenant_id=tenant.id)
    private = stored(installation, tenant, visibility="private", user_member_id=tenant.teen)
    adults = stored(installation, tenant, "Adults.", visibility="adults_only", user_member_id=tenant.adult)
    for document in (private, adults):
        run(DELETE, document_id=document).done()

    run(RESTORE, document_id=private, user_member_id=tenant.admin).refused(404)
    run("f/operations/change_member", user_member_id=tenant.adult, member_type="teen").done()
    run(RESTORE, document_id=adults, user_member_id=tenant.adult).refused(404)
    run(RESTORE, document_id=adults, user_member_id=tenant.admin, user_member_type="teen").refused(404)
    run(RESTORE, document_id=private, user_member_id=tenant.teen).done()


def test_who_sees_a_living_document_and_may_not_delete_it_is_told_so(
    installation: Installation, tenant: Tenant
) -> None:
    wanted = stored(installation, tenant, user_member_id=tenant.adult)
    hidden = stored(installation, tenant, "Hidden.", visibility="admins_only")
    with nothing_changes(installation, "audit_log"):
        run = partial(installation.run, RESTORE, tenant_id=tenant.id, user_member_id=tenant.teen)
        run(document_id=wanted).refused(403, "forbidden")
        run(document_id=hidden).refused(404, "not_found")


def test_what_is_kept_no_longer_is_gone_though_it_is_not_purged_yet(installation: Installation, tenant: Tenant) -> None:
    wanted = stored(installation, tenant)
    run = partial(installation.run, tenant_id=tenant.id, document_id=wanted)
    run(DELETE).done()
    installation.query("UPDATE documents SET deleted_at = now() - interval '30 days 1 hour' WHERE id = %s", (wanted,))
    for who in ({}, {"user_member_id": tenant.admin}):
        run(RESTORE, **who).refused(404)
    installation.query("UPDATE documents SET deleted_at = now() - interval '29 days 23 hours' WHERE id = %s", (wanted,))
    run(RESTORE).done()


def test_a_key_that_was_used_again_stays_with_the_newer_document(installation: Installation, tenant: Tenant) -> None:
    run = partial(installation.run, tenant_id=tenant.id)
    old = stored(installation, tenant, "The same text.", idempotency_key="k")
    run(DELETE, document_id=old).done()
    new = stored(installation, tenant, "The same text.", idempotency_key="k")
    assert new != old

    data = run(RESTORE, document_id=old).data

    assert (data["restored"], data["duplicate_of"]) == (True, new)
    assert [row_of(installation, one)["idempotency_key"] for one in (old, new)] == [None, "k"]
    assert stored(installation, tenant, "The same text.", idempotency_key="k") == new
    run(DELETE, document_id=new).done()
    other = stored(installation, tenant, "Another text.", idempotency_key="k")
    run(RESTORE, document_id=new).done()
    assert [row_of(installation, one)["idempotency_key"] for one in (new, other)] == [None, "k"]


def test_another_tenants_document_is_as_unknown_as_none(installation: Installation, tenant: Tenant) -> None:
    other = installation.new_tenant()
    theirs = stored(installation, other)
    installation.run(DELETE, tenant_id=other.id, document_id=theirs).done()
    with nothing_changes(installation):
        for who in ({}, {"user_member_id": tenant.admin}):
            run = partial(installation.run, RESTORE, tenant_id=tenant.id, **who)
            assert run(document_id=theirs).refused(404) == run(document_id=7).refused(404)
