"""The past is offered after the set-up, and later: previewed first, easy to skip."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

from homeassistant.config_entries import SOURCE_USER, ConfigEntry, FlowType
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.flatpeak.const import DOMAIN

from .history import add_past, coordinator, fetch, fetch_until
from .home import ACCOUNT, KEY, Home

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
MIDNIGHT = BEGIN.replace(hour=0)
SINCE = MIDNIGHT - timedelta(days=12)
RECORDS = 12 * 23
GRID, PUMP = "sensor.grid_import", "sensor.heat_pump"
METERS = {GRID: ("import", "grid"), PUMP: ("import", "device")}

pytestmark = pytest.mark.freeze_time(BEGIN)


@pytest.fixture(autouse=True)
async def place(home: Home) -> str:
    """Return the location of a home with a past."""
    assert await async_setup_component(home.hass, "sensor", {})
    await add_past(home, METERS, SINCE - timedelta(hours=1), MIDNIGHT)
    return home.simulator.add_location(ACCOUNT, timezone="UTC")


@pytest.fixture
async def entry(home: Home, place: str) -> MockConfigEntry:
    """Return a home that is set up."""
    entry = home.add_entry(place, METERS)
    await home.set_up(entry)
    return entry


async def set_up(
    home: Home, meters: list[str], account_id: str = ACCOUNT, api_key: str = KEY
) -> dict[str, Any]:
    """Go through the set-up, and return its last answer."""
    flows = home.hass.config_entries.flow
    result = await flows.async_init(DOMAIN, context={"source": SOURCE_USER})
    account = {"account_id": account_id, "api_key": api_key}
    result = await flows.async_configure(
        result["flow_id"], {**account, "advanced": {"base_url": home.simulator.url}}
    )
    assert result["step_id"] == "meters"
    result = await flows.async_configure(result["flow_id"], {"import_meters": meters})
    await home.hass.async_block_till_done(wait_background_tasks=True)
    return dict(result)


async def go(hass: HomeAssistant, flow_id: str, step: str, **entered: Any) -> Any:
    """Choose from the menu, and fill in the form behind it."""
    flows = hass.config_entries.options
    result: Any = await flows.async_configure(flow_id, {"next_step_id": step})
    if entered:
        result = await flows.async_configure(flow_id, entered)
    return result


async def test_offered_after_the_set_up(home: Home) -> None:
    """The set-up ends in an entry; what it has to say and a preview come next."""
    home.simulator.add_account("acc_test", "sk_test_example")
    home.simulator.add_location("acc_test", timezone="UTC")
    result = await set_up(home, [GRID], "acc_test", "sk_test_example")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    kind, flow_id = result["next_flow"]
    assert kind is FlowType.OPTIONS_FLOW
    entry: ConfigEntry = result["result"]
    flows = home.hass.config_entries.options
    welcome: Any = await flows.async_configure(flow_id)
    assert welcome["step_id"] == "welcome"
    assert welcome["last_step"] is False
    assert welcome["description_placeholders"] == {
        "name": entry.title,
        "doubts": result["description_placeholders"]["doubts"],
    }
    assert "FlatPeak's test mode" in welcome["description_placeholders"]["doubts"]
    offer = await flows.async_configure(flow_id, {})
    assert offer["type"] is FlowResultType.MENU
    shown = offer["description_placeholders"]
    assert shown is not None
    assert shown["records"] == str(RECORDS)
    assert shown["start"] == "2026-10-01"
    assert f"| {RECORDS} | {SINCE.date()} |" in shown["table"]
    options = dict(entry.options)
    result = await go(home.hass, flow_id, "history_fetch")
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "history_begun")
    assert entry.options == options
    assert entry.runtime_data.backfill.is_running


@pytest.mark.parametrize(("seconds", "step"), [(0, "welcome"), (6, "init")])
async def test_the_frontend_opens_a_flow_of_its_own(
    home: Home, seconds: int, step: str
) -> None:
    """It is for the offer when it comes at once, and only the first one."""
    result = await set_up(home, [GRID])
    home.freezer.tick(seconds)
    flows = home.hass.config_entries.options
    entry_id = result["result"].entry_id
    first: Any = await flows.async_init(entry_id)
    second: Any = await flows.async_init(entry_id)
    assert (first["step_id"], second["step_id"]) == (step, "init")


async def test_skipped(home: Home) -> None:
    """One click, and nothing happens."""
    result = await set_up(home, [GRID])
    _, flow_id = result["next_flow"]
    await home.hass.config_entries.options.async_configure(flow_id, {})
    end = await go(home.hass, flow_id, "history_skip")
    assert end["type"] is FlowResultType.CREATE_ENTRY
    assert result["result"].runtime_data.backfill.percent is None


async def test_nothing_to_offer(home: Home) -> None:
    """Without meters there is no past, and the set-up just ends."""
    result = await set_up(home, [])
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert "next_flow" not in result


async def test_nothing_to_offer_yet(home: Home) -> None:
    """Nor where the entry could not be set up at once."""
    home.simulator.fail("/prices/*", status=500, times=None)
    result = await set_up(home, [GRID])
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert "next_flow" not in result


async def test_from_the_options(home: Home, entry: MockConfigEntry) -> None:
    """On request; options that were changed before are stored at the end."""
    flows = home.hass.config_entries.options
    result: Any = await flows.async_init(entry.entry_id)
    flow_id = result["flow_id"]
    changed = {"window": 60, "include_carbon": False}
    result = await flows.async_configure(flow_id, {**changed, "history": True})
    assert result["type"] is FlowResultType.MENU
    assert result["menu_options"][0] == "history_fetch"
    (grid,) = (k for k, m in coordinator(entry).meters.items() if m.source == GRID)
    result = await go(
        home.hass, flow_id, "history_choose", start="2026-11-09", meters=[]
    )
    assert result["description_placeholders"]["records"] == "0"
    assert result["menu_options"] == ["history_choose", "history_skip"]
    for day, error in {
        "2026-11-11": "not_past",
        "2024-11-10": "too_long_ago",
    }.items():
        result = await go(
            home.hass, flow_id, "history_choose", start=day, meters=[grid]
        )
        assert result["errors"] == {"start": error}
        result = await flows.async_configure(
            flow_id, {"start": "2026-11-09", "meters": [grid]}
        )
        assert result["type"] is FlowResultType.MENU
        assert result["description_placeholders"]["records"] == str(2 * 23)
    result = await go(home.hass, flow_id, "history_fetch")
    assert result["reason"] == "history_begun"
    await home.hass.async_block_till_done(wait_background_tasks=True)
    assert entry.options == changed
    part = coordinator(entry).backfill.job.parts[grid]
    assert part.start == datetime(2026, 11, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "reason", ["history_stopped", "entry_not_loaded", "books_not_written"]
)
async def test_options_survive_what_is_in_the_way(
    home: Home, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    """They are stored, though the past that was wanted besides is not fetched."""
    flows = home.hass.config_entries.options
    changed = {"window": 5, "include_carbon": False}
    result: Any = await flows.async_init(entry.entry_id)
    if reason == "history_stopped":
        assert await coordinator(entry).async_fetch_past(
            coordinator(entry).meters, None
        )
    elif reason == "entry_not_loaded":
        await home.hass.config_entries.async_unload(entry.entry_id)
    end: Any = await flows.async_configure(
        result["flow_id"], {**changed, "history": True}
    )
    if reason == "history_stopped":
        end = await go(home.hass, result["flow_id"], "history_stop")
    if reason == "books_not_written":
        with monkeypatch.context() as patch:
            full = OSError("No space left on device")
            writer = "homeassistant.util.file.AtomicWriter"
            patch.setattr(writer, Mock(side_effect=full))
            end = await go(home.hass, result["flow_id"], "history_fetch")
    assert (end["type"], end["reason"]) == (FlowResultType.ABORT, reason)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    assert entry.options == changed


async def test_in_the_way(home: Home, entry: MockConfigEntry) -> None:
    """It is said when the past is being fetched, or nothing runs."""
    flows = home.hass.config_entries.options

    async def offer() -> Any:
        return await flows.async_init(entry.entry_id, context={"source": "history"})

    menus = [await offer() for _ in range(4)]
    steps = ("history_fetch", "history_choose", "history_stop", "history_stop")
    end = await go(home.hass, menus[0]["flow_id"], "history_fetch")
    assert end["reason"] == "history_begun"
    end = await go(home.hass, menus[1]["flow_id"], "history_fetch")
    assert end["step_id"] == "history_running"
    menus.append(await offer())
    assert menus[-1]["step_id"] == "history_running"
    await home.hass.config_entries.async_unload(entry.entry_id)
    assert (await offer())["reason"] == "entry_not_loaded"
    for menu, step in zip((*menus[2:], menus[1]), steps, strict=True):
        end = await go(home.hass, menu["flow_id"], step)
        assert end["reason"] == "entry_not_loaded"
    assert not flows.async_progress()


async def running(home: Home, entry: MockConfigEntry) -> Any:
    """Return what the options say while the past is being fetched."""
    return await home.hass.config_entries.options.async_init(
        entry.entry_id, context={"source": "history"}
    )


async def test_stopped_before_anything_was_sent(
    home: Home, entry: MockConfigEntry
) -> None:
    """It says how far it is, and can be left alone or stopped; then it is offered."""
    assert await coordinator(entry).async_fetch_past(coordinator(entry).meters, None)
    menu = await running(home, entry)
    assert menu["step_id"] == "history_running"
    assert menu["description_placeholders"] == {
        "percent": "0",
        "meters": "Grid import, Heat pump",
    }
    end = await go(home.hass, menu["flow_id"], "history_skip")
    assert end["type"] is FlowResultType.CREATE_ENTRY
    assert coordinator(entry).backfill.is_running
    menu = await running(home, entry)
    before = len(home.simulator.requests)
    end = await go(home.hass, menu["flow_id"], "history_stop")
    assert (end["type"], end["reason"]) == (FlowResultType.ABORT, "history_stopped")
    await home.go_to(BEGIN + timedelta(seconds=30))
    assert len(home.simulator.requests) == before
    offer = await running(home, entry)
    assert offer["step_id"] == "history"
    end = await go(home.hass, offer["flow_id"], "history_fetch")
    assert end["reason"] == "history_begun"


async def test_stopped_while_something_is_on_its_way(
    home: Home, entry: MockConfigEntry
) -> None:
    """It is followed to its end, which is said; the other meter is left alone."""
    coord = coordinator(entry)
    await home.live(BEGIN + timedelta(minutes=5), lambda _: {GRID: 0.1, PUMP: 0.1})
    await coord.backfill.async_begin(coord.meters, SINCE)

    def uploads() -> list[Any]:
        return [r for r in home.simulator.requests if r.template == "/meters/interval"]

    await fetch_until(entry, home.freezer, uploads)
    menu = await running(home, entry)
    end = await go(home.hass, menu["flow_id"], "history_stop")
    assert end["reason"] == "history_stopping"
    assert (await running(home, entry))["reason"] == "history_stopping"
    await fetch(entry, home.freezer)
    assert len(uploads()) == 1
    assert coord.backfill.percent == 100
    offer = await running(home, entry)
    assert offer["step_id"] == "history"
    rows = offer["description_placeholders"]["table"].splitlines()
    assert rows == [
        "| Grid import | 0 | - |",
        f"| Heat pump | {RECORDS} | {SINCE.date()} |",
    ]


async def test_a_full_disk_when_it_is_stopped(
    home: Home, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on, which is said; once there is room, it can be stopped."""
    assert await coordinator(entry).async_fetch_past(coordinator(entry).meters, None)
    menu = await running(home, entry)
    with monkeypatch.context() as patch:
        full = OSError("No space left on device")
        patch.setattr("homeassistant.util.file.AtomicWriter", Mock(side_effect=full))
        end = await go(home.hass, menu["flow_id"], "history_stop")
    assert (end["type"], end["reason"]) == (FlowResultType.ABORT, "stop_not_written")
    assert len(coordinator(entry).backfill.at_work) == len(METERS)
    menu = await running(home, entry)
    end = await go(home.hass, menu["flow_id"], "history_stop")
    assert end["reason"] == "history_stopped"
    assert not coordinator(entry).backfill.is_running


