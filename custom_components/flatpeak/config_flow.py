"""Set up a home: the account, the location, its meters."""

from collections.abc import Awaitable, Container, Iterable, Mapping, Sequence
import logging
from math import ceil
from typing import Any, override

from homeassistant.config_entries import (
    ConfigEntry,
    ConfigFlow,
    ConfigFlowResult,
    ConfigSubentryData,
    ConfigSubentryFlow,
    OptionsFlow,
)
from homeassistant.const import CONF_API_KEY
from homeassistant.core import callback
from homeassistant.data_entry_flow import section
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.selector import (
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
import voluptuous as vol
from yarl import URL

from .api import (
    DEFAULT_BASE_URL,
    FlatPeakClient,
    FlatPeakError,
    FlatPeakNotFoundError,
    FlatPeakRefusedError,
    Location,
    LocationStatus,
    TariffStructure,
    normalize_base_url,
)
from .const import (
    CONF_ACCOUNT_ID,
    CONF_ADVANCED,
    CONF_BASE_URL,
    CONF_DEVICE_METERS,
    CONF_EXPORT_METERS,
    CONF_IMPORT_METERS,
    CONF_INCLUDE_CARBON,
    CONF_LOCATION_ID,
    CONF_WINDOW,
    DIRECTION_EXPORT,
    DIRECTION_IMPORT,
    DOMAIN,
    KIND_DEVICE,
    KIND_GRID,
    SUBENTRY_METER,
    WINDOW_DEFAULT,
    WINDOW_DYNAMIC,
)
from .errors import ERROR_KEYS
from .history_flow import async_offer_history
from .meter_check import (
    Candidate,
    Doubt,
    async_describe,
    async_doubt_names,
    async_find_doubts,
    async_find_problem,
    async_name,
    async_other_homes,
    async_problem_placeholders,
)
from .meter_flow import MeterFlow
from .metering import Reporting, SourceKind
from .meters import new_meter
from .options_flow import FlatPeakOptionsFlow
from .selectors import PASSWORD, select, select_sources
from .sources import (
    Dashboard,
    SourceInfo,
    async_energy_dashboard,
    async_list_sources,
    async_registry_id,
)

_LOGGER = logging.getLogger(__name__)

# Before a location is chosen, the same answers mean something else.
ACCOUNT_ERRORS = ERROR_KEYS | {
    FlatPeakNotFoundError: "invalid_answer",
    FlatPeakRefusedError: "account_refused",
}
# An entry's home is the one thing about it that does not change.
ENTRY_ERRORS = ERROR_KEYS | {
    FlatPeakNotFoundError: "other_account",
    FlatPeakRefusedError: "other_account",
}
DYNAMIC_STRUCTURES = (TariffStructure.DYNAMIC, TariffStructure.MARKET)
CHECKS_PER_DAY = 6  # reports and prices, on top of one request per window
LOCATIONS_SHOWN = 10  # the list itself has all of them
SEVERAL_MINUTES = 15  # to wait where FlatPeak does not say how long

# field: direction and kind of its meters
METER_LISTS = {
    CONF_IMPORT_METERS: (DIRECTION_IMPORT, KIND_GRID),
    CONF_EXPORT_METERS: (DIRECTION_EXPORT, KIND_GRID),
    CONF_DEVICE_METERS: (DIRECTION_IMPORT, KIND_DEVICE),
}

# Home Assistant serves probatio as voluptuous, and mypy cannot know: hence ignores.
ACCOUNT_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_ACCOUNT_ID): TextSelector(),
        vol.Required(CONF_API_KEY): PASSWORD,
        vol.Optional(CONF_ADVANCED): section(
            vol.Schema(  # type: ignore[arg-type]
                {
                    vol.Optional(CONF_BASE_URL, default=DEFAULT_BASE_URL): TextSelector(
                        TextSelectorConfig(type=TextSelectorType.URL)
                    )
                }
            ),
            {"collapsed": True},
        ),
    }
)
REAUTH_SCHEMA = vol.Schema({vol.Required(CONF_API_KEY): PASSWORD})


