"""The power and energy of a made-up house, as a pure function of time.

Every figure follows from the instant, the house's time zone and a random number
generator seeded by the local date: nothing is stored, and a restart continues on the
same curves. Power is linear between nodes five minutes apart, so that its integral is
exact at any instant.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from math import exp, pi, sin
from random import Random

EPOCH = date(2026, 1, 1)
STEP = timedelta(minutes=5)

METERS = (
    "grid_import",
    "grid_export",
    "solar",
    "heat_pump",
    "ev_charger",
    "washing_machine",
)

CHARGING = 7000.0
CHARGER_STANDBY = 8.0
HEATING = 1500.0
HEATING_STANDBY = 12.0
WASHER_STANDBY = 6.0
SOLAR_PEAK = 5200.0

# The local hours in which the car may start to charge, the machine to wash.
CHARGE_FROM = (0.5, 1.5)
WASH_AT = (9.0, 14.0)
WASH_HOURS = 1.75

type Node = tuple[float, float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a local day holds; hours are of the local clock."""

    breakfast: float
    dinner: float
    charge_from: float
    charge_hours: float
    wash_at: float | None
    heating_share: float
    sun: float
    phases: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Day:
    """The nodes of a local day, and each meter's energy up to them in Wh."""

    start: datetime
    nodes: tuple[Node, ...]
    energy: tuple[tuple[float, ...], ...]


@lru_cache
def plan(day: date) -> Plan:
    """Return what a day holds, always the same for the same date."""
    chance = Random(day.isoformat())  # noqa: S311  # Not a secret: a day's weather.
    season = sin(2 * pi * (day.timetuple().tm_yday - 81) / 365)  # 1 in midsummer
    return Plan(
        breakfast=chance.uniform(6.8, 7.8),
        dinner=chance.uniform(18.0, 19.5),
        charge_from=chance.uniform(*CHARGE_FROM),
        charge_hours=chance.uniform(1.5, 4.5) if chance.random() < 0.9 else 0.0,  # noqa: PLR2004
        wash_at=chance.uniform(*WASH_AT) if chance.random() < 0.7 else None,  # noqa: PLR2004
        heating_share=0.27 - 0.17 * season + chance.uniform(-0.05, 0.05),
        sun=chance.uniform(0.75, 1.0) * (0.8 + 0.2 * season),
        phases=(chance.random(), chance.random(), chance.random()),
    )


def bump(hour: float, centre: float, width: float) -> float:
    """Return a bell curve of height 1."""
    return exp(-(((hour - centre) / width) ** 2))


def household(today: Plan, hour: float) -> float:
    """Return the base load of 150 to 300 W with its breakfast and evening peaks."""
    first, second, _ = today.phases
    base = 225 + 50 * sin(2 * pi * (hour * 1.5 + first))
    base += 25 * sin(2 * pi * (hour * 3.7 + second))
    breakfast = 1100 * bump(hour, today.breakfast, 0.6)
    return base + breakfast + 1600 * bump(hour, today.dinner, 1.2)


def heat_pump(today: Plan, hour: float) -> float:
    """Return the power of a pump that runs for a part of each cycle of 50 minutes."""
    cycle = (hour * 60 / 50 + today.phases[2]) % 1
    colder = 0.1 * sin(2 * pi * (hour - 10) / 24)
    running = cycle < today.heating_share - colder
    return HEATING if running else HEATING_STANDBY


def ev_charger(today: Plan, hour: float) -> float:
    """Return the power of a car that charges at night."""
    charging = 0 <= hour - today.charge_from < today.charge_hours
    return CHARGING if charging else CHARGER_STANDBY


def washing_machine(today: Plan, hour: float) -> float:
    """Return the power of a run: it heats, then turns, then spins."""
    if today.wash_at is None or not 0 <= (at := hour - today.wash_at) < WASH_HOURS:
        return WASHER_STANDBY
    heating = 1.0 / 3
    spinning = WASH_HOURS - 0.25
    return 2000.0 if at < heating else 500.0 if at >= spinning else 140.0


def solar(today: Plan, hour: float) -> float:
    """Return the power of the roof, with passing clouds."""
    height = sin(pi * (hour - 7) / 10) if 7 < hour < 17 else 0.0  # noqa: PLR2004
    clouds = 1 - 0.15 * (1 + sin(2 * pi * (hour * 2.3 + today.phases[0])))
    return SOLAR_PEAK * today.sun * clouds * height * height


