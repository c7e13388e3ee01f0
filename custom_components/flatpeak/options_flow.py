"""What can be changed about a location after it was set up."""

from typing import Any

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.helpers.selector import BooleanSelector
import voluptuous as vol

from .const import CONF_INCLUDE_CARBON, CONF_WINDOW, WINDOW_DEFAULT, WINDOWS
from .history_flow import SOURCE_HISTORY, HistorySteps
from .selectors import choose

CONF_HISTORY = "history"

OPTIONS_SCHEMA = vol.Schema(
    {
        # The list knows words only; the option is a number of minutes.
        vol.Required(CONF_WINDOW): vol.All(
            vol.Coerce(str), choose(CONF_WINDOW, *map(str, WINDOWS)), vol.Coerce(int)
        ),
        vol.Required(CONF_INCLUDE_CARBON): BooleanSelector(),
        vol.Optional(CONF_HISTORY, default=False): BooleanSelector(),
    }
)


class FlatPeakOptionsFlow(HistorySteps):
    """Change a location's options; the entry's update listener reloads it.

    The past is offered by steps of its own: right after the set-up, or on request.
    """

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the length of windows, and whether carbon is wanted."""
        options = self.config_entry.options
        offered = self.context.get("source") == SOURCE_HISTORY or self.takes_offer()
        if offered and user_input is None:
            return await self.async_step_history()
        if user_input is not None:
            self.changes = dict(user_input)
            wants_history = self.changes.pop(CONF_HISTORY, False)
            return await self.async_step_history() if wants_history else self.end()
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
