"""The switch that pauses the sending."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from unittest.mock import patch

from homeassistant.components.switch.const import DOMAIN as SWITCH
from homeassistant.const import ATTR_ENTITY_ID, SERVICE_TURN_OFF, SERVICE_TURN_ON
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from .home import ACCOUNT, Home

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
SLOT = timedelta(minutes=5)
GRID = "sensor.grid_import"
SWITCH_ID = "switch.home_send_readings"

pytestmark = pytest.mark.freeze_time(BEGIN)


@pytest.fixture
async def entry(home: Home) -> MockConfigEntry:
    """Return an entry with a meter, set up."""
    home.add_sensor(GRID)
    location = home.simulator.add_location(ACCOUNT, tariff="daynight")
    entry = home.add_entry(location, {GRID: ("import", "grid")}, window=5)
    await home.set_up(entry)
    return entry


async def turn(home: Home, service: str) -> None:
    """Turn the switch on or off."""
    await home.hass.services.async_call(
        SWITCH, service, {ATTR_ENTITY_ID: SWITCH_ID}, blocking=True
    )
    await home.hass.async_block_till_done(wait_background_tasks=True)


def sent(home: Home) -> int:
    """Return how many readings went out, also those that only ask for a price."""
    paths = [request.template for request in home.simulator.requests]
    return paths.count("/costs/instant") + paths.count("/meters/interval")


def use(_: datetime) -> dict[str, float]:
    """Return what the source uses in a slot, in kWh."""
    return {GRID: 0.08}


async def test_pause_and_go_on(home: Home, entry: MockConfigEntry) -> None:
    """Nothing goes out, nothing is lost, also through a restart; then all is sent."""
    state = home.hass.states.get(SWITCH_ID)
    assert state is not None
    assert state.state == "on"
    assert state.name == "Home Send readings"
    await home.live(BEGIN + 6 * SLOT, use)
    [key] = entry.runtime_data.meters
    cost, before = home.value("cost_today", key), sent(home)
    assert before > 0

    await turn(home, SERVICE_TURN_OFF)
    await home.live(BEGIN + 12 * SLOT, use)
    pending = home.value("pending_records", key)
    assert pending >= 6
    assert home.value("energy_today", key) == Decimal("0.88")
    assert home.value("cost_today", key) == cost
    assert home.state("data_until", key).state < "2026-11-11T08:35"

    await home.hass.config_entries.async_reload(entry.entry_id)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    state = home.hass.states.get(SWITCH_ID)
    assert state is not None
    assert state.state == "off"
    polls = len(home.simulator.requests)
    await home.live(BEGIN + 20 * SLOT, use)
    await home.go_to(datetime(2026, 11, 11, 12, 12, tzinfo=UTC))
    assert sent(home) == before
    assert len(home.simulator.requests) > polls, "the poll goes on"
    assert home.value("pending_records") > pending

    await turn(home, SERVICE_TURN_ON)
    await home.go_to(datetime(2026, 11, 11, 12, 14, tzinfo=UTC))
    await home.go_to(datetime(2026, 11, 11, 12, 40, tzinfo=UTC))
    await home.live(datetime(2026, 11, 11, 13, 0, tzinfo=UTC), use)
    assert sent(home) > before
    location = entry.data["location_id"]
    stored = home.simulator.stored_cost(location, BEGIN, BEGIN + timedelta(hours=6))
    assert home.value("cost_today", key) == stored
    periods = [one.draft.start for one in home.simulator.ledger.submissions]
    assert len(periods) == len(set(periods))


async def test_a_push_that_is_sending_stops(home: Home, entry: MockConfigEntry) -> None:
    """It need not wait until everything is sent."""
    coordinator = entry.runtime_data
    assert coordinator.sends
    async with coordinator.ledger.lock:
        task = home.hass.async_create_task(coordinator.async_set_sending(on=False))
        await asyncio.sleep(0)
        assert not coordinator.sends
    await task


async def test_a_full_disk(home: Home, entry: MockConfigEntry) -> None:
    """What cannot be kept is not done, and said."""
    with (
        patch(
            "custom_components.flatpeak.journal_file.JournalFile.write",
            side_effect=HomeAssistantError,
        ),
        pytest.raises(HomeAssistantError, match="kept on disk"),
    ):
        await turn(home, SERVICE_TURN_OFF)
    assert entry.runtime_data.sends
    state = home.hass.states.get(SWITCH_ID)
    assert state is not None
    assert state.state == "on"


async def test_no_switch_without_meters(home: Home) -> None:
    """There is nothing to send."""
    location = home.simulator.add_location(ACCOUNT)
    await home.set_up(home.add_entry(location, {}))
    registry = er.async_get(home.hass)
    assert not [e for e in registry.entities.values() if e.domain == SWITCH]
