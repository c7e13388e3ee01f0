"""Meters that report the past hour: what is seen in an hour was used before it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby

from .model import CLAIMS, Quality, Slice
from .pieces import split
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
        or (_hour(step.anchor.end) == step.anchor.end <= now - SETTLING)
    ]
    return list(steps[: certain[-1] if certain else 0])


def shift(slices: Sequence[Slice]) -> tuple[Slice, ...]:
    """Move all that was seen in an hour of UTC evenly to the hour before.

    What is held moves as it is, and what is accepted is even before and after it: so
    neither becomes the other.
    """
    if not slices:
        return ()
    hour = _hour(slices[0].start)
    count = (slices[-1].end - hour) // HOUR
    hours = [hour + HOUR * number for number in range(1, count + 1)]
    pieces = (piece for whole in slices for piece in split(whole, hours))
    return tuple(_moved(tuple(seen)) for _, seen in groupby(pieces, key=_hour_and_fate))


def _hour_and_fate(piece: Slice) -> tuple[datetime, Quality | None]:
    """Return what pieces have in common that move together."""
    return _hour(piece.start), piece.quality if piece.quality in CLAIMS else None


def _moved(seen: Sequence[Slice]) -> Slice:
    """Return an hour's energy, an hour earlier."""
    qualities = {piece.quality for piece in seen}
    return Slice(
        start=seen[0].start - HOUR,
        end=seen[-1].end - HOUR,
        mwh=sum(piece.mwh for piece in seen),
        quality=qualities.pop() if len(qualities) == 1 else Quality.SPREAD,
    )


def _hour(instant: datetime) -> datetime:
    """Return the start of the hour of UTC that an instant is in."""
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
