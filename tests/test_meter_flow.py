"""Add a meter to a home, and change one that is there."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
import json
from pathlib import Path
import re
from typing import Any

from homeassistant.config_entries import SOURCE_USER, ConfigSubentry
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.journal import Status
from custom_components.flatpeak.meters import meter_key

from .home import ACCOUNT, ENERGY, Home
from .past import hourly, let_rise, use_in_dashboard

BEGIN = datetime(2026, 11, 11, 10, tzinfo=UTC)
SLOT = timedelta(minutes=5)
GRID, PUMP, CAR, FEED_IN = (
    "sensor.grid_import",
    "sensor.heat_pump",
    "sensor.car",
    "sensor.feed_in",
)
POWER = {
    "device_class": "power",
    "state_class": "measurement",
    "unit_of_measurement": "W",
}
TEXTS = json.loads(Path("custom_components/flatpeak/translations/en.json").read_text())[
    "config_subentries"
]["meter"]

type Result = Any

pytestmark = pytest.mark.freeze_time(BEGIN)


def use(start: datetime) -> dict[str, float]:
    """Return what is used in a slot: uneven, so that nothing is right by chance."""
    number = int(start.timestamp()) // 300
    return {GRID: (100 + number % 7) / 1000, PUMP: (10 + number % 3) / 1000, CAR: 0.02}


@pytest.fixture
async def entry(home: Home) -> MockConfigEntry:
    """Return a running home with a grid meter and a heat pump."""
    for source in (GRID, PUMP, CAR, FEED_IN):
        home.add_sensor(source)
    location = home.simulator.add_location(ACCOUNT, tariff="dynamic")
    entry = home.add_entry(
        location,
        {GRID: ("import", "grid"), PUMP: ("import", "device")},
        window=5,
    )
    await home.set_up(entry)
    return entry


async def start(home: Home, entry: MockConfigEntry) -> Result:
    """Open the dialogue for a new meter."""
    return await home.hass.config_entries.subentries.async_init(
        (entry.entry_id, "meter"), context={"source": SOURCE_USER}
    )


async def change(home: Home, entry: MockConfigEntry, source: str) -> Result:
    """Open the dialogue for the meter that has, or had, a source."""
    return await entry.start_subentry_reconfigure_flow(
        home.hass, subentry_of(entry, source).subentry_id
    )


async def enter(home: Home, result: Result, **fields: Any) -> Result:
    """Submit a form, and let the entry be reloaded."""
    flows = home.hass.config_entries.subentries
    result = await flows.async_configure(result["flow_id"], fields)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    return result


def subentry_of(entry: MockConfigEntry, source: str) -> ConfigSubentry:
    """Return the meter that is read from a source."""
    subentries: list[ConfigSubentry] = list(entry.subentries.values())
    return next(one for one in subentries if one.data["source"] == source)


def form(result: Result, step: str, **errors: str) -> str:
    """Check which form is shown; return its texts as the user reads them."""
    assert result["type"] is FlowResultType.FORM
    assert (result["step_id"], result["errors"]) == (step, errors)
    shown = [
        TEXTS["step"][step]["title"],
        TEXTS["step"][step]["description"],
        *(TEXTS["error"][error] for error in errors.values()),
    ]
    text = "\n".join(shown).format(**result["description_placeholders"])
    assert not re.search(r"[{}]", text)
    return text


def suggested(result: Result) -> dict[str, Any]:
    """Return what a form is filled with."""
    return {
        str(marker): marker.description["suggested_value"]
        for marker in result["data_schema"].schema
        if marker.description
    }


def offered(result: Result) -> list[str]:
    """Return the sources that are offered, in their order."""
    options = result["data_schema"].schema["source"].config["options"]
    return [option["value"] for option in options]


def stored_once(home: Home) -> bool:
    """Return whether FlatPeak has no record twice."""
    times = Counter(
        (one.draft.owner, one.draft.tariff_direction, one.draft.start)
        for one in home.simulator.ledger.submissions
    )
    return set(times.values()) == {1}


def devices(home: Home, entry: MockConfigEntry) -> set[str | None]:
    """Return the names of an entry's devices."""
    registry = dr.async_get(home.hass)
    found = dr.async_entries_for_config_entry(registry, entry.entry_id)
    return {device.name for device in found}


