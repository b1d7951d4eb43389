"""Tenants and their members in the database.

Shared module, for operators' scripts: the members' login cannot write these tables.
"""

import re
from collections.abc import Mapping
from typing import Literal, TypedDict, cast, get_args

from f.core.arguments import choice, is_missing, required_text
from f.core.database import Transaction
from f.core.date_forms import DateOrder
from f.core.errors import InvalidArgument

TenantKind = Literal["family", "school", "company"]
TENANT_KINDS: tuple[TenantKind, ...] = get_args(TenantKind)
DATE_ORDERS: tuple[DateOrder, ...] = get_args(DateOrder)
NoticeChannel = Literal["email", "webhook"]
NOTICE_CHANNELS: tuple[NoticeChannel, ...] = get_args(NoticeChannel)

_SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")

_INSERT_TENANT = """
INSERT INTO tenants (name, slug, kind, language, retention_days, admins_see_private, date_order, time_zone)
VALUES (%(name)s, %(slug)s, %(kind)s, %(language)s, %(retention_days)s, %(admins_see_private)s, %(date_order)s,
        %(time_zone)s)
ON CONFLICT (slug) DO NOTHING
RETURNING id
"""

_ADD_ACCOUNT = "INSERT INTO users (email) VALUES (%s) ON CONFLICT (email) DO NOTHING RETURNING id"

_FIND_ACCOUNT = "SELECT id FROM users WHERE email = %s"

_INSERT_MEMBERSHIP = """
INSERT INTO tenant_memberships (tenant_id, user_id) VALUES (%(tenant)s, %(user)s) ON CONFLICT DO NOTHING
"""

_INSERT_MEMBER = """
INSERT INTO family_members (tenant_id, user_id, name, member_type)
VALUES (%(tenant)s, %(user)s, %(name)s, %(member_type)s)
ON CONFLICT (tenant_id, user_id) DO NOTHING
RETURNING id
"""

_CHANGE_MEMBER = """
UPDATE family_members
SET name = coalesce(%(name)s, name), member_type = coalesce(%(member_type)s, member_type),
    notice_channels = coalesce(%(notice_channels)s::text[], notice_channels)
WHERE tenant_id = %(tenant)s AND id = %(member)s AND removed_at IS NULL
RETURNING member_type, notice_channels
"""

_REMOVE_MEMBER = """
UPDATE family_members SET removed_at = now()
WHERE tenant_id = %(tenant)s AND id = %(member)s AND removed_at IS NULL
RETURNING id
"""

_CHANGE_TENANT = """
UPDATE tenants
SET name = coalesce(%(name)s, name), language = coalesce(%(language)s, language),
    retention_days = coalesce(%(retention_days)s, retention_days),
    admins_see_private = coalesce(%(admins_see_private)s, admins_see_private),
    date_order = coalesce(%(date_order)s, date_order), time_zone = coalesce(%(time_zone)s, time_zone)
WHERE id = %(tenant)s
RETURNING name, language, retention_days, admins_see_private, date_order, time_zone
"""

_KNOWN_TIME_ZONE = "SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = %s) AS known"

_SET_LIMITS = """
UPDATE tenants
SET requests_per_minute = coalesce(%(requests_per_minute)s, requests_per_minute),
    member_requests_per_minute = coalesce(%(member_requests_per_minute)s, member_requests_per_minute),
    tokens_per_day = coalesce(%(tokens_per_day)s, tokens_per_day),
    member_tokens_per_day = coalesce(%(member_tokens_per_day)s, member_tokens_per_day),
    concurrent_chats = coalesce(%(concurrent_chats)s, concurrent_chats),
    member_concurrent_chats = coalesce(%(member_concurrent_chats)s, member_concurrent_chats)
WHERE id = %(tenant)s
RETURNING requests_per_minute, member_requests_per_minute, tokens_per_day, member_tokens_per_day, concurrent_chats,
          member_concurrent_chats
"""


class TenantSettings(TypedDict):
    """What a tenant has chosen for itself."""

    name: str
    language: str
    retention_days: int
    admins_see_private: bool
    date_order: DateOrder
    time_zone: str


