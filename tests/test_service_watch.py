"""What is said of lasting trouble at FlatPeak, and when."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.flatpeak.api import (
    FlatPeakConnectionError,
    FlatPeakError,
    FlatPeakNotFoundError,
    FlatPeakPriceUnavailableError,
    FlatPeakRefusedError,
    TariffDirection,
)
from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.coordinator import FlatPeakCoordinator
from custom_components.flatpeak.issues import LOCATION, Issue, issue_id, open_issues
from custom_components.flatpeak.journal import (
    Facts,
    Journal,
    MeterState,
    Queued,
    Status,
)
from custom_components.flatpeak.metering import Stream, Window
from custom_components.flatpeak.metering.model import Reporting
from custom_components.flatpeak.meters import Meter
from custom_components.flatpeak.pace import Standing, Trouble
from custom_components.flatpeak.service_watch import (
    SERVICE_ISSUES,
    View,
    lacks_something,
    service_problems,
)

from .home import ACCOUNT, Home

NOW = datetime(2026, 11, 11, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
HOME = "loc_home"
DEVICE = "dev_pump"
GRID = "sensor.grid_import"
SOLAR = "sensor.solar_export"
PUMP = "sensor.heat_pump"

pytestmark = pytest.mark.freeze_time(NOW)


def meter(key: str, direction: str = "import", kind: str = "grid") -> Meter:
    """Return a meter."""
    return Meter(
        key=key,
        source=f"sensor.{key}",
        source_registry_id=None,
        direction=direction,
        kind=kind,
        reporting=Reporting.CONTINUOUS,
        max_power_kw=70,
        title=key.capitalize(),
        subentry_id=key,
    )


def state(owner: str, direction: str = "IMPORT") -> MeterState:
    """Return the state of a meter that is recorded on an owner."""
    stream = Stream(owner=owner, energy_direction=direction, tariff_direction=direction)
    return MeterState(stream=stream, source="sensor.any")


def record(key: str, ago: timedelta, **more: Any) -> Queued:
    """Return a record whose window ended some time ago."""
    end = NOW - ago
    window = Window(start=end - HOUR / 4, end=end, mwh=100_000)
    return Queued(meter=key, window=window, wh=100, **more)


def trouble(code: str, ago: timedelta) -> Trouble:
    """Return what is said of a tariff without a price."""
    error = FlatPeakPriceUnavailableError("POST /x", "no", status=422, code=code)
    return Trouble(error=error, since=NOW - ago)


VIEW = View(
    standing=Standing(answered=NOW - MINUTE),
    journal=Journal(
        meters={
            "grid": state(HOME),
            "solar": state(HOME, "EXPORT"),
            "pump": state(DEVICE),
        }
    ),
    meters=(meter("grid"), meter("solar", "export"), meter("pump", kind="device")),
    location_id=HOME,
    name="Home",
    now=NOW,
    began=NOW - 3 * HOUR,
    is_priced=lambda _: False,
    waits=False,
)


def said(view: View) -> dict[Issue, dict[str, str]]:
    """Return what is said, by issue."""
    return {issue: dict(text) for (issue, _), text in service_problems(view).items()}


def standing(**what: Any) -> View:
    """Return a view of this standing."""
    return replace(VIEW, standing=replace(VIEW.standing, **what))


def waiting(*records: Queued, view: View = VIEW) -> View:
    """Return a view with records on their way."""
    return replace(view, journal=replace(view.journal, outbox=records))


def test_all_is_well() -> None:
    """Nothing is said, also of records that wait for less than a day."""
    assert said(VIEW) == {}
    assert said(waiting(record("grid", 23 * HOUR))) == {}
    assert not lacks_something(VIEW.standing, Facts(), VIEW.meters)


def test_an_account_that_is_switched_off_is_said_at_once() -> None:
    """It explains all that waits."""
    assert said(standing(disabled=True)) == {Issue.ACCOUNT_DISABLED: {}}
    old = waiting(record("grid", 2 * DAY), view=standing(disabled=True))
    assert said(old) == {Issue.ACCOUNT_DISABLED: {}}


@pytest.mark.parametrize(
    ("error", "issue"),
    [
        (FlatPeakRefusedError("GET /x", "no"), Issue.LOCATION_REFUSED),
        (FlatPeakNotFoundError("GET /x", "no"), Issue.LOCATION_NOT_FOUND),
    ],
)
def test_a_location_that_is_not_ours(error: FlatPeakError, issue: Issue) -> None:
    """It is told apart from one that is gone, and explains refused devices."""
    refused = Trouble(error=error, since=NOW)
    view = standing(refused={HOME: refused, DEVICE: refused}, good={HOME: NOW})
    assert said(waiting(record("grid", 2 * DAY), view=view)) == {issue: {}}
    assert lacks_something(view.standing, Facts(), view.meters)


@pytest.mark.parametrize(
    ("good", "found"), [({}, False), ({HOME: -MINUTE}, False), ({HOME: MINUTE}, True)]
)
def test_a_device_is_blamed_only_where_the_location_is_good(
    good: dict[str, timedelta], found: bool
) -> None:
    """A record is refused for its device, or for its location."""
    since = NOW - HOUR
    error = FlatPeakRefusedError("POST /x", "no")
    view = standing(
        refused={DEVICE: Trouble(error=error, since=since)},
        good={owner: since + later for owner, later in good.items()},
    )
    expected = {(Issue.DEVICE_REFUSED, "pump"): {"device": "ha-pump"}}
    assert service_problems(view) == (expected if found else {})
    new = replace(view, journal=Journal())  # no stream of its own yet
    assert service_problems(new) == {}


@pytest.mark.parametrize(
    ("direction", "names"), [("IMPORT", "Grid, Pump"), ("EXPORT", "Solar")]
)
def test_a_tariff_that_is_not_connected_is_said_at_once(
    direction: str, names: str
) -> None:
    """By the price or by the location's status, unless a price proves it wrong."""
    by_price = standing(unpriced={direction: trouble("no_tariff_connected", 0 * HOUR)})
    expected = {Issue.NO_TARIFF: {"meters": names}}
    assert said(by_price) == expected
    status = {f"commodity_{direction.lower()}": "NOT_CONNECTED "}
    facts = Facts(tariff_status=status)
    by_status = replace(VIEW, journal=replace(VIEW.journal, facts=facts))
    assert said(by_status) == expected
    assert lacks_something(by_status.standing, facts, VIEW.meters)
    proven = Standing(priced=frozenset({direction}))
    assert said(replace(by_status, standing=proven)) == {}
    pending = Standing(unpriced={direction: trouble("pending_connect", HOUR)})
    assert said(replace(by_status, standing=pending)) == {}


