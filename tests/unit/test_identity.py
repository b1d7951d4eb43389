"""Who calls, as far as that is known without a database: session tokens, receipts, modes and keys."""

import time
import uuid
from collections.abc import Callable

import pytest
import wmill

from f.core.errors import Forbidden, KnowledgeError, Misconfigured, Unauthorized
from f.core.identity import (
    IDENTITY_MODE,
    SIGNING_KEYS,
    Caller,
    identify,
    sign_receipt,
    sign_token,
    verify_receipt,
    verify_token,
)
from f.core.job import script

KEY, OTHER_KEY = "the-key-of-this-installation-0123456789", "the-key-of-another-installation-0123456789"
TENANT, OTHER_TENANT, TOKEN = str(uuid.uuid4()), str(uuid.uuid4()), str(uuid.uuid4())
MEMBER = 7


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the installation's variables say; nothing else of Windmill is there."""
    values = {IDENTITY_MODE: "trusted", SIGNING_KEYS: KEY}
    monkeypatch.delenv("WM_JOB_ID", raising=False)
    monkeypatch.setattr(wmill, "get_variable", values.__getitem__)
    return values


def token(seconds: int = 600, key: str = KEY) -> str:
    return sign_token(TOKEN, TENANT, MEMBER, int(time.time()) + seconds, [key])


def identified(
    tenant_id: object = None,
    user_member_id: object = None,
    session_token: object = None,
    user_member_type: object = None,
) -> Caller | type[KnowledgeError]:
    """Identify a caller as a script does; gives the kind of error where there is one."""
    found: list[Caller | type[KnowledgeError]] = []

    @script()
    def main() -> dict[str, object]:
        try:
            found.append(identify(tenant_id, user_member_id, user_member_type, session_token))
        except KnowledgeError as error:
            found.append(type(error))
        return {}

    main()
    return found[0]


def test_a_token_is_its_member_and_a_claim_narrows_it() -> None:
    assert identified(session_token=token()) == Caller(TENANT, MEMBER, None, TOKEN)
    assert identified(TENANT.upper(), MEMBER, token(), "teen") == Caller(TENANT, MEMBER, "teen", TOKEN)


def _changed(text: str, change: Callable[[str, str], str]) -> str:
    payload, _, signature = text.partition(".")
    return change(payload, signature)


@pytest.mark.parametrize(
    "forged",
    [
        token(key=OTHER_KEY),
        _changed(token(), lambda payload, signature: f"{payload}."),
        _changed(token(), lambda payload, signature: payload),
        _changed(token(), lambda payload, signature: f"A{payload}.{signature}"),
        _changed(token(), lambda payload, signature: f"{payload}.{signature[::-1]}"),
        _changed(token(), lambda payload, signature: f"{payload}.{token(seconds=99).partition('.')[2]}"),
        sign_token(TOKEN, TENANT, MEMBER, 2_000_000_000, [""]),
        "a.b",
    ],
)
def test_what_no_key_of_the_installation_has_signed_is_no_token(forged: str) -> None:
    assert identified(session_token=forged) is Unauthorized
    with pytest.raises(Unauthorized):
        verify_token(forged, [KEY], 0)


def test_a_token_is_over_at_its_time() -> None:
    assert identified(session_token=token(seconds=-1)) is Unauthorized
    signed = sign_token(TOKEN, TENANT, MEMBER, 1_000, [KEY])
    assert verify_token(signed, [OTHER_KEY, KEY], 999.9) == Caller(TENANT, MEMBER, None, TOKEN)
    with pytest.raises(Unauthorized):
        verify_token(signed, [KEY], 1_000.0)


def test_a_receipt_is_no_token_and_a_token_no_receipt() -> None:
    content = {"id": TOKEN, "tenant": TENANT, "member": MEMBER, "expires": 4_000_000_000}

    assert verify_receipt(sign_receipt(content, [KEY]), [KEY]) == content
    assert verify_receipt(token(), [KEY]) is None
    assert identified(session_token=sign_receipt(content, [KEY])) is Unauthorized


def test_an_argument_that_contradicts_the_token_is_refused() -> None:
    assert identified(OTHER_TENANT, None, token()) is Forbidden
    assert identified(None, MEMBER + 1, token()) is Forbidden
    assert identified(TENANT, MEMBER + 1, token()) is Forbidden
    assert identified(OTHER_TENANT, MEMBER, token()) is Forbidden


def test_a_back_end_is_believed_where_it_may_be_and_nowhere_else(variables: dict[str, str]) -> None:
    assert identified(TENANT, MEMBER, None, "teen") == Caller(TENANT, MEMBER, "teen")

    variables[IDENTITY_MODE] = "signed"
    assert identified(TENANT, MEMBER) is Unauthorized
    assert identified(TENANT) is Unauthorized
    assert identified(session_token=token()) == Caller(TENANT, MEMBER, None, TOKEN)

    for mode in ("", "off", "Trusted", "SIGNED"):
        variables[IDENTITY_MODE] = mode
        assert identified(TENANT, MEMBER) is Misconfigured, mode


@pytest.mark.parametrize("keys", ["", "  ", "short", f"{KEY} short", KEY[:31]])
def test_without_long_keys_nobody_is_let_in(variables: dict[str, str], keys: str) -> None:
    variables[SIGNING_KEYS] = keys

    assert identified(session_token=token()) is Misconfigured
