"""Home Assistant is down: for seconds, over a report, or before anybody looked."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.flatpeak.history import freeze
from custom_components.flatpeak.metering import PricedWindow, Source
from custom_components.flatpeak.readings import async_read_past

from .home import ACCOUNT, POWER, SLOT, Home

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


async def use_unseen(home: Home, back: datetime) -> None:
    """Use 6 kWh while Home Assistant is down, and come back."""
    home.registers[GRID] += Decimal(6)
    await home.come_back(back)
    await home.live_rows(back - timedelta(minutes=back.minute % 5), {GRID: 0.1})


def steady(_: datetime) -> Mapping[str, float]:
    """Use 1.2 kW."""
    return {GRID: 0.1}


async def test_invariant_8_an_outage_before_the_meter_was_added(home: Home) -> None:
    """Its energy is of that time, not of the moment of the return."""
    assert await async_setup_component(home.hass, "sensor", {})
    home.add_sensor(GRID)
    for slot in range(12):
        await home.live_rows(BEGIN + slot * SLOT, {GRID: 0.1})
    await use_unseen(home, BEGIN + 6 * HOUR)
    location = home.simulator.add_location(ACCOUNT, tariff="daynight")
    entry = home.add_entry(location, {GRID: ("import", "grid")}, window=60)
    await home.set_up(entry)
    await home.live(BEGIN + 8 * HOUR, steady)
    check_spread(entry)


def lose_journal(home: Home, entry: MockConfigEntry) -> None:
    """Delete it; the book is still there."""
    path = home.hass.config.path(".storage", f"flatpeak.{entry.entry_id}.journal")
    Path(path).unlink()


async def test_invariant_8_an_outage_before_the_journal_was_lost(home: Home) -> None:
    """The book says where to go on, the recorder since when nobody watched."""
    home.add_sensor(GRID)
    location = home.simulator.add_location(ACCOUNT, tariff="daynight")
    entry = home.add_entry(location, {GRID: ("import", "grid")}, window=60)
    await home.set_up(entry)
    await home.live(BEGIN + HOUR, steady)
    await home.hass.config_entries.async_unload(entry.entry_id)
    lose_journal(home, entry)
    await use_unseen(home, BEGIN + 6 * HOUR)
    await home.set_up(entry)
    await home.live(BEGIN + 8 * HOUR, steady)
    check_spread(entry)


def check_spread(entry: MockConfigEntry) -> None:
    """Check that 6.1 kWh are spread from 9:00 to 14:05."""
    found = {hour: kwh for hour, (kwh, _) in energy(entry).items()}
    estimated = {hour for hour, (_, unsure) in energy(entry).items() if unsure}
    assert estimated == {9, 10, 11, 12, 13, 14}
    assert sum(found[hour] for hour in estimated) == pytest.approx(6.1 + 1.1)
    for hour in (9, 10, 11, 12, 13):
        assert found[hour] == pytest.approx(6.1 * 60 / 305, abs=2e-6)
    assert found[15] == pytest.approx(1.2)


async def test_invariant_8_an_outage_of_long_ago(home: Home) -> None:
    """The recorder's hours say when they were written, however old they are."""
    midnight = BEGIN.replace(hour=0) + timedelta(days=1)
    assert await async_setup_component(home.hass, "sensor", {})
    home.add_sensor(GRID)
    for slot in range(12):
        await home.live_rows(BEGIN + slot * SLOT, {GRID: 0.1})
    await use_unseen(home, BEGIN + 6 * HOUR)
    for slot in range(1, 10 * 12 + 1):  # until the next day has begun
        await home.live_rows(BEGIN + 6 * HOUR + slot * SLOT, {GRID: 0.1})
    rows = await async_read_past(home.hass, GRID, BEGIN, midnight)
    past = freeze(rows, Source(), BEGIN, midnight, now=midnight + HOUR, zone=UTC)
    windows = [record.window for record in past.records]
    assert [window.start.hour for window in windows] == list(range(9, 24))
    assert {window.start.hour for window in windows if window.estimated} == set(
        range(9, 15)
    )
    # 6.1 kWh until 14:05, and 1.1 kWh in the hour of the return.
    assert {window.mwh for window in windows[:6]} == {7_200_000 // 6}
    assert {window.mwh for window in windows[6:]} == {1_200_000}
