"""The devices of a location: itself, and one for each meter."""

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from .const import CONF_LOCATION_ID, CONF_METER_KEY, DOMAIN, SUBENTRY_METER
from .coordinator import FlatPeakConfigEntry

LOCATION_KEY = "location"


def device_identifier(location_id: str, key: str) -> tuple[str, str]:
    """Return what the registry knows a device by; `key` is a meter's."""
    return DOMAIN, f"{location_id}_{key}"


def is_needed(entry: FlatPeakConfigEntry, device: dr.DeviceEntry) -> bool:
    """Return whether a device is the location's, or that of a meter of it."""
    meters = entry.get_subentries_of_type(SUBENTRY_METER)
    keys = (LOCATION_KEY, *(meter.data[CONF_METER_KEY] for meter in meters))
    location_id = entry.data[CONF_LOCATION_ID]
    needed = {device_identifier(location_id, key) for key in keys}
    return not needed.isdisjoint(device.identifiers)


@callback
def async_remove_stale_devices(hass: HomeAssistant, entry: FlatPeakConfigEntry) -> None:
    """Remove the devices, and so the entities, of meters that are gone."""
    registry = dr.async_get(hass)
    for device in dr.async_entries_for_config_entry(registry, entry.entry_id):
        if not is_needed(entry, device):
            registry.async_remove_device(device.id)


@callback
def async_name_devices(hass: HomeAssistant, entry: FlatPeakConfigEntry) -> None:
    """Name the devices as the location and its meters are called now."""
    names = {LOCATION_KEY: entry.title}
    for meter in entry.get_subentries_of_type(SUBENTRY_METER):
        names[meter.data[CONF_METER_KEY]] = meter.title
    registry = dr.async_get(hass)
    for key, name in names.items():
        identifier = device_identifier(entry.data[CONF_LOCATION_ID], key)
        if device := registry.async_get_device(identifiers={identifier}):
            registry.async_update_device(device.id, name=name)
