"""Tests of `settle`: what is certain, what is held, and where to go on."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.flatpeak.metering import (
    Anchor,
    HoldReason,
    Quality,
    Reporting,
    Row,
    Slice,
    Source,
    SourceKind,
    Span,
    cut,
    settle,
)

from .histories import (
    KWH,
    LATER,
    POWER,
    SLOT,
    SOURCE,
    START,
    House,
    at,
    claimed,
    energies,
    garbage,
    houses,
    rows_of,
    settle_in_parts,
    settled,
    total,
)

MEASURED, SPREAD, NO_DATA = Quality.MEASURED, Quality.SPREAD, Quality.NO_DATA
HELD = Quality.HELD
WATTS = Source(kind=SourceKind.POWER, max_power=POWER)
HOURLY = replace(SOURCE, reporting=Reporting.HOURLY, max_power=100_000)
BERLIN = ZoneInfo("Europe/Berlin")


def powers(*means: float | None) -> list[Row]:
    """Return a row of power per slot; None is a slot without one."""
    return [
        Row(start=at(slot), end=at(slot + 1), mean=mean)
        for slot, mean in enumerate(means)
        if mean is not None
    ]


# Properties


@given(houses())
def test_invariant_1_conserved_by_settling(house: House) -> None:
    """What is settled is what was used, whatever the register went through."""
    result = settle(house.rows, None, SOURCE, house.outages, LATER)
    assert not result.holds
    assert total(*result.slices) == house.used
    assert claimed(*result.slices) == house.claimed


@given(houses(), st.sampled_from([5, 15, 30, 60]))
def test_invariant_1_conserved_through_windows(house: House, minutes: int) -> None:
    """Windows and what is still open hold what was used."""
    result = settle(house.rows, None, SOURCE, house.outages, LATER)
    windows, rest = cut(result.slices, minutes, BERLIN)
    assert total(*windows, *rest) == house.used
    assert claimed(*windows, *rest) == house.claimed


@given(houses(), st.lists(st.integers(0, 200), max_size=6))
def test_splitting_anywhere_gives_the_same(house: House, cuts: list[int]) -> None:
    """Rows that come in parts settle as if they had come at once."""
    whole = settle(house.rows, None, SOURCE, house.outages, LATER)
    assert whole == settle_in_parts(
        house.rows, cuts, source=SOURCE, outages=house.outages
    )


@given(garbage(), st.lists(st.integers(0, 40), max_size=6), st.integers(0, 300))
def test_splitting_anywhere_gives_the_same_for_garbage(
    drawn: tuple[list[Row], Source, list[Span]], cuts: list[int], age: int
) -> None:
    """Not even rows that make no sense depend on when they are seen."""
    rows, source, outages = drawn
    whole = settle(rows, None, source, outages, at(age))
    assert whole == settle_in_parts(
        rows, cuts, source=source, outages=outages, now=at(age)
    )


@given(garbage())
def test_invariant_2_no_overlap_no_hole_between_slices(
    drawn: tuple[list[Row], Source, list[Span]],
) -> None:
    """Slices are contiguous from the first anchor to the last, and never negative."""
    rows, source, outages = drawn
    anchor = Anchor(end=START)
    result = settle(rows, anchor, source, outages, LATER)
    late = timedelta(hours=source.reporting is Reporting.HOURLY)
    edges = [START - late, *(piece.end for piece in result.slices)]
    assert [piece.start for piece in result.slices] == edges[:-1]
    assert result.anchor is not None
    assert result.anchor.end - late == edges[-1]
    assert all(piece.start < piece.end and piece.mwh >= 0 for piece in result.slices)
    assert not any(p.mwh for p in result.slices if p.quality is NO_DATA)
    assert all(hold.start == edges[-1] for hold in result.holds) or late


@given(garbage())
def test_invariant_9_power_stays_below_the_ceiling(
    drawn: tuple[list[Row], Source, list[Span]],
) -> None:
    """Over no time more than the meter's power is accepted."""
    rows, source, outages = drawn
    source = replace(source, reporting=Reporting.CONTINUOUS)
    slices = settle(rows, None, source, outages, LATER).slices
    if not slices:
        return
    hours = (slices[-1].end - rows[0].start) / timedelta(hours=1)
    slack = (source.quantum + 1) * (1 + len(slices))
    if source.kind is SourceKind.ENERGY:
        losses = sum(piece.quality in {NO_DATA, HELD} for piece in slices)
        slack = source.quantum * (1 + losses) + len(slices)
    most = source.max_power * hours * 1_000 + slack
    assert total(*slices) <= most


@given(st.integers(1, 600), st.integers(1, 700), st.sampled_from([5, 15, 30, 60]))
def test_invariant_8_outage_spread_over_windows(
    slots: int, wh_per_slot: int, minutes: int
) -> None:
    """Every window of an outage gets its share of the energy, and is estimated."""
    house = House(level=0)
    house.row(0)
    for _ in range(slots):
        house.row(0)
    house.use(1_000 * wh_per_slot * (slots + 1))
    outage = Span(start=at(1), end=at(slots + 1))
    result = settle(house.rows, None, SOURCE, [outage], LATER)
    windows, rest = cut(result.slices, minutes, UTC)
    assert total(*windows, *rest) == house.used
    for window in windows:
        share = 1_000 * wh_per_slot * ((window.end - window.start) / SLOT)
        assert abs(window.mwh - share) <= 1
        assert window.estimated


# The fifteen rules


def test_rule_01_first_row_sets_the_anchor() -> None:
    """The first row has no energy."""
    result = settled([1000.5])
    assert result.slices == ()
    assert result.anchor == Anchor(
        end=at(1),
        state=1_000_500_000,
        sum=0,
        high_water=1_000_500_000,
        changed=START,
    )


def test_rule_01_rows_up_to_the_anchor_and_after_now_are_skipped() -> None:
    """The slot before the anchor comes along, and a row may lie in the future."""
    rows = rows_of([1.0, 1.1, 1.2, 1.3])
    anchor = settle(rows[:2], None, SOURCE, (), LATER).anchor
    result = settle([*rows[:3], *rows], anchor, SOURCE, (), at(3))
    assert result.slices == (Slice(start=at(2), end=at(3), mwh=100_000),)


