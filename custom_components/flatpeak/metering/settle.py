"""From the recorder's rows to energy that is certain."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from .hourly import HOUR, settled_hours, shift
from .model import Anchor, Reporting, Row, Settled, Source, SourceKind, Span
from .power import settle_power
from .register import settle_register

SETTLERS = {SourceKind.ENERGY: settle_register, SourceKind.POWER: settle_power}


def settle(
    rows: Sequence[Row],
    anchor: Anchor | None,
    source: Source,
    outages: Sequence[Span],
    now: datetime,
) -> Settled:
    """Return contiguous slices of energy (mWh, UTC), and where to go on.

    Rows come in order; those up to the anchor, and those that end after `now`, are
    skipped. Without an anchor the first row sets it and has no energy. An anchor of
    which only `end` is set begins with a source that nothing is known of.

    Settling some of the rows, and later those after the returned anchor, gives the
    same as settling all at once. Rows that are held stay behind the anchor.

    A register's rise over missing rows, or over the copies of the old reading in an
    outage, is spread evenly; power without rows is unknown. Of a meter that reports
    hourly all slices are an hour before its anchor.
    """
    unread = list(_unread(rows, anchor, now))
    steps, hold = SETTLERS[source.kind](unread, anchor, source, outages)
    hourly = source.reporting is Reporting.HOURLY
    if hourly:
        steps = settled_hours(steps, now)
    slices = tuple(piece for step in steps for piece in step.slices)
    end = steps[-1].anchor if steps else anchor
    if hourly:
        slices = shift(slices)
        hold = hold and replace(hold, start=hold.start - HOUR)
    return Settled(slices=slices, holds=(hold,) if hold else (), anchor=end)


def _unread(rows: Iterable[Row], anchor: Anchor | None, now: datetime) -> Iterator[Row]:
    """Yield the rows that bring something later than all before them."""
    until = anchor and anchor.end
    for row in rows:
        if row.end > now or (until and row.end <= until):
            continue
        until = row.end
        yield row
