"""One day in which Home Assistant is killed again and again."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

from tests.home import ACCOUNT, KEY, SLOT
from tests.lifetime import Life
from tests.lives import Child, alive, born
from tests.simulator import DEFAULT, FlatPeakSimulator, day_start

from .audit import Audit, audit
from .kills import Aim, Hit, Killer, aims
from .weather import Weather

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
BERLIN = ZoneInfo("Europe/Berlin")
TODAY = date(2026, 11, 11)
LONGEST_ABSENCE = 40 * MINUTE
CALM = timedelta(days=1, minutes=45)  # after which nothing of the day is undecided
AIM = 45 * MINUTE  # within which what a kill is aimed at has to come

# What FlatPeak does with a second record of the same period, and with it what it may do
# besides: where it adds, only this much can be promised (`books.md`, section 2).
RULES: dict[str, dict[str, Any]] = {
    "replaces": {
        "overwrite": "same_period",
        "lag": 120,
        "visibility": "out_of_order",
        "execution": "late",
    },
    "adds": {"overwrite": "never", "lag": 1200},
    "blind": {"overwrite": "never", "lag": 5 * 24 * 3600},  # reports show nothing yet
}


@dataclass(slots=True, kw_only=True)
class Story:
    """What happened in a run."""

    rule: str
    seed: int
    hits: Counter[Hit] = field(default_factory=Counter)
    absent: timedelta = timedelta(0)
    cuts: int = 0
    seconds: float = 0
    audit: Audit = field(default_factory=Audit)


async def crash(rule: str, seed: int, kills: int, folder: Path) -> Story:
    """Live the day, be killed so many times, and audit the books.

    `folder` is an empty one, for Home Assistant's configuration.
    """
    began = monotonic()
    story = Story(rule=rule, seed=seed)
    random = Random(f"{rule} {seed}")
    midnight = day_start(TODAY, BERLIN)
    begin = midnight - 25 * MINUTE
    async with FlatPeakSimulator(switches=DEFAULT.but(RULES[rule])) as simulator:
        simulator.now = begin
        simulator.add_account(ACCOUNT, KEY)
        life = Life(
            folder=str(folder),
            url=simulator.url,
            location=simulator.add_location(
                ACCOUNT, tariff="dynamic", timezone=BERLIN.key, currency="EUR"
            ),
            zone="America/New_York",
            begin=begin,
            now=begin,
            window=15,
        )
        async with alive(life, simulator) as child:
            await child.live(midnight)
            await child.stop()
        back = await _die(story, simulator, life, random, kills)
        async with alive(replace(life, now=back), simulator) as child:
            await child.live(max(midnight + DAY, back) + CALM)
            await child.stop()
        story.audit = audit(simulator, life, midnight + DAY)
    story.seconds = monotonic() - began
    return story


async def _die(
    story: Story,
    simulator: FlatPeakSimulator,
    life: Life,
    random: Random,
    kills: int,
) -> datetime:
    """Live and die so many times over a day, and return when the last absence ends."""
    weather = Weather(simulator, random)
    absences = [random.uniform(0, 1) * LONGEST_ABSENCE for _ in range(kills)]
    shares = [random.expovariate() for _ in range(kills)]
    alive_for = DAY - sum(absences, timedelta(0))
    now = simulator.now
    for aim, absence, share in zip(aims(random, kills), absences, shares, strict=True):
        life = replace(life, now=now)
        killer = Killer(simulator, life, random)
        async with born(life, simulator) as child:
            if aim is Aim.START:
                hit = await killer.in_start(child)
            else:
                await child.up()
                await _live(child, now + alive_for * share / sum(shares), now, weather)
                hit = await killer.in_work(child, aim, _last(child, now) + AIM)
            assert child.was_killed, (life.folder, aim)
            gone = max(simulator.now, now, _last(child, now) + SLOT / 2)
        story.hits[hit] += 1
        story.absent += absence
        now = gone + absence
    story.cuts = weather.cuts
    await weather.clear()
    return now


async def _live(child: Child, until: datetime, now: datetime, weather: Weather) -> None:
    """Live slot by slot, in any weather."""
    while (last := _last(child, now)) + SLOT <= until:
        await weather.change()
        await child.live(last + SLOT)


def _last(child: Child, now: datetime) -> datetime:
    """Return the end of the slot that was lived last; the next one begins there."""
    if child.last:
        return child.last
    return now.astimezone(UTC).replace(
        minute=now.minute // 5 * 5, second=0, microsecond=0
    )
