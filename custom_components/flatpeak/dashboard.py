"""Whether the Energy dashboard uses what we offer, and uses it well."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from typing import Any

from homeassistant.components.energy.data import async_get_manager
from homeassistant.components.recorder.statistics import get_metadata
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.recorder import get_instance

from .const import DIRECTION_EXPORT, DIRECTION_IMPORT, DOMAIN, KIND_GRID
from .issues import Issue, async_set_issue
from .journal import Facts
from .meters import Meter
from .series import Known, cost_meta, statistic_id
from .source_watch import present_source

ENERGY_SETTINGS = "https://my.home-assistant.io/redirect/config_energy/"
GENERAL_SETTINGS = "https://my.home-assistant.io/redirect/general/"

ENERGY = {DIRECTION_IMPORT: "stat_energy_from", DIRECTION_EXPORT: "stat_energy_to"}
# Each tells the dashboard a cost; the first one is where our statistic belongs.
MONEY = {
    DIRECTION_IMPORT: ("stat_cost", "entity_energy_price", "number_energy_price"),
    DIRECTION_EXPORT: (
        "stat_compensation",
        "entity_energy_price_export",
        "number_energy_price_export",
    ),
}
COSTS = tuple(fields[0] for fields in MONEY.values())
SOLD = (ENERGY[DIRECTION_EXPORT], MONEY[DIRECTION_EXPORT][0])
DEVICE = "stat_consumption"
USES = (*ENERGY.values(), *COSTS, DEVICE)
# The only one of our sums that never begins anew.
ENDLESS = "_cost_total"

type Preferences = Mapping[str, Any]


async def async_follow_dashboard(
    hass: HomeAssistant, changed: Callable[[], Awaitable[None]]
) -> None:
    """Call `changed` whenever preferences are saved; there is no way to stop that."""
    (await async_get_manager(hass)).async_listen_updates(changed)


async def async_check_dashboard(
    hass: HomeAssistant,
    entry: ConfigEntry,
    location_id: str,
    meters: Collection[Meter],
    facts: Facts,
) -> None:
    """Raise what is wrong with the dashboard's settings, and clear what is not.

    The money of a test key means nothing, wherever it is shown.
    """
    manager = await async_get_manager(hass)
    preferences: Preferences = {**(manager.data or {})}
    currency = None if facts.live_mode is False else facts.currency
    known = await async_known(hass)
    metas = {m.key: cost_meta(location_id, m.key, currency, known) for m in meters}
    costs = {key: meta["name"] if meta else None for key, meta in metas.items()}
    async_set_issue(hass, entry, Issue.CURRENCY, _of_currency(hass, currency))
    resetting = _of_sensors(hass, entry, location_id, meters, preferences, costs)
    async_set_issue(hass, entry, Issue.DASHBOARD_SENSOR, resetting)
    for meter in meters:
        without = _of_cost(hass, location_id, meter, preferences, costs[meter.key])
        async_set_issue(hass, entry, Issue.DASHBOARD_COST, without, meter)


async def async_known(hass: HomeAssistant) -> Known:
    """Return what the recorder knows of our statistics."""
    found = await get_instance(hass).async_add_executor_job(
        lambda: get_metadata(hass, statistic_source=DOMAIN)
    )
    return {identity: meta for identity, (_, meta) in found.items()}


@callback
def _of_currency(hass: HomeAssistant, currency: str | None) -> dict[str, str] | None:
    """Return what is said of money that the dashboard labels wrongly."""
    theirs = hass.config.currency
    if currency is None or currency == theirs:
        return None
    return {"ours": currency, "theirs": theirs, "url": GENERAL_SETTINGS}


@callback
def _of_cost(
    hass: HomeAssistant,
    location_id: str,
    meter: Meter,
    preferences: Preferences,
    cost: str | None,
) -> dict[str, str] | None:
    """Return what is said of a grid source without a cost, where we have one."""
    ours = {
        present_source(hass, meter),
        statistic_id(location_id, meter.key, "energy"),
    }
    lacks = any(
        source["type"] == "grid"
        and source.get(ENERGY[meter.direction]) in ours
        and all(source.get(field) is None for field in MONEY[meter.direction])
        for source in preferences.get("energy_sources", ())
    )
    if meter.kind != KIND_GRID or cost is None or not lacks:
        return None
    return {"statistic": cost, "url": ENERGY_SETTINGS}


@callback
def _of_sensors(
    hass: HomeAssistant,
    entry: ConfigEntry,
    location_id: str,
    meters: Collection[Meter],
    preferences: Preferences,
    costs: Mapping[str, str | None],
) -> dict[str, str] | None:
    """Return what is said of sensors that begin anew each day or month."""
    registry = er.async_get(hass)
    advice: dict[str, str] = {}
    for field, identity in _used(preferences):
        entity = registry.async_get(identity)
        if entity is None or entity.config_entry_id != entry.entry_id:
            continue
        if entity.unique_id.endswith(ENDLESS):
            continue
        about = entity.unique_id.removeprefix(f"{location_id}_")
        meter = _meter(about, field, meters)
        better = meter and (
            costs[meter.key] if field in COSTS else present_source(hass, meter)
        )
        advice[identity] = f"* {identity} → {better or '–'}"  # noqa: RUF001
    if not advice:
        return None
    return {"sensors": "\n".join(advice.values()), "url": ENERGY_SETTINGS}


def _meter(about: str, field: str, meters: Collection[Meter]) -> Meter | None:
    """Return the meter that a sensor is about, or the grid meter of a direction."""
    direction = DIRECTION_EXPORT if field in SOLD else DIRECTION_IMPORT
    own = [meter for meter in meters if about.startswith(f"{meter.key}_")]
    grid = [m for m in meters if m.kind == KIND_GRID and m.direction == direction]
    return next(iter((*own, *grid)), None)


def _used(preferences: Preferences) -> Iterator[tuple[str, str]]:
    """Yield the statistics that the dashboard uses, and as what."""
    for item in (
        *preferences.get("energy_sources", ()),
        *preferences.get("device_consumption", ()),
    ):
        for field in USES:
            if identity := item.get(field):
                yield field, identity
