"""The past of meters: fetched once, priced, and never sent twice."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
import threading

from homeassistant.config_entries import ConfigSubentry
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.flatpeak import history
from custom_components.flatpeak.api import FlatPeakError
from custom_components.flatpeak.backfill import MINUTE, SPACING
from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.metering import DaySums, Origin, PricedWindow
from custom_components.flatpeak.past_file import job_path

from .desk import shortest_gap
from .history import (
    HOUR,
    add_past,
    coordinator,
    fetch,
    fetch_until,
    import_past,
    lines,
    used,
)
from .home import ACCOUNT, Home
from .simulator import DEFAULT, VARIANTS
from .simulator.core import LoggedRequest
from .simulator.faults import FaultKind
from .statistics import Recorded, Rows, assert_sums

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
MIDNIGHT = BEGIN.replace(hour=0)
START = MIDNIGHT - timedelta(days=8)
SINCE = START - timedelta(days=2)
GRID, SOLD, PUMP = "sensor.grid_import", "sensor.grid_export", "sensor.heat_pump"
METERS = {
    GRID: ("import", "grid"),
    SOLD: ("export", "grid"),
    PUMP: ("import", "device"),
}
BATCH, FOLLOW, REPORT = "/meters/interval", "/meters/batch", "/costs/interval/{id}"
# What a report, a batch and their records may be like.
SWITCHES = {"batch_delay", "lag", "visibility", "reference_ids", "overwrite", "order"}
SWITCHES |= {"execution", "empty_buckets", "location_report", "export_sign"}
SWITCHES |= {"straddling", "cost_rounding", "bucket_zone"}
FLATPEAKS = {
    name: switches
    for name, switches in VARIANTS.items()
    if name.partition("=")[0] in SWITCHES
} | {
    "worst": DEFAULT.but({"overwrite": "never", "visibility": "out_of_order"}),
    "blind": DEFAULT.but(
        {"reference_ids": "omitted", "location_report": "with_devices"}
    ),
}
LOST = {
    "before": {"kind": FaultKind.DROP, "stored": False},
    "after": {"kind": FaultKind.DROP, "stored": True},
    "error": {"status": 500, "stored": True},
    "garbage": {"kind": FaultKind.GARBAGE, "stored": True},
}

pytestmark = pytest.mark.freeze_time(BEGIN)


async def new_home(
    home: Home, meters: Mapping[str, tuple[str, str]] = METERS, **location: str
) -> MockConfigEntry:
    """Return a home with ten days of past, and five minutes of life."""
    assert await async_setup_component(home.hass, "sensor", {})
    place = home.simulator.add_location(
        ACCOUNT, **{"tariff": "dynamic", "timezone": "UTC", **location}
    )
    await add_past(home, meters, SINCE, MIDNIGHT)
    entry = home.add_entry(place, meters)
    await home.set_up(entry)
    await live(home, entry)
    return entry


async def live(home: Home, entry: MockConfigEntry, minutes: int = 5) -> None:
    """Let the meters go on for a while."""
    meters = [each.source for each in coordinator(entry).meters.values()]
    now = dt_util.utcnow()
    await home.live(
        now + timedelta(minutes=minutes), lambda _: dict.fromkeys(meters, 0.1)
    )


@pytest.fixture
async def entry(home: Home) -> MockConfigEntry:
    """Return a home with a past."""
    return await new_home(home)


def asked(home: Home, template: str, since: int = 0) -> list[LoggedRequest]:
    """Return the requests that went to an endpoint."""
    return [one for one in home.simulator.requests[since:] if one.template == template]


def past_of(source: str) -> dict[datetime, int]:
    """Return what a source used, by the hour."""
    hours = [START + HOUR * n for n in range((MIDNIGHT - START) // HOUR)]
    return {hour: mwh for hour in hours if (mwh := used(source, hour))}


def assert_once(home: Home) -> None:
    """Check that FlatPeak was given each record once."""
    keys = [
        (one.draft.owner, one.draft.tariff_direction, one.draft.start)
        for one in home.simulator.ledger.submissions
    ]
    assert len(set(keys)) == len(keys)


def assert_priced(home: Home, entry: MockConfigEntry) -> None:
    """Check that the book has each hour once, at what FlatPeak says it cost."""
    coord = coordinator(entry)
    for key, meter in coord.meters.items():
        found = lines(entry, key, MIDNIGHT)
        assert {one.start: one.mwh for one in found} == past_of(meter.source)
        assert {one.origin for one in found} == {Origin.REPORT}
        stream = coord.ledger.journal.meters[key].stream
        home.simulator.switches = home.simulator.switches.but(
            {"location_report": "own", "straddling": "starting"}
        )
        stored = home.simulator.stored_cost(
            stream.owner, START, MIDNIGHT, stream.tariff_direction
        )
        assert sum((one.money or Decimal(0)) for one in found) == stored


def files(home: Home) -> list[Path]:
    """Return what is left on disk."""
    return list(Path(home.hass.config.path(".storage")).glob(f"{DOMAIN}.*"))


async def begin(entry: MockConfigEntry) -> None:
    """Ask for the past of all meters."""
    coord = coordinator(entry)
    assert await coord.backfill.async_begin(coord.meters, START)


async def test_few_requests(home: Home, entry: MockConfigEntry) -> None:
    """One upload for a meter, one report for the costs of 90 days."""
    before = len(home.simulator.requests)
    await begin(entry)
    await fetch(entry, home.freezer)
    assert len(asked(home, BATCH, before)) == 3
    # The device was made in this life; on the location others may have recorded.
    assert len(asked(home, REPORT, before)) == 3 + 2
    assert_priced(home, entry)
    assert_once(home)
    assert coordinator(entry).backfill.percent == 100


async def long_past(home: Home, since: datetime) -> MockConfigEntry:
    """Return a home with one appliance, whose hours the recorder has since then."""
    assert await async_setup_component(home.hass, "sensor", {})
    place = home.simulator.add_location(ACCOUNT, timezone="UTC")
    await add_past(home, [PUMP], since - HOUR, MIDNIGHT)
    entry = home.add_entry(place, {PUMP: METERS[PUMP]})
    await home.set_up(entry)
    await live(home, entry)
    return entry


async def test_a_smaller_year(home: Home) -> None:
    """Reports are of 90 days at most, whatever there is in between."""
    long_ago = MIDNIGHT - timedelta(days=365)
    entry = await long_past(home, long_ago)
    before = len(home.simulator.requests)
    coord = coordinator(entry)
    await coord.backfill.async_begin(coord.meters, long_ago)
    await fetch(entry, home.freezer)
    (upload,) = asked(home, BATCH, before)
    assert len(upload.body) == 365 * 23
    assert len(asked(home, REPORT, before)) == 5
    assert len(lines(entry, next(iter(coord.meters)), MIDNIGHT)) == 365 * 23


async def test_at_most_ten_thousand_records_in_an_upload(home: Home) -> None:
    """What is more goes out in a second one, and nothing of it twice."""
    long_ago = MIDNIGHT - timedelta(days=440)
    entry = await long_past(home, long_ago)
    coord = coordinator(entry)
    (key,) = coord.meters
    (preview,) = await coord.backfill.async_preview([key], long_ago)
    await coord.backfill.async_begin([key], long_ago)
    await fetch(entry, home.freezer)
    uploads = [len(upload.body) for upload in asked(home, BATCH)]
    assert uploads == [10_000, 440 * 23 - 10_000]
    assert preview.records == sum(uploads)
    found = lines(entry, key, MIDNIGHT)
    assert len(found) == sum(uploads)
    assert all(one.money is not None for one in found)
    assert_once(home)


async def recorded(home: Home, entry: MockConfigEntry) -> dict[str, Rows]:
    """Return all rows of cost and energy."""
    found = Recorded(home, entry.data["location_id"])
    return {
        f"{source} {kind}": await found.rows(source, kind)
        for source in METERS
        for kind in ("cost", "energy")
    }


async def test_run_twice_changes_no_row_and_sends_nothing(
    home: Home, entry: MockConfigEntry
) -> None:
    """What is there is not fetched again, and its hours stay."""
    await begin(entry)
    await fetch(entry, home.freezer)
    rows = await recorded(home, entry)
    for source in METERS:
        energy = rows[f"{source} energy"]
        assert_sums(energy)
        assert {
            hour: round(state * 1_000_000)
            for hour, (state, _) in energy.items()
            if state and hour < MIDNIGHT
        } == past_of(source)
        assert_sums(rows[f"{source} cost"])
    requests = len(home.simulator.requests)
    books = [lines(entry, key, BEGIN) for key in coordinator(entry).meters]
    await begin(entry)
    await fetch(entry, home.freezer)
    assert await recorded(home, entry) == rows
    assert [lines(entry, key, BEGIN) for key in coordinator(entry).meters] == books
    assert len(home.simulator.requests) == requests


@pytest.mark.parametrize("name", FLATPEAKS)
async def test_every_flatpeak(home: Home, name: str) -> None:
    """The figures are right whatever the documentation leaves open."""
    home.simulator.switches = FLATPEAKS[name]
    entry = await new_home(home)
    await begin(entry)
    await fetch(entry, home.freezer)
    assert_priced(home, entry)
    assert_once(home)


async def test_a_total_prices_nothing(home: Home) -> None:
    """A report that is one sum says nothing of an hour: energy counts without money."""
    home.simulator.switches = DEFAULT.but({"unaggregated": "total"})
    entry = await new_home(home, {PUMP: METERS[PUMP]})
    await begin(entry)
    await fetch(entry, home.freezer)
    (key,) = coordinator(entry).meters
    found = lines(entry, key, MIDNIGHT)
    assert {one.start: one.mwh for one in found} == past_of(PUMP)
    assert {one.money for one in found} == {None}
    tally = coordinator(entry).backfill.job.parts[key].tally
    assert tally.unpriced == len(found)
    assert_once(home)


@pytest.mark.parametrize("overwrite", ["same_period", "never"])
async def test_invariant_4_a_restart_after_every_step(
    home: Home, overwrite: str
) -> None:
    """Whatever is on disk is enough to go on.

    Every other life has two steps: one to look at the report, one to send.
    """
    home.simulator.switches = DEFAULT.but({"overwrite": overwrite})
    entry = await new_home(home)
    await begin(entry)
    for number in range(100):
        if number % 3 != 1:
            await home.hass.config_entries.async_reload(entry.entry_id)
        wait = await coordinator(entry).backfill.async_step()
        if wait is None:
            break
        home.freezer.move_to(dt_util.utcnow() + wait)
    assert coordinator(entry).backfill.percent == 100
    assert_priced(home, entry)
    assert_once(home)


async def test_invariant_4_a_crash_between_book_and_job(
    home: Home, entry: MockConfigEntry
) -> None:
    """Lines that are in the book are not fetched again, but come into statistics."""
    await begin(entry)
    path = job_path(home.hass, entry.entry_id)
    backfill = coordinator(entry).backfill
    while not any(lines(entry, key, MIDNIGHT) for key in coordinator(entry).meters):
        before = path.read_bytes()
        wait = await backfill.async_step()
        assert wait is not None
        home.freezer.move_to(dt_util.utcnow() + wait)
    await home.hass.config_entries.async_unload(entry.entry_id)
    path.write_bytes(before)
    requests = len(home.simulator.requests)
    await home.hass.config_entries.async_setup(entry.entry_id)
    await fetch(entry, home.freezer)
    assert len(asked(home, BATCH, requests)) == 2
    assert_priced(home, entry)
    assert_once(home)
    assert len((await recorded(home, entry))[f"{GRID} cost"]) > 8 * 23


async def test_two_who_begin_at_once(home: Home, entry: MockConfigEntry) -> None:
    """Only one of them is told that its meters are on their way."""
    backfill = coordinator(entry).backfill
    one, two = list(coordinator(entry).meters)[:2]
    begun = await asyncio.gather(
        backfill.async_begin([one], START), backfill.async_begin([two], START)
    )
    assert list(begun) == [True, False]
    assert list(backfill.job.parts) == [one]


async def test_a_database_that_fails_holds_it_up_for_a_minute(
    home: Home, entry: MockConfigEntry
) -> None:
    """It is asked again, without a restart of Home Assistant."""
    await coordinator(entry).async_fetch_past(list(coordinator(entry).meters), START)
    await home.rename_table("statistics", "hidden")
    await home.go_to(dt_util.utcnow() + SPACING)
    await home.rename_table("hidden", "statistics")
    assert coordinator(entry).backfill.percent == 0
    await home.go_to(dt_util.utcnow() + MINUTE)
    for _ in range(100):
        if coordinator(entry).backfill.percent == 100:
            break
        await home.go_to(dt_util.utcnow() + 30 * SPACING)
    assert_priced(home, entry)


@pytest.mark.parametrize("overwrite", ["same_period", "never"])
@pytest.mark.parametrize("trouble", LOST)
async def test_scenario_13_an_upload_without_an_answer(
    home: Home, trouble: str, overwrite: str
) -> None:
    """It is looked up; it goes out again only when a later record is there."""
    home.simulator.switches = DEFAULT.but({"overwrite": overwrite})
    entry = await new_home(home, {GRID: METERS[GRID]})
    await begin(entry)
    home.simulator.fail(BATCH, **LOST[trouble])  # type: ignore[arg-type]
    backfill = coordinator(entry).backfill
    for _ in range(60):
        try:
            wait = await backfill.async_step()
        except FlatPeakError:
            wait = timedelta(minutes=1)
        if wait is None:
            break
        await live(home, entry, max(5, int(wait.total_seconds()) // 60))
    assert backfill.percent == 100
    assert_priced(home, entry)
    assert_once(home)
    assert len(asked(home, BATCH)) == (2 if trouble == "before" else 1)


@pytest.mark.parametrize("overwrite", ["same_period", "never"])
@pytest.mark.parametrize("source", [GRID, PUMP])
async def test_scenario_13_a_backup_of_before_the_upload(
    home: Home, overwrite: str, source: str
) -> None:
    """The files say that nothing was sent; FlatPeak is asked again, and has it all."""
    home.simulator.switches = DEFAULT.but({"overwrite": overwrite})
    entry = await new_home(home, {source: METERS[source]})
    await begin(entry)
    home.simulator.fail(BATCH, status=429)
    await fetch_until(entry, home.freezer, lambda: asked(home, BATCH))
    backup = {path: path.read_bytes() for path in files(home)}
    await fetch(entry, home.freezer)
    await live(home, entry, 30)
    await home.hass.config_entries.async_unload(entry.entry_id)
    for path in files(home):
        path.unlink()
    for path, data in backup.items():
        path.write_bytes(data)
    await home.hass.config_entries.async_setup(entry.entry_id)
    await fetch(entry, home.freezer)
    assert_priced(home, entry)
    assert_once(home)


async def test_scenario_29_an_earlier_life(home: Home, entry: MockConfigEntry) -> None:
    """What a meter that was removed has recorded is adopted, quarters and hours."""
    await begin(entry)
    await fetch(entry, home.freezer)
    await live(home, entry, 60)
    location = entry.data["location_id"]
    await home.hass.config_entries.async_remove(entry.entry_id)
    assert not files(home)
    again = home.add_entry(location, METERS)
    await home.set_up(again)
    await live(home, again)
    requests = len(home.simulator.requests)
    coord = coordinator(again)
    await coord.backfill.async_begin(coord.meters, START - timedelta(days=1))
    await fetch(again, home.freezer)
    assert_once(home)
    for key, meter in coord.meters.items():
        tally = coord.backfill.job.parts[key].tally
        assert tally.adopted == len(past_of(meter.source))
        assert tally.sent == 23
    sent = [one for upload in asked(home, BATCH, requests) for one in upload.body]
    assert all(one["start_time"] < START.isoformat() for one in sent)


def grid_of(entry: MockConfigEntry) -> str:
    """Return the key of the meter of the grid."""
    meters = coordinator(entry).meters
    return next(key for key, meter in meters.items() if meter.source == GRID)


@pytest.fixture
async def halfway(home: Home, monkeypatch: pytest.MonkeyPatch) -> MockConfigEntry:
    """Return a home with the costs of some days of two meters' past."""
    monkeypatch.setattr(history, "LONGEST_RANGE", timedelta(days=4))
    entry = await new_home(home, {GRID: METERS[GRID], PUMP: METERS[PUMP]})
    await live(home, entry, 30)
    assert not coordinator(entry).ledger.journal.outbox
    await begin(entry)
    grid = grid_of(entry)
    await fetch_until(entry, home.freezer, lambda: lines(entry, grid, MIDNIGHT))
    assert len(lines(entry, grid, MIDNIGHT)) < len(past_of(GRID))
    return entry


