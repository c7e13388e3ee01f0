"""The invariants of the books, through thousands of generated lives of a meter.

Each goes the whole way from the recorder's rows to frozen records, in steps that are
taken whenever it pleases, and is compared with what truly flowed.
"""

from collections import defaultdict
from datetime import date, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st

from custom_components.flatpeak.metering import (
    CLAIMS,
    Answer,
    Quality,
    Window,
    record_reference_id,
    release,
)

from .books import STREAM
from .world import (
    FALSE,
    QUIET,
    SLOT,
    World,
    accepted,
    free,
    gap,
    known,
    live,
    local_day,
    outage,
    schedules,
    trickle,
    usage,
    without_noise,
    worlds,
)

THOUSAND = settings(max_examples=1_000, deadline=None)
lengths = st.sampled_from([5, 15, 30, 60])
MICROSECOND = timedelta(microseconds=1)


@THOUSAND
@given(worlds(), lengths, schedules, schedules)
def test_invariant_1_nothing_but_what_flowed(
    lived: tuple[World, ZoneInfo], minutes: int, pushes: set[int], lost: set[int]
) -> None:
    """All that flowed is accepted, and sent but for less than a Wh; claims are not."""
    world, zone = lived
    life = live(world, zone, minutes, pushes, lost=lost)
    waiting = sum(p.mwh for p in life.state.open if p.quality not in CLAIMS)
    windows = [item.window for item in life.records]
    assert (
        sum(window.mwh for window in windows) + waiting
        == world.points[-1][1] - (world.points[0][1])
    )
    held = sum(p.mwh for p in life.state.open if p.quality in CLAIMS)
    assert sum(window.held for window in windows) + held == world.claimed
    sent = free(life.records)
    assert sum(item.wh for item in sent) * 1_000 + life.state.carry == sum(
        item.window.mwh for item in sent
    )


