"""One location: when to push, when to poll, and what the entities then show."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
import hashlib
import logging
from typing import Any, override

from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntry
from homeassistant.const import (
    EVENT_CORE_CONFIG_UPDATE,
    EVENT_RECORDER_5MIN_STATISTICS_GENERATED,
)
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed, HomeAssistantError
from homeassistant.helpers.event import async_call_later, async_track_point_in_utc_time
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed
from homeassistant.util import dt as dt_util
from sqlalchemy.exc import SQLAlchemyError

from .account import Account
from .api import (
    FlatPeakAuthenticationError,
    FlatPeakError,
    TariffDirection,
)
from .backfill import MINUTE, SPACING, Backfill
from .clock import skew, trusted_now
from .const import (
    CONF_INCLUDE_CARBON,
    CONF_LOCATION_ID,
    CONF_WINDOW,
    DOMAIN,
    SUBENTRY_METER,
    WINDOW_DEFAULT,
)
from .dashboard import async_check_dashboard
from .decisions import Decision, switched
from .errors import error_key, placeholders
from .exchange import Exchange
from .journal import of_meters
from .ledger import Ledger
from .metering import Anchor, next_day_start
from .meters import Meter
from .notices import async_show, async_show_service
from .outbox import Outbox
from .pace import EVERYTHING, PRICE_PAUSE, Pace
from .poll import REPORT_EVERY, Poll
from .problem import NOT_WRITTEN, problem_of
from .push import Pusher
from .revisions import async_price
from .service_watch import View, watch_service
from .snapshot import (
    ROLLOVER,
    Periods,
    Snapshot,
    current_day,
    is_priced,
    take_snapshot,
)
from .source_watch import async_gone
from .statistics import HourlyStatistics

_LOGGER = logging.getLogger(__name__)

FIRST_READ = timedelta(minutes=1)  # after a batch; it is worked off in the background
SHORTEST_OFFSET, LONGEST_OFFSET = 5, 60  # seconds

type FlatPeakConfigEntry = ConfigEntry[FlatPeakCoordinator]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The past was offered right after the set-up, beside what else that had to say."""

    at: datetime
    doubts: str


