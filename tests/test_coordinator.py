"""A location's clock: when it polls, when a day ends, what the entities then show."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
import logging
from typing import Any

from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntryState
from homeassistant.core import Event, EventStateChangedData, callback
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.coordinator import FlatPeakCoordinator
from custom_components.flatpeak.metering import Origin
from custom_components.flatpeak.meters import device_reference_id
from custom_components.flatpeak.snapshot import _rate

from .desk import is_record
from .home import ACCOUNT, KEY, Home
from .simulator.core import LoggedRequest
from .simulator.faults import FaultKind
from .simulator.tariff import Fixed, Tariff

MORNING = datetime(2026, 11, 11, 8, tzinfo=UTC)
EVENING = datetime(2026, 11, 11, 23, 30, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 12, tzinfo=UTC)
SLOT = timedelta(minutes=5)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
JUST = 0.6 * SECOND  # timers of tests run up to half a second early

GRID = "sensor.grid_import"
GRID_METER = {GRID: ("import", "grid")}
WH = 80


def use(_: datetime) -> dict[str, float]:
    """Return what the grid meter uses in a slot, in kWh."""
    return {GRID: WH / 1000}


@pytest.fixture
def location(home: Home) -> str:
    """Return a location in London, where the tariff knows day and night."""
    home.add_sensor(GRID)
    return home.simulator.add_location(ACCOUNT, tariff="daynight")


async def set_up(
    home: Home, location: str, meters: dict[str, tuple[str, str]] = GRID_METER
) -> MockConfigEntry:
    """Set an entry up, in windows of 5 minutes."""
    entry = home.add_entry(location, meters, window=5)
    await home.set_up(entry)
    assert entry.state is ConfigEntryState.LOADED
    return entry


def coordinator_of(entry: MockConfigEntry) -> FlatPeakCoordinator:
    """Return the coordinator of a loaded entry."""
    coordinator: FlatPeakCoordinator = entry.runtime_data
    return coordinator


def key_of(entry: MockConfigEntry) -> str:
    """Return the key of the first meter."""
    return next(iter(coordinator_of(entry).meters))


class Log:
    """The requests that arrive from now on."""

    def __init__(self, home: Home) -> None:
        """Begin after those that are there."""
        self._requests = home.simulator.requests
        self._seen = len(self._requests)

    def new(self) -> list[LoggedRequest]:
        """Return what arrived since the last look, but for records and log-ins."""
        new = self._requests[self._seen :]
        self._seen = len(self._requests)
        return [r for r in new if r.path != "/login" and not is_record(r)]

    def templates(self) -> list[str]:
        """Return what was asked since the last look."""
        return [request.template for request in self.new()]


def reauthentications(home: Home) -> int:
    """Return how many flows ask for a new key."""
    flows = home.hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    return sum(flow["context"]["source"] == SOURCE_REAUTH for flow in flows)


REPORT = "/costs/interval/{id}"
REPORTS = [REPORT, REPORT]  # what was bought, and what others sold
PRICES = "/prices/{id}"
LOCATION = "/locations/{id}"


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
async def test_poll_asks_for_a_new_key(home: Home, location: str) -> None:
    """A key that is withdrawn later starts reauthentication at the next poll."""
    entry = await set_up(home, location)
    await home.live(MORNING + 3 * SLOT, use)
    home.simulator.remove_key(KEY)
    await home.go_to(datetime(2026, 11, 11, 12, 12, tzinfo=UTC))
    assert reauthentications(home) == 1
    assert entry.state is ConfigEntryState.LOADED
    assert home.value("cost_today") > 0


@pytest.mark.freeze_time(MORNING)
async def test_push_asks_for_a_new_key(home: Home, location: str) -> None:
    """A key that is withdrawn starts one reauthentication, and nothing is lost."""
    entry = await set_up(home, location)
    await home.live(MORNING + 3 * SLOT, use)
    home.simulator.remove_key(KEY)
    await home.live(MORNING + 6 * SLOT, use)
    assert reauthentications(home) == 1
    assert home.value("pending_records") == 3
    assert home.value("energy_today") * 1000 == 5 * WH

    home.simulator.add_account(ACCOUNT, KEY)
    await home.hass.config_entries.async_reload(entry.entry_id)
    await home.live(MORNING + 10 * SLOT, use)
    assert home.value("pending_records") == 0
    assert home.value("cost_today") == home.simulator.stored_cost(
        location, MORNING, MIDNIGHT
    )
    assert len(home.simulator.ledger.submissions) == 9


@pytest.fixture
def shown(home: Home) -> Iterator[list[tuple[datetime, str | None, str, str]]]:
    """Return all that today's cost and energy show: when, last reset, name, state."""
    seen: list[tuple[datetime, str | None, str, str]] = []

    @callback
    def note(event: Event[EventStateChangedData]) -> None:
        if state := event.data["new_state"]:
            reset = state.attributes.get("last_reset")
            name = state.entity_id.rpartition("home_")[2]
            seen.append((dt_util.utcnow(), reset, name, state.state))

    sensors = ["sensor.home_cost_today", "sensor.home_energy_today"]
    unsub = async_track_state_change_event(home.hass, sensors, note)
    yield seen
    unsub()


