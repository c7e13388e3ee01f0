"""What FlatPeak has of the past already: it is adopted, and only the rest is sent."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from .cover import Group, PastRecord, SureItem, cover, line_of, uncovered
from .findings import Record, Standing
from .model import Stream, Window
from .pairing import pair
from .reconcile import TOLERANCE_WH, ReportItem
from .records import record_reference_id
from .totals import Origin, PricedWindow


@dataclass(slots=True, kw_only=True)
class Adoption:
    """What a report means for records that were not sent yet.

    `lines` are there already, `rest` is to be sent, and for the time of `left`
    somebody else's records are there: those are not sent, and have no price.
    """

    lines: list[PricedWindow] = field(default_factory=list)
    rest: list[PastRecord] = field(default_factory=list)
    left: list[PastRecord] = field(default_factory=list)


def past_records(wired: Iterable[tuple[Window, int]]) -> list[PastRecord]:
    """Return the records of windows with energy; what is in quarantine is no record."""
    return [
        PastRecord(window=window, wh=wh)
        for window, wh in wired
        if window.mwh and not window.held
    ]


def as_records(
    records: Iterable[PastRecord], stream: Stream, standing: Standing
) -> list[Record]:
    """Return records as a report is paired with them."""
    return [
        Record(
            key=record.window.start,
            reference_id=reference_id(record, stream),
            start=record.window.start,
            end=record.window.end,
            wh=record.wh,
            standing=standing,
        )
        for record in records
    ]


def reference_id(record: PastRecord, stream: Stream) -> str:
    """Return the id that a record is sent with."""
    return record_reference_id(stream, record.window.start, record.window.end)


def found_in[Item: SureItem](
    records: Sequence[PastRecord],
    items: Iterable[Item],
    stream: Stream,
    others: Sequence[Record] = (),
) -> dict[Hashable, Item]:
    """Return the item of each record that was sent and is there, by its start.

    `others` are what our other streams may have in the same report. One with other
    energy than ours has somebody else's money.
    """
    ours = as_records(records, stream, Standing.SENT)
    found = pair(ours, others, items).found
    return {
        record.key: found[record.key][0]
        for record in ours
        if record.key in found
        and abs(found[record.key][0].energy_wh - record.wh) <= TOLERANCE_WH
    }


def adopt[Item: SureItem](
    records: Sequence[PastRecord],
    items: Sequence[Item],
    stream: Stream,
    *,
    others: Sequence[Record] = (),
    streams: Sequence[Stream] = (),
    currency: str | None = None,
) -> Adoption:
    """Return what is there of records that we have not sent, by the time covered.

    `others` and `streams` are our other meters', whose records the report may hold.
    Records and items come in order.
    """
    pairing = pair(as_records(records, stream, Standing.QUEUED), others, items)
    # One of each: copies are what FlatPeak has twice.
    others_left = {
        (item.start, item.end, item.record_reference_id): item
        for item in pairing.left
        if not _is_of(item, streams)
    }
    strange = sorted(others_left.values(), key=lambda item: item.start)
    result = Adoption()
    first = 0
    for record in records:
        if same := pairing.found.get(record.window.start):
            _take(record, same[:1], stream, currency, result)
            continue
        window = record.window
        while first < len(strange) and strange[first].end <= window.start:
            first += 1
        over = [
            item
            for item in _until(strange[first:], window.end)
            if item.end > window.start
        ]
        _take(record, over, stream, currency, result)
    return result


def _until[Item: SureItem](items: Iterable[Item], end: datetime) -> Iterator[Item]:
    """Yield items that begin before an instant."""
    for item in items:
        if item.start >= end:
            return
        yield item


def _take(
    record: PastRecord,
    items: Sequence[SureItem],
    stream: Stream,
    currency: str | None,
    result: Adoption,
) -> None:
    """Decide about one record, given all that is there in its time."""
    window = record.window
    if not items:
        result.rest.append(record)
        return
    inside = all(window.start <= i.start and i.end <= window.end for i in items)
    ours = all(_is_of(item, (stream,)) for item in items)
    unnamed = all(item.record_reference_id is None for item in items)
    missing = record.wh - sum(item.energy_wh for item in items)
    agrees = abs(missing) <= TOLERANCE_WH * (len(items) + 1)
    gaps = uncovered(window, items)
    if not inside or not (ours or unnamed):
        result.left.append(record)
    elif agrees or (ours and (missing < 0 or not gaps)):
        result.lines.append(line_of(record, Origin.REPORT, items, currency))
    elif missing > 0 and gaps:
        covered = cover(Group(windows=[window], items=items), currency)
        result.lines += covered.lines
        result.rest += covered.rest
    else:
        result.left.append(record)


def _is_of(item: ReportItem, streams: Iterable[Stream]) -> bool:
    """Return whether an item has the id that one of our streams gives its period."""
    return item.record_reference_id is not None and any(
        item.record_reference_id == record_reference_id(stream, item.start, item.end)
        for stream in streams
    )