def test_only_tariffs_that_are_needed_count() -> None:
    """A home that sells nothing needs no export tariff; one without meters buys."""
    facts = Facts(
        tariff_status={
            "commodity_import": "NOT_CONNECTED",
            "commodity_export": "NOT_CONNECTED",
        }
    )
    view = replace(VIEW, journal=Journal(facts=facts), meters=())
    assert said(view) == {Issue.NO_TARIFF: {"meters": "Home"}}
    sells = replace(view, meters=(meter("solar", "export"),))
    assert said(sells) == {Issue.NO_TARIFF: {"meters": "Solar"}}
    export = Standing(unpriced={"EXPORT": trouble("no_tariff_connected", HOUR)})
    assert not lacks_something(export, Facts(), [meter("grid")])


@pytest.mark.parametrize(
    ("code", "issue"),
    [
        ("pending_connect", Issue.TARIFF_PENDING),
        ("no_price_data", Issue.PRICE_MISSING),
    ],
)
def test_a_price_may_be_missing_for_a_day(code: str, issue: Issue) -> None:
    """The outbox knows since when, also after a restart; an hour later it is said."""
    for key in "IMPORT", "":  # a stream, and the location's report as a whole
        for ago, found in ((23 * HOUR, False), (25 * HOUR, True)):
            view = standing(unpriced={key: trouble(code, ago)})
            assert (issue in said(view)) is found
    for lasts, found in ((MINUTE, False), (HOUR, True)):
        view = standing(unpriced={"IMPORT": trouble(code, lasts)})
        for status in Status.NEW, Status.ATTEMPTED:
            old = waiting(record("pump", 25 * HOUR, status=status), view=view)
            assert (issue in said(old)) is found
            assert found or said(old) == {}
    assert said(old)[issue] == {"meters": "Grid, Pump", "start": "2026-11-10 07:00"}
    others = (record("solar", 2 * DAY), record("pump", 2 * DAY, status=Status.HELD))
    assert issue not in said(waiting(*others, view=view))
    assert said(replace(old, is_priced=lambda _: True)) == {}


def test_an_outage_is_said_after_a_day() -> None:
    """By the oldest record, or where there is none by the last answer."""
    error = FlatPeakConnectionError("POST /x", "no connection")
    view = standing(trouble=Trouble(error=error, since=NOW - MINUTE))
    assert said(view) == {}
    assert said(waiting(record("grid", 23 * HOUR), view=view)) == {}
    new = waiting(record("grid", 25 * HOUR), view=view)
    lost = waiting(record("grid", 25 * HOUR, status=Status.ATTEMPTED), view=view)
    text = {"start": "2026-11-10 07:00", "error": "POST /x: no connection"}
    assert said(new) == said(lost) == {Issue.UNREACHABLE: text}
    assert said(replace(new, began=NOW - 59 * MINUTE)) == {}
    assert said(replace(new, waits=True)) == {}
    for answered in NOW - 25 * HOUR, None:
        silent = standing(trouble=view.standing.trouble, answered=answered)
        assert said(replace(silent, began=NOW - 26 * HOUR)).keys() == {
            Issue.UNREACHABLE
        }


