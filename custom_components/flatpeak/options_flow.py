"""What can be changed about a location after it was set up."""

from typing import Any

from homeassistant.config_entries import ConfigFlowResult, OptionsFlow
from homeassistant.helpers.selector import BooleanSelector
import voluptuous as vol

from .const import CONF_INCLUDE_CARBON, CONF_WINDOW, WINDOW_DEFAULT, WINDOWS
from .selectors import choose

OPTIONS_SCHEMA = vol.Schema(
    {
        # The list knows words only; the option is a number of minutes.
        vol.Required(CONF_WINDOW): vol.All(
            vol.Coerce(str), choose(CONF_WINDOW, *map(str, WINDOWS)), vol.Coerce(int)
        ),
        vol.Required(CONF_INCLUDE_CARBON): BooleanSelector(),
    }
)


class FlatPeakOptionsFlow(OptionsFlow):
    """Change a location's options; the entry's update listener reloads it.

    A further step is reached from `init` before the options are stored.
    """

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the length of windows, and whether carbon is wanted."""
        options = self.config_entry.options
        if user_input is not None:
            return self._store(user_input)
        present = {
            CONF_WINDOW: str(options.get(CONF_WINDOW, WINDOW_DEFAULT)),
            CONF_INCLUDE_CARBON: options.get(CONF_INCLUDE_CARBON, True),
        }
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(
                OPTIONS_SCHEMA,  # type: ignore[arg-type]  # probatio as voluptuous
                present,
            ),
        )

    def _store(self, changes: dict[str, Any]) -> ConfigFlowResult:
        """Store what was changed, and keep the rest."""
        return self.async_create_entry(data={**self.config_entry.options, **changes})
