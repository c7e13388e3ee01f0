"""What all entities have in common."""

from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity import EntityDescription
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .const import DOMAIN
from .coordinator import FlatPeakCoordinator
from .meters import Meter

LOCATION_KEY = "location"


class FlatPeakEntity(CoordinatorEntity[FlatPeakCoordinator]):
    """An entity of a meter, or of the location itself."""

    _attr_has_entity_name = True

    def __init__(
        self,
        coordinator: FlatPeakCoordinator,
        meter: Meter | None,
        description: EntityDescription,
    ) -> None:
        """Belong to a meter's device, or to the location's without a meter."""
        super().__init__(coordinator)
        self.entity_description = description
        self.meter = meter
        location_id = coordinator.location_id
        key = meter.key if meter else LOCATION_KEY
        self._attr_unique_id = f"{location_id}_{key}_{description.key}"
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, f"{location_id}_{key}")},
            entry_type=None if meter else DeviceEntryType.SERVICE,
            manufacturer="FlatPeak",
            name=meter.title if meter else coordinator.config_entry.title,
        )

    @property
    def available(self) -> bool:
        """Return True once there are books: an outage does not make them wrong."""
        return self.coordinator.data is not None
