"""Rows as the recorder writes them, and histories whose energy is known."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from custom_components.flatpeak.metering import (
    CLAIMS,
    Anchor,
    Row,
    Settled,
    Slice,
    Source,
    Span,
    Window,
    settle,
)

START = datetime(2026, 11, 22, 10, tzinfo=UTC)
SLOT = timedelta(minutes=5)
KWH = 1_000_000  # mWh
POWER = 10_000  # W: at most 833 Wh in a slot
SOURCE = Source(max_power=POWER)
LATER = datetime(2040, 1, 1, tzinfo=UTC)


def rows_of(
    levels: Iterable[float | None],
    *,
    start: datetime = START,
    slot: timedelta = SLOT,
    last_reset: datetime | None = None,
) -> list[Row]:
    """Return a row per slot; None is a slot without one. `sum` as the recorder has it.

    The recorder adds every difference, or the new reading after a fall of a tenth.
    """
    rows: list[Row] = []
    total, before = 0.0, None
    for number, level in enumerate(levels):
        if level is None:
            continue
        if before is not None:
            total += level if level < 0.9 * before else level - before
        before = level
        at = start + number * slot
        rows.append(
            Row(start=at, end=at + slot, state=level, sum=total, last_reset=last_reset)
        )
    return rows


def at(slots: float) -> datetime:
    """Return the instant a number of slots after the start."""
    return START + slots * SLOT


def settled(
    levels: Iterable[float | None], source: Source = SOURCE, *outages: Span
) -> Settled:
    """Settle readings from the first one on."""
    return settle(rows_of(levels), None, source, outages, LATER)


def total(*parts: Slice | Window) -> int:
    """Return the accepted energy of slices and windows in mWh."""
    return sum(part.mwh for part in parts) - sum(
        part.mwh for part in parts if is_held(part)
    )


def claimed(*parts: Slice | Window) -> int:
    """Return the energy in quarantine in mWh."""
    return sum(
        part.held if isinstance(part, Window) else part.mwh * is_held(part)
        for part in parts
    )


def is_held(part: Slice | Window) -> bool:
    """Return whether a part is a slice in quarantine."""
    return isinstance(part, Slice) and part.quality in CLAIMS


def energies(result: Settled) -> list[int]:
    """Return the slices' energy in Wh."""
    return [piece.mwh // 1000 for piece in result.slices]


def settle_in_parts(
    rows: Sequence[Row],
    cuts: Iterable[int],
    *,
    source: Source,
    outages: Sequence[Span],
    now: datetime = LATER,
) -> Settled:
    """Settle more and more rows, each time from where the last time ended."""
    anchor: Anchor | None = None
    slices: list[Slice] = []
    for cut in (*sorted(cuts), len(rows)):
        unread = [row for row in rows[:cut] if not anchor or row.end > anchor.end]
        result = settle(unread, anchor, source, outages, now)
        slices += result.slices
        anchor = result.anchor
    return Settled(slices=tuple(slices), holds=result.holds, anchor=anchor)


@dataclass
class House:
    """A meter that lives through events. Levels and `used` are mWh."""

    level: int
    low: int = 0  # what the present cycle began with
    used: int = 0
    claimed: int = 0
    slots: int = 0
    rows: list[Row] = field(default_factory=list)
    outages: list[Span] = field(default_factory=list)

    def row(self, state: int) -> None:
        """Write the next slot's row."""
        end = at(self.slots + 1)
        self.rows.append(
            Row(start=at(self.slots), end=end, state=state / KWH, sum=state / KWH)
        )
        self.slots += 1

    def use(self, mwh: int) -> None:
        """Use energy and write it."""
        self.level += mwh
        self.used += mwh
        self.row(self.level)

    def idle(self, mwh: int) -> None:
        """Use nothing for some slots."""
        for _ in range(1 + mwh % 7):
            self.use(0)

    def gap(self, mwh: int) -> None:
        """Be unavailable, and return with what was used meanwhile."""
        self.slots += 1 + mwh % 5
        self.use(mwh)

    def outage(self, mwh: int) -> None:
        """Be down: the recorder repeats the old reading, then comes all at once."""
        start = at(self.slots)
        for _ in range(1 + mwh % 5):
            self.row(self.level)
        self.outages.append(Span(start=start, end=at(self.slots)))
        self.use(mwh)

    def dip(self, mwh: int) -> None:
        """Show too little for some slots, then the truth. Small registers do not."""
        if self.level < 10 * KWH:
            return self.use(mwh)
        for _ in range(1 + mwh % 3):
            self.row(mwh % KWH)
        return self.use(mwh)

    def spike(self, mwh: int) -> None:
        """Show far too much for some slots, then the truth."""
        for slot in range(1 + mwh % 11):
            self.row(self.level + 5_000 * KWH + (mwh * slot) % KWH)
        self.use(mwh)

    def jump(self, mwh: int) -> None:
        """Claim far too much, and go on from there. Small registers do not."""
        if self.level < 10 * KWH:
            return self.use(mwh)
        claim = 5_000 * KWH + mwh
        self.level += claim
        self.claimed += claim
        self.row(self.level)
        for _ in range(12):
            self.use(mwh % 50_000)
        return None

    def sag(self, mwh: int) -> None:
        """Fall by less than counts, and recover."""
        self.row(self.level - mwh % 1_000)
        self.use(mwh)

    def reset(self, mwh: int) -> None:
        """Begin at zero, then be used. Small registers do not."""
        if self.level >= 10 * KWH:
            self.level = 0
        for part in (mwh, 1_000 + mwh, 2_000, 3_000):
            self.use(part)

    def swap(self, mwh: int) -> None:
        """Become a meter with another, lower level. Small registers do not."""
        if self.level >= 100 * KWH:
            self.level = 50 * KWH + mwh
            self.row(self.level)
        for part in (1_000 + mwh, 2_000, 3_000):
            self.use(part)


EVENTS: tuple[Callable[[House, int], None], ...] = (
    House.use,
    House.idle,
    House.gap,
    House.outage,
    House.dip,
    House.spike,
    House.jump,
    House.sag,
    House.reset,
    House.swap,
)


@st.composite
def houses(draw: st.DrawFn) -> House:
    """Draw a life of a meter. No slot uses more than 700 Wh of the possible 833."""
    house = House(level=draw(st.integers(0, 20_000 * KWH)))
    house.row(house.level)
    steps = st.tuples(st.sampled_from(EVENTS), st.integers(0, 700_000))
    for event, mwh in draw(st.lists(steps, max_size=25)):
        event(house, mwh)
    for _ in range(4):  # so that the last fall is understood
        house.use(50_000)
    return house


@st.composite
def garbage(draw: st.DrawFn) -> tuple[list[Row], Source, list[Span]]:
    """Draw rows that no meter would write."""
    levels = st.one_of(st.none(), st.integers(-2, 40).map(lambda n: n / 4))
    resets = st.sampled_from([None, None, START, at(7)])
    shapes = st.tuples(levels, levels, resets, st.sampled_from([1, 1, 1, 2, 12]))
    rows: list[Row] = []
    slots = draw(st.integers(0, 11))
    for state, total, last_reset, length in draw(st.lists(shapes, max_size=40)):
        rows.append(
            Row(
                start=at(slots),
                end=at(slots + length),
                state=state,
                sum=total,
                last_reset=last_reset,
                mean=None if state is None else state * 2_000,
            )
        )
        slots += length + draw(st.sampled_from([0, 0, 0, 1, 5]))
    source = draw(
        st.builds(
            Source,
            kind=st.sampled_from(["energy", "energy", "power"]),
            state_class=st.sampled_from(["total_increasing", "total"]),
            reporting=st.sampled_from(["continuous", "hourly"]),
            max_power=st.sampled_from([2_000, POWER, 100_000]),
            quantum=st.sampled_from([1_000, KWH]),
            zones=st.sampled_from([(), (UTC,)]),
        )
    )
    edges = sorted(draw(st.lists(st.integers(0, 60), max_size=4)))
    outages = [
        Span(start=at(one + 0.5), end=at(two + 0.5))
        for one, two in zip(edges[::2], edges[1::2], strict=False)
    ]
    if draw(st.booleans()) and edges:
        outages.append(Span(start=at(edges[-1])))
    return rows, source, outages
