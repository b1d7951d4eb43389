"""Notices by webhook: one POST request each, signed.

Shared module. It reads the resource ``f/operations/notice_webhook`` (url, signing_secret). Requests are signed as the
specification Standard Webhooks says, so that a receiver checks them with a library: HMAC-SHA256 over the delivery's id,
the time and the body, in the headers webhook-id, webhook-timestamp and webhook-signature. The id is the same in every
try: by it a receiver tells a repeat. 2xx is taken; by contract 408, 425, 429 and 503 say that the request was not taken
for now, and 409, 410, 413 and 422 that this one never will be. Every other 3xx and 4xx is about the address, the secret
or what stands between, and not about the notice: it waits, and the run fails so that somebody sees to it. Redirects are
not followed, and the answer's body is not read.
"""

# extra_requirements:
# httpx==0.28.1

import base64
import binascii
import hashlib
import hmac
import ipaddress
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from f.core.errors import ChannelUnavailable, Misconfigured
from f.core.job import read_resource, tls_context
from f.core.notice_delivery import Fate, Notice

WEBHOOK = "f/operations/notice_webhook"
_TIMEOUT_SECONDS = 10
_SECRET_PREFIX = "whsec_"  # noqa: S105 -- how a secret begins, not one
_SHORTEST_SECRET_BYTES = 24
_NOT_TAKEN = (408, 425, 429, 503)
_NEVER_TAKEN = (409, 410, 413, 422)
_MAY_BE_THE_SIGNATURE = 400
_HIGHEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Where notices are posted, and the key that signs them."""

    url: str
    key: bytes = field(repr=False)


def webhook_settings() -> WebhookSettings | None:
    """Read where notices are posted; None when no address is named, because the webhook is not set up.

    Raises:
        Misconfigured: When what is there cannot be used.
    """
    value = read_resource(WEBHOOK)
    url = str(value.get("url") or "").strip() if isinstance(value, dict) else ""
    if not url or not isinstance(value, dict):
        return None
    if not _is_safe(url):
        raise Misconfigured(f"The url of {WEBHOOK} must be an address that begins with https://.")
    secret = str(value.get("signing_secret") or "")
    try:
        key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_SECRET_PREFIX) or len(key) < _SHORTEST_SECRET_BYTES:
        raise Misconfigured(
            f"The signing_secret of {WEBHOOK} must be {_SECRET_PREFIX} and at least {_SHORTEST_SECRET_BYTES} random "
            "bytes in base64."
        )
    return WebhookSettings(url, key)


def webhook_client() -> httpx.Client:
    """Return the client that all requests of a run share."""
    return httpx.Client(verify=tls_context(), timeout=_TIMEOUT_SECONDS, follow_redirects=False)


def post(client: httpx.Client, settings: WebhookSettings, notices: Sequence[Notice]) -> Fate:
    """Post one notice, the first, and say what became of it."""
    notice = notices[0]
    body = _body(notice)
    headers = _headers(settings.key, notice.delivery_id, int(time.time()), body)
    try:
        with client.stream("POST", settings.url, content=body, headers=headers) as answer:
            return _by_status(answer.status_code, answer.headers.get("retry-after", ""))
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
        trouble = ChannelUnavailable(
            "The webhook's server does not answer, or its certificate cannot be trusted; what is due waits."
        )
        return Fate("waiting", "The webhook's server cannot be reached.", trouble=trouble)
    except (httpx.InvalidURL, UnicodeError):  # raised while a request is made, before anything is sent
        unusable = Misconfigured(f"The url of {WEBHOOK} is none that can be posted to; what is due waits.")
        return Fate("waiting", "The webhook's address cannot be used.", trouble=unusable)
    except httpx.HTTPError as error:
        return Fate("unknown", f"The webhook's server broke off ({type(error).__name__}).")


def _is_safe(url: str) -> bool:
    """Tell whether an address can be posted to, and what is posted is encrypted or stays on the machine."""
    try:
        parts = httpx.URL(url)
        host, named = parts.host, parts.raw_host.decode().encode("idna")
    except (httpx.InvalidURL, UnicodeError):
        return False
    if not named or not 0 < (parts.port or 1) <= _HIGHEST_PORT:
        return False
    try:
        here = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        here = False
    return parts.scheme == "https" or (parts.scheme == "http" and here)


def _body(notice: Notice) -> bytes:
    """Write what is posted."""
    content = {
        "delivery_id": notice.delivery_id,
        "tenant_id": notice.tenant_id,
        "member_id": notice.member_id,
        "document_id": notice.document_id,
        "title": notice.title,
        "expires_at": notice.expires_at.isoformat(),
        "threshold": notice.threshold,
    }
    return json.dumps(content, ensure_ascii=False).encode()


def _headers(key: bytes, delivery_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """Name and sign a request (https://www.standardwebhooks.com)."""
    signature = hmac.new(key, f"{delivery_id}.{seconds}.".encode() + body, hashlib.sha256).digest()
    return {
        "content-type": "application/json",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
        "idempotency-key": delivery_id,
    }


def _by_status(status: int, retry_after: str) -> Fate:
    """Say what an answer means."""
    if 200 <= status < 300:
        return Fate("sent")
    if status in _NOT_TAKEN:
        wait = int(retry_after) if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 10 else 0
        return Fate("waiting", f"The webhook's server did not take it for now ({status}).", wait_seconds=wait)
    if status in _NEVER_TAKEN:
        return Fate("failed", f"The webhook's server refused it ({status}).")
    if 300 <= status < 500:
        trouble = Misconfigured(
            f"The webhook's server refuses requests ({status}); see to {WEBHOOK}. What is due waits."
        )
        refused = f"The webhook's server refuses requests ({status})."
        return Fate("waiting", refused, trouble=trouble, goes_on=status == _MAY_BE_THE_SIGNATURE)
    return Fate("unknown", f"The webhook's server failed ({status}).")
