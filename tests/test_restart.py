"""Home Assistant is down: for seconds, over a report, or before anybody looked."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.flatpeak.metering import PricedWindow

from .home import ACCOUNT, Home

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
KWH = 1_000_000
GRID, HEATER = "sensor.grid_import", "sensor.heater"
POWER = {
    "device_class": "power",
    "state_class": "measurement",
    "unit_of_measurement": "W",
}

pytestmark = pytest.mark.freeze_time(BEGIN)


def idle(_: datetime) -> Mapping[str, float]:
    """Use nothing."""
    return {}


def lines(entry: MockConfigEntry) -> list[PricedWindow]:
    """Return what the book has of the only meter."""
    (key,) = entry.runtime_data.meters
    book = entry.runtime_data.ledger.book
    return list(book.between(key, BEGIN - HOUR, BEGIN + timedelta(days=1)))


def energy(entry: MockConfigEntry) -> dict[int, tuple[float, bool]]:
    """Return kWh and whether they are estimated, by the hour of UTC."""
    return {line.start.hour: (line.mwh / KWH, line.estimated) for line in lines(entry)}


@pytest.fixture
async def heater(home: Home) -> MockConfigEntry:
    """Set up an appliance of 1.2 kW that tells its power, in windows of an hour."""
    location = home.simulator.add_location(ACCOUNT, tariff="daynight")
    home.hass.states.async_set(HEATER, "1200", POWER)
    entry = home.add_entry(location, {HEATER: ("import", "device")}, window=60)
    await home.set_up(entry)
    return entry


@pytest.mark.parametrize("times", [1, 2])
async def test_power_is_known_up_to_a_restart(
    home: Home, heater: MockConfigEntry, times: int
) -> None:
    """Only the slots that Home Assistant went down and came up in are unknown."""
    await home.live(BEGIN + HOUR + 30 * MINUTE, idle)
    for number in range(times):
        back = BEGIN + HOUR + (31 + 10 * number) * MINUTE
        await home.restart(heater, back)
        await home.live(back + 8 * MINUTE, idle)
    await home.live(BEGIN + 3 * HOUR, idle)
    assert [(line.mwh, line.partial) for line in lines(heater)] == [
        (1_100_000, False),  # the first row is where it begins
        (1_200_000 - times * 100_000, True),
        (1_200_000, False),
    ]


async def test_power_is_unknown_while_nobody_watched(
    home: Home, heater: MockConfigEntry
) -> None:
    """The recorder repeats the last value for an outage: that is no reading."""
    await home.live(BEGIN + HOUR + 50 * MINUTE, idle)
    await home.restart(heater, BEGIN + 4 * HOUR + 7 * MINUTE)
    await home.live(BEGIN + 6 * HOUR, idle)
    assert [(line.start.hour, line.mwh) for line in lines(heater)] == [
        (8, 1_100_000),
        (9, 1_000_000),
        (12, 1_000_000),
        (13, 1_200_000),
    ]
