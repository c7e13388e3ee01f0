"""Upkeep in a real browser, at a desk and on a phone: meters, options, the account.

Each walk begins and ends with the same two meters.
"""

from collections.abc import AsyncIterator

from playwright.async_api import expect
import pytest
import pytest_asyncio
from pytest_socket import enable_socket

from scripts.demo_setup import DOMAIN, HOUSE, account, entities, meters, until_loaded
from tests.rig.browser import browser
from tests.rig.process import HomeAssistant
from tests.simulator import FlatPeakSimulator

from .conftest import ACCOUNT, HOME_ID, KEY, NEW_KEY, Screen, add_homes, sunny
from .steps import INTEGRATION, SIZES

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.usefixtures("socket_enabled"),
]

CAR = "EV charger"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def simulator() -> AsyncIterator[FlatPeakSimulator]:
    """Run a FlatPeak with two homes."""
    enable_socket()
    async with FlatPeakSimulator() as flatpeak:
        add_homes(flatpeak, sunny())
        yield flatpeak


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    home: HomeAssistant, simulator: FlatPeakSimulator
) -> AsyncIterator[HomeAssistant]:
    """Set the home up, with a grid meter and a heat pump."""
    async with home.client() as ha:
        house = {
            entity["unique_id"]: entity["entity_id"]
            for entity in await entities(ha, HOUSE)
        }
        chosen = meters(house)
        chosen["device_meters"] = chosen["device_meters"][:1]
        api = {"account_id": ACCOUNT, "api_key": KEY, "url": simulator.url}
        place = {"location_id": HOME_ID}
        await ha.flow(DOMAIN, account(api), place, {**chosen, "export_meters": []})
        await until_loaded(ha)
    yield home


async def subentries(home: HomeAssistant) -> dict[str, str]:
    """Return the meters' titles, by id."""
    async with home.client() as ha:
        (entry,) = await ha("config_entries/get", domain=DOMAIN)
        listed = await ha("config_entries/subentries/list", entry_id=entry["entry_id"])
    return {one["subentry_id"]: one["title"] for one in listed}


async def devices(home: HomeAssistant) -> set[str]:
    """Return the names of the integration's devices."""
    async with home.client() as ha:
        await until_loaded(ha)
        listed = await ha("config/device_registry/list")
    return {
        device["name"]
        for device in listed
        if any(domain == DOMAIN for domain, _ in device["identifiers"])
    }


@pytest.mark.parametrize("size", SIZES)
async def test_walk(
    running: HomeAssistant, simulator: FlatPeakSimulator, size: str
) -> None:
    """A person adds a meter, replaces its sensor, changes options and the key."""
    width, height = SIZES[size]
    before = await devices(running)
    async with browser(running, width, height) as page:
        screen = Screen(page, f"upkeep-{size}-")
        await add(screen)
        assert await devices(running) == before | {CAR}
        await replace(screen)
        assert CAR in (await subentries(running)).values()
        await change_options(screen)
        await reconfigure(screen, size, simulator)
        await remove(screen)
        assert await devices(running) == before
        assert screen.complaints == []
    assert running.problems(DOMAIN) == []


async def add(screen: Screen) -> None:
    """Add what the Energy dashboard has, and the home has not."""
    await screen.go(INTEGRATION)
    await screen.show("01-integration")
    await screen.press("Add meter")
    await expect(screen.dialog).to_contain_text("New meter")
    # The grid's export comes first; the car charger is an appliance.
    await expect(screen.dialog).to_contain_text("House Grid export")
    await screen.show("02-new-meter")
    await screen.dialog.get_by_label("Sensor").click()
    await screen.show("03-sensors")
    await screen.page.get_by_text(f"{CAR} Energy", exact=True).last.click()
    await screen.dialog.get_by_role("radio", name="Into the home").click()
    await screen.dialog.get_by_role("radio", name="Appliance", exact=True).click()
    await screen.show("04-new-meter-chosen")
    await screen.press("Submit")
    await expect(screen.dialog).to_contain_text(f"How {CAR} Energy measures")
    await screen.show("05-details")
    await screen.press("Submit")
    await finish(screen)
    await screen.go(INTEGRATION)
    await expect(screen.main).to_contain_text(CAR)
    await screen.show("06-added")


async def replace(screen: Screen) -> None:
    """Read the new meter from another sensor."""
    row = screen.page.locator("ha-config-sub-entry-row", has_text=CAR)
    await row.get_by_label("Change meter").click()
    await expect(screen.dialog).to_contain_text(f"Change {CAR}")
    await screen.show("07-change-meter")
    await screen.dialog.get_by_label("Sensor").click()
    await screen.page.get_by_text("Washing machine Energy", exact=True).last.click()
    await screen.show("08-another-sensor")
    await screen.press("Submit")
    await expect(screen.dialog).to_contain_text("successful")
    await screen.show("09-changed")
    await close(screen)


async def change_options(screen: Screen) -> None:
    """Choose longer windows."""
    await screen.go(INTEGRATION)
    await screen.page.get_by_label("Configure", exact=True).first.click()
    await expect(screen.dialog).to_contain_text("Length of periods")
    await screen.show("10-options")
    await screen.dialog.get_by_role("radio", name="60 minutes").click()
    await screen.press("Submit")
    await finish(screen)


async def reconfigure(screen: Screen, size: str, simulator: FlatPeakSimulator) -> None:
    """Enter a wrong key, then another good one."""
    await screen.go(INTEGRATION)
    row = screen.page.locator("ha-config-entry-row")
    await row.get_by_label("Menu").first.click()
    await screen.page.get_by_role("menuitem").get_by_text("Reconfigure").click()
    await expect(screen.dialog).to_contain_text("Account of Home")
    await screen.show("11-reconfigure")
    await screen.enter(api_key="sk_live_wrong")
    await screen.press("Submit")
    await expect(screen.dialog.locator("ha-alert")).to_contain_text("does not accept")
    await screen.show("12-wrong-key")
    await screen.enter(api_key=NEW_KEY if size == "desk" else KEY)
    await screen.press("Submit")
    await expect(screen.dialog).to_contain_text("successful")
    await close(screen)


async def remove(screen: Screen) -> None:
    """Remove the meter again, by Home Assistant's own menu."""
    await screen.go(INTEGRATION)
    row = screen.page.locator("ha-config-sub-entry-row", has_text=CAR)
    await row.get_by_label("Menu").first.click()
    await screen.page.get_by_role("menuitem").get_by_text("Delete").click()
    await screen.show("13-delete")
    await screen.press("Delete")
    await expect(row).to_have_count(0)
    await screen.show("14-deleted")


async def finish(screen: Screen) -> None:
    """Close the dialog that says that all is done."""
    done = screen.page.get_by_role("button", name="finish").or_(
        screen.page.get_by_role("button", name="Close", exact=True)
    )
    await done.last.click()


async def close(screen: Screen) -> None:
    """Close a dialog that has come to its end."""
    await screen.dialog.get_by_text("Close", exact=True).last.click()
