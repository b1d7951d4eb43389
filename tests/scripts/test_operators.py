"""Operators' scripts over HTTP: tenants, members, tokens, health."""

import secrets
from datetime import datetime
from functools import partial

from tests.support.cloud import COHERE_KEY, GROQ_KEY, Cloud, in_parallel, insert_documents, row_counts
from tests.support.installation import Installation, Json
from tests.support.provider_faults import hang, status

CREATE, ADD, ISSUE, HEALTH = (
    f"f/operations/{name}" for name in ("create_tenant", "add_member", "issue_session_token", "check_health")
)


def new_slug() -> str:
    return f"s-{secrets.token_hex(6)}"


def test_a_tenant_is_created_as_it_is_described(installation: Installation) -> None:
    slug = new_slug()
    described: Json = {
        "name": "  Σχολείο 🏫 ", "slug": slug, "kind": "school", "language": "greek", "retention_days": 0,
        "admins_see_private": False,
    }  # fmt: skip
    tenant_id = installation.run(CREATE, **described).data["tenant_id"]

    [row] = installation.query("SELECT * FROM tenants WHERE id = %s", (tenant_id,))
    assert {key: row[key] for key in described} == described | {"name": "Σχολείο 🏫"}
    [plain] = installation.query(
        "SELECT * FROM tenants WHERE id = %s",
        (installation.run(CREATE, name="Plain", slug=new_slug()).data["tenant_id"],),
    )
    assert (plain["kind"], plain["language"], plain["retention_days"]) == ("family", "english", 30)
    assert plain["admins_see_private"] is True
    assert set(row_counts(installation, tenant_id).values()) == {0}


def test_a_slug_can_be_taken_once_even_at_the_same_moment(installation: Installation) -> None:
    slug = new_slug()

    replies = in_parallel([lambda: installation.run(CREATE, name="Twice", slug=slug)] * 4)

    assert sorted(reply.status for reply in replies) == [200, 409, 409, 409]
    sentence = installation.run(CREATE, name="Other", slug=slug).refused(409, "conflict")
    assert "slug" in sentence
    assert installation.query("SELECT count(*) AS n FROM tenants WHERE slug = %s", (slug,))[0]["n"] == 1


def test_an_address_that_two_tenants_add_at_the_same_moment_is_one_account(installation: Installation) -> None:
    tenants = [installation.new_tenant().id for _ in range(6)]
    address = f"{secrets.token_hex(6)}@example.org"
    add = [partial(installation.run, ADD, tenant_id=t, name="M", member_type="adult", email=address) for t in tenants]

    assert [reply.status for reply in in_parallel(add, at_once=6)] == [200] * 6
    assert len(installation.query("SELECT id FROM users WHERE email = %s", (address,))) == 1


def test_an_address_is_one_account_in_many_tenants_and_once_in_each(installation: Installation) -> None:
    one, two = (installation.run(CREATE, name="Family", slug=new_slug()).data["tenant_id"] for _ in range(2))
    address = f"Maria.{secrets.token_hex(4)}@Example.org"

    first = installation.run(ADD, tenant_id=one, name="Maria", member_type="adult", email=address).data
    second = installation.run(ADD, tenant_id=two, name="Maria P.", member_type="admin", email=address.upper()).data
    before = row_counts(installation)
    for spelled in (address, address.lower(), f" {address.upper()} "):
        sentence = installation.run(ADD, tenant_id=one, name="M.", member_type="teen", email=spelled).refused(409)
        assert "e-mail" in sentence

    members = installation.query(
        "SELECT m.tenant_id, m.id, m.name, m.member_type, u.email FROM family_members AS m JOIN users AS u "
        "ON u.id = m.user_id WHERE u.email = lower(%s) ORDER BY m.created_at",
        (address,),
    )
    assert [(str(row["tenant_id"]), row["id"], row["name"], row["member_type"]) for row in members] == [
        (one, first["user_member_id"], "Maria", "adult"), (two, second["user_member_id"], "Maria P.", "admin"),
    ]  # fmt: skip
    assert {row["email"] for row in members} == {address.lower()}
    assert row_counts(installation) == before


def test_members_without_an_address_are_added_as_often_as_asked(installation: Installation) -> None:
    tenant = installation.new_tenant()
    ids = [
        installation.run(ADD, tenant_id=tenant.id, name="Nikos", member_type="child", email=email).data[
            "user_member_id"
        ]
        for email in (None, "")
    ]

    assert len(set(ids)) == 2


