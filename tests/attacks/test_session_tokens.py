"""Session tokens: whoever holds one is its member, nobody else, and not for longer; and nobody can make one."""

import base64
import json
import time
from collections.abc import Iterator
from functools import partial

import pytest

from f.core.identity import sign_token
from tests.attacks.hostile import MEMBER_SCRIPTS, leaks, nothing_changes
from tests.conftest import InstallationMaker
from tests.support.cloud import in_parallel
from tests.support.installation import Installation, Json, Reply, Tenant

OTHER_KEY = "another-key-of-sufficient-length-000"
KEYS, MODE = "f/chatbot/session_signing_keys", "f/chatbot/identity_mode"
CALLS: dict[str, Json] = {
    "ingest": {"title": "T", "content": "Text."},
    "embed": {},
    "search": {"query": "safe"},
    "chat": {"question": "safe?"},
    "log_usage": {"events": []},
}
FLOWS: dict[str, Json] = {"ingest_document": CALLS["ingest"], "answer_question": CALLS["chat"]}


@pytest.fixture(scope="module")
def tenant(installation: Installation) -> Tenant:
    made = installation.new_tenant()
    installation.add_document(made, "The code of the safe is 4711.", "Safe", visibility="admins_only")
    return made


@pytest.fixture(scope="module")
def key(installation: Installation) -> str:
    return installation.stack.credentials.session_signing_key


def token_for(tenant: Tenant, member: int, key: str, seconds: int = 600) -> str:
    return sign_token(tenant.id, member, int(time.time()) + seconds, [key])


def search(installation: Installation, token: object, **arguments: object) -> Reply:
    return installation.run("f/chatbot/search", query="code of the safe", session_token=token, **arguments)


def forged(token: str, **changed: object) -> str:
    """Change what a token says and keep its signature."""
    payload, _, signature = token.partition(".")
    content = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))) | changed
    return f"{base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b'=').decode()}.{signature}"


def test_a_token_is_its_member_with_all_they_see_and_no_more(installation: Installation, tenant: Tenant) -> None:
    for member, found in ((tenant.admin, 1), (tenant.teen, 0)):
        issued = installation.run("f/operations/issue_session_token", tenant_id=tenant.id, user_member_id=member).data

        assert search(installation, issued["session_token"]).data["total"] == found


def test_a_token_that_was_not_signed_here_or_was_changed_is_refused_in_one_and_the_same_way(
    installation: Installation, tenant: Tenant, key: str
) -> None:
    good = token_for(tenant, tenant.teen, key)
    payload, _, signature = good.partition(".")
    other = installation.new_tenant()
    bad = {
        "signed by another key": token_for(tenant, tenant.admin, OTHER_KEY),
        "signed by no key": token_for(tenant, tenant.admin, ""),
        "signed by the public part of the key": token_for(tenant, tenant.admin, key[:32]),
        "of another member": forged(good, member=tenant.admin),
        "of another tenant": forged(good, tenant=other.id),
        "put off": forged(good, expires=4_000_000_000),
        "with a type": forged(good, type="admin"),
        "without a signature": f"{payload}.",
        "without a dot": payload,
        "without a payload": f".{signature}",
        "with the signature of another": f"{payload}.{token_for(tenant, tenant.admin, key).partition('.')[2]}",
        "with a bit changed": f"{payload}.{('B' if signature[0] == 'A' else 'A') + signature[1:]}",
        "cut short": good[:-1],
        "made longer": f"{good}A",
        "in capitals": good.upper(),
        "of three parts": f"{base64.urlsafe_b64encode(b'{}').decode()}.{good}",
        "for no algorithm": "eyJhbGciOiJub25lIn0." + payload + ".",
        "no token": "admin",
        "a number in Arabic digits": "١٢٣",
    }
    replies = in_parallel([partial(search, installation, token) for token in bad.values()])

    for what, reply in zip(bad, replies, strict=True):
        assert reply.refused(401, "unauthorized") == "The session token is not valid.", what
    assert search(installation, good).status == 200


