"""Tests of the picture that the entities show."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from pathlib import Path

import pytest

from custom_components.flatpeak.book import Book
from custom_components.flatpeak.journal import (
    Journal,
    MeterState,
    Queued,
    Status,
)
from custom_components.flatpeak.metering import (
    Anchor,
    Origin,
    Slice,
    Total,
    day_start,
    local_date,
)
from custom_components.flatpeak.snapshot import (
    ROLLOVER,
    Figures,
    Periods,
    current_day,
    meter_figures,
    net_figures,
)

from .books import (
    BERLIN,
    KATHMANDU,
    LORD_HOWE,
    QUARTER,
    ST_JOHNS,
    STREAM,
    ZONES,
    line,
    window,
)

TODAY = date(2026, 11, 22)
YESTERDAY = date(2026, 11, 21)
SECOND = timedelta(seconds=1)
NEW = MeterState(stream=STREAM, source="sensor.grid")


def settled(until: datetime) -> MeterState:
    """Return a meter that is settled until then."""
    return replace(NEW, anchor=Anchor(end=until))


def journal_of(state: MeterState, *queued: Queued) -> Journal:
    """Return the journal of one meter."""
    return Journal(meters={"a": state}, outbox=queued)


def waiting(start: datetime, status: Status = Status.NEW) -> Queued:
    """Return a record that is not priced for certain."""
    return Queued(meter="a", window=window(start), wh=1000, status=status)


# The ten minutes after midnight.


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("day", [TODAY, date(2026, 10, 4), date(2026, 11, 1)])
def test_invariant_6_the_day_turns_at_the_location_s_midnight(
    zone: tzinfo, day: date
) -> None:
    """At once where all is priced; ten minutes later where it is not."""
    midnight = day_start(day, zone)
    before = local_date(midnight - SECOND, zone)
    done = journal_of(settled(midnight))
    late = journal_of(settled(midnight - QUARTER))
    for journal in (done, late):
        assert current_day(midnight - SECOND, zone, before, journal) == before
    assert current_day(midnight, zone, before, done) == day
    assert current_day(midnight, zone, before, late) == before
    assert current_day(midnight + ROLLOVER - SECOND, zone, before, late) == before
    assert current_day(midnight + ROLLOVER, zone, before, late) == day
    assert timedelta(minutes=10) == ROLLOVER


MIDNIGHT = day_start(TODAY, KATHMANDU)
open_until_midnight = replace(
    settled(MIDNIGHT + QUARTER),
    open=(Slice(start=MIDNIGHT - QUARTER, end=MIDNIGHT + QUARTER, mwh=1),),
)


@pytest.mark.parametrize(
    "journal",
    [
        journal_of(open_until_midnight),
        journal_of(settled(MIDNIGHT), waiting(MIDNIGHT - QUARTER)),
        Journal(
            meters={"a": settled(MIDNIGHT), "b": settled(MIDNIGHT - QUARTER)},
        ),
        Journal(
            meters={"a": settled(MIDNIGHT), "b": settled(MIDNIGHT)},
            outbox=(waiting(MIDNIGHT), waiting(MIDNIGHT - QUARTER)),
        ),
    ],
)
def test_yesterday_stays_until_its_last_window_is_priced(journal: Journal) -> None:
    """Of every meter: cut, and out of the outbox."""
    at = MIDNIGHT + timedelta(minutes=5)
    assert current_day(at, KATHMANDU, YESTERDAY, journal) == YESTERDAY


@pytest.mark.parametrize(
    "journal",
    [
        Journal(),
        journal_of(NEW),
        journal_of(settled(MIDNIGHT), waiting(MIDNIGHT)),
        journal_of(settled(MIDNIGHT + QUARTER)),
    ],
)
def test_the_new_day_begins_when_nothing_waits(journal: Journal) -> None:
    """A meter without a row, or a window of today, holds nothing up."""
    assert current_day(MIDNIGHT, KATHMANDU, YESTERDAY, journal) == TODAY


@pytest.mark.parametrize("shown", [None, TODAY, TODAY + timedelta(days=1)])
def test_only_an_earlier_day_can_stay(shown: date | None) -> None:
    """At a start, or after the clock was put back, it is simply today."""
    late = journal_of(settled(MIDNIGHT - QUARTER))
    assert current_day(MIDNIGHT, KATHMANDU, shown, late) == TODAY


# Periods.


@pytest.mark.parametrize(
    ("today", "yesterday", "month", "last_month"),
    [
        (TODAY, YESTERDAY, date(2026, 11, 1), date(2026, 10, 1)),
        (date(2026, 3, 1), date(2026, 2, 28), date(2026, 3, 1), date(2026, 2, 1)),
        (date(2028, 3, 1), date(2028, 2, 29), date(2028, 3, 1), date(2028, 2, 1)),
        (date(2027, 1, 1), date(2026, 12, 31), date(2027, 1, 1), date(2026, 12, 1)),
        (date(2026, 3, 31), date(2026, 3, 30), date(2026, 3, 1), date(2026, 2, 1)),
    ],
)
def test_periods(today: date, yesterday: date, month: date, last_month: date) -> None:
    """Days and months follow the calendar."""
    periods = Periods(today=today, zone=BERLIN)
    assert periods.yesterday == yesterday
    assert periods.month == month
    assert periods.last_month == last_month


def test_invariant_6_periods_begin_on_the_location_s_clock() -> None:
    """In UTC, on either side of a clock change."""
    periods = Periods(today=TODAY, zone=LORD_HOWE)
    assert periods.start(TODAY) == datetime(2026, 11, 21, 13, tzinfo=UTC)
    assert periods.start(date(2026, 7, 1)) == datetime(2026, 6, 30, 13, 30, tzinfo=UTC)


# One meter.

PERIODS = Periods(today=TODAY, zone=ST_JOHNS)
NOON = PERIODS.start(TODAY) + timedelta(hours=12)


def test_invariant_5_a_meter_without_a_row_is_unknown() -> None:
    """Not 0: nobody knows anything of it."""
    book = Book(Path(), "01ENTRY")
    figures = meter_figures("a", NEW, journal_of(NEW), book, PERIODS)
    assert figures == Figures()
    assert figures.today is None


def test_a_meter_that_used_nothing_is_known(tmp_path: Path) -> None:
    """Zero energy is a figure, from the moment that the meter begins."""
    state = settled(NOON)
    figures = meter_figures(
        "a", state, journal_of(state), Book(tmp_path, "01ENTRY"), PERIODS
    )
    assert figures.today == figures.all_time == Total()
    assert figures.since == figures.data_until == NOON
    assert figures.current_cost is None
    assert figures.pending == 0


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """Return a book with windows at the edges of St. John's periods."""
    book = Book(tmp_path, "01ENTRY")
    edges = [
        (date(2026, 10, 1), "1000"),
        (date(2026, 11, 1), "100"),
        (YESTERDAY, "10"),
        (TODAY, "1"),
    ]
    lines = [
        ("a", line(PERIODS.start(day) + number * QUARTER, money=money))
        for day, money in edges
        for number in (-1, 0)
    ]
    book.append([*lines, ("b", line(NOON, money="5"))])
    return book


