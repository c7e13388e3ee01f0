"""Hourly statistics, in a real recorder, from a FlatPeak that answers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
import re
from typing import Any
from zoneinfo import ZoneInfo

from _pytest.mark.structures import ParameterSet
from homeassistant.components.recorder.models import (
    StatisticData,
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import async_add_external_statistics
from homeassistant.const import EVENT_RECORDER_5MIN_STATISTICS_GENERATED
from homeassistant.helpers.recorder import get_instance
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)
from sqlalchemy import event

from custom_components.flatpeak import statistics
from custom_components.flatpeak.coordinator import FlatPeakCoordinator
from custom_components.flatpeak.decisions import released
from custom_components.flatpeak.metering import Answer, PricedWindow, Span

from .home import ACCOUNT, Home
from .simulator import DEFAULT, VARIANTS, day_start
from .statistics import (
    GRID,
    METERS,
    PUMP,
    SOLD,
    Recorded,
    assert_sums,
    usage,
)

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
START = datetime(2026, 11, 10, 12, tzinfo=UTC)
UTILITY = "utility:grid"  # an external statistic, hours or days late


@pytest.fixture
def recorder_config() -> dict[str, Any]:
    """Record the sources alone, which is quicker."""
    return {"include": {"entities": list(METERS)}}


async def set_up(
    home: Home, *sources: str, currency: str | None = "EUR", window: int = 30
) -> tuple[MockConfigEntry, Recorded]:
    """Return a home with those meters, and what the recorder has of it."""
    location = home.simulator.add_location(ACCOUNT, tariff="dynamic", currency=currency)
    for source in sources:
        home.add_sensor(source)
    meters = {source: METERS[source] for source in sources}
    entry = home.add_entry(location, meters, window=window)
    await home.set_up(entry)
    return entry, Recorded(home, location)


def grid_usage(start: datetime) -> dict[str, float]:
    """Return what the grid meter counts in a slot."""
    return {GRID: usage(start)[GRID]}


@contextmanager
def asked(home: Home) -> Iterator[list[str]]:
    """Note every statement about rows of hourly statistics."""
    engine = get_instance(home.hass).engine
    seen: list[str] = []

    def note(*args: Any) -> None:
        if re.search(r"\bstatistics\b", args[2]):
            seen.append(args[2])

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def changes(statements: Sequence[str]) -> list[str]:
    """Return the statements that change rows."""
    return [one for one in statements if not one.startswith("SELECT")]


@pytest.mark.freeze_time(datetime(2026, 11, 10, 17, 30, tzinfo=UTC))
async def test_scenario_29_a_home_that_begins_again_in_the_middle_of_an_hour(
    home: Home,
) -> None:
    """Kathmandu's midnight is at a quarter past: the row keeps what was before it.

    What the new books hold of that hour is a part of it, for each series.
    """
    location = home.simulator.add_location(
        ACCOUNT, tariff="dynamic", timezone="Asia/Kathmandu", currency="EUR"
    )
    for source in METERS:
        home.add_sensor(source)
    first = home.add_entry(location, METERS, window=15)
    await home.set_up(first)
    await home.live(dt_util.utcnow() + 160 * MINUTE, usage)
    recorded = Recorded(home, location)
    before = await recorded.everything()
    midnight = datetime(2026, 11, 10, 18, 15, tzinfo=UTC)
    hour = midnight.replace(minute=0)
    used = sum(usage(hour + n * 5 * MINUTE)[GRID] for n in range(12))
    energy = before[recorded.id(GRID, "energy")]
    assert energy[hour][0] == pytest.approx(used, abs=1e-6)

    await home.hass.config_entries.async_remove(first.entry_id)
    again = home.add_entry(location, METERS, window=15)
    await home.set_up(again)
    await home.live(dt_util.utcnow() + 70 * MINUTE, usage)
    book = again.runtime_data.ledger.book
    assert book.first(recorded.key(GRID)).start == midnight
    after = await recorded.everything()
    for identity, rows in before.items():
        assert {**after[identity], **rows} == after[identity]
        assert len(after[identity]) > len(rows)
        assert_sums(after[identity])


@pytest.mark.parametrize("variant", ["order=ascending", "export_sign=negative"])
@pytest.mark.freeze_time(START)
async def test_hours_of_every_meter(home: Home, variant: str) -> None:
    """Each complete hour has a row with its energy and FlatPeak's money.

    What was earned is positive, whichever sign FlatPeak gives it.
    """
    home.simulator.switches = VARIANTS.get(variant, DEFAULT)
    _, recorded = await set_up(home, *METERS, window=15)
    await home.live(START + 3 * HOUR + 10 * MINUTE, usage)
    for source in METERS:
        sign = -1 if source == SOLD and "negative" in variant else 1
        rows = await recorded.rows(source)
        assert list(rows) == [START + n * HOUR for n in range(3)]
        total = Decimal(0)
        for start, row in rows.items():
            money = recorded.stored(source, start, start + HOUR) * sign
            total += money
            assert row == (float(money), float(total))
        energy = await recorded.rows(source, "energy")
        # The first reading is where the counting begins.
        used = sum(usage(START + n * 5 * MINUTE)[source] for n in range(1, 36))
        assert energy[START + 2 * HOUR][1] == pytest.approx(used, abs=1e-6)
        carbon = await recorded.rows(source, "carbon")
        assert list(carbon) == list(rows)
        assert carbon[START][0] > 0
        assert_sums(carbon)
    names = await recorded.names()
    dash = "\N{EN DASH}"
    assert names[recorded.id(GRID)] == (f"Grid import {dash} cost (FlatPeak)", "EUR")
    sold = f"Grid export {dash} compensation (FlatPeak)"
    assert names[recorded.id(SOLD)] == (sold, "EUR")
    pump = f"Heat pump {dash}"
    assert names[recorded.id(PUMP, "energy")] == (f"{pump} energy (FlatPeak)", "kWh")
    assert names[recorded.id(PUMP, "carbon")] == (f"{pump} carbon (FlatPeak)", "g")


@pytest.mark.freeze_time(START)
async def test_invariant_11_twice_changes_nothing(home: Home) -> None:
    """Nor does a restart, which compares everything, write a single row."""
    entry, recorded = await set_up(home, GRID)
    await home.live(START + 2 * HOUR + 10 * MINUTE, grid_usage)
    before = await recorded.rows(GRID)
    assert len(before) == 2
    with asked(home) as statements:
        coordinator: FlatPeakCoordinator = entry.runtime_data
        assert await coordinator.hours.async_update(coordinator.meters)
        assert statements == []  # what is written is not even looked at
        await home.hass.config_entries.async_reload(entry.entry_id)
        coordinator = entry.runtime_data
        assert await coordinator.hours.async_update(coordinator.meters)
        await async_wait_recording_done(home.hass)
        assert statements
        assert changes(statements) == []
        await home.live(START + 3 * HOUR + 10 * MINUTE, grid_usage)
    assert changes(statements)  # the witness sees what it should
    after = await recorded.rows(GRID)
    assert {**after, **before} == after
    assert len(after) == 3


@pytest.mark.freeze_time(START)
async def test_scenario_25_an_hour_is_inserted_later(home: Home) -> None:
    """An hour that waits is omitted, then inserted, and later sums are rewritten."""
    entry, recorded = await set_up(home, GRID)
    await home.live(START + 70 * MINUTE, grid_usage)
    home.registers[GRID] += 500  # kWh in 5 minutes: it waits for the user
    await home.live(START + 5 * HOUR + 10 * MINUTE, grid_usage)
    rows = await recorded.rows(GRID)
    energy = await recorded.rows(GRID, "energy")
    assert list(rows) == [START + n * HOUR for n in (0, 2, 3, 4)] == list(energy)
    coordinator: FlatPeakCoordinator = entry.runtime_data
    await coordinator.async_decide(
        partial(released, meter=recorded.key(GRID), answer=Answer.DISCARD)
    )
    await home.live(START + 5 * HOUR + 20 * MINUTE, grid_usage)
    after = await recorded.rows(GRID)
    assert list(after) == [START + n * HOUR for n in range(5)]
    for start, (state, _) in rows.items():
        assert after[start][0] == state
    assert_sums(after)
    money = recorded.stored(GRID, START, START + 5 * HOUR)
    assert after[START + 4 * HOUR][1] == float(money)
    assert_sums(await recorded.rows(GRID, "energy"))


@pytest.mark.freeze_time(START)
async def test_settled_prices_change_their_hours_alone(home: Home) -> None:
    """The nightly look takes them over; no other row of any series moves.

    The later sums of the costs that changed do, by as much.
    """
    _, recorded = await set_up(home, *METERS)
    await home.live(START + 4 * HOUR + 10 * MINUTE, usage)
    before = await recorded.everything()
    settled = START + HOUR
    home.simulator.settle(
        recorded.location, settled, settled + HOUR, change=Decimal("0.1")
    )
    await home.go_to(datetime(2026, 11, 11, 0, 12, tzinfo=UTC))
    after = await recorded.everything()
    assert len(after) == 3 * len(METERS)
    bought = {recorded.id(GRID): GRID, recorded.id(PUMP): PUMP}
    for identity in before.keys() - bought.keys():
        assert after[identity] == before[identity]
    for identity, source in bought.items():
        rows = after[identity]
        assert len(rows) == 4
        assert rows.keys() == before[identity].keys()
        changed = {hour for hour in rows if rows[hour][0] != before[identity][hour][0]}
        assert changed == {settled}
        for hour, (state, _) in rows.items():
            assert state == float(recorded.stored(source, hour, hour + HOUR))
        assert rows[START] == before[identity][START]
        assert_sums(rows)


@pytest.mark.freeze_time(START)
async def test_doubted_money_is_taken_back(home: Home) -> None:
    """A row whose money comes into doubt counts nothing; its energy stays."""
    entry, recorded = await set_up(home, GRID)
    await home.live(START + 3 * HOUR + 10 * MINUTE, grid_usage)
    coordinator: FlatPeakCoordinator = entry.runtime_data
    before = await recorded.rows(GRID)
    book, key = coordinator.ledger.book, recorded.key(GRID)
    lines = book.between(key, START + HOUR, START + 2 * HOUR)
    energy = await recorded.rows(GRID, "energy")
    book.append([(key, replace(line, doubted=True)) for line in lines])
    assert await coordinator.hours.async_update([key])
    after = await recorded.rows(GRID)
    assert after[START + HOUR] == (0, before[START][1])
    assert after[START + 2 * HOUR][0] == before[START + 2 * HOUR][0]
    assert_sums(after)
    assert await recorded.rows(GRID, "energy") == energy


def _import(home: Home, first: datetime, readings: list[float], total: float) -> None:
    """Import a utility's rows: a register, hour by hour."""
    meta = StatisticMetaData(
        has_sum=True,
        mean_type=StatisticMeanType.NONE,
        name="Grid",
        source="utility",
        statistic_id=UTILITY,
        unit_class="energy",
        unit_of_measurement="kWh",
    )
    rows = []
    for number, used in enumerate(readings):
        total += used
        start = first + number * HOUR
        rows.append(StatisticData(start=start, state=total, sum=total))
    async_add_external_statistics(home.hass, meta, rows)


