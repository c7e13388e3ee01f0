"""What the recorder has of our statistics, and what FlatPeak says it must be."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from homeassistant.components.recorder.statistics import (
    get_metadata,
    statistics_during_period,
)
from homeassistant.helpers.recorder import get_instance

from custom_components.flatpeak.const import (
    DIRECTION_EXPORT,
    DIRECTION_IMPORT,
    DOMAIN,
)
from custom_components.flatpeak.meters import device_reference_id, meter_key
from custom_components.flatpeak.series import statistic_id

from .home import Home

GRID, SOLD, PUMP = "sensor.grid_import", "sensor.grid_export", "sensor.heat_pump"
METERS = {
    GRID: (DIRECTION_IMPORT, "grid"),
    SOLD: (DIRECTION_EXPORT, "grid"),
    PUMP: (DIRECTION_IMPORT, "device"),
}
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

type Rows = Mapping[datetime, tuple[float, float]]


def usage(start: datetime) -> dict[str, float]:
    """Return the kWh that each source uses in a slot: uneven."""
    slot = int(start.timestamp()) // 300
    return {
        GRID: (40_000 + slot * 7919 % 160_000) / 1_000_000,
        SOLD: slot * 7919 % 60_000 / 1_000_000,
        PUMP: (1000 + slot * 7919 % 30_000) / 1_000_000,
    }


class Recorded:
    """The statistics of a location's meters."""

    def __init__(self, home: Home, location: str) -> None:
        """Look at one location."""
        self.home = home
        self.location = location

    def key(self, source: str) -> str:
        """Return a meter's key."""
        return meter_key(self.location, METERS.get(source, METERS[GRID])[0], source)

    def id(self, source: str, kind: str = "cost") -> str:
        """Return the id of a statistic."""
        return statistic_id(self.location, self.key(source), kind)

    def stored(self, source: str, start: datetime, end: datetime) -> Decimal:
        """Return FlatPeak's sum of a meter."""
        simulator = self.home.simulator
        reference = device_reference_id(self.key(source))
        devices = simulator.ledger.devices.values()
        own = [one.id for one in devices if one.reference_id == reference]
        owner = own[0] if own else self.location
        direction = METERS.get(source, METERS[GRID])[0].upper()
        return simulator.stored_cost(owner, start, end, direction)

    async def everything(self) -> Mapping[str, Rows]:
        """Return all rows of all our statistics."""
        return {one: await self.rows_of(one) for one in await self.names()}

    async def rows(self, source: str, kind: str = "cost") -> Rows:
        """Return state and sum of all rows of a statistic."""
        return await self.rows_of(self.id(source, kind))

    async def rows_of(self, statistic: str) -> Rows:
        """Return state and sum of all rows of a statistic."""
        found = await get_instance(self.home.hass).async_add_executor_job(
            statistics_during_period,
            self.home.hass,
            LONG_AGO,
            None,
            {statistic},
            "hour",
            None,
            {"state", "sum"},
        )
        return {
            datetime.fromtimestamp(row["start"], UTC): (
                row["state"] or 0.0,
                row["sum"] or 0.0,
            )
            for row in found.get(statistic, [])
        }

    async def names(self) -> dict[str, tuple[str | None, str | None]]:
        """Return name and unit of our statistics."""
        found = await get_instance(self.home.hass).async_add_executor_job(
            lambda: get_metadata(self.home.hass, statistic_source=DOMAIN)
        )
        return {
            identity: (meta["name"], meta["unit_of_measurement"])
            for identity, (_, meta) in found.items()
        }


def assert_sums(rows: Rows) -> None:
    """Check that each sum is the one before and the hour's own value."""
    total = 0.0
    for state, sum_ in rows.values():
        total += state
        assert abs(sum_ - total) < 1e-9
