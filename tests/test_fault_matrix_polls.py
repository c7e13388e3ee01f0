"""Each fault, at each endpoint that is polled, in each state of the outbox.

A home lives through all faults that one endpoint can have in one state, one after the
other: each is a cell, and begins with an empty outbox at another hour. Time goes by in
Home Assistant itself, so that what failed comes again by its own timers. FlatPeak keeps
every copy, so that none is hidden.

What a poll asks is only read, but for the making of a device: only there can a fault
strike after the work is done.
"""

from collections import Counter as Count, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, override

from homeassistant.config_entries import SOURCE_REAUTH, ConfigSubentry
from homeassistant.const import EVENT_RECORDER_5MIN_STATISTICS_GENERATED
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.flatpeak.book import Book
from custom_components.flatpeak.const import CONF_METER_KEY
from custom_components.flatpeak.coordinator import FlatPeakCoordinator
from custom_components.flatpeak.exchange import Key
from custom_components.flatpeak.journal import Journal
from custom_components.flatpeak.metering import Anchor, Origin
from custom_components.flatpeak.meters import device_reference_id, new_meter

from .desk import DEVICE, EXPORT, IMPORT, METERS, MINUTE, WINDOW, Counter
from .home import ACCOUNT, KEY, Home
from .matrix import (
    CERTAIN,
    DONE,
    DOUBTFUL,
    END,
    STATES,
    be_impatient,
    settle,
)
from .simulator import DEFAULT
from .simulator.core import LoggedRequest

BEGIN = datetime(2026, 11, 2, 8, tzinfo=UTC)
SINCE = BEGIN - 2 * WINDOW  # first what others recorded, then a record of each meter
AHEAD = timedelta(hours=1)
PLUG = "plug"
GRID = {IMPORT: "grid", EXPORT: "grid", DEVICE: "device", PLUG: "device"}
NO_IMPORT = GRID | {IMPORT: "device"}
NO_EXPORT = GRID | {EXPORT: "device"}
READ = CERTAIN | DOUBTFUL

pytestmark = pytest.mark.freeze_time(BEGIN)