OLD_DAY = "2026-11-11T00:00:00+00:00"
NEW_DAY = "2026-11-12T00:00:00+00:00"


@pytest.mark.freeze_time(EVENING)
async def test_day_ends_when_all_is_priced(
    home: Home,
    location: str,
    shown: list[tuple[datetime, str | None, str, str]],
) -> None:
    """The old day's last value is complete; then the new day begins, at 0."""
    await set_up(home, location)
    await home.live(MIDNIGHT + SLOT, use)
    stored = home.simulator.stored_cost(location, EVENING, MIDNIGHT)
    for name, final in (("cost_today", stored), ("energy_today", Decimal("0.4"))):
        changes = [change for change in shown if change[2] == name]
        old = [change for change in changes if change[1] == OLD_DAY]
        new = [change for change in changes if change[1] == NEW_DAY]
        assert Decimal(old[-1][3]) == final
        assert old[-1][0] == new[0][0] == MIDNIGHT + 75 * SECOND
        assert Decimal(new[0][3]) == 0
        assert changes == old + new
    assert home.value("cost_this_month") == home.simulator.stored_cost(
        location, EVENING, MIDNIGHT + SLOT
    )


@pytest.mark.freeze_time(EVENING)
async def test_day_ends_at_the_latest_after_ten_minutes(
    home: Home,
    location: str,
    shown: list[tuple[datetime, str | None, str, str]],
) -> None:
    """A day that is not priced stays for ten minutes, then the new one is shown."""
    await set_up(home, location)
    await home.live(MIDNIGHT - SLOT, use)
    await home.simulator.refuse()
    await home.live(MIDNIGHT + SLOT, use)
    assert home.state("cost_today").attributes["last_reset"] == OLD_DAY
    await home.go_to(MIDNIGHT + timedelta(minutes=10) - SECOND)
    assert home.state("cost_today").attributes["last_reset"] == OLD_DAY
    await home.go_to(MIDNIGHT + timedelta(minutes=10))
    assert home.state("energy_today").attributes["last_reset"] == NEW_DAY
    energy = [change for change in shown if change[2] == "energy_today"]
    assert [one[3] for one in energy if one[1] == OLD_DAY][-1] == "0.4"
    assert home.state("cost_today").state == "unknown", "nothing of it is priced"
    await home.simulator.listen()
    await home.live(MIDNIGHT + 8 * SLOT, use)
    assert home.value("pending_records") == 0
    assert home.value("cost_today") == home.simulator.stored_cost(
        location, MIDNIGHT, MIDNIGHT + HOUR
    )


@pytest.mark.freeze_time("2026-11-11T07:15:00Z")
async def test_price_changes_at_its_edge(home: Home, location: str) -> None:
    """The price is that of now, from the first 5-minute run of its interval on."""
    await set_up(home, location)
    edge = datetime(2026, 11, 11, 7, 30, tzinfo=UTC)
    await home.live(edge - SLOT, use)
    assert home.value("price") == Decimal("0.1287")
    assert home.value("export_price") == Decimal("0.12")
    await home.live(edge, use)
    assert home.value("price") == Decimal("0.3142")
    assert home.value("cost_rate", home_key(home)) == Decimal("0.3142") * WH * 12 / 1000


