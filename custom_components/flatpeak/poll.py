"""What a poll asks FlatPeak about a location, and what of it goes into the books."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
import logging

from homeassistant.util import dt as dt_util

from .api import (
    FlatPeakPriceUnavailableError,
    FlatPeakRefusedError,
    TariffDirection,
)
from .const import DIRECTION_EXPORT, KIND_GRID
from .decisions import left_out
from .doubt import rejudged
from .exchange import Exchange
from .foreign import others_key
from .journal import Status
from .ledger import Ledger
from .metering import PricedWindow, day_start, local_date, next_day_start
from .meters import Meter
from .others import async_others
from .prices import Prices
from .push import Pusher
from .report import LocationReport
from .review import TRAILING, Difference, Memory, async_review
from .revisions import async_price
from .service_watch import lacks_something
from .snapshot import PRICED, ROLLOVER, Figures, Periods, grid_keys
from .statistics import HourlyStatistics
from .streams import async_new_state

_LOGGER = logging.getLogger(__name__)

FULL_HOURS = 6
# Without grid meters of ours there is no other way to learn of new costs; and what
# failed is tried again then.
REPORT_EVERY = timedelta(minutes=30)
TROUBLE_EVERY = timedelta(hours=1)
CONNECTED = "CONNECTED"


class Poll:
    """Asks what is due, and checks our books with it.

    A full look is due at the start, every six hours, and ten minutes after local
    midnight; then the last 35 days are read again. Hold the ledger's lock.

    Attributes:
        differences: By meter key, where our books and FlatPeak's differ.
        fresh: Meters whose FlatPeak device was made just now.
        prices: What the location pays and gets now.
        reported: What FlatPeak alone knows of the location's totals.
    """

    def __init__(
        self,
        location_id: str,
        meters: Mapping[str, Meter],
        ledger: Ledger,
        exchange: Exchange,
        pusher: Pusher,
        hours: HourlyStatistics,
        offset: timedelta,
    ) -> None:
        """Take what it works with; a full look is `offset` later than others'."""
        self._location_id = location_id
        self._meters = meters
        self._ledger = ledger
        self._exchange = exchange
        self._client = exchange.client
        self._pace = exchange.pace
        self._pusher = pusher
        self._hours = hours
        self._offset = ROLLOVER + offset
        self._began = dt_util.utcnow()
        self._facts_of: date | None = None
        self._looked_back: dict[str, date] = {}  # when at all days, by meter
        self._full_due: datetime | None = None
        self._memory = Memory()
        self._reports = {
            direction: LocationReport(self._client, location_id, direction)
            for direction in self._known_by_report
        }
        self.differences: dict[str, Sequence[Difference]] = {}
        self.fresh: set[str] = set()
        self.prices = Prices(self._client, location_id, self._pace)
        self.reported: dict[TariffDirection, Figures] = {}

    @property
    def has_grid_meter(self) -> bool:
        """Return whether our own books hold the location's totals."""
        return any(meter.kind == KIND_GRID for meter in self._meters.values())

    @property
    def has_import_meter(self) -> bool:
        """Return whether our own books hold what the location bought, for good."""
        return bool(grid_keys(self._meters.values(), TariffDirection.IMPORT))

    @property
    def sells(self) -> bool:
        """Return whether the home has an export tariff or an export meter."""
        status = self._ledger.journal.facts.tariff_status
        return status.get("commodity_export") == CONNECTED or any(
            meter.direction == DIRECTION_EXPORT for meter in self._meters.values()
        )

    @property
    def _known_by_report(self) -> list[TariffDirection]:
        """Return the directions of which reports alone know the location's totals."""
        if self.has_import_meter:
            return []
        if self.has_grid_meter:
            return [TariffDirection.IMPORT]
        return [TariffDirection.IMPORT, TariffDirection.EXPORT]

    @property
    def _in_trouble(self) -> bool:
        """Return whether FlatPeak lacks what somebody may give it at any time."""
        facts = self._ledger.journal.facts
        return lacks_something(self._pace.standing, facts, self._meters.values())

    def forget(self) -> None:
        """Look at everything with the next poll, as on a new day."""
        self._full_due = self._facts_of = None
        self._looked_back.clear()

    def wait(self, now: datetime) -> timedelta:
        """Return how long to wait for the next poll."""
        # The timer counts whole seconds, and must not run before what is due.
        wait = self._next_full(now) - now + timedelta(seconds=1)
        failed = self._full_due is None or self._full_due <= now
        if self._in_trouble:
            wait = min(wait, TROUBLE_EVERY)
        return min(wait, REPORT_EVERY) if failed or self._reports else wait

    async def async_ask(self, now: datetime) -> bool:
        """Ask for what is due, and return whether anything was.

        Raises FlatPeakError and HomeAssistantError.
        """
        if self._full_due is None or now >= self._full_due:
            await self._look_at_everything(now)
            self._full_due = self._next_full(now)
            return True
        if in_trouble := self._in_trouble:
            await self._learn_location(read=True)
            await self._ask_prices(now, anew=False)
        return in_trouble

    async def async_report(self, periods: Periods, now: datetime) -> bool:
        """Ask for what reports alone know; return whether there is such a thing.

        Raises FlatPeakError and HomeAssistantError.
        """
        for direction, report in self._reports.items():
            self.reported[direction] = await report.async_figures(periods, now)
        if sold := self._reports.get(TariffDirection.EXPORT):
            await self._learn_earning_sign(sold.today)
        return bool(self._reports)

    async def async_learn_earning_sign(self) -> None:
        """Find out which sign FlatPeak gives to what was earned.

        Raises HomeAssistantError.
        """
        keys = (
            *(m.key for m in self._meters.values() if m.direction == DIRECTION_EXPORT),
            others_key(DIRECTION_EXPORT),
        )
        latest = (self._ledger.book.latest(key, *PRICED) for key in keys)
        await self._learn_earning_sign(window for window in latest if window)

    async def _look_at_everything(self, now: datetime) -> None:
        """Read the location, its prices, and all records since yesterday, or before."""
        new_day = self._facts_of != local_date(now, self._ledger.zone)
        await self._learn_location(read=new_day or self._in_trouble)
        await self._ask_prices(now, anew=new_day)
        self._facts_of = local_date(now, self._ledger.zone)
        if new_day:
            await self._pusher.async_revise()
            await async_price(self._exchange, self._ledger)
        for key in self._meters:
            await self._review(key, now)
            await self._ledger.async_book(rejudged(self._ledger.book, key, now))
        await self._look_at_others(now)
        await self._let_go(now)
        if await self._hours.async_update(self._meters):
            await self._ledger.async_fold(now)

    async def _learn_location(self, *, read: bool) -> None:
        """Read the location, and give each new meter a stream of its own."""
        journal = self._ledger.journal
        meters = dict(journal.meters)
        facts = journal.facts
        if read:
            location = await self._client.async_get_location(self._location_id)
            self._pace.succeeded(self._location_id)
            facts = replace(
                facts,
                name=location.name,
                timezone=location.timezone,
                currency=location.currency_code,
                live_mode=location.live_mode,
                tariff_status=location.tariff_status,
            )
        for key, meter in self._meters.items():
            if key not in meters:
                meters[key], is_new = await async_new_state(
                    self._client, self._location_id, meter, meters
                )
                if is_new:
                    self.fresh.add(key)
        changed = replace(journal, facts=facts, meters=meters)
        if changed != journal:
            await self._ledger.async_write(changed)

    async def _ask_prices(self, now: datetime, *, anew: bool) -> None:
        """Read the prices of today and tomorrow: once a day, or where they run out."""
        zone = self._ledger.zone
        midnight = day_start(local_date(now, zone), zone)
        end = next_day_start(next_day_start(now, zone), zone)
        until = self._next_full(now)
        for direction in TariffDirection.IMPORT, TariffDirection.EXPORT:
            if direction is TariffDirection.EXPORT and not self.sells:
                continue
            if anew or not self.prices.reach(direction, now, until):
                await self.prices.async_ask(direction, midnight, end)

    def _since(self, key: str, now: datetime) -> datetime:
        """Return from when to look: once a day at all that may still change."""
        zone = self._ledger.zone
        today = local_date(now, zone)
        yesterday = day_start(today - timedelta(days=1), zone)
        looked = self._looked_back.get(key) == today
        return yesterday if looked else yesterday - TRAILING

    async def _review(self, key: str, now: datetime) -> None:
        """Look at a meter's records again; what is wrong with one is not with all."""
        stream = self._ledger.journal.meters[key].stream
        # The report of a device that is gone is empty, which would look like a loss.
        if not self._pace.may_ask_for(stream) or self._pace.refuses(stream.owner):
            return
        direction = TariffDirection(stream.tariff_direction)
        grid = grid_keys(self._meters.values(), direction)
        try:
            review = await async_review(
                self._client,
                key,
                self._ledger.journal,
                self._ledger.book,
                self._since(key, now),
                now=now,
                began=self._began,
                zone=self._ledger.zone,
                memory=self._memory,
                grid=grid if stream.owner == self._location_id else None,
            )
        except (FlatPeakPriceUnavailableError, FlatPeakRefusedError) as error:
            _LOGGER.debug("No second look at %s: %s", self._meters[key].title, error)
            self._pace.failed(error, stream.owner, stream.tariff_direction)
            return
        await self._ledger.async_book(review.lines)
        self.differences[key] = review.differences
        journal = self._ledger.journal
        facts = replace(
            journal.facts,
            rule=review.rule or journal.facts.rule,
            other_writer=journal.facts.other_writer or review.other_writer,
        )
        changed = replace(journal, facts=facts, outbox=(*journal.outbox, *review.again))
        if changed != journal:
            await self._ledger.async_write(changed)
        self._looked_back[key] = local_date(now, self._ledger.zone)

    async def _look_at_others(self, now: datetime) -> None:
        """Look for others' records where no meter of ours records on the location."""
        for direction in TariffDirection.IMPORT, TariffDirection.EXPORT:
            key = others_key(direction)
            await self._ledger.async_book(rejudged(self._ledger.book, key, now))
            if not self._asks_for_others(direction):
                continue
            try:
                lines = await async_others(
                    self._client,
                    self._location_id,
                    direction,
                    self._ledger.journal,
                    self._ledger.book,
                    self._since(key, now),
                    now=now,
                    zone=self._ledger.zone,
                    grid=grid_keys(self._meters.values(), direction),
                )
            except (FlatPeakPriceUnavailableError, FlatPeakRefusedError) as error:
                _LOGGER.debug("No look at what others recorded: %s", error)
                self._pace.failed(error, self._location_id, direction)
                continue
            await self._ledger.async_book(lines)
            self._looked_back[key] = local_date(now, self._ledger.zone)

    def _asks_for_others(self, direction: TariffDirection) -> bool:
        """Return whether others may have recorded where no meter of ours looks."""
        journal = self._ledger.journal
        streams = [journal.meters[key].stream for key in self._meters]
        if any(
            (stream.owner, stream.tariff_direction) == (self._location_id, direction)
            for stream in streams
        ):
            return False
        if direction in self._reports or not self.has_grid_meter:
            return False
        tariff = direction is TariffDirection.IMPORT or self.sells
        return tariff and self._pace.may_ask(self._location_id, direction)

    async def _let_go(self, now: datetime) -> None:
        """Give up unconfirmed records of meters that were removed: nobody is asked.

        Raises HomeAssistantError when the books cannot be written.
        """
        for key in self._ledger.journal.meters.keys() - self._meters.keys():
            forget = partial(left_out, meter=key, status=Status.ATTEMPTED)
            await self._ledger.async_decide(forget, now)

    async def _learn_earning_sign(self, sold: Iterable[PricedWindow]) -> None:
        """Take the sign from what was sold while its price is known."""
        journal = self._ledger.journal
        sign = self.prices.earning_sign(sold)
        if sign is not None and sign != journal.facts.earning_sign:
            facts = replace(journal.facts, earning_sign=sign)
            await self._ledger.async_write(replace(journal, facts=facts))

    def _next_full(self, now: datetime) -> datetime:
        """Return when to look at everything again: ten past 0, 6, 12 or 18 o'clock."""
        zone = self._ledger.zone
        midnight = day_start(local_date(now, zone), zone)
        slots = (
            start + self._offset + timedelta(hours=hours)
            for start in (midnight, next_day_start(now, zone))
            for hours in range(0, 24, FULL_HOURS)
        )
        return min(slot for slot in slots if slot > now)
