"""Pricing is exact, on any tariff and on the days of a clock change."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from zoneinfo import ZoneInfo

import pytest

from . import TARIFFS, Aggregation, DayNight, Dynamic, Fixed, Steps, buckets, day_start
from .report import rounded
from .tariff import Curve, Direction, Revision, cost, pieces

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 12, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
START = datetime(2026, 10, 24, tzinfo=UTC)
CURVES = {
    "fixed": Fixed(Decimal("0.27351")),
    "daynight": DayNight(day=Decimal("0.31"), night=Decimal("0.12")),
    "dynamic": Dynamic(level=Decimal("0.24")),
    "unequal": Steps(
        [
            (START, Decimal("0.1")),
            (START + 7 * MINUTE, Decimal("-0.2")),
            (START + 180 * MINUTE, Decimal("0.3")),
            (START + 1500 * MINUTE, Decimal("0.05")),
        ]
    ),
}


def by_minutes(curve: Curve, start: datetime, minutes: int, wh: Fraction) -> Fraction:
    """Price energy the slow way: minute by minute, at the wall clock of each."""
    share = wh / 1000 / minutes
    prices = (curve.value(start + n * MINUTE, LONDON) for n in range(minutes))
    return sum((Fraction(price) * share for price in prices), Fraction(0))


@pytest.mark.parametrize("name", CURVES)
def test_cost_equals_the_sum_over_minutes(name: str) -> None:
    """Records over price changes and over the repeated hour cost exactly right."""
    random = Random(name)
    for _ in range(60):
        start = START + random.randint(0, 2880) * MINUTE
        minutes = random.randint(1, 200)
        wh = Fraction(random.randint(0, 10_000), random.randint(1, 7))
        parts = pieces(
            CURVES[name], start, start + minutes * MINUTE, zone=LONDON, now=NOW
        )
        assert cost(parts, wh) == by_minutes(CURVES[name], start, minutes, wh)


def test_change_inside_a_record_on_both_clock_change_days() -> None:
    """A record over 07:30 local is split there, by winter and by summer time."""
    curve = DayNight(day=Decimal("0.30"), night=Decimal("0.10"))
    for day, change in (
        ("2026-03-28", "07:30"),
        ("2026-03-29", "06:30"),
        ("2026-10-25", "07:30"),
    ):
        since = datetime.fromisoformat(f"{day}T{change}Z") - 15 * MINUTE
        parts = pieces(curve, since, since + 60 * MINUTE, zone=LONDON, now=NOW)
        assert [part.end - part.start for part in parts] == [15 * MINUTE, 45 * MINUTE]
        assert cost(parts, Fraction(4000)) == Fraction("1.00")


def test_a_night_that_ends_in_the_repeated_hour_ends_twice() -> None:
    """Between 01:00 and 02:00 of the wall clock there are two real hours."""
    curve = DayNight(
        day=Decimal(1),
        night=Decimal(0),
        day_from=datetime(2026, 1, 1, 1, 30, tzinfo=UTC).time(),
    )
    start = datetime(2026, 10, 25, 0, tzinfo=UTC)
    parts = pieces(curve, start, start + 120 * MINUTE, zone=LONDON, now=NOW)
    assert [part.value for part in parts] == [0, 1, 0, 1]
    assert {part.end - part.start for part in parts} == {30 * MINUTE}


def test_dynamic_prices_are_deterministic_and_sometimes_negative() -> None:
    """The same instant has the same price for ever; one midday in two is negative."""
    one, other = Dynamic(level=Decimal("0.24")), Dynamic(level=Decimal("0.24"))
    slots = [START + n * 30 * MINUTE for n in range(96)]
    prices = [one.value(slot, LONDON) for slot in slots]
    assert prices == [other.value(slot, LONDON) for slot in slots]
    assert 0 < sum(price < 0 for price in prices) <= 8
    assert all(price.as_tuple().exponent == -5 for price in prices)


def test_negative_prices_give_negative_costs() -> None:
    """Using energy at such a time earns money."""
    curve = Steps([(START, Decimal("-0.05"))])
    parts = pieces(curve, START, START + MINUTE, zone=LONDON, now=NOW)
    assert cost(parts, Fraction(2000)) == Fraction("-0.1")


def test_settled_prices_replace_or_add() -> None:
    """Corrections hold for their span alone, later ones over earlier ones."""
    revisions = [
        Revision(
            direction=Direction.IMPORT,
            start=START + 10 * MINUTE,
            end=START + 20 * MINUTE,
            price=Decimal(1),
        ),
        Revision(
            direction=Direction.IMPORT,
            start=START + 15 * MINUTE,
            end=START + 25 * MINUTE,
            change=Decimal("0.5"),
        ),
    ]
    parts = pieces(
        Fixed(Decimal("0.2")),
        START,
        START + 30 * MINUTE,
        zone=LONDON,
        now=NOW,
        revisions=revisions,
    )
    assert [part.value for part in parts] == [
        Decimal(one) for one in ("0.2", "1", "1.5", "0.7", "0.2")
    ]


def test_forecasts_are_less_sure_and_end_as_zero_with_confidence_zero() -> None:
    """Confidence falls with the distance; a dynamic price ends after five days."""
    now = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
    for curve, days, expected in (
        (CURVES["daynight"], 400, ["1", "0.8", "0.6", "0.4", "0.2"]),
        (CURVES["dynamic"], 8, ["1", "0.6", "0"]),
    ):
        parts = pieces(curve, now, now + timedelta(days=days), zone=LONDON, now=now)
        seen = list(dict.fromkeys(part.confidence for part in parts))
        assert seen == [Decimal(one) for one in expected]
        assert parts[0].start == now
        assert parts[-1].end == now + timedelta(days=days)
    assert all(part.value == 0 for part in parts if not part.confidence)
    known = [part for part in parts if part.confidence == 1]
    assert known[-1].end == day_start(date(2026, 6, 3), LONDON)


def test_every_named_tariff_prices_every_direction() -> None:
    """The command line's tariffs are complete; own generation is free."""
    for tariff in TARIFFS.values():
        for direction in Direction:
            assert tariff.curve(direction) is not None
        assert tariff.local.value(START, LONDON) == 0


