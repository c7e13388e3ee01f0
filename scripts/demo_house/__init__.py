"""A made-up house whose sensors follow daily curves: for the demo and its tests."""

from datetime import tzinfo

from homeassistant.config_entries import SOURCE_IMPORT, ConfigEntry
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.typing import ConfigType
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .house import House

CONFIG_SCHEMA = cv.empty_config_schema(DOMAIN)

type DemoHouseEntry = ConfigEntry[House]


async def async_setup(hass: HomeAssistant, _config: ConfigType) -> bool:
    """Create the entry at the first start."""
    hass.async_create_task(
        hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_IMPORT})
    )
    return True


async def async_setup_entry(hass: HomeAssistant, entry: DemoHouseEntry) -> bool:
    """Build the house in Home Assistant's time zone."""
    entry.runtime_data = await hass.async_add_executor_job(
        build, dt_util.get_default_time_zone()
    )
    await hass.config_entries.async_forward_entry_setups(entry, [Platform.SENSOR])
    return True


def build(zone: tzinfo) -> House:
    """Return a house that knows its registers of today."""
    house = House(zone)
    house.energy(dt_util.utcnow())
    return house


async def async_unload_entry(hass: HomeAssistant, entry: DemoHouseEntry) -> bool:
    """Take the sensors away."""
    return await hass.config_entries.async_unload_platforms(entry, [Platform.SENSOR])
