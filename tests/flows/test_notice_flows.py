"""The flows that tell of what expires, over HTTP, with real servers: from the document to the mail."""

import json
from datetime import UTC, datetime, timedelta

from tests.scripts.notice_stage import Post, post, running
from tests.support.installation import Tenant
from tests.support.ports import deaf_port

__all__ = ["post", "running"]

EXPIRE, DELIVER = "f/operations/expire_documents", "f/operations/deliver_notices"
NOTHING = {"set_up": True, "sent": 0, "waiting": 0, "failed": 0, "unknown": 0}


def expiring(post: Post, tenant: Tenant, title: str, **columns: object) -> int:
    """Put in a document that expires in six days."""
    expires_at = (datetime.now(UTC) + timedelta(days=6)).isoformat()
    text = f"The secret text of {title}."
    return post.installation.add_document(tenant, text, title, expires_at=expires_at, **columns)


def test_who_may_see_a_document_is_told_by_every_channel_once(post: Post) -> None:
    tenant, other = post.tenant(), post.tenant()
    expiring(post, tenant, "Passport")
    expiring(post, tenant, "Payslip", visibility="adults_only")
    expiring(post, tenant, "Diary", visibility="private", assigned_to=tenant.teen)
    expiring(post, other, "Theirs", visibility="admins_only")

    data = post.installation.flow(EXPIRE).data

    assert data["7_days"] == 4 + 2 + 2 + 1
    assert (data["email"], data["webhook"]) == ({**NOTHING, "sent": 9}, {**NOTHING, "sent": 9})
    told = {mail.recipients[0]: mail.subject + mail.text for mail in post.box.mails}
    titles = {
        member: {title for title in ("Passport", "Payslip", "Diary", "Theirs") if title in told.get(address, "")}
        for member, address in ((member, post.address(tenant, member)) for member in tenant.types.values())
    }
    assert titles == {
        tenant.admin: {"Passport", "Payslip", "Diary"}, tenant.adult: {"Passport", "Payslip"},
        tenant.teen: {"Passport", "Diary"}, tenant.child: {"Passport"},
    }  # fmt: skip
    posted = [json.loads(one.body) for one in post.receiver.posted]
    assert {one["title"] for one in posted if one["tenant_id"] == other.id} == {"Theirs"}
    assert not [text for text in (*told.values(), *map(str, posted)) if "secret" in text]

    again = post.installation.flow(EXPIRE).data
    assert (again["7_days"], again["email"], again["webhook"]) == (0, NOTHING, NOTHING)
    assert (len(post.box.mails), len(post.receiver.posted)) == (5, 9)


def test_a_channel_that_fails_does_not_stop_the_other_and_the_flow_says_so(post: Post) -> None:
    tenant = post.tenant()
    expiring(post, tenant, "Passport", visibility="admins_only")
    post.use_mail(port=deaf_port())

    failed = post.installation.flow(EXPIRE)

    assert "Sending notices failed (email)" in failed.text
    assert failed.status >= 500
    assert (post.box.mails, len(post.receiver.posted)) == ([], 1)
    post.use_mail()
    data = post.installation.flow(DELIVER).data
    assert (data["email"], data["webhook"]) == (NOTHING, NOTHING), "not before its time"
    post.let_time_pass()
    data = post.installation.flow(DELIVER).data
    assert (data["email"], data["webhook"]) == ({**NOTHING, "sent": 1}, NOTHING)
    assert (len(post.box.mails), len(post.receiver.posted)) == (1, 1)


def test_a_webhook_that_refuses_the_installation_fails_the_flow_and_loses_nothing(post: Post) -> None:
    tenant = post.tenant()
    expiring(post, tenant, "Passport", visibility="admins_only")
    post.receiver.status = 401

    failed = post.installation.flow(EXPIRE)

    assert "Sending notices failed (webhook)" in failed.text
    assert failed.status >= 500
    post.receiver.status = 200
    post.let_time_pass()
    assert post.installation.flow(DELIVER).data["webhook"] == {**NOTHING, "sent": 1}


def test_notices_that_failed_for_good_are_told(post: Post) -> None:
    tenant = post.tenant()
    expiring(post, tenant, "Passport", visibility="admins_only")
    post.receiver.status = 410

    data = post.installation.flow(EXPIRE).data

    assert (data["email"], data["webhook"]) == ({**NOTHING, "sent": 1}, {**NOTHING, "failed": 1})


def test_channels_that_are_not_set_up_are_no_failure(post: Post) -> None:
    tenant = post.tenant()
    expiring(post, tenant, "Passport")
    post.use_mail(host="")
    post.use_webhook("")

    data = post.installation.flow(EXPIRE).data

    assert (data["7_days"], data["email"]["set_up"], data["webhook"]["set_up"]) == (4, False, False)