class FlatPeakCoordinator(DataUpdateCoordinator[Snapshot]):
    """Owns the books of a location and all timing."""

    config_entry: FlatPeakConfigEntry

    def __init__(
        self, hass: HomeAssistant, entry: FlatPeakConfigEntry, account: Account
    ) -> None:
        """Prepare; nothing is read or asked yet."""
        super().__init__(
            hass,
            _LOGGER,
            config_entry=entry,
            name=DOMAIN,
            update_interval=REPORT_EVERY,
            always_update=False,
        )
        self.location_id: str = entry.data[CONF_LOCATION_ID]
        self.settings = settings_of(entry)
        self.meters = _meters_of(entry)
        self.ledger = Ledger(hass, entry.entry_id)
        self.hours = HourlyStatistics(hass, self.location_id, self.meters, self.ledger)
        client = account.client
        self.client = client
        self.pace = Pace(dt_util.utcnow, account.backoff)
        self._exchange = Exchange(
            client,
            self.location_id,
            self.ledger.book,
            self.pace,
            include_carbon=entry.options.get(CONF_INCLUDE_CARBON, True),
            utcnow=dt_util.utcnow,
        )
        minutes = entry.options.get(CONF_WINDOW, WINDOW_DEFAULT)
        self._pusher = Pusher(
            hass,
            self.ledger,
            Outbox(self._exchange),
            self.meters,
            minutes,
            lambda: trusted_now(client),
        )
        # Not every home asks in the same second, but each always in its own.
        digest = hashlib.sha256(entry.entry_id.encode()).digest()
        self._offset = SHORTEST_OFFSET + digest[0] % (LONGEST_OFFSET - SHORTEST_OFFSET)
        self.poll = Poll(
            self.location_id,
            self.meters,
            self.ledger,
            self._exchange,
            self._pusher,
            self.hours,
            timedelta(seconds=self._offset),
        )
        self.backfill = Backfill(
            hass,
            entry.entry_id,
            self.ledger,
            self._exchange,
            self._pusher,
            self.meters,
            self.hours,
            self.poll.fresh,
        )
        self._unsub_backfill: CALLBACK_TYPE | None = None
        self.offer: Offer | None = None
        self._clock_asked: datetime | None = None
        self._failures: dict[str, str] = {}  # what went wrong last, by whom
        self._gone: Collection[str] = ()
        self._began = dt_util.utcnow()
        self.polled: datetime | None = None  # when FlatPeak last told all that was due
        self._push: asyncio.Task[None] | None = None
        self._unsub_push: CALLBACK_TYPE | None = None
        self._unsub_rollover: CALLBACK_TYPE | None = None

    async def async_load(self) -> bool:
        """Read the books, and return whether they are enough to begin with.

        Raises ConfigEntryError when they cannot be read.
        """
        await self.ledger.async_load()
        self._pusher.paused = self.ledger.journal.facts.paused
        await self.backfill.async_load()
        self._follow_sources()
        # A meter that was just added gets its stream with the first poll.
        if not self.ledger.journal.meters.keys().isdisjoint(self.meters):
            self.data = self._take_snapshot()
            return True
        return False

    @callback
    def _follow_sources(self) -> None:
        """Begin a new segment for each meter that is read from another source.

        What was used between the last row of the old source and the first one of the
        new source is unknown. A renamed source is still the same.
        """
        journal = self.ledger.journal
        meters = dict(journal.meters)
        for key, meter in self.meters.items():
            state = meters.get(key)
            if state is None or state.source == meter.source:
                continue
            anchor = state.anchor and Anchor(end=state.anchor.end)
            meters[key] = replace(
                state, source=meter.source, anchor=anchor, live_until=None, since=None
            )
        self.ledger.journal = replace(journal, meters=meters)

    @callback
    def async_start(self) -> None:
        """Listen to the recorder: its 5-minute run is our clock."""
        self.config_entry.async_on_unload(
            self.hass.bus.async_listen(
                EVENT_RECORDER_5MIN_STATISTICS_GENERATED, self._handle_statistics
            )
        )
        self.config_entry.async_on_unload(
            self.hass.bus.async_listen(
                EVENT_CORE_CONFIG_UPDATE, self.async_check_dashboard
            )
        )
        self._plan_rollover()
        self.async_go_on_with_past()

    async def async_check_dashboard(self, _event: Event | None = None) -> None:
        """Look whether the Energy dashboard uses our costs well."""
        await async_check_dashboard(
            self.hass,
            self.config_entry,
            self.location_id,
            self.meters.values(),
            self.ledger.journal.facts,
        )

    @override
    async def async_shutdown(self) -> None:
        """Cancel our own timers, too."""
        await super().async_shutdown()
        for unsub in (self._unsub_push, self._unsub_rollover, self._unsub_backfill):
            if unsub:
                unsub()
        self._unsub_push = self._unsub_rollover = self._unsub_backfill = None

    @override
    async def _async_update_data(self) -> Snapshot:
        """Poll: the location, its prices, and what the reports say."""
        try:
            await self._async_poll()
        except (UpdateFailed, ConfigEntryAuthFailed) as failure:
            self._fail("poll", failure.translation_key)
            raise
        self._fail("poll", None)
        async_show_service(
            self.hass,
            self.config_entry,
            self.meters.values(),
            watch_service(self._view()),
        )
        return self._take_snapshot()

    async def _async_poll(self) -> None:
        """Ask for what is due. Raises UpdateFailed and ConfigEntryAuthFailed."""
        now = dt_util.utcnow()
        if self.data is not None and (why := self.pace.why):
            raise UpdateFailed(
                translation_domain=DOMAIN,
                translation_key=error_key(why),
                translation_placeholders=placeholders(why),
                retry_after=self.pace.wait.total_seconds(),
            )
        former = self.ledger.journal.facts.name
        try:
            async with self.ledger.lock:
                asked = await self.poll.async_ask(now)
                if await self.poll.async_report(self._periods(now), now) or asked:
                    self._poll_succeeded()
            await self.async_check_dashboard()
        except FlatPeakAuthenticationError as error:
            raise ConfigEntryAuthFailed(
                translation_domain=DOMAIN, translation_key=error_key(error)
            ) from error
        except FlatPeakError as error:
            self.pace.failed(error, self.location_id)
            raise UpdateFailed(
                translation_domain=DOMAIN,
                translation_key=error_key(error),
                translation_placeholders=placeholders(error),
                retry_after=error.retry_after,
            ) from error
        except HomeAssistantError as error:
            raise UpdateFailed(
                translation_domain=DOMAIN, translation_key="books_not_written"
            ) from error
        finally:
            self._follow_name(former)  # learnt, whatever else went wrong
            self.update_interval = self.poll.wait(dt_util.utcnow())

    @callback
    def _follow_name(self, former: str | None) -> None:
        """Take the location's new name at FlatPeak, unless the user has named it.

        The entry's update listener does the rest.
        """
        name = self.ledger.journal.facts.name
        if name and name != former and self.config_entry.title == former:
            self.hass.config_entries.async_update_entry(self.config_entry, title=name)

    async def async_take_names(self) -> None:
        """Call the meters and the location what they are called now."""
        self.meters.update(_meters_of(self.config_entry))
        self._publish()
        await self.async_check_dashboard()
        await self.hours.async_update(self.meters)

    @callback
    def _fail(self, who: str, failure: str | None) -> None:
        """Note what went wrong, None for nothing, and show it at once."""
        self._failures.pop(who, None)
        if failure:
            self._failures[who] = failure
        shown = self.data and self.data.location.problem
        if shown is not None and shown != self._problem():
            self.data = self._picture(self.data.periods, dt_util.utcnow())
            self.async_update_listeners()

    @callback
    def _fail_to_write(self, who: str, error: HomeAssistantError) -> None:
        """Say once that the disk does not take what has to be there before sending."""
        if self._failures.get(who) != NOT_WRITTEN:
            _LOGGER.error(
                "The %s could not be written; nothing is sent", who, exc_info=error
            )
        self._fail(who, NOT_WRITTEN)

    def _problem(self, meter: str | None = None) -> str:
        """Return the last problem of a meter, or of all, that lasts, in a word."""
        return problem_of(
            self.ledger.journal,
            self.pace,
            self._failures.values(),
            wrong_clock=bool(skew(self.client)),
            meter=meter,
        )

    @callback
    def _poll_succeeded(self) -> None:
        """Go on with what waited for FlatPeak to answer."""
        if self.pace.last_error is not None:
            self._push_soon()
        self.pace.succeeded()
        self.pace.priced(EVERYTHING)
        self.polled = dt_util.utcnow()

    @callback
    def _handle_statistics(self, _event: Event) -> None:
        """Push when the recorder's rows are committed."""
        self._push_soon()

    @callback
    def _push_soon(self) -> None:
        """Push a little later, unless that is planned."""
        if self._unsub_push is None:
            self._unsub_push = async_call_later(
                self.hass, self._offset, self._start_push
            )

    @callback
    def _start_push(self, _now: datetime) -> None:
        """Push in the background, unless that is going on."""
        self._unsub_push = None
        if self._push is None or self._push.done():
            self._push = self.config_entry.async_create_background_task(
                self.hass, self._async_push(), f"{DOMAIN} push"
            )

    async def _async_push(self) -> None:
        """Push, and show what came of it."""
        try:
            self._gone = await async_gone(self.hass, self.meters.values())
            await self._check_clock()
            await self._pusher.async_push()
            async with self.ledger.lock:
                await async_price(self._exchange, self.ledger)
                await self.poll.async_learn_earning_sign()
        except FlatPeakAuthenticationError as error:
            self._fail("push", error_key(error))
            self.config_entry.async_start_reauth(self.hass)
        except SQLAlchemyError:
            _LOGGER.exception("The recorder cannot be read; meters wait for it")
        except HomeAssistantError as error:
            self._fail_to_write("push", error)
        else:
            self._fail("push", None)
        if self._unsub_push is None and self._batch_is_new():
            self._unsub_push = async_call_later(self.hass, FIRST_READ, self._start_push)
        self._publish()
        await self.hours.async_update(self.meters)

    def _batch_is_new(self) -> bool:
        """Return whether a batch was just sent, whose costs are soon in the report."""
        now = dt_util.utcnow()
        return any(
            item.batch
            and item.attempted
            and now - item.attempted < PRICE_PAUSE
            and self.ledger.book.get(item.meter, item.window.start) is None
            for item in self.ledger.journal.outbox
        )

    async def _check_clock(self) -> None:
        """Ask for the time where ours seems wrong, at most every 15 minutes.

        While a computer sleeps, the clock that counts the time between two answers
        stands still. Raises FlatPeakAuthenticationError.
        """
        now = dt_util.utcnow()
        asked = self._clock_asked
        if not skew(self.client) or not self.pace.may_ask():
            return
        if asked is not None and timedelta(0) <= now - asked < PRICE_PAUSE:
            return
        self._clock_asked = now
        try:
            await self.client.async_get_location_status(self.location_id)
        except FlatPeakAuthenticationError:
            raise
        except FlatPeakError as error:
            self.pace.failed(error, self.location_id)

    async def async_fetch_past(
        self, meters: Iterable[str], start: datetime | None
    ) -> bool:
        """Begin to fetch the past of meters; False while something is going on.

        Raises HomeAssistantError when it cannot be written.
        """
        if not await self.backfill.async_begin(meters, start):
            return False
        self._publish()
        self.async_go_on_with_past()
        return True

    async def async_stop_past(self) -> None:
        """Send nothing more of the past. Raises HomeAssistantError."""
        await self.backfill.async_stop()
        self._publish()

    @callback
    def async_go_on_with_past(self, wait: timedelta = SPACING) -> None:
        """Do the next step of fetching the past in a while, if there is one."""
        if self.backfill.is_running and self._unsub_backfill is None:
            self._unsub_backfill = async_call_later(
                self.hass, wait, self._start_backfill
            )

    @callback
    def _start_backfill(self, _now: datetime) -> None:
        """Do a step in the background: it ends with the entry."""
        self._unsub_backfill = None
        if self.hass.is_stopping:
            return
        self.config_entry.async_create_background_task(
            self.hass, self._async_backfill(), f"{DOMAIN} past"
        )

    async def _async_backfill(self) -> None:
        """Do one step, show how far it is, and plan the next one."""
        before, wait = self.backfill.job, MINUTE
        try:
            wait = await self.backfill.async_step() or SPACING
        except FlatPeakAuthenticationError:
            self.config_entry.async_start_reauth(self.hass)
        except FlatPeakError as error:
            _LOGGER.debug("The past has to wait: %s", error)
        except SQLAlchemyError:
            _LOGGER.exception("The past has to wait for the recorder")
        except HomeAssistantError as error:
            self._fail_to_write("past", error)
        else:
            self._fail("past", None)
        if self.backfill.job is not before:
            self._publish()
        self.async_go_on_with_past(wait)

    @callback
    def _publish(self, _now: datetime | None = None) -> None:
        """Show the present state of the books."""
        self.data = self._take_snapshot()
        self.async_update_listeners()
        async_show(
            self.hass,
            self.config_entry,
            self.meters.values(),
            self.ledger.journal,
            self.ledger.book,
            self.poll.differences,
            self._gone,
            skew(self.client),
            watch_service(self._view()),
            dt_util.utcnow(),
        )
        self._plan_rollover()

    def _view(self) -> View:
        """Return what is known of FlatPeak's side at this moment."""
        journal, book = self.ledger.journal, self.ledger.book
        signs_in = self.config_entry.async_get_active_flows(self.hass, {SOURCE_REAUTH})
        return View(
            standing=self.pace.standing,
            journal=journal,
            meters=self.meters.values(),
            location_id=self.location_id,
            name=self.config_entry.title,
            now=dt_util.utcnow(),
            began=self._began,
            is_priced=lambda item: is_priced(book, item),
            waits=journal.facts.other_writer
            or journal.facts.paused
            or skew(self.client) is not None
            or any(signs_in),
        )

    @callback
    def _plan_rollover(self) -> None:
        """Show the new day ten minutes after midnight, whatever comes."""
        if self._unsub_rollover:
            self._unsub_rollover()
        midnight = next_day_start(dt_util.utcnow() - ROLLOVER, self.ledger.zone)
        self._unsub_rollover = async_track_point_in_utc_time(
            self.hass, self._publish, midnight + ROLLOVER
        )

    @property
    def sends(self) -> bool:
        """Return whether readings go out, unless something else is in the way."""
        return not self._pusher.paused

    async def async_set_sending(self, *, on: bool) -> None:
        """Send what waits, or nothing from now on; windows are cut in any case.

        Raises HomeAssistantError when that cannot be written.
        """
        self._pusher.paused = not on
        try:
            await self.async_decide(partial(switched, on=on))
        except HomeAssistantError:
            self._pusher.paused = self.ledger.journal.facts.paused
            raise

    async def async_decide(self, decide: Decision) -> None:
        """Make durable what the user decided, show it, and do it soon.

        Raises HomeAssistantError when the books cannot be written.
        """
        async with self.ledger.lock:
            await self.ledger.async_decide(decide, dt_util.utcnow())
        self._publish()
        self._push_soon()
        await self.hours.async_update(self.meters)

    def _periods(self, now: datetime) -> Periods:
        """Return the days that a snapshot of now is about."""
        shown = self.data.periods.today if self.data else None
        journal = of_meters(self.ledger.journal, self.meters)
        today = current_day(now, self.ledger.zone, shown, journal)
        return Periods(today=today, zone=self.ledger.zone)

    @callback
    def _take_snapshot(self) -> Snapshot:
        """Return a new snapshot; a day that ends is shown complete before."""
        now = dt_util.utcnow()
        periods = self._periods(now)
        if self.data and self.data.periods.today < periods.today:
            self.data = self._picture(self.data.periods, now)
            self.async_update_listeners()
        return self._picture(periods, now)

    def _picture(self, periods: Periods, now: datetime) -> Snapshot:
        """Derive everything from the books, the prices and the reports."""
        snapshot = take_snapshot(
            periods,
            now,
            self.meters,
            self.ledger.journal,
            self.ledger.book,
            prices={d: self.poll.prices.now(d, now) for d in TariffDirection},
            latest=self._pusher.latest,
            holes=self.backfill.holes,
            reported=self.poll.reported,
            problem=self._problem,
        )
        return replace(snapshot, backfill_progress=self.backfill.percent)


def settings_of(entry: FlatPeakConfigEntry) -> tuple[Mapping[str, Any], ...]:
    """Return all that a location is started with, except for names."""
    meters = {one.subentry_id: one.data for one in entry.subentries.values()}
    return entry.data, entry.options, meters


def _meters_of(entry: FlatPeakConfigEntry) -> dict[str, Meter]:
    """Return the meters of a location by their keys."""
    subentries = entry.get_subentries_of_type(SUBENTRY_METER)
    return {meter.key: meter for meter in map(Meter.from_subentry, subentries)}
