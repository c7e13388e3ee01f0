"""Records on their way: singly or in a batch, and never twice on a guess."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
import logging

from .api import (
    MAX_BATCH_RECORDS,
    FlatPeakAuthenticationError,
    FlatPeakError,
)
from .batches import NO_ANSWER, Batches
from .exchange import Exchange, Round, is_refusal, key_of, unsent
from .journal import Journal, MeterState, Queued, Status
from .lookup import Lookups

_LOGGER = logging.getLogger(__name__)

ROUND = 20  # records between two durable writes
BATCH_ABOVE = 50  # so many waiting records of a stream go out in one request


def about_to_go(due: Sequence[Queued], now: datetime) -> Round:
    """Return the mark of what goes out now; that of a batch has no name yet."""
    batch = NO_ANSWER if len(due) > ROUND else None
    return Round(
        changed={
            key_of(item): replace(
                item,
                status=Status.ATTEMPTED,
                attempted=now,
                tries=item.tries + 1,
                batch=batch,
            )
            for item in due
        }
    )


class Outbox:
    """Sends the records of one location and settles the fate of each."""

    def __init__(self, exchange: Exchange) -> None:
        """Begin without anything under way."""
        self._exchange = exchange
        self._batches = Batches(exchange)
        self._lookups = Lookups(exchange, self._batches)

    def due(
        self, outbox: Sequence[Queued], meters: Mapping[str, MeterState]
    ) -> list[Queued]:
        """Return what can be sent now, oldest first.

        It is a batch of one stream, of more than `ROUND` records, or a round of them.
        Where nothing came last time one record finds out whether FlatPeak answers.
        """
        waiting = sorted(
            (
                item
                for item in outbox
                if item.status is Status.NEW
                if self._exchange.pace.may_ask_for(meters[item.meter].stream)
            ),
            key=lambda item: item.window.start,
        )
        for meter in dict.fromkeys(item.meter for item in waiting):
            many = [
                item
                for item in waiting
                if item.meter == meter and not self._exchange.carries(item)
            ]
            refused = self._exchange.pace.refuses(meters[meter].stream.owner)
            if len(many) > BATCH_ABOVE and self._batches.takes(meter) and not refused:
                return many[:MAX_BATCH_RECORDS]
        return waiting[: 1 if self._exchange.pace.failures else ROUND]

    async def async_send(
        self,
        items: Sequence[Queued],
        meters: Mapping[str, MeterState],
        result: Round,
    ) -> None:
        """Send what was due, once it is durably marked as attempted.

        `result` is filled as answers come, so that none is lost when the task ends.
        Raises FlatPeakAuthenticationError.
        """
        if len(items) > ROUND:
            await self._send_together(items, meters[items[0].meter], result)
            return
        for number, item in enumerate(items):
            state = meters[item.meter]
            if not self._exchange.pace.may_ask_for(state.stream):
                result.change(unsent(item))
                continue
            try:
                await self._send(item, state, result)
            except FlatPeakError as error:
                self._failed(error, item, state, result)
                if isinstance(error, FlatPeakAuthenticationError):
                    for rest in items[number:]:
                        result.change(unsent(rest))
                    raise

    async def async_resolve(self, journal: Journal, result: Round) -> None:
        """Find out what became of batches and of doubtful records.

        Raises FlatPeakAuthenticationError.
        """
        await self._batches.async_follow(journal.outbox, journal.meters, result)
        doubtful = [
            item
            for item in result.apply(journal.outbox)
            if item.status is Status.ATTEMPTED and not self._batches.is_open(item)
        ]
        await self._lookups.async_resolve(doubtful, journal, result)

    async def _send(self, item: Queued, state: MeterState, result: Round) -> None:
        """Send one record and note its price."""
        if self._exchange.carries(item):
            result.settle(item, self._exchange.carried(item))
            return
        await self._prove_price(item, state)
        result.settle(item, await self._exchange.async_store(item, state))
        self._lookups.answered(item)

    async def _send_together(
        self, items: Sequence[Queued], state: MeterState, result: Round
    ) -> None:
        """Send a batch."""
        try:
            await self._prove_price(items[0], state)
        except FlatPeakError as error:
            for item in items:
                result.change(unsent(item))
            self._exchange.failed(error, state)
            if isinstance(error, FlatPeakAuthenticationError):
                raise
            return
        for item in items:
            self._lookups.sent(item)
        await self._batches.async_send(items, state, result)

    async def _prove_price(self, item: Queued, state: MeterState) -> None:
        """Ask for a price, where there was none, before anything is stored."""
        if self._exchange.pace.lacks_price(state.stream.tariff_direction):
            await self._exchange.async_quote(item, state)

    def _failed(
        self, error: FlatPeakError, item: Queued, state: MeterState, result: Round
    ) -> None:
        """Decide what a failed record is now, and how long to wait."""
        refused = is_refusal(error)
        if error.may_be_stored:
            self._lookups.sent(item)
            result.change(replace(item, error=str(error) if refused else None))
        elif refused:
            aside = replace(item, status=Status.SET_ASIDE, error=str(error))
            result.change(aside)
            _LOGGER.warning("FlatPeak does not accept a record: %s", error)
            return
        else:
            result.change(unsent(item))
        self._exchange.failed(error, state)
