"""When nobody watched: the time that Home Assistant was down."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from .model import Row, Source, SourceKind, Span

# A source that has not moved this long after the return is idle, not late.
GRACE = timedelta(minutes=15)


def find_outages(
    rows: Sequence[Row],
    live_until: datetime | None,
    run_start: datetime,
    source: Source,
) -> tuple[Span, ...]:
    """Return the outage between `live_until` and the first fresh reading.

    After the return the recorder repeats the old reading until the source reports, so
    the first rise within 15 minutes ends the outage. Without one the source stood
    still. Until that is known the outage is open.
    """
    # Who imports rows did not need Home Assistant to read the meter.
    if source.imported or live_until is None or live_until >= run_start:
        return ()
    if source.kind is SourceKind.POWER:
        return (Span(start=live_until, end=run_start),)
    returned = [(before, row) for before, row in pairwise(rows) if row.end > run_start]
    if not returned:
        return (Span(start=live_until),)
    deadline = returned[0][1].start + GRACE
    for before, row in returned:
        if row.end <= deadline and _register(row) != _register(before):
            return (Span(start=live_until, end=row.start),)
    if returned[-1][1].end < deadline:
        return (Span(start=live_until),)
    return (Span(start=live_until, end=run_start),)


def _register(row: Row) -> float | None:
    """Return where the register stands."""
    return row.sum if row.state is None else row.state
