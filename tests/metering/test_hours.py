"""Hours of UTC and their running sums."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given, strategies as st
import pytest

from custom_components.flatpeak.metering import (
    Hour,
    PricedWindow,
    Span,
    SumRow,
    exact,
    hours,
    rewritten,
)
from tests.books import line

START = datetime(2026, 11, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)
QUARTERS = 96

# Which quarters have energy (mWh) and money, and which wait.
quarters = st.dictionaries(
    st.integers(0, QUARTERS - 1),
    st.tuples(st.integers(1, 10**7), st.integers(-(10**6), 10**6)),
)
waits = st.sets(st.integers(0, QUARTERS - 1))
values = st.dictionaries(
    st.integers(0, 30).map(lambda number: START + number * HOUR),
    st.none() | st.integers(-(10**7), 10**7).map(lambda n: Decimal(n) / 10**5),
)
states = st.dictionaries(
    st.integers(0, 30).map(lambda number: START + number * HOUR),
    st.tuples(st.floats(-100, 100), st.floats(-1000, 1000)),
)


def _lines(used: Mapping[int, tuple[int, int]]) -> list[PricedWindow]:
    """Return a line for each quarter that has energy."""
    return [
        replace(
            line(START + number * QUARTER, mwh, str(Decimal(money) / 10**5)),
            carbon=Decimal(mwh) / 1000,
        )
        for number, (mwh, money) in sorted(used.items())
    ]


def _spans(numbers: Sequence[int] | set[int]) -> list[Span]:
    """Return quarters as spans."""
    starts = [START + number * QUARTER for number in numbers]
    return [Span(start=start, end=start + QUARTER) for start in starts]


@given(quarters, st.integers(0, QUARTERS + 8))
def test_invariant_1_hours_hold_what_the_lines_hold(
    used: Mapping[int, tuple[int, int]], cut: int
) -> None:
    """Complete hours sum to the lines before the last full hour."""
    until = START + cut * QUARTER
    lines = _lines(used)
    found = hours(lines, [], until)
    end = until.replace(minute=0)
    before = [one for one in lines if one.start < end]
    assert found.open_from == end
    assert sum(one.mwh for one in found.complete.values()) == sum(
        one.mwh for one in before
    )
    assert sum(one.money["GBP"] for one in found.complete.values()) == sum(
        one.money or 0 for one in before
    )
    assert list(found.complete) == sorted(found.complete)
    if before:
        # From the first line on there is every hour.
        first = before[0].start.replace(minute=0)
        assert list(found.complete) == [
            first + n * HOUR for n in range((end - first) // HOUR)
        ]


@given(quarters, waits, st.integers(0, 24), st.integers(0, QUARTERS))
def test_a_later_look_sees_the_same(
    used: Mapping[int, tuple[int, int]], waiting: set[int], since: int, cut: int
) -> None:
    """Hours from an instant on are those of a look at everything."""
    spans = _spans(waiting)
    until = START + cut * QUARTER
    everything = hours(_lines(used), spans, until)
    first = START + since * HOUR
    part = hours(_lines(used), spans, until, since=first)
    assert part.open_from == everything.open_from
    assert dict(part.complete) == {
        start: one for start, one in everything.complete.items() if start >= first
    }


@given(quarters, waits)
def test_scenario_25_an_hour_that_waits_is_omitted(
    used: Mapping[int, tuple[int, int]], waiting: set[int]
) -> None:
    """All other hours are there, and the first one that waits is known."""
    until = START + QUARTERS * QUARTER
    everything = hours(_lines(used), [], until).complete
    found = hours(_lines(used), _spans(waiting), until)
    omitted = {START + number // 4 * HOUR for number in waiting}
    assert dict(found.complete) == {
        start: one for start, one in everything.items() if start not in omitted
    }
    assert found.open_from == min([until, *omitted])


def test_pauses_are_hours_without_energy() -> None:
    """They cost nothing in the currency of the time, also after the last line."""
    first = replace(line(START), currency="USD")
    second = line(START + 3 * HOUR)
    found = hours([first, second], [], START + 5 * HOUR, currency="EUR").complete
    assert [dict(one.money) for one in found.values()] == [
        {"USD": Decimal("0.25")},
        {"USD": Decimal(0)},
        {"USD": Decimal(0)},
        {"GBP": Decimal("0.25")},
        {"GBP": Decimal(0)},
    ]
    quiet = Hour(mwh=0, money={"USD": Decimal(0)}, carbon=Decimal(0))
    assert found[START + HOUR] == quiet


def test_sum_of_a_day_says_nothing_of_its_hours() -> None:
    """Nor of those that a line without a price shares with it, or before and after."""
    day = replace(line(START + HOUR), end=START + 9 * HOUR + QUARTER, origin=None)
    within = line(START + 4 * HOUR)
    next_day = line(START + 24 * HOUR)
    lines = [line(START - 24 * HOUR), day, within, next_day]
    found = hours(lines, [], START + 26 * HOUR).complete
    assert list(found) == [
        START - 24 * HOUR,
        *(START + n * HOUR for n in range(10, 26)),
    ]
    assert hours([day], [], START + 26 * HOUR).complete == {}


def test_money_that_is_not_counted() -> None:
    """Doubted money and none at all leave a currency out; energy is there."""
    doubted = replace(line(START), doubted=True)
    left_out = line(START + QUARTER, money=None)
    counted = line(START + HOUR + QUARTER)
    lines = [doubted, left_out, replace(doubted, start=START + HOUR), counted]
    found = hours(lines, [], START + 2 * HOUR).complete
    assert found[START].money == {}
    assert found[START].mwh == 2_000_000
    assert found[START].carbon is None
    assert found[START + HOUR].money == {"GBP": Decimal("0.25")}


def test_money_without_a_currency_has_the_one_before() -> None:
    """Or the next, or the location's."""
    bare = replace(line(START + HOUR), currency=None)
    lines = [replace(line(START), currency=None), line(START + QUARTER), bare]
    found = hours(lines, [], START + 2 * HOUR, currency="EUR").complete
    assert [list(one.money) for one in found.values()] == [["GBP"], ["GBP"]]
    (alone,) = hours([bare], [], START + 2 * HOUR, currency="EUR").complete.values()
    assert list(alone.money) == ["EUR"]


