"""What cannot be: it reaches neither FlatPeak, nor the sensors, nor the statistics."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from homeassistant.components.recorder.statistics import statistics_during_period
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.recorder import get_instance
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.coordinator import FlatPeakCoordinator
from custom_components.flatpeak.issues import Issue, issue_id

from .home import ACCOUNT, ENERGY, Home

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
SLOT = timedelta(minutes=5)
GRID = "sensor.grid_import"
USED = Decimal("0.05")  # kWh in each slot
MOST = 60  # Wh in a slot, more than is ever used

pytestmark = pytest.mark.freeze_time(BEGIN)


class Faulty:
    """A grid meter that shows something else than its register at times."""

    def __init__(self, home: Home, entry: MockConfigEntry) -> None:
        """Take the home and its entry."""
        self.home = home
        self.entry = entry
        self.shown: list[Decimal] = []  # what "energy today" ever was, in kWh

    @property
    def key(self) -> str:
        """Return the meter's key."""
        coordinator: FlatPeakCoordinator = self.entry.runtime_data
        return next(iter(coordinator.meters))

    async def live(self, slots: int) -> None:
        """Live some slots and note what is shown."""
        for _ in range(slots):
            now = dt_util.utcnow()
            await self.home.live(_floor(now) + SLOT, lambda _: {GRID: float(USED)})
            self.shown.append(self.home.value("energy_today", self.key))

    async def show(self, states: Sequence[str], unit: str = "kWh") -> None:
        """Show states in slots of their own, while the register runs on."""
        for state in states:
            start = _floor(dt_util.utcnow())
            self.home.freezer.move_to(max(start + SLOT / 2, dt_util.utcnow()))
            self.home.registers[GRID] += USED
            self.home.hass.states.async_set(
                GRID, state, {**ENERGY, "unit_of_measurement": unit}
            )
            await self.home.live_slot(start, {})
            self.shown.append(self.home.value("energy_today", self.key))

    def level(self, factor: int = 1) -> str:
        """Return what the register stands at, in another unit."""
        return str(self.home.registers[GRID] * factor)

    @property
    def sent(self) -> list[int]:
        """Return the Wh of each record at FlatPeak."""
        return [record.energy for record in self.home.simulator.records]

    async def rises(self) -> list[float]:
        """Return the rises of the statistics of what we show, in kWh."""
        hass = self.home.hass
        name = self.home.state("energy_today", self.key).entity_id
        found = await get_instance(hass).async_add_executor_job(
            statistics_during_period,
            hass,
            BEGIN - timedelta(days=1),
            None,
            {name},
            "5minute",
            None,
            {"change"},
        )
        return [row.get("change") or 0 for row in found.get(name, [])]

    def asks(self) -> bool:
        """Return whether a repair asks what happened."""
        identity = issue_id(self.entry.entry_id, Issue.QUARANTINE, self.key)
        registry = ir.async_get(self.home.hass)
        return registry.async_get_issue(DOMAIN, identity) is not None


def _floor(now: datetime) -> datetime:
    """Return the start of the slot."""
    return now.replace(second=0, microsecond=0) - timedelta(minutes=now.minute % 5)


@pytest.fixture
async def meter(home: Home) -> Faulty:
    """Return a meter that was lived with for half an hour."""
    location = home.simulator.add_location(ACCOUNT, tariff="daynight")
    home.add_sensor(GRID, 20_000)
    entry = home.add_entry(location, {GRID: ("import", "grid")}, window=5)
    await home.set_up(entry)
    meter = Faulty(home, entry)
    await meter.live(6)
    return meter


async def assert_plausible(meter: Faulty) -> None:
    """Check all that anybody can see, ever: no more than was used."""
    assert max(meter.sent) <= MOST
    assert all(
        one <= two for one, two in zip(meter.shown, meter.shown[1:], strict=False)
    )
    most = USED * (len(meter.shown) + 1)
    assert meter.shown[-1] <= most
    rises = await meter.rises()
    assert min(rises) >= 0
    assert sum(rises) <= most
    stored = meter.home.simulator.stored_cost(
        meter.entry.unique_id or "",
        BEGIN - timedelta(days=1),
        BEGIN + timedelta(days=1),
    )
    assert meter.home.value("cost_today", meter.key) == stored


