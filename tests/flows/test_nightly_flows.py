"""The flows on schedules over HTTP: notices of what expires, and the nightly clean-up; for all tenants at once."""

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from tests.attacks.hostile import rows_that_hold
from tests.conftest import InstallationMaker
from tests.support.cloud import insert_documents, row_counts
from tests.support.installation import Installation, Json, Tenant

EXPIRE, CLEAN = "f/operations/expire_documents", "f/operations/clean_up"
NOTICES = ("30_days", "7_days", "1_day", "expired")


@pytest.fixture(scope="module")
def night(make_installation: InstallationMaker) -> Installation:
    """An installation to itself: what runs here runs for every tenant in it."""
    return make_installation()


def expiring(night: Installation, tenant: Tenant, days: float, **columns: object) -> int:
    """Put a document in that expires in so many days."""
    [stored] = insert_documents(night, tenant, [f"The warranty of {days} days {columns}."])
    night.query(
        "UPDATE documents SET expires_at = %s WHERE id = %s", (datetime.now(UTC) + timedelta(days=days), stored)
    )
    for column, value in columns.items():
        night.query(f"UPDATE documents SET {column} = %s WHERE id = %s", (value, stored))
    return stored


def notices(night: Installation, document_id: int) -> set[tuple[int, str]]:
    """Return who was told of a document, and at which threshold."""
    rows = night.query("SELECT member_id, threshold FROM expiry_notices WHERE document_id = %s", (document_id,))
    return {(row["member_id"], row["threshold"]) for row in rows}


def expire(night: Installation) -> Json:
    """Run the flow, and return how many notices are new."""
    data = night.flow(EXPIRE).data
    return {threshold: data[threshold] for threshold in NOTICES if data[threshold]}


def test_each_threshold_is_told_once_to_everybody_who_may_see(night: Installation) -> None:
    tenant = night.new_tenant()
    near = {days: expiring(night, tenant, days) for days in (32, 29.5, 6.5, 0.5, -0.5, -29, -31, -4000)}
    usage = row_counts(night)["api_usage"]

    first, second = expire(night), expire(night)

    assert first == {"30_days": 4, "7_days": 4, "1_day": 4, "expired": 8}
    assert second == {}
    told = {days: {threshold for _, threshold in notices(night, one)} for days, one in near.items()}
    assert told == {
        32: set(), 29.5: {"30_days"}, 6.5: {"7_days"}, 0.5: {"1_day"}, -0.5: {"expired"}, -29: {"expired"},
        -31: set(), -4000: set(),
    }  # fmt: skip
    assert {member for member, _ in notices(night, near[6.5])} == set(tenant.types.values())
    assert row_counts(night)["api_usage"] == usage


def test_the_next_threshold_and_a_new_date_are_told_again(night: Installation) -> None:
    tenant = night.new_tenant()
    soon = expiring(night, tenant, 0.5)
    expire(night)
    # As if the notice had been written a month ago.
    night.query("UPDATE expiry_notices SET threshold = '30_days' WHERE document_id = %s", (soon,))
    assert expire(night) == {"1_day": 4}
    assert expire(night) == {}

    for days, threshold in ((5, "7_days"), (4, "7_days"), (20, "30_days"), (400, None)):
        moved = datetime.now(UTC) + timedelta(days=days)
        night.query("UPDATE documents SET expires_at = %s WHERE id = %s", (moved, soon))
        assert expire(night) == ({threshold: 4} if threshold else {})
        assert expire(night) == {}


@pytest.mark.parametrize("admins_see_private", [True, False])
def test_only_those_are_told_who_may_see_the_document(night: Installation, admins_see_private: bool) -> None:
    tenant = night.new_tenant(admins_see_private=admins_see_private)
    members = tenant.types
    cases: list[tuple[Json, set[str]]] = [
        ({"visibility": "everyone"}, {"admin", "adult", "teen", "child"}),
        ({"visibility": "adults_only"}, {"admin", "adult"}),
        ({"visibility": "adults_only", "assigned_to": tenant.teen}, {"admin", "adult"}),
        ({"visibility": "admins_only"}, {"admin"}),
        ({"assigned_to": tenant.teen, "visibility": "private"}, {"teen", *(["admin"] if admins_see_private else [])}),
        ({"assigned_to": tenant.admin, "visibility": "private"}, {"admin"}),
        ({"deleted_at": datetime.now(UTC)}, set()),
    ]
    stored = [expiring(night, tenant, 6, **columns) for columns, _ in cases]
    night.new_tenant()

    expire(night)

    for (columns, told), one in zip(cases, stored, strict=True):
        assert {member for member, _ in notices(night, one)} == {members[kind] for kind in told}, columns


