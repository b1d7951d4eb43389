"""Erasing a tenant or a member, and the receipts that say that it was done.

Shared module, for operators' scripts. What is removed, and what of a member stays with the tenant, stands in
``erase_tenant`` and ``erase_member`` (sql/functions). The erasure, its entry in ``erasures`` and the receipt are of one
transaction: there is none of them without the others. Entry and receipt hold ids and counts alone.
"""

import json
from datetime import UTC
from typing import Any, TypedDict, cast

from f.core.database import OPERATORS_DATABASE, Transaction, open_database
from f.core.identity import sign_receipt, signing_keys, verify_receipt

LONGEST_RECEIPT = 10_000

_PATIENCE = "SET LOCAL statement_timeout = '20min'"
_SLUG = "SELECT slug FROM tenants WHERE id = %s"
_NOTE = """
INSERT INTO erasures (tenant, member, counts) VALUES (%s, %s, %s::jsonb) RETURNING id, erased_at, counts
"""
_KNOWN = """
SELECT 1 FROM erasures
WHERE id = %(erasure)s AND tenant = %(tenant)s AND member IS NOT DISTINCT FROM %(member)s AND counts = %(counts)s
"""


class ErasureData(TypedDict):
    """The signed receipt, and what it states: when, and how many rows of each table were removed."""

    receipt: str
    erased_at: str
    counts: dict[str, int]


class ReceiptData(TypedDict):
    """Whether a receipt was signed here and its erasure is on record, and what it states; empty when it was not."""

    valid: bool
    known: bool
    erasure: str | None
    tenant: str | None
    member: int | None
    erased_at: str | None
    counts: dict[str, int] | None


def has_slug(transaction: Transaction, slug: str) -> bool:
    """Tell whether the transaction's tenant is called so."""
    row = transaction.row(_SLUG, (transaction.tenant_id,))
    return row is not None and row["slug"] == slug


def erase_tenant(transaction: Transaction) -> ErasureData:
    """Erase the transaction's tenant, which is not there any more afterwards."""
    keys = signing_keys()
    transaction.execute(_PATIENCE)
    row = transaction.rows("SELECT erase_tenant()::text AS counts")[0]
    return _receipt(transaction, None, row["counts"], keys)


def erase_member(transaction: Transaction, member_id: int) -> ErasureData | None:
    """Erase a member of the transaction's tenant; None when there is no such member."""
    keys = signing_keys()
    transaction.execute(_PATIENCE)
    row = transaction.rows("SELECT erase_member(%s)::text AS counts", (member_id,))[0]
    return None if row["counts"] is None else _receipt(transaction, member_id, row["counts"], keys)


def read_receipt(receipt: str) -> ReceiptData:
    """Check a receipt's signature, and whether the database has its erasure on record."""
    stated = verify_receipt(receipt, signing_keys())
    if stated is None:
        return ReceiptData(
            valid=False, known=False, erasure=None, tenant=None, member=None, erased_at=None, counts=None
        )
    with open_database(OPERATORS_DATABASE) as database, database.administration() as transaction:
        known = transaction.row(_KNOWN, {**stated, "counts": json.dumps(stated["counts"])}) is not None
    return cast("ReceiptData", {"valid": True, "known": known, **stated})


def _receipt(transaction: Transaction, member_id: int | None, counts: str, keys: list[str]) -> ErasureData:
    """Note an erasure, and sign what it was."""
    noted = transaction.rows(_NOTE, (transaction.tenant_id, member_id, counts))[0]
    erased_at = noted["erased_at"].astimezone(UTC).isoformat()
    content: dict[str, Any] = {
        "erasure": str(noted["id"]),
        "tenant": transaction.tenant_id,
        "member": member_id,
        "erased_at": erased_at,
        "counts": noted["counts"],
    }
    return ErasureData(receipt=sign_receipt(content, keys), erased_at=erased_at, counts=noted["counts"])