class Limits(TypedDict):
    """What a tenant, and each of its members, may do in a minute, in 24 hours, and at once."""

    requests_per_minute: int
    member_requests_per_minute: int
    tokens_per_day: int
    member_tokens_per_day: int
    concurrent_chats: int
    member_concurrent_chats: int


def checked_slug(slug: object) -> str:
    """Check a tenant's short name."""
    text = required_text("slug", slug, 63)
    if not _SLUG.fullmatch(text):
        raise InvalidArgument("slug must consist of lower-case letters, digits and hyphens between them.")
    return text


def checked_email(email: object) -> str | None:
    """Check an e-mail address, and return it in lower case."""
    if is_missing(email):
        return None
    text = required_text("email", email, 320).strip().lower()
    if not _EMAIL.fullmatch(text):
        raise InvalidArgument("email must be an e-mail address.")
    return text


def channel_list(name: str, value: object) -> list[NoticeChannel] | None:
    """Check a list of channels that may be missing; an empty one is a choice."""
    if is_missing(value):
        return None
    if not isinstance(value, list):
        raise InvalidArgument(f"{name} must be a list of texts.")
    return sorted({choice(f"Each of {name}", channel, NOTICE_CHANNELS) for channel in value})


def insert_tenant(transaction: Transaction, name: str, slug: str, settings: Mapping[str, object]) -> str | None:
    """Create a tenant and return its id, or None when the slug is taken."""
    row = transaction.row(_INSERT_TENANT, {"name": name, "slug": slug, **settings})
    return str(row["id"]) if row else None


def insert_member(transaction: Transaction, name: str, member_type: str, email: str | None) -> int | None:
    """Add a member, with an account when there is an address; None when the tenant has that account already."""
    user = None
    if email is not None:
        # Two statements: one alone would not see an account that another transaction has added at this moment.
        account = transaction.row(_ADD_ACCOUNT, (email,)) or transaction.row(_FIND_ACCOUNT, (email,))
        user = account["id"] if account else None
        transaction.execute(_INSERT_MEMBERSHIP, {"tenant": transaction.tenant_id, "user": user})
    parameters = {"tenant": transaction.tenant_id, "user": user, "name": name, "member_type": member_type}
    row = transaction.row(_INSERT_MEMBER, parameters)
    return int(row["id"]) if row else None


def change_member(
    transaction: Transaction,
    member_id: int,
    name: str | None,
    member_type: str | None,
    notice_channels: list[NoticeChannel] | None,
) -> tuple[str, list[NoticeChannel]] | None:
    """Change a member's name, type or channels, and return type and channels; None when there is no such member.

    It holds from the next transaction on, also for sessions and tokens that the member has.
    """
    parameters = {
        "tenant": transaction.tenant_id,
        "member": member_id,
        "name": name,
        "member_type": member_type,
        "notice_channels": notice_channels,
    }
    row = transaction.row(_CHANGE_MEMBER, parameters)
    return (str(row["member_type"]), row["notice_channels"]) if row else None


def remove_member(transaction: Transaction, member_id: int) -> bool:
    """Remove a member, who is let in nowhere from the next transaction on; False when there is no such member."""
    return transaction.row(_REMOVE_MEMBER, {"tenant": transaction.tenant_id, "member": member_id}) is not None


def set_limits(transaction: Transaction, limits: Mapping[str, int | None]) -> Limits:
    """Change a tenant's limits, those that are not None, and return all of them."""
    return cast("Limits", transaction.rows(_SET_LIMITS, {"tenant": transaction.tenant_id, **limits})[0])


def change_tenant(transaction: Transaction, settings: Mapping[str, object]) -> TenantSettings:
    """Change a tenant's settings, those that are not None, and return all of them."""
    row = transaction.rows(_CHANGE_TENANT, {"tenant": transaction.tenant_id, **settings})[0]
    return cast("TenantSettings", dict(row))


def require_known_time_zone(transaction: Transaction, time_zone: str | None) -> None:
    """Check that PostgreSQL, too, knows a time zone.

    Raises:
        InvalidArgument: When it does not.
    """
    if time_zone is not None and not transaction.rows(_KNOWN_TIME_ZONE, (time_zone,))[0]["known"]:
        raise InvalidArgument("time_zone must be an IANA time zone that the database knows, such as Europe/Athens.")