def day_goes_on(zone: str) -> bool:
    """Tell whether it is still the same day there when a test has ended that begins now."""
    now = datetime.now(ZoneInfo(zone))
    return (now + timedelta(minutes=10)).date() == now.date()


def test_a_threshold_is_a_day_of_the_calendar_in_the_tenants_time_zone(night: Installation) -> None:
    """At the same moment it is today in Auckland and yesterday in Honolulu, or tomorrow and today."""
    east, west = ("Pacific/Auckland", "Pacific/Kiritimati"), ("Pacific/Honolulu", "Pacific/Pago_Pago")
    far = {next(filter(day_goes_on, zones)): night.new_tenant() for zones in (east, west)}
    stored: dict[tuple[str, int, str], int] = {}
    for zone, tenant in far.items():
        night.query("UPDATE tenants SET time_zone = %s WHERE id = %s", (zone, tenant.id))
        today = datetime.now(ZoneInfo(zone)).replace(microsecond=0)
        for days in (1, 2, 7, 8, 30, 31):
            for name, hour in (("begins", 0), ("ends", 23)):
                moment = (today + timedelta(days=days)).replace(hour=hour, minute=30)
                one = expiring(night, tenant, days)
                night.query("UPDATE documents SET expires_at = %s WHERE id = %s", (moment, one))
                stored[zone, days, name] = one

    expire(night)

    told = {1: {"1_day"}, 2: {"7_days"}, 7: {"7_days"}, 8: {"30_days"}, 30: {"30_days"}, 31: set()}
    for (zone, days, name), one in stored.items():
        assert {threshold for _, threshold in notices(night, one)} == told[days], (zone, days, name)


def test_who_may_see_more_from_now_on_is_told_then_and_nobody_twice(night: Installation) -> None:
    tenant = night.new_tenant()
    hidden, shared = expiring(night, tenant, 5, visibility="adults_only"), expiring(night, tenant, 5)
    expire(night)
    assert {member for member, _ in notices(night, hidden)} == {tenant.admin, tenant.adult}

    night.query("UPDATE family_members SET member_type = 'adult' WHERE id = %s", (tenant.teen,))
    night.query("UPDATE family_members SET member_type = 'child' WHERE id = %s", (tenant.adult,))

    assert expire(night) == {"7_days": 1}
    assert notices(night, hidden) == {(one, "7_days") for one in (tenant.admin, tenant.adult, tenant.teen)}
    assert len(notices(night, shared)) == 4


def test_a_member_who_has_left_is_not_told(night: Installation) -> None:
    tenant = night.new_tenant()
    stored = expiring(night, tenant, 6)
    night.query("UPDATE family_members SET removed_at = now() WHERE id = %s", (tenant.adult,))

    expire(night)

    assert {member for member, _ in notices(night, stored)} == {tenant.admin, tenant.teen, tenant.child}


def clean(night: Installation) -> Json:
    return dict(night.flow(CLEAN).data)


def test_a_night_with_nothing_to_do_reports_zeros(night: Installation) -> None:
    clean(night)
    data = clean(night)

    assert data.keys() == {"documents", "sessions", "requeued", "indexes", "orphans"}
    counts = [
        data["documents"]["documents"], data["documents"]["chunks"], data["sessions"]["sessions"],
        data["sessions"]["messages"], data["requeued"]["queued"], data["requeued"]["failed"],
        data["indexes"]["made"], data["indexes"]["dropped"], data["sessions"]["tokens"],
        data["sessions"]["questions"], data["sessions"]["answers"],
    ]  # fmt: skip
    assert counts == [0] * 11
    assert {name for name, count in data["orphans"].items() if count} == {"tenants"}


