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
    if mwh <= TINY or not history:
        return True
    since = max(line.end for line in history) - HISTORY
    prices = [
        abs(line.money) / line.mwh
        for line in history
        if line.money is not None and line.mwh > TINY and line.end > since
    ]
    if len(prices) < ENOUGH:
        return True
    most = FACTOR * median(prices)
    return not most or abs(money) / mwh <= most