async def test_add_a_meter(home: Home, entry: MockConfigEntry) -> None:
    """A new meter counts from midnight on, and gets a device of its own."""
    await home.live(BEGIN + 3 * SLOT, use)
    result = await start(home, entry)
    form(result, "user")
    assert suggested(result) == {"direction": "import", "kind": "device"}
    assert offered(result) == [CAR, FEED_IN]
    result = await enter(home, result, source=CAR, direction="import", kind="device")
    assert "sensor.car" not in form(result, "details")
    assert suggested(result) == {"reporting": "continuous", "max_power": 30}
    result = await enter(home, result, reporting="continuous", max_power=11)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    subentry = subentry_of(entry, CAR)
    assert subentry.title == "car"
    key = meter_key(entry.data["location_id"], "import", CAR)
    assert subentry.unique_id == key
    assert dict(subentry.data) == {
        "source": CAR,
        "source_registry_id": None,
        "direction": "import",
        "kind": "device",
        "reporting": "continuous",
        "max_power": 11,
        "meter_key": key,
    }
    assert home.state("energy_today", key).state == "unknown"
    await home.live(BEGIN + 15 * SLOT, use)
    # The first row only says where the register stands.
    assert home.value("energy_today", key) == Decimal("0.02") * 14
    assert devices(home, entry) == {"Home", "Grid import", "Heat pump", "car"}
    assert stored_once(home)


async def test_dashboard_first(home: Home, entry: MockConfigEntry) -> None:
    """What the Energy dashboard has and the home has not is suggested."""
    await use_in_dashboard(
        home.hass, imports=GRID, exports=FEED_IN, devices=[PUMP, CAR, "sensor.gone"]
    )
    result = await start(home, entry)
    assert offered(result) == [FEED_IN, CAR]
    assert suggested(result) == {
        "source": FEED_IN,
        "direction": "export",
        "kind": "grid",
    }
    result = await enter(home, result, **suggested(result))
    assert suggested(result) == {"reporting": "continuous", "max_power": 70}
    result = await enter(home, result, **suggested(result))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    result = await start(home, entry)
    assert suggested(result) == {
        "source": CAR,
        "direction": "import",
        "kind": "device",
    }
    result = await enter(home, result, source=CAR, direction="export", kind="grid")
    assert "ha-alert" not in form(result, "details")


async def test_the_other_direction(home: Home, entry: MockConfigEntry) -> None:
    """A mistaken direction is said, and can be meant."""
    await use_in_dashboard(home.hass, exports=FEED_IN)
    result = await start(home, entry)
    result = await enter(home, result, source=FEED_IN, direction="import", kind="grid")
    text = form(result, "details")
    assert "for the other direction" in text
    assert "close this dialogue" in text
    assert "Go back" not in text  # there is no such button
    result = await enter(home, result, **suggested(result))
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_meter_of_another_home(home: Home, entry: MockConfigEntry) -> None:
    """It is not suggested; who chooses it is told what would come of it."""
    await use_in_dashboard(home.hass, imports=GRID, exports=FEED_IN, devices=[CAR])
    cabin = home.add_entry(home.simulator.add_location(ACCOUNT), {})
    await home.set_up(cabin)
    result = await start(home, cabin)
    assert suggested(result)["source"] == FEED_IN
    assert offered(result) == [FEED_IN, CAR, GRID, PUMP]
    result = await enter(home, result, source=GRID, direction="import", kind="grid")
    text = form(result, "details")
    assert "grid import is already a meter of Home" in text
    assert text.count("<ha-alert") == 1
    result = await enter(home, result, **suggested(result))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    # Nothing is said of it once it is one.
    result = await change(home, entry, GRID)
    result = await enter(home, result, **suggested(result))
    assert result["reason"] == "reconfigure_successful"


@pytest.mark.parametrize(
    ("source", "direction", "error", "named"),
    [
        (GRID, "import", "duplicate_source", "grid import is a meter"),
        ("sensor.nobody", "import", "no_statistics", "sensor.nobody"),
        ("sensor.water", "import", "wrong_unit", "recorded in m³"),
        ("sensor.momentary", "import", "wrong_class", "recorded in kWh, but"),
        ("sensor.oven", "export", "power_for_export", "oven measures power"),
    ],
)
async def test_problems(
    home: Home,
    entry: MockConfigEntry,
    source: str,
    direction: str,
    error: str,
    named: str,
) -> None:
    """What cannot be a meter is not one, and the dialogue goes on."""
    water = {**ENERGY, "device_class": "water", "unit_of_measurement": "m³"}
    momentary = {**ENERGY, "state_class": "measurement"}
    for name, attributes in (
        ("water", water),
        ("momentary", momentary),
        ("oven", POWER),
    ):
        home.hass.states.async_set(f"sensor.{name}", "1", attributes)
    result = await start(home, entry)
    # What cannot be a meter is offered at the end, to say why.
    assert offered(result) == [CAR, FEED_IN, "sensor.oven", "sensor.momentary"]
    typed = {"source": source, "direction": direction, "kind": "grid"}
    result = await enter(home, result, **typed)
    assert named in form(result, "user", source=error)
    assert suggested(result) == typed
    result = await enter(
        home, result, source=f" {CAR} ", direction="import", kind="device"
    )
    form(result, "details")
    result = await enter(home, result, **suggested(result))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert len(entry.subentries) == 3


