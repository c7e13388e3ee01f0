"""Set up a home: the account, the location, its meters."""

from collections.abc import Iterator
import json
import logging
from pathlib import Path
import re
from typing import Any
from unittest.mock import AsyncMock, patch

from homeassistant.components.energy.data import (
    EnergyPreferencesUpdate,
    GridSourceType,
    async_get_manager,
)
from homeassistant.config_entries import SOURCE_USER, ConfigEntry, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.flatpeak.config_flow import FlatPeakConfigFlow
from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.meters import meter_key

from .home import ACCOUNT, KEY
from .past import add_net_statistic, hourly, let_rise, use_in_dashboard
from .simulator import FlatPeakSimulator
from .simulator.faults import FaultKind

NEW_KEY = "sk_live_made_up_later"
HOME = "loc_64f1c0ffee0123456789aaaa"
CABIN = "loc_64f1c0ffee0123456789bbbb"
NEIGHBOUR = "loc_64f1c0ffee0123456789cccc"

TEXTS = json.loads(
    (
        Path(__file__).parents[1] / "custom_components/flatpeak/translations/en.json"
    ).read_text()
)["config"]

ENERGY = {
    "device_class": "energy",
    "state_class": "total_increasing",
    "unit_of_measurement": "kWh",
}
SENSORS = {
    "sensor.grid_import": ("Grid import", ENERGY),
    "sensor.grid_export": ("Grid export", ENERGY),
    "sensor.heat_pump": ("Heat pump", ENERGY),
    "sensor.car": ("Car charger", ENERGY),
    "sensor.car_total": ("Car charger", ENERGY),
    "sensor.oven": (
        "Oven",
        {
            "device_class": "power",
            "state_class": "measurement",
            "unit_of_measurement": "W",
        },
    ),
    "sensor.water": (
        "Water",
        {
            "device_class": "water",
            "state_class": "total_increasing",
            "unit_of_measurement": "m³",
        },
    ),
    "sensor.mood": ("Mood", {}),
}

# What goes wrong, and what the user reads. These mean the same at every request.
TROUBLE = [
    ({"status": 400}, "invalid_request", None),
    ({"status": 429, "retry_after": 150}, "rate_limited", "3"),
    ({"status": 429}, "rate_limited", "15"),
    ({"status": 500}, "server_error", "15"),
    ({"kind": FaultKind.DROP}, "cannot_connect", None),
    ({"kind": FaultKind.GARBAGE}, "invalid_answer", None),
    ({"kind": FaultKind.EMPTY}, "invalid_answer", None),
    (
        {"status": 422, "body": {"code": "account_disabled", "message": "Off"}},
        "account_disabled",
        None,
    ),
]
PRICES = {"status": 422, "body": {"code": "no_price_data", "message": "None"}}


# The recorder must be there before Home Assistant is.
pytestmark = pytest.mark.usefixtures(
    "recorder_mock",
    "enable_custom_integrations",
    "house",
    "setup_entry",
)


@pytest.fixture
async def house(hass: HomeAssistant) -> None:
    """Build a home with some sensors."""
    assert await async_setup_component(hass, "sensor", {})
    for entity_id, (name, attributes) in SENSORS.items():
        hass.states.async_set(entity_id, "1", {"friendly_name": name, **attributes})
    await async_wait_recording_done(hass)


@pytest.fixture
def setup_entry() -> Iterator[AsyncMock]:
    """Keep an entry from being set up: this is about the flow."""
    with patch(
        "custom_components.flatpeak.async_setup_entry", return_value=True
    ) as setup:
        yield setup


@pytest.fixture
def simulator(flatpeak: FlatPeakSimulator) -> FlatPeakSimulator:
    """Return a FlatPeak with one home of ours, and a neighbour's."""
    flatpeak.add_location(ACCOUNT, location_id=HOME, city="Exampleton")
    flatpeak.add_account("acc_neighbour", "sk_live_the_neighbours")
    flatpeak.add_location("acc_neighbour", location_id=NEIGHBOUR)
    return flatpeak


def _account(simulator: FlatPeakSimulator, **different: Any) -> dict[str, Any]:
    """Return what a user types first."""
    return {
        "account_id": ACCOUNT,
        "api_key": KEY,
        "advanced": {"base_url": simulator.url},
        **different,
    }


async def _start(hass: HomeAssistant) -> ConfigFlowResult:
    """Open the dialogue."""
    result = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    _assert_form(result, "user")
    return result


async def _enter(
    hass: HomeAssistant, result: ConfigFlowResult, user_input: dict[str, Any]
) -> ConfigFlowResult:
    """Submit a form, and let a new entry be set up."""
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"], user_input
    )
    await hass.async_block_till_done()
    return result


def _assert_form(
    result: ConfigFlowResult, step: str, errors: dict[str, str] | None = None
) -> str:
    """Check which form is shown; return its texts as the user reads them."""
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == step
    assert result["errors"] == (errors or {})
    shown = [
        TEXTS["step"][step]["title"],
        TEXTS["step"][step]["description"],
        *(TEXTS["error"][error] for error in (errors or {}).values()),
    ]
    text = "\n".join(shown).format(**(result["description_placeholders"] or {}))
    assert not re.search(r"[{}]", text)
    return text


