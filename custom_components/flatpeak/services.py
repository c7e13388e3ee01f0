"""The actions of the integration."""

from datetime import date, datetime

from homeassistant.const import ATTR_CONFIG_ENTRY_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import (
    config_validation as cv,
    device_registry as dr,
    service,
)
from homeassistant.helpers.selector import ConfigEntrySelector
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonObjectType
import voluptuous as vol

from .backfill import Preview
from .const import DOMAIN
from .coordinator import FlatPeakConfigEntry, FlatPeakCoordinator
from .history import earliest_start
from .metering import day_start, local_date

SERVICE_BACKFILL = "backfill"
ATTR_METERS, ATTR_START, ATTR_PREVIEW = "meters", "start", "preview"

BACKFILL_SCHEMA = vol.Schema(
    {
        vol.Required(ATTR_CONFIG_ENTRY_ID): ConfigEntrySelector(
            {"integration": DOMAIN}
        ),
        vol.Optional(ATTR_METERS): vol.All(cv.ensure_list, [cv.string]),
        vol.Optional(ATTR_START): cv.date,
        vol.Optional(ATTR_PREVIEW, default=False): cv.boolean,
    }
)


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions."""
    hass.services.async_register(
        DOMAIN,
        SERVICE_BACKFILL,
        _async_backfill,
        schema=BACKFILL_SCHEMA,  # type: ignore[arg-type]
        supports_response=SupportsResponse.OPTIONAL,
    )


async def _async_backfill(call: ServiceCall) -> ServiceResponse:
    """Fetch the past of meters, or say what that would send."""
    entry: FlatPeakConfigEntry = service.async_get_config_entry(
        call.hass, DOMAIN, call.data[ATTR_CONFIG_ENTRY_ID]
    )
    coordinator = entry.runtime_data
    meters = _meters(call, coordinator)
    start = _start(coordinator, call.data.get(ATTR_START))
    previews = await coordinator.backfill.async_preview(meters, start)
    if not call.data[ATTR_PREVIEW]:
        await _async_begin(coordinator, meters, start)
    return {
        "started": not call.data[ATTR_PREVIEW],
        "meters": [_described(coordinator, each) for each in previews],
    }


async def _async_begin(
    coordinator: FlatPeakCoordinator, meters: list[str], start: datetime | None
) -> None:
    """Begin to fetch the past, or say why not: nothing tries again by itself."""
    try:
        has_begun = await coordinator.async_fetch_past(meters, start)
    except HomeAssistantError as error:
        raise HomeAssistantError(
            translation_domain=DOMAIN, translation_key="past_not_written"
        ) from error
    if not has_begun:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="backfill_running"
        )


def _meters(call: ServiceCall, coordinator: FlatPeakCoordinator) -> list[str]:
    """Return the keys of the meters that are meant: all of them if none is named.

    A meter is named by its device.
    """
    if not call.data.get(ATTR_METERS):
        return list(coordinator.meters)
    registry = dr.async_get(call.hass)
    known = {
        (DOMAIN, f"{coordinator.location_id}_{key}"): key for key in coordinator.meters
    }
    found = []
    for device_id in call.data[ATTR_METERS]:
        device = registry.async_get(device_id)
        identifiers = device.identifiers if device else set()
        keys = [known[one] for one in identifiers if one in known]
        if not keys:
            raise ServiceValidationError(
                translation_domain=DOMAIN,
                translation_key="not_a_meter",
                translation_placeholders={"device": device_id},
            )
        found += keys
    return found


def _start(coordinator: FlatPeakCoordinator, day: date | None) -> datetime | None:
    """Return the first instant of a local day, None for the usual one."""
    if day is None:
        return None
    now, zone = dt_util.utcnow(), coordinator.ledger.zone
    if day >= local_date(now, zone):
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="not_past"
        )
    start = day_start(day, zone)
    if start < earliest_start(now, zone):
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="too_long_ago"
        )
    return start


def _described(coordinator: FlatPeakCoordinator, preview: Preview) -> JsonObjectType:
    """Return a preview as the action answers it."""
    return {
        "meter": coordinator.meters[preview.meter].title,
        "records": preview.records,
        "start": _iso(coordinator, preview.start),
        "end": _iso(coordinator, preview.end),
        "requests": preview.requests,
        "left_out": preview.held,
    }


def _iso(coordinator: FlatPeakCoordinator, time: datetime | None) -> str | None:
    return time.astimezone(coordinator.ledger.zone).isoformat() if time else None