async def bars(home: Home, entry: MockConfigEntry) -> dict[datetime, int]:
    """Return what the statistics say of the past of the grid, in mWh by the hour."""
    energy = (await recorded(home, entry))[f"{GRID} energy"]
    assert_sums(energy)
    return {
        hour: round(state * 1_000_000)
        for hour, (state, _) in energy.items()
        if hour < MIDNIGHT
    }


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_hours_that_are_on_their_way_have_no_bar(
    home: Home, halfway: MockConfigEntry, *, is_restarted: bool
) -> None:
    """Not one of 0 either, also after a restart; they come with the others."""
    if is_restarted:
        await home.hass.config_entries.async_reload(halfway.entry_id)
    coord = coordinator(halfway)
    assert await coord.hours.async_update(coord.meters)
    assert await bars(home, halfway) == {}
    await fetch(halfway, home.freezer)
    assert past_of(GRID).items() <= (await bars(home, halfway)).items()


@pytest.mark.parametrize("is_removed", [False, True])
async def test_an_unfinished_past_is_not_folded(
    home: Home, halfway: MockConfigEntry, *, is_removed: bool
) -> None:
    """A day would hide the hours that are still to come, also while a meter is gone."""
    grid = grid_of(halfway)
    before = lines(halfway, grid, MIDNIGHT)
    if is_removed:
        await remove(home, halfway)
    later = dt_util.utcnow() + timedelta(days=60)
    await coordinator(halfway).ledger.async_fold(later)
    assert lines(halfway, grid, MIDNIGHT) == before
    if not is_removed:
        await fetch(halfway, home.freezer)
        await coordinator(halfway).ledger.async_fold(later)
        assert len(lines(halfway, grid, MIDNIGHT)) == (MIDNIGHT - START).days


