"""Diagnostics tell how it goes, and no secret."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
import json
from typing import Any

from homeassistant.helpers import device_registry as dr
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.diagnostics import (
    async_get_config_entry_diagnostics,
    async_get_device_diagnostics,
)

from .home import ACCOUNT, KEY, Home

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
GRID = "sensor.grid_import"
PUMP = "sensor.heat_pump"

pytestmark = pytest.mark.freeze_time(BEGIN)


@pytest.fixture
async def entry(home: Home) -> MockConfigEntry:
    """Return a home with a grid meter and an appliance, half an hour old."""
    location = home.simulator.add_location(ACCOUNT)
    home.add_sensor(GRID)
    home.add_sensor(PUMP)
    meters = {GRID: ("import", "grid"), PUMP: ("import", "device")}
    entry = home.add_entry(location, meters, window=15)
    await home.set_up(entry)
    await home.live(BEGIN + timedelta(minutes=35), lambda _: {GRID: 0.1, PUMP: 0.05})
    return entry


def assert_no_secret(home: Home, found: dict[str, Any]) -> None:
    """Look for the account, the key, and everything that FlatPeak has an id for."""
    text = json.dumps(found)
    ledger = home.simulator.ledger
    for secret in (ACCOUNT, KEY, *ledger.locations, *ledger.devices, "Heat pump"):
        assert secret not in text


async def test_invariant_13_diagnostics(home: Home, entry: MockConfigEntry) -> None:
    """A maintainer sees how each meter stands; names and ids of FlatPeak are left out.

    The sensors' statistic ids are there, as in other integrations' diagnostics.
    """
    found = await async_get_config_entry_diagnostics(home.hass, entry)
    assert_no_secret(home, found)
    assert set(found) == {
        "version",
        "address",
        "options",
        "issues",
        "facts",
        "clock_ahead_seconds",
        "requests",
        "problem",
        "last_poll",
        "polls_again_after_seconds",
        "pace",
        "meters",
    }
    assert found["version"] == "0.1.0"
    assert found["address"] == home.simulator.url
    assert found["options"] == {"window": 15, "include_carbon": True}
    assert found["issues"] == []
    assert found["facts"] == {
        "timezone": "Europe/London",
        "currency": "GBP",
        "live_mode": True,
        "tariff_status": found["facts"]["tariff_status"],
        "earning_sign": 1,
        "rule": "unknown",
        "longest_lag_seconds": 0,
        "other_writer": False,
        "paused": False,
    }
    assert found["facts"]["tariff_status"]["commodity_import"] == "CONNECTED"
    assert found["last_poll"].startswith("2026-11-11T08:00")
    assert found["pace"] == {
        "waits_seconds": 0,
        "failures": 0,
        "answered": found["pace"]["answered"],
        "account_disabled": False,
        "trouble": None,
        "refused": {},
        "without_price": {},
        "with_price": ["EXPORT", "IMPORT"],
    }
    grid, pump = found["meters"].values()
    assert grid["source"] == {
        "statistic_id": GRID,
        "renamed": False,
        "in_registry": False,
        "present": True,
        "state_class": "total_increasing",
        "unit": "kWh",
        "changed": grid["source"]["changed"],
    }
    expected = {
        "kind": "grid",
        "direction": "import",
        "reporting": "continuous",
        "max_power_kw": 70,
        "records": {},
        "batches": 0,
        "days_that_differ": [],
        "source_problem": None,
        "on_own_device": False,
        "stream": ["IMPORT", "IMPORT"],
        "cut_until": "2026-11-11T08:30:00+00:00",
        "settled_until": "2026-11-11T08:30:00+00:00",
    }
    assert {key: grid[key] for key in expected} == expected
    assert grid["behind_seconds"] == 375
    assert grid["book"] | {"last": None} == {
        "lines": {"instant": 2},
        "without_money": 0,
        "estimated": 0,
        "doubted": 0,
        "first": "2026-11-11T08:05:00+00:00",
        "last": None,
    }
    assert pump["on_own_device"]


async def test_invariant_13_diagnostics_in_trouble(
    home: Home, entry: MockConfigEntry
) -> None:
    """What goes wrong is named by kind, status and code, for location and meters."""
    coordinator = entry.runtime_data
    home.simulator.ledger.devices.clear()
    await home.live(BEGIN + timedelta(minutes=50), lambda _: {GRID: 0.1, PUMP: 0.05})
    home.simulator.set_problem(entry.unique_id or "", "IMPORT", "no_price_data")
    await home.live(BEGIN + timedelta(minutes=65), lambda _: {GRID: 0.1, PUMP: 0.05})
    home.simulator.fail("/costs/*", status=500, times=None)
    coordinator.pace.has_price("IMPORT")
    coordinator.pace._pauses.clear()
    await home.live(BEGIN + timedelta(minutes=85), lambda _: {GRID: 0.1, PUMP: 0.05})
    found = await async_get_config_entry_diagnostics(home.hass, entry)
    assert_no_secret(home, found)
    grid, pump = found["meters"]
    assert found["pace"]["refused"][pump] == {
        "error": "FlatPeakNotFoundError",
        "request": "POST /costs/instant",
        "status": 404,
        "code": found["pace"]["refused"][pump]["code"],
        "since": found["pace"]["refused"][pump]["since"],
    }
    assert found["pace"]["trouble"]["status"] == 500
    assert found["pace"]["failures"] > 0
    waiting = found["meters"][pump]["records"]["new"]
    assert waiting["count"] >= 2
    assert waiting["oldest"] == "2026-11-11T08:30:00+00:00"
    doubtful = found["meters"][grid]["records"]["attempted"]
    assert doubtful["most_tries"] == 1
    assert doubtful["first_attempt"]


async def test_diagnostics_of_a_device(
    home: Home, entry: MockConfigEntry, device_registry: dr.DeviceRegistry
) -> None:
    """A meter's device tells of this meter, the location's of none."""
    devices = dr.async_entries_for_config_entry(device_registry, entry.entry_id)
    shown = {}
    for device in devices:
        found = await async_get_device_diagnostics(home.hass, entry, device)
        assert_no_secret(home, found)
        assert found["version"] == "0.1.0"
        shown[device.name] = [
            meter["source"]["statistic_id"] for meter in found["meters"].values()
        ]
    assert shown == {"Home": [], "Grid import": [GRID], "Heat pump": [PUMP]}
    assert {domain for device in devices for domain, _ in device.identifiers} == {
        DOMAIN
    }


async def test_diagnostics_of_a_meter_without_a_stream(
    home: Home, entry: MockConfigEntry
) -> None:
    """A meter that FlatPeak knows nothing of yet has no state."""
    ledger = entry.runtime_data.ledger
    ledger.journal = replace(ledger.journal, meters={})
    home.hass.states.async_remove(GRID)
    found = await async_get_config_entry_diagnostics(home.hass, entry)
    grid, _ = found["meters"].values()
    assert not grid["source"]["present"]
    assert "cut_until" not in grid


async def test_requests_are_counted_for_two_days(
    home: Home, entry: MockConfigEntry
) -> None:
    """Those of today and yesterday, each by day."""
    found = await async_get_config_entry_diagnostics(home.hass, entry)
    assert found["requests"] == {"2026-11-11": len(home.simulator.requests)}
    await home.go_to(BEGIN + timedelta(hours=25))
    found = await async_get_config_entry_diagnostics(home.hass, entry)
    assert set(found["requests"]) == {"2026-11-11", "2026-11-12"}
    await home.go_to(BEGIN + timedelta(hours=49))
    found = await async_get_config_entry_diagnostics(home.hass, entry)
    assert set(found["requests"]) == {"2026-11-12", "2026-11-13"}
