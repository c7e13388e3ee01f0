"""The Energy dashboard: it takes our statistics, and is told where it should."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from homeassistant.components.energy.data import async_get_manager
from homeassistant.components.energy.validate import async_validate
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er, issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.dashboard import ENERGY_SETTINGS, GENERAL_SETTINGS
from custom_components.flatpeak.issues import Issue, issue_id, learn_more_url

from .home import ACCOUNT, Home
from .statistics import GRID, METERS, PUMP, SOLD, Recorded, usage

START = datetime(2026, 11, 10, 12, tzinfo=UTC)

pytestmark = pytest.mark.freeze_time(START)


@pytest.fixture
def recorder_config(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Record the sources alone, which is quicker, unless a test wants more."""
    wanted: dict[str, Any] = getattr(request, "param", {"entities": list(METERS)})
    return {"include": wanted}


def _preferences(sources: Sequence[dict[str, Any]], devices: Sequence[str] = ()) -> Any:
    """Return the dashboard's settings."""
    return {
        "energy_sources": [{"cost_adjustment_day": 0, **one} for one in sources],
        "device_consumption": [{"stat_consumption": one} for one in devices],
        "device_consumption_water": [],
    }


class House:
    """A home with an hour of statistics, and its Energy dashboard."""

    def __init__(self, home: Home, entry: MockConfigEntry, location: str) -> None:
        """Know the entry."""
        self.hass: HomeAssistant = home.hass
        self.entry = entry
        self.location = location
        self.recorded = Recorded(home, location)

    async def show(
        self, sources: Sequence[dict[str, Any]], devices: Sequence[str] = ()
    ) -> None:
        """Save the dashboard's settings."""
        manager = await async_get_manager(self.hass)
        await manager.async_update(_preferences(sources, devices))
        await self.hass.async_block_till_done(wait_background_tasks=True)

    def said(self, issue: Issue, source: str | None = None) -> dict[str, str] | None:
        """Return what an issue says; None: it is not raised."""
        key = (self.recorded.key(source),) if source else ()
        identity = issue_id(self.entry.entry_id, issue, *key)
        found = ir.async_get(self.hass).async_get_issue(DOMAIN, identity)
        if found is None:
            return None
        assert found.severity is ir.IssueSeverity.WARNING
        assert not found.is_fixable
        assert found.learn_more_url == learn_more_url(self.hass, issue)
        return found.translation_placeholders

    def sensor(self, key: str, source: str | None = None) -> str:
        """Return the entity id of one of our sensors."""
        about = self.recorded.key(source) if source else "location"
        unique_id = f"{self.location}_{about}_{key}"
        found = er.async_get(self.hass).async_get_entity_id("sensor", DOMAIN, unique_id)
        assert found
        return found

    async def enable(self, *sensors: str) -> None:
        """Enable sensors that are not by default."""
        registry = er.async_get(self.hass)
        for sensor in sensors:
            registry.async_update_entity(sensor, disabled_by=None)
        await self.hass.config_entries.async_reload(self.entry.entry_id)
        await self.hass.async_block_till_done(wait_background_tasks=True)


@pytest.fixture
async def house(home: Home) -> House:
    """Return a house whose first hour is complete."""
    await home.hass.config.async_update(currency="GBP")
    location = home.simulator.add_location(ACCOUNT, currency="GBP")
    for source in METERS:
        home.add_sensor(source)
    entry = home.add_entry(location, METERS)
    await home.set_up(entry)
    await home.live(START + timedelta(minutes=70), usage)
    return House(home, entry, location)


def grid(house: House, **more: Any) -> dict[str, Any]:
    """Return the grid connection with our costs."""
    return {
        "type": "grid",
        "stat_energy_from": GRID,
        "stat_cost": house.recorded.id(GRID),
        "stat_energy_to": SOLD,
        "stat_compensation": house.recorded.id(SOLD),
        **more,
    }


