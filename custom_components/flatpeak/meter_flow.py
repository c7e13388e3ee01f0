"""Add a meter to a home, or change one that is there."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntryState,
    ConfigSubentryData,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.helpers.selector import SelectSelector
from homeassistant.util import dt as dt_util
import voluptuous as vol

from .const import (
    CONF_DIRECTION,
    CONF_KIND,
    CONF_LOCATION_ID,
    CONF_MAX_POWER,
    CONF_REPORTING,
    CONF_SOURCE,
    CONF_SOURCE_REGISTRY_ID,
    DIRECTION_EXPORT,
    DIRECTION_IMPORT,
    KIND_DEVICE,
    KIND_GRID,
)
from .coordinator import FlatPeakConfigEntry
from .journal import Journal
from .meter_check import (
    Candidate,
    Doubt,
    async_describe,
    async_doubt_names,
    async_find_doubts,
    async_find_problem,
    async_meters,
    async_name,
    async_other_homes,
    async_problem_placeholders,
)
from .metering import Reporting
from .meters import MAX_POWER, Meter, new_meter
from .selectors import POWER, choose, select_source
from .source_watch import present_source
from .sources import (
    Dashboard,
    SourceInfo,
    async_energy_dashboard,
    async_list_sources,
    async_misfits,
    async_registry_id,
)

DETAILS = {
    vol.Required(CONF_REPORTING): choose(CONF_REPORTING, *Reporting),
    vol.Required(CONF_MAX_POWER): POWER,
}


class MeterFlow(ConfigSubentryFlow):
    """A meter is a subentry; the entry's update listener reloads it."""

    _candidate: Candidate
    _sources: dict[str, SourceInfo]

    def __init__(self) -> None:
        """Know nothing yet."""
        self._details: dict[str, Any] = {}
        self._placeholders: dict[str, str] = {}

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask what is measured; what only the Energy dashboard has comes first."""
        if self._get_entry().state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="entry_not_loaded")
        self._sources = await async_list_sources(self.hass)
        taken = self._taken()
        dashboard = await async_energy_dashboard(self.hass)
        elsewhere = async_other_homes(self.hass, self._get_entry())
        missing = _missing(dashboard, self._sources, taken | elsewhere.keys())
        errors: dict[str, str] = {}
        if user_input is not None:
            self._candidate = Candidate(
                source=user_input[CONF_SOURCE].strip(),
                direction=user_input[CONF_DIRECTION],
                kind=user_input[CONF_KIND],
            )
            if not (errors := await self._async_check(taken)):
                self._details = {
                    CONF_REPORTING: Reporting.CONTINUOUS,
                    CONF_MAX_POWER: MAX_POWER[self._candidate.kind],
                }
                return await self.async_step_details()
        suggested = user_input or _suggestion(missing)
        first = [one.source for one in missing]
        schema = vol.Schema(
            {
                vol.Required(CONF_SOURCE): self._select(taken, first),
                vol.Required(CONF_DIRECTION): choose(
                    CONF_DIRECTION, DIRECTION_IMPORT, DIRECTION_EXPORT
                ),
                vol.Required(CONF_KIND): choose(CONF_KIND, KIND_GRID, KIND_DEVICE),
            }
        )
        return self._show("user", schema, suggested, errors)

    async def async_step_details(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Say what may be wrong, and ask how the meter reports and what it carries."""
        if user_input is not None:
            self._details = user_input
            return self._finish()
        doubts = await self._async_doubts()
        await self._async_say(doubts)
        if Doubt.LOOKS_HOURLY in doubts:
            self._details = {**self._details, CONF_REPORTING: Reporting.HOURLY}
        return self._show("details", vol.Schema(DETAILS), self._details, {})

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for another source, another way of reporting, another ceiling."""
        subentry = self._get_reconfigure_subentry()
        meter = Meter.from_subentry(subentry)
        present = present_source(self.hass, meter)
        self._placeholders["meter"] = meter.title
        self._sources = await async_list_sources(self.hass)
        taken = self._taken() - {present}
        errors: dict[str, str] = {}
        if user_input is not None:
            self._details = dict(user_input)
            self._candidate = Candidate(
                source=self._details.pop(CONF_SOURCE).strip(),
                direction=meter.direction,
                kind=meter.kind,
            )
            if self._candidate.source == present:
                return self._finish()
            if not (errors := await self._async_check(taken)):
                return (
                    await self.async_step_details()
                    if await self._async_doubts()
                    else self._finish()
                )
        suggested = user_input or {
            CONF_SOURCE: present,
            CONF_REPORTING: meter.reporting,
            CONF_MAX_POWER: meter.max_power_kw,
        }
        schema = vol.Schema(
            {vol.Required(CONF_SOURCE): self._select(taken, [present]), **DETAILS}
        )
        return self._show("reconfigure", schema, suggested, errors)

    def _finish(self) -> SubentryFlowResult:
        """Store the meter. What it has counted is kept."""
        if self.source == SOURCE_RECONFIGURE:
            subentry = self._get_reconfigure_subentry()
            source = self._candidate.source
            changes = dict(self._details)
            # A renamed source is the same one; its name of old is known to the books.
            if source != present_source(self.hass, Meter.from_subentry(subentry)):
                changes[CONF_SOURCE] = source
                changes[CONF_SOURCE_REGISTRY_ID] = async_registry_id(self.hass, source)
            return self.async_update_and_abort(
                self._get_entry(), subentry, data_updates=changes
            )
        meter = self._new_meter()
        return self.async_create_entry(
            title=meter["title"], data=meter["data"], unique_id=meter["unique_id"]
        )

    async def _async_check(self, taken: Collection[str]) -> dict[str, str]:
        """Return the error of what was chosen, if there is one."""
        one = self._candidate
        problem = await async_find_problem(self.hass, one, self._sources, taken)
        self._placeholders |= await async_problem_placeholders(
            self.hass, one.source, self._sources
        )
        return {CONF_SOURCE: problem} if problem else {}

    async def _async_doubts(self) -> list[Doubt]:
        """Return what may be wrong with what was chosen."""
        one = self._candidate
        found = await async_find_doubts(
            self.hass, [one], self._sources, self._get_entry()
        )
        doubts = found[one.source]
        if self._details[CONF_REPORTING] == Reporting.HOURLY:
            doubts = [doubt for doubt in doubts if doubt is not Doubt.LOOKS_HOURLY]
        if self.source != SOURCE_RECONFIGURE and self._known_until():
            doubts.append(Doubt.KNOWN)
        return doubts

    async def _async_say(self, doubts: Collection[Doubt]) -> None:
        """Have the form say what may be wrong."""
        until = self._known_until() if Doubt.KNOWN in doubts else None
        names = {
            **async_doubt_names(
                self.hass, self._candidate.source, self._sources, self._get_entry()
            ),
            "until": f"{dt_util.as_local(until):%Y-%m-%d %H:%M}" if until else "",
        }
        self._placeholders["doubts"] = await async_describe(
            self.hass, [(doubt, names) for doubt in doubts]
        )

    def _known_until(self) -> datetime | None:
        """Return until when the books have the new meter: it was here before."""
        state = self._journal().meters.get(str(self._new_meter()["unique_id"]))
        return state.cut_until if state else None

    def _new_meter(self) -> ConfigSubentryData:
        """Return the subentry of the new meter."""
        one = self._candidate
        return new_meter(
            self._get_entry().data[CONF_LOCATION_ID],
            one.source,
            registry_id=async_registry_id(self.hass, one.source),
            title=async_name(self.hass, one, self._sources),
            direction=one.direction,
            kind=one.kind,
            reporting=Reporting(self._details[CONF_REPORTING]),
            max_power=self._details[CONF_MAX_POWER],
            taken=self._unusable_keys(),
        )

    def _unusable_keys(self) -> set[str]:
        """Return the keys of meters that are there, or were there as something else.

        An appliance must not go on in the stream of the home itself.
        """
        entry = self._get_entry()
        present = {meter.key for meter in async_meters(entry)}
        if self._candidate.kind == KIND_GRID:
            return present
        home = entry.data[CONF_LOCATION_ID]
        known = self._journal().meters.items()
        return present | {key for key, state in known if state.stream.owner == home}

    def _journal(self) -> Journal:
        """Return what the books know; the entry is loaded."""
        entry: FlatPeakConfigEntry = self._get_entry()
        return entry.runtime_data.ledger.journal

    def _taken(self) -> set[str]:
        """Return the statistics that the home's meters are read from."""
        meters = async_meters(self._get_entry())
        return {present_source(self.hass, meter) for meter in meters}

    def _select(self, taken: Collection[str], first: Sequence[str]) -> SelectSelector:
        """Return a list of what can be a meter, some of it first, then the rest."""
        free = {id_: i.name for id_, i in self._sources.items() if id_ not in taken}
        ahead = {id_: free[id_] for id_ in first if id_ in free}
        return select_source(
            ahead | free | async_misfits(self.hass, {*self._sources, *taken})
        )

    def _show(
        self,
        step_id: str,
        schema: vol.Schema,
        values: Mapping[str, Any],
        errors: dict[str, str],
    ) -> SubentryFlowResult:
        """Show a form, with what was entered before."""
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(
                schema,  # type: ignore[arg-type]  # probatio as voluptuous
                values,
            ),
            errors=errors,
            description_placeholders=self._placeholders,
        )


def _missing(
    dashboard: Dashboard, sources: Collection[str], taken: Collection[str]
) -> list[Candidate]:
    """Return the meters that the Energy dashboard has, and no home of ours has."""
    lists = (
        (dashboard.imports, DIRECTION_IMPORT, KIND_GRID),
        (dashboard.exports, DIRECTION_EXPORT, KIND_GRID),
        (dashboard.devices, DIRECTION_IMPORT, KIND_DEVICE),
    )
    return [
        Candidate(source=source, direction=direction, kind=kind)
        for found, direction, kind in lists
        for source in found
        if source in sources and source not in taken
    ]


def _suggestion(missing: Sequence[Candidate]) -> dict[str, str]:
    """Return what the first form begins with."""
    if not missing:
        return {CONF_DIRECTION: DIRECTION_IMPORT, CONF_KIND: KIND_DEVICE}
    one = missing[0]
    return {
        CONF_SOURCE: one.source,
        CONF_DIRECTION: one.direction,
        CONF_KIND: one.kind,
    }