def test_a_token_is_its_member_until_it_ends(installation: Installation) -> None:
    tenant, other = installation.new_tenant(), installation.new_tenant()
    [hidden] = insert_documents(installation, tenant, ["The will of the grandmother."])
    installation.query("UPDATE documents SET visibility = 'adults_only' WHERE id = %s", (hidden,))

    def token_of(member: int, **more: object) -> str:
        issued = installation.run(ISSUE, tenant_id=tenant.id, user_member_id=member, **more).data
        left = datetime.fromisoformat(issued["expires_at"]).timestamp() - datetime.now().timestamp()
        assert abs(left - int(str(more.get("valid_seconds", 3600)))) < 60
        return str(issued["session_token"])

    adult, teen = token_of(tenant.adult), token_of(tenant.teen, valid_seconds=60)
    search = {"query": "will grandmother"}
    assert installation.run("f/chatbot/search", **search, session_token=adult).data["total"] == 1
    assert installation.run("f/chatbot/search", **search, session_token=adult, tenant_id=tenant.id).data["total"] == 1
    assert installation.run("f/chatbot/search", **search, session_token=teen).data["total"] == 0
    narrowed = installation.run("f/chatbot/search", **search, session_token=adult, user_member_type="teen").data
    assert narrowed["total"] == 0
    widened = installation.run("f/chatbot/search", **search, session_token=teen, user_member_type="admin").data
    assert widened["total"] == 0
    for contradiction in ({"tenant_id": other.id}, {"user_member_id": tenant.admin}):
        reply = installation.run("f/chatbot/search", **search, session_token=teen, **contradiction)
        reply.refused(403, "forbidden")
    forged = [
        teen[:-2],
        teen.replace(".", ".A", 1),
        teen.partition(".")[0],
        f"{adult.partition('.')[0]}.{teen.partition('.')[2]}",
    ]
    for token in forged:
        installation.run("f/chatbot/search", **search, session_token=token).refused(401, "unauthorized")


def test_a_token_of_a_member_who_is_gone_opens_nothing(installation: Installation) -> None:
    tenant, other = installation.new_tenant(), installation.new_tenant()
    token = installation.run(ISSUE, tenant_id=tenant.id, user_member_id=tenant.adult).data["session_token"]
    installation.query("UPDATE family_members SET removed_at = now() WHERE id = %s", (tenant.adult,))

    installation.run("f/chatbot/search", query="will", session_token=token).refused(404)
    for member in (tenant.adult, other.adult):
        installation.run(ISSUE, tenant_id=tenant.id, user_member_id=member).refused(404, "not_found")


def test_health_of_an_offline_installation(installation: Installation) -> None:
    installation.new_tenant()

    health = installation.run(HEALTH).data

    assert health["status"] in ("ok", "degraded")  # other tests leave documents that have failed
    assert health["database"]["ok"] is True
    assert health["database"]["latency_ms"] >= 0
    assert health["schema_version"]
    assert health["tenants"] >= 1
    assert {provider["role"]: provider["ok"] for provider in health["providers"]} == {
        "embed": True, "rerank": True, "chat": True,
    }  # fmt: skip


def test_health_tells_which_provider_is_down_and_never_a_key(cloud: Cloud) -> None:
    installation = cloud.installation
    installation.query("UPDATE documents SET status = 'queued' WHERE status = 'failed'")
    tenant = installation.new_tenant()
    insert_documents(installation, tenant, ["One.", "Two."])
    well = installation.run(HEALTH).data

    assert well["status"] == "ok", well
    assert {provider["role"]: (provider["ok"], provider["problem"]) for provider in well["providers"]} == dict.fromkeys(
        ("embed", "rerank", "chat", "fallback_chat"), (True, None)
    )
    assert well["backlog"]["queued"] >= 2
    cloud.groq.fail(status(503), times=None)
    down = installation.run(HEALTH)
    assert down.data["status"] == "degraded"
    assert [provider["role"] for provider in down.data["providers"] if not provider["ok"]] == ["chat"]
    cloud.reset()
    cloud.cohere.fail(hang(), times=None)
    installation.set_variable("f/chatbot/groq_key", "gsk-SECRET-wrong")
    silent = installation.run(HEALTH)
    assert not any(provider["ok"] for provider in silent.data["providers"])
    assert all(provider["latency_ms"] < 8_000 for provider in silent.data["providers"])
    cloud.reset()
    installation.query("UPDATE documents SET status = 'failed' WHERE tenant_id = %s", (tenant.id,))
    failed = installation.run(HEALTH)
    assert failed.data["status"] == "degraded"
    assert failed.data["backlog"]["failed"] == 2
    installation.query("UPDATE documents SET status = 'queued' WHERE tenant_id = %s", (tenant.id,))
    for reply in (down, silent, failed):
        assert COHERE_KEY not in reply.text
        assert GROQ_KEY not in reply.text
        assert "SECRET" not in reply.text


def test_health_tells_of_settings_that_are_wrong_and_of_a_database_that_is_down(cloud: Cloud) -> None:
    installation = cloud.installation
    workspace = installation.stack.server.workspace
    before = workspace.resources["f/chatbot/postgres_db"]["value"]
    installation.set_ai_settings({"provider": "clouds"})
    wrong = installation.run(HEALTH).data
    assert wrong["status"] == "degraded"
    assert "ai_settings" in wrong["providers"][0]["problem"]
    cloud.use()
    workspace.set_resource("f/chatbot/postgres_db", {**before, "port": 1}, "postgresql")
    try:
        down = installation.run(HEALTH)
        crashed = installation.run("f/chatbot/search", tenant_id=installation.new_tenant().id, query="roof")
    finally:
        workspace.set_resource("f/chatbot/postgres_db", before, "postgresql")

    assert down.data["status"] == "down"
    assert down.data["database"]["ok"] is False
    assert down.data["backlog"] is None
    assert "database does not answer" in crashed.crashed()
    for reply in (down, crashed):
        assert installation.stack.credentials.app_password not in reply.text
