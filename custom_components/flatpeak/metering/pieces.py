"""Slices of energy, cut at instants without losing a mWh."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from .model import Slice

MICROSECOND = timedelta(microseconds=1)


def split(whole: Slice, edges: Sequence[datetime]) -> list[Slice]:
    """Cut a slice at those of the sorted edges that lie inside it.

    Each piece is a difference of the rounded cumulative energy, so that the pieces
    add up to the whole exactly.
    """
    inside = edges[bisect_right(edges, whole.start) : bisect_left(edges, whole.end)]
    if not inside:
        return [whole]
    length = (whole.end - whole.start) // MICROSECOND

    def energy_until(instant: datetime) -> int:
        """Return the energy from the slice's start, rounded to whole mWh."""
        passed = (instant - whole.start) // MICROSECOND
        return (2 * whole.mwh * passed + length) // (2 * length)

    return [
        Slice(
            start=start,
            end=end,
            mwh=energy_until(end) - energy_until(start),
            quality=whole.quality,
        )
        for start, end in pairwise((whole.start, *inside, whole.end))
    ]