def test_rule_01_rows_without_a_number_are_missing() -> None:
    """A row that holds nothing, or not a number, says nothing."""
    rows = rows_of([1.0, 1.1, 1.2, 1.3])
    rows[1] = replace(rows[1], state=None, sum=None)
    rows[2] = replace(rows[2], state=float("nan"))
    result = settle(rows, None, SOURCE, (), LATER)
    assert result.slices == (
        Slice(start=at(1), end=at(4), mwh=300_000, quality=SPREAD),
    )


def test_rule_02_no_data_after_the_register_is_replaced() -> None:
    """An anchor that knows only a time goes on without energy up to the first row."""
    result = settle(rows_of([5.0, 5.1]), Anchor(end=START), SOURCE, (), LATER)
    assert result.slices == (
        Slice(start=at(0), end=at(1), mwh=0, quality=NO_DATA),
        Slice(start=at(1), end=at(2), mwh=100_000),
    )


def test_rule_03_rise_and_idle() -> None:
    """Differences of whole mWh; the recorder's floats do not add up."""
    result = settled([0.1, 0.2, 0.30000000000000004, 0.3000004, 0.4])
    assert [piece.mwh for piece in result.slices] == [100_000, 100_000, 0, 100_000]
    assert {piece.quality for piece in result.slices} == {MEASURED}


def test_rule_03_without_state_the_sum_counts() -> None:
    """An external statistic may have a sum only; a fall of it is held."""
    rows = [replace(row, state=None) for row in rows_of([7.0, 7.1, 7.2])]
    result = settle(rows, None, SOURCE, (), LATER)
    assert energies(result) == [100, 100]
    fallen = [*rows, replace(rows[0], start=at(3), end=at(4), sum=0.1)]
    result = settle(fallen, result.anchor, SOURCE, (), LATER)
    assert [hold.reason for hold in result.holds] == [HoldReason.FALL]


def test_rule_03_state_appearing_later_does_not_mix_with_the_sum() -> None:
    """A source that began by its sum stays with it."""
    rows = rows_of([7.0, 7.1, 7.2])
    rows[0] = replace(rows[0], state=None)
    result = settle(rows, None, SOURCE, (), LATER)
    assert energies(result) == [100, 100]
    assert result.anchor == Anchor(
        end=at(3), sum=200_000, high_water=200_000, changed=at(2)
    )


def test_rule_05_gap_is_spread() -> None:
    """Missing rows and the row of the return share the energy."""
    result = settled([1.0, None, None, 1.3])
    assert result.slices == (
        Slice(start=at(1), end=at(4), mwh=300_000, quality=SPREAD),
    )


def test_scenario_15_a_lost_database_costs_no_energy() -> None:
    """The register went on: the gap has the energy of its states, not of new sums."""
    before = settled([1.0, 1.1])
    after = [
        replace(row, sum=number / 10)
        for number, row in enumerate(rows_of([1.5, 1.6], start=at(5)))
    ]
    result = settle(after, before.anchor, SOURCE, (), LATER)
    assert result.slices == (
        Slice(start=at(2), end=at(6), mwh=400_000, quality=SPREAD),
        Slice(start=at(6), end=at(7), mwh=100_000),
    )


def test_scenario_15_another_register_has_no_data_for_the_gap() -> None:
    """What it did meanwhile is unknown, and is neither spread nor taken for nothing."""
    before = settled([50.0, 50.1])
    after = rows_of([30.0, 30.1, 30.2, 30.3, 30.4], start=at(5))
    result = settle(after, before.anchor, SOURCE, (), LATER)
    assert result.slices[0] == Slice(start=at(2), end=at(6), mwh=0, quality=NO_DATA)
    assert energies(result) == [0, 100, 100, 100, 100]


def sums(levels: Iterable[float], first: int) -> list[Row]:
    """Return rows that have no state, from a slot on."""
    return [
        Row(start=at(first + slot), end=at(first + slot + 1), sum=level)
        for slot, level in enumerate(levels)
    ]


@given(
    gap=st.integers(0, 40),
    first=st.integers(0, 700_000),
    used=st.lists(st.integers(1, 700_000), min_size=4, max_size=30),
    cuts=st.lists(st.integers(0, 40), max_size=6),
)
def test_scenario_15_a_sum_that_begins_again_knows_nothing_of_the_gap(
    gap: int, first: int, used: list[int], cuts: list[int]
) -> None:
    """Its first row can tell of its own time at most; 0 says that it knows nothing."""
    levels = [level / KWH for level in accumulate(used, initial=first)]
    # So much that no level after it is a thousandth of it, as in another unit.
    rows = [*sums([100_000.0, 100_000.1], 0), *sums(levels, 2 + gap)]
    result = settle(rows, None, SOURCE, (), LATER)
    begin = Slice(start=at(2), end=at(3 + gap), mwh=0, quality=NO_DATA)
    if first and not gap:
        begin = replace(begin, mwh=first, quality=MEASURED)
    assert result.slices[1] == begin
    assert total(*result.slices[2:]) == sum(used)
    assert result == settle_in_parts(rows, cuts, source=SOURCE, outages=())


def test_rule_05_gap_without_energy_is_measured() -> None:
    """The register did not move: that is known."""
    assert settled([1.0, None, None, 1.0]).slices == (
        Slice(start=at(1), end=at(4), mwh=0),
    )


def test_rule_06_small_fall_waits_until_it_is_exceeded() -> None:
    """A fall of up to 0.1 % costs nothing and gives nothing."""
    result = settled([1000.0, 999.1, 999.5, 1000.0, 1000.2])
    assert energies(result) == [0, 0, 0, 200]


def test_rule_06_quantum_of_a_coarse_register() -> None:
    """A step of the register may flicker."""
    coarse = replace(SOURCE, quantum=KWH)
    assert energies(settled([5.0, 6.0, 5.0, 6.0, 7.0], coarse)) == [1000, 0, 0, 1000]


