"""What a poll asks, when, and what becomes of it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from homeassistant.config_entries import ConfigEntryState
from homeassistant.util import dt as dt_util
import pytest

from custom_components.flatpeak.metering import Origin
from custom_components.flatpeak.meters import device_reference_id

from .home import ACCOUNT, Home
from .location import (
    EVENING,
    GRID,
    GRID_METER,
    HOUR,
    JUST,
    LOCATION,
    MIDNIGHT,
    MORNING,
    PRICES,
    REPORT,
    REPORTS,
    SECOND,
    SLOT,
    WH,
    Log,
    coordinator_of,
    key_of,
    set_up,
    use,
)
from .simulator.tariff import Fixed, Tariff


@pytest.fixture
def location(home: Home) -> str:
    """Return a location in London, where the tariff knows day and night."""
    home.add_sensor(GRID)
    return home.simulator.add_location(ACCOUNT, tariff="daynight")


@pytest.mark.freeze_time("2026-11-11T14:00:00.9Z")
async def test_poll_at_ten_past_every_sixth_hour(home: Home) -> None:
    """Polls follow the location's clock, and ask only for what is not known."""
    home.add_sensor(GRID)
    location = home.simulator.add_location(
        ACCOUNT, tariff="daynight", timezone="America/New_York"
    )
    log = Log(home)
    entry = await set_up(home, location)
    assert log.templates() == [LOCATION, PRICES, PRICES, *REPORTS]
    start = datetime(2026, 11, 11, 14, tzinfo=UTC)
    await home.live(start + 3 * SLOT, use)
    assert log.templates() == []

    coordinator = coordinator_of(entry)
    offset = timedelta(minutes=10, seconds=coordinator._offset)
    assert SECOND * 5 <= offset - timedelta(minutes=10) <= SECOND * 60
    daily = [LOCATION, PRICES, PRICES, *REPORTS]
    midnight = datetime(2026, 11, 11, 5, tzinfo=UTC)  # in New York
    for hours, expected in (
        (12, REPORTS),
        (18, REPORTS),
        (24, daily),
        (30, REPORTS),
        (36, REPORTS),
    ):
        slot = midnight + HOUR * hours + offset
        await home.go_to(slot - JUST)
        assert log.templates() == []
        await home.go_to(slot + 2 * SECOND)
        assert log.templates() == expected


@pytest.mark.freeze_time(MORNING)
async def test_failed_poll_is_tried_again(home: Home, location: str) -> None:
    """After a failure entities stay, and the next poll does not wait for hours."""
    entry = await set_up(home, location)
    await home.live(MORNING + 3 * SLOT, use)
    coordinator = coordinator_of(entry)
    log = Log(home)
    home.simulator.fail("/costs/interval/*", status=500)
    slot = datetime(2026, 11, 11, 12, 11, tzinfo=UTC)
    await home.go_to(slot + timedelta(minutes=1))
    assert log.templates() == [REPORT]
    assert not coordinator.last_update_success
    assert home.value("cost_today") > 0
    assert home.value("price") > 0
    await home.go_to(slot + timedelta(minutes=33))
    assert log.templates() == REPORTS
    assert coordinator.last_update_success


@pytest.mark.freeze_time(MORNING)
async def test_poll_obeys_retry_after(home: Home, location: str) -> None:
    """A poll that was too much is repeated when the server says so."""
    await set_up(home, location)
    await home.live(MORNING + 3 * SLOT, use)
    log = Log(home)
    home.simulator.fail("/costs/interval/*", status=429, retry_after=240)
    await home.go_to(datetime(2026, 11, 11, 12, 12, tzinfo=UTC))
    assert log.templates() == [REPORT]
    await home.go_to(dt_util.utcnow() + timedelta(seconds=230))
    assert log.templates() == []
    await home.go_to(dt_util.utcnow() + timedelta(seconds=12))
    assert log.templates() == REPORTS


@pytest.mark.freeze_time(EVENING)
async def test_prices_of_a_new_day_are_read_anew(home: Home, location: str) -> None:
    """A new day's prices are asked for until they are there."""
    await set_up(home, location)
    log = Log(home)
    home.simulator.fail("/prices/*", status=500)
    await home.go_to(MIDNIGHT + timedelta(minutes=12))
    assert log.templates() == [LOCATION, PRICES]
    await home.go_to(MIDNIGHT + timedelta(minutes=44))
    assert log.templates() == [LOCATION, PRICES, PRICES, *REPORTS]


