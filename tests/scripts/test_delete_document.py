"""Deleting a document: who may, and that from then on it is nowhere."""

from functools import partial

import pytest

from tests.attacks.hostile import nothing_changes
from tests.support.installation import Installation, Tenant

DELETE = "f/chatbot/delete_document"


@pytest.fixture
def tenant(installation: Installation) -> Tenant:
    return installation.new_tenant()


def test_a_deleted_document_answers_nothing_any_more(installation: Installation, tenant: Tenant) -> None:
    text = "The excess for theft is 400 euros."
    document = installation.add_document(tenant, text, "Theft", tags=["car"])
    run = partial(installation.run, tenant_id=tenant.id)
    chunks = run("f/chatbot/search", query="theft").data["chunk_ids"]

    data = run(DELETE, document_id=document).data

    assert data["document_id"] == document
    assert data["kept_until"] > "2026"
    for more in ({}, {"document_ids": [document]}, {"tags": ["car"]}):
        assert run("f/chatbot/search", query="theft", **more).data["total"] == 0
    for named in (None, chunks):
        answer = run("f/chatbot/chat", question="What is the excess for theft?", chunk_ids=named).data
        assert (answer["answered"], answer["citations"]) == (False, [])
    run("f/chatbot/embed", document_id=document).refused(404)
    run("f/chatbot/log_usage", events=[], document={"document_id": document}).refused(404)
    run(DELETE, document_id=document).refused(404, "not_found")
    again = run("f/chatbot/ingest", title="Theft", content=text).data
    assert (again["duplicate_of"], again["document_id"] == document) == (None, False)


@pytest.mark.parametrize(
    ("stored_by", "visibility", "deleted_by", "outcome"),
    [
        ("adult", "everyone", "adult", 200),
        ("adult", "everyone", "admin", 200),
        ("adult", "everyone", None, 200),
        ("adult", "everyone", "teen", 403),
        ("child", "everyone", "child", 200),
        ("child", "everyone", "adult", 403),
        ("admin", "admins_only", "adult", 404),
        ("adult", "private", "adult", 200),
        ("adult", "private", "teen", 404),
        ("adult", "private", "admin", 200),
    ],
)
def test_who_may_delete(
    installation: Installation, tenant: Tenant, stored_by: str, visibility: str, deleted_by: str | None, outcome: int
) -> None:
    document = installation.run(
        "f/chatbot/ingest", title="T", content="Text.", tenant_id=tenant.id, visibility=visibility,
        user_member_id=tenant.types[stored_by],
    ).data["document_id"]  # fmt: skip
    member = tenant.types[deleted_by] if deleted_by else None

    reply = installation.run(DELETE, document_id=document, tenant_id=tenant.id, user_member_id=member)

    assert reply.status == outcome, reply.text
    [row] = installation.query("SELECT deleted_at FROM documents WHERE id = %s", (document,))
    assert (row["deleted_at"] is None) == (outcome != 200)


def test_what_is_private_to_a_member_is_theirs_to_delete_whoever_stored_it(
    installation: Installation, tenant: Tenant
) -> None:
    run = partial(installation.run, tenant_id=tenant.id)
    document = run(
        "f/chatbot/ingest", title="T", content="Text.", visibility="private", assigned_to=tenant.teen
    ).data["document_id"]  # fmt: skip

    run(DELETE, document_id=document, user_member_id=tenant.teen).done()


def test_another_tenants_document_is_as_unknown_as_none(installation: Installation, tenant: Tenant) -> None:
    other = installation.new_tenant()
    document = installation.add_document(other, "Text.", "T")
    with nothing_changes(installation):
        for who in ({}, {"user_member_id": tenant.admin}):
            one = installation.run(DELETE, document_id=document, tenant_id=tenant.id, **who)
            none = installation.run(DELETE, document_id=7, tenant_id=tenant.id, **who)
            assert one.refused(404, "not_found") == none.refused(404, "not_found")
