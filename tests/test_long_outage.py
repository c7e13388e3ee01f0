"""Nobody looks for so long that the recorder's details are gone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from homeassistant.components.recorder.db_schema import StatisticsShortTerm
from homeassistant.helpers.recorder import get_instance, session_scope
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_purge_done,
)
from sqlalchemy import delete

from .crash.audit import audit
from .crash.files import books_of
from .home import ACCOUNT, KEY, POWER, SLOT, Home
from .lifetime import GRID, METERS, Life
from .lives import alive
from .simulator import FlatPeakSimulator

MORNING = datetime(2026, 11, 11, 8, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
PUMP = "sensor.heat_pump"


def use(start: datetime) -> dict[str, float]:
    """Return what is used in a slot: uneven, and a whole number of Wh."""
    return {GRID: (20 + int(start.timestamp()) // 300 * 7 % 60) / 1000}


def truth(start: datetime, end: datetime) -> int:
    """Return what flowed (mWh) between two instants."""
    slots = (end - start) // SLOT
    return sum(round(use(start + n * SLOT)[GRID] * 1_000_000) for n in range(slots))


@pytest.mark.freeze_time(MORNING)
async def test_scenario_26_hours_where_the_details_are_purged(home: Home) -> None:
    """Each hour keeps its energy, split by time: an estimate. What is fine is exact."""
    location = home.simulator.add_location(ACCOUNT, tariff="dynamic")
    home.add_sensor(GRID)
    entry = home.add_entry(location, {GRID: METERS[GRID]}, window=15)
    await home.set_up(entry)
    gone, back = MORNING + HOUR, MORNING + 5 * HOUR
    await home.live(gone, use)
    await home.hass.config_entries.async_unload(entry.entry_id)
    await home.live(back, use)
    await home.hass.services.async_call(
        "recorder", "purge", {"keep_days": 0}, blocking=True
    )
    await async_wait_purge_done(home.hass)
    await home.live(back + HOUR / 2, use)
    await home.set_up(entry)
    end = back + HOUR
    await home.live(end, use)

    (key,) = entry.runtime_data.meters
    lines = entry.runtime_data.ledger.book.between(key, MORNING, end)
    # The first slot begins before the first row.
    assert [line.start for line in lines] == [
        MORNING + SLOT,
        *(MORNING + n * QUARTER for n in range(1, (end - MORNING) // QUARTER)),
    ]
    for line in lines:
        assert line.estimated == (gone <= line.start < back)
        hour = line.start.replace(minute=0)
        assert line.mwh == (
            truth(hour, hour + HOUR) // 4
            if line.estimated
            else truth(line.start, line.end)
        )
    assert home.value("energy_today", key) * 1_000_000 == truth(MORNING + SLOT, end)
    assert home.value("cost_today", key) == home.simulator.stored_cost(
        location, MORNING, end
    )
    assert home.value("pending_records", key) == 0


@pytest.mark.freeze_time(MORNING)
async def test_scenario_26_power_where_half_an_hour_is_purged(home: Home) -> None:
    """The row of that hour has what its details have no more: an estimate as well."""

    def run(start: datetime) -> dict[str, float]:
        watts = 1200 if start.minute < 30 else 600
        home.hass.states.async_set(PUMP, str(watts), POWER)
        return {}

    run(MORNING)
    location = home.simulator.add_location(ACCOUNT, tariff="dynamic")
    entry = home.add_entry(location, {PUMP: ("import", "device")}, window=30)
    await home.set_up(entry)
    gone, back = MORNING + HOUR, MORNING + 4 * HOUR
    await home.live(gone, run)
    await home.hass.config_entries.async_unload(entry.entry_id)
    await home.live(back, run)
    await let_forget(home, gone + 3 * HOUR / 2)
    await home.set_up(entry)
    await home.live(back + HOUR / 2, run)

    (key,) = entry.runtime_data.meters
    lines = entry.runtime_data.ledger.book.between(key, gone, back)
    assert [line.start for line in lines] == [gone + n * HOUR / 2 for n in range(6)]
    assert [line.estimated for line in lines] == [True] * 3 + [False] * 3
    # A slot in which the power changes has a bit of both.
    wh = [line.mwh / 1000 for line in lines]
    assert wh == pytest.approx([450, 450, 450, 300, 600, 300], rel=0.1)


async def let_forget(home: Home, before: datetime) -> None:
    """Let the recorder have no details of the time before an instant."""

    def purge() -> None:
        old = StatisticsShortTerm.start_ts < before.timestamp()
        with session_scope(hass=home.hass) as session:
            session.execute(delete(StatisticsShortTerm).where(old))

    await get_instance(home.hass).async_add_executor_job(purge)


@pytest.mark.usefixtures("lives_allowed")
async def test_scenario_26_off_for_longer_than_details_are_kept(
    tmp_path: Path,
) -> None:
    """The register tells what the time away had, in any hour the same."""
    begin = datetime(2026, 11, 8, 23, 35, tzinfo=UTC)
    async with FlatPeakSimulator() as simulator:
        simulator.now = begin
        simulator.add_account(ACCOUNT, KEY)
        location = simulator.add_location(
            ACCOUNT, tariff="daynight", timezone="Europe/London", currency="GBP"
        )
        life = Life(
            folder=str(tmp_path),
            url=simulator.url,
            location=location,
            zone="Europe/London",
            begin=begin,
            now=begin,
            window=60,
            keep_days=1,
        )
        gone = begin.replace(minute=0) + 3 * HOUR
        back = gone + timedelta(days=life.keep_days, hours=7)
        async with alive(life, simulator) as child:
            await child.live(gone)
            await child.stop()
        async with alive(replace(life, now=back), simulator) as child:
            await child.live(back + 2 * HOUR)
            await child.stop()
        found = audit(simulator, life, back.replace(hour=0))
        assert not found.wrong
        journal, book = books_of(life)
        for key in journal.meters:
            lines = book.between(key, gone, back)
            assert len(lines) == (back - gone) // HOUR
            assert all(line.estimated for line in lines)
            assert max(one.mwh for one in lines) - min(one.mwh for one in lines) <= 1
