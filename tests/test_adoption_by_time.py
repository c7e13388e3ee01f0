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
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.flatpeak.metering import Origin

from .home import ACCOUNT, Home, Usage
from .simulator import DEFAULT
from .test_adoption import files, keep

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
GRID, PUMP = "sensor.grid_import", "sensor.heat_pump"
METERS = {GRID: ("import", "grid")}
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


def use_pump(start: datetime) -> dict[str, float]:
    """Return what is used where a part of it is an appliance's."""
    return {**use(start), PUMP: 0.005}


def periods(home: Home, owner: str | None = None) -> list[tuple[datetime, datetime]]:
    """Return the periods of all that FlatPeak has, or of what one owner has."""
    drafts = [one.draft for one in home.simulator.records]
    return sorted((d.start, d.end) for d in drafts if owner in (None, d.owner))


def overlaps(home: Home, owner: str | None = None) -> list[tuple[datetime, datetime]]:
    """Return what begins before an earlier record has ended."""
    return [two for one, two in pairwise(periods(home, owner)) if two[0] < one[1]]


def forget_rows(home: Home, since: datetime) -> Callable[[], None]:
    """Return what takes the newest rows from the recorder."""

    def delete() -> None:
        with session_scope(hass=home.hass) as session:
            for table in (Statistics, StatisticsShortTerm):
                session.query(table).filter(
                    table.start_ts >= since.timestamp()
                ).delete()

    return delete


