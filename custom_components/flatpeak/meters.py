"""What a meter subentry is."""

from collections.abc import Container
from dataclasses import dataclass
import hashlib
from itertools import count
from typing import Self

from homeassistant.config_entries import ConfigSubentry, ConfigSubentryData

from .const import (
    CONF_DIRECTION,
    CONF_KIND,
    CONF_MAX_POWER,
    CONF_METER_KEY,
    CONF_REPORTING,
    CONF_SOURCE,
    CONF_SOURCE_REGISTRY_ID,
    KIND_DEVICE,
    KIND_GRID,
    SUBENTRY_METER,
)
from .metering.model import Reporting

# kW that a home's connection, and an appliance, cannot exceed; the user may say more.
MAX_POWER = {KIND_GRID: 70, KIND_DEVICE: 30}


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """One source of energy, as the user described it.

    Attributes:
        key: 8 hex digits that never change, even when the source is replaced.
        source: Statistic id.
        source_registry_id: Entity registry id of the source, which survives a
            renaming; None for an entity without one and for external statistics.
        direction: `import` or `export`, seen from the home.
        kind: `grid` or `device`.
        reporting: Whether the source reports as it goes, or hourly.
        max_power_kw: No more can flow, in kW.
        title: The name people know it by.
        subentry_id: Id of the config subentry.
    """

    key: str
    source: str
    source_registry_id: str | None
    direction: str
    kind: str
    reporting: Reporting
    max_power_kw: float
    title: str
    subentry_id: str

    @classmethod
    def from_subentry(cls, subentry: ConfigSubentry) -> Self:
        """Read a config subentry of type `meter`."""
        data = subentry.data
        return cls(
            key=data[CONF_METER_KEY],
            source=data[CONF_SOURCE],
            source_registry_id=data[CONF_SOURCE_REGISTRY_ID],
            direction=data[CONF_DIRECTION],
            kind=data[CONF_KIND],
            reporting=Reporting(data[CONF_REPORTING]),
            max_power_kw=data[CONF_MAX_POWER],
            title=subentry.title,
            subentry_id=subentry.subentry_id,
        )


def meter_key(location_id: str, direction: str, source_id: str) -> str:
    """Return the key of a meter by its first source's registry or statistic id."""
    identity = f"{location_id}|{direction}|{source_id}"
    return hashlib.sha256(identity.encode()).hexdigest()[:8]


def device_reference_id(key: str) -> str:
    """Return what FlatPeak's device of this meter is called."""
    return f"ha-{key}"


def new_meter(
    location_id: str,
    source: str,
    *,
    registry_id: str | None,
    title: str,
    direction: str,
    kind: str,
    reporting: Reporting = Reporting.CONTINUOUS,
    max_power: float | None = None,
    taken: Container[str] = (),
) -> ConfigSubentryData:
    """Describe a meter that is to be added to the entry of a location.

    `max_power` is in kW; `taken` are keys that it must not have: a sensor may have
    been the first source of a meter that is read from another one by now.
    """
    identity = registry_id or source
    names = (f"{identity}#{number}" if number > 1 else identity for number in count(1))
    keys = (meter_key(location_id, direction, name) for name in names)
    key = next(key for key in keys if key not in taken)
    return {
        "subentry_type": SUBENTRY_METER,
        "title": title,
        "unique_id": key,
        "data": {
            CONF_SOURCE: source,
            CONF_SOURCE_REGISTRY_ID: registry_id,
            CONF_DIRECTION: direction,
            CONF_KIND: kind,
            CONF_REPORTING: reporting.value,
            CONF_MAX_POWER: MAX_POWER[kind] if max_power is None else max_power,
            CONF_METER_KEY: key,
        },
    }
