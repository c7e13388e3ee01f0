"""One record between us and FlatPeak: how it goes out, and how it is booked."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from .api import (
    CostItem,
    CostReport,
    EnergyDirection,
    FlatPeakClient,
    FlatPeakError,
    FlatPeakInvalidRequestError,
    MeterRecord,
    TariffDirection,
)
from .book import Book, Line
from .journal import MeterState, Queued, Status
from .metering import (
    Expected,
    Origin,
    PricedWindow,
    Record,
    Standing,
    Window,
    record_reference_id,
)
from .pace import Pace

LOGIN = "GET /login"

type Key = tuple[str, datetime]


def key_of(item: Queued) -> Key:
    """Return what tells a record from all others of the entry."""
    return item.meter, item.window.start


def is_refusal(error: FlatPeakError) -> bool:
    """Return whether FlatPeak says no to a record, and not to our log-in."""
    return isinstance(error, FlatPeakInvalidRequestError) and error.request != LOGIN


def unsent(item: Queued) -> Queued:
    """Return a record that was to be sent and certainly is not stored: as before."""
    return replace(
        item, status=Status.NEW, attempted=None, tries=item.tries - 1, batch=None
    )


@dataclass(slots=True)
class Round:
    """What a round of requests came to."""

    booked: list[Line] = field(default_factory=list)
    done: set[Key] = field(default_factory=set)
    changed: dict[Key, Queued] = field(default_factory=dict)
    added: list[Queued] = field(default_factory=list)
    lag: int = 0  # seconds: the longest that a record took to become visible

    def apply(self, outbox: Iterable[Queued]) -> tuple[Queued, ...]:
        """Return the outbox as it is after this round."""
        kept = [item for item in outbox if key_of(item) not in self.done]
        return (*(self.changed.get(key_of(item), item) for item in kept), *self.added)

    def settle(self, item: Queued, line: PricedWindow) -> None:
        """Note that the fate of a record is known."""
        self.booked.append((item.meter, line))
        self.done.add(key_of(item))

    def change(self, item: Queued) -> None:
        """Note what a record is now."""
        self.changed[key_of(item)] = item


class Exchange:
    """What is asked of FlatPeak about single records of one location."""

    def __init__(
        self,
        client: FlatPeakClient,
        location_id: str,
        book: Book,
        pace: Pace,
        *,
        include_carbon: bool,
        utcnow: Callable[[], datetime],
    ) -> None:
        """Take what every request needs."""
        self.client = client
        self.book = book
        self.pace = pace
        self.utcnow = utcnow
        self._location_id = location_id
        self._include_carbon = include_carbon

    def is_site(self, state: MeterState) -> bool:
        """Return whether a stream is the location's, whose report may hold more."""
        return state.stream.owner == self._location_id

    def record(self, item: Queued, state: MeterState) -> MeterRecord:
        """Return the record as it goes out: the same each time."""
        stream, window = state.stream, item.window
        return MeterRecord(
            location_id=self._location_id,
            device_id=None if stream.owner == self._location_id else stream.owner,
            record_reference_id=record_reference_id(stream, window.start, window.end),
            energy_direction=EnergyDirection(stream.energy_direction),
            tariff_direction=TariffDirection(stream.tariff_direction),
            value=Decimal(item.wh),
            start=window.start,
            end=window.end,
        )

    async def async_store(self, item: Queued, state: MeterState) -> PricedWindow:
        """Send a record and return its line. Raises FlatPeakError."""
        answer = await self.client.async_submit_record(
            self.record(item, state), include_carbon=self._include_carbon
        )
        self.pace.succeeded(state.stream.owner)
        if answer.item.cost:
            self.pace.has_price(state.stream.tariff_direction)
        return self.line(item, Origin.INSTANT, answer.item, answer.currency_code)

    async def async_quote(self, item: Queued, state: MeterState) -> PricedWindow:
        """Ask for a price without storing the record. Raises FlatPeakError."""
        answer = await self.client.async_submit_record(
            self.record(item, state),
            include_carbon=self._include_carbon,
            non_persistent=True,
        )
        self.pace.priced(state.stream.tariff_direction)
        return self.line(item, Origin.QUOTE, answer.item, answer.currency_code)

    async def async_report(
        self, state: MeterState, start: datetime, end: datetime
    ) -> CostReport:
        """Return a stream's records of a period. Raises FlatPeakError."""
        return await self.client.async_get_costs(
            state.stream.owner,
            start,
            end,
            direction=TariffDirection(state.stream.tariff_direction),
        )

    def carries(self, item: Queued) -> bool:
        """Return whether a record is too little to send: the next one carries it.

        Where something was booked before, FlatPeak has to learn that it was nothing.
        """
        return not item.wh and self.book.get(*key_of(item)) is None

    def carried(self, item: Queued) -> PricedWindow:
        """Return the line of a window that is too little for a whole Wh."""
        line = self._bare_line(item, Origin.CARRIED)
        return replace(line, money=Decimal(0), carbon=Decimal(0))

    def nothing(self, item: Queued) -> PricedWindow:
        """Return the line of a window without energy that FlatPeak does not have."""
        earlier = self.book.get(*key_of(item))
        return replace(
            self._bare_line(item, Origin.REPORT),
            money=Decimal(0),
            currency=earlier.currency if earlier else None,
            carbon=Decimal(0),
        )

    def line(
        self, item: Queued, origin: Origin, found: CostItem, currency: str | None
    ) -> PricedWindow:
        """Return the book's line for a window: our energy, FlatPeak's money."""
        earlier = self.book.get(*key_of(item))
        carbon = found.carbon.value if found.carbon else None
        if carbon is None and earlier:
            carbon = earlier.carbon  # reports of the newer generation have none
        return replace(
            self._bare_line(item, origin),
            money=found.cost.value if found.cost else None,
            confidence=found.cost.confidence if found.cost else None,
            currency=currency,
            carbon=carbon,
        )

    def failed(self, error: FlatPeakError, state: MeterState) -> None:
        """Wait with what this stream cannot have now."""
        stream = state.stream
        self.pace.failed(error, stream.owner, stream.tariff_direction)

    def _bare_line(self, item: Queued, origin: Origin) -> PricedWindow:
        """Return what we know of a window ourselves."""
        window = item.window
        return PricedWindow(
            start=window.start,
            end=window.end,
            mwh=window.mwh,
            origin=origin,
            estimated=window.estimated,
            partial=window.partial,
        )


def expected(window: Window | PricedWindow, state: MeterState) -> Expected:
    """Return what a window's record looks like in a report, up to 1 Wh."""
    return Expected(
        key=window.start,
        reference_id=record_reference_id(state.stream, window.start, window.end),
        start=window.start,
        end=window.end,
        wh=round(window.mwh / 1000),
    )


def as_record(
    window: Window | PricedWindow,
    state: MeterState,
    standing: Standing,
    sent_at: datetime | None = None,
) -> Record:
    """Return a window's record as a report is compared with it."""
    what = expected(window, state)
    return Record(
        key=what.key,
        reference_id=what.reference_id,
        start=what.start,
        end=what.end,
        wh=what.wh,
        standing=standing,
        sent_at=sent_at,
    )
