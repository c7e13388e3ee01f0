"""What others recorded at the location counts there, once, whatever FlatPeak does."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
import logging
from types import MappingProxyType
from typing import Any

from homeassistant.config_entries import ConfigSubentry
from homeassistant.helpers import entity_registry as er
import pytest

from custom_components.flatpeak.const import DIRECTION_EXPORT, DIRECTION_IMPORT
from custom_components.flatpeak.foreign import others_key
from custom_components.flatpeak.metering import PricedWindow
from custom_components.flatpeak.meters import new_meter

from .home import ACCOUNT, SLOT, Home
from .simulator import DEFAULT, VARIANTS
from .simulator.ledger import Record
from .simulator.report import priced

GRID, SOLD, PUMP = "sensor.grid_import", "sensor.grid_export", "sensor.heat_pump"
METERS = {
    GRID: (DIRECTION_IMPORT, "grid"),
    SOLD: (DIRECTION_EXPORT, "grid"),
    PUMP: (DIRECTION_IMPORT, "device"),
}
MIDNIGHT = datetime(2026, 11, 9, 23, tzinfo=UTC)  # Berlin
MONTH = datetime(2026, 10, 31, 23, tzinfo=UTC)
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
AFTERNOON = datetime(2026, 11, 10, 18, 15, tzinfo=UTC)  # after a poll
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

pytestmark = pytest.mark.freeze_time("2026-11-10T11:55:00Z")


@pytest.fixture
def recorder_config() -> dict[str, Any]:
    """Record the sources alone, which is quicker."""
    return {"include": {"entities": list(METERS)}}


@pytest.fixture(autouse=True)
def quiet_database() -> None:
    """Let the database not log every statement, which is slow."""
    logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)


class House:
    """A home whose location others write to, and what that must come to."""

    def __init__(self, home: Home, **switches: Any) -> None:
        """Add a location."""
        self.home = home
        self.simulator = home.simulator
        self.simulator.switches = DEFAULT.but(switches)
        self.location = self.simulator.add_location(
            ACCOUNT, tariff="dynamic", timezone="Europe/Berlin", currency="EUR"
        )
        self.theirs: list[Record] = []

    async def set_up(self, *sources: str) -> None:
        """Set the location up with some of the meters."""
        for source in sources:
            if source not in self.home.registers:
                self.home.add_sensor(source)
        meters = {source: METERS[source] for source in sources}
        self.entry = self.home.add_entry(self.location, meters, window=15)
        await self.home.set_up(self.entry)

    async def restart(self) -> None:
        """Load the entry anew, as after a restart."""
        await self.home.hass.config_entries.async_reload(self.entry.entry_id)
        await self.home.hass.async_block_till_done(wait_background_tasks=True)

    def record(
        self, start: datetime, wh: int = 700, length: timedelta = QUARTER, **more: Any
    ) -> Record:
        """Record something as somebody else."""
        record = self.simulator.add_record(
            self.location, start, start + length, wh, **more
        )
        self.theirs.append(record)
        return record

    def vanish(self, record: Record) -> None:
        """Let a record be gone, which FlatPeak has no way for today."""
        self.simulator.ledger.submissions.remove(record)
        self.theirs.remove(record)

    def cost(self, since: datetime, records: Iterable[Record] | None = None) -> Decimal:
        """Return what records of others cost since then, net of what they sold."""
        cost = Decimal(0)
        for record in self.theirs if records is None else records:
            draft = record.draft
            if draft.start < since:
                continue
            line = priced(
                draft, record.location, self.simulator.now, self.simulator.switches
            )
            sold = draft.tariff_direction == "EXPORT"
            negative = self.simulator.switches.export_sign == "negative"
            cost += line.cost * (1 - 2 * (sold and not negative))
        return cost

    def key(self, source: str) -> str:
        """Return a meter's key."""
        [key] = [
            sub.data["meter_key"]
            for sub in self.entry.subentries.values()
            if sub.data["source"] == source
        ]
        return str(key)

    def own(self, name: str) -> Decimal:
        """Return what our grid meters say, net."""
        cost = Decimal(0)
        for sub in self.entry.subentries.values():
            if sub.data["kind"] == "grid":
                value = self.home.value(name, sub.data["meter_key"])
                if sub.data["direction"] == "export":
                    negative = self.simulator.switches.export_sign == "negative"
                    value *= 1 if negative else -1
                cost += value
        return cost

    def others(self, key: str = "cost_today") -> Decimal | None:
        """Return what the location says that others recorded."""
        value = self.home.state(key).attributes.get("others")
        return None if value is None else round(Decimal(value), 5)

    def check(self, *records: Record) -> None:
        """Check that the location is our meters and these records of others."""
        counted = records or self.theirs
        for key, since in (("cost_today", MIDNIGHT), ("cost_this_month", MONTH)):
            more = self.cost(since, counted)
            assert self.home.value(key) == self.own(key) + more
            assert (self.others(key) or 0) == more

    def booked(self) -> list[PricedWindow]:
        """Return the lines of the book of what others bought."""
        book = self.entry.runtime_data.ledger.book
        return [
            line
            for line in book.between(others_key("IMPORT"), MONTH - DAY, NOON + DAY)
            if line.mwh
        ]


