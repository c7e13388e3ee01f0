"""The blueprints: Home Assistant takes them, and they do what they say."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
import shutil
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.persistent_notification import (
    async_register_callback as async_listen,
)
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

FOLDER = Path(__file__).parents[1] / "blueprints/automation/flatpeak"
COST = "sensor.grid_import_cost_today"
EUROS = {"unit_of_measurement": "EUR", "friendly_name": "Grid import Cost today"}


@pytest.fixture
def messages(hass: HomeAssistant) -> list[str]:
    """Return the messages that people get."""
    said: list[str] = []

    def note(_: Any, changed: Mapping[str, Any]) -> None:
        said.extend(one["message"] for one in changed.values())

    async_listen(hass, note)
    return said


async def _use(hass: HomeAssistant, name: str, **inputs: Any) -> None:
    """Make an automation of a blueprint."""
    folder = Path(hass.config.path("blueprints/automation/flatpeak"))
    folder.parent.mkdir(parents=True)
    shutil.copytree(FOLDER, folder)
    use = {"path": f"flatpeak/{name}.yaml", "input": inputs}
    assert await async_setup_component(hass, "persistent_notification", {})
    config = {"automation": [{"alias": name, "use_blueprint": use}]}
    assert await async_setup_component(hass, "automation", config)
    await hass.async_block_till_done()
    state = hass.states.get(f"automation.{name}")
    assert state
    assert state.state == "on"


async def test_cost_limit(hass: HomeAssistant, messages: list[str]) -> None:
    """One message a day when the limit is passed, none for what is unknown."""
    hass.states.async_set(COST, "4.20", EUROS)
    await _use(hass, "cost_limit", cost=COST, limit=5)
    for value in ("unknown", "4.99", "5.013", "5.4", "unavailable", "6"):
        hass.states.async_set(COST, value, EUROS)
        await hass.async_block_till_done()
    assert messages == ["5.01 EUR so far: more than your limit of 5."]


@pytest.mark.freeze_time("2026-11-10T06:00:00Z")
async def test_daily_report(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, messages: list[str]
) -> None:
    """A line per sensor, at the time that was chosen."""
    await hass.config.async_set_time_zone("UTC")
    hass.states.async_set(COST, "4.196", EUROS)
    pump = "sensor.heat_pump_cost_today"
    hass.states.async_set(pump, "unknown", {"friendly_name": "Heat pump Cost today"})
    await _use(hass, "daily_report", costs=[COST, pump])
    at = datetime(2026, 11, 10, 8, tzinfo=UTC)
    freezer.move_to(at)
    async_fire_time_changed(hass, at)
    await hass.async_block_till_done(wait_background_tasks=True)
    (report,) = messages
    assert report.split("\n") == [
        "- Grid import Cost today: 4.20 EUR",
        "- Heat pump Cost today: not known yet",
    ]
    automation = {"entity_id": "automation.daily_report"}
    await hass.services.async_call("automation", "turn_off", automation, blocking=True)
