"""A meter's life whose truth is known, lived through the whole way to the records.

The oracle is physical: how much energy had flowed at each instant. A meter that could
be read at two instants, and not in between, tells nothing but the sum; then the truth
that anybody can know is a straight line. What is settled has to be that line.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import override
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from custom_components.flatpeak.advance import advance
from custom_components.flatpeak.journal import MeterState, Queued, Status
from custom_components.flatpeak.metering import Row, Source

from .books import STREAM

KWH = 1_000_000  # mWh
SLOT = timedelta(minutes=5)
WRITTEN = timedelta(seconds=10)  # after the end of a slot, or the return
POWER = 10_000  # W: at most 833 Wh in a slot
SOURCE = Source(max_power=POWER)
BIG = 10 * KWH  # smaller registers can hide a dip

# Half a day before a change of the clock, or any day.
BEGINNINGS = {
    "Europe/Berlin": [
        "2026-03-28T12:00Z",
        "2026-10-24T12:00Z",
    ],
    "Asia/Kathmandu": ["2026-05-01T06:00Z"],
    "Australia/Lord_Howe": [
        "2026-04-04T03:00Z",
        "2026-10-03T03:00Z",
    ],
    "America/St_Johns": [
        "2026-03-07T17:00Z",
        "2026-10-31T16:00Z",
    ],
    "America/Havana": [
        "2026-03-07T17:00Z",
        "2026-10-31T16:00Z",
    ],
    "Africa/Cairo": ["2026-04-23T10:00Z"],
}
CASES = [
    (zone, datetime.fromisoformat(begin))
    for zone, begins in BEGINNINGS.items()
    for begin in begins
]


class Quiet[Item](list[Item]):
    """A list that would make a failure unreadable."""

    @override
    def __repr__(self) -> str:
        """Say nothing."""
        return "..."


@dataclass
class World:
    """A register and who reads it. Energy in mWh; a slot is 5 minutes."""

    begin: datetime
    level: int  # of the register
    story: list[tuple[str, int, int]] = field(default_factory=list)
    flowed: list[int] = field(default_factory=Quiet)  # truly, in each slot
    points: list[tuple[int, int]] = field(
        default_factory=Quiet
    )  # slots, and all that flowed in them
    rows: list[Row] = field(default_factory=Quiet)
    runs: list[tuple[int, datetime]] = field(default_factory=Quiet)  # from a slot on
    down: set[int] = field(default_factory=set, repr=False)  # nobody pushes in them
    claimed: int = 0
    followed: int = 0  # of that, on the level of another unit
    noise: int = 0  # in the recorder's sum, which must not matter

    def at(self, slots: int) -> datetime:
        """Return the end of so many slots."""
        return self.begin + slots * SLOT

    @property
    def slots(self) -> int:
        """Return how many slots were lived."""
        return len(self.flowed)

    def show(self, state: int, flow: int = 0) -> None:
        """Live a slot whose row shows a state, true or not."""
        self.flowed.append(flow)
        self.noise = self.noise * 7 % 13 + 1
        self.rows.append(
            Row(
                start=self.at(self.slots - 1),
                end=self.at(self.slots),
                state=state / KWH,
                sum=(state + self.noise * KWH) / KWH,
                written=self.at(self.slots) + WRITTEN,
            )
        )

    def use(self, mwh: int) -> None:
        """Live a slot with energy that can be read at its end."""
        self.level += mwh
        self.show(self.level, mwh)
        self.points.append((self.slots, sum(self.flowed)))

    def hide(self, mwh: int) -> None:
        """Live a slot without a row."""
        self.level += mwh
        self.flowed.append(mwh)

    def pretend(self, state: int, mwh: int) -> None:
        """Live a slot whose row shows something else than the register."""
        self.level += mwh
        self.show(state, mwh)

    def misread(self, state: int, mwh: int) -> None:
        """Live a slot of which nobody will ever know the energy."""
        self.level += mwh
        self.show(state)
        self.points.append((self.slots, sum(self.flowed)))


type Event = Callable[[World, int, int], None]


def amount(seed: int, number: int = 0) -> int:
    """Return 1 to 600 Wh, of the 833 that can flow in a slot."""
    return 1_000 + (seed * 7_919 + number * 104_729) % 599_000


def usage(world: World, seed: int, count: int) -> None:
    """Use energy for some slots."""
    for number in range(count):
        world.use(amount(seed, number))


def trickle(world: World, seed: int, count: int) -> None:
    """Use next to nothing, as a standby does."""
    for number in range(count):
        world.use(1 + (seed + number) % 400)


def gap(world: World, seed: int, count: int) -> None:
    """Be unavailable, and come back with what was used meanwhile."""
    for number in range(count):
        world.hide(amount(seed, number))
    world.use(amount(seed))


def outage(world: World, seed: int, count: int) -> None:
    """Be down: the recorder repeats the old reading, also until the source reports."""
    before = world.level
    world.down |= set(range(world.slots, world.slots + count))
    for number in range(count):
        world.pretend(before, amount(seed, number))
    run = world.at(world.slots) + timedelta(seconds=seed % 300)
    world.runs.append((world.slots, run))
    world.rows[-count:] = [
        replace(row, written=run + WRITTEN) for row in world.rows[-count:]
    ]
    for number in range(seed % 3):
        world.pretend(before, amount(seed, number))
    usage(world, seed, 4)


def dip(world: World, seed: int, count: int) -> None:
    """Show next to nothing, then the truth."""
    if world.level > BIG:
        for number in range(1 + count % 3):
            world.pretend(seed % KWH, amount(seed, number))
    world.use(amount(seed))


def sag(world: World, seed: int, count: int) -> None:
    """Fall by less than counts, and recover."""
    world.pretend(world.level - seed % 1_000, amount(seed))
    world.points.append((world.slots, world.points[-1][1]))  # believed, and 0
    world.use(amount(count))


def spike(world: World, seed: int, count: int) -> None:
    """Show far too much, then the truth."""
    for number in range(1 + count % 11):
        world.pretend(world.level + 5_000 * KWH + (seed * number) % KWH, amount(seed))
    world.use(amount(seed))


def thousandth(world: World, seed: int, count: int) -> None:
    """Show another unit for hours, then the old one."""
    if world.level > BIG:
        for number in range(1 + count * 2):
            mwh = amount(seed, number)
            world.pretend((world.level + mwh) // 1_000, mwh)
    world.use(amount(seed))


def thousandfold(world: World, seed: int, count: int) -> None:
    """Show another unit for less than an hour, then the old one."""
    if world.level > BIG:
        for number in range(1 + count % 11):
            mwh = amount(seed, number)
            world.pretend((world.level + mwh) * 1_000, mwh)
    world.use(amount(seed))


def lasting_thousandfold(world: World, seed: int, count: int) -> None:
    """Show another unit for hours or days, at a few W, then the old one."""
    if world.level > BIG:
        before = world.level
        world.misread(before * 1_000, 0)
        world.claimed += before * 999
        for number in range(13 + seed % 13 * count):
            mwh = (seed + number * 7) % 800
            world.misread((world.level + mwh) * 1_000, mwh)
        world.followed += (world.level - before) * 1_000
        world.claimed += (world.level - before) * 1_000
        world.misread(world.level, 0)
    usage(world, seed, 4)


def lasting_thousandth(world: World, seed: int, count: int) -> None:
    """Show a thousandth for more than a day, at a few W, then the old unit."""
    if world.level > BIG:
        world.misread(world.level // 1_000, 0)
        before = world.level // 1_000
        for number in range(290 + count):
            mwh = (seed + number * 7) % 800
            world.misread((world.level + mwh) // 1_000, mwh)
        world.followed += world.level // 1_000 - before
        world.claimed += world.level // 1_000 - before
        world.misread(world.level, 0)
        trickle(world, seed, 12)
    usage(world, seed, 4)


def jump(world: World, seed: int, _count: int) -> None:
    """Claim far too much, and go on from there."""
    if world.level > BIG:
        claim = 5_000 * KWH + seed
        world.level += claim
        world.claimed += claim
        world.use(0)
        trickle(world, seed, 12)
    world.use(amount(seed))


def reset(world: World, seed: int, _count: int) -> None:
    """Begin at zero, then be used."""
    if world.level > BIG:
        world.level = 0
    usage(world, seed, 5)


def exchange(world: World, seed: int, _count: int) -> None:
    """Become another meter, with a lower level; nothing flows meanwhile."""
    if world.level > 100 * KWH:
        world.level = 50 * KWH + seed % KWH
        world.use(0)
    usage(world, seed, 4)


FALSE: Sequence[Event] = (
    dip,
    sag,
    spike,
    thousandth,
    thousandfold,
    lasting_thousandfold,
    lasting_thousandth,
    jump,
    exchange,
)
EVENTS: Sequence[Event] = (usage, trickle, gap, outage, reset, *FALSE)
QUIET: Sequence[Event] = tuple(event for event in EVENTS if event is not outage)


@st.composite
def worlds(draw: st.DrawFn, events: Sequence[Event] = EVENTS) -> tuple[World, ZoneInfo]:
    """Draw a life around a change of the clock, and the zone that it is lived in."""
    zone, begin = draw(st.sampled_from(CASES))
    start = begin + SLOT * draw(st.integers(0, 150))
    world = World(begin=start, level=draw(st.integers(0, 20_000 * KWH)))
    world.runs.append((0, start - timedelta(days=1)))
    usage(world, draw(st.integers(0, 1_000)), 2)
    lives = st.tuples(
        st.sampled_from(events), st.integers(0, 10**6), st.integers(1, 25)
    )
    for event, seed, count in draw(st.lists(lives, min_size=1, max_size=12)):
        world.story.append((getattr(event, "__name__", ""), seed, count))
        event(world, seed, count)
    usage(world, 50, 4)  # so that the last fall is understood
    return world, ZoneInfo(zone)


schedules = st.sets(st.integers(2, 400), max_size=25)


@dataclass(frozen=True, kw_only=True)
class Lived:
    """What came of a life: the records in their order, and how far it is."""

    records: Sequence[Queued]
    state: MeterState
    marks: Sequence[datetime]  # where the watermark was after each step


def live(
    world: World,
    zone: ZoneInfo,
    minutes: int,
    pushes: Iterable[int],
    *,
    lost: Iterable[int] = (),
    source: Source = SOURCE,
) -> Lived:
    """Push after some slots, those in which Home Assistant is down left out.

    After the slots that are `lost` it is killed before the write. What was seen before
    an outage need not be on disk: the rows say when they were written.
    """
    due = {1, world.slots} | set(pushes)
    state = MeterState(stream=STREAM, source="sensor.any")
    records: list[Queued] = []
    marks: list[datetime] = []
    kills = set(lost) - {1, world.slots}
    for slot in sorted(slot for slot in due if slot <= world.slots):
        if slot - 1 in world.down:
            continue
        now = world.at(slot)
        anchor = state.anchor
        step = advance(
            "meter",
            state,
            [
                row
                for row in world.rows
                if row.end <= now and (anchor is None or row.end >= anchor.end)
            ],
            source,
            now=now + timedelta(seconds=30),
            runs=[run for first, run in world.runs if first < slot],
            minutes=minutes,
            zone=zone,
        )
        if step.closed and slot not in kills:
            state = step.state
            assert state.cut_until is not None
            until = marks[-1] if marks else world.begin
            assert all(item.window.start >= until for item in step.records)
            marks.append(state.cut_until)
            records += sorted(step.records, key=lambda item: item.window.start)
    return Lived(records=records, state=step.state, marks=marks)


def known(world: World, instant: datetime) -> Fraction:
    """Return the energy that anybody can know to have flowed until an instant."""
    slots = Fraction((instant - world.begin) // timedelta(seconds=1), 300)
    after = bisect_left(world.points, slots, key=_slots)
    if world.points[after][0] == slots:
        return Fraction(world.points[after][1])
    (one, least), (two, most) = world.points[after - 1 : after + 1]
    return least + (slots - one) * Fraction(most - least, two - one)


def _slots(point: tuple[int, int]) -> Fraction:
    """Return when a point was."""
    return Fraction(point[0])


def accepted(records: Iterable[Queued], until: datetime) -> int:
    """Return the energy of the windows that end by then."""
    return sum(item.window.mwh for item in records if item.window.end <= until)


def free(records: Iterable[Queued]) -> list[Queued]:
    """Return the records that are not in quarantine."""
    return [item for item in records if item.status is Status.NEW]


def local_day(world: World, zone: ZoneInfo, slot: int) -> date:
    """Return the date on the clock when a slot begins."""
    return world.at(slot).astimezone(zone).date()


def without_noise(world: World) -> World:
    """Return the same life with another sum in each row."""
    return replace(world, rows=[replace(row, sum=None) for row in world.rows])
