"""Settle a power source: its mean times the time. Gaps stay unknown."""

from collections.abc import Sequence
from math import isfinite

from .model import Anchor, Quality, Row, Slice, Source, Span
from .pieces import MICROSECOND
from .step import MICROSECONDS, Step, flow, quality


def settle_power(
    rows: Sequence[Row], anchor: Anchor | None, source: Source, outages: Sequence[Span]
) -> tuple[list[Step], None]:
    """Return the steps. Nothing holds them up: each row is certain by itself.

    A row above the meter's ceiling goes into quarantine at once.
    """
    steps: list[Step] = []
    for row in rows:
        if row.mean is None or not isfinite(row.mean) or _is_tainted(row, outages):
            continue
        after = Anchor(end=row.end)
        if anchor is None:
            anchor = after
            steps.append(Step(slices=(), anchor=anchor))
            continue
        start = max(row.start, anchor.end)
        time = row.end - start
        # Power that flows the other way is none of this stream.
        mwh = max(0, round(row.mean * (time / MICROSECOND) / MICROSECONDS))
        held = mwh > flow(source, time)
        known = Slice(
            start=start,
            end=row.end,
            mwh=mwh,
            quality=Quality.HELD if held else quality(time, mwh, source),
        )
        gap = Slice(start=anchor.end, end=start, mwh=0, quality=Quality.NO_DATA)
        slices = (gap, known) if gap.start < gap.end else (known,)
        steps.append(Step(slices=slices, anchor=after))
        anchor = after
    return steps, None


def _is_tainted(row: Row, outages: Sequence[Span]) -> bool:
    """Return whether some of the mean is the last value, repeated during an outage."""
    return any(
        span.start < row.end and (span.end is None or row.start < span.end)
        for span in outages
    )
