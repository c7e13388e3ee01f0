"""The recorder's database is lost, and the books are kept."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from homeassistant.components.recorder.models import (
    StatisticData,
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import async_add_external_statistics
from homeassistant.helpers.recorder import get_instance
from homeassistant.util.unit_conversion import EnergyConverter
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.flatpeak.coordinator import FlatPeakCoordinator
from custom_components.flatpeak.journal import MeterState
from custom_components.flatpeak.metering import PricedWindow

from .home import ACCOUNT, POWER, Home

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
SLOT = timedelta(minutes=5)
GRID, HEATER = "sensor.grid_import", "sensor.heater"
KWH = Decimal("0.08")
HOUR = timedelta(hours=1)
UTILITY = "utility:grid"

pytestmark = pytest.mark.freeze_time(BEGIN)


def use(_: datetime) -> dict[str, float]:
    """Return what the meter counts in a slot."""
    return {GRID: float(KWH)}


async def lose_half_an_hour(home: Home, entry: MockConfigEntry) -> None:
    """Let nobody read the rows of half an hour, and delete all that there are."""
    await home.hass.config_entries.async_unload(entry.entry_id)
    for number in range(6, 12):
        await home.live_rows(BEGIN + number * SLOT, use(BEGIN))
    # The recorder's sums begin at 0 again.
    get_instance(home.hass).async_clear_statistics([GRID, HEATER])
    await async_wait_recording_done(home.hass)
    await home.set_up(entry)


async def lines_of(
    home: Home, entry: MockConfigEntry, source: str
) -> tuple[MeterState, list[PricedWindow]]:
    """Return a meter's state and its windows; all money is as it is stored."""
    coordinator: FlatPeakCoordinator = entry.runtime_data
    (key,) = (m.key for m in coordinator.meters.values() if m.source == source)
    state = coordinator.ledger.journal.meters[key]
    lines = coordinator.ledger.book.between(key, BEGIN, BEGIN + timedelta(hours=9))
    stored = home.simulator.stored_cost(
        state.stream.owner, BEGIN, BEGIN + timedelta(hours=9)
    )
    assert stored
    assert home.value("cost_today", key) == stored
    assert home.value("pending_records", key) == 0
    return state, lines


async def test_scenario_15_the_register_tells_what_the_gap_had(home: Home) -> None:
    """The energy of the gap is the difference of the register, spread over it."""
    location = home.simulator.add_location(ACCOUNT, tariff="daynight")
    home.add_sensor(GRID)
    home.hass.states.async_set(HEATER, "1200", POWER)
    meters = {GRID: ("import", "grid"), HEATER: ("import", "device")}
    entry = home.add_entry(location, meters, window=5)
    await home.set_up(entry)
    await home.live(BEGIN + 6 * SLOT, use)
    await lose_half_an_hour(home, entry)
    await home.live(BEGIN + 24 * SLOT, use)
    state, lines = await lines_of(home, entry, GRID)
    assert state.cut_until is not None
    assert state.cut_until >= BEGIN + 23 * SLOT
    # The first slot begins before the first row.
    lived = ((state.cut_until - BEGIN) // SLOT - 1) * KWH
    assert sum(line.mwh for line in lines) == lived * 1_000_000
    gap = [line for line in lines if line.estimated]
    assert gap
    assert {line.mwh for line in lines} == {KWH * 1_000_000}


async def test_scenario_15_power_of_the_gap_is_unknown(home: Home) -> None:
    """Without a register there is no data, and nothing is spread."""
    location = home.simulator.add_location(ACCOUNT, tariff="daynight")
    home.add_sensor(GRID)
    home.hass.states.async_set(HEATER, "1200", POWER)
    entry = home.add_entry(location, {HEATER: ("import", "device")}, window=5)
    await home.set_up(entry)
    await home.live(BEGIN + 6 * SLOT, use)
    await lose_half_an_hour(home, entry)
    await home.live(BEGIN + 24 * SLOT, use)
    state, lines = await lines_of(home, entry, HEATER)
    assert state.cut_until is not None
    assert state.cut_until >= BEGIN + 23 * SLOT
    slots = (state.cut_until - BEGIN) // SLOT
    assert len(lines) == slots - 1 - 6  # the first row, and the lost half hour
    assert {line.mwh for line in lines} == {100_000}


async def deliver(home: Home, first: datetime, hours: int) -> None:
    """Import hours of 0.3 kWh, whose sum begins with the first of them."""
    async_add_external_statistics(
        home.hass,
        StatisticMetaData(
            mean_type=StatisticMeanType.NONE,
            has_sum=True,
            name="Grid",
            source="utility",
            statistic_id=UTILITY,
            unit_class=EnergyConverter.UNIT_CLASS,
            unit_of_measurement="kWh",
        ),
        [
            StatisticData(start=first + number * HOUR, sum=0.3 * (number + 1))
            for number in range(hours)
        ],
    )
    await async_wait_recording_done(home.hass)


async def test_scenario_15_an_imported_sum_does_not_know_the_gap(home: Home) -> None:
    """What its first hour holds was used in that hour, not in the gap."""
    location = home.simulator.add_location(ACCOUNT, tariff="daynight")
    entry = home.add_entry(location, {UTILITY: ("import", "grid")})
    midnight = BEGIN - 8 * HOUR
    await deliver(home, midnight, 8)
    await home.set_up(entry)
    await home.live(BEGIN + SLOT, lambda _: {})
    get_instance(home.hass).async_clear_statistics([UTILITY])
    await home.go_to(BEGIN + 10 * HOUR)
    await deliver(home, BEGIN + 4 * HOUR, 6)
    await home.live(BEGIN + 10 * HOUR + SLOT, lambda _: {})
    (key,) = entry.runtime_data.meters
    lines = entry.runtime_data.ledger.book.between(key, midnight, BEGIN + 10 * HOUR)
    known = {midnight + number * HOUR for number in (*range(1, 8), *range(13, 18))}
    assert {line.start for line in lines} == {
        time for hour in known for time in (hour, hour + HOUR / 2)
    }
    assert {line.mwh for line in lines} == {150_000}
    assert not any(line.estimated for line in lines)
