"""What all entities have in common."""

from collections.abc import Iterable
from typing import override

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity import EntityDescription
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .const import DOMAIN
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
        self._attr_unique_id = unique_id(location_id, key, description)
        # The money of a test key may be made up.
        is_test = coordinator.ledger.journal.facts.live_mode is False
        self._attr_device_info = DeviceInfo(
            identifiers={device_identifier(location_id, key)},
            entry_type=None if meter else DeviceEntryType.SERVICE,
            manufacturer="FlatPeak",
            model=TEST_MODE if is_test else None,
            # An entity may be added after its meter was renamed.
            name=(
                coordinator.meters[key].title
                if meter
                else coordinator.config_entry.title
            ),
        )

    @property
    @override
    def available(self) -> bool:
        """Return True once there are books: an outage does not make them wrong."""
        return self.coordinator.data is not None


def unique_id(location_id: str, key: str, description: EntityDescription) -> str:
    """Return what the registry knows an entity by; `key` is a meter's."""
    return f"{location_id}_{key}_{description.key}"


@callback
def async_forget(
    hass: HomeAssistant,
    platform: Platform,
    location_id: str,
    descriptions: Iterable[EntityDescription],
) -> None:
    """Remove entities of the location that went with its last meter of some kind."""
    registry = er.async_get(hass)
    for description in descriptions:
        name = unique_id(location_id, LOCATION_KEY, description)
        if entity_id := registry.async_get_entity_id(platform, DOMAIN, name):
            registry.async_remove(entity_id)
