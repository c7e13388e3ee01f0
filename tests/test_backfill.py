"""The past of meters: fetched once, priced, and never sent twice."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.flatpeak.metering import Origin

from .history import HOUR, add_past, coordinator, fetch, lines, used
from .home import ACCOUNT, Home

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
MIDNIGHT = BEGIN.replace(hour=0)
START = datetime(2026, 10, 1, tzinfo=UTC) - HOUR  # in London
SINCE = START - timedelta(days=10)
GRID, SOLD, PUMP = "sensor.grid_import", "sensor.grid_export", "sensor.heat_pump"
METERS = {
    GRID: ("import", "grid"),
    SOLD: ("export", "grid"),
    PUMP: ("import", "device"),
}
BATCH, REPORT = "/meters/interval", "/costs/interval/{id}"

pytestmark = pytest.mark.freeze_time(BEGIN)


@pytest.fixture
async def entry(home: Home) -> MockConfigEntry:
    """Return a home with six weeks of past, and five minutes of life."""
    assert await async_setup_component(home.hass, "sensor", {})
    location = home.simulator.add_location(ACCOUNT, tariff="dynamic")
    await add_past(home, METERS, SINCE, MIDNIGHT)
    entry = home.add_entry(location, METERS)
    await home.set_up(entry)
    await home.live(BEGIN + timedelta(minutes=5), lambda _: dict.fromkeys(METERS, 0.1))
    return entry


def count(home: Home, template: str, since: int = 0) -> int:
    """Return how many requests went to an endpoint."""
    return sum(one.template == template for one in home.simulator.requests[since:])


async def test_a_past_is_fetched_with_few_requests(
    home: Home, entry: MockConfigEntry
) -> None:
    """One upload for a meter; one report before and one after for 90 days."""
    coord = coordinator(entry)
    before = len(home.simulator.requests)
    assert await coord.backfill.async_begin(coord.meters)
    await fetch(entry, home.freezer)
    assert count(home, BATCH, before) == 3
    for key, meter in coord.meters.items():
        found = lines(entry, key, MIDNIGHT)
        hours = [START + HOUR * n for n in range((MIDNIGHT - START) // HOUR)]
        expected = {h: used(meter.source, h) for h in hours if used(meter.source, h)}
        assert {one.start: one.mwh for one in found} == expected
        assert {one.origin for one in found} == {Origin.REPORT}
        stream = coord.ledger.journal.meters[key].stream
        stored = home.simulator.stored_cost(
            stream.owner, START, MIDNIGHT, stream.tariff_direction
        )
        assert sum((one.money or Decimal(0)) for one in found) == stored
    assert coord.backfill.percent == 100
    # The device was made in this life; on the location others may have recorded.
    assert count(home, REPORT, before) == 2 + 3
