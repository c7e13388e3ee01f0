"""The money: what the sensors show is what FlatPeak asks, to the last digit."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
import logging
from typing import Any
from zoneinfo import ZoneInfo

from _pytest.mark.structures import ParameterSet
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import Event, EventStateChangedData, callback
from homeassistant.helpers import entity_registry as er
import pytest

from custom_components.flatpeak.const import DIRECTION_EXPORT, DIRECTION_IMPORT
from custom_components.flatpeak.meters import device_reference_id, meter_key

from .home import ACCOUNT, Home
from .simulator import DEFAULT, VARIANTS, FaultKind, day_start
from .simulator.report import priced
from .simulator.wire import GRAMMARS, VERSIONS, draft

GRID, SOLD, PUMP = "sensor.grid_import", "sensor.grid_export", "sensor.heat_pump"
METERS = {
    GRID: (DIRECTION_IMPORT, "grid"),
    SOLD: (DIRECTION_EXPORT, "grid"),
    PUMP: (DIRECTION_IMPORT, "device"),
}
INSTANT = "/costs/instant"

# Where FlatPeak's own sum of a stream is not what its records cost, and why. There the
# sensors are compared with the prices of the distinct records instead.
OTHER_SUM = {
    "aggregate_rounding=rounded_sum": "A sum is rounded once, its records each.",
    "location_report=with_devices": "A location's sum holds its devices' records.",
    "overwrite_key=owner": "An export record erases the import of the same period.",
}

# Where a record sent twice would stay twice, and shows up late or is even stored late.
WORST = DEFAULT.but(
    {
        "overwrite": "never",
        "visibility": "out_of_order",
        "execution": "late",
        "late_by": 400,
        "unpriced": "stored",
    }
)
FLATPEAKS = {**VARIANTS, "worst": WORST}

# What money earned at a positive price is multiplied with.
SIGN = {"export_sign=negative": -1}


@pytest.fixture
def recorder_config() -> dict[str, Any]:
    """Record the sources alone, which is quicker."""
    return {"include": {"entities": list(METERS)}}


@pytest.fixture(autouse=True)
def quiet_database() -> None:
    """Let the database not log every statement, which is slow."""
    logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)


class Books:
    """What a location's sensors must show, by the simulator alone."""

    def __init__(self, home: Home, location: str) -> None:
        """Look at one location."""
        self._home = home
        self._location = location
        self._simulator = home.simulator

    def key(self, source: str) -> str:
        """Return a meter's key."""
        return meter_key(self._location, METERS[source][0], source)

    def owner(self, source: str) -> str:
        """Return the id that a meter's records are stored for."""
        reference = device_reference_id(self.key(source))
        devices = self._simulator.ledger.devices.values()
        own = [one.id for one in devices if one.reference_id == reference]
        return own[0] if own else self._location

    def stored(self, source: str, start: datetime, end: datetime) -> Decimal:
        """Return FlatPeak's sum of a meter."""
        direction = METERS[source][0].upper()
        return self._simulator.stored_cost(self.owner(source), start, end, direction)

    def asked(self, source: str, start: datetime, end: datetime) -> Decimal:
        """Return what the distinct records that we ever sent for a meter cost."""
        owner, direction = self.owner(source), METERS[source][0].upper()
        sent = [
            draft(one.body, GRAMMARS[VERSIONS[one.headers["flatpeak-version"]]])
            for one in self._simulator.requests
            if one.path == INSTANT
        ]
        records = {
            (one.start, one.end): one
            for one in sent
            if (one.owner, one.tariff_direction) == (owner, direction)
            and start <= one.start < end
        }
        simulator = self._simulator
        place = simulator.ledger.locations[self._location]
        return sum(
            (
                priced(one, place, simulator.now, simulator.switches).cost
                for one in records.values()
            ),
            Decimal(0),
        )

    def value(self, key: str, source: str | None = None) -> Decimal:
        """Return what a sensor shows."""
        return self._home.value(key, self.key(source) if source else "location")


def _wh(start: datetime, base: int, spread: int) -> float:
    """Return the kWh of a slot: uneven, so that nothing is right by chance."""
    slot = int(start.timestamp()) // 300
    return (base * 1000 + slot * 7919 % (spread * 1000)) / 1_000_000


