"""What an earlier life sent for other windows is adopted by the time it covers."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from homeassistant.components.recorder.db_schema import (
    Statistics,
    StatisticsShortTerm,
)
from homeassistant.helpers.recorder import get_instance, session_scope
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from .home import ACCOUNT, Home
from .simulator import DEFAULT
from .test_adoption import keep

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
GRID = "sensor.grid_import"
HOUR, SLOT = timedelta(hours=1), timedelta(minutes=5)

pytestmark = pytest.mark.freeze_time(BEGIN)


@pytest.fixture(params=["same_period", "never"])
def location(home: Home, request: pytest.FixtureRequest) -> str:
    """Return a location where a second record replaces the first, or is added."""
    home.simulator.switches = DEFAULT.but({"overwrite": request.param})
    home.add_sensor(GRID)
    return home.simulator.add_location(ACCOUNT, tariff="dynamic")


def use(start: datetime) -> dict[str, float]:
    """Return what is used in a slot: much from 9 to 10, next to nothing else."""
    return {GRID: 0.5 if BEGIN + HOUR <= start < BEGIN + 2 * HOUR else 0.01}


def periods(home: Home) -> list[tuple[datetime, datetime]]:
    """Return the periods of all that FlatPeak has."""
    return sorted((one.draft.start, one.draft.end) for one in home.simulator.records)


def overlaps(home: Home) -> list[tuple[datetime, datetime]]:
    """Return what begins before an earlier record has ended."""
    return [two for one, two in pairwise(periods(home)) if two[0] < one[1]]


def forget_rows(home: Home, since: datetime) -> Callable[[], None]:
    """Return what takes the newest rows from the recorder."""

    def delete() -> None:
        with session_scope(hass=home.hass) as session:
            for table in (Statistics, StatisticsShortTerm):
                session.query(table).filter(
                    table.start_ts >= since.timestamp()
                ).delete()

    return delete


async def test_scenario_13_books_and_database_restored(
    home: Home, location: str
) -> None:
    """Only what FlatPeak lacks of the gap is spread, over the time that it lacks."""
    entry = home.add_entry(location, {GRID: ("import", "grid")}, window=15)
    await home.set_up(entry)
    await home.live(BEGIN + HOUR, use)
    restore = keep(home)
    await home.live(BEGIN + 2 * HOUR, use)
    before = {one.draft.start: one.draft.energy for one in home.simulator.records}
    await home.hass.config_entries.async_unload(entry.entry_id)
    for n in range(24, 30):
        await home.live_rows(BEGIN + n * SLOT, use(BEGIN + n * SLOT))
    await async_wait_recording_done(home.hass)
    await get_instance(home.hass).async_add_executor_job(
        forget_rows(home, BEGIN + HOUR)
    )
    restore()
    await home.set_up(entry)
    end = BEGIN + timedelta(hours=4)
    await home.live(end, use)
    (key,) = entry.runtime_data.meters
    assert not overlaps(home)
    after = {one.draft.start: one.draft.energy for one in home.simulator.records}
    assert {start: after[start] for start in before} == before
    gap = [wh for start, wh in after.items() if start.hour >= 10]
    assert sum(gap) == 240  # two hours of 10 Wh in 5 minutes
    assert max(gap) <= 31
    lived = sum(Decimal(str(use(BEGIN + SLOT * n)[GRID])) for n in range(1, 48))
    assert home.value("energy_today", key) == lived
    stored = home.simulator.stored_cost(location, BEGIN, end)
    assert home.value("cost_today", key) == stored
    assert home.value("pending_records", key) == 0


@pytest.mark.parametrize(("before", "after"), [(15, 30), (60, 15)])
async def test_scenario_16_scenario_29_added_again_with_another_window(
    home: Home, location: str, before: int, after: int
) -> None:
    """What the removed entry sent is adopted, whichever windows it had."""
    meters = {GRID: ("import", "grid")}
    entry = home.add_entry(location, meters, window=before)
    await home.set_up(entry)
    await home.live(BEGIN + 2 * HOUR, use)
    sent = periods(home)
    await home.hass.config_entries.async_remove(entry.entry_id)
    await home.hass.async_block_till_done()
    entry = home.add_entry(location, meters, window=after)
    await home.set_up(entry)
    end = BEGIN + 3 * HOUR
    await home.live(end, use)
    (key,) = entry.runtime_data.meters
    assert not overlaps(home)
    assert set(sent) < set(periods(home))
    lived = sum(Decimal(str(use(BEGIN + SLOT * n)[GRID])) for n in range(1, 36))
    assert home.value("energy_today", key) == lived
    stored = home.simulator.stored_cost(location, BEGIN, end)
    assert home.value("cost_today", key) == stored