def test_days_and_months_by_local_midnights() -> None:
    """Buckets are 23 and 25 hours long where the clock changes; also at midnight."""
    spring = buckets(
        datetime(2026, 3, 28, 12, tzinfo=UTC),
        datetime(2026, 3, 30, 12, tzinfo=UTC),
        Aggregation.DAY,
        LONDON,
    )
    assert [(end - start) / timedelta(hours=1) for start, end in spring] == [24, 23, 24]
    autumn = buckets(
        datetime(2026, 10, 25, 12, tzinfo=UTC),
        datetime(2026, 12, 1, tzinfo=UTC),
        Aggregation.MONTH,
        LONDON,
    )
    assert [start for start, _ in autumn] == [
        datetime(2026, 9, 30, 23, tzinfo=UTC),
        datetime(2026, 11, 1, tzinfo=UTC),
    ]
    havana = ZoneInfo("America/Havana")
    assert day_start(date(2026, 3, 8), havana) == datetime(2026, 3, 8, 5, tzinfo=UTC)
    assert day_start(date(2026, 11, 1), havana) == datetime(2026, 11, 1, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (Fraction("10283.5"), 0, "10284"),
        (Fraction("10284.5"), 0, "10285"),
        (Fraction("0.000005"), 5, "0.00001"),
        (Fraction("-0.000005"), 5, "-0.00001"),
        (Fraction(1, 3), 5, "0.33333"),
        (Fraction("0.0004999"), 3, "0.000"),
    ],
)
def test_rounding_is_half_up_away_from_zero(
    value: Fraction, digits: int, expected: str
) -> None:
    """Halves go away from zero, on both sides."""
    assert rounded(value, digits) == Decimal(expected)
