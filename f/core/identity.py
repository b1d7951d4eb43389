"""Who calls: a signed session token, or a trusted back end that names a tenant and a member.

Shared module. It reads the variables ``f/chatbot/identity_mode`` and, for a token, ``f/chatbot/session_signing_keys``.
A token wins, and an argument that contradicts it is refused. What the caller says of the member's type can only narrow
what the database says; that is settled in ``enter_tenant`` (sql/functions), in the transaction that reads.

A token is ``<payload>.<signature>``: base64url of a JSON object {"id", "tenant", "member", "expires"}, and of the
HMAC-SHA-256 of that. It is valid only as long as the database knows its id and has not revoked it, which is looked at
in the same transaction. A signed statement of another kind, such as a receipt, is never taken for a token.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from f.core.arguments import identifier, is_missing, optional_choice, optional_id, optional_text
from f.core.errors import Forbidden, KnowledgeError, Misconfigured, Unauthorized
from f.core.job import read_variable, require_running_job, when_denied

MemberType = Literal["admin", "adult", "teen", "child"]
MEMBER_TYPES: tuple[MemberType, ...] = get_args(MemberType)

IDENTITY_MODE = "f/chatbot/identity_mode"
SIGNING_KEYS = "f/chatbot/session_signing_keys"
_SHORTEST_KEY = 32
LONGEST_TOKEN = 1_000
_TOKEN, _RECEIPT = "session", "receipt"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as far as it is known before the database has been asked.

    Attributes:
        tenant_id: The tenant.
        member_id: The member, or None for a back end that names none.
        claimed_type: A type that narrows the member's own; ``system`` for background work, which no caller can name.
        token_id: The session token under which the member acts, if any.
    """

    tenant_id: str
    member_id: int | None = None
    claimed_type: MemberType | Literal["system"] | None = None
    token_id: str | None = None

    @property
    def is_named(self) -> bool:
        """Whether the caller acts for somebody, and not as the tenant's own back end."""
        return self.member_id is not None or self.claimed_type is not None


def identify(tenant_id: object, user_member_id: object, user_member_type: object, session_token: object) -> Caller:
    """Tell who calls, from the four arguments that every script of a member takes.

    What the caller is denied from then on is noted in the tenant's audit log.

    Raises:
        InvalidArgument: When an argument is malformed.
        Unauthorized: When the token is wrong or expired, or one is required.
        Forbidden: When an argument contradicts the token.
    """
    member_id = optional_id("user_member_id", user_member_id)
    claimed = optional_choice("user_member_type", user_member_type, MEMBER_TYPES)
    token = optional_text("session_token", session_token, LONGEST_TOKEN)
    if token is None:
        mode = read_variable(IDENTITY_MODE)
        if mode == "signed":
            raise Unauthorized("A session_token is required.")
        if mode != "trusted":
            raise Misconfigured(f"The variable {IDENTITY_MODE} must be trusted or signed.")
        return _noted(Caller(identifier("tenant_id", tenant_id), member_id, claimed))
    named, expires = _read_token(token, signing_keys())
    _noted(named)
    _check_time(expires, time.time())
    if not is_missing(tenant_id) and identifier("tenant_id", tenant_id) != named.tenant_id:
        raise Forbidden("tenant_id contradicts the session token.")
    if member_id is not None and member_id != named.member_id:
        raise Forbidden("user_member_id contradicts the session token.")
    return Caller(named.tenant_id, named.member_id, claimed, named.token_id)


def background(tenant_id: str) -> Caller:
    """Return the caller of background work, which sees all of one tenant. Only for a running job."""
    require_running_job()
    return Caller(tenant_id, None, "system")


def signing_keys() -> list[str]:
    """Read the keys: the first signs, all verify, so that keys can be changed without ending sessions."""
    keys = read_variable(SIGNING_KEYS).split()
    if not keys or any(len(key) < _SHORTEST_KEY for key in keys):
        raise Misconfigured(f"The variable {SIGNING_KEYS} needs keys of at least {_SHORTEST_KEY} characters.")
    return keys


def sign_token(token_id: str, tenant_id: str, member_id: int, expires: int, keys: list[str]) -> str:
    """Make a token; whoever makes one has to put its id into ``session_tokens``.

    Args:
        token_id: Its own id.
        tenant_id: The tenant.
        member_id: The member.
        expires: When it ends, in seconds since 1970.
        keys: The first one signs.
    """
    return _signed(_TOKEN, {"id": token_id, "tenant": tenant_id, "member": member_id, "expires": expires}, keys)


def verify_token(token: str, keys: list[str], now: float) -> Caller:
    """Check a token's signature and time, and tell whom it names.

    Raises:
        Unauthorized: When it is malformed, signed by none of the keys, or expired. One message for all but the last.
    """
    named, expires = _read_token(token, keys)
    _check_time(expires, now)
    return named


def token_named(token: str, keys: list[str]) -> Caller:
    """Tell whom a token names, even when its time is over.

    Raises:
        Unauthorized: When it is malformed or signed by none of the keys.
    """
    return _read_token(token, keys)[0]


def sign_receipt(content: dict[str, Any], keys: list[str]) -> str:
    """Sign a statement, so that it can be shown later that it was made here."""
    return _signed(_RECEIPT, content, keys)


def verify_receipt(receipt: str, keys: list[str]) -> dict[str, Any] | None:
    """Return what a receipt states, or None when it was signed by none of the keys."""
    return _verified(_RECEIPT, receipt, keys)


def _noted(caller: Caller) -> Caller:
    """See to it that what this caller is denied from now on is noted."""

    def note(error: KnowledgeError) -> None:
        from f.core.audit import note_denial  # noqa: PLC0415 -- few calls are denied

        note_denial(caller, error)

    when_denied(note)
    return caller


def _read_token(token: str, keys: list[str]) -> tuple[Caller, int]:
    """Check a token's signature; return whom it names, and when it ends."""
    content = _verified(_TOKEN, token, keys)
    if content is None or "id" not in content:
        raise Unauthorized("The session token is not valid.")
    return Caller(content["tenant"], content["member"], None, content["id"]), content["expires"]


def _check_time(expires: int, now: float) -> None:
    """Refuse a token whose time is over."""
    if expires <= now:
        raise Unauthorized("The session token has expired.")


def _signed(kind: str, content: dict[str, Any], keys: list[str]) -> str:
    """Write a content with its signature."""
    payload = _encode(json.dumps(content).encode())
    return f"{payload}.{_encode(_signature(kind, payload, keys[0]))}"


def _verified(kind: str, text: str, keys: list[str]) -> dict[str, Any] | None:
    """Return the content of what one of the keys has signed as this kind; compared in constant time, with every key."""
    payload, _, signature = text.partition(".")
    given = _decode(signature)
    if not any([hmac.compare_digest(given, _signature(kind, payload, key)) for key in keys]):  # noqa: C419 -- tries all
        return None
    return cast("dict[str, Any]", json.loads(_decode(payload)))


def _signature(kind: str, payload: str, key: str) -> bytes:
    """HMAC-SHA-256 of a payload, for what it is: the signature of a receipt is none of a token."""
    return hmac.new(key.encode(), f"family-brain {kind}\n{payload}".encode(), hashlib.sha256).digest()


def _encode(value: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _decode(value: str) -> bytes:
    """Base64url without padding; what is malformed decodes to nothing, which no key has signed."""
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
