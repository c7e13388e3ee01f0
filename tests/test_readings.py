"""What the recorder's rows become."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from homeassistant.components.recorder.models import (
    StatisticData,
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import (
    async_add_external_statistics,
    async_import_statistics,
)
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.flatpeak.metering import Row
from custom_components.flatpeak.readings import async_read_rows, async_run_starts

from .home import ENERGY, POWER, Home

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
SLOT = timedelta(minutes=5)
HOUR = timedelta(hours=1)
GRID, PUMP = "sensor.grid_import", "sensor.heat_pump"
IMPORTED = "example:grid_import"

pytestmark = pytest.mark.freeze_time(BEGIN)


@pytest.fixture(autouse=True)
async def _sensors(home: Home) -> None:
    """Let the recorder know of sensors."""
    assert await async_setup_component(home.hass, "sensor", {})


def metadata(statistic_id: str, unit: str = "kWh") -> StatisticMetaData:
    """Describe a register's statistics."""
    return {
        "mean_type": StatisticMeanType.NONE,
        "has_sum": True,
        "name": None,
        "source": "recorder" if "." in statistic_id else "example",
        "statistic_id": statistic_id,
        "unit_class": "energy",
        "unit_of_measurement": unit,
    }


def hours(first: datetime, count: int, kwh: float) -> list[StatisticData]:
    """Return hourly statistics of a register that begins at 100."""
    return [
        {"start": first + HOUR * n, "state": 100 + kwh * (n + 1), "sum": kwh * (n + 1)}
        for n in range(count)
    ]


async def read(home: Home, source: str, since: datetime) -> list[Row]:
    """Read the rows of one source."""
    return (await async_read_rows(home.hass, {source: since}))[source]


async def test_rows_of_a_register(home: Home) -> None:
    """Rows come in order, with the slot before, in kWh."""
    home.add_sensor(GRID)
    await home.live(BEGIN + 4 * SLOT, lambda _: {GRID: 0.08})
    rows = await read(home, GRID, BEGIN + 2 * SLOT)
    assert [row.start for row in rows] == [BEGIN + SLOT * n for n in (1, 2, 3)]
    assert all(row.end - row.start == SLOT for row in rows)
    assert [row.state for row in rows] == pytest.approx([1000.16, 1000.24, 1000.32])
    assert [row.sum for row in rows] == pytest.approx([0.16, 0.24, 0.32])
    assert {row.mean for row in rows} == {None}
    assert {row.last_reset for row in rows} == {None}


@pytest.mark.parametrize(("unit", "kwh"), [("Wh", 5), ("MWh", 5_000_000)])
async def test_units_are_converted(home: Home, unit: str, kwh: int) -> None:
    """Any unit is read in kWh or W; the time of the last reset has none."""
    total = {
        "device_class": "energy",
        "state_class": "total",
        "unit_of_measurement": unit,
        "last_reset": "2026-11-11T00:00:00+00:00",
    }
    kw = {
        "device_class": "power",
        "state_class": "measurement",
        "unit_of_measurement": "kW",
    }
    home.hass.states.async_set("sensor.counter", "5000", total)
    home.hass.states.async_set("sensor.power", "1.5", kw)
    await home.live(BEGIN + 2 * SLOT, lambda _: {})
    row = (await read(home, "sensor.counter", BEGIN))[-1]
    assert row.state == kwh
    assert row.last_reset == datetime(2026, 11, 11, tzinfo=UTC)
    row = (await read(home, "sensor.power", BEGIN))[-1]
    assert (row.mean, row.state, row.sum) == (1500, None, None)


async def test_unit_that_changes(home: Home) -> None:
    """The recorder may hold a register in another unit than the sensor has now."""
    home.add_sensor(GRID)
    await home.live(BEGIN + 2 * SLOT, lambda _: {GRID: 0.08})
    home.hass.states.async_set(GRID, "1000160", {**ENERGY, "unit_of_measurement": "Wh"})
    rows = await read(home, GRID, BEGIN + SLOT)
    assert rows[-1].state == pytest.approx(1000.16)


