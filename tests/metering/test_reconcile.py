"""Tests of which items of a report are our records."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st
import pytest

from custom_components.flatpeak.metering import Expected, match

START = datetime(2026, 11, 22, 10, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True)
class Item:
    """What a report says of one record."""

    record_reference_id: str | None = None
    start: datetime = START
    end: datetime = START + QUARTER
    energy_wh: int = 500
    note: str = ""


OURS = Expected(
    key=START, reference_id="ours", start=START, end=START + QUARTER, wh=500
)


@pytest.mark.parametrize(
    "item",
    [
        Item(),
        Item(record_reference_id="ours"),
        Item(energy_wh=499),
        Item(energy_wh=501, record_reference_id="ours"),
    ],
)
def test_invariant_10_a_record_is_found(item: Item) -> None:
    """With our id or without any, within what FlatPeak rounds."""
    assert match([OURS], [item]) == {START: item}


@pytest.mark.parametrize(
    "item",
    [
        Item(record_reference_id="theirs"),
        Item(energy_wh=498),
        Item(energy_wh=502, record_reference_id="ours"),
        Item(start=START - QUARTER),
        Item(end=START + 2 * QUARTER),
    ],
)
def test_invariant_10_another_record_is_not_ours(item: Item) -> None:
    """Another id, period or energy: not this record, or not as we sent it."""
    assert match([OURS], [item]) == {}


def test_an_item_with_our_id_comes_first() -> None:
    """Someone else's record of the same period may have no id."""
    foreign = Item(note="foreign")
    mine = Item(record_reference_id="ours", energy_wh=501)
    for items in ([foreign, mine], [mine, foreign]):
        assert match([OURS], items) == {START: mine}


def test_each_item_counts_for_one_record() -> None:
    """Two records of the same energy and period need two items."""
    twin = replace(OURS, key="twin", reference_id="twin")
    assert match([OURS, twin], [Item()]) == {START: Item()}
    assert match([OURS, twin], [Item(), Item()]) == {START: Item(), "twin": Item()}
    first = Item(note="first")
    assert match([OURS, twin], [Item(record_reference_id="ours"), first]) == {
        START: Item(record_reference_id="ours"),
        "twin": first,
    }


def test_nothing_to_match() -> None:
    """No records, or an empty report."""
    assert match([], [Item()]) == {}
    assert match([OURS], []) == {}


records = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 1000), st.booleans()),
    unique_by=lambda record: record[0],
)


@given(records, records, st.integers(-1, 1))
def test_our_records_are_found_among_foreign_ones(
    ours: Sequence[tuple[int, int, bool]],
    foreign: Sequence[tuple[int, int, bool]],
    rounding: int,
) -> None:
    """Whether ids are echoed or not; the report is left as it was."""
    expected = [
        Expected(
            key=slot,
            reference_id=f"ours-{slot}",
            start=START + slot * QUARTER,
            end=START + (slot + 1) * QUARTER,
            wh=wh,
        )
        for slot, wh, _ in ours
    ]
    items = [
        Item(
            record_reference_id=f"theirs-{slot}",
            start=START + slot * QUARTER,
            end=START + (slot + 1) * QUARTER,
            energy_wh=wh,
        )
        for slot, wh, _ in foreign
    ] + [
        Item(
            record_reference_id=record.reference_id if echoed else None,
            start=record.start,
            end=record.end,
            energy_wh=record.wh + rounding,
            note="ours",
        )
        for record, (_, _, echoed) in zip(expected, ours, strict=True)
    ]
    before = list(items)
    found = match(expected, items)
    assert found.keys() == {record.key for record in expected}
    assert all(item.note == "ours" for item in found.values())
    assert items == before
