"""What FlatPeak has of the past is adopted by the time it covers."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
import itertools

from hypothesis import given, strategies as st

from custom_components.flatpeak.metering import (
    Origin,
    PastRecord,
    Stream,
    Window,
    adopt,
    found_in,
    record_reference_id,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR, QUARTER = timedelta(hours=1), timedelta(minutes=15)
STREAM = Stream(owner="loc_1", energy_direction="IMPORT", tariff_direction="IMPORT")
OTHER = replace(STREAM, owner="dev_1")
WH = 1000


@dataclass(frozen=True, kw_only=True)
class Amount:
    """Money of an item."""

    value: Decimal
    confidence: Decimal | None = Decimal(1)


@dataclass(frozen=True, kw_only=True)
class Item:
    """An item of a report."""

    start: datetime
    end: datetime
    energy_wh: int
    cost: Amount | None
    record_reference_id: str | None = None


def record(number: int = 0, wh: int = 400) -> PastRecord:
    """Return the record of an hour."""
    start = START + HOUR * number
    return PastRecord(window=Window(start=start, end=start + HOUR, mwh=wh * WH), wh=wh)


def item(
    start: datetime, end: datetime, wh: int, *, stream: Stream | None = STREAM
) -> Item:
    """Return an item of a stream; of none: it has no id."""
    return Item(
        start=start,
        end=end,
        energy_wh=wh,
        cost=Amount(value=Decimal(wh) / 1000),
        record_reference_id=(
            record_reference_id(stream, start, end) if stream else None
        ),
    )


def quarters(*parts: int, stream: Stream | None = STREAM) -> list[Item]:
    """Return the first quarters of the first hour, those of more than 0 Wh."""
    return [
        item(START + QUARTER * n, START + QUARTER * (n + 1), wh, stream=stream)
        for n, wh in enumerate(parts)
        if wh
    ]


def test_nothing_there() -> None:
    """Then everything is to be sent, as it is."""
    records = [record(n) for n in range(3)]
    assert adopt(records, [], STREAM).rest == records


def test_the_same_record() -> None:
    """It is taken with its money, with and without its id."""
    for stream in (STREAM, None):
        found = adopt(
            [record()], [item(START, START + HOUR, 400, stream=stream)], STREAM
        )
        (line,) = found.lines
        assert (line.mwh, line.money) == (400 * WH, Decimal("0.4"))
        assert line.origin is Origin.REPORT
        assert not found.rest
        assert not found.left


def test_scenario_29_quarters_of_an_earlier_life() -> None:
    """Together they are the hour; quarters without use have no record."""
    for stream in (STREAM, None):
        found = adopt([record()], quarters(100, 0, 250, 50, stream=stream), STREAM)
        (line,) = found.lines
        assert (line.mwh, line.money) == (400 * WH, Decimal("0.4"))
        assert not found.rest


def test_scenario_13_part_of_an_hour() -> None:
    """What is missing of its energy goes to the time that is not covered."""
    found = adopt([record()], quarters(0, 0, 250, 50), STREAM)
    assert [line.mwh for line in found.lines] == [250 * WH, 50 * WH]
    (rest,) = found.rest
    assert (rest.window.start, rest.window.end) == (START, START + 2 * QUARTER)
    assert (rest.wh, rest.window.estimated) == (100, True)


def test_scenario_13_more_is_there_than_was_used() -> None:
    """Nothing is sent: our energy, and the money of what is there."""
    found = adopt([record()], quarters(0, 0, 450, 50), STREAM)
    assert [line.mwh for line in found.lines] == [400 * WH]
    assert not found.rest
    unnamed = adopt([record()], quarters(0, 0, 450, 50, stream=None), STREAM)
    assert unnamed.left == [record()]


def test_scenario_18_somebody_elses() -> None:
    """Their time is not sent, and their money not taken."""
    stranger = replace(item(START, START + HOUR, 400), record_reference_id="x")
    long = item(START, START + 3 * HOUR, 400, stream=None)
    for there in (stranger, long, item(START, START + HOUR, 900, stream=None)):
        assert adopt([record()], [there], STREAM).left == [record()]


def test_records_of_our_other_streams() -> None:
    """A location's report may hold its devices' records: they are not in the way."""
    there = [item(START, START + HOUR, 400, stream=OTHER)]
    assert adopt([record()], there, STREAM, streams=[OTHER]).rest == [record()]


def test_copies_count_once() -> None:
    """Where FlatPeak has a record twice, it cost once."""
    found = adopt([record()], quarters(100, 100, 100, 100) * 2, STREAM)
    assert [line.money for line in found.lines] == [Decimal("0.4")]
    twice = [item(START, START + HOUR, 400)] * 2
    assert [line.money for line in adopt([record()], twice, STREAM).lines] == [
        Decimal("0.4")
    ]


def test_without_money() -> None:
    """What has no price has none in sum either."""
    free, paid = quarters(100, 300)
    found = adopt([record()], [replace(free, cost=None), paid], STREAM)
    assert [line.money for line in found.lines] == [None]


def test_found_with_other_energy() -> None:
    """Its money is that of something else."""
    there = [item(START, START + HOUR, 410), item(START + HOUR, START + 2 * HOUR, 401)]
    found = found_in([record(0), record(1)], there, STREAM)
    assert found.keys() == {START + HOUR}


@given(
    st.lists(st.integers(1, 900), min_size=1, max_size=6),
    st.lists(
        st.tuples(st.integers(0, 23), st.integers(0, 400), st.booleans()), max_size=12
    ),
)
def test_invariant_1_nothing_lost_and_nothing_twice(
    wh: list[int], there: list[tuple[int, int, bool]]
) -> None:
    """Energy is adopted, sent or left, and no time is covered twice."""
    records = [record(n, each) for n, each in enumerate(wh)]
    items = [
        item(
            START + QUARTER * n,
            START + QUARTER * (n + 1),
            each,
            stream=STREAM if ours else None,
        )
        for n, each, ours in there
    ]
    found = adopt(records, items, STREAM)
    parts = [
        *((line.start, line.end, line.mwh) for line in found.lines),
        *((o.window.start, o.window.end, o.window.mwh) for o in found.rest),
        *((o.window.start, o.window.end, o.window.mwh) for o in found.left),
    ]
    assert sum(mwh for _, _, mwh in parts) == sum(wh) * WH
    parts.sort()
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(parts))
    for one in found.rest:
        assert not any(
            each.start < one.window.end and one.window.start < each.end
            for each in items
        )
