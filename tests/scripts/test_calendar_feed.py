"""Calendar feeds over HTTP: a member's own sight under a secret address, read with a second iCalendar library."""

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
import vobject  # type: ignore[import-untyped] # it brings no types

from tests.support.cloud import in_parallel
from tests.support.installation import Installation, Json, Reply, Tenant

CREATE, REVOKE, READ = (f"f/chatbot/{verb}_calendar_feed" for verb in ("create", "revoke", "read"))
NOBODYS = "00000000-0000-4000-8000-000000000000"


def expiring(
    installation: Installation, tenant: Tenant, title: str = "Passport", *, days: float = 10, **columns: object
) -> int:
    """Put in a document that expires in so many days."""
    given: Json = {
        "visibility": "everyone", "assigned_to": None, "category": "Papers",
        "expires_at": datetime.now(UTC) + timedelta(days=days), **columns,
    }  # fmt: skip
    (row,) = installation.query(
        "INSERT INTO documents (tenant_id, title, content, content_hash, language, chunk_count, visibility,"
        " assigned_to, category, expires_at) VALUES (%(tenant)s, %(title)s, 'Its secret text.', sha256('x'), 'english',"
        " 1, %(visibility)s, %(assigned_to)s, %(category)s, %(expires_at)s) RETURNING id",
        {"tenant": tenant.id, "title": title, **given},
    )
    return int(row["id"])


def new_feed(installation: Installation, tenant: Tenant, member: int) -> Json:
    return dict(installation.run(CREATE, tenant_id=tenant.id, user_member_id=member).data)


def fetch(installation: Installation, path: str, method: str = "GET") -> httpx.Response:
    """Come as a calendar program does: with nothing but the address."""
    return httpx.request(method, f"{installation.stack.base_url}{path}", timeout=60)


def events(text: str) -> list[Any]:
    """Read a calendar with the second library, which refuses what is malformed."""
    calendar = vobject.readOne(text)
    assert calendar.name == "VCALENDAR"
    return [*calendar.contents.get("vevent", [])]


def titles(installation: Installation, feed: Json) -> list[str]:
    """Read a feed in both ways, which must agree, and return its events' titles."""
    answer = fetch(installation, feed["path"])
    assert answer.status_code == 200, answer.text
    data = installation.run(READ, secret=feed["secret"]).data
    assert data["calendar"] == answer.content.decode()
    return [event.summary.value for event in events(answer.content.decode())]


@pytest.fixture(scope="module")
def tenant(installation: Installation) -> Tenant:
    return installation.new_tenant()


def test_a_calendar_program_gets_what_expires_as_all_day_events(installation: Installation) -> None:
    tenant = installation.new_tenant()
    installation.query("UPDATE tenants SET time_zone = 'Europe/Athens', language = 'greek' WHERE id = %s", (tenant.id,))
    expiring(installation, tenant, "Διαβατήριο", expires_at=datetime(2091, 3, 9, 22, 30, tzinfo=UTC))
    expiring(installation, tenant, "Lately", days=-29, category=None)
    expiring(installation, tenant, "Long ago", days=-31)
    installation.query(
        "INSERT INTO documents (tenant_id, title, content, content_hash, language, chunk_count)"
        " VALUES (%s, 'Never', 'x', sha256('x'), 'english', 1)",
        (tenant.id,),
    )
    feed = new_feed(installation, tenant, tenant.adult)

    answer = fetch(installation, feed["path"])

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("private, no-cache", "no-referrer")
    text = answer.content.decode()
    assert max(len(line) for line in answer.content.split(b"\r\n")) <= 75
    late, passport = events(text)
    assert (late.summary.value, "description" in late.contents) == ("Lately", False)
    assert (passport.summary.value, passport.description.value) == ("Διαβατήριο", "Papers")
    assert (passport.dtstart.value, passport.dtend.value) == (date(2091, 3, 10), date(2091, 3, 11))
    assert passport.dtstamp.value.utcoffset() == timedelta(0)
    assert passport.transp.value == "TRANSPARENT"
    assert "REFRESH-INTERVAL;VALUE=DURATION:PT6H\r\n" in text
    assert "X-PUBLISHED-TTL:PT6H\r\n" in text
    assert "NAME:Έγγραφα που λήγουν\r\n" in text
    assert "secret text" not in text
    assert fetch(installation, feed["path"]).content == answer.content, "the same calendar for the same documents"