def test_invariant_6_totals_of_the_location_s_periods(book: Book) -> None:
    """Each edge has a window on either side: the one before belongs to the past."""
    state = settled(NOON)
    figures = meter_figures("a", state, journal_of(state), book, PERIODS)
    assert figures.today is not None
    assert figures.today.money == 1
    assert figures.today.kwh == 1
    assert figures.yesterday is not None
    assert figures.yesterday.money == 11
    assert figures.this_month is not None
    assert figures.this_month.money == 122
    assert figures.last_month is not None
    assert figures.last_month.money == 1100
    assert figures.all_time is not None
    assert figures.all_time.money == 2222
    assert figures.since == PERIODS.start(date(2026, 9, 30))
    assert figures.current_cost == 1
    assert figures.data_until == NOON


def test_windows_of_tomorrow_are_not_of_today(book: Book) -> None:
    """In the ten minutes after midnight the new day has windows already."""
    tomorrow = PERIODS.start(TODAY + timedelta(days=1))
    book.append([("a", line(tomorrow, money="7"))])
    state = settled(tomorrow + QUARTER)
    figures = meter_figures("a", state, journal_of(state), book, PERIODS)
    assert figures.today is not None
    assert figures.today.money == 1
    assert figures.this_month is not None
    assert figures.this_month.money == 122
    assert figures.all_time is not None
    assert figures.all_time.money == 2229


def test_scenario_25_energy_counts_before_it_is_priced(book: Book) -> None:
    """The money is that of the priced windows; `data_until` says how far it goes."""
    state = settled(NOON)
    journal = journal_of(
        state,
        waiting(NOON - QUARTER, Status.SET_ASIDE),
        waiting(NOON - 2 * QUARTER),
        replace(waiting(NOON - 3 * QUARTER), meter="b"),
    )
    figures = meter_figures("a", state, journal, book, PERIODS)
    assert figures.today is not None
    assert figures.today.kwh == 3
    assert figures.today.money == 1
    assert (figures.today.priced, figures.today.unpriced) == (1, 2)
    assert figures.pending == 2
    assert figures.data_until == NOON - 2 * QUARTER
    assert book.days("a", ST_JOHNS)[TODAY].kwh == 1  # the book itself is untouched


