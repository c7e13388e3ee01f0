"""The push: from the recorder's rows to priced windows, through every interruption."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
import logging
from pathlib import Path
import time
from types import MappingProxyType

from homeassistant.config_entries import ConfigEntryState, ConfigSubentry
from homeassistant.core import CoreState
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.flatpeak.coordinator import FlatPeakCoordinator
from custom_components.flatpeak.journal import MeterState, Status
from custom_components.flatpeak.metering import Origin
from custom_components.flatpeak.meters import new_meter

from .desk import is_record
from .home import ACCOUNT, Home
from .simulator.core import LoggedRequest
from .simulator.faults import FaultKind

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
SLOT = timedelta(minutes=5)
PUSHED = timedelta(seconds=75)  # after the end of a slot
HOUR = timedelta(hours=1)
INSTANT = "/costs/instant"

GRID = "sensor.grid_import"
EXPORT = "sensor.grid_export"
PUMP = "sensor.heat_pump"
METERS = {
    GRID: ("import", "grid"),
    EXPORT: ("export", "grid"),
    PUMP: ("import", "device"),
}
WH = {GRID: 80, EXPORT: 20, PUMP: 50}

pytestmark = pytest.mark.freeze_time(BEGIN)


def use(_: datetime) -> dict[str, float]:
    """Return what each source uses in a slot, in kWh."""
    return {source: wh / 1000 for source, wh in WH.items()}


@pytest.fixture
def location(home: Home) -> str:
    """Return a location of a home with three meters, in windows of 5 minutes."""
    for source in METERS:
        home.add_sensor(source)
    return home.simulator.add_location(ACCOUNT, tariff="daynight")


@pytest.fixture
async def entry(home: Home, location: str) -> MockConfigEntry:
    """Set the home up."""
    entry = home.add_entry(location, METERS, window=5)
    await home.set_up(entry)
    assert entry.state is ConfigEntryState.LOADED
    return entry


def key_of(entry: MockConfigEntry, source: str) -> str:
    """Return the key of the meter with a source."""
    coordinator: FlatPeakCoordinator = entry.runtime_data
    meters = coordinator.meters.values()
    return next(meter.key for meter in meters if meter.source == source)


def state_of(entry: MockConfigEntry, source: str = GRID) -> MeterState:
    """Return what is known of a meter."""
    coordinator: FlatPeakCoordinator = entry.runtime_data
    return coordinator.ledger.journal.meters[key_of(entry, source)]


def sent(home: Home) -> list[LoggedRequest]:
    """Return the requests that were to store a record."""
    return [request for request in home.simulator.requests if is_record(request)]


def assert_settled(home: Home, entry: MockConfigEntry, slots: int) -> None:
    """Check that so many slots of each meter are stored once, and shown so."""
    submissions = Counter(
        (record.draft.owner, record.draft.tariff_direction, record.draft.start)
        for record in home.simulator.ledger.submissions
    )
    assert set(submissions.values()) == {1}
    for source, wh in WH.items():
        key = key_of(entry, source)
        stream = state_of(entry, source).stream
        assert home.value("pending_records", key) == 0
        assert home.value("energy_today", key) * 1000 == wh * slots
        stored = home.simulator.stored_cost(
            stream.owner, BEGIN, BEGIN + timedelta(days=1), stream.tariff_direction
        )
        assert home.value("cost_today", key) == stored
        assert stored > 0


async def test_windows_are_sent_as_they_close(
    home: Home, entry: MockConfigEntry
) -> None:
    """Each window goes out once, oldest first; the first row is only a beginning."""
    await home.live(BEGIN + 6 * SLOT, use)
    assert_settled(home, entry, 5)
    requests = sent(home)
    assert len(requests) == 5 * len(METERS)
    starts = [request.body["start_time"] for request in requests]
    assert starts == sorted(starts)
    assert all(request.time - BEGIN > SLOT for request in requests)


async def test_window_without_energy_is_not_sent(
    home: Home, entry: MockConfigEntry
) -> None:
    """Where nothing was used there is nothing to ask, and no doubt about it."""
    await home.live(BEGIN + 4 * SLOT, lambda _: {})
    assert not sent(home)
    key = key_of(entry, GRID)
    assert home.value("energy_today", key) == 0
    assert home.value("cost_today", key) == 0
    assert state_of(entry).cut_until == BEGIN + 4 * SLOT


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Let every write to the .storage folder fail."""
    storage, away = folder / ".storage", folder / ".away"
    storage.rename(away)
    storage.write_text("no folder")
    yield
    storage.unlink()
    away.rename(storage)


