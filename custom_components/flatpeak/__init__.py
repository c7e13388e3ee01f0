"""FlatPeak: what each meter and appliance really costs, when it was used."""

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.helpers.typing import ConfigType

from .account import async_account
from .const import DOMAIN
from .coordinator import FlatPeakConfigEntry, FlatPeakCoordinator, settings_of
from .dashboard import async_follow_dashboard
from .devices import async_name_devices, async_remove_stale_devices, is_needed
from .issues import async_delete_issues, async_follow_disabled
from .ledger import Ledger
from .past_file import job_path
from .services import async_setup_services

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)
PLATFORMS = [Platform.SENSOR, Platform.SWITCH]


async def async_setup(hass: HomeAssistant, _config: ConfigType) -> bool:
    """Offer the actions, and look at the Energy dashboard when it is changed."""
    async_setup_services(hass)

    async def changed() -> None:
        entries: list[FlatPeakConfigEntry] = hass.config_entries.async_loaded_entries(
            DOMAIN
        )
        for entry in entries:
            entry.async_create_background_task(
                hass,
                entry.runtime_data.async_check_dashboard(),
                f"{DOMAIN} dashboard",
            )

    await async_follow_dashboard(hass, changed)
    async_follow_disabled(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: FlatPeakConfigEntry) -> bool:
    """Set up a location. The books on disk are enough; the cloud may be away."""
    coordinator = FlatPeakCoordinator(hass, entry, async_account(hass, entry.data))
    if await coordinator.async_load():
        entry.async_create_background_task(
            hass, coordinator.async_refresh(), f"{DOMAIN} first poll"
        )
    else:
        await coordinator.async_config_entry_first_refresh()
    entry.runtime_data = coordinator
    async_remove_stale_devices(hass, entry)
    entry.async_on_unload(entry.add_update_listener(_async_follow))
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    coordinator.async_start()
    return True


async def _async_follow(hass: HomeAssistant, entry: FlatPeakConfigEntry) -> None:
    """Take new names as they are; start again with whatever else was changed."""
    coordinator = entry.runtime_data
    if coordinator.settings != settings_of(entry):
        hass.config_entries.async_schedule_reload(entry.entry_id)
        return
    async_name_devices(hass, entry)
    await coordinator.async_take_names()


async def async_unload_entry(hass: HomeAssistant, entry: FlatPeakConfigEntry) -> bool:
    """Unload a location; what is under way is looked up after the next start."""
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


async def async_remove_entry(hass: HomeAssistant, entry: FlatPeakConfigEntry) -> None:
    """Delete the books of a location that was removed, and what asks about them."""
    await Ledger(hass, entry.entry_id).async_remove()
    path = job_path(hass, entry.entry_id)
    await hass.async_add_executor_job(lambda: path.unlink(missing_ok=True))
    async_delete_issues(hass, entry)


async def async_remove_config_entry_device(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: FlatPeakConfigEntry,
    device: DeviceEntry,
) -> bool:
    """Return whether a device may be deleted: not while its meter is there."""
    return not is_needed(entry, device)