async def test_doubts(home: Home, entry: MockConfigEntry) -> None:
    """What may be wrong is said on the next form, and can be accepted."""
    home.hass.states.async_set("sensor.main", "unavailable", POWER)
    result = await start(home, entry)
    result = await enter(
        home, result, source="sensor.main", direction="import", kind="grid"
    )
    text = form(result, "details")
    assert "main measures power, not energy" in text
    assert "main has delivered nothing for a day" in text
    assert text.count("ha-alert") == 4
    result = await enter(home, result, **suggested(result))
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_hourly_is_suggested(home: Home, entry: MockConfigEntry) -> None:
    """A meter that reports the past hour is seen; the user has the last word."""
    await let_rise(home.hass, CAR, hourly(BEGIN))
    result = await start(home, entry)
    result = await enter(home, result, source=CAR, direction="import", kind="device")
    assert "car has risen only just after full hours" in form(result, "details")
    assert suggested(result) == {"reporting": "hourly", "max_power": 30}
    result = await enter(home, result, reporting="continuous", max_power=30)
    assert subentry_of(entry, CAR).data["reporting"] == "continuous"


async def test_not_loaded(home: Home, entry: MockConfigEntry) -> None:
    """A home that does not run gets no meter, but one can be mended."""
    await home.hass.config_entries.async_unload(entry.entry_id)
    result = await start(home, entry)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "entry_not_loaded"
    assert result["reason"] in TEXTS["abort"]
    result = await change(home, entry, PUMP)
    result = await enter(home, result, source=CAR, reporting="hourly", max_power=3)
    assert result["reason"] == "reconfigure_successful"
    await home.set_up(entry)
    assert devices(home, entry) == {"Home", "Grid import", "Heat pump"}


async def test_replace_a_source(home: Home, entry: MockConfigEntry) -> None:
    """Totals and statistics stay; what was used in between is unknown."""
    await home.live(BEGIN + 6 * SLOT, use)
    key = subentry_of(entry, PUMP).data["meter_key"]
    before = home.value("energy_today", key)
    assert before > 0
    entities = er.async_get(home.hass).entities
    known = {entity.unique_id: entity.id for entity in entities.values()}

    result = await change(home, entry, PUMP)
    assert "Heat pump keeps its name" in form(result, "reconfigure")
    assert suggested(result) == {
        "source": PUMP,
        "reporting": "continuous",
        "max_power": 30,
    }
    assert offered(result)[0] == PUMP
    assert GRID not in offered(result)
    result = await enter(home, result, source=CAR, reporting="continuous", max_power=9)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reconfigure_successful"
    subentry = subentry_of(entry, CAR)
    assert subentry.title == "Heat pump"
    assert subentry.data["meter_key"] == key
    assert subentry.data["max_power"] == 9
    assert home.value("energy_today", key) == before

    await home.live(BEGIN + 18 * SLOT, use)
    # Of the new register's first slot nothing is known.
    assert home.value("energy_today", key) - before == Decimal("0.02") * 11
    assert home.value("pending_records", key) == 0
    now = {entity.unique_id: entity.id for entity in entities.values()}
    assert now == known
    assert stored_once(home)


@pytest.mark.parametrize(
    ("source", "error"), [(GRID, "duplicate_source"), ("sensor.no", "no_statistics")]
)
async def test_replacing_is_checked(
    home: Home, entry: MockConfigEntry, source: str, error: str
) -> None:
    """A new source must be able to be one."""
    result = await change(home, entry, PUMP)
    typed = {"source": source, "reporting": "hourly", "max_power": 3}
    result = await enter(home, result, **typed)
    form(result, "reconfigure", source=error)
    assert suggested(result) == typed
    result = await enter(home, result, **{**typed, "source": CAR})
    assert result["reason"] == "reconfigure_successful"


