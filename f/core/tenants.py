"""Tenants and their members in the database.

Shared module, for operators' scripts: the members' login cannot write these tables.
"""

import re
from collections.abc import Mapping
from typing import Literal, get_args

from f.core.arguments import is_missing, required_text
from f.core.database import Transaction
from f.core.errors import InvalidArgument

TenantKind = Literal["family", "school", "company"]
TENANT_KINDS: tuple[TenantKind, ...] = get_args(TenantKind)

_SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")

_INSERT_TENANT = """
INSERT INTO tenants (name, slug, kind, language, retention_days, admins_see_private)
VALUES (%(name)s, %(slug)s, %(kind)s, %(language)s, %(retention_days)s, %(admins_see_private)s)
ON CONFLICT (slug) DO NOTHING
RETURNING id
"""

_ACCOUNT = """
WITH added AS (INSERT INTO users (email) VALUES (%(email)s) ON CONFLICT (email) DO NOTHING RETURNING id)
SELECT id FROM added UNION ALL SELECT id FROM users WHERE email = %(email)s LIMIT 1
"""

_INSERT_MEMBERSHIP = """
INSERT INTO tenant_memberships (tenant_id, user_id) VALUES (%(tenant)s, %(user)s) ON CONFLICT DO NOTHING
"""

_INSERT_MEMBER = """
INSERT INTO family_members (tenant_id, user_id, name, member_type)
VALUES (%(tenant)s, %(user)s, %(name)s, %(member_type)s)
ON CONFLICT (tenant_id, user_id) DO NOTHING
RETURNING id
"""


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


def insert_tenant(transaction: Transaction, name: str, slug: str, settings: Mapping[str, object]) -> str | None:
    """Create a tenant and return its id, or None when the slug is taken."""
    row = transaction.row(_INSERT_TENANT, {"name": name, "slug": slug, **settings})
    return str(row["id"]) if row else None


def insert_member(transaction: Transaction, name: str, member_type: str, email: str | None) -> int | None:
    """Add a member, with an account when there is an address; None when the tenant has that account already."""
    user = None
    if email is not None:
        account = transaction.row(_ACCOUNT, {"email": email})
        user = account["id"] if account else None
        transaction.execute(_INSERT_MEMBERSHIP, {"tenant": transaction.tenant_id, "user": user})
    parameters = {"tenant": transaction.tenant_id, "user": user, "name": name, "member_type": member_type}
    row = transaction.row(_INSERT_MEMBER, parameters)
    return int(row["id"]) if row else None
