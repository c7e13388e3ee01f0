"""The curves of the demo's house: bounds, shapes, and registers that fit the power."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st
import pytest

from scripts.demo_house.house import (
    CHARGING,
    EPOCH,
    HEATING,
    METERS,
    SOLAR_PEAK,
    STEP,
    House,
    positive,
)

ZONES = ("Europe/London", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe")
HOUSES = {zone: House(ZoneInfo(zone)) for zone in ZONES}
HOUR = timedelta(hours=1)
FIRST = datetime(2026, 1, 2, 12, tzinfo=UTC)
WEEK = [date(2026, 11, 9) + timedelta(days=n) for n in range(7)]

zones = st.sampled_from(ZONES)
instants = st.integers(0, 500 * 86400).map(lambda n: FIRST + timedelta(seconds=n))
# The first question of a year builds its days.
CALM = settings(deadline=None, max_examples=30)
lengths = st.integers(0, 3 * 86400).map(lambda n: timedelta(seconds=n))


def local(day: date, hour: float, zone: str = "Europe/London") -> datetime:
    """Return an hour of a local day that has 24 of them."""
    return HOUSES[zone].day_start(day) + hour * HOUR


def used(meter: str, day: date, first: float, last: float) -> float:
    """Return the kWh of a meter between two local hours."""
    house = HOUSES["Europe/London"]
    start, end = local(day, first), local(day, last)
    return (house.energy(end)[meter] - house.energy(start)[meter]) / 1000


@CALM
@given(zones, instants)
def test_power_is_within_what_the_house_has(zone: str, instant: datetime) -> None:
    """No power is negative, and none above what is installed."""
    power = HOUSES[zone].power(instant)
    assert tuple(power) == METERS
    assert min(power.values()) >= 0
    assert power["heat_pump"] <= HEATING
    assert power["ev_charger"] <= CHARGING
    assert power["solar"] <= SOLAR_PEAK
    assert power["grid_import"] < 14_000
    assert power["grid_import"] == 0 or power["grid_export"] == 0


@CALM
@given(zones, instants)
def test_grid_is_load_less_sun(zone: str, instant: datetime) -> None:
    """What is taken and not given is what the sun does not cover."""
    power = HOUSES[zone].power(instant)
    known = power["heat_pump"] + power["ev_charger"] + power["washing_machine"]
    household = power["grid_import"] - power["grid_export"] + power["solar"] - known
    assert 149 <= household <= 3000


@CALM
@given(zones, instants)
def test_a_new_house_continues_on_the_same_curves(zone: str, instant: datetime) -> None:
    """Nothing but the instant counts: not what was asked before, nor another zone."""
    house = House(ZoneInfo(zone))
    elsewhere = instant.astimezone(ZoneInfo("Asia/Tokyo"))
    assert house.energy(elsewhere) == HOUSES[zone].energy(instant)
    assert house.power(elsewhere) == HOUSES[zone].power(instant)


@CALM
@given(zones, instants, lengths)
def test_registers_never_fall(zone: str, instant: datetime, length: timedelta) -> None:
    """A later register is no lower, beyond the last bit of a float."""
    before = HOUSES[zone].energy(instant)
    after = HOUSES[zone].energy(instant + length)
    assert all(after[meter] >= before[meter] - 1e-6 for meter in METERS)


@CALM
@given(zones, instants, st.integers(1, 1800))
def test_registers_are_the_integral_of_power(
    zone: str, instant: datetime, seconds: int
) -> None:
    """Adding up the power of each second gives the register's rise."""
    house = HOUSES[zone]
    end = instant + timedelta(seconds=seconds)
    before, after = house.energy(instant), house.energy(end)
    summed = dict.fromkeys(METERS, 0.0)
    for second in range(seconds):
        middle = instant + timedelta(seconds=second + 0.5)
        for meter, watts in house.power(middle).items():
            summed[meter] += watts / 3600
    rises = {meter: after[meter] - before[meter] for meter in METERS}
    # Where the grid changes its direction, a second is not a straight line.
    assert rises == pytest.approx(summed, abs=0.01)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/London", date(2026, 3, 29), 23),
        ("Europe/London", date(2026, 10, 25), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Asia/Kathmandu", date(2026, 4, 5), 24),
    ],
)
def test_days_of_a_clock_change_join(zone: str, day: date, hours: float) -> None:
    """The last moment of a long or short day is the first of the next."""
    house = HOUSES[zone]
    end = house.day_start(day + timedelta(days=1))
    assert end - house.day_start(day) == hours * HOUR
    moment = timedelta(microseconds=1)
    assert house.energy(end) == pytest.approx(house.energy(end - moment))
    assert house.power(end) == pytest.approx(house.power(end - moment), abs=0.01)


