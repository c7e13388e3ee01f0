"""Chromium with Home Assistant's frontend in it, logged in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
import json
import shutil

from playwright.async_api import (
    Page,
    TimeoutError as PlaywrightTimeoutError,
    async_playwright,
)

from .process import HomeAssistant, RigError

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Nothing outside this machine is asked.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
LAUNCHING = "ha-launch-screen, #ha-launch-screen, hass-loading-screen"


def chromium() -> str:
    """Return the path of the machine's Chromium.

    Raises:
        RigError: There is none.
    """
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise RigError("no Chromium: please install the package chromium")


@asynccontextmanager
async def browser(
    home: HomeAssistant,
    width: int = 1280,
    height: int = 900,
    *,
    login: bool = True,
    timezone: str | None = None,
) -> AsyncIterator[Page]:
    """Open a page with an empty profile; paths are relative to Home Assistant.

    The browser is in the machine's time zone unless it is told another.
    """
    tokens = {
        "hassUrl": home.url,
        "clientId": f"{home.url}/",
        "access_token": home.token,
        "refresh_token": "",
        "token_type": "Bearer",
        # A long-lived token: the frontend never has to refresh it.
        "expires_in": 10**9,
        "expires": 10**13,
    }
    value = json.dumps(json.dumps(tokens))
    async with async_playwright() as playwright:
        application = await playwright.chromium.launch(
            executable_path=chromium(), args=FLAGS
        )
        context = await application.new_context(
            base_url=home.url,
            viewport={"width": width, "height": height},
            service_workers="block",
            reduced_motion="reduce",
            locale="en-GB",
            timezone_id=timezone,
        )
        if login:
            await context.add_init_script(f"localStorage.hassTokens = {value}")
        context.set_default_timeout(20_000)
        try:
            yield await context.new_page()
        finally:
            await application.close()


async def quiet(page: Page, milliseconds: int = 500) -> None:
    """Wait until the frontend shows a panel and nothing is being loaded."""
    with suppress(PlaywrightTimeoutError):
        await page.wait_for_load_state("networkidle", timeout=10_000)
    with suppress(PlaywrightTimeoutError):
        await page.locator(LAUNCHING).first.wait_for(state="detached", timeout=10_000)
    await page.wait_for_timeout(milliseconds)
