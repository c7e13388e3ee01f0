"""From the search box to true numbers, in a real Home Assistant and a real browser.

The tests follow each other, as a person's first hour with the integration would.
"""

from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from playwright.async_api import expect
import pytest

from scripts.demo_setup import DOMAIN
from tests.rig.process import HomeAssistant
from tests.simulator import FlatPeakSimulator, day_start

from .conftest import (
    ACCOUNT,
    COTTAGE_ID,
    HOME_ID,
    NEW_KEY,
    SENT_BEFORE_KILL,
    Screen,
    add_homes,
)
from .steps import (
    INTEGRATION,
    PUSH_SECONDS,
    RATE,
    Json,
    devices,
    enter_account,
    loaded,
    push,
    set_up,
    states,
    until_valued,
)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.usefixtures("socket_enabled"),
]

METERS = ("house_grid_import", "house_grid_export", "heat_pump")


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


async def test_set_up(
    home: HomeAssistant, simulator: FlatPeakSimulator, screen: Screen
) -> None:
    """A person finds the integration and goes through every step."""
    await set_up(screen, home, simulator.url)
    assert home.problems(DOMAIN) == []


async def test_without_meters(
    home: HomeAssistant, simulator: FlatPeakSimulator, screen: Screen
) -> None:
    """A home without meters shows what FlatPeak knows from others.

    The other home's meters are not chosen already, and a doubt when they are chosen.
    """
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
    await expect(chips).to_have_count(0)
    appliances = screen.dialog.locator("ha-selector").last
    await appliances.get_by_text("Add").click()
    await screen.choose("Heat pump Energy", search="heat pump")
    await screen.press("Submit")
    await expect(screen.dialog).to_contain_text("is already a meter of Home")
    await screen.show("12-please-check")
    await screen.dialog.get_by_text("Choose other meters").click()
    await expect(chips).to_have_count(1)
    await chips.first.get_by_role("button").last.click()
    await expect(chips).to_have_count(0)
    await screen.show("12-no-meters")
    await screen.press("Submit")
    await expect(screen.dialog).to_contain_text("come from what others record")
    await expect(screen.dialog).to_contain_text("Name and assign")
    await screen.show("12-finish")
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
            Decimal(shown[f"sensor.{meter}_cost_today"]) == cost
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
        energy, cost = (f"sensor.{meter}_{of}_today" for of in ("energy", "cost"))
        assert Decimal(after[energy]) >= Decimal(before[energy])
        assert after[energy] != before[energy] or after[cost] == before[cost]

    sent = announced(simulator, quotes=False)
    times = Counter(body["record_reference_id"] for body in sent)
    assert len(times) > SENT_BEFORE_KILL
    assert set(times.values()) == {1}
    assert home.problems(DOMAIN) == []


async def test_values(home: HomeAssistant, screen: Screen) -> None:
    """Every sensor of every device has a value, but for what flows now."""
    await until_valued(home, RATE)
    async with home.client() as ha:
        pages = await devices(ha)
    assert len(pages) == 5
    for number, (name, path) in enumerate(sorted(pages.items()), start=14):
        await screen.go(path)
        await expect(screen.main).to_contain_text("Cost today")
        await screen.show(f"{number}-{name.lower().replace(' ', '-')}")
        shown = await screen.main.inner_text()
        assert shown.count("Unknown") <= (name not in {"Home", "Cottage"})
        assert "Unavailable" not in shown
    assert home.problems(DOMAIN) == []
