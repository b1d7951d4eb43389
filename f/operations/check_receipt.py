# skip_result_postprocessing
"""Check a receipt of an erasure: whether it was signed here, and whether the database has the erasure on record.

Script for operators. It changes nothing. A receipt that was changed, signed elsewhere or with a key that is no longer
in use is not valid; neither is a session token.
"""

from f.core.arguments import required_text
from f.core.erasure import LONGEST_RECEIPT, ReceiptData, read_receipt
from f.core.job import script


@script()
def main(receipt: str) -> ReceiptData:
    """Check a receipt.

    Args:
        receipt: As erase_tenant or erase_member returned it.
    """
    return read_receipt(required_text("receipt", receipt, LONGEST_RECEIPT).strip())
