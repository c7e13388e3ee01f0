"""What the tests of the past share: hourly statistics, and how they are fetched."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.recorder.models import (
    StatisticData,
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import async_import_statistics
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.flatpeak.api import FlatPeakError
from custom_components.flatpeak.coordinator import FlatPeakCoordinator
from custom_components.flatpeak.metering import PricedWindow

from .home import Home

HOUR = timedelta(hours=1)
AGES = datetime(2020, 1, 1, tzinfo=UTC)


def used(source: str, hour: datetime, *, pause: bool = True) -> int:
    """Return the energy (mWh) of an hour: uneven, and now and then nothing."""
    number = int(hour.timestamp()) // 3600 + len(source)
    return 0 if pause and number % 24 == 3 else 200_000 + number * 7919 % 900_011


def import_past(
    hass: HomeAssistant,
    source: str,
    start: datetime,
    end: datetime,
    last: Decimal,
    *,
    pause: bool = True,
) -> None:
    """Let the recorder know a register's hours, up to `last` (kWh) at `end`."""
    hours = [start + HOUR * n for n in range((end - start) // HOUR)]
    total = sum(used(source, hour, pause=pause) for hour in hours)
    stand = last - Decimal(total) / 1_000_000
    rows: list[StatisticData] = []
    for hour in hours:
        stand += Decimal(used(source, hour, pause=pause)) / 1_000_000
        rows.append({"start": hour, "state": float(stand), "sum": float(stand)})
    meta: StatisticMetaData = {
        "mean_type": StatisticMeanType.NONE,
        "has_sum": True,
        "name": None,
        "source": "recorder",
        "statistic_id": source,
        "unit_class": "energy",
        "unit_of_measurement": "kWh",
    }
    async_import_statistics(hass, meta, rows)


def coordinator(entry: MockConfigEntry) -> FlatPeakCoordinator:
    """Return what runs an entry."""
    found = entry.runtime_data
    assert isinstance(found, FlatPeakCoordinator)
    return found


async def fetch(
    entry: MockConfigEntry, freezer: FrozenDateTimeFactory, *, most: int = 500
) -> int:
    """Do all steps, each when its time has come, and return how many there were."""
    backfill = coordinator(entry).backfill
    for number in range(most):
        try:
            wait = await backfill.async_step()
        except FlatPeakError:
            wait = timedelta(minutes=1)
        if wait is None:
            return number + 1
        freezer.move_to(dt_util.utcnow() + wait)
    raise AssertionError("It does not end")


async def fetch_until(
    entry: MockConfigEntry, freezer: FrozenDateTimeFactory, is_so: Callable[[], object]
) -> None:
    """Do steps, each when its time has come, until something is so."""
    backfill = coordinator(entry).backfill
    while not is_so():
        try:
            wait = await backfill.async_step()
        except FlatPeakError:
            wait = timedelta(minutes=1)
        assert wait is not None
        freezer.move_to(dt_util.utcnow() + wait)


def lines(entry: MockConfigEntry, meter: str, end: datetime) -> list[PricedWindow]:
    """Return a meter's lines before an instant."""
    return coordinator(entry).ledger.book.between(meter, AGES, end)


async def add_past(
    home: Home, sources: Iterable[str], start: datetime, end: datetime
) -> None:
    """Give sensors a past, and let them live on from `end`."""
    for source in sources:
        import_past(home.hass, source, start, end, Decimal(1000))
        home.add_sensor(source)
    await async_wait_recording_done(home.hass)
