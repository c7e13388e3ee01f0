"""Home Assistant is down: for seconds, over a report, or before anybody looked."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.flatpeak.metering import PricedWindow

from .home import ACCOUNT, POWER, Home

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
KWH = 1_000_000
GRID, HEATER = "sensor.grid_import", "sensor.heater"

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


async def late_meter(home: Home) -> MockConfigEntry:
    """Set up a meter that tells on the hour what the hour before used."""
    location = home.simulator.add_location(ACCOUNT, tariff="daynight")
    home.add_sensor(GRID)
    entry = home.add_entry(location, {GRID: ("import", "grid")}, window=60)
    (meter,) = entry.subentries.values()
    home.hass.config_entries.async_update_subentry(
        entry, meter, data={**meter.data, "reporting": "hourly"}
    )
    await home.set_up(entry)
    return entry


@pytest.mark.parametrize(
    ("down", "back", "hours"),
    [
        # Nothing is missed: the report of 11 o'clock comes.
        (2 * HOUR + 20 * MINUTE, 2 * HOUR + 40 * MINUTE, []),
        # It is missed, and the old value restored until the next report.
        (2 * HOUR + 50 * MINUTE, 3 * HOUR + 10 * MINUTE, [10, 11]),
        (2 * HOUR + 50 * MINUTE, 5 * HOUR + 20 * MINUTE, [10, 11, 12, 13]),
    ],
)
async def test_invariant_8_reports_missed_in_an_outage(
    home: Home, down: timedelta, back: timedelta, hours: list[int]
) -> None:
    """They come with the next one, and are shared by all hours since the last."""
    entry = await late_meter(home)
    used = {8: 1.0, 9: 2.0, 10: 1.0, 11: 3.0, 12: 2.0, 13: 4.0, 14: 1.0, 15: 2.0}
    untold = dict(used)

    def report(start: datetime) -> Mapping[str, float]:
        told = [hour for hour in untold if hour < start.hour and not start.minute]
        return {GRID: sum(untold.pop(hour) for hour in told)} if told else {}

    await home.live(BEGIN + down, report)
    await home.restart(entry, BEGIN + back)
    await home.live(BEGIN + 8 * HOUR + 20 * MINUTE, report)
    share = sum(used[hour] for hour in hours) / max(1, len(hours))
    assert energy(entry) == {
        hour: (share, True) if hour in hours else (kwh, False)
        for hour, kwh in used.items()
        if hour != 15
    }
