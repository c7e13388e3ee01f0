"""The offer to fetch the past: after the set-up, and later in the options."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from homeassistant.config_entries import (
    ConfigEntryState,
    ConfigFlowResult,
    FlowType,
    OptionsFlow,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import AbortFlow
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.selector import (
    DateSelector,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
)
from homeassistant.util import dt as dt_util
import voluptuous as vol

from .backfill import Preview
from .coordinator import FlatPeakConfigEntry, FlatPeakCoordinator, Offer
from .history import default_start, earliest_start
from .metering import day_start, local_date

SOURCE_HISTORY = "history"
CONF_START, CONF_METERS = "start", "meters"
AT_ONCE = timedelta(seconds=5)


class HistorySteps(OptionsFlow):
    """Steps of an options flow: a preview, another choice, and the beginning."""

    config_entry: FlatPeakConfigEntry

    _start: date
    _meters: Sequence[str]

    def __init__(self) -> None:
        """Change nothing yet."""
        self.changes: dict[str, Any] = {}  # of the options, to be stored at the end
        self.offer: Offer | None = None

    async def async_step_welcome(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Say what the set-up has to say: its own last page is never seen then."""
        if self.offer is None or user_input is not None:
            return await self.async_step_history()
        return self.async_show_form(
            step_id="welcome",
            data_schema=vol.Schema({}),  # type: ignore[arg-type]
            description_placeholders={
                "name": self.config_entry.title,
                "doubts": self.offer.doubts,
            },
            last_step=False,
        )

    async def async_step_history(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002 - a menu has none
    ) -> ConfigFlowResult:
        """Offer the past, with what it would send."""
        coordinator = self._loaded()
        if coordinator.backfill.is_running:
            return await self.async_step_history_running()
        if not hasattr(self, "_start"):
            self._start = _default_day(coordinator)
            self._meters = list(coordinator.meters)
        previews = await coordinator.backfill.async_preview(
            self._meters, day_start(self._start, coordinator.ledger.zone)
        )
        records = sum(each.records for each in previews)
        return self.async_show_menu(
            step_id="history",
            menu_options=[
                *(["history_fetch"] if records else []),
                "history_choose",
                "history_skip",
            ],
            description_placeholders={
                "start": self._start.isoformat(),
                "records": str(records),
                "requests": str(sum(each.requests for each in previews)),
                "table": _rows(coordinator, previews),
            },
        )

    async def async_step_history_choose(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask from when, and of which meters."""
        coordinator = self._loaded()
        errors = {}
        if user_input is not None:
            start = date.fromisoformat(user_input[CONF_START])
            now, zone = dt_util.utcnow(), coordinator.ledger.zone
            if start >= local_date(now, zone):
                errors[CONF_START] = "not_past"
            elif day_start(start, zone) < earliest_start(now, zone):
                errors[CONF_START] = "too_long_ago"
            else:
                self._start = start
                self._meters = user_input[CONF_METERS]
                return await self.async_step_history()
        titles = [
            SelectOptionDict(value=key, label=meter.title)
            for key, meter in coordinator.meters.items()
        ]
        schema = vol.Schema(
            {
                vol.Required(CONF_START): DateSelector(),
                vol.Required(CONF_METERS): SelectSelector(
                    SelectSelectorConfig(options=titles, multiple=True)
                ),
            }
        )
        return self.async_show_form(
            step_id="history_choose",
            data_schema=self.add_suggested_values_to_schema(
                schema,  # type: ignore[arg-type]
                user_input
                or {
                    CONF_START: self._start.isoformat(),
                    CONF_METERS: list(self._meters),
                },
            ),
            errors=errors,
        )

    async def async_step_history_fetch(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002 - a menu has none
    ) -> ConfigFlowResult:
        """Begin, in the background."""
        coordinator = self._loaded()
        start = day_start(self._start, coordinator.ledger.zone)
        try:
            has_begun = await coordinator.async_fetch_past(self._meters, start)
        except HomeAssistantError:
            return self.stop("books_not_written")
        if has_begun:
            return self.stop("history_begun")
        return await self.async_step_history_running()

    async def async_step_history_running(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002 - a menu has none
    ) -> ConfigFlowResult:
        """Say how far it is, and offer to stop it."""
        coordinator = self._loaded()
        backfill = coordinator.backfill
        if not backfill.is_running:
            return await self.async_step_history()
        if backfill.is_stopped:
            return self.stop("history_stopping")
        meters = [coordinator.meters[key].title for key in backfill.at_work]
        return self.async_show_menu(
            step_id="history_running",
            menu_options=["history_skip", "history_stop"],
            description_placeholders={
                "percent": str(backfill.percent),
                "meters": ", ".join(meters),
            },
        )

    async def async_step_history_stop(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002 - a menu has none
    ) -> ConfigFlowResult:
        """Let nothing more be sent."""
        coordinator = self._loaded()
        try:
            await coordinator.async_stop_past()
        except HomeAssistantError:
            return self.stop("stop_not_written")
        return self.stop(
            "history_stopping" if coordinator.backfill.is_running else "history_stopped"
        )

    async def async_step_history_skip(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002 - a menu has none
    ) -> ConfigFlowResult:
        """Leave the past alone."""
        return self.end()

    def takes_offer(self) -> bool:
        """Take the offer of the past, and return whether this flow was opened for it.

        The frontend opens a new one, at once, instead of the one that it was told of.
        """
        told = self.context.get("source") == SOURCE_HISTORY
        if self.config_entry.state is not ConfigEntryState.LOADED:
            return told
        coordinator = self.config_entry.runtime_data
        self.offer = coordinator.offer
        if told:
            return True
        coordinator.offer = None
        return self.offer is not None and dt_util.utcnow() - self.offer.at < AT_ONCE

    def _loaded(self) -> FlatPeakCoordinator:
        """Return the home's coordinator. Ends the flow where the home is not loaded.

        What was changed before is stored all the same.
        """
        if self.config_entry.state is not ConfigEntryState.LOADED:
            self._keep()
            raise AbortFlow("entry_not_loaded")
        return self.config_entry.runtime_data

    def stop(self, reason: str) -> ConfigFlowResult:
        """End in words of our own, which the end of an options flow cannot have.

        What was changed before is stored all the same.
        """
        self._keep()
        return self.async_abort(reason=reason)

    def end(self) -> ConfigFlowResult:
        """Store what was changed, and keep the rest."""
        return self.async_create_entry(data=self._changed())

    def _keep(self) -> None:
        """Store what was changed."""
        self.hass.config_entries.async_update_entry(
            self.config_entry, options=self._changed()
        )

    def _changed(self) -> dict[str, Any]:
        """Return all options, with what was changed."""
        return {**self.config_entry.options, **self.changes}


async def async_offer_history(
    hass: HomeAssistant, entry: FlatPeakConfigEntry, result: ConfigFlowResult
) -> ConfigFlowResult:
    """Let the flow that has created an entry go on with the offer of its past.

    There is none without meters, or where they have none.
    """
    coordinator = getattr(entry, "runtime_data", None)
    if not isinstance(coordinator, FlatPeakCoordinator):
        return result  # it could not be set up yet
    previews = await coordinator.backfill.async_preview(coordinator.meters)
    if not any(each.records for each in previews):
        return result
    said = result["description_placeholders"] or {}
    coordinator.offer = Offer(at=dt_util.utcnow(), doubts=said["doubts"])
    flow = await hass.config_entries.options.async_init(
        entry.entry_id, context={"source": SOURCE_HISTORY}
    )
    result["next_flow"] = (FlowType.OPTIONS_FLOW, flow["flow_id"])
    return result


def _default_day(coordinator: FlatPeakCoordinator) -> date:
    """Return the first of last month."""
    zone = coordinator.ledger.zone
    return local_date(default_start(dt_util.utcnow(), zone), zone)


def _rows(coordinator: FlatPeakCoordinator, previews: Sequence[Preview]) -> str:
    """Return previews as rows of a table in Markdown."""
    zone = coordinator.ledger.zone
    rows = [
        f"| {coordinator.meters[each.meter].title} | {each.records}"
        f" | {local_date(each.start, zone) if each.start else '-'} |"
        for each in previews
    ]
    return "\n".join(rows)
