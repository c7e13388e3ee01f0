"""Devices come, go and are renamed with what they stand for; and many of them."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from homeassistant.config_entries import ConfigEntryState
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
)
from homeassistant.helpers.json import json_bytes
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.flatpeak import async_remove_config_entry_device
from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.issues import Issue, issue_id

from .home import ACCOUNT, Home
from .simulator.core import LoggedRequest
from .statistics import Recorded

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
SLOT = timedelta(minutes=5)
GRID, PUMP = "sensor.grid_import", "sensor.heat_pump"
METERS = {GRID: ("import", "grid"), PUMP: ("import", "device")}

pytestmark = pytest.mark.freeze_time(BEGIN)


def entities(home: Home, entry: MockConfigEntry) -> list[er.RegistryEntry]:
    """Return an entry's entities."""
    registry = er.async_get(home.hass)
    return er.async_entries_for_config_entry(registry, entry.entry_id)


def devices(home: Home, entry: MockConfigEntry) -> dict[str | None, dr.DeviceEntry]:
    """Return an entry's devices by name."""
    registry = dr.async_get(home.hass)
    found = dr.async_entries_for_config_entry(registry, entry.entry_id)
    return {device.name: device for device in found}


def asked(home: Home) -> list[LoggedRequest]:
    """Return all requests but log-ins."""
    return [one for one in home.simulator.requests if one.path != "/login"]


@pytest.fixture
async def entry(home: Home) -> MockConfigEntry:
    """Return a running home with two meters."""
    for source in METERS:
        home.add_sensor(source)
    location = home.simulator.add_location(ACCOUNT, tariff="daynight")
    entry = home.add_entry(location, METERS, window=30)
    await home.set_up(entry)
    return entry


async def test_stale_devices(home: Home, entry: MockConfigEntry) -> None:
    """What no longer stands for anything is removed at the next start."""
    stale = dr.async_get(home.hass).async_get_or_create(
        config_entry_id=entry.entry_id,
        identifiers={(DOMAIN, f"{entry.data['location_id']}_00000000")},
        name="Sold",
    )
    assert stale.id in {device.id for device in devices(home, entry).values()}
    await home.hass.config_entries.async_reload(entry.entry_id)
    assert devices(home, entry).keys() == {"Home", "Grid import", "Heat pump"}


@pytest.mark.freeze_time(BEGIN)
@pytest.mark.parametrize(
    ("title", "then"), [("Home", "Villa"), ("My own name", "My own name")]
)
async def test_a_home_renamed_at_flatpeak(home: Home, title: str, then: str) -> None:
    """The new name is taken once a day, but not over one that the user chose."""
    home.add_sensor(GRID)
    location = home.simulator.add_location(ACCOUNT, reference_id="Home")
    entry = home.add_entry(location, {GRID: METERS[GRID]})
    await home.set_up(entry)
    home.hass.config_entries.async_update_entry(entry, title=title)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    home.simulator.ledger.locations[location].reference_id = "Villa"
    await home.go_to(BEGIN + timedelta(days=1))
    assert entry.title == then
    assert then in devices(home, entry)
    assert home.hass.states.get("sensor.home_cost_today") is not None
    await home.hass.config_entries.async_reload(entry.entry_id)
    assert entry.title == then


@pytest.mark.freeze_time(BEGIN)
async def test_a_new_name_is_taken_though_a_later_request_fails(home: Home) -> None:
    """FlatPeak has said it, and will not say again that it is new."""
    home.add_sensor(GRID)
    location = home.simulator.add_location(ACCOUNT, reference_id="Home")
    entry = home.add_entry(location, {GRID: METERS[GRID]})
    await home.set_up(entry)
    home.simulator.ledger.locations[location].reference_id = "Villa"
    home.simulator.fail("/prices/*", status=500, times=None)
    await home.go_to(BEGIN + timedelta(days=1))
    assert entry.title == "Villa"


