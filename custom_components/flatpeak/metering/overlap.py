"""What shares time with what, also where there are thousands of both."""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol


class Timed(Protocol):
    """What has a period."""

    @property
    def start(self) -> datetime:
        """Return the start."""

    @property
    def end(self) -> datetime:
        """Return the end."""


def overlap(one: Timed, two: Timed) -> bool:
    """Return whether two things share time."""
    return one.start < two.end and two.start < one.end


def overlapping(things: Iterable[Timed]) -> Callable[[Timed], bool]:
    """Return what tells whether something shares time with one of these."""
    starts: list[datetime] = []
    ends: list[datetime] = []
    for thing in sorted(things, key=lambda thing: thing.start):
        if ends and thing.start < ends[-1]:
            ends[-1] = max(ends[-1], thing.end)
            continue
        starts.append(thing.start)
        ends.append(thing.end)

    def overlaps(thing: Timed) -> bool:
        place = bisect_left(starts, thing.end) - 1
        return place >= 0 and ends[place] > thing.start

    return overlaps
