"""A past that is stopped: nothing more goes out; a later fetch fills in the rest."""

from datetime import datetime, timedelta
from decimal import Decimal

from freezegun.api import FrozenDateTimeFactory
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.flatpeak import backfill, history
from custom_components.flatpeak.api import FlatPeakError
from custom_components.flatpeak.past_file import job_path

from .history import HOUR, coordinator, fetch, fetch_until, lines, used
from .home import Home
from .simulator import DEFAULT
from .statistics import assert_sums
from .test_backfill import (
    BATCH,
    BEGIN,
    GRID,
    LOST,
    METERS,
    MIDNIGHT,
    PUMP,
    START,
    asked,
    assert_once,
    assert_priced,
    begin,
    files,
    grid_of,
    live,
    new_home,
    past_of,
    recorded,
)

pytestmark = pytest.mark.freeze_time(BEGIN)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a past of eight days take several reports and uploads."""
    monkeypatch.setattr(history, "LONGEST_RANGE", timedelta(days=4))
    monkeypatch.setattr(backfill, "MAX_BATCH_RECORDS", 60)


@pytest.fixture
async def entry(home: Home) -> MockConfigEntry:
    """Return a home with a past."""
    return await new_home(home, {GRID: METERS[GRID], PUMP: METERS[PUMP]})


async def step(
    entry: MockConfigEntry, freezer: FrozenDateTimeFactory, times: int
) -> None:
    """Do some steps, each when its time has come."""
    for _ in range(times):
        wait = await coordinator(entry).backfill.async_step()
        assert wait is not None
        freezer.move_to(dt_util.utcnow() + wait)


async def assert_bars(home: Home, entry: MockConfigEntry) -> None:
    """Check that the hours of the past have a bar where the book has them, only."""
    await live(home, entry)
    for key, meter in coordinator(entry).meters.items():
        rows = (await recorded(home, entry))[f"{meter.source} energy"]
        assert_sums(rows)
        shown = {
            hour: round(state * 1_000_000)
            for hour, (state, _) in rows.items()
            if hour < MIDNIGHT
        }
        booked = {one.start: one.mwh for one in lines(entry, key, MIDNIGHT)}
        assert {hour: mwh for hour, mwh in shown.items() if mwh} == booked
        empty = shown.keys() - booked.keys()
        assert not empty & past_of(meter.source).keys()


@pytest.mark.parametrize("times", [0, 1, 2, 3, 4, 5, 6, 8, 11, 14, 17, 20, 23])
async def test_invariant_4_stopped_and_begun_again(
    home: Home, entry: MockConfigEntry, times: int
) -> None:
    """Wherever it is stopped, in the end all is as if it had not been.

    Home Assistant is restarted after the odd ones.
    """
    await begin(entry)
    await step(entry, home.freezer, times)
    sent = len(asked(home, BATCH))
    await coordinator(entry).async_stop_past()
    if times % 2:
        await home.hass.config_entries.async_reload(entry.entry_id)
        await live(home, entry)
    await fetch(entry, home.freezer)
    assert len(asked(home, BATCH)) == sent
    booked = [lines(entry, key, MIDNIGHT) for key in coordinator(entry).meters]
    assert coordinator(entry).backfill.percent == (100 if any(booked) else None)
    assert all(one.money is not None for found in booked for one in found)
    assert sum(map(len, booked)) == sum(len(one.body) for one in asked(home, BATCH))
    await assert_bars(home, entry)
    await begin(entry)
    await fetch(entry, home.freezer)
    assert_priced(home, entry)
    assert_once(home)
    await assert_bars(home, entry)
    assert coordinator(entry).backfill.percent == 100


async def test_nothing_was_sent(home: Home, entry: MockConfigEntry) -> None:
    """It is as if it had never begun, and the statistics do not wait for it."""
    coord = coordinator(entry)
    await begin(entry)
    await step(entry, home.freezer, 2)
    assert coord.hours.open_past
    await coord.async_stop_past()
    assert not coord.backfill.job.parts
    assert not coord.hours.open_past
    assert not coord.backfill.is_running
    assert coord.data.backfill_progress is None


@pytest.fixture
async def holey(home: Home, entry: MockConfigEntry) -> MockConfigEntry:
    """Return a home whose grid meter has the first of four uploads alone."""
    await begin(entry)
    grid = grid_of(entry)
    await fetch_until(entry, home.freezer, lambda: lines(entry, grid, MIDNIGHT))
    await coordinator(entry).async_stop_past()
    await fetch(entry, home.freezer)
    assert len(lines(entry, grid, MIDNIGHT)) == 60
    return entry


async def fetch_since(home: Home, entry: MockConfigEntry, start: datetime) -> None:
    """Fetch the past of the grid since a day."""
    assert await coordinator(entry).backfill.async_begin([grid_of(entry)], start)
    await fetch(entry, home.freezer)


async def test_a_later_first_day(home: Home, holey: MockConfigEntry) -> None:
    """Only what is asked for is fetched; what lies before can be fetched after that."""
    coord, grid = coordinator(holey), grid_of(holey)
    before = lines(holey, grid, MIDNIGHT)
    late = MIDNIGHT - timedelta(days=2)
    (preview,) = await coord.backfill.async_preview([grid], late)
    assert (preview.start, preview.end) == (late, MIDNIGHT)
    await fetch_since(home, holey, late)
    found = lines(holey, grid, MIDNIGHT)
    expected = {hour: mwh for hour, mwh in past_of(GRID).items() if hour >= late}
    assert {one.start: one.mwh for one in found[len(before) :]} == expected
    assert found[: len(before)] == before
    await assert_bars(home, holey)
    await home.hass.config_entries.async_reload(holey.entry_id)
    await fetch_since(home, holey, START - timedelta(days=1))
    assert {one.start: one.mwh for one in lines(holey, grid, MIDNIGHT)} == {
        **past_of(GRID),
        **{
            hour: mwh
            for n in range(1, 25)
            if (mwh := used(GRID, hour := START - n * HOUR))
        },
    }
    assert_once(home)


async def test_stopped_twice(home: Home, holey: MockConfigEntry) -> None:
    """What was left the first time is still there after the second time."""
    for steps in range(4):
        await begin(holey)
        await step(holey, home.freezer, steps)
        await coordinator(holey).async_stop_past()
        await fetch(holey, home.freezer)
        await assert_bars(home, holey)
    await begin(holey)
    await fetch(holey, home.freezer)
    assert_priced(home, holey)
    assert_once(home)


async def test_a_lost_book(home: Home, holey: MockConfigEntry) -> None:
    """What was left is not read a second time from the statistics."""
    await home.hass.config_entries.async_unload(holey.entry_id)
    for path in files(home):
        if ".book-" in path.name:
            path.unlink()
    await home.hass.config_entries.async_setup(holey.entry_id)
    await live(home, holey)
    await begin(holey)
    await fetch(holey, home.freezer)
    assert_priced(home, holey)
    assert_once(home)


async def test_a_hole_is_not_folded(home: Home, holey: MockConfigEntry) -> None:
    """The sum of a day would hide the hours that can still be fetched."""
    await live(home, holey, 30)
    assert not coordinator(holey).ledger.journal.outbox
    before = lines(holey, grid_of(holey), MIDNIGHT)
    later = dt_util.utcnow() + timedelta(days=60)
    await coordinator(holey).ledger.async_fold(later)
    assert lines(holey, grid_of(holey), MIDNIGHT) == before
    await begin(holey)
    await fetch(holey, home.freezer)
    await coordinator(holey).ledger.async_fold(later)
    assert len(lines(holey, grid_of(holey), MIDNIGHT)) == (MIDNIGHT - START).days


async def test_counted_since(home: Home, holey: MockConfigEntry) -> None:
    """What has a hole counts since the day after it."""
    await live(home, holey)
    grid = grid_of(holey)
    assert coordinator(holey).data.meters[grid].since == MIDNIGHT
    await begin(holey)
    await fetch(holey, home.freezer)
    await live(home, holey)
    assert coordinator(holey).data.meters[grid].since == START


@pytest.mark.parametrize("overwrite", ["same_period", "never"])
@pytest.mark.parametrize("trouble", LOST)
async def test_scenario_13_an_upload_without_an_answer(
    home: Home, trouble: str, overwrite: str
) -> None:
    """What may be there is looked for; what is not there does not go out again."""
    home.simulator.switches = DEFAULT.but({"overwrite": overwrite})
    entry = await new_home(home, {GRID: METERS[GRID]})
    coord = coordinator(entry)
    await begin(entry)
    home.simulator.fail(BATCH, **LOST[trouble])  # type: ignore[arg-type]
    await fetch_until(entry, home.freezer, lambda: asked(home, BATCH))
    await coord.async_stop_past()
    await through(home, entry)
    assert len(asked(home, BATCH)) == 1
    is_there = trouble != "before"
    assert len(lines(entry, grid_of(entry), MIDNIGHT)) == 60 * is_there
    await assert_bars(home, entry)
    await begin(entry)
    await fetch(entry, home.freezer)
    assert_priced(home, entry)
    assert_once(home)


async def through(home: Home, entry: MockConfigEntry) -> None:
    """Do all steps while life goes on, of which FlatPeak has records as well."""
    for _ in range(60):
        try:
            wait = await coordinator(entry).backfill.async_step()
        except FlatPeakError:
            wait = timedelta(minutes=1)
        if wait is None:
            return
        await live(home, entry, max(5, int(wait.total_seconds()) // 60))
    raise AssertionError("It does not end")


async def test_a_part_of_an_hour_is_there(home: Home) -> None:
    """The rest of an hour that FlatPeak has half of is as exact after a stop."""
    entry = await new_home(home, {GRID: METERS[GRID]})
    first, half = next(iter(past_of(GRID))), timedelta(minutes=30)
    home.simulator.add_record(
        entry.data["location_id"], first, first + half, 50, record_reference_id=None
    )
    await begin(entry)
    grid = grid_of(entry)
    await fetch_until(entry, home.freezer, lambda: lines(entry, grid, MIDNIGHT))
    assert not asked(home, BATCH)
    await coordinator(entry).async_stop_past()
    await fetch(entry, home.freezer)
    assert [one.mwh for one in lines(entry, grid, MIDNIGHT)] == [50_000]
    await begin(entry)
    await fetch(entry, home.freezer)
    found = lines(entry, grid, MIDNIGHT)
    assert found[1].start == first + half
    assert sum(one.mwh for one in found) == sum(past_of(GRID).values())
    stored = home.simulator.stored_cost(
        entry.data["location_id"], START, MIDNIGHT, "IMPORT"
    )
    assert sum(one.money or Decimal(0) for one in found) == stored
    assert_once(home)


async def test_stopped_after_a_crash_between_book_and_job(
    home: Home, entry: MockConfigEntry
) -> None:
    """An hour that was adopted is neither lost nor fetched again."""
    hour, mwh = next(iter(past_of(GRID).items()))
    place = entry.data["location_id"]
    home.simulator.add_record(place, hour, hour + HOUR, round(mwh / 1000))
    await begin(entry)
    path = job_path(home.hass, entry.entry_id)
    grid = grid_of(entry)
    while not lines(entry, grid, MIDNIGHT):
        before = path.read_bytes()
        await step(entry, home.freezer, 1)
    await home.hass.config_entries.async_unload(entry.entry_id)
    path.write_bytes(before)
    await home.hass.config_entries.async_setup(entry.entry_id)
    await coordinator(entry).async_stop_past()
    await fetch(entry, home.freezer)
    assert len(lines(entry, grid, MIDNIGHT)) == 1
    await assert_bars(home, entry)
    await begin(entry)
    await fetch(entry, home.freezer)
    assert_priced(home, entry)
    assert_once(home)


async def test_stopped_after_a_backup_was_restored(
    home: Home, entry: MockConfigEntry
) -> None:
    """What the files do not know to be sent is found when it is begun again."""
    await begin(entry)
    await fetch_until(
        entry, home.freezer, lambda: coordinator(entry).backfill.job.at_work[0].looked
    )
    backup = {path: path.read_bytes() for path in files(home)}
    await fetch(entry, home.freezer)
    await home.hass.config_entries.async_unload(entry.entry_id)
    for path in files(home):
        path.unlink()
    for path, data in backup.items():
        path.write_bytes(data)
    await home.hass.config_entries.async_setup(entry.entry_id)
    await coordinator(entry).async_stop_past()
    assert coordinator(entry).backfill.percent is None
    await begin(entry)
    await fetch(entry, home.freezer)
    assert_priced(home, entry)
    assert_once(home)
