"""Tests of the prices that are kept until they run out."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import cast

import pytest

from custom_components.flatpeak.api import (
    Amount,
    FlatPeakClient,
    FlatPeakConnectionError,
    FlatPeakError,
    FlatPeakPriceUnavailableError,
    PriceInterval,
    PriceList,
    TariffDirection,
)
from custom_components.flatpeak.metering import PricedWindow
from custom_components.flatpeak.pace import Pace
from custom_components.flatpeak.prices import Prices

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
IMPORT, EXPORT = TariffDirection.IMPORT, TariffDirection.EXPORT

type Stretch = tuple[float, float, str | None]  # hours after midnight and the price


def hours(number: float) -> datetime:
    """Return the instant so many hours after midnight."""
    return MIDNIGHT + timedelta(hours=number)


class Client:
    """Answers with prices, or fails."""

    def __init__(self) -> None:
        """Have no price at all."""
        self.stretches: Sequence[Stretch] = ()
        self.error: FlatPeakError | None = None
        self.asked: list[tuple[object, ...]] = []

    async def async_get_prices(
        self,
        location_id: str,
        start: datetime,
        end: datetime,
        direction: TariffDirection,
    ) -> PriceList:
        """Return the prices, or raise."""
        self.asked.append((location_id, start, end, direction))
        if self.error:
            raise self.error
        return PriceList(
            location_id=location_id,
            location_timezone=None,
            currency_code="GBP",
            tariff_direction=direction,
            intervals=tuple(
                PriceInterval(
                    start=hours(first),
                    end=hours(last),
                    price=None if price is None else Amount(value=Decimal(price)),
                )
                for first, last, price in self.stretches
            ),
        )


async def asked(*stretches: Stretch) -> Prices:
    """Return prices that were asked for once."""
    client = Client()
    client.stretches = stretches
    prices = Prices(cast("FlatPeakClient", client), "loc_1", Pace(lambda: MIDNIGHT))
    await prices.async_ask(IMPORT, MIDNIGHT, hours(48))
    assert client.asked == [("loc_1", MIDNIGHT, hours(48), IMPORT)]
    return prices


async def test_the_price_of_an_instant() -> None:
    """An interval begins with its start and ends before its end."""
    prices = await asked((0, 7, "0.1"), (7, 8.5, "0.3"), (8.5, 24, None))
    figures = [prices.now(IMPORT, hours(at)) for at in (0, 6.99, 7, 8.49)]
    assert figures == [Decimal("0.1"), Decimal("0.1"), Decimal("0.3"), Decimal("0.3")]
    assert prices.now(IMPORT, hours(8.5)) is None
    assert prices.now(IMPORT, hours(-0.1)) is None
    assert prices.now(IMPORT, hours(24)) is None
    assert prices.now(EXPORT, hours(0)) is None


@pytest.mark.parametrize("price", ["0", "-0.05"])
async def test_invariant_5_zero_and_negative_prices_are_prices(price: str) -> None:
    """They are known, and they reach as far as others."""
    prices = await asked((0, 24, price))
    assert prices.now(IMPORT, MIDNIGHT) == Decimal(price)
    assert prices.reach(IMPORT, MIDNIGHT, hours(24))


@pytest.mark.parametrize(
    ("stretches", "until", "reaches"),
    [
        ([(0, 24, "1")], 24, True),
        ([(0, 24, "1")], 24.01, False),
        ([(0, 12, "1"), (12, 24, "2")], 24, True),
        ([(0, 12, "1"), (12, 24, None)], 12, True),
        ([(0, 12, "1"), (12, 24, None)], 12.01, False),
        ([(0, 6, None), (6, 24, "1")], 24, True),
        ([(0, 11, None), (11, 24, "1")], 24, False),
        ([(0, 12, "1"), (13, 24, "2")], 24, False),
        ([(11, 24, "1")], 24, False),
        ([(0, 5, "1")], 24, False),
        ([], 24, False),
    ],
)
async def test_how_far_prices_reach(
    stretches: list[Stretch], until: float, *, reaches: bool
) -> None:
    """From 10 o'clock on: a hole or an unknown price is where they end."""
    prices = await asked(*stretches)
    assert prices.reach(IMPORT, hours(10), hours(until)) is reaches
    assert not prices.reach(EXPORT, hours(10), hours(until))


