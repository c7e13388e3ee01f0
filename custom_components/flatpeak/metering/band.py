"""Whether a price is one that this meter can have."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from statistics import median

from .totals import PricedWindow

FACTOR = 20  # times the median is what no tariff does from one day to the next
HISTORY = timedelta(days=14)
ENOUGH = 20  # windows
TINY = 50_000  # mWh: below, the rounding of money may be most of a price


def is_plausible_price(
    money: Decimal, mwh: int, history: Sequence[PricedWindow]
) -> bool:
    """Return whether money for an energy (mWh) is at most 20 times the usual price.

    What is usual is the median price, whatever its sign, of the last 14 days of the
    history, which is of one meter and in the currency of the money. Anything is
    plausible for 50 Wh or less, with less than 20 windows of more, or where most of
    them were free.
    """
    return is_below(highest_price(history), money, mwh)


def highest_price(history: Sequence[PricedWindow]) -> Decimal | None:
    """Return the highest plausible money per mWh; None: nothing is known."""
    if not history:
        return None
    since = max(line.end for line in history) - HISTORY
    prices = [
        abs(line.money) / line.mwh
        for line in history
        if line.money is not None and line.mwh > TINY and line.end > since
    ]
    if len(prices) < ENOUGH:
        return None
    return FACTOR * median(prices) or None


def is_below(highest: Decimal | None, money: Decimal, mwh: int) -> bool:
    """Return whether money for an energy (mWh) is not above the highest price."""
    return highest is None or mwh <= TINY or abs(money) / mwh <= highest
