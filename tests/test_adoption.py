"""What an earlier life has sent is not sent again: restored, lost and copied books."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.flatpeak.const import DOMAIN

from .home import ACCOUNT, Home
from .simulator import DEFAULT

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
MIDNIGHT = BEGIN.replace(hour=0)
GRID, PUMP = "sensor.grid_import", "sensor.heat_pump"
METERS = {GRID: ("import", "grid"), PUMP: ("import", "device")}
SLOT = timedelta(minutes=5)

pytestmark = pytest.mark.freeze_time(BEGIN)


def use(start: datetime) -> dict[str, float]:
    """Return what is used in a slot: uneven, so that nothing is right by chance."""
    number = int(start.timestamp()) // 300
    return {GRID: (100 + number % 7) / 1000, PUMP: (10 + number % 3) / 1000}


@pytest.fixture(params=["same_period", "never"])
async def entry(home: Home, request: pytest.FixtureRequest) -> MockConfigEntry:
    """Return a home that has been recorded for an hour."""
    home.simulator.switches = DEFAULT.but({"overwrite": request.param})
    location = home.simulator.add_location(ACCOUNT, tariff="dynamic")
    for source in METERS:
        home.add_sensor(source)
    entry = home.add_entry(location, METERS, window=15)
    await home.set_up(entry)
    await home.live(BEGIN + timedelta(hours=1), use)
    return entry


def files(home: Home, pattern: str) -> list[Path]:
    """Return files of the books."""
    folder = Path(home.hass.config.path(".storage"))
    return sorted(folder.glob(f"{DOMAIN}.*{pattern}"))


def keep(home: Home) -> Callable[[], None]:
    """Make a backup of the books, and return what restores it."""
    copies = {path: path.read_bytes() for path in files(home, "")}

    def restore() -> None:
        for path in files(home, ""):
            path.unlink()
        for path, data in copies.items():
            path.write_bytes(data)

    return restore


def lose_journal(home: Home) -> Callable[[], None]:
    """Return what deletes the journal."""
    return lambda: _delete(home, ".journal")


def lose_all(home: Home) -> Callable[[], None]:
    """Return what deletes journal and book."""
    return lambda: _delete(home, "")


def _delete(home: Home, pattern: str) -> None:
    for path in files(home, pattern):
        path.unlink()


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(keep, id="scenario_13_restored"),
        pytest.param(lose_journal, id="scenario_14_journal_lost"),
        pytest.param(lose_all, id="scenario_29_both_lost"),
    ],
)
async def test_scenario_13_scenario_14_scenario_29_nothing_is_sent_twice(
    home: Home,
    entry: MockConfigEntry,
    trouble: Callable[[Home], Callable[[], None]],
) -> None:
    """The windows of another life are found in the report and booked from it."""
    strike = trouble(home)
    await home.live(BEGIN + timedelta(hours=2), use)
    await home.hass.config_entries.async_unload(entry.entry_id)
    strike()
    await home.set_up(entry)
    await home.live(BEGIN + timedelta(hours=2, minutes=45), use)
    periods = [
        (one.draft.owner, one.draft.start) for one in home.simulator.ledger.submissions
    ]
    assert len(periods) == len(set(periods))
    end = BEGIN + timedelta(hours=2, minutes=45)
    for key, state in entry.runtime_data.ledger.journal.meters.items():
        owner = state.stream.owner
        stored = home.simulator.stored_cost(owner, MIDNIGHT, end)
        assert stored
        assert home.value("cost_today", key) == stored
        assert home.value("pending_records", key) == 0
        (source,) = [s for s in METERS if state.source == s]
        # The first slot begins before the first row.
        lived = sum(Decimal(str(use(BEGIN + SLOT * n)[source])) for n in range(1, 33))
        assert home.value("energy_today", key) == lived


async def test_scenario_16_another_window_length(
    home: Home, entry: MockConfigEntry
) -> None:
    """What was cut keeps its bounds; the new length begins at the next full hour."""
    home.hass.config_entries.async_update_entry(
        entry, options={**entry.options, "window": 60}
    )
    await home.hass.config_entries.async_reload(entry.entry_id)
    await home.live(BEGIN + timedelta(hours=3, minutes=20), use)
    lengths = {}
    for one in home.simulator.ledger.submissions:
        lengths[one.draft.start] = one.draft.end - one.draft.start
    assert lengths[BEGIN + timedelta(minutes=30)] == timedelta(minutes=15)
    assert lengths[BEGIN + timedelta(minutes=60)] == timedelta(minutes=15)
    assert lengths[BEGIN + timedelta(minutes=120)] == timedelta(minutes=60)