def test_an_event_keeps_its_name_and_tells_no_id(installation: Installation, tenant: Tenant) -> None:
    document = expiring(installation, tenant, "Insurance")
    feed, other = (new_feed(installation, tenant, member) for member in (tenant.teen, tenant.admin))

    def names() -> set[str]:
        return {event.uid.value for one in (feed, other) for event in events(fetch(installation, one["path"]).text)}

    before = names()
    installation.query("UPDATE documents SET title = 'Other', expires_at = now() WHERE id = %s", (document,))

    assert names() == before
    assert len(before) == 1
    assert not [name for name in before if str(document) in re.split(r"[^0-9]+", name) or tenant.id in name]


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("End\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nSUMMARY:Forged", "End END:VEVENT BEGIN:VEVENT SUMMARY:Forged"),
        ("a;b,c\\n d\\,e:f\"g'", "a;b,c\\n d\\,e:f\"g'"),
        ("x" * 500, "x" * 500),
        ("Ω" * 200 + "🏡" * 50, "Ω" * 200 + "🏡" * 50),
        ("a\u2028b\x0bc\x85d", "a b c d"),
        ("👨\u200d👩\u200d👧 Family\u200d pass", "👨\u200d👩\u200d👧 Family pass"),
        ("\u200b", "…"),
    ],
    ids=["lines", "signs", "long", "wide", "breaks", "joined", "nothing"],
)
def test_a_hostile_title_stays_a_title(installation: Installation, title: str, shown: str) -> None:
    tenant = installation.new_tenant()
    expiring(installation, tenant, title, category=title[:100])
    feed = new_feed(installation, tenant, tenant.adult)

    content = fetch(installation, feed["path"]).content

    (event,) = events(content.decode())
    assert event.summary.value == shown
    assert sorted(event.contents) == [
        "class", "description", "dtend", "dtstamp", "dtstart", "last-modified", "summary", "transp", "uid",
    ]  # fmt: skip
    assert max(len(line) for line in content.split(b"\r\n")) <= 75
    assert re.findall(rb"[^\r]\n|\r[^\n]", content) == []


def test_a_feed_shows_what_its_member_may_see_at_that_moment_and_nothing_of_others(installation: Installation) -> None:
    tenant, other = installation.new_tenant(), installation.new_tenant()
    expiring(installation, other, "Theirs")
    for visibility in ("everyone", "adults_only", "admins_only"):
        expiring(installation, tenant, visibility, visibility=visibility)
    diary = expiring(installation, tenant, "teen's", visibility="private", assigned_to=tenant.teen)
    gone = expiring(installation, tenant, "gone")
    installation.query("UPDATE documents SET deleted_at = now() WHERE id = %s", (gone,))
    seen = {
        member: sorted(titles(installation, new_feed(installation, tenant, member)))
        for member in (tenant.admin, tenant.adult, tenant.teen, tenant.child)
    }
    assert seen == {
        tenant.admin: ["admins_only", "adults_only", "everyone", "teen's"],
        tenant.adult: ["adults_only", "everyone"],
        tenant.teen: ["everyone", "teen's"],
        tenant.child: ["everyone"],
    }
    feed = new_feed(installation, tenant, tenant.teen)
    installation.query("UPDATE documents SET visibility = 'admins_only', assigned_to = NULL WHERE id = %s", (diary,))
    assert titles(installation, feed) == ["everyone"], "what is hidden from the member disappears"
    installation.query("UPDATE family_members SET member_type = 'adult' WHERE id = %s", (tenant.teen,))
    assert sorted(titles(installation, feed)) == ["adults_only", "everyone"]


def forged(feed: Json, tenant: Tenant) -> list[object]:
    """Make secrets that open nothing out of one that does."""
    secret = feed["secret"]
    raw = urlsafe_b64decode(secret.removeprefix("fbc_") + "==")

    def with_bytes(start: int, value: bytes) -> str:
        changed = raw[:start] + value + raw[start + len(value) :]
        return "fbc_" + urlsafe_b64encode(changed).rstrip(b"=").decode()

    last = secret[-1]
    twin = chr(ord(last) + 1) if last not in "Zz9-_" else "A"  # the last character has bits that decode to nothing
    return [
        "", "fbc_", secret[:-1], secret + "A", secret + "=", secret[:-1] + twin, secret.upper(), " " + secret,
        secret.removeprefix("fbc_"), with_bytes(63, bytes([raw[63] ^ 1])), with_bytes(32, bytes(32)),
        with_bytes(0, bytes(16)), with_bytes(16, bytes(16)), NOBODYS, tenant.id, feed["feed_id"],
        hashlib.sha256(secret.encode()).hexdigest(), None, 7, [secret], {"secret": secret}, secret + "\n",
        "x" * 100_000,
    ]  # fmt: skip


