"""Prices as exact step functions of time, per kWh, and what energy costs under them.

A curve says its value at an instant and where it changes; nothing else is needed to
price a period exactly. Values are `Decimal`, sums are `Fraction`, so nothing rounds.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from hashlib import sha256
from typing import Protocol, override

from .days import UTC, day_start

QUARTER = timedelta(minutes=15)
QUANTUM = Decimal("0.00001")
FORECAST_DAYS = 5
ONE = Decimal(1)
ZERO = Decimal(0)


class Direction(StrEnum):
    """Which way energy flows (not LOCAL), or which price applies."""

    IMPORT = "IMPORT"
    EXPORT = "EXPORT"
    LOCAL = "LOCAL"


class Structure(StrEnum):
    """Kinds of tariff, in FlatPeak's words."""

    FIXED = "FIXED"
    TIME_OF_DAY = "TIME_OF_DAY"
    DYNAMIC = "DYNAMIC"


class Curve(Protocol):
    """A value for every instant, constant between changes."""

    structure: Structure

    def value(self, at: datetime, zone: tzinfo) -> Decimal:
        """Return the value at an instant."""

    def changes(
        self, start: datetime, end: datetime, zone: tzinfo
    ) -> Iterable[datetime]:
        """Return the instants strictly inside a period at which the value changes."""


class Clocked(Curve):
    """A curve that changes only on full quarters of an hour."""

    @override
    def changes(
        self, start: datetime, end: datetime, zone: tzinfo
    ) -> Iterator[datetime]:
        at = _floor(start, QUARTER)
        before = self.value(at, zone)
        while (at := at + QUARTER) < end:
            after = self.value(at, zone)
            if after != before:
                yield at
            before = after


@dataclass(frozen=True, slots=True)
class Fixed(Curve):
    """One price for ever."""

    price: Decimal
    structure: Structure = Structure.FIXED

    @override
    def value(self, at: datetime, zone: tzinfo) -> Decimal:
        return self.price

    @override
    def changes(
        self, start: datetime, end: datetime, zone: tzinfo
    ) -> Iterable[datetime]:
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DayNight(Clocked):
    """A day and a night price, by the location's wall clock."""

    day: Decimal
    night: Decimal
    day_from: time = time(7, 30)
    day_until: time = time(23, 30)
    structure: Structure = Structure.TIME_OF_DAY

    @override
    def value(self, at: datetime, zone: tzinfo) -> Decimal:
        by_day = self.day_from <= at.astimezone(zone).time() < self.day_until
        return self.day if by_day else self.night


