"""Which repairs the present state of a location calls for."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .book import Book
from .decisions import held_records, stuck
from .doubt import doubted
from .issues import LOCATION, STUCK, Issue, async_forget_meters, async_set_issue
from .journal import Journal, Queued
from .metering import PricedWindow
from .meters import Meter
from .review import Difference
from .service_watch import DEVICE_ISSUES, SERVICE_ISSUES, Service
from .source_watch import SOURCE_ISSUES, present_source, source_problem

METER_ISSUES = (Issue.QUARANTINE, *STUCK, Issue.DIFFERENCE, Issue.DOUBTED_PRICE)


@callback
def async_show(
    hass: HomeAssistant,
    entry: ConfigEntry,
    meters: Collection[Meter],
    journal: Journal,
    book: Book,
    differences: Mapping[str, Sequence[Difference]],
    gone: Collection[str],
    ahead: timedelta | None,
    service: Service,
    now: datetime,
) -> None:
    """Raise what is due, and clear what is cured.

    `gone` are the sources that are no more, though their meters' entries are; `ahead`
    is by how much our clock is.
    """
    alone: Mapping[str, str] | None = {} if journal.facts.other_writer else None
    async_set_issue(hass, entry, Issue.OTHER_WRITER, alone)
    wrong = ahead and {"minutes": f"{ahead / timedelta(minutes=1):+.0f}"}
    async_set_issue(hass, entry, Issue.CLOCK, wrong or None)
    async_forget_meters(hass, entry, [meter.key for meter in meters])
    async_show_service(hass, entry, meters, service)
    for meter in meters:
        figures: Mapping[Issue, Mapping[str, str] | None] = {
            Issue.QUARANTINE: _of_quarantine(held_records(journal, meter.key), meter),
            **{
                issue: _of_records(stuck(journal, book, meter.key, now, status))
                for issue, status in STUCK.items()
                if issue is not Issue.UNCONFIRMED or meter.key not in service.undecided
            },
            Issue.DIFFERENCE: _of_differences(differences.get(meter.key, ())),
            Issue.DOUBTED_PRICE: _of_doubted(doubted(book, meter.key, now)),
        }
        for issue in METER_ISSUES:
            async_set_issue(hass, entry, issue, figures.get(issue), meter)
        state = journal.meters.get(meter.key)
        problem = source_problem(hass, meter, state, now, gone)
        source = {"source": present_source(hass, meter)}
        for issue in SOURCE_ISSUES:
            shown = source if issue is problem else None
            async_set_issue(hass, entry, issue, shown, meter)


@callback
def async_show_service(
    hass: HomeAssistant,
    entry: ConfigEntry,
    meters: Collection[Meter],
    service: Service,
) -> None:
    """Raise and clear what is about FlatPeak's side: a poll may tell of it, too."""
    for issue in SERVICE_ISSUES:
        async_set_issue(hass, entry, issue, service.problems.get((issue, LOCATION)))
    for meter in meters:
        for issue in DEVICE_ISSUES:
            lasting = service.problems.get((issue, meter.key))
            async_set_issue(hass, entry, issue, lasting, meter)


def _of_quarantine(held: Sequence[Queued], meter: Meter) -> Mapping[str, str] | None:
    """Return what is said of impossible energy."""
    if not held:
        return None
    return {
        "energy": f"{sum(item.window.held for item in held) / 1e6:.3f}",
        "start": _local(held[0]),
        "max_power": f"{meter.max_power_kw:g}",
    }


def _of_differences(days: Sequence[Difference]) -> Mapping[str, str] | None:
    """Return what is said of days on which FlatPeak's money is not ours."""
    if not days:
        return None
    worst = max(days, key=lambda day: abs(day.theirs - day.ours))
    return {
        "count": str(len(days)),
        "day": worst.day.isoformat(),
        "ours": f"{worst.ours:.2f}",
        "theirs": f"{worst.theirs:.2f}",
    }


def _of_doubted(lines: Sequence[PricedWindow]) -> Mapping[str, str] | None:
    """Return what is said of prices that cannot be right."""
    if not lines:
        return None
    last = lines[-1]
    return {
        "count": str(len(lines)),
        "price": f"{(last.money or 0) / last.mwh * 1_000_000:.2f}",
        "currency": last.currency or "",
        "start": f"{dt_util.as_local(last.start):%Y-%m-%d %H:%M}",
    }


def _of_records(records: Sequence[Queued]) -> Mapping[str, str] | None:
    """Return what is said of records that do not get on."""
    if not records:
        return None
    return {
        "count": str(len(records)),
        "energy": f"{sum(item.wh for item in records) / 1000:.3f}",
        "start": _local(records[0]),
        "error": records[-1].error or "-",
    }


def _local(item: Queued) -> str:
    """Return when a record begins, as people read it."""
    return f"{dt_util.as_local(item.window.start):%Y-%m-%d %H:%M}"