async def remove(home: Home, entry: MockConfigEntry) -> ConfigSubentry:
    """Remove the meter of the grid."""
    grid = grid_of(entry)
    by_key = {one.unique_id: one for one in entry.subentries.values()}
    meter: ConfigSubentry = by_key[grid]
    home.hass.config_entries.async_remove_subentry(entry, meter.subentry_id)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    assert grid not in coordinator(entry).meters
    return meter


async def test_scenario_29_removed_in_the_middle(
    home: Home, halfway: MockConfigEntry
) -> None:
    """The past of a meter that is added again goes on where it was."""
    meter = await remove(home, halfway)
    await fetch(halfway, home.freezer)
    assert coordinator(halfway).backfill.percent == 100
    home.hass.config_entries.async_add_subentry(halfway, meter)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    coord = coordinator(halfway)
    assert await coord.hours.async_update(coord.meters)
    assert await bars(home, halfway) == {}
    await fetch(halfway, home.freezer)
    assert past_of(GRID).items() <= (await bars(home, halfway)).items()
    assert_priced(home, halfway)
    assert_once(home)


async def test_foreign_records_are_left_alone(
    home: Home, entry: MockConfigEntry
) -> None:
    """Where somebody else recorded, nothing is sent, and no price is made up."""
    home.simulator.add_record(
        entry.data["location_id"],
        START,
        START + 2 * HOUR,
        777,
        record_reference_id="somebody's",
    )
    await begin(entry)
    await fetch(entry, home.freezer)
    coord = coordinator(entry)
    (grid,) = (key for key, meter in coord.meters.items() if meter.source == GRID)
    found = lines(entry, grid, MIDNIGHT)
    assert {one.start: one.mwh for one in found} == past_of(GRID)
    assert [one.money for one in found[:2]] == [None, None]
    assert coord.backfill.job.parts[grid].tally.left_out == 2


