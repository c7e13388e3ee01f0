"""Which of the recorder's statistics can be a meter."""

from dataclasses import replace
from datetime import timedelta

from homeassistant.components.energy.data import (
    EnergyPreferencesUpdate,
    GridSourceType,
    SolarSourceType,
    async_get_manager,
)
from homeassistant.components.recorder.core import Recorder
from homeassistant.components.recorder.models import (
    StatisticData,
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import (
    async_add_external_statistics,
    async_import_statistics,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.flatpeak.metering.model import SourceKind
from custom_components.flatpeak.sources import (
    Dashboard,
    SourceInfo,
    async_appliance_name,
    async_energy_dashboard,
    async_list_sources,
    async_registry_id,
    async_runs_backwards,
    async_statistic_unit,
)

ENERGY = {
    "device_class": "energy",
    "state_class": "total_increasing",
    "unit_of_measurement": "kWh",
}
POWER = {
    "device_class": "power",
    "state_class": "measurement",
    "unit_of_measurement": "W",
}


@pytest.fixture(autouse=True)
async def sensor(recorder_mock: Recorder, hass: HomeAssistant) -> None:
    """Let the recorder know what sensors are: it asks their component."""
    assert recorder_mock
    assert await async_setup_component(hass, "sensor", {})
    await async_wait_recording_done(hass)


def _set(hass: HomeAssistant, entity_id: str, name: str, **attributes: str) -> None:
    """Write a sensor's state."""
    hass.states.async_set(entity_id, "1", {"friendly_name": name, **attributes})


def _meta(
    statistic_id: str,
    name: str | None = None,
    *,
    unit_class: str = "energy",
    unit: str = "kWh",
) -> StatisticMetaData:
    """Return metadata of a counter."""
    return StatisticMetaData(
        statistic_id=statistic_id,
        source=statistic_id.partition(":")[0] if ":" in statistic_id else "recorder",
        name=name,
        mean_type=StatisticMeanType.NONE,
        has_sum=True,
        unit_class=unit_class,
        unit_of_measurement=unit,
    )


def _row() -> StatisticData:
    """Return one hour."""
    start = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
    return StatisticData(start=start - timedelta(hours=1), state=1, sum=1)


async def test_sensors_by_name(hass: HomeAssistant) -> None:
    """Counters of energy and powers are listed before they have any row."""
    _set(hass, "sensor.washer", "washing machine", **ENERGY)
    _set(hass, "sensor.grid", "Grid import", **{**ENERGY, "state_class": "total"})
    _set(hass, "sensor.heat", "Heat pump", **{**POWER, "unit_of_measurement": "kW"})
    assert list((await async_list_sources(hass)).items()) == [
        (
            "sensor.grid",
            SourceInfo(
                statistic_id="sensor.grid",
                name="Grid import",
                kind=SourceKind.ENERGY,
                unit="kWh",
            ),
        ),
        (
            "sensor.heat",
            SourceInfo(
                statistic_id="sensor.heat",
                name="Heat pump",
                kind=SourceKind.POWER,
                unit="kW",
            ),
        ),
        (
            "sensor.washer",
            SourceInfo(
                statistic_id="sensor.washer",
                name="washing machine",
                kind=SourceKind.ENERGY,
                unit="kWh",
            ),
        ),
    ]


@pytest.mark.parametrize(
    ("attributes", "unit"),
    [
        ({**ENERGY, "device_class": "water", "unit_of_measurement": "m³"}, "m³"),
        ({**ENERGY, "state_class": "measurement"}, "kWh"),
        ({**POWER, "device_class": "wind_direction", "unit_of_measurement": "°"}, "°"),
        ({"state_class": "measurement"}, ""),
        ({"device_class": "energy", "unit_of_measurement": "kWh"}, None),
    ],
    ids=["water", "energy as a mean", "angle", "no unit", "no state class"],
)
async def test_unsuitable_sensors(
    hass: HomeAssistant, attributes: dict[str, str], unit: str | None
) -> None:
    """Others are left out, and the unit tells why."""
    _set(hass, "sensor.other", "Other", **attributes)
    assert await async_list_sources(hass) == {}
    assert await async_statistic_unit(hass, "sensor.other") == unit


async def test_external_statistics(hass: HomeAssistant) -> None:
    """Those of other integrations can be meters; ours are results."""
    metas = (
        _meta("utility:electricity", "Electricity from the utility"),
        _meta("utility:unnamed", unit="MWh"),
        _meta("utility:gas", unit_class="volume", unit="m³"),
        _meta("flatpeak:loc_1_energy", "FlatPeak energy"),
    )
    for meta in metas:
        async_add_external_statistics(hass, meta, [_row()])
    await async_wait_recording_done(hass)
    sources = await async_list_sources(hass)
    assert [(info.name, info.unit) for info in sources.values()] == [
        ("Electricity from the utility", "kWh"),
        ("utility:unnamed", "MWh"),
    ]
    assert await async_statistic_unit(hass, "utility:gas") == "m³"
    assert await async_statistic_unit(hass, "utility:none") is None
    assert async_registry_id(hass, "utility:electricity") is None


async def test_lost_sensor(hass: HomeAssistant) -> None:
    """The recorder keeps the statistics of a sensor that is gone; we skip them."""
    async_import_statistics(hass, _meta("sensor.lost"), [_row()])
    await async_wait_recording_done(hass)
    assert await async_list_sources(hass) == {}
    assert await async_statistic_unit(hass, "sensor.lost") is None

    _set(hass, "sensor.lost", "Found again", **ENERGY)
    assert list(await async_list_sources(hass)) == ["sensor.lost"]
    assert await async_statistic_unit(hass, "sensor.lost") == "kWh"

    _set(hass, "sensor.lost", "No longer counting")
    assert await async_list_sources(hass) == {}


@pytest.mark.parametrize(
    ("sums", "state_class", "is_net"),
    [
        ([1, 2, 3, 4, 5, 6, 7], "total", False),
        ([1, 2, 0, 3, 1, 4, 5], "total", False),
        ([1, 0.5, 0.2, 0.4, 0.6, 0.5, 1], "total", True),
        ([-1, -0.5, -0.9, -0.5, -0.9, -0.5, -0.9], "total", True),
        ([1, 0.9995, 0.999, 0.9985, 0.998, 1, 1], "total", False),
        ([1, 0.5, 0.2, 0.4, 0.6, 0.5, 1], "total_increasing", False),
        ([], "total", False),
    ],
    ids=["rises", "dips", "net", "below zero", "noise", "promised", "new"],
)
async def test_net_meter(
    hass: HomeAssistant, sums: list[float], state_class: str, *, is_net: bool
) -> None:
    """A counter of net energy is known by its falls."""
    _set(hass, "sensor.grid", "Grid", **{**ENERGY, "state_class": state_class})
    now = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
    rows = [
        StatisticData(start=now - timedelta(hours=9 - hour), state=value, sum=value)
        for hour, value in enumerate(sums)
    ]
    async_import_statistics(hass, _meta("sensor.grid"), rows)
    async_add_external_statistics(hass, _meta("utility:grid"), rows)
    await async_wait_recording_done(hass)
    assert await async_runs_backwards(hass, "sensor.grid") is is_net
    net_too = is_net or state_class == "total_increasing"
    assert await async_runs_backwards(hass, "utility:grid") is net_too


async def test_a_sensor_that_lost_its_class_is_no_net_meter(
    hass: HomeAssistant,
) -> None:
    """It may do so between the form and the answer."""
    hass.states.async_set("sensor.grid", "1")
    assert not await async_runs_backwards(hass, "sensor.grid")


async def test_own_sensors(hass: HomeAssistant) -> None:
    """What this integration computes is no meter of it."""
    registry = er.async_get(hass)
    for platform in ("flatpeak", "modbus"):
        entry = registry.async_get_or_create("sensor", platform, "energy_today")
        _set(hass, entry.entity_id, platform, **ENERGY)
    assert [info.name for info in (await async_list_sources(hass)).values()] == [
        "modbus"
    ]
    entity = registry.async_get("sensor.modbus_energy_today")
    assert entity is not None
    assert async_registry_id(hass, "sensor.modbus_energy_today") == entity.id
    assert async_registry_id(hass, "sensor.unknown") is None


async def test_excluded_sensor(recorder_mock: Recorder, hass: HomeAssistant) -> None:
    """A sensor that the recorder leaves out would never send anything."""
    async_import_statistics(hass, _meta("sensor.grid"), [_row()])
    await async_wait_recording_done(hass)
    _set(hass, "sensor.grid", "Grid import", **ENERGY)
    assert list(await async_list_sources(hass)) == ["sensor.grid"]
    recorder_mock.entity_filter = lambda entity_id: entity_id != "sensor.grid"
    assert await async_list_sources(hass) == {}
    assert await async_statistic_unit(hass, "sensor.grid") is None


def _grid(imports: str | None, exports: str | None) -> GridSourceType:
    """Return a grid connection of the Energy dashboard."""
    return GridSourceType(
        type="grid",
        stat_energy_from=imports,
        stat_energy_to=exports,
        stat_cost=None,
        entity_energy_price=None,
        number_energy_price=None,
        stat_compensation=None,
        entity_energy_price_export=None,
        number_energy_price_export=None,
        cost_adjustment_day=0,
    )


async def test_dashboard(hass: HomeAssistant) -> None:
    """Grid meters and devices of the Energy dashboard are found."""
    assert await async_energy_dashboard(hass) == Dashboard()
    manager = await async_get_manager(hass)
    solar = SolarSourceType(
        type="solar", stat_energy_from="sensor.sun", config_entry_solar_forecast=None
    )
    await manager.async_update(
        EnergyPreferencesUpdate(
            energy_sources=[
                _grid("sensor.day", None),
                solar,
                _grid("sensor.night", "sensor.feed_in"),
                _grid(None, "sensor.feed_in"),
            ],
            device_consumption=[
                {"stat_consumption": "sensor.washer"},
                {"stat_consumption": "sensor.car"},
            ],
        )
    )
    assert await async_energy_dashboard(hass) == Dashboard(
        imports=("sensor.day", "sensor.night"),
        exports=("sensor.feed_in",),
        devices=("sensor.washer", "sensor.car"),
    )


async def test_an_appliance_has_the_name_of_its_device(hass: HomeAssistant) -> None:
    """Unless the device has another such sensor, or the sensor has no device."""
    entry = MockConfigEntry()
    entry.add_to_hass(hass)
    device = dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={("plug", "1")}, name="Heat pump"
    )

    def add(name: str, *, device_id: str | None = device.id) -> SourceInfo:
        made = er.async_get(hass).async_get_or_create(
            "sensor", "plug", name, device_id=device_id
        )
        return SourceInfo(
            statistic_id=made.entity_id, name=name, kind=SourceKind.ENERGY, unit="kWh"
        )

    energy, lonely = add("Heat pump Energy"), add("Solar", device_id=None)
    imported = replace(energy, statistic_id="utility:energy", name="Utility")
    power = replace(add("Heat pump Power"), kind=SourceKind.POWER)
    sources = {one.statistic_id: one for one in (energy, lonely, imported, power)}

    def name(info: SourceInfo) -> str:
        return async_appliance_name(hass, info, sources)

    assert name(energy) == "Heat pump"
    assert name(lonely) == "Solar"
    assert name(imported) == "Utility"
    dr.async_get(hass).async_update_device(device.id, name_by_user="Boiler")
    assert name(energy) == "Boiler"
    returned = add("Heat pump Energy returned")
    sources[returned.statistic_id] = returned
    assert name(energy) == "Heat pump Energy"
