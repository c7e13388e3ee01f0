"""Set the demo up in Home Assistant, through the interfaces of its frontend."""

import asyncio
from typing import Any

from scripts.demo_cards import dashboard
from tests.rig.client import Client, CommandError

Json = dict[str, Any]

DOMAIN = "flatpeak"
HOUSE = "demo_house"
PATH = "energy-costs"
DEVICES = ("heat_pump", "ev_charger", "washing_machine")


async def entities(ha: Client, platform: str) -> list[Json]:
    """Return an integration's enabled entities."""
    listed: list[Json] = await ha("config/entity_registry/list")
    return [
        entity
        for entity in listed
        if entity["platform"] == platform and entity["disabled_by"] is None
    ]


async def set_up(ha: Client, api: Json) -> None:
    """Set up the Energy dashboard, the integration and the cost dashboard.

    Does only what an earlier start has not done.

    Args:
        ha: A connection to a Home Assistant in which the house lives.
        api: FlatPeak's address and credentials, as the simulator prints them.

    Raises:
        CommandError: Home Assistant refuses something.
    """
    house = {
        entity["unique_id"]: entity["entity_id"] for entity in await entities(ha, HOUSE)
    }
    if not await ha("config_entries/get", domain=DOMAIN):
        await ha("energy/save_prefs", **energy_preferences(house))
        await ha.flow(DOMAIN, account(api), meters(house))
        await until_loaded(ha)
        costs = await cost_statistics(ha, api, house)
        await ha("energy/save_prefs", **energy_preferences(house, costs))
        await fetch_past(ha)
    await until_loaded(ha)
    await show_costs(ha, await cost_statistics(ha, api, house))


async def show_costs(ha: Client, costs: Json) -> None:
    """Make the cost dashboard, or bring it up to date."""
    dashboards = await ha("lovelace/dashboards/list")
    if PATH not in [one["url_path"] for one in dashboards]:
        title = "Energy costs"
        icon = "mdi:cash-clock"
        await ha("lovelace/dashboards/create", url_path=PATH, title=title, icon=icon)
    listed = await ha("config/device_registry/list")
    config = dashboard(await entities(ha, DOMAIN), listed, list(costs.values()))
    await ha("lovelace/config/save", url_path=PATH, config=config)


def energy_preferences(house: Json, costs: Json | None = None) -> Json:
    """Return what the Energy dashboard shall show.

    Args:
        house: Entity ids of the house.
        costs: Statistic ids of what the grid meters cost and earn, by entity id.
    """
    costs = costs or {}
    bought, sold = house["grid_import_energy"], house["grid_export_energy"]
    return {
        "energy_sources": [
            {
                "type": "grid",
                "stat_energy_from": bought,
                "stat_cost": costs.get(bought),
                "stat_energy_to": sold,
                "stat_compensation": costs.get(sold),
                "cost_adjustment_day": 0,
            },
            {"type": "solar", "stat_energy_from": house["solar_energy"]},
        ],
        "device_consumption": [
            {"stat_consumption": house[f"{device}_energy"]} for device in DEVICES
        ],
    }


async def cost_statistics(ha: Client, api: Json, house: Json) -> Json:
    """Return the statistic ids of the meters' costs, by the entity ids of the house.

    The statistics need not be there yet.
    """
    (entry,) = await ha("config_entries/get", domain=DOMAIN)
    listed = await ha("config_entries/subentries/list", entry_id=entry["entry_id"])
    keys = {meter["title"]: meter["unique_id"] for meter in listed}
    names = {
        state["entity_id"]: state["attributes"].get("friendly_name", "")
        for state in await ha("get_states")
    }
    # An appliance's meter is called what the appliance is called.
    titles = {id_: names.get(id_, "").removesuffix(" Energy") for id_ in house.values()}
    return {
        entity_id: f"{DOMAIN}:{api['location_id']}_{keys[title]}_cost"
        for entity_id, title in titles.items()
        if title in keys
    }


def account(api: Json) -> Json:
    """Return what a person enters in the first form."""
    return {
        "account_id": api["account_id"],
        "api_key": api["api_key"],
        "advanced": {"base_url": api["url"]},
    }


def meters(house: dict[str, str]) -> Json:
    """Return what a person chooses in the last form."""
    return {
        "import_meters": [house["grid_import_energy"]],
        "export_meters": [house["grid_export_energy"]],
        "device_meters": [house[f"{device}_energy"] for device in DEVICES],
    }


async def fetch_past(ha: Client) -> None:
    """Let the integration price the ten days before, in the background."""
    (entry,) = await ha("config_entries/get", domain=DOMAIN)
    data = {"config_entry_id": entry["entry_id"]}
    await ha("call_service", domain=DOMAIN, service="backfill", service_data=data)


async def until_loaded(ha: Client) -> None:
    """Wait until the integration runs.

    Raises:
        CommandError: It does not.
    """
    for _ in range(300):
        (entry,) = await ha("config_entries/get", domain=DOMAIN)
        if entry["state"] == "loaded":
            return
        await asyncio.sleep(0.1)
    raise CommandError(f"{DOMAIN} is {entry['state']}: {entry['reason']}")


async def values(ha: Client) -> list[tuple[str, str, str]]:
    """Return name, state and unit of each enabled sensor of the integration."""
    ours = {entity["entity_id"] for entity in await entities(ha, DOMAIN)}
    states = await ha("get_states")
    shown = [state for state in states if state["entity_id"] in ours]
    missing = ours - {state["entity_id"] for state in shown}
    return sorted(
        [
            *((entity_id, "unknown", "") for entity_id in missing),
            *(
                (
                    state["attributes"].get("friendly_name", state["entity_id"]),
                    state["state"],
                    state["attributes"].get("unit_of_measurement", ""),
                )
                for state in shown
                if state["entity_id"].startswith("sensor.")
            ),
        ]
    )


def table(rows: list[tuple[str, str, str]]) -> str:
    """Return rows in columns."""
    width = max(len(row[0]) for row in rows)
    return "\n".join(
        f"{name:{width}}  {state:>26}  {unit}" for name, state, unit in rows
    )
