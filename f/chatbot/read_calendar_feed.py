# skip_result_postprocessing
"""Read a calendar feed, with its secret alone: what a product's back end hands on to a calendar program.

Script: the secret says whose feed it is, and no other identity is taken. The calendar holds all-day events of what
expires, or did so in the last 30 days, as the member sees it now: titles, categories and days. Each call counts as
one of the member's. A secret that is malformed, unknown or revoked gets the same answer as that of a member who is
gone. Windmill keeps the arguments of jobs, so the secret stands in its record of each. serve_calendar_feed gives the
same to a calendar program itself.
"""

from f.core.calendar_reading import CalendarData, read_feed
from f.core.job import script


@script()
def main(secret: str) -> CalendarData:
    """Read a feed.

    Args:
        secret: What create_calendar_feed gave.
    """
    return read_feed(secret)