def home_key(home: Home) -> str:
    """Return the key of the only entry's first meter."""
    [entry] = home.hass.config_entries.async_entries(DOMAIN)
    return next(iter(coordinator_of(entry).meters))


@pytest.mark.freeze_time(MORNING)
async def test_rate_does_not_outlive_its_power(home: Home, location: str) -> None:
    """Without new statistics nobody knows what is used now."""
    entry = await set_up(home, location)
    await home.live(MORNING + 2 * SLOT, use)
    assert home.value("cost_rate", key_of(entry)) > 0
    await home.go_to(MORNING + HOUR)
    coordinator_of(entry)._publish()
    assert home.state("cost_rate", key_of(entry)).state == "unknown"
    assert home.value("cost_today", key_of(entry)) > 0


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
async def test_invariant_6_day_of_the_location(home: Home) -> None:
    """A day begins on the location's clock, whatever Home Assistant's says."""
    await home.hass.config.async_set_time_zone("Asia/Kathmandu")
    home.add_sensor(GRID)
    location = home.simulator.add_location(ACCOUNT, timezone="America/St_Johns")
    await set_up(home, location)
    for key, begin in (
        ("cost_today", "2026-11-11T00:00:00-03:30"),
        ("cost_this_month", "2026-11-01T00:00:00-02:30"),  # before the clock change
    ):
        assert home.state(key).attributes["last_reset"] == begin


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
async def test_nothing_is_logged_in_good_times(
    home: Home, location: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A day without trouble leaves no warning; an outage leaves one error."""
    await set_up(home, location)
    await home.live(MORNING + 4 * SLOT, use)

    def trouble() -> list[str]:
        return [
            record.getMessage()
            for record in caplog.records
            if record.levelno >= logging.WARNING
            and "flatpeak" in f"{record.name} {record.getMessage()}".lower()
            and "not been tested by Home Assistant" not in record.getMessage()
        ]

    assert trouble() == []
    home.simulator.fail("/costs/interval/*", kind=FaultKind.DROP, times=None)
    await home.go_to(datetime(2026, 11, 11, 12, 12, tzinfo=UTC))
    await home.go_to(datetime(2026, 11, 11, 12, 50, tzinfo=UTC))
    assert len(trouble()) == 1
    assert location not in trouble()[0]


@pytest.mark.freeze_time(MORNING)
async def test_an_outage_is_logged_once(
    home: Home, location: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One that no poll meets as well: when it begins, and when it is over."""
    caplog.set_level(logging.INFO, "custom_components.flatpeak")
    await set_up(home, location)

    def said() -> list[str]:
        return [
            record.getMessage()
            for record in caplog.records
            if record.name.startswith("custom_components.flatpeak")
            and record.levelno >= logging.INFO
        ]

    await home.live(MORNING + 2 * SLOT, use)
    assert said() == []
    home.simulator.offline = True
    await home.live(MORNING + 8 * SLOT, use)
    [begin] = said()
    assert "cannot be used" in begin
    assert location not in begin
    home.simulator.offline = False
    await home.live(MORNING + 14 * SLOT, use)
    assert said() == [begin, "FlatPeak answers again"]


@pytest.mark.freeze_time(MORNING)
async def test_one_meter_without_a_price(home: Home, location: str) -> None:
    """What is wrong with one direction does not keep the others from being polled."""
    entry = await set_up(home, location, {GRID: ("import", "grid")})
    await home.live(MORNING + 3 * SLOT, use)
    home.simulator.set_problem(location, "IMPORT", "no_price_data")
    await home.go_to(MORNING + timedelta(hours=12))
    assert coordinator_of(entry).last_update_success
    assert home.value("energy_today") > 0


@pytest.mark.parametrize(
    ("price", "power", "rate"),
    [
        ("0.25", "2", "0.500000"),
        ("-0.25", "2", "-0.500000"),
        ("-0.25", "0", "0.000000"),
        (None, "2", None),
        ("0.25", None, None),
    ],
)
def test_cost_rate(price: str | None, power: str | None, rate: str | None) -> None:
    """What is unknown stays unknown, and nothing costs minus nothing."""
    found = _rate(
        None if price is None else Decimal(price),
        None if power is None else Decimal(power),
    )
    assert (None if found is None else str(found)) == rate
