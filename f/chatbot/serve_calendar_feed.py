# skip_result_postprocessing
"""Answer a calendar program that comes to a feed's address: GET /api/r/calendar/<secret>.

Script for the HTTP trigger of the same name, which asks for no Windmill token: the secret in the address is all. It
answers with the bare calendar, or as read_calendar_feed where there is none to read. The secret stands in the logs of
every server on its way, and in Windmill's record of the job.
"""

from f.core.calendar_feeds import secret_in_request
from f.core.calendar_reading import CalendarData, as_web_answer, read_feed
from f.core.job import script


def preprocessor(event: dict) -> dict[str, str]:  # type: ignore[type-arg] # Windmill's form knows this type alone
    """Make the argument of main out of the request; Windmill calls it first when the trigger does.

    Args:
        event: The request, with the address's parts as params.
    """
    return {"secret": secret_in_request(event)}


@script(answers=as_web_answer)
def main(secret: str) -> CalendarData:
    """Read a feed.

    Args:
        secret: The last part of the address.
    """
    return read_feed(secret)
