"""Each fault at what only a poll asks: prices, the location, and devices.

The outbox is empty, or holds new and doubtful records of several meters.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from homeassistant.config_entries import ConfigEntryState, ConfigSubentry
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.flatpeak.coordinator import FlatPeakCoordinator
from custom_components.flatpeak.meters import device_reference_id, new_meter

from .home import ACCOUNT, Home
from .simulator import DEFAULT
from .simulator.faults import FaultKind
from .test_fault_matrix import CERTAIN, DONE, DOUBTFUL, be_impatient

BEGIN = datetime(2026, 11, 2, 8, tzinfo=UTC)
SLOT = timedelta(minutes=5)
GRID, SOLD = "sensor.grid_import", "sensor.grid_export"
METERS = {GRID: ("import", "grid"), SOLD: ("export", "grid")}
PLUG = "sensor.plug"
# Each takes minutes to hours of the home's time: what is alike is tried once.
KINDS = {"400", "403", "404", "429", "409", "422 pending_connect"}
KINDS |= {"422 account_disabled", "500", "delay", "drop", "garbage", "empty"}
FAULTS = {name: fault for name, fault in (CERTAIN | DOUBTFUL).items() if name in KINDS}
MADE = {
    name: fault for name, fault in DONE.items() if name.removesuffix(", done") in KINDS
}
BUSY = "several and one doubtful"
LONGEST = 3 * timedelta(hours=1)

pytestmark = pytest.mark.freeze_time(BEGIN)


class House:
    """A home that counts what it uses."""

    def __init__(self, home: Home, *, busy: bool) -> None:
        """Take a home; a busy one has records on their way when it is struck."""
        self.home = home
        self.busy = busy
        self.entry: MockConfigEntry

    async def set_up(self) -> None:
        """Begin with two meters."""
        self.home.simulator.switches = DEFAULT.but(
            {"overwrite": "never", "token_life": 1e6}
        )
        location = self.home.simulator.add_location(ACCOUNT, tariff="daynight")
        for source in (*METERS, PLUG):
            self.home.add_sensor(source)
        self.entry = self.home.add_entry(location, METERS, window=5)
        await self.home.set_up(self.entry)
        await self.live(2)

    @property
    def coordinator(self) -> FlatPeakCoordinator:
        """Return the coordinator of now."""
        coordinator: FlatPeakCoordinator = self.entry.runtime_data
        return coordinator

    async def live(self, slots: int) -> None:
        """Live slots, each with a push."""
        start = dt_util.utcnow()
        await self.home.live(start + (slots - 1) * SLOT, _use)

    async def make_busy(self) -> None:
        """Leave doubtful and new records in the outbox."""
        if self.busy:
            self.home.simulator.fail("/costs/instant", kind=FaultKind.DROP)
            await self.live(1)
            assert self.coordinator.ledger.journal.outbox

    async def recover(self) -> None:
        """Live on until nothing waits."""
        begin = dt_util.utcnow()
        await self.live(1)
        while (
            self.entry.state is not ConfigEntryState.LOADED
            or not self.coordinator.last_update_success
            or self.coordinator.ledger.journal.outbox
        ):
            assert dt_util.utcnow() < begin + LONGEST
            await self.live(1)

    def check(self) -> None:
        """Check energy and money of every meter, and that nothing is there twice."""
        simulator = self.home.simulator
        submissions = Counter(
            (one.draft.owner, one.draft.tariff_direction, one.draft.start)
            for one in simulator.ledger.submissions
        )
        assert set(submissions.values()) == {1}
        for key in self.coordinator.meters:
            state = self.coordinator.ledger.journal.meters[key]
            stream = state.stream
            stored = simulator.stored_cost(
                stream.owner, BEGIN, dt_util.utcnow(), stream.tariff_direction
            )
            assert stored
            assert self.home.value("cost_this_month", key) == stored
            slots = sum(
                (owner, direction) == (stream.owner, stream.tariff_direction)
                for owner, direction, _ in submissions
            )
            energy = _use(BEGIN)[state.source] * 1000 * slots
            assert self.home.value("energy_this_month", key) * 1000 == round(energy)
            assert state.cut_until
            assert dt_util.utcnow() - state.cut_until < 2 * SLOT
        (grid,) = (m.key for m in self.coordinator.meters.values() if m.source == GRID)
        until = self.coordinator.ledger.journal.meters[grid].cut_until
        assert until
        lived = (until - BEGIN) // SLOT - 1  # the first slot has no row before it
        assert self.home.value("energy_this_month", grid) == lived * Decimal("0.08")


def _use(_: datetime) -> dict[str, float]:
    return {GRID: 0.08, SOLD: 0.02, PLUG: 0.05}


@pytest.fixture
async def house(home: Home, request: pytest.FixtureRequest) -> House:
    """Return a home that has been recorded for some minutes."""
    house = House(home, busy=request.param == BUSY)
    await house.set_up()
    return house


@pytest.mark.parametrize(
    ("path", "house"),
    [("/locations/*", "nothing"), ("/locations/*", BUSY), ("/prices/*", BUSY)],
    indirect=["house"],
)
async def test_invariant_4_fault_matrix_polls(
    house: House, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A poll that fails loses nothing, doubles nothing, and comes again."""
    home = house.home
    be_impatient(home.simulator, monkeypatch)
    for fault in FAULTS.values():
        await house.make_busy()
        home.simulator.fail(path, **fault)
        coordinator = house.coordinator
        coordinator.pace.succeeded()
        coordinator.poll.forget()
        await coordinator.async_refresh()
        assert not home.simulator.faults.waiting, fault
        await house.recover()
        house.check()


@pytest.mark.parametrize(
    ("method", "faults", "house"),
    [("GET", FAULTS, "nothing"), ("POST", FAULTS | MADE, BUSY)],
    indirect=["house"],
    ids=["list", "make"],
)
async def test_invariant_4_fault_matrix_devices(
    house: House,
    method: str,
    faults: dict[str, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A new meter has one device, however its making fails."""
    home, hass = house.home, house.home.hass
    be_impatient(home.simulator, monkeypatch)
    for number, fault in enumerate(faults.values()):
        await house.make_busy()
        meter = _plug(house.entry.unique_id or "", number)
        home.simulator.fail("/devices", method=method, **fault)
        hass.config_entries.async_add_subentry(house.entry, meter)
        await hass.config_entries.async_reload(house.entry.entry_id)
        await hass.async_block_till_done(wait_background_tasks=True)
        await house.recover()
        assert not home.simulator.faults.waiting, fault
        await house.live(2)
        await house.recover()
        reference = device_reference_id(str(meter.unique_id))
        devices = home.simulator.ledger.devices.values()
        assert [one.reference_id for one in devices].count(reference) == 1
        house.check()
        hass.config_entries.async_remove_subentry(house.entry, meter.subentry_id)
        await hass.async_block_till_done(wait_background_tasks=True)


def _plug(location: str, number: int) -> ConfigSubentry:
    """Describe an appliance, each time another one of the same sensor."""
    meter = new_meter(
        location,
        PLUG,
        registry_id=f"plug-{number}",
        title="Plug",
        direction="import",
        kind="device",
    )
    return ConfigSubentry(
        subentry_type=meter["subentry_type"],
        title=meter["title"],
        unique_id=meter["unique_id"],
        data=MappingProxyType(meter["data"]),
    )
