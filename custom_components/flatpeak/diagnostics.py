"""Diagnostics: what a maintainer needs to know, and no secret.

The statistic ids of the sources are kept: without them no reading can be followed.
Names that people gave are left out, and so is what FlatPeak's ids are made of.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from homeassistant.components.sensor import ATTR_STATE_CLASS
from homeassistant.const import ATTR_UNIT_OF_MEASUREMENT
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.loader import async_get_loaded_integration
from homeassistant.util import dt as dt_util
from yarl import URL

from .clock import skew
from .const import CONF_BASE_URL, DOMAIN
from .coordinator import FlatPeakConfigEntry, FlatPeakCoordinator
from .issues import open_issues
from .journal import Journal, Queued, Status
from .meters import Meter
from .pace import Trouble
from .source_watch import present_source, source_problem


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: FlatPeakConfigEntry
) -> dict[str, Any]:
    """Return the state of an entry."""
    coordinator = entry.runtime_data
    return {
        **_location(hass, entry),
        "meters": {
            key: _meter(hass, coordinator, meter)
            for key, meter in coordinator.meters.items()
        },
    }


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: FlatPeakConfigEntry, device: DeviceEntry
) -> dict[str, Any]:
    """Return the state of a meter, or of the location without its meters."""
    coordinator = entry.runtime_data
    names = {name for domain, name in device.identifiers if domain == DOMAIN}
    found = {
        key: _meter(hass, coordinator, meter)
        for key, meter in coordinator.meters.items()
        if f"{coordinator.location_id}_{key}" in names
    }
    return {**_location(hass, entry), "meters": found}


@callback
def _location(hass: HomeAssistant, entry: FlatPeakConfigEntry) -> dict[str, Any]:
    """Return what concerns the whole entry."""
    coordinator = entry.runtime_data
    journal = coordinator.ledger.journal
    facts = journal.facts
    ahead = skew(coordinator.client)
    return {
        "version": str(async_get_loaded_integration(hass, DOMAIN).version),
        "address": _address(entry.data[CONF_BASE_URL]),
        "options": dict(entry.options),
        "issues": sorted(open_issues(hass, entry)),
        "facts": {
            "timezone": facts.timezone,
            "currency": facts.currency,
            "live_mode": facts.live_mode,
            "tariff_status": dict(facts.tariff_status),
            "earning_sign": facts.earning_sign,
            "rule": facts.rule,
            "longest_lag_seconds": facts.lag,
            "other_writer": facts.other_writer,
            "paused": facts.paused,
        },
        "problem": coordinator.data.location.problem,
        "clock_ahead_seconds": ahead and ahead / timedelta(seconds=1),
        "requests": {
            day.isoformat(): count
            for day, count in coordinator.client.requests_by_day.items()
        },
        "last_poll": _iso(coordinator.polled),
        "polls_again_after_seconds": (coordinator.update_interval or timedelta())
        / timedelta(seconds=1),
        "pace": _pace(coordinator),
    }


@callback
def _pace(coordinator: FlatPeakCoordinator) -> dict[str, Any]:
    """Return how we stand with FlatPeak, and how long we wait."""
    standing = coordinator.pace.standing
    owners = {
        state.stream.owner: key
        for key, state in coordinator.ledger.journal.meters.items()
    }
    owners[coordinator.location_id] = "location"
    return {
        "waits_seconds": coordinator.pace.wait / timedelta(seconds=1),
        "failures": coordinator.pace.failures,
        "answered": _iso(standing.answered),
        "account_disabled": standing.disabled,
        "trouble": _trouble(standing.trouble),
        "refused": {
            owners.get(owner, "other"): _trouble(trouble)
            for owner, trouble in standing.refused.items()
        },
        "without_price": {
            way: _trouble(trouble) for way, trouble in standing.unpriced.items()
        },
        "with_price": sorted(filter(None, standing.priced)),
    }


@callback
def _trouble(trouble: Trouble | None) -> dict[str, Any] | None:
    """Return what goes wrong; FlatPeak's own words are left out."""
    if trouble is None:
        return None
    error = trouble.error
    return {
        "error": type(error).__name__,
        "request": error.request,
        "status": error.status,
        "code": error.code,
        "since": _iso(trouble.since),
    }