def test_deleted_documents_are_purged_after_the_retention_and_not_before(night: Installation) -> None:
    tenant, hasty = night.new_tenant(retention_days=30), night.new_tenant(retention_days=0)
    old = insert_documents(night, tenant, [f"An old paper {n}." for n in range(205)])
    young, alive = insert_documents(night, tenant, ["A young paper.", "A living paper."])
    [just_now] = insert_documents(night, hasty, ["A hasty paper."])
    ages = {tuple(old): "30 days 1 minute", (young,): "29 days 23 hours", (just_now,): "1 second"}
    for papers, age in ages.items():
        night.query(
            "UPDATE documents SET deleted_at = now() - %s::interval, expires_at = now() WHERE id = ANY (%s)",
            (age, list(papers)),
        )
    night.query(
        "INSERT INTO expiry_notices (tenant_id, document_id, member_id, threshold, expires_at) "
        "SELECT tenant_id, id, %s, 'expired', now() FROM documents WHERE id = ANY (%s)",
        (tenant.adult, old),
    )

    data = clean(night)

    assert data["documents"]["documents"] == 206
    assert data["documents"]["chunks"] == 206
    left = night.query("SELECT id FROM documents WHERE tenant_id IN (%s, %s)", (tenant.id, hasty.id))
    assert {row["id"] for row in left} == {young, alive}
    counts = row_counts(night, tenant.id)
    assert (counts["document_chunks"], counts["expiry_notices"]) == (2, 0)
    words = night.query("SELECT DISTINCT document_id FROM chunk_words WHERE tenant_id = %s", (tenant.id,))
    assert {row["document_id"] for row in words} == {young, alive}
    assert row_counts(night, hasty.id)["chunk_words"] == 0


def test_what_answers_repeated_of_a_document_is_purged_with_it(night: Installation) -> None:
    tenant = night.new_tenant(retention_days=0)
    document = night.add_document(tenant, "The therapist comes on Thursdays.", "Therapy")
    ask = partial(night.run, "f/chatbot/chat", tenant_id=tenant.id, user_member_id=tenant.adult)
    session = ask(question="When does the therapist come?").data["session_id"]
    ask(question="And the weather?", document_ids=[]).done()
    night.query(
        "INSERT INTO cached_answers VALUES (%s, 0, 0, sha256(''), sha256(''), 'Thursdays', ARRAY[1], ARRAY[%s], 'm',"
        " 'offline', now() + '1 day')",
        (tenant.id, document),
    )
    night.run("f/chatbot/delete_document", tenant_id=tenant.id, document_id=document).done()

    night.run("f/operations/purge_documents").done()

    assert rows_that_hold(night, ["Thursdays", "Therapy"]) == []
    kept = night.query(
        "SELECT role, content FROM conversation_messages WHERE session_id = %s ORDER BY created_at, role DESC",
        (session,),
    )
    assert [(m["role"], m["content"]) for m in kept] == [
        ("user", "When does the therapist come?"), ("assistant", ""),
    ]  # fmt: skip


def test_expired_conversations_go_with_their_messages_and_their_usage_stays(night: Installation) -> None:
    tenant = night.new_tenant()
    caller: Json = {"tenant_id": tenant.id, "user_member_id": tenant.adult}
    insert_documents(night, tenant, ["The roof was mended in May."])
    old, new = (night.run("f/chatbot/chat", question="When was the roof mended?", **caller).data for _ in range(2))
    night.query(
        "UPDATE conversation_sessions SET expires_at = now() - interval '1 second' WHERE id = %s", (old["session_id"],)
    )
    usage = row_counts(night, tenant.id)["api_usage"]

    data = clean(night)

    assert (data["sessions"]["sessions"], data["sessions"]["messages"]) == (1, 2)
    left = night.query("SELECT id FROM conversation_sessions WHERE tenant_id = %s", (tenant.id,))
    assert [str(row["id"]) for row in left] == [new["session_id"]]
    assert row_counts(night, tenant.id)["conversation_messages"] == 2
    assert row_counts(night, tenant.id)["api_usage"] == usage


def test_what_is_remembered_of_questions_goes_when_it_is_old_or_too_much(
    night: Installation,
) -> None:
    tenant, busy = night.new_tenant(), night.new_tenant()
    clean(night)
    night.query(
        "INSERT INTO query_embeddings"
        " SELECT %s, 0, n, sha256(''), array_fill(0, ARRAY[1024])::halfvec, now() - make_interval(days => 28 + n)"
        " FROM generate_series(1, 3) AS n",
        (tenant.id,),
    )
    night.query(
        "INSERT INTO query_embeddings SELECT %s, 0, n, sha256(''), array_fill(0, ARRAY[1024])::halfvec,"
        " now() - make_interval(secs => n) FROM generate_series(0, 10002) AS n",
        (busy.id,),
    )
    night.query(
        "INSERT INTO cached_answers SELECT %s, 0, n, sha256(''), sha256(''), 'A', ARRAY[1], ARRAY[1], 'm', 'offline',"
        " now() + make_interval(hours => n - 1) FROM generate_series(0, 2) AS n",
        (tenant.id,),
    )

    data = clean(night)

    assert (data["sessions"]["questions"], data["sessions"]["answers"]) == (2 + 3, 2)
    left = night.query("SELECT place FROM query_embeddings WHERE tenant_id = %s ORDER BY place", (tenant.id,))
    assert [row["place"] for row in left] == [1]
    newest = night.query("SELECT count(*) AS rows, max(place) FROM query_embeddings WHERE tenant_id = %s", (busy.id,))
    assert newest == [{"rows": 10_000, "max": 9_999}]