def test_rule_07_larger_fall_holds_everything_after_it() -> None:
    """Nothing is settled from the fall on; the anchor stays before it."""
    result = settled([50.0, 50.1, 30.0, 30.1, 30.2])
    assert energies(result) == [100]
    (hold,) = result.holds
    assert (hold.start, hold.reason, hold.mwh) == (at(2), HoldReason.FALL, -20_100_000)
    assert result.anchor is not None
    assert result.anchor.end == at(2)


@pytest.mark.parametrize("low", [[0.0], [0.0, 0.0, 0.0], [20.0, 10.0], [0.0, 25.0]])
def test_rule_08_dip_is_spread_over_the_hold(low: list[float]) -> None:
    """A register that comes back too fast has never left."""
    result = settled([50.0, *low, 50.3, 50.4])
    assert [piece.mwh for piece in result.slices] == [300_000, 100_000]
    assert [piece.quality for piece in result.slices] == [SPREAD, MEASURED]
    assert not result.holds


def test_rule_08_small_register_returns_at_once() -> None:
    """The climb could be usage, but it ends on the old level."""
    assert energies(settled([0.5, 0.1, 0.52, 0.6])) == [20, 80]


@pytest.mark.parametrize(
    ("levels", "gain"), [([2.0, 0.1, 2.3], 300), ([50.0, 0.0, 0.2, 50.1], 100)]
)
def test_rule_08_too_fast_a_climb_is_no_usage(levels: list[float], gain: int) -> None:
    """Wherever the register lands, if it can be there, and after any other climb."""
    assert energies(settled(levels)) == [gain]


def test_rule_08_slow_return_is_usage() -> None:
    """A register that climbs to the old level as usage does was set back."""
    result = settled([50.0, 49.0, 49.3, 49.6, 50.1])
    assert energies(result) == [0, 300, 300, 500]
    assert result.slices[0].quality is NO_DATA


def test_rule_08_return_onto_just_below_the_mark() -> None:
    """As with a small fall there is no energy until the mark is exceeded."""
    assert energies(settled([50.0, 0.0, 49.97, 50.1])) == [0, 100]


def test_rule_08_return_from_above() -> None:
    """A register that shows nonsense below and above is back when it is back."""
    assert energies(settled([50.0, 0.0, 900.0, 50.2, 50.3])) == [200, 100]


def test_rule_09_three_rising_rows_are_a_reset() -> None:
    """The fallen level counts, since it can have flowed."""
    levels = [50.0, 50.1, 0.2, 0.3, 0.3, 0.4]
    assert settled(levels).holds
    assert energies(settled([*levels, 0.6])) == [100, 200, 100, 0, 100, 200]


def test_rule_09_a_fall_in_the_hold_begins_anew() -> None:
    """Only what rises three times after the last fall counts."""
    levels = [50.0, 30.0, 30.1, 30.2, 0.2, 0.3, 0.4]
    assert settled(levels).holds
    result = settled([*levels, 0.5])
    assert energies(result) == [200, 100, 100, 100]
    assert result.slices[0] == Slice(
        start=at(1), end=at(5), mwh=200_000, quality=SPREAD
    )


def test_rule_09_another_meter_counts_from_its_level() -> None:
    """A level that cannot have flowed says nothing."""
    result = settled([50.0, 30.0, 30.1, 30.2, 30.3])
    assert energies(result) == [0, 100, 100, 100]
    assert result.slices[0].quality is NO_DATA


def test_rule_09_a_fall_below_a_tenth_is_no_reset() -> None:
    """A register that was restored to an older reading has not begun at zero."""
    result = settled([0.5, 0.46, 0.47, 0.48, 0.49])
    assert energies(result) == [0, 10, 10, 10]
    assert result.slices[0].quality is NO_DATA


def test_rule_09_a_climb_is_no_reset() -> None:
    """The level of a meter that came from below says nothing, however small."""
    idle = [50.0] * 60
    result = settled([*idle, 0.0, 20.0, 20.1, 20.2, 20.3])
    assert energies(result)[-4:] == [0, 100, 100, 100]
    assert result.slices[-4].quality is NO_DATA


def test_rule_09_below_zero_is_no_reset() -> None:
    """Negative energy is never sent."""
    result = settled([50.0, -0.2, -0.1, 0.0, 0.1])
    assert energies(result) == [0, 100, 100, 100]
    assert result.slices[0].quality is NO_DATA


@pytest.mark.parametrize(
    ("midnight", "zones", "decided"),
    [
        (2, (BERLIN,), True),
        (1, (UTC, BERLIN), True),
        (5, (BERLIN,), True),
        (7, (BERLIN,), False),
        (-1, (BERLIN,), True),
        (-2, (BERLIN,), False),
        (2, (UTC,), False),
        (2, (), False),
    ],
)
def test_rule_09_expected_fall_at_local_midnight(
    midnight: int, zones: tuple[ZoneInfo, ...], *, decided: bool
) -> None:
    """A daily register needs no proof: the next reading only has to agree."""
    edge = datetime(2026, 11, 22, 23, tzinfo=UTC)
    rows = rows_of([9.0, 9.1, 0.1, 0.1], start=edge - midnight * SLOT)
    source = replace(SOURCE, zones=zones)
    assert settle(rows[:3], None, source, (), LATER).holds
    result = settle(rows, None, source, (), LATER)
    assert energies(result) == ([100, 100, 0] if decided else [100])


def test_rule_09_expected_fall_has_to_be_near_zero() -> None:
    """Half the old level at midnight is not what a reset looks like."""
    start = datetime(2026, 11, 22, 22, 55, tzinfo=UTC)
    rows = rows_of([1.0, 0.2, 0.2], start=start)
    assert settle(rows, None, replace(SOURCE, zones=(BERLIN,)), (), LATER).holds


