"""How long a test waits before it calls something hung: no test depends on how quick the machine is, or on the hour."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

PROMPTLY_SECONDS = 25
"""Long for anything that works, on any machine; short for what hangs, which the tests' servers do for a minute."""
_LAST_SECONDS = 60


def wait_until(holds: Callable[[], object], what: str = "what is waited for happens") -> None:
    """Wait until something holds."""
    until = time.monotonic() + PROMPTLY_SECONDS
    while not holds():
        assert time.monotonic() < until, f"not in {PROMPTLY_SECONDS} s: {what}"
        time.sleep(0.02)


def begin_early_in_the_day(zone: str = "UTC") -> None:
    """Wait for the next day where this one is about to end, so that what is today stays it until a test is over."""
    now = datetime.now(ZoneInfo(zone))
    day_ends = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    seconds = (day_ends - now).total_seconds()
    if seconds < _LAST_SECONDS:
        time.sleep(seconds)
