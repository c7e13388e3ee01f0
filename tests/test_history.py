"""A meter's past: what it comes to, and in which periods it is asked for."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st

from custom_components.flatpeak.history import LONGEST_RANGE, chunks, freeze
from custom_components.flatpeak.metering import (
    PastRecord,
    Row,
    Source,
    SourceKind,
    Window,
)

from .books import BERLIN

HOUR = timedelta(hours=1)
SECONDS = timedelta(seconds=10)
START = datetime(2026, 1, 1, tzinfo=UTC)
KATHMANDU = ZoneInfo("Asia/Kathmandu")  # its full hours are at a quarter past


def test_the_last_window_ends_where_the_past_does() -> None:
    """What is used until the first live window is not lost, whole hour or not."""
    ends = [START + HOUR, START + 2 * HOUR, START + 2.5 * HOUR]
    rows = [
        Row(start=START if not n else ends[n - 1], end=end, state=float(n), sum=0.0)
        for n, end in enumerate(ends)
    ]
    end = ends[-1]
    past = freeze(rows, Source(), START, end, now=end, zone=KATHMANDU)
    assert past.records[-1].window.end == end
    assert sum(one.window.mwh for one in past.records) == 2_000_000


def test_reports_are_asked_for_up_to_the_end() -> None:
    """Periods are of 90 days at most; the last one reaches to where it shall."""
    records = [
        PastRecord(window=Window(start=start, end=start + HOUR, mwh=1000), wh=1)
        for start in (START, START + LONGEST_RANGE, START + LONGEST_RANGE + HOUR)
    ]
    second = START + LONGEST_RANGE
    assert chunks(records) == [(START, START + HOUR), (second, second + 2 * HOUR)]
    end = second + timedelta(days=10)
    assert chunks(records, end) == [(START, START + HOUR), (second, end)]
    far = second + LONGEST_RANGE + HOUR
    assert chunks(records, far)[-1] == (second, second + 2 * HOUR)


def lived(
    used: list[int], zero: datetime, outages: list[tuple[int, int]], away: timedelta
) -> tuple[list[Row], list[list[int]]]:
    """Return hourly rows as the recorder has them, and the hours that share energy.

    It was down from the beginning of some hours until others had begun, and wrote what
    it missed at the return.
    """
    rows: list[Row] = []
    total = shown = 0
    for number, mwh in enumerate(used):
        total += mwh
        down = next((span for span in outages if span[0] <= number < span[1]), None)
        shown = shown if down else total
        end = zero + (number + 1) * HOUR
        rows.append(
            Row(
                start=end - HOUR,
                end=end,
                state=(10**9 + shown) / 10**6,
                sum=shown / 10**6,
                written=zero + down[1] * HOUR + away if down else end + SECONDS,
            )
        )
    return rows, [list(range(start, back + 1)) for start, back in outages]


@settings(max_examples=300, deadline=None)
@given(
    used=st.lists(st.integers(0, 9_000_000), min_size=30, max_size=60),
    edges=st.sets(st.integers(2, 27), max_size=6),
    zero=st.sampled_from(
        [
            datetime(2026, 3, 28, 12, tzinfo=UTC),
            datetime(2026, 10, 24, 12, tzinfo=UTC),
            datetime(2026, 6, 1, tzinfo=UTC),
        ]
    ),
    away=st.sampled_from([3 * SECONDS, HOUR / 2]),
)
def test_invariant_8_outages_of_the_past(
    used: list[int], edges: set[int], zero: datetime, away: timedelta
) -> None:
    """Their energy is even over the outage and its return, and nothing else changes."""
    borders = sorted(edges)
    outages = list(zip(borders[::2], borders[1::2], strict=False))
    # An hour that was written right after it looks as if it had been watched.
    outages = [
        (one, two) for one, two in outages if two - one > 1 or away > SECONDS * 9
    ]
    rows, shared = lived(used, zero, outages, away)
    end = rows[-1].end
    past = freeze(rows, Source(), zero, end, now=end, zone=BERLIN)
    found = {(one.window.start - zero) // HOUR: one.window for one in past.records}
    known = {hour: window.mwh for hour, window in found.items()}
    assert not past.held
    assert sum(known.values()) == sum(used[1:])
    gone = {hour for hours in shared for hour in hours}
    for hour in set(range(1, len(used))) - gone:
        assert known.get(hour, 0) == used[hour]
        assert hour not in found or not found[hour].estimated
    for hours in shared:
        even = Fraction(sum(used[hour] for hour in hours), len(hours))
        assert all(abs(known.get(hour, 0) - even) <= 1 for hour in hours)
        assert all(found[hour].estimated for hour in hours if hour in found)


def test_power_of_an_outage_of_the_past_is_unknown() -> None:
    """The recorder repeated the last value; one late hour alone tells nothing."""
    rows = [
        Row(
            start=START + n * HOUR,
            end=START + (n + 1) * HOUR,
            mean=1000 if 2 <= n < 5 else 1000 + n,
            written=START + (5.5 if 2 <= n < 5 else n + 1 + 0.5 * (n == 8)) * HOUR,
        )
        for n in range(10)
    ]
    source = Source(kind=SourceKind.POWER)
    end = rows[-1].end
    past = freeze(rows, source, START, end, now=end, zone=UTC)
    hours = [(one.window.start - START) // HOUR for one in past.records]
    assert hours == [1, 6, 7, 8, 9]


def test_imported_rows_of_a_register_are_no_outage() -> None:
    """Somebody wrote them all at once, idle hours as well."""
    levels = [0, 1, 1, 1, 3, 3, 4]
    rows = [
        Row(
            start=START + n * HOUR,
            end=START + (n + 1) * HOUR,
            state=float(level),
            written=START + 400 * HOUR,
        )
        for n, level in enumerate(levels)
    ]
    end = rows[-1].end
    past = freeze(rows, Source(), START, end, now=end, zone=UTC)
    hours = {(one.window.start - START) // HOUR: one.window for one in past.records}
    assert {hour: one.mwh // 10**6 for hour, one in hours.items()} == {1: 1, 4: 2, 6: 1}
    assert not any(one.estimated for one in hours.values())


def test_missing_hours_are_shared_as_well() -> None:
    """The sensor was unavailable: the first row after that has all of it."""
    rows = [
        Row(start=START + n * HOUR, end=START + (n + 1) * HOUR, state=float(n))
        for n in (0, 1, 2, 6, 7)
    ]
    past = freeze(rows, Source(), START, rows[-1].end, now=rows[-1].end, zone=UTC)
    assert [(one.window.mwh, one.window.estimated) for one in past.records] == [
        (1_000_000, estimated)
        for estimated in (False, False, True, True, True, True, False)
    ]
