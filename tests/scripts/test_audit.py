"""The audit log: who did what to which id, under which identity, and what was refused; never any content."""

from functools import partial

import pytest

from tests.support.installation import Installation, Json, Tenant

SECRET = "the therapist's panic KX-4711"
READ = "f/chatbot/read_audit_log"


@pytest.fixture
def tenant(installation: Installation) -> Tenant:
    return installation.new_tenant()


def entries(installation: Installation, tenant: Tenant, **chosen: object) -> list[Json]:
    """Read the log as an admin, without the reading itself."""
    data = installation.run(READ, tenant_id=tenant.id, user_member_id=tenant.admin, limit=500, **chosen).data
    return [entry for entry in data["entries"] if (entry["action"], entry["outcome"]) != ("read_audit_log", "done")]


def told(found: list[Json]) -> list[tuple[object, ...]]:
    return [(e["member_id"], e["action"], e["outcome"], e["target_type"], e["target_id"]) for e in found]


def store(installation: Installation, tenant: Tenant, member: int, visibility: str, **more: object) -> int:
    data = installation.run(
        "f/chatbot/ingest", tenant_id=tenant.id, user_member_id=member, title="Note",
        content=f"{visibility} {SECRET} of {member}", visibility=visibility, **more,
    ).data  # fmt: skip
    return int(data["document_id"])


def test_reading_what_is_for_admins_or_one_member_is_noted_and_other_reading_is_not(
    installation: Installation, tenant: Tenant
) -> None:
    stored = {v: store(installation, tenant, tenant.admin, v) for v in ("everyone", "adults_only", "admins_only")}
    private = store(installation, tenant, tenant.adult, "private")
    run = partial(installation.run, tenant_id=tenant.id)

    run("f/chatbot/search", query="therapist", user_member_id=tenant.adult).done()
    session = run("f/chatbot/chat", question="therapist?", user_member_id=tenant.admin).data["session_id"]
    run("f/chatbot/search", query="therapist", user_member_id=tenant.teen).done()
    run("f/chatbot/read_session", session_id=session, user_member_id=tenant.admin).done()

    read = told(entries(installation, tenant, action="read_document"))
    assert {target for *_, target in read} == {str(stored["admins_only"]), str(private)}
    assert (tenant.adult, "read_document", "done", "document", str(private)) in read
    assert (tenant.admin, "read_document", "done", "document", str(stored["admins_only"])) in read
    assert not [entry for entry in read if entry[0] == tenant.teen]


def test_what_is_stored_and_deleted_is_noted_with_its_id(installation: Installation, tenant: Tenant) -> None:
    document = store(installation, tenant, tenant.adult, "everyone")
    installation.run(
        "f/chatbot/delete_document", tenant_id=tenant.id, user_member_id=tenant.adult, document_id=document
    ).done()

    assert told(entries(installation, tenant)) == [
        (tenant.adult, "delete_document", "done", "document", str(document)),
        (tenant.adult, "ingest", "done", "document", str(document)),
    ]


def test_what_is_refused_is_noted_as_what_was_tried(installation: Installation, tenant: Tenant) -> None:
    hidden = store(installation, tenant, tenant.admin, "admins_only")
    run = partial(installation.run, tenant_id=tenant.id, user_member_id=tenant.teen)

    run("f/chatbot/delete_document", document_id=hidden).refused(404)
    run("f/chatbot/embed", document_id=hidden).refused(404)
    run("f/chatbot/ingest", title="T", content="x", visibility="admins_only").refused(403)
    run("f/chatbot/chat", question="a", session_id="6f1c7d52-0c5e-4a53-9d0b-2f4f2a7c8b11").refused(404)
    run(READ).refused(403, "forbidden")
    installation.flow(
        "f/chatbot/ingest_document", tenant_id=tenant.id, user_member_id=tenant.teen, title="T", content="x",
        visibility="adults_only",
    ).refused(403)  # fmt: skip

    assert told(entries(installation, tenant, acted_by=tenant.teen)) == [
        (tenant.teen, "ingest", "forbidden", None, None),
        (tenant.teen, "read_audit_log", "forbidden", None, None),
        (tenant.teen, "chat", "not_found", "session", "6f1c7d52-0c5e-4a53-9d0b-2f4f2a7c8b11"),
        (tenant.teen, "ingest", "forbidden", None, None),
        (tenant.teen, "embed", "not_found", "document", str(hidden)),
        (tenant.teen, "delete_document", "not_found", "document", str(hidden)),
    ]


