"""What an earlier life sent is adopted by the time it covers: no mWh is lost."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from hypothesis import given, strategies as st

from custom_components.flatpeak.metering import Window, cover, grouped_by_energy

from .test_adopt import START, WH, Item, item

SLOT = timedelta(minutes=5)
SLOTS = 24


@st.composite
def windows(draw: st.DrawFn) -> list[Window]:
    """Draw two hours of windows of one length."""
    step = draw(st.sampled_from([1, 3, 6, 12]))
    return [
        Window(
            start=START + SLOT * n,
            end=START + SLOT * (n + step),
            mwh=draw(st.integers(1, 3_000_000)),
            estimated=draw(st.booleans()),
        )
        for n in range(0, SLOTS, step)
    ]


@st.composite
def coverings(draw: st.DrawFn) -> list[Item]:
    """Draw records that do not overlap, within the two hours."""
    edges = sorted(draw(st.sets(st.integers(0, SLOTS), max_size=12)))
    return [
        item(START + SLOT * a, START + SLOT * b, draw(st.integers(0, 3000)))
        for a, b in pairwise(edges)
        if draw(st.booleans())
    ]


@given(windows(), coverings())
def test_energy_is_conserved_and_nothing_overlaps(
    ours: list[Window], there: list[Item]
) -> None:
    """Lines and rest have the energy of the windows; the rest is in free time."""
    for group in grouped_by_energy(ours, there):
        covered = cover(group, "GBP")
        rest = [record.window for record in covered.rest]
        energies = [line.mwh for line in covered.lines]
        energies += [window.mwh for window in rest]
        assert sum(energies) == sum(window.mwh for window in group.windows)
        assert all(mwh >= 0 for mwh in energies)
        for window in rest:
            assert not any(
                one.start < window.end and window.start < one.end for one in there
            )
            assert any(w.start <= window.start < window.end <= w.end for w in ours)
        if rest:
            known = {(one.start, one.end): one.energy_wh * WH for one in group.items}
            assert {(line.start, line.end): line.mwh for line in covered.lines} == known


def test_what_is_more_than_ours_leaves_nothing_to_send() -> None:
    """The energy stays that of the register, and is in doubt."""
    window = Window(start=START, end=START + 12 * SLOT, mwh=400 * WH, estimated=True)
    (group,) = grouped_by_energy([window], [item(START, START + 6 * SLOT, 500)])
    covered = cover(group, "GBP")
    (line,) = covered.lines
    assert (line.mwh, line.estimated, covered.rest) == (400 * WH, True, ())


def test_rounding_is_no_difference() -> None:
    """A record of whole Wh keeps the mWh that we know."""
    window = Window(start=START, end=START + 6 * SLOT, mwh=400_300)
    there = [
        item(START, START + 3 * SLOT, 201),
        item(START + 3 * SLOT, window.end, 199),
    ]
    (group,) = grouped_by_energy([window], there)
    covered = cover(group, "GBP")
    assert sum(line.mwh for line in covered.lines) == 400_300
    assert not any(line.estimated for line in covered.lines)


def test_a_gap_is_decided_as_a_whole() -> None:
    """What one window of it has too little, another one has too much."""
    first = Window(start=START, end=START + SLOT, mwh=300 * WH, estimated=True)
    second = replace(first, start=first.end, end=first.end + SLOT)
    (group,) = grouped_by_energy([first, second], [item(START, first.end, 590)])
    (record,) = cover(group, "GBP").rest
    assert (record.window.start, record.wh) == (second.start, 10)