def _usage(start: datetime) -> dict[str, float]:
    """Return what each source uses in a slot."""
    return {
        GRID: _wh(start, 40, 160),
        SOLD: _wh(start, 0, 60),
        PUMP: _wh(start, 1, 30),
    }


def _trouble(home: Home, location: str) -> Mapping[str, Callable[[], None]]:
    """Return what goes wrong in the slot that begins at a time of day (UTC)."""
    simulator = home.simulator

    def break_thrice() -> None:
        simulator.fail(INSTANT, status=500, stored=True)
        simulator.fail(INSTANT, kind=FaultKind.DROP)
        simulator.fail(INSTANT, kind=FaultKind.DROP, stored=True)

    return {
        "12:10": break_thrice,
        "12:40": lambda: simulator.fail(INSTANT, status=429, retry_after=400),
        "12:55": lambda: simulator.set_problem(location, "IMPORT", "pending_connect"),
        "13:15": lambda: simulator.set_problem(location, "IMPORT", None),
    }


@pytest.mark.parametrize("variant", FLATPEAKS)
@pytest.mark.freeze_time("2026-11-10T11:55:00Z")
async def test_every_flatpeak(home: Home, variant: str) -> None:
    """Money and energy are exact after trouble, whatever FlatPeak may be like."""
    simulator = home.simulator
    simulator.switches = FLATPEAKS[variant]
    location = simulator.add_location(
        ACCOUNT, tariff="dynamic", timezone="Europe/Berlin", currency="EUR"
    )
    trouble = _trouble(home, location)
    for source in METERS:
        home.add_sensor(source)
    entry = home.add_entry(location, METERS, window=15)
    await home.set_up(entry)
    before: dict[str, Decimal] = {}

    def live(start: datetime) -> dict[str, float]:
        if f"{start:%H:%M}" in trouble:
            trouble[f"{start:%H:%M}"]()
        if f"{start:%H:%M}" == "12:00":
            before.update(home.registers)
        return _usage(start)

    await home.live(datetime(2026, 11, 10, 14, 30, tzinfo=UTC), live)
    books = Books(home, location)
    start = datetime(2026, 11, 9, 23, tzinfo=UTC)
    end = start + timedelta(days=1)
    assert not simulator.faults.waiting

    def check() -> None:
        truth = books.asked if variant in OTHER_SUM else books.stored
        for source in METERS:
            money = truth(source, start, end)
            assert money != 0
            assert books.value("cost_today", source) == money
            assert books.value("cost_this_month", source) == money
            used = home.registers[source] - before[source]
            assert books.value("energy_today", source) == used
            assert books.value("pending_records", source) == 0
        earned = truth(SOLD, start, end) * SIGN.get(variant, 1)
        assert books.value("cost_today") == truth(GRID, start, end) - earned

    check()
    periods = [
        (one.draft.owner, one.draft.tariff_direction, one.draft.start)
        for one in simulator.ledger.submissions
    ]
    assert len(periods) == len(set(periods))
    await home.go_to(datetime(2026, 11, 10, 17, 12, tzinfo=UTC))
    check()


@pytest.mark.freeze_time("2026-11-10T11:55:00Z")
async def test_net_of_negative_earnings(home: Home) -> None:
    """What was earned lowers the net, also where FlatPeak gives it a minus sign."""
    home.simulator.switches = VARIANTS["export_sign=negative"]
    location = home.simulator.add_location(ACCOUNT)
    for source in GRID, SOLD:
        home.add_sensor(source)
    entry = home.add_entry(location, {one: METERS[one] for one in (GRID, SOLD)})
    await home.set_up(entry)
    await home.live(
        datetime(2026, 11, 10, 13, tzinfo=UTC),
        lambda start: {one: _usage(start)[one] for one in (GRID, SOLD)},
    )
    books = Books(home, location)
    bought, sold = books.value("cost_today", GRID), books.value("cost_today", SOLD)
    assert sold < 0
    assert books.value("cost_today") == bought + sold


