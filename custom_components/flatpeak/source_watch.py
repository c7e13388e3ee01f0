"""Whether a meter's sensor can still be read."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from homeassistant.components.recorder.entity_options import is_entity_recorded
from homeassistant.components.recorder.statistics import async_list_statistic_ids
from homeassistant.components.sensor import ATTR_STATE_CLASS
from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

from .issues import Issue
from .journal import MeterState
from .meters import Meter
from .readings import is_entity

SOURCE_ISSUES = (
    Issue.SOURCE_MISSING,
    Issue.SOURCE_DISABLED,
    Issue.SOURCE_NOT_RECORDED,
    Issue.SOURCE_SILENT,
)
SILENT = timedelta(days=1)
# A register that fell is watched for a day before anything of it is settled.
UNREAD = timedelta(days=2)
# Utilities deliver days late, and not at weekends.
SILENT_IMPORT = timedelta(days=7)
NO_VALUE = {STATE_UNAVAILABLE, STATE_UNKNOWN}


@callback
def present_source(hass: HomeAssistant, meter: Meter) -> str:
    """Return the statistic id of a meter's source, also after a renaming."""
    registry = er.async_get(hass)
    entry = registry.entities.get_entry(meter.source_registry_id or "")
    return entry.entity_id if entry else meter.source


async def async_gone(hass: HomeAssistant, meters: Iterable[Meter]) -> set[str]:
    """Return the imported statistics of meters that were deleted."""
    imported = {meter.source for meter in meters if not is_entity(meter.source)}
    if not imported:
        return set()
    known = await async_list_statistic_ids(hass, imported)
    return imported - {meta["statistic_id"] for meta in known}


@callback
def source_problem(
    hass: HomeAssistant,
    meter: Meter,
    state: MeterState | None,
    now: datetime,
    gone: Collection[str] = (),
) -> Issue | None:
    """Return what is wrong with a meter's source; None is nothing.

    `gone` are the imported statistics that the recorder does not know any more.

    A sensor whose register stands still is fine, and one that has been away for less
    than a day may come back by itself.
    """
    until = state.anchor.end if state and state.anchor else None
    if not is_entity(meter.source):
        if meter.source in gone:
            return Issue.SOURCE_MISSING
        late = until is not None and now - until > SILENT_IMPORT
        return Issue.SOURCE_SILENT if late else None
    silent = until is not None and now - until > SILENT
    source = meter.source
    if meter.source_registry_id:
        entry = er.async_get(hass).entities.get_entry(meter.source_registry_id)
        if entry is None:
            return Issue.SOURCE_MISSING
        if entry.disabled:
            return Issue.SOURCE_DISABLED
        source = entry.entity_id
    if not is_entity_recorded(hass, source):
        return Issue.SOURCE_NOT_RECORDED
    shown = hass.states.get(source)
    if shown is None:
        return Issue.SOURCE_MISSING if silent or until is None else None
    if shown.state in NO_VALUE:
        return Issue.SOURCE_SILENT if silent else None
    if ATTR_STATE_CLASS not in shown.attributes:
        return Issue.SOURCE_NOT_RECORDED
    unread = until is not None and now - until > UNREAD
    return Issue.SOURCE_NOT_RECORDED if unread else None
