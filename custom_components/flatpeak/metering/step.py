"""What all ways of settling share: a reading, a step, and how much can flow."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from .model import Anchor, Quality, Slice, Source, Span
from .pieces import MICROSECOND

MICROSECONDS = 3_600_000  # that 1 W takes for 1 mWh


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A row of a register, in mWh. It counts by its state, if the source has one."""

    start: datetime
    end: datetime
    state: int | None
    sum: int | None
    last_reset: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Time that is settled, and the anchor after it."""

    slices: tuple[Slice, ...]
    anchor: Anchor


def level(point: Reading | Anchor) -> int:
    """Return where the register stands (mWh)."""
    return point.state if point.state is not None else point.sum or 0


def is_blank(anchor: Anchor) -> bool:
    """Return whether no register is known: its source was replaced, or lost."""
    return anchor.state is None and anchor.sum is None


def mark(anchor: Anchor) -> int:
    """Return the level that energy counts from (mWh)."""
    return level(anchor) if anchor.high_water is None else anchor.high_water


def tolerance(anchor: Anchor, source: Source) -> int:
    """Return by how much a register may fall without having fallen (mWh)."""
    return unfallen(mark(anchor), source)


def unfallen(stand: int, source: Source) -> int:
    """Return what is no fall from a level (mWh)."""
    return max(source.quantum, abs(stand) // 1_000)


def flow(source: Source, time: timedelta) -> int:
    """Return the most energy that can flow in a time (mWh)."""
    return source.max_power * (time // MICROSECOND) // MICROSECONDS + source.quantum


def allowance(anchor: Anchor, until: datetime, source: Source) -> int:
    """Return the most energy that can have flowed since the last change (mWh)."""
    return flow(source, until - (anchor.changed or anchor.end))


def quality(time: timedelta, mwh: int, source: Source) -> Quality:
    """Return how energy of one reading is known: over a longer time it is spread."""
    return Quality.SPREAD if mwh and time > source.slot else Quality.MEASURED


def ends_in(outages: Sequence[Span], end: datetime) -> bool:
    """Return whether a row ends in an outage."""
    return any(
        span.start < end and (span.end is None or end <= span.end) for span in outages
    )


def begin(reading: Reading) -> Anchor:
    """Return an anchor on a reading, whatever was before."""
    return Anchor(
        end=reading.end,
        state=reading.state,
        sum=reading.sum,
        last_reset=reading.last_reset,
        high_water=level(reading),
        changed=reading.start,
    )


def lose(anchor: Anchor, reading: Reading, *, thousands: int = 0) -> Step:
    """Begin anew on a reading: of the time before it nothing is known."""
    gap = Slice(start=anchor.end, end=reading.end, mwh=0, quality=Quality.NO_DATA)
    after = replace(begin(reading), thousands=thousands)
    return Step(slices=(gap,), anchor=after)


def quarantine(anchor: Anchor, reading: Reading, *, thousands: int = 0) -> Step:
    """Set aside what a reading claims, and go on from it.

    The mark before the first of several claims is where a false register comes from.
    """
    before = mark(anchor) if anchor.before_claim is None else anchor.before_claim
    claim = Slice(
        start=anchor.end,
        end=reading.end,
        mwh=level(reading) - mark(anchor),
        quality=Quality.HELD,
    )
    after = replace(
        begin(reading),
        last_reset=reading.last_reset or anchor.last_reset,
        before_claim=before,
        thousands=thousands,
    )
    return Step(slices=(claim,), anchor=after)


def accept(
    anchor: Anchor, reading: Reading, mwh: int, source: Source, *, top: int
) -> Step:
    """Settle the time up to a reading; from then on energy counts from `top`.

    While a register seems to show another unit, its energy is a claim.

    The last change is as early as it can be: after the energy took its time, though
    not before the row. So rises that are late or early by part of a row are fine, and
    yet what is accepted never exceeds the meter's power over any longer time.
    """
    changed = anchor.changed or anchor.end
    if mwh:
        taken = MICROSECOND * (mwh * MICROSECONDS // source.max_power)
        changed = max(changed + taken, reading.start)
    before = anchor.before_claim
    known = quality(reading.end - anchor.end, mwh, source)
    settled = Slice(
        start=anchor.end,
        end=reading.end,
        mwh=mwh,
        quality=Quality.FOLLOWS if anchor.thousands else known,
    )
    return Step(
        slices=(settled,),
        anchor=Anchor(
            end=reading.end,
            state=reading.state,
            sum=reading.sum,
            last_reset=reading.last_reset or anchor.last_reset,
            high_water=top,
            changed=changed,
            before_claim=None if before is None or top < before else before,
            thousands=anchor.thousands,
        ),
    )


def rise(anchor: Anchor, reading: Reading, source: Source) -> Step:
    """Settle what a register has risen above its mark, if anything."""
    top = max(mark(anchor), level(reading))
    return accept(anchor, reading, top - mark(anchor), source, top=top)
