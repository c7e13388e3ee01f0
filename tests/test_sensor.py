"""The sensors: what there is, what it is called, and when it is unknown."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
import json
import logging
from pathlib import Path
from typing import Any

from homeassistant.components.sensor import (
    DEVICE_CLASS_STATE_CLASSES,
    SensorDeviceClass,
    SensorStateClass,
)
from homeassistant.const import EntityCategory
from homeassistant.core import State
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.flatpeak.const import DOMAIN

from .home import ACCOUNT, Home
from .simulator.switches import StatusText
from .simulator.tariff import Fixed, Tariff

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
SLOT = timedelta(minutes=5)
HOUR = timedelta(hours=1)
GRID, EXPORT, PUMP = "sensor.grid_import", "sensor.grid_export", "sensor.heat_pump"
METERS = {
    GRID: ("import", "grid"),
    EXPORT: ("export", "grid"),
    PUMP: ("import", "device"),
}
FOLDER = Path("custom_components/flatpeak")
NAMES = json.loads((FOLDER / "translations/en.json").read_text())["entity"]["sensor"]
ICONS = json.loads((FOLDER / "icons.json").read_text())["entity"]["sensor"]
TODAY, MONTH = "2026-11-11T00:00:00+00:00", "2026-11-01T00:00:00+00:00"

MONETARY, ENERGY, WEIGHT = (
    SensorDeviceClass.MONETARY,
    SensorDeviceClass.ENERGY,
    SensorDeviceClass.WEIGHT,
)
TOTAL, MEASUREMENT = SensorStateClass.TOTAL, SensorStateClass.MEASUREMENT

pytestmark = pytest.mark.freeze_time(BEGIN)


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a sensor is."""

    name: str
    device_class: SensorDeviceClass | None = None
    state_class: SensorStateClass | None = None
    unit: str | None = None
    reset: str | None = None
    enabled: bool = True
    diagnostic: bool = False


def money(name: str, reset: str | None = None, *, enabled: bool = True) -> Expected:
    """Describe the money of a period."""
    return Expected(
        name=name,
        device_class=MONETARY,
        state_class=TOTAL,
        unit="GBP",
        reset=reset,
        enabled=enabled,
    )


PERIODS = {
    "cost_today": money("Cost today", TODAY),
    "cost_this_month": money("Cost this month", MONTH),
    "cost_yesterday": money(
        "Cost yesterday", "2026-11-10T00:00:00+00:00", enabled=False
    ),
    # Summer time on the first of October.
    "cost_last_month": money(
        "Cost last month", "2026-10-01T00:00:00+01:00", enabled=False
    ),
    "energy_today": Expected(
        name="Energy today",
        device_class=ENERGY,
        state_class=TOTAL,
        unit="kWh",
        reset=TODAY,
    ),
    "energy_this_month": Expected(
        name="Energy this month",
        device_class=ENERGY,
        state_class=TOTAL,
        unit="kWh",
        reset=MONTH,
    ),
    "carbon_today": Expected(
        name="Carbon today",
        device_class=WEIGHT,
        state_class=TOTAL,
        unit="g",
        reset=TODAY,
        enabled=False,
    ),
    "carbon_this_month": Expected(
        name="Carbon this month",
        device_class=WEIGHT,
        state_class=TOTAL,
        unit="g",
        reset=MONTH,
        enabled=False,
    ),
    "data_until": Expected(
        name="Data until", device_class=SensorDeviceClass.TIMESTAMP, diagnostic=True
    ),
}
LONG = {
    "cost_this_year": money(
        "Cost this year", "2026-01-01T00:00:00+00:00", enabled=False
    ),
    "cost_total": money("Cost total", enabled=False),
}
OUTBOX = {
    "pending_records": Expected(
        name="Pending records", state_class=MEASUREMENT, diagnostic=True
    ),
}
LAST_ERROR = Expected(
    name="Last error", device_class=SensorDeviceClass.ENUM, diagnostic=True
)
METER = {
    "current_cost": Expected(name="Current cost", device_class=MONETARY, unit="GBP"),
    "cost_rate": Expected(name="Cost rate", state_class=MEASUREMENT, unit="GBP/h"),
    **PERIODS,
    **LONG,
    **OUTBOX,
    "measured_share": Expected(
        name="Measured share",
        state_class=MEASUREMENT,
        unit="%",
        enabled=False,
        diagnostic=True,
    ),
    "last_error": replace(LAST_ERROR, enabled=False),
}
REPORT_ONLY = {
    "price": Expected(name="Price", state_class=MEASUREMENT, unit="GBP/kWh"),
    "export_price": Expected(
        name="Export price", state_class=MEASUREMENT, unit="GBP/kWh"
    ),
    "tariff_status": Expected(
        name="Tariff status", device_class=SensorDeviceClass.ENUM, diagnostic=True
    ),
    "last_error": LAST_ERROR,
    **PERIODS,
}
BESIDE_METERS = {
    **REPORT_ONLY,
    **OUTBOX,
    "others_cost_today": money("Recorded by others today", TODAY, enabled=False),
    "others_cost_this_month": money(
        "Recorded by others this month", MONTH, enabled=False
    ),
}
LOCATION = {**BESIDE_METERS, **LONG}
PROGRESS = Expected(name="History fetched", unit="%")  # where there is any


