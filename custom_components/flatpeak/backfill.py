"""The past of meters, fetched in the background: at most one request every 2 seconds.

Each step does one thing and makes it durable, so that it can end anywhere: read the
statistics and freeze the records; read what FlatPeak has of them already; send the
rest in one request; follow it; read the costs, 90 days at a time; book them.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import batched
import logging

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryError

from .api import (
    MAX_BATCH_RECORDS,
    CostItem,
    CostReport,
    FlatPeakError,
    FlatPeakInvalidRequestError,
    FlatPeakNotFoundError,
    FlatPeakPriceUnavailableError,
    MeterBatch,
    MeterRecord,
)
from .book import Line
from .const import DOMAIN
from .exchange import Exchange, Key, expected
from .history import (
    Past,
    chunks,
    default_start,
    freeze,
    live_start,
    rows_needed,
)
from .journal import MeterState, Queued
from .ledger import Ledger, async_write_durably
from .metering import (
    Adoption,
    Origin,
    PastRecord,
    PricedWindow,
    Rule,
    Source,
    Span,
    Window,
    found_in,
    line_of,
    record_reference_id,
)
from .meters import Meter
from .past import (
    FOUND,
    NO_ANSWER,
    Job,
    Part,
    looked_at,
    next_reading,
    stopped,
    without,
)
from .past_file import JobVersionError, job_path, read_job, write_job
from .past_match import adopted, carried, priced
from .past_turns import PastTurns
from .push import Pusher
from .readings import async_read_past
from .statistics import HourlyStatistics

_LOGGER = logging.getLogger(__name__)

SPACING = timedelta(seconds=2)
AT_ONCE = 500  # lines to a write, so that nobody waits long for the books
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FOLLOW = (SPACING, 5 * SPACING, 30 * SPACING, 5 * MINUTE, 15 * MINUTE, HOUR)
# What was not there, or had no price: after the last look it stays without money.
LOOK_AGAIN = (MINUTE, 5 * MINUTE, 30 * MINUTE, HOUR, 4 * HOUR, 12 * HOUR, 24 * HOUR)
NO_ANCHOR = (MINUTE,) * 60  # a new meter is about to begin: its past ends there
SURE = HOUR  # a batch that is not visible by then was not stored, if a later record is
LAGS = 4
MOST_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What fetching a meter's past would send: nothing is asked of FlatPeak for it.

    `start` and `end` are of the first and the last record, None where there is none.
    """

    meter: str
    records: int
    start: datetime | None
    end: datetime | None
    requests: int
    held: int


