"""Local days and months, found independently of the integration."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum

__all__ = ["UTC", "Aggregation", "buckets", "day_start"]


class Aggregation(StrEnum):
    """Buckets of a cost report."""

    DAY = "DAY"
    MONTH = "MONTH"


def day_start(day: date, zone: tzinfo) -> datetime:
    """Return the first instant of a local date, in UTC.

    Where midnight is skipped, `fold=0` reads it with the earlier offset, which is
    the very instant of the change; where it occurs twice, it is the first one.
    """
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _first_day(day: date, aggregation: Aggregation) -> date:
    return day.replace(day=1) if aggregation is Aggregation.MONTH else day


def buckets(
    start: datetime, end: datetime, aggregation: Aggregation, zone: tzinfo
) -> list[tuple[datetime, datetime]]:
    """List the whole local days or months that touch a period."""
    first = _first_day(start.astimezone(zone).date(), aggregation)
    found = []
    while (since := day_start(first, zone)) < end:
        # 31 days after the 1st is always within the next month.
        step = timedelta(days=31 if aggregation is Aggregation.MONTH else 1)
        first = _first_day(first + step, aggregation)
        found.append((since, day_start(first, zone)))
    return found