async def test_new_names_need_no_reload(
    home: Home, entry: MockConfigEntry, issue_registry: ir.IssueRegistry
) -> None:
    """Devices, statistics and repairs take them; nothing that is under way ends."""
    recorded = Recorded(home, entry.data["location_id"])
    coordinator, key = entry.runtime_data, recorded.key(PUMP)
    await home.live(BEGIN + 6 * SLOT, lambda _: {PUMP: 0.05})
    home.registers[PUMP] += 500  # kWh, which is impossible
    await home.live(BEGIN + 23 * SLOT, lambda _: {PUMP: 0.05})
    await home.live_rows(BEGIN + 23 * SLOT, {PUMP: 0.05})  # a push is planned
    before, records = len(asked(home)), len(home.simulator.records)
    waiting = coordinator.ledger.journal.outbox
    home.hass.config_entries.async_update_entry(entry, title="Villa")
    home.hass.config_entries.async_update_subentry(
        entry, entry.subentries[PUMP], title="Boiler"
    )
    await home.hass.async_block_till_done(wait_background_tasks=True)
    assert entry.runtime_data is coordinator
    assert waiting == coordinator.ledger.journal.outbox != ()
    assert len(asked(home)) == before
    assert devices(home, entry).keys() == {"Villa", "Grid import", "Boiler"}
    shown = home.hass.states.get("sensor.heat_pump_energy_today")
    assert shown is not None
    assert shown.name == "Boiler Energy today"
    names = {name for name, _ in (await recorded.names()).values()}
    assert {name for name in names if name and name.startswith(("Heat", "Boil"))} == {
        "Boiler \N{EN DASH} cost (FlatPeak)",
        "Boiler \N{EN DASH} energy (FlatPeak)",
    }
    issue = issue_registry.async_get_issue(
        DOMAIN, issue_id(entry.entry_id, Issue.QUARANTINE, key)
    )
    assert issue is not None
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["meter"] == "Boiler"
    assert issue.translation_placeholders["location"] == "Villa"
    await home.go_to(BEGIN + 24 * SLOT + timedelta(seconds=75))
    assert len(home.simulator.records) == records + 1


async def test_entities_of_the_home_go_with_its_meters(
    home: Home, entry: MockConfigEntry
) -> None:
    """Without a grid meter there is no total of our own; without any, nothing waits."""

    def of_home() -> set[str]:
        begin = f"{entry.data['location_id']}_location_"
        ids = {one.unique_id for one in entities(home, entry)}
        return {id_.removeprefix(begin) for id_ in ids if id_.startswith(begin)}

    before = of_home()
    gone = {"others_cost_today", "others_cost_this_month"}
    gone |= {"cost_this_year", "cost_total"}
    by_source = {one.data["source"]: one for one in entry.subentries.values()}
    manager = home.hass.config_entries
    manager.async_remove_subentry(entry, by_source[GRID].subentry_id)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    assert before - of_home() == gone
    manager.async_remove_subentry(entry, by_source[PUMP].subentry_id)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    assert before - of_home() == gone | {"send_readings", "pending_records"}


async def test_deleting_a_device(home: Home, entry: MockConfigEntry) -> None:
    """Only what is not needed may be deleted by hand."""
    for device in devices(home, entry).values():
        assert not await async_remove_config_entry_device(home.hass, entry, device)
    stale = dr.async_get(home.hass).async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={(DOMAIN, "other")}, name="Sold"
    )
    assert await async_remove_config_entry_device(home.hass, entry, stale)


@pytest.mark.parametrize(("key", "model"), [("sk_test_1", "Test mode"), ("sk_l", None)])
async def test_test_mode_is_shown(home: Home, key: str, model: str | None) -> None:
    """The devices of a test key say so."""
    home.add_sensor(GRID)
    home.simulator.add_account("acc_test", key)
    location = home.simulator.add_location("acc_test")
    entry = home.add_entry(location, {GRID: ("import", "grid")})
    home.hass.config_entries.async_update_entry(
        entry, data={**entry.data, "account_id": "acc_test", "api_key": key}
    )
    await home.set_up(entry)
    assert {d.model for d in devices(home, entry).values()} == {model}
    assert len(devices(home, entry)) == 2


