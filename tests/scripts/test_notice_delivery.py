# ruff: noqa: RUF001 - Greek letters are meant here
"""Notices by mail and webhook, with real servers: each at most once, to who may see it, whatever is killed."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import standardwebhooks
import trustme

from f.core.errors import Misconfigured
from f.core.mail_channel import MailServer, MailSettings
from f.core.notice_delivery import Notice
from f.core.webhook_channel import WebhookSettings, webhook_client
from f.core.webhook_channel import post as post_notice
from tests.scripts.notice_stage import (
    EMAIL,
    SIGNING_SECRET,
    WEBHOOK,
    Post,
    post,
    running,
    server_context,
)
from tests.support.mail_server import MailBox, mail_server
from tests.support.ports import deaf_port
from tests.support.webhook_receiver import Receiver, webhook_receiver

__all__ = ["post", "running"]

HOSTILE = {
    "Contract\r\nBcc: victim@example.org\r\n\r\nNew body": "“Contract Bcc: victim@example.org New body”",
    "=?utf-8?q?Paid=0D=0ABcc:_victim@example.org?=": "“=?utf-8?q?Paid=0D=0ABcc:_victim@example.org?=”",
    "=?utf-8?b?SGVsbG8=?= =?utf-8?b?SGVsbG8=?=": "“=?utf-8?b?SGVsbG8=?= =?utf-8?b?SGVsbG8=?=”",
    "a\u202eb\u2028c\x85d\x00e".replace("\x00", ""): "“a b c de”",
    "Ω" * 400: "“" + "Ω" * 199 + "…”",
    "%s {title} {0}": "“%s {title} {0}”",
    ".\r\n.\r\n": "“. .”",
    "👨\u200d👩\u200d👧 Family\u200d pass": "“👨\u200d👩\u200d👧 Family pass”",
    "👩🏽\u200d⚕\ufe0f \u200d👧": "“👩🏽\u200d⚕\ufe0f 👧”",
}


def test_a_member_gets_one_mail_for_all_that_is_due(post: Post) -> None:
    tenant, other = post.tenant(), post.tenant()
    post.notice(tenant, tenant.adult, "Passport", days=6.5)
    post.notice(tenant, tenant.adult, "Insurance", days=0.5)
    post.notice(tenant, tenant.admin, "Lease", days=-3)
    post.notice(other, other.adult, "Theirs")

    assert post.counts(EMAIL) == {"sent": 4}

    (mail,) = post.box.sent_to(post.address(tenant, tenant.adult))
    assert (mail.sender, mail.recipients) == ("notices@brain.example", (post.address(tenant, tenant.adult),))
    assert (mail.subject, mail.content["From"]) == ("2 documents expire", "Family Brain <notices@brain.example>")
    assert "“Passport” expires in" in mail.text
    assert "“Insurance” expires to" in mail.text
    assert not {"Lease", "Theirs", "secret"} & set(mail.text.replace("”", "").replace("“", "").split())
    (late,) = post.box.sent_to(post.address(tenant, tenant.admin))
    assert late.subject.startswith("“Lease” expired on ")
    assert len(post.box.mails) == 3
    assert len({mail.content["Message-ID"] for mail in post.box.mails}) == 3


def test_a_mail_is_in_the_tenants_language_and_days_in_its_time_zone(post: Post) -> None:
    greek, english = post.tenant("greek", "Europe/Athens"), post.tenant("english", "America/New_York")
    evening = (datetime.now(UTC) + timedelta(days=400)).replace(month=3, day=9, hour=22, minute=30)
    post.notice(greek, greek.adult, "Διαβατήριο", expires_at=evening)
    post.notice(english, english.adult, "Passport", expires_at=evening.replace(hour=3))

    assert post.counts(EMAIL) == {"sent": 2}

    (in_greek,) = post.box.sent_to(post.address(greek, greek.adult))
    assert in_greek.subject.startswith("Το «Διαβατήριο» λήγει σε ")
    assert in_greek.subject.endswith(f", στις 10 Μαρτίου {evening.year}")
    assert "Υπενθύμιση" in in_greek.text
    (in_english,) = post.box.sent_to(post.address(english, english.adult))
    assert in_english.subject.endswith(f", on 8 March {evening.year}")


def test_a_hostile_title_stays_a_title(post: Post) -> None:
    tenant = post.tenant()
    for title, shown in HOSTILE.items():
        post.reset()
        post.notice(tenant, tenant.adult, title, days=6.5)
        post.counts(EMAIL)
        (mail,) = post.box.mails
        assert mail.subject.startswith(f"{shown} expires in "), (title, mail.subject)
        assert mail.recipients == (post.address(tenant, tenant.adult),)
        assert sorted(mail.content.keys()) == [
            "Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "MIME-Version",
            "Message-ID", "Subject", "To",
        ]  # fmt: skip
        assert f"- {shown} expires" in mail.text


def test_nobody_is_told_who_may_not_see_the_document_at_that_moment(post: Post) -> None:
    told = post.installation
    tenant = post.tenant()
    for hidden in (
        post.notice(tenant, tenant.adult, visibility="admins_only"),
        post.notice(tenant, tenant.teen, visibility="adults_only"),
        post.notice(tenant, tenant.teen, visibility="private", assigned_to=tenant.adult),
        post.notice(tenant, tenant.adult, age_hours=24 * 3 + 1),
    ):
        assert hidden
    narrowed, deleted, postponed = (post.notice(tenant, tenant.child) for _ in range(3))
    told.query("UPDATE documents SET visibility = 'adults_only' WHERE id = %s", (narrowed,))
    told.query("UPDATE documents SET deleted_at = now() WHERE id = %s", (deleted,))
    told.query("UPDATE documents SET expires_at = expires_at + interval '1 year' WHERE id = %s", (postponed,))
    removed, unwilling, unknown = post.tenant(), post.tenant(), post.tenant()
    post.notice(removed, removed.adult)
    told.query("UPDATE family_members SET removed_at = now() WHERE id = %s", (removed.adult,))
    post.notice(unwilling, unwilling.adult)
    told.query("UPDATE family_members SET notice_channels = '{}' WHERE id = %s", (unwilling.adult,))
    post.notice(unknown, unknown.adult)
    told.query("UPDATE family_members SET user_id = NULL WHERE id = %s", (unknown.adult,))

    assert post.counts(EMAIL) == {}
    assert post.box.mails == []
    assert post.counts(WEBHOOK) == {"sent": 1}  # needs no account
    (posted,) = post.receiver.posted
    assert json.loads(posted.body)["tenant_id"] == unknown.id


def test_each_channel_is_the_members_choice(post: Post) -> None:
    tenant = post.tenant()
    post.notice(tenant, tenant.adult)
    post.notice(tenant, tenant.admin)
    post.installation.query("UPDATE family_members SET notice_channels = '{webhook}' WHERE id = %s", (tenant.adult,))
    post.installation.query("UPDATE family_members SET notice_channels = '{email}' WHERE id = %s", (tenant.admin,))

    assert (post.counts(EMAIL), post.counts(WEBHOOK)) == ({"sent": 1}, {"sent": 1})

    assert [mail.recipients for mail in post.box.mails] == [(post.address(tenant, tenant.admin),)]
    assert [json.loads(posted.body)["member_id"] for posted in post.receiver.posted] == [tenant.adult]


@pytest.mark.parametrize("script", [EMAIL, WEBHOOK])
def test_many_runs_at_once_send_each_notice_once(post: Post, script: str) -> None:
    tenants = [post.tenant() for _ in range(3)]
    documents = [
        post.notice(tenant, member, f"Title {member}") for tenant in tenants for member in tenant.types.values()
    ]
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(partial(post.counts, script)) for _ in range(4)]
        counted = [run.result() for run in runs]

    assert sum(count.get("sent", 0) for count in counted) == len(documents)
    assert not [count for count in counted if count.keys() - {"sent"}]
    assert post.counts(script) == {}
    if script == EMAIL:
        assert sorted(mail.recipients for mail in post.box.mails) == sorted(
            (post.address(tenant, member),) for tenant in tenants for member in tenant.types.values()
        )
    else:
        assert sorted(json.loads(posted.body)["document_id"] for posted in post.receiver.posted) == sorted(documents)


def test_what_certainly_did_not_arrive_is_tried_again_later_each_time_and_then_given_up(post: Post) -> None:
    tenant = post.tenant()
    post.notice(tenant, tenant.adult)
    post.use_mail(port=deaf_port())
    waits = []
    for _ in range(4):
        assert "mail server does not answer" in post.installation.run(EMAIL).crashed()
        assert post.counts(EMAIL) == {}, "not before its time"
        (delivery,) = post.deliveries(tenant)
        assert delivery["status"] == "waiting"
        waits.append(delivery["waits"].total_seconds())
        post.let_time_pass()
    post.installation.run(EMAIL).crashed()

    assert waits == [900, 3_600, 14_400, 57_600]
    assert [(row["status"], row["attempts"]) for row in post.deliveries(tenant)] == [("failed", 5)]
    post.use_mail()
    post.let_time_pass()
    assert post.counts(EMAIL) == {}
    assert post.box.mails == []


def test_a_mail_that_was_put_off_is_sent_by_a_later_run(post: Post) -> None:
    tenant = post.tenant()
    post.notice(tenant, tenant.adult)
    post.notice(tenant, tenant.admin)
    post.box.recipient_codes[post.address(tenant, tenant.adult)] = 450
    assert post.counts(EMAIL) == {"sent": 1, "waiting": 1}
    post.box.recipient_codes.clear()
    post.let_time_pass()
    post.box.data_code = 451
    assert post.counts(EMAIL) == {"waiting": 1}
    post.box.data_code = 250
    post.let_time_pass()
    post.box.drops_at = "mail"
    assert post.counts(EMAIL) == {"waiting": 1}
    post.box.drops_at = ""
    post.let_time_pass()

    assert post.counts(EMAIL) == {"sent": 1}
    assert sorted(row["attempts"] for row in post.deliveries(tenant)) == [1, 4]


def test_an_address_that_is_refused_stops_nobody_elses_mail(post: Post) -> None:
    tenant = post.tenant()
    for member in tenant.types.values():
        post.notice(tenant, member)
    post.box.recipient_codes[post.address(tenant, tenant.adult)] = 550
    post.installation.query(
        "UPDATE users SET email = %s WHERE email = %s", ("a,b<c@d", post.address(tenant, tenant.teen))
    )

    assert post.counts(EMAIL) == {"sent": 2, "failed": 2}

    post.box.recipient_codes.clear()
    post.let_time_pass()
    assert post.counts(EMAIL) == {}


@pytest.mark.parametrize(
    ("settings", "sender_code", "said"),
    [({"user": "", "password": ""}, 250, "(530)"), ({}, 550, "(550)"), ({}, "553 5.7.1", "(553)")],
)
def test_a_sender_that_is_refused_ends_the_run_and_everything_waits(
    post: Post, settings: dict[str, object], sender_code: int | str, said: str
) -> None:
    tenant = post.tenant()
    for member in (tenant.adult, tenant.admin):
        post.notice(tenant, member)
    post.use_mail(**settings)
    post.box.sender_code = sender_code

    message = post.installation.run(EMAIL).crashed()

    assert "f/operations/smtp" in message
    assert said in message
    assert post.statuses(tenant) == ["waiting"], "the other one was not even taken"
    post.use_mail()
    post.box.sender_code = 250
    post.let_time_pass()
    assert post.counts(EMAIL) == {"sent": 2}


@pytest.mark.parametrize(("where", "code"), [("recipient", "554 5.7.1"), ("recipient", 530), ("data", "550 5.7.60")])
def test_a_refusal_that_may_be_meant_for_all_mails_is_said_and_tried_again(
    post: Post, where: str, code: int | str
) -> None:
    tenant = post.tenant()
    for member in tenant.types.values():
        post.notice(tenant, member)
    for member in tenant.types.values():
        if where == "recipient" and member != tenant.admin:
            post.box.recipient_codes[post.address(tenant, member)] = code
    if where == "data":
        post.box.data_code = code

    assert "f/operations/smtp" in post.installation.run(EMAIL).crashed()

    taken = 1 if where == "recipient" else 0
    assert sorted(post.statuses(tenant)) == ["sent"] * taken + ["waiting"] * (4 - taken)
    post.box.reset()
    post.let_time_pass()
    assert post.counts(EMAIL) == {"sent": 4 - taken}


def test_a_mail_that_may_have_arrived_is_never_sent_again(post: Post) -> None:
    tenant = post.tenant()
    post.notice(tenant, tenant.adult)
    post.box.drops_at = "data"
    assert post.counts(EMAIL) == {"unknown": 1}
    post.box.drops_at = ""
    post.let_time_pass()

    assert post.counts(EMAIL) == {}
    assert (len(post.box.mails), post.statuses(tenant)) == (1, ["unknown"])


@pytest.mark.parametrize(("moment", "arrived"), [("mail", 0), ("data", 1)])
def test_a_run_that_is_killed_while_the_mail_server_has_the_mail_leaves_it_unknown(
    post: Post, moment: str, arrived: int
) -> None:
    tenant = post.tenant()
    for member in (tenant.adult, tenant.admin):
        post.notice(tenant, member)
    post.box.holds_at = moment
    job = post.installation.start(EMAIL)
    assert post.box.has_one.wait(30)
    assert sorted(post.statuses(tenant)) == ["sending"], "it is written down before anything is sent"
    post.installation.cancel(job)
    assert not post.installation.wait(job)["success"]
    post.box.holds_at = ""

    assert post.counts(EMAIL) == {"sent": 1}, "the other member's; that one may still be on its way"
    post.let_time_pass()
    assert post.counts(EMAIL) == {"unknown": 1}
    post.let_time_pass()
    assert post.counts(EMAIL) == {}
    assert sorted(post.statuses(tenant)) == ["sent", "unknown"]
    assert len(post.box.mails) == arrived + 1


def test_a_login_that_is_refused_is_said_and_everything_waits(post: Post) -> None:
    tenant = post.tenant()
    post.notice(tenant, tenant.adult)
    post.use_mail(password="wrong")

    assert "refuses the login" in post.installation.run(EMAIL).crashed()
    assert (post.statuses(tenant), post.box.mails) == (["waiting"], [])


def test_a_server_that_nobody_vouches_for_is_told_neither_password_nor_title(post: Post) -> None:
    tenant = post.tenant()
    post.notice(tenant, tenant.adult)
    for context, host, said in (
        (server_context(trustme.CA()), "localhost", "certificate"),
        (server_context(post.authority, "other.example"), "localhost", "certificate"),
        (None, "127.1", "offers no encryption"),  # this machine, by a name that does not say so
    ):
        box = MailBox()
        with mail_server(box, context) as port:
            post.use_mail(host=host, port=port)
            assert said in post.installation.run(EMAIL).crashed()
        assert (box.logins, box.mails, post.statuses(tenant)) == ([], [], ["waiting"])
        post.let_time_pass()


def test_a_server_on_the_machine_itself_may_do_without_login_and_encryption(post: Post) -> None:
    tenant = post.tenant()
    post.notice(tenant, tenant.adult)
    with mail_server(post.box, None, logs_in=False) as port:
        post.use_mail(host="127.0.0.1", port=port, user="", password="")
        assert post.counts(EMAIL) == {"sent": 1}


def test_a_channel_that_is_not_set_up_says_so_and_takes_nothing(post: Post) -> None:
    tenant = post.tenant()
    post.notice(tenant, tenant.adult)
    post.use_mail(host="")
    post.use_webhook("")

    for script in (EMAIL, WEBHOOK):
        data = post.installation.run(script).data
        assert data == {"set_up": False, "sent": 0, "waiting": 0, "failed": 0, "unknown": 0}
    assert post.deliveries(tenant) == []


def test_settings_that_cannot_be_used_are_said_without_secrets(post: Post) -> None:
    tenant = post.tenant()
    post.notice(tenant, tenant.adult)
    for url, secret in (
        ("http://notices.example/", SIGNING_SECRET),
        ("ftp://127.0.0.1/", SIGNING_SECRET),
        ("https://notices.example/", "whsec_c2hvcnQ="),
        ("https://notices.example/", "not-a-secret-of-webhooks-0123456789"),
    ):
        post.use_webhook(url, secret)
        message = post.installation.run(WEBHOOK).crashed()
        assert "f/operations/notice_webhook" in message
        assert secret.removeprefix("whsec_") not in message
    post.installation.set_variable("f/operations/notice_sender", "nobody")
    assert "f/operations/notice_sender" in post.installation.run(EMAIL).crashed()
    assert post.deliveries(tenant) == []


@pytest.mark.parametrize(
    "settings",
    [{"password": "pässword"}, {"user": "jürgen"}, {"host": "mail..example.com"}, {"host": "m" * 64 + ".example"},
     {"port": 70_000}, {"port": -1}, {"port": True}],
)  # fmt: skip
def test_how_mails_are_sent_is_checked_before_anything_is_taken(post: Post, settings: dict[str, object]) -> None:
    tenant = post.tenant()
    post.notice(tenant, tenant.adult)
    post.use_mail(**settings)

    message = post.installation.run(EMAIL).crashed()

    assert "f/operations/smtp" in message
    assert "pässword" not in message
    assert post.deliveries(tenant) == []


@pytest.mark.parametrize(
    "url",
    ["http://localhost:abc/", "https://a..b.example/", "https://" + "a" * 70 + ".example/", "https://xn--/",
     "https://[::1", "https://localhost:70000/", "https:///notices"],
)  # fmt: skip
def test_the_webhooks_address_is_checked_before_anything_is_taken(post: Post, url: str) -> None:
    tenant = post.tenant()
    post.notice(tenant, tenant.adult)
    post.use_webhook(url)

    assert "f/operations/notice_webhook" in post.installation.run(WEBHOOK).crashed()
    assert post.deliveries(tenant) == []


def test_an_address_that_no_check_has_found_out_leaves_waiting_what_was_taken() -> None:
    moment = datetime(2031, 3, 9, tzinfo=UTC)
    notice = Notice(
        "a", "b", 1, 2, "Passport", "7_days", moment, moment.date(), 7, "member@family.example", "english"
    )  # fmt: skip
    by_mail = MailServer(MailSettings("mail..example.com", 587, "", "", "", "notices@brain.example")).send([notice])
    with webhook_client() as client:
        posted = [
            post_notice(client, WebhookSettings(url, b"key"), [notice])
            for url in ("https://a..b.example/", "https://xn--/", "http://localhost:abc/")
        ]

    assert [fate.status for fate in (by_mail, *posted)] == ["waiting"] * 4
    assert {type(fate.trouble) for fate in (by_mail, *posted)} == {Misconfigured}


def test_one_tenants_trouble_stops_nobody_elses_notices(post: Post) -> None:
    broken, whole = post.tenant(), post.tenant()
    for tenant in (broken, whole):
        post.notice(tenant, tenant.adult)
    post.installation.query(
        "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE disk_full; END';"
        "CREATE TRIGGER no_room BEFORE INSERT ON notice_deliveries FOR EACH ROW"
        " WHEN (new.tenant_id = %s) EXECUTE FUNCTION no_room()",
        (broken.id,),
    )
    try:
        message = post.installation.run(EMAIL).crashed()
    finally:
        post.installation.query("DROP FUNCTION no_room CASCADE")

    assert "1 tenant" in message
    assert broken.id in message
    assert (post.statuses(broken), post.statuses(whole)) == ([], ["sent"])
    assert post.counts(EMAIL) == {"sent": 1}


def test_a_request_is_signed_so_that_a_receiver_can_check_it(post: Post) -> None:
    tenant = post.tenant()
    document = post.notice(tenant, tenant.adult, "Διαβατήριο\nBcc: x")

    assert post.counts(WEBHOOK) == {"sent": 1}

    (posted,) = post.receiver.posted
    content = standardwebhooks.Webhook(SIGNING_SECRET).verify(posted.body, posted.headers)
    (delivery,) = post.deliveries(tenant)
    assert content == {
        "delivery_id": str(delivery["id"]), "tenant_id": tenant.id, "member_id": tenant.adult, "document_id": document,
        "title": "Διαβατήριο\nBcc: x", "expires_at": delivery["expires_at"].isoformat(), "threshold": "7_days",
    }  # fmt: skip
    assert posted.headers["webhook-id"] == posted.headers["idempotency-key"] == str(delivery["id"])
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook("whsec_" + "b" * 40).verify(posted.body, posted.headers)


@pytest.mark.parametrize(
    ("status", "became"),
    [(204, "sent"), (409, "failed"), (410, "failed"), (413, "failed"), (422, "failed"), (408, "waiting"),
     (425, "waiting"), (429, "waiting"), (503, "waiting"), (500, "unknown"), (502, "unknown")],
)  # fmt: skip
def test_what_a_receiver_answers_says_what_became_of_it(post: Post, status: int, became: str) -> None:
    tenant = post.tenant()
    post.notice(tenant, tenant.adult)
    post.receiver.status = status
    post.receiver.headers = {"location": f"http://127.0.0.1:{post.webhook_port}/elsewhere", "retry-after": "7200"}

    assert post.counts(WEBHOOK) == {became: 1}

    assert len(post.receiver.posted) == 1
    (delivery,) = post.deliveries(tenant)
    if became == "waiting":
        assert delivery["waits"].total_seconds() == 7_200
    post.receiver.status = 200
    post.let_time_pass()
    assert post.counts(WEBHOOK) == ({"sent": 1} if became == "waiting" else {})
    names = [posted.headers["webhook-id"] for posted in post.receiver.posted]
    assert set(names) == {str(delivery["id"])}, "the id is the same in every try"


@pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 403, 404, 405, 407, 421])
def test_an_answer_about_the_webhook_itself_ends_the_run_and_everything_waits(post: Post, status: int) -> None:
    tenant = post.tenant()
    for member in (tenant.adult, tenant.admin):
        post.notice(tenant, member)
    post.receiver.status = status
    post.receiver.headers = {"location": f"http://127.0.0.1:{post.webhook_port}/elsewhere"}

    message = post.installation.run(WEBHOOK).crashed()

    assert "f/operations/notice_webhook" in message
    assert f"({status})" in message
    assert len(post.receiver.posted) == 1, "redirects are not followed, and nothing else is tried"
    assert post.statuses(tenant) == ["waiting"]
    post.receiver.status = 200
    post.let_time_pass()
    assert post.counts(WEBHOOK) == {"sent": 2}


def test_an_answer_that_may_be_about_the_signature_is_said_and_stops_nobody_elses_notice(post: Post) -> None:
    tenant = post.tenant()
    for member in (tenant.adult, tenant.admin):
        post.notice(tenant, member)
    post.receiver.status = 400

    assert "f/operations/notice_webhook" in post.installation.run(WEBHOOK).crashed()

    assert (len(post.receiver.posted), post.statuses(tenant)) == (2, ["waiting"] * 2)
    post.receiver.status = 200
    post.let_time_pass()
    assert post.counts(WEBHOOK) == {"sent": 2}


@pytest.mark.parametrize("script", [EMAIL, WEBHOOK])
def test_only_the_last_threshold_of_a_document_is_told(post: Post, script: str) -> None:
    tenant = post.tenant()
    document = post.notice(tenant, tenant.adult, days=-0.01)
    post.box.recipient_codes[post.address(tenant, tenant.adult)] = 450
    post.receiver.status = 503
    assert post.counts(script) == {"waiting": 1}
    post.installation.query(
        "INSERT INTO expiry_notices (tenant_id, document_id, member_id, threshold, expires_at)"
        " SELECT tenant_id, document_id, member_id, 'expired', expires_at FROM expiry_notices WHERE document_id = %s",
        (document,),
    )
    post.box.reset()
    post.receiver.reset()
    post.let_time_pass()

    assert post.counts(script) == {"sent": 1}

    assert post.counts(script) == {}
    if script == EMAIL:
        assert [mail.text.count("“Passport”") for mail in post.box.mails] == [1]
    else:
        assert [json.loads(posted.body)["threshold"] for posted in post.receiver.posted] == ["expired"]


def test_a_request_that_may_have_arrived_is_never_sent_again(post: Post) -> None:
    tenant = post.tenant()
    post.notice(tenant, tenant.adult)
    post.receiver.drops = True
    assert post.counts(WEBHOOK) == {"unknown": 1}
    post.receiver.drops = False
    post.let_time_pass()

    assert post.counts(WEBHOOK) == {}
    assert len(post.receiver.posted) == 1


def test_a_receiver_that_cannot_be_reached_or_is_another_gets_nothing(post: Post) -> None:
    tenant = post.tenant()
    post.notice(tenant, tenant.adult)
    other = Receiver()
    with webhook_receiver(other, server_context(trustme.CA())) as port:
        for url in (f"http://127.0.0.1:{deaf_port()}/", f"https://localhost:{port}/"):
            post.use_webhook(url)
            assert "does not answer" in post.installation.run(WEBHOOK).crashed()
            post.let_time_pass()
    with webhook_receiver(other, server_context(post.authority)) as port:
        post.use_webhook(f"https://localhost:{port}/")
        assert post.counts(WEBHOOK) == {"sent": 1}
    assert (len(other.posted), [row["attempts"] for row in post.deliveries(tenant)]) == (1, [3])


def test_a_run_that_is_killed_while_the_receiver_has_the_request_leaves_it_unknown(post: Post) -> None:
    tenant = post.tenant()
    post.notice(tenant, tenant.adult)
    post.receiver.holds = True
    job = post.installation.start(WEBHOOK)
    assert post.receiver.has_one.wait(30)
    assert post.statuses(tenant) == ["sending"]
    post.installation.cancel(job)
    assert not post.installation.wait(job)["success"]
    post.receiver.holds = False

    assert post.counts(WEBHOOK) == {}
    post.let_time_pass()
    assert post.counts(WEBHOOK) == {"unknown": 1}
    assert (len(post.receiver.posted), post.statuses(tenant)) == (1, ["unknown"])


def test_a_tenant_that_was_imported_does_not_send_its_old_notices_again(post: Post) -> None:
    told, tenant = post.installation, post.tenant()
    post.notice(tenant, tenant.adult)
    assert (post.counts(EMAIL), post.counts(WEBHOOK)) == ({"sent": 1}, {"sent": 1})
    lines = told.run("f/operations/export_tenant", tenant_id=tenant.id).data["lines"]
    slug = told.query("SELECT slug FROM tenants WHERE id = %s", (tenant.id,))[0]["slug"]
    before = post.deliveries(tenant)
    told.run("f/operations/erase_tenant", tenant_id=tenant.id, confirm_slug=slug).done()
    assert post.deliveries(tenant) == []

    imported = told.run("f/operations/import_tenant", lines=lines).data

    assert imported["imported"]["notice_deliveries"] == 2
    after = post.deliveries(tenant)
    assert [(row["channel"], row["status"], row["expires_at"]) for row in after] == [
        (row["channel"], row["status"], row["expires_at"]) for row in before
    ]
    assert (post.counts(EMAIL), post.counts(WEBHOOK)) == ({}, {})