async def test_failed_records_are_set_aside(home: Home, entry: MockConfigEntry) -> None:
    """Their energy counts, their cost is unknown, and they are counted."""
    body = {
        "id": "bat_1",
        "records_submitted": len(past_of(GRID)),
        "records_accepted": len(past_of(GRID)) - 1,
        "records_processed": len(past_of(GRID)) - 1,
        "failed_records": [{"record_num": 3, "error": "No such tariff"}],
    }
    home.simulator.fail(BATCH, status=200, body=body, stored=True)
    await begin(entry)
    await fetch(entry, home.freezer)
    coord = coordinator(entry)
    part = next(iter(coord.backfill.job.parts.values()))
    assert part.tally.refused == 1
    assert part.error == "No such tariff"
    found = lines(entry, part.meter, MIDNIGHT)
    assert [one.money is None for one in found[:5]] == [False] * 3 + [True, False]


async def test_a_refused_upload(home: Home, entry: MockConfigEntry) -> None:
    """A batch that is refused as a whole is not sent again and again."""
    home.simulator.fail(BATCH, status=400)
    await begin(entry)
    await fetch(entry, home.freezer)
    part = next(iter(coordinator(entry).backfill.job.parts.values()))
    assert part.tally.refused == len(past_of(GRID))
    assert len(asked(home, BATCH)) == 3