def test_rule_09_dip_at_midnight_is_no_reset() -> None:
    """A lifetime register that shows 0 for one slot at midnight is believed next."""
    start = datetime(2026, 11, 22, 22, 55, tzinfo=UTC)
    rows = rows_of([9.0, 0.0, 9.1], start=start)
    result = settle(rows, None, replace(SOURCE, zones=(BERLIN,)), (), LATER)
    assert energies(result) == [100]


def test_rule_09_a_thousandth_that_is_used_was_a_reset() -> None:
    """What goes on as another unit does is one; a real register soon does not."""
    levels = [22.0, 0.0221, 0.1, 0.2, 0.3]
    assert energies(settled(levels)) == [22, 77, 100, 100]
    unit = [22.0, *[0.0221 + n / 10_000 for n in range(30)]]
    assert settled(unit).holds
    assert energies(settled([*unit, 25.1])) == [3100]


def test_rule_10_a_day_at_a_thousandth() -> None:
    """Then it no longer holds up the time; what it counts is for the user to say."""
    unit = [22.0, *[0.0221 + n / 1_000_000 for n in range(290)]]
    result = settled(unit)
    assert not result.holds
    assert result.slices[0].quality is NO_DATA
    assert {piece.quality for piece in result.slices[1:]} == {Quality.FOLLOWS}


def test_rule_10_an_hour_of_rising_data() -> None:
    """A register that neither returns nor rises three times begins anew."""
    levels = [50.0, 0.0, *[0.1] * 12]
    assert settled(levels).holds
    result = settled([*levels, 0.1])
    assert energies(result) == [0, 100, *[0] * 12]
    assert not result.holds


def test_rule_10_an_hour_of_nonsense() -> None:
    """A register that jumps about begins anew where it is by then."""
    result = settled([50.0, *[900.0 if n % 2 else 0.0 for n in range(14)]])
    assert [piece.quality for piece in result.slices] == [NO_DATA]
    assert result.slices[0].end == at(15)


def test_rule_10_a_day_flat() -> None:
    """A register that fell and rests costs nothing, and begins anew after a day."""
    levels = [50.0, *[20.0] * 287]
    assert settled(levels).holds
    result = settled([*levels, 20.0, 20.1])
    assert energies(result) == [0, *[0] * 287, 100]
    assert [piece.quality for piece in result.slices[:2]] == [NO_DATA, MEASURED]


def test_scenario_24_invariant_9_a_claim_is_quarantined_and_later_ones_proceed() -> (
    None
):
    """For an hour it holds up what comes after it; then it is set aside."""
    levels = [50.0, 50.1, 60.0, 60.1, *[60.2] * 10]
    result = settled(levels)
    assert energies(result) == [100]
    (hold,) = result.holds
    assert hold.reason is HoldReason.IMPLAUSIBLE
    assert (hold.start, hold.mwh) == (at(2), 9_900_000)
    result = settled([*levels, 60.3])
    assert not result.holds
    assert result.slices[:3] == (
        Slice(start=at(1), end=at(2), mwh=100_000),
        Slice(start=at(2), end=at(3), mwh=9_900_000, quality=HELD),
        Slice(start=at(3), end=at(4), mwh=100_000),
    )
    assert energies(result)[3:] == [100, *[0] * 9, 100]


@pytest.mark.parametrize("high", [[900.0], [900.0, 901.0, 0.0, 899.0], [52.0] * 11])
def test_rule_11_a_spike_that_comes_back_is_nothing(high: list[float]) -> None:
    """The register has never left: what it rose since is spread, nothing is held."""
    result = settled([50.0, *high, 50.4, 50.5])
    assert result.slices == (
        Slice(start=at(1), end=at(2 + len(high)), mwh=400_000, quality=SPREAD),
        Slice(start=at(2 + len(high)), end=at(3 + len(high)), mwh=100_000),
    )
    assert not result.holds


def test_rule_11_a_spike_may_come_back_to_just_below_the_mark() -> None:
    """As with a small fall there is no energy until the mark is exceeded."""
    assert energies(settled([50.0, 900.0, 49.97, 50.1])) == [0, 100]


def test_rule_11_a_spike_that_comes_back_with_the_next_row_however_late() -> None:
    """Where rows are missing, or are hours, the first after the spike decides."""
    levels = [50.0, 900.0, *[None] * 40, 50.4]
    assert energies(settled(levels)) == [400]
    assert energies(settled([*levels[:-1], 900.0, 900.1])) == [850_000, 0, 100]


@pytest.mark.parametrize("after", [[60.2] * 13, [*[60.0] * 10, 59.5, 60.1, 60.1]])
def test_rule_11_time_alone_makes_no_claim_true(after: list[float]) -> None:
    """A step that could have flowed in an hour came in five minutes all the same."""
    result = settled([50.0, 60.0, *after])
    assert result.slices[0] == Slice(
        start=at(1), end=at(2), mwh=10_000_000, quality=HELD
    )
    assert total(*result.slices) <= 200_000


def test_rule_11_each_claim_is_quarantined() -> None:
    """A unit that changed makes each reading one; none of it counts."""
    true = [50.0 + n / 100 for n in range(20)]
    wrong = [1_000 * level for level in true[3:]]
    result = settled([*true[:3], *wrong])
    assert total(*result.slices) == 20_000
    assert claimed(*result.slices) == 50_030_000_000 - 50_020_000 + 4 * 10_000_000
    assert [hold.reason for hold in result.holds] == [HoldReason.IMPLAUSIBLE]
    assert len(result.slices) == 2 + 5


SMALL = [n / 100_000 for n in range(300)]  # 120 mW, or 120 W at a thousand times it


def test_invariant_9_what_follows_on_a_thousandfold_level_is_a_claim() -> None:
    """However little it is, and for as long as it lasts, a reset included."""
    wrong = [1_000 * (50.02 + use) for use in SMALL]
    result = settled([50.0, 50.01, *wrong, 0.0, 0.01, 0.02, 0.03])
    assert energies(result)[0] == 10
    assert total(*result.slices) == 10_000
    assert result.slices[1].quality is HELD
    assert {piece.quality for piece in result.slices[2:]} == {Quality.FOLLOWS}
    follows = claimed(*result.slices[2:])
    assert follows == 2_990_000 + 30_000
    assert result.anchor is not None
    assert result.anchor.thousands == 1


