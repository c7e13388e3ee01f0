"""What a Home Assistant knows before FlatPeak comes: rows, and its dashboard."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from homeassistant.components.energy.data import (
    EnergyPreferencesUpdate,
    async_get_manager,
)
from homeassistant.components.recorder.db_schema import StatisticsShortTerm
from homeassistant.components.recorder.models import (
    StatisticData,
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import async_add_external_statistics
from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import get_instance
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.flatpeak.metering import Row

from .metering.histories import rows_of

SLOT = timedelta(minutes=5)


def hourly(now: datetime, days: int = 1) -> list[Row]:
    """Return rows of a meter that reports just after full hours, up to one."""
    slots = days * 288
    levels = [100 + (number + 11) // 12 / 10 for number in range(slots)]
    return rows_of(levels, start=now - slots * SLOT)


async def let_rise(hass: HomeAssistant, source: str, rows: Sequence[Row]) -> None:
    """Put 5-minute rows of a sensor of energy into the recorder."""
    meta = StatisticMetaData(
        statistic_id=source,
        source="recorder",
        name=None,
        mean_type=StatisticMeanType.NONE,
        has_sum=True,
        unit_class="energy",
        unit_of_measurement="kWh",
    )
    data = [
        StatisticData(start=row.start, state=row.state or 0, sum=row.sum or 0)
        for row in rows
    ]
    get_instance(hass).async_import_statistics(meta, data, StatisticsShortTerm)
    await async_wait_recording_done(hass)


async def add_net_statistic(hass: HomeAssistant) -> None:
    """Put `utility:net` into the recorder, whose counter also runs backwards."""
    meta = StatisticMetaData(
        statistic_id="utility:net",
        source="utility",
        name="Net of the grid",
        mean_type=StatisticMeanType.NONE,
        has_sum=True,
        unit_class="energy",
        unit_of_measurement="kWh",
    )
    now = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
    rows = [
        StatisticData(start=now - timedelta(hours=8 - hour), state=value, sum=value)
        for hour, value in enumerate((4, 3, 2, 1, 2, 3))
    ]
    async_add_external_statistics(hass, meta, rows)
    await async_wait_recording_done(hass)


async def use_in_dashboard(
    hass: HomeAssistant,
    *,
    imports: str | None = None,
    exports: str | None = None,
    devices: Sequence[str] = (),
) -> None:
    """Fill the Energy dashboard."""
    await (await async_get_manager(hass)).async_update(
        EnergyPreferencesUpdate(
            energy_sources=[
                {
                    "type": "grid",
                    "stat_energy_from": imports,
                    "stat_energy_to": exports,
                    "stat_cost": None,
                    "entity_energy_price": None,
                    "number_energy_price": None,
                    "stat_compensation": None,
                    "entity_energy_price_export": None,
                    "number_energy_price_export": None,
                    "cost_adjustment_day": 0,
                }
            ],
            device_consumption=[{"stat_consumption": device} for device in devices],
        )
    )