async def test_replacing_with_doubts(home: Home, entry: MockConfigEntry) -> None:
    """What may be wrong with a new source is said before it is taken."""
    await let_rise(home.hass, CAR, hourly(BEGIN))
    result = await change(home, entry, PUMP)
    result = await enter(home, result, source=CAR, reporting="continuous", max_power=9)
    assert "car has risen only just after full hours" in form(result, "details")
    assert suggested(result) == {"reporting": "hourly", "max_power": 9}
    assert subentry_of(entry, PUMP)
    result = await enter(home, result, **suggested(result))
    assert result["reason"] == "reconfigure_successful"
    assert subentry_of(entry, CAR).data["reporting"] == "hourly"

    # It was chosen already: there is nothing to say.
    result = await change(home, entry, CAR)
    result = await enter(home, result, source=PUMP, reporting="hourly", max_power=9)
    result = await change(home, entry, PUMP)
    result = await enter(home, result, source=CAR, reporting="hourly", max_power=9)
    assert result["reason"] == "reconfigure_successful"


async def test_a_renamed_source_is_the_same(home: Home, entry: MockConfigEntry) -> None:
    """Changing something else does not begin a new segment."""
    registry = er.async_get(home.hass)
    known = registry.async_get_or_create("sensor", "modbus", "boiler")
    home.add_sensor(known.entity_id)
    result = await start(home, entry)
    result = await enter(
        home, result, source=known.entity_id, direction="import", kind="device"
    )
    await enter(home, result, **suggested(result))
    home.hass.states.async_remove(known.entity_id)
    registry.async_update_entity(known.entity_id, new_entity_id="sensor.new_name")
    home.add_sensor("sensor.new_name")

    result = await start(home, entry)
    assert "sensor.new_name" not in offered(result)
    result = await change(home, entry, known.entity_id)
    assert suggested(result)["source"] == "sensor.new_name"
    result = await enter(home, result, **{**suggested(result), "max_power": 2})
    subentry = subentry_of(entry, known.entity_id)
    assert subentry.data["max_power"] == 2
    assert subentry.data["source_registry_id"] == known.id


async def remove(home: Home, entry: MockConfigEntry, source: str) -> None:
    """Remove a meter, as Home Assistant's own menu does."""
    subentry_id = subentry_of(entry, source).subentry_id
    home.hass.config_entries.async_remove_subentry(entry, subentry_id)
    await home.hass.async_block_till_done(wait_background_tasks=True)


async def test_scenario_29_remove_and_add_again(
    home: Home, entry: MockConfigEntry
) -> None:
    """Device and entities go, the totals come back, and nothing is sent twice."""
    await home.live(BEGIN + 6 * SLOT, use)
    grid = subentry_of(entry, GRID).data["meter_key"]
    before = home.value("energy_today", grid)
    stream = entry.runtime_data.ledger.journal.meters[grid].stream
    await remove(home, entry, GRID)
    assert devices(home, entry) == {"Home", "Heat pump"}
    registry = er.async_get(home.hass)
    assert not [e for e in registry.entities.values() if grid in e.unique_id]
    assert home.hass.states.get("sensor.grid_import_cost_today") is None
    await home.live(BEGIN + 12 * SLOT, use)
    periods = {one.draft.owner for one in home.simulator.ledger.submissions[-2:]}
    assert entry.data["location_id"] not in periods

    result = await start(home, entry)
    result = await enter(home, result, source=GRID, direction="import", kind="grid")
    assert "was a meter of this home before, until 2026-11-11" in form(
        result, "details"
    )
    result = await enter(home, result, **suggested(result))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert subentry_of(entry, GRID).data["meter_key"] == grid
    assert home.value("energy_today", grid) == before
    await home.live(BEGIN + 18 * SLOT, use)
    lived = sum(Decimal(str(use(BEGIN + SLOT * n)[GRID])) for n in range(1, 17))
    assert home.value("energy_today", grid) >= lived
    await home.live(BEGIN + 30 * SLOT, use)
    assert entry.runtime_data.ledger.journal.meters[grid].stream == stream
    assert home.value("pending_records", grid) == 0
    until = BEGIN + 29 * SLOT
    assert home.value("cost_today", grid) == home.simulator.stored_cost(
        stream.owner, BEGIN.replace(hour=0), until + SLOT
    )
    assert stored_once(home)


