"""A meter that reports the past hour, and Home Assistant is down meanwhile."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.flatpeak.advance import advance
from custom_components.flatpeak.journal import MeterState, Queued
from custom_components.flatpeak.metering import (
    Quality,
    Reporting,
    Row,
    Slice,
    Source,
    cut,
)
from custom_components.flatpeak.metering.hourly import shift
from tests.books import BERLIN, STREAM

from .histories import KWH, SLOT, START, at

HOURLY = Source(reporting=Reporting.HOURLY)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
FIRST = -12  # the slots before the start are of an hour without use
used = st.lists(st.integers(1, 5 * KWH), min_size=12, max_size=12)  # in each hour


def lived(
    used: list[int], slot: int, down: int, back: int, *, fresh: bool
) -> tuple[list[Row], int, int]:
    """Return the rows, and the last hour known before the outage and after it.

    Each hour's energy is reported in a slot of the next one. In the slots from `down`
    to `back` nobody watches; then the old value is restored until the next report, or
    the meter is asked at once.
    """
    rows: list[Row] = []
    shown = before = after = 0
    for number in range(FIRST, 12 * len(used)):
        told = (number - slot) // 12  # hours that the meter has reported by now
        if number < down:
            shown = before = told
        elif number > back and (number % 12 == slot or fresh):
            shown = told
        if number > back and not after and shown > before:
            after = shown
        end = at(number + 1)
        late = at(back) + MINUTE if down <= number < back else end
        level = (1_000 * KWH + sum(used[: max(0, shown)])) / KWH
        rows.append(Row(start=at(number), end=end, state=level, written=late))
    return rows, before, after


def settled(rows: list[Row], back: int, pushes: set[int]) -> list[Queued]:
    """Return the records, from steps at some slots while Home Assistant is up."""
    state = MeterState(stream=STREAM, source="sensor.late")
    records: list[Queued] = []
    for count in (*sorted(pushes), len(rows)):
        now = rows[count - 1].end
        seen = [row for row in rows[:count] if row.written and row.written <= now]
        runs = [start for start in (at(FIRST), at(back)) if start < now]
        anchor = state.anchor
        step = advance(
            "meter",
            state,
            [row for row in seen if not anchor or row.end >= anchor.end],
            HOURLY,
            now=now + 11 * MINUTE,
            runs=runs,
            minutes=60,
            zone=BERLIN,
        )
        state = step.state if step.closed else state
        records += step.records if step.closed else ()
    return records


@settings(max_examples=300, deadline=None)
@given(
    used,
    st.integers(0, 10),
    st.integers(14, 60),
    st.integers(1, 40),
    st.booleans(),
    st.sets(st.integers(1, 150), max_size=10),
)
def test_invariant_8_a_report_after_an_outage_is_of_all_hours_since_the_last(
    used: list[int], slot: int, down: int, length: int, fresh: bool, pushes: set[int]
) -> None:
    """Evenly and estimated, or as measured where no report was missed."""
    back = down + length
    rows, before, after = lived(used, slot, down, back, fresh=fresh)
    first, last = max(0, before), after
    found = {
        (item.window.start - START) // HOUR: item.window
        for item in settled(rows, back, pushes)
    }
    known = min(len(used) - 1, max(found))
    assert list(found) == list(range(known + 1))
    for hour in range(known + 1):
        window = found[hour]
        if first <= hour < last and last - first > 1:
            share = sum(used[first:last]) / (last - first)
            assert abs(window.mwh - share) <= 1
            assert window.estimated
        else:
            assert window.mwh == used[hour]
            assert not window.estimated
    if last <= known:
        assert sum(found[hour].mwh for hour in range(first, last)) == sum(
            used[first:last]
        )


def test_invariant_8_an_idle_meter_is_settled_an_hour_later() -> None:
    """It had nothing to report: what comes later is of the hour before."""
    rows, *_ = lived([0] * 6 + [KWH] * 6, 1, 30, 40, fresh=False)
    windows = [item.window for item in settled(rows, 40, set())]
    assert [(one.start - START) // HOUR for one in windows] == [6, 7, 8, 9, 10]
    assert {(one.mwh, one.estimated) for one in windows} == {(KWH, False)}


def test_the_rows_are_what_a_continuous_meter_settles_at_once() -> None:
    """Fifteen minutes after the return, not an hour: it would have moved by then."""
    rows, *_ = lived([KWH] * 12, 1, 14, 17, fresh=False)
    until = [row for row in rows if row.end <= at(22)]
    state = MeterState(stream=STREAM, source="sensor.late")
    for reporting, end in ((Reporting.CONTINUOUS, at(22)), (Reporting.HOURLY, at(12))):
        step = advance(
            "meter",
            state,
            until,
            replace(HOURLY, reporting=reporting),
            now=at(22) + SLOT,
            runs=[at(17)],
            minutes=60,
            zone=BERLIN,
        )
        assert step.state.anchor is not None
        assert step.state.anchor.end == end


@pytest.mark.parametrize("slot", [1, 6, 11])
def test_what_has_no_data_is_no_estimate_an_hour_earlier(slot: int) -> None:
    """Where nobody knows the register for a slot, the hour has that hole, no less."""
    gap = Slice(start=at(slot), end=at(slot + 1), mwh=0, quality=Quality.NO_DATA)
    report = Slice(start=at(0), end=at(1), mwh=11 * KWH)
    quiet = [
        Slice(start=at(1), end=at(slot), mwh=0),
        Slice(start=at(slot + 1), end=at(12), mwh=0),
    ]
    seen = [report, quiet[0], gap, quiet[1]]
    windows, _ = cut(shift([one for one in seen if one.start < one.end]), 15, BERLIN)
    assert [(one.start - at(-12)) // SLOT for one in windows] == [0, 3, 6, 9]
    for number, window in enumerate(windows):
        has_hole = number == slot // 3
        assert window.partial == has_hole
        assert window.mwh == (2 if has_hole else 3) * KWH
        assert not window.estimated