@THOUSAND
@given(worlds(), lengths, schedules)
def test_invariant_1_invariant_8_each_window_has_what_flowed_in_it(
    lived: tuple[World, ZoneInfo], minutes: int, pushes: set[int]
) -> None:
    """Up to each instant between windows: what flowed until then, to the mWh.

    Where the meter could not be read, for whatever reason, it flowed evenly.
    """
    world, zone = lived
    life = live(world, zone, minutes, pushes)
    first, last = world.at(1), life.state.cut_until
    assert last
    inside = {
        window.start + n * SLOT
        for window in (item.window for item in life.records)
        for n in range(1, (window.end - window.start) // SLOT)
    }
    so_far, ends = 0, {item.window.end: item.window.mwh for item in life.records}
    for slot in range(2, (last - world.begin) // SLOT + 1):
        instant = world.at(slot)
        so_far += ends.get(instant, 0)
        if instant not in inside:
            flowed = known(world, instant) - known(world, first)
            assert abs(so_far - flowed) <= 1, instant
    assert so_far == accepted(life.records, last)


@THOUSAND
@given(worlds(), lengths, schedules, schedules)
def test_invariant_2_no_window_overlaps_or_crosses_an_edge(
    lived: tuple[World, ZoneInfo], minutes: int, pushes: set[int], lost: set[int]
) -> None:
    """Windows follow one another, each within its hour, day and part of the clock."""
    world, zone = lived
    life = live(world, zone, minutes, pushes, lost=lost)
    assert list(life.marks) == sorted(life.marks)
    until = world.begin
    for window in (item.window for item in life.records):
        assert until <= window.start < window.end <= life.marks[-1]
        until = window.end
        moments = [window.start, window.end - MICROSECOND]
        assert (
            len(
                {
                    moment.replace(minute=0, second=0, microsecond=0)
                    for moment in moments
                }
            )
            == 1
        )
        local = [moment.astimezone(zone) for moment in moments]
        assert len({moment.date() for moment in local}) == 1
        assert len({(m.hour * 60 + m.minute) // minutes for m in local}) == 1
        assert window.end - window.start <= timedelta(minutes=minutes)


@THOUSAND
@given(worlds(QUIET), lengths, schedules, schedules, schedules)
def test_invariant_3_same_records_whenever_steps_are_taken(
    lived: tuple[World, ZoneInfo],
    minutes: int,
    pushes: set[int],
    others: set[int],
    lost: set[int],
) -> None:
    """Rarely, often or killed in between: the same windows, bytes and ids, once."""
    world, zone = lived
    one = live(world, zone, minutes, pushes)
    two = live(world, zone, minutes, others, lost=lost)
    assert one.records == two.records
    assert (one.state.open, one.state.carry) == (two.state.open, two.state.carry)
    periods = [(item.window.start, item.window.end) for item in one.records]
    ids = [record_reference_id(STREAM, start, end) for start, end in periods]
    assert len(set(ids)) == len(ids)
    assert live(without_noise(world), zone, minutes, pushes).records == one.records


@THOUSAND
@given(worlds(), lengths, schedules)
def test_invariant_6_each_local_day_has_its_energy(
    lived: tuple[World, ZoneInfo], minutes: int, pushes: set[int]
) -> None:
    """Of 23, 24 or 25 hours, by the clock of the zone."""
    world, zone = lived
    life = live(world, zone, minutes, pushes)
    assert life.state.cut_until
    booked: defaultdict[date, int] = defaultdict(int)
    for window in (item.window for item in life.records):
        booked[window.start.astimezone(zone).date()] += window.mwh
    flowed: defaultdict[date, Fraction] = defaultdict(Fraction)
    for slot in range(1, (life.state.cut_until - world.begin) // SLOT):
        flowed[local_day(world, zone, slot)] += known(world, world.at(slot + 1)) - (
            known(world, world.at(slot))
        )
    open_windows = life.state.cut_until
    for day in flowed.keys() | booked.keys():
        whole = local_day(world, zone, (open_windows - world.begin) // SLOT) > day
        if whole:
            assert abs(booked[day] - flowed[day]) <= 1, day


@THOUSAND
@given(worlds((usage, trickle, gap, outage)), lengths, schedules)
def test_invariant_8_unwatched_energy_is_marked(
    lived: tuple[World, ZoneInfo], minutes: int, pushes: set[int]
) -> None:
    """What flowed while the meter could not be read is estimated, nothing else is."""
    world, zone = lived
    life = live(world, zone, minutes, pushes)
    read = {slots for slots, _ in world.points}
    for window in (item.window for item in life.records):
        first = (window.start - world.begin) // SLOT
        last = (window.end - world.begin) // SLOT
        blind = any(
            slot + 1 not in read or slot not in read for slot in range(first, last)
        )
        assert window.estimated is blind
        assert not window.partial


@THOUSAND
@given(worlds(FALSE), lengths, schedules, st.sampled_from(Answer))
def test_invariant_9_the_impossible_is_held_back(
    lived: tuple[World, ZoneInfo], minutes: int, pushes: set[int], answer: Answer
) -> None:
    """Nothing that a meter pretends is sent; what it claims is, if it is accepted.

    Of a meter that was replaced counts what followed the jump.
    """
    world, zone = lived
    life = live(world, zone, minutes, pushes)
    sent = 0
    for item in free(life.records):
        sent += item.wh
        flowed = known(world, item.window.end) - known(world, world.at(1))
        assert sent * 1_000 <= flowed + 501
    held: list[Window] = [item.window for item in life.records if item.window.held]
    assert all(item.wh == 0 for item in life.records if item.window.held)
    counted = {
        Answer.ACCEPT: CLAIMS,
        Answer.DISCARD: frozenset(),
        Answer.REPLACED: {Quality.FOLLOWS},
    }[answer]
    still = sum(p.mwh for p in life.state.open if p.quality in counted)
    released = sum(release(window, answer).mwh for window in held)
    claims = released - sum(window.mwh for window in held) + still
    assert (
        claims
        == {
            Answer.ACCEPT: world.claimed,
            Answer.DISCARD: 0,
            Answer.REPLACED: world.followed,
        }[answer]
    )
