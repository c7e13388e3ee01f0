"""Three days with a clock change, a restart, a kill and an hour without network."""

import asyncio
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest

from custom_components.flatpeak.meters import device_reference_id, meter_key

from .home import ACCOUNT, KEY, SLOT
from .lifetime import METERS, Life, register, used
from .lives import Child, alive, shown
from .simulator import DEFAULT, FaultKind, FlatPeakSimulator, day_start

BERLIN = ZoneInfo("Europe/Berlin")
DAY = timedelta(days=1)
MOST_OTHER_REQUESTS = 6  # per meter and day
STEADY = ("/costs/", "/prices/", "/locations", "/devices")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The days around a clock change."""

    day: date  # the day of the change, the second of three
    hours: int  # that it has
    rounding: str
    seed: int
    away: int  # minutes after the kill, a little more
    answer_lost: bool  # killed between a request and its answer


CHANGES = {
    "spring": Change(
        day=date(2026, 3, 29),
        hours=23,
        rounding="five",
        seed=23,
        away=95,
        answer_lost=False,
    ),
    "autumn": Change(
        day=date(2026, 10, 25),
        hours=25,
        rounding="three",
        seed=25,
        away=65,
        answer_lost=True,
    ),
}


@pytest.mark.usefixtures("lives_allowed")
@pytest.mark.parametrize("name", CHANGES)
async def test_three_days(tmp_path: Path, name: str) -> None:
    """Every day's cost is what FlatPeak has stored for it, whatever happened."""
    change = CHANGES[name]
    random = Random(change.seed)
    midnights = [
        day_start(change.day + DAY * number, BERLIN) for number in (-1, 0, 1, 2)
    ]
    assert midnights[2] - midnights[1] == timedelta(hours=change.hours)
    begin = midnights[0] - timedelta(minutes=25)
    switches = DEFAULT.but({"cost_rounding": change.rounding})
    async with FlatPeakSimulator(switches=switches) as simulator:
        simulator.now = begin
        simulator.add_account(ACCOUNT, KEY)
        location = simulator.add_location(
            ACCOUNT, tariff="dynamic", timezone=BERLIN.key, currency="EUR"
        )
        life = Life(
            folder=str(tmp_path),
            url=simulator.url,
            location=location,
            zone="America/New_York",
            begin=begin,
            now=begin,
        )
        async with alive(life, simulator) as child:
            await child.live(midnights[0] + timedelta(hours=9))
            await simulator.refuse()
            await child.live(midnights[0] + timedelta(hours=10))
            await simulator.listen()
            await child.live(midnights[0] + timedelta(hours=15))
            await child.stop()
        back = midnights[0] + timedelta(hours=15, minutes=8, seconds=20)
        async with alive(replace(life, now=back), simulator) as child:
            gone = await _until_killed(child, simulator, change, midnights[1], random)
        back = gone + timedelta(minutes=change.away, seconds=random.randrange(900))
        async with alive(replace(life, now=back), simulator) as child:
            await child.live(midnights[3] + timedelta(minutes=15))
            await child.stop()
        _check_money(simulator, life, midnights)
        _check_outage(simulator, gone, back)
        _check_requests(simulator, midnights[2], midnights[3])


async def _until_killed(
    child: Child,
    simulator: FlatPeakSimulator,
    change: Change,
    midnight: datetime,
    random: Random,
) -> datetime:
    """Live into the second day and die there; return when."""
    fatal = midnight + timedelta(minutes=random.randrange(4 * 60, 20 * 60))
    last = fatal
    async for last in child.slots(fatal + timedelta(hours=1)):
        if last < fatal:
            continue
        if not change.answer_lost:
            await asyncio.sleep(random.uniform(0, 0.1))
            break
        if not simulator.faults.waiting:
            simulator.fail("/costs/instant", kind=FaultKind.DELAY, delay=3, stored=True)
            count = len(simulator.ledger.submissions)
            async with asyncio.timeout(60):
                while len(simulator.ledger.submissions) == count:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            break
    await child.kill()
    return max(last, simulator.now)


def _check_money(
    simulator: FlatPeakSimulator, life: Life, midnights: list[datetime]
) -> None:
    """Compare what was shown last for each period with what is stored for it."""
    month = day_start(midnights[0].astimezone(BERLIN).date().replace(day=1), BERLIN)
    for source, (direction, _) in METERS.items():
        key = meter_key(life.location, direction, source)
        reference = device_reference_id(key)
        devices = simulator.ledger.devices.values()
        owner = next(
            (one.id for one in devices if one.reference_id == reference), life.location
        )
        costs = shown(life, key, "cost_today")
        energies = shown(life, key, "energy_today")
        for start, end in pairwise(midnights):
            stored = simulator.stored_cost(owner, start, end, direction.upper())
            assert stored
            assert costs[start] == stored
            before, after = (
                register(source, life.begin, instant - SLOT) for instant in (start, end)
            )
            assert energies[start] == after - before
        stored = simulator.stored_cost(owner, month, simulator.now, direction.upper())
        assert shown(life, key, "cost_this_month")[month] == stored
    periods = [
        (one.draft.owner, one.draft.tariff_direction, one.draft.start)
        for one in simulator.ledger.submissions
    ]
    assert len(periods) == len(set(periods))


def _check_outage(simulator: FlatPeakSimulator, gone: datetime, back: datetime) -> None:
    """What was used while nobody watched is spread evenly over that time."""
    lengths = {
        one.draft.start: (one.draft.energy, one.draft.end - one.draft.start)
        for one in simulator.records
        if one.draft.owner == one.draft.location_id
        and one.draft.tariff_direction == "IMPORT"
        and gone + SLOT <= one.draft.start
        and one.draft.end <= back
    }
    assert lengths
    powers = [Fraction(wh) / (length // SLOT) for wh, length in lengths.values()]
    # Records hold whole Wh, the rest of one rides in the next.
    assert all(abs(power - powers[0]) < 1 for power in powers)


def _check_requests(
    simulator: FlatPeakSimulator, start: datetime, end: datetime
) -> None:
    """A quiet day asks for no more than it must."""
    asked = [
        request
        for request in simulator.requests
        if start <= request.time < end and request.path.startswith(STEADY)
    ]
    slots = range(int(start.timestamp()) // 300, int(end.timestamp()) // 300, 6)
    windows = sum(
        any(used(source, slot + number) for number in range(6))
        for source in METERS
        for slot in slots
    )
    assert windows > len(METERS) * 24
    assert len(asked) <= windows + MOST_OTHER_REQUESTS * len(METERS)
