"""What can be changed about a location after it was set up."""

from datetime import UTC, datetime, timedelta
import json
from pathlib import Path
from typing import Any

from homeassistant.components.recorder.statistics import list_statistic_ids
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.recorder import get_instance
from homeassistant.util.yaml import dump, parse_yaml
import probatio
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from .home import ACCOUNT, Home
from .statistics import Recorded

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
SLOT = timedelta(minutes=5)
GRID, LATE = "sensor.grid_import", "sensor.utility"
TEXTS = json.loads(Path("custom_components/flatpeak/translations/en.json").read_text())

pytestmark = pytest.mark.freeze_time(BEGIN)


def use(_: datetime) -> dict[str, float]:
    """Return what is used in a slot, in kWh."""
    return {GRID: 0.08, LATE: 0.05}


@pytest.fixture
async def entry(home: Home) -> MockConfigEntry:
    """Return a home that has been recorded for a while."""
    for source in (GRID, LATE):
        home.add_sensor(source)
    location = home.simulator.add_location(ACCOUNT, tariff="dynamic")
    meters = {GRID: ("import", "grid"), LATE: ("import", "device")}
    entry = home.add_entry(location, meters, window=15)
    await home.set_up(entry)
    return entry


async def change(home: Home, entry: MockConfigEntry, **options: Any) -> None:
    """Go through the dialogue."""
    flows = home.hass.config_entries.options
    result = await flows.async_init(entry.entry_id)
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "init"
    result = await flows.async_configure(result["flow_id"], options)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await home.hass.async_block_till_done(wait_background_tasks=True)


def lengths(home: Home, owner: str) -> dict[datetime, int]:
    """Return how many minutes each window of a stream has that FlatPeak got."""
    return {
        one.draft.start: (one.draft.end - one.draft.start) // timedelta(minutes=1)
        for one in home.simulator.ledger.submissions
        if one.draft.owner == owner
    }


async def test_form(home: Home, entry: MockConfigEntry) -> None:
    """The present options are shown; minutes are a number, whatever the list gives."""
    flows = home.hass.config_entries.options
    result = await flows.async_init(entry.entry_id)
    schema = result["data_schema"]
    assert schema is not None
    fields: Any = probatio.to_field_list(schema, custom_serializer=cv.custom_serializer)
    window, carbon, history = fields
    assert window["description"] == {"suggested_value": "15"}
    options = window["selector"]["select"]["options"]
    assert options == ["5", "15", "30", "60"]
    assert TEXTS["selector"]["window"]["options"].keys() == set(options)
    assert carbon["description"] == {"suggested_value": True}
    assert history["default"] is False
    with pytest.raises(InvalidData):
        await flows.async_configure(
            result["flow_id"], {"window": 20, "include_carbon": True}
        )
    await change(home, entry, window="30", include_carbon=False)
    assert entry.options == {"window": 30, "include_carbon": False}
    await change(home, entry, window=60, include_carbon=True)
    assert entry.options == {"window": 60, "include_carbon": True}


async def test_other_options_are_kept(home: Home, entry: MockConfigEntry) -> None:
    """What is not on the form stays."""
    home.hass.config_entries.async_update_entry(
        entry, options={**entry.options, "later": 1}
    )
    await change(home, entry, window="30", include_carbon=True)
    assert entry.options == {"window": 30, "include_carbon": True, "later": 1}


async def test_carbon(home: Home, entry: MockConfigEntry) -> None:
    """Carbon is asked for while it is wanted."""

    def wanted() -> str:
        asked = [
            one for one in home.simulator.requests if one.template == "/costs/instant"
        ]
        return asked[-1].query["include_carbon"]

    await home.live(BEGIN + 4 * SLOT, use)
    assert wanted() == "true"
    await change(home, entry, window=15, include_carbon=False)
    await home.live(BEGIN + 10 * SLOT, use)
    assert wanted() == "false"


@pytest.mark.parametrize("window", [60, 5])
async def test_scenario_16_window_from_the_next_full_hour(
    home: Home, entry: MockConfigEntry, window: int
) -> None:
    """The hour that has begun keeps its windows, for all meters, over a restart."""
    await home.live(BEGIN + 4 * SLOT, use)  # 8:20
    await change(home, entry, window=window, include_carbon=True)
    await home.live(BEGIN + 8 * SLOT, use)  # 8:40
    await home.hass.config_entries.async_reload(entry.entry_id)
    await home.live(BEGIN + 40 * SLOT, use)  # 11:20
    states = entry.runtime_data.ledger.journal.meters.values()
    assert len(states) == 2
    for state in states:
        found = lengths(home, state.stream.owner)
        quarters = [BEGIN + n * 3 * SLOT for n in range(4)]
        assert [found[start] for start in quarters[1:]] == [15] * 3
        later = [start for start in found if start >= BEGIN + 12 * SLOT]
        assert {found[start] for start in later} == {window}
        assert min(later) == BEGIN + 12 * SLOT
    assert entry.runtime_data.ledger.journal.lengths.minutes == window