class House(Counter):
    """A desk in a Home Assistant, where the coordinator does the work."""

    def __init__(self, home: Home) -> None:
        """Begin with a location that others record at, too."""
        super().__init__()
        self.home = home
        self.simulator = home.simulator
        self.location = home.simulator.add_location(ACCOUNT, tariff="daynight")
        self.entry: MockConfigEntry
        self.skip = 0  # requests that the fault of a cell spares
        self.before: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)

    async def set_up(self, kinds: dict[str, str]) -> None:
        """Set up a meter of each kind, each with a record that is stored."""
        self.entry = self.home.new_entry(self.location, {}, window=15)
        self.entry.add_to_hass(self.home.hass)
        for key, kind in kinds.items():
            self.home.add_sensor(f"sensor.{key}")
            self.home.hass.config_entries.async_add_subentry(
                self.entry, _meter(self.location, key, kind)
            )
        await self.home.set_up(self.entry)
        since = Anchor(end=BEGIN)  # what a meter has once it is read
        meters = {k: replace(s, anchor=since) for k, s in self.journal.meters.items()}
        self.journal = replace(self.journal, meters=meters)
        self.start = BEGIN - WINDOW
        for meter in METERS:
            self.queue(meter, self.start)
        for key, direction in (IMPORT, "IMPORT"), (EXPORT, "EXPORT"):
            if kinds[key] != "grid":
                self.simulator.add_record(
                    self.location, SINCE, SINCE + WINDOW, 100, direction=direction
                )
        await self.cycle()
        await self.go_on()

    @property
    def coordinator(self) -> FlatPeakCoordinator:
        """Return the coordinator of now."""
        coordinator: FlatPeakCoordinator = self.entry.runtime_data
        return coordinator

    @property
    def now(self) -> datetime:
        """The time."""
        return dt_util.utcnow()

    @now.setter
    def now(self, now: datetime) -> None:
        self.home.freezer.move_to(now)

    @property
    def journal(self) -> Journal:
        """What the coordinator knows."""
        return self.coordinator.ledger.journal

    @journal.setter
    def journal(self, journal: Journal) -> None:
        self.coordinator.ledger.journal = journal

    @property
    def book(self) -> Book:  # type: ignore[override] # only read
        """The book on disk."""
        return self.coordinator.ledger.book

    @override
    async def cycle(self, at: datetime | None = None) -> list[LoggedRequest]:
        """Let the recorder say that it has run, and wait for the push."""
        before = len(self.simulator.requests)
        at = at or self.now + MINUTE
        self.now = at - MINUTE
        self.home.hass.bus.async_fire(EVENT_RECORDER_5MIN_STATISTICS_GENERATED)
        await self.home.go_to(at)
        return self.simulator.requests[before:]

    def begin(self) -> None:
        """Begin a cell: what waits for the user in the last one has never been."""
        self.journal = replace(self.journal, outbox=())
        self.queued.clear()
        self.skip = 0
        self.start = self.now - WINDOW - END

    async def go_on(self) -> None:
        """Let so much time go by that the next cell has some of its own, and a poll."""
        end = self.now + (BEGIN - self.now) % WINDOW
        await self.home.go_to(end + END + WINDOW)
        assert self.coordinator.last_update_success

    async def poll(self, *, full: bool) -> None:
        """Poll now; a full one asks for everything, as on a new day."""
        if full:
            self.coordinator.poll.forget()
        await self.coordinator.async_refresh()

    async def recover(self) -> None:
        """Live on, with a new key where one is asked for, until all is polled."""
        for flow in self.entry.async_get_active_flows(self.home.hass, {SOURCE_REAUTH}):
            await self.home.hass.config_entries.flow.async_configure(
                flow["flow_id"], {"api_key": KEY}
            )
            await self.home.hass.async_block_till_done(wait_background_tasks=True)
        await settle(self)
        await self.go_on()

    def check(self, stuck: list[Key]) -> None:
        """Check what is shown, besides what is in the books and at FlatPeak."""
        self.assert_settled(without=stuck)
        sums = self.stored()
        for key in METERS:
            stream = self.journal.meters[key].stream
            shown = self.home.value("cost_this_month", key)
            assert shown == sums[stream.owner, stream.tariff_direction]
        bought, sold = (sums[self.location, way] for way in ("IMPORT", "EXPORT"))
        assert self.home.value("cost_this_month") == bought - sold
        copies = Count(
            (one.draft.owner, one.draft.tariff_direction, one.draft.start)
            for one in self.simulator.ledger.submissions
        )
        assert set(copies.values()) == {1}
        devices = Count(d.reference_id for d in self.simulator.ledger.devices.values())
        assert set(devices.values()) == {1}
        plug = self.simulator.ledger.devices[self.journal.meters[PLUG].stream.owner]
        assert plug.reference_id == device_reference_id(PLUG)

    def stored(self) -> dict[tuple[str, str], Decimal]:
        """Return what FlatPeak makes of all records, by owner and direction.

        To price all of them anew in each cell would take longer than all the rest.
        """
        streams = [self.journal.meters[key].stream for key in METERS]
        owners = {(one.owner, str(one.tariff_direction)) for one in streams}
        owners |= {(self.location, "IMPORT"), (self.location, "EXPORT")}
        cost = self.simulator.stored_cost
        for owner, way in owners:
            self.before[owner, way] += cost(owner, self.start, self.now, way)
        return {
            (owner, way): cost(owner, SINCE, BEGIN, way) + self.before[owner, way]
            for owner, way in owners
        }


def _meter(location: str, key: str, kind: str) -> ConfigSubentry:
    """Describe a meter; the records of the states are those of its key."""
    source = f"sensor.{key}"
    meter = new_meter(
        location,
        source,
        registry_id=None,
        title=key,
        direction="export" if key == EXPORT else "import",
        kind=kind,
    )
    return ConfigSubentry(
        subentry_type=meter["subentry_type"],
        subentry_id=source,
        title=meter["title"],
        unique_id=key,
        data=MappingProxyType({**meter["data"], CONF_METER_KEY: key}),
    )


async def _poll(house: House) -> None:
    await house.poll(full=True)


async def _poll_reports(house: House) -> None:
    await house.poll(full=False)


async def _push(house: House) -> None:
    await house.cycle()


async def _as_it_is(_: House) -> None:
    """Ask for nothing more."""


async def _without_token(house: House) -> None:
    house.simulator.revoke_tokens()