class Backfill:
    """Fetches the past of a location's meters."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry_id: str,
        ledger: Ledger,
        exchange: Exchange,
        pusher: Pusher,
        meters: Mapping[str, Meter],
        hours: HourlyStatistics,
        fresh: set[str],
    ) -> None:
        """Take what it works with; nothing is read yet.

        `fresh` are meters whose FlatPeak device this life has made: nothing can be
        there yet.
        """
        self._hass = hass
        self._path = job_path(hass, entry_id)
        self._ledger = ledger
        self._exchange = exchange
        self._pusher = pusher
        self._meters = meters
        self._hours = hours
        self._turns = PastTurns()
        self._is_resumed = False
        self._one_step = asyncio.Lock()
        self.job = Job()
        self._gone = Job()  # of meters that were removed: they may come again
        self._fresh = fresh
        ledger.kept = self._kept

    async def async_load(self) -> None:
        """Read the job; go on where it was. Raises ConfigEntryError."""
        try:
            job = await self._hass.async_add_executor_job(read_job, self._path)
        except JobVersionError as error:
            raise ConfigEntryError(
                translation_domain=DOMAIN, translation_key="books_too_new"
            ) from error
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise ConfigEntryError(
                translation_domain=DOMAIN,
                translation_key="books_unreadable",
                translation_placeholders={"file": self._path.name},
            ) from error
        # Files may be those of a restored backup: all may have been sent since.
        parts = {key: replace(part, looked=None) for key, part in job.parts.items()}
        self.job = Job(parts=parts).only(self._meters)
        self._gone = Job(parts=parts).only(parts.keys() - self._meters.keys())
        self._is_resumed = bool(self.job.parts)
        self._hide()

    @property
    def percent(self) -> int | None:
        """Return the progress; None where nothing was ever fetched."""
        return self.job.percent

    @property
    def is_running(self) -> bool:
        """Return whether something is left to do."""
        return not self.job.is_done

    @property
    def is_stopped(self) -> bool:
        """Return whether what is left to do is to follow what was sent."""
        return self.is_running and all(part.stopped for part in self.job.at_work)

    @property
    def at_work(self) -> list[str]:
        """Return the keys of the meters whose past is on its way."""
        return [part.meter for part in self.job.at_work]

    @property
    def holes(self) -> dict[str, datetime]:
        """Return the last hour that each meter's past lacks since it was stopped."""
        parts = self.job.parts.items()
        return {key: part.rest[-1].window.start for key, part in parts if part.rest}

    async def async_preview(
        self, meters: Iterable[str], start: datetime | None = None
    ) -> list[Preview]:
        """Return what the past of meters since `start` comes to."""
        start = start or default_start(self._exchange.utcnow(), self._ledger.zone)
        previews = []
        for key in meters:
            if key not in self._ledger.journal.meters:
                continue
            _, past = await self._read(key, start)
            records = past.records
            sent = sum(bool(record.wh) for record in records)
            reports = len(chunks(records))
            previews.append(
                Preview(
                    meter=key,
                    records=sent,
                    start=records[0].window.start if records else None,
                    end=records[-1].window.end if records else None,
                    requests=reports * 2 + 2 * -(-sent // MAX_BATCH_RECORDS),
                    held=past.held,
                )
            )
        return previews

    async def async_begin(
        self, meters: Iterable[str], start: datetime | None = None
    ) -> bool:
        """Note what is to be fetched, durably; False while something is going on.

        Raises HomeAssistantError.
        """
        if self.is_running or self._one_step.locked():
            return False
        async with self._one_step:
            start = start or default_start(self._exchange.utcnow(), self._ledger.zone)
            parts = {
                key: Part(meter=key, start=start, rest=self._rest(key))
                for key in meters
            }
            self._turns.clear()
            await self._write(Job(parts={**self.job.parts, **parts}))
            return True

    async def async_stop(self) -> None:
        """Send nothing more, durably; what was sent is followed to its end.

        Raises HomeAssistantError: then it goes on as before.
        """
        async with self._one_step:  # what is being sent just now is known after it
            if self._is_resumed:
                await self._resume()
            await self._write_stopped(self.job.at_work)

    async def async_step(self) -> timedelta | None:
        """Do the next thing, and return how long to wait; None: all is done.

        Raises FlatPeakAuthenticationError, and HomeAssistantError when the disk does
        not take it: then nothing was sent that is not on disk.
        """
        async with self._one_step:  # two at once would send the same records twice
            return await self._step()

    async def _step(self) -> timedelta | None:
        """Do the next thing of the first meter that may go on."""
        if self.job.is_done:
            return None
        if self._is_resumed:
            await self._resume()
        now = self._exchange.utcnow()
        waiting = [part for part in self.job.parts.values() if not part.is_done]
        ready = [part for part in waiting if self._may_go_on(part, now)]
        if not ready:
            # What the pace holds up does not say until when.
            dues = [self._turns.due(part.meter) or now for part in waiting]
            return min(due - now if due > now else MINUTE for due in dues)
        part = ready[0]
        try:
            await self._work(part)
        except FlatPeakError as error:
            self._exchange.failed(error, self._ledger.journal.meters[part.meter])
            self._turns.hold(part.meter, now + MINUTE)
            raise
        return None if self.job.is_done else SPACING

    # -- one step of one meter ------------------------------------------------

    async def _work(self, part: Part) -> None:
        """Do the next thing for a meter."""
        if part.end is None:
            await self._freeze(part)
        elif not part.told and part.is_booked:
            await self._tell(part)
        elif part.batch and not part.followed:
            await self._follow(part)
        elif part.batch is not None or part.is_booked:
            await self._read_costs(part)
        elif ahead := await self._aside(lambda: part.to_look):
            await self._look(part, ahead)
        else:
            await self._send(part)

    async def _freeze(self, part: Part) -> None:
        """Read the statistics, and make the records durable."""
        state = self._ledger.journal.meters[part.meter]
        if state.anchor is None and self._wait(part, NO_ANCHOR):
            return
        end, past = await self._read(part.meter, part.start)
        self._turns.forget(part.meter)
        await self._write_part(
            replace(
                part,
                end=end,
                records=past.records,
                total=len(past.records),
                tally=part.tally.plus(left_out=past.held),
                rest=tuple(one for one in part.rest if one.window.start < part.start),
            )
        )

    async def _read(self, key: str, start: datetime) -> tuple[datetime, Past]:
        """Return where a meter's past ends, and what it tells.

        What was left when a fetch was stopped comes after what the statistics tell.
        """
        end, past = await self._read_statistics(key, start)
        # They tell it all where the book was lost, at the first line of which they end.
        told = past.records[-1].window.end if past.records else start
        rest = [one for one in self._rest(key) if one.window.start >= told]
        if rest:
            end = max(end, rest[-1].window.end)
        return end, replace(past, records=(*past.records, *rest))

    async def _read_statistics(
        self, key: str, start: datetime
    ) -> tuple[datetime, Past]:
        """Return where the past of a meter's statistics ends, and what it tells."""
        now, zone = self._exchange.utcnow(), self._ledger.zone
        meter = self._meters[key]
        end = live_start(key, self._ledger.journal, self._ledger.book, now, zone)
        if end <= start:
            return end, Past(records=(), held=0)
        source_id = self._pusher.source_id(meter)
        asked = rows_needed(Source(reporting=meter.reporting), start, end)
        rows = await async_read_past(self._hass, source_id, *asked)
        source = self._pusher.describe(meter, source_id, rows)
        past = await self._hass.async_add_executor_job(
            partial(freeze, rows, source, start, end, now=now, zone=zone)
        )
        return end, past

    async def _look(self, part: Part, ahead: Sequence[PastRecord]) -> None:
        """Adopt what FlatPeak has of the next 90 days; the rest is to be sent."""
        state = self._ledger.journal.meters[part.meter]
        start, end = await self._aside(lambda: chunks(ahead)[0])
        items: Sequence[CostItem] = ()
        currency = None
        if part.meter not in self._fresh:
            report = await self._exchange.async_report(state, start, end)
            self._exchange.pace.succeeded()
            items, currency = report.items, self._currency(report)
        else:
            end = ahead[-1].window.end
        asked = [one for one in ahead if one.window.start < end]
        found: Adoption = await self._aside(
            partial(adopted, self._ledger, part.meter, asked, items, currency)
        )
        await self._book(
            part.meter,
            [
                *found.lines,
                *(line_of(one, None) for one in found.left),
                *(carried(one) for one in found.rest if not one.wh),
            ],
        )
        records = await self._aside(partial(looked_at, part.records, asked, found))
        tally = part.tally.plus(adopted=len(found.lines), left_out=len(found.left))
        await self._write_part(
            replace(part, looked=end, records=records, tally=tally, told=False)
        )

    async def _send(self, part: Part) -> None:
        """Send up to 10,000 records, after it is durable that they are about to be."""
        new = [one for one in part.records if not one.booked][:MAX_BATCH_RECORDS]
        state = self._ledger.journal.meters[part.meter]
        part = replace(
            part,
            batch=NO_ANSWER,
            batch_end=new[-1].window.start,
            attempted=self._exchange.utcnow(),
            followed=False,
            tries=part.tries + 1,
        )
        records = await self._aside(lambda: [self._wire(one, state) for one in new])
        await self._write_part(part)
        self._fresh.discard(part.meter)
        try:
            batch = await self._exchange.client.async_submit_records(records)
        except FlatPeakInvalidRequestError as error:
            if error.may_be_stored:
                await self._write_part(replace(part, followed=True))
                raise
            await self._refuse(part, new, str(error))
            return
        except FlatPeakError as error:
            if error.may_be_stored:
                await self._write_part(replace(part, followed=True))
            else:
                unsent = replace(
                    part,
                    batch=None,
                    batch_end=None,
                    attempted=None,
                    tries=part.tries - 1,
                )
                await self._write_part(unsent)
            raise
        self._exchange.pace.succeeded()
        sent = part.tally.plus(sent=len(new))
        part = replace(part, batch=batch.id, tally=sent, followed=batch.is_done)
        await self._set_aside(part, batch, new)

    async def _follow(self, part: Part) -> None:
        """Ask how far the batch is."""
        try:
            batch = await self._exchange.client.async_get_batch(part.batch or "")
        except FlatPeakNotFoundError:  # forgotten, or never answered: the report knows
            await self._write_part(replace(part, followed=True))
            return
        self._exchange.pace.succeeded()
        if not batch.is_done and self._wait(part, FOLLOW):
            return
        self._turns.forget(part.meter)
        await self._set_aside(replace(part, followed=True), batch, part.in_batch)

    async def _set_aside(
        self, part: Part, batch: MeterBatch, sent: Sequence[PastRecord]
    ) -> None:
        """Note how far a batch is; the records that failed are set aside."""
        stream = self._ledger.journal.meters[part.meter].stream
        ids = {}
        if batch.failed:
            ids = {
                record_reference_id(stream, one.window.start, one.window.end): one
                for one in sent
            }
        failed = {
            one.window.start: (one, each.error)
            for each in batch.failed
            if (
                one := ids.get(each.record_reference_id or "")
                or (sent[each.number] if len(sent) == batch.submitted else None)
            )
        }
        if not failed:
            await self._write_part(part)
            return
        error = next(iter(failed.values()))[1]
        await self._refuse(part, [one for one, _ in failed.values()], error)

    async def _refuse(
        self, part: Part, records: Sequence[PastRecord], error: str
    ) -> None:
        """Keep records in our books alone: FlatPeak does not take them."""
        _LOGGER.warning(
            "FlatPeak does not accept %s records of the past of %s: %s",
            len(records),
            self._meters[part.meter].title,
            error,
        )
        part = replace(part, tally=part.tally.plus(refused=len(records)), error=error)
        await self._finish(part, [(one, line_of(one, None)) for one in records])

    async def _read_costs(self, part: Part) -> None:
        """Read the costs of the next 90 days, and book them."""
        read = self._turns.read(part.meter)
        reading = await self._aside(partial(next_reading, part, read))
        if not reading.here:
            await self._look_again_later(part, reading.asked)
            return
        state = self._ledger.journal.meters[part.meter]
        start, end = reading.start, reading.end
        try:
            report = await self._exchange.async_report(state, start, end)
        except FlatPeakPriceUnavailableError as error:
            self._exchange.failed(error, state)
            energy = [(one, line_of(one, Origin.REPORT)) for one in reading.asked]
            part = await self._finish(part, energy)
            await self._look_again_later(part, part.records)
            return
        self._exchange.pace.succeeded()
        self._turns.note_read(part.meter, end)
        settled = await self._aside(
            partial(
                priced,
                self._ledger,
                part.meter,
                reading.here,
                report.items,
                self._currency(report),
            )
        )
        if settled and part.batch == NO_ANSWER:
            part = replace(
                part, batch=FOUND, tally=part.tally.plus(sent=len(part.in_batch))
            )
        await self._finish(part, settled)

    async def _look_again_later(self, part: Part, left: Sequence[PastRecord]) -> None:
        """Wait with what is not there, or has no price; at last go on without."""
        self._turns.note_read(part.meter, None)
        if part.batch == NO_ANSWER and await self._may_send_again(part):
            # It looks at the report once more before anything goes out.
            self._turns.forget(part.meter)
            again = replace(part, batch=None, batch_end=None, looked=None)
            if part.stopped:
                await self._write_stopped([again])
            else:
                await self._write_part(again)
            return
        if self._wait(part, LOOK_AGAIN):
            return
        self._turns.forget(part.meter)
        part = replace(part, tally=part.tally.plus(unpriced=len(left)))
        lines = [(one, line_of(one, Origin.REPORT)) for one in left]
        await self._finish(part, lines, for_good=True)

    async def _may_send_again(self, part: Part) -> bool:
        """Return whether a batch that is not there was certainly not stored.

        Under `replaces` it does no harm; else a record that was used and sent later
        has to be visible.
        """
        facts = self._ledger.journal.facts
        now = self._exchange.utcnow()
        age = now - part.attempted if part.attempted else SURE
        if age <= max(SURE, LAGS * timedelta(seconds=facts.lag)):
            return False
        if part.tries >= MOST_TRIES or facts.other_writer:
            return False
        if facts.rule is Rule.REPLACES:
            return True
        since = part.attempted or now
        lines = self._ledger.book.between(part.meter, since, now)
        witness = next((w for w in lines if w.origin is Origin.INSTANT), None)
        if witness is None:
            return False
        state = self._ledger.journal.meters[part.meter]
        report = await self._exchange.async_report(state, witness.start, witness.end)
        sent = PastRecord(
            window=Window(start=witness.start, end=witness.end, mwh=witness.mwh),
            wh=expected(witness, state).wh,
        )
        return bool(found_in([sent], report.items, state.stream))

    async def _tell(self, part: Part) -> None:
        """Write the hours into the statistics, all at once."""
        self._hours.open_past.pop(part.meter, None)
        if await self._hours.async_update([part.meter]):
            await self._write_part(replace(part, told=True))
        else:
            self._turns.hold(part.meter, self._exchange.utcnow() + 5 * MINUTE)

    def _wire(self, record: PastRecord, state: MeterState) -> MeterRecord:
        """Return a record as it goes out."""
        item = Queued(meter="", window=record.window, wh=record.wh)
        return self._exchange.record(item, state)

    async def _aside[T](self, work: Callable[[], T]) -> T:
        """Do what takes long in a thread."""
        return await self._hass.async_add_executor_job(work)

    # -- what is made durable -----------------------------------------------------

    async def _finish(
        self,
        part: Part,
        settled: Sequence[tuple[PastRecord, PricedWindow]],
        *,
        for_good: bool = False,
    ) -> Part:
        """Book lines, and drop the records that are settled; return what is left.

        What has no price yet is booked with its energy, and stays.
        """
        await self._book(
            part.meter,
            [line for one, line in settled if not one.booked or line.money is not None],
        )
        had_batch = part.batch is not None
        part = await self._aside(partial(without, part, settled, for_good=for_good))
        if had_batch and part.batch is None:
            self._turns.forget(part.meter)
            if part.records and part.is_booked:
                self._wait(part, LOOK_AGAIN)
        await self._write_part(part)
        return part

    async def _book(self, meter: str, lines: Sequence[PricedWindow]) -> None:
        """Add lines to the book, some at a time."""
        for some in batched(lines, AT_ONCE, strict=False):
            new: list[Line] = [(meter, line) for line in some]
            async with self._ledger.lock:
                await self._ledger.async_book(new)

    async def _write_part(self, part: Part) -> None:
        """Make durable how far a meter is."""
        await self._write(self.job.with_part(part))

    async def _write_stopped(self, parts: Iterable[Part]) -> None:
        """Make durable that nothing more of parts is sent."""
        left = dict(self.job.parts)
        for part in parts:
            first = self._ledger.book.first(part.meter)
            begins = first.start if first else None
            less = await self._aside(partial(stopped, part, begins))
            if less:
                left[part.meter] = less
            else:
                del left[part.meter]
        await self._write(Job(parts=left))

    async def _write(self, job: Job) -> None:
        """Make the job durable, then take it up. Raises HomeAssistantError."""
        whole = Job(parts={**self._gone.parts, **job.parts})
        await async_write_durably(self._hass, write_job, self._path, whole)
        self.job = job
        self._hide()

    def _hide(self) -> None:
        """Let the statistics wait for what is still to come into the book."""
        parts, hours = self.job.parts, self._hours
        hours.unsent = {key: part.rest for key, part in parts.items() if part.rest}
        for key in hours.open_past.keys() - set(self.at_work):
            del hours.open_past[key]
        for part in parts.values():
            if not part.is_booked:
                hours.open_past[part.meter] = Span(start=part.start, end=part.end)

    def _rest(self, meter: str) -> tuple[PastRecord, ...]:
        """Return what was not sent of a meter when a fetch was stopped."""
        part = self.job.parts.get(meter)
        return part.rest if part else ()

    def _kept(self) -> set[Key]:
        """Return the windows that the statistics lack: they are not folded."""
        return {
            (part.meter, line.start)
            for part in (*self._gone.parts.values(), *self.job.parts.values())
            if part.end is not None and not part.is_done
            for line in self._ledger.book.between(part.meter, part.start, part.end)
        } | {
            (part.meter, one.window.start)
            for part in (*self._gone.parts.values(), *self.job.parts.values())
            for one in part.rest
        }

    async def _resume(self) -> None:
        """Drop the records whose line came into the book before a crash."""
        for part in self.job.parts.values():
            lines = {
                one.window.start: line
                for one in part.unsettled
                if (line := self._ledger.book.get(part.meter, one.window.start))
                and line.mwh == one.window.mwh
            }
            if not lines:
                continue
            settled = [
                (one, lines[one.window.start])
                for one in part.records
                if one.window.start in lines
            ]
            await self._finish(part, settled)
        self._is_resumed = False

    # -- whose turn it is ---------------------------------------------------------

    def _may_go_on(self, part: Part, now: datetime) -> bool:
        """Return whether nothing says to wait with a meter."""
        state = self._ledger.journal.meters.get(part.meter)
        due = self._turns.due(part.meter)
        if state is None or (due is not None and due > now):
            return False
        facts = self._ledger.journal.facts
        if facts.other_writer or facts.paused:
            return False
        return self._exchange.pace.may_ask_for(state.stream)

    def _wait(self, part: Part, waits: Sequence[timedelta]) -> bool:
        """Let a meter wait, each time longer; False after the last time."""
        return self._turns.wait(part.meter, self._exchange.utcnow(), waits)

    def _currency(self, report: CostReport) -> str | None:
        """Return the currency of a report's money; a device's may not say."""
        return report.currency_code or self._ledger.journal.facts.currency
