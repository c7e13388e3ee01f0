"""Settle an energy register: a state, or else a sum, that grows."""

from collections.abc import Iterator, Sequence
from math import isfinite

from .excess import excess_fate
from .fall import Fate, fate
from .judge import Verdict, added, judge
from .model import Anchor, Hold, HoldReason, Row, Source, Span
from .step import (
    Reading,
    Step,
    accept,
    begin,
    ends_in,
    is_blank,
    level,
    lose,
    mark,
    quarantine,
    rise,
    unfallen,
)
from .unit import is_former_unit, is_thousandfold

MWH = 1_000_000  # in a kWh
# What it takes more readings to know: who decides, and what holds up the rest.
DOUBTS = {
    Verdict.FALL: (fate, HoldReason.FALL),
    Verdict.EXCESS: (excess_fate, HoldReason.IMPLAUSIBLE),
}


def settle_register(
    rows: Sequence[Row], anchor: Anchor | None, source: Source, outages: Sequence[Span]
) -> tuple[list[Step], Hold | None]:
    """Return the steps that are certain, and what holds up the rest."""
    readings = list(_readings(rows, anchor, source, outages))
    steps: list[Step] = []
    number = 0
    while number < len(readings):
        if anchor is None:
            step = Step(slices=(), anchor=begin(readings[number]))
        elif is_blank(anchor):
            step = lose(anchor, readings[number])
        else:
            outcome = _next(readings, number, anchor, source)
            if isinstance(outcome, Hold):
                return steps, outcome
            step, number = outcome
        steps.append(step)
        anchor = step.anchor
        number += 1
    return steps, None


def _next(
    readings: Sequence[Reading], number: int, anchor: Anchor, source: Source
) -> tuple[Step, int] | Hold:
    """Return the step that begins with a reading and the number of its last one."""
    reading = readings[number]
    verdict = judge(anchor, reading, source)
    if verdict is Verdict.RISE:
        # After an idle time a small register can come back from a thousandth at once.
        if anchor.thousands < 0 and is_former_unit(anchor, reading, source):
            return lose(anchor, reading), number
        return rise(anchor, reading, source), number
    if verdict is Verdict.CYCLE:
        gain = added(anchor, reading) or 0
        return accept(anchor, reading, gain, source, top=level(reading)), number
    decide, reason = DOUBTS[verdict]
    decided = decide(readings, number, anchor, source)
    if decided is None:
        claim = level(reading) - mark(anchor)
        return Hold(start=anchor.end, reason=reason, mwh=claim)
    outcome, number = decided
    return _after(outcome, anchor, readings[number], source), number


def _after(outcome: Fate, anchor: Anchor, reading: Reading, source: Source) -> Step:
    """Return the step up to the reading that a doubt ends with."""
    if outcome is Fate.BACK:
        return rise(anchor, reading, source)
    if is_former_unit(anchor, reading, source):
        return lose(anchor, reading)
    if outcome is Fate.RESET:
        stand = level(reading)
        return accept(anchor, reading, stand, source, top=stand)
    if outcome is Fate.UNIT:
        return lose(anchor, reading, thousands=-1)
    if outcome is Fate.SWAP:
        return lose(anchor, reading, thousands=anchor.thousands)
    # Whatever it does next, only the old level or the user ends this doubt.
    up = is_thousandfold(anchor, reading, source)
    return quarantine(anchor, reading, thousands=anchor.thousands or int(up))


def _readings(
    rows: Sequence[Row], anchor: Anchor | None, source: Source, outages: Sequence[Span]
) -> Iterator[Reading]:
    """Yield the rows that say something of the register.

    Those are not rows that lack a value, nor the copies of the old reading that the
    recorder writes for an outage. Where a crash took its last rows along, it copies
    one that is a little older than the last that we know.
    """
    by_state: bool | None = None
    before: int | None = None
    if anchor and not is_blank(anchor):
        by_state, before = anchor.state is not None, level(anchor)
    for row in rows:
        state, total = mwh_of(row.state), mwh_of(row.sum)
        if by_state is None and (state, total) != (None, None):
            by_state = state is not None
        stand = state if by_state else total
        if stand is None:
            continue
        if (
            before is not None
            and 0 <= before - stand <= unfallen(before, source)
            and ends_in(outages, row.end)
        ):
            continue
        before = stand
        yield Reading(
            start=row.start,
            end=row.end,
            state=state if by_state else None,
            sum=total,
            last_reset=row.last_reset,
        )


def mwh_of(kwh: float | None) -> int | None:
    """Return kWh as whole mWh."""
    return None if kwh is None or not isfinite(kwh) else round(kwh * MWH)
