"""Whether a register that rose too far comes back, or stays there."""

from collections.abc import Sequence
from datetime import timedelta

from .fall import Fate
from .judge import Verdict, judge
from .model import Anchor, Source
from .step import Reading, level, mark

PATIENCE = timedelta(minutes=60)
TENTH = 10  # of the rise: less of a fall is no return


def excess_fate(
    readings: Sequence[Reading], first: int, anchor: Anchor, source: Source
) -> tuple[Fate, int] | None:
    """Return what `readings[first]`, too far above the anchor, turned out to be.

    It was a spike when a later reading falls to where the register can be by then. A
    rise that time alone makes possible is none: a step of half a day's use would be
    billed half a day later. A reading that has not come back within an hour stays.
    None: it takes more readings. As with a fall, the first that decides does so.
    """
    peak = readings[first]
    claim = level(peak) - mark(anchor)
    for number in range(first + 1, len(readings)):
        reading = readings[number]
        fell = (level(peak) - level(reading)) * TENTH >= claim
        if fell and judge(anchor, reading, source) is Verdict.RISE:
            return Fate.BACK, number
        if reading.end - peak.end >= PATIENCE:
            return Fate.STAYS, first
    return None
