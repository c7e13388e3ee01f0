"""An entry's life: set up, trouble, reload, removal."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
import json
from pathlib import Path
from typing import Any

from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntryState
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.flatpeak.account import ACCOUNTS
from custom_components.flatpeak.const import DOMAIN

from .home import ACCOUNT, KEY, Home
from .simulator.core import LoggedRequest
from .simulator.faults import FaultKind

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
SLOT = timedelta(minutes=5)
GRID = "sensor.grid_import"
METERS = {GRID: ("import", "grid"), "sensor.heat_pump": ("import", "device")}
TEXTS = json.loads(Path("custom_components/flatpeak/translations/en.json").read_text())[
    "exceptions"
]

pytestmark = pytest.mark.freeze_time(BEGIN)


def use(_: datetime) -> dict[str, float]:
    """Return what each source uses in a slot, in kWh."""
    return {GRID: 0.08, "sensor.heat_pump": 0.05}


@pytest.fixture
def entry(home: Home) -> MockConfigEntry:
    """Return an entry with a grid meter and a device."""
    for source in METERS:
        home.add_sensor(source)
    location = home.simulator.add_location(ACCOUNT, tariff="daynight")
    return home.add_entry(location, METERS, window=5)


def figures(home: Home) -> dict[str, str]:
    """Return all that our entities say about money, energy and records."""
    return {
        state.entity_id: state.state
        for state in home.hass.states.async_all("sensor")
        if state.entity_id not in METERS and "cost_rate" not in state.entity_id
    }


def states(home: Home) -> list[ConfigEntryState]:
    """Return the states of our entries."""
    entries = home.hass.config_entries.async_entries(DOMAIN)
    return [entry.state for entry in entries]


def asked(home: Home) -> list[LoggedRequest]:
    """Return all requests but log-ins."""
    return [r for r in home.simulator.requests if r.path != "/login"]


def files(folder: str) -> set[str]:
    """Return the names of our files."""
    return {path.name for path in Path(folder, ".storage").glob(f"{DOMAIN}.*")}


def reauthentications(home: Home) -> int:
    """Return how many flows ask for a new key."""
    flows = home.hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    return sum(flow["context"]["source"] == SOURCE_REAUTH for flow in flows)


TROUBLE: dict[str, tuple[dict[str, Any] | None, str]] = {
    "no connection": (None, "cannot_connect"),
    "drop": ({"kind": FaultKind.DROP}, "cannot_connect"),
    "400": ({"status": 400}, "invalid_request"),
    "403": ({"status": 403}, "location_refused"),
    "404": ({"status": 404}, "location_not_found"),
    "429": ({"status": 429, "retry_after": 100}, "rate_limited"),
    "500": ({"status": 500}, "server_error"),
    "garbage": ({"kind": FaultKind.GARBAGE}, "invalid_answer"),
    "empty": ({"kind": FaultKind.EMPTY}, "invalid_answer"),
    "422": (
        {"status": 422, "body": {"code": "account_disabled", "message": "Off"}},
        "account_disabled",
    ),
    "422 price": (
        {"status": 422, "body": {"code": "no_price_data", "message": "None"}},
        "price_unavailable",
    ),
}


@pytest.mark.parametrize("name", TROUBLE)
async def test_first_set_up_is_tried_again(
    home: Home, entry: MockConfigEntry, name: str
) -> None:
    """The first set-up needs the network: it says what is wrong, and recovers."""
    fault, key = TROUBLE[name]
    if fault is None:
        await home.simulator.refuse()
    else:
        home.simulator.fail("/locations/*", times=None, **fault)
    await home.set_up(entry)
    assert states(home) == [ConfigEntryState.SETUP_RETRY]
    assert entry.error_reason_translation_key == key
    text = TEXTS[key]["message"]
    text.format(**(entry.error_reason_translation_placeholders or {}))
    for secret in (ACCOUNT, KEY, entry.data["location_id"]):
        assert secret not in str(entry.reason)
    assert set(home.hass.states.async_entity_ids("sensor")) == set(METERS)

    home.simulator.faults.clear()
    await home.simulator.listen()
    await home.go_to(BEGIN + timedelta(seconds=30))
    assert states(home) == [ConfigEntryState.LOADED]
    await home.live(BEGIN + 3 * SLOT, use)
    assert home.value("energy_today") == Decimal("0.16")


async def test_wrong_key_asks_for_a_new_one(home: Home, entry: MockConfigEntry) -> None:
    """A key that the log-in refuses ends the set-up and starts reauthentication."""
    home.simulator.remove_key(KEY)
    await home.set_up(entry)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert entry.error_reason_translation_key == "invalid_auth"
    assert reauthentications(home) == 1


async def test_reload_keeps_everything(home: Home, entry: MockConfigEntry) -> None:
    """All figures survive, without one more record, and the meters go on."""
    await home.set_up(entry)
    await home.live(BEGIN + 4 * SLOT, use)
    before, records = figures(home), len(home.simulator.records)
    key = next(key for key in entry.runtime_data.meters)
    assert home.value("energy_today", key) == Decimal("0.24")
    assert await home.hass.config_entries.async_reload(entry.entry_id)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    assert figures(home) == before
    assert len(home.simulator.records) == records
    await home.live(BEGIN + 6 * SLOT, use)
    assert home.value("energy_today", key) == Decimal("0.4")
    # The window that was open at the start is looked for, and sent, minutes later.
    await home.live(BEGIN + 9 * SLOT, use)
    assert home.value("cost_today", key) == home.simulator.stored_cost(
        entry.data["location_id"], BEGIN, BEGIN + 9 * SLOT
    )


async def test_start_without_network(home: Home, entry: MockConfigEntry) -> None:
    """With books on disk everything is there at once; what waits goes out later."""
    await home.set_up(entry)
    await home.live(BEGIN + 4 * SLOT, use)
    before = figures(home)
    await home.hass.config_entries.async_unload(entry.entry_id)
    await home.simulator.refuse()
    await home.hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.LOADED
    after = figures(home)
    for price in ("sensor.home_price", "sensor.home_export_price"):
        assert after.pop(price) == "unknown"
        assert before.pop(price) != "unknown"
    assert after == before
    await home.hass.async_block_till_done(wait_background_tasks=True)
    await home.live(BEGIN + 6 * SLOT, use)
    assert home.value("energy_today") == Decimal("0.4")
    assert home.value("pending_records") == 4  # of two meters

    await home.simulator.listen()
    await home.live(BEGIN + 16 * SLOT, use)
    assert home.value("pending_records") == 0
    assert home.value("energy_today") == Decimal("1.2")
    assert home.value("cost_today") == home.simulator.stored_cost(
        entry.data["location_id"], BEGIN, BEGIN + 16 * SLOT
    )
    assert home.value("price") > 0, "the poll is not put off for hours"


async def test_removal_deletes_the_books(
    home: Home, entry: MockConfigEntry, hass_config_dir: str
) -> None:
    """Nothing of a location stays behind when it is removed."""
    await home.set_up(entry)
    await home.live(BEGIN + 3 * SLOT, use)
    assert files(hass_config_dir) == {
        f"flatpeak.{entry.entry_id}.journal",
        f"flatpeak.{entry.entry_id}.book-2026-11.jsonl",
    }
    await home.hass.config_entries.async_remove(entry.entry_id)
    await home.hass.async_block_till_done()
    assert not files(hass_config_dir)
    assert set(home.hass.states.async_entity_ids("sensor")) == set(METERS)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"version": 99}', "books_too_new"),
        ("", "books_unreadable"),
        ('{"version": 1, "facts"', "books_unreadable"),
        ("[]", "books_unreadable"),
        ('{"version": 1}', "books_unreadable"),
    ],
)
async def test_scenario_14_books_that_cannot_be_read(
    home: Home, entry: MockConfigEntry, hass_config_dir: str, text: str, key: str
) -> None:
    """An entry with a past never starts empty, and leaves its files alone."""
    path = Path(hass_config_dir, ".storage", f"flatpeak.{entry.entry_id}.journal")
    await home.hass.async_add_executor_job(path.write_text, text)
    await home.set_up(entry)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert entry.error_reason_translation_key == key
    placeholders = entry.error_reason_translation_placeholders or {}
    message = TEXTS[key]["message"]
    assert message.format(**placeholders)
    assert await home.hass.async_add_executor_job(path.read_text) == text
    assert not asked(home)


async def test_entries_of_an_account_share_its_client(
    home: Home, entry: MockConfigEntry
) -> None:
    """Two locations of one account log in once; another account has its own client."""
    await home.set_up(entry)
    cabin = home.simulator.add_location(ACCOUNT)
    second = home.add_entry(cabin, {})
    await home.set_up(second)
    assert second.state is ConfigEntryState.LOADED
    logins = [r for r in home.simulator.requests if r.path == "/login"]
    assert len(logins) == 1
    assert len(home.hass.data[ACCOUNTS]) == 1

    home.simulator.add_account("acc_other", "sk_live_other")
    flat = home.simulator.add_location("acc_other")
    third = home.add_entry(flat, {})
    home.hass.config_entries.async_update_entry(
        third,
        data={**third.data, "account_id": "acc_other", "api_key": "sk_live_other"},
    )
    await home.set_up(third)
    assert third.state is ConfigEntryState.LOADED
    assert len(home.hass.data[ACCOUNTS]) == 2


async def test_unload_and_set_up_again(home: Home, entry: MockConfigEntry) -> None:
    """After an unload nothing is asked any more."""
    await home.set_up(entry)
    await home.live(BEGIN + 2 * SLOT, use)
    assert await home.hass.config_entries.async_unload(entry.entry_id)
    assert entry.state is ConfigEntryState.NOT_LOADED
    before = len(home.simulator.requests)
    await home.live(BEGIN + 4 * SLOT, use)
    await home.go_to(BEGIN + timedelta(days=2))
    assert len(home.simulator.requests) == before
