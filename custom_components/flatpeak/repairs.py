"""Repairs: what only the user can decide."""

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN
from .coordinator import FlatPeakConfigEntry


class QuarantineFlow(RepairsFlow):
    """Ask what became of energy that the meter cannot have carried."""

    def __init__(self, entry_id: str, meter: str) -> None:
        """Know whose energy it is."""
        self._entry_id = entry_id
        self._meter = meter

    async def async_step_init(
        self, _user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Offer the three answers."""
        issue = ir.async_get(self.hass).async_get_issue(DOMAIN, self.issue_id)
        return self.async_show_menu(
            step_id="init",
            menu_options=["accept", "discard", "replaced"],
            description_placeholders=issue.translation_placeholders if issue else None,
        )

    async def async_step_accept(
        self, _user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Count the energy."""
        return await self._async_release(accept=True)

    async def async_step_discard(
        self, _user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Give the energy up: the reading was wrong."""
        return await self._async_release(accept=False)

    async def async_step_replaced(
        self, _user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Give the energy up: the register is another one's."""
        return await self._async_release(accept=False)

    async def _async_release(self, *, accept: bool) -> RepairsFlowResult:
        """Carry the answer out; an entry that is not loaded cannot."""
        entry: FlatPeakConfigEntry | None = self.hass.config_entries.async_get_entry(
            self._entry_id
        )
        if entry is None or entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="entry_not_loaded")
        await entry.runtime_data.async_release(self._meter, accept=accept)
        return self.async_create_entry(data={})


async def async_create_fix_flow(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    issue_id: str,  # noqa: ARG001
    data: dict[str, str | int | float | None] | None,
) -> RepairsFlow:
    """Return the flow of an issue."""
    if not data:
        raise ValueError("Issues of this integration name their entry and meter")
    return QuarantineFlow(str(data["entry_id"]), str(data["meter"]))