async def test_taken_back_within_the_hour(home: Home, entry: MockConfigEntry) -> None:
    """What was not in effect yet leaves no trace."""
    await home.live(BEGIN + 4 * SLOT, use)
    await change(home, entry, window=60, include_carbon=True)
    await home.live(BEGIN + 6 * SLOT, use)
    await change(home, entry, window=15, include_carbon=True)
    await home.live(BEGIN + 30 * SLOT, use)
    found = lengths(home, entry.data["location_id"])
    assert set(found.values()) - {10} == {15}


def fields_of(result: Any) -> dict[str, Any]:
    """Return the fields of a form, with what each suggests."""
    fields: Any = probatio.to_field_list(
        result["data_schema"], custom_serializer=cv.custom_serializer
    )
    return {
        field["name"]: field.get("description", {}).get("suggested_value")
        for field in fields
    }


async def cards(home: Home, entry: MockConfigEntry, **options: Any) -> Any:
    """Ask for the cards; return what is shown."""
    flows = home.hass.config_entries.options
    result = await flows.async_init(entry.entry_id)
    present = {"window": "15", "include_carbon": True, "cards": True}
    return await flows.async_configure(result["flow_id"], present | options)


async def test_cards(home: Home, entry: MockConfigEntry) -> None:
    """A card has the cost of each meter; Home Assistant knows all that it shows."""
    await home.live(BEGIN + 4 * SLOT, use)
    before, running = dict(entry.options), entry.runtime_data
    result = await cards(home, entry)
    assert result["step_id"] == "cards"
    assert result["description_placeholders"]["currency"] == "GBP"
    shown = fields_of(result)
    assert shown.keys() == {"device_card", "grid_card"}
    recorded = Recorded(home, entry.data["location_id"])
    for field, source, title in (
        ("device_card", LATE, "Utility"),
        ("grid_card", GRID, "Grid import"),
    ):
        card: Any = parse_yaml(dump(shown[field]))
        assert card == shown[field]
        assert card["title"] == title
        assert card["entities"] == [{"entity": recorded.id(source), "name": title}]
    wanted = {one["entity"] for card in shown.values() for one in card["entities"]}
    known = await get_instance(home.hass).async_add_executor_job(
        list_statistic_ids, home.hass
    )
    costs = [one for one in known if one["statistic_id"].endswith("_cost")]
    assert {one["statistic_id"] for one in costs} == wanted
    assert all(one["has_sum"] for one in costs)
    assert {one["statistics_unit_of_measurement"] for one in costs} == {"GBP"}
    end = await home.hass.config_entries.options.async_configure(
        result["flow_id"], shown
    )
    await home.hass.async_block_till_done(wait_background_tasks=True)
    assert end["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options == before
    assert entry.runtime_data is running


async def test_cards_of_the_meters_that_are_there(
    home: Home, entry: MockConfigEntry
) -> None:
    """A meter that was removed leaves its statistics, which no card shows."""
    await home.live(BEGIN + 4 * SLOT, use)
    home.hass.config_entries.async_remove_subentry(entry, LATE)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    assert fields_of(await cards(home, entry)).keys() == {"grid_card"}
    home.hass.config_entries.async_remove_subentry(entry, GRID)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    result = await home.hass.config_entries.options.async_init(entry.entry_id)
    assert "cards" not in fields_of(result)


async def test_cards_and_all_else(home: Home, entry: MockConfigEntry) -> None:
    """What else was asked for comes after the cards."""
    await home.live(BEGIN + 4 * SLOT, use)
    flows = home.hass.config_entries.options
    result = await cards(home, entry, window="60", history=True)
    assert result["step_id"] == "cards"
    result = await flows.async_configure(result["flow_id"], {})
    assert result["step_id"] == "history"
    await flows.async_configure(result["flow_id"], {"next_step_id": "history_skip"})
    assert entry.options["window"] == 60


async def test_cards_of_several_meters(home: Home) -> None:
    """A card is called what it shows, in Home Assistant's language."""
    home.hass.config.language = "de"
    meters = {GRID: ("import", "device"), LATE: ("import", "device")}
    for source in meters:
        home.add_sensor(source)
    location = home.simulator.add_location(ACCOUNT)
    entry = home.add_entry(location, meters)
    await home.set_up(entry)
    await home.live(BEGIN + 4 * SLOT, use)
    shown = fields_of(await cards(home, entry))
    assert shown["device_card"]["title"] == "Was Verbraucher kosten"
    assert [one["name"] for one in shown["device_card"]["entities"]] == [
        "Grid import",
        "Utility",
    ]
