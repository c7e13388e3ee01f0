"""Meters that report the past hour: what is seen in an hour was used before it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby

from .calendar import hour_start
from .model import CLAIMS, Quality, Slice
from .pieces import MICROSECOND, split
from .step import Step

HOUR = timedelta(hours=1)
SETTLING = timedelta(minutes=10)


def settled_hours(steps: Sequence[Step], now: datetime) -> list[Step]:
    """Return the steps up to the last full hour of UTC that is complete.

    An hour is complete 10 minutes after its end, when a row ends with it.
    """
    certain = [
        number
        for number, step in enumerate(steps, 1)
        if not step.slices
        or (hour_start(step.anchor.end) == step.anchor.end <= now - SETTLING)
    ]
    return list(steps[: certain[-1] if certain else 0])


def shift(slices: Sequence[Slice]) -> tuple[Slice, ...]:
    """Move all that was seen in an hour of UTC evenly to the hour before.

    What a report after a gap brings is of all hours whose report it can be. What is
    held moves as it is, and what is accepted is even before and after it: so neither
    becomes the other.
    """
    if not slices:
        return ()
    hour = hour_start(slices[0].start)
    count = (slices[-1].end - hour) // HOUR
    hours = [hour + HOUR * number for number in range(1, count + 1)]
    pieces = _by_hours(slices, hours)
    return tuple(
        moved
        for _, seen in groupby(pieces, key=_hour_and_fate)
        for moved in _moved(tuple(seen))
    )


def _by_hours(slices: Sequence[Slice], hours: Sequence[datetime]) -> Iterator[Slice]:
    """Yield slices cut at full hours: a rise over several of them is even by hour.

    An hour that has a report of its own, before the gap or after it, takes no part.
    """
    reports = [
        (hour_start(one.end - MICROSECOND), number)
        for number, one in enumerate(slices)
        if _is_report(one)
    ]
    latest, earliest = dict(reports), dict(reversed(reports))
    for number, whole in enumerate(slices):
        pieces = split(whole, hours)
        if whole.quality is Quality.SPREAD:
            first = earliest.get(hour_start(pieces[0].start), number) < number
            last = latest.get(hour_start(pieces[-1].start), number) > number
            pieces = _shared(pieces, whole.mwh, slice(first, len(pieces) - last))
        yield from pieces


def _is_report(one: Slice) -> bool:
    """Return whether a slice ends with energy that counts."""
    return one.mwh > 0 and one.quality is not Quality.HELD


def _shared(pieces: Sequence[Slice], mwh: int, among: slice) -> list[Slice]:
    """Return a gap's pieces, with its energy in equal parts among some of them.

    Where it is for one hour alone no report was missed.
    """
    lacking = pieces[among] or pieces
    count = len(lacking)
    quality = Quality.SPREAD if count > 1 else Quality.MEASURED
    shares = {
        one.start: mwh * (number + 1) // count - mwh * number // count
        for number, one in enumerate(lacking)
    }
    return [
        replace(
            one,
            mwh=shares.get(one.start, 0),
            quality=quality if one.start in shares else Quality.MEASURED,
        )
        for one in pieces
    ]


def _hour_and_fate(piece: Slice) -> tuple[datetime, Quality | None]:
    """Return what pieces have in common that move together."""
    return hour_start(piece.start), piece.quality if piece.quality in CLAIMS else None


def _moved(seen: Sequence[Slice]) -> Iterator[Slice]:
    """Yield an hour's energy, an hour earlier: even over the time that has data."""
    known = [piece for piece in seen if not _is_unknown(piece)]
    qualities = {piece.quality for piece in known}
    quality = qualities.pop() if len(qualities) == 1 else Quality.SPREAD
    mwh = sum(piece.mwh for piece in known)
    time = sum((piece.end - piece.start for piece in known), timedelta())
    done = timedelta()
    for is_unknown, run in groupby(seen, key=_is_unknown):
        pieces = tuple(run)
        start, end = pieces[0].start - HOUR, pieces[-1].end - HOUR
        if is_unknown:
            yield Slice(start=start, end=end, mwh=0, quality=Quality.NO_DATA)
            continue
        until = done + end - start
        share = mwh * until // time - mwh * done // time
        yield Slice(start=start, end=end, mwh=share, quality=quality)
        done = until


def _is_unknown(piece: Slice) -> bool:
    """Return whether nobody knows what was used in a piece."""
    return piece.quality is Quality.NO_DATA
