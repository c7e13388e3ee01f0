"""What several walks do: set a home up as a person does, see what comes of it."""

from contextlib import suppress
from typing import Any

from playwright.async_api import expect

from scripts.demo import WITHOUT_VALUE
from scripts.demo_setup import DOMAIN, values
from tests.rig.client import Client
from tests.rig.process import HomeAssistant, RigError

from .conftest import ACCOUNT, KEY, Screen

INTEGRATION = f"/config/integrations/integration/{DOMAIN}"
SIZES = {"desk": (1280, 900), "phone": (390, 844)}
RECORDER_RUN = "/api/events/recorder_5min_statistics_generated"
# Up to a minute passes between the recorder's run and the push.
PUSH_SECONDS = 120
# What flows now is only known after ten minutes of the recorder's own runs:
# `scripts/demo --check` waits for that.
RATE = "Cost rate"

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


async def enter_account(screen: Screen, url: str, key: str) -> None:
    """Fill the first form, with the address of the simulator."""
    await screen.enter(account_id=ACCOUNT, api_key=key)
    await screen.page.get_by_text("Advanced", exact=True).click()
    await screen.enter(base_url=url)


async def find(screen: Screen) -> None:
    """Find the integration in the list of all."""
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


async def set_up(screen: Screen, home: HomeAssistant, url: str) -> None:
    """Find the integration and go through every step, with a wrong key at first."""
    await find(screen)
    await enter_account(screen, url, "sk_live_wrong")
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

    await choose_meters(screen)
    await expect(screen.dialog.last).to_contain_text("Home is set up")
    await expect(screen.dialog.last).to_contain_text("The first costs appear within")
    await screen.show("10-welcome")
    await screen.press("Next")
    await expect(screen.dialog.last).to_contain_text("Fetch the past?")
    await screen.show("10-the-past")
    await screen.dialog.last.get_by_text("Not now").click()
    await screen.show("10-finish")
    await home.process.until("loaded", lambda: loaded(home), 30)
    await screen.go(INTEGRATION)
    await expect(screen.main).to_contain_text("Heat pump")
    await screen.show("11-integration")


async def choose_meters(screen: Screen) -> None:
    """Take the meters that are offered, and one appliance."""
    imports, exports, appliances = (
        screen.dialog.locator("ha-selector").nth(index) for index in range(3)
    )
    await expect(imports).to_contain_text("House Grid import")
    await expect(exports).to_contain_text("House Grid export")
    await screen.show("07-meters")
    await appliances.get_by_text("Add").click()
    await screen.show("08-appliances")
    await screen.choose("Heat pump Energy", search="heat pump")
    await expect(appliances).to_contain_text("Heat pump Energy")
    await screen.show("09-meters-chosen")
    await screen.press("Submit")
