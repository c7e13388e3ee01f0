"""Tests of local days and months."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.flatpeak.metering import (
    day_start,
    local_date,
    month_of,
    month_start,
    next_day_start,
)

ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "America/Havana",
    "Africa/Cairo",
    "Asia/Beirut",
    "America/Nuuk",
    "Pacific/Apia",
    "UTC",
]
SECOND = timedelta(seconds=1)
zones = st.sampled_from(ZONES).map(ZoneInfo)
days = st.dates(date(2012, 1, 1), date(2037, 12, 31))
instants = st.datetimes(datetime(2012, 1, 1), datetime(2037, 12, 1)).map(  # noqa: DTZ001
    lambda naive: naive.replace(tzinfo=UTC)
)


@given(days, zones)
def test_invariant_6_a_day_starts_with_its_first_instant(
    day: date, zone: ZoneInfo
) -> None:
    """The second before is another date."""
    start = day_start(day, zone)
    assert start.tzinfo is UTC
    assert local_date(start, zone) == day
    assert local_date(start - SECOND, zone) == day - timedelta(days=1)


@given(instants, zones)
def test_invariant_6_the_next_day_is_the_first_to_come(
    instant: datetime, zone: ZoneInfo
) -> None:
    """Nothing between an instant and the next day start is of another date."""
    following = next_day_start(instant, zone)
    today = local_date(instant, zone)
    assert following > instant
    assert local_date(following, zone) == today + timedelta(days=1)
    assert local_date(following - SECOND, zone) == today


@given(instants, zones)
def test_invariant_6_a_month_holds_its_instants(
    instant: datetime, zone: ZoneInfo
) -> None:
    """A month begins on its first day, not after the instant."""
    month = month_of(instant, zone)
    assert month.day == 1
    assert month == month_of(month_start(month, zone), zone)
    assert month_start(local_date(instant, zone), zone) <= instant


@pytest.mark.parametrize(
    ("zone", "day", "start"),
    [
        # Clocks jump from 0:00 to 1:00.
        ("America/Havana", date(2026, 3, 8), datetime(2026, 3, 8, 5, tzinfo=UTC)),
        ("Africa/Cairo", date(2026, 4, 24), datetime(2026, 4, 23, 22, tzinfo=UTC)),
        ("Asia/Beirut", date(2026, 3, 29), datetime(2026, 3, 28, 22, tzinfo=UTC)),
        # Clocks go back from 1:00 to 0:00: the first midnight counts.
        ("America/Havana", date(2026, 11, 1), datetime(2026, 11, 1, 4, tzinfo=UTC)),
        # Clocks go back from 0:00 to 23:00 of the day before.
        ("Asia/Beirut", date(2026, 10, 25), datetime(2026, 10, 24, 22, tzinfo=UTC)),
        # Clocks jumped from 23:30 to 0:30: the day began half an hour late.
        (
            "America/Toronto",
            date(1919, 3, 31),
            datetime(1919, 3, 31, 4, 30, tzinfo=UTC),
        ),
        # A date that never was: the next one begins there.
        ("Pacific/Apia", date(2011, 12, 30), datetime(2011, 12, 30, 10, tzinfo=UTC)),
        ("Asia/Kathmandu", date(2026, 7, 1), datetime(2026, 6, 30, 18, 15, tzinfo=UTC)),
    ],
)
def test_day_start_where_midnight_is_odd(zone: str, day: date, start: datetime) -> None:
    """Midnight may be absent or occur twice."""
    assert day_start(day, ZoneInfo(zone)) == start


def test_next_day_start_after_a_date_that_came_twice() -> None:
    """St. John's went back from 0:01 to 23:01 of the day before, until 2011."""
    zone = ZoneInfo("America/St_Johns")
    again = datetime(2006, 10, 29, 3, tzinfo=UTC)
    assert local_date(again, zone) == date(2006, 10, 28)
    assert next_day_start(again, zone) > again


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)]
)
def test_days_of_a_clock_change(day: date, hours: int) -> None:
    """Days have 23 or 25 hours."""
    zone = ZoneInfo("Europe/Berlin")
    start = day_start(day, zone)
    assert next_day_start(start, zone) - start == timedelta(hours=hours)
