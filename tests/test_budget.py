"""How much is written in a day: memory cards wear out."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from custom_components.flatpeak import book, journal, journal_file

from .home import ACCOUNT, Home
from .simulator.faults import FaultKind

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
DAY = timedelta(days=1)
BUDGET = 100_000  # bytes per meter and day
METERS = {
    "sensor.grid_import": ("import", "grid"),
    "sensor.grid_export": ("export", "grid"),
    "sensor.heat_pump": ("import", "device"),
    "sensor.car": ("import", "device"),
}

pytestmark = pytest.mark.freeze_time(BEGIN)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the bytes that are given to the two writers, and their calls."""
    counted: Counter[str] = Counter()

    def count(module: Any, name: str) -> None:
        write = getattr(module, name)

        def counting(path: Any, text: str, **how: Any) -> None:
            file = "book" if module is book else "journal"
            counted[file] += len(text.encode())
            counted["writes"] += 1
            write(path, text, **how)

        monkeypatch.setattr(module, name, counting)

    count(journal, "write_utf8_file_atomic")
    count(book, "write_utf8_file_atomic")
    count(book, "append_durably")
    count(journal_file, "append_durably")
    return counted


async def test_invariant_4_bytes_of_a_day(home: Home, written: Counter[str]) -> None:
    """At 30-minute windows a meter's books take less than 100 KB, polls and all."""
    for source in METERS:
        home.add_sensor(source)
    location = home.simulator.add_location(ACCOUNT, tariff="daynight")
    entry = home.add_entry(location, METERS, window=30)
    await home.set_up(entry)
    await home.live(BEGIN + DAY, lambda _: dict.fromkeys(METERS, 0.07))
    lines = sum(
        len(entry.runtime_data.ledger.book.between(key, BEGIN, BEGIN + DAY))
        for key in entry.runtime_data.meters
    )
    assert lines == 48 * len(METERS)
    assert written["journal"] + written["book"] < BUDGET * len(METERS)
    assert written["book"] < 5_000 * len(METERS)
    assert written["writes"] < 2 * 48 + 20, "for the whole entry"


@pytest.mark.parametrize("others", [3, 9])
async def test_invariant_4_bytes_of_a_day_offline(
    home: Home, written: Counter[str], others: int
) -> None:
    """A list of records that grows all day is short enough, however many meters."""
    meters = {"sensor.grid_import": ("import", "grid")}
    meters |= {f"sensor.device_{n}": ("import", "device") for n in range(others)}
    for source in meters:
        home.add_sensor(source)
    location = home.simulator.add_location(ACCOUNT, tariff="daynight")
    entry = home.add_entry(location, meters, window=30)
    await home.set_up(entry)
    home.simulator.fail("*", times=None, kind=FaultKind.DROP)
    await home.live(BEGIN + DAY, lambda _: dict.fromkeys(meters, 0.07))
    assert len(entry.runtime_data.ledger.journal.outbox) == 48 * len(meters)
    assert written["journal"] + written["book"] < BUDGET * len(meters)


async def test_invariant_4_bytes_of_two_days_offline(
    home: Home, written: Counter[str]
) -> None:
    """Neither a second day offline nor the return wears the disk more than a day."""
    meters = {f"sensor.device_{n}": ("import", "device") for n in range(9)}
    meters |= {"sensor.grid_import": ("import", "grid")}
    for source in meters:
        home.add_sensor(source)
    location = home.simulator.add_location(ACCOUNT, tariff="daynight")
    entry = home.add_entry(location, meters, window=30)
    await home.set_up(entry)
    home.simulator.fail("*", times=None, kind=FaultKind.DROP)
    hours: list[int] = []
    for number in range(60):
        if number == 48:
            assert len(entry.runtime_data.ledger.journal.outbox) > 94 * len(meters)
            home.simulator.faults.clear()
        before = written["journal"] + written["book"]
        await home.live(
            BEGIN + (number + 1) * timedelta(hours=1),
            lambda _: dict.fromkeys(meters, 0.07),
        )
        hours.append((written["journal"] + written["book"] - before) // len(meters))
    print(hours, written)
    assert len(entry.runtime_data.ledger.journal.outbox) <= 1
    days = [sum(hours[n : n + 24]) for n in range(len(hours) - 23)]
    print(max(days), days)
    assert max(days) < BUDGET
