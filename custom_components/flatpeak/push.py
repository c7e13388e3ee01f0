"""The push: from new rows of the recorder to priced windows in the book."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from homeassistant.components.sensor import ATTR_STATE_CLASS, SensorStateClass
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util

from .advance import advance
from .earlier import is_of_earlier_life
from .exchange import Round
from .journal import Journal, MeterState, Queued, Status
from .ledger import Ledger
from .metering import (
    Lengths,
    Reporting,
    Row,
    Slice,
    Source,
    SourceKind,
    Span,
    changed_lengths,
    day_start,
    local_date,
    revise,
)
from .metering.revise import RUN_UP, TRAILING
from .meters import Meter
from .outbox import Outbox, about_to_go
from .readings import (
    HOUR,
    SLOT,
    async_read_rows,
    async_run_starts,
    is_entity,
    last_day,
)
from .revisions import revised

LATEST = timedelta(days=7)  # that a new meter's imported statistics may be behind


class Pusher:
    """Does the cycle of one location, one step after the other.

    Read rows; one durable write of how far they are settled and which records go out
    now; send; one durable write of the answers.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        ledger: Ledger,
        outbox: Outbox,
        meters: Mapping[str, Meter],
        minutes: int,
        trusted_now: Callable[[], datetime | None] = dt_util.utcnow,
    ) -> None:
        """Take what the cycle works on; `minutes` is how long windows shall be.

        `trusted_now` is None while our clock and FlatPeak's disagree: then nothing is
        cut and nothing is sent.
        """
        self._hass = hass
        self._ledger = ledger
        self._outbox = outbox
        self._meters = meters
        self._minutes = minutes
        self._trusted_now = trusted_now
        self._began = dt_util.utcnow()
        self.paused = False  # at once, also while a cycle is sending
        self.latest: dict[str, Slice] = {}  # the newest settled slice of each meter

    async def async_push(self) -> None:
        """Do one cycle.

        Raises FlatPeakAuthenticationError, and HomeAssistantError when the disk does
        not take the books: then nothing was sent that is not on disk.
        """
        async with self._ledger.lock:
            if (now := self._trusted_now()) is None:
                return
            journal = await self._cut(self._ledger.journal, now)
            if self._is_resolvable(journal):
                if journal is not self._ledger.journal:
                    await self._ledger.async_write(journal)
                await self._resolve()
                journal = self._ledger.journal
            due = self._due(journal)
            if journal is not self._ledger.journal and not due:
                await self._ledger.async_write(journal)
            while due and not self._hass.is_stopping:
                journal = await self._send(journal, due)
                due = self._due(journal)

    def _due(self, journal: Journal) -> list[Queued]:
        """Return what can be sent now: nothing while somebody else sends it, too."""
        if journal.facts.other_writer or self.paused:
            return []
        return self._outbox.due(journal.outbox, journal.meters)

    def _is_resolvable(self, journal: Journal) -> bool:
        """Return whether to look records up; that can ask for prices, too."""
        return not self.paused and any(
            item.status is Status.ATTEMPTED for item in journal.outbox
        )

    async def _resolve(self) -> None:
        """Settle the fate of doubtful records."""
        journal = self._ledger.journal
        result = Round()
        try:
            await self._outbox.async_resolve(journal, result)
        finally:
            await self._note(result)

    async def _send(self, journal: Journal, due: Sequence[Queued]) -> Journal:
        """Make a round durable, send it, and book what came back."""
        going = about_to_go(due, dt_util.utcnow())
        outbox = going.apply(journal.outbox)
        await self._ledger.async_write(replace(journal, outbox=outbox))
        result = Round()
        try:
            await self._outbox.async_send(
                list(going.changed.values()), journal.meters, result
            )
        finally:
            await self._note(result)
        return self._ledger.journal

    async def _note(self, result: Round) -> None:
        """Book the answers. The journal on disk may lag: it only knows less.

        But for the name of a batch, which nothing else tells after a restart.
        """
        await self._ledger.async_book(result.booked)
        journal = self._ledger.journal
        facts = replace(journal.facts, lag=max(journal.facts.lag, result.lag))
        self._ledger.journal = replace(
            journal, facts=facts, outbox=result.apply(journal.outbox)
        )
        if any(item.batch for item in result.changed.values()):
            await self._ledger.async_write(self._ledger.journal)

    async def _cut(self, journal: Journal, now: datetime) -> Journal:
        """Return the journal with the windows that closed; itself if none did."""
        zone = self._ledger.zone
        known = journal.lengths or Lengths(minutes=self._minutes)
        lengths = changed_lengths(known, self._minutes, self._began)
        midnight = day_start(local_date(now, zone), zone)
        sources = {
            key: self.source_id(meter)
            for key, meter in self._meters.items()
            if key in journal.meters
        }
        since: dict[str, datetime] = {}
        for key, source in sources.items():
            start = self._since(key, journal.meters[key], midnight)
            since[source] = min(start, since.get(source, start))
        found = await async_read_rows(self._hass, since)
        runs = await async_run_starts(self._hass, min(since.values(), default=now))
        for key, source in sources.items():
            rows = found[source]
            if journal.meters[key].anchor is None and not is_entity(source):
                rows = last_day(rows, zone)
            step = advance(
                key,
                journal.meters[key],
                rows,
                self.describe(self._meters[key], source, rows),
                now=now,
                runs=runs,
                minutes=lengths,
                zone=zone,
            )
            if step.latest:
                self.latest[key] = step.latest
            if step.closed:
                journal = replace(
                    journal,
                    lengths=lengths,
                    meters={**journal.meters, key: step.state},
                    outbox=self._doubted(journal.outbox, step.records),
                )
        return journal

    def _since(self, key: str, state: MeterState, midnight: datetime) -> datetime:
        """Return from where rows are needed.

        A new meter begins at today's midnight, one whose journal was lost where its
        book ends. What a meter reports just after midnight can be of yesterday. What
        is imported can be days late: then it begins with the last day that is there.
        """
        if state.anchor:
            return state.anchor.end
        if booked := self._ledger.book.until(key):
            return booked
        if not is_entity(self._meters[key].source):
            return midnight - LATEST
        hourly = self._meters[key].reporting is Reporting.HOURLY
        return midnight + HOUR if hourly else midnight

    async def async_revise(self) -> None:
        """Take over what imported statistics say by now of the last 35 days.

        Hold the ledger's lock. Raises HomeAssistantError when the disk does not take
        the books.
        """
        journal = self._ledger.journal
        imported = {
            key: meter.source
            for key, meter in self._meters.items()
            if not is_entity(meter.source) and key in journal.meters
        }
        if not imported or (now := self._trusted_now()) is None:
            return
        since = dict.fromkeys(imported.values(), now - TRAILING - RUN_UP)
        rows = await async_read_rows(self._hass, since)
        for key, source in imported.items():
            state = journal.meters[key]
            if state.anchor is None or state.since is None:
                continue
            booked = self._ledger.book.between(key, now - TRAILING, now)
            windows = revise(
                rows[source],
                booked,
                [item.window for item in journal.outbox if item.meter == key],
                self.describe(self._meters[key], source, rows[source]),
                period=Span(
                    start=max(state.since, now - TRAILING), end=state.anchor.end
                ),
                now=now,
                minutes=self._minutes,
                zone=self._ledger.zone,
            )
            lines, queued = revised(key, windows, booked, journal.facts.rule)
            if queued:
                # First of all: a line alone would look as if it had been sent.
                present = self._ledger.journal
                outbox = (*present.outbox, *queued)
                await self._ledger.async_write(replace(present, outbox=outbox))
            await self._ledger.async_book(lines)

    def _doubted(
        self, outbox: tuple[Queued, ...], records: Sequence[Queued]
    ) -> tuple[Queued, ...]:
        """Return the outbox with new records, doubtful where an earlier life was.

        That life may be one that we know nothing of: its journal was lost, or an
        older one was restored. The end of a gap shares the fate of its beginning.
        """
        for item in records:
            last = next((o for o in reversed(outbox) if o.meter == item.meter), None)
            is_end = (
                last is not None
                and is_of_earlier_life(last)
                and last.status is Status.ATTEMPTED
                and last.window.estimated
                and item.window.estimated
                and last.window.end == item.window.start
            )
            is_doubtful = is_end or item.window.start < self._began
            if item.status is Status.NEW and is_doubtful:
                outbox = (*outbox, replace(item, status=Status.ATTEMPTED))
            else:
                outbox = (*outbox, item)
        return outbox

    @callback
    def source_id(self, meter: Meter) -> str:
        """Return the source's statistic id, also after a renaming."""
        if meter.source_registry_id:
            registry = er.async_get(self._hass)
            if entry := registry.entities.get_entry(meter.source_registry_id):
                return entry.entity_id
        return meter.source

    @callback
    def describe(self, meter: Meter, source: str, rows: Sequence[Row]) -> Source:
        """Return what settling must know of the source."""
        state = self._hass.states.get(source)
        is_power = bool(rows) and rows[-1].sum is None and rows[-1].mean is not None
        return Source(
            kind=SourceKind.POWER if is_power else SourceKind.ENERGY,
            state_class=(state.attributes.get(ATTR_STATE_CLASS) if state else None)
            or SensorStateClass.TOTAL_INCREASING,
            reporting=meter.reporting,
            max_power=max(1, int(meter.max_power_kw * 1000)),
            slot=SLOT if is_entity(source) else HOUR,
            imported=not is_entity(source),
            zones=(self._ledger.zone, dt_util.get_default_time_zone()),
        )
