"""Hourly external statistics of each meter, as the book has it.

The book wins: rows are written from the first one that differs to the last, and none
when none does. Rows of hours that the book no longer holds in detail keep their value.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import batched
import logging

from homeassistant.components.recorder.models import StatisticData, StatisticMetaData
from homeassistant.components.recorder.statistics import (
    StatisticsRow,
    async_add_external_statistics,
    get_metadata,
    statistics_during_period,
)
from homeassistant.components.recorder.tasks import SynchronizeTask
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.recorder import get_instance
from homeassistant.util import dt as dt_util
from sqlalchemy.exc import SQLAlchemyError

from .const import DIRECTION_EXPORT, DOMAIN
from .journal import Journal
from .ledger import Ledger
from .metering import (
    PastRecord,
    PricedWindow,
    Span,
    SumRow,
    exact,
    hours,
    local_date,
    rewritten,
)
from .meters import Meter
from .review import TRAILING
from .series import (
    MWH_PER_KWH,
    UNITS,
    Basis,
    Hourly,
    Known,
    Series,
    all_series,
    statistic_id,
)

_LOGGER = logging.getLogger(__name__)

KEPT = timedelta(days=41)  # in memory: as long as the book has windows, and a day
CHUNK = 1000  # rows: in between the recorder gets to do something else
PATIENCE = 60  # seconds, for the recorder
LOOK_BACK = (timedelta(days=1), timedelta(days=40))
EPOCH = datetime.fromtimestamp(0, UTC)

type Write = tuple[StatisticMetaData, Sequence[SumRow]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a look at a meter came to, and what the next one builds on."""

    basis: Basis
    hours: Hourly
    open_from: datetime
    writes: Sequence[Write]
    series: Collection[str]  # ids of the statistics that it is about


