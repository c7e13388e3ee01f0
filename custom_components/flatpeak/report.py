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
        return [_window(item) for item in report.items]


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
