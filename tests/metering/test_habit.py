"""How a meter reports, told from its rises."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, strategies as st
import pytest

from custom_components.flatpeak.metering import Reporting, Row, habit

from .histories import SLOT, START, rows_of

DAY = 288  # slots
energy = st.floats(0.001, 5)
slots = st.integers(1, DAY - 1)


def rising_in(rises: dict[int, float], number: int = DAY) -> list[Row]:
    """Return rows of a register that rises in some slots, by so many kWh."""
    level, levels = 100.0, []
    for slot in range(number):
        level += rises.get(slot, 0)
        levels.append(level)
    return rows_of(levels)


def hourly(position: int, hours: Iterable[int]) -> dict[int, float]:
    """Return rises at a slot of each hour."""
    return {12 * hour + position: 0.5 for hour in hours}


@given(
    position=st.integers(0, 2),
    hours=st.sets(st.integers(1, 23), min_size=10),
    kwh=st.lists(energy, min_size=24, max_size=24),
)
def test_hourly_whatever_it_counts(
    position: int, hours: set[int], kwh: list[float]
) -> None:
    """Ten reports or more, each just after a full hour, are an hourly meter's."""
    rises = {12 * hour + position: kwh[hour] for hour in hours}
    assert habit(rising_in(rises)) is Reporting.HOURLY


@given(slots=st.sets(slots, max_size=200), kwh=energy)
def test_never_hourly_with_rises_at_other_times(slots: set[int], kwh: float) -> None:
    """With a tenth of its rises at other times, or several in an hour, it is not."""
    late = sum(slot % 12 > 2 for slot in slots)
    found = habit(rising_in(dict.fromkeys(slots, kwh)))
    hours = {slot // 12 for slot in slots}
    if len(hours) < 10:
        assert found is None
    elif late * 10 > len(slots) or len(slots) > 2 * len(hours):
        assert found is Reporting.CONTINUOUS


@given(idle=st.integers(0, 9), position=st.integers(0, 11))
def test_idle_device_tells_nothing(idle: int, position: int) -> None:
    """Few rises are no habit, wherever in the hour they are."""
    assert habit(rising_in(hourly(position, range(1, idle + 1)))) is None


@given(first=st.integers(0, 11), step=st.integers(1, 11), kwh=energy)
def test_regular_meter_is_continuous(first: int, step: int, kwh: float) -> None:
    """A meter that reports every 5 to 55 minutes is no hourly one."""
    rises = dict.fromkeys(range(first, 2 * DAY, step), kwh)
    assert habit(rising_in(rises, 2 * DAY)) is Reporting.CONTINUOUS


@pytest.mark.parametrize("position", range(3, 12))
def test_once_an_hour_but_late(position: int) -> None:
    """Once an hour, but later than a quarter past, is not understood as hourly."""
    found = habit(rising_in(hourly(position, range(1, 20))))
    assert found is Reporting.CONTINUOUS


def test_one_exception_in_ten() -> None:
    """A restart makes a meter report once more; that does not change its habit."""
    rises = hourly(0, range(1, 21))
    assert habit(rising_in({**rises, 127: 0.1})) is Reporting.HOURLY
    odd = {12 * hour + 7: 0.1 for hour in (2, 7, 11, 13)}
    assert habit(rising_in({**rises, **odd})) is Reporting.CONTINUOUS


def test_timer_of_ten_minutes() -> None:
    """A pump that runs for ten minutes each hour rises twice."""
    rises = {**hourly(0, range(1, 24)), **hourly(1, range(1, 24))}
    assert habit(rising_in(rises)) is Reporting.CONTINUOUS


def test_gaps_and_hours_do_not_count() -> None:
    """A rise over missing rows, an hour's row and a row without a state say nothing."""
    rows = rising_in(hourly(0, range(1, 24)))
    missing = [row for row in rows if row.start.minute != 55]
    assert habit(missing) is None
    assert (
        habit([replace(row, end=row.start + timedelta(hours=1)) for row in rows])
        is None
    )
    assert habit([replace(row, state=None) for row in rows]) is None
    assert habit([replace(row, state=float("nan")) for row in rows]) is None
    assert habit(rows) is Reporting.HOURLY


def test_falls_are_no_rises() -> None:
    """A register that falls, or is too fine to see, does not rise."""
    assert habit(rows_of([100 - number / 10 for number in range(DAY)])) is None
    fine = rising_in(dict.fromkeys(range(1, DAY), 1e-08))
    assert habit(fine) is None


def test_local_clock_does_not_matter() -> None:
    """The hours are those of UTC, as in the statistics."""
    rows = rising_in(hourly(1, range(1, 24)))
    assert rows[0].start == START
    shifted = [
        replace(row, start=row.start + 6 * SLOT, end=row.end + 6 * SLOT) for row in rows
    ]
    assert habit(shifted) is Reporting.CONTINUOUS
