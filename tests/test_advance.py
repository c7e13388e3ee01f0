"""Tests of the step from the recorder's rows to frozen records."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings, strategies as st

from custom_components.flatpeak.advance import Step, advance
from custom_components.flatpeak.journal import (
    Journal,
    MeterState,
    Queued,
    Status,
    read_journal,
    write_journal,
)
from custom_components.flatpeak.metering import (
    Quality,
    Row,
    Source,
    SourceKind,
    boundaries,
)

from .books import BERLIN, STREAM, ZONES
from .metering.histories import KWH, LATER, SLOT, SOURCE, START, at, rows_of

NEW = MeterState(stream=STREAM, source="sensor.grid")
EARLY = START - timedelta(days=1)  # a run that began long ago


def step(
    state: MeterState,
    rows: Sequence[Row],
    *,
    source: Source = SOURCE,
    now: datetime = LATER,
    run_start: datetime = EARLY,
    minutes: int = 15,
    zone: tzinfo = BERLIN,
) -> Step:
    """Advance a meter."""
    return advance(
        "0badcafe",
        state,
        rows,
        source,
        now=now,
        runs=[run_start],
        minutes=minutes,
        zone=zone,
    )


def unread(rows: Sequence[Row], state: MeterState) -> list[Row]:
    """Return what the recorder would be asked for: from the slot before the anchor."""
    anchor = state.anchor
    return [row for row in rows if not anchor or row.end >= anchor.end]


def test_the_first_row_is_only_an_anchor() -> None:
    """A new meter has no energy yet, but what it stands on is worth a write."""
    first = step(NEW, rows_of([1000.0]))
    assert first.closed
    assert first.records == ()
    assert first.latest is None
    assert first.state.cut_until == first.state.live_until == at(1)
    assert not step(first.state, rows_of([1000.0])).closed


def test_no_rows_change_nothing() -> None:
    """Neither of a new meter nor of one that lives."""
    assert step(NEW, []) == Step(state=NEW, records=(), closed=False, latest=None)
    lived = step(NEW, rows_of([1000.0, 1000.1])).state
    assert step(lived, []) == Step(state=lived, records=(), closed=False, latest=None)


def test_an_open_window_waits() -> None:
    """It is kept in the state, whose watermark stays before it."""
    result = step(NEW, rows_of([1000.0, 1000.1]))
    assert result.records == ()
    assert result.closed  # the anchor is new
    assert [part.mwh for part in result.state.open] == [KWH // 10]
    assert result.latest == result.state.open[0]
    assert result.state.cut_until == at(1)
    later = step(result.state, rows_of([1000.0, 1000.1, 1000.2])[1:])
    assert later.closed
    assert [record.window.mwh for record in later.records] == [KWH // 5]
    assert later.state.open == ()
    assert later.state.cut_until == at(3)
    assert not step(result.state, rows_of([1000.0, 1000.1])).closed


def test_a_record_is_frozen_when_its_window_closes() -> None:
    """New, never attempted, in whole Wh; the rest rides in the next one."""
    levels = [*[1000.0] * 3, *[1000.0004] * 3, *[1000.0008] * 3]
    result = step(NEW, rows_of(levels))
    assert [(record.window.mwh, record.wh) for record in result.records] == [
        (400, 0),
        (400, 1),
    ]
    assert result.state.carry == -200
    assert {record.status for record in result.records} == {Status.NEW}
    assert {record.attempted for record in result.records} == {None}
    assert {record.meter for record in result.records} == {"0badcafe"}


def test_invariant_12_windows_without_energy_are_no_records() -> None:
    """The watermark moves on all the same."""
    result = step(NEW, rows_of([1000.0] * 7))
    assert result.records == ()
    assert result.closed
    assert result.state.cut_until == at(6)
    # A carry alone makes no record, either.
    state = replace(result.state, carry=499)
    result = step(state, unread(rows_of([1000.0] * 13), state))
    assert (result.records, result.state.carry) == ((), 499)


histories = st.lists(st.integers(0, 800_000), min_size=1, max_size=60)
zones = st.sampled_from(ZONES)
lengths = st.sampled_from([5, 15, 30, 60])


@settings(deadline=None)
@given(histories, zones, lengths, st.sets(st.integers(1, 60)), st.integers(-500, 499))
def test_invariants_1_2_and_3_whenever_a_step_is_taken(
    used: list[int], zone: tzinfo, minutes: int, cuts: set[int], carry: int
) -> None:
    """Steps at any time give the records of one step, through the journal, too.

    What they hold and what is still open is what was used, they are contiguous but
    for windows without energy, and nothing of a boundary is crossed.
    """
    levels = [1_000 * KWH]
    for mwh in used:
        levels.append(levels[-1] + mwh)
    rows = rows_of([level / KWH for level in levels])
    begin = replace(NEW, carry=carry)
    whole = step(begin, rows, minutes=minutes, zone=zone)

    state, records = begin, list[Queued]()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        for cut in (*sorted(cut for cut in cuts if cut < len(rows)), len(rows)):
            result = step(state, unread(rows[:cut], state), minutes=minutes, zone=zone)
            write_journal(path, Journal(meters={"a": result.state}))
            read = read_journal(path)
            assert read is not None
            state = read.meters["a"]
            records += result.records
    assert (state, tuple(records)) == (whole.state, whole.records)

    windows = [record.window for record in records]
    still_open = sum(part.mwh for part in state.open)
    assert sum(window.mwh for window in windows) + still_open == sum(used)
    assert all(one.end <= two.start for one, two in pairwise(windows))
    assert sum(record.wh for record in records) * 1000 + state.carry == (
        carry + sum(window.mwh for window in windows)
    )
    for window in windows:
        assert boundaries(window.start, window.end, minutes, zone) == (window.end,)


DOWN = [1000.0, 1000.1, 1000.2, *[1000.2] * 9]  # watched for 3 slots, then flat


def watched() -> MeterState:
    """Return a meter that was watched for three slots before an outage."""
    return step(NEW, rows_of(DOWN[:3])).state


def test_scenario_2_nothing_closes_before_the_outage_is_understood() -> None:
    """Not watched: the next run would not see the outage otherwise."""
    state = watched()
    assert state.live_until == at(3)
    rows = rows_of(DOWN)
    result = step(state, unread(rows, state), run_start=at(11))
    assert not result.closed
    assert result.state.live_until == at(3)
    assert result.records == ()


def test_invariant_8_a_return_is_spread_over_the_outage() -> None:
    """And marked as estimated; from then on we watch again."""
    state = watched()
    rows = rows_of([*DOWN, 1001.0, 1001.1, 1001.2, 1001.3])
    result = step(state, unread(rows, state), run_start=at(11))
    assert result.state.live_until == rows[-1].end
    # 0.8 kWh over 10 slots of 80 Wh each, of which the last window has one.
    amounts = [(r.window.mwh // 1000, r.window.estimated) for r in result.records]
    assert amounts == [(240, True), (240, True), (240, True), (280, True)]
    again = step(result.state, unread(rows, result.state), run_start=at(11))
    assert again.records == ()
    assert again.state.live_until == rows[-1].end


def test_scenario_2_an_idle_source_is_settled_after_15_minutes() -> None:
    """It used nothing, and we watch from then on."""
    state = watched()
    rows = rows_of([*DOWN, *[1000.2] * 4, 1000.3])
    result = step(state, unread(rows, state), run_start=at(11))
    assert result.state.live_until == rows[-1].end
    assert result.records == ()
    assert [(part.mwh, part.quality) for part in result.state.open if part.mwh] == [
        (KWH // 10, Quality.MEASURED)
    ]


def test_a_hold_keeps_what_comes_after_it() -> None:
    """A register that fell: nothing on from there is settled, but we do watch."""
    rows = rows_of([1000.0, 1000.1, 1000.2, 500.0, 500.1])
    result = step(NEW, rows)
    assert result.state.anchor is not None
    assert result.state.anchor.end == at(3)
    assert result.state.live_until == at(5)
    assert [record.window.mwh for record in result.records] == [KWH // 5]
    later = step(result.state, unread(rows, result.state))
    assert (later.records, later.closed) == ((), False)


def test_scenario_23_rows_of_the_future_wait() -> None:
    """Nothing is cut beyond now."""
    rows = rows_of([1000.0, 1000.1, 1000.2, 1000.3])
    result = step(NEW, rows, now=at(2))
    assert result.state.anchor is not None
    assert result.state.anchor.end == at(2)


def test_power_without_a_row_is_no_data() -> None:
    """Its window is partial, and what is known of it counts."""
    source = Source(kind=SourceKind.POWER)
    rows = [Row(start=at(n), end=at(n + 1), mean=1200.0) for n in (0, 1, 3, 4, 5, 6)]
    result = step(NEW, rows, source=source)
    assert [(r.window.mwh, r.window.partial) for r in result.records] == [
        (100_000, True),
        (300_000, False),
    ]
    assert result.latest is not None
    assert result.latest.quality is Quality.MEASURED
    assert result.latest.end - result.latest.start == SLOT


def test_the_state_is_fit_for_the_journal(tmp_path: Path) -> None:
    """Everything in it is a plain value."""
    path = tmp_path / "journal"
    state = step(NEW, rows_of([1000.0, 1000.1])).state
    write_journal(path, Journal(meters={"0badcafe": state}))
    assert json.loads(path.read_text())["meters"]["0badcafe"]["source"] == "sensor.grid"
