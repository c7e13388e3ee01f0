"""The meters of the house as energy and power sensors."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import UnitOfEnergy, UnitOfPower
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.util import dt as dt_util

from . import DemoHouseEntry
from .const import DOMAIN
from .history import (
    Metadata,
    Rows,
    async_import_past,
    energy_metadata,
    energy_rows,
    power_metadata,
    power_rows,
    register,
)
from .house import House

EVERY = timedelta(seconds=10)


@dataclass(frozen=True, kw_only=True)
class HouseSensorDescription(SensorEntityDescription):
    """A meter's register or power, and the statistics of its past."""

    meter: str
    value_fn: Callable[[House, datetime, str], float]
    metadata_fn: Metadata
    rows_fn: Rows


def energy(meter: str, name: str) -> HouseSensorDescription:
    """Describe a meter's register."""
    return HouseSensorDescription(
        key=f"{meter}_energy",
        name=name,
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL_INCREASING,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        meter=meter,
        value_fn=lambda house, now, meter: register(house, meter, now),
        metadata_fn=energy_metadata,
        rows_fn=energy_rows,
    )


def power(meter: str, name: str) -> HouseSensorDescription:
    """Describe a meter's power."""
    return HouseSensorDescription(
        key=f"{meter}_power",
        name=name,
        device_class=SensorDeviceClass.POWER,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfPower.WATT,
        meter=meter,
        value_fn=lambda house, now, meter: round(house.power(now)[meter], 1),
        metadata_fn=power_metadata,
        rows_fn=power_rows,
    )


# What is not named here is measured by the house itself.
APPLIANCES = {
    "heat_pump": "Heat pump",
    "ev_charger": "EV charger",
    "washing_machine": "Washing machine",
}
SENSORS = (
    energy("grid_import", "Grid import"),
    energy("grid_export", "Grid export"),
    energy("solar", "Solar inverter energy"),
    energy("heat_pump", "Energy"),
    energy("ev_charger", "Energy"),
    energy("washing_machine", "Energy"),
    power("grid_import", "Grid import power"),
    power("grid_export", "Grid export power"),
    power("solar", "Solar inverter power"),
    power("heat_pump", "Power"),
    power("ev_charger", "Power"),
    power("washing_machine", "Power"),
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: DemoHouseEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add every meter of the house."""
    async_add_entities(HouseSensor(entry.runtime_data, sensor) for sensor in SENSORS)


class HouseSensor(SensorEntity):
    """A figure of the house, new every ten seconds."""

    entity_description: HouseSensorDescription
    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(self, house: House, description: HouseSensorDescription) -> None:
        """Take a meter of the house."""
        self.entity_description = description
        appliance = APPLIANCES.get(description.meter)
        device = description.meter if appliance else "house"
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, device)}, name=appliance or "House"
        )
        self._attr_unique_id = description.key
        self._house = house
        self._read(dt_util.utcnow())

    @override
    async def async_added_to_hass(self) -> None:
        """Give the recorder a past if it has none, and begin to change."""
        description = self.entity_description
        await async_import_past(
            self.hass,
            description.metadata_fn(self.entity_id),
            self._house,
            description.meter,
            description.rows_fn,
        )
        self.async_on_remove(
            async_track_time_interval(self.hass, self._async_update, EVERY)
        )

    @callback
    def _async_update(self, now: datetime) -> None:
        """Show the figure of now."""
        self._read(now)
        self.async_write_ha_state()

    def _read(self, now: datetime) -> None:
        """Take the figure of an instant."""
        description = self.entity_description
        value = description.value_fn(self._house, now, description.meter)
        self._attr_native_value = value