def lived(until: datetime) -> Decimal:
    """Return what was used; the slot before the first row is unknown."""
    slots = range(1, (until - BEGIN) // SLOT)
    return sum((Decimal(str(use(BEGIN + SLOT * n)[GRID])) for n in slots), Decimal(0))


async def add_again(
    home: Home,
    location: str,
    before: int,
    after: int,
    meters: dict[str, tuple[str, str]] = METERS,
    usage: Usage = use,
) -> MockConfigEntry:
    """Live two hours, then add the home anew with windows of another length."""
    entry = home.add_entry(location, meters, window=before)
    await home.set_up(entry)
    await home.live(BEGIN + 2 * HOUR, usage)
    await home.hass.config_entries.async_remove(entry.entry_id)
    await home.hass.async_block_till_done()
    entry = home.add_entry(location, meters, window=after)
    await home.set_up(entry)
    return entry


def assert_exact(home: Home, entry: MockConfigEntry, end: datetime) -> None:
    """Check that nothing is there twice, and that all is shown as it is there."""
    (key,) = entry.runtime_data.meters
    assert not overlaps(home)
    assert home.value("energy_today", key) == lived(end)
    stored = home.simulator.stored_cost(entry.data["location_id"], BEGIN, end)
    assert home.value("cost_today", key) == stored
    assert home.value("pending_records", key) == 0


async def come_back(home: Home, location: str) -> MockConfigEntry:
    """Live, be off for half an hour, and lose books and rows of the last hour."""
    entry = home.add_entry(location, METERS, window=15)
    await home.set_up(entry)
    await home.live(BEGIN + HOUR, use)
    restore = keep(home)
    await home.live(BEGIN + 2 * HOUR, use)
    await home.hass.config_entries.async_unload(entry.entry_id)
    for n in range(24, 30):
        await home.live_rows(BEGIN + n * SLOT, use(BEGIN + n * SLOT))
    await async_wait_recording_done(home.hass)
    await get_instance(home.hass).async_add_executor_job(
        forget_rows(home, BEGIN + HOUR)
    )
    restore()
    await home.set_up(entry)
    return entry


async def test_scenario_13_books_and_database_restored(
    home: Home, location: str
) -> None:
    """Only what FlatPeak lacks of the gap is spread, over the time that it lacks."""
    entry = await come_back(home, location)
    before = {one.draft.start: one.draft.energy for one in home.simulator.records}
    end = BEGIN + 4 * HOUR
    await home.live(end, use)
    assert_exact(home, entry, end)
    after = {one.draft.start: one.draft.energy for one in home.simulator.records}
    assert {start: after[start] for start in before} == before
    gap = [wh for start, wh in after.items() if start.hour >= 10]
    assert sum(gap) == 240  # two hours of 10 Wh in 5 minutes
    assert max(gap) <= 31


@pytest.mark.parametrize("is_sent", [True, False])
async def test_scenario_11_killed_between_book_and_journal(
    home: Home, location: str, *, is_sent: bool
) -> None:
    """What the book has is adopted once more, with what was sent of the rest."""
    entry = await come_back(home, location)
    await home.live(BEGIN + timedelta(hours=2, minutes=50), use)
    journals = {path: path.read_bytes() for path in files(home, ".journal")}
    adopted = BEGIN + HOUR
    (key,) = entry.runtime_data.meters
    assert journals
    assert entry.runtime_data.ledger.book.get(key, adopted).origin is Origin.QUOTE
    if not is_sent:
        home.simulator.fail("/costs/instant", times=None)
    await home.live(BEGIN + timedelta(hours=3, minutes=15), use)
    assert entry.runtime_data.ledger.book.get(key, adopted).origin is Origin.REPORT
    home.simulator.faults.clear()
    await home.hass.config_entries.async_unload(entry.entry_id)
    for path, data in journals.items():
        path.write_bytes(data)
    await home.set_up(entry)
    end = BEGIN + timedelta(hours=4, minutes=30)
    await home.live(end, use)
    assert_exact(home, entry, end)


@pytest.mark.parametrize(("before", "after"), [(15, 30), (60, 15)])
async def test_scenario_16_scenario_29_added_again_with_another_window(
    home: Home, location: str, before: int, after: int
) -> None:
    """What the removed entry sent is adopted, whichever windows it had."""
    entry = await add_again(home, location, before, after)
    sent = periods(home)
    end = BEGIN + 3 * HOUR
    await home.live(end, use)
    assert set(sent) < set(periods(home))
    assert_exact(home, entry, end)


@pytest.mark.parametrize(("before", "after"), [(15, 30), (60, 15)])
@pytest.mark.parametrize("straddling", ["starting", "overlapping", "contained"])
@pytest.mark.parametrize(
    "switch", [{"reference_ids": "omitted"}, {"unaggregated": "total"}]
)
async def test_scenario_29_records_without_names(
    home: Home,
    location: str,
    switch: dict[str, str],
    straddling: str,
    before: int,
    after: int,
) -> None:
    """What can be nobody else's is adopted, also where only its sum is told."""
    changes = {**switch, "straddling": straddling}
    home.simulator.switches = home.simulator.switches.but(changes)
    entry = await add_again(home, location, before, after)
    sent = periods(home)
    end = BEGIN + 4 * HOUR
    await home.live(end, use)
    assert set(sent) < set(periods(home))
    assert_exact(home, entry, end)


async def test_invariant_4_whose_records_they_are_nobody_can_tell(
    home: Home, location: str
) -> None:
    """Then nothing is sent in their time, and our energy is right all the same."""
    changes = {"reference_ids": "omitted", "location_report": "with_devices"}
    home.simulator.switches = home.simulator.switches.but(changes)
    home.add_sensor(PUMP)
    meters = {**METERS, PUMP: ("import", "device")}
    entry = await add_again(home, location, 60, 15, meters, use_pump)
    end = BEGIN + 4 * HOUR
    await home.live(end, use_pump)
    for key, state in entry.runtime_data.ledger.journal.meters.items():
        assert not overlaps(home, state.stream.owner)
        if state.source == GRID:
            assert home.value("energy_today", key) == lived(end)


async def test_invariant_5_no_price_yet(home: Home, location: str) -> None:
    """What is there without a price is neither sent nor booked until it has one."""
    entry = await add_again(home, location, 60, 15)
    there = home.simulator.ledger.locations[location]
    tariff, there.tariff = there.tariff, None
    sent = periods(home)
    await home.live(BEGIN + 3 * HOUR, use)
    (key,) = entry.runtime_data.meters
    assert periods(home) == sent
    assert home.state("cost_today", key).state == "unknown"
    there.tariff = tariff
    end = BEGIN + 5 * HOUR
    await home.live(end, use)
    assert set(sent) < set(periods(home))
    assert_exact(home, entry, end)