@pytest.mark.parametrize("claim", [150.0, 40_000.0, 60_000.0, 180.0, 50_000_000.0])
def test_invariant_9_on_any_other_level_it_counts(claim: float) -> None:
    """A spike that lifts a register, or another meter: the user's figures go on."""
    result = settled([50.0, 50.01, *[claim + use for use in SMALL[:20]]])
    assert result.slices[1].quality is HELD
    assert total(*result.slices[2:]) == 190


def test_invariant_9_zero_has_no_unit() -> None:
    """What a register stands at after it is no thousand times that."""
    result = settled([0.0, 0.0, *[400.0 + use for use in SMALL[:20]]])
    assert total(*result.slices[2:]) == 190


@pytest.mark.parametrize("days", [14, 290])
def test_invariant_9_back_from_a_thousandfold_level(days: int) -> None:
    """From the old level on all counts as before; the time between has no data."""
    wrong = [1_000 * (50.02 + use) for use in SMALL[:days]]
    true = [50.02 + SMALL[days] + n / 10 for n in range(5)]
    result = settled([50.0, 50.01, *wrong, *true])
    assert [piece.quality for piece in result.slices[-5:]] == [NO_DATA, *[MEASURED] * 4]
    assert energies(result)[-5:] == [0, 100, 100, 100, 100]
    assert result.anchor is not None
    assert result.anchor.thousands == 0


def test_invariant_9_back_from_a_thousandfold_level_with_a_small_load() -> None:
    """The old level is not taken for another unit of the false one."""
    wrong = [1_000 * (50.02 + use) for use in SMALL[:20]]
    result = settled([50.0, 50.01, *wrong, *[50.021 + use for use in SMALL[:5]]])
    assert not result.holds
    assert [piece.mwh for piece in result.slices[-5:]] == [0, *[10] * 4]
    assert {piece.quality for piece in result.slices[-4:]} == {MEASURED}


def test_invariant_9_a_small_register_is_back_after_a_reset_in_another_unit() -> None:
    """Its old level is so low that it could be a reset, and is none."""
    wrong = [500.0 + use for use in SMALL[:20]]
    again = [n / 2 for n in range(11)]
    result = settled([0.5, 0.5, *wrong, *again, 0.005, 0.006, 0.007, 0.008])
    assert claimed(*result.slices[-14:-4]) == 5_000_000
    assert energies(result)[-4:] == [0, 1, 1, 1]
    assert result.slices[-4].quality is NO_DATA
    assert total(*result.slices) == 3_000


@pytest.mark.parametrize("elsewhere", [7_000.0, 900_000.0])
def test_invariant_9_a_thousandfold_level_that_goes_elsewhere_stays_in_doubt(
    elsewhere: float,
) -> None:
    """Another wrong level, or another meter: nobody but the user knows."""
    wrong = [1_000 * (50.02 + use) for use in SMALL[:20]]
    after = [elsewhere + n / 10 for n in range(13)]
    result = settled([50.0, 50.01, *wrong, *after])
    assert total(*result.slices) == 10_000
    assert claimed(*result.slices[-12:]) == 1_200_000
    assert {piece.quality for piece in result.slices[-12:]} == {Quality.FOLLOWS}


def test_invariant_9_what_follows_on_a_thousandth_is_a_claim_until_it_is_back() -> None:
    """The unit is asked about, and the way back is neither a claim nor energy."""
    wrong = [0.0501 + n / 1_000_000 for n in range(400)]
    lasting = settled([50.0, 50.1, *wrong])
    assert total(*lasting.slices) == 100_000
    assert lasting.slices[1].quality is NO_DATA
    assert claimed(*lasting.slices) == 399
    result = settled([50.0, 50.1, *wrong, *[50.6 + n / 10 for n in range(14)]])
    assert claimed(*result.slices) == 399
    assert energies(result)[-14:] == [0, *[100] * 13]
    assert result.slices[-14].quality is NO_DATA
    assert result.anchor is not None
    assert result.anchor.thousands == 0


def test_invariant_9_a_small_register_is_back_from_a_thousandth_after_a_rest() -> None:
    """So small a rise could have flowed; it is the old level all the same."""
    wrong = [*[0.0121 + n / 1_000_000 for n in range(300)], *[0.0124] * 30]
    result = settled([12.0, 12.1, *wrong, 12.45, 12.55])
    assert total(*result.slices) == 200_000
    assert result.slices[-2] == Slice(
        start=at(332), end=at(333), mwh=0, quality=NO_DATA
    )


@pytest.mark.parametrize(
    "high",
    [[900.0] * 80, [*[900.0] * 15, *[8_000.0] * 80], [900.0 + n for n in range(60)]],
)
@pytest.mark.parametrize("power", [POWER, 1_000_000])
def test_invariant_9_a_false_register_that_returns_was_no_reset(
    high: list[float], power: int
) -> None:
    """After hours on a false level the true one is no energy, though it could flow."""
    true = [50.3 + n / 10 for n in range(14)]
    source = replace(SOURCE, max_power=power)
    result = settled([49.9, 50.0, *high, *true], source)
    assert not result.holds
    returned = [piece for piece in result.slices if piece.start >= at(2 + len(high))]
    assert [piece.mwh for piece in returned] == [0, *[100_000] * 13]
    assert returned[0].quality is NO_DATA
    assert result.anchor is not None
    assert result.anchor.before_claim is None


def test_rule_11_a_reset_after_a_claim_counts() -> None:
    """Below where the register stood before the claim it has begun anew."""
    levels = [50.0, *[900.0] * 14, 0.2, 0.3, 0.4, 0.5]
    result = settled(levels)
    assert energies(result)[-4:] == [200, 100, 100, 100]
    assert result.slices[0].quality is HELD
    assert result.anchor is not None
    assert result.anchor.before_claim is None