@pytest.mark.parametrize("token", [7, True, ["a"], {"a": 1}, "a" * 2_000, "a\0b"])
def test_what_is_no_text_of_a_tokens_length_is_refused(
    installation: Installation, tenant: Tenant, token: object
) -> None:
    reply = search(installation, token, tenant_id=tenant.id, user_member_id=tenant.admin)

    assert reply.status in (413, 422), reply.text
    assert "4711" not in reply.text


def test_an_expired_token_is_refused(installation: Installation, tenant: Tenant, key: str) -> None:
    reply = search(installation, token_for(tenant, tenant.admin, key, -1))

    assert reply.refused(401, "unauthorized") == "The session token has expired."


def test_arguments_that_contradict_the_token_are_refused(installation: Installation, tenant: Tenant, key: str) -> None:
    other = installation.new_tenant()
    token = token_for(tenant, tenant.teen, key)

    for contradiction in (
        {"tenant_id": other.id},
        {"user_member_id": tenant.admin},
        {"tenant_id": tenant.id, "user_member_id": other.teen},
        {"tenant_id": other.id, "user_member_id": other.teen},
    ):
        search(installation, token, **contradiction).refused(403, "forbidden")
    assert search(installation, token, tenant_id=tenant.id.upper(), user_member_id=tenant.teen).status == 200


def test_a_claimed_type_narrows_a_tokens_member_and_never_widens(
    installation: Installation, tenant: Tenant, key: str
) -> None:
    as_admin = partial(search, installation, token_for(tenant, tenant.admin, key))
    as_teen = partial(search, installation, token_for(tenant, tenant.teen, key))

    assert as_teen(user_member_type="admin").data["total"] == 0
    assert as_admin(user_member_type="teen").data["total"] == 0
    assert as_admin(user_member_type="admin").data["total"] == 1
    as_teen(user_member_type="system").refused(422, "invalid_argument")


def test_a_token_of_a_member_who_was_removed_or_never_was_is_worth_nothing(
    installation: Installation, tenant: Tenant, key: str
) -> None:
    other = installation.new_tenant()
    [removed] = installation.query(
        "INSERT INTO family_members (tenant_id, name, member_type, removed_at) VALUES (%s, 'Ex', 'admin', now())"
        " RETURNING id",
        (tenant.id,),
    )
    for member in (removed["id"], other.admin, 2_000_000_000):
        search(installation, token_for(tenant, member, key)).refused(404, "not_found")


@pytest.fixture
def key_variable(installation: Installation, key: str) -> Iterator[None]:
    """Let a test change the keys."""
    yield
    installation.set_variable(KEYS, key)


def test_keys_can_be_changed_without_ending_sessions_and_a_withdrawn_key_is_worth_nothing(
    installation: Installation, tenant: Tenant, key: str, key_variable: None
) -> None:
    old = token_for(tenant, tenant.admin, key)
    installation.set_variable(KEYS, f"{OTHER_KEY} {key}")
    issued = installation.run(
        "f/operations/issue_session_token", tenant_id=tenant.id, user_member_id=tenant.admin
    ).data["session_token"]

    assert search(installation, old).data["total"] == 1
    assert search(installation, issued).data["total"] == 1
    search(installation, token_for(tenant, tenant.admin, f"{OTHER_KEY} {key}")).refused(401, "unauthorized")

    installation.set_variable(KEYS, OTHER_KEY)
    search(installation, old).refused(401, "unauthorized")
    assert search(installation, issued).data["total"] == 1


@pytest.mark.parametrize("keys", ["   ", f"{OTHER_KEY} short"])
def test_missing_or_short_keys_let_nobody_in(
    installation: Installation, tenant: Tenant, key: str, key_variable: None, keys: str
) -> None:
    token = token_for(tenant, tenant.admin, key)
    installation.set_variable(KEYS, keys)
    for each in (token, token_for(tenant, tenant.admin, keys)):
        reply = search(installation, each)
        assert reply.status == 422, reply.text
        assert reply.body["error"]["name"] == "Misconfigured"
        assert leaks(installation, reply.text) == []


