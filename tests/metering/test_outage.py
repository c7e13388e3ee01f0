"""Tests of the time that nobody watched."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, strategies as st
import pytest

from custom_components.flatpeak.metering import (
    Quality,
    Row,
    Source,
    SourceKind,
    Span,
    find_outages,
    settle,
)

from .histories import KWH, LATER, SLOT, SOURCE, at, rows_of

MINUTE = timedelta(minutes=1)
POWER_SOURCE = Source(kind=SourceKind.POWER)
WATCHED = at(3)  # the end of the last slot that we saw
BACK = at(10)  # when Home Assistant came back
# Watched for three slots, down for seven, flat since.
FLAT = [1000.0, 1000.1, 1000.2, *[1000.2] * 7]


def outages(levels: Sequence[float | None]) -> tuple[Span, ...]:
    """Return the outages of readings that begin with the first slot."""
    return find_outages(rows_of(levels), WATCHED, [BACK], SOURCE)


def test_a_new_meter_has_no_outage() -> None:
    """Nobody ever watched it."""
    assert find_outages(rows_of(FLAT), None, [BACK], SOURCE) == ()


@pytest.mark.parametrize("watched", [BACK, BACK + SLOT])
def test_no_outage_while_we_watch(watched: datetime) -> None:
    """What was seen since the start of the run is no outage."""
    assert find_outages(rows_of([*FLAT, 1001]), watched, [BACK], SOURCE) == ()


@pytest.mark.parametrize("levels", [[], [1000.2], FLAT, FLAT[:4]])
def test_scenario_2_open_until_there_are_rows(levels: Sequence[float | None]) -> None:
    """The recorder has not caught up: nobody knows when the source reports."""
    assert outages(levels) == (Span(start=WATCHED),)


@pytest.mark.parametrize("late", [0, 1, 2])
def test_scenario_2_the_first_rise_ends_the_outage(late: int) -> None:
    """Until it comes the recorder repeats the old reading."""
    levels = [*FLAT, *[1000.2] * late, 1003.0, 1003.1]
    assert outages(levels) == (Span(start=WATCHED, end=at(10 + late)),)


@pytest.mark.parametrize("slots", [1, 2])
def test_scenario_2_open_for_15_minutes(slots: int) -> None:
    """It may still be late."""
    assert outages([*FLAT, *[1000.2] * slots]) == (Span(start=WATCHED),)


@pytest.mark.parametrize("after", [[], [1000.3], [1000.2, 1000.3, 1000.4]])
def test_scenario_2_an_idle_source(after: list[float]) -> None:
    """Three slots without a change: it stood still, and what comes later is later."""
    levels = [*FLAT, *[1000.2] * 3, *after]
    assert outages(levels) == (Span(start=WATCHED, end=BACK),)


def test_a_fall_is_fresh_as_well() -> None:
    """A meter that was replaced meanwhile has reported."""
    assert outages([*FLAT, 2.0]) == (Span(start=WATCHED, end=BACK),)


def test_scenario_19_imported_rows_have_no_outage() -> None:
    """Whoever imports them read the meter all the same."""
    imported = replace(SOURCE, imported=True)
    assert find_outages(rows_of(FLAT), WATCHED, [BACK], imported) == ()


def test_missing_rows_after_the_return() -> None:
    """A source that was unavailable at first has 15 minutes from its first row."""
    levels = [*FLAT, None, None, None, None, 1000.2]
    assert outages(levels) == (Span(start=WATCHED),)
    assert outages([*levels, 1003.0]) == (Span(start=WATCHED, end=at(15)),)


def test_a_restart_inside_a_slot() -> None:
    """The slot of the return counts: its end is after it."""
    rows = rows_of([*FLAT[:4], 1000.5])
    (span,) = find_outages(rows, at(3), [at(4) + 2 * MINUTE], SOURCE)
    assert span == Span(start=at(3), end=at(4))


def test_sources_without_a_state() -> None:
    """An imported sum shows its rise as a state would."""
    rows = [
        Row(start=row.start, end=row.end, sum=row.state)
        for row in rows_of([*FLAT, 1000.2, 1003.0])
    ]
    assert find_outages(rows, WATCHED, [BACK], SOURCE) == (
        Span(start=WATCHED, end=at(11)),
    )


@pytest.mark.parametrize("rows", [[], rows_of(FLAT), rows_of([*FLAT, 1003.0])])
def test_scenario_2_power_is_unknown_until_the_return(rows: list[Row]) -> None:
    """Its mean was repeated; whatever it says after that is fresh."""
    assert find_outages(rows, WATCHED, [BACK], POWER_SOURCE) == (
        Span(start=WATCHED, end=BACK),
    )


@given(st.integers(0, 2), st.integers(0, 800))
def test_invariant_8_outage_energy_is_priced_when_it_was_used(
    late: int, used: int
) -> None:
    """What comes with the return is spread over the outage and its own slot."""
    levels = [*FLAT, *[1000.2] * late, 1000.2 + used / 1000]
    rows = rows_of(levels)
    spans = find_outages(rows, WATCHED, [BACK], SOURCE)
    result = settle(rows, None, SOURCE, spans, LATER)
    after = [piece for piece in result.slices if piece.start >= WATCHED]
    assert sum(piece.mwh for piece in after) == used * 1000
    if used:
        (whole,) = after
        assert whole.quality is Quality.SPREAD
        assert (whole.start, whole.end) == (WATCHED, rows[-1].end)


def test_invariant_8_while_it_is_open_nothing_is_settled() -> None:
    """The outage may still bring energy: no window of it can close."""
    for rows in (rows_of(FLAT), rows_of([*FLAT, 1000.2, 1000.2])):
        spans = find_outages(rows, WATCHED, [BACK], SOURCE)
        result = settle(rows, None, SOURCE, spans, LATER)
        assert result.anchor is not None
        assert result.anchor.end == WATCHED


def test_scenario_2_a_late_source_is_not_billed_in_the_outage() -> None:
    """Idle was the verdict; a rise an hour later is of that hour."""
    rows = rows_of([*FLAT, *[1000.2] * 12, 1000.7])
    spans = find_outages(rows, WATCHED, [BACK], SOURCE)
    result = settle(rows, None, SOURCE, spans, LATER)
    assert {piece.mwh for piece in result.slices if piece.end <= at(22)} == {0, 100_000}
    assert result.slices[-1].mwh == KWH // 2
    assert result.slices[-1].start == at(22)
    assert result.slices[-1].quality is Quality.MEASURED


def test_scenario_2_power_repeated_by_the_recorder_is_no_energy() -> None:
    """11 kW before the outage are not 11 kW for the whole of it."""
    rows = [
        Row(start=at(n), end=at(n + 1), mean=11_000 if n < 10 else 200)
        for n in range(13)
    ]
    spans = find_outages(rows, WATCHED, [BACK], POWER_SOURCE)
    result = settle(rows, None, POWER_SOURCE, spans, LATER)
    (gap,) = [piece for piece in result.slices if piece.quality is Quality.NO_DATA]
    assert (gap.start, gap.end, gap.mwh) == (WATCHED, BACK, 0)
    assert [piece.mwh for piece in result.slices if piece.start >= BACK] == [16_667] * 3


def written(rows: Sequence[Row], *outages: tuple[datetime, datetime]) -> list[Row]:
    """Return rows that were written at their end, or at the return."""
    return [
        replace(
            row,
            written=next(
                (back for down, back in outages if down <= row.start < back), row.end
            ),
        )
        for row in rows
    ]


@pytest.mark.parametrize("known", [None, WATCHED - SLOT, at(1)])
def test_scenario_2_what_was_written_before_the_run_was_seen(
    known: datetime | None,
) -> None:
    """Whatever is on disk of it: a meter that is new, or whose journal was lost."""
    rows = written(rows_of([*FLAT, 1003.0]), (WATCHED, BACK + MINUTE))
    spans = find_outages(rows, known, [BACK], SOURCE)
    assert spans == (Span(start=WATCHED, end=BACK),)


def test_an_outage_over_the_first_row() -> None:
    """Nothing is known of the time before it, but it was not watched after it."""
    rows = written(rows_of([*[1000.0] * 5, 1001.0]), (at(0), at(5)))
    assert find_outages(rows, None, [at(5)], SOURCE) == (Span(start=at(1), end=at(5)),)


def test_each_run_has_its_outage() -> None:
    """Also where nothing was written to disk between them."""
    levels = [1000.0, 1000.1, *[1000.1] * 3, 1000.6, 1000.7, *[1000.7] * 3, 1001.2]
    rows = written(rows_of(levels), (at(2), at(5)), (at(7), at(10)))
    assert find_outages(rows, None, [at(5), at(10)], SOURCE) == (
        Span(start=at(2), end=at(5)),
        Span(start=at(7), end=at(10)),
    )


def test_an_outage_goes_on_where_the_source_was_late() -> None:
    """Down again before it reported: all of its energy comes after the second time."""
    levels = [1000.0, 1000.1, *[1000.1] * 3, *[1000.1] * 2, *[1000.1] * 3, 1001.2]
    runs = [at(5), at(10)]
    rows = written(rows_of(levels), (at(2), at(5)), (at(7), at(10)))
    spans = find_outages(rows, None, runs, SOURCE)
    assert spans == (Span(start=at(2), end=at(10)), Span(start=at(7), end=at(10)))
    (*_, last) = settle(rows, None, SOURCE, spans, LATER).slices
    assert (last.start, last.end, last.mwh) == (at(2), at(11), 1_100_000)
    assert find_outages(rows[:-1], None, runs, SOURCE)[0] == Span(start=at(2))