async def test_invariant_9_dip_to_zero_and_back(meter: Faulty) -> None:
    """Nothing of it is seen, and nothing of what was used meanwhile is lost."""
    await meter.show(["0", "0"])
    await meter.live(4)
    await assert_plausible(meter)
    assert meter.shown[-1] == USED * (len(meter.shown) - 1)
    assert not meter.asks()


async def test_invariant_9_dip_inside_a_slot(meter: Faulty) -> None:
    """The recorder's own sum jumps by the whole register; ours does not."""
    meter.home.hass.states.async_set(GRID, "0", ENERGY)
    await meter.home.hass.async_block_till_done()
    await meter.live(4)
    await assert_plausible(meter)
    assert meter.shown[-1] == USED * (len(meter.shown) - 1)


async def test_invariant_9_phantom_spike(meter: Faulty) -> None:
    """Ten times the register for half an hour, then the truth again."""
    await meter.show(["200000"] * 6)
    await meter.live(4)
    await assert_plausible(meter)
    assert meter.shown[-1] == USED * (len(meter.shown) - 1)
    assert not meter.asks()


@pytest.mark.parametrize("slots", [3, 15])
async def test_invariant_9_a_unit_that_is_too_small(meter: Faulty, slots: int) -> None:
    """Figures of kWh that are called Wh: held for up to a day, then all is there."""
    for _ in range(slots):
        await meter.show([str(meter.home.registers[GRID] + USED)], "Wh")
    await meter.live(4)
    await assert_plausible(meter)
    assert meter.shown[-1] == USED * (len(meter.shown) - 1)
    assert not meter.asks()


async def test_invariant_9_a_unit_that_is_too_large(meter: Faulty) -> None:
    """Figures of kWh that are called MWh: after an hour the user is asked."""
    for _ in range(3):
        await meter.show([str(meter.home.registers[GRID] + USED)], "MWh")
    await meter.live(3)
    await assert_plausible(meter)
    assert meter.shown[-1] == USED * (len(meter.shown) - 1)
    for _ in range(15):
        await meter.show([str(meter.home.registers[GRID] + USED)], "MWh")
    assert meter.asks()
    await meter.live(4)
    await assert_plausible(meter)


async def test_invariant_9_a_unit_that_stays_wrong(home: Home) -> None:
    """At 48 W a thousand times the load would fit through the connection."""
    location = home.simulator.add_location(ACCOUNT, tariff="daynight")
    home.add_sensor(GRID, 20_000)
    entry = home.add_entry(location, {GRID: ("import", "grid")}, window=30)
    await home.set_up(entry)
    meter = Faulty(home, entry)
    used = 0.004  # kWh in a slot
    await home.live(BEGIN + timedelta(hours=1), lambda _: {GRID: used})
    home.registers[GRID] *= 1_000
    await home.live(BEGIN + timedelta(hours=4), lambda _: {GRID: used * 1_000})
    assert meter.sent == [20, 24]
    assert home.value("energy_today", meter.key) == Decimal("0.044")
    assert sum(await meter.rises()) == pytest.approx(0.044)
    assert meter.asks()
    home.registers[GRID] /= 1_000
    await home.live(BEGIN + timedelta(hours=6), lambda _: {GRID: used})
    assert meter.sent[2:] == [20, 24, 24, 24], "but for the row that came back"
    assert home.value("energy_today", meter.key) == Decimal("0.136")


async def test_invariant_9_another_meter(meter: Faulty) -> None:
    """A new meter counts from where it begins, be it lower or higher."""
    meter.home.registers[GRID] = Decimal(7_000)
    await meter.live(6)
    await assert_plausible(meter)
    lower = meter.shown[-1]
    assert lower >= USED * 9
    assert not meter.asks()
    meter.home.registers[GRID] = Decimal(90_000)
    await meter.live(16)
    await assert_plausible(meter)
    assert meter.asks(), "whether it was replaced"
    assert meter.shown[-1] > lower, "it counts on meanwhile"
