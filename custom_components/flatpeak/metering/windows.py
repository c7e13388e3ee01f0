"""Windows: the stretches of time that become meter records."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from itertools import groupby, pairwise
from math import gcd

from .calendar import hour_start, next_day_start
from .model import CLAIMS, Answer, Quality, Slice, Window
from .pieces import split

QUARTER = 15  # minutes: the clocks of the world differ by multiples of it
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """How long windows are, in minutes: `minutes`, but `before` up to `until`."""

    minutes: int
    before: int | None = None
    until: datetime | None = None  # a full hour of UTC


def changed_lengths(lengths: Lengths, minutes: int, now: datetime) -> Lengths:
    """Return the lengths once windows shall have `minutes`: from the next full hour."""
    if minutes == lengths.minutes:
        return lengths
    before, until = lengths.minutes, lengths.until
    if lengths.before is not None and until is not None and now < until:
        before = lengths.before  # the change before has not come into effect
    else:
        until = hour_start(now) + HOUR
    if before == minutes:
        return Lengths(minutes=minutes)
    return Lengths(minutes=minutes, before=before, until=until)


def boundaries(
    start: datetime, end: datetime, minutes: int, zone: tzinfo
) -> tuple[datetime, ...]:
    """Return the instants (UTC) after `start`, up to `end`, that no window crosses.

    They are the multiples of `minutes` (a divisor of 60) on the zone's clock and where
    that is changed, the full hours of UTC, since those are the rows of statistics, and
    the starts of local days.
    """
    step = timedelta(minutes=gcd(minutes, QUARTER))
    hour = hour_start(start)
    grid = [hour + step * n for n in range((end - hour) // step + 1)]
    clock = [instant.astimezone(zone) for instant in grid]
    edges = {
        instant
        for instant, (before, local) in zip(grid[1:], pairwise(clock), strict=True)
        if start < instant
        and (
            instant.minute == 0
            or local.minute % minutes == 0
            or local.utcoffset() != before.utcoffset()
        )
    }
    day = next_day_start(start, zone)
    while day <= end:
        edges.add(day)
        day = next_day_start(day, zone)
    return tuple(sorted(edges))


def _edges(
    start: datetime, end: datetime, lengths: Lengths, zone: tzinfo
) -> tuple[datetime, ...]:
    """Return the boundaries of windows whose length changes at a full hour."""
    until = lengths.until
    if lengths.before is None or until is None or until <= start:
        return boundaries(start, end, lengths.minutes, zone)
    early = boundaries(start, min(until, end), lengths.before, zone)
    if end <= until:
        return early
    return (*early, *boundaries(until, end, lengths.minutes, zone))


def cut(
    slices: Sequence[Slice], minutes: int | Lengths, zone: tzinfo
) -> tuple[tuple[Window, ...], tuple[Slice, ...]]:
    """Return the complete windows, and the slices of the one that is still open.

    The slices are contiguous and begin at the end of the last window, or where the
    first one shall begin. Cutting the open slices and what follows them later gives
    the same windows as cutting everything at once.

    Raises:
        ValueError: The slices overlap or leave a hole.
    """
    if any(one.end != two.start for one, two in pairwise(slices)):
        raise ValueError("Slices must be contiguous")
    if not slices:
        return (), ()
    lengths = minutes if isinstance(minutes, Lengths) else Lengths(minutes=minutes)
    edges = _edges(slices[0].start, slices[-1].end, lengths, zone)
    groups = list(grouped(slices, edges))
    return (
        tuple(join(pieces) for number, pieces in groups if number < len(edges)),
        tuple(
            piece
            for number, pieces in groups
            if number == len(edges)
            for piece in pieces
        ),
    )


def grouped(
    slices: Sequence[Slice], edges: Sequence[datetime]
) -> Iterator[tuple[int, Sequence[Slice]]]:
    """Yield the pieces between sorted edges, with the number of the edge after them."""
    pieces = (piece for whole in slices for piece in split(whole, edges))
    for number, group in groupby(pieces, lambda piece: bisect_left(edges, piece.end)):
        yield number, tuple(group)


def join(pieces: Sequence[Slice]) -> Window:
    """Add up the slices of a window: what is accepted, and what is held."""
    qualities = {piece.quality for piece in pieces}
    held = sum(piece.mwh for piece in pieces if piece.quality in CLAIMS)
    return Window(
        start=pieces[0].start,
        end=pieces[-1].end,
        mwh=sum(piece.mwh for piece in pieces) - held,
        estimated=Quality.SPREAD in qualities,
        partial=Quality.NO_DATA in qualities,
        held=held,
        followed=sum(p.mwh for p in pieces if p.quality is Quality.FOLLOWS),
    )


def release(window: Window, answer: Answer) -> Window:
    """Return a window without quarantine: its energy joined, or was never there.

    Accepted energy is estimated, since nobody knows when it was used. Where it is
    dropped, what was really used is missing.
    """
    counted = {
        Answer.ACCEPT: window.held,
        Answer.DISCARD: 0,
        Answer.REPLACED: window.followed,
    }[answer]
    return replace(
        window,
        mwh=window.mwh + counted,
        held=0,
        followed=0,
        estimated=window.estimated or counted > 0,
        partial=window.partial or counted < window.held,
    )
