"""Slices that join those before, where a meter's way of reporting was changed."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import assume, given, strategies as st
import pytest

from custom_components.flatpeak.metering import Quality, Reporting, Slice, fit, settle

from .histories import LATER, SLOT, SOURCE, START, at, claimed, rows_of, total

qualities = st.sampled_from(
    [Quality.MEASURED, Quality.SPREAD, Quality.HELD, Quality.FOLLOWS]
)
lengths = st.lists(
    st.tuples(st.integers(1, 12), st.integers(0, 10**6), qualities), min_size=1
)


def slices_of(parts: list[tuple[int, int, Quality]]) -> tuple[Slice, ...]:
    """Return contiguous slices of so many slots."""
    found: list[Slice] = []
    begin = START
    for slots, mwh, quality in parts:
        end = begin + slots * SLOT
        found.append(Slice(start=begin, end=end, mwh=mwh, quality=quality))
        begin = end
    return tuple(found)


@given(parts=lengths, offset=st.integers(-30, 120))
def test_invariant_1_invariant_2_fitted(
    parts: list[tuple[int, int, Quality]], offset: int
) -> None:
    """Whatever came before: no overlap, no hole, and no mWh more or less."""
    slices, until = slices_of(parts), at(offset)
    fitted = fit(slices, until)
    assert (fitted is None) == (until >= slices[-1].end)
    assume(fitted is not None)
    assert fitted is not None
    assert fitted[0].start == until
    assert fitted[-1].end == slices[-1].end
    assert all(one.end == two.start for one, two in pairwise(fitted))
    assert total(*fitted) == total(*slices)
    assert claimed(*fitted) == claimed(*slices)


def test_nothing_to_fit() -> None:
    """What follows stays as it is, and so does the first of all."""
    slices = slices_of([(1, 5, Quality.MEASURED), (2, 7, Quality.SPREAD)])
    assert fit(slices, None) == slices
    assert fit(slices, START) == slices
    assert fit((), START) == ()
    idle = slices_of([(1, 0, Quality.MEASURED), (2, 7, Quality.MEASURED)])
    assert fit(idle, at(1)) == idle[1:]


@pytest.mark.parametrize("quality", [Quality.NO_DATA, Quality.HELD])
def test_no_data_and_claims_stay_what_they_are(quality: Quality) -> None:
    """Time without data is not estimated because it is longer."""
    (first,) = slices_of([(1, 0, quality)])
    assert fit((first,), at(-12)) == (replace(first, start=at(-12)),)


@pytest.mark.parametrize("change", [at(24), at(24) + 5 * SLOT])
def test_to_continuous(change: datetime) -> None:
    """The hour between is filled by what the next report says of it."""
    levels = [10.0 + number // 12 for number in range(60)]
    rows = rows_of(levels)
    hourly = replace(SOURCE, reporting=Reporting.HOURLY)
    before = settle(rows, None, hourly, (), change + timedelta(minutes=10))
    until = before.slices[-1].end
    assert until == at(12)
    after = settle(rows, before.anchor, SOURCE, (), LATER)
    fitted = fit(after.slices, until)
    assert fitted is not None
    # The report just after 12 o'clock is of 11 to 12.
    assert fitted[0] == Slice(
        start=until, end=at(25), mwh=1_000_000, quality=Quality.SPREAD
    )
    assert total(*before.slices, *fitted) == 4_000_000


def test_to_hourly() -> None:
    """What is reported of time that is settled counts right after it."""
    levels = [10.0 + number // 12 for number in range(60)]
    rows = rows_of(levels)
    before = settle(rows, None, SOURCE, (), at(20))
    until = before.slices[-1].end
    assert until == at(20)
    hourly = replace(SOURCE, reporting=Reporting.HOURLY)
    early = settle(rows, before.anchor, hourly, (), at(26))
    assert fit(early.slices, until) is None
    later = settle(rows, before.anchor, hourly, (), at(50))
    fitted = fit(later.slices, until)
    assert fitted is not None
    # The report just after 12 o'clock is of 11 to 12: 20 minutes of it are left.
    assert fitted == (
        Slice(start=at(20), end=at(24), mwh=1_000_000, quality=Quality.SPREAD),
        Slice(start=at(24), end=at(36), mwh=1_000_000),
    )
    assert total(*before.slices, *fitted) == 3_000_000


@pytest.mark.parametrize(
    ("early", "claim"),
    [(Quality.FOLLOWS, Quality.FOLLOWS), (Quality.HELD, Quality.HELD)],
)
def test_claims_that_are_joined(early: Quality, claim: Quality) -> None:
    """With a jump among them, nothing of it counts for a new meter."""
    parts = slices_of([(1, 7, early), (1, 9, Quality.FOLLOWS)])
    fitted = fit(parts, at(1) + SLOT / 2)
    assert fitted is not None
    assert [(p.mwh, p.quality) for p in fitted if p.mwh] == [(16, claim)]
