"""The switch that lets readings go out to FlatPeak, or keeps them here."""

from typing import Any, override

from homeassistant.components.switch import SwitchEntity, SwitchEntityDescription
from homeassistant.const import EntityCategory, Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import DOMAIN
from .coordinator import FlatPeakConfigEntry
from .entity import FlatPeakEntity, async_forget

PARALLEL_UPDATES = 1

SEND_READINGS = SwitchEntityDescription(
    key="send_readings",
    translation_key="send_readings",
    entity_category=EntityCategory.CONFIG,
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: FlatPeakConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the switch of the location, where there is anything to send."""
    coordinator = entry.runtime_data
    if coordinator.meters:
        async_add_entities([SendReadings(coordinator, None, SEND_READINGS)])
    else:
        async_forget(hass, Platform.SWITCH, coordinator.location_id, [SEND_READINGS])


class SendReadings(FlatPeakEntity, SwitchEntity):
    """Off, windows are still cut: they wait on disk and are shown as pending."""

    @property
    @override
    def is_on(self) -> bool:
        """Return whether readings are sent."""
        return self.coordinator.sends

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Send what waits, and go on."""
        await self._async_set(on=True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Send nothing from now on, also after a restart."""
        await self._async_set(on=False)

    async def _async_set(self, *, on: bool) -> None:
        """Keep it on disk. Raises HomeAssistantError where that is not possible."""
        try:
            await self.coordinator.async_set_sending(on=on)
        except HomeAssistantError as error:
            raise HomeAssistantError(
                translation_domain=DOMAIN, translation_key="switch_not_written"
            ) from error
