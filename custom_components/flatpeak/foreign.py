"""What others recorded at the location: lines of the book, on accounts of their own.

They have keys that no meter has. A line is all that others recorded from one instant
on, so that a report that is read again replaces lines and adds none.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Self

from .api import CostItem, CostReport
from .book import Book, Line
from .journal import Journal, Queued
from .metering import Finding, Kind, Origin, PricedWindow, Span, Stream, Window
from .metering.overlap import overlapping

ZERO = Decimal(0)
EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)
DAY = timedelta(days=1)

type Holders = Collection[str]  # keys of grid meters of one direction


def others_key(direction: str) -> str:
    """Return the book's key of what others recorded, by tariff direction."""
    return f"others_{direction.lower()}"


def is_lump(items: Sequence[CostItem], period: Span) -> bool:
    """Return whether a report is one total: then nobody knows whose parts it has."""
    return bool(items) and all(
        item.record_reference_id is None
        and (item.start, item.end) == (period.start, period.end)
        for item in items
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What may be in the report of the location's own stream beside our records."""

    key: str
    period: Span
    booked: Sequence[PricedWindow]  # what others recorded, as far as we know
    held: Sequence[PricedWindow | Window]  # what our grid meters measured
    appliances: Sequence[PricedWindow]  # a location's report may contain its devices

    @classmethod
    def of(
        cls, stream: Stream, journal: Journal, book: Book, period: Span, grid: Holders
    ) -> Self:
        """Read it from the books; `grid` are the meters of the direction."""
        start, end = period.start, period.end or LATEST
        key = others_key(stream.tariff_direction)
        return cls(
            key=key,
            period=period,
            booked=[line for line in book.between(key, start, end) if line.mwh],
            held=measured(book, grid, journal.outbox, start - DAY, end),
            appliances=[
                line
                for meter, state in journal.meters.items()
                if state.stream.tariff_direction == stream.tariff_direction
                if state.stream.owner != stream.owner
                for line in book.between(meter, start, end)
                if line.origin is not Origin.CARRIED
            ],
        )

    @property
    def scopes(self) -> Sequence[Sequence[PricedWindow]]:
        """Return what a sum can hold beside our stream; nothing where that is stale."""
        if len(apart(self.booked, self.held)) < len(self.booked):
            return ()
        return self.booked, [*self.booked, *self.appliances]

    def judged(
        self, findings: Iterable[Finding[CostItem]]
    ) -> tuple[Finding[CostItem], ...]:
        """Return findings in which only grid meters hold the energy of others.

        What an appliance used is no more than a part of what its home did.
        """
        return tuple(
            found
            if found.key
            else replace(
                found,
                kind=Kind.FOREIGN
                if apart(found.items, self.held)
                else Kind.OVERLAPPING_FOREIGN,
            )
            for found in findings
        )

    def lines(
        self,
        report: CostReport,
        findings: Sequence[Finding[CostItem]],
        currency: str | None,
    ) -> list[Line]:
        """Return the lines that change by a report.

        One total says nothing of whose energy it is, and a report that lacks much of
        what we sent is not to be believed.
        """
        outage = any(finding.kind is Kind.OUTAGE for finding in findings)
        if outage or is_lump(report.items, self.period):
            return []
        found = [item for item in self._unknown(findings) if item.energy_wh]
        lines = renewed(self.booked, found, self.held, report.currency_code or currency)
        return [(self.key, line) for line in lines]

    def _unknown(self, findings: Sequence[Finding[CostItem]]) -> Iterator[CostItem]:
        """Yield the records that are not ours.

        What begins before the period was counted before. What has no id, and the time
        of a record of an appliance, may be that one before its energy was corrected.
        """
        own = {(line.start, line.end) for line in self.appliances}
        for finding in findings:
            for item in finding.items if finding.key is None else ():
                if item.start < self.period.start:
                    continue
                if item.record_reference_id or (item.start, item.end) not in own:
                    yield item


def renewed(
    booked: Iterable[PricedWindow],
    found: Iterable[CostItem],
    held: Iterable[PricedWindow | Window],
    currency: str | None,
) -> list[PricedWindow]:
    """Return the lines that change: what is new or revised, and 0 for what is gone.

    `booked` are the lines of the period, `held` what our grid meters measured in it:
    the energy of a record that overlaps one of those is counted already.
    """
    groups: defaultdict[datetime, list[CostItem]] = defaultdict(list)
    for item in apart(found, held):
        groups[_second(item.start)].append(item)
    fresh = [_line(start, items, currency) for start, items in groups.items()]
    known = {line.start: line for line in booked}
    lines = {
        start: PricedWindow(
            start=start,
            end=line.end,
            mwh=0,
            money=ZERO,
            currency=line.currency,
            origin=Origin.REPORT,
        )
        for start, line in known.items()
        if line.mwh
    } | {line.start: line for line in fresh}
    return [line for start, line in lines.items() if not _same(line, known.get(start))]


def counted(
    book: Book, direction: str, grid: Holders, waiting: Sequence[Queued]
) -> list[PricedWindow]:
    """Return what counts at the location of what others recorded.

    A window of a grid meter can come later than that. Days that the book has folded
    are settled.
    """
    lines = book.between(others_key(direction), EARLIEST, LATEST)
    recent = [line for line in lines if line.origin]
    if not recent:
        return lines
    held = measured(book, grid, waiting, recent[0].start - DAY, LATEST)
    settled = [line for line in lines if not line.origin]
    return [*settled, *apart(recent, held)]


def measured(
    book: Book,
    grid: Holders,
    waiting: Iterable[Queued],
    start: datetime,
    end: datetime,
) -> list[PricedWindow | Window]:
    """Return the windows of some meters that begin in a period, waiting ones too."""
    booked = [line for key in grid for line in book.between(key, start, end)]
    return [*booked, *(item.window for item in waiting if item.meter in grid)]


def apart[Timed: (PricedWindow, CostItem)](
    lines: Iterable[Timed], held: Iterable[PricedWindow | Window]
) -> list[Timed]:
    """Return the lines, or items, that overlap no window.

    A window of which nothing is known holds nothing.
    """
    is_held = overlapping(window for window in held if window.mwh or not window.partial)
    return [line for line in lines if not is_held(line)]


def _line(
    start: datetime, items: Sequence[CostItem], currency: str | None
) -> PricedWindow:
    """Return what was recorded from one instant on; unpriced if a part of it is."""
    money = [item.cost.value for item in items if item.cost]
    carbon = [item.carbon.value for item in items if item.carbon]
    return PricedWindow(
        start=start,
        end=_second(max(item.end for item in items)),
        mwh=1000 * sum(item.energy_wh for item in items),
        money=sum(money, ZERO) if len(money) == len(items) else None,
        currency=currency,
        carbon=sum(carbon, ZERO) if len(carbon) == len(items) else None,
        origin=Origin.REPORT,
    )


def _second(time: datetime) -> datetime:
    """Return an instant as the book writes it: whole seconds, in UTC."""
    return time.astimezone(UTC).replace(microsecond=0)


def _same(line: PricedWindow, known: PricedWindow | None) -> bool:
    """Return whether a line says what is booked; a doubt about its price is ours."""
    return known is not None and (line.end, line.mwh, line.money, line.carbon) == (
        known.end,
        known.mwh,
        known.money,
        known.carbon,
    )
