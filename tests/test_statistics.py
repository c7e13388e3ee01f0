"""Hourly statistics, in a real recorder, from a FlatPeak that answers."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from homeassistant.components.recorder.statistics import (
    get_metadata,
    statistics_during_period,
)
from homeassistant.helpers.recorder import get_instance
import pytest

from custom_components.flatpeak.const import (
    DIRECTION_EXPORT,
    DIRECTION_IMPORT,
    DOMAIN,
)
from custom_components.flatpeak.meters import device_reference_id, meter_key
from custom_components.flatpeak.series import statistic_id

from .home import ACCOUNT, Home
from .simulator import DEFAULT, VARIANTS

GRID, SOLD, PUMP = "sensor.grid_import", "sensor.grid_export", "sensor.heat_pump"
METERS = {
    GRID: (DIRECTION_IMPORT, "grid"),
    SOLD: (DIRECTION_EXPORT, "grid"),
    PUMP: (DIRECTION_IMPORT, "device"),
}
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
START = datetime(2026, 11, 10, 12, tzinfo=UTC)

type Rows = Mapping[datetime, tuple[float, float]]


@pytest.fixture
def recorder_config() -> dict[str, Any]:
    """Record the sources alone, which is quicker."""
    return {"include": {"entities": list(METERS)}}


def usage(start: datetime) -> dict[str, float]:
    """Return what each source uses in a slot: uneven."""
    slot = int(start.timestamp()) // 300
    return {
        GRID: (40_000 + slot * 7919 % 160_000) / 1_000_000,
        SOLD: slot * 7919 % 60_000 / 1_000_000,
        PUMP: (1000 + slot * 7919 % 30_000) / 1_000_000,
    }


class Recorded:
    """The statistics of a location's meters, and what they must be."""

    def __init__(self, home: Home, location: str) -> None:
        """Look at one location."""
        self.home = home
        self.location = location

    def key(self, source: str) -> str:
        """Return a meter's key."""
        return meter_key(self.location, METERS[source][0], source)

    def id(self, source: str, kind: str = "cost") -> str:
        """Return the id of a statistic."""
        return statistic_id(self.location, self.key(source), kind)

    def owner(self, source: str) -> str:
        """Return the id that a meter's records are stored for."""
        reference = device_reference_id(self.key(source))
        devices = self.home.simulator.ledger.devices.values()
        own = [one.id for one in devices if one.reference_id == reference]
        return own[0] if own else self.location

    def stored(self, source: str, start: datetime, end: datetime) -> Decimal:
        """Return FlatPeak's sum of a meter."""
        direction = METERS[source][0].upper()
        owner = self.owner(source)
        return self.home.simulator.stored_cost(owner, start, end, direction)

    async def rows(self, statistic: str) -> Rows:
        """Return state and sum of all rows of a statistic."""
        found = await get_instance(self.home.hass).async_add_executor_job(
            statistics_during_period,
            self.home.hass,
            datetime(2020, 1, 1, tzinfo=UTC),
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


@pytest.mark.parametrize("variant", ["order=ascending", "export_sign=negative"])
@pytest.mark.freeze_time(START)
async def test_hours_of_every_meter(home: Home, variant: str) -> None:
    """Each complete hour has a row with its energy and FlatPeak's money."""
    home.simulator.switches = VARIANTS.get(variant, DEFAULT)
    location = home.simulator.add_location(ACCOUNT, tariff="dynamic", currency="EUR")
    for source in METERS:
        home.add_sensor(source)
    await home.set_up(home.add_entry(location, METERS, window=15))
    recorded = Recorded(home, location)
    await home.live(START + 3 * HOUR + 10 * MINUTE, usage)
    for source in METERS:
        sign = -1 if source == SOLD and "negative" in variant else 1
        rows = await recorded.rows(recorded.id(source))
        assert list(rows) == [START + n * HOUR for n in range(3)]
        total = Decimal(0)
        for start, (state, sum_) in rows.items():
            money = recorded.stored(source, start, start + HOUR) * sign
            total += money
            assert (state, sum_) == (float(money), float(total))
        energy = await recorded.rows(recorded.id(source, "energy"))
        # The first reading is where the counting begins.
        used = sum(usage(START + n * 5 * MINUTE)[source] for n in range(1, 36))
        assert energy[START + 2 * HOUR][1] == pytest.approx(used, abs=1e-6)
        carbon = await recorded.rows(recorded.id(source, "carbon"))
        assert list(carbon) == list(rows)
        assert carbon[START][0] > 0
    names = await recorded.names()
    assert names[recorded.id(GRID)] == (
        "Grid import \N{EN DASH} cost (FlatPeak)",
        "EUR",
    )
    assert names[recorded.id(SOLD)] == (
        "Grid export \N{EN DASH} compensation (FlatPeak)",
        "EUR",
    )
    assert names[recorded.id(PUMP, "energy")] == (
        "Heat pump \N{EN DASH} energy (FlatPeak)",
        "kWh",
    )
    assert names[recorded.id(PUMP, "carbon")] == (
        "Heat pump \N{EN DASH} carbon (FlatPeak)",
        "g",
    )