async def test_a_full_disk(
    home: Home, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form says so; nothing is begun that would be forgotten."""
    offer: Any = await home.hass.config_entries.options.async_init(
        entry.entry_id, context={"source": "history"}
    )
    full = OSError("No space left on device")
    monkeypatch.setattr("homeassistant.util.file.AtomicWriter", Mock(side_effect=full))
    end = await go(home.hass, offer["flow_id"], "history_fetch")
    assert end["reason"] == "books_not_written"
    assert not coordinator(entry).backfill.is_running


async def call(home: Home, entry: ConfigEntry, **data: Any) -> Any:
    """Call the action."""
    return await home.hass.services.async_call(
        DOMAIN,
        "backfill",
        {"config_entry_id": entry.entry_id, **data},
        blocking=True,
        return_response=True,
    )


async def test_action_with_a_full_disk(
    home: Home, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails, and does not promise to try again by itself."""
    full = OSError("No space left on device")
    monkeypatch.setattr("homeassistant.util.file.AtomicWriter", Mock(side_effect=full))
    with pytest.raises(HomeAssistantError) as error:
        await call(home, entry)
    assert error.value.translation_key == "past_not_written"
    assert not coordinator(entry).backfill.is_running


async def test_no_meters_named(home: Home, entry: MockConfigEntry) -> None:
    """An empty list, as the form can send it, means all meters as well."""
    every = await call(home, entry, preview=True)
    assert len(every["meters"]) > 1
    assert await call(home, entry, meters=[], preview=True) == every


async def test_action(home: Home, entry: MockConfigEntry) -> None:
    """It previews, and begins; the answer is the same."""
    (grid,) = (k for k, m in coordinator(entry).meters.items() if m.source == GRID)
    device = dr.async_get(home.hass).async_get_device_by_identifier(
        (DOMAIN, f"{coordinator(entry).location_id}_{grid}"), entry.entry_id
    )
    assert device
    asked = {"meters": [device.id], "start": "2026-11-01"}
    preview = await call(home, entry, **asked, preview=True)
    assert preview == {
        "started": False,
        "meters": [
            {
                "meter": "Grid import",
                "records": 10 * 23,
                "start": "2026-11-01T00:00:00+00:00",
                "end": "2026-11-11T00:00:00+00:00",
                "requests": 4,
                "left_out": 0,
            }
        ],
    }
    assert not coordinator(entry).backfill.is_running
    started = await call(home, entry, **asked)
    assert started == {**preview, "started": True}
    with pytest.raises(ServiceValidationError) as error:
        await call(home, entry)
    assert error.value.translation_key == "backfill_running"
    await home.live(BEGIN + timedelta(minutes=5), lambda _: {GRID: 0.1, PUMP: 0.1})
    await fetch(entry, home.freezer)
    again = await call(home, entry, preview=True)
    assert {one["meter"]: one["records"] for one in again["meters"]} == {
        "Grid import": 2 * 23,
        "Heat pump": RECORDS,
    }


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"meters": ["nothing"]}, "not_a_meter"),
        ({"start": "2024-11-10"}, "too_long_ago"),
        ({"start": "2026-11-11"}, "not_past"),
    ],
)
async def test_action_refused(
    home: Home, entry: MockConfigEntry, data: dict[str, Any], key: str
) -> None:
    """It says what is wrong."""
    with pytest.raises(ServiceValidationError) as error:
        await call(home, entry, **data)
    assert error.value.translation_key == key
