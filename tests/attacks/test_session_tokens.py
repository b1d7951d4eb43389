"""Session tokens: whoever holds one is its member, nobody else, and not for longer; and nobody can make one."""

import base64
import json
import time
import uuid
from collections.abc import Iterator
from functools import partial

import pytest

from f.core.identity import sign_receipt, sign_token
from tests.attacks.every_script import ENOUGH, FLOWS, MEMBER_FLOWS, MEMBER_SCRIPTS
from tests.attacks.hostile import leaks, nothing_changes
from tests.conftest import InstallationMaker
from tests.support.cloud import in_parallel
from tests.support.installation import Installation, Reply, Tenant

OTHER_KEY = "another-key-of-sufficient-length-000"
KEYS, MODE = "f/chatbot/session_signing_keys", "f/chatbot/identity_mode"
NOTHING_TO_DO = {
    # An adult is no admin, and there is no such document or session.
    "f/chatbot/read_audit_log": 403,
    "f/chatbot/embed": 404,
    "f/chatbot/delete_document": 404,
    "f/chatbot/compare_versions": 404,
    "f/chatbot/change_document": 404,
    "f/chatbot/get_document": 404,
    "f/chatbot/list_versions": 404,
    "f/chatbot/restore_document": 404,
    "f/chatbot/restore_version": 404,
    "f/chatbot/retry_document": 404,
    "f/chatbot/update_document": 404,
    "f/chatbot/find_dates": 404,
    "f/chatbot/find_duplicates": 404,
    "f/chatbot/related_documents": 404,
    "f/chatbot/suggest_tags": 404,
    "f/chatbot/suggest_category": 404,
    "f/chatbot/read_session": 404,
    "f/chatbot/revoke_calendar_feed": 404,
}
"""How an adult's calls end who is let in, where that is no success."""


@pytest.fixture(scope="module")
def tenant(installation: Installation) -> Tenant:
    made = installation.new_tenant()
    installation.add_document(made, "The code of the safe is KX-4711.", "Safe", visibility="admins_only")
    return made


@pytest.fixture(scope="module")
def key(installation: Installation) -> str:
    return installation.stack.credentials.session_signing_key


