"""A meter's past: from the source's hourly statistics to frozen records."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo

from .book import Book
from .journal import Journal
from .metering import (
    PastRecord,
    Reporting,
    Row,
    Source,
    cut,
    day_start,
    find_outages,
    local_date,
    past_records,
    past_runs,
    settle,
    to_wire,
)
from .metering.windows import join
from .readings import HOUR

MINUTES = 60  # of a window: statistics of long ago know no less
LONGEST_PAST = 2  # years
LONGEST_RANGE = timedelta(days=90)  # FlatPeak documentation: of a report


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a meter has to tell of a period; `held` windows are impossible readings."""

    records: tuple[PastRecord, ...]
    held: int


def default_start(now: datetime, zone: tzinfo) -> datetime:
    """Return the first of last month at local midnight (UTC)."""
    month = local_date(now, zone).replace(day=1)
    return day_start((month - timedelta(days=1)).replace(day=1), zone)


def earliest_start(now: datetime, zone: tzinfo) -> datetime:
    """Return how far back the past may go: two years, from a local midnight (UTC)."""
    today = local_date(now, zone)
    day = min(today.day, 28) if today.month == 2 else today.day  # noqa: PLR2004
    return day_start(today.replace(year=today.year - LONGEST_PAST, day=day), zone)


def live_start(
    meter: str, journal: Journal, book: Book, now: datetime, zone: tzinfo
) -> datetime:
    """Return where a meter's own windows begin: its past ends there (UTC).

    That is today's midnight at the latest, where a new meter begins.
    """
    state = journal.meters[meter]
    first = book.first(meter)
    known = [
        day_start(local_date(now, zone), zone),
        *(item.window.start for item in journal.outbox if item.meter == meter),
        *(t for t in (state.since, state.cut_until, first and first.start) if t),
    ]
    return min(known)


def rows_needed(
    source: Source, start: datetime, end: datetime
) -> tuple[datetime, datetime]:
    """Return the period of rows that tell of a period.

    What is seen in an hour of a meter that reports hourly was used the hour before.
    """
    late = HOUR if source.reporting is Reporting.HOURLY else timedelta(0)
    return start + late, end + late


def freeze(
    rows: Sequence[Row],
    source: Source,
    start: datetime,
    end: datetime,
    *,
    now: datetime,
    zone: tzinfo,
) -> Past:
    """Settle and cut a meter's past, and freeze its records. Pure, but takes long."""
    source = replace(source, slot=HOUR)
    outages = find_outages(rows, None, past_runs(rows), source)
    settled = settle(rows, None, source, outages, now)
    windows, rest = cut(settled.slices, MINUTES, zone)
    if rest and rest[-1].end == end:
        windows = (*windows, join(rest))
    ours = [w for w in windows if start <= w.start and w.end <= end]
    wired, _ = to_wire([w for w in ours if not w.held], 0)
    held = [w for w in ours if w.held]
    return Past(records=tuple(past_records(wired)), held=len(held))


def chunks(
    records: Sequence[PastRecord], end: datetime | None = None
) -> list[tuple[datetime, datetime]]:
    """Return the periods of at most 90 days that reports about records are asked for.

    Each begins with a record; the last one ends with the last record, or at `end`.
    """
    periods: list[tuple[datetime, datetime]] = []
    for record in records:
        window = record.window
        if periods and window.end - periods[-1][0] <= LONGEST_RANGE:
            periods[-1] = periods[-1][0], window.end
        else:
            periods.append((window.start, window.end))
    if periods and end and end - periods[-1][0] <= LONGEST_RANGE:
        periods[-1] = periods[-1][0], max(end, periods[-1][1])
    return periods