def test_session_tokens_that_open_nothing_any_more_are_removed(night: Installation) -> None:
    tenant = night.new_tenant()
    expired, revoked, valid = (
        night.run("f/operations/issue_session_token", tenant_id=tenant.id, user_member_id=member).data
        for member in (tenant.adult, tenant.teen, tenant.child)
    )
    night.query("UPDATE session_tokens SET expires_at = now() WHERE member_id = %s", (tenant.adult,))
    night.run("f/operations/revoke_session_token", tenant_id=tenant.id, user_member_id=tenant.teen).done()

    assert clean(night)["sessions"]["tokens"] == 2

    left = night.query("SELECT member_id FROM session_tokens WHERE tenant_id = %s", (tenant.id,))
    assert [row["member_id"] for row in left] == [tenant.child]
    for token, status in ((expired, 401), (revoked, 401), (valid, 200)):
        assert night.run("f/chatbot/search", query="x", session_token=token["session_token"]).status == status


def test_what_should_not_be_there_is_repaired_at_night(night: Installation) -> None:
    tenant = night.new_tenant()
    document = night.add_document(tenant, "The boiler is serviced in March.", "Boiler")
    night.query("DELETE FROM chunk_words WHERE tenant_id = %s", (tenant.id,))
    unembedded = "UPDATE document_chunks SET embedding = NULL, embedding_model = NULL WHERE document_id = %s"
    night.query(unembedded, (document,))

    orphans = clean(night)["orphans"]

    assert (orphans["chunks_with_other_words"], orphans["documents_without_vectors"], orphans["repaired"]) == (1, 1, 2)
    assert clean(night)["orphans"]["repaired"] == 0
    assert night.run("f/chatbot/search", tenant_id=tenant.id, query="boiler serviced").data["total"] == 1
    assert night.run("f/chatbot/embed", tenant_id=tenant.id).data["documents"] == 1


def test_documents_that_are_stuck_wait_again_and_what_is_at_work_is_left_alone(night: Installation) -> None:
    tenant = night.new_tenant()
    killed, lost, tired, working = insert_documents(night, tenant, [f"Paper {n}." for n in range(4)])
    for one, lease, attempts in (
        (killed, "now() - interval '1 second'", 1), (lost, "NULL", 2), (tired, "now() - interval '1 day'", 3),
        (working, "now() + interval '1 hour'", 3),
    ):  # fmt: skip
        night.query(
            f"UPDATE documents SET status = 'processing', lease_holder = 'a run', lease_until = {lease}, attempts = %s "
            "WHERE id = %s",
            (attempts, one),
        )

    data = clean(night)

    assert (data["requeued"]["queued"], data["requeued"]["failed"]) == (2, 1)
    rows = night.query(
        "SELECT id, status, lease_holder, failure_reason FROM documents WHERE tenant_id = %s", (tenant.id,)
    )
    states = {row["id"]: row for row in rows}
    assert {one: row["status"] for one, row in states.items()} == {
        killed: "queued", lost: "queued", tired: "failed", working: "processing",
    }  # fmt: skip
    assert states[tired]["failure_reason"]
    assert states[working]["lease_holder"] == "a run"
    embedded = night.run("f/chatbot/embed", tenant_id=tenant.id).data
    assert (embedded["documents"], embedded["remaining"]) == (2, 1)


def file_of(night: Installation, tenant: Tenant, name: str, **columns: object) -> int:
    """Put a file in that cannot be read; some columns are others."""
    values = {"status": "failed", "failure_code": "damaged", "content": b"1", **columns}
    [row] = night.query(
        f"INSERT INTO files (tenant_id, name, size_bytes, {', '.join(values)}) "
        f"VALUES (%s, %s, 1, {', '.join(['%s'] * len(values))}) RETURNING id",
        (tenant.id, name, *values.values()),
    )
    return int(row["id"])