def token_for(installation: Installation, tenant: Tenant, member: int, key: str, seconds: int = 600) -> str:
    """Make a token that the database knows, if there is such a member, and sign it with any key."""
    token = str(uuid.uuid4())
    installation.query(
        "INSERT INTO session_tokens (tenant_id, id, member_id, expires_at)"
        " SELECT tenant_id, %s, id, now() + '1 hour' FROM family_members WHERE tenant_id = %s AND id = %s",
        (token, tenant.id, member),
    )
    return sign_token(token, tenant.id, member, int(time.time()) + seconds, [key])


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
    good, another = (token_for(installation, tenant, member, key) for member in (tenant.teen, tenant.admin))
    payload, _, signature = good.partition(".")
    other = installation.new_tenant()
    bad = {
        "signed by another key": token_for(installation, tenant, tenant.admin, OTHER_KEY),
        "signed by no key": token_for(installation, tenant, tenant.admin, ""),
        "signed by the public part of the key": token_for(installation, tenant, tenant.admin, key[:32]),
        "of another member": forged(good, member=tenant.admin),
        "of another tenant": forged(good, tenant=other.id),
        "put off": forged(good, expires=4_000_000_000),
        "with a type": forged(good, type="admin"),
        "without a signature": f"{payload}.",
        "without a dot": payload,
        "without a payload": f".{signature}",
        "with the signature of another": f"{payload}.{another.partition('.')[2]}",
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
    assert "KX-4711" not in reply.text


def test_an_expired_token_is_refused(installation: Installation, tenant: Tenant, key: str) -> None:
    reply = search(installation, token_for(installation, tenant, tenant.admin, key, -1))

    assert reply.refused(401, "unauthorized") == "The session token has expired."


def test_arguments_that_contradict_the_token_are_refused(installation: Installation, tenant: Tenant, key: str) -> None:
    other = installation.new_tenant()
    token = token_for(installation, tenant, tenant.teen, key)

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
    as_admin = partial(search, installation, token_for(installation, tenant, tenant.admin, key))
    as_teen = partial(search, installation, token_for(installation, tenant, tenant.teen, key))

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
        search(installation, token_for(installation, tenant, member, key)).refused(404, "not_found")


def issue(installation: Installation, tenant: Tenant, member: int) -> str:
    data = installation.run("f/operations/issue_session_token", tenant_id=tenant.id, user_member_id=member).data
    return str(data["session_token"])


def test_a_token_that_was_revoked_is_worth_nothing_and_others_are_what_they_were(installation: Installation) -> None:
    tenant = installation.new_tenant()
    first, second, of_another = (issue(installation, tenant, m) for m in (tenant.adult, tenant.adult, tenant.admin))
    revoke = partial(installation.run, "f/operations/revoke_session_token", tenant_id=tenant.id)

    assert revoke(user_member_id=tenant.adult, session_token=first).data == {"revoked": 1}
    assert search(installation, first).refused(401, "unauthorized") == "The session token has been revoked."
    assert search(installation, second).status == 200
    assert revoke(user_member_id=tenant.adult, session_token=first).data == {"revoked": 0}

    assert revoke(user_member_id=tenant.adult).data == {"revoked": 1}
    search(installation, second).refused(401, "unauthorized")
    assert search(installation, of_another).status == 200


def test_a_token_is_revoked_by_its_member_and_tenant_only(installation: Installation) -> None:
    tenant, other = installation.new_tenant(), installation.new_tenant()
    token = issue(installation, tenant, tenant.adult)
    revoke = partial(installation.run, "f/operations/revoke_session_token", session_token=token)

    with nothing_changes(installation):
        revoke(tenant_id=tenant.id, user_member_id=tenant.admin).refused(422, "invalid_argument")
        revoke(tenant_id=other.id, user_member_id=other.adult).refused(422, "invalid_argument")
        revoke(tenant_id=other.id, user_member_id=tenant.adult).refused(422, "invalid_argument")
        forged = partial(installation.run, "f/operations/revoke_session_token", session_token="a.b")
        forged(tenant_id=tenant.id, user_member_id=tenant.adult).refused(401, "unauthorized")
    assert search(installation, token).status == 200


def test_a_signature_alone_opens_nothing_even_with_the_true_key(
    installation: Installation, tenant: Tenant, key: str
) -> None:
    """Whoever has stolen the key can sign, but not put a token into the database."""
    expires = int(time.time()) + 600
    other = installation.new_tenant()
    known = {member: uuid_of(token_for(installation, tenant, member, key)) for member in (tenant.admin, tenant.teen)}
    never_issued = {
        "of no token": sign_token(str(uuid.uuid4()), tenant.id, tenant.admin, expires, [key]),
        "of another member's token": sign_token(known[tenant.teen], tenant.id, tenant.admin, expires, [key]),
        "of another tenant's token": sign_token(known[tenant.admin], other.id, other.admin, expires, [key]),
    }
    for what, token in never_issued.items():
        assert search(installation, token).refused(401) == "The session token has been revoked.", what


def uuid_of(token: str) -> str:
    """Read what a token calls itself."""
    payload = token.partition(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["id"])


def test_a_receipt_is_no_token(installation: Installation, tenant: Tenant, key: str) -> None:
    content = {"id": str(uuid.uuid4()), "tenant": tenant.id, "member": tenant.admin, "expires": 4_000_000_000}

    assert search(installation, sign_receipt(content, [key])).refused(401) == "The session token is not valid."


def test_a_member_who_is_removed_or_lowered_sees_the_less_at_once_under_the_same_token(
    installation: Installation,
) -> None:
    tenant = installation.new_tenant()
    installation.add_document(tenant, "The code of the safe is KX-4711.", "Safe", visibility="admins_only")
    token = issue(installation, tenant, tenant.admin)
    assert search(installation, token).data["total"] == 1

    who = {"tenant_id": tenant.id, "user_member_id": tenant.admin}
    assert installation.run("f/operations/change_member", member_type="adult", **who).data["member_type"] == "adult"
    assert search(installation, token).data["total"] == 0

    assert installation.run("f/operations/remove_member", **who).data["revoked"] == 1
    search(installation, token).refused(404, "not_found")
    search(installation, None, **who).refused(404, "not_found")


@pytest.fixture
def key_variable(installation: Installation, key: str) -> Iterator[None]:
    """Let a test change the keys."""
    yield
    installation.set_variable(KEYS, key)


def test_keys_can_be_changed_without_ending_sessions_and_a_withdrawn_key_is_worth_nothing(
    installation: Installation, tenant: Tenant, key: str, key_variable: None
) -> None:
    old = token_for(installation, tenant, tenant.admin, key)
    installation.set_variable(KEYS, f"{OTHER_KEY} {key}")
    issued = installation.run(
        "f/operations/issue_session_token", tenant_id=tenant.id, user_member_id=tenant.admin
    ).data["session_token"]

    assert search(installation, old).data["total"] == 1
    assert search(installation, issued).data["total"] == 1
    search(installation, token_for(installation, tenant, tenant.admin, f"{OTHER_KEY} {key}")).refused(
        401, "unauthorized"
    )

    installation.set_variable(KEYS, OTHER_KEY)
    search(installation, old).refused(401, "unauthorized")
    assert search(installation, issued).data["total"] == 1


@pytest.mark.parametrize("keys", ["   ", f"{OTHER_KEY} short"])
def test_missing_or_short_keys_let_nobody_in(
    installation: Installation, tenant: Tenant, key: str, key_variable: None, keys: str
) -> None:
    token = token_for(installation, tenant, tenant.admin, key)
    installation.set_variable(KEYS, keys)
    for each in (token, token_for(installation, tenant, tenant.admin, keys)):
        reply = search(installation, each)
        assert reply.status == 422, reply.text
        assert reply.body["error"]["name"] == "Misconfigured"
        assert leaks(installation, reply.text) == []


@pytest.fixture(scope="module")
def signed(make_installation: InstallationMaker) -> Installation:
    """An installation in which a session token is required."""
    made = make_installation(measured=False)
    made.set_variable(MODE, "signed")
    return made


@pytest.fixture
def mode(signed: Installation) -> Iterator[Installation]:
    """Let a test change the mode."""
    yield signed
    signed.set_variable(MODE, "signed")


def every_call(installation: Installation, **identity: object) -> dict[str, Reply]:
    """Call every script and flow of members."""
    paths = (*MEMBER_SCRIPTS, *MEMBER_FLOWS)
    calls = [
        partial(installation.flow if path in FLOWS else installation.run, path, **ENOUGH[path], **identity)
        for path in paths
    ]
    return dict(zip(paths, in_parallel(calls), strict=True))


def test_signed_mode_refuses_every_call_without_a_token(signed: Installation) -> None:
    tenant = signed.new_tenant()
    with nothing_changes(signed):
        for path, reply in every_call(signed, tenant_id=tenant.id, user_member_id=tenant.admin).items():
            assert reply.refused(401, "unauthorized") == "A session_token is required.", path
        signed.run("f/chatbot/search", query="a", tenant_id=tenant.id).refused(401, "unauthorized")


def test_signed_mode_takes_tokens(signed: Installation) -> None:
    tenant = signed.new_tenant()
    token = token_for(signed, tenant, tenant.adult, signed.stack.credentials.session_signing_key)

    for path, reply in every_call(signed, session_token=token).items():
        assert reply.status == NOTHING_TO_DO.get(path, 200), f"{path}: {reply.text}"


def test_signed_mode_lets_all_tenants_work_go_on_which_tells_numbers_only(signed: Installation) -> None:
    """Background work names nobody; what stands before it is the right to read the operators' database resource."""
    tenant = signed.new_tenant()
    token = token_for(signed, tenant, tenant.adult, signed.stack.credentials.session_signing_key)
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
            mode.run(path, **ENOUGH[path], tenant_id=tenant.id, user_member_id=tenant.admin)
            for path in ("f/chatbot/search", "f/chatbot/ingest")
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
