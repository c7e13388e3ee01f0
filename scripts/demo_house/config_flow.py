"""Set the house up without asking anything."""

from typing import Any

from homeassistant.config_entries import ConfigFlow, ConfigFlowResult

from .const import DOMAIN


class DemoHouseConfigFlow(ConfigFlow, domain=DOMAIN):
    """Create the one entry that there is."""

    async def async_step_import(self, _data: dict[str, Any]) -> ConfigFlowResult:
        """Take the house from configuration.yaml."""
        return self.async_create_entry(title="House", data={})