def test_rule_11_a_new_cycle_after_a_claim_counts() -> None:
    """The known start of a cycle outlasts the claim, and a new one is announced."""
    rows = rows_of([50.0, *[900.0] * 14], last_reset=START)
    rows[1:] = [replace(row, last_reset=None) for row in rows[1:]]
    known = settle(rows, None, replace(SOURCE, state_class="total"), (), LATER).anchor
    assert known is not None
    assert known.last_reset == START
    row = Row(start=at(15), end=at(16), state=0.3, sum=850.4, last_reset=at(15))
    result = settle([*rows, row], None, SOURCE, (), LATER)
    assert energies(result)[-1:] == [400]
    assert result.anchor is not None
    assert result.anchor.before_claim is None


def test_rule_11_a_coarse_register_has_time_since_its_last_change() -> None:
    """What comes in one row may have been used since the row of the last rise."""
    assert energies(settled([5.0, 5.0, 5.0, 7.5])) == [0, 0, 2500]
    assert settled([5.0, 5.0, 5.0, 8.4]).holds


def test_rule_11_readings_may_come_early_and_late_within_their_row() -> None:
    """Four and six minutes at full power are fine, again and again, but no more."""
    full = [POWER / 60_000 * minutes for minutes in (4, 6)] * 4
    levels = [sum(full[:n]) for n in range(len(full) + 1)]
    assert not settled(levels).holds
    assert settled([*levels, *(levels[-1] + 1.1 * n for n in range(1, 6))]).holds


def test_rule_12_new_cycle_counts_what_the_sum_added() -> None:
    """The sum knows the old cycle's last reading and the new one's first."""
    net = replace(SOURCE, state_class="total")
    rows = rows_of([5.0, 5.1], last_reset=START)
    rows.append(
        Row(start=at(2), end=at(3), state=0.2, sum=0.4, last_reset=at(2.5)),
    )
    result = settle(rows, None, net, (), LATER)
    assert energies(result) == [100, 300]
    assert result.anchor is not None
    assert result.anchor.last_reset == at(2.5)
    assert result.anchor.high_water == 200_000


def test_rule_12_a_false_last_reset_changes_nothing() -> None:
    """A state that did not fall is the truth, whatever the sum says."""
    net = replace(SOURCE, state_class="total")
    rows = rows_of([5.0, 5.1], last_reset=START)
    rows.append(
        Row(start=at(2), end=at(3), state=5.2, sum=0.6, last_reset=at(2.5)),
    )
    assert energies(settle(rows, None, net, (), LATER)) == [100, 100]


def test_rule_12_a_known_last_reset_announces_nothing() -> None:
    """Not even after a row that lacks it."""
    net = replace(SOURCE, state_class="total")
    rows = rows_of([5.0, 5.1, 5.2, 0.1], last_reset=START)
    rows[2] = replace(rows[2], last_reset=None)
    result = settle(rows, None, net, (), LATER)
    assert energies(result) == [100, 100]
    assert [hold.reason for hold in result.holds] == [HoldReason.FALL]


@pytest.mark.parametrize("added", [None, 9.0, -3.0])
def test_rule_12_without_a_plausible_sum_the_state_has_to_prove_it(
    added: float | None,
) -> None:
    """Then the level counts as after any other reset."""
    source = replace(SOURCE, state_class="total")
    rows = rows_of([5.0, 5.1], last_reset=START)
    rows += [
        replace(row, sum=added, last_reset=at(2.5))
        for row in rows_of([0.2, 0.3, 0.4, 0.5], start=at(2))
    ]
    assert settle(rows[:-1], None, source, (), LATER).holds
    result = settle(rows, None, source, (), LATER)
    assert energies(result) == [100, 200, 100, 100, 100]


def test_rule_13_total_that_falls_is_held_then_begins_anew() -> None:
    """A net meter has no place here; a dip of a total is one all the same.

    The fall is no energy, and three rising rows are no reset that is not announced.
    """
    net = replace(SOURCE, state_class="total")
    assert energies(settled([50.0, 0.0, 50.1], net)) == [100]
    falling = settled([50.0, 49.0, 49.1, 49.2], net)
    assert [hold.reason for hold in falling.holds] == [HoldReason.FALL]
    levels = [50.0, 1.0, *[1.0 + n / 100 for n in range(1, 13)]]
    held = settled(levels, net)
    assert [hold.reason for hold in held.holds] == [HoldReason.FALL]
    assert (held.holds[0].mwh, held.slices) == (-49_000_000, ())
    result = settled([*levels, 1.2], net)
    assert not result.holds
    assert energies(result) == [0, *[10] * 12, 80]
    assert result.slices[0] == Slice(start=at(1), end=at(2), mwh=0, quality=NO_DATA)


def test_rule_14_hourly_moves_what_is_seen_to_the_hour_before() -> None:
    """The report at 11:05 of the hour before 11 settles when hour 11 is over."""
    levels = [*[5.0] * 12, *[6.2] * 12]
    rows = rows_of(levels, start=START - SLOT)
    assert settle(rows, None, HOURLY, (), at(12) + SLOT).anchor == Anchor(
        end=START, state=5 * KWH, sum=0, high_water=5 * KWH, changed=START - SLOT
    )
    rows = rows_of([5.0, *levels], start=START - SLOT)
    early = settle(rows, None, HOURLY, (), at(24) + timedelta(minutes=9))
    assert early.slices == (Slice(start=at(-12), end=at(0), mwh=0),)
    result = settle(rows, None, HOURLY, (), at(24) + timedelta(minutes=10))
    assert result.slices == (
        Slice(start=at(-12), end=at(0), mwh=0),
        Slice(start=at(0), end=at(12), mwh=1_200_000),
    )


def test_rule_14_hourly_waits_for_the_row_that_ends_the_hour() -> None:
    """However late it is: the hour's rows may not be there yet."""
    rows = rows_of([*[5.0] * 6, *[5.5] * 6], start=START)
    assert settle(rows[:-1], None, HOURLY, (), LATER).slices == ()
    result = settle(rows, None, HOURLY, (), LATER)
    assert result.slices == (Slice(start=at(-11), end=at(0), mwh=500_000),)


