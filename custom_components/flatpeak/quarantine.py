"""Windows that hold an impossible reading: shown, and released as the user decides."""

from collections.abc import Iterable
from dataclasses import replace

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .issues import Issue, async_set_issue
from .journal import Journal, Queued, Status
from .metering import release, to_wire
from .meters import Meter


def held_records(journal: Journal, meter: str) -> list[Queued]:
    """Return the records of a meter that wait for a decision, oldest first."""
    held = [
        item
        for item in journal.outbox
        if item.meter == meter and item.status is Status.HELD
    ]
    return sorted(held, key=lambda item: item.window.start)


def released(journal: Journal, meter: str, *, accept: bool) -> Journal:
    """Return the journal with a meter's held energy counted, or given up."""
    held = held_records(journal, meter)
    state = journal.meters[meter]
    windows = [release(item.window, accept=accept) for item in held]
    wired, carry = to_wire(windows, state.carry)
    kept = [item for item in journal.outbox if item not in held]
    free = [Queued(meter=meter, window=w, wh=wh) for w, wh in wired if w.mwh]
    return replace(
        journal,
        meters={**journal.meters, meter: replace(state, carry=carry)},
        outbox=(*kept, *free),
    )


@callback
def async_show(
    hass: HomeAssistant, entry: ConfigEntry, meters: Iterable[Meter], journal: Journal
) -> None:
    """Raise an issue for each meter with held energy, and clear the others."""
    for meter in meters:
        held = held_records(journal, meter.key)
        figures = held and {
            "energy": f"{sum(item.window.held for item in held) / 1e6:.3f}",
            "start": _local(held[0]),
            "max_power": f"{meter.max_power_kw:g}",
        }
        async_set_issue(hass, entry, Issue.QUARANTINE, figures or None, meter)


def _local(item: Queued) -> str:
    """Return when a record begins, as people read it."""
    return f"{dt_util.as_local(item.window.start):%Y-%m-%d %H:%M}"
