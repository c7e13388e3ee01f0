"""Statistics of the days before the house was added, as the recorder would have them.

The hours of ten days, and the five minutes of two: so the sums go on without a step.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from homeassistant.components.recorder.db_schema import Statistics, StatisticsShortTerm
from homeassistant.components.recorder.models import (
    StatisticData,
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import get_last_short_term_statistics
from homeassistant.const import UnitOfEnergy, UnitOfPower
from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import get_instance
from homeassistant.util import dt as dt_util
from homeassistant.util.unit_conversion import EnergyConverter, PowerConverter

from .house import STEP, House

DAYS = 10
HOUR = timedelta(hours=1)

type Metadata = Callable[[str], StatisticMetaData]
type Rows = Callable[
    [House, str, datetime, Sequence[datetime], timedelta], Iterable[StatisticData]
]


def energy_metadata(statistic_id: str) -> StatisticMetaData:
    """Describe the statistics of a register."""
    return StatisticMetaData(
        has_sum=True,
        mean_type=StatisticMeanType.NONE,
        name=None,
        source="recorder",
        statistic_id=statistic_id,
        unit_class=EnergyConverter.UNIT_CLASS,
        unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
    )


def power_metadata(statistic_id: str) -> StatisticMetaData:
    """Describe the statistics of a power."""
    return StatisticMetaData(
        has_sum=False,
        mean_type=StatisticMeanType.ARITHMETIC,
        name=None,
        source="recorder",
        statistic_id=statistic_id,
        unit_class=PowerConverter.UNIT_CLASS,
        unit_of_measurement=UnitOfPower.WATT,
    )


def register(house: House, meter: str, instant: datetime) -> float:
    """Return what a meter shows at an instant, in kWh."""
    return round(house.energy(instant)[meter] / 1000, 3)


def energy_rows(
    house: House,
    meter: str,
    zero: datetime,
    starts: Sequence[datetime],
    step: timedelta,
) -> Iterable[StatisticData]:
    """Yield the register in kWh at the end of each row, and its rise since `zero`."""
    first = register(house, meter, zero)
    for start in starts:
        last = register(house, meter, start + step)
        yield StatisticData(start=start, state=last, sum=last - first)


def power_rows(
    house: House,
    meter: str,
    _zero: datetime,
    starts: Sequence[datetime],
    step: timedelta,
) -> Iterable[StatisticData]:
    """Yield the mean, least and highest power in W of each row."""
    for start in starts:
        end = start + step
        used = house.energy(end)[meter] - house.energy(start)[meter]
        nodes = [house.power(start + STEP * n)[meter] for n in range(step // STEP + 1)]
        yield StatisticData(
            start=start, mean=used / (step / HOUR), min=min(nodes), max=max(nodes)
        )


async def async_import_past(
    hass: HomeAssistant,
    metadata: StatisticMetaData,
    house: House,
    meter: str,
    rows: Rows,
) -> None:
    """Import the past of a sensor that the recorder does not know."""
    recorder = get_instance(hass)
    known = await recorder.async_add_executor_job(
        get_last_short_term_statistics,
        hass,
        1,
        metadata["statistic_id"],
        False,
        {"mean", "sum"},
    )
    if known:
        return
    now = dt_util.utcnow()
    yesterday = dt_util.as_utc(dt_util.start_of_local_day()) - timedelta(days=1)
    hour = now.replace(minute=0, second=0, microsecond=0)
    slot = now.replace(minute=now.minute - now.minute % 5, second=0, microsecond=0)
    hours = [hour - HOUR * n for n in range(24 * DAYS, 0, -1)]
    slots = [yesterday + STEP * n for n in range((slot - yesterday) // STEP)]
    for starts, step, table in (
        (hours, HOUR, Statistics),
        (slots, STEP, StatisticsShortTerm),
    ):
        past = list(rows(house, meter, hours[0], starts, step))
        recorder.async_import_statistics(metadata, past, table)
