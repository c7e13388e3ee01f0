"""Whether a statistic can be a meter, before it becomes one.

What is certainly wrong is a problem, and stops. What may be wrong is a doubt: it is
said, and the user decides.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util import dt as dt_util

from .const import DIRECTION_EXPORT, DIRECTION_IMPORT, DOMAIN, KIND_GRID, SUBENTRY_METER
from .metering import Reporting, Row, SourceKind, habit
from .meters import Meter
from .readings import async_read_rows, is_entity
from .source_watch import NO_VALUE, SILENT, SILENT_IMPORT, present_source
from .sources import (
    METER_UNITS,
    Dashboard,
    SourceInfo,
    async_appliance_name,
    async_energy_dashboard,
    async_runs_backwards,
    async_statistic_unit,
)

HABIT = timedelta(days=3)


class Problem(StrEnum):
    """Why a statistic cannot be a meter; also the key of the text."""

    DUPLICATE = "duplicate_source"
    NO_STATISTICS = "no_statistics"
    WRONG_UNIT = "wrong_unit"
    WRONG_CLASS = "wrong_class"
    POWER_FOR_EXPORT = "power_for_export"
    NET_METER = "net_meter"


class Doubt(StrEnum):
    """What may be wrong; also the key of the text."""

    SILENT = "silent"
    POWER_ON_GRID = "power_on_grid"
    LOOKS_HOURLY = "looks_hourly"
    TAKEN_AS_HOURLY = "taken_as_hourly"
    OTHER_DIRECTION = "other_direction"
    KNOWN = "known_meter"
    OTHER_HOME = "other_home"
    TEST_MODE = "test_mode"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What shall be a meter."""

    source: str
    direction: str
    kind: str


@callback
def async_name(
    hass: HomeAssistant, candidate: Candidate, sources: Mapping[str, SourceInfo]
) -> str:
    """Return the name of a new meter: an appliance's own, where that is enough."""
    info = sources[candidate.source]
    if candidate.kind == KIND_GRID:
        return info.name
    return async_appliance_name(hass, info, sources)


@callback
def async_meters(entry: ConfigEntry) -> list[Meter]:
    """Return the meters of an entry, whether it runs or not."""
    subentries = entry.get_subentries_of_type(SUBENTRY_METER)
    return [Meter.from_subentry(subentry) for subentry in subentries]


@callback
def async_other_homes(
    hass: HomeAssistant, own: ConfigEntry | None = None
) -> dict[str, str]:
    """Return the home that has a source as a meter, for those of all other homes."""
    return {
        present_source(hass, meter): entry.title
        for entry in hass.config_entries.async_entries(DOMAIN)
        if entry is not own
        for meter in async_meters(entry)
    }


async def async_find_problem(
    hass: HomeAssistant,
    candidate: Candidate,
    sources: Mapping[str, SourceInfo],
    taken: Collection[str],
) -> Problem | None:
    """Return what forbids a meter, given those that can be one and those that are."""
    source = candidate.source
    if source in taken:
        return Problem.DUPLICATE
    if (info := sources.get(source)) is None:
        unit = await async_statistic_unit(hass, source)
        if unit is None:
            return Problem.NO_STATISTICS
        return Problem.WRONG_CLASS if unit in METER_UNITS else Problem.WRONG_UNIT
    if candidate.direction == DIRECTION_EXPORT and info.kind is SourceKind.POWER:
        return Problem.POWER_FOR_EXPORT
    if await async_runs_backwards(hass, source):
        return Problem.NET_METER
    return None


async def async_problem_placeholders(
    hass: HomeAssistant, source: str, sources: Mapping[str, SourceInfo]
) -> dict[str, str]:
    """Return what the texts of problems name."""
    info = sources.get(source)
    unit = info.unit if info else await async_statistic_unit(hass, source)
    return {"source": info.name if info else source, "unit": unit or "?"}


async def async_find_doubts(
    hass: HomeAssistant,
    candidates: Collection[Candidate],
    sources: Mapping[str, SourceInfo],
    own: ConfigEntry | None = None,
) -> dict[str, list[Doubt]]:
    """Return what may be wrong with meters without a problem, by source.

    They are to be those of the entry `own`, or of one that is still to come.
    """
    now = dt_util.utcnow()
    since = {
        one.source: now - (HABIT if is_entity(one.source) else SILENT_IMPORT)
        for one in candidates
    }
    rows = await async_read_rows(hass, since)
    dashboard = await async_energy_dashboard(hass)
    found = {
        one.source: find_doubts(
            one,
            sources[one.source].kind,
            rows[one.source],
            dashboard,
            _shown(hass, one.source),
            now,
        )
        for one in candidates
    }
    for source in found.keys() & async_other_homes(hass, own).keys():
        found[source].append(Doubt.OTHER_HOME)
    return found


@callback
def async_doubt_names(
    hass: HomeAssistant,
    source: str,
    sources: Mapping[str, SourceInfo],
    own: ConfigEntry | None = None,
) -> dict[str, str]:
    """Return what the texts of doubts name: the sensor, and the home that has it."""
    home = async_other_homes(hass, own).get(source, "")
    return {"source": sources[source].name, "home": home}


def find_doubts(
    candidate: Candidate,
    kind: SourceKind,
    rows: Sequence[Row],
    dashboard: Dashboard,
    shown: str | None,
    now: datetime,
) -> list[Doubt]:
    """Return what may be wrong, by a few days of rows and what the sensor shows."""
    doubts = []
    entity = is_entity(candidate.source)
    latest = max((row.end for row in rows), default=None)
    patience = SILENT if entity else SILENT_IMPORT
    is_new = shown is not None and shown not in NO_VALUE
    if not is_new and (latest is None or now - latest > patience):
        doubts.append(Doubt.SILENT)
    if kind is SourceKind.POWER and candidate.kind == KIND_GRID:
        doubts.append(Doubt.POWER_ON_GRID)
    if entity and kind is SourceKind.ENERGY and habit(rows) is Reporting.HOURLY:
        doubts.append(Doubt.LOOKS_HOURLY)
    against = {
        DIRECTION_IMPORT: set(dashboard.exports) - set(dashboard.imports),
        DIRECTION_EXPORT: set(dashboard.imports) - set(dashboard.exports),
    }
    if candidate.kind == KIND_GRID and candidate.source in against[candidate.direction]:
        doubts.append(Doubt.OTHER_DIRECTION)
    return doubts


def _shown(hass: HomeAssistant, source: str) -> str | None:
    """Return what a sensor shows; None for what is not one."""
    state = hass.states.get(source)
    return state.state if state else None


async def async_describe(
    hass: HomeAssistant, doubts: Iterable[tuple[Doubt, Mapping[str, str]]]
) -> str:
    """Return an amber box for each doubt, with what its text names filled in."""
    texts = await async_get_translations(
        hass, hass.config.language, "config_subentries", {DOMAIN}
    )
    path = f"component.{DOMAIN}.config_subentries.{SUBENTRY_METER}.error"
    said = (texts[f"{path}.{doubt}"].format(**names) for doubt, names in doubts)
    boxes = (f'<ha-alert alert-type="warning">{text}</ha-alert>' for text in said)
    return "\n\n".join(boxes)
