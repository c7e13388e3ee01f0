"""What the recorder holds of a meter's source: the ledger of readings."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Literal

from homeassistant.components.recorder.statistics import (
    StatisticsRow,
    get_metadata,
    statistics_during_period,
)
from homeassistant.const import UnitOfEnergy, UnitOfPower
from homeassistant.core import HomeAssistant, valid_entity_id
from homeassistant.helpers.recorder import get_instance
from homeassistant.util import dt as dt_util
from homeassistant.util.unit_conversion import (
    BaseUnitConverter,
    EnergyConverter,
    PowerConverter,
)

from .metering import Row, day_start, local_date

SLOT = timedelta(minutes=5)
HOUR = timedelta(hours=1)
AT_ONCE = timedelta(days=60)  # of hourly rows
UNITS: dict[type[BaseUnitConverter], str] = {
    EnergyConverter: UnitOfEnergy.KILO_WATT_HOUR,
    PowerConverter: UnitOfPower.WATT,
}

type Period = Literal["5minute", "hour"]
type Convert = Callable[[float | None], float | None]


async def async_read_rows(
    hass: HomeAssistant, since: Mapping[str, datetime]
) -> dict[str, list[Row]]:
    """Return the rows of each source (statistic id) that end after `since`.

    The slot before comes along, because only differences between rows count. Where
    the 5-minute rows do not reach back far enough, hourly ones fill in.
    """
    return await get_instance(hass).async_add_executor_job(_read_all, hass, since)


def _read_all(
    hass: HomeAssistant, since: Mapping[str, datetime]
) -> dict[str, list[Row]]:
    """Read in the recorder's executor, where blocking is fine."""
    known = get_metadata(hass, statistic_ids=set(since))
    units = {source: meta["unit_of_measurement"] for source, (_, meta) in known.items()}
    return {
        source: _read(hass, source, units.get(source), start - SLOT)
        for source, start in since.items()
    }


def _read(
    hass: HomeAssistant, source: str, unit: str | None, start: datetime
) -> list[Row]:
    """Return 5-minute rows, with hourly ones where those are purged."""
    rows = _rows(hass, source, unit, start, None, period="5minute")
    detail_from = rows[0].start if rows else None
    if detail_from and detail_from - start < HOUR:
        return rows
    full_hour = start.replace(minute=0, second=0, microsecond=0)
    hours = _rows(hass, source, unit, full_hour, detail_from, period="hour")
    return [row for row in hours if not detail_from or row.end <= detail_from] + rows


def _rows(
    hass: HomeAssistant,
    source: str,
    unit: str | None,
    start: datetime,
    end: datetime | None,
    *,
    period: Period,
) -> list[Row]:
    """Return rows in kWh and W; a unit that is neither gives none.

    The recorder is asked for the unit it has: where it converts the figures, it
    converts the time of the last reset, too.
    """
    kind = next((kind for kind in UNITS if unit in kind.VALID_UNITS), None)
    if kind is None:
        return []
    found = statistics_during_period(
        hass,
        start,
        end,
        {source},
        period,
        {str(kind.UNIT_CLASS): str(unit)},
        {"state", "sum", "last_reset", "mean"},
    )
    convert = kind.converter_factory_allow_none(unit, UNITS[kind])
    entity = is_entity(source)
    return [_row(row, convert, has_register=entity) for row in found.get(source, [])]


def is_entity(source: str) -> bool:
    """Return whether a statistic is an entity's, not one that is imported."""
    return valid_entity_id(source)


def last_day(rows: Sequence[Row], zone: tzinfo) -> list[Row]:
    """Return the rows of the last local day that has any, and the one before."""
    if not rows:
        return []
    start = day_start(local_date(rows[-1].start, zone), zone)
    return [row for row in rows if row.end >= start]


def _row(row: StatisticsRow, convert: Convert, *, has_register: bool) -> Row:
    """Translate the recorder's row.

    The state of an imported statistic is the hour's own energy, not a register.
    """
    last_reset = row.get("last_reset")
    return Row(
        start=dt_util.utc_from_timestamp(row["start"]),
        end=dt_util.utc_from_timestamp(row["end"]),
        state=convert(row.get("state")) if has_register else None,
        sum=convert(row.get("sum")),
        last_reset=(
            None if last_reset is None else dt_util.utc_from_timestamp(last_reset)
        ),
        mean=convert(row.get("mean")),
    )


def run_started(hass: HomeAssistant) -> datetime:
    """Return when the recorder's present run began: before it nobody watched."""
    return get_instance(hass).recorder_runs_manager.current.start


async def async_read_past(
    hass: HomeAssistant, source: str, start: datetime, end: datetime
) -> list[Row]:
    """Return the rows of a source (statistic id) for a period that is long ago.

    They are hours, the one before comes along; where the period ends within an hour,
    5-minute rows tell that part of it, if they are still there.
    """
    return await get_instance(hass).async_add_executor_job(
        _read_past, hass, source, start, end
    )


def _read_past(
    hass: HomeAssistant, source: str, start: datetime, end: datetime
) -> list[Row]:
    """Read in the recorder's executor, where blocking is fine."""
    known = get_metadata(hass, statistic_ids={source})
    unit = known[source][1]["unit_of_measurement"] if source in known else None
    first = start.replace(minute=0, second=0, microsecond=0) - HOUR
    last = end.replace(minute=0, second=0, microsecond=0)
    rows: list[Row] = []
    while first < last:  # a year at once would stop all other threads for a while
        until = min(first + AT_ONCE, last)
        rows += _rows(hass, source, unit, first, until, period="hour")
        first = until
    if last < end:
        rows += _rows(hass, source, unit, last, end, period="5minute")
    return rows