def _assert_doubts(result: ConfigFlowResult) -> str:
    """Check that the meters are to be checked; return what is said of them."""
    assert result["type"] is FlowResultType.MENU
    assert result["step_id"] == "doubts"
    texts = TEXTS["step"]["doubts"]
    assert result["menu_options"] == list(texts["menu_options"])
    text: str = texts["description"]
    return text.format(**(result["description_placeholders"] or {}))


async def _go_on(
    hass: HomeAssistant, result: ConfigFlowResult, step: str
) -> ConfigFlowResult:
    """Choose from a menu."""
    return await _enter(hass, result, {"next_step_id": step})


def _field(result: ConfigFlowResult, name: str) -> tuple[Any, dict[str, str]]:
    """Return a field's suggested value, and its options as value: label."""
    assert result["data_schema"] is not None
    schema = result["data_schema"].schema
    marker = next(marker for marker in schema if marker == name)
    suggested = (marker.description or {}).get("suggested_value")
    options = getattr(schema[name], "config", {}).get("options", [])
    return suggested, {option["value"]: option["label"] for option in options}


def _assert_created(result: ConfigFlowResult) -> ConfigEntry:
    """Check that the dialogue ended well and return the entry."""
    assert result["type"] is FlowResultType.CREATE_ENTRY
    return result["result"]


async def test_one_home(
    hass: HomeAssistant, simulator: FlatPeakSimulator, setup_entry: AsyncMock
) -> None:
    """The location is not asked for where there is one; meters are optional."""
    result = await _start(hass)
    result = await _enter(hass, result, _account(simulator))
    text = _assert_form(result, "meters")
    assert f"127.0.0.1:{simulator.port}" in text
    assert "each 30 minutes" in text
    assert "at most about 54 requests" in text
    result = await _enter(hass, result, {})
    text = _closing(result)
    assert "come from what others record" in text
    assert "add meters at any time" in text
    assert "first costs appear" not in text
    entry = _assert_created(result)
    assert entry.title == "Exampleton"
    assert entry.unique_id == HOME
    assert entry.data == {
        "account_id": ACCOUNT,
        "api_key": KEY,
        "base_url": simulator.url,
        "location_id": HOME,
    }
    assert entry.options == {"window": 30, "include_carbon": True}
    assert entry.subentries == {}
    assert len(setup_entry.mock_calls) == 1


async def test_several_homes(hass: HomeAssistant, simulator: FlatPeakSimulator) -> None:
    """With more than one home the user chooses, by name and address."""
    simulator.add_location(ACCOUNT, location_id=CABIN, reference_id="The cabin")
    result = await _start(hass)
    result = await _enter(hass, result, _account(simulator))
    text = _assert_form(result, "location")
    assert f"- The cabin (1 Example Street, ZZ1 1ZZ, Exampleton, GB): {CABIN}" in text
    _, options = _field(result, "location_id")
    assert options == {
        CABIN: "The cabin (1 Example Street, ZZ1 1ZZ, Exampleton, GB)",
        HOME: "Exampleton (1 Example Street, ZZ1 1ZZ, Exampleton, GB)",
    }
    result = await _enter(hass, result, {"location_id": CABIN})
    _assert_form(result, "meters")
    entry = _assert_created(await _enter(hass, result, {}))
    assert entry.title == "The cabin"
    assert entry.unique_id == entry.data["location_id"] == CABIN


async def test_homes_that_are_set_up(
    hass: HomeAssistant, simulator: FlatPeakSimulator
) -> None:
    """They are not offered again; the last one is not taken without a question."""
    simulator.add_location(ACCOUNT, location_id=CABIN, reference_id="The cabin")
    result = await _enter(hass, await _start(hass), _account(simulator))
    result = await _enter(hass, result, {"location_id": CABIN})
    _assert_created(await _enter(hass, result, {}))
    result = await _enter(hass, await _start(hass), _account(simulator))
    assert "The cabin" not in _assert_form(result, "location")
    assert list(_field(result, "location_id")[1]) == [HOME]
    result = await _enter(hass, result, {"location_id": HOME})
    _assert_created(await _enter(hass, result, {}))
    result = await _enter(hass, await _start(hass), _account(simulator))
    assert "are set up here already" in _assert_form(result, "no_location")
    result = await _enter(hass, result, {"location_id": HOME})
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"


async def test_many_homes(hass: HomeAssistant, simulator: FlatPeakSimulator) -> None:
    """The text names ten and says how many more the list has."""
    for number in range(12):
        simulator.add_location(ACCOUNT, reference_id=f"Home {number}")
    result = await _enter(hass, await _start(hass), _account(simulator))
    lines = _assert_form(result, "location").splitlines()
    assert sum(line.startswith("- ") for line in lines) == 11
    assert lines[-1] == "- … (+3)"
    assert len(_field(result, "location_id")[1]) == 13


