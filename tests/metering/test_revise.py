"""Tests of revisions: which windows have other energy by now."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from custom_components.flatpeak.metering import (
    Anchor,
    PricedWindow,
    Row,
    Source,
    Span,
    Window,
    rebase,
    revise,
)

HOUR = timedelta(hours=1)
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
SOURCE = Source(imported=True, slot=HOUR, max_power=5_000)
KWH = 1_000_000


def rows_of(kwh: Sequence[float | None]) -> list[Row]:
    """Return an hour's row each, after one that they count from; None is missing."""
    rows, total = [Row(start=BEGIN - HOUR, end=BEGIN, sum=7.0)], 7.0
    for number, energy in enumerate(kwh):
        if energy is None:
            continue
        total += energy
        start = BEGIN + number * HOUR
        rows.append(Row(start=start, end=start + HOUR, sum=round(total, 6)))
    return rows


def booked(kwh: Sequence[float], **more: bool) -> list[PricedWindow]:
    """Return a booked window for each hour that used something."""
    return [
        PricedWindow(
            start=BEGIN + n * HOUR,
            end=BEGIN + (n + 1) * HOUR,
            mwh=round(energy * KWH),
            **more,  # type: ignore[arg-type]
        )
        for n, energy in enumerate(kwh)
        if energy
    ]


def changes(
    now: Sequence[float | None],
    lines: Sequence[PricedWindow],
    waiting: Sequence[Window] = (),
    *,
    since: int = 0,
    until: int = 99,
    minutes: int = 60,
) -> list[tuple[float, int]]:
    """Return the hour and the Wh of each window that is another one by now."""
    found = revise(
        rows_of(now),
        lines,
        waiting,
        SOURCE,
        period=Span(start=BEGIN + since * HOUR, end=BEGIN + until * HOUR),
        now=BEGIN + 200 * HOUR,
        minutes=minutes,
        zone=ZoneInfo("Asia/Kathmandu"),
    )
    return [((w.start - BEGIN) / HOUR, w.mwh // 1_000) for w in found]


def test_scenario_19_only_what_changed() -> None:
    """More, less, nothing any more, and something where there was nothing."""
    lines = booked([1, 2, 3, 4, 0])
    assert changes([1, 2.5, 2, 0, 0.4], lines) == [
        (1, 2500),
        (2, 2000),
        (3, 0),
        (4, 100),
        (4.25, 300),
    ]
    assert changes([1, 2, 3, 4, 0], lines) == []


def test_scenario_16_windows_keep_their_bounds() -> None:
    """Whatever the length of a window is by now."""
    lines = booked([1, 2])
    assert changes([1, 3, 1], lines, minutes=15) == [
        (1, 3000),
        (2, 250),
        (2.25, 250),
        (2.5, 250),
        (2.75, 250),
    ]


def test_invariant_3_a_window_on_its_way_is_frozen() -> None:
    """It is looked at once it is booked."""
    waiting = [Window(start=BEGIN + HOUR, end=BEGIN + 2 * HOUR, mwh=2 * KWH)]
    assert changes([3, 5], booked([1]), waiting) == [(0, 3000)]


def test_only_within_the_period() -> None:
    """Neither before the source was a meter's, nor beyond what is settled."""
    assert changes([2, 2, 2, 2], booked([1, 1, 1]), since=1, until=3) == [
        (1, 2000),
        (2, 2000),
    ]
    assert changes([2], booked([1]), since=5) == []
    assert changes([], []) == []


def test_hours_without_rows_are_spread() -> None:
    """As they were the first time; the window says so."""
    lines = booked([1, 1, 1])
    assert changes([1, None, 2], lines) == []
    assert changes([1, None, 3], lines) == [(1, 1500), (2, 1500)]


def test_scenario_24_what_was_decided_stays() -> None:
    """Quarantine that was accepted, dropped, or never known."""
    assert changes([1, 20, 1], booked([1, 20, 1])) == []
    assert changes([1, 20, 1], booked([1, 0.5, 1])) == []
    assert changes([1, 2, 1], booked([1, 1.5, 1], partial=True)) == []


@pytest.mark.parametrize("factor", [1 / 1000, 1000, 0])
def test_invariant_9_another_unit_is_no_revision(factor: float) -> None:
    """A whole time at a thousandth is not believed; a single hour may be."""
    used = [0.003] * 24
    other = [energy * factor for energy in used]
    assert changes(other, booked(used)) == []
    few = [*other[:2], *used[2:]]
    assert len(changes(few, booked(used))) == 2


def test_rebase_moves_all_that_counts_from_the_sum() -> None:
    """The anchor's row stands elsewhere by now."""
    anchor = Anchor(
        end=BEGIN + HOUR,
        sum=8 * KWH,
        high_water=8 * KWH,
        changed=BEGIN,
        before_claim=2 * KWH,
    )
    moved = rebase(anchor, rows_of([1.5]), SOURCE)
    assert moved == replace(
        anchor, sum=8_500_000, high_water=8_500_000, before_claim=2_500_000
    )
    bare = Anchor(end=BEGIN + HOUR, sum=8 * KWH)
    assert rebase(bare, rows_of([1.5]), SOURCE) == replace(bare, sum=8_500_000)


def test_rebase_where_nothing_is_known() -> None:
    """A register counts by its state, and a row that is gone says nothing."""
    anchor = Anchor(end=BEGIN + HOUR, sum=8 * KWH)
    assert rebase(anchor, rows_of([1.5]), replace(SOURCE, imported=False)) == anchor
    assert rebase(anchor, rows_of([]), SOURCE) == anchor
    assert rebase(None, rows_of([]), SOURCE) is None
    blank = Anchor(end=BEGIN + HOUR)
    assert rebase(blank, rows_of([1.5]), SOURCE) == blank