def _day(zone: str, day: date, hours: float) -> ParameterSet:
    """Return a local day and its length; the test begins two hours before it."""
    midnight = day_start(day, ZoneInfo(zone))
    mark = pytest.mark.freeze_time((midnight - 2 * HOUR).isoformat())
    return pytest.param(zone, day, hours, marks=mark, id=f"{zone} {day}")


DAYS = [
    _day("Europe/Berlin", date(2026, 10, 25), 25),
    _day("Europe/Berlin", date(2026, 3, 29), 23),
    _day("America/New_York", date(2026, 11, 1), 25),
    _day("America/New_York", date(2026, 3, 8), 23),
    _day("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
    _day("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
    _day("Asia/Kathmandu", date(2026, 11, 1), 24),
]


@pytest.mark.parametrize(("name", "day", "length"), DAYS)
async def test_invariant_6_day_of_a_clock_change(
    home: Home, name: str, day: date, length: float
) -> None:
    """It has as many rows as hours, and the sums of the day are right.

    Where hours of UTC straddle midnight nothing is lost between them, and the day's
    sum comes from the books.
    """
    zone = ZoneInfo(name)
    midnight, end = day_start(day, zone), day_start(day + timedelta(days=1), zone)
    assert end - midnight == length * HOUR
    first = midnight.replace(minute=0)  # the hour in which the day begins
    location = home.simulator.add_location(
        ACCOUNT, tariff="dynamic", timezone=name, currency="EUR"
    )
    meters = {UTILITY: METERS[GRID]}
    entry = home.add_entry(location, meters, window=60)
    _import(home, first - 4 * HOUR, [0, 0], 1000)
    await async_wait_recording_done(home.hass)
    await home.set_up(entry)
    await push(home)

    used = [0.3 + n * 7919 % 1000 / 1000 for n in range(27)]
    _import(home, first - 2 * HOUR, [0, 0, *used], 1000)
    await async_wait_recording_done(home.hass)
    await home.go_to(first + 28 * HOUR)
    await push(home)
    recorded = Recorded(home, location)
    energy, cost = (
        {start: row for start, row in rows.items() if start >= first}
        for rows in (
            await recorded.rows(UTILITY, "energy"),
            await recorded.rows(UTILITY),
        )
    )
    starts = [first + n * HOUR for n in range(27)]
    assert list(energy) == list(cost) == starts
    assert [row[0] for row in energy.values()] == pytest.approx(used, abs=1e-6)
    for start, (state, _) in cost.items():
        assert state == float(recorded.stored(UTILITY, start, start + HOUR))
    assert_sums(cost)
    today = [start for start in starts if midnight <= start < end]
    if whole := midnight.minute == end.minute == 0:
        assert len(today) == length
        of_day = sum(energy[start][0] for start in today)
        assert of_day == pytest.approx(sum(used[: len(today)]), abs=1e-6)
    coordinator: FlatPeakCoordinator = entry.runtime_data
    total = coordinator.ledger.book.days(recorded.key(UTILITY), zone)[day]
    assert total.money == recorded.stored(UTILITY, midnight, end)
    if whole:
        assert float(total.money or 0) == pytest.approx(
            sum(cost[start][0] for start in today)
        )


async def push(home: Home) -> None:
    """Let the recorder's run lead to a push, and a batch to its second read."""
    for _ in range(3):
        home.hass.bus.async_fire(EVENT_RECORDER_5MIN_STATISTICS_GENERATED)
        await home.hass.async_block_till_done(wait_background_tasks=True)
        await home.go_to(home.simulator.clock() + 6 * MINUTE)


def _past(first: datetime, hours: int, money: str) -> list[PricedWindow]:
    """Return priced windows of an hour each, as a backfill books them."""
    return [
        PricedWindow(
            start=first + n * HOUR,
            end=first + (n + 1) * HOUR,
            mwh=1_500_000,
            money=Decimal(money),
            currency="EUR",
        )
        for n in range(hours)
    ]


@pytest.mark.freeze_time(START)
async def test_invariant_11_history_is_inserted_before(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All later sums are rewritten, in portions; hours still to come have no row."""
    monkeypatch.setattr(statistics, "CHUNK", 10)
    entry, recorded = await set_up(home, GRID)
    await home.live(START + 2 * HOUR + 10 * MINUTE, grid_usage)
    before = await recorded.rows(GRID)
    coordinator: FlatPeakCoordinator = entry.runtime_data
    key, book = recorded.key(GRID), coordinator.ledger.book
    first = START - timedelta(days=200)
    coordinator.hours.open_past[key] = Span(start=first, end=START)
    for month in range(2):
        begin = first + timedelta(days=100 * month)
        book.append([(key, line) for line in _past(begin, 30, "0.1")])
        coordinator.hours.open_past[key] = Span(start=begin + 30 * HOUR, end=START)
        assert await coordinator.hours.async_update([key])
    rows = await recorded.rows(GRID)
    # What lies between is in the book by now, for all that it says.
    assert list(rows)[:30] == [first + n * HOUR for n in range(30)]
    assert {start: row[0] for start, row in rows.items() if start >= START} == {
        start: row[0] for start, row in before.items()
    }
    assert max(start for start in rows if start < START) == begin + 29 * HOUR
    assert_sums(rows)
    del coordinator.hours.open_past[key]
    assert await coordinator.hours.async_update([key])
    rows = await recorded.rows(GRID)
    assert len(rows) == 200 * 24 + 2  # the pause has rows of 0 now
    assert_sums(rows)
    with asked(home) as statements:
        await home.hass.config_entries.async_reload(entry.entry_id)
        await async_wait_recording_done(home.hass)
    assert changes(statements) == []


@pytest.mark.parametrize(
    "gap", [timedelta(hours=3), timedelta(days=9), 400 * 24 * HOUR]
)
@pytest.mark.freeze_time(START)
async def test_sums_go_on_however_old_the_last_row_is(
    home: Home, gap: timedelta
) -> None:
    """Rows of which the book has no line are built upon, and stay as they are."""
    entry, recorded = await set_up(home, GRID)
    old = START - gap
    meta = StatisticMetaData(
        has_sum=True,
        mean_type=StatisticMeanType.NONE,
        name="Cost",
        source="flatpeak",
        statistic_id=recorded.id(GRID),
        unit_class=None,
        unit_of_measurement="EUR",
    )
    rows = [StatisticData(start=old, state=1.25, sum=123.45)]
    async_add_external_statistics(home.hass, meta, rows)
    await async_wait_recording_done(home.hass)
    await home.live(START + HOUR + 10 * MINUTE, grid_usage)
    after = await recorded.rows(GRID)
    assert after[old] == (1.25, 123.45)
    money = recorded.stored(GRID, START, START + HOUR)
    assert after[START] == (float(money), float(Decimal("123.45") + money))
    names = await recorded.names()
    assert names[recorded.id(GRID)][0] != "Cost"
    assert entry.runtime_data.meters


@pytest.mark.freeze_time(START)
async def test_months_fold_only_when_their_hours_are_written(home: Home) -> None:
    """Folded hours keep their rows; nothing folds while the recorder fails."""
    entry, recorded = await set_up(home, GRID)
    await home.live(START + HOUR + 10 * MINUTE, grid_usage)
    coordinator: FlatPeakCoordinator = entry.runtime_data
    key, book = recorded.key(GRID), coordinator.ledger.book
    old = datetime(2026, 8, 10, tzinfo=UTC)
    book.append([(key, line) for line in _past(old, 30, "0.1")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "PATIENCE", -1)
        await home.go_to(datetime(2026, 11, 10, 18, 12, tzinfo=UTC))
    assert len(book.between(key, old, START)) == 30
    await home.go_to(datetime(2026, 11, 11, 0, 12, tzinfo=UTC))
    assert len(book.between(key, old, START)) == 2
    rows = await recorded.rows(GRID)
    assert list(rows)[:30] == [old + n * HOUR for n in range(30)]
    assert_sums(rows)
    with asked(home) as statements:
        await home.hass.config_entries.async_reload(entry.entry_id)
        await home.go_to(datetime(2026, 11, 11, 6, 12, tzinfo=UTC))
        await async_wait_recording_done(home.hass)
    assert [one for one in statements if "UPDATE" in one] == []
    assert {**await recorded.rows(GRID), **rows} == await recorded.rows(GRID)


@pytest.mark.freeze_time(START)
async def test_a_new_currency_begins_a_series(home: Home) -> None:
    """The old one ends, and is what it was."""
    _, recorded = await set_up(home, GRID)
    await home.live(START + HOUR + 10 * MINUTE, grid_usage)
    before = await recorded.rows(GRID)
    home.simulator.ledger.locations[recorded.location].currency_code = "USD"
    await home.go_to(START + timedelta(days=1))  # the location is read once a day
    await home.live(START + timedelta(days=1, hours=2, minutes=10), grid_usage)
    old = await recorded.rows(GRID)
    new = await recorded.rows(GRID, "cost_usd")
    assert {**old, **before} == old
    last = START + timedelta(days=1, hours=1)
    assert new[last][0] == float(recorded.stored(GRID, last, last + HOUR))
    assert not set(old) & set(new)
    assert_sums(new)
    names = await recorded.names()
    name = "Grid import \N{EN DASH} cost in USD (FlatPeak)"
    assert names[recorded.id(GRID, "cost_usd")] == (name, "USD")


@pytest.mark.freeze_time(START)
async def test_invariant_5_without_a_currency_there_is_no_cost(home: Home) -> None:
    """The energy is there all the same."""
    _, recorded = await set_up(home, GRID, currency=None)
    await home.live(START + HOUR + 10 * MINUTE, grid_usage)
    assert await recorded.rows(GRID, "energy")
    names = await recorded.names()
    assert set(names) == {recorded.id(GRID, "energy"), recorded.id(GRID, "carbon")}


@pytest.mark.freeze_time(START)
async def test_money_of_a_test_key_is_not_written(home: Home) -> None:
    """It means nothing, and would stay for ever."""
    test = {"account_id": "acc_test", "api_key": "sk_test_example"}
    home.simulator.add_account(*test.values())
    location = home.simulator.add_location("acc_test")
    home.add_sensor(GRID)
    entry = home.add_entry(location, {GRID: METERS[GRID]})
    home.hass.config_entries.async_update_entry(entry, data={**entry.data, **test})
    await home.set_up(entry)
    await home.live(START + HOUR + 10 * MINUTE, grid_usage)
    recorded = Recorded(home, location)
    assert home.value("cost_today", recorded.key(GRID))
    assert await recorded.names() == {}
    await home.go_to(datetime(2026, 11, 10, 18, 12, tzinfo=UTC))
    assert entry.runtime_data.last_update_success


async def clear(home: Home, statistic: str) -> None:
    """Delete a statistic, as a person does under Tools."""
    get_instance(home.hass).async_clear_statistics([statistic])
    await async_wait_recording_done(home.hass)


@pytest.mark.freeze_time(START)
async def test_a_deleted_series_comes_back_whole(home: Home) -> None:
    """The next hour that is written brings along those that the book has."""
    _, recorded = await set_up(home, GRID)
    await home.live(START + 3 * HOUR + 10 * MINUTE, grid_usage)
    before = await recorded.rows(GRID)
    assert len(before) > 1
    await clear(home, recorded.id(GRID))
    assert await recorded.rows(GRID) == {}
    await home.live(START + 4 * HOUR + 10 * MINUTE, grid_usage)
    after = await recorded.rows(GRID)
    assert {**after, **before} == after
    assert len(after) == len(before) + 1
    assert_sums(after)


@pytest.mark.freeze_time(START)
async def test_a_currency_keeps_its_series(home: Home) -> None:
    """Also when that of the former currency, which ended, is deleted."""
    _, recorded = await set_up(home, GRID)
    await home.live(START + HOUR + 10 * MINUTE, grid_usage)
    home.simulator.ledger.locations[recorded.location].currency_code = "USD"
    await home.go_to(START + timedelta(days=1))
    await home.live(START + timedelta(days=1, hours=2, minutes=10), grid_usage)
    before = await recorded.rows(GRID, "cost_usd")
    await clear(home, recorded.id(GRID))
    await home.live(START + timedelta(days=1, hours=4, minutes=10), grid_usage)
    after = await recorded.rows(GRID, "cost_usd")
    assert {**after, **before} == after
    assert len(after) == len(before) + 2
    names = await recorded.names()
    assert names[recorded.id(GRID)][1] == "EUR"


@pytest.mark.freeze_time(START)
async def test_scenario_25_a_late_answer_still_makes_its_bar(home: Home) -> None:
    """The hour of a claim that waits for weeks is not folded away."""
    entry, recorded = await set_up(home, GRID)
    await home.live(START + 70 * MINUTE, grid_usage)
    home.registers[GRID] += 500
    await home.live(START + 3 * HOUR + 10 * MINUTE, grid_usage)
    coordinator = entry.runtime_data
    (held,) = [item for item in coordinator.ledger.journal.outbox if item.window.held]
    hour = held.window.start.replace(minute=0)
    assert hour not in await recorded.rows(GRID)
    await coordinator.ledger.async_fold(START + timedelta(days=80))
    lines = coordinator.ledger.book.all_of(recorded.key(GRID))
    assert all(line.end - line.start <= HOUR for line in lines)