class FlatPeakConfigFlow(ConfigFlow, domain=DOMAIN):
    """Create one entry per location, with one subentry per meter."""

    VERSION = 1

    _client: FlatPeakClient
    _location: Location
    _sources: dict[str, SourceInfo]
    _meters: list[Candidate]
    _doubts: dict[str, list[Doubt]]

    def __init__(self) -> None:
        """Know nothing yet."""
        self._data: dict[str, Any] = {}
        self._locations: tuple[Location, ...] = ()
        self._window = WINDOW_DEFAULT
        self._chosen: dict[str, Any] | None = None
        self._placeholders = {"docs_url": "https://docs.flatpeak.com"}

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls,
        config_entry: ConfigEntry,
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """Return how meters are added and changed later."""
        return {SUBENTRY_METER: MeterFlow}

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> OptionsFlow:
        """Return how the options are changed."""
        return FlatPeakOptionsFlow()

    @override
    async def async_on_create_entry(self, result: ConfigFlowResult) -> ConfigFlowResult:
        """Offer the past of the meters."""
        return await async_offer_history(self.hass, result["result"], result)

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the account and try it."""
        errors: dict[str, str] = {}
        if user_input is not None and await self._async_connect(user_input, errors):
            if len(self._locations) != 1:
                return await self.async_step_location()
            only = self._locations[0]
            return await self.async_step_location({CONF_LOCATION_ID: only.id})
        return self._show("user", ACCOUNT_SCHEMA, user_input, errors)

    async def async_step_location(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which home it is, and read it."""
        errors: dict[str, str] = {}
        if user_input is not None:
            location_id = user_input[CONF_LOCATION_ID].strip()
            location = await self._async_ask(
                self._client.async_get_location(location_id), errors
            )
            if location is not None:
                return await self._async_take(location)
        known = self._async_current_ids()
        labels = {one.id: _label(one) for one in self._locations if one.id not in known}
        if not labels:
            schema = vol.Schema({vol.Required(CONF_LOCATION_ID): TextSelector()})
            return self._show("no_location", schema, user_input, errors)
        # A list that also takes typed ids shows the id of what is chosen.
        lines = [f"- {label}: {id_}" for id_, label in labels.items()]
        if more := lines[LOCATIONS_SHOWN:]:
            lines[LOCATIONS_SHOWN:] = [f"- … (+{len(more)})"]
        self._placeholders["locations"] = "\n".join(lines)
        schema = vol.Schema({vol.Required(CONF_LOCATION_ID): select(labels)})
        return self._show("location", schema, user_input, errors)

    async def async_step_no_location(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Take the id of a location that the account does not list."""
        return await self.async_step_location(user_input)

    async def async_step_meters(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which statistics are the home's meters; there may be none."""
        self._sources = await async_list_sources(self.hass)
        dashboard = await async_energy_dashboard(self.hass)
        offers = _offers(self._sources, dashboard)
        errors: dict[str, str] = {}
        if user_input is not None:
            self._chosen = user_input
            errors = await self._async_choose(user_input)
            if not errors:
                return await self.async_step_doubts()
        schema = vol.Schema(
            {
                vol.Optional(field): select_sources(infos)
                for field, infos in offers.items()
            }
        )
        lists = {
            CONF_IMPORT_METERS: dashboard.imports,
            CONF_EXPORT_METERS: dashboard.exports,
        }
        elsewhere = async_other_homes(self.hass)
        suggested = {
            field: _offered(wanted, offers[field], elsewhere)
            for field, wanted in lists.items()
        }
        values = suggested if self._chosen is None else self._chosen
        return self._show("meters", schema, values, errors)

    async def async_step_doubts(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002 - a menu has none
    ) -> ConfigFlowResult:
        """Say what may be wrong with the meters, while others can still be chosen."""
        doubts = [
            (
                _settled(doubt, meter),
                async_doubt_names(self.hass, meter.source, self._sources),
            )
            for meter in self._meters
            for doubt in self._doubts[meter.source]
        ]
        if not doubts:
            return await self.async_step_accept()
        return self.async_show_menu(
            step_id="doubts",
            menu_options=["accept", "meters"],
            description_placeholders={
                "doubts": await async_describe(self.hass, doubts)
            },
        )

    async def async_step_accept(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002 - a menu has none
    ) -> ConfigFlowResult:
        """Create the entry and its meters."""
        location = self._location
        is_test = location.live_mode is False
        notes = [(Doubt.TEST_MODE, dict[str, str]())] if is_test else []
        return self.async_create_entry(
            title=location.name or "FlatPeak",
            description=None if self._meters else "no_meters",
            description_placeholders={"doubts": await async_describe(self.hass, notes)},
            data={**self._data, CONF_LOCATION_ID: location.id},
            options={CONF_WINDOW: self._window, CONF_INCLUDE_CARBON: True},
            subentries=[self._meter(meter) for meter in self._meters],
        )

    async def async_step_reauth(
        self,
        entry_data: Mapping[str, Any],  # noqa: ARG002
    ) -> ConfigFlowResult:
        """Handle an API key that FlatPeak no longer accepts."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for a new key of the same account and try it."""
        entry = self._get_reauth_entry()
        self._placeholders["account_id"] = entry.data[CONF_ACCOUNT_ID]
        errors: dict[str, str] = {}
        if user_input is not None:
            update = {CONF_API_KEY: user_input[CONF_API_KEY].strip()}
            if await self._async_opens(entry, update, errors):
                others = self._with_key_of(entry)
                return self._update_and_reload([entry, *others], update)
        return self._show("reauth_confirm", REAUTH_SCHEMA, user_input, errors)

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for another account, key or address that opens the same home."""
        entry = self._get_reconfigure_entry()
        self._placeholders["name"] = entry.title
        errors: dict[str, str] = {}
        if user_input is None:
            user_input = {
                CONF_ACCOUNT_ID: entry.data[CONF_ACCOUNT_ID],
                CONF_ADVANCED: {CONF_BASE_URL: entry.data[CONF_BASE_URL]},
            }
        elif (update := _typed(user_input, errors)) and await self._async_opens(
            entry, update, errors
        ):
            return self._update_and_reload([entry], update)
        return self._show("reconfigure", ACCOUNT_SCHEMA, user_input, errors)

    async def _async_connect(
        self, user_input: dict[str, Any], errors: dict[str, str]
    ) -> bool:
        """List the locations with what was typed; on failure fill `errors`."""
        if not (typed := _typed(user_input, errors)):
            return False
        self._data = typed
        self._client = self._new_client(typed)
        locations = await self._async_ask(
            self._client.async_list_locations(), errors, ACCOUNT_ERRORS
        )
        self._locations = locations or ()
        return not errors

    async def _async_opens(
        self, entry: ConfigEntry, update: Mapping[str, Any], errors: dict[str, str]
    ) -> bool:
        """Try new credentials on the entry's own home; on failure fill `errors`."""
        client = self._new_client({**entry.data, **update})
        location = client.async_get_location(entry.data[CONF_LOCATION_ID])
        return await self._async_ask(location, errors, ENTRY_ERRORS) is not None

    async def _async_take(self, location: Location) -> ConfigFlowResult:
        """Go on with a location that could be read."""
        await self.async_set_unique_id(location.id, raise_on_progress=False)
        self._abort_if_unique_id_configured()
        self._location = location
        # A convenience: without an answer the default will do.
        status = await self._async_ask(
            self._client.async_get_location_status(location.id), {}
        )
        self._window = _window(status)
        windows = 24 * 60 // self._window
        # Addresses are for the choice alone.
        self._placeholders.pop("locations", None)
        self._placeholders |= {
            "host": URL(self._data[CONF_BASE_URL]).authority,
            "window": str(self._window),
            "requests": str(windows + CHECKS_PER_DAY),
        }
        return await self.async_step_meters()

    async def _async_choose(self, fields: Mapping[str, Any]) -> dict[str, str]:
        """Take the chosen meters, or return the first error at its field."""
        self._meters = []
        for field, (direction, kind) in METER_LISTS.items():
            for source in fields.get(field, ()):
                one = Candidate(source=source.strip(), direction=direction, kind=kind)
                taken = {meter.source for meter in self._meters}
                problem = await async_find_problem(self.hass, one, self._sources, taken)
                if problem:
                    self._placeholders |= await async_problem_placeholders(
                        self.hass, one.source, self._sources
                    )
                    return {field: problem}
                self._meters.append(one)
        self._doubts = await async_find_doubts(self.hass, self._meters, self._sources)
        return {}

    def _meter(self, meter: Candidate) -> ConfigSubentryData:
        """Return the subentry of a meter."""
        doubts = {_settled(doubt, meter) for doubt in self._doubts[meter.source]}
        is_hourly = Doubt.TAKEN_AS_HOURLY in doubts
        return new_meter(
            self._location.id,
            meter.source,
            registry_id=async_registry_id(self.hass, meter.source),
            title=async_name(self.hass, meter, self._sources),
            direction=meter.direction,
            kind=meter.kind,
            reporting=Reporting.HOURLY if is_hourly else Reporting.CONTINUOUS,
        )

    def _with_key_of(self, entry: ConfigEntry) -> list[ConfigEntry]:
        """Return the other homes that reach FlatPeak with the key of an entry."""
        same = (CONF_BASE_URL, CONF_ACCOUNT_ID, CONF_API_KEY)
        return [
            other
            for other in self._async_current_entries(include_ignore=False)
            if other is not entry
            and all(other.data[key] == entry.data[key] for key in same)
        ]

    def _update_and_reload(
        self, entries: Sequence[ConfigEntry], update: dict[str, Any]
    ) -> ConfigFlowResult:
        """Store new credentials, and see to it that the entries start again.

        A home that starts again no longer asks for a key, unless this one fails, too.
        """
        for entry in entries:
            data = {**entry.data, **update}
            # Its update listener reloads a loaded entry, but only on a change.
            is_reloaded = entry.update_listeners and data != entry.data
            self.hass.config_entries.async_update_entry(entry, data=data)
            if not is_reloaded:
                self.hass.config_entries.async_schedule_reload(entry.entry_id)
        return self.async_update_and_abort(entries[0], data_updates=update)

    async def _async_ask[T](
        self,
        answer: Awaitable[T],
        errors: dict[str, str],
        texts: Mapping[type[FlatPeakError], str] = ERROR_KEYS,
    ) -> T | None:
        """Await FlatPeak's answer; on failure put its text's key in `errors`."""
        try:
            return await answer
        except FlatPeakError as error:
            _LOGGER.debug("Set-up: %s", error)
            errors["base"] = texts[type(error)]
            minutes = ceil((error.retry_after or 0) / 60) or SEVERAL_MINUTES
            self._placeholders["minutes"] = str(minutes)
        except Exception:
            _LOGGER.exception("Unexpected error in the set-up")
            errors["base"] = "unknown"
        return None

    def _new_client(self, data: Mapping[str, Any]) -> FlatPeakClient:
        """Return a client for an entry's data."""
        return FlatPeakClient(
            async_get_clientsession(self.hass),
            data[CONF_ACCOUNT_ID],
            data[CONF_API_KEY],
            base_url=data[CONF_BASE_URL],
        )

    def _show(
        self,
        step_id: str,
        schema: vol.Schema,
        values: Mapping[str, Any] | None,
        errors: dict[str, str],
    ) -> ConfigFlowResult:
        """Show a form, with what was typed before."""
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(
                schema,  # type: ignore[arg-type]
                values,
            ),
            errors=errors,
            description_placeholders=self._placeholders,
        )