async def test_wrong_unit(home: Home) -> None:
    """A source that does not count energy has no rows, rather than wrong ones."""
    water = {
        "device_class": "water",
        "state_class": "total_increasing",
        "unit_of_measurement": "m³",
    }
    home.hass.states.async_set("sensor.water", "5", water)
    await home.live(BEGIN + 2 * SLOT, lambda _: {})
    assert await read(home, "sensor.water", BEGIN) == []


async def test_unknown_source(home: Home) -> None:
    """A source without statistics has no rows."""
    assert await read(home, "sensor.nobody", BEGIN) == []


async def test_hours_where_the_detail_is_purged(home: Home) -> None:
    """Hourly rows reach back where 5-minute rows do not, without an overlap."""
    home.add_sensor(GRID)
    past = BEGIN - 5 * HOUR
    async_import_statistics(home.hass, metadata(GRID), hours(past, 5, 0.5))
    await async_wait_recording_done(home.hass)
    await home.live(BEGIN + 14 * SLOT, lambda _: {GRID: 0.08})
    rows = await read(home, GRID, past + HOUR)
    lengths = [row.end - row.start for row in rows]
    assert lengths == [HOUR] * 5 + [SLOT] * 14
    assert all(one.end == two.start for one, two in pairwise(rows))
    assert rows[0].start == past, "the hour before comes along"
    assert rows[0].state == 100.5

    rows = await read(home, GRID, BEGIN + HOUR)
    assert {row.end - row.start for row in rows} == {SLOT}
    assert rows[0].start == BEGIN + HOUR - SLOT


@pytest.mark.parametrize("known", [True, False])
async def test_an_hour_whose_detail_is_purged_in_part(home: Home, known: bool) -> None:
    """Its mean stands for what is missing, where the sensor was there before it."""
    if known:
        mean: StatisticData = {"start": BEGIN - HOUR, "mean": 900}
        async_import_statistics(home.hass, power_metadata(), [mean])
    begin = BEGIN + 6 * SLOT
    home.freezer.move_to(begin)
    home.hass.states.async_set(PUMP, "1200", POWER)
    await home.live(BEGIN + 14 * SLOT, lambda _: {})
    rows = await read(home, PUMP, BEGIN - HOUR)
    assert [(row.start, row.end, row.mean) for row in rows if row.start < begin] == (
        [(BEGIN - HOUR, BEGIN, 900), (BEGIN, begin, 1200)] if known else []
    )
    detail = [row for row in rows if row.start >= begin]
    assert len(detail) == 8
    assert {row.end - row.start for row in detail} == {SLOT}


def power_metadata() -> StatisticMetaData:
    """Describe the statistics of a power sensor."""
    return {
        "mean_type": StatisticMeanType.ARITHMETIC,
        "has_sum": False,
        "name": None,
        "source": "recorder",
        "statistic_id": PUMP,
        "unit_class": "power",
        "unit_of_measurement": "W",
    }


async def test_imported_statistics(home: Home) -> None:
    """A source that another integration imports has only hours."""
    async_add_external_statistics(
        home.hass, metadata(IMPORTED, "Wh"), hours(BEGIN - 3 * HOUR, 3, 500)
    )
    await async_wait_recording_done(home.hass)
    rows = await read(home, IMPORTED, BEGIN - HOUR)
    assert [row.start for row in rows] == [BEGIN - 2 * HOUR, BEGIN - HOUR]
    assert [row.sum for row in rows] == [1, 1.5]


async def test_start_of_the_run(home: Home) -> None:
    """Before the recorder's present run nobody watched."""
    (run,) = await async_run_starts(home.hass, BEGIN - timedelta(days=1))
    assert BEGIN - timedelta(minutes=1) <= run <= dt_util.utcnow()
    assert await async_run_starts(home.hass, BEGIN + HOUR) == [run]