def test_open_past_ends_somewhere_or_not() -> None:
    """History that is still to come keeps its hours open."""
    lines = [line(START), line(START + 6 * HOUR)]
    until = START + 8 * HOUR
    past = [Span(start=START + 2 * HOUR, end=START + 5 * HOUR)]
    assert list(hours(lines, past, until).complete) == [
        START + n * HOUR for n in (0, 1, 5, 6, 7)
    ]
    endless = [Span(start=START + 2 * HOUR)]
    assert list(hours(lines, endless, until).complete) == [START, START + HOUR]


@given(values, states, st.integers(-(10**6), 10**6))
def test_invariant_11_sums_follow_from_the_values(
    wanted: Mapping[datetime, Decimal | None],
    rows: Mapping[datetime, tuple[float, float]],
    before: int,
) -> None:
    """What is wanted is written, the rest keeps its value, and all sums are right."""
    first = exact(before / 1000)
    written = rewritten(first, rows, wanted)
    after = _after(rows, written)
    total = first
    for start, (state, sum_) in sorted(after.items()):
        value = wanted[start] if start in wanted else exact(rows[start][0])
        total += value or 0
        assert state == pytest.approx(float(value or 0), abs=1e-9)
        assert sum_ == pytest.approx(float(total), abs=1e-9)
    known = {start for start, value in wanted.items() if value is not None}
    assert set(after) == set(rows) | known
    # From the first row that differs to the end, and not one row before.
    starts = [row.start for row in written]
    assert starts == sorted(after)[len(after) - len(starts) :]
    assert rewritten(first, after, wanted) == []


def test_invariant_11_a_revision_rewrites_every_later_sum() -> None:
    """Rows before stay, and so do the values after; nothing follows twice."""
    rows = {START + n * HOUR: (1.0, n + 1.0) for n in range(4)}
    written = rewritten(Decimal(0), rows, {START + HOUR: Decimal(3)})
    assert written == [
        SumRow(start=START + HOUR, state=Decimal(3), sum=Decimal(4)),
        SumRow(start=START + 2 * HOUR, state=Decimal("1.0"), sum=Decimal(5)),
        SumRow(start=START + 3 * HOUR, state=Decimal("1.0"), sum=Decimal(6)),
    ]


def test_invariant_11_no_drift_in_two_years() -> None:
    """Sums of hours with five decimals are exact to the last digit."""
    value = Decimal("0.12347")
    wanted = {START + n * HOUR: value for n in range(17_520)}
    last = rewritten(Decimal(0), {}, wanted)[-1]
    assert float(last.sum) == float(value * 17_520)
    anchored = Decimal(0)
    for _ in range(17_520):
        anchored = exact(float(anchored + value))
    assert float(anchored) == float(last.sum)


def _after(
    rows: Mapping[datetime, tuple[float, float]], written: Sequence[SumRow]
) -> dict[datetime, tuple[float, float]]:
    """Return the rows after those were written."""
    return {
        **rows,
        **{row.start: (float(row.state), float(row.sum)) for row in written},
    }
