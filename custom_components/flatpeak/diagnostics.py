"""Diagnostics: what a maintainer needs to know, and no secret."""

from datetime import datetime
from typing import Any

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.const import CONF_API_KEY
from homeassistant.core import HomeAssistant

from .const import CONF_ACCOUNT_ID, CONF_LOCATION_ID
from .coordinator import FlatPeakConfigEntry
from .journal import Status

SECRETS = {CONF_ACCOUNT_ID, CONF_API_KEY, CONF_LOCATION_ID}


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: FlatPeakConfigEntry,
) -> dict[str, Any]:
    """Return the state of an entry."""
    coordinator = entry.runtime_data
    journal = coordinator.ledger.journal
    facts = journal.facts
    return {
        "data": async_redact_data(dict(entry.data), SECRETS),
        "options": dict(entry.options),
        "requests": {
            day.isoformat(): count
            for day, count in coordinator.client.requests_by_day.items()
        },
        "facts": {
            "timezone": facts.timezone,
            "currency": facts.currency,
            "live_mode": facts.live_mode,
            "rule": facts.rule,
            "longest_lag_seconds": facts.lag,
            "other_writer": facts.other_writer,
            "paused": facts.paused,
        },
        "problem": coordinator.data.problem,
        "meters": {
            key: {
                "kind": meter.kind,
                "direction": meter.direction,
                "reporting": meter.reporting,
                "max_power_kw": meter.max_power_kw,
                "cut_until": _iso(journal.meters[key].cut_until),
                "live_until": _iso(journal.meters[key].live_until),
                "records": {
                    status: sum(
                        item.meter == key and item.status is status
                        for item in journal.outbox
                    )
                    for status in Status
                },
                "days_that_differ": [
                    difference.day.isoformat()
                    for difference in coordinator.differences.get(key, ())
                ],
            }
            for key, meter in coordinator.meters.items()
            if key in journal.meters
        },
    }


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None
