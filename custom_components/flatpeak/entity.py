"""What all entities have in common."""

from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity import EntityDescription
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .coordinator import FlatPeakCoordinator
from .devices import LOCATION_KEY, device_identifier
from .meters import Meter

TEST_MODE = "Test mode"


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
        # The money of a test key may be made up.
        is_test = coordinator.ledger.journal.facts.live_mode is False
        self._attr_device_info = DeviceInfo(
            identifiers={device_identifier(location_id, key)},
            entry_type=None if meter else DeviceEntryType.SERVICE,
            manufacturer="FlatPeak",
            model=TEST_MODE if is_test else None,
            name=meter.title if meter else coordinator.config_entry.title,
        )

    @property
    def available(self) -> bool:
        """Return True once there are books: an outage does not make them wrong."""
        return self.coordinator.data is not None
