"""A dashboard with the cost sensors, built from the registries."""

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]

# What is worth a tile, in this order; the rest is on the device's own page.
TILES = (
    "price",
    "export_price",
    "cost_rate",
    "current_cost",
    "cost_today",
    "cost_this_month",
    "energy_today",
    "energy_this_month",
)
COST_TODAY = "cost_today"


def dashboard(
    entities: list[Json], devices: list[Json], statistics: Sequence[str]
) -> Json:
    """Return a dashboard's configuration: a section for each device.

    Args:
        entities: The integration's enabled entities, as the registry lists them.
        devices: Home Assistant's devices, in the order of the sections.
        statistics: The ids of what meters cost.
    """
    sections = [
        section(str(device["name_by_user"] or device["name"]), own)
        for device in devices
        if (own := [one for one in entities if one["device_id"] == device["id"]])
    ]
    costs = [
        one["entity_id"] for one in entities if one["translation_key"] == COST_TODAY
    ]
    view = {
        "title": "Energy costs",
        "path": "costs",
        "type": "sections",
        "max_columns": 3,
        "sections": [*sections, graph(costs), past(statistics)],
    }
    return {"views": [view]}


def section(title: str, entities: list[Json]) -> Json:
    """Return a device's heading and tiles."""
    by_key = {entity["translation_key"]: entity["entity_id"] for entity in entities}
    tiles = [
        {"type": "tile", "entity": by_key[key], "name": {"type": "entity"}}
        for key in TILES
        if key in by_key
    ]
    return {"type": "grid", "cards": [{"type": "heading", "heading": title}, *tiles]}


def graph(costs: list[str]) -> Json:
    """Return a curve of today's costs."""
    card = {
        "type": "history-graph",
        "entities": [{"entity": entity_id} for entity_id in costs],
        "hours_to_show": 12,
        "grid_options": {"columns": "full"},
    }
    heading = {"type": "heading", "heading": "Costs so far today"}
    return {"type": "grid", "column_span": 3, "cards": [heading, card]}


def past(statistics: Sequence[str]) -> Json:
    """Return what each day cost, by meter."""
    card = {
        "type": "statistics-graph",
        "period": "day",
        "stat_types": ["change"],
        "chart_type": "bar",
        "days_to_show": 14,
        "entities": [{"entity": statistic_id} for statistic_id in statistics],
        "grid_options": {"columns": "full"},
    }
    heading = {"type": "heading", "heading": "Costs of each day"}
    return {"type": "grid", "column_span": 3, "cards": [heading, card]}
