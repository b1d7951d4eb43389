"""Calendar feeds: secret addresses under which a calendar program reads what expires, as one member sees it.

Shared module. A secret names tenant and feed and holds 256 random bits; the database keeps its SHA-256 alone. It is all
that a calendar program has, so whoever reads it reads the feed: it is shown once, can be revoked, and ends with the
membership. Whatever is wrong with a secret gets the same answer.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from uuid import UUID, uuid4

from f.core.database import Database, Transaction
from f.core.errors import Conflict, NotFound
from f.core.identity import Caller

FEEDS_OF_A_MEMBER = 10
ROUTE = "/api/r/calendar"
"""Where a calendar program finds a feed on Windmill (triggers/chatbot)."""
NO_FEED = "There is no such calendar feed."
_PREFIX = "fbc_"
_SECRET = re.compile(rf"{_PREFIX}[A-Za-z0-9_-]{{86}}")  # of two ids and 32 random bytes
_RANDOM_BYTES = 32

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"

_STORED_TYPE = "SELECT member_type FROM family_members WHERE tenant_id = %s AND id = %s"

_COUNT = "SELECT count(*) AS feeds FROM calendar_feeds WHERE tenant_id = %s AND member_id = %s AND revoked_at IS NULL"

_ADD = "INSERT INTO calendar_feeds (tenant_id, id, member_id, secret_hash) VALUES (%s, %s, %s, %s)"

_OWNER = "SELECT member_id FROM calendar_feeds WHERE tenant_id = %s AND id = %s"

_REVOKE = """
UPDATE calendar_feeds SET revoked_at = now()
WHERE tenant_id = %(tenant)s AND member_id = %(member)s AND (%(feed)s::uuid IS NULL OR id = %(feed)s::uuid)
  AND revoked_at IS NULL
RETURNING id
"""

_FIND = """
SELECT member_id, secret_hash FROM calendar_feeds WHERE tenant_id = %s AND id = %s AND revoked_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Named:
    """What a secret says."""

    tenant_id: str
    feed_id: str
    digest: bytes


def stored_type(transaction: Transaction, member_id: int) -> str | None:
    """Return a member's type as it is stored, whatever the caller says of it."""
    row = transaction.row(_STORED_TYPE, (transaction.tenant_id, member_id))
    return str(row["member_type"]) if row else None


def create_feed(transaction: Transaction, member_id: int) -> tuple[str, str]:
    """Make a feed of a member, and return its id and its secret, which cannot be had again.

    Raises:
        Conflict: When the member has as many as there may be.
    """
    transaction.later(_LOCK, (f"calendar_feeds:{transaction.tenant_id}:{member_id}",))
    found = transaction.rows(_COUNT, (transaction.tenant_id, member_id))[0]
    if found["feeds"] >= FEEDS_OF_A_MEMBER:
        raise Conflict(f"A member has {FEEDS_OF_A_MEMBER} calendar feeds at most; revoke one first.")
    feed = uuid4()
    raw = UUID(transaction.tenant_id).bytes + feed.bytes + secrets.token_bytes(_RANDOM_BYTES)
    secret = _PREFIX + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    transaction.later(_ADD, (transaction.tenant_id, str(feed), member_id, _digest(secret)))
    return str(feed), secret


def owner_of(transaction: Transaction, feed_id: str) -> int | None:
    """Return whose a feed is, revoked or not; None when there is none."""
    row = transaction.row(_OWNER, (transaction.tenant_id, feed_id))
    return int(row["member_id"]) if row else None


def revoke_feeds(transaction: Transaction, member_id: int, feed_id: str | None = None) -> list[str]:
    """Revoke a member's feeds, or one of them, and return the ids of those that were valid until now."""
    parameters = {"tenant": transaction.tenant_id, "member": member_id, "feed": feed_id}
    return [str(row["id"]) for row in transaction.rows(_REVOKE, parameters)]


def secret_in_request(event: object) -> str:
    """Take the secret out of a request as Windmill describes it to a preprocessor; empty when there is none.

    Windmill puts secrets of the installation in where a request names them, and hands a preprocessor to whoever names
    it as the entry point. So nothing is returned that has not the form of a feed's secret.
    """
    params = event.get("params") if isinstance(event, dict) else None
    secret = params.get("secret") if isinstance(params, dict) else None
    return secret if isinstance(secret, str) and _SECRET.fullmatch(secret) else ""


def reader_of(database: Database, named: Named) -> int:
    """Check a secret, and return whose feed it opens. Looking it up takes the tenant's name and nobody's sight."""
    with database.transaction(Caller(named.tenant_id), at_once=True) as transaction:
        row = transaction.row(_FIND, (named.tenant_id, named.feed_id))
    stored = bytes(row["secret_hash"]) if row else bytes(32)
    if not hmac.compare_digest(stored, named.digest) or row is None:
        raise NotFound(NO_FEED)
    return int(row["member_id"])


def named_feed(secret: object) -> Named | None:
    """Read what a secret names; None when it has not the form of one."""
    if not isinstance(secret, str) or not _SECRET.fullmatch(secret):
        return None
    raw = base64.urlsafe_b64decode(secret.removeprefix(_PREFIX) + "==")
    return Named(str(UUID(bytes=raw[:16])), str(UUID(bytes=raw[16:32])), _digest(secret))


def _digest(secret: str) -> bytes:
    """Return what is stored of a secret: with 256 random bits in it, a plain hash is as good as a slow one."""
    return hashlib.sha256(secret.encode()).digest()