def positive(first: float, last: float) -> float:
    """Return the mean of the positive part of a line from `first` to `last`."""
    if first >= 0 and last >= 0:
        return (first + last) / 2
    high = max(first, last)
    return high * high / (2 * abs(first - last)) if high > 0 else 0.0


def net(node: Node) -> float:
    """Return what the house takes from the grid, negative when it gives."""
    load, sun, *appliances = node
    return load + sum(appliances) - sun


def between(first: Node, last: Node, share: float) -> Node:
    """Return the node at a share of the way from one to the next."""
    a, b, c, d, e = (x + (y - x) * share for x, y in zip(first, last, strict=True))
    return a, b, c, d, e


def means(first: Node, last: Node) -> tuple[float, ...]:
    """Return each meter's mean power in W on the way from one node to another."""
    grid = net(first), net(last)
    own = ((x + y) / 2 for x, y in zip(first[1:], last[1:], strict=True))
    return positive(*grid), positive(-grid[0], -grid[1]), *own


def plus(
    energy: tuple[float, ...], power: tuple[float, ...], hours: float
) -> tuple[float, ...]:
    """Return an energy in Wh after some hours of a power in W."""
    return tuple(wh + w * hours for wh, w in zip(energy, power, strict=True))


class House:
    """A house in a time zone."""

    def __init__(self, zone: tzinfo) -> None:
        """Build it; its meters start from zero at EPOCH."""
        self._zone = zone
        self._days: dict[date, Day] = {}
        self._starts = [EPOCH]
        self._totals: list[tuple[float, ...]] = [(0.0,) * len(METERS)]

    def power(self, instant: datetime) -> dict[str, float]:
        """Return the power of each meter in W at an aware instant."""
        day, index, share = self._find(instant)
        node = between(day.nodes[index], day.nodes[index + 1], share)
        return dict(zip(METERS, means(node, node), strict=True))

    def energy(self, instant: datetime) -> dict[str, float]:
        """Return the register of each meter in Wh at an aware instant since EPOCH.

        Raises:
            ValueError: The instant is before EPOCH.
        """
        day, index, share = self._find(instant)
        first, last = day.nodes[index : index + 2]
        power = means(first, between(first, last, share))
        today = plus(day.energy[index], power, share * (STEP / timedelta(hours=1)))
        total = self._total(instant.astimezone(self._zone).date())
        return dict(zip(METERS, plus(total, today, 1), strict=True))

    def day_start(self, day: date) -> datetime:
        """Return the first instant of a local date in UTC."""
        return datetime.combine(day, time(), self._zone).astimezone(UTC)

    def _find(self, instant: datetime) -> tuple[Day, int, float]:
        """Return the day of an instant, its step there and its place in the step."""
        day = self._day(instant.astimezone(self._zone).date())
        index, rest = divmod(instant.astimezone(UTC) - day.start, STEP)
        return day, index, rest / STEP

    def _total(self, day: date) -> tuple[float, ...]:
        """Return the registers at the start of a local date."""
        if day < EPOCH:
            raise ValueError(f"the house was not there on {day}")
        while (latest := self._starts[-1]) < day:
            total = plus(self._totals[-1], self._day(latest).energy[-1], 1)
            self._starts.append(latest + timedelta(days=1))
            self._totals.append(total)
        return self._totals[bisect_right(self._starts, day) - 1]

    def _day(self, day: date) -> Day:
        """Return a day, from a small memory of the latest."""
        if day not in self._days:
            if len(self._days) > 16:  # noqa: PLR2004
                self._days.clear()
            self._days[day] = self._build(day)
        return self._days[day]

    def _build(self, day: date) -> Day:
        """Lay out the nodes of a day of 23, 24 or 25 hours."""
        start = self.day_start(day)
        steps = (self.day_start(day + timedelta(days=1)) - start) // STEP
        nodes = tuple(self._node(start + STEP * index) for index in range(steps + 1))
        energy = [(0.0,) * len(METERS)]
        for first, last in pairwise(nodes):
            power = means(first, last)
            energy.append(plus(energy[-1], power, STEP / timedelta(hours=1)))
        return Day(start=start, nodes=nodes, energy=tuple(energy))

    def _node(self, instant: datetime) -> Node:
        """Return the power of all there is in the house at a node."""
        local = instant.astimezone(self._zone)
        today = plan(local.date())
        hour = local.hour + local.minute / 60
        return (
            household(today, hour),
            solar(today, hour),
            heat_pump(today, hour),
            ev_charger(today, hour),
            washing_machine(today, hour),
        )