def test_rule_14_hourly_gap_is_spread_and_moved() -> None:
    """What comes after a gap is of all hours that it can report, evenly."""
    rows = rows_of([5.0, *[5.0] * 12, *[None] * 12, *[7.5] * 12], start=START - SLOT)
    result = settle(rows, None, HOURLY, (), LATER)
    assert [piece.mwh for piece in result.slices] == [0, 1_250_000, 1_250_000]
    assert [piece.quality for piece in result.slices] == [MEASURED, SPREAD, SPREAD]


def test_rule_14_a_claim_is_moved_and_mixes_with_nothing() -> None:
    """Around it, what is accepted is even; the claim has its own time."""
    source = replace(HOURLY, max_power=POWER)
    levels = [5.0, 5.0, 5.6, *[5.6] * 4, 905.6, *[905.6] * 4, 905.8, *[905.8] * 12]
    result = settle(rows_of(levels, start=START - SLOT), None, source, (), LATER)
    assert result.slices[:3] == (
        Slice(start=at(-12), end=at(-6), mwh=600_000),
        Slice(start=at(-6), end=at(-5), mwh=900_000_000, quality=HELD),
        Slice(start=at(-5), end=at(0), mwh=200_000),
    )


def test_rule_14_what_follows_a_claim_mixes_with_nothing() -> None:
    """It counts alone where the meter was replaced, and not once the unit is right."""
    source = replace(HOURLY, max_power=POWER)
    wrong = [*[5_000.0] * 20, 5_000.2]
    true = [5.001, 5.101, 5.201, 5.301, *[5.301] * 12]
    rows = rows_of([*[5.0] * 6, *wrong, *true], start=START - SLOT)
    result = settle(rows, None, source, (), LATER)
    parts = [(p.mwh, p.quality) for p in result.slices if p.mwh]
    assert parts == [
        (4_995_000_000, HELD),
        (200_000, Quality.FOLLOWS),
        (300_000, MEASURED),
    ]


def test_rule_14_hold_is_an_hour_earlier_too() -> None:
    """A hold tells from when on nothing is settled."""
    result = settled([50.0, *[50.0] * 3, 10.0], replace(HOURLY, max_power=POWER))
    assert [hold.start for hold in result.holds] == [at(4) - timedelta(hours=1)]


def test_rule_15_power_is_mean_times_time() -> None:
    """1200 W for 5 minutes are 100 Wh; power that flows back is none of ours."""
    result = settle(powers(50, 1200, -300, 0), None, WATTS, (), LATER)
    assert result.slices == (
        Slice(start=at(1), end=at(2), mwh=100_000),
        Slice(start=at(2), end=at(3), mwh=0),
        Slice(start=at(3), end=at(4), mwh=0),
    )


def test_rule_15_missing_power_is_no_data() -> None:
    """Nothing is spread over a gap."""
    rows = [*powers(600, None, 600), Row(start=at(3), end=at(4))]
    rows += [replace(rows[0], start=at(4), end=at(5), mean=float("nan"))]
    rows += [replace(rows[0], start=at(5), end=at(6))]
    result = settle(rows, None, WATTS, (), LATER)
    assert energies(result) == [0, 50, 0, 50]
    assert [piece.quality for piece in result.slices] == [
        NO_DATA,
        MEASURED,
        NO_DATA,
        MEASURED,
    ]


def test_rule_15_power_above_the_ceiling_is_quarantined() -> None:
    """Row by row, at once: the next one says nothing of it."""
    result = settle(powers(0, 600, 12_000, None, 600), None, WATTS, (), LATER)
    assert result.slices == (
        Slice(start=at(1), end=at(2), mwh=50_000),
        Slice(start=at(2), end=at(3), mwh=1_000_000, quality=HELD),
        Slice(start=at(3), end=at(4), mwh=0, quality=NO_DATA),
        Slice(start=at(4), end=at(5), mwh=50_000),
    )
    assert not result.holds


def test_rule_15_hour_of_power_after_the_anchor() -> None:
    """Of an hourly row only the time after the anchor counts."""
    row = Row(start=START, end=at(12), mean=1200)
    result = settle([row], Anchor(end=at(6)), WATTS, (), LATER)
    assert result.slices == (
        Slice(start=at(6), end=at(12), mwh=600_000, quality=SPREAD),
    )


# Scenarios that were measured on the real recorder


def test_scenario_02_flat_rows_of_an_outage_are_missing() -> None:
    """Everything came in the row of the return; it was used during the outage."""
    outage = Span(start=at(2) + timedelta(seconds=10), end=at(5))
    result = settled([10.0, 10.2, 10.2, 10.2, 10.2, 11.0, 11.1], SOURCE, outage)
    assert result.slices == (
        Slice(start=at(1), end=at(2), mwh=200_000),
        Slice(start=at(2), end=at(6), mwh=800_000, quality=SPREAD),
        Slice(start=at(6), end=at(7), mwh=100_000),
    )


def test_scenario_02_rows_that_rise_are_from_before_the_crash() -> None:
    """The span begins when we last know that we watched, not at the crash."""
    outage = Span(start=at(1), end=at(4))
    result = settled([10.0, 10.1, 10.2, 10.2, 10.6], SOURCE, outage)
    assert result.slices == (
        Slice(start=at(1), end=at(2), mwh=100_000),
        Slice(start=at(2), end=at(3), mwh=100_000),
        Slice(start=at(3), end=at(5), mwh=400_000, quality=SPREAD),
    )


def test_scenario_02_copies_of_an_older_reading_are_missing() -> None:
    """The crash took the recorder's last rows along, which we had settled."""
    before = settled([1000.0, 1000.2, 1000.4])
    rows = rows_of([1000.0, 1000.2, 1000.2, 1000.2, 1000.2, 1001.0])
    outage = Span(start=at(3), end=at(5))
    result = settle(rows, before.anchor, SOURCE, [outage], LATER)
    assert result.slices == (
        Slice(start=at(3), end=at(6), mwh=600_000, quality=SPREAD),
    )


