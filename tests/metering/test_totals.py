"""Tests of what priced windows sum to."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given, strategies as st
import pytest

from custom_components.flatpeak.metering import Origin, PricedWindow, Total

START = datetime(2026, 11, 22, 10, tzinfo=UTC)
WINDOW = PricedWindow(
    start=START,
    end=START + timedelta(minutes=15),
    mwh=500_000,
    money=Decimal("0.10"),
    carbon=Decimal(60),
)
UNPRICED = replace(WINDOW, money=None)
CARRIED = replace(
    WINDOW, mwh=200, money=Decimal(0), carbon=Decimal(0), origin=Origin.CARRIED
)
NOTHING = Total()

amounts = st.integers(-(10**15), 10**15).map(lambda number: Decimal(number) / 10**10)
windows = st.builds(
    lambda mwh, money, carbon, estimated: replace(
        WINDOW, mwh=mwh, money=money, carbon=carbon, estimated=estimated
    ),
    st.integers(0, 10**9),
    st.none() | amounts,
    st.none() | amounts,
    st.booleans(),
)


@given(st.lists(windows, max_size=30), st.randoms(use_true_random=False))
def test_invariant_7_sums_do_not_depend_on_the_order(
    lines: list[PricedWindow], random: object
) -> None:
    """Nor on how the windows are grouped."""
    whole = Total.of(lines)
    assert Total.of(lines[::-1]) == whole
    half = len(lines) // 2
    assert Total.of(lines[half:]) + Total.of(lines[:half]) == whole
    shuffled = sorted(lines, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert Total.of(shuffled) == whole


@given(st.lists(windows, max_size=30))
def test_invariant_1_no_mwh_is_lost(lines: list[PricedWindow]) -> None:
    """The sum is of whole mWh, in kWh exactly."""
    total = Total.of(lines)
    assert total.mwh == sum(line.mwh for line in lines)
    assert total.kwh * 1_000_000 == total.mwh


@given(st.lists(windows, max_size=20))
def test_invariant_5_unknown_is_not_zero(lines: list[PricedWindow]) -> None:
    """Money is known as soon as one window is priced, or when nothing was used."""
    used = [line for line in lines if line.mwh]
    priced = [line.money for line in used if line.money is not None]
    total = Total.of(lines)
    assert total.money == (None if used and not priced else sum(priced, Decimal(0)))
    assert (total.priced, total.unpriced) == (len(priced), len(used) - len(priced))


@given(st.lists(windows, max_size=20), st.lists(windows, max_size=20))
def test_net_of_what_was_bought_and_sold(
    bought: list[PricedWindow], sold: list[PricedWindow]
) -> None:
    """Sold money and energy count negative; what is unknown of it stays unknown."""
    left, right = Total.of(bought), Total.of(sold)
    net = left - right
    assert net.mwh == left.mwh - right.mwh
    assert net.money_sum == left.money_sum - right.money_sum
    assert net.carbon_sum == left.carbon_sum - right.carbon_sum
    assert net.priced == left.priced + right.priced
    assert net.unpriced == left.unpriced + right.unpriced
    assert net.without_carbon == left.without_carbon + right.without_carbon


@pytest.mark.parametrize("money", ["0", "-0.75", "1E-20", "12345678901234567890.12345"])
def test_invariant_5_zero_and_negative_money_is_money(money: str) -> None:
    """A price of 0 is a price, and one below 0 as well."""
    total = Total.of([replace(WINDOW, money=Decimal(money))])
    assert total.money == Decimal(money)
    assert total.priced == 1


def test_invariant_5_nothing_used_costs_nothing() -> None:
    """No energy is known to cost 0; energy without a price is not."""
    assert NOTHING.money == 0
    assert NOTHING.carbon == 0
    assert Total.of([replace(UNPRICED, mwh=0)]) == NOTHING
    assert Total.of([UNPRICED]).money is None


def test_invariant_5_what_is_carried_is_no_price() -> None:
    """A fifth of a Wh that goes on in the next record does not make its cost known."""
    assert Total.of([CARRIED, UNPRICED]).money is None
    assert Total.of([CARRIED, WINDOW]).money == Decimal("0.10")
    assert Total.of([CARRIED]).money == 0, "nothing waits for a price"


def test_scenario_25_one_window_unpriced() -> None:
    """The sum is of the priced ones; the energy is of all."""
    total = Total.of([WINDOW, UNPRICED])
    assert total.money == Decimal("0.10")
    assert total.kwh == 1
    assert (total.priced, total.unpriced) == (1, 1)


def test_scenario_27_no_carbon_does_not_hold_back_money() -> None:
    """Carbon is a whole sum or unknown."""
    total = Total.of([WINDOW, replace(WINDOW, carbon=None)])
    assert total.carbon is None
    assert total.money == Decimal("0.20")
    assert Total.of([WINDOW, WINDOW]).carbon == 120
    assert Total.of([WINDOW, replace(WINDOW, carbon=Decimal(0))]).carbon == 60
    assert (Total.of([WINDOW]) - total).carbon is None


def test_invariant_7_decimals_are_exact() -> None:
    """Ten times 0.1 is 1, not 0.9999999999999999."""
    assert str(Total.of([WINDOW] * 10).money) == "1.00"


@given(st.lists(windows, min_size=1, max_size=20))
def test_a_sum_without_a_part_is_the_rest(lines: list[PricedWindow]) -> None:
    """In all that it says."""
    assert Total.of(lines).without(Total.of(lines[:1])) == Total.of(lines[1:])
    assert Total.joined([Total.of(lines[:1]), Total.of(lines[1:])]) == Total.of(lines)


def test_measured_share() -> None:
    """The energy of windows that were measured from end to end, in percent."""
    spread = replace(WINDOW, mwh=1_500_000, estimated=True)
    assert Total.of([WINDOW, spread]).measured_share == 25
    assert Total.of([UNPRICED, replace(spread, money=None)]).measured_share == 25
    assert NOTHING.measured_share is None


def test_invariant_7_money_of_another_currency_is_not_counted() -> None:
    """Its energy is."""
    euros = replace(WINDOW, currency="EUR")
    total = Total.of(line.counted_in("GBP") for line in (WINDOW, euros))
    assert total.money == Decimal("0.10")
    assert total.kwh == 1
    assert Total.of([euros.counted_in("GBP")]).money is None
    assert Total.of([euros.counted_in("EUR")]).money == Decimal("0.10")
