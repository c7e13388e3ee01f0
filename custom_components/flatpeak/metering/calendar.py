"""Days and months of a local clock. Instants go in aware and come out in UTC."""

from bisect import bisect_left
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import count

SECOND = timedelta(seconds=1)


def local_date(instant: datetime, zone: tzinfo) -> date:
    """Return the date on the zone's clock."""
    return instant.astimezone(zone).date()


def day_start(day: date, zone: tzinfo) -> datetime:
    """Return the first instant (UTC) of a local date.

    Where a clock change repeats midnight this is the first one; where it skips
    midnight, the change itself; where it skips the whole date, the next date's start.
    """
    midnight = datetime.combine(day, time(), zone)
    start = midnight.astimezone(UTC)
    early = midnight.replace(fold=1).astimezone(UTC)
    if early >= start:
        return start
    # Midnight is skipped, only then is its second reading (fold) the earlier one. The
    # day begins with the jump, which lies between the two.
    seconds = range((start - early) // SECOND)
    return early + SECOND * bisect_left(
        seconds, day, key=lambda second: local_date(early + SECOND * second, zone)
    )


def hour_start(instant: datetime) -> datetime:
    """Return the start of the hour of UTC that an instant is in."""
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def next_day_start(instant: datetime, zone: tzinfo) -> datetime:
    """Return the first start of a local day (UTC) that is after an instant."""
    today = local_date(instant, zone)
    starts = (day_start(today + timedelta(days=n), zone) for n in count(1))
    return next(start for start in starts if start > instant)


def month_of(instant: datetime, zone: tzinfo) -> date:
    """Return the first day of the local month that an instant is in."""
    return local_date(instant, zone).replace(day=1)


def month_start(day: date, zone: tzinfo) -> datetime:
    """Return the first instant (UTC) of the local month that a date is in."""
    return day_start(day.replace(day=1), zone)
