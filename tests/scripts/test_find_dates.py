"""Finding dates in a document or a text over HTTP: as the tenant reads them, and only for who may see the document."""

from datetime import UTC, datetime
from functools import partial

import pytest

from tests.attacks.hostile import nothing_changes
from tests.support.cloud import insert_documents
from tests.support.installation import Installation, Json, Tenant

FIND, CHANGE = "f/chatbot/find_dates", "f/operations/change_tenant"
POLICY = """Home insurance\n\nPolicy HX-2291. Issued 2 March 2026.
Period of insurance: from 01/04/2026 to 31/03/2092.\fThe premium is payable no later than 15 April 2091.
Renewal date: 31 March 2092."""


@pytest.fixture
def tenant(installation: Installation) -> Tenant:
    return installation.new_tenant()


def test_a_documents_dates_are_quoted_exactly_with_their_place_and_page(
    installation: Installation, tenant: Tenant
) -> None:
    [document] = insert_documents(installation, tenant, [POLICY])

    data = installation.run(FIND, tenant_id=tenant.id, document_id=document).data

    assert [(one["kind"], one["date"], one["quote"], one["page"]) for one in data["dates"]] == [
        ("expiry", "2092-03-31", "31/03/2092", 1),
        ("due", "2091-04-15", "15 April 2091", 2),
        ("renewal", "2092-03-31", "31 March 2092", 2),
    ]
    for one in data["dates"]:
        assert POLICY[one["start"] : one["end"]] == one["quote"]
        assert one["quote"] in one["sentence"]
        assert one["sentence"] in POLICY
        assert (one["ambiguous"], one["computed"], one["precision"]) == (False, False, "day")
    assert data["suggested_expires_at"] == "2092-03-31T23:59:59+00:00"
    assert (data["date_order"], data["time_zone"], data["complete"]) == ("day_first", "UTC", True)
    told_apart = installation.run(FIND, tenant_id=tenant.id, document_id=document, kinds=["start", "issued"]).data
    assert [(one["kind"], one["date"]) for one in told_apart["dates"]] == [
        ("issued", "2026-03-02"), ("start", "2026-04-01"),
    ]  # fmt: skip


def test_what_can_be_read_two_ways_is_read_as_the_tenant_does_and_said_so(
    installation: Installation, tenant: Tenant
) -> None:
    read = partial(installation.run, FIND, tenant_id=tenant.id, text="Valid until 03/04/2092.")
    assert (one := read().data["dates"][0])["date"] == "2092-04-03"
    assert (one["ambiguous"], one["other_reading"], one["read_by"]) == (True, "2092-03-04", "setting")
    assert read().data["suggested_expires_at"] is None

    installation.run(CHANGE, tenant_id=tenant.id, date_order="month_first").done()

    assert (one := read().data["dates"][0])["date"] == "2092-03-04"
    assert (one["ambiguous"], one["other_reading"]) == (True, "2092-04-03")
    settled = read(text="Issued 28/02/2026. Valid until 03/04/2092.").data
    assert (one := settled["dates"][0])["date"] == "2092-04-03"
    assert (one["ambiguous"], one["other_reading"], one["read_by"]) == (False, None, "text")
    assert settled["suggested_expires_at"] == "2092-04-03T23:59:59+00:00"


def test_the_suggested_end_is_that_of_the_day_in_the_tenants_time_zone_and_ingest_takes_it(
    installation: Installation, tenant: Tenant
) -> None:
    installation.run(CHANGE, tenant_id=tenant.id, time_zone="Europe/Athens").done()
    text = "Λήγει στις 31 Ιανουαρίου 2092. Expired on 3 May 2019. Valid until 1 July 2093."

    suggested = installation.run(FIND, tenant_id=tenant.id, text=text).data["suggested_expires_at"]

    assert suggested == "2092-01-31T23:59:59+02:00"
    stored = installation.run(
        "f/chatbot/ingest", tenant_id=tenant.id, title="T", content=text, expires_at=suggested
    ).data["document_id"]  # fmt: skip
    [row] = installation.query("SELECT expires_at FROM documents WHERE id = %s", (stored,))
    assert row["expires_at"] == datetime(2092, 1, 31, 21, 59, 59, tzinfo=UTC)


def test_there_is_nothing_to_find_in_what_holds_no_date_that_counts(installation: Installation, tenant: Tenant) -> None:
    for text in ("No date.", "Born on 3 May 1980.", "Valid until 31/02/2092.", "v12.05.10"):
        data = installation.run(FIND, tenant_id=tenant.id, text=text).data
        assert (data["dates"], data["suggested_expires_at"]) == ([], None), text


def test_more_dates_than_are_told_are_said_to_be_missing(installation: Installation, tenant: Tenant) -> None:
    data = installation.run(FIND, tenant_id=tenant.id, text="Valid until 31/12/2092. " * 1_001).data

    assert (len(data["dates"]), data["complete"]) == (1_000, False)


def test_what_the_caller_may_not_see_is_as_unknown_as_none(installation: Installation, tenant: Tenant) -> None:
    other = installation.new_tenant()
    [document] = insert_documents(installation, tenant, [POLICY])
    installation.query("UPDATE documents SET visibility = 'adults_only' WHERE id = %s", (document,))
    [deleted] = insert_documents(installation, tenant, ["Valid until 2092-01-01."])
    installation.run("f/chatbot/delete_document", tenant_id=tenant.id, document_id=deleted).done()
    strangers: list[Json] = [
        {"tenant_id": other.id}, {"tenant_id": other.id, "user_member_id": other.admin},
        {"tenant_id": tenant.id, "user_member_id": tenant.teen}, {"tenant_id": tenant.id},
        {"tenant_id": tenant.id, "user_member_id": tenant.admin, "user_member_type": "child"},
    ]  # fmt: skip

    with nothing_changes(installation):
        for who in strangers:
            one = installation.run(FIND, document_id=document, **who).refused(404, "not_found")
            none = installation.run(FIND, document_id=7, **who).refused(404, "not_found")
            assert one == none == "There is no such document."
        installation.run(FIND, document_id=deleted, tenant_id=tenant.id, user_member_id=tenant.admin).refused(404)
    assert installation.run(FIND, document_id=document, tenant_id=tenant.id, user_member_id=tenant.adult).data["dates"]


def test_reading_a_guarded_document_is_noted(installation: Installation, tenant: Tenant) -> None:
    [document] = insert_documents(installation, tenant, [POLICY])
    who: Json = {"tenant_id": tenant.id, "user_member_id": tenant.admin}
    noted = "SELECT member_id FROM audit_log WHERE action = 'read_document' AND target_id = %s"
    installation.run(FIND, document_id=document, **who).done()
    assert installation.query(noted, (str(document),)) == []
    installation.query("UPDATE documents SET visibility = 'admins_only' WHERE id = %s", (document,))

    installation.run(FIND, document_id=document, **who).done()

    assert installation.query(noted, (str(document),)) == [{"member_id": tenant.admin}]


def test_either_a_document_or_a_text_is_read(installation: Installation, tenant: Tenant) -> None:
    for arguments in ({}, {"document_id": 1, "text": "Valid until 2092-01-01."}, {"text": "  "}):
        sentence = installation.run(FIND, tenant_id=tenant.id, **arguments).refused(422, "invalid_argument")
        assert sentence == "Give either document_id or text."
