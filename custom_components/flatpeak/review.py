"""A second look at our records in FlatPeak's interval report."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from .api import Aggregation, CostItem, CostReport, FlatPeakClient, TariffDirection
from .book import Book, Line
from .exchange import expected
from .journal import MeterState
from .metering import Origin, PricedWindow, Total, match
from .report import as_window

# Per record: FlatPeak rounds energy to whole Wh and money to five decimals.
WH_TOLERANCE = 1
MONEY_TOLERANCE = Decimal("0.000005")


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
    theirs = Total.of(as_window(item) for item in items)
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