def test_records_that_wait_for_no_known_reason() -> None:
    """Whatever else is said of a record explains why it waits."""
    old = record("pump", 25 * HOUR)
    text = {"start": "2026-11-10 07:00", "count": "1"}
    assert said(waiting(old)) == {Issue.RECORDS_WAITING: text}
    # As long as reports may lag, what an earlier life may have sent waits as well.
    doubtful = replace(old, status=Status.ATTEMPTED)
    assert said(waiting(doubtful)) == {Issue.RECORDS_WAITING: text}
    sent = replace(old, status=Status.ATTEMPTED, attempted=NOW - 25 * HOUR)
    aside = replace(old, status=Status.SET_ASIDE)
    assert said(waiting(sent, aside)) == {}
    view = standing(unpriced={"IMPORT": trouble("pending_connect", MINUTE)})
    assert said(waiting(old, view=view)) == {}
    refused = Trouble(error=FlatPeakRefusedError("POST /x", "no"), since=NOW)
    assert said(waiting(old, view=standing(refused={DEVICE: refused}))) == {}
    unknown = replace(VIEW, journal=Journal(outbox=(old,)))
    assert said(unknown) == {}
    assert said(replace(waiting(old), waits=True)) == {}


# -- in a home ------------------------------------------------------------------


def use(_: datetime) -> dict[str, float]:
    """Return what the meters count in a slot, in kWh."""
    return {GRID: 0.05, SOLAR: 0.02, PUMP: 0.03}


@pytest.fixture
async def entry(home: Home) -> MockConfigEntry:
    """Return a home with three meters that has been recorded for half an hour."""
    location = home.simulator.add_location(ACCOUNT, reference_id="Home")
    for source in use(NOW):
        home.add_sensor(source)
    entry = home.add_entry(
        location,
        {
            GRID: ("import", "grid"),
            SOLAR: ("export", "grid"),
            PUMP: ("import", "device"),
        },
        window=15,
    )
    await home.set_up(entry)
    await home.live(NOW + 30 * MINUTE, use)
    assert open_issues(home.hass, entry) == []
    return entry


def disable(home: Home, _: str) -> Callable[[], None]:
    """Switch the account off."""
    home.simulator.disable_account(ACCOUNT)
    return lambda: home.simulator.disable_account(ACCOUNT, disabled=False)


def answer(status: int) -> Callable[[Home, str], Callable[[], None]]:
    """Refuse everything but the log-in."""

    def begin(home: Home, _: str) -> Callable[[], None]:
        for path in "/costs/*", "/locations/*", "/prices/*":
            home.simulator.fail(path, status=status, times=None)
        return home.simulator.faults.clear

    return begin


def price(code: str, way: str) -> Callable[[Home, str], Callable[[], None]]:
    """Take the price of a direction away."""

    def begin(home: Home, location: str) -> Callable[[], None]:
        home.simulator.set_problem(location, way, code)
        return lambda: home.simulator.set_problem(location, way, None)

    return begin


def delete_device(home: Home, _: str) -> Callable[[], None]:
    """Delete the heat pump's device."""
    devices = home.simulator.ledger.devices
    kept = dict(devices)
    devices.clear()
    return lambda: devices.update(kept)


def cut_off(home: Home, _: str) -> Callable[[], None]:
    """Break every connection."""
    home.simulator.offline = True
    return lambda: setattr(home.simulator, "offline", False)


CASES = {
    "disabled": (disable, Issue.ACCOUNT_DISABLED, False),
    "refused": (answer(403), Issue.LOCATION_REFUSED, False),
    "not found": (answer(404), Issue.LOCATION_NOT_FOUND, False),
    "device": (delete_device, Issue.DEVICE_REFUSED, False),
    "no import": (price("no_tariff_connected", "IMPORT"), Issue.NO_TARIFF, False),
    "no export": (price("no_tariff_connected", "EXPORT"), Issue.NO_TARIFF, False),
    "pending": (price("pending_connect", "IMPORT"), Issue.TARIFF_PENDING, True),
    "no price": (price("no_price_data", "IMPORT"), Issue.PRICE_MISSING, True),
    "outage": (cut_off, Issue.UNREACHABLE, True),
}


