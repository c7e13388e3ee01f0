"""Why a register fell: a dip, a reset, or another meter."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum, auto

from .calendar import day_start, local_date
from .judge import Verdict, announces_reset, judge
from .model import Anchor, Source
from .step import Reading, allowance, begin, flow, level, mark, rise, tolerance
from .unit import is_thousandth

CLIMBS = 3  # rising readings that prove a new cycle
EDGE = timedelta(minutes=15)  # around a local midnight a reset is expected
PATIENCE_RISING = timedelta(minutes=60)
PATIENCE_FLAT = timedelta(hours=24)
TENTH = 10  # of the old level: near it, or near zero


class Fate(Enum):
    """What a register that is where it should not be turned out to have done."""

    BACK = auto()  # nothing: it is where it can be
    RESET = auto()  # it began at 0 and counts
    SWAP = auto()  # it is another register: its level says nothing
    UNIT = auto()  # it shows a thousandth, and goes on with it
    STAYS = auto()  # what it cannot have done: its level is a claim


def fate(
    readings: Sequence[Reading], first: int, anchor: Anchor, source: Source
) -> tuple[Fate, int] | None:
    """Return why `readings[first]` fell below the anchor, and up to which reading.

    Readings are taken one by one and the first that decides does so for good, so that
    later ones change nothing. None: it takes more of them.
    """
    base, trial, climbs = first, begin(readings[first]), 0
    rescaled = not anchor.thousands and is_thousandth(anchor, readings[first], source)
    rising: datetime | None = None
    for number in range(first + 1, len(readings)):
        reading = readings[number]
        if _is_back(anchor, trial, reading, source, at_once=not climbs):
            return Fate.BACK, number
        # Then it is no reset however it goes on, and has a day to come back.
        rescaled = rescaled and is_thousandth(anchor, reading, source)
        climb = level(reading) > mark(trial)
        if climb and rising is None and not rescaled:
            rising = reading.end
        if judge(trial, reading, source) is not Verdict.RISE:
            base, trial, climbs = number, begin(reading), 0
        else:
            climbs += climb
            trial = rise(trial, reading, source).anchor
            proven = climbs >= CLIMBS or _is_expected(anchor, readings[base], source)
            if proven and not rescaled and _may_reset(anchor, readings[base], source):
                return _began(readings, first, base, anchor, source), base
        since, patience = (
            (rising, PATIENCE_RISING)
            if rising
            else (readings[first].start, PATIENCE_FLAT)
        )
        if reading.end - since >= patience:
            if rescaled:
                return Fate.UNIT, base
            return _began(readings, first, base, anchor, source), base
    return None


def _is_back(
    anchor: Anchor, trial: Anchor, reading: Reading, source: Source, *, at_once: bool
) -> bool:
    """Return whether a reading is of the register that was there before the fall.

    It stands where that one can be by now, and got there too fast for usage, or
    (small registers) at once to within a tenth.
    """
    gain = level(reading) - mark(anchor)
    if not -tolerance(anchor, source) <= gain <= allowance(anchor, reading.end, source):
        return False
    climb = level(reading) - mark(trial)
    return climb > flow(source, reading.end - trial.end) or (
        at_once and gain * TENTH <= mark(anchor)
    )


def _is_expected(anchor: Anchor, reading: Reading, source: Source) -> bool:
    """Return whether a register fell to near zero at a local midnight.

    The reading after it has to agree, since a dip can happen at midnight, too.
    """
    latest = reading.end + EDGE
    return level(reading) * TENTH <= mark(anchor) and any(
        day_start(local_date(latest, zone), zone) >= reading.start - EDGE
        for zone in source.zones
    )


def _may_reset(anchor: Anchor, reading: Reading, source: Source) -> bool:
    """Return whether a fall can be a reset.

    A total has to announce it. One that just falls goes the other way at times: its
    level says nothing, however it goes on.
    """
    return source.state_class == "total_increasing" or announces_reset(anchor, reading)


def _is_true_again(anchor: Anchor, reading: Reading, source: Source) -> bool:
    """Return whether a register fell to where it was before a claim.

    Then the claim was false, and it is over. A small register that has begun anew
    meanwhile looks the same; its energy is given up rather than made up.
    """
    before = anchor.before_claim
    return before is not None and level(reading) + source.quantum >= before


def _is_new_sum(anchor: Anchor, reading: Reading) -> bool:
    """Return whether a reading is of a sum that does not know what was before it.

    A sum without a register is only what somebody added up. Begun anew, it holds the
    time of its first row at most, and nothing of a gap; 0 is where nothing is known.
    """
    new = reading.start > anchor.end or not level(reading)
    return reading.state is None and new


def _began(
    readings: Sequence[Reading],
    first: int,
    base: int,
    anchor: Anchor,
    source: Source,
) -> Fate:
    """Return what began at a reading, given that the old register is gone.

    The level counts as used since a reset only where it was reached by a fall of a
    tenth or more (the recorder's own limit for a reset) and can have flowed.
    """
    reading = readings[base]
    if (
        not _may_reset(anchor, reading, source)
        or _is_true_again(anchor, reading, source)
        or _is_new_sum(anchor, reading)
    ):
        return Fate.SWAP
    fell = base == first or level(reading) < level(readings[base - 1])
    most = min(
        allowance(anchor, reading.end, source), mark(anchor) - mark(anchor) // TENTH
    )
    return Fate.RESET if fell and 0 <= level(reading) <= most else Fate.SWAP