def test_scenario_02_nothing_is_settled_in_an_open_outage() -> None:
    """Until the first fresh reading a copy may be one."""
    result = settled([10.0, 10.1, 10.1, 10.1], SOURCE, Span(start=at(1)))
    assert energies(result) == [100]
    assert result.anchor is not None
    assert result.anchor.end == at(2)
    assert not result.holds


def test_scenario_02_idle_outage_is_measured() -> None:
    """The register did not move, so nothing was used."""
    result = settled([10.0, 10.0, 10.0, 10.0], SOURCE, Span(start=at(1), end=at(3)))
    assert result.slices == (Slice(start=at(1), end=at(4), mwh=0),)


@pytest.mark.parametrize("end", [at(2.3), None])
def test_scenario_02_power_repeats_its_last_mean(end: datetime | None) -> None:
    """A car that charged with 9 kW did not do so for the whole outage."""
    outage = Span(start=at(1.5), end=end)
    result = settle(powers(0, 9000, 9000, 300, 300), None, WATTS, [outage], LATER)
    known = [
        Slice(start=at(1), end=at(3), mwh=0, quality=NO_DATA),
        Slice(start=at(3), end=at(4), mwh=25_000),
        Slice(start=at(4), end=at(5), mwh=25_000),
    ]
    assert list(result.slices) == (known if end else [])


def test_scenario_03_sum_that_began_again() -> None:
    """The short-term rows were purged: `sum` is 0 again, `state` is the truth."""
    rows = rows_of([1000.0, 1000.1])
    rows += rows_of([1000.3, 1000.4], start=at(2))
    assert energies(settle(rows, None, SOURCE, (), LATER)) == [100, 200, 100]


def test_scenario_04_dip_inside_one_slot() -> None:
    """The recorder adds 12.4 for 12.3 to 0 to 12.4; the state says 0.1."""
    rows = rows_of([12.2, 12.3])
    rows.append(Row(start=at(2), end=at(3), state=12.4, sum=0.1 + 12.4))
    assert energies(settle(rows, None, SOURCE, (), LATER)) == [100, 100]


def test_scenario_04_reset_as_the_recorder_sees_it() -> None:
    """12.4 to 5.0 to 5.2 gives 5200 Wh, where that much can flow."""
    levels = [12.3, 12.4, 5.0, 5.2, 5.3, 5.4]
    assert energies(settled(levels, Source())) == [100, 5000, 200, 100, 100]
    assert energies(settled(levels)) == [100, 0, 200, 100, 100]


def test_scenario_04_half_a_register_is_another_meter() -> None:
    """1000 to 500 gives +500 in the recorder, and nothing here."""
    assert energies(settled([1000.0, 500.0, 500.1, 500.2, 500.3])) == [0, 100, 100, 100]


def test_unavailable_hour_is_spread() -> None:
    """10.0, 10.2, an hour without rows, then 12.2: the row of the return has it all."""
    result = settled([10.0, 10.2, *[None] * 12, 12.2])
    assert result.slices[1] == Slice(
        start=at(2), end=at(15), mwh=2_000_000, quality=SPREAD
    )


def test_scenario_22_replaced_source_is_never_spread() -> None:
    """What the old source used during the gap is unknowable."""
    old = settled([10.0, 10.1]).anchor
    assert old is not None
    rows = rows_of([None, None, None, 77.0, 77.1])
    result = settle(rows, Anchor(end=old.end), SOURCE, (), LATER)
    assert result.slices == (
        Slice(start=at(2), end=at(4), mwh=0, quality=NO_DATA),
        Slice(start=at(4), end=at(5), mwh=100_000),
    )


def test_scenario_26_hourly_rows_before_short_ones() -> None:
    """An hourly row that begins before the anchor counts from the anchor on."""
    hour = timedelta(hours=1)
    anchor = settle(rows_of([10.0, 10.1], start=at(4)), None, SOURCE, (), LATER).anchor
    hourly = rows_of([11.0, 12.0], start=START, slot=hour)
    short = rows_of([12.0, 12.1], start=START + 2 * hour - SLOT)
    result = settle([*hourly, *short], anchor, SOURCE, (), LATER)
    assert result.slices == (
        Slice(start=at(6), end=at(12), mwh=900_000, quality=SPREAD),
        Slice(start=at(12), end=at(24), mwh=1_000_000, quality=SPREAD),
        Slice(start=at(24), end=at(25), mwh=100_000),
    )


def test_scenario_26_hours_of_an_hourly_source_are_measured() -> None:
    """Where an hour is all there is, it is no estimate."""
    hour = timedelta(hours=1)
    source = replace(SOURCE, slot=hour)
    result = settle(rows_of([1.0, 2.0], slot=hour), None, source, (), LATER)
    assert [piece.quality for piece in result.slices] == [MEASURED]


def test_scenario_26_flat_hours_of_an_outage() -> None:
    """The copies are hourly too; the hour of the return closes the gap."""
    rows = rows_of([10.0, 10.5, 10.5, 10.5, 13.5], slot=timedelta(hours=1))
    outage = Span(start=at(18), end=at(52))
    result = settle(rows, None, SOURCE, [outage], LATER)
    assert result.slices[1:] == (
        Slice(start=at(24), end=at(60), mwh=3_000_000, quality=SPREAD),
    )


def test_anchor_without_a_mark_counts_from_its_level() -> None:
    """An anchor that was rebuilt may know only where the register stood."""
    anchor = Anchor(end=at(1), state=KWH)
    result = settle(rows_of([1.0, 1.1]), anchor, SOURCE, (), LATER)
    assert energies(result) == [100]


def test_slices_follow_one_another() -> None:
    """A long day with everything in it has no seam."""
    levels = [50.0, 50.1, None, 50.4, 0.0, 50.5, 50.4, 50.6, 0.1, 0.2, 0.3, 0.4]
    slices = settled(levels).slices
    assert all(one.end == two.start for one, two in pairwise(slices))
    assert slices[-1].end == at(len(levels))
