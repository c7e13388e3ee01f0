"""Many records in one request: sent, and followed to their end.

FlatPeak works a batch off after it has answered. What became of its records only the
report tells: `lookup.py` reads it. What is not there may still come: nothing of a batch
is sent again before FlatPeak has finished with it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
import logging

from .api import (
    FlatPeakAuthenticationError,
    FlatPeakError,
    FlatPeakNotFoundError,
    MeterBatch,
)
from .exchange import Exchange, Round, is_refusal, unsent
from .journal import MeterState, Queued, Status
from .metering import record_reference_id
from .turns import Turns

_LOGGER = logging.getLogger(__name__)

NO_ANSWER = ""  # the batch of records whose request was never answered
ENOUGH = 3  # looks: after half an hour the report is read, whatever the batch says
RARELY = timedelta(hours=6)  # each failure holds up everything else
# That FlatPeak may take for a batch of which it has told us nothing.
LONGEST = timedelta(hours=1)


class Batches:
    """Sends batches, one for a stream, and asks how far each is."""

    def __init__(self, exchange: Exchange) -> None:
        """Begin with nothing known of any batch."""
        self._exchange = exchange
        self._turns: Turns[str] = Turns()
        self._ended: dict[str, datetime] = {}  # when it was seen to be
        self._one_by_one: set[str] = set()  # meters with a record that is refused

    def takes(self, meter: str) -> bool:
        """Return whether a meter's records can go out together.

        A request that is refused as a whole does not say which record it is about.
        """
        return meter not in self._one_by_one

    def is_open(self, item: Queued) -> bool:
        """Return whether it is too early to look for a record in the report."""
        if not item.batch or item.batch in self._ended:
            return False
        return self._turns.count(item.batch) < ENOUGH

    def ended(self, item: Queued) -> datetime | None:
        """Return when FlatPeak has finished with a record's batch; None: not yet.

        Of one without a name it is only known when it will have at the latest.
        """
        if item.batch:
            return self._ended.get(item.batch)
        if item.batch == NO_ANSWER and item.attempted:
            return item.attempted + LONGEST
        return None

    def may_come(self, item: Queued, wait: timedelta) -> bool:
        """Return whether a record may yet be stored, or become visible after `wait`."""
        if item.batch is None or item.attempted is None:
            return False
        ended = self.ended(item)
        return ended is None or self._exchange.utcnow() - ended <= wait

    async def async_send(
        self, items: Sequence[Queued], state: MeterState, result: Round
    ) -> None:
        """Send the records of one stream, which are durably marked as attempted.

        Raises FlatPeakAuthenticationError.
        """
        exchange = self._exchange
        records = [exchange.record(item, state) for item in items]
        try:
            batch = await exchange.client.async_submit_records(records)
        except FlatPeakError as error:
            self._not_answered(error, items, state, result)
            if isinstance(error, FlatPeakAuthenticationError):
                raise
            return
        exchange.pace.succeeded()
        for item in items:
            result.change(replace(item, batch=batch.id))
        self._set_aside(batch, items, state, result)

    async def async_follow(
        self,
        outbox: Iterable[Queued],
        meters: Mapping[str, MeterState],
        result: Round,
    ) -> None:
        """Ask how far each batch is that is due.

        Raises FlatPeakAuthenticationError.
        """
        batches: dict[str, list[Queued]] = {}
        for item in outbox:
            if item.batch and item.batch not in self._ended:
                batches.setdefault(item.batch, []).append(item)
        for batch_id, items in batches.items():
            state = meters[items[0].meter]
            now = self._exchange.utcnow()
            may_ask = self._exchange.pace.may_ask_for(state.stream)
            if may_ask and self._turns.is_due(batch_id, now):
                await self._follow(batch_id, items, state, result)

    async def _follow(
        self,
        batch_id: str,
        items: Sequence[Queued],
        state: MeterState,
        result: Round,
    ) -> None:
        """Ask how far one batch is."""
        try:
            batch = await self._exchange.client.async_get_batch(batch_id)
        except FlatPeakAuthenticationError:
            raise
        except FlatPeakNotFoundError:
            self._end(batch_id)  # forgotten: the report knows
            return
        except FlatPeakError as error:
            self._exchange.failed(error, state)
            rarely = self._turns.count(batch_id) >= ENOUGH
            now = self._exchange.utcnow()
            self._turns.note(batch_id, now, RARELY if rarely else None)
            return
        self._set_aside(batch, items, state, result)
        if batch.is_done:
            self._end(batch_id)
        else:
            self._turns.note(batch_id, self._exchange.utcnow())

    def _end(self, batch_id: str) -> None:
        """Note that nothing more comes of a batch."""
        self._ended[batch_id] = self._exchange.utcnow()
        self._turns.forget(batch_id)

    def _set_aside(
        self,
        batch: MeterBatch,
        items: Sequence[Queued],
        state: MeterState,
        result: Round,
    ) -> None:
        """Set aside the records that FlatPeak names as failed."""
        ids = {
            record_reference_id(state.stream, item.window.start, item.window.end): item
            for item in items
        }
        for failed in batch.failed:
            item = ids.get(failed.record_reference_id or "")
            if item is None and len(items) == batch.submitted:
                item = items[failed.number]
            if item is None or item.status is Status.SET_ASIDE:
                continue
            _LOGGER.warning("FlatPeak does not accept a record: %s", failed.error)
            result.change(
                replace(
                    item, status=Status.SET_ASIDE, batch=batch.id, error=failed.error
                )
            )

    def _not_answered(
        self,
        error: FlatPeakError,
        items: Sequence[Queued],
        state: MeterState,
        result: Round,
    ) -> None:
        """Decide what the records of a batch are that was not taken, or may be."""
        refused = is_refusal(error)
        for item in items:
            if error.may_be_stored:
                said = str(error) if refused else None
                result.change(replace(item, batch=NO_ANSWER, error=said))
            else:
                result.change(unsent(item))
        if refused and not error.may_be_stored:
            self._one_by_one.add(items[0].meter)
        else:
            self._exchange.failed(error, state)
