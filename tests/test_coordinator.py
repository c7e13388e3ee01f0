"""A location's clock: when a day ends, what the entities then show, what is logged."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
import logging

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EVENT_RECORDER_5MIN_STATISTICS_GENERATED
from homeassistant.core import Event, EventStateChangedData, callback
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.util import dt as dt_util
import pytest

from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.snapshot import _rate

from .home import ACCOUNT, KEY, Home
from .location import (
    EVENING,
    GRID,
    HOUR,
    MIDNIGHT,
    MORNING,
    SECOND,
    SLOT,
    WH,
    coordinator_of,
    key_of,
    reauthentications,
    set_up,
    use,
)
from .simulator.faults import FaultKind


@pytest.fixture
def location(home: Home) -> str:
    """Return a location in London, where the tariff knows day and night."""
    home.add_sensor(GRID)
    return home.simulator.add_location(ACCOUNT, tariff="daynight")


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
async def test_a_database_that_fails_holds_up_only_what_it_has(
    home: Home, location: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Meanwhile no old power is shown as if it were new; then all goes on."""
    entry = await set_up(home, location)
    await home.live(MORNING + 4 * SLOT, use)
    before = home.value("cost_today")
    await home.rename_table("statistics_short_term", "hidden")
    await home.go_to(MORNING + HOUR)
    home.hass.bus.async_fire(EVENT_RECORDER_5MIN_STATISTICS_GENERATED)
    await home.go_to(MORNING + HOUR + 75 * SECOND)
    assert home.state("cost_rate", key_of(entry)).state == "unknown"
    assert home.value("cost_today") == before
    assert "The recorder cannot be read" in caplog.text

    await home.rename_table("hidden", "statistics_short_term")
    await home.live(MORNING + HOUR + 4 * SLOT, use)
    assert home.value("cost_rate", key_of(entry)) > 0
    assert home.value("pending_records") == 0
    assert home.value("cost_today") == home.simulator.stored_cost(
        location, MORNING, MIDNIGHT
    )
    assert home.value("cost_today") > before


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


def said(caplog: pytest.LogCaptureFixture, logger: str) -> list[str]:
    """Return what was logged from INFO on, by a logger and those below it."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith(logger) and record.levelno >= logging.INFO
    ]


@pytest.mark.freeze_time(MORNING)
async def test_an_outage_is_logged_once(
    home: Home, location: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One that no poll meets as well: when it begins, and when it is over."""
    logger = "custom_components.flatpeak"
    caplog.set_level(logging.INFO, logger)
    await set_up(home, location)
    await home.live(MORNING + 2 * SLOT, use)
    assert said(caplog, logger) == []
    home.simulator.offline = True
    await home.live(MORNING + 8 * SLOT, use)
    [begin] = said(caplog, logger)
    assert "cannot be used" in begin
    assert location not in begin
    home.simulator.offline = False
    await home.live(MORNING + 14 * SLOT, use)
    assert said(caplog, logger) == [begin, "FlatPeak answers again"]


@pytest.mark.freeze_time(MORNING)
async def test_a_home_that_waits_says_what_another_one_was_told(
    home: Home, location: str
) -> None:
    """They share an account's pause: its reason is known to both, without gaps."""
    await set_up(home, location)
    cabin = await set_up(home, home.simulator.add_location(ACCOUNT), {})
    home.simulator.offline = True
    await home.live(MORNING + 3 * SLOT, use)
    home.simulator.offline = False  # nobody knows yet: it is not asked
    await coordinator_of(cabin).async_refresh()
    told = str(coordinator_of(cabin).last_exception)
    assert told.startswith("FlatPeak cannot be reached (")
    assert "{detail}" not in told


@pytest.mark.freeze_time(MORNING)
async def test_an_account_that_is_switched_off_is_logged_once(
    home: Home, location: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing can be asked then either: when that begins, and when it is over."""
    logger = "custom_components.flatpeak.pace"
    caplog.set_level(logging.INFO, logger)
    await set_up(home, location)
    home.simulator.disable_account(ACCOUNT)
    await home.live(MORNING + 4 * SLOT, use)
    home.simulator.disable_account(ACCOUNT, disabled=False)
    await home.live(MORNING + 16 * SLOT, use)
    begin, end = said(caplog, logger)
    assert begin.startswith("FlatPeak cannot be used at the moment: ")
    assert end == "FlatPeak answers again"


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
