"""FlatPeak: what each meter and appliance really costs, when it was used."""

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant

from .account import async_account
from .const import DOMAIN
from .coordinator import FlatPeakConfigEntry, FlatPeakCoordinator
from .issues import async_delete_issues
from .ledger import Ledger

PLATFORMS = [Platform.SENSOR, Platform.SWITCH]


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
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    coordinator.async_start()
    return True


async def async_unload_entry(hass: HomeAssistant, entry: FlatPeakConfigEntry) -> bool:
    """Unload a location; what is under way is looked up after the next start."""
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


async def async_remove_entry(hass: HomeAssistant, entry: FlatPeakConfigEntry) -> None:
    """Delete the books of a location that was removed, and what asks about them."""
    await Ledger(hass, entry.entry_id).async_remove()
    async_delete_issues(hass, entry)
