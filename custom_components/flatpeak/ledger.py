"""The journal and the book of one entry, on disk."""

import asyncio
from collections.abc import Callable, Sequence, Set as AbstractSet
from dataclasses import replace
from datetime import datetime, tzinfo
from pathlib import Path

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryError, HomeAssistantError
from homeassistant.helpers.storage import STORAGE_DIR
from homeassistant.util import dt as dt_util

from .book import Book, Line
from .const import DOMAIN
from .decisions import Decision
from .doubt import judged
from .journal import (
    LONGEST_LAG,
    Facts,
    Journal,
    JournalVersionError,
    Queued,
    Status,
    read_journal,
)
from .journal_file import JournalFile
from .metering import Origin

SETTLED = (Origin.INSTANT, Origin.REPORT, Origin.CARRIED)
STORED = (Origin.INSTANT, Origin.REPORT, Origin.REVISED)  # FlatPeak has a record


async def async_write_durably[*Arguments](
    hass: HomeAssistant,
    write: Callable[[*Arguments], None],
    *arguments: *Arguments,
) -> None:
    """Write to disk in the executor.

    Raises HomeAssistantError, in words that tell people what to do.
    """
    try:
        await hass.async_add_executor_job(write, *arguments)
    except HomeAssistantError as error:
        raise HomeAssistantError(
            translation_domain=DOMAIN, translation_key="books_not_written"
        ) from error


class Ledger:
    """What is known for certain: in memory only what is on disk as well.

    Hold `lock` from reading the journal until the write that builds on it.
    `zone` is the location's time zone, Home Assistant's where it has none.
    """

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        """Name the files; nothing is read yet."""
        folder = Path(hass.config.path(STORAGE_DIR))
        self._hass = hass
        self._path = folder / f"{DOMAIN}.{entry_id}.journal"
        self._file = JournalFile(self._path)
        self.journal = Journal()
        self.zone: tzinfo = dt_util.get_default_time_zone()
        self.book = Book(folder, entry_id)
        self.lock = asyncio.Lock()
        # Windows of the past that are not through yet: their months are not folded.
        self.kept: Callable[[], AbstractSet[tuple[str, datetime]]] = frozenset

    async def async_load(self) -> None:
        """Read both.

        Raises ConfigEntryError: an entry with a past never starts empty.
        """
        try:
            journal = await self._hass.async_add_executor_job(read_journal, self._path)
            await self._hass.async_add_executor_job(self.book.load)
        except JournalVersionError as error:
            raise ConfigEntryError(
                translation_domain=DOMAIN, translation_key="books_too_new"
            ) from error
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            OverflowError,
            OSError,
        ) as error:
            file = getattr(error, "filename", None) or self._path
            raise ConfigEntryError(
                translation_domain=DOMAIN,
                translation_key="books_unreadable",
                translation_placeholders={"file": Path(file).name},
            ) from error
        if journal is not None:
            # The journal on disk may lag behind the book: what is booked is done.
            self.journal = replace(
                journal,
                facts=_plausible(journal.facts),
                outbox=tuple(
                    _doubted(item)
                    for item in journal.outbox
                    if not self._is_booked(item)
                ),
            )
        self.zone = await self._sum_up(self.journal.facts)

    async def async_write(self, journal: Journal) -> None:
        """Make a journal durable, then take it up. Raises HomeAssistantError."""
        await async_write_durably(self._hass, self._file.write, journal)
        facts, before, zone = journal.facts, self.journal.facts, self.zone
        if (facts.timezone, facts.currency) != (before.timezone, before.currency):
            zone = await self._sum_up(facts)
        self.journal, self.zone = journal, zone

    async def async_book(self, lines: Sequence[Line]) -> None:
        """Add lines to the book durably. Raises HomeAssistantError."""
        if lines:
            await async_write_durably(self._hass, self._book, lines)

    async def async_decide(self, decide: Decision, now: datetime) -> None:
        """Make durable what a decision comes to. Raises HomeAssistantError."""
        journal, lines = decide(self.journal, self.book, now)
        await self.async_book(lines)
        if journal != self.journal:
            await self.async_write(journal)

    async def async_fold(self, now: datetime) -> None:
        """Shorten what is older than 40 days. Raises HomeAssistantError."""
        # An older outbox on disk would book again what is folded now.
        await self.async_write(self.journal)
        waiting = {(item.meter, item.window.start) for item in self.journal.outbox}
        await async_write_durably(
            self._hass, lambda: self.book.fold(now, self.zone, waiting | self.kept())
        )

    async def async_remove(self) -> None:
        """Delete the files of an entry that is being removed."""
        await self._hass.async_add_executor_job(self._remove)

    async def _sum_up(self, facts: Facts) -> tzinfo:
        """Sum up the days as facts say, and return their zone."""
        name = facts.timezone
        named = await dt_util.async_get_time_zone(name) if name else None
        zone = named or dt_util.get_default_time_zone()
        await self._hass.async_add_executor_job(self.book.sum_up, zone, facts.currency)
        return zone

    def _book(self, lines: Sequence[Line]) -> None:
        """Judge the prices, and add. Blocking."""
        self.book.append(judged(lines, self.book))

    def _is_booked(self, item: Queued) -> bool:
        """Return whether a record's fate is in the book; a quote leaves it open."""
        line = self.book.get(item.meter, item.window.start)
        if line is None:
            return False
        # A correction that has not gone out is found anew by the first look. Here it
        # would pass for a record of another life.
        if item.status is Status.NEW and line.origin in STORED:
            return True
        return line.origin in SETTLED and line.mwh == item.window.mwh

    def _remove(self) -> None:
        """Delete both. Blocking."""
        self._path.unlink(missing_ok=True)
        self.book.remove()


def _plausible(facts: Facts) -> Facts:
    """Return facts without a lag that an earlier version took an outage for."""
    return facts if facts.lag <= LONGEST_LAG else replace(facts, lag=0)


def _doubted(item: Queued) -> Queued:
    """Return a record as it is after a start.

    The journal may be an older one that was restored: what it calls new may have been
    sent since.
    """
    if item.status is not Status.NEW:
        return item
    return replace(item, status=Status.ATTEMPTED, attempted=None)
