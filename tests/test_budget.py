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
    """No 24 hours take more: not the second day offline, and not the return."""
    meters = {f"sensor.device_{n}": ("import", "device") for n in range(9)}
    meters |= {"sensor.grid_import": ("import", "grid")}
    for source in meters:
        home.add_sensor(source)
    location = home.simulator.add_location(ACCOUNT, tariff="daynight")
    entry = home.add_entry(location, meters, window=30)
    await home.set_up(entry)
    home.simulator.fail("*", times=None, kind=FaultKind.DROP)
    so_far = [0]

    async def live(hours: int) -> None:
        for _ in range(hours):
            until = BEGIN + len(so_far) * timedelta(hours=1)
            await home.live(until, lambda _: dict.fromkeys(meters, 0.07))
            so_far.append(written["journal"] + written["book"])

    await live(48)
    assert len(entry.runtime_data.ledger.journal.outbox) == 96 * len(meters)
    home.simulator.faults.clear()
    await live(12)
    # Of the first one nobody knows whether its request arrived, and nothing proves it.
    assert len(entry.runtime_data.ledger.journal.outbox) <= 1
    days = [after - before for before, after in zip(so_far, so_far[24:], strict=False)]
    assert max(days) < BUDGET * len(meters)
    assert days[24] < 1.5 * days[0], "a longer list is not written more often"