async def test_directions_are_kept_apart() -> None:
    """What is sold has prices of its own."""
    client = Client()
    prices = Prices(cast("FlatPeakClient", client), "loc_1", Pace(lambda: MIDNIGHT))
    for direction, price in ((IMPORT, "0.3"), (EXPORT, "0.1")):
        client.stretches = [(0, 24, price)]
        await prices.async_ask(direction, MIDNIGHT, hours(24))
    assert prices.now(IMPORT, MIDNIGHT) == Decimal("0.3")
    assert prices.now(EXPORT, MIDNIGHT) == Decimal("0.1")
    assert prices.now(TariffDirection.LOCAL, MIDNIGHT) is None


async def test_invariant_5_no_price_is_unknown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An answer without a price takes an older one away, of that direction only."""
    caplog.set_level("DEBUG")
    client = Client()
    client.stretches = [(0, 24, "0.3")]
    prices = Prices(cast("FlatPeakClient", client), "loc_1", Pace(lambda: MIDNIGHT))
    for direction in (IMPORT, EXPORT):
        await prices.async_ask(direction, MIDNIGHT, hours(24))
    client.error = FlatPeakPriceUnavailableError(
        "POST /prices/{id}", "no price", status=422, code="no_price_data"
    )
    await prices.async_ask(EXPORT, MIDNIGHT, hours(24))
    await prices.async_ask(EXPORT, MIDNIGHT, hours(24))
    assert prices.now(EXPORT, MIDNIGHT) is None
    assert prices.now(IMPORT, MIDNIGHT) == Decimal("0.3")
    assert "No EXPORT price: POST /prices/{id}: no price" in caplog.text
    assert "loc_1" not in caplog.text


async def test_trouble_keeps_what_is_known() -> None:
    """Without a network yesterday's answer for today is still right."""
    client = Client()
    client.stretches = [(0, 24, "0.3")]
    prices = Prices(cast("FlatPeakClient", client), "loc_1", Pace(lambda: MIDNIGHT))
    await prices.async_ask(IMPORT, MIDNIGHT, hours(24))
    client.error = FlatPeakConnectionError("POST /prices/{id}", "no answer")
    with pytest.raises(FlatPeakConnectionError):
        await prices.async_ask(IMPORT, MIDNIGHT, hours(24))
    assert prices.now(IMPORT, hours(23)) == Decimal("0.3")


@pytest.mark.parametrize(
    ("rates", "money", "sign"),
    [
        (("0.1", "0.2"), "1", 1),
        (("0.1", "0.2"), "-1", -1),
        (("-0.1", "-0.2"), "-1", 1),
        (("-0.1", "-0.2"), "1", -1),
        (("0.1", "-0.2"), "1", None),
        (("0", "0"), "1", None),
        ((None, None), "1", None),
        (("0.1", "0.2"), "0", None),
        (("0.1", "0.2"), None, None),
        ((), "1", None),
    ],
)
async def test_sign_of_earnings(
    rates: tuple[str | None, ...], money: str | None, sign: int | None
) -> None:
    """It shows where money was earned while the price had one sign throughout."""
    client = Client()
    prices = Prices(cast("FlatPeakClient", client), "loc_1", Pace(lambda: MIDNIGHT))
    client.stretches = [(n, n + 1, rate) for n, rate in enumerate(rates)]
    await prices.async_ask(EXPORT, hours(0), hours(2))
    window = PricedWindow(
        start=hours(0),
        end=hours(2),
        mwh=1_000_000,
        money=None if money is None else Decimal(money),
    )
    assert prices.earning_sign([window]) == sign
    assert prices.earning_sign([]) is None