@pytest.mark.parametrize("case", CASES)
async def test_raised_once_and_cured_once(
    home: Home, entry: MockConfigEntry, case: str
) -> None:
    """Each is raised in its time, stays while it lasts, and goes with its cause."""
    begin, issue, patient = CASES[case]
    end = begin(home, entry.unique_id or "")
    seen = {}
    for hours in (1, 2, 13, 23, 24.5, 26, 37, 49):
        await pass_time(home, NOW + timedelta(hours=hours))
        seen[hours] = [found for found, _ in open_issues(home.hass, entry)]
    assert {(), *map(tuple, seen.values())} == {(), (issue,)}
    raised = [bool(found) for found in seen.values()]
    assert raised == sorted(raised)
    first = min(hours for hours, found in seen.items() if found)
    assert first in ((24.5, 26) if patient else (1, 2))
    end()
    cured = NOW + 51 * HOUR
    await pass_time(home, cured)
    await pass_time(home, cured + 75 * MINUTE)
    assert open_issues(home.hass, entry) == []
    outbox = entry.runtime_data.ledger.journal.outbox
    late = [item for item in outbox if item.window.end < cured]
    assert {item.status for item in late} <= {Status.ATTEMPTED}
    assert len(late) <= 2  # answered with a 422 once: looked up until that is certain


async def pass_time(home: Home, until: datetime) -> None:
    """Let the clock jump, and the home live for a quarter of an hour then."""
    await home.go_to(until)
    await home.live(until + 15 * MINUTE, use)


async def test_a_poll_tells_at_once(home: Home, entry: MockConfigEntry) -> None:
    """Neither the message nor its end waits for the recorder's next run."""
    cure = price("no_tariff_connected", "EXPORT")(home, entry.unique_id or "")
    await home.hass.config_entries.async_reload(entry.entry_id)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    assert open_issues(home.hass, entry) == [(Issue.NO_TARIFF, LOCATION)]
    cure()
    await home.hass.config_entries.async_reload(entry.entry_id)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    assert open_issues(home.hass, entry) == []


async def test_it_is_known_after_a_restart(home: Home, entry: MockConfigEntry) -> None:
    """Since when a price is missing is in the outbox."""
    cure = price("pending_connect", "IMPORT")(home, entry.unique_id or "")
    await home.live(NOW + 60 * MINUTE, use)
    assert open_issues(home.hass, entry) == []
    await home.hass.config_entries.async_unload(entry.entry_id)
    await home.go_to(NOW + 26 * HOUR)
    await home.set_up(entry)
    await home.live(NOW + 26 * HOUR + 15 * MINUTE, use)
    assert open_issues(home.hass, entry) == []
    await home.live(NOW + 27 * HOUR + 30 * MINUTE, use)
    assert open_issues(home.hass, entry) == [(Issue.TARIFF_PENDING, LOCATION)]
    cure()
    await home.live(NOW + 28 * HOUR, use)
    assert open_issues(home.hass, entry) == []


async def test_a_location_without_meters(home: Home) -> None:
    """Its reports need a tariff, too; the status alone says that there is none."""
    location = home.simulator.add_location(ACCOUNT, reference_id="Home")
    entry = home.add_entry(location, {})
    await home.set_up(entry)
    cure = price("no_tariff_connected", "IMPORT")(home, location)
    await home.go_to(NOW + 31 * MINUTE)
    await home.live(NOW + 40 * MINUTE, lambda _: {})
    assert open_issues(home.hass, entry) == [(Issue.NO_TARIFF, LOCATION)]
    cure()
    await home.go_to(NOW + 75 * MINUTE)
    await home.live(NOW + 85 * MINUTE, lambda _: {})
    assert open_issues(home.hass, entry) == []


async def test_records_that_wait_and_go(home: Home, entry: MockConfigEntry) -> None:
    """What has waited for a day is said, until it goes out."""
    coordinator: FlatPeakCoordinator = entry.runtime_data
    await home.live(NOW + 75 * MINUTE, use)
    key = next(iter(coordinator.meters))
    old = record(key, 30 * HOUR, status=Status.NEW)
    ledger = coordinator.ledger
    paused = replace(ledger.journal.facts, paused=True)
    await ledger.async_write(replace(ledger.journal, facts=paused, outbox=(old,)))
    coordinator._publish()
    assert open_issues(home.hass, entry) == []  # as the user wants it
    facts = replace(paused, paused=False)
    await ledger.async_write(replace(ledger.journal, facts=facts))
    coordinator._publish()
    identity = issue_id(entry.entry_id, Issue.RECORDS_WAITING)
    found = ir.async_get(home.hass).async_get_issue(DOMAIN, identity)
    assert found
    assert found.severity is ir.IssueSeverity.WARNING
    await home.live(NOW + 80 * MINUTE, use)
    assert open_issues(home.hass, entry) == []


def test_each_issue_is_of_one_kind() -> None:
    """Every tariff has its status, and every issue is either a meter's or not."""
    assert set(TariffDirection) > {TariffDirection.IMPORT, TariffDirection.EXPORT}
    assert Issue.DEVICE_REFUSED not in SERVICE_ISSUES
