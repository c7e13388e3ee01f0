"""What the recorder holds of a meter's source: the ledger of readings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import Literal

from homeassistant.components.recorder.db_schema import (
    RecorderRuns,
    Statistics,
    StatisticsShortTerm,
)
from homeassistant.components.recorder.models import (
    StatisticMetaData,
    process_timestamp,
)
from homeassistant.components.recorder.statistics import (
    StatisticsRow,
    get_metadata,
    statistics_during_period,
)
from homeassistant.const import UnitOfEnergy, UnitOfPower
from homeassistant.core import HomeAssistant, valid_entity_id
from homeassistant.helpers.recorder import get_instance, session_scope
from homeassistant.util import dt as dt_util
from homeassistant.util.unit_conversion import (
    BaseUnitConverter,
    EnergyConverter,
    PowerConverter,
)
from sqlalchemy import select

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
type Metadata = tuple[int, StatisticMetaData]


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
    return {
        source: _read(hass, source, known.get(source), start - SLOT)
        for source, start in since.items()
    }


def _read(
    hass: HomeAssistant, source: str, known: Metadata | None, start: datetime
) -> list[Row]:
    """Return 5-minute rows, with hourly ones where those are purged."""
    rows = _rows(hass, source, known, start, None, period="5minute")
    detail_from = rows[0].start if rows else None
    if detail_from and detail_from - start < HOUR:
        return rows
    full_hour = start.replace(minute=0, second=0, microsecond=0)
    hours = _rows(hass, source, known, full_hour, detail_from, period="hour")
    return [*_until(hours, detail_from), *rows] if detail_from else hours


def _until(hours: Sequence[Row], end: datetime) -> Sequence[Row]:
    """Return hourly rows up to where the detail begins.

    Where that is within an hour, the mean of the hour stands for what is purged of it.
    A register needs no help. Without the hour before, the source was not there yet.
    """
    whole = [row for row in hours if row.end <= end]
    within = [
        replace(row, end=end)
        for row in hours[len(whole) :]
        if row.mean is not None and whole and whole[-1].end == row.start < end
    ]
    return [*whole, *within]


def _rows(
    hass: HomeAssistant,
    source: str,
    known: Metadata | None,
    start: datetime,
    end: datetime | None,
    *,
    period: Period,
) -> list[Row]:
    """Return rows in kWh and W; a unit that is neither gives none.

    The recorder is asked for the unit it has: where it converts the figures, it
    converts the time of the last reset, too.
    """
    if known is None:
        return []
    unit = known[1]["unit_of_measurement"]
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
    written = (
        _written(hass, known[0], start, end, period) if is_entity(source) else None
    )
    return [_row(row, convert, written) for row in found.get(source, [])]


def _written(
    hass: HomeAssistant,
    metadata_id: int,
    start: datetime,
    end: datetime | None,
    period: Period,
) -> dict[float, float | None]:
    """Return when each row was written: what Home Assistant missed it writes later."""
    table = StatisticsShortTerm if period == "5minute" else Statistics
    wanted = select(table.start_ts, table.created_ts).where(
        table.metadata_id == metadata_id, table.start_ts >= start.timestamp()
    )
    if end:
        wanted = wanted.where(table.start_ts < end.timestamp())
    with session_scope(hass=hass, read_only=True) as session:
        return {begun: at for begun, at in session.execute(wanted) if begun is not None}


def is_entity(source: str) -> bool:
    """Return whether a statistic is an entity's, not one that is imported."""
    return valid_entity_id(source)


def last_day(rows: Sequence[Row], zone: tzinfo) -> list[Row]:
    """Return the rows of the last local day that has any, and the one before."""
    if not rows:
        return []
    start = day_start(local_date(rows[-1].start, zone), zone)
    return [row for row in rows if row.end >= start]


def _row(
    row: StatisticsRow, convert: Convert, written: Mapping[float, float | None] | None
) -> Row:
    """Translate the recorder's row.

    The state of an imported statistic is the hour's own energy, not a register, and
    nobody cares when it was `written`.
    """
    last_reset = row.get("last_reset")
    at = written.get(row["start"]) if written else None
    return Row(
        start=dt_util.utc_from_timestamp(row["start"]),
        end=dt_util.utc_from_timestamp(row["end"]),
        state=convert(row.get("state")) if written is not None else None,
        sum=convert(row.get("sum")),
        last_reset=(
            None if last_reset is None else dt_util.utc_from_timestamp(last_reset)
        ),
        mean=convert(row.get("mean")),
        written=None if at is None else dt_util.utc_from_timestamp(at),
    )


async def async_run_starts(hass: HomeAssistant, since: datetime) -> list[datetime]:
    """Return when the recorder's runs since an instant began, the present one last.

    Before each of them nobody watched for a time.
    """
    return await get_instance(hass).async_add_executor_job(_run_starts, hass, since)


def _run_starts(hass: HomeAssistant, since: datetime) -> list[datetime]:
    """Read in the recorder's executor, where blocking is fine."""
    wanted = select(RecorderRuns.start).where(RecorderRuns.start >= since)
    with session_scope(hass=hass, read_only=True) as session:
        known = {process_timestamp(start) for start in session.scalars(wanted)}
    return sorted({*known, get_instance(hass).recorder_runs_manager.current.start})


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
    known = get_metadata(hass, statistic_ids={source}).get(source)
    first = start.replace(minute=0, second=0, microsecond=0) - HOUR
    last = end.replace(minute=0, second=0, microsecond=0)
    rows: list[Row] = []
    while first < last:  # a year at once would stop all other threads for a while
        until = min(first + AT_ONCE, last)
        rows += _rows(hass, source, known, first, until, period="hour")
        first = until
    if last < end:
        rows += _rows(hass, source, known, last, end, period="5minute")
    return rows
