"""Records on their way: sent one at a time, and never twice on a guess.

What FlatPeak does with a second record of the same period is not documented. So a
record whose fate is doubtful is looked up in the report first. It goes out again only
when a record that was certainly sent later is visible there and it is not.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
import logging

from .api import (
    CostItem,
    EnergyDirection,
    FlatPeakAuthenticationError,
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
    Window,
    match,
    record_reference_id,
)
from .pace import Pace

_LOGGER = logging.getLogger(__name__)

ROUND = 20  # records between two durable writes
# A record may become visible late; sent again before this it could be there twice.
RESEND_AGE = timedelta(minutes=10)
LOOKUPS = (timedelta(0), *(timedelta(minutes=m) for m in (1, 5, 30, 60)))

type Key = tuple[str, datetime]


@dataclass(slots=True)
class Round:
    """What a round of requests came to."""

    booked: list[Line] = field(default_factory=list)
    done: set[Key] = field(default_factory=set)
    changed: dict[Key, Queued] = field(default_factory=dict)

    def apply(self, outbox: Iterable[Queued]) -> tuple[Queued, ...]:
        """Return the outbox as it is after this round."""
        return tuple(
            self.changed.get(key_of(item), item)
            for item in outbox
            if key_of(item) not in self.done
        )


@dataclass(slots=True)
class _Lookup:
    """How often a doubtful record was looked up, and when to look again."""

    count: int = 0
    due: datetime | None = None


def key_of(item: Queued) -> Key:
    """Return what tells a record from all others of the entry."""
    return item.meter, item.window.start


class Outbox:
    """Sends records of one location and settles the fate of each."""

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
        """Begin without having looked up anything."""
        self._client = client
        self._location_id = location_id
        self._book = book
        self._include_carbon = include_carbon
        self._pace = pace
        self._utcnow = utcnow
        self._lookups: dict[Key, _Lookup] = {}

    def due(
        self, outbox: Sequence[Queued], meters: Mapping[str, MeterState]
    ) -> list[Queued]:
        """Return what can be sent now, oldest first, at most one round."""
        waiting = [
            item
            for item in outbox
            if item.status is Status.NEW
            and self._pace.may_ask_for(meters[item.meter].stream)
        ]
        return sorted(waiting, key=lambda item: item.window.start)[:ROUND]

    async def async_send(
        self,
        items: Sequence[Queued],
        meters: Mapping[str, MeterState],
        result: Round,
    ) -> None:
        """Send records that are durably marked as attempted, one at a time.

        `result` is filled as answers come, so that none is lost when the task ends.
        Raises FlatPeakAuthenticationError.
        """
        for number, item in enumerate(items):
            state = meters[item.meter]
            if not self._pace.may_ask_for(state.stream):
                result.changed[key_of(item)] = replace(item, status=Status.NEW)
                continue
            try:
                await self._send(item, state, result)
            except FlatPeakError as error:
                self._failed(error, item, state, result)
                if isinstance(error, FlatPeakAuthenticationError):
                    for rest in items[number:]:
                        result.changed[key_of(rest)] = replace(rest, status=Status.NEW)
                    raise

    async def async_resolve(
        self,
        outbox: Sequence[Queued],
        meters: Mapping[str, MeterState],
        result: Round,
    ) -> None:
        """Look up the records whose fate is doubtful.

        Raises FlatPeakAuthenticationError.
        """
        doubtful = [item for item in outbox if item.status is Status.ATTEMPTED]
        for item in sorted(doubtful, key=lambda item: item.window.start):
            state = meters[item.meter]
            if not self._lookup_due(item) or not self._pace.may_ask_for(state.stream):
                continue
            try:
                await self._resolve(item, state, result)
            except FlatPeakAuthenticationError:
                raise
            except FlatPeakError as error:
                self._pause(error, state)

    async def _send(self, item: Queued, state: MeterState, result: Round) -> None:
        """Send one record and note its price."""
        if not item.wh:
            self._carry(item, result)
            return
        if self._pace.lacks_price(state.stream.tariff_direction):
            await self._quote(item, state)  # proves that there is a price again
        answer = await self._client.async_submit_record(
            self._record(item, state), include_carbon=self._include_carbon
        )
        self._pace.succeeded()
        line = self._line(item, Origin.INSTANT, answer.item, answer.currency_code)
        result.booked.append((item.meter, line))
        result.done.add(key_of(item))

    def _carry(self, item: Queued, result: Round) -> None:
        """Book what is too little for a whole Wh: the next record carries its cost."""
        line = self._line(item, Origin.CARRIED, None)
        result.booked.append((item.meter, line))
        result.done.add(key_of(item))

    async def _resolve(self, item: Queued, state: MeterState, result: Round) -> None:
        """Find out whether one doubtful record was stored."""
        if not item.wh:
            self._carry(item, result)
            return
        report = await self._client.async_get_costs(
            state.stream.owner,
            item.window.start,
            item.window.end,
            direction=TariffDirection(state.stream.tariff_direction),
        )
        sent = replace(expected(item.window, state), wh=item.wh)
        found = match([sent], report.items).get(sent.key)
        if found and found.cost:
            line = self._line(item, Origin.REPORT, found, report.currency_code)
            result.booked.append((item.meter, line))
            result.done.add(key_of(item))
            self._lookups.pop(key_of(item), None)
            return
        self._note_lookup(item)
        if not found and await self._certainly_missing(item, state):
            result.changed[key_of(item)] = replace(item, status=Status.NEW)
            self._lookups.pop(key_of(item), None)
            return
        if self._book.get(*key_of(item)) is None:
            quote = await self._quote(item, state)
            line = self._line(item, Origin.QUOTE, *quote)
            result.booked.append((item.meter, line))

    async def _certainly_missing(self, item: Queued, state: MeterState) -> bool:
        """Return whether a record that was sent later is visible, and this one is not.

        Only a window that ended after the attempt is certain to have been sent later.
        """
        if item.attempted is None or self._utcnow() - item.attempted < RESEND_AGE:
            return False
        witness = self._book.latest(item.meter, Origin.INSTANT)
        if witness is None or witness.end <= item.attempted:
            return False
        report = await self._client.async_get_costs(
            state.stream.owner,
            witness.start,
            witness.end,
            direction=TariffDirection(state.stream.tariff_direction),
        )
        return bool(match([expected(witness, state)], report.items))

    async def _quote(
        self, item: Queued, state: MeterState
    ) -> tuple[CostItem, str | None]:
        """Ask for a price without storing the record."""
        answer = await self._client.async_submit_record(
            self._record(item, state),
            include_carbon=self._include_carbon,
            non_persistent=True,
        )
        self._pace.priced(state.stream.tariff_direction)
        return answer.item, answer.currency_code

    def _record(self, item: Queued, state: MeterState) -> MeterRecord:
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

    def _line(
        self,
        item: Queued,
        origin: Origin,
        found: CostItem | None,
        currency: str | None = None,
    ) -> PricedWindow:
        """Return the book's line for a window: our energy, FlatPeak's money."""
        window = item.window
        line = PricedWindow(
            start=window.start,
            end=window.end,
            mwh=window.mwh,
            origin=origin,
            estimated=window.estimated,
            partial=window.partial,
        )
        if found is None:
            return replace(line, money=Decimal(0), carbon=Decimal(0))
        earlier = self._book.get(*key_of(item))
        carbon = found.carbon.value if found.carbon else None
        if carbon is None and earlier:
            carbon = earlier.carbon  # reports of the newer generation have none
        return replace(
            line,
            money=found.cost.value if found.cost else None,
            confidence=found.cost.confidence if found.cost else None,
            currency=currency,
            carbon=carbon,
        )

    def _failed(
        self, error: FlatPeakError, item: Queued, state: MeterState, result: Round
    ) -> None:
        """Decide what a failed record is now, and how long to wait."""
        if error.may_be_stored:
            self._lookups.pop(key_of(item), None)
        elif isinstance(error, FlatPeakInvalidRequestError):
            result.changed[key_of(item)] = replace(
                item, status=Status.SET_ASIDE, error=str(error)
            )
            _LOGGER.warning("FlatPeak does not accept a record: %s", error)
            return
        else:
            result.changed[key_of(item)] = replace(item, status=Status.NEW)
        self._pause(error, state)

    def _pause(self, error: FlatPeakError, state: MeterState) -> None:
        """Wait with what this stream cannot have now."""
        stream = state.stream
        self._pace.failed(error, stream.owner, stream.tariff_direction)

    def _lookup_due(self, item: Queued) -> bool:
        """Return whether it is time to look a record up (again)."""
        due = self._lookups.setdefault(key_of(item), _Lookup()).due
        return due is None or due <= self._utcnow()

    def _note_lookup(self, item: Queued) -> None:
        """Look later next time: after 1, 5 and 30 minutes, then every hour."""
        lookup = self._lookups.setdefault(key_of(item), _Lookup())
        lookup.count = min(lookup.count + 1, len(LOOKUPS) - 1)
        lookup.due = self._utcnow() + LOOKUPS[lookup.count]


def expected(window: Window | PricedWindow, state: MeterState) -> Expected:
    """Return what a window's record looks like in a report, up to 1 Wh."""
    return Expected(
        key=window.start,
        reference_id=record_reference_id(state.stream, window.start, window.end),
        start=window.start,
        end=window.end,
        wh=round(window.mwh / 1000),
    )