async def test_no_home_in_the_list(
    hass: HomeAssistant, simulator: FlatPeakSimulator
) -> None:
    """An id can be typed; without a name the entry is called FlatPeak."""
    simulator.add_account("acc_new", "sk_test_new")
    result = await _start(hass)
    account = _account(simulator, account_id=" acc_new ", api_key="sk_test_new\n")
    result = await _enter(hass, result, account)
    text = _assert_form(result, "no_location")
    assert "lists no location" in text
    assert "Create one in FlatPeak's dashboard" in text
    assert _field(result, "location_id") == (None, {})
    for nonsense in ("", "../locations", "loc_nowhere"):
        result = await _enter(hass, result, {"location_id": nonsense})
        _assert_form(result, "no_location", {"base": "location_not_found"})
    simulator.add_location("acc_new", location_id="loc_new")
    simulator.ledger.locations["loc_new"].address = {}
    result = await _enter(hass, result, {"location_id": " loc_new "})
    _assert_form(result, "meters")
    entry = _assert_created(await _enter(hass, result, {}))
    assert entry.title == "FlatPeak"
    assert entry.data == {
        "account_id": "acc_new",
        "api_key": "sk_test_new",
        "base_url": simulator.url,
        "location_id": "loc_new",
    }


async def test_unnamed_home(hass: HomeAssistant, simulator: FlatPeakSimulator) -> None:
    """A home without name and address is shown by its id."""
    simulator.add_location(ACCOUNT, location_id=CABIN)
    simulator.ledger.locations[CABIN].address = {}
    result = await _start(hass)
    result = await _enter(hass, result, _account(simulator))
    assert _field(result, "location_id")[1][CABIN] == CABIN
    result = await _enter(hass, result, {"location_id": CABIN})
    entry = _assert_created(await _enter(hass, result, {}))
    assert entry.title == "FlatPeak"


@pytest.mark.parametrize(
    "different",
    [
        {"api_key": "sk_live_wrong"},
        {"account_id": "acc_wrong"},
        {"api_key": "schlüssel"},
    ],
    ids=["key", "account", "not ASCII"],
)
async def test_wrong_credentials(
    hass: HomeAssistant, simulator: FlatPeakSimulator, different: dict[str, str]
) -> None:
    """A failed log-in keeps what was typed, and stores nothing."""
    result = await _start(hass)
    typed = _account(simulator, **different)
    result = await _enter(hass, result, typed)
    _assert_form(result, "user", {"base": "invalid_auth"})
    assert _field(result, "account_id")[0] == typed["account_id"]
    assert not hass.config_entries.async_entries(DOMAIN)
    result = await _enter(hass, result, _account(simulator))
    _assert_form(result, "meters")
    _assert_created(await _enter(hass, result, {}))


@pytest.mark.parametrize(
    "address",
    ["http://flatpeak.example", "https://me:secret@flatpeak.example", "flatpeak", ""],
    ids=["not encrypted", "with a user", "no address", "empty"],
)
async def test_wrong_address(
    hass: HomeAssistant, simulator: FlatPeakSimulator, address: str
) -> None:
    """Credentials go nowhere but to a safe address; the error names the field."""
    result = await _start(hass)
    typed = _account(simulator, advanced={"base_url": address})
    result = await _enter(hass, result, typed)
    text = _assert_form(result, "user", {"base": "invalid_url"})
    section = TEXTS["step"]["user"]["sections"]["advanced"]
    assert f"{section['data']['base_url']} under {section['name']}" in text
    assert not simulator.requests
    result = await _enter(hass, result, _account(simulator))
    _assert_form(result, "meters")
    _assert_created(await _enter(hass, result, {}))


@pytest.mark.parametrize(
    ("path", "fault", "error", "minutes"),
    [
        *(("/login", *trouble) for trouble in TROUBLE),
        *(("/locations", *trouble) for trouble in TROUBLE),
        ("/login", {"status": 403}, "invalid_auth", None),
        ("/login", {"status": 404}, "invalid_answer", None),
        ("/locations", {"status": 403}, "account_refused", None),
        ("/locations", {"status": 404}, "invalid_answer", None),
        ("/locations", PRICES, "price_unavailable", "15"),
    ],
)
async def test_account_trouble(
    hass: HomeAssistant,
    *,
    simulator: FlatPeakSimulator,
    path: str,
    fault: dict[str, Any],
    error: str,
    minutes: str | None,
) -> None:
    """Each failure has its own text; the same form goes on when it is over."""
    result = await _start(hass)
    simulator.fail(path, times=None, **fault)
    result = await _enter(hass, result, _account(simulator))
    text = _assert_form(result, "user", {"base": error})
    assert minutes is None or f"{minutes} minutes" in text
    simulator.faults.clear()
    result = await _enter(hass, result, _account(simulator))
    _assert_form(result, "meters")
    _assert_created(await _enter(hass, result, {}))


async def test_no_network(hass: HomeAssistant, simulator: FlatPeakSimulator) -> None:
    """Nobody listens: say so, and go on when somebody does."""
    await simulator.refuse()
    result = await _start(hass)
    result = await _enter(hass, result, _account(simulator))
    _assert_form(result, "user", {"base": "cannot_connect"})
    await simulator.listen()
    result = await _enter(hass, result, _account(simulator))
    _assert_form(result, "meters")
    _assert_created(await _enter(hass, result, {}))