class HourlyStatistics:
    """Writes the statistics of a location's meters.

    Attributes:
        open_past: By meter key, the time whose history is still to come into the
            book. Until then its hours have no rows.
        unsent: By meter key, records of the past that were not sent: their hours
            have no rows either.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        location_id: str,
        meters: Mapping[str, Meter],
        ledger: Ledger,
    ) -> None:
        """Begin knowing nothing of what the recorder has."""
        self._hass = hass
        self._location_id = location_id
        self._meters = meters
        self._ledger = ledger
        self._lock = asyncio.Lock()
        self._plans: dict[str, Plan] = {}  # the last of each meter that is written
        self.open_past: dict[str, Span] = {}
        self.unsent: Mapping[str, Sequence[PastRecord]] = {}

    async def async_update(self, meters: Iterable[str]) -> bool:
        """Write what is new or different in the books of meters (keys).

        Return whether the recorder has all of it; if not, the next call begins anew.
        The money of a test key means nothing and is not written.
        """
        if self._ledger.journal.facts.live_mode is False:
            return True
        async with self._lock:
            done = [await self._update(key) for key in meters]
        return all(done)

    async def _update(self, key: str) -> bool:
        """Bring one meter up to date, all series in one pass."""
        known = self._plans.pop(key, None)
        journal = self._ledger.journal  # before the book, which is ahead of it
        state = journal.meters.get(key)
        if state is None or state.cut_until is None:
            return True
        try:
            plan = await get_instance(self._hass).async_add_executor_job(
                self._plan, self._meters[key], journal, state.cut_until, known
            )
            for meta, rows in plan.writes:
                await self._write(meta, rows)
            if plan.writes:
                await self._committed()
        except HomeAssistantError, SQLAlchemyError, TimeoutError:
            _LOGGER.exception("The statistics of %s are late", self._meters[key].title)
            return False
        self._plans[key] = plan
        return True

    def _plan(
        self,
        meter: Meter,
        journal: Journal,
        until: datetime,
        known: Plan | None,
    ) -> Plan:
        """Compare the book with the recorder, from where they may differ. Blocking."""
        facts = journal.facts
        sign = facts.earning_sign if meter.direction == DIRECTION_EXPORT else 1
        basis = Basis(title=meter.title, currency=facts.currency, sign=sign)
        changed = self._ledger.book.take_changed(meter.key)
        if known and known.basis != basis:
            known = None
        lines = self._ledger.book.all_of(meter.key)
        found = hours(
            lines,
            self._waiting(meter.key, journal, lines),
            until,
            since=min(known.open_from, changed or known.open_from) if known else None,
            currency=facts.currency,
            unsent=[
                Span(start=one.window.start, end=one.window.end)
                for one in self.unsent.get(meter.key, ())
            ],
        )
        before = known.hours if known else {}
        different = (
            hour for hour, one in found.complete.items() if before.get(hour) != one
        )
        first = next(different, None)
        writes: Sequence[Write] = []
        series: Collection[str] = known.series if known else ()
        if first or not known:
            present = self._present()
            if known and not present.keys() >= set(known.series):
                # Somebody has deleted one; the book has what was in it.
                return self._plan(meter, journal, until, None)
            left = self._left(meter.key, lines, found.complete)
            wanted = {
                h: one
                for h, one in found.complete.items()
                if first and h >= first and h != left
            }
            everything = all_series(self._location_id, meter, basis, wanted, present)
            writes = self._writes(everything, present)
            series = {*series, *(one.id for one in everything)}
        kept = min(found.open_from, until - KEPT)
        return Plan(
            basis=basis,
            hours={
                h: one for h, one in {**before, **found.complete}.items() if h >= kept
            },
            open_from=found.open_from,
            writes=writes,
            series=series,
        )

    def _left(
        self, key: str, lines: Sequence[PricedWindow], found: Hourly
    ) -> datetime | None:
        """Return the hour whose row stays: it holds more than the book. Blocking.

        A book begins at a midnight. Where that is in the middle of an hour, only the
        row has what an earlier life of the meter recorded before it.
        """
        hour, zone = next(iter(found), None), self._ledger.zone
        if hour is None or local_date(hour, zone) >= local_date(lines[0].start, zone):
            return None
        energy = statistic_id(self._location_id, key, "energy")
        rows = self._rows(energy, hour, hour + timedelta(hours=1))
        held = max((row.get("state") or 0 for row in rows), default=0)
        return hour if round(held * MWH_PER_KWH) > found[hour].mwh else None

    def _waiting(
        self, key: str, journal: Journal, lines: Iterable[PricedWindow]
    ) -> list[Span]:
        """Return what has no price yet, or waits for the user."""
        unpriced = {line.start for line in lines if line.money is None}
        since = dt_util.utcnow() - TRAILING
        return [
            *([self.open_past[key]] if key in self.open_past else []),
            *(
                Span(start=item.window.start, end=item.window.end)
                for item in journal.outbox
                if item.meter == key
                if self._ledger.book.get(key, item.window.start) is None
                or item.window.start in unpriced
            ),
            *(
                Span(start=line.start, end=line.end)
                for line in lines
                # A report may have the price that an answer did not have.
                if line.money is None and line.origin and line.end > since
            ),
        ]

    def _present(self) -> Known:
        """Return which of our statistics the recorder has. Blocking."""
        ours = get_metadata(self._hass, statistic_source=DOMAIN)
        return {identity: meta for identity, (_, meta) in ours.items()}

    def _writes(self, everything: Iterable[Series], present: Known) -> list[Write]:
        """Return what the recorder lacks, of all series. Blocking."""
        writes = [(series.meta, self._missing(series)) for series in everything]
        return [
            (meta, rows)
            for meta, rows in writes
            if rows or present.get(meta["statistic_id"]) != meta
        ]

    def _missing(self, series: Series) -> list[SumRow]:
        """Return the rows of a statistic that are not as they should be. Blocking."""
        first = next(iter(series.values), None)
        if first is None:
            return []
        rows = {
            datetime.fromtimestamp(row["start"], UTC): (
                row.get("state") or 0.0,
                row.get("sum") or 0.0,
            )
            for row in self._rows(series.id, first, None)
        }
        return rewritten(self._sum_before(series.id, first), rows, series.values)

    def _sum_before(self, statistic_id: str, first: datetime) -> Decimal:
        """Return the sum of the last row before an hour, however old. Blocking."""
        for start in (*(first - span for span in LOOK_BACK), EPOCH):
            if rows := self._rows(statistic_id, start, first):
                return exact(rows[-1].get("sum") or 0.0)
        return Decimal(0)

    def _rows(
        self, statistic_id: str, start: datetime, end: datetime | None
    ) -> Sequence[StatisticsRow]:
        """Return the recorder's rows that begin in a period. Blocking."""
        found = statistics_during_period(
            self._hass, start, end, {statistic_id}, "hour", UNITS, {"state", "sum"}
        )
        return found.get(statistic_id, [])

    async def _write(self, meta: StatisticMetaData, rows: Sequence[SumRow]) -> None:
        """Hand rows to the recorder; where there are none, the series alone."""
        for part in batched(rows, CHUNK, strict=False) if rows else [()]:
            data = [
                StatisticData(
                    start=row.start, state=float(row.state), sum=float(row.sum)
                )
                for row in part
            ]
            async_add_external_statistics(self._hass, meta, data)
            if len(part) == CHUNK:
                await self._committed()

    async def _committed(self) -> None:
        """Wait until the recorder has done what it was given. Raises TimeoutError."""
        future: asyncio.Future[None] = self._hass.loop.create_future()
        get_instance(self._hass).queue_task(SynchronizeTask(future))
        async with asyncio.timeout(PATIENCE):
            await future
