# skip_result_postprocessing
"""Send by e-mail what notices say: one mail to each member for all that is due.

Script for a schedule, and by hand: all tenants. Each notice goes out by this channel at most once, whatever is killed;
what certainly did not arrive is tried again by a later run. Only notices of the last days, to members with an account
who want mails and may see the document at that moment. Without a mail server (``f/operations/smtp``) it says so and
sends nothing. No document's text leaves by it; titles do.
"""

from f.core.job import script
from f.core.mail_channel import NOTICES_A_MAIL, MailServer, mail_settings
from f.core.notice_delivery import DeliveryData, deliver, not_set_up


@script()
def main() -> DeliveryData:
    """Send what is due, and return the counts."""
    settings = mail_settings()
    if settings is None:
        return not_set_up()
    with MailServer(settings) as server:
        return deliver("email", server.send, at_once=NOTICES_A_MAIL)