@pytest.mark.freeze_time(MORNING)
async def test_meters_never_share_a_stream(home: Home, location: str) -> None:
    """The first grid meter of a direction is the location's; others are devices."""
    home.add_sensor("sensor.two")
    home.add_sensor("sensor.out")
    home.add_sensor("sensor.pump")
    known = "sensor.pump"
    meters = {
        GRID: ("import", "grid"),
        "sensor.two": ("import", "grid"),
        "sensor.out": ("export", "grid"),
        known: ("import", "device"),
    }
    entry = home.add_entry(location, meters, window=5)
    keys = {s.data["source"]: s.unique_id for s in entry.subentries.values()}
    pump = home.simulator.add_device(
        ACCOUNT, reference_id=device_reference_id(str(keys[known]))
    )
    log = Log(home)
    await home.set_up(entry)
    assert log.templates().count("/devices") == 3, "two look-ups and one creation"
    states = coordinator_of(entry).ledger.journal.meters
    owners = {source: states[str(key)].stream.owner for source, key in keys.items()}
    assert owners[GRID] == owners["sensor.out"] == location
    assert owners[known] == pump, "a device that exists is not made again"
    assert owners["sensor.two"] not in {location, pump}
    streams = [state.stream for state in states.values()]
    assert len(set(streams)) == len(meters)

    await home.hass.config_entries.async_reload(entry.entry_id)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    assert "/devices" not in log.templates()


@pytest.mark.freeze_time(MORNING)
async def test_location_without_meters(home: Home, location: str) -> None:
    """Totals come from FlatPeak's reports, which are read every half hour."""
    simulator = home.simulator
    day = MORNING - 8 * HOUR
    simulator.add_record(location, day + HOUR, day + 2 * HOUR, 1000)
    simulator.add_record(location, day + HOUR, day + 2 * HOUR, 300, direction="EXPORT")
    simulator.add_record(location, day - 5 * HOUR, day - 4 * HOUR, 2000)
    simulator.add_record(location, day - 300 * HOUR, day - 299 * HOUR, 700)
    entry = await set_up(home, location, {})
    today, yesterday = Decimal("0.12870") - Decimal("0.036"), Decimal("0.6284")
    assert home.value("cost_today") == today
    assert home.value("energy_today") == Decimal("0.7")
    assert home.value("cost_this_month") == today + yesterday
    assert home.value("energy_this_month") == Decimal("2.7")
    assert home.state("data_until").state == MORNING.isoformat()
    with pytest.raises(KeyError):
        home.state("pending_records")

    log = Log(home)
    simulator.add_record(location, MORNING - HOUR, MORNING, 100)
    await home.go_to(MORNING + timedelta(minutes=29))
    assert log.templates() == []
    await home.go_to(MORNING + timedelta(minutes=30, seconds=2))
    assert log.templates() == [REPORT, REPORT], "what is past is not asked for again"
    assert home.value("energy_today") == Decimal("0.8")

    home.simulator.offline = True
    await home.go_to(MORNING + timedelta(minutes=61))
    assert not coordinator_of(entry).last_update_success
    assert home.value("energy_today") == Decimal("0.8"), "old, but not wrong"
    home.simulator.offline = False
    await home.go_to(MORNING + timedelta(minutes=92))
    assert coordinator_of(entry).last_update_success


@pytest.mark.freeze_time("2026-11-11T08:00:00.9Z")
async def test_report_only_polls_once(home: Home, location: str) -> None:
    """The poll that is due at a full slot is one poll, not several."""
    entry = await set_up(home, location, {})
    slot = datetime(2026, 11, 11, 12, 10, tzinfo=UTC)
    await home.go_to(slot - JUST)
    log = Log(home)
    slot += SECOND * coordinator_of(entry)._offset
    await home.go_to(slot - JUST)
    assert log.templates() == []
    await home.go_to(slot + 2 * SECOND)
    assert log.templates() == [REPORT, REPORT]
    await home.go_to(slot + SECOND * 30)
    assert log.templates() == []


@pytest.mark.freeze_time(MORNING)
async def test_device_meters_alone(home: Home, location: str) -> None:
    """Without a grid meter the location's totals are FlatPeak's."""
    home.simulator.add_record(location, MORNING - 2 * HOUR, MORNING - HOUR, 5000)
    entry = await set_up(home, location, {GRID: ("import", "device")})
    await home.live(MORNING + 3 * SLOT, use)
    assert home.value("energy_today") == 5
    assert home.value("energy_today", key_of(entry)) * 1000 == 2 * WH