@callback
def _meter(
    hass: HomeAssistant, coordinator: FlatPeakCoordinator, meter: Meter
) -> dict[str, Any]:
    """Return the state of a meter."""
    journal = coordinator.ledger.journal
    source = present_source(hass, meter)
    found = {
        "kind": meter.kind,
        "direction": meter.direction,
        "reporting": meter.reporting,
        "max_power_kw": meter.max_power_kw,
        "source": _source(hass, meter, source),
        "records": _records(journal, meter.key),
        "batches": len(
            {item.batch for item in journal.outbox if item.meter == meter.key} - {None}
        ),
        "book": _book(coordinator, meter.key),
        "days_that_differ": [
            difference.day.isoformat()
            for difference in coordinator.poll.differences.get(meter.key, ())
        ],
    }
    if (state := journal.meters.get(meter.key)) is None:
        return found
    now = dt_util.utcnow()
    problem = source_problem(hass, meter, state, now)
    anchor = state.anchor
    return found | {
        "source_problem": problem,
        "on_own_device": state.stream.owner != coordinator.location_id,
        "stream": [state.stream.energy_direction, state.stream.tariff_direction],
        "settled_until": _iso(anchor.end if anchor else None),
        "register": anchor and {"state": anchor.state, "sum": anchor.sum},
        "cut_until": _iso(state.cut_until),
        "live_until": _iso(state.live_until),
        "behind_seconds": state.cut_until
        and (now - state.cut_until) / timedelta(seconds=1),
        "carry_mwh": state.carry,
    }


@callback
def _source(hass: HomeAssistant, meter: Meter, source: str) -> dict[str, Any]:
    """Return what is known of the sensor that a meter is read from."""
    state = hass.states.get(source)
    shown = state.attributes if state else {}
    return {
        "statistic_id": source,
        "renamed": source != meter.source,
        "in_registry": meter.source_registry_id is not None,
        "present": state is not None,
        "state_class": shown.get(ATTR_STATE_CLASS),
        "unit": shown.get(ATTR_UNIT_OF_MEASUREMENT),
        "changed": _iso(state.last_changed if state else None),
    }


def _records(journal: Journal, key: str) -> dict[str, Any]:
    """Return how many records are in each state, and how long."""
    mine = [item for item in journal.outbox if item.meter == key]
    return {
        status.value: _of(found)
        for status in Status
        if (found := [item for item in mine if item.status is status])
    }


def _of(items: Sequence[Queued]) -> dict[str, Any]:
    """Return what is told of records in one state."""
    attempts = [item.attempted for item in items if item.attempted]
    return {
        "count": len(items),
        "oldest": _iso(min(item.window.start for item in items)),
        "first_attempt": _iso(min(attempts, default=None)),
        "most_tries": max(item.tries for item in items),
        "wh": sum(item.wh for item in items),
    }


@callback
def _book(coordinator: FlatPeakCoordinator, key: str) -> dict[str, Any]:
    """Return how many lines the book has of a meter, by where their money is from."""
    now = dt_util.utcnow()
    lines = coordinator.ledger.book.between(key, now - timedelta(days=3650), now)
    return {
        "lines": dict(sorted(Counter(str(line.origin) for line in lines).items())),
        "without_money": sum(line.money is None for line in lines),
        "estimated": sum(line.estimated for line in lines),
        "doubted": sum(line.doubted for line in lines),
        "first": _iso(min((line.start for line in lines), default=None)),
        "last": _iso(max((line.end for line in lines), default=None)),
    }


def _address(url: str) -> str:
    """Return where FlatPeak is, without what could be a name or a password."""
    return str(URL(url).origin())


def _iso(time: datetime | None) -> str | None:
    """Return a time as text."""
    return time.isoformat() if time else None
