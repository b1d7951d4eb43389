"""Listing what expires over HTTP: soonest first, in the tenant's days, page by page, and only what may be seen."""

from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from tests.support.cloud import insert_documents
from tests.support.installation import Installation, Json, Tenant
from tests.support.patience import begin_early_in_the_day

LIST = "f/chatbot/list_expiring"


@pytest.fixture
def tenant(installation: Installation) -> Tenant:
    return installation.new_tenant()


def expiring(installation: Installation, tenant: Tenant, when: datetime, **columns: object) -> int:
    """Put a document in that expires at a moment."""
    [stored] = insert_documents(installation, tenant, [f"A paper until {when} {columns}."])
    for column, value in {"expires_at": when, **columns}.items():
        installation.query(f"UPDATE documents SET {column} = %s WHERE id = %s", (value, stored))
    return stored


def noon(days: int, zone: str = "UTC") -> datetime:
    """Give noon of the day that is so many days after today, there."""
    now = datetime.now(ZoneInfo(zone))
    return (now + timedelta(days=days)).replace(hour=12, minute=0, second=0, microsecond=0)


def listed(installation: Installation, **arguments: object) -> list[Json]:
    """Read all pages."""
    found: list[Json] = []
    page = installation.run(LIST, **arguments).data
    while page["next_cursor"]:
        found += page["documents"]
        page = installation.run(LIST, **{**arguments, "cursor": page["next_cursor"]}).data
    return found + list(page["documents"])


def test_what_expires_is_listed_soonest_first_with_the_days_that_are_left(
    installation: Installation, tenant: Tenant
) -> None:
    begin_early_in_the_day()
    days = (30, 31, 8, 7, 2, 1, -1, -400, 9)
    stored = {day: expiring(installation, tenant, noon(day)) for day in days}
    insert_documents(installation, tenant, ["A paper for ever."])

    found = listed(installation, tenant_id=tenant.id)

    thresholds = {-400: "expired", -1: "expired", 1: "1_day", 2: "7_days", 7: "7_days"}
    expected = [(stored[day], day, thresholds.get(day, "30_days")) for day in sorted(days) if day <= 30]
    assert [(one["document_id"], one["days_left"], one["threshold"]) for one in found] == expected
    run = partial(listed, installation, tenant_id=tenant.id)
    assert [one["days_left"] for one in run(within_days=31, include_expired=False)] == [1, 2, 7, 8, 9, 30, 31]
    assert [one["threshold"] for one in run(within_days=40)][-1] is None
    assert [one["days_left"] for one in run(within_days=0)] == [-400, -1]


def test_a_day_is_one_of_the_tenants_time_zone(installation: Installation, tenant: Tenant) -> None:
    installation.run("f/operations/change_tenant", tenant_id=tenant.id, time_zone="Pacific/Auckland").done()
    begin_early_in_the_day("Pacific/Auckland")
    day = datetime.now(ZoneInfo("Pacific/Auckland")).date() + timedelta(days=5)
    first, last = (
        datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo("Pacific/Auckland"))
        for hour, minute in ((0, 0), (23, 59))
    )
    assert first.astimezone(UTC).date() != last.astimezone(UTC).date()
    for moment in (first, last):
        expiring(installation, tenant, moment)

    found = listed(installation, tenant_id=tenant.id, within_days=5)

    assert [(one["expires_on"], one["days_left"]) for one in found] == [(day.isoformat(), 5)] * 2
    assert [datetime.fromisoformat(one["expires_at"]) for one in found] == [first, last]
    assert listed(installation, tenant_id=tenant.id, within_days=4) == []


def test_pages_miss_and_repeat_nothing_while_documents_come_and_go(installation: Installation, tenant: Tenant) -> None:
    when = noon(3)
    stored = sorted(expiring(installation, tenant, when, title=f"T{number}") for number in range(5))
    first = installation.run(LIST, tenant_id=tenant.id, limit=2).data
    assert [one["document_id"] for one in first["documents"]] == stored[:2]
    expiring(installation, tenant, noon(-2))
    later = expiring(installation, tenant, noon(4))
    installation.query("DELETE FROM documents WHERE id = %s", (stored[1],))
    installation.query("UPDATE documents SET deleted_at = now() WHERE id = %s", (stored[3],))

    second = installation.run(LIST, tenant_id=tenant.id, limit=2, cursor=first["next_cursor"]).data
    third = installation.run(LIST, tenant_id=tenant.id, limit=2, cursor=second["next_cursor"]).data

    assert [one["document_id"] for one in second["documents"]] == [stored[2], stored[4]]
    assert [one["document_id"] for one in third["documents"]] == [later]
    assert third["next_cursor"] is None


def test_only_what_may_be_seen_is_listed_and_reading_what_is_guarded_is_noted(
    installation: Installation, tenant: Tenant
) -> None:
    other = installation.new_tenant()
    expiring(installation, other, noon(3))
    columns: dict[str, Json] = {
        "everyone": {}, "adults_only": {"visibility": "adults_only"}, "admins_only": {"visibility": "admins_only"},
        "the teen's": {"assigned_to": tenant.teen, "visibility": "private"},
    }  # fmt: skip
    stored = {name: expiring(installation, tenant, noon(3), **chosen) for name, chosen in columns.items()}
    sees = {
        "admin": [*stored], "adult": ["everyone", "adults_only"], "teen": ["everyone", "the teen's"],
        "child": ["everyone"], None: ["everyone"],
    }  # fmt: skip

    for kind, names in sees.items():
        member = tenant.types[kind] if kind else None
        found = listed(installation, tenant_id=tenant.id, user_member_id=member)
        assert {one["document_id"] for one in found} == {stored[name] for name in names}, kind

    noted = installation.query(
        "SELECT member_id, target_id FROM audit_log WHERE tenant_id = %s AND action = 'read_document'", (tenant.id,)
    )
    assert {(row["member_id"], int(row["target_id"])) for row in noted} == {
        (tenant.admin, stored["admins_only"]), (tenant.admin, stored["the teen's"]),
        (tenant.teen, stored["the teen's"]),
    }  # fmt: skip