def test_invariant_5_nothing_priced_is_unknown(tmp_path: Path) -> None:
    """A first day without a price has energy, and no money."""
    state = settled(NOON)
    journal = journal_of(state, waiting(NOON - QUARTER))
    figures = meter_figures("a", state, journal, Book(tmp_path, "x"), PERIODS)
    assert figures.today is not None
    assert figures.today.kwh == 1
    assert figures.today.money is None
    assert figures.yesterday is not None
    assert figures.yesterday.money == 0
    assert figures.since == PERIODS.start(TODAY)


def test_invariant_4_a_quote_and_its_record_count_once(book: Book) -> None:
    """It is priced, but FlatPeak's copy is in doubt: still pending."""
    start = NOON - QUARTER
    book.append([("a", replace(line(start, money="3"), origin=Origin.QUOTE))])
    state = settled(NOON)
    journal = journal_of(state, waiting(start, Status.ATTEMPTED))
    figures = meter_figures("a", state, journal, book, PERIODS)
    assert figures.today is not None
    assert figures.today.kwh == 2
    assert figures.today.money == 4
    assert figures.today.unpriced == 0
    assert figures.pending == 1
    assert figures.data_until == NOON, "the price is known, only the copy is in doubt"
    assert figures.current_cost == 3


def test_the_current_cost_is_of_the_latest_priced_window(book: Book) -> None:
    """Not of one that is carried; and unknown where its price is."""
    state = settled(NOON)
    carried = replace(line(NOON, money="0"), origin=Origin.CARRIED)
    book.append([("a", carried)])
    figures = meter_figures("a", state, journal_of(state), book, PERIODS)
    assert figures.current_cost == 1
    book.append([("a", line(NOON + QUARTER, money="-0.5"))])
    figures = meter_figures("a", state, journal_of(state), book, PERIODS)
    assert figures.current_cost == Decimal("-0.5")
    book.append([("a", line(NOON + 2 * QUARTER, money=None))])
    figures = meter_figures("a", state, journal_of(state), book, PERIODS)
    assert figures.current_cost is None


# The location.


def of(money: str | None, kwh: int = 1, **fields: datetime | int) -> Figures:
    """Return figures of which every total is one window."""
    total = Total.of([line(NOON, mwh=kwh * 1_000_000, money=money)])
    return Figures(
        today=total,
        yesterday=total + total,
        this_month=total + total + total,
        last_month=total,
        all_time=total,
        **fields,  # type: ignore[arg-type]
    )


def test_the_net_of_bought_and_sold() -> None:
    """All periods, energy as well; it can be negative."""
    net = net_figures([of("5", 3), of("2")], [of("10", 9)])
    assert net.today is not None
    assert net.today.money == -3
    assert net.today.kwh == -5
    assert net.yesterday is not None
    assert net.yesterday.money == -6
    assert net.this_month is not None
    assert net.this_month.money == -9
    assert net.last_month is not None
    assert net.last_month.money == -3
    assert net.all_time is not None
    assert net.all_time.money == -3
    assert net.current_cost is None


def test_the_net_where_earnings_have_a_minus_sign() -> None:
    """What was earned lowers the net; its energy does so in any case."""
    net = net_figures([of("5", 3)], [of("-2", 1)], -1)
    assert net.today is not None
    assert net.today.money == 3
    assert net.today.kwh == 2


def test_the_net_without_one_side() -> None:
    """A home that sells nothing, or of which only the sold energy is known."""
    bought = net_figures([of("5")], [])
    sold = net_figures([], [of("5")])
    assert bought.today is not None
    assert bought.today.money == 5
    assert sold.today is not None
    assert sold.today.money == -5


@pytest.mark.parametrize("unknown", [of(None), Figures()])
def test_invariant_5_an_unknown_side_makes_the_net_unknown(unknown: Figures) -> None:
    """What was bought alone would look like a bad day."""
    for net in (
        net_figures([of("5")], [unknown]),
        net_figures([unknown], [of("5")]),
        net_figures([of("5"), unknown], []),
    ):
        totals = (net.today, net.yesterday, net.this_month, net.last_month)
        assert (*totals, net.all_time) == (None,) * 5


def test_only_the_unknown_period_is_unknown() -> None:
    """Yesterday is known although today has no price yet."""
    today = Total.of([line(NOON, money=None)])
    net = net_figures([of("5")], [replace(of("2"), today=today)])
    assert net.today is None
    assert net.yesterday is not None
    assert net.yesterday.money == 6


def test_the_location_is_known_where_all_its_meters_are() -> None:
    """Since the last one began, until the slowest one."""
    early, late = NOON - QUARTER, NOON
    net = net_figures(
        [of("5", since=early, data_until=late)],
        [of("2", since=late, data_until=early)],
    )
    assert (net.since, net.data_until) == (late, early)
    net = net_figures([of("5", since=early, data_until=early), Figures()], [])
    assert (net.since, net.data_until) == (early, early)
    net = net_figures([Figures()], [])
    assert (net.since, net.data_until) == (None, None)
