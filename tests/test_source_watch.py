"""What is said of a meter's sensor, and when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from homeassistant.components.recorder.models import (
    StatisticData,
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import async_add_external_statistics
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.recorder import get_instance
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.flatpeak.issues import Issue
from custom_components.flatpeak.journal import MeterState
from custom_components.flatpeak.metering import Anchor, Stream
from custom_components.flatpeak.metering.model import Reporting
from custom_components.flatpeak.meters import Meter
from custom_components.flatpeak.source_watch import (
    async_gone,
    present_source,
    source_problem,
)

from .home import ENERGY, Home

NOW = datetime(2026, 11, 11, 8, tzinfo=UTC)
PUMP = "sensor.heat_pump"
HOUR = timedelta(hours=1)

pytestmark = pytest.mark.freeze_time(NOW)

METER = Meter(
    key="0a1b2c3d",
    source=PUMP,
    source_registry_id=None,
    direction="import",
    kind="grid",
    reporting=Reporting.CONTINUOUS,
    max_power_kw=70,
    title="Heat pump",
    subentry_id="one",
)


def settled(ago: timedelta) -> MeterState:
    """Return a meter whose last row ended some time ago."""
    return MeterState(
        stream=Stream(owner="o", energy_direction="IMPORT", tariff_direction="IMPORT"),
        source=PUMP,
        anchor=Anchor(end=NOW - ago),
    )


async def test_source_that_stands_still_is_fine(home: Home) -> None:
    """Rows come though nothing is used; where none come for days it is said."""
    home.add_sensor(PUMP)
    for hours, problem in ((1, None), (47, None), (49, Issue.SOURCE_NOT_RECORDED)):
        assert source_problem(home.hass, METER, settled(hours * HOUR), NOW) is problem


async def test_source_away_is_given_a_day(home: Home) -> None:
    """Unavailable or gone is not said before a day is over, also after a restart."""
    gone = settled(25 * HOUR), settled(23 * HOUR)
    said = [source_problem(home.hass, METER, state, NOW) for state in gone]
    assert said == [Issue.SOURCE_MISSING, None]
    home.hass.states.async_set(PUMP, STATE_UNAVAILABLE, ENERGY)
    said = [source_problem(home.hass, METER, state, NOW) for state in gone]
    assert said == [Issue.SOURCE_SILENT, None]
    home.hass.states.async_remove(PUMP)
    new = replace(gone[0], anchor=None)
    assert source_problem(home.hass, METER, new, NOW) is Issue.SOURCE_MISSING


async def test_imports_are_given_a_week(home: Home) -> None:
    """A utility delivers days late."""
    meter = replace(METER, source="utility:grid")
    for days, problem in ((6, None), (8, Issue.SOURCE_SILENT)):
        state = settled(days * 24 * HOUR)
        assert source_problem(home.hass, meter, state, NOW) is problem


async def test_imports_that_are_deleted(home: Home) -> None:
    """That is said at once, not after a week."""
    there, gone = (replace(METER, source=f"utility:{name}") for name in ("a", "b"))
    for meter in (there, gone):
        metadata: StatisticMetaData = {
            "mean_type": StatisticMeanType.NONE,
            "has_sum": True,
            "name": None,
            "source": "utility",
            "statistic_id": meter.source,
            "unit_class": "energy",
            "unit_of_measurement": "kWh",
        }
        rows: list[StatisticData] = [{"start": NOW - HOUR, "sum": 1}]
        async_add_external_statistics(home.hass, metadata, rows)
    await async_wait_recording_done(home.hass)
    assert await async_gone(home.hass, [there, gone, METER]) == set()
    get_instance(home.hass).async_clear_statistics([gone.source])
    await async_wait_recording_done(home.hass)
    lost = await async_gone(home.hass, [there, gone, METER])
    problems = [
        source_problem(home.hass, meter, settled(HOUR), NOW, lost)
        for meter in (there, gone)
    ]
    assert problems == [None, Issue.SOURCE_MISSING]
    assert await async_gone(home.hass, [METER]) == set()


async def test_source_in_the_registry(
    home: Home, entity_registry: er.EntityRegistry
) -> None:
    """A renaming is followed; disabled and removed are told apart."""
    entity = entity_registry.async_get_or_create(
        "sensor", "demo", "pump", suggested_object_id="heat_pump"
    )
    meter = replace(METER, source_registry_id=entity.id)
    state = settled(25 * HOUR)
    entity_registry.async_update_entity(PUMP, new_entity_id="sensor.renamed")
    home.hass.states.async_set("sensor.renamed", "1000", ENERGY)
    assert present_source(home.hass, meter) == "sensor.renamed"
    assert source_problem(home.hass, meter, state, NOW) is None
    home.hass.states.async_set("sensor.renamed", "1000", {})
    problem = source_problem(home.hass, meter, state, NOW)
    assert problem is Issue.SOURCE_NOT_RECORDED
    entity_registry.async_update_entity(
        "sensor.renamed", disabled_by=er.RegistryEntryDisabler.USER
    )
    assert source_problem(home.hass, meter, state, NOW) is Issue.SOURCE_DISABLED
    entity_registry.async_remove("sensor.renamed")
    assert source_problem(home.hass, meter, state, NOW) is Issue.SOURCE_MISSING