async def test_dashboard_takes_our_statistics(house: House) -> None:
    """Home Assistant's own validation finds nothing wrong, and we neither."""
    ours = {
        "stat_energy_from": house.recorded.id(GRID, "energy"),
        "stat_energy_to": house.recorded.id(SOLD, "energy"),
    }
    for source in grid(house), grid(house, **ours):
        await house.show([source], [PUMP, house.recorded.id(PUMP, "energy")])
        found = (await async_validate(house.hass)).as_dict()
        assert found["energy_sources"] == [[]]
        assert found["device_consumption"] == [[], []]
        assert house.said(Issue.DASHBOARD_COST, GRID) is None
        assert house.said(Issue.DASHBOARD_COST, SOLD) is None
        assert house.said(Issue.DASHBOARD_SENSOR) is None
        assert house.said(Issue.CURRENCY) is None


@pytest.mark.parametrize("recorder_config", [{"domains": ["sensor"]}], indirect=True)
async def test_dashboard_takes_our_sensors(home: Home, house: House) -> None:
    """Its validation finds nothing wrong with totals, prices and daily sensors.

    Of the daily ones we say what is better.
    """
    totals = {
        "stat_cost": house.sensor("cost_total", GRID),
        "stat_compensation": house.sensor("cost_total", SOLD),
    }
    await house.enable(*totals.values())
    await home.live(START + timedelta(minutes=80), usage)
    # What the set-up of the component leaves, which needs the frontend.
    house.hass.data["energy"] = {"cost_sensors": {}}
    prices = {
        "stat_cost": None,
        "entity_energy_price": house.sensor("price"),
        "stat_compensation": None,
        "entity_energy_price_export": house.sensor("export_price"),
    }
    daily = {
        "stat_energy_from": house.sensor("energy_today", GRID),
        "stat_cost": house.sensor("cost_today", GRID),
        "stat_energy_to": house.sensor("energy_this_month", SOLD),
        "stat_compensation": house.sensor("cost_this_month", SOLD),
    }
    device = house.sensor("energy_today", PUMP)
    for source, devices, is_daily in (
        (totals, [PUMP], False),
        (prices, [PUMP], False),
        (daily, [device], True),
    ):
        await house.show([grid(house, **source)], devices)
        found = (await async_validate(house.hass)).as_dict()
        assert found["energy_sources"] == [[]]
        assert found["device_consumption"] == [[]]
        said = house.said(Issue.DASHBOARD_SENSOR)
        assert (said is not None) is is_daily
        assert house.said(Issue.DASHBOARD_COST, GRID) is None
        assert house.said(Issue.DASHBOARD_COST, SOLD) is None
    assert said is not None
    for sensor in (*daily.values(), device):
        assert f"* {sensor} → " in said["sensors"]


async def test_validation_knows_what_is_wrong(house: House) -> None:
    """A statistic that is not there is found: the test above says something."""
    await house.show([grid(house, stat_cost="flatpeak:nothing")])
    ((found,),) = (await async_validate(house.hass)).as_dict()["energy_sources"]
    assert found["type"] == "statistics_not_defined"
    # A sensor that is neither recorded nor enabled is found, too.
    await house.show([grid(house, stat_cost=house.sensor("cost_total", GRID))])
    (several,) = (await async_validate(house.hass)).as_dict()["energy_sources"]
    assert {one["type"] for one in several} == {
        "statistics_not_defined",
        "recorder_untracked",
        "entity_not_defined",
    }


async def test_grid_without_a_cost(house: House) -> None:
    """The statistic to choose is named, until any cost is chosen."""
    await house.show([grid(house, stat_cost=None, stat_compensation=None)], [PUMP])
    name = "Grid import \N{EN DASH} cost (FlatPeak)"
    said = house.said(Issue.DASHBOARD_COST, GRID)
    assert said
    assert (said["statistic"], said["url"]) == (name, ENERGY_SETTINGS)
    assert (said["meter"], said["location"]) == ("Grid import", "Home")
    said = house.said(Issue.DASHBOARD_COST, SOLD)
    assert said
    assert said["statistic"] == "Grid export \N{EN DASH} compensation (FlatPeak)"
    assert house.said(Issue.DASHBOARD_COST, PUMP) is None

    await house.show(
        [
            grid(
                house,
                stat_cost=None,
                stat_compensation=None,
                number_energy_price=0.0,
                entity_energy_price_export="sensor.price",
            )
        ]
    )
    assert house.said(Issue.DASHBOARD_COST, GRID) is None
    assert house.said(Issue.DASHBOARD_COST, SOLD) is None


