"""What one reading of a register means, seen from the anchor alone."""

from enum import Enum, auto

from .model import Anchor, Source
from .step import Reading, allowance, level, mark, tolerance


class Verdict(Enum):
    """What a reading is."""

    RISE = auto()  # energy, perhaps none
    CYCLE = auto()  # an announced reset: the sum knows the energy
    FALL = auto()  # less than before: it takes later readings to know why
    EXCESS = auto()  # more than the meter can carry


def announces_reset(anchor: Anchor, reading: Reading) -> bool:
    """Return whether the reading comes with a new `last_reset`."""
    return reading.last_reset not in {None, anchor.last_reset}


def judge(anchor: Anchor, reading: Reading, source: Source) -> Verdict:
    """Return what a reading is.

    Only the state counts where there is one: the recorder's sum adds the whole new
    reading after a dip, and begins at 0 when it has forgotten the rows before.
    """
    rise = level(reading) - mark(anchor)
    most = allowance(anchor, reading.end, source)
    if rise < 0 and announces_reset(anchor, reading):
        gain = added(anchor, reading)
        if gain is not None and 0 <= gain <= most:
            return Verdict.CYCLE
    if rise > most:
        return Verdict.EXCESS
    if rise < -tolerance(anchor, source):
        return Verdict.FALL
    return Verdict.RISE


def added(anchor: Anchor, reading: Reading) -> int | None:
    """Return what the recorder added to its sum (mWh)."""
    if anchor.sum is None or reading.sum is None:
        return None
    return reading.sum - anchor.sum