def test_whatever_is_wrong_with_a_secret_gets_the_same_answer(installation: Installation) -> None:
    tenant, other = installation.new_tenant(), installation.new_tenant()
    expiring(installation, tenant)
    feed, revoked, removed, theirs = (
        new_feed(installation, tenant, tenant.adult), new_feed(installation, tenant, tenant.adult),
        new_feed(installation, tenant, tenant.child), new_feed(installation, other, other.adult),
    )  # fmt: skip
    installation.run(REVOKE, tenant_id=tenant.id, user_member_id=tenant.adult, feed_id=revoked["feed_id"]).done()
    installation.run("f/operations/remove_member", tenant_id=tenant.id, user_member_id=tenant.child).done()
    mixed = urlsafe_b64decode(theirs["secret"][4:] + "==")[:16] + urlsafe_b64decode(feed["secret"][4:] + "==")[16:]
    wrong = [
        *forged(feed, tenant), revoked["secret"], removed["secret"],
        "fbc_" + urlsafe_b64encode(mixed).rstrip(b"=").decode(),
    ]  # fmt: skip

    replies: list[Reply] = in_parallel([partial(installation.run, READ, secret=secret) for secret in wrong])
    paths = [
        f"/api/r/calendar/{one}" for one in (revoked["secret"], removed["secret"], feed["secret"][:-2], "x", "%00")
    ]
    answers = [fetch(installation, path) for path in paths]

    assert {(reply.status, reply.text) for reply in replies} == {(404, replies[0].text)}
    assert replies[0].refused(404, "not_found") == "There is no such calendar feed."
    assert {(answer.status_code, answer.json()["error"]) for answer in answers} == {
        (404, "There is no such calendar feed.")
    }
    assert titles(installation, feed) == ["Passport"]
    log = installation.query("SELECT action FROM audit_log WHERE tenant_id = %s", (tenant.id,))
    assert [row["action"] for row in log].count("read_calendar_feed") == 1


def test_only_a_hash_of_the_secret_is_stored(installation: Installation, tenant: Tenant) -> None:
    feed = new_feed(installation, tenant, tenant.adult)
    (row,) = installation.query("SELECT * FROM calendar_feeds WHERE id = %s", (feed["feed_id"],))
    assert bytes(row["secret_hash"]) == hashlib.sha256(feed["secret"].encode()).digest()
    assert feed["secret"] not in str(row)
    others = {new_feed(installation, tenant, tenant.adult)["secret"][-43:] for _ in range(2)}
    assert len(others | {feed["secret"][-43:]}) == 3


def test_a_feed_is_a_members_own_and_never_shows_more_than_its_maker_may_ask_for(installation: Installation) -> None:
    tenant = installation.new_tenant()
    run = partial(installation.run, CREATE, tenant_id=tenant.id)
    run().refused(422, "invalid_argument")
    run(user_member_type="admin").refused(422, "invalid_argument")
    run(user_member_id=tenant.admin, user_member_type="teen").refused(403, "forbidden")
    run(user_member_id=tenant.teen, user_member_type="admin").done()  # which widens nothing
    run(user_member_id=installation.new_tenant().admin).refused(404, "not_found")
    made = installation.query("SELECT member_id FROM calendar_feeds WHERE tenant_id = %s", (tenant.id,))
    assert made == [{"member_id": tenant.teen}]


def test_a_member_has_so_many_feeds_at_most_also_when_made_at_once(installation: Installation) -> None:
    tenant = installation.new_tenant()
    replies = in_parallel(
        [partial(installation.run, CREATE, tenant_id=tenant.id, user_member_id=tenant.adult) for _ in range(12)]
    )
    assert sorted(reply.status for reply in replies) == [200] * 10 + [409] * 2
    feed = next(reply.data["feed_id"] for reply in replies if reply.status == 200)
    installation.run(REVOKE, tenant_id=tenant.id, user_member_id=tenant.adult, feed_id=feed).done()
    new_feed(installation, tenant, tenant.adult)
    new_feed(installation, tenant, tenant.teen)


def test_members_revoke_their_own_feeds_and_admins_everybodys(installation: Installation) -> None:
    tenant, other = installation.new_tenant(), installation.new_tenant()
    mine = [new_feed(installation, tenant, tenant.adult) for _ in range(3)]
    teens, theirs = new_feed(installation, tenant, tenant.teen), new_feed(installation, other, other.adult)

    def revoke(member: int | None, **more: object) -> Reply:
        return installation.run(REVOKE, tenant_id=tenant.id, user_member_id=member, **more)

    for refused in (teens, theirs, {"feed_id": NOBODYS}):
        revoke(tenant.adult, feed_id=refused["feed_id"]).refused(404, "not_found")
    revoke(tenant.admin, feed_id=theirs["feed_id"]).refused(404, "not_found")
    revoke(tenant.adult, member_id=tenant.teen).refused(403, "forbidden")
    revoke(tenant.admin, feed_id=teens["feed_id"], member_id=tenant.adult).refused(404, "not_found")
    revoke(tenant.admin, user_member_type="adult", member_id=tenant.teen).refused(403, "forbidden")
    revoke(None, user_member_type="teen", member_id=tenant.adult).refused(403, "forbidden")
    revoke(None).refused(422, "invalid_argument")
    assert [titles(installation, feed) for feed in (*mine, teens, theirs)] == [[]] * 5

    assert revoke(tenant.adult, feed_id=mine[0]["feed_id"]).data == {"revoked": 1}
    assert revoke(tenant.adult, feed_id=mine[0]["feed_id"]).data == {"revoked": 0}
    assert revoke(tenant.admin, feed_id=mine[1]["feed_id"]).data == {"revoked": 1}
    assert revoke(tenant.adult).data == {"revoked": 1}
    assert revoke(None, member_id=tenant.teen).data == {"revoked": 1}
    for feed in (*mine, teens):
        assert fetch(installation, feed["path"]).status_code == 404
    assert titles(installation, theirs) == []


