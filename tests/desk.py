"""An outbox without a Home Assistant: a journal, a book on disk, and FlatPeak."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import override

import aiohttp

from custom_components.flatpeak.api import FlatPeakClient
from custom_components.flatpeak.book import Book
from custom_components.flatpeak.exchange import Exchange, Key, Round, key_of
from custom_components.flatpeak.journal import Journal, MeterState, Queued, Status
from custom_components.flatpeak.metering import PricedWindow, Stream, Window
from custom_components.flatpeak.outbox import Outbox, about_to_go
from custom_components.flatpeak.pace import Pace

from .home import ACCOUNT, KEY
from .simulator import FlatPeakSimulator
from .simulator.core import LoggedRequest

START = datetime(2026, 11, 11, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WINDOW = 15 * MINUTE
WH = 120

IMPORT = "import"
EXPORT = "export"
DEVICE = "device"
METERS = (IMPORT, DEVICE, EXPORT)


class Counter(ABC):
    """Where records are handed in, and what became of them is checked."""

    simulator: FlatPeakSimulator
    location: str
    book: Book
    journal: Journal
    now: datetime
    start = START  # what lies before it is not looked at

    def __init__(self) -> None:
        """Begin with nothing to send."""
        self.queued: dict[Key, Queued] = {}

    @abstractmethod
    async def cycle(self, at: datetime | None = None) -> list[LoggedRequest]:
        """Do what the push does, and return the requests but for log-ins."""

    def queue(
        self,
        meter: str = IMPORT,
        start: datetime = START,
        *,
        wh: int = WH,
        attempted: datetime | None = None,
    ) -> Key:
        """Add a record; one that was attempted before is doubtful."""
        item = Queued(
            meter=meter,
            window=Window(start=start, end=start + WINDOW, mwh=wh * 1000 + 7),
            wh=wh,
            status=Status.ATTEMPTED if attempted else Status.NEW,
            attempted=attempted,
            tries=1 if attempted else 0,
        )
        self.queued[key_of(item)] = item
        self.journal = replace(self.journal, outbox=(*self.journal.outbox, item))
        return key_of(item)

    def status(self, key: Key) -> Status | None:
        """Return how far a record is; None is done."""
        found = [item for item in self.journal.outbox if key_of(item) == key]
        return found[0].status if found else None

    def line(self, key: Key) -> PricedWindow:
        """Return the book's line of a record."""
        line = self.book.get(*key)
        assert line is not None
        return line

    async def live(
        self,
        until: datetime,
        meters: Sequence[str] = METERS,
        *,
        step: timedelta = 5 * MINUTE,
    ) -> list[LoggedRequest]:
        """Let time pass, with a cycle each step and windows as they close."""
        requests: list[LoggedRequest] = []
        while self.now < until:
            at = self.now + step
            for meter in meters:
                start = _floor(at) - WINDOW
                if (meter, start) not in self.queued and start >= self.start:
                    self.queue(meter, start)
            requests += await self.cycle(at)
        return requests

    def submissions(self, key: Key) -> int:
        """Return how often FlatPeak has stored a record."""
        item = self.queued[key]
        stream = self.journal.meters[item.meter].stream
        return sum(
            record.draft.owner == stream.owner
            and record.draft.tariff_direction == stream.tariff_direction
            and record.draft.start == item.window.start
            and record.draft.end == item.window.end
            for record in self.simulator.ledger.submissions
        )

    def assert_settled(self, *, without: Sequence[Key] = ()) -> None:
        """Check that all is stored once, and booked with the money it is stored at."""
        assert {key_of(item) for item in self.journal.outbox} == set(without)
        for key in self.queued:
            assert self.submissions(key) == (key not in without), key
        for meter, state in self.journal.meters.items():
            lines = self.book.between(meter, self.start, self.now)
            assert sum(line.mwh for line in lines) == sum(
                item.window.mwh
                for key, item in self.queued.items()
                if item.meter == meter and key not in without
            )
            stored = self.simulator.stored_cost(
                state.stream.owner, self.start, self.now, state.stream.tariff_direction
            )
            assert sum((line.money or Decimal(0)) for line in lines) == stored