@pytest.mark.parametrize(
    ("fault", "error", "minutes"),
    [
        *TROUBLE,
        ({"status": 403}, "location_refused", None),
        ({"status": 404}, "location_not_found", None),
        (PRICES, "price_unavailable", "15"),
    ],
)
async def test_location_trouble(
    hass: HomeAssistant,
    simulator: FlatPeakSimulator,
    fault: dict[str, Any],
    error: str,
    minutes: str | None,
) -> None:
    """A home that cannot be read is asked for again, even the only one."""
    result = await _start(hass)
    simulator.fail("/locations/*", times=None, **fault)
    result = await _enter(hass, result, _account(simulator))
    text = _assert_form(result, "location", {"base": error})
    assert minutes is None or f"{minutes} minutes" in text
    assert _field(result, "location_id")[0] == HOME
    simulator.faults.clear()
    result = await _enter(hass, result, {"location_id": HOME})
    _assert_form(result, "meters")
    _assert_created(await _enter(hass, result, {}))


async def test_not_our_location(
    hass: HomeAssistant, simulator: FlatPeakSimulator
) -> None:
    """A good key does not open the neighbour's home."""
    simulator.add_location(ACCOUNT, location_id=CABIN)
    result = await _start(hass)
    result = await _enter(hass, result, _account(simulator))
    result = await _enter(hass, result, {"location_id": NEIGHBOUR})
    _assert_form(result, "location", {"base": "location_refused"})
    assert _field(result, "location_id")[0] == NEIGHBOUR
    result = await _enter(hass, result, {"location_id": CABIN})
    _assert_form(result, "meters")
    _assert_created(await _enter(hass, result, {}))


async def test_same_home_twice(
    hass: HomeAssistant, simulator: FlatPeakSimulator
) -> None:
    """A location has one entry, also when two dialogues are open."""
    first = await _enter(hass, await _start(hass), _account(simulator))
    second = await _enter(hass, await _start(hass), _account(simulator))
    _assert_created(await _enter(hass, first, {}))
    assert hass.config_entries.flow.async_progress() == []
    third = await _enter(hass, await _start(hass), _account(simulator))
    assert second["type"] is FlowResultType.FORM
    assert third["type"] is FlowResultType.ABORT
    assert third["reason"] == "already_configured"
    assert third["reason"] in TEXTS["abort"]
    assert len(hass.config_entries.async_entries(DOMAIN)) == 1


def _status(structure: str) -> dict[str, Any]:
    """Return the state of an import tariff."""
    tariff = {"status": "CONNECTED", "tariff": {"structure_type": structure}}
    return {"tariff_status": {"commodity_import": tariff}}


@pytest.mark.parametrize(
    ("fault", "window"),
    [
        ({"status": 200, "body": _status("DYNAMIC")}, 15),
        ({"status": 200, "body": _status("MARKET")}, 15),
        ({"status": 200, "body": _status("FIXED")}, 30),
        ({"status": 200, "body": _status("TIME_OF_DAY")}, 30),
        ({"status": 200, "body": _status("SOMETHING_NEW")}, 30),
        ({"status": 200, "body": {"tariff_status": {}}}, 30),
        ({"status": 403}, 30),
        ({"status": 500}, 30),
        ({"kind": FaultKind.GARBAGE}, 30),
        (PRICES, 30),
    ],
)
async def test_window_suits_the_tariff(
    hass: HomeAssistant,
    simulator: FlatPeakSimulator,
    fault: dict[str, Any],
    window: int,
) -> None:
    """Moving prices get shorter windows; not to know them is no obstacle."""
    simulator.fail("/locations/*/status", times=None, **fault)
    result = await _enter(hass, await _start(hass), _account(simulator))
    assert f"each {window} minutes" in _assert_form(result, "meters")
    entry = _assert_created(await _enter(hass, result, {}))
    assert entry.options["window"] == window


async def test_dynamic_tariff_of_the_simulator(
    hass: HomeAssistant, simulator: FlatPeakSimulator
) -> None:
    """The same without a planned answer."""
    simulator.add_location(ACCOUNT, location_id=CABIN, tariff="dynamic")
    result = await _enter(hass, await _start(hass), _account(simulator))
    result = await _enter(hass, result, {"location_id": CABIN})
    assert "at most about 102 requests" in _assert_form(result, "meters")
    entry = _assert_created(await _enter(hass, result, {}))
    assert entry.options["window"] == 15