def _kwh(start: datetime, base: int) -> float:
    """Return the kWh of a slot: uneven, so that nothing is right by chance."""
    return (base + int(start.timestamp()) // 300 * 7919 % 31) / 1000


def use(start: datetime) -> dict[str, float]:
    """Return what each source uses in a slot, in kWh."""
    return {GRID: _kwh(start, 90), SOLD: _kwh(start, 10), PUMP: _kwh(start, 40)}


SWITCHES = [
    "order=shuffled",
    "bucket_zone=utc",
    "edge_bucket=full",
    "empty_buckets=zero",
    "straddling=overlapping",
    "straddling=contained",
    "overwrite=never",
    "location_report=with_devices",
    "reference_ids=omitted",
    "export_sign=negative",
    "lag=120.0",
    "visibility=out_of_order",
    "cost_rounding=three",
    "energy_rounding=half_even",
]
BOTH = {"location_report": "with_devices", "reference_ids": "omitted"}
FLATPEAKS = {
    "default": DEFAULT,
    **{name: VARIANTS[name] for name in SWITCHES},
    "with_devices and no ids": DEFAULT.but(BOTH),
}


@pytest.mark.parametrize("name", FLATPEAKS)
async def test_scenario_18_invariant_10_every_flatpeak(home: Home, name: str) -> None:
    """Import adds, export subtracts; what overlaps our windows is in our meters."""
    house = House(home)
    home.simulator.switches = FLATPEAKS[name]
    home.freezer.move_to(NOON - HOUR)  # some FlatPeaks show records later
    house.record(MONTH - QUARTER)
    house.record(MONTH, 1100)
    house.record(MIDNIGHT - QUARTER, 900)
    house.record(MIDNIGHT, 300)
    house.record(MIDNIGHT + 3 * HOUR, 220, direction="EXPORT")
    house.record(MIDNIGHT + 4 * HOUR, 810, length=HOUR)
    home.freezer.move_to(NOON - SLOT)
    await house.set_up(*METERS)
    await home.live(NOON + 2 * HOUR, use)
    assert house.own("cost_today") != 0
    house.check()

    # Our meters have measured this time; a device's record would not say so.
    apart = [*house.theirs, house.record(MIDNIGHT + 7 * HOUR, 150)]
    house.record(NOON + HOUR + timedelta(minutes=5), 5000, timedelta(minutes=20))
    await home.live(NOON + 3 * HOUR, use)
    await home.go_to(AFTERNOON)
    house.check(*apart)
    lines = len(house.booked())
    await house.restart()
    house.check(*apart)
    await home.go_to(AFTERNOON + 6 * HOUR)  # the nightly look
    assert len(house.booked()) == lines
    assert home.value("cost_today") == house.own("cost_today")
    more = house.cost(MONTH, apart)
    assert home.value("cost_this_month") == house.own("cost_this_month") + more


async def test_what_others_revise_replaces(home: Home) -> None:
    """New energy, a settled price, a record that is gone: never twice, never kept."""
    house = House(home)
    first = house.record(MIDNIGHT, 300)
    second = house.record(MIDNIGHT + HOUR, 400)
    await house.set_up(GRID)
    await home.live(NOON + HOUR, lambda start: {GRID: use(start)[GRID]})
    house.check()
    house.record(MIDNIGHT, 350)  # replaces
    house.theirs.remove(first)
    home.simulator.settle(
        house.location,
        MIDNIGHT + HOUR,
        MIDNIGHT + HOUR + QUARTER,
        price=Decimal("0.9"),
    )
    await home.go_to(AFTERNOON)
    house.check()
    assert len(house.booked()) == 2
    house.vanish(second)
    await house.restart()
    house.check()
    assert [line.mwh for line in house.booked()] == [350_000]
    house.vanish(house.theirs[0])
    await house.restart()
    house.check()
    assert house.booked() == []
    assert house.others() is None


async def test_scenario_18_our_windows_come_later(home: Home) -> None:
    """What others recorded counts until our meters have measured that time."""
    house = House(home)
    await house.set_up(GRID)
    await home.live(NOON + HOUR, lambda start: {GRID: use(start)[GRID]})
    kept = house.record(MIDNIGHT + HOUR, 200)
    early = house.record(NOON + HOUR, 600, record_reference_id="theirs")
    await house.restart()
    assert house.cost(MIDNIGHT, [early]) != 0
    house.check(kept, early)
    before = house.own("cost_today")
    # Our windows come; no poll is due before 18:00.
    await home.live(NOON + 2 * HOUR, lambda start: {GRID: use(start)[GRID]})
    assert house.own("cost_today") != before
    assert len(house.booked()) == 2
    house.check(kept)
    await home.go_to(AFTERNOON)
    house.check(kept)
    assert [line.start for line in house.booked()] == [kept.draft.start]


async def test_one_total_is_not_attributed(home: Home) -> None:
    """Nobody can tell whose energy a total is: the difference is shown, not added."""
    house = House(home, unaggregated="total")
    house.record(MIDNIGHT + HOUR, 4000)
    await house.set_up(GRID)
    await home.live(NOON + 2 * HOUR, lambda start: {GRID: use(start)[GRID]})
    await home.go_to(AFTERNOON)
    assert home.value("cost_today") == house.own("cost_today")
    assert house.others() is None
    [difference] = house.entry.runtime_data.poll.differences[house.key(GRID)]
    assert difference.ours == house.own("cost_today")
    assert difference.theirs == difference.ours + house.cost(MIDNIGHT)


async def test_export_of_others_without_an_export_meter(home: Home) -> None:
    """It lowers the location's net, and is kept."""
    house = House(home)
    house.record(MIDNIGHT, 300, direction="EXPORT")
    house.record(MONTH, 500, direction="EXPORT")
    await house.set_up(GRID)
    await home.live(NOON + HOUR, lambda start: {GRID: use(start)[GRID]})
    assert house.cost(MIDNIGHT) < 0
    house.check()
    await home.go_to(AFTERNOON)
    house.check()


async def test_no_look_without_an_export_tariff(home: Home) -> None:
    """A home that sells nothing is not asked what it sold."""
    house = House(home)
    home.simulator.set_problem(house.location, "EXPORT", "no_tariff_connected")
    await house.set_up(GRID)
    await home.live(NOON + HOUR, lambda start: {GRID: use(start)[GRID]})
    asked = [one for one in home.simulator.requests if "costs/interval" in one.path]
    assert asked
    assert all(one.query["tariff_direction"] == "IMPORT" for one in asked)
    house.check()


async def test_export_meter_only(home: Home) -> None:
    """What was bought comes from the report, what was sold from our books."""
    house = House(home)
    house.record(MIDNIGHT + HOUR, 2000)
    await house.set_up(SOLD)
    await home.live(NOON + 2 * HOUR, lambda start: {SOLD: use(start)[SOLD]})
    house.record(MIDNIGHT + 2 * HOUR, 1000)
    sold = house.record(MIDNIGHT + 3 * HOUR, 100, direction="EXPORT")
    await home.go_to(AFTERNOON)
    assert home.value("cost_today") == house.own("cost_today") + house.cost(MIDNIGHT)
    assert house.others() == house.cost(MIDNIGHT, [sold])
    with pytest.raises(KeyError):
        home.state("cost_total")
    assert home.value("pending_records") == 0


async def test_a_removed_meter_is_others(home: Home) -> None:
    """What it recorded stays a part of the location, where a new meter has nothing."""
    house = House(home)
    await house.set_up(GRID)
    await home.live(NOON + HOUR, lambda start: {GRID: use(start)[GRID]})
    bought = home.value("cost_today")
    entries = home.hass.config_entries
    entries.async_remove_subentry(house.entry, GRID)
    home.add_sensor(PUMP)  # is a grid meter now
    new = new_meter(
        house.location,
        PUMP,
        registry_id=None,
        title="New",
        direction=DIRECTION_IMPORT,
        kind="grid",
    )
    entries.async_add_subentry(
        house.entry,
        ConfigSubentry(
            data=MappingProxyType(dict(new["data"])),
            subentry_type=new["subentry_type"],
            title=new["title"],
            unique_id=new["unique_id"],
        ),
    )
    await house.restart()
    await home.live(NOON + 2 * HOUR, lambda start: {PUMP: use(start)[PUMP]})
    own = house.own("cost_today")
    assert own
    assert home.value("cost_today") == own + bought


async def test_unpriced_records_of_others(home: Home) -> None:
    """Their price is missing: the location's total is that of what has one."""
    house = House(home)
    await house.set_up(GRID)
    await home.live(NOON + HOUR, lambda start: {GRID: use(start)[GRID]})
    house.record(MIDNIGHT + HOUR, 500)
    book = house.entry.runtime_data.ledger.book
    await home.go_to(AFTERNOON)
    [line] = house.booked()
    assert line.money is not None
    book.append([(others_key("IMPORT"), replace(line, money=None))])
    await home.live(AFTERNOON + HOUR, lambda start: {GRID: use(start)[GRID]})
    assert home.value("cost_today") == house.own("cost_today")
    assert home.state("cost_today").attributes["others"] is None


async def test_the_total_of_all_time_says_so_too(home: Home) -> None:
    """What others recorded is a part of it as of all other totals."""
    house = House(home)
    await house.set_up(GRID)
    registry = er.async_get(home.hass)
    for entity in er.async_entries_for_config_entry(registry, house.entry.entry_id):
        registry.async_update_entity(entity.entity_id, disabled_by=None)
    await house.restart()
    await home.live(NOON + HOUR, lambda start: {GRID: use(start)[GRID]})
    house.record(MIDNIGHT + HOUR, 500)
    await home.go_to(AFTERNOON)
    assert house.others("cost_total") == house.cost(MONTH)
