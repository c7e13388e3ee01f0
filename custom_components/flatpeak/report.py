"""What FlatPeak's interval report says: a location's totals, a look at our records."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from .api import (
    Aggregation,
    CostItem,
    CostReport,
    FlatPeakClient,
    FlatPeakPriceUnavailableError,
    TariffDirection,
)
from .book import Book, Line
from .journal import MeterState
from .metering import (
    Origin,
    PricedWindow,
    Total,
    match,
)
from .outbox import expected
from .snapshot import Figures, Periods

PAST_AGE = timedelta(hours=6)  # past days change only when prices settle
# Per record: FlatPeak rounds energy to whole Wh and money to five decimals.
WH_TOLERANCE = 1
MONEY_TOLERANCE = Decimal("0.000005")


class LocationReport:
    """A location's totals from reports alone, net of export.

    Each period is asked for on its own and everything in the answer is summed: that
    is right whichever zone FlatPeak's buckets have, and whether it answers with
    records or with one total.
    """

    def __init__(self, client: FlatPeakClient, location_id: str) -> None:
        """Begin knowing nothing."""
        self._client = client
        self._location_id = location_id
        self._past: Figures | None = None
        self._past_from: tuple[Periods, datetime] | None = None

    async def async_figures(self, periods: Periods, now: datetime) -> Figures:
        """Return the totals until now. Raises FlatPeakError."""
        past = await self._async_past(periods, now)
        today = await self._net(periods.start(periods.today), now)
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
        self._past = Figures(
            yesterday=await self._net(periods.start(periods.yesterday), midnight),
            this_month=await self._net(month, midnight),
            last_month=await self._net(periods.start(periods.last_month), month),
        )
        self._past_from = (periods, now)
        return self._past

    async def _net(self, start: datetime, end: datetime) -> Total:
        """Return what was bought less what was sold."""
        if start >= end:
            return Total()
        bought = await self._ask(start, end, TariffDirection.IMPORT)
        try:
            sold = await self._ask(start, end, TariffDirection.EXPORT)
        except FlatPeakPriceUnavailableError:
            return bought  # most homes have no export tariff
        return bought - sold

    async def _ask(
        self, start: datetime, end: datetime, direction: TariffDirection
    ) -> Total:
        """Return everything that was recorded in a period."""
        report = await self._client.async_get_costs(
            self._location_id, start, end, direction=direction
        )
        return Total.of(_window(item) for item in report.items)


async def async_review(
    client: FlatPeakClient,
    key: str,
    state: MeterState,
    book: Book,
    since: datetime,
) -> list[Line]:
    """Compare a stream's booked windows since then with the report.

    Returns the lines that the report changes: money that was unknown, quoted or has
    been revised. The days' sums are compared first; the records are asked for only
    when those differ. Raises FlatPeakError.
    """
    if state.cut_until is None or state.cut_until <= since:
        return []
    windows = [
        window
        for window in book.between(key, since, state.cut_until)
        if window.origin is not Origin.CARRIED
    ]

    async def ask(aggregation: Aggregation | None) -> CostReport:
        return await client.async_get_costs(
            state.stream.owner,
            since,
            max(window.end for window in windows),
            direction=TariffDirection(state.stream.tariff_direction),
            aggregation=aggregation,
        )

    if not windows or _agrees(windows, (await ask(Aggregation.DAY)).items):
        return []
    report = await ask(None)
    found = match([expected(window, state) for window in windows], report.items)
    return [
        (key, _revised(window, item, report.currency_code))
        for window in windows
        if (item := found.get(window.start)) and item.cost
        if item.cost.value != window.money or window.origin is Origin.QUOTE
    ]


def _agrees(windows: list[PricedWindow], items: tuple[CostItem, ...]) -> bool:
    """Return whether the sums of a report are ours, up to rounding."""
    ours = Total.of(windows)
    theirs = Total.of(_window(item) for item in items)
    count = len(windows)
    return (
        not ours.unpriced
        and not theirs.unpriced
        and abs(ours.mwh - theirs.mwh) <= WH_TOLERANCE * 1000 * count
        and abs(ours.money_sum - theirs.money_sum) <= MONEY_TOLERANCE * count
    )


def _revised(
    window: PricedWindow, item: CostItem, currency: str | None
) -> PricedWindow:
    """Return a window with the report's money."""
    return replace(
        window,
        money=item.cost.value if item.cost else None,
        confidence=item.cost.confidence if item.cost else None,
        currency=currency or window.currency,
        origin=Origin.REPORT,
    )


def _window(item: CostItem) -> PricedWindow:
    """Return a report's item as a line that can be summed."""
    return PricedWindow(
        start=item.start,
        end=item.end,
        mwh=item.energy_wh * 1000,
        money=item.cost.value if item.cost else None,
        carbon=item.carbon.value if item.carbon else None,
    )