@pytest.mark.parametrize("status", [403, 429])
async def test_scenario_05_an_upload_that_was_not_taken(
    home: Home, status: int
) -> None:
    """Nothing of it is stored: it goes out again, without a look at anything else."""
    entry = await new_home(home, {PUMP: METERS[PUMP]})
    await begin(entry)
    home.simulator.fail(BATCH, status=status, times=2)
    await fetch(entry, home.freezer)
    assert_priced(home, entry)
    assert_once(home)


async def test_a_batch_that_is_forgotten(home: Home, entry: MockConfigEntry) -> None:
    """The report knows what became of it."""
    home.simulator.switches = DEFAULT.but({"batch_delay": "60"})
    home.simulator.fail(FOLLOW, status=404, times=None)
    await begin(entry)
    await fetch(entry, home.freezer)
    assert_priced(home, entry)
    assert_once(home)


async def test_invariant_9_the_impossible_is_left_out(home: Home) -> None:
    """An hour that does not fit through the meter is neither sent nor counted."""
    assert await async_setup_component(home.hass, "sensor", {})
    place = home.simulator.add_location(ACCOUNT, timezone="UTC")
    most = 29_000_000
    import_past(home.hass, PUMP, SINCE, START, Decimal(900))
    import_past(home.hass, PUMP, START, START + HOUR, Decimal(990))
    import_past(home.hass, PUMP, START + HOUR, MIDNIGHT, Decimal(1000 + 990))
    home.add_sensor(PUMP, 1990)
    await async_wait_recording_done(home.hass)
    entry = home.add_entry(place, {PUMP: METERS[PUMP]})
    await home.set_up(entry)
    await live(home, entry)
    await begin(entry)
    await fetch(entry, home.freezer)
    (key,) = coordinator(entry).meters
    found = lines(entry, key, MIDNIGHT)
    assert max(one.mwh for one in found) < most
    assert coordinator(entry).backfill.job.parts[key].tally.left_out > 0


