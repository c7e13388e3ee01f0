"""What can be changed about a location after it was set up."""

from collections.abc import Mapping
from typing import Any

from homeassistant.config_entries import ConfigEntryState, ConfigFlowResult
from homeassistant.helpers.selector import BooleanSelector, ObjectSelector
from homeassistant.util.json import JsonObjectType
import voluptuous as vol

from .cards import async_cost_cards
from .const import CONF_INCLUDE_CARBON, CONF_WINDOW, WINDOW_DEFAULT, WINDOWS
from .history_flow import HistorySteps
from .issues import documentation_url
from .selectors import choose

CONF_HISTORY = "history"
CONF_CARDS = "cards"
CARDS_PAGE = "energy-dashboard.md#individual-devices"

OPTIONS = {
    # The list knows words only; the option is a number of minutes.
    vol.Required(CONF_WINDOW): vol.All(
        vol.Coerce(str), choose(CONF_WINDOW, *map(str, WINDOWS)), vol.Coerce(int)
    ),
    vol.Required(CONF_INCLUDE_CARBON): BooleanSelector(),
    vol.Optional(CONF_HISTORY, default=False): BooleanSelector(),
}
SHOW_CARDS = {vol.Optional(CONF_CARDS, default=False): BooleanSelector()}


class FlatPeakOptionsFlow(HistorySteps):
    """Change a location's options; the entry's update listener reloads it.

    The past is offered by steps of its own: right after the set-up, or on request.
    """

    _wants_history = False

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the length of windows, and whether carbon is wanted."""
        options = self.config_entry.options
        if self.takes_offer() and user_input is None:
            return await self.async_step_welcome()
        if user_input is not None:
            self.changes = dict(user_input)
            self._wants_history = self.changes.pop(CONF_HISTORY, False)
            wants_cards = self.changes.pop(CONF_CARDS, False)
            return await (self.async_step_cards() if wants_cards else self._go_on())
        present = {
            CONF_WINDOW: str(options.get(CONF_WINDOW, WINDOW_DEFAULT)),
            CONF_INCLUDE_CARBON: options.get(CONF_INCLUDE_CARBON, True),
        }
        schema = vol.Schema(OPTIONS | (SHOW_CARDS if await self._cards() else {}))
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(
                schema,  # type: ignore[arg-type]  # probatio as voluptuous
                present,
            ),
        )

    async def async_step_cards(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show cards to be copied; what is done to them here changes nothing."""
        cards = await self._cards()
        if user_input is not None or not cards:
            return await self._go_on()
        schema = vol.Schema({vol.Optional(field): ObjectSelector() for field in cards})
        currency = self.config_entry.runtime_data.ledger.journal.facts.currency
        return self.async_show_form(
            step_id="cards",
            data_schema=self.add_suggested_values_to_schema(
                schema,  # type: ignore[arg-type]
                cards,
            ),
            description_placeholders={
                "currency": str(currency),
                "url": documentation_url(self.hass, CARDS_PAGE),
            },
        )

    async def _cards(self) -> Mapping[str, JsonObjectType]:
        """Return the cards that can be shown, by their field."""
        if self.config_entry.state is not ConfigEntryState.LOADED:
            return {}
        return await async_cost_cards(self.hass, self.config_entry.runtime_data)

    async def _go_on(self) -> ConfigFlowResult:
        """Go on with the past, or end."""
        return await self.async_step_history() if self._wants_history else self.end()
