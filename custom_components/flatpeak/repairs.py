"""Repairs: what only the user can decide."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import AbortFlow
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
from .meter_check import (
    Candidate,
    Doubt,
    async_describe,
    async_doubt_names,
    async_find_doubts,
)
from .metering import Answer, Reporting, SourceKind
from .meters import Meter
from .selectors import choose
from .source_watch import present_source
from .sources import (
    SourceInfo,
    async_list_sources,
    async_registry_id,
    async_runs_backwards,
)

ANSWERS = {
    Issue.QUARANTINE: ["accept", "discard", "replaced"],
    Issue.REFUSED: ["send_again", "leave_out"],
    Issue.LOST: ["send_again", "leave_out"],
    Issue.UNCONFIRMED: ["send_again", "leave_out"],
    Issue.OTHER_WRITER: ["go_on"],
}
REPORTING = {vol.Required(CONF_REPORTING): choose(CONF_REPORTING, *Reporting)}


class FlatPeakRepairFlow(RepairsFlow):
    """What the flows of an entry's issues share."""

    def __init__(self, entry_id: str, issue: Issue, meter: str) -> None:
        """Know what it is about; `meter` is a meter's key."""
        self._entry_id = entry_id
        self._issue = issue
        self._meter = meter

    def _loaded(self) -> FlatPeakConfigEntry:
        """Return the entry; the flow ends when it cannot take an answer."""
        entry: FlatPeakConfigEntry | None = self.hass.config_entries.async_get_entry(
            self._entry_id
        )
        if entry is None or entry.state is not ConfigEntryState.LOADED:
            raise AbortFlow("entry_not_loaded")
        return entry

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
        entry, meter = self._loaded(), self._meter
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
    """Ask which sensor a meter is read from now; check it as *Change meter* does."""

    _sources: dict[str, SourceInfo]
    _changes: dict[str, str]

    async def async_step_init(
        self, _user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Begin with the form; what comes here is the issue's id."""
        return await self.async_step_source()

    async def async_step_source(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Offer the sensors that no meter of the home has."""
        entry, meter = self._present()
        meters = entry.runtime_data.meters.values()
        taken = {present_source(self.hass, one) for one in meters}
        sells = meter.direction == DIRECTION_EXPORT
        errors: dict[str, str] = {}
        if user_input is None:
            self._sources = await async_list_sources(self.hass)
        else:
            self._changes = user_input
            if await async_runs_backwards(self.hass, user_input[CONF_SOURCE]):
                errors[CONF_SOURCE] = "net_meter"
            elif doubts := await self._async_doubts(entry, meter):
                return await self._async_ask(entry, doubts)
            else:
                return self._async_replace()
        options = [
            SelectOptionDict(value=id_, label=info.name)
            for id_, info in self._sources.items()
            if id_ not in taken and not (sells and info.kind is SourceKind.POWER)
        ]
        selector = SelectSelector(
            SelectSelectorConfig(options=options, mode=SelectSelectorMode.DROPDOWN)
        )
        return self._show(
            "source",
            {vol.Required(CONF_SOURCE): selector, **REPORTING},
            user_input or {CONF_REPORTING: meter.reporting},
            errors,
        )

    async def async_step_details(self, user_input: dict[str, str]) -> RepairsFlowResult:
        """Take the sensor after all."""
        self._changes = {**self._changes, **user_input}
        return self._async_replace()

    def _present(self) -> tuple[FlatPeakConfigEntry, Meter]:
        """Return entry and meter; the flow ends when one is gone."""
        entry = self._loaded()
        if (meter := entry.runtime_data.meters.get(self._meter)) is None:
            raise AbortFlow("meter_removed")
        return entry, meter

    async def _async_doubts(
        self, entry: FlatPeakConfigEntry, meter: Meter
    ) -> list[Doubt]:
        """Return what may be wrong with what was chosen."""
        one = Candidate(
            source=self._changes[CONF_SOURCE],
            direction=meter.direction,
            kind=meter.kind,
        )
        found = await async_find_doubts(self.hass, [one], self._sources, entry)
        doubts = found[one.source]
        if self._changes[CONF_REPORTING] == Reporting.HOURLY:
            doubts = [doubt for doubt in doubts if doubt is not Doubt.LOOKS_HOURLY]
        return doubts

    async def _async_ask(
        self, entry: FlatPeakConfigEntry, doubts: Collection[Doubt]
    ) -> RepairsFlowResult:
        """Say what may be wrong, and ask how the meter reports."""
        source = self._changes[CONF_SOURCE]
        names = async_doubt_names(self.hass, source, self._sources, entry)
        said = await async_describe(self.hass, [(doubt, names) for doubt in doubts])
        reporting = (
            Reporting.HOURLY
            if Doubt.LOOKS_HOURLY in doubts
            else self._changes[CONF_REPORTING]
        )
        return self._show(
            "details", REPORTING, {CONF_REPORTING: reporting}, doubts=said
        )

    def _show(
        self,
        step_id: str,
        fields: Mapping[Any, SelectSelector],
        values: Mapping[str, str],
        errors: dict[str, str] | None = None,
        **names: str,
    ) -> RepairsFlowResult:
        """Show a form, with what is there or was entered before."""
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(dict(fields)),  # type: ignore[arg-type]  # probatio as voluptuous
                values,
            ),
            errors=errors,
            description_placeholders={**(self._placeholders or {}), **names},
        )

    def _async_replace(self) -> RepairsFlowResult:
        """Read the meter from another sensor; its totals stay."""
        entry, meter = self._present()
        subentry = entry.subentries[meter.subentry_id]
        source = self._changes[CONF_SOURCE]
        data = {
            **subentry.data,
            **self._changes,
            CONF_SOURCE_REGISTRY_ID: async_registry_id(self.hass, source),
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
