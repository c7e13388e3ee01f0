"""The rig itself: Home Assistant starts with the living house in it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from pytest_socket import enable_socket

from scripts.demo_house.house import House
from tests.rig.browser import browser, quiet
from tests.rig.client import Client
from tests.rig.process import ROOT, HomeAssistant

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("socket_enabled"),
]

ZONE = "Europe/London"
METER = "sensor.house_grid_import"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[HomeAssistant]:
    """Run a Home Assistant with the house alone."""
    enable_socket()
    async with HomeAssistant(
        folder=Path(tmp_path_factory.mktemp("rig")),
        components=[ROOT / "scripts/demo_house"],
        core={"time_zone": ZONE},
        yaml="demo_house:\n",
    ) as running:
        yield running


async def past(ha: Client, period: str) -> list[dict[str, float]]:
    """Return the import meter's statistics of ten days."""
    start = datetime.now(UTC) - timedelta(days=10, hours=1)
    found = await ha(
        "recorder/statistics_during_period",
        start_time=start.isoformat(),
        statistic_ids=[METER],
        period=period,
        types=["state", "sum", "change"],
    )
    rows: list[dict[str, float]] = found.get(METER, [])
    return rows


async def test_the_house_lives(home: HomeAssistant) -> None:
    """Its sensors show the curves of now, after statistics of ten days."""
    async with home.client() as ha:
        states = {state["entity_id"]: state for state in await ha("get_states")}
        for _ in range(300):  # The recorder takes the past from a queue.
            if slots := await past(ha, "5minute"):
                break
            await asyncio.sleep(0.1)
        hours = await past(ha, "hour")
    house = House(ZoneInfo(ZONE))
    shown = float(states[METER]["state"])
    assert shown * 1000 == pytest.approx(
        house.energy(datetime.now(UTC))["grid_import"], abs=300
    )
    assert states["sensor.heat_pump_power"]["attributes"]["unit_of_measurement"] == "W"

    assert len(hours) == 240
    assert all(0 < row["change"] < 12 for row in hours if row["change"])
    # The sums of both kinds go on from the same zero.
    assert slots[-1]["sum"] - hours[-1]["sum"] == pytest.approx(
        slots[-1]["state"] - hours[-1]["state"]
    )
    assert home.problems() == []


async def test_a_person_sees_it(home: HomeAssistant, tmp_path: Path) -> None:
    """The frontend shows the house's device, also after a restart."""
    await home.stop()
    await home.start()
    async with browser(home) as page:
        await page.goto("/config/devices/dashboard")
        await quiet(page)
        await page.screenshot(path=tmp_path / "devices.png")
        assert await page.get_by_text("House", exact=True).first.is_visible()