async def test_again_as_something_else(home: Home, entry: MockConfigEntry) -> None:
    """An appliance does not go on in the home's own stream."""
    await home.live(BEGIN + 3 * SLOT, use)
    grid = subentry_of(entry, GRID).data["meter_key"]
    await remove(home, entry, GRID)
    result = await start(home, entry)
    result = await enter(home, result, source=GRID, direction="import", kind="device")
    assert "ha-alert" not in form(result, "details")
    await enter(home, result, **suggested(result))
    key = subentry_of(entry, GRID).data["meter_key"]
    assert key != grid
    state = entry.runtime_data.ledger.journal.meters[key]
    assert state.stream.owner != entry.data["location_id"]


async def test_first_source_of_another_meter(
    home: Home, entry: MockConfigEntry
) -> None:
    """A sensor that was replaced can be a meter of its own."""
    result = await change(home, entry, PUMP)
    await enter(home, result, **{**suggested(result), "source": CAR})
    result = await start(home, entry)
    assert offered(result) == [FEED_IN, PUMP]
    result = await enter(home, result, source=PUMP, direction="import", kind="device")
    result = await enter(home, result, **suggested(result))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    keys = {s.data["meter_key"] for s in entry.subentries.values()}
    assert len(keys) == 3


async def test_added_while_flatpeak_is_away(home: Home, entry: MockConfigEntry) -> None:
    """The other meters stay available; the new one begins when FlatPeak is back."""
    await home.live(BEGIN + 3 * SLOT, use)
    before = home.value("energy_today")
    await home.simulator.refuse()
    result = await start(home, entry)
    result = await enter(home, result, source=CAR, direction="import", kind="device")
    await enter(home, result, **suggested(result))
    key = subentry_of(entry, CAR).data["meter_key"]
    assert home.value("energy_today") == before
    assert home.state("energy_today", key).state == "unknown"
    await home.live(BEGIN + 6 * SLOT, use)
    assert home.value("energy_today") > before
    await home.simulator.listen()
    await home.live(BEGIN + 20 * SLOT, use)
    assert home.value("energy_today", key) > 0
    await home.live(BEGIN + 24 * SLOT, use)
    assert home.value("pending_records") == 0
    assert stored_once(home)


async def test_waiting_records_of_a_removed_meter(
    home: Home, entry: MockConfigEntry
) -> None:
    """They are looked for as ever; what nobody can tell after a day is given up."""
    await home.live(BEGIN + 3 * SLOT, use)
    pump = subentry_of(entry, PUMP).data["meter_key"]
    await home.simulator.refuse()
    await home.live(BEGIN + 6 * SLOT, use)
    waiting = [
        item
        for item in entry.runtime_data.ledger.journal.outbox
        if item.meter == pump and item.status is not Status.HELD
    ]
    assert waiting
    await remove(home, entry, PUMP)
    await home.simulator.listen()
    await home.live(BEGIN + 20 * SLOT, use)
    assert home.value("pending_records") == 0
    assert {i.meter for i in entry.runtime_data.ledger.journal.outbox} <= {pump}
    await home.go_to(BEGIN + timedelta(hours=31))
    assert not entry.runtime_data.ledger.journal.outbox
    assert stored_once(home)


@pytest.mark.parametrize("reporting", ["hourly", "continuous"])
async def test_another_way_of_reporting(
    home: Home, entry: MockConfigEntry, reporting: str
) -> None:
    """Changed back and forth, no energy is lost, counted or sent twice."""
    await home.live(BEGIN + 4 * SLOT, use)
    pump = subentry_of(entry, PUMP).data["meter_key"]
    for slots, way in ((31, "hourly"), (45, "continuous"), (80, reporting)):
        result = await change(home, entry, PUMP)
        await enter(home, result, source=PUMP, reporting=way, max_power=30)
        await home.live(BEGIN + slots * SLOT, use)
    assert entry.runtime_data.meters[pump].reporting == reporting
    state = entry.runtime_data.ledger.journal.meters[pump]
    until = state.anchor.end
    rises = round((until - BEGIN) / SLOT)
    lived = sum(Decimal(str(use(BEGIN + SLOT * n)[PUMP])) for n in range(1, rises))
    rest = Decimal(sum(piece.mwh for piece in state.open)) / 1_000_000
    assert home.value("energy_today", pump) + rest == lived
    assert stored_once(home)


def test_every_field_is_described() -> None:
    """Each step has a title, and each field a label and a description."""
    for step in TEXTS["step"].values():
        assert step["title"]
        assert step["data"].keys() == step["data_description"].keys()
    assert DOMAIN