def test_before_the_house_was_built() -> None:
    """There is no register before the epoch, and nothing in it at its start."""
    house = HOUSES["Europe/London"]
    start = house.day_start(EPOCH)
    assert set(house.energy(start).values()) == {0}
    with pytest.raises(ValueError, match="not there on 2025-12-31"):
        house.energy(start - STEP)


@pytest.mark.parametrize("day", WEEK)
def test_the_sun_shines_by_day(day: date) -> None:
    """Nothing at night, and enough at noon to give some away on every day."""
    assert used("solar", day, 0, 7) == 0
    assert used("solar", day, 17, 24) == 0
    assert used("solar", day, 9, 15) > 3
    assert used("grid_export", day, 10, 15) > 0.5
    assert used("grid_export", day, 17, 24) == 0


def test_the_car_charges_at_night() -> None:
    """It takes 7 kW for some hours after midnight, and nearly nothing by day."""
    nights = [used("ev_charger", day, 0, 7) for day in WEEK]
    assert max(nights) > 10
    assert all(used("ev_charger", day, 7, 24) < 0.2 for day in WEEK)
    powers = [
        HOUSES["Europe/London"].power(local(day, 2))["ev_charger"] for day in WEEK
    ]
    assert CHARGING in powers


def test_the_machine_runs_on_some_days() -> None:
    """A run takes about 1 kWh, and there are days without."""
    days = [used("washing_machine", day, 0, 24) for day in WEEK]
    assert 0.8 < max(days) < 1.5
    assert min(days) < 0.2


@pytest.mark.parametrize("day", WEEK)
def test_the_heat_pump_cycles(day: date) -> None:
    """It goes on and off many times a day."""
    house = HOUSES["Europe/London"]
    steps = [local(day, 0) + STEP * n for n in range(288)]
    running = [house.power(step)["heat_pump"] > HEATING / 2 for step in steps]
    starts = sum(now and not was for was, now in pairwise(running))
    assert 20 <= starts <= 40


@pytest.mark.parametrize("day", WEEK)
def test_peaks_of_breakfast_and_evening(day: date) -> None:
    """Without sun and appliances there are 150 to 300 W, and more at two times."""
    house = HOUSES["Europe/London"]

    def household(hour: float) -> float:
        power = house.power(local(day, hour))
        known = power["heat_pump"] + power["ev_charger"] + power["washing_machine"]
        return power["grid_import"] - power["grid_export"] + power["solar"] - known

    assert all(149 <= household(quarter / 4) <= 301 for quarter in range(20))
    assert max(household(6 + n / 4) for n in range(10)) > 1000
    assert max(household(17 + n / 4) for n in range(14)) > 1500


@given(st.floats(-9e3, 9e3), st.floats(-9e3, 9e3))
def test_positive_part_of_a_line(first: float, last: float) -> None:
    """The parts above and below zero make the whole line."""
    above, below = positive(first, last), positive(-first, -last)
    assert above >= 0
    assert below >= 0
    assert above - below == pytest.approx((first + last) / 2, abs=1e-6)