class Shown:
    """The last value that each sensor of a period showed for each period."""

    def __init__(self, home: Home) -> None:
        """Begin to look."""
        self.values: dict[tuple[str, datetime], Decimal] = {}
        self._registry = er.async_get(home.hass)
        home.hass.bus.async_listen(EVENT_STATE_CHANGED, self._note)

    @callback
    def _note(self, event: Event[EventStateChangedData]) -> None:
        entry = self._registry.async_get(event.data["entity_id"])
        state = event.data["new_state"]
        if entry and state and (reset := state.attributes.get("last_reset")):
            begins = datetime.fromisoformat(reset)
            self.values[entry.unique_id, begins] = Decimal(state.state)


def _night(zone: str, day: date) -> ParameterSet:
    """Return a night that begins 80 minutes before a local day."""
    dusk = day_start(day, ZoneInfo(zone)) - timedelta(hours=1, minutes=20)
    mark = pytest.mark.freeze_time(dusk.isoformat())
    return pytest.param(zone, day, marks=mark, id=f"{zone} {day}")


NIGHTS = [
    _night("America/St_Johns", date(2026, 12, 2)),
    _night("Asia/Kathmandu", date(2026, 11, 1)),
    _night("Australia/Lord_Howe", date(2026, 10, 4)),  # 2:00 becomes 2:30
    _night("Australia/Lord_Howe", date(2026, 4, 5)),  # 2:00 becomes 1:30
]


@pytest.mark.parametrize(("name", "day"), NIGHTS)
async def test_odd_zones(home: Home, name: str, day: date) -> None:
    """Days and months are the location's, whose clock is half an hour off."""
    midnight = day_start(day, ZoneInfo(name))
    location = home.simulator.add_location(ACCOUNT, tariff="dynamic", timezone=name)
    for source in METERS:
        home.add_sensor(source)
    shown = Shown(home)
    await home.set_up(home.add_entry(location, METERS, window=15))
    before = dict(home.registers)

    def live(start: datetime) -> dict[str, float]:
        if start == midnight:
            before.update(home.registers)
        return _usage(start)

    await home.live(midnight + timedelta(hours=3), live)
    books = Books(home, location)
    yesterday = day_start(day - timedelta(days=1), ZoneInfo(name))
    month = day_start(day.replace(day=1), ZoneInfo(name))
    end = midnight + timedelta(days=1)
    for source in METERS:
        unique_id = f"{location}_{books.key(source)}"
        before_midnight = books.stored(source, yesterday, midnight)
        assert before_midnight
        assert shown.values[f"{unique_id}_cost_today", yesterday] == before_midnight
        cost_today = books.stored(source, midnight, end)
        assert books.value("cost_today", source) == cost_today
        assert shown.values[f"{unique_id}_cost_today", midnight] == cost_today
        cost_this_month = books.stored(source, month, end)
        assert books.value("cost_this_month", source) == cost_this_month
        assert (cost_this_month == cost_today) == (day.day == 1)
        used = home.registers[source] - before[source]
        assert books.value("energy_today", source) == used
    for record in home.simulator.records:
        span = record.draft.start, record.draft.end
        assert not any(span[0] < edge < span[1] for edge in (midnight, month))


# What the reports of a home may be like where our books have nothing to say.
REPORTS = [
    "order=ascending",
    "order=shuffled",
    "empty_buckets=zero",
    "empty_buckets=not_found",
    "unaggregated=total",
    "lag=120.0",
    "export_sign=negative",
]


