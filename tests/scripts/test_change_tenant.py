"""Changing a tenant's settings over HTTP: what holds from the next call on."""

import secrets

import psycopg2
import pytest

from tests.support.cloud import Cloud, insert_documents
from tests.support.installation import Installation, Json, Tenant
from tests.support.reading_model import read_passages

CHANGE, CREATE = "f/operations/change_tenant", "f/operations/create_tenant"
ALL: Json = {
    "name": "Σχολείο", "language": "greek", "retention_days": 7, "admins_see_private": False,
    "date_order": "month_first", "time_zone": "America/New_York",
}  # fmt: skip


@pytest.fixture
def tenant(installation: Installation) -> Tenant:
    return installation.new_tenant()


def test_what_is_given_is_changed_the_rest_stays_and_the_operator_is_noted(
    installation: Installation, tenant: Tenant
) -> None:
    untouched = installation.new_tenant()
    before = installation.query("SELECT * FROM tenants WHERE id = %s", (untouched.id,))
    settings: Json = {
        "name": "Family", "language": "english", "retention_days": 30, "admins_see_private": True,
        "date_order": "day_first", "time_zone": "UTC",
    }  # fmt: skip

    for name, value in ALL.items():
        settings |= {name: value}
        given = f"  {value} " if name == "name" else value
        assert installation.run(CHANGE, tenant_id=tenant.id, **{name: given}).data == settings

    [row] = installation.query("SELECT * FROM tenants WHERE id = %s", (tenant.id,))
    assert {name: row[name] for name in ALL} == ALL
    noted = installation.query(
        "SELECT identity, target_type, target_id FROM audit_log WHERE tenant_id = %s AND action = 'change_tenant'",
        (tenant.id,),
    )
    assert noted == [{"identity": "operator", "target_type": "tenant", "target_id": tenant.id}] * len(ALL)
    assert installation.query("SELECT * FROM tenants WHERE id = %s", (untouched.id,)) == before
    assert "time_zone" in installation.run(CHANGE, tenant_id=tenant.id).refused(422, "invalid_argument")


def test_private_documents_are_hidden_from_admins_at_once_also_in_remembered_answers(cloud: Cloud) -> None:
    cloud.groq.answer = read_passages
    cloud.use(answer_cache_seconds=3600)
    run, home = cloud.installation.run, cloud.installation.new_tenant()
    cloud.installation.add_document(
        home, "The combination of the safe is KX-4711.", "Safe", visibility="private", assigned_to=home.teen
    )
    who: Json = {"tenant_id": home.id, "user_member_id": home.admin}

    def ask() -> tuple[bool, bool]:
        reply = run("f/chatbot/chat", question="What is the combination of the safe?", **who)
        return reply.data["cached"], "KX-4711" in reply.text

    assert [ask(), ask()] == [(False, True), (True, True)]
    run(CHANGE, tenant_id=home.id, admins_see_private=False).done()
    assert ask() == (False, False)
    assert run("f/chatbot/search", query="safe", **who).data["total"] == 0
    run(CHANGE, tenant_id=home.id, admins_see_private=True).done()
    assert ask() == (False, True)


def test_documents_are_kept_and_read_by_the_new_settings(installation: Installation, tenant: Tenant) -> None:
    installation.run(CHANGE, tenant_id=tenant.id, language="greek", retention_days=0).done()

    stored = installation.run("f/chatbot/ingest", tenant_id=tenant.id, title="1", content="12345 67890").data
    [row] = installation.query("SELECT language FROM documents WHERE id = %s", (stored["document_id"],))
    [old] = insert_documents(installation, tenant, ["Old."])
    kept = installation.run("f/chatbot/delete_document", tenant_id=tenant.id, document_id=old).data["kept_until"]

    assert row["language"] == "greek"
    [deleted] = installation.query("SELECT deleted_at FROM documents WHERE id = %s", (old,))
    assert kept == deleted["deleted_at"].isoformat()


def test_a_tenant_is_created_with_its_dates_and_days(installation: Installation) -> None:
    chosen = {"date_order": "month_first", "time_zone": "America/New_York"}
    for given, expected in ((chosen, chosen), ({}, {"date_order": "day_first", "time_zone": "UTC"})):
        created = installation.run(CREATE, name="T", slug=f"s-{secrets.token_hex(6)}", **given).data["tenant_id"]
        assert installation.query("SELECT date_order, time_zone FROM tenants WHERE id = %s", (created,)) == [expected]


def test_the_database_itself_refuses_a_time_zone_that_there_is_not(installation: Installation, tenant: Tenant) -> None:
    with pytest.raises(psycopg2.errors.InvalidParameterValue):
        installation.query("UPDATE tenants SET time_zone = 'Atlantis' WHERE id = %s", (tenant.id,))


def test_a_member_chooses_the_channels_by_which_they_are_told(installation: Installation, tenant: Tenant) -> None:
    who: Json = {"tenant_id": tenant.id, "user_member_id": tenant.teen}
    for given, kept in ((["webhook", "email", "email"], ["email", "webhook"]), (["webhook"], ["webhook"]), ([], [])):
        data = installation.run("f/operations/change_member", **who, notice_channels=given).data
        assert data == {"member_type": "teen", "notice_channels": kept}
        rows = installation.query("SELECT id FROM family_members WHERE notice_channels = %s::text[]", (kept,))
        assert (tenant.teen in {row["id"] for row in rows}) is True
    named = installation.run("f/operations/change_member", **who, name="N.").data
    assert named == {"member_type": "teen", "notice_channels": []}
