"""When nobody watched: the time that Home Assistant was down."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from .model import Reporting, Row, Source, SourceKind, Span

# A source that has not moved this long after the return is idle, not late.
GRACE = timedelta(minutes=15)
HOURLY_GRACE = timedelta(minutes=65)  # the next report of a meter that reports hourly
LATE = timedelta(minutes=5)  # after its end, a row is written within seconds
ONE_RETURN = timedelta(minutes=1)  # within which it writes all that it missed


def find_outages(
    rows: Sequence[Row],
    live_until: datetime | None,
    runs: Sequence[datetime],
    source: Source,
) -> tuple[Span, ...]:
    """Return the outages before the starts of the recorder's runs, which are in order.

    Each begins with the last row that was written before the run, `live_until` at the
    earliest. After the return the recorder repeats the old reading until the source
    reports, so the first rise soon after it ends the outage. Without one the source
    stood still. Until that is known the outage is open, and goes on in the next one.
    """
    # Who imports rows did not need Home Assistant to read the meter.
    if source.imported:
        return ()
    found: list[Span] = []
    for run in reversed(runs):
        start = _seen_until(rows, live_until, run)
        if start is None or start >= run or (found and start >= found[0].start):
            continue
        until = found[0].start if found else None
        end = _reported(rows, run, until, source)
        if end is None and found:
            end = found[0].end
        found.insert(0, Span(start=start, end=end))
    return tuple(found)


def past_runs(rows: Sequence[Row]) -> tuple[datetime, ...]:
    """Return when runs of the recorder began that nobody remembers any more.

    What it missed it writes at the return, row after row: they repeat the old reading,
    but for the first one, which may have been watched for a part. Rows that somebody
    imported were written late as well, but do not repeat one another.
    """
    return tuple(
        late[0].written
        for late in _late(rows)
        if late[0].written
        and all(_is_copy(*pair) for pair in pairwise(late))
        # The mean of a lone hour is of what was watched of it.
        and (len(late) > 1 or _register(late[0]) is not None)
    )


def _late(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Yield rows that follow one another and were written at once, long after them."""
    late: list[Row] = []
    for row in rows:
        if not row.written or row.written <= row.end + LATE:
            continue
        if late and not _are_together(late[-1], row):
            yield late
            late = []
        late.append(row)
    if late:
        yield late


def _are_together(one: Row, two: Row) -> bool:
    """Return whether two rows were written by the same return."""
    if one.written is None or two.written is None or one.end != two.start:
        return False
    return abs(two.written - one.written) < ONE_RETURN


def _is_copy(before: Row, row: Row) -> bool:
    """Return whether a row says what the one before it did."""
    return (_register(row), row.mean) == (_register(before), before.mean)


def _seen_until(
    rows: Sequence[Row], live_until: datetime | None, run: datetime
) -> datetime | None:
    """Return until when the source was watched before a run; None: nobody knows.

    Nothing is known of the time before the first row.
    """
    seen = [row.end for row in rows if row.written and row.written < run]
    if not seen and not live_until and rows and rows[0].written:
        seen = [rows[0].end]
    return max([*seen, *([live_until] if live_until else [])], default=None)


def _reported(
    rows: Sequence[Row], run: datetime, until: datetime | None, source: Source
) -> datetime | None:
    """Return where the first fresh row begins; None: nobody knows yet."""
    if source.kind is SourceKind.POWER:
        return run
    returned = [
        (before, row)
        for before, row in pairwise(rows)
        if row.end > run and (until is None or row.end <= until)
    ]
    if not returned:
        return None
    hourly = source.reporting is Reporting.HOURLY
    deadline = max(run, returned[0][1].start) + (HOURLY_GRACE if hourly else GRACE)
    for before, row in returned:
        if row.start < deadline and _register(row) != _register(before):
            return row.start
    return None if returned[-1][1].end < deadline else run


def _register(row: Row) -> float | None:
    """Return where the register stands."""
    return row.sum if row.state is None else row.state