async def test_scenario_07_nothing_is_sent_that_is_not_on_disk(
    home: Home,
    entry: MockConfigEntry,
    hass_config_dir: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A full disk stops the sending, and nothing is lost by it."""
    await home.live(BEGIN + 3 * SLOT, use)
    before = len(home.simulator.requests)
    anchor = state_of(entry).anchor
    with full_disk(Path(hass_config_dir)):
        await home.live(BEGIN + 5 * SLOT, use)
        assert len(home.simulator.requests) == before
        assert state_of(entry).anchor == anchor, "memory knows no more than the disk"
        assert caplog.text.count("could not be written; nothing is sent") == 1
    await home.live(BEGIN + 6 * SLOT, use)
    assert_settled(home, entry, 5)


async def test_answer_that_cannot_be_booked(
    home: Home, entry: MockConfigEntry, hass_config_dir: str
) -> None:
    """An answer that the disk does not take is looked up again, not asked for."""
    book = Path(hass_config_dir, ".storage", f"flatpeak.{entry.entry_id}.book-2026-11")
    book = book.with_name(f"{book.name}.jsonl")
    book.mkdir()
    await home.live(BEGIN + 3 * SLOT, use)
    assert home.value("pending_records", key_of(entry, GRID)) > 0
    assert len(sent(home)) == 3, "the first round was sent"
    coordinator: FlatPeakCoordinator = entry.runtime_data
    statuses = {item.status for item in coordinator.ledger.journal.outbox}
    assert Status.ATTEMPTED in statuses
    book.rmdir()
    await home.live(BEGIN + 6 * SLOT, use)
    assert_settled(home, entry, 5)


async def test_outage_of_the_cloud(home: Home, entry: MockConfigEntry) -> None:
    """What waits goes out in rounds when the cloud is back, each record once."""
    await home.live(BEGIN + 2 * SLOT, use)
    await home.simulator.refuse()
    await home.live(BEGIN + 12 * SLOT, use)
    waiting = home.value("pending_records")
    assert waiting == 30, "those of all meters"
    key = key_of(entry, PUMP)
    assert home.value("pending_records", key) == 10
    assert home.value("energy_today", key) * 1000 == 11 * WH[PUMP]
    assert home.state("data_until", key).state == "2026-11-11T08:10:00+00:00"
    await home.simulator.listen()
    await home.live(BEGIN + 22 * SLOT, use)
    assert_settled(home, entry, 21)
    starts = [request.body["start_time"] for request in sent(home)]
    assert starts == sorted(starts)


@pytest.fixture
def clock_goes_on(home: Home) -> Iterator[None]:
    """Let what still waits for the clock end, also when a test fails."""
    yield
    home.freezer.tick(HOUR)


async def begin_push(home: Home, at: datetime, requests: int) -> None:
    """Start a push that cannot end, and wait until so many requests have arrived."""
    home.freezer.move_to(at)
    async_fire_time_changed(home.hass, at)
    loop = asyncio.get_running_loop()
    for _ in range(5000):
        if len(sent(home)) >= requests:
            return
        # The clock stands still, but threads and sockets need time.
        await loop.run_in_executor(None, time.sleep, 0.002)
    pytest.fail("The push did not begin")


@pytest.mark.usefixtures("clock_goes_on")
@pytest.mark.parametrize("stored", [False, True])
async def test_unload_during_a_request(
    home: Home, entry: MockConfigEntry, *, stored: bool
) -> None:
    """A push that is cut off loses nothing and doubles nothing."""
    await home.live(BEGIN + 2 * SLOT, use)
    before = len(sent(home))
    home.simulator.fail(INSTANT, kind=FaultKind.DELAY, delay=600, skip=1, stored=stored)
    await home.live_rows(BEGIN + 2 * SLOT, use(BEGIN))
    await begin_push(home, BEGIN + 3 * SLOT + PUSHED, before + 2)
    key, ledger = key_of(entry, GRID), entry.runtime_data.ledger
    await home.hass.config_entries.async_unload(entry.entry_id)
    assert entry.state is ConfigEntryState.NOT_LOADED
    assert len(sent(home)) == before + 2, "the third was not sent any more"
    line = ledger.book.get(key, BEGIN + 2 * SLOT)
    assert line, "the first was answered, and that is kept"
    assert line.origin is Origin.INSTANT
    await home.set_up(entry)
    await home.live(BEGIN + 10 * SLOT, use)
    assert_settled(home, entry, 9)


async def test_scenario_07_nothing_is_sent_while_stopping(
    home: Home, entry: MockConfigEntry
) -> None:
    """Home Assistant that stops may not be able to write any more."""
    await home.live(BEGIN + 2 * SLOT, use)
    before, journal = len(sent(home)), entry.runtime_data.ledger.journal
    home.hass.set_state(CoreState.stopping)
    await home.live(BEGIN + 4 * SLOT, use)
    assert len(sent(home)) == before
    assert entry.runtime_data.ledger.journal == journal
    home.hass.set_state(CoreState.running)
    await home.live(BEGIN + 6 * SLOT, use)
    assert_settled(home, entry, 5)


@pytest.mark.usefixtures("clock_goes_on")
async def test_one_push_at_a_time(home: Home, entry: MockConfigEntry) -> None:
    """A run of the recorder during a push starts no second one."""
    await home.live(BEGIN + 2 * SLOT, use)
    before = len(sent(home))
    home.simulator.fail(INSTANT, kind=FaultKind.DELAY, delay=310)
    await home.live_rows(BEGIN + 2 * SLOT, use(BEGIN))
    await begin_push(home, BEGIN + 3 * SLOT + PUSHED, before + 1)
    coordinator: FlatPeakCoordinator = entry.runtime_data
    push = coordinator._push
    coordinator._start_push(BEGIN)
    assert coordinator._push is push
    await home.live(BEGIN + 12 * SLOT, use)
    assert_settled(home, entry, 11)


async def test_renamed_source_goes_on(home: Home, location: str) -> None:
    """A source with a new entity id is the same meter."""
    old, new = "sensor.meter", "sensor.main_meter"
    registry = er.async_get(home.hass)
    registry.async_get_or_create("sensor", "example", "1", suggested_object_id="meter")
    home.add_sensor(old)
    entry = home.add_entry(location, {old: ("import", "grid")}, window=5)
    await home.set_up(entry)
    await home.live(BEGIN + 3 * SLOT, lambda _: {old: 0.08})
    home.hass.states.async_remove(old)
    registry.async_update_entity(old, new_entity_id=new)
    home.registers[new] = home.registers.pop(old)
    home.report(new)
    await home.live(BEGIN + 6 * SLOT, lambda _: {new: 0.08})
    key = key_of(entry, old)
    assert home.value("energy_today", key) == Decimal("0.4")
    assert home.value("pending_records", key) == 0
    assert state_of(entry, old).cut_until == BEGIN + 6 * SLOT


async def test_two_meters_of_one_source(home: Home, location: str) -> None:
    """A source can be a grid meter and a device: each has its own stream."""
    entry = home.add_entry(location, {GRID: ("import", "grid")}, window=5)
    home.hass.config_entries.async_add_subentry(entry, _device_of(location))
    await home.set_up(entry)
    await home.live(BEGIN + 4 * SLOT, lambda _: {GRID: 0.08})
    states = entry.runtime_data.ledger.journal.meters
    assert len({state.stream.owner for state in states.values()}) == 2
    for key, state in states.items():
        assert home.value("energy_today", key) == Decimal("0.24")
        assert home.simulator.stored_cost(
            state.stream.owner, BEGIN, BEGIN + SLOT * 12
        ) == home.value("cost_today", key)


def _device_of(location: str) -> ConfigSubentry:
    """Describe the grid meter's source as a device."""
    meter = new_meter(
        location,
        GRID,
        registry_id="the-same-source",
        title="House",
        direction="import",
        kind="device",
    )
    return ConfigSubentry(
        subentry_type=meter["subentry_type"],
        title=meter["title"],
        unique_id=meter["unique_id"],
        data=MappingProxyType(meter["data"]),
    )


async def test_source_without_statistics(home: Home, location: str) -> None:
    """A source that records nothing is unknown, and holds nobody up."""
    meters = {**METERS, "sensor.nobody": ("import", "device")}
    entry = home.add_entry(location, meters, window=5)
    await home.set_up(entry)
    await home.live(BEGIN + 4 * SLOT, use)
    assert_settled(home, entry, 3)
    key = key_of(entry, "sensor.nobody")
    for name in ("current_cost", "cost_today", "energy_today", "data_until"):
        assert home.state(name, key).state == "unknown"
    assert home.value("pending_records", key) == 0


async def test_power_sensor_as_a_meter(home: Home, location: str) -> None:
    """A device that only knows its power is priced by its mean."""
    power = {
        "device_class": "power",
        "state_class": "measurement",
        "unit_of_measurement": "kW",
    }
    home.hass.states.async_set("sensor.heater", "1.2", power)
    entry = home.add_entry(location, {"sensor.heater": ("import", "device")}, window=5)
    await home.set_up(entry)
    await home.live(BEGIN + 4 * SLOT, lambda _: {})
    key = key_of(entry, "sensor.heater")
    assert home.value("energy_today", key) == Decimal("0.3")
    assert [request.body["value"] for request in sent(home)] == [100] * 3
    assert home.value("cost_today", key) == 3 * Decimal("0.03142")
    assert home.value("cost_rate", key) == Decimal("1.2") * Decimal("0.3142")


async def test_impossible_energy_is_not_sent(
    home: Home, entry: MockConfigEntry
) -> None:
    """What the meter cannot carry is held back, and the other meters go on."""
    await home.live(BEGIN + 2 * SLOT, use)
    await home.live(BEGIN + 3 * SLOT, lambda _: {GRID: 500, PUMP: 0.05})
    await home.live(BEGIN + 5 * SLOT, lambda _: {GRID: 0.08, PUMP: 0.05})
    assert state_of(entry, PUMP).cut_until == BEGIN + 5 * SLOT
    assert max(request.body["value"] for request in sent(home)) == WH[GRID]


async def test_unexpected_trouble_is_logged_without_secrets(
    home: Home, entry: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing in the log names the account, the key, the home or its devices."""
    caplog.set_level(logging.DEBUG, "custom_components.flatpeak")
    home.simulator.fail(INSTANT, status=400)
    home.simulator.fail(INSTANT, kind=FaultKind.DROP)
    home.simulator.fail(INSTANT, kind=FaultKind.GARBAGE)
    await home.live(BEGIN + 6 * SLOT, use)
    said = "\n".join(
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("custom_components.flatpeak")
    )
    assert "POST /costs/instant" in said
    device = state_of(entry, PUMP).stream.owner
    for secret in (*entry.data.values(), device):
        if secret != home.simulator.url:
            assert secret not in said