SHAPE = tuple(
    Decimal(f"{percent / 100}")
    for percent in (
        *(55, 50, 45, 45, 50, 65, 90, 120, 130, 110, 95, 85),
        *(75, 60, 60, 80, 110, 150, 170, 160, 130, 105, 85, 65),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dynamic(Clocked):
    """A market price that is new every slot, and below zero on every other midday."""

    level: Decimal
    slot: timedelta = timedelta(minutes=30)
    structure: Structure = Structure.DYNAMIC

    @override
    def value(self, at: datetime, zone: tzinfo) -> Decimal:
        slot = _floor(at, self.slot)
        local = slot.astimezone(zone)
        noise = Decimal(sha256(slot.isoformat().encode()).digest()[0] - 128) / 1000
        factor = SHAPE[local.hour] + noise
        if local.hour in (13, 14) and local.toordinal() % 2 == 0:
            factor = noise / 2 - Decimal("0.1")
        return (self.level * factor).quantize(QUANTUM)


@dataclass(frozen=True, slots=True)
class Steps(Curve):
    """Prices of unequal length, each from its instant on, in order."""

    steps: Sequence[tuple[datetime, Decimal]]
    structure: Structure = Structure.DYNAMIC

    @override
    def value(self, at: datetime, zone: tzinfo) -> Decimal:
        past = [price for since, price in self.steps if since <= at]
        return past[-1] if past else self.steps[0][1]

    @override
    def changes(
        self, start: datetime, end: datetime, zone: tzinfo
    ) -> Iterable[datetime]:
        return [since for since, _ in self.steps if start < since < end]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What a location pays, earns and emits. Carbon is in gCO2 per kWh."""

    imports: Curve | None
    exports: Curve | None = None
    local: Curve = Fixed(ZERO)
    carbon: Curve | None = None

    def curve(self, direction: Direction) -> Curve | None:
        """Return the prices of a direction; None where no tariff is connected."""
        match direction:
            case Direction.IMPORT:
                return self.imports
            case Direction.EXPORT:
                return self.exports
            case Direction.LOCAL:
                return self.local


CARBON = DayNight(day=Decimal(210), night=Decimal(140))

TARIFFS = {
    "fixed": Tariff(
        imports=Fixed(Decimal("0.27350")),
        exports=Fixed(Decimal("0.15000")),
        carbon=CARBON,
    ),
    "daynight": Tariff(
        imports=DayNight(day=Decimal("0.31420"), night=Decimal("0.12870")),
        exports=Fixed(Decimal("0.12000")),
        carbon=CARBON,
    ),
    "dynamic": Tariff(
        imports=Dynamic(level=Decimal("0.24")),
        exports=Dynamic(level=Decimal("0.11")),
        carbon=CARBON,
    ),
}
"""Ready tariffs by the name that the command line uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A later correction of a span: a new price, or something added to the old."""

    direction: Direction
    start: datetime
    end: datetime
    price: Decimal | None = None
    change: Decimal = ZERO

    def apply(self, at: datetime, value: Decimal) -> Decimal:
        """Return the corrected price at an instant."""
        if not self.start <= at < self.end:
            return value
        return value + self.change if self.price is None else self.price


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A period of one price and one confidence."""

    start: datetime
    end: datetime
    value: Decimal
    confidence: Decimal


def pieces(
    curve: Curve,
    start: datetime,
    end: datetime,
    *,
    zone: tzinfo,
    now: datetime,
    revisions: Sequence[Revision] = (),
) -> list[Piece]:
    """Cut a period where its price or its confidence changes.

    Without any market data, a dynamic price is 0 with confidence 0 (FlatPeak
    documentation: tariff predictions).
    """
    trust = _confidences(curve.structure, now, zone)
    edges = {
        start,
        *curve.changes(start, end, zone),
        *(since for since, _ in trust if start < since < end),
        *(edge for one in revisions for edge in (one.start, one.end)),
    }
    starts = sorted(edge for edge in edges if start <= edge < end)
    found = []
    for since, until in zip(starts, [*starts[1:], end], strict=True):
        value = curve.value(since, zone)
        for revision in revisions:
            value = revision.apply(since, value)
        confidence = [sure for edge, sure in trust if edge <= since][-1]
        found.append(
            Piece(
                start=since,
                end=until,
                value=value if confidence else ZERO,
                confidence=confidence,
            )
        )
    return found


def _confidences(
    structure: Structure, now: datetime, zone: tzinfo
) -> list[tuple[datetime, Decimal]]:
    """List from when on which confidence holds.

    The forecast figures are FlatPeak documentation (tariff forecasts and, for 0.6
    and 0, tariff predictions); that today's prices, and tomorrow's from 13:00 local
    on, count as actual is invented.
    """
    local = now.astimezone(zone)
    always = datetime.min.replace(tzinfo=UTC)
    if structure is not Structure.DYNAMIC:
        known = day_start(local.date() + timedelta(days=1), zone)
        decay = ("0.8", "0.6", "0.4", "0.2")
        later = [
            (known + timedelta(days=90 * step), Decimal(sure))
            for step, sure in enumerate(decay)
        ]
        return [(always, ONE), *later]
    days = 2 if local.hour >= 13 else 1
    known = day_start(local.date() + timedelta(days=days), zone)
    horizon = now + timedelta(days=FORECAST_DAYS)
    return [(always, ONE), (known, Decimal("0.6")), (horizon, ZERO)]


def cost(parts: Sequence[Piece], wh: Fraction) -> Fraction:
    """Price energy that flows evenly over contiguous pieces, exactly."""
    total = _micros(parts[-1].end - parts[0].start)
    weighted = sum(
        (Fraction(part.value) * _micros(part.end - part.start) for part in parts),
        Fraction(0),
    )
    return weighted * wh / 1000 / total


def _micros(length: timedelta) -> int:
    return length // timedelta(microseconds=1)


def _floor(at: datetime, step: timedelta) -> datetime:
    epoch = datetime(2000, 1, 1, tzinfo=UTC)
    return epoch + (at - epoch) // step * step