async def test_days_are_summed_aside(
    home: Home, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop waits for no sums of a past: not after a start, nor ever after."""
    await begin(entry)
    await fetch(entry, home.freezer)
    loop, summed = threading.get_ident(), []
    add = DaySums.add

    def noted(sums: DaySums, window: PricedWindow) -> None:
        summed.append(threading.get_ident())
        add(sums, window)

    monkeypatch.setattr(DaySums, "add", noted)
    await home.hass.config_entries.async_reload(entry.entry_id)
    assert len(summed) > 2 * len(past_of(GRID))
    place = home.simulator.ledger.locations[entry.data["location_id"]]
    place.currency_code = "USD"
    before = len(summed)
    await home.go_to(BEGIN + timedelta(days=1, hours=1))
    await live(home, entry)
    assert coordinator(entry).data.currency == "USD"
    assert len(summed) > before + 2 * len(past_of(GRID))
    assert loop not in summed


async def test_nothing_before_the_first_day(home: Home, entry: MockConfigEntry) -> None:
    """A day on which the meter's own records were there already has no past."""
    coord = coordinator(entry)
    assert await coord.backfill.async_begin(coord.meters, MIDNIGHT)
    requests = len(home.simulator.requests)
    await fetch(entry, home.freezer)
    assert len(home.simulator.requests) == requests
    assert coord.backfill.percent == 100


async def test_scenario_25_prices_that_come_later(
    home: Home, entry: MockConfigEntry
) -> None:
    """Energy is booked at once; the money when there is some."""
    await begin(entry)
    coord = coordinator(entry)
    await fetch_until(entry, home.freezer, lambda: asked(home, BATCH))
    home.simulator.set_problem(entry.data["location_id"], "IMPORT", "no_price_data")
    (grid,) = (key for key, meter in coord.meters.items() if meter.source == GRID)
    for _ in range(20):
        try:
            wait = await coord.backfill.async_step()
        except FlatPeakError:
            wait = timedelta(minutes=1)
        assert wait is not None
        home.freezer.move_to(dt_util.utcnow() + wait)
    found = lines(entry, grid, MIDNIGHT)
    assert {one.start: one.mwh for one in found} == past_of(GRID)
    assert {one.money for one in found} == {None}
    home.simulator.set_problem(entry.data["location_id"], "IMPORT", None)
    await fetch(entry, home.freezer)
    assert_priced(home, entry)
    assert_once(home)
    assert_sums((await recorded(home, entry))[f"{GRID} cost"])


async def test_invariant_12_at_most_one_request_in_two_seconds(
    home: Home, entry: MockConfigEntry
) -> None:
    """By its own timer; and it is not in the way of what is live."""
    coord = coordinator(entry)
    before = len(home.simulator.requests)
    with pytest.raises(KeyError):
        home.state("backfill_progress")
    assert await coord.async_fetch_past(coord.meters, START)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    shown = [home.value("backfill_progress")]
    for _ in range(300):
        await home.go_to(dt_util.utcnow() + timedelta(seconds=1))
        shown.append(home.value("backfill_progress"))
        if not coord.backfill.is_running:
            break
    assert shown[-1] == 100
    assert shown == sorted(shown)
    requests = home.simulator.requests[before:]
    past = {BATCH, FOLLOW, REPORT}
    assert shortest_gap(requests, lambda one: one.template in past) >= timedelta(
        seconds=2
    )
    assert_priced(home, entry)


async def test_paused(home: Home, entry: MockConfigEntry) -> None:
    """While nothing may be sent, nothing is asked either."""
    await begin(entry)
    await coordinator(entry).backfill.async_step()
    await home.hass.services.async_call(
        "switch", "turn_off", {"entity_id": "switch.home_send_readings"}, blocking=True
    )
    requests = len(home.simulator.requests)
    for _ in range(5):
        wait = await coordinator(entry).backfill.async_step()
        assert wait is not None
        assert wait >= timedelta(seconds=2)
    assert len(home.simulator.requests) == requests


async def test_invariant_6_kathmandu(home: Home) -> None:
    """The day begins in the middle of an hour: nothing is lost, and nothing double."""
    entry = await new_home(home, {GRID: METERS[GRID]}, timezone="Asia/Kathmandu")
    coord = coordinator(entry)
    (key,) = coord.meters
    start = START - timedelta(hours=5, minutes=45)
    await coord.backfill.async_begin(coord.meters, start)
    await fetch(entry, home.freezer)
    found: list[PricedWindow] = coord.ledger.book.between(key, SINCE, BEGIN)
    assert all(one.end <= two.start for one, two in pairwise(found))
    assert found[0].start == start
    past = [one for one in found if one.end <= MIDNIGHT - timedelta(hours=6)]
    hours = {one.start.replace(minute=0) for one in past}
    whole = [hour for hour in hours if hour >= START - timedelta(hours=5)]
    assert sum(one.mwh for one in past if one.start.replace(minute=0) in whole) == sum(
        used(GRID, hour) for hour in whole
    )
    assert_once(home)


async def test_the_job_goes_with_the_entry(home: Home, entry: MockConfigEntry) -> None:
    """A meter that is removed is not fetched; an entry leaves nothing."""
    await begin(entry)
    path = job_path(home.hass, entry.entry_id)
    assert path.exists()
    assert not await coordinator(entry).backfill.async_begin(["any"])
    await home.hass.config_entries.async_remove(entry.entry_id)
    assert not path.exists()


@pytest.mark.parametrize("text", ['{"version":99}', "{", '{"version":1}'])
async def test_a_job_that_cannot_be_read(
    home: Home, entry: MockConfigEntry, text: str
) -> None:
    """The entry does not start as if there were none."""
    await home.hass.config_entries.async_unload(entry.entry_id)
    job_path(home.hass, entry.entry_id).write_text(text)
    assert not await home.hass.config_entries.async_setup(entry.entry_id)
    assert entry.error_reason_translation_key in {"books_too_new", "books_unreadable"}