async def test_meters(hass: HomeAssistant, simulator: FlatPeakSimulator) -> None:
    """Suitable sensors are offered, the dashboard's are chosen, each is a subentry."""
    grid = GridSourceType(
        type="grid",
        stat_energy_from="sensor.grid_import",
        stat_energy_to="sensor.grid_export",
        stat_cost=None,
        entity_energy_price=None,
        number_energy_price=None,
        stat_compensation=None,
        entity_energy_price_export=None,
        number_energy_price_export=None,
        cost_adjustment_day=0,
    )
    gone = GridSourceType(
        **{**grid, "stat_energy_from": "sensor.gone", "stat_energy_to": "sensor.oven"}
    )
    await (await async_get_manager(hass)).async_update(
        EnergyPreferencesUpdate(
            energy_sources=[grid, gone],
            device_consumption=[
                {"stat_consumption": "sensor.heat_pump"},
                {"stat_consumption": "sensor.gone"},
            ],
        )
    )
    hass.states.async_remove("sensor.grid_import")
    known = er.async_get(hass).async_get_or_create(
        "sensor", "modbus", "import", suggested_object_id="grid_import"
    )
    name, attributes = SENSORS[known.entity_id]
    hass.states.async_set(known.entity_id, "1", {"friendly_name": name, **attributes})
    result = await _enter(hass, await _start(hass), _account(simulator))
    _assert_form(result, "meters")
    by_name = [
        ("sensor.car", "Car charger (sensor.car)"),
        ("sensor.car_total", "Car charger (sensor.car_total)"),
        ("sensor.grid_export", "Grid export"),
        ("sensor.grid_import", "Grid import"),
        ("sensor.heat_pump", "Heat pump"),
        ("sensor.oven", "Oven"),
    ]
    chosen, options = _field(result, "import_meters")
    assert chosen == ["sensor.grid_import"]
    assert list(options.items()) == by_name
    chosen, options = _field(result, "export_meters")
    assert chosen == ["sensor.grid_export"]
    assert list(options.items()) == by_name[:-1]
    chosen, options = _field(result, "device_meters")
    assert chosen is None
    assert list(options.items()) == [by_name[4], *by_name[:4], by_name[5]]

    result = await _enter(
        hass,
        result,
        {
            "import_meters": ["sensor.grid_import"],
            "export_meters": ["sensor.grid_export"],
            "device_meters": [" sensor.heat_pump ", "sensor.oven"],
        },
    )
    entry = _assert_created(result)
    expected = [
        ("Grid import", "sensor.grid_import", known.id, "import", "grid", 70),
        ("Grid export", "sensor.grid_export", None, "export", "grid", 70),
        ("Heat pump", "sensor.heat_pump", None, "import", "device", 30),
        ("Oven", "sensor.oven", None, "import", "device", 30),
    ]
    assert [
        (
            subentry.subentry_type,
            subentry.title,
            subentry.unique_id,
            dict(subentry.data),
        )
        for subentry in entry.subentries.values()
    ] == [
        (
            "meter",
            title,
            key := meter_key(HOME, direction, registry_id or source),
            {
                "source": source,
                "source_registry_id": registry_id,
                "direction": direction,
                "kind": kind,
                "reporting": "continuous",
                "max_power": max_power,
                "meter_key": key,
            },
        )
        for title, source, registry_id, direction, kind, max_power in expected
    ]


@pytest.mark.parametrize(
    ("chosen", "errors", "named"),
    [
        (
            {
                "import_meters": ["sensor.heat_pump"],
                "device_meters": ["sensor.heat_pump"],
            },
            {"device_meters": "duplicate_source"},
            "Heat pump",
        ),
        (
            {"import_meters": ["sensor.heat_pump", "sensor.heat_pump"]},
            {"import_meters": "duplicate_source"},
            "Heat pump",
        ),
        (
            {
                "import_meters": ["sensor.grid_import"],
                "export_meters": ["sensor.grid_import"],
            },
            {"export_meters": "duplicate_source"},
            "Grid import",
        ),
        (
            {"import_meters": ["sensor.gone"]},
            {"import_meters": "no_statistics"},
            "sensor.gone",
        ),
        ({"device_meters": ["Oven"]}, {"device_meters": "no_statistics"}, "Oven"),
        (
            {"device_meters": ["sensor.mood"]},
            {"device_meters": "no_statistics"},
            "sensor.mood",
        ),
        (
            {"device_meters": ["sensor.water"]},
            {"device_meters": "wrong_unit"},
            "sensor.water is recorded in m³",
        ),
        (
            {"export_meters": ["sensor.oven"]},
            {"export_meters": "power_for_export"},
            "Oven",
        ),
    ],
)
async def test_unsuitable_meters(
    hass: HomeAssistant,
    simulator: FlatPeakSimulator,
    chosen: dict[str, list[str]],
    errors: dict[str, str],
    named: str,
) -> None:
    """A mistake is named, and the choice kept to be corrected."""
    result = await _enter(hass, await _start(hass), _account(simulator))
    result = await _enter(hass, result, chosen)
    assert named in _assert_form(result, "meters", errors).splitlines()[-1]
    for field in ("import_meters", "export_meters", "device_meters"):
        assert _field(result, field)[0] == chosen.get(field)
    result = await _enter(hass, result, {"device_meters": ["sensor.heat_pump"]})
    entry = _assert_created(result)
    assert [subentry.title for subentry in entry.subentries.values()] == ["Heat pump"]


async def test_net_meter(hass: HomeAssistant, simulator: FlatPeakSimulator) -> None:
    """A counter that also runs backwards is refused."""
    await add_net_statistic(hass)
    result = await _enter(hass, await _start(hass), _account(simulator))
    result = await _enter(hass, result, {"import_meters": ["utility:net"]})
    text = _assert_form(result, "meters", {"import_meters": "net_meter"})
    assert "Net of the grid also goes down" in text
    result = await _enter(hass, result, {"import_meters": ["sensor.grid_import"]})
    assert len(_assert_created(result).subentries) == 1


