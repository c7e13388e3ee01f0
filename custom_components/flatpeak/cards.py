"""Cards with what meters cost: the Energy dashboard has no place for devices' costs."""

from collections.abc import Mapping, Sequence

from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util.json import JsonObjectType

from .const import DOMAIN, KIND_DEVICE, KIND_GRID
from .coordinator import FlatPeakCoordinator
from .dashboard import async_known
from .meters import Meter
from .series import cost_meta

DAYS = 14

# The fields of the form that shows them; a card is called what its field is called.
CARDS = {KIND_DEVICE: "device_card", KIND_GRID: "grid_card"}
NAME = f"component.{DOMAIN}.options.step.cards.data."


async def async_cost_cards(
    hass: HomeAssistant, coordinator: FlatPeakCoordinator
) -> Mapping[str, JsonObjectType]:
    """Return a card for each kind of meter of which there is a cost statistic."""
    known = await async_known(hass)
    names = await async_get_translations(
        hass, hass.config.language, "options", {DOMAIN}
    )
    currency = coordinator.ledger.journal.facts.currency
    costs = {
        key: meta["statistic_id"]
        for key in coordinator.meters
        if (meta := cost_meta(coordinator.location_id, key, currency, known))
    }
    priced = [each for each in coordinator.meters.values() if each.key in costs]
    return {
        field: _card(names[NAME + field], meters, costs)
        for kind, field in CARDS.items()
        if (meters := [each for each in priced if each.kind == kind])
    }


def _card(
    title: str, meters: Sequence[Meter], costs: Mapping[str, str]
) -> JsonObjectType:
    """Return a card with what each day cost; a single meter has no legend there."""
    return {
        "type": "statistics-graph",
        "title": title if len(meters) > 1 else meters[0].title,
        "period": "day",
        "stat_types": ["change"],
        "chart_type": "bar",
        "days_to_show": DAYS,
        "entities": [
            {"entity": costs[meter.key], "name": meter.title} for meter in meters
        ],
    }
