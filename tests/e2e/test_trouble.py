"""Trouble at FlatPeak, as a person meets it in Repairs, at a desk and on a phone.

The tests follow each other. The home is set up on a phone, and what it sells has no
tariff yet.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import re

from playwright.async_api import expect
import pytest
import pytest_asyncio
from pytest_socket import enable_socket

from scripts.demo_setup import DOMAIN
from tests.rig.browser import browser
from tests.rig.process import HomeAssistant
from tests.simulator import FlatPeakSimulator

from .conftest import ACCOUNT, HOME_ID, KEY, NEW_KEY, Screen, add_homes, sunny
from .steps import (
    INTEGRATION,
    PUSH_SECONDS,
    RATE,
    SIZES,
    devices,
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

REPAIRS = "/config/repairs"
EXPIRED = "Authentication expired for Home"
REFUSED = "Authentication failed while fetching flatpeak data"
NO_TARIFF = "Home: no tariff is connected for House Grid export"
EARNED = "sensor.house_grid_export_cost_today"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def simulator() -> AsyncIterator[FlatPeakSimulator]:
    """Run a FlatPeak with two homes, one of which has no tariff for what it sells."""
    enable_socket()
    async with FlatPeakSimulator() as flatpeak:
        add_homes(flatpeak, sunny())
        flatpeak.set_problem(HOME_ID, "EXPORT", "no_tariff_connected")
        yield flatpeak


@asynccontextmanager
async def looking(home: HomeAssistant, walk: str, size: str) -> AsyncIterator[Screen]:
    """Open a browser of a size, in which nothing complains."""
    async with browser(home, *SIZES[size]) as page:
        screen = Screen(page, f"{walk}-{size}-")
        yield screen
        assert screen.complaints == []


async def repairs(home: HomeAssistant) -> list[str]:
    """Return which repairs wait."""
    async with home.client() as ha:
        listed = await ha("repairs/list_issues")
    return [issue["translation_key"] for issue in listed["issues"]]


async def until_in_repairs(home: HomeAssistant, repair: str, *, there: bool) -> None:
    """Wait until a repair is there, or until it is gone."""

    async def check() -> bool:
        return (repair in await repairs(home)) is there

    await home.process.until(f"{repair}: {there}", check, PUSH_SECONDS)


async def reload(home: HomeAssistant) -> None:
    """Begin anew, so that nothing waits for an hour to ask FlatPeak."""
    async with home.client() as ha:
        (entry,) = await ha("config_entries/get", domain=DOMAIN)
        path = f"/api/config/config_entries/entry/{entry['entry_id']}/reload"
        await ha.rest("POST", path)


async def test_set_up_on_a_phone(
    home: HomeAssistant, simulator: FlatPeakSimulator
) -> None:
    """A person with a phone goes through every step."""
    async with looking(home, "set-up", "phone") as screen:
        await set_up(screen, home, simulator.url)
    assert home.problems(DOMAIN) == []


async def test_a_tariff_that_is_not_connected(
    home: HomeAssistant, simulator: FlatPeakSimulator
) -> None:
    """Repairs say what to do, and say no more once it is done."""
    await until_in_repairs(home, "no_tariff", there=True)
    for size in SIZES:
        async with looking(home, "tariff", size) as screen:
            await read_about_tariff(screen)
    simulator.set_problem(HOME_ID, "EXPORT", None)
    await reload(home)
    await push(home)
    await until_in_repairs(home, "no_tariff", there=False)
    for size in SIZES:
        async with looking(home, "tariff", size) as screen:
            await screen.go(REPAIRS)
            await expect(screen.main).to_contain_text("repairs")
            await expect(screen.main).not_to_contain_text(NO_TARIFF)
            await screen.show("3-repaired")
            await until_valued(home, RATE, seconds=PUSH_SECONDS)
            await look_at_export(home, screen, "4-earned")
    assert float((await states(home))[EARNED]) > 0
    assert home.problems(DOMAIN) == []


async def read_about_tariff(screen: Screen) -> None:
    """Open the repair: it says what to do, and where to read more."""
    await screen.go(REPAIRS)
    await expect(screen.main).to_contain_text(NO_TARIFF)
    await screen.show("1-repairs")
    await screen.main.get_by_text(NO_TARIFF).click()
    repair = screen.page.locator("dialog-repairs-issue")
    await expect(repair).to_contain_text("connect the tariff that is missing")
    more = repair.get_by_role("link", name="Learn more")
    await expect(more).to_have_attribute(
        "href", re.compile(r"/docs/repairs\.md#no_tariff$")
    )
    await screen.show("2-repair")


async def look_at_export(home: HomeAssistant, screen: Screen, name: str) -> None:
    """Look at the meter of what is sold."""
    async with home.client() as ha:
        pages = await devices(ha)
    await screen.go(pages["House Grid export"])
    await expect(screen.main).to_contain_text("Cost today")
    await screen.show(name)


@pytest.mark.parametrize("size", SIZES)
async def test_a_key_that_ends(
    home: HomeAssistant, simulator: FlatPeakSimulator, size: str
) -> None:
    """Repairs ask for a new key, and take a good one; the figures are kept."""
    old, new = (KEY, NEW_KEY) if size == "desk" else (NEW_KEY, KEY)
    before = await states(home)
    simulator.remove_key(old)
    simulator.add_account(ACCOUNT, new)
    async with looking(home, "key", size) as screen:
        await notice(screen)
        await sign_in_again(screen, new)
        await screen.go(REPAIRS)
        await expect(screen.main).to_contain_text("repairs")
        await expect(screen.main).not_to_contain_text(EXPIRED)
        await screen.show("6-repaired")
        await home.process.until("loaded", lambda: loaded(home), 30)
        await screen.go(INTEGRATION)
        await expect(screen.main).to_contain_text("House Grid export")
        await expect(screen.main).not_to_contain_text("Attention required")
        await screen.show("7-healthy")
    assert simulator.requests[-1].status == 200
    await until_valued(home, RATE)
    assert float((await states(home))[EARNED]) >= float(before[EARNED])
    assert [text for text in home.problems(DOMAIN) if REFUSED not in text] == []


async def notice(screen: Screen) -> None:
    """Start the home again: FlatPeak refuses its key."""
    await screen.go(INTEGRATION)
    row = screen.page.locator("ha-config-entry-row")
    await row.get_by_label("Menu").first.click()
    await row.get_by_text("Reload", exact=True).click()
    await expect(screen.main).to_contain_text("Attention required")
    await screen.show("1-attention")


async def sign_in_again(screen: Screen, key: str) -> None:
    """Follow the repair, with a wrong key at first."""
    await screen.go(REPAIRS)
    await expect(screen.main).to_contain_text(EXPIRED)
    await screen.show("2-repairs")
    await screen.main.get_by_text(EXPIRED).click()
    await expect(screen.dialog).to_contain_text("New API key for Home")
    await screen.show("3-new-key")
    await screen.enter(api_key="sk_live_wrong")
    await screen.press("Submit")
    await expect(screen.dialog.locator("ha-alert")).to_contain_text(
        "does not accept this account ID with this API key"
    )
    await screen.show("4-wrong-key")
    await screen.enter(api_key=key)
    await screen.press("Submit")
    await expect(screen.dialog).to_contain_text("Re-authentication was successful")
    await screen.show("5-new-key-taken")
    await screen.dialog.get_by_text("Close", exact=True).last.click()
