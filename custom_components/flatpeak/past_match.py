"""What reports say of a meter's past, as lines for the book: pure, but slow."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from .api import CostItem
from .exchange import as_record
from .ledger import Ledger
from .metering import (
    Adoption,
    Origin,
    PastRecord,
    PricedWindow,
    Record,
    Standing,
    adopt,
    found_in,
    line_of,
)


def adopted(
    ledger: Ledger,
    key: str,
    records: Sequence[PastRecord],
    items: Sequence[CostItem],
    currency: str | None,
) -> Adoption:
    """Compare records with a report before they are sent."""
    meters = ledger.journal.meters
    return adopt(
        records,
        items,
        meters[key].stream,
        others=_others(ledger, key, records, items),
        streams=[state.stream for other, state in meters.items() if other != key],
        currency=currency,
    )


def priced(
    ledger: Ledger,
    key: str,
    records: Sequence[PastRecord],
    items: Sequence[CostItem],
    currency: str | None,
) -> list[tuple[PastRecord, PricedWindow]]:
    """Return the records that a report has, with their lines."""
    found = found_in(
        records,
        items,
        ledger.journal.meters[key].stream,
        _others(ledger, key, records, items),
    )
    return [
        (one, line_of(one, Origin.REPORT, [item], currency))
        for one in records
        if (item := found.get(one.window.start)) is not None
        if item.cost or not one.booked
    ]


def carried(record: PastRecord) -> PricedWindow:
    """Return the line of a window that is too little for a whole Wh."""
    return replace(line_of(record, Origin.CARRIED), money=Decimal(0), carbon=Decimal(0))


def _others(
    ledger: Ledger,
    key: str,
    records: Sequence[PastRecord],
    items: Sequence[CostItem],
) -> list[Record]:
    """Return what our other streams may have in a report, where that matters."""
    if not items:
        return []
    start, end = records[0].window.start, records[-1].window.end
    meters = ledger.journal.meters
    direction = meters[key].stream.tariff_direction
    return [
        as_record(line, state, Standing.SENT)
        for other, state in meters.items()
        if other != key and state.stream.tariff_direction == direction
        for line in ledger.book.between(other, start, end)
        if line.origin is not Origin.CARRIED
    ]
