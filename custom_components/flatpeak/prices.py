"""Prices per kWh of a location, kept until they run out."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
import logging

from .api import (
    FlatPeakClient,
    FlatPeakError,
    FlatPeakPriceUnavailableError,
    PriceList,
    TariffDirection,
)
from .metering import PricedWindow
from .pace import Pace

ZERO = Decimal(0)

_LOGGER = logging.getLogger(__name__)


class Prices:
    """What is known of the prices of one location."""

    def __init__(self, client: FlatPeakClient, location_id: str, pace: Pace) -> None:
        """Begin knowing nothing."""
        self._pace = pace
        self._client = client
        self._location_id = location_id
        self._known: dict[TariffDirection, PriceList] = {}
        self._lacked: dict[TariffDirection, FlatPeakError] = {}

    def now(self, direction: TariffDirection, now: datetime) -> Decimal | None:
        """Return the money per kWh at an instant; None is unknown."""
        known = self._known.get(direction)
        for interval in known.intervals if known else ():
            if interval.start <= now < interval.end:
                return interval.price.value if interval.price else None
        return None

    def reach(self, direction: TariffDirection, now: datetime, until: datetime) -> bool:
        """Return whether every price from now until then is known."""
        known = self._known.get(direction)
        reached = now
        for interval in known.intervals if known else ():
            if interval.price and interval.start <= reached < interval.end:
                reached = interval.end
        return reached >= until

    def earning_sign(self, sold: Iterable[PricedWindow]) -> int | None:
        """Return the sign that FlatPeak gives to money earned at a positive price.

        The documentation leaves it open. None: no window says so, because its price
        is unknown, zero, or of both signs.
        """
        known = self._known.get(TariffDirection.EXPORT)
        for window in sold:
            signs = {
                _sign(interval.price.value) if interval.price else 0
                for interval in (known.intervals if known else ())
                if interval.start < window.end and window.start < interval.end
            }
            if len(signs) == 1 and (sign := signs.pop() * _sign(window.money or ZERO)):
                return sign
        return None

    async def async_ask(
        self, direction: TariffDirection, start: datetime, end: datetime
    ) -> None:
        """Read the prices of a period; one without a tariff has none.

        Raises FlatPeakError for everything but a missing price.
        """
        if not self._pace.may_ask(direction=direction):
            return
        try:
            self._known[direction] = await self._client.async_get_prices(
                self._location_id, start, end, direction
            )
        except FlatPeakPriceUnavailableError as error:
            self._known.pop(direction, None)
            self._lacked[direction] = error
            self._pace.failed(error, direction=direction)
            _LOGGER.debug("No %s price: %s", direction, error)
        else:
            self._pace.listed(direction, self._lacked.pop(direction, None))


def _sign(amount: Decimal) -> int:
    """Return 1, 0 or -1."""
    return (amount > 0) - (amount < 0)
