"""Time zones by their names, and the days of their calendars."""

from datetime import UTC, date, datetime

import pytest

from f.core.errors import InvalidArgument
from f.core.time_zones import end_of_day, optional_time_zone, today


def test_a_time_zone_is_one_that_there_is() -> None:
    assert optional_time_zone("time_zone", "Europe/Athens") == "Europe/Athens"
    assert [optional_time_zone("time_zone", nothing) for nothing in (None, "")] == [None, None]


@pytest.mark.parametrize("value", ["Atlantis", "Europe/athens", "../etc/passwd", "/etc/localtime", "+02:00", 2])
def test_what_is_no_time_zone_is_refused(value: object) -> None:
    with pytest.raises(InvalidArgument):
        optional_time_zone("time_zone", value)


def test_a_day_ends_where_the_tenant_is_also_when_the_clocks_change() -> None:
    moment = datetime(2026, 3, 28, 22, 30, tzinfo=UTC)

    assert (today(moment, "Europe/Athens"), today(moment, "UTC")) == (date(2026, 3, 29), date(2026, 3, 28))
    for day, hour in ((28, 21), (29, 20)):
        end = end_of_day(date(2026, 3, day), "Europe/Athens").astimezone(UTC)
        assert end == datetime(2026, 3, day, hour, 59, 59, tzinfo=UTC)