@pytest.mark.freeze_time(MORNING)
async def test_location_without_export_tariff(home: Home) -> None:
    """A home that sells nothing has no export price, and pays what it buys."""
    tariff = Tariff(imports=Fixed(Decimal("0.25")))
    location = home.simulator.add_location(ACCOUNT, tariff=tariff)
    home.simulator.add_record(location, MORNING - 2 * HOUR, MORNING - HOUR, 1000)
    log = Log(home)
    await set_up(home, location, {})
    assert [request.path for request in log.new()].count(f"/prices/{location}") == 1
    assert home.value("cost_today") == Decimal("0.25")
    with pytest.raises(KeyError):
        home.state("export_price")


@pytest.mark.freeze_time(MORNING)
async def test_location_without_zone(home: Home) -> None:
    """Home Assistant's zone stands in for one that FlatPeak does not know."""
    await home.hass.config.async_set_time_zone("Asia/Kathmandu")
    home.add_sensor(GRID)
    location = home.simulator.add_location(ACCOUNT, timezone=None)
    await set_up(home, location)
    reset = home.state("cost_today").attributes["last_reset"]
    assert reset == "2026-11-11T00:00:00+05:45"


@pytest.mark.freeze_time(MORNING)
async def test_location_without_currency(home: Home) -> None:
    """Money without a currency is no money; energy is shown all the same."""
    home.add_sensor(GRID)
    location = home.simulator.add_location(ACCOUNT, currency=None)
    entry = await set_up(home, location)
    await home.live(MORNING + 3 * SLOT, use)
    assert home.value("energy_today", key_of(entry)) * 1000 == 2 * WH
    for key in ("cost_today", "price"):
        with pytest.raises(KeyError):
            home.state(key)


@pytest.mark.freeze_time(MORNING)
async def test_missing_tariff(home: Home) -> None:
    """A home whose tariff is not connected yet is set up, and waits for its prices."""
    home.add_sensor(GRID)
    location = home.simulator.add_location(ACCOUNT, tariff=None)
    entry = await set_up(home, location)
    await home.live(MORNING + 4 * SLOT, use)
    assert home.state("price").state == "unknown"
    assert home.state("cost_today").state == "unknown"
    assert home.value("energy_today", key_of(entry)) * 1000 == 3 * WH
    assert home.value("pending_records") == 3


@pytest.mark.freeze_time("2026-11-10T23:30:00Z")
async def test_revised_price_is_taken_from_the_report(
    home: Home, location: str
) -> None:
    """Prices settle later; the report of yesterday and today brings them."""
    entry = await set_up(home, location)
    begin = datetime(2026, 11, 10, 23, 30, tzinfo=UTC)
    await home.live(begin + 3 * SLOT, use)
    home.simulator.settle(location, begin, begin + HOUR, price=Decimal("0.5"))
    await home.go_to(datetime(2026, 11, 11, 0, 12, tzinfo=UTC))
    book = coordinator_of(entry).ledger.book
    lines = book.between(key_of(entry), begin, begin + HOUR)
    assert [line.origin for line in lines] == [Origin.REPORT] * 2
    assert home.value("cost_this_month") == 2 * Decimal("0.04")
    assert home.value("cost_today") == 0


@pytest.mark.freeze_time(MORNING)
async def test_poll_that_cannot_write(
    home: Home, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Facts that cannot be written are not taken up, and the entry says why."""
    monkeypatch.setattr("homeassistant.util.file.AtomicWriter", _raise_os_error)
    entry = home.add_entry(location, GRID_METER, window=5)
    await home.set_up(entry)
    assert not entry.state.recoverable or entry.reason
    assert entry.error_reason_translation_key == "books_not_written"
    monkeypatch.undo()
    await home.go_to(MORNING + timedelta(seconds=30))
    assert entry.state is ConfigEntryState.LOADED
    assert coordinator_of(entry).ledger.journal.facts.currency == "GBP"


def _raise_os_error(*_args: Any, **_kwargs: Any) -> None:
    """Be a full disk."""
    raise OSError("No space left on device")


@pytest.mark.freeze_time(MORNING)
async def test_one_meter_without_a_price(home: Home, location: str) -> None:
    """What is wrong with one direction does not keep the others from being polled."""
    entry = await set_up(home, location, {GRID: ("import", "grid")})
    await home.live(MORNING + 3 * SLOT, use)
    home.simulator.set_problem(location, "IMPORT", "no_price_data")
    await home.go_to(MORNING + timedelta(hours=12))
    assert coordinator_of(entry).last_update_success
    assert home.value("energy_today") > 0
