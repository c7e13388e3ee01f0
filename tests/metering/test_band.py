"""Tests of which prices are plausible."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given, strategies as st
import pytest

from custom_components.flatpeak.metering import PricedWindow, is_plausible_price

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
KWH = 1_000_000


def lines(
    prices: Sequence[str | None], *, mwh: int = KWH, end: datetime = NOW
) -> list[PricedWindow]:
    """Return an hour of energy at each price per kWh, the last one first."""
    return [
        PricedWindow(
            start=end - (n + 1) * HOUR,
            end=end - n * HOUR,
            mwh=mwh,
            money=None if price is None else Decimal(price) * mwh / KWH,
        )
        for n, price in enumerate(prices)
    ]


USUAL = lines(["0.30"] * 20)


@pytest.mark.parametrize(
    ("price", "plausible"),
    [
        ("6.00", True),
        ("6.01", False),
        ("-6.00", True),
        ("-6.01", False),
        ("0", True),
        ("-0.05", True),
        ("90", False),
    ],
)
def test_scenario_08_invariant_9_a_price_far_above_the_median_is_held(
    price: str, *, plausible: bool
) -> None:
    """Up to 20 times the usual price, to be paid or to be received."""
    assert is_plausible_price(Decimal(price), KWH, USUAL) is plausible
    assert is_plausible_price(Decimal(price) / 4, KWH // 4, USUAL) is plausible


@pytest.mark.parametrize(
    "history",
    [
        [],
        USUAL[:19],
        lines(["0.30"] * 19 + [None]),
        [*USUAL[:19], *lines(["0.30"], mwh=50_000)],
        [*USUAL[:19], *lines(["0.30"] * 9, end=NOW - timedelta(days=14))],
        lines(["0"] * 21 + ["0.30"] * 20),
    ],
)
def test_scenario_08_without_history_everything_is_plausible(
    history: list[PricedWindow],
) -> None:
    """Neither unpriced, nor tiny, nor old, nor free windows say what is usual."""
    assert is_plausible_price(Decimal(90), KWH, history)


def test_scenario_08_only_the_last_14_days_count() -> None:
    """A tariff of the summer says nothing of the winter's."""
    old = lines(["100"] * 60, end=USUAL[0].end - timedelta(days=14))
    assert not is_plausible_price(Decimal(7), KWH, [*old, *USUAL])
    nearly = [*lines(["100"] * 60, end=NOW - timedelta(days=10)), *USUAL]
    assert is_plausible_price(Decimal(7), KWH, nearly)


def test_scenario_08_tiny_windows_are_always_plausible() -> None:
    """A rounded cent for a few Wh looks like any price."""
    assert is_plausible_price(Decimal(9), 50_000, USUAL)
    assert not is_plausible_price(Decimal(9), 50_001, USUAL)


def test_scenario_08_negative_prices_have_a_size() -> None:
    """The median is of sizes: a fortnight of both signs is not a free one."""
    mixed = lines(["0.30", "-0.30"] * 10)
    assert is_plausible_price(Decimal("5.9"), KWH, mixed)
    assert not is_plausible_price(Decimal("6.1"), KWH, mixed)


cents = st.integers(1, 10_000).map(lambda n: Decimal(n) / 100)


@given(st.lists(cents, min_size=20, max_size=60), st.integers(50_001, 10 * KWH))
def test_scenario_08_what_was_usual_stays_plausible(
    prices: list[Decimal], mwh: int
) -> None:
    """For any energy; and one absurd price in the history makes no other plausible."""
    history = lines([str(price) for price in prices])
    usual = sorted(prices)[len(prices) // 2]
    assert is_plausible_price(usual * mwh / KWH, mwh, history)
    absurd = 21 * max(prices) * mwh / KWH
    assert not is_plausible_price(absurd, mwh, history)
    assert not is_plausible_price(absurd, mwh, [*history, *lines(["1000000"])])