def test_files_that_are_stuck_wait_again_and_those_that_wait_in_vain_go_after_the_retention(
    night: Installation,
) -> None:
    tenant, hasty = night.new_tenant(retention_days=30), night.new_tenant(retention_days=0)
    now = datetime.now(UTC)
    old, young = now - timedelta(days=30, minutes=1), now - timedelta(days=29)
    for status in ("failed", "queued", "completed"):
        file_of(night, tenant, f"old {status}", updated_at=old, status=status)
    whole = file_of(night, tenant, "archive", updated_at=old, status="completed", content=None)
    file_of(night, tenant, "inside", updated_at=old, parent_id=whole, content=None)
    kept = {
        file_of(night, tenant, "young", updated_at=young), file_of(night, hasty, "just now"),
        file_of(night, tenant, "working", status="processing", updated_at=old, lease_until=now + timedelta(hours=1)),
    }  # fmt: skip
    stuck = file_of(night, tenant, "stuck", status="processing", lease_until=now, attempts=1)
    tired = file_of(night, tenant, "tired", status="processing", lease_until=now, attempts=3)

    data = clean(night)

    assert data["documents"]["files"] == 5
    assert (data["requeued"]["queued"], data["requeued"]["failed"]) == (1, 1)
    rows = night.query("SELECT id, status FROM files WHERE tenant_id IN (%s, %s)", (tenant.id, hasty.id))
    assert {row["id"] for row in rows} == {*kept, stuck, tired}
    assert {row["id"]: row["status"] for row in rows if row["id"] in (stuck, tired)} == {
        stuck: "queued", tired: "failed",
    }  # fmt: skip


def test_a_large_tenant_gets_a_vector_index_of_its_own_and_loses_it_when_it_has_shrunk(night: Installation) -> None:
    tenant, small = night.new_tenant(), night.new_tenant()
    [stored] = insert_documents(night, tenant, ["A paper of very many passages."])
    insert_documents(night, small, ["A paper of one passage."])
    night.run("f/chatbot/embed", tenant_id=tenant.id)
    night.query(
        """
        INSERT INTO document_chunks (tenant_id, document_id, ordinal, start_offset, end_offset, content, token_count,
                                     words, word_count, embedding, embedding_model)
        SELECT %s, %s, n, 0, 1, 'x', 1, '', 0,
               (array_fill(0.0::real, ARRAY[n %% 1024]) || 1.0::real
                || array_fill(0.0::real, ARRAY[1023 - n %% 1024]))::vector(1024)::halfvec(1024),
               'offline-hashing-1024'
        FROM generate_series(1, 6000) AS n
        """,
        (tenant.id, stored),
    )
    began = time.monotonic()

    made, kept = clean(night)["indexes"], clean(night)["indexes"]

    assert time.monotonic() - began < 120
    assert made["made"] == 1
    assert (kept["made"], kept["kept"], kept["dropped"]) == (0, 1, 0)
    [index] = night.query("SELECT indexdef FROM pg_indexes WHERE indexdef LIKE %s", ("%USING hnsw%",))
    assert tenant.id in index["indexdef"]
    found = night.run("f/chatbot/search", tenant_id=tenant.id, query="paper of very many passages").data
    assert found["documents"][0]["snippet"].replace("**", "").startswith("paper of very many")
    night.query("DELETE FROM document_chunks WHERE tenant_id = %s AND ordinal > 3990", (tenant.id,))

    assert clean(night)["indexes"]["dropped"] == 1
    assert night.query("SELECT 1 FROM pg_indexes WHERE indexdef LIKE %s", ("%USING hnsw%",)) == []


def test_one_tenants_trouble_does_not_stop_the_others_and_is_told(night: Installation) -> None:
    first, troubled, last = night.new_tenant(), night.new_tenant(), night.new_tenant()
    for tenant in (first, troubled, last):
        insert_documents(night, tenant, ["The old lease ended."])
        night.query("UPDATE documents SET deleted_at = now() - interval '1 year' WHERE tenant_id = %s", (tenant.id,))
    night.query(
        "CREATE FUNCTION refuse_purge() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the old lease ended'; END $$"
    )
    night.query(
        "CREATE TRIGGER refuse_purge BEFORE DELETE ON documents FOR EACH ROW "
        f"WHEN (OLD.tenant_id = '{troubled.id}') EXECUTE FUNCTION refuse_purge()"
    )
    try:
        failed = night.flow(CLEAN).refused(500, "internal_error")
    finally:
        night.query("DROP FUNCTION refuse_purge() CASCADE")

    assert troubled.id in failed
    assert first.id not in failed
    assert "lease" not in failed
    left = {tenant.id: row_counts(night, tenant.id)["documents"] for tenant in (first, troubled, last)}
    assert left == {first.id: 0, troubled.id: 1, last.id: 0}
    assert night.flow(CLEAN).data["documents"]["documents"] == 1