def _window(status: LocationStatus | None) -> int:
    """Return the minutes of a window that suit the import tariff."""
    tariff = status.commodity_import if status else None
    is_dynamic = tariff is not None and tariff.structure in DYNAMIC_STRUCTURES
    return WINDOW_DYNAMIC if is_dynamic else WINDOW_DEFAULT


def _label(location: Location) -> str:
    """Return what tells a home from the others of the account."""
    name = location.name or location.id
    return f"{name} ({location.address})" if location.address else name


def _typed(user_input: Mapping[str, Any], errors: dict[str, str]) -> dict[str, Any]:
    """Return what was typed of the account; nothing and an error for a bad address."""
    advanced = user_input.get(CONF_ADVANCED, {})
    try:
        base_url = normalize_base_url(advanced.get(CONF_BASE_URL, DEFAULT_BASE_URL))
    except ValueError:
        errors["base"] = "invalid_url"
        return {}
    return {
        CONF_ACCOUNT_ID: user_input[CONF_ACCOUNT_ID].strip(),
        CONF_API_KEY: user_input[CONF_API_KEY].strip(),
        CONF_BASE_URL: base_url,
    }


def _settled(doubt: Doubt, meter: Candidate) -> Doubt:
    """Return what is said where nothing is asked any more.

    A grid meter that looks hourly is one; an appliance may as well run by a timer.
    """
    is_hourly = doubt is Doubt.LOOKS_HOURLY and meter.kind == KIND_GRID
    return Doubt.TAKEN_AS_HOURLY if is_hourly else doubt


def _offers(
    sources: Mapping[str, SourceInfo], dashboard: Dashboard
) -> dict[str, list[SourceInfo]]:
    """Return what each list of meters offers."""
    infos = list(sources.values())
    return {
        CONF_IMPORT_METERS: infos,
        CONF_EXPORT_METERS: [info for info in infos if info.kind is SourceKind.ENERGY],
        # Sorting is stable: the dashboard's come first, both parts stay by name.
        CONF_DEVICE_METERS: sorted(
            infos, key=lambda info: info.statistic_id not in dashboard.devices
        ),
    }


def _offered(
    wanted: Iterable[str], infos: Iterable[SourceInfo], elsewhere: Container[str]
) -> list[str]:
    """Return the wanted statistics that can be chosen, and no other home has."""
    known = {i.statistic_id for i in infos if i.statistic_id not in elsewhere}
    return [statistic_id for statistic_id in wanted if statistic_id in known]
