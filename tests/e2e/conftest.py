"""A FlatPeak, a Home Assistant with the living house, and a browser for a module."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from playwright.async_api import (
    ConsoleMessage,
    Error as PlaywrightError,
    Locator,
    Page,
    expect,
)
import pytest
import pytest_asyncio
from pytest_socket import enable_socket

from scripts.demo import CHECK_ZONES
from scripts.demo_setup import HOUSE, energy_preferences, entities
from tests.rig.browser import browser, quiet
from tests.rig.process import ROOT, HomeAssistant
from tests.simulator import FaultKind, FlatPeakSimulator

ACCOUNT = "acc_example"
KEY, NEW_KEY = "sk_live_example", "sk_live_another"
HOME_ID, COTTAGE_ID = "loc_home", "loc_cottage"
SENT_BEFORE_KILL = 12
SCREENSHOTS = ROOT / "screenshots"
TOO_WIDE = Path(__file__).with_name("too_wide.js").read_text(encoding="utf-8")

# A busy machine is slow; nobody waits longer than it takes.
expect.set_options(timeout=20_000)


class Screen:
    """What a person sees and does; each picture is kept."""

    def __init__(self, page: Page, walk: str = "") -> None:
        """Listen to the page's complaints; pictures begin with the walk's name."""
        self.page = page
        self._walk = walk
        self.complaints: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    @property
    def dialog(self) -> Locator:
        """Return the dialog of a configuration flow."""
        return self.page.locator("dialog-data-entry-flow")

    @property
    def main(self) -> Locator:
        """Return what is beside the sidebar."""
        return self.page.locator("partial-panel-resolver")

    async def go(self, path: str) -> None:
        """Open a page of the frontend and wait until it is there.

        A dialog that closes takes its page somewhere else, at a moment of its own.
        """
        try:
            await self.page.goto(path)
        except PlaywrightError as error:
            if "ERR_ABORTED" not in error.message:
                raise
            await self.page.goto(path)
        await quiet(self.page)

    async def show(self, name: str) -> None:
        """Take a picture once all that moves has come to rest; all of it must fit."""
        await quiet(self.page)
        await self.page.screenshot(
            path=SCREENSHOTS / f"{self._walk}{name}.png", animations="disabled"
        )
        assert await self.page.evaluate(TOO_WIDE) == [], name

    async def press(self, name: str) -> None:
        """Press a button."""
        await self.page.get_by_role("button", name=name, exact=True).click()

    async def enter(self, **fields: str) -> None:
        """Fill the dialog's fields."""
        for name, text in fields.items():
            await self.dialog.locator(f"input[name={name}]").fill(text)

    async def choose(self, text: str, search: str = "") -> None:
        """Choose from the list that is open."""
        if search:
            await self.page.locator("ha-picker-combo-box input").fill(search)
        await self.page.get_by_role("option").get_by_text(text).click()

    def _note(self, message: ConsoleMessage) -> None:
        """Keep the console's errors."""
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location.get('url')})")


def sunny() -> str:
    """Return a time zone in which it is late morning.

    The house has sold today, and its windows since midnight still go out one by one.
    """
    now = datetime.now(UTC)
    return min(
        CHECK_ZONES, key=lambda zone: abs(now.astimezone(ZoneInfo(zone)).hour - 11)
    )


def add_homes(flatpeak: FlatPeakSimulator, zone: str) -> None:
    """Add an account with two homes."""
    for key in (KEY, NEW_KEY):
        flatpeak.add_account(ACCOUNT, key)
    for location_id, name in ((HOME_ID, "Home"), (COTTAGE_ID, "Cottage")):
        flatpeak.add_location(
            ACCOUNT,
            location_id=location_id,
            reference_id=name,
            timezone=zone,
            tariff="dynamic",
        )


@pytest.fixture(autouse=True)
def verify_cleanup() -> None:
    """Leave what outlives a test here: processes, and the thread that waits for one."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def simulator() -> AsyncIterator[FlatPeakSimulator]:
    """Run a FlatPeak with two homes, in a sunny time zone."""
    enable_socket()
    async with FlatPeakSimulator() as flatpeak:
        add_homes(flatpeak, sunny())
        # The kill comes while a record is stored and not yet confirmed.
        flatpeak.fail(
            "/costs/instant",
            kind=FaultKind.DELAY,
            skip=SENT_BEFORE_KILL,
            delay=25,
            stored=True,
        )
        yield flatpeak


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(
    simulator: FlatPeakSimulator, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[HomeAssistant]:
    """Run a Home Assistant with the house and its Energy dashboard."""
    zone = simulator.ledger.locations[HOME_ID].timezone
    SCREENSHOTS.mkdir(exist_ok=True)
    async with HomeAssistant(
        folder=Path(tmp_path_factory.mktemp("home")),
        components=[ROOT / "custom_components/flatpeak", ROOT / "scripts/demo_house"],
        core={"time_zone": zone},
        yaml=f"{HOUSE}:\n",
    ) as running:
        async with running.client() as ha:
            await ha(
                "energy/save_prefs",
                **energy_preferences(
                    {
                        entity["unique_id"]: entity["entity_id"]
                        for entity in await entities(ha, HOUSE)
                    }
                ),
            )
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def screen(
    home: HomeAssistant, request: pytest.FixtureRequest, socket_enabled: None
) -> AsyncIterator[Screen]:
    """Open a browser in which nothing complains."""
    async with browser(home) as page:
        looking = Screen(page)
        yield looking
        await looking.show(f"end-of-{request.node.name}")
    assert looking.complaints == []