def test_a_removed_member_loses_the_feeds_for_good(installation: Installation) -> None:
    tenant = installation.new_tenant()
    feed = new_feed(installation, tenant, tenant.adult)
    data = installation.run("f/operations/remove_member", tenant_id=tenant.id, user_member_id=tenant.adult).data
    assert data["revoked_calendar_feeds"] == 1
    installation.query("UPDATE family_members SET removed_at = NULL WHERE id = %s", (tenant.adult,))
    assert fetch(installation, feed["path"]).status_code == 404


def test_reading_a_feed_counts_as_the_members_call(installation: Installation) -> None:
    tenant = installation.new_tenant()
    feed, others = new_feed(installation, tenant, tenant.adult), new_feed(installation, tenant, tenant.teen)
    installation.query("UPDATE tenants SET member_requests_per_minute = 3 WHERE id = %s", (tenant.id,))
    installation.query("DELETE FROM rate_states WHERE tenant_id = %s", (tenant.id,))
    statuses = [fetch(installation, feed["path"]).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    assert fetch(installation, others["path"]).status_code == 200


def test_what_only_some_may_read_is_noted_once_a_day(installation: Installation) -> None:
    tenant = installation.new_tenant()
    secret = expiring(installation, tenant, visibility="admins_only")
    expiring(installation, tenant)
    feed = new_feed(installation, tenant, tenant.admin)

    def noted() -> list[tuple[str, int | None, str]]:
        rows = installation.query(
            "SELECT action, member_id, target_id FROM audit_log WHERE tenant_id = %s AND action LIKE 'read%%'"
            " ORDER BY action",
            (tenant.id,),
        )
        return [(row["action"], row["member_id"], row["target_id"]) for row in rows]

    once = [("read_calendar_feed", tenant.admin, feed["feed_id"]), ("read_document", tenant.admin, str(secret))]
    for _ in range(2):
        assert fetch(installation, feed["path"]).status_code == 200
        assert noted() == once
    installation.query("UPDATE calendar_feeds SET last_read_at = now() - interval '25 hours'")
    assert fetch(installation, feed["path"]).status_code == 200
    assert noted() == sorted(once * 2)


def test_feeds_that_were_revoked_long_ago_are_removed(installation: Installation) -> None:
    tenant = installation.new_tenant()
    feeds = [new_feed(installation, tenant, tenant.adult)["feed_id"] for _ in range(3)]
    for feed, days in zip(feeds[:2], (31, 29), strict=True):
        installation.query(
            "UPDATE calendar_feeds SET revoked_at = now() - make_interval(days => %s) WHERE id = %s", (days, feed)
        )
    assert installation.run("f/operations/purge_sessions").data["calendar_feeds"] >= 1
    left = installation.query("SELECT id::text FROM calendar_feeds WHERE tenant_id = %s", (tenant.id,))
    assert {row["id"] for row in left} == set(feeds[1:])


def test_the_way_from_the_web_gives_no_secret_of_the_installation(installation: Installation, tenant: Tenant) -> None:
    serve = "f/chatbot/serve_calendar_feed"
    keys = installation.stack.credentials.session_signing_key
    for reference in ("$var:f/chatbot/session_signing_keys", "$res:f/operations/postgres_db"):
        event = {"kind": "http", "params": {"secret": reference}}
        named = installation.run(serve, event=event, _ENTRYPOINT_OVERRIDE="preprocessor")
        assert (named.status, named.body) == (200, {"secret": ""})
        answer = fetch(installation, f"/api/r/calendar/{reference.replace('/', '%2F')}")
        assert answer.status_code in (404, 422)
        assert keys not in answer.text + named.text
    installation.run(serve, secret=new_feed(installation, tenant, tenant.child)["secret"]).refused(404)
    assert fetch(installation, "/api/r/calendar/x", "POST").status_code == 404
