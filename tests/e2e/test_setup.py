"""From the search box to true numbers, in a real Home Assistant and a real browser.

The tests follow each other, as a person's first hour with the integration would.
"""

from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from playwright.async_api import expect
import pytest

from scripts.demo import WITHOUT_VALUE
from scripts.demo_setup import DOMAIN, values
from tests.rig.client import Client
from tests.rig.process import HomeAssistant, RigError
from tests.simulator import FlatPeakSimulator, day_start

from .conftest import (
    ACCOUNT,
    COTTAGE_ID,
    HOME_ID,
    KEY,
    NEW_KEY,
    SENT_BEFORE_KILL,
    Screen,
    add_homes,
)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.usefixtures("socket_enabled"),
]

REFUSED = "Authentication failed while fetching flatpeak data"
INTEGRATION = f"/config/integrations/integration/{DOMAIN}"
RECORDER_RUN = "/api/events/recorder_5min_statistics_generated"
# Up to a minute passes between the recorder's run and the push.
PUSH_SECONDS = 120
RECORDER_SECONDS = 300
# What was used in the last five minutes is only known after another run, and of a grid
# meter that stands still after a start only when it cannot be late any more.
RATE = "Cost rate"
GRID_RATES = ("Grid import Cost rate", "Grid export Cost rate")
METERS = ("grid_import", "grid_export", "heat_pump_energy")

type Json = dict[str, Any]


async def states(home: HomeAssistant) -> dict[str, str]:
    """Return what every entity shows."""
    async with home.client() as ha:
        return {state["entity_id"]: state["state"] for state in await ha("get_states")}


async def loaded(home: HomeAssistant) -> bool:
    """Return whether every entry of the integration runs."""
    async with home.client() as ha:
        entries = await ha("config_entries/get", domain=DOMAIN)
    return bool(entries) and all(entry["state"] == "loaded" for entry in entries)


async def valueless(home: HomeAssistant, *but: str) -> list[str]:
    """Return the enabled sensors of the integration that have no value."""
    async with home.client() as ha:
        rows = await values(ha)
    assert rows
    return [
        name
        for name, state, _ in rows
        if state in WITHOUT_VALUE and not name.endswith(but)
    ]


async def until_valued(home: HomeAssistant, *but: str, seconds: float = 30) -> None:
    """Wait until every enabled sensor has a value; say which has none in the end."""

    async def check() -> bool:
        return not await valueless(home, *but)

    with suppress(RigError):
        await home.process.until("valued", check, seconds)
    assert await valueless(home, *but) == []


async def push(home: HomeAssistant) -> None:
    """Say that the recorder's run is over, without waiting for its five minutes."""
    async with home.client() as ha:
        await ha.rest("POST", RECORDER_RUN, {})


async def devices(ha: Client) -> dict[str, str]:
    """Return the page of each of the integration's devices by its name."""
    return {
        device["name"]: f"/config/devices/device/{device['id']}"
        for device in await ha("config/device_registry/list")
        if any(domain == DOMAIN for domain, _ in device["identifiers"])
    }


def announced(simulator: FlatPeakSimulator, *, quotes: bool = True) -> list[Json]:
    """Return the records that arrived, with those whose price alone was asked for."""
    return [
        one.body
        for one in simulator.requests
        if one.template == "/costs/instant"
        and (quotes or one.query.get("non_persistent") != "true")
    ]


def witness(simulator: FlatPeakSimulator) -> FlatPeakSimulator:
    """Return a FlatPeak that has every record once, whatever became of it."""
    other = FlatPeakSimulator()
    add_homes(other, zone(simulator))
    for device_id in simulator.ledger.devices:
        other.add_device(ACCOUNT, device_id=device_id)
    records = {body["record_reference_id"]: body for body in announced(simulator)}
    for body in records.values():
        other.add_record(
            body["location_id"],
            datetime.fromisoformat(body["start_time"]),
            datetime.fromisoformat(body["end_time"]),
            body["value"],
            device_id=body.get("device_id"),
            direction=body["direction"],
            tariff_direction=body["tariff_rate"],
        )
    return other


def zone(simulator: FlatPeakSimulator) -> str:
    """Return the time zone of the homes."""
    return str(simulator.ledger.locations[HOME_ID].timezone)


def today(simulator: FlatPeakSimulator) -> datetime:
    """Return when the homes' day began."""
    there = ZoneInfo(zone(simulator))
    return day_start(datetime.now(there).date(), there)