class Desk(Counter):
    """Drives an outbox as the push does, at a clock that the test moves."""

    def __init__(
        self, simulator: FlatPeakSimulator, client: FlatPeakClient, folder: Path
    ) -> None:
        """Begin with a location and a meter of each kind, and nothing to send."""
        super().__init__()
        self.now = START
        self.simulator = simulator
        simulator.clock = self._clock
        self.location = simulator.add_location(ACCOUNT, tariff="daynight")
        self.book = Book(folder, "entry")
        self.pace = Pace(self._clock)
        self.exchange = Exchange(
            client,
            self.location,
            self.book,
            self.pace,
            include_carbon=True,
            utcnow=self._clock,
        )
        self.outbox = Outbox(self.exchange)
        device = simulator.add_device(ACCOUNT)
        owners = {IMPORT: self.location, EXPORT: self.location, DEVICE: device}
        self.journal = Journal(
            meters={
                meter: _state(owner, "EXPORT" if meter == EXPORT else "IMPORT")
                for meter, owner in owners.items()
            }
        )

    def _clock(self) -> datetime:
        """Return the time that the test has set."""
        return self.now

    @override
    async def cycle(self, at: datetime | None = None) -> list[LoggedRequest]:
        """Do what the push does, and return the requests but for log-ins."""
        self.now = at or self.now
        before = len(self.simulator.requests)
        result = Round()
        try:
            await self.outbox.async_resolve(self.journal, result)
        finally:
            self._note(result)
        while due := self.outbox.due(self.journal.outbox, self.journal.meters):
            await self._send(due)
        return [
            request
            for request in self.simulator.requests[before:]
            if request.path != "/login"
        ]

    async def _send(self, due: Sequence[Queued]) -> None:
        """Mark a round as attempted and send it."""
        going = about_to_go(due, self.now)
        self._note(going)
        result = Round()
        try:
            await self.outbox.async_send(
                list(going.changed.values()), self.journal.meters, result
            )
        finally:
            self._note(result)

    def _note(self, result: Round) -> None:
        """Take up what a round came to."""
        self.book.append(result.booked)
        facts = self.journal.facts
        self.journal = replace(
            self.journal,
            facts=replace(facts, lag=max(facts.lag, result.lag)),
            outbox=result.apply(self.journal.outbox),
        )


def is_record(request: LoggedRequest) -> bool:
    """Return whether a request sends a record that is to be stored."""
    return (
        request.template == "/costs/instant"
        and request.query["non_persistent"] == "false"
    )


def is_quote(request: LoggedRequest) -> bool:
    """Return whether a request asks for a price without storing a record."""
    return request.template == "/costs/instant" and not is_record(request)


def shortest_gap(
    requests: Sequence[LoggedRequest], of: Callable[[LoggedRequest], bool]
) -> timedelta:
    """Return the shortest time between two requests of a kind; there must be two."""
    times = [request.time for request in requests if of(request)]
    return min(later - earlier for earlier, later in pairwise(times))


@asynccontextmanager
async def open_desk(simulator: FlatPeakSimulator, folder: Path) -> AsyncIterator[Desk]:
    """Open a desk with an HTTP session of its own."""
    async with aiohttp.ClientSession() as session:
        client = FlatPeakClient(session, ACCOUNT, KEY, base_url=simulator.url)
        client._private = set()  # the homes were read
        await client.async_login()
        yield Desk(simulator, client, folder)


def _state(owner: str, direction: str) -> MeterState:
    """Return the state of a meter that sends to a stream."""
    return MeterState(
        stream=Stream(
            owner=owner, energy_direction=direction, tariff_direction=direction
        ),
        source="sensor.any",
    )


def _floor(time: datetime) -> datetime:
    """Return the end of the last window."""
    return time - (time - START) % WINDOW