@pytest.fixture
async def entry(hass: HomeAssistant, simulator: FlatPeakSimulator) -> MockConfigEntry:
    """Set up a home whose key is no longer good."""
    config_entry = MockConfigEntry(
        domain=DOMAIN,
        title="Exampleton",
        unique_id=HOME,
        data={
            "account_id": ACCOUNT,
            "api_key": KEY,
            "base_url": simulator.url,
            "location_id": HOME,
        },
    )
    config_entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(config_entry.entry_id)
    simulator.remove_key(KEY)
    simulator.add_account(ACCOUNT, NEW_KEY)
    return config_entry


@pytest.mark.parametrize(
    ("fault", "error", "minutes"),
    [*TROUBLE, ({"status": 403}, "invalid_auth", None)],
)
async def test_reauthentication(
    hass: HomeAssistant,
    *,
    simulator: FlatPeakSimulator,
    entry: MockConfigEntry,
    setup_entry: AsyncMock,
    fault: dict[str, Any],
    error: str,
    minutes: str | None,
) -> None:
    """A new key is tried, stored and used; until it is good, nothing changes."""
    result = await entry.start_reauth_flow(hass)
    text = _assert_form(result, "reauth_confirm")
    assert "Exampleton" in text
    assert f"the same account ({ACCOUNT})" in text
    result = await _enter(hass, result, {"api_key": "sk_live_wrong"})
    _assert_form(result, "reauth_confirm", {"base": "invalid_auth"})
    simulator.fail("/login", times=None, **fault)
    result = await _enter(hass, result, {"api_key": NEW_KEY})
    text = _assert_form(result, "reauth_confirm", {"base": error})
    assert minutes is None or f"{minutes} minutes" in text
    assert entry.data["api_key"] == KEY
    assert len(setup_entry.mock_calls) == 1
    simulator.faults.clear()
    result = await _enter(hass, result, {"api_key": f" {NEW_KEY} "})
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reauth_successful"
    assert entry.data == {
        "account_id": ACCOUNT,
        "api_key": NEW_KEY,
        "base_url": simulator.url,
        "location_id": HOME,
    }
    assert len(setup_entry.mock_calls) == 2
    assert hass.config_entries.async_entries(DOMAIN) == [entry]


@pytest.mark.parametrize("is_changed", [True, False])
async def test_reauthentication_reloads_once(
    hass: HomeAssistant,
    *,
    simulator: FlatPeakSimulator,
    entry: MockConfigEntry,
    setup_entry: AsyncMock,
    caplog: pytest.LogCaptureFixture,
    is_changed: bool,
) -> None:
    """An update listener reloads on a change; without one the flow does it."""

    async def reload(hass: HomeAssistant, changed: ConfigEntry) -> None:
        hass.config_entries.async_schedule_reload(changed.entry_id)

    entry.async_on_unload(entry.add_update_listener(reload))
    key = NEW_KEY if is_changed else KEY
    simulator.add_account(ACCOUNT, key)
    result = await _enter(hass, await entry.start_reauth_flow(hass), {"api_key": key})
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reauth_successful"
    assert len(setup_entry.mock_calls) == 2
    assert not [
        record
        for record in caplog.records
        if record.levelno >= logging.WARNING
        and "update listener" in record.getMessage()
    ]