def test_tokens_are_noted_when_they_are_issued_used_misused_and_revoked(
    installation: Installation, tenant: Tenant
) -> None:
    member = {"tenant_id": tenant.id, "user_member_id": tenant.adult}
    private = store(installation, tenant, tenant.adult, "private")
    token = installation.run("f/operations/issue_session_token", **member).data["session_token"]
    search = partial(installation.run, "f/chatbot/search", query="therapist", session_token=token)
    search().done()
    search(user_member_id=tenant.admin).refused(403)
    installation.run("f/operations/revoke_session_token", **member).done()
    search().refused(401)

    found = entries(installation, tenant)
    [signed] = [entry["token_id"] for entry in found if entry["action"] == "read_document"]
    assert sorted(told(found), key=str) == sorted(
        [
            (None, "search", "unauthorized", "member", str(tenant.adult)),
            (None, "revoke_session_token", "done", "token", signed),
            (None, "revoke_session_token", "done", "member", str(tenant.adult)),
            (tenant.adult, "search", "forbidden", None, None),
            (tenant.adult, "read_document", "done", "document", str(private)),
            (None, "issue_session_token", "done", "token", signed),
            (None, "issue_session_token", "done", "member", str(tenant.adult)),
            (tenant.adult, "ingest", "done", "document", str(private)),
        ],
        key=str,
    )
    identities = {(entry["action"], entry["outcome"]): entry["identity"] for entry in found}
    assert identities["search", "unauthorized"] == "signed"
    assert identities["search", "forbidden"] == "signed"
    assert identities["read_document", "done"] == "signed"
    assert identities["issue_session_token", "done"] == "operator"
    assert identities["ingest", "done"] == "trusted"


def test_a_member_who_is_gone_is_noted_as_who_was_tried(installation: Installation, tenant: Tenant) -> None:
    installation.run("f/operations/remove_member", tenant_id=tenant.id, user_member_id=tenant.child).done()

    installation.run("f/chatbot/search", query="a", tenant_id=tenant.id, user_member_id=tenant.child).refused(404)

    assert told(entries(installation, tenant))[0] == (None, "search", "not_found", "member", str(tenant.child))


def test_no_entry_holds_content(installation: Installation, tenant: Tenant) -> None:
    for visibility in ("everyone", "admins_only"):
        store(installation, tenant, tenant.admin, visibility, category="therapy KX-4711", tags=["therapist"])
    installation.run(
        "f/chatbot/chat", tenant_id=tenant.id, user_member_id=tenant.admin, question="the therapist's panic?"
    ).done()
    installation.run(
        "f/operations/change_member", tenant_id=tenant.id, user_member_id=tenant.teen, name="KX-4711"
    ).done()

    rows = installation.query("SELECT a::text AS text FROM audit_log AS a WHERE tenant_id = %s", (tenant.id,))
    assert len(rows) >= 4
    for row in rows:
        assert not any(word in row["text"] for word in ("therapist", "KX-4711", "panic", "Note"))


def test_admins_alone_read_it_page_by_page_and_their_own_tenants_only(
    installation: Installation, tenant: Tenant
) -> None:
    other = installation.new_tenant()
    documents = [store(installation, tenant, member, "everyone") for member in (tenant.adult, tenant.teen)]
    store(installation, other, other.adult, "everyone")
    run = partial(installation.run, READ, tenant_id=tenant.id)
    for member in (tenant.adult, tenant.teen, tenant.child, None):
        run(user_member_id=member).refused(403, "forbidden")
    run(user_member_id=tenant.admin, user_member_type="adult").refused(403, "forbidden")

    first = run(user_member_id=tenant.admin, limit=1, action="ingest").data
    second = run(user_member_id=tenant.admin, limit=1, action="ingest", before=first["next_before"]).data

    assert [page["entries"][0]["target_id"] for page in (first, second)] == [str(d) for d in reversed(documents)]
    assert (first["has_more"], second["has_more"], second["next_before"]) == (True, False, None)
    run(user_member_id=tenant.admin, before="7").refused(422, "invalid_argument")
    run(user_member_id=tenant.admin, since="yesterday").refused(422, "invalid_argument")
    assert run(user_member_id=tenant.admin, since="2100-01-01").data["entries"] == []


def test_who_tries_without_end_does_not_fill_the_log_without_end(installation: Installation, tenant: Tenant) -> None:
    installation.query("UPDATE tenants SET requests_per_minute = 2 WHERE id = %s", (tenant.id,))

    for _ in range(4):
        installation.run("f/chatbot/search", query="a", tenant_id=tenant.id, user_member_id=2_000_000_000).refused(404)

    assert len(installation.query("SELECT 1 FROM audit_log WHERE tenant_id = %s", (tenant.id,))) == 2
