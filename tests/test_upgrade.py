"""An entry that the first version has stored: it loads with its totals, and goes on.

`fixtures/version_1` was written by the code of that time: 31 hours of three meters over
the end of a month, and at the end a record of each that may have arrived; one had.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
import json
from pathlib import Path
import shutil
from types import MappingProxyType
from typing import Any

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.helpers import entity_registry as er
import pytest

from custom_components.flatpeak.const import DOMAIN

from .home import ACCOUNT, Home
from .simulator.state import load

STORED = Path(__file__).parent / "fixtures/version_1"
END = datetime(2026, 11, 2, 3, 1, 15, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 1, 23, tzinfo=UTC)  # in Berlin
LOCATION = "loc_home"
METERS = {  # source: meter key, direction, where its register stood
    "sensor.grid_import": ("8591bf76", "IMPORT", "1044.784722"),
    "sensor.grid_export": ("a715ac2b", "EXPORT", "1011.529666"),
    "sensor.heat_pump": ("37787c11", "IMPORT", "1005.936094"),
}
SHOWN: dict[str, str] = json.loads((STORED / "shown.json").read_text())
# The first version showed for the home what waited of its grid meters only.
APPLIANCES_WAIT_TOO = {f"{LOCATION}_location_pending_records": "3"}
# What a start cannot know yet: the power and the prices of now.
LIVE = ("_cost_rate", "_price", "_export_price", "_tariff_status")


def _entry(home: Home) -> ConfigEntry:
    """Return the entry as it was stored."""
    data: dict[str, Any] = json.loads((STORED / "entry.json").read_text())
    data["data"]["base_url"] = home.simulator.url
    subentries = [
        ConfigSubentry(**one | {"data": MappingProxyType(one["data"])})
        for one in data.pop("subentries")
    ]
    discovery_keys = MappingProxyType(data.pop("discovery_keys"))
    entry = ConfigEntry(**data, discovery_keys=discovery_keys, subentries_data=None)
    for subentry in subentries:
        entry.subentries = MappingProxyType(
            {**entry.subentries, subentry.subentry_id: subentry}
        )
    return entry


def _shown(home: Home) -> dict[str, str]:
    """Return what our sensors show, by unique id."""
    shown = {}
    for entity in er.async_get(home.hass).entities.values():
        state = home.hass.states.get(entity.entity_id)
        if entity.platform == DOMAIN and state is not None:
            shown[entity.unique_id] = state.state
    return shown


@pytest.mark.freeze_time(END)
async def test_entry_of_the_first_version(home: Home) -> None:
    """Nothing is lost, nothing is sent twice, and the next window joins in."""
    for path in STORED.glob(f"{DOMAIN}.*"):
        shutil.copy(path, home.hass.config.path(".storage", path.name))
    for source, (_, _, kwh) in METERS.items():
        home.add_sensor(source, float(kwh))
    home.simulator.add_location(
        ACCOUNT,
        location_id=LOCATION,
        tariff="dynamic",
        timezone="Europe/Berlin",
        currency="EUR",
    )
    load(home.simulator, STORED / "simulator.json")
    stored = len(home.simulator.ledger.submissions)
    await home.simulator.refuse()  # only what is on disk counts at first
    await home.hass.config_entries.async_add(_entry(home))
    await home.hass.async_block_till_done(wait_background_tasks=True)
    before = _shown(home)
    assert {
        unique_id: value
        for unique_id, value in before.items()
        if unique_id in SHOWN and not unique_id.endswith(LIVE)
    } == {
        unique_id: value
        for unique_id, value in (SHOWN | APPLIANCES_WAIT_TOO).items()
        if not unique_id.endswith(LIVE)
    }

    await home.simulator.listen()
    used = dict.fromkeys(METERS, 0.05)
    await home.live(datetime(2026, 11, 2, 4, tzinfo=UTC), lambda _: used)
    after = _shown(home)
    assert set(after) >= set(SHOWN)
    for source, (key, direction, kwh) in METERS.items():
        # What the first version left open was looked up.
        assert after[f"{LOCATION}_{key}_pending_records"] == "0"
        owner = LOCATION if source != "sensor.heat_pump" else _device(home)
        assert Decimal(
            after[f"{LOCATION}_{key}_cost_today"]
        ) == home.simulator.stored_cost(
            owner, MIDNIGHT, END + timedelta(days=1), direction
        )
        gone = home.registers[source] - Decimal(kwh)
        energy = f"{LOCATION}_{key}_energy_today"
        assert Decimal(after[energy]) - Decimal(SHOWN[energy]) == gone
    records = [
        (one.draft.owner, one.draft.tariff_direction, one.draft.start)
        for one in home.simulator.ledger.submissions
    ]
    # Two records of 02:30 that had not arrived, and two windows of three meters.
    assert len(records) == stored + 8
    assert len(set(records)) == len(records)


def _device(home: Home) -> str:
    """Return the id of the heat pump's device."""
    (device,) = home.simulator.ledger.devices
    return device
