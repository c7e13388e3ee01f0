"""System health: whether FlatPeak can be reached, and whether all gets there."""

from typing import Any

from homeassistant.components.system_health import (
    SystemHealthRegistration,
    async_check_can_reach_url,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.loader import async_get_loaded_integration

from .api import DEFAULT_BASE_URL
from .const import CONF_BASE_URL, DOMAIN
from .coordinator import FlatPeakConfigEntry
from .snapshot import UNDER_WAY


@callback
def async_register(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    register: SystemHealthRegistration,
) -> None:
    """Register what the page shows."""
    register.async_register_info(system_health_info, "/config/integrations")


async def system_health_info(hass: HomeAssistant) -> dict[str, Any]:
    """Return what is shown. Nothing of the account is in the question."""
    everything = hass.config_entries.async_entries(DOMAIN)
    entries: list[FlatPeakConfigEntry] = hass.config_entries.async_loaded_entries(
        DOMAIN
    )
    address = next(
        (entry.data[CONF_BASE_URL] for entry in everything), DEFAULT_BASE_URL
    )
    coordinators = [entry.runtime_data for entry in entries]
    answers = (coordinator.pace.standing.answered for coordinator in coordinators)
    return {
        "version": str(async_get_loaded_integration(hass, DOMAIN).version),
        "can_reach_server": async_check_can_reach_url(hass, address),
        "entries": f"{len(entries)} / {len(everything)}",
        "records_waiting": sum(
            item.status in UNDER_WAY
            for coordinator in coordinators
            for item in coordinator.ledger.journal.outbox
        ),
        "last_success": max(filter(None, answers), default=None),
    }