def costs_today(simulator: FlatPeakSimulator) -> dict[str, Decimal]:
    """Return what the records of the home's day cost, by meter."""
    start = today(simulator)
    end = start + timedelta(days=1)
    (heat_pump,) = simulator.ledger.devices
    costs = (
        simulator.stored_cost(HOME_ID, start, end),
        simulator.stored_cost(HOME_ID, start, end, "EXPORT"),
        simulator.stored_cost(heat_pump, start, end),
    )
    return dict(zip(METERS, costs, strict=True))


async def enter_account(screen: Screen, url: str, key: str) -> None:
    """Fill the first form, with the address of the simulator."""
    await screen.enter(account_id=ACCOUNT, api_key=key)
    await screen.page.get_by_text("Advanced", exact=True).click()
    await screen.enter(base_url=url)


async def test_set_up(
    home: HomeAssistant, simulator: FlatPeakSimulator, screen: Screen
) -> None:
    """A person finds the integration and goes through every step."""
    await screen.go("/config/integrations")
    await screen.press("Add integration")
    await screen.page.get_by_placeholder("Search for a brand name").fill("flatpeak")
    await screen.show("01-search")
    await (
        screen.page.locator("dialog-add-integration")
        .get_by_text("FlatPeak", exact=True)
        .click()
    )

    await expect(screen.dialog).to_contain_text("Your FlatPeak account")
    await screen.show("02-account")
    await enter_account(screen, simulator.url, "sk_live_wrong")
    await screen.show("03-account-advanced")
    await screen.press("Submit")
    await expect(screen.dialog.locator("ha-alert")).to_contain_text(
        "does not accept this account ID with this API key"
    )
    await screen.show("04-wrong-key")
    await screen.enter(api_key=KEY)
    await screen.press("Submit")

    await expect(screen.dialog).to_contain_text("1 Example Street")
    await screen.dialog.get_by_label("Location").click()
    await screen.show("05-locations")
    await screen.choose("Home (1 Example Street")
    await screen.show("06-location")
    await screen.press("Submit")

    imports, exports, appliances = (
        screen.dialog.locator("ha-selector").nth(index) for index in range(3)
    )
    await expect(imports).to_contain_text("House Grid import")
    await expect(exports).to_contain_text("House Grid export")
    await screen.show("07-meters")
    await appliances.get_by_text("Add").click()
    await screen.show("08-appliances")
    await screen.choose("House Heat pump energy", search="heat pump")
    await expect(appliances).to_contain_text("House Heat pump energy")
    await screen.show("09-meters-chosen")
    await screen.press("Submit")

    await expect(screen.dialog.last).to_contain_text("Fetch the past?")
    await screen.show("10-the-past")
    await screen.dialog.last.get_by_text("Not now").click()
    await screen.show("10-finish")
    await home.process.until("loaded", lambda: loaded(home), 30)
    await screen.go(INTEGRATION)
    await expect(screen.main).to_contain_text("House Heat pump energy")
    await screen.show("11-integration")
    assert home.problems(DOMAIN) == []


async def test_without_meters(
    home: HomeAssistant, simulator: FlatPeakSimulator, screen: Screen
) -> None:
    """A home without meters shows what FlatPeak knows from others."""
    start = today(simulator)
    for hours, wh, direction in ((1, 1500, "IMPORT"), (2, 700, "EXPORT")):
        simulator.add_record(
            COTTAGE_ID,
            start + timedelta(hours=hours),
            start + timedelta(hours=hours + 1),
            wh,
            direction=direction,
        )
    await screen.go(INTEGRATION)
    await screen.press("Add service")
    await enter_account(screen, simulator.url, NEW_KEY)
    await screen.press("Submit")
    await expect(screen.dialog).to_contain_text("1 Example Street")
    await screen.press("Submit")
    await expect(screen.dialog).to_contain_text("Your meters")
    chips = screen.dialog.locator("ha-input-chip")
    for left in (2, 1, 0):
        await expect(chips).to_have_count(left)
        if left:
            await chips.first.get_by_role("button").last.click()
    await screen.show("12-no-meters")
    await screen.press("Submit")
    await expect(screen.dialog).to_contain_text("Name and assign")
    await screen.press("Skip and finish")
    await home.process.until("loaded", lambda: loaded(home), 30)
    async with home.client() as ha:
        pages = await devices(ha)
    await screen.go(pages["Cottage"])
    await screen.show("13-cottage")
    shown = await states(home)
    end = start + timedelta(days=1)
    assert Decimal(shown["sensor.cottage_cost_today"]) == simulator.stored_cost(
        COTTAGE_ID, start, end
    ) - simulator.stored_cost(COTTAGE_ID, start, end, "EXPORT")
    assert Decimal(shown["sensor.cottage_energy_today"]) == Decimal("0.8")