@pytest.mark.parametrize("sells", [True, False], ids=["export", "no export tariff"])
@pytest.mark.parametrize("variant", REPORTS)
@pytest.mark.freeze_time("2026-11-10T11:57:00Z")
async def test_without_meters(home: Home, variant: str, sells: bool) -> None:
    """What others have recorded is the location's total, net of export."""
    simulator = home.simulator
    simulator.switches = VARIANTS.get(variant, DEFAULT)
    location = simulator.add_location(
        ACCOUNT, tariff="dynamic", timezone="Europe/Berlin"
    )
    if not sells:
        simulator.set_problem(location, "EXPORT", "no_tariff_connected")
    await home.set_up(home.add_entry(location, {}))
    books = Books(home, location)
    assert books.value("cost_today") == 0
    assert books.value("cost_this_month") == 0

    midnight = datetime(2026, 11, 9, 23, tzinfo=UTC)
    month = datetime(2026, 10, 31, 23, tzinfo=UTC)
    quarter = timedelta(minutes=15)
    starts = [
        *(month - quarter, month, midnight - quarter, midnight),
        *(midnight + timedelta(hours=hour) for hour in range(1, 12)),
    ]
    for number, start in enumerate(starts):
        simulator.add_record(location, start, start + quarter, 150 + 37 * number)
        if sells:
            simulator.add_record(
                location, start, start + quarter, 11 * number, direction="EXPORT"
            )
    await home.go_to(datetime(2026, 11, 10, 18, 15, tzinfo=UTC))
    for key, since in (("today", midnight), ("this_month", month)):
        bought = books.stored(GRID, since, simulator.now)
        sold = books.stored(SOLD, since, simulator.now) * SIGN.get(variant, 1)
        assert bought
        assert bool(sold) == sells
        assert books.value(f"cost_{key}") == bought - sold
    wh = sum(150 + 37 * number - 11 * number * sells for number in range(3, 15))
    assert books.value("energy_today") == Decimal(wh) / 1000
    last_reset = home.state("cost_today").attributes["last_reset"]
    assert datetime.fromisoformat(last_reset) == midnight


@pytest.mark.parametrize("variant", ["own", "with_devices"])
@pytest.mark.freeze_time("2026-11-10T11:55:00Z")
async def test_device_meters_only(home: Home, variant: str) -> None:
    """A device's cost is ours, the location's what its report says."""
    simulator = home.simulator
    simulator.switches = DEFAULT.but({"location_report": variant})
    location = simulator.add_location(
        ACCOUNT, tariff="dynamic", timezone="Europe/Berlin"
    )
    home.add_sensor(PUMP)
    await home.set_up(home.add_entry(location, {PUMP: METERS[PUMP]}, window=15))
    before: dict[str, Decimal] = {}
    start = datetime(2026, 11, 10, 7, tzinfo=UTC)
    simulator.add_record(location, start, start + timedelta(minutes=30), 1234)

    def live(start: datetime) -> dict[str, float]:
        # The first reading is where the counting begins.
        if start.hour == 12:
            before.setdefault(PUMP, home.registers[PUMP])
        return {PUMP: _usage(start)[PUMP]}

    await home.live(datetime(2026, 11, 10, 14, tzinfo=UTC), live)
    books = Books(home, location)
    midnight = datetime(2026, 11, 9, 23, tzinfo=UTC)
    assert books.owner(PUMP) != location
    cost = books.stored(PUMP, midnight, simulator.now)
    assert books.value("cost_today", PUMP) == cost
    assert books.value("cost_this_month", PUMP) == cost
    used = home.registers[PUMP] - before[PUMP]
    assert books.value("energy_today", PUMP) == used
    await home.go_to(datetime(2026, 11, 10, 14, 35, tzinfo=UTC))
    assert books.value("cost_today") == books.stored(GRID, midnight, simulator.now)


@pytest.mark.freeze_time(datetime(2026, 11, 11, 8, tzinfo=UTC))
async def test_invariant_5_too_little_to_send_is_no_price(home: Home) -> None:
    """A tenth of a Wh goes on in the next record: that one has no price, so no total.

    Once it is priced, the total is what FlatPeak asks.
    """
    begin = datetime(2026, 11, 11, 8, tzinfo=UTC)
    location = home.simulator.add_location(ACCOUNT, tariff="daynight")
    home.add_sensor(GRID)
    entry = home.add_entry(location, {GRID: METERS[GRID]}, window=15)
    await home.set_up(entry)
    books = Books(home, location)
    home.simulator.set_problem(location, "IMPORT", "no_price_data")
    await home.live(begin + timedelta(minutes=15), lambda _: {GRID: 0.0001})
    await home.live(begin + timedelta(minutes=50), lambda _: {GRID: 0.5})
    for key in books.key(GRID), "location":
        assert home.state("cost_today", key).state == "unknown"
    assert books.value("energy_today", GRID) > 1
    home.simulator.set_problem(location, "IMPORT", None)
    await home.live(begin + timedelta(minutes=90), lambda _: {GRID: 0.5})
    stored = books.stored(GRID, begin - timedelta(hours=8), begin + timedelta(hours=2))
    assert books.value("cost_today", GRID) == stored > 0