def use(_: datetime) -> dict[str, float]:
    """Return what each source uses in a slot, in kWh."""
    return {GRID: 0.08, EXPORT: 0.02, PUMP: 0.05}


@pytest.fixture
def entry(home: Home) -> MockConfigEntry:
    """Return an entry with three meters."""
    for source in METERS:
        home.add_sensor(source)
    location = home.simulator.add_location(ACCOUNT, tariff="daynight")
    return home.add_entry(location, METERS, window=5)


def sensors(home: Home, entry: MockConfigEntry, device: str) -> dict[str, Any]:
    """Return the registry's sensors of a meter, or of the location, by their key."""
    registry = er.async_get(home.hass)
    begin = f"{entry.data['location_id']}_{device}_"
    return {
        entity.unique_id.removeprefix(begin): entity
        for entity in er.async_entries_for_config_entry(registry, entry.entry_id)
        if entity.domain == "sensor" and entity.unique_id.startswith(begin)
    }


async def enable_all(home: Home, entry: MockConfigEntry) -> None:
    """Enable the sensors that are disabled by default."""
    registry = er.async_get(home.hass)
    for entity in er.async_entries_for_config_entry(registry, entry.entry_id):
        registry.async_update_entity(entity.entity_id, disabled_by=None)
    await home.hass.config_entries.async_reload(entry.entry_id)
    await home.hass.async_block_till_done(wait_background_tasks=True)


def keys(entry: MockConfigEntry) -> dict[str, str]:
    """Return the key of each meter by its source."""
    return {
        subentry.data["source"]: subentry.data["meter_key"]
        for subentry in entry.subentries.values()
    }


def assert_is(home: Home, entity: er.RegistryEntry, expected: Expected) -> None:
    """Check a sensor in the registry and in its state."""
    assert entity.original_name == expected.name
    assert (entity.disabled_by is None) == expected.enabled
    category = EntityCategory.DIAGNOSTIC if expected.diagnostic else None
    assert entity.entity_category is category
    assert entity.original_device_class == expected.device_class
    assert entity.unit_of_measurement == expected.unit
    assert (entity.capabilities or {}).get("state_class") == expected.state_class
    assert entity.has_entity_name
    if allowed := DEVICE_CLASS_STATE_CLASSES.get(expected.device_class):  # type: ignore[arg-type]
        assert expected.state_class in {None, *allowed}
    state = home.hass.states.get(entity.entity_id)
    assert (state is not None) == expected.enabled
    if state:
        assert state.attributes.get("last_reset") == expected.reset
        assert len(json.dumps(dict(state.attributes), default=str)) < 2048
        assert not any(isinstance(v, dict) for v in state.attributes.values())