async def test_a_kill_loses_nothing_and_sends_nothing_twice(
    home: HomeAssistant, simulator: FlatPeakSimulator
) -> None:
    """Killed while it sends, and once more at rest, it goes on with the same totals."""

    async def sending() -> bool:
        return len(announced(simulator)) > SENT_BEFORE_KILL

    async def right() -> bool:
        shown = await states(home)
        return all(
            Decimal(shown[f"sensor.house_{meter}_cost_today"]) == cost
            for meter, cost in costs_today(witness(simulator)).items()
        )

    await home.process.until("loaded", lambda: loaded(home), 30)
    await push(home)
    await home.process.until("sending", sending, PUSH_SECONDS)
    home.kill()
    await home.start()
    await push(home)
    await until_valued(home, RATE, seconds=PUSH_SECONDS)
    await home.process.until("right", right, PUSH_SECONDS)

    before = await states(home)
    home.kill()
    await home.start()
    await until_valued(home, RATE)
    after = await states(home)
    for meter in METERS:
        energy, cost = (f"sensor.house_{meter}_{of}_today" for of in ("energy", "cost"))
        assert Decimal(after[energy]) >= Decimal(before[energy])
        assert after[energy] != before[energy] or after[cost] == before[cost]

    sent = announced(simulator, quotes=False)
    times = Counter(body["record_reference_id"] for body in sent)
    assert len(times) > SENT_BEFORE_KILL
    assert set(times.values()) == {1}
    assert home.problems(DOMAIN) == []


async def test_a_new_key(
    home: HomeAssistant, simulator: FlatPeakSimulator, screen: Screen
) -> None:
    """A key that ends is noticed, and a new one is asked for and taken."""
    simulator.remove_key(KEY)
    await screen.go(INTEGRATION)
    row = screen.page.locator("ha-config-entry-row", has_text="House Grid import")
    await row.get_by_label("Menu").first.click()
    await row.get_by_text("Reload", exact=True).click()
    await expect(screen.main).to_contain_text("Attention required")
    await screen.show("14-key-refused")
    await screen.go("/config/repairs")
    await screen.show("15-repairs")
    await screen.go(INTEGRATION)
    await screen.press("Reconfigure")
    await expect(screen.dialog).to_contain_text("New API key for Home")
    await screen.enter(api_key="sk_live_wrong")
    await screen.press("Submit")
    await expect(screen.dialog.locator("ha-alert")).to_contain_text(
        "does not accept this account ID with this API key"
    )
    await screen.show("16-wrong-new-key")
    await screen.enter(api_key=NEW_KEY)
    await screen.press("Submit")
    await expect(screen.dialog).to_contain_text("Re-authentication was successful")
    await screen.show("17-new-key-taken")
    await screen.dialog.get_by_text("Close", exact=True).last.click()
    await expect(screen.main).not_to_contain_text("Attention required")
    await home.process.until("loaded", lambda: loaded(home), 30)
    assert simulator.requests[-1].status == 200
    assert [text for text in home.problems(DOMAIN) if REFUSED not in text] == []


async def test_values(home: HomeAssistant, screen: Screen) -> None:
    """After the recorder's own next run every sensor of every device has a value."""
    await until_valued(home, *GRID_RATES, seconds=RECORDER_SECONDS + PUSH_SECONDS)
    async with home.client() as ha:
        pages = await devices(ha)
    assert len(pages) == 5
    for number, (name, path) in enumerate(sorted(pages.items()), start=18):
        await screen.go(path)
        await expect(screen.main).to_contain_text("Cost today")
        await screen.show(f"{number}-{name.lower().replace(' ', '-')}")
        shown = await screen.main.inner_text()
        assert shown.count("Unknown") <= name.startswith("House Grid")
        assert "Unavailable" not in shown
    # That the key ended was to be said.
    assert [text for text in home.problems(DOMAIN) if REFUSED not in text] == []
