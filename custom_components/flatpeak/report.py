"""A location's totals, as FlatPeak's interval report has them."""

from dataclasses import replace
from datetime import datetime, timedelta

from .api import (
    CostItem,
    FlatPeakClient,
    FlatPeakPriceUnavailableError,
    TariffDirection,
)
from .metering import PricedWindow, Total
from .snapshot import Figures, Periods

PAST_AGE = timedelta(hours=6)  # past days change only when prices settle

NOTHING = Figures(yesterday=Total(), this_month=Total(), last_month=Total())


class LocationReport:
    """A location's totals of one direction, from reports alone.

    Each period is asked for on its own and everything in the answer is summed: that
    is right whichever zone FlatPeak's buckets have, and whether it answers with
    records or with one total.
    """

    def __init__(
        self, client: FlatPeakClient, location_id: str, direction: TariffDirection
    ) -> None:
        """Begin knowing nothing."""
        self._client = client
        self._location_id = location_id
        self._direction = direction
        self._past: Figures | None = None
        self._past_from: tuple[Periods, datetime] | None = None
        self.today: list[PricedWindow] = []

    async def async_figures(self, periods: Periods, now: datetime) -> Figures:
        """Return the totals until now. Raises FlatPeakError.

        Most homes have no export tariff: then nothing was earned.
        """
        try:
            past = await self._async_past(periods, now)
            self.today = await self._ask(periods.start(periods.today), now)
        except FlatPeakPriceUnavailableError:
            if self._direction is not TariffDirection.EXPORT:
                raise
            self.today = []
            past = NOTHING
        today = Total.of(self.today)
        return replace(
            past,
            today=today,
            this_month=(past.this_month or Total()) + today,
            data_until=now,
        )

    async def _async_past(self, periods: Periods, now: datetime) -> Figures:
        """Return what lies before today, from memory while that is good enough."""
        if self._past and self._past_from:
            known, asked = self._past_from
            if known == periods and now - asked < PAST_AGE:
                return self._past
        midnight = periods.start(periods.today)
        month = periods.start(periods.month)
        yesterday = await self._ask(periods.start(periods.yesterday), midnight)
        last_month = await self._ask(periods.start(periods.last_month), month)
        self._past = Figures(
            yesterday=Total.of(yesterday),
            this_month=Total.of(await self._ask(month, midnight)),
            last_month=Total.of(last_month),
        )
        self._past_from = (periods, now)
        return self._past

    async def _ask(self, start: datetime, end: datetime) -> list[PricedWindow]:
        """Return everything that was recorded in a period."""
        if start >= end:
            return []
        report = await self._client.async_get_costs(
            self._location_id, start, end, direction=self._direction
        )
        return [as_window(item) for item in report.items]


def as_window(item: CostItem) -> PricedWindow:
    """Return a report's item as a line that can be summed."""
    return PricedWindow(
        start=item.start,
        end=item.end,
        mwh=item.energy_wh * 1000,
        money=item.cost.value if item.cost else None,
        carbon=item.carbon.value if item.carbon else None,
    )
