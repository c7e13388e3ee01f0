"""System health says whether all gets to FlatPeak."""

from datetime import UTC, datetime, timedelta
import json
from pathlib import Path
from typing import Any

from homeassistant.components.system_health import get_info
from homeassistant.config_entries import ConfigEntryDisabler
from homeassistant.setup import async_setup_component
import pytest

from custom_components.flatpeak.const import DOMAIN

from .home import ACCOUNT, KEY, Home

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
GRID = "sensor.grid_import"

pytestmark = pytest.mark.freeze_time(BEGIN)


async def shown(home: Home) -> dict[str, Any]:
    """Return what the page shows."""
    assert await async_setup_component(home.hass, "system_health", {})
    await home.hass.async_block_till_done()
    info: dict[str, Any] = (await get_info(home.hass))[DOMAIN]
    return info


async def test_system_health(home: Home) -> None:
    """Two homes of which one is off; then an outage with records that wait."""
    location = home.simulator.add_location(ACCOUNT)
    home.add_sensor(GRID)
    entry = home.add_entry(location, {GRID: ("import", "grid")}, window=5)
    await home.set_up(entry)
    other = home.add_entry(home.simulator.add_location(ACCOUNT), {})
    await home.hass.config_entries.async_set_disabled_by(
        other.entry_id, ConfigEntryDisabler.USER
    )
    await home.live(BEGIN + timedelta(minutes=15), lambda _: {GRID: 0.1})
    asked = len(home.simulator.requests)
    found = await shown(home)
    answered = found.pop("last_success")
    assert answered.startswith("2026-11-11T08:1")
    assert found == {
        "version": "0.1.0",
        "can_reach_server": "ok",
        "entries": "1 / 2",
        "records_waiting": 0,
    }
    secrets = (ACCOUNT, KEY, location)
    for request in home.simulator.requests[asked:]:
        assert "authorization" not in request.headers
        assert not any(secret in str(request) for secret in secrets)
    home.simulator.offline = True
    await home.live(BEGIN + timedelta(minutes=30), lambda _: {GRID: 0.1})
    found = await shown(home)
    assert found["can_reach_server"] == "Failed: unreachable"
    assert found["records_waiting"] == 3
    assert found["last_success"] == answered


async def test_before_the_first_entry_runs(home: Home) -> None:
    """Nothing is known, and nothing breaks."""
    home.simulator.offline = True
    home.add_entry(home.simulator.add_location(ACCOUNT), {})
    assert await async_setup_component(home.hass, DOMAIN, {})
    await home.hass.async_block_till_done(wait_background_tasks=True)
    found = await shown(home)
    assert (found["entries"], found["records_waiting"]) == ("0 / 1", 0)
    assert found["last_success"] is None


def test_texts() -> None:
    """Each line has its name."""
    path = Path("custom_components/flatpeak/translations/en.json")
    assert set(json.loads(path.read_text())["system_health"]["info"]) == {
        "version",
        "can_reach_server",
        "entries",
        "records_waiting",
        "last_success",
    }
