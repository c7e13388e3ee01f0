"""Diagnostics tell how it goes, and no secret."""

from datetime import UTC, datetime, timedelta
import json

import pytest

from custom_components.flatpeak.diagnostics import async_get_config_entry_diagnostics

from .home import ACCOUNT, KEY, Home

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
GRID = "sensor.grid_import"


@pytest.mark.freeze_time(BEGIN)
async def test_invariant_13_diagnostics(home: Home) -> None:
    """Requests are counted for each day; account, key and location are left out."""
    location = home.simulator.add_location(ACCOUNT)
    home.add_sensor(GRID)
    entry = home.add_entry(location, {GRID: ("import", "grid")}, window=15)
    await home.set_up(entry)
    await home.live(BEGIN + timedelta(minutes=35), lambda _: {GRID: 0.1})
    found = await async_get_config_entry_diagnostics(home.hass, entry)
    text = json.dumps(found)
    assert not any(secret in text for secret in (ACCOUNT, KEY, location))
    assert found["requests"] == {"2026-11-11": len(home.simulator.requests)}
    (meter,) = found["meters"].values()
    assert meter["records"]["new"] == 0
    assert meter["cut_until"] == "2026-11-11T08:30:00+00:00"
    await home.go_to(BEGIN + timedelta(hours=25))
    found = await async_get_config_entry_diagnostics(home.hass, entry)
    assert set(found["requests"]) == {"2026-11-11", "2026-11-12"}
    await home.go_to(BEGIN + timedelta(hours=49))
    found = await async_get_config_entry_diagnostics(home.hass, entry)
    assert set(found["requests"]) == {"2026-11-12", "2026-11-13"}
