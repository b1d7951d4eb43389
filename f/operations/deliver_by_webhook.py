# skip_result_postprocessing
"""Post what notices say to the product's webhook: one signed request for each.

Script for a schedule, and by hand: all tenants. Each notice goes out by this channel at most once, whatever is killed;
what certainly did not arrive is tried again by a later run. Only notices of the last days, of members who want it and
may see the document at that moment. Without an address (``f/operations/notice_webhook``) it says so and sends nothing.
"""

import functools

from f.core.job import script
from f.core.notice_delivery import DeliveryData, deliver, not_set_up
from f.core.webhook_channel import post, webhook_client, webhook_settings


@script()
def main() -> DeliveryData:
    """Post what is due, and return the counts."""
    settings = webhook_settings()
    if settings is None:
        return not_set_up()
    with webhook_client() as client:
        return deliver("webhook", functools.partial(post, client, settings), at_once=1)