async def test_twenty_meters(home: Home) -> None:
    """Each has its device, its entities and its own stream; requests are counted."""
    sources = [f"sensor.meter_{number:02}" for number in range(20)]
    for source in sources:
        home.add_sensor(source)
    meters = {
        source: ("import", "grid" if number < 2 else "device")
        for number, source in enumerate(sources)
    }
    location = home.simulator.add_location(ACCOUNT, tariff="daynight")
    entry = home.add_entry(location, meters, window=30)
    await home.set_up(entry)
    assert entry.state is ConfigEntryState.LOADED
    assert len(devices(home, entry)) == 21
    enabled = [entity for entity in entities(home, entry) if not entity.disabled_by]
    per_device = Counter(entity.device_id for entity in enabled)
    of_meters = Counter(per_device.values())
    assert of_meters.most_common(1)[0][1] >= 20
    assert max(per_device.values()) <= 16
    owners = [
        state.stream.owner
        for state in entry.runtime_data.ledger.journal.meters.values()
    ]
    assert len(set(owners)) == 20
    paths = Counter((one.method, one.template) for one in asked(home))
    # A device is looked for, then created; the first grid meter is the home itself.
    assert paths["POST", "/devices"] == 19
    assert sum(paths.values()) <= 1 + 2 + 2 * 19 + 20
    before = len(asked(home))
    await home.live(BEGIN + 7 * SLOT, lambda _: dict.fromkeys(sources, 0.01))
    records = [one for one in asked(home)[before:] if one.method == "POST"]
    assert len(records) == 20
    assert len(asked(home)) - before <= 2 * 20


async def test_attributes_stay_small(home: Home) -> None:
    """Many meters with long names do not bloat the recorder's database."""
    sources = [f"sensor.meter_{number}{'_of_the_house' * 15}" for number in range(20)]
    for source in sources:
        home.add_sensor(source)
    meters = dict.fromkeys(sources, ("import", "device"))
    meters[sources[0]] = ("import", "grid")
    location = home.simulator.add_location(ACCOUNT, tariff="daynight")
    entry = home.add_entry(location, meters, window=5)
    await home.set_up(entry)
    registry = er.async_get(home.hass)
    for entity in entities(home, entry):
        registry.async_update_entity(entity.entity_id, disabled_by=None)
    await home.hass.config_entries.async_reload(entry.entry_id)
    await home.live(BEGIN + 2 * SLOT, lambda _: dict.fromkeys(sources, 0.01))
    found = [home.hass.states.get(one.entity_id) for one in entities(home, entry)]
    sizes = [len(json_bytes(state.attributes)) for state in found if state]
    assert len(sizes) == len(found) > 20 * 10
    assert max(sizes) < 2048


async def test_two_accounts_and_many_locations(home: Home) -> None:
    """Each home has its own entities and records; an account logs in once."""
    home.simulator.add_account("acc_other", "sk_live_other")
    entries = []
    for number in range(6):
        source = f"sensor.meter_{number}"
        home.add_sensor(source)
        account = ACCOUNT if number % 2 else "acc_other"
        location = home.simulator.add_location(account, tariff="daynight")
        entry = home.add_entry(location, {source: ("import", "grid")}, window=5)
        if account != ACCOUNT:
            data = {"account_id": account, "api_key": "sk_live_other"}
            home.hass.config_entries.async_update_entry(
                entry, data={**entry.data, **data}
            )
        await home.set_up(entry)
        entries.append(entry)
    assert {entry.state for entry in entries} == {ConfigEntryState.LOADED}
    logins = [one for one in home.simulator.requests if one.path == "/login"]
    assert len(logins) == 2
    ids = [entity.unique_id for one in entries for entity in entities(home, one)]
    assert len(ids) == len(set(ids))
    await home.live(
        BEGIN + 4 * SLOT,
        lambda _: {f"sensor.meter_{n}": (n + 1) / 100 for n in range(6)},
    )
    for number, entry in enumerate(entries):
        location_id = entry.data["location_id"]
        records = [
            one.draft.energy
            for one in home.simulator.ledger.submissions
            if one.draft.owner == location_id
        ]
        assert records == [10 * (number + 1)] * 3
        (key,) = entry.runtime_data.meters
        assert home.value("energy_today", key) == Decimal(number + 1) * 3 / 100
    # Removing one home leaves the others alone.
    await home.hass.config_entries.async_remove(entries[0].entry_id)
    await home.hass.async_block_till_done()
    assert not devices(home, entries[0])
    assert all(len(devices(home, entry)) == 2 for entry in entries[1:])