@pytest.fixture(scope="module")
def signed(make_installation: InstallationMaker) -> Installation:
    """An installation in which a session token is required."""
    made = make_installation()
    made.set_variable(MODE, "signed")
    return made


@pytest.fixture
def mode(signed: Installation) -> Iterator[Installation]:
    """Let a test change the mode."""
    yield signed
    signed.set_variable(MODE, "signed")


def every_call(installation: Installation, **identity: object) -> list[Reply]:
    """Call every script and flow of members."""
    calls = [partial(installation.run, f"f/chatbot/{name}", **CALLS[name], **identity) for name in MEMBER_SCRIPTS]
    calls += [partial(installation.flow, f"f/chatbot/{name}", **FLOWS[name], **identity) for name in FLOWS]
    return in_parallel(calls)


def test_signed_mode_refuses_every_call_without_a_token(signed: Installation) -> None:
    tenant = signed.new_tenant()
    with nothing_changes(signed):
        for reply in every_call(signed, tenant_id=tenant.id, user_member_id=tenant.admin):
            assert reply.refused(401, "unauthorized") == "A session_token is required."
        signed.run("f/chatbot/search", query="a", tenant_id=tenant.id).refused(401, "unauthorized")


def test_signed_mode_takes_tokens(signed: Installation) -> None:
    tenant = signed.new_tenant()
    token = token_for(tenant, tenant.adult, signed.stack.credentials.session_signing_key)

    for name, reply in zip((*MEMBER_SCRIPTS, *FLOWS), every_call(signed, session_token=token), strict=True):
        if name == "embed":
            # A member embeds one document, not the tenant's backlog.
            reply.refused(422, "invalid_argument")
        else:
            assert reply.data is not None, name


def test_signed_mode_lets_all_tenants_work_go_on_which_tells_numbers_only(signed: Installation) -> None:
    """Background work names nobody; what stands before it is the right to read the operators' database resource."""
    tenant = signed.new_tenant()
    token = token_for(tenant, tenant.adult, signed.stack.credentials.session_signing_key)
    signed.run("f/chatbot/ingest", title="Secret title", content="Secret text", session_token=token)

    reply = signed.run("f/chatbot/embed", all_tenants=True)

    assert reply.data["documents"] >= 1
    assert set(reply.data) == {"documents", "chunks", "failed", "remaining", "document_id", "status", "usage"}
    assert "Secret" not in reply.text
    assert tenant.id not in reply.text
    for mixed in ({"tenant_id": tenant.id}, {"user_member_id": 1}, {"session_token": "a.b"}, {"document_id": 1}):
        signed.run("f/chatbot/embed", all_tenants=True, **mixed).refused(422, "invalid_argument")


@pytest.mark.parametrize("value", ["", "Trusted", "off"])
def test_a_mode_that_is_neither_lets_nobody_in(mode: Installation, value: str) -> None:
    tenant = mode.new_tenant()
    mode.set_variable(MODE, value)
    with nothing_changes(mode):
        replies = [
            mode.run(f"f/chatbot/{name}", **CALLS[name], tenant_id=tenant.id, user_member_id=tenant.admin)
            for name in ("search", "ingest")
        ]
    for reply in replies:
        assert reply.status == 422, reply.text
        assert reply.body["error"]["name"] == "Misconfigured"


def test_a_missing_mode_lets_nobody_in(mode: Installation) -> None:
    tenant = mode.new_tenant()
    mode.stack.server.workspace.variables.pop(MODE)

    reply = mode.run("f/chatbot/search", query="a", tenant_id=tenant.id, user_member_id=tenant.admin)

    assert reply.status == 422, reply.text
    assert reply.body["error"]["name"] == "Misconfigured"
