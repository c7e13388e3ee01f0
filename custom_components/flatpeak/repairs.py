"""Repairs: what only the user can decide."""

from functools import partial
from typing import Any

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import voluptuous as vol

from .const import (
    CONF_REPORTING,
    CONF_SOURCE,
    CONF_SOURCE_REGISTRY_ID,
    DIRECTION_EXPORT,
    DOMAIN,
)
from .coordinator import FlatPeakConfigEntry
from .decisions import Decision, gone_on, left_out, released, sent_again
from .issues import STUCK, Issue
from .metering import Answer, Reporting, SourceKind
from .source_watch import present_source
from .sources import async_list_sources, async_registry_id, async_runs_backwards

ANSWERS = {
    Issue.QUARANTINE: ["accept", "discard", "replaced"],
    Issue.REFUSED: ["send_again", "leave_out"],
    Issue.LOST: ["send_again", "leave_out"],
    Issue.UNCONFIRMED: ["send_again", "leave_out"],
    Issue.OTHER_WRITER: ["go_on"],
}


class FlatPeakRepairFlow(RepairsFlow):
    """What the flows of an entry's issues share."""

    def __init__(self, entry_id: str, issue: Issue, meter: str) -> None:
        """Know what it is about; `meter` is a meter's key."""
        self._entry_id = entry_id
        self._issue = issue
        self._meter = meter

    @property
    def _entry(self) -> FlatPeakConfigEntry | None:
        """Return the entry, if it can take an answer."""
        entry: FlatPeakConfigEntry | None = self.hass.config_entries.async_get_entry(
            self._entry_id
        )
        loaded = entry is not None and entry.state is ConfigEntryState.LOADED
        return entry if loaded else None

    @property
    def _placeholders(self) -> dict[str, str] | None:
        """Return what the issue's text needs."""
        issue = ir.async_get(self.hass).async_get_issue(DOMAIN, self.issue_id)
        return issue.translation_placeholders if issue else None


class DecisionFlow(FlatPeakRepairFlow):
    """Ask for one of several answers."""

    async def async_step_init(
        self, _user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Offer the answers."""
        return self.async_show_menu(
            step_id="init",
            menu_options=ANSWERS[self._issue],
            description_placeholders=self._placeholders,
        )

    async def async_step_accept(self, _: Any = None) -> RepairsFlowResult:
        """Count the energy in quarantine."""
        return await self._async_answer("accept")

    async def async_step_discard(self, _: Any = None) -> RepairsFlowResult:
        """Give the energy up: the reading was wrong."""
        return await self._async_answer("discard")

    async def async_step_replaced(self, _: Any = None) -> RepairsFlowResult:
        """Give the energy up: the register is another one's."""
        return await self._async_answer("replaced")

    async def async_step_send_again(self, _: Any = None) -> RepairsFlowResult:
        """Try once more with the records."""
        return await self._async_answer("send_again")

    async def async_step_leave_out(self, _: Any = None) -> RepairsFlowResult:
        """Go on without them at FlatPeak."""
        return await self._async_answer("leave_out")

    async def async_step_go_on(self, _: Any = None) -> RepairsFlowResult:
        """Send again: nobody else does."""
        return await self._async_answer("go_on")

    async def _async_answer(self, answer: str) -> RepairsFlowResult:
        """Carry the answer out; an entry that is not loaded cannot."""
        if (entry := self._entry) is None:
            return self.async_abort(reason="entry_not_loaded")
        meter = self._meter
        decision: Decision
        match answer:
            case "send_again":
                decision = partial(sent_again, meter=meter, status=STUCK[self._issue])
            case "leave_out":
                decision = partial(left_out, meter=meter, status=STUCK[self._issue])
            case "go_on":
                decision = gone_on
            case _:
                decision = partial(released, meter=meter, answer=Answer(answer))
        try:
            await entry.runtime_data.async_decide(decision)
        except HomeAssistantError:
            return self.async_abort(reason="books_not_written")
        return self.async_create_entry(data={})


class SourceFlow(FlatPeakRepairFlow):
    """Ask which sensor a meter is read from now."""

    async def async_step_init(
        self, _user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Begin with the form; what comes here is the issue's id."""
        return await self.async_step_source()

    async def async_step_source(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Offer the sensors that no meter of the home has."""
        if (entry := self._entry) is None:
            return self.async_abort(reason="entry_not_loaded")
        meters = entry.runtime_data.meters
        if self._meter not in meters:
            return self.async_abort(reason="meter_removed")
        taken = {present_source(self.hass, meter) for meter in meters.values()}
        sells = meters[self._meter].direction == DIRECTION_EXPORT
        free = {
            id_: info
            for id_, info in (await async_list_sources(self.hass)).items()
            if id_ not in taken and not (sells and info.kind is SourceKind.POWER)
        }
        errors: dict[str, str] = {}
        if user_input is not None:
            source = user_input[CONF_SOURCE]
            if await async_runs_backwards(self.hass, source):
                errors[CONF_SOURCE] = "net_meter"
            else:
                return self._async_replace(entry, source)
        options = [
            SelectOptionDict(value=id_, label=info.name) for id_, info in free.items()
        ]
        selector = SelectSelector(
            SelectSelectorConfig(options=options, mode=SelectSelectorMode.DROPDOWN)
        )
        schema = vol.Schema({vol.Required(CONF_SOURCE): selector})
        return self.async_show_form(
            step_id="source",
            data_schema=self.add_suggested_values_to_schema(
                schema,  # type: ignore[arg-type]  # HA serves probatio as voluptuous
                user_input,
            ),
            errors=errors,
            description_placeholders=self._placeholders,
        )

    def _async_replace(
        self, entry: FlatPeakConfigEntry, source: str
    ) -> RepairsFlowResult:
        """Read the meter from another sensor; its totals stay.

        Nothing says that the new sensor reports as late as the old one did.
        """
        meter = entry.runtime_data.meters[self._meter]
        subentry = entry.subentries[meter.subentry_id]
        data = {
            **subentry.data,
            CONF_SOURCE: source,
            CONF_SOURCE_REGISTRY_ID: async_registry_id(self.hass, source),
            CONF_REPORTING: Reporting.CONTINUOUS.value,
        }
        # The entry's update listener reloads it.
        self.hass.config_entries.async_update_subentry(entry, subentry, data=data)
        return self.async_create_entry(data={})


async def async_create_fix_flow(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    issue_id: str,  # noqa: ARG001
    data: dict[str, str | int | float | None] | None,
) -> RepairsFlow:
    """Return the flow of an issue."""
    if not data:
        raise ValueError("Issues of this integration name their entry and meter")
    issue = Issue(str(data["issue"]))
    flow = DecisionFlow if issue in ANSWERS else SourceFlow
    return flow(str(data["entry_id"]), issue, str(data["meter"]))
