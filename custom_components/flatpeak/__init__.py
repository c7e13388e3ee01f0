"""FlatPeak: what each meter and appliance really costs, when it was used."""

from collections.abc import Mapping
from typing import Any

from homeassistant.const import CONF_API_KEY, Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.util.hass_dict import HassKey

from .api import FlatPeakClient
from .const import CONF_ACCOUNT_ID, CONF_BASE_URL, DOMAIN
from .coordinator import FlatPeakConfigEntry, FlatPeakCoordinator
from .issues import async_delete_issues
from .ledger import Ledger

PLATFORMS = [Platform.SENSOR]

# One client per account, also across entries: it asks one thing at a time.
CLIENTS: HassKey[dict[tuple[str, str, str], FlatPeakClient]] = HassKey(DOMAIN)


async def async_setup_entry(hass: HomeAssistant, entry: FlatPeakConfigEntry) -> bool:
    """Set up a location. The books on disk are enough; the cloud may be away."""
    coordinator = FlatPeakCoordinator(hass, entry, _client(hass, entry.data))
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


@callback
def _client(hass: HomeAssistant, data: Mapping[str, Any]) -> FlatPeakClient:
    """Return the account's client."""
    identity = (data[CONF_BASE_URL], data[CONF_ACCOUNT_ID], data[CONF_API_KEY])
    clients = hass.data.setdefault(CLIENTS, {})
    if identity not in clients:
        clients[identity] = FlatPeakClient(
            async_get_clientsession(hass),
            data[CONF_ACCOUNT_ID],
            data[CONF_API_KEY],
            base_url=data[CONF_BASE_URL],
        )
    return clients[identity]
