"""Which of the recorder's statistics can be a meter."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

from homeassistant.components.energy.data import async_get_manager
from homeassistant.components.recorder.entity_options import is_entity_recorded
from homeassistant.components.recorder.models import StatisticMeanType
from homeassistant.components.recorder.statistics import (
    async_list_statistic_ids,
    statistics_during_period,
)
from homeassistant.components.sensor import ATTR_STATE_CLASS, SensorStateClass
from homeassistant.const import ATTR_UNIT_OF_MEASUREMENT, UnitOfEnergy
from homeassistant.core import HomeAssistant, callback, valid_entity_id
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.recorder import get_instance
from homeassistant.util import dt as dt_util
from homeassistant.util.unit_conversion import EnergyConverter, PowerConverter

from .const import DOMAIN
from .metering.model import SourceKind

METER_UNITS = EnergyConverter.VALID_UNITS | PowerConverter.VALID_UNITS
NET_WATCH = timedelta(days=10)
NET_STEP = 0.001  # kWh
NET_FALLS = 3  # hours: a dip or an exchanged meter is one


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInfo:
    """A statistic that can be a meter; `unit` is the one that it is recorded in."""

    statistic_id: str
    name: str
    kind: SourceKind
    unit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """Statistic ids that the Energy dashboard uses, in its order."""

    imports: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()


async def async_list_sources(hass: HomeAssistant) -> dict[str, SourceInfo]:
    """Return every statistic that can be a meter, by its id, sorted by name."""
    found = [
        SourceInfo(
            statistic_id=meta["statistic_id"],
            name=_name(hass, meta),
            kind=kind,
            unit=meta["statistics_unit_of_measurement"],
        )
        for meta in await async_list_statistic_ids(hass)
        if (kind := _kind(meta)) and _is_live(hass, meta) and not _is_ours(hass, meta)
    ]
    found.sort(key=lambda info: (info.name.casefold(), info.statistic_id))
    return {info.statistic_id: info for info in found}


@callback
def async_misfits(hass: HomeAssistant, sources: Container[str]) -> dict[str, str]:
    """Return the names of sensors of energy or power that cannot be a meter.

    They are offered all the same: who chooses one is told why.
    """
    registry = er.async_get(hass)
    found = {
        state.entity_id: state.name
        for state in hass.states.async_all("sensor")
        if state.attributes.get(ATTR_UNIT_OF_MEASUREMENT) in METER_UNITS
        and state.entity_id not in sources
        and not ((entry := registry.async_get(state.entity_id)) and _is_own(entry))
    }
    return dict(sorted(found.items(), key=lambda item: item[1].casefold()))


async def async_statistic_unit(hass: HomeAssistant, statistic_id: str) -> str | None:
    """Return the unit of any statistic ("" without one), None if none is recorded."""
    for meta in await async_list_statistic_ids(hass, {statistic_id}):
        if _is_live(hass, meta):
            return meta["statistics_unit_of_measurement"] or ""
    return None


async def async_runs_backwards(hass: HomeAssistant, statistic_id: str) -> bool:
    """Tell whether a counter goes down again and again, as one of net energy does."""
    state = hass.states.get(statistic_id)
    if state and state.attributes.get(ATTR_STATE_CLASS) != SensorStateClass.TOTAL:
        return False
    rows = await get_instance(hass).async_add_executor_job(
        statistics_during_period,
        hass,
        dt_util.utcnow() - NET_WATCH,
        None,
        {statistic_id},
        "hour",
        {EnergyConverter.UNIT_CLASS: UnitOfEnergy.KILO_WATT_HOUR},
        {"sum"},
    )
    sums = [row.get("sum") or 0 for row in rows.get(statistic_id, [])]
    falls = sum(before - after > NET_STEP for before, after in pairwise(sums))
    return falls >= NET_FALLS


@callback
def async_registry_id(hass: HomeAssistant, statistic_id: str) -> str | None:
    """Return the entity registry id of a statistic's entity, if it has one."""
    entry = er.async_get(hass).async_get(statistic_id)
    return entry.id if entry else None


@callback
def async_appliance_name(
    hass: HomeAssistant, info: SourceInfo, sources: Mapping[str, SourceInfo]
) -> str:
    """Return what people call the appliance that a source measures.

    "Heat pump" rather than "Heat pump Energy", where its device has no other source
    of this kind.
    """
    registry = er.async_get(hass)

    def device_of(statistic_id: str) -> str | None:
        entry = registry.async_get(statistic_id)
        return entry.device_id if entry else None

    if (id_ := device_of(info.statistic_id)) is None:
        return info.name
    alike = [one for one in sources.values() if one.kind is info.kind]
    if sum(device_of(one.statistic_id) == id_ for one in alike) > 1:
        return info.name
    device = dr.async_get(hass).async_get(id_)
    return (device and (device.name_by_user or device.name)) or info.name


async def async_energy_dashboard(hass: HomeAssistant) -> Dashboard:
    """Return the meters of the Energy dashboard; none if it is not configured."""
    preferences = (await async_get_manager(hass)).data
    if preferences is None:
        return Dashboard()
    grids = [item for item in preferences["energy_sources"] if item["type"] == "grid"]
    devices = preferences["device_consumption"]
    return Dashboard(
        imports=_distinct(grid["stat_energy_from"] for grid in grids),
        exports=_distinct(grid["stat_energy_to"] for grid in grids),
        devices=_distinct(device["stat_consumption"] for device in devices),
    )


def _distinct(statistic_ids: Iterable[str | None]) -> tuple[str, ...]:
    """Return what there is, once, in its order."""
    return tuple(dict.fromkeys(id_ for id_ in statistic_ids if id_))


def _kind(meta: dict[str, Any]) -> SourceKind | None:
    """Return what the statistic holds, None if it cannot be a meter."""
    unit_class = meta["unit_class"]
    if unit_class == EnergyConverter.UNIT_CLASS and meta["has_sum"]:
        return SourceKind.ENERGY
    is_mean = meta["mean_type"] == StatisticMeanType.ARITHMETIC
    if unit_class == PowerConverter.UNIT_CLASS and is_mean:
        return SourceKind.POWER
    return None


@callback
def _is_live(hass: HomeAssistant, meta: dict[str, Any]) -> bool:
    """Tell whether new rows can come: the recorder keeps those of lost sensors."""
    statistic_id = meta["statistic_id"]
    if not valid_entity_id(statistic_id):
        return True
    state = hass.states.get(statistic_id)
    return (
        state is not None
        and ATTR_STATE_CLASS in state.attributes
        and is_entity_recorded(hass, statistic_id)
    )


@callback
def _is_ours(hass: HomeAssistant, meta: dict[str, Any]) -> bool:
    """Tell whether the statistic is a result of this integration."""
    entry = er.async_get(hass).async_get(meta["statistic_id"])
    return meta["source"] == DOMAIN or (entry is not None and _is_own(entry))


def _is_own(entry: er.RegistryEntry) -> bool:
    """Tell whether an entity is of this integration."""
    return entry.platform == DOMAIN


@callback
def _name(hass: HomeAssistant, meta: dict[str, Any]) -> str:
    """Return the name that people know the statistic by."""
    state = hass.states.get(meta["statistic_id"])
    return state.name if state else meta["name"] or meta["statistic_id"]
