"""A house of two import registers, of which one counts by day and one by night."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
import sqlite3
from zoneinfo import ZoneInfo

import pytest

from .crash.audit import audit
from .crash.files import books_of
from .home import ACCOUNT, KEY, SLOT
from .lifetime import PUMP, ROOF, T1, T2, TWO_REGISTERS, Life, used
from .lives import Child, alive, shown
from .simulator import FlatPeakSimulator, day_start

BERLIN = ZoneInfo("Europe/Berlin")
MIDNIGHT = day_start(date(2026, 11, 11), BERLIN)
NEXT = MIDNIGHT + timedelta(days=1)
MINUTE = timedelta(minutes=1)
LOST = 10 * MINUTE  # of rows, in a crash that takes the last pages of a file along
AWAY = 20 * MINUTE
UNSEEN = AWAY + SLOT  # until the first new reading

# On the location's clock. What is used is even in the first two, and in the third the
# house changes from T2 to T1.
EVEN = [
    MIDNIGHT + timedelta(hours=5, minutes=5),
    MIDNIGHT + timedelta(hours=11, minutes=10),
]
UNEVEN = [
    MIDNIGHT + timedelta(hours=7, minutes=20),
    MIDNIGHT + timedelta(hours=9, minutes=5),
]

pytestmark = [
    pytest.mark.usefixtures("lives_allowed"),
    pytest.mark.parametrize("tariff", ["dynamic", "daynight"]),
]


@asynccontextmanager
async def house(
    tariff: str, folder: Path, begin: datetime
) -> AsyncIterator[tuple[FlatPeakSimulator, Life]]:
    """Build the house."""
    async with FlatPeakSimulator() as simulator:
        simulator.now = begin
        simulator.add_account(ACCOUNT, KEY)
        location = simulator.add_location(
            ACCOUNT, tariff=tariff, timezone=BERLIN.key, currency="EUR"
        )
        life = Life(
            folder=str(folder),
            url=simulator.url,
            location=location,
            zone=BERLIN.key,
            begin=begin,
            now=begin,
            window=15,
            meters=TWO_REGISTERS,
        )
        yield simulator, life


async def stop(child: Child, _life: Life) -> None:
    """Stop Home Assistant as its user does."""
    await child.stop()


async def kill(child: Child, life: Life) -> None:
    """End it at once, and with it the last that the recorder wrote."""
    await child.kill()
    assert child.was_killed
    assert child.last is not None
    since = child.last - LOST
    first_run = (since - SLOT).strftime("%Y-%m-%d %H:%M:%S")
    with closing(sqlite3.connect(life.database)) as database:
        for order, value in (
            (
                "DELETE FROM statistics_short_term WHERE created_ts >= ?",
                since.timestamp(),
            ),
            ("DELETE FROM statistics WHERE created_ts >= ?", since.timestamp()),
            ("DELETE FROM statistics_runs WHERE start >= ?", first_run),
            ("DELETE FROM states WHERE last_updated_ts >= ?", since.timestamp()),
        ):
            database.execute(order, (value,))
        assert database.total_changes > len(TWO_REGISTERS)
        database.commit()


async def test_scenario_01_two_registers_for_a_day(tmp_path: Path, tariff: str) -> None:
    """Every window has the energy and the money of the exact account."""
    begin = MIDNIGHT - 25 * MINUTE
    async with house(tariff, tmp_path, begin) as (simulator, life):
        async with alive(life, simulator) as child:
            await child.live(NEXT + 45 * MINUTE)
            await child.stop()
        check_account(simulator, life)
        check_windows(life, [])


@pytest.mark.parametrize("end", [stop, kill])
async def test_scenario_01_scenario_02_away_for_20_minutes(
    tmp_path: Path, tariff: str, end: Callable[[Child, Life], Awaitable[None]]
) -> None:
    """A register that ran on tells the sum of the time away, and no more.

    Where the use was even, each window is as if nothing had happened. Elsewhere those
    that the time away touches share what they had, and are estimates.
    """
    begin = MIDNIGHT + timedelta(hours=4, minutes=35)
    async with house(tariff, tmp_path, begin) as (simulator, life):
        for gone in sorted([*EVEN, *UNEVEN]):
            async with alive(replace(life, now=simulator.now), simulator) as child:
                await child.live(gone)
                await end(child, life)
            simulator.now += AWAY
        async with alive(replace(life, now=simulator.now), simulator) as child:
            await child.live(MIDNIGHT + timedelta(hours=13))
            await child.stop()
        check_account(simulator, life)
        check_windows(life, [*EVEN, *UNEVEN])


def check_account(simulator: FlatPeakSimulator, life: Life) -> None:
    """All sums are exact, all money is the tariff's, and FlatPeak has the same."""
    found = audit(simulator, life, MIDNIGHT)
    assert not found.wrong
    assert not found.unconfirmed
    journal, _ = books_of(life)
    owners = {state.source: state.stream.owner for state in journal.meters.values()}
    assert len({owners[T1], owners[T2], owners[PUMP]}) == 3, "one writer per stream"
    assert owners[T1] == owners[ROOF] == life.location
    bought, more, sold = (
        simulator.stored_cost(owners[source], MIDNIGHT, NEXT, direction.upper())
        for source, (direction, kind) in TWO_REGISTERS.items()
        if kind == "grid"
    )
    assert bought
    assert more
    assert sold
    costs = shown(life, "location", "cost_today")
    assert costs[MIDNIGHT] == bought + more - sold


def check_windows(life: Life, absences: Sequence[datetime]) -> None:
    """Estimates are those that an absence touches; all but uneven ones are exact."""
    journal, book = books_of(life)
    for key, state in journal.meters.items():
        assert state.cut_until is not None
        moved = [gone for gone in absences if flowed(state.source, gone, gone + UNSEEN)]
        lines = book.between(key, life.begin, state.cut_until)
        for line in lines:
            touching = [
                gone for gone in moved if line.start < gone + UNSEEN and gone < line.end
            ]
            assert line.estimated == bool(touching), (state.source, line)
            if not set(touching) & set(UNEVEN):
                assert line.mwh == flowed(state.source, line.start, line.end)


def flowed(source: str, start: datetime, end: datetime) -> int:
    """Return what truly flowed (mWh) between two instants."""
    first, after = (int(time.timestamp()) // 300 for time in (start, end))
    return sum(used(source, slot) for slot in range(first, after))
