"""Tests of windows: where they end, and what they hold."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.flatpeak.metering import (
    CLAIMS,
    Answer,
    Lengths,
    Quality,
    Slice,
    Window,
    boundaries,
    changed_lengths,
    cut,
    day_start,
    local_date,
    release,
)
from custom_components.flatpeak.metering.pieces import split

from .histories import claimed, is_held, total

MINUTE = timedelta(minutes=1)
ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "America/Havana",
    "America/Toronto",
]
# A day before a change of the clock, or any day.
STARTS = {
    "Europe/Berlin": [(2026, 3, 28, 12), (2026, 10, 24, 12)],
    "America/New_York": [(2026, 3, 7, 12), (2026, 10, 31, 12)],
    "Asia/Kathmandu": [(2026, 5, 1, 12)],
    "Australia/Lord_Howe": [(2026, 4, 4, 3), (2026, 10, 3, 3)],
    "America/St_Johns": [(2026, 3, 7, 12), (2026, 10, 31, 12)],
    "America/Havana": [(2026, 3, 7, 12), (2026, 10, 31, 12)],
    "America/Toronto": [(1919, 3, 30, 12)],  # a day that began at 0:30
}
CASES = [
    (zone, datetime(*start, tzinfo=UTC)) for zone in ZONES for start in STARTS[zone]
]
lengths = st.sampled_from([5, 15, 30, 60])


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Slice], ZoneInfo]:
    """Draw contiguous slices around a change of the clock."""
    zone, start = draw(st.sampled_from(CASES))
    start += MINUTE * draw(st.integers(0, 24 * 60))
    slices = []
    shapes = st.tuples(
        st.sampled_from([1, 5, 5, 5, 17, 60, 400]),
        st.integers(0, 2_000_000),
        st.sampled_from(Quality),
    )
    for minutes, mwh, quality in draw(st.lists(shapes, min_size=1, max_size=30)):
        end = start + MINUTE * minutes
        energy = 0 if quality is Quality.NO_DATA else mwh
        slices.append(Slice(start=start, end=end, mwh=energy, quality=quality))
        start = end
    return slices, ZoneInfo(zone)


def edges_by_minute(
    start: datetime, end: datetime, minutes: int, zone: ZoneInfo
) -> tuple[datetime, ...]:
    """Find the boundaries by looking at every minute."""
    found = []
    instant = start.replace(second=0, microsecond=0)
    while (instant := instant + MINUTE) <= end:
        local = instant.astimezone(zone)
        if (
            instant.minute == 0
            or (local.hour * 60 + local.minute) % minutes == 0
            or local.date() != local_date(instant - MINUTE, zone)
            or local.utcoffset() != (instant - MINUTE).astimezone(zone).utcoffset()
        ):
            found.append(instant)
    return tuple(found)


@pytest.mark.parametrize("minutes", [5, 15, 30, 60])
@pytest.mark.parametrize(("zone", "start"), CASES)
def test_invariant_6_boundaries_through_a_clock_change(
    zone: str, start: datetime, minutes: int
) -> None:
    """All of the local clock, UTC hours and local days, and nothing else."""
    where = ZoneInfo(zone)
    end = start + timedelta(hours=30)
    expected = edges_by_minute(start, end, minutes, where)
    assert boundaries(start, end, minutes, where) == expected


@given(histories(), lengths)
def test_invariant_1_conserved_by_cutting(
    history: tuple[list[Slice], ZoneInfo], minutes: int
) -> None:
    """Windows and the open slices hold what went in, to the mWh."""
    slices, zone = history
    windows, rest = cut(slices, minutes, zone)
    assert total(*windows, *rest) == total(*slices)
    assert claimed(*windows, *rest) == claimed(*slices)
    assert all(window.mwh >= 0 and window.held >= 0 for window in windows)
    assert all(piece.mwh >= 0 for piece in rest)


@given(histories(), lengths)
def test_invariant_2_no_overlap_no_hole_and_no_edge_crossed(
    history: tuple[list[Slice], ZoneInfo], minutes: int
) -> None:
    """Windows follow one another and stay within UTC hour and local day."""
    slices, zone = history
    windows, rest = cut(slices, minutes, zone)
    parts: list[Slice | Window] = [*windows, *rest]
    assert (parts[0].start, parts[-1].end) == (slices[0].start, slices[-1].end)
    assert all(one.end == two.start for one, two in pairwise(parts))
    for window in windows:
        last = window.end - timedelta(microseconds=1)
        assert window.start < window.end <= window.start + MINUTE * minutes
        assert window.start.replace(minute=0) == last.replace(
            minute=0, second=0, microsecond=0
        )
        assert local_date(window.start, zone) == local_date(last, zone)
        today = day_start(local_date(window.start, zone), zone)
        assert window.start >= today


@given(histories(), lengths, st.lists(st.integers(0, 30), max_size=4))
def test_invariant_3_same_windows_however_the_slices_arrive(
    history: tuple[list[Slice], ZoneInfo], minutes: int, cuts: list[int]
) -> None:
    """Cutting what is open together with what follows is cutting everything."""
    slices, zone = history
    windows: list[Window] = []
    rest: tuple[Slice, ...] = ()
    bounds = [0, *sorted(min(n, len(slices)) for n in cuts), len(slices)]
    for first, last in pairwise(bounds):
        more, rest = cut((*rest, *slices[first:last]), minutes, zone)
        windows += more
    assert (tuple(windows), rest) == cut(slices, minutes, zone)


@given(histories(), lengths, st.booleans())
def test_invariant_1_a_window_has_its_share(
    history: tuple[list[Slice], ZoneInfo], minutes: int, held: bool
) -> None:
    """Energy flows evenly within a slice, to 1 mWh per slice of the window."""
    slices, zone = history
    for window in cut(slices, minutes, zone)[0]:
        shares = [
            piece.mwh
            * (
                (min(piece.end, window.end) - max(piece.start, window.start))
                / (piece.end - piece.start)
            )
            for piece in slices
            if piece.start < window.end and window.start < piece.end
            if is_held(piece) is held
        ]
        energy = window.held if held else window.mwh
        assert abs(energy - sum(shares)) <= len(shares)


def test_scenario_09_half_hour_zone_has_utc_hours_too() -> None:
    """An hour of Kathmandu (+5:45) is cut where a row of statistics ends."""
    start = datetime(2026, 5, 1, 12, 15, tzinfo=UTC)  # 18:00
    edges = boundaries(
        start, start + timedelta(hours=2), 60, ZoneInfo("Asia/Kathmandu")
    )
    assert [edge.strftime("%H:%M") for edge in edges] == [
        "13:00",
        "13:15",
        "14:00",
        "14:15",
    ]


def test_windows_of_the_repeated_hour_are_two() -> None:
    """2:30 to 3:00 happens twice, an hour apart."""
    start = datetime(2026, 10, 25, 0, tzinfo=UTC)
    whole = Slice(start=start, end=start + timedelta(hours=2), mwh=4_000)
    windows, rest = cut([whole], 30, ZoneInfo("Europe/Berlin"))
    assert [window.mwh for window in windows] == [1_000] * 4
    assert rest == ()


def test_a_window_tells_what_is_in_it() -> None:
    """Estimated and missing parts show; what is not complete stays open."""
    start = datetime(2026, 5, 1, 12, 10, tzinfo=UTC)
    slices = [
        Slice(start=start, end=start + 10 * MINUTE, mwh=200),
        Slice(
            start=start + 10 * MINUTE,
            end=start + 25 * MINUTE,
            mwh=300,
            quality=Quality.SPREAD,
        ),
        Slice(
            start=start + 25 * MINUTE,
            end=start + 36 * MINUTE,
            mwh=0,
            quality=Quality.NO_DATA,
        ),
    ]
    windows, rest = cut(slices, 15, UTC)
    at = [start + n * MINUTE for n in (0, 5, 20, 35)]
    assert windows == (
        Window(start=at[0], end=at[1], mwh=100),
        Window(start=at[1], end=at[2], mwh=300, estimated=True),
        Window(start=at[2], end=at[3], mwh=100, estimated=True, partial=True),
    )
    assert rest == (
        Slice(start=at[3], end=at[3] + MINUTE, mwh=0, quality=Quality.NO_DATA),
    )


def test_scenario_24_a_window_in_quarantine_is_answered() -> None:
    """Accepted energy joins, at a time that nobody knows; dropped energy is missing."""
    start = datetime(2026, 5, 1, 12, tzinfo=UTC)
    slices = [
        Slice(start=start, end=start + 12 * MINUTE, mwh=200),
        Slice(
            start=start + 12 * MINUTE,
            end=start + 18 * MINUTE,
            mwh=9_001,
            quality=Quality.HELD,
        ),
        Slice(start=start + 18 * MINUTE, end=start + 45 * MINUTE, mwh=27),
    ]
    windows, rest = cut(slices, 15, UTC)
    at = [start + n * MINUTE for n in (0, 15, 30, 45)]
    assert windows == (
        Window(start=at[0], end=at[1], mwh=200, held=4_501),
        Window(start=at[1], end=at[2], mwh=12, held=4_500),
        Window(start=at[2], end=at[3], mwh=15),
    )
    assert rest == ()
    assert [release(window, Answer.ACCEPT) for window in windows] == [
        Window(start=at[0], end=at[1], mwh=4_701, estimated=True),
        Window(start=at[1], end=at[2], mwh=4_512, estimated=True),
        windows[2],
    ]
    assert [release(window, Answer.DISCARD) for window in windows] == [
        Window(start=at[0], end=at[1], mwh=200, partial=True),
        Window(start=at[1], end=at[2], mwh=12, partial=True),
        windows[2],
    ]


@pytest.mark.parametrize(
    ("answer", "mwh", "partial"),
    [(Answer.ACCEPT, 9_050, False), (Answer.REPLACED, 50, True)],
)
def test_scenario_24_what_followed_a_jump_counts_for_a_new_meter(
    answer: Answer, mwh: int, *, partial: bool
) -> None:
    """In the window that it was used in, and estimated, since it was in doubt."""
    start = datetime(2026, 5, 1, 12, tzinfo=UTC)
    parts = [(9_000, Quality.HELD), (30, Quality.FOLLOWS), (20, Quality.FOLLOWS)]
    slices = [
        Slice(
            start=start + n * 5 * MINUTE,
            end=start + (n + 1) * 5 * MINUTE,
            mwh=energy,
            quality=quality,
        )
        for n, (energy, quality) in enumerate(parts)
    ]
    (window,), _ = cut(slices, 15, UTC)
    assert (window.mwh, window.held, window.followed) == (0, 9_050, 50)
    assert release(window, answer) == Window(
        start=start, end=window.end, mwh=mwh, estimated=True, partial=partial
    )


@given(histories(), lengths, st.sampled_from(Answer))
def test_invariant_1_conserved_by_an_answer(
    history: tuple[list[Slice], ZoneInfo], minutes: int, answer: Answer
) -> None:
    """Nothing is held any more, and what counts is what was answered."""
    slices, zone = history
    windows, rest = cut(slices, minutes, zone)
    released = [release(window, answer) for window in windows]
    counted = {
        Answer.ACCEPT: CLAIMS,
        Answer.DISCARD: frozenset(),
        Answer.REPLACED: {Quality.FOLLOWS},
    }[answer]
    added = sum(piece.mwh for piece in slices if piece.quality in counted)
    still = sum(piece.mwh for piece in rest if piece.quality in counted)
    assert total(*released, *rest) + still == total(*slices) + added
    assert claimed(*released) == 0
    assert not any(window.followed for window in released)


def test_cut_nothing_and_nonsense() -> None:
    """No slices, no windows; a hole is a mistake of the caller."""
    start = datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert cut([], 15, UTC) == ((), ())
    one = Slice(start=start, end=start + MINUTE, mwh=1)
    two = Slice(start=start + 2 * MINUTE, end=start + 3 * MINUTE, mwh=1)
    with pytest.raises(ValueError, match="contiguous"):
        cut([one, two], 15, UTC)


def test_split_rounds_the_cumulative_energy() -> None:
    """Ten pieces of 4 mWh are 0 1 0 0 1 0 1 0 0 1 or the like, not all 0."""
    start = datetime(2026, 5, 1, 12, tzinfo=UTC)
    whole = Slice(start=start, end=start + 10 * MINUTE, mwh=4)
    pieces = split(whole, [start + n * MINUTE for n in range(20)])
    assert [piece.mwh for piece in pieces] == [0, 1, 0, 1, 0, 0, 1, 0, 1, 0]


@given(
    history=histories(),
    before=lengths,
    after=lengths,
    hours=st.integers(-2, 60),
    split_at=st.integers(0, 100),
)
def test_scenario_16_invariant_1_invariant_2_length_changes(
    history: tuple[list[Slice], ZoneInfo],
    before: int,
    after: int,
    hours: int,
    split_at: int,
) -> None:
    """Windows have the old length up to the full hour, the new one after it."""
    slices, zone = history
    hour = slices[0].start.replace(minute=0) + timedelta(hours=hours)
    lengths = Lengths(minutes=after, before=before, until=hour)
    windows, rest = cut(slices, lengths, zone)
    parts: list[Slice | Window] = [*windows, *rest]
    assert all(one.end == two.start for one, two in pairwise(parts))
    assert (parts[0].start, parts[-1].end) == (slices[0].start, slices[-1].end)
    assert total(*parts) == total(*slices)
    early = [window for window in windows if window.start < hour]
    assert all(window.end <= hour for window in early)
    end = slices[-1].end
    old = set(boundaries(slices[0].start, min(hour, end), before, zone))
    new = set(boundaries(max(hour, slices[0].start), end, after, zone))
    assert {w.end for w in early} <= old
    assert {w.end for w in windows} - old <= new
    # What was cut is not cut again.
    some, open_ = cut(slices[: split_at % len(slices)], lengths, zone)
    more, still = cut((*open_, *slices[split_at % len(slices) :]), lengths, zone)
    assert total(*some, *more, *still) == total(*slices)
    assert [(w.start, w.end) for w in (*some, *more)] == [
        (w.start, w.end) for w in windows
    ]


def test_scenario_16_a_change_applies_from_the_next_full_hour() -> None:
    """Also one that is changed, or taken back, before it applies."""
    noon = datetime(2026, 11, 11, 12, tzinfo=UTC)
    hour = timedelta(hours=1)
    quarter = Lengths(minutes=15)
    assert changed_lengths(quarter, 15, noon) is quarter
    half = changed_lengths(quarter, 30, noon + 20 * MINUTE)
    assert half == Lengths(minutes=30, before=15, until=noon + hour)
    full = changed_lengths(half, 60, noon + 40 * MINUTE)
    assert full == Lengths(minutes=60, before=15, until=noon + hour)
    assert changed_lengths(full, 15, noon + 50 * MINUTE) == quarter
    assert changed_lengths(full, 5, noon + hour) == Lengths(
        minutes=5, before=60, until=noon + 2 * hour
    )