async def test_nothing_to_choose(home: Home, house: House) -> None:
    """A source that is not ours, or has no statistic of ours, needs no cost of ours."""
    other = {"type": "grid", "stat_energy_from": "sensor.other"}
    await house.show([other, {"type": "solar", "stat_energy_from": GRID}])
    assert house.said(Issue.DASHBOARD_COST, GRID) is None
    # In a currency that the recorder has no costs in.
    journal = house.entry.runtime_data.ledger.journal
    object.__setattr__(journal.facts, "currency", "EUR")
    await house.show([grid(house, stat_cost=None)])
    assert house.said(Issue.DASHBOARD_COST, GRID) is None
    object.__setattr__(journal.facts, "currency", "GBP")
    object.__setattr__(journal.facts, "live_mode", False)
    await house.show([grid(house, stat_cost=None)])
    assert house.said(Issue.DASHBOARD_COST, GRID) is None


async def test_sensors_that_begin_anew(house: House) -> None:
    """Each is named with what to choose in its place."""
    await house.show(
        [
            grid(
                house,
                stat_energy_from=house.sensor("energy_today", GRID),
                stat_cost=house.sensor("cost_today", GRID),
                stat_compensation=house.sensor("cost_this_month"),
            )
        ],
        [house.sensor("energy_today", PUMP), SOLD],
    )
    said = house.said(Issue.DASHBOARD_SENSOR)
    assert said
    assert said["url"] == ENERGY_SETTINGS
    dash = "\N{EN DASH}"
    sold = f"Grid export {dash} compensation (FlatPeak)"
    assert said["sensors"].splitlines() == [
        f"* {house.sensor('energy_today', GRID)} → {GRID}",
        f"* {house.sensor('cost_today', GRID)} → Grid import {dash} cost (FlatPeak)",
        f"* {house.sensor('cost_this_month')} → {sold}",
        f"* {house.sensor('energy_today', PUMP)} → {PUMP}",
    ]
    await house.show([grid(house, stat_cost=house.sensor("cost_total", GRID))])
    assert house.said(Issue.DASHBOARD_SENSOR) is None


async def test_another_currency(house: House) -> None:
    """The dashboard does not convert: that is said until both are the same."""
    await house.hass.config.async_update(currency="EUR")
    await house.hass.async_block_till_done(wait_background_tasks=True)
    said = house.said(Issue.CURRENCY)
    assert said
    assert (said["ours"], said["theirs"], said["url"]) == (
        "GBP",
        "EUR",
        GENERAL_SETTINGS,
    )
    await house.hass.config.async_update(currency="GBP")
    await house.hass.async_block_till_done(wait_background_tasks=True)
    assert house.said(Issue.CURRENCY) is None


async def test_full_poll_looks(home: Home, house: House) -> None:
    """What was changed while we did not listen is seen six hours later."""
    manager = await async_get_manager(house.hass)
    assert manager.data is None
    manager.data = _preferences([grid(house, stat_cost=None)])
    await home.go_to(START + timedelta(hours=6, minutes=12))
    assert house.said(Issue.DASHBOARD_COST, GRID)


async def test_reloads_leak_no_listener(house: House) -> None:
    """An entry that is not loaded is not looked at, and is so after a reload."""
    await house.hass.config_entries.async_unload(house.entry.entry_id)
    await house.show([grid(house, stat_cost=None)])
    assert house.said(Issue.DASHBOARD_COST, GRID) is None
    for _ in range(3):
        await house.hass.config_entries.async_reload(house.entry.entry_id)
    manager = await async_get_manager(house.hass)
    assert len(manager._update_listeners) == 1
    await house.show([grid(house, stat_cost=None)])
    assert house.said(Issue.DASHBOARD_COST, GRID)