async def test_one_key_for_several_homes(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """It is asked for once, and given to all that had the old one."""
    homes = {
        home: MockConfigEntry(
            domain=DOMAIN,
            title=home,
            unique_id=home,
            data={**entry.data, "location_id": home, **different},
        )
        for home, different in {
            CABIN: {},
            "loc_other_key": {"api_key": "sk_live_other"},
            NEIGHBOUR: {"account_id": "acc_neighbour"},
        }.items()
    }
    for home in homes.values():
        home.add_to_hass(hass)
        assert await hass.config_entries.async_setup(home.entry_id)
    before = {name: dict(home.data) for name, home in homes.items()}
    result = await entry.start_reauth_flow(hass)
    await homes[CABIN].start_reauth_flow(hass)
    result = await _enter(hass, result, {"api_key": NEW_KEY})
    assert result["reason"] == "reauth_successful"
    assert hass.config_entries.flow.async_progress() == []
    assert entry.data["api_key"] == NEW_KEY
    after = {name: dict(home.data) for name, home in homes.items()}
    assert after == {**before, CABIN: {**before[CABIN], "api_key": NEW_KEY}}


NEW_HOME = {"account_id": "acc_moved", "api_key": "sk_live_moved"}


@pytest.mark.parametrize(
    ("fault", "error", "minutes"),
    [
        *TROUBLE,
        ({"status": 403}, "other_account", None),
        ({"status": 404}, "other_account", None),
        (PRICES, "price_unavailable", "15"),
    ],
)
async def test_reconfiguration(
    hass: HomeAssistant,
    *,
    simulator: FlatPeakSimulator,
    entry: MockConfigEntry,
    setup_entry: AsyncMock,
    fault: dict[str, Any],
    error: str,
    minutes: str | None,
) -> None:
    """Another key is tried on the home itself; until it is good, nothing changes."""
    result = await entry.start_reconfigure_flow(hass)
    assert "Account of Exampleton" in _assert_form(result, "reconfigure")
    assert _field(result, "account_id")[0] == ACCOUNT
    assert _field(result, "api_key")[0] is None
    before = dict(entry.data)
    address = _account(simulator, advanced={"base_url": "http://flatpeak.example"})
    result = await _enter(hass, result, address)
    _assert_form(result, "reconfigure", {"base": "invalid_url"})
    result = await _enter(hass, result, _account(simulator, api_key="sk_live_wrong"))
    _assert_form(result, "reconfigure", {"base": "invalid_auth"})
    simulator.fail("/locations/*", times=None, **fault)
    result = await _enter(hass, result, _account(simulator, api_key=NEW_KEY))
    text = _assert_form(result, "reconfigure", {"base": error})
    assert minutes is None or f"{minutes} minutes" in text
    assert entry.data == before
    assert len(setup_entry.mock_calls) == 1
    simulator.faults.clear()
    result = await _enter(hass, result, _account(simulator, api_key=f" {NEW_KEY}"))
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reconfigure_successful"
    assert entry.data == {**before, "api_key": NEW_KEY}
    assert entry.unique_id == HOME
    assert len(setup_entry.mock_calls) == 2
    assert hass.config_entries.async_entries(DOMAIN) == [entry]


async def test_another_account_without_the_home(
    hass: HomeAssistant, simulator: FlatPeakSimulator, entry: MockConfigEntry
) -> None:
    """The neighbour's account is a good one, but not this home's."""
    neighbour = {"account_id": "acc_neighbour", "api_key": "sk_live_the_neighbours"}
    result = await entry.start_reconfigure_flow(hass)
    result = await _enter(hass, result, _account(simulator, **neighbour))
    text = _assert_form(result, "reconfigure", {"base": "other_account"})
    assert "do not open the location" in text
    assert entry.data["account_id"] == ACCOUNT
    result = await _enter(hass, result, _account(simulator, api_key=NEW_KEY))
    assert result["reason"] == "reconfigure_successful"


async def test_another_account_with_the_home(
    hass: HomeAssistant, simulator: FlatPeakSimulator, entry: MockConfigEntry
) -> None:
    """A home that moved to another account goes on there."""
    simulator.add_account(NEW_HOME["account_id"], NEW_HOME["api_key"])
    location = simulator.ledger.locations[HOME]
    moved = simulator.add_location(NEW_HOME["account_id"])
    location.account = simulator.ledger.locations[moved].account
    result = await entry.start_reconfigure_flow(hass)
    result = await _enter(hass, result, _account(simulator, **NEW_HOME))
    assert result["reason"] == "reconfigure_successful"
    assert entry.data == {
        **NEW_HOME,
        "base_url": simulator.url,
        "location_id": HOME,
    }


async def test_a_new_key_that_does_not_open_the_home(
    hass: HomeAssistant, simulator: FlatPeakSimulator, entry: MockConfigEntry
) -> None:
    """A good log-in is not enough for a reauthentication, either."""
    simulator.fail("/locations/*", status=403, times=None)
    result = await entry.start_reauth_flow(hass)
    result = await _enter(hass, result, {"api_key": NEW_KEY})
    _assert_form(result, "reauth_confirm", {"base": "other_account"})
    assert entry.data["api_key"] == KEY
    simulator.faults.clear()
    result = await _enter(hass, result, {"api_key": NEW_KEY})
    assert result["reason"] == "reauth_successful"


def _closing(result: ConfigFlowResult) -> str:
    """Return what is said at the end of the dialogue."""
    placeholders = result["description_placeholders"] or {}
    text: str = TEXTS["create_entry"][result["description"] or "default"]
    return text.format(**placeholders)


async def test_test_mode(hass: HomeAssistant, simulator: FlatPeakSimulator) -> None:
    """A test key is taken, and said to be one."""
    test = {"account_id": "acc_test", "api_key": "sk_test_example"}
    simulator.add_account(test["account_id"], test["api_key"])
    simulator.add_location("acc_test", city="Testville")
    result = await _enter(hass, await _start(hass), _account(simulator, **test))
    result = await _enter(hass, result, {})
    assert "FlatPeak's test mode" in _closing(result)
    assert _assert_created(result).title == "Testville"
    result = await _enter(hass, await _start(hass), _account(simulator))
    result = await _enter(hass, result, {"import_meters": ["sensor.grid_import"]})
    text = _closing(result)
    assert "test mode" not in text
    assert "eight minutes" in text
    assert "ha-alert" not in text


async def test_hourly_meters(hass: HomeAssistant, simulator: FlatPeakSimulator) -> None:
    """A grid meter that reports hourly is one; an appliance may run by a timer.

    It is said before, and not again.
    """
    now = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
    for source in ("sensor.grid_import", "sensor.heat_pump"):
        await let_rise(hass, source, hourly(now))
    hass.states.async_set("sensor.oven", "unavailable", SENSORS["sensor.oven"][1])
    result = await _enter(hass, await _start(hass), _account(simulator))
    result = await _enter(
        hass,
        result,
        {
            "import_meters": ["sensor.grid_import"],
            "export_meters": ["sensor.grid_export"],
            "device_meters": ["sensor.heat_pump", "sensor.oven"],
        },
    )
    grid, pump, oven = _assert_doubts(result).split("\n\n")[-3:]
    assert "Grid import has risen" in grid
    assert "taken for a meter that reports the past hour" in grid
    assert "Heat pump has risen" in pump
    assert "runs by a timer" in pump
    assert "oven has delivered nothing" in oven.lower()
    result = await _go_on(hass, result, "accept")
    assert "ha-alert" not in _closing(result)
    entry = _assert_created(result)
    assert {
        subentry.data["source"]: subentry.data["reporting"]
        for subentry in entry.subentries.values()
    } == {
        "sensor.grid_import": "hourly",
        "sensor.grid_export": "continuous",
        "sensor.heat_pump": "continuous",
        "sensor.oven": "continuous",
    }


async def test_other_meters_after_a_doubt(
    hass: HomeAssistant, simulator: FlatPeakSimulator
) -> None:
    """A wrong direction is said before anything is stored, and can be mended."""
    await use_in_dashboard(
        hass, imports="sensor.grid_import", exports="sensor.grid_export"
    )
    chosen = {
        "import_meters": ["sensor.grid_import", "sensor.grid_export"],
        "device_meters": ["sensor.heat_pump"],
    }
    result = await _enter(hass, await _start(hass), _account(simulator))
    result = await _enter(hass, result, chosen)
    text = _assert_doubts(result)
    assert "uses Grid export for the other direction" in text
    assert text.count("<ha-alert") == 1
    assert not hass.config_entries.async_entries(DOMAIN)
    result = await _go_on(hass, result, "meters")
    _assert_form(result, "meters")
    for field in ("import_meters", "export_meters", "device_meters"):
        assert _field(result, field)[0] == chosen.get(field)
    result = await _enter(
        hass,
        result,
        {
            "import_meters": ["sensor.grid_import"],
            "export_meters": ["sensor.grid_export"],
        },
    )
    entry = _assert_created(result)
    assert [subentry.data["direction"] for subentry in entry.subentries.values()] == [
        "import",
        "export",
    ]


async def test_meant_all_the_same(
    hass: HomeAssistant, simulator: FlatPeakSimulator
) -> None:
    """A doubt does not forbid anything."""
    await use_in_dashboard(hass, exports="sensor.grid_export")
    result = await _enter(hass, await _start(hass), _account(simulator))
    chosen = {"import_meters": ["sensor.grid_export"]}
    result = await _enter(hass, result, chosen)
    _assert_doubts(result)
    entry = _assert_created(await _go_on(hass, result, "accept"))
    (meter,) = entry.subentries.values()
    assert (meter.title, meter.data["direction"]) == ("Grid export", "import")


async def test_meters_of_another_home(
    hass: HomeAssistant, simulator: FlatPeakSimulator
) -> None:
    """They are not chosen already; who chooses one is told what would come of it."""
    await use_in_dashboard(
        hass, imports="sensor.grid_import", exports="sensor.grid_export"
    )
    simulator.add_location(ACCOUNT, location_id=CABIN, reference_id="The cabin")
    chosen = {"import_meters": ["sensor.grid_import"]}
    result = await _enter(hass, await _start(hass), _account(simulator))
    result = await _enter(hass, result, {"location_id": HOME})
    _assert_created(await _enter(hass, result, chosen))

    result = await _enter(hass, await _start(hass), _account(simulator))
    result = await _enter(hass, result, {"location_id": CABIN})
    assert _field(result, "import_meters")[0] == []
    assert _field(result, "export_meters")[0] == ["sensor.grid_export"]
    result = await _enter(hass, result, chosen)
    text = _assert_doubts(result)
    assert "Grid import is already a meter of Exampleton" in text
    assert text.count("<ha-alert") == 1
    entry = _assert_created(await _go_on(hass, result, "accept"))
    assert len(entry.subentries) == 1


async def test_unexpected_error(caplog: pytest.LogCaptureFixture) -> None:
    """What nobody thought of is logged, and the dialogue goes on."""

    async def answer(divisor: int) -> int:
        return 6 // divisor

    flow, errors = FlatPeakConfigFlow(), dict[str, str]()
    assert await flow._async_ask(answer(0), errors) is None
    assert errors == {"base": "unknown"}
    assert "unknown" in TEXTS["error"]
    assert "ZeroDivisionError" in caplog.text
    errors.clear()
    assert await flow._async_ask(answer(2), errors) == 3
    assert errors == {}


async def test_secrets_stay(
    hass: HomeAssistant, simulator: FlatPeakSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither success nor failure writes credentials, ids or addresses to the log."""
    caplog.set_level(logging.DEBUG)
    result = await _start(hass)
    for path in ("/login", "/locations"):
        simulator.fail(path, times=None, status=403)
        result = await _enter(hass, result, _account(simulator))
        assert result["step_id"] == "user"
        simulator.faults.clear()
    result = await _enter(hass, result, _account(simulator))
    _assert_created(await _enter(hass, result, {}))
    ours = "\n".join(
        record.getMessage() for record in caplog.records if "flatpeak" in record.name
    )
    assert "GET /login" in ours
    for secret in (ACCOUNT, KEY, HOME, "Exampleton", "Example Street"):
        assert secret not in ours


def test_every_error_has_its_own_text() -> None:
    """No two errors read alike."""
    texts = list(TEXTS["error"].values())
    assert len(set(texts)) == len(texts)