async def _with_a_wrong_clock(house: House) -> None:
    """Let the last answer be from before the clock was set."""
    clock = house.simulator.clock
    house.simulator.clock = lambda: clock() - AHEAD
    await house.coordinator.client.async_get_location_status(house.location)
    house.simulator.clock = clock


async def _with_other_prices(house: House) -> None:
    """Let the sums differ, so that the records are looked at next."""
    house.skip = 1
    # More than the rounding of all records that a home has in the end.
    house.simulator.settle(house.location, SINCE, BEGIN, change=Decimal("0.1"))


async def _with_a_revision(house: House) -> None:
    """Let a window have other energy than before, and no price yet."""
    (line,) = house.book.between(IMPORT, BEGIN - WINDOW, BEGIN)
    bare = replace(line, money=None, confidence=None, origin=Origin.REVISED)
    await house.coordinator.ledger.async_book([(IMPORT, bare)])


async def _with_a_look_before(house: House) -> None:
    """Count the reports of the location: others are looked for last."""
    before = len(house.simulator.requests)
    await house.poll(full=True)
    asked = [request.path for request in house.simulator.requests[before:]]
    house.skip = asked.count(f"/costs/interval/{house.location}") - 1


async def _with_a_new_meter(house: House) -> None:
    meters = {key: s for key, s in house.journal.meters.items() if key != PLUG}
    house.journal = replace(house.journal, meters=meters)


async def _with_a_new_device(house: House) -> None:
    owner = house.journal.meters[PLUG].stream.owner
    del house.simulator.ledger.devices[owner]
    await _with_a_new_meter(house)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An endpoint, what lets it be asked, and the faults that it can have."""

    path: str
    trigger: Callable[[House], Awaitable[None]] = _as_it_is
    ask: Callable[[House], Awaitable[None]] = _poll
    faults: dict[str, dict[str, Any]] = field(default_factory=lambda: READ)
    more: dict[str, Any] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=lambda: GRID)


REPORT = "/costs/interval/*"
ENDPOINTS = {
    "login": Endpoint(path="/login", trigger=_without_token, more={"times": 1}),
    "location": Endpoint(path="/locations/*"),
    "status": Endpoint(
        path="/locations/*/status", trigger=_with_a_wrong_clock, ask=_push
    ),
    "prices": Endpoint(path="/prices/*"),
    "quote": Endpoint(path="/costs/instant", trigger=_with_a_revision),
    "days": Endpoint(path=REPORT),
    "records": Endpoint(path=REPORT, trigger=_with_other_prices),
    "others": Endpoint(
        path="/costs/interval/loc_*", trigger=_with_a_look_before, kinds=NO_EXPORT
    ),
    "totals": Endpoint(path=REPORT, ask=_poll_reports, kinds=NO_IMPORT),
    "devices": Endpoint(
        path="/devices", trigger=_with_a_new_meter, more={"method": "GET"}
    ),
    "new device": Endpoint(
        path="/devices",
        trigger=_with_a_new_device,
        faults=READ | DONE,
        more={"method": "POST"},
    ),
}


@pytest.fixture
def enable_statistics() -> bool:
    """Leave the recorder's run to the test: no energy comes but what it queues."""
    return False


@pytest.fixture
def house(home: Home) -> House:
    """Return a house at a FlatPeak that keeps every copy."""
    home.simulator.switches = DEFAULT.but({"overwrite": "never", "token_life": 1e7})
    return House(home)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_invariant_4_fault_matrix_polls(
    house: House, endpoint: str, state: str, subtests: pytest.Subtests
) -> None:
    """Energy and money are exact, nothing is stored twice, and nothing waits."""
    what = ENDPOINTS[endpoint]
    await house.set_up(what.kinds)
    for fault, trouble in what.faults.items():
        with subtests.test(fault):
            house.begin()
            stuck = await STATES[state](house)
            await what.trigger(house)
            await house.coordinator.ledger.async_write(house.journal)
            how = trouble | {"skip": house.skip} | what.more
            house.simulator.fail(what.path, **how)
            with pytest.MonkeyPatch.context() as monkeypatch:
                be_impatient(house.simulator, monkeypatch)
                await what.ask(house)
            assert house.simulator.faults.waiting == []
            await house.recover()
            house.check(stuck)
