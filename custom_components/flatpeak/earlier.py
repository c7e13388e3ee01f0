"""What an earlier life sent: records of ours that the journal knows nothing of.

That life may have cut other windows, or have known the energy of each where we only
know the sum of a gap. What it sent is adopted by the time it covers.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from .api import CostItem
from .exchange import Exchange, Round, key_of
from .journal import Journal, MeterState, Queued
from .metering import (
    Finding,
    Group,
    Origin,
    PricedWindow,
    Quality,
    Window,
    cover,
    grouped_by_energy,
    hour_start,
    overlap,
    record_reference_id,
)

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Records of ours that share energy, and those that an earlier life sent."""

    items: Sequence[Queued]
    group: Group[CostItem]
    is_open: bool  # one of those lies in the time of other windows, too
    goes_on: bool  # the gap ends in a window that is not complete yet

    @property
    def end(self) -> datetime:
        """Return when the last of our windows ended."""
        return max(item.window.end for item in self.items)

    @property
    def is_priced(self) -> bool:
        """Return whether all that is there has its money."""
        return all(item.cost for item in self.group.items)

    @property
    def is_free(self) -> bool:
        """Return whether nothing of an earlier life is there."""
        return not self.group.items


def is_of_earlier_life(item: Queued) -> bool:
    """Return whether a doubtful record was not sent by anything that we know of."""
    return item.batch is None and (item.attempted is None or not item.tries)


def in_question(item: Queued) -> Queued:
    """Return a record of an earlier life, if it was one, as one to ask the user about.

    If it was sent, then at the end of its window, at the earliest.
    """
    return replace(item, attempted=item.window.end)


def shared(
    items: Sequence[Queued],
    agreed: Container[datetime],
    there: Sequence[CostItem],
    journal: Journal,
    exchange: Exchange,
) -> list[Shared]:
    """Return records of another life, of one meter and in order, by shared energy.

    `agreed` are the starts of those that are there as they are.
    """
    of_windows = {item.window: item for item in items}
    found = []
    for group in grouped_by_energy([item.window for item in items], there):
        windows = [window for window in group.windows if window.start not in agreed]
        if not windows:
            continue
        own = [of_windows[window] for window in windows]
        rest = replace(group, windows=windows)
        is_open = bool(rest.items) and (
            _is_open(own, rest.items, journal, exchange)
            or not _is_surely_ours(rest, own[0].meter, journal, exchange)
        )
        last, going = windows[-1], journal.meters[own[0].meter].open
        goes_on = (
            last.estimated
            and bool(going)
            and going[0].start == last.end
            and going[0].quality is Quality.SPREAD
        )
        part = Shared(items=own, group=rest, is_open=is_open, goes_on=goes_on)
        found.append(part)
    return found


def end_of_hour(time: datetime) -> datetime:
    """Return the first full hour that is not before an instant."""
    return hour_start(time + HOUR - timedelta.resolution)


def ours_in(
    findings: Sequence[Finding[CostItem]],
    items: Sequence[Queued],
    agreed: Container[datetime],
    state: MeterState,
) -> list[CostItem]:
    """Return what a report has in the time of records that are not there as they are.

    An item without an id can be ours only where no item has one. If it is the total of
    an hour, it is as good as a record: it has all that is there of that hour's windows.
    """
    windows = [item.window for item in items if item.window.start not in agreed]
    named = any(item.record_reference_id for f in findings for item in f.items)

    def is_ours(item: CostItem) -> bool:
        if item.record_reference_id is None:
            return not named and item.end <= hour_start(item.start) + HOUR
        ours = record_reference_id(state.stream, item.start, item.end)
        return item.record_reference_id == ours

    return [
        item
        for found in findings
        if found.key not in agreed
        for item in found.items
        if is_ours(item) and any(overlap(item, window) for window in windows)
    ]


def take(part: Shared, exchange: Exchange, currency: str | None, result: Round) -> None:
    """Book what is there, and queue the rest for the time that it leaves."""
    covered = cover(part.group, currency)
    meter = part.items[0].meter
    rest = [
        Queued(meter=meter, window=record.window, wh=record.wh)
        for record in covered.rest
    ]
    little = [exchange.carried(item) for item in rest if not item.wh]
    lines = {line.start: line for line in (*covered.lines, *little)}
    for item in part.items:
        # A quote of a window that is no more.
        quoted = exchange.book.get(*key_of(item))
        if quoted is not None and item.window.start not in lines:
            lines[item.window.start] = _nothing(quoted)
    result.booked += [(meter, line) for line in lines.values()]
    queued = {key_of(item): item for item in rest if item.wh}
    known = {key_of(item) for item in part.items}
    result.done |= known - queued.keys()
    for key, item in queued.items():
        if key in known:
            result.change(item)
        else:
            result.added.append(item)


def _nothing(line: PricedWindow) -> PricedWindow:
    return PricedWindow(
        start=line.start,
        end=line.end,
        mwh=0,
        money=Decimal(0),
        currency=line.currency,
        origin=Origin.CARRIED,
    )


def _is_open(
    own: Sequence[Queued],
    items: Sequence[CostItem],
    journal: Journal,
    exchange: Exchange,
) -> bool:
    """Return whether a record lies in the time of other windows, too.

    Time without a window, between the first energy and the last cut, had no energy.
    """
    meter = own[0].meter
    state = journal.meters[meter]
    starts = {item.window.start for item in own}
    periods = {(item.start, item.end) for item in items}
    begins = min(item.start for item in items)
    ends = max(item.end for item in items)
    first = min(starts)
    if begins < hour_start(min(first, state.since or first)):
        return True
    if state.cut_until is not None and ends > state.cut_until:
        return True
    others: list[PricedWindow | Window] = [
        line
        for line in exchange.book.between(meter, begins - HOUR, ends)
        if line.mwh and line.origin is not Origin.CARRIED
        if line.start not in starts and (line.start, line.end) not in periods
    ]
    others += [
        item.window
        for item in journal.outbox
        if item.meter == meter and item.window.start not in starts
    ]
    return any(overlap(item, other) for item in items for other in others)


def _is_surely_ours(
    group: Group[CostItem], meter: str, journal: Journal, exchange: Exchange
) -> bool:
    """Return whether records without an id can be nobody else's.

    The report of a location may have its devices' records. What exceeds what we
    measured is somebody else's.
    """
    if all(item.record_reference_id for item in group.items):
        return True
    state = journal.meters[meter]
    alone = not exchange.is_site(state) or not any(
        other.stream.tariff_direction == state.stream.tariff_direction
        for key, other in journal.meters.items()
        if key != meter
    )
    return alone and group.left >= -group.rounding