async def test_all_sensors(
    home: Home, entry: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    """Each device has its sensors, of the right class, unit, name and period."""
    await home.set_up(entry)
    await home.live(BEGIN + 3 * SLOT, use)
    for device in ("location", *keys(entry).values()):
        found = sensors(home, entry, device)
        expected = LOCATION if device == "location" else METER
        assert found.keys() == expected.keys()
        for key, entity in found.items():
            assert_is(home, entity, expected[key])
            assert entity.translation_key == key
        if device != "location":
            assert sum(not entity.disabled_by for entity in found.values()) == 8
    warnings = [r.getMessage() for r in caplog.records if r.levelno > logging.INFO]
    assert not [said for said in warnings if "flatpeak" in said.lower()][1:]


async def test_disabled_sensors_work(
    home: Home, entry: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    """What is disabled by default is right, too, and without a warning."""
    await home.set_up(entry)
    await enable_all(home, entry)
    caplog.clear()
    await home.live(BEGIN + 6 * SLOT, use)  # the first window is looked for first
    for device, expected in (
        *((key, METER) for key in keys(entry).values()),
        ("location", LOCATION),
    ):
        for key, entity in sensors(home, entry, device).items():
            state = home.hass.states.get(entity.entity_id)
            assert state is not None
            assert state.attributes.get("last_reset") == expected[key].reset
            precision = entity.options.get("sensor", {})
            assert bool(expected[key].unit) == bool(precision), key
            assert state.state not in {"unknown", "unavailable"}, (device, key)
    own = [
        record.getMessage()
        for record in caplog.records
        if record.levelno > logging.INFO and "flatpeak" in record.getMessage().lower()
    ]
    assert own == []

    meter = keys(entry)
    stored = home.simulator.records
    for source, key in meter.items():
        direction = "EXPORT" if source == EXPORT else "IMPORT"
        owner = entry.runtime_data.ledger.journal.meters[key].stream.owner
        lines = [
            line
            for line in stored
            if line.draft.owner == owner and line.draft.tariff_direction == direction
        ]
        cost = sum(line.cost for line in lines)
        assert home.value("cost_today", key) == home.value("cost_total", key) == cost
        assert home.value("cost_this_year", key) == cost
        assert home.value("measured_share", key) == 100
        assert home.state("last_error", key).state == "ok"
        assert home.value("cost_yesterday", key) == 0
        assert home.value("cost_last_month", key) == 0
        carbon = sum(round(Decimal(float(line.carbon or 0)), 2) for line in lines)
        assert home.value("carbon_today", key) == pytest.approx(carbon)
        assert home.value("current_cost", key) == lines[-1].cost
    net = home.value("cost_today", meter[GRID]) - home.value(
        "cost_today", meter[EXPORT]
    )
    assert home.value("cost_today") == home.value("cost_total") == net
    assert home.value("cost_this_year") == net
    assert home.value("others_cost_today") == 0
    assert home.state("last_error").state == "ok"
    assert home.value("energy_today") == Decimal("0.3")


async def test_location_without_meters(home: Home) -> None:
    """Only what reports know is there: no books, no pending records."""
    location = home.simulator.add_location(ACCOUNT)
    entry = home.add_entry(location, {})
    await home.set_up(entry)
    found = sensors(home, entry, "location")
    assert found.keys() == REPORT_ONLY.keys()
    for key, entity in found.items():
        assert_is(home, entity, REPORT_ONLY[key])
    assert home.value("cost_today") == 0


async def test_no_money_without_a_currency(home: Home) -> None:
    """Where FlatPeak names no currency there is nothing to give money a unit."""
    home.add_sensor(GRID)
    location = home.simulator.add_location(ACCOUNT, currency=None)
    entry = home.add_entry(location, {GRID: ("import", "grid")})
    await home.set_up(entry)
    for device, expected in ((keys(entry)[GRID], METER), ("location", LOCATION)):
        assert sensors(home, entry, device).keys() == {
            key for key, each in expected.items() if "GBP" not in (each.unit or "")
        }


async def test_what_flatpeak_learns_later(home: Home) -> None:
    """A currency, and an export tariff, bring their sensors without a reload."""
    home.add_sensor(GRID)
    bought = Tariff(imports=Fixed(Decimal("0.25")))
    location = home.simulator.add_location(ACCOUNT, currency=None, tariff=bought)
    entry = home.add_entry(location, {GRID: ("import", "grid")})
    await home.set_up(entry)
    before = sensors(home, entry, "location").keys()
    home.hass.config_entries.async_update_subentry(
        entry, entry.subentries[GRID], title="Main"
    )
    sold = Fixed(Decimal("0.1"))
    home.simulator.ledger.locations[location].tariff = replace(bought, exports=sold)
    home.simulator.ledger.locations[location].currency_code = "GBP"
    await home.go_to(BEGIN + timedelta(days=1))
    await home.hass.async_block_till_done(wait_background_tasks=True)
    assert sensors(home, entry, keys(entry)[GRID]).keys() == METER.keys()
    assert sensors(home, entry, "location").keys() == LOCATION.keys()
    assert before < LOCATION.keys()
    assert home.value("export_price") == Decimal("0.1")
    late = home.state("cost_today", keys(entry)[GRID])
    assert late.name == "Main Cost today"


async def test_currency_of_the_location(home: Home) -> None:
    """Money has the location's currency, not that of Home Assistant."""
    home.hass.config.currency = "USD"
    home.add_sensor(GRID)
    location = home.simulator.add_location(ACCOUNT, currency="EUR")
    entry = home.add_entry(location, {GRID: ("import", "grid")})
    await home.set_up(entry)
    units = {
        key: home.state(key).attributes["unit_of_measurement"]
        for key in ("cost_today", "price")
    }
    assert units == {"cost_today": "EUR", "price": "EUR/kWh"}
    rate = home.state("cost_rate", keys(entry)[GRID])
    assert rate.attributes["unit_of_measurement"] == "EUR/h"


async def test_invariant_7_a_new_currency_begins_anew(
    home: Home, entry: MockConfigEntry
) -> None:
    """No sum is of two currencies, and none is shown in the wrong one."""
    await home.set_up(entry)
    await enable_all(home, entry)
    await home.live(BEGIN + 6 * SLOT, use)
    key = keys(entry)[GRID]
    assert home.value("cost_total", key)
    home.simulator.ledger.locations[entry.data["location_id"]].currency_code = "USD"
    tomorrow = BEGIN + timedelta(days=1)
    await home.go_to(tomorrow)
    await home.live(tomorrow + 6 * SLOT, use)
    dollars = [
        window.money
        for window in entry.runtime_data.ledger.book.all_of(key)
        if window.currency == "USD" and window.money
    ]
    for name in ("cost_total", "cost_today"):
        state = home.state(name, key)
        assert state.attributes["unit_of_measurement"] == "USD"
        assert Decimal(state.state) == sum(dollars)
    assert home.state("price").attributes["unit_of_measurement"] == "USD/kWh"


async def test_devices(home: Home, entry: MockConfigEntry) -> None:
    """One device for each meter, tied to its subentry, and one for the location."""
    await home.set_up(entry)
    registry = dr.async_get(home.hass)
    devices = {
        device.name: device
        for device in dr.async_entries_for_config_entry(registry, entry.entry_id)
    }
    assert devices.keys() == {"Home", "Grid import", "Grid export", "Heat pump"}
    location = entry.data["location_id"]
    assert devices["Home"].identifiers == {(DOMAIN, f"{location}_location")}
    services = [name for name, device in devices.items() if device.entry_type]
    assert services == ["Home"]
    assert devices["Home"].entry_type is dr.DeviceEntryType.SERVICE
    assert devices["Home"].config_subentry_id is None
    for subentry in entry.subentries.values():
        device = devices[subentry.title]
        assert device.identifiers == {(DOMAIN, f"{location}_{subentry.unique_id}")}
        assert device.config_subentry_id == subentry.subentry_id
        assert device.manufacturer == "FlatPeak"

    [pump] = [s for s in entry.subentries.values() if s.title == "Heat pump"]
    home.hass.config_entries.async_remove_subentry(entry, pump.subentry_id)
    assert registry.async_get(devices["Heat pump"].id) is None
    assert not sensors(home, entry, str(pump.unique_id))


async def test_unknown_before_the_first_window(
    home: Home, entry: MockConfigEntry
) -> None:
    """Unknown is not zero: before the first reading nothing is claimed."""
    await home.set_up(entry)
    for key in ("current_cost", "cost_rate", "cost_today", "energy_today"):
        assert home.state(key, keys(entry)[GRID]).state == "unknown"
    for key in ("cost_today", "energy_today", "data_until"):
        assert home.state(key).state == "unknown"
    assert home.value("pending_records") == 0
    await home.live(BEGIN + SLOT, use)
    assert home.value("energy_today", keys(entry)[GRID]) == 0
    assert home.value("cost_today", keys(entry)[GRID]) == 0


async def test_invariant_5_unpriced_is_unknown(
    home: Home, entry: MockConfigEntry
) -> None:
    """Energy whose price is missing has no cost; what is priced is summed."""
    home.simulator.set_problem(entry.data["location_id"], "IMPORT", "no_price_data")
    await home.set_up(entry)
    await home.live(BEGIN + 3 * SLOT, use)
    grid, export = keys(entry)[GRID], keys(entry)[EXPORT]
    assert home.value("energy_today", grid) == Decimal("0.16")
    for key in ("cost_today", "cost_this_month", "current_cost"):
        assert home.state(key, grid).state == "unknown"
    assert home.state("price").state == "unknown"
    assert home.value("cost_today", export) > 0
    assert home.state("cost_today").state == "unknown", "half of it is unknown"
    assert home.value("pending_records", grid) == 2
    home.simulator.set_problem(entry.data["location_id"], "IMPORT", None)
    await home.live(BEGIN + 20 * SLOT, use)
    assert home.value("pending_records") == 0
    assert home.value("cost_today", grid) == home.simulator.stored_cost(
        entry.data["location_id"], BEGIN, BEGIN + 20 * SLOT
    )


async def test_available_during_an_outage(home: Home, entry: MockConfigEntry) -> None:
    """What is known stays; the age of the figures says how good it is."""
    await home.set_up(entry)
    await home.live(BEGIN + 3 * SLOT, use)
    cost = home.value("cost_today")
    home.simulator.offline = True
    await home.live(BEGIN + 9 * SLOT, use)
    assert home.value("cost_today") == cost
    assert home.state("data_until").state == "2026-11-11T08:15:00+00:00"
    # The home's are those of all its meters, also of the appliance.
    waiting = [home.value("pending_records", key) for key in keys(entry).values()]
    assert waiting == [6, 6, 6]
    assert home.value("pending_records") == sum(waiting)
    ours = [s for s in home.hass.states.async_all("sensor") if _is_ours(s, home)]
    assert ours
    assert not [state for state in ours if state.state == "unavailable"]


def _is_ours(state: State, home: Home) -> bool:
    """Return whether a sensor belongs to the integration."""
    entity = er.async_get(home.hass).async_get(state.entity_id)
    return entity is not None and entity.platform == DOMAIN


async def test_counted_since(home: Home, entry: MockConfigEntry) -> None:
    """A period that began before the meter says since when it is counted."""
    await home.set_up(entry)
    await home.live(BEGIN + 3 * SLOT, use)
    grid = keys(entry)[GRID]
    assert home.state("cost_this_month", grid).attributes["since"] == TODAY
    assert "since" not in home.state("cost_today", grid).attributes
    await enable_all(home, entry)
    assert home.state("cost_total", grid).attributes["since"] == TODAY
    assert "since" not in home.state("current_cost", grid).attributes
    assert "since" not in home.state("price").attributes


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("CONNECTED", "connected"),
        ("NOT_CONNECTED", "not_connected"),
        ("ERROR", "error"),
        ("NOT_SUPPORTED", "not_supported"),
        ("SOMETHING_NEW", "unknown"),
        (None, "unknown"),
    ],
)
async def test_tariff_status(home: Home, word: str | None, state: str) -> None:
    """The status is one of the known words; a new one is unknown, not an error."""
    location = home.simulator.add_location(ACCOUNT)
    body = {"object": "location", "id": location, "currency_code": "GBP"}
    status = {"tariff_status": {"commodity_import": word}}
    home.simulator.fail("/locations/*", status=200, body=body | status)
    await home.set_up(home.add_entry(location, {}))
    assert home.state("tariff_status").state == state
    options = home.state("tariff_status").attributes["options"]
    assert NAMES["tariff_status"]["state"].keys() == set(options)


async def test_status_with_a_space(home: Home) -> None:
    """One documented sample has a space at the end of the word."""
    home.simulator.switches = home.simulator.switches.but(
        {"status_text": StatusText.TRAILING_SPACE.value}
    )
    location = home.simulator.add_location(ACCOUNT)
    await home.set_up(home.add_entry(location, {}))
    assert home.state("tariff_status").state == "connected"


def test_names_and_icons() -> None:
    """Every sensor has a name, and an icon where its class gives none."""
    known = {**METER, **LOCATION, "backfill_progress": PROGRESS}
    assert NAMES.keys() == known.keys()
    assert known.keys() - ICONS.keys() == {"energy_today", "energy_this_month"}
    assert ICONS.keys() <= known.keys()
    assert all(icon["default"].startswith("mdi:") for icon in ICONS.values())
    for key, expected in known.items():
        assert NAMES[key]["name"] == expected.name
