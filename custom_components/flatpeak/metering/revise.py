"""Imported statistics that were revised after their windows were closed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo

from .model import Anchor, Row, Source, Span, Window
from .register import mwh_of
from .settle import settle
from .totals import PricedWindow
from .windows import boundaries, grouped, join

TRAILING = timedelta(days=35)
# What a sum did before, that settling has to know: a fall is in doubt for a day.
RUN_UP = timedelta(days=2)
# Where nearly all windows of so long a time have so many times the energy, more or
# less, or more than can flow, the unit is another one: that is no revision.
ENOUGH = timedelta(hours=20)
MOST = 0.9
FACTOR = 100


def rebase(anchor: Anchor | None, rows: Iterable[Row], source: Source) -> Anchor | None:
    """Return the anchor on the sum (mWh) that its row has by now.

    A revision of the past moves every later sum. What it adds belongs to the windows
    of then, not to the next one.
    """
    if not source.imported or anchor is None or anchor.sum is None:
        return anchor
    present = next((mwh_of(row.sum) for row in rows if row.end == anchor.end), None)
    if present is None:
        return anchor
    moved = present - anchor.sum
    return replace(
        anchor,
        sum=present,
        high_water=None if anchor.high_water is None else anchor.high_water + moved,
        before_claim=(
            None if anchor.before_claim is None else anchor.before_claim + moved
        ),
    )


def revise(
    rows: Sequence[Row],
    booked: Sequence[PricedWindow],
    waiting: Sequence[Window],
    source: Source,
    *,
    period: Span,
    now: datetime,
    minutes: int,
    zone: tzinfo,
) -> tuple[Window, ...]:
    """Return the windows of a period whose energy (mWh) is another one by now.

    They have the bounds that they were booked with; where nothing was booked, because
    nothing was used, those of a window of `minutes`. `waiting` windows are frozen. A
    window of which something is missing, or in quarantine, stays as it was decided.
    The period ends with the last row that is settled, and the rows begin before it.
    """
    known = [row for row in rows if period.end is None or row.end <= period.end]
    slices = settle(known, None, source, (), now).slices
    if not slices or slices[-1].end <= period.start:
        return ()
    edges = _edges(
        max(period.start, slices[0].start),
        boundaries(slices[0].start, slices[-1].end, minutes, zone),
        sorted((*booked, *waiting), key=lambda window: window.start),
    )
    frozen = {window.start for window in waiting}
    before = {window.start: window for window in booked}
    windows = [
        join(pieces)
        for number, pieces in grouped(slices, edges)
        if 0 < number < len(edges)
    ]
    if _is_another_unit(windows, before):
        return ()
    return tuple(
        window
        for window in windows
        if window.start not in frozen
        and not window.held
        and not window.partial
        and _differs(window, before.get(window.start))
    )


def _edges(
    start: datetime,
    grid: Iterable[datetime],
    kept: Sequence[PricedWindow | Window],
) -> list[datetime]:
    """Return the bounds of windows from a start on: the kept ones, else the grid's."""
    bounds = {start}
    for window in kept:
        if window.start >= start:
            bounds |= {window.start, window.end}
    inside = iter(kept)
    current = next(inside, None)
    for edge in grid:
        while current and current.end <= edge:
            current = next(inside, None)
        if edge > start and not (current and current.start < edge):
            bounds.add(edge)
    return sorted(bounds)


def _differs(window: Window, before: PricedWindow | None) -> bool:
    """Return whether a window has other energy than the books have of it."""
    if before is None:
        return window.mwh > 0
    return window.end == before.end and not before.partial and window.mwh != before.mwh


def _is_another_unit(
    windows: Iterable[Window], booked: Mapping[datetime, PricedWindow]
) -> bool:
    """Return whether it is the unit that was changed, not the energy."""
    known = [
        (window, before)
        for window in windows
        if (before := booked.get(window.start)) and before.mwh
    ]
    odd = [
        window.end - window.start
        for window, before in known
        if window.held
        or FACTOR * min(window.mwh, before.mwh) <= max(window.mwh, before.mwh)
    ]
    return sum(odd, timedelta()) >= ENOUGH and len(odd) >= MOST * len(known)
