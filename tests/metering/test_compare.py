"""Tests of the table by which our records and a report are reconciled."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.flatpeak.metering import (
    Finding,
    Kind,
    Record,
    Rule,
    Span,
    Standing,
    compare,
)

START = datetime(2026, 11, 22, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PERIOD = Span(start=START, end=START + DAY)
SOON = START + DAY  # nothing is past
PAST = START + 9 * DAY  # everything is
PRICE = Decimal("0.0003")


@dataclass(frozen=True, kw_only=True)
class Amount:
    """Money as a report has it."""

    value: Decimal


@dataclass(frozen=True, kw_only=True)
class Item:
    """What a report says of one record."""

    start: datetime
    end: datetime
    energy_wh: int
    cost: Amount | None = None
    record_reference_id: str | None = None


def record(slot: int, wh: int = 500, **changes: Any) -> Record:
    """Return a record of a quarter of an hour, sent as it ended."""
    start, end = START + slot * QUARTER, START + (slot + 1) * QUARTER
    whole = Record(
        key=slot,
        reference_id=f"ours-{slot}",
        start=start,
        end=end,
        wh=wh,
        money=wh * PRICE,
        sent_at=end,
    )
    return replace(whole, **changes)


def other(slot: int, wh: int = 500) -> Record:
    """Return a record of another stream."""
    return record(slot, wh, key=f"other-{slot}", reference_id=f"other-{slot}")


def reported(
    ours: Record, *, echoed: bool = True, money: Decimal | None = None, **changes: Any
) -> Item:
    """Return a record as a report has it."""
    if money is None:
        money = ours.wh * PRICE
    item = Item(
        start=ours.start,
        end=ours.end,
        energy_wh=ours.wh,
        cost=Amount(value=money),
        record_reference_id=ours.reference_id if echoed else None,
    )
    return replace(item, **changes)


def look(
    records: Sequence[Record],
    items: Sequence[Item],
    *,
    period: Span = PERIOD,
    now: datetime = SOON,
    rule: Rule = Rule.UNKNOWN,
    **more: Any,
) -> tuple[Finding[Item], ...]:
    """Compare a day's records with its report."""
    return compare(records, items, period=period, now=now, rule=rule, **more)


def kinds(findings: Sequence[Finding[Item]]) -> list[Kind]:
    """Return the kinds of findings."""
    return [finding.kind for finding in findings]


def foreign(slot: float, wh: int = 700, *, length: timedelta = QUARTER) -> Item:
    """Return a record of someone else."""
    start = START + slot * QUARTER
    return Item(
        start=start,
        end=start + length,
        energy_wh=wh,
        cost=Amount(value=wh * PRICE),
        record_reference_id=f"theirs-{slot}",
    )


DAYFUL = [record(slot) for slot in range(8)]
FAITHFUL = [reported(ours) for ours in DAYFUL]


# The lines of the table: what is there


@pytest.mark.parametrize("standing", [Standing.SENT, Standing.DOUBTFUL])
@pytest.mark.parametrize("echoed", [True, False])
@pytest.mark.parametrize(
    ("ours", "item", "kind"),
    [
        ({}, {}, Kind.CONFIRMED),
        ({}, {"energy_wh": 501}, Kind.CONFIRMED),
        ({}, {"energy_wh": 499}, Kind.CONFIRMED),
        ({}, {"cost": Amount(value=Decimal("0.150005"))}, Kind.CONFIRMED),
        ({}, {"cost": Amount(value=Decimal("0.149994"))}, Kind.REPRICED),
        ({}, {"cost": Amount(value=Decimal(0))}, Kind.REPRICED),
        ({"money": None}, {}, Kind.REPRICED),
        ({"quoted": True}, {}, Kind.REPRICED),
        ({}, {"cost": None}, Kind.UNPRICED),
        ({"money": None}, {"cost": None}, Kind.UNPRICED),
        ({}, {"energy_wh": 502}, Kind.ENERGY_DIFFERS),
        ({}, {"energy_wh": 0}, Kind.ENERGY_DIFFERS),
        ({"wh": 0}, {}, Kind.ZERO_DIFFERS),
        ({"wh": 0, "money": Decimal(0)}, {"energy_wh": 0, "cost": None}, Kind.UNPRICED),
    ],
)
def test_invariant_10_a_record_that_is_there(
    standing: Standing,
    ours: dict[str, Any],
    item: dict[str, Any],
    kind: Kind,
    *,
    echoed: bool,
) -> None:
    """Money is taken, energy is ours; ids may be left out."""
    mine = record(3, standing=standing, **ours)
    found = reported(record(3), echoed=echoed, **item)
    for rule in Rule:
        (finding,) = look([mine], [found], rule=rule)
        resend = kind in {Kind.ENERGY_DIFFERS, Kind.ZERO_DIFFERS}
        assert finding == Finding(
            kind=kind,
            key=3,
            items=(found,),
            resend=resend and rule is Rule.REPLACES,
        )


@pytest.mark.parametrize("standing", [Standing.QUEUED, Standing.NONE])
def test_scenario_13_what_is_there_is_adopted_not_sent(standing: Standing) -> None:
    """After a restore: by our id whatever its energy, or by period and energy."""
    mine = record(3, standing=standing, money=None)
    same = reported(mine, echoed=False)
    for item in (reported(mine), reported(mine, energy_wh=900), same):
        assert look([mine], [item]) == (Finding(kind=Kind.ADOPT, key=3, items=(item,)),)
    twice = look([mine], [same, same])
    assert twice == (Finding(kind=Kind.ADOPT, key=3, items=(same, same)),)
    unlike = replace(same, energy_wh=900)
    assert kinds(look([mine], [unlike])) == [Kind.UNSENT, Kind.OVERLAPPING_FOREIGN]


@pytest.mark.parametrize("standing", Standing)
def test_scenario_21_revised_to_zero(standing: Standing) -> None:
    """Nothing was used, and our record says otherwise; or it has gone."""
    zero = record(3, 0, standing=standing)
    (finding,) = look([zero], [reported(record(3))], rule=Rule.REPLACES)
    assert (finding.kind, finding.resend) == (Kind.ZERO_DIFFERS, True)
    queued = standing is Standing.QUEUED
    gone = Kind.UNSENT if queued else Kind.CONFIRMED
    assert look([zero], [], now=PAST, missed={3}) == (Finding(kind=gone, key=3),)


@pytest.mark.parametrize("echoed", [True, False])
def test_scenario_20_copies_show_that_flatpeak_adds(*, echoed: bool) -> None:
    """One of them is ours, the one that is most like it."""
    mine = record(3)
    item = reported(mine, echoed=echoed)
    other_price = replace(item, cost=Amount(value=Decimal(9)))
    for items in permutations([item, other_price, item]):
        (finding,) = look([mine], items)
        assert (finding.kind, finding.items[0]) == (Kind.SURPLUS, item)
        assert len(finding.items) == 3
        assert not finding.resend


def test_scenario_20_a_correction_that_was_added() -> None:
    """The old energy is there beside the new one."""
    mine = record(3)
    old = reported(mine, energy_wh=400)
    for items in permutations([old, reported(mine)]):
        assert look([mine], items, rule=Rule.REPLACES) == (
            Finding(kind=Kind.SURPLUS, key=3, items=(reported(mine), old)),
        )
    zero = record(3, 0)
    nothing = reported(zero)
    (finding,) = look([zero], [old, nothing])
    assert finding == Finding(kind=Kind.SURPLUS, key=3, items=(nothing, old))


def test_scenario_20_the_copy_with_our_energy_comes_first() -> None:
    """Even where its money has changed."""
    mine = record(3)
    new = reported(mine, money=Decimal(9))
    old = reported(mine, energy_wh=400)
    for items in permutations([old, new]):
        assert look([mine], items)[0].items == (new, old)


def test_scenario_18_without_an_id_is_no_copy_of_a_record_with_one() -> None:
    """Whoever sends the same energy without an id is someone else."""
    mine = record(3)
    echoed = reported(mine, energy_wh=501)
    nameless = reported(mine, echoed=False)
    for items in permutations([echoed, nameless]):
        assert look([mine], items) == (
            Finding(kind=Kind.CONFIRMED, key=3, items=(echoed,)),
            Finding(kind=Kind.OVERLAPPING_FOREIGN, items=(nameless,)),
        )


# What is not there


@pytest.mark.parametrize("rule", Rule)
@pytest.mark.parametrize(
    ("now", "missed", "there", "kind"),
    [
        (SOON, {3}, True, Kind.LATE),
        (record(3).end + DAY, {3}, True, Kind.LATE),
        (record(3).end + DAY + QUARTER, {3}, True, Kind.MISSING),
        (PAST, set(), True, Kind.LATE),
        (PAST, {2}, True, Kind.LATE),
        (PAST, {3}, True, Kind.MISSING),
        (PAST, {3}, False, Kind.LATE),
    ],
)
def test_scenario_12_lag_is_no_loss(
    now: datetime, missed: set[Hashable], kind: Kind, rule: Rule, *, there: bool
) -> None:
    """It takes a day, a later record that is there, and two reads that agree."""
    later = FAITHFUL[4:] if there else []
    records = DAYFUL if there else DAYFUL[:4]
    items = [*FAITHFUL[:3], *later]
    finding = look(records, items, now=now, missed=missed, rule=rule)[3]
    resend = kind is Kind.MISSING and rule is Rule.REPLACES
    assert finding == Finding(kind=kind, key=3, resend=resend)


@pytest.mark.parametrize("rule", Rule)
@pytest.mark.parametrize(
    ("age", "lag", "there", "kind"),
    [
        (timedelta(minutes=10), 0, True, Kind.LATE),
        (timedelta(minutes=11), 0, True, Kind.MISSING),
        (timedelta(minutes=11), 3, True, Kind.LATE),
        (timedelta(minutes=13), 3, True, Kind.MISSING),
        (DAY, 0, False, Kind.LATE),
        (DAY + QUARTER, 0, False, Kind.UNCONFIRMED),
    ],
)
def test_scenario_11_what_becomes_of_a_doubtful_record(
    age: timedelta, lag: int, kind: Kind, rule: Rule, *, there: bool
) -> None:
    """Safe to send again where it replaces, or where a later record is there."""
    sent = record(5).end
    doubtful = record(3, standing=Standing.DOUBTFUL, sent_at=sent - QUARTER)
    witness = record(5, sent_at=sent if there else sent - DAY)
    finding, _ = look(
        [doubtful, witness],
        [reported(witness)],
        now=sent - QUARTER + age,
        lag=timedelta(minutes=lag),
        rule=rule,
    )
    if rule is Rule.REPLACES:
        kind = Kind.MISSING
    assert finding == Finding(kind=kind, key=3, resend=kind is Kind.MISSING)


def test_scenario_12_a_doubtful_record_is_no_witness() -> None:
    """Nor one of which nobody knows when it was sent, and that is never missing."""
    for change in ({"standing": Standing.DOUBTFUL}, {"sent_at": None}):
        records = [*DAYFUL[:4], *(replace(ours, **change) for ours in DAYFUL[4:])]
        items = [*FAITHFUL[:3], *FAITHFUL[4:]]
        assert look(records, items, now=PAST, missed={3})[3].kind is Kind.LATE
    unknown = [*DAYFUL[:3], record(3, sent_at=None), *DAYFUL[4:]]
    assert look(unknown, items, now=PAST, missed={3})[3].kind is Kind.LATE


@pytest.mark.parametrize("standing", [Standing.QUEUED, Standing.NONE])
def test_invariant_10_what_was_not_sent_is_not_there(standing: Standing) -> None:
    """That says nothing."""
    mine = record(3, standing=standing)
    findings = look([*DAYFUL[4:], mine], FAITHFUL[4:], now=PAST, missed={3})
    assert findings[-1] == Finding(kind=Kind.UNSENT, key=3)


@pytest.mark.parametrize(
    ("count", "gone", "outage"),
    [(8, 4, False), (8, 5, True), (40, 5, False), (40, 6, True), (1, 1, True)],
)
def test_invariant_10_an_outage_of_the_report_is_never_sent_en_bloc(
    count: int, gone: int, *, outage: bool
) -> None:
    """More than five, or more than half of what was sent."""
    records = [record(slot) for slot in range(count)]
    items = [reported(ours) for ours in records[gone:]]
    missed = set(range(gone))
    findings = look(records, items, now=PAST, missed=missed, rule=Rule.REPLACES)
    expected = Finding[Item](kind=Kind.OUTAGE, key=0)
    if not outage:
        expected = Finding(kind=Kind.MISSING, key=0, resend=True)
    assert findings[0] == expected
    assert len({finding.kind for finding in findings[:gone]}) == 1
    assert set(kinds(findings[gone:])) <= {Kind.CONFIRMED}
    early = look(records, items, now=SOON, missed=missed, rule=Rule.REPLACES)
    assert set(kinds(early[:gone])) == {Kind.LATE}


def test_invariant_10_only_what_should_be_there_counts_for_an_outage() -> None:
    """Not what was never sent, has no energy, or was sent just now."""
    late = [record(slot, sent_at=PAST) for slot in range(10, 20)]
    idle = [record(slot, 0) for slot in range(20, 30)]
    new = [record(slot, standing=Standing.QUEUED) for slot in range(30, 40)]
    items = [*FAITHFUL[:3], *FAITHFUL[4:]]
    records = [*DAYFUL, *late, *idle, *new]
    findings = look(records, items, now=PAST, missed=range(40))
    assert findings[3].kind is Kind.MISSING
    # They do not make up for what is missing, either.
    there = [reported(ours) for ours in (*late, *idle, *new)]
    findings = look(records, [*FAITHFUL[5:], *there], now=PAST, missed=range(40))
    assert findings[3].kind is Kind.OUTAGE


# What is not ours


def test_scenario_18_foreign_records() -> None:
    """Counted once: where our meters hold that time, theirs is only shown."""
    items = [
        foreign(7.5),
        foreign(8),
        foreign(3),
        foreign(-1),
        foreign(20, length=2 * DAY),
    ]
    findings = look(DAYFUL, [*FAITHFUL, *items], others=[other(30)])
    assert kinds(findings[:8]) == [Kind.CONFIRMED] * 8
    assert {finding.items: finding.kind for finding in findings[8:]} == {
        (items[3],): Kind.FOREIGN,
        (items[2],): Kind.OVERLAPPING_FOREIGN,
        (items[0],): Kind.OVERLAPPING_FOREIGN,
        (items[1],): Kind.FOREIGN,
        (items[4],): Kind.OVERLAPPING_FOREIGN,
    }
    assert {finding.key for finding in findings[8:]} == {None}


def test_scenario_17_a_foreign_record_in_place_of_ours() -> None:
    """It has an id that is not ours, so ours is not there."""
    theirs = replace(reported(DAYFUL[3]), record_reference_id="theirs")
    items = [*FAITHFUL[:3], theirs, *FAITHFUL[4:]]
    findings = look(DAYFUL, items)
    assert kinds(findings)[3] is Kind.LATE
    assert findings[8] == Finding(kind=Kind.OVERLAPPING_FOREIGN, items=(theirs,))


@pytest.mark.parametrize(
    "bucket",
    [
        (START, timedelta(hours=23)),
        (START + HOUR, DAY),
        (START - HOUR, 2 * HOUR),
        (START + 23 * HOUR, 2 * HOUR),
    ],
)
def test_invariant_10_a_bucket_that_is_not_ours_is_ignored(
    bucket: tuple[datetime, timedelta],
) -> None:
    """A day of another zone says nothing of our day; a record has an id."""
    start, length = bucket
    item = Item(start=start, end=start + length, energy_wh=9_000)
    assert len(look(DAYFUL, [*FAITHFUL, item])) == 8
    theirs = replace(item, record_reference_id="theirs")
    assert len(look(DAYFUL, [*FAITHFUL, theirs])) == 9


def test_scenario_18_a_period_that_is_still_open_has_no_late_bucket() -> None:
    """What begins in it is in it."""
    item = replace(foreign(90, length=3 * HOUR), record_reference_id=None)
    period = Span(start=START)
    (finding,) = look([], [item], period=period)
    assert finding.kind is Kind.FOREIGN


# Over all streams of a report


@pytest.mark.parametrize("scope", [0, 1, 2])
def test_scenario_01_other_streams_explain_what_is_like_ours(scope: int) -> None:
    """A location's report may hold its devices' records; ids may be left out."""
    others = [other(3), other(4, 501)]
    items = [*FAITHFUL, *(reported(theirs) for theirs in others[:scope])]
    items = [replace(item, record_reference_id=None) for item in items]
    findings = look(DAYFUL, items, others=others)
    assert kinds(findings) == [Kind.CONFIRMED] * 8
    one_more = look(DAYFUL, [*items, items[3]], others=others[1:])
    assert kinds(one_more)[3] is Kind.SURPLUS


def test_scenario_01_copies_of_other_streams_are_theirs() -> None:
    """Their own comparison shows them."""
    others = [other(3), other(4, 900)]
    items = [*FAITHFUL, *(reported(theirs) for theirs in others)]
    twice = [*items, items[-2], replace(items[-1], record_reference_id=None)]
    assert kinds(look(DAYFUL, twice, others=others)) == [Kind.CONFIRMED] * 8


@pytest.mark.parametrize(
    ("ours", "theirs", "items"),
    [
        (100, 101, (99, 100)),
        (101, 100, (101, 102)),
        (100, 101, (101, 101)),
        (100, 98, (98, 99)),
    ],
)
def test_scenario_28_rounding_makes_no_copy(
    ours: int, theirs: int, items: tuple[int, int]
) -> None:
    """As many records as possible are found, whichever comes first."""
    mine = record(3, ours, money=None)
    found = [Item(start=mine.start, end=mine.end, energy_wh=wh) for wh in items]
    findings = look([mine], found, others=[other(3, theirs)])
    assert kinds(findings) == [Kind.UNPRICED]


def test_money_tells_records_of_the_same_energy_apart() -> None:
    """Own generation has no price, or another one."""
    mine = record(3)
    own = other(3)
    items = [
        reported(mine, echoed=False),
        reported(own, echoed=False, money=Decimal("0.01")),
    ]
    own = replace(own, money=Decimal("0.01"))
    for order in permutations(items):
        assert kinds(look([mine], order, others=[own])) == [Kind.CONFIRMED]
        assert kinds(look([own], order, others=[mine])) == [Kind.CONFIRMED]


def test_a_record_without_id_that_only_others_explain_is_theirs() -> None:
    """Energy that differs is ours only when nobody else has it."""
    found = reported(other(3, 900), echoed=False)
    finding = look([record(3)], [found], others=[other(3, 900)])
    assert kinds(finding) == [Kind.LATE]
    two = [replace(found, energy_wh=90), replace(found, energy_wh=510)]
    findings = look([record(3)], two)
    assert kinds(findings) == [Kind.ENERGY_DIFFERS, Kind.OVERLAPPING_FOREIGN]
    assert findings[0].items == (two[1],)


# One total instead of records


def lump(wh: int, money: Decimal | None, **changes: Any) -> Item:
    """Return a total of the day."""
    item = Item(
        start=START,
        end=START + DAY,
        energy_wh=wh,
        cost=None if money is None else Amount(value=money),
    )
    return replace(item, **changes)


@pytest.mark.parametrize(
    ("wh", "money", "kind"),
    [
        (4_000, "1.2", Kind.CONFIRMED),
        (4_008, "1.20004", Kind.CONFIRMED),
        (3_992, "1.19996", Kind.CONFIRMED),
        (4_009, "1.2", Kind.DISPUTED),
        (3_991, "1.2", Kind.DISPUTED),
        (4_000, "1.20005", Kind.DISPUTED),
        (4_000, None, Kind.UNPRICED),
        (3_500, "1.05", Kind.DISPUTED),
        (8_000, "2.4", Kind.DISPUTED),
        (4_600, "1.38", Kind.CONFIRMED),
        (4_600, "1.2", Kind.DISPUTED),
    ],
)
def test_invariant_10_one_total_instead_of_records(
    wh: int, money: str | None, kind: Kind
) -> None:
    """Compared with our sum, with or without the other streams."""
    item = lump(wh, None if money is None else Decimal(money))
    findings = look(DAYFUL, [item], others=[other(9, 600)])
    assert kinds(findings) == [kind] * 8
    assert [finding.key for finding in findings] == list(range(8))
    assert {finding.items for finding in findings} == {(item,)}
    assert not any(finding.resend for finding in findings)


def test_invariant_10_a_total_per_stream() -> None:
    """They are added up."""
    items = [lump(4_000, Decimal("1.2")), lump(600, Decimal("0.18"))]
    others = [other(9, 600)]
    assert kinds(look(DAYFUL, items, others=others)) == [Kind.CONFIRMED] * 8
    half = [items[0], lump(600, None)]
    assert kinds(look(DAYFUL, half, others=others)) == [Kind.UNPRICED] * 8


def test_invariant_10_a_total_confirms_energy_of_unpriced_records() -> None:
    """It does not say what each of them cost."""
    records = [record(0, money=None), record(1)]
    findings = look(records, [lump(1_000, Decimal(9))])
    assert kinds(findings) == [Kind.UNPRICED, Kind.CONFIRMED]


@pytest.mark.parametrize(
    ("wh", "found"),
    [
        (1_500, [Kind.UNPRICED, Kind.CONFIRMED, Kind.UNSENT, Kind.CONFIRMED]),
        (1_000, [Kind.LATE, Kind.CONFIRMED, Kind.UNSENT, Kind.CONFIRMED]),
        (1_250, [Kind.DISPUTED] * 4),
    ],
)
def test_scenario_11_a_total_with_or_without_a_doubtful_record(
    wh: int, found: list[Kind]
) -> None:
    """What was not sent is no part of it; an idle window agrees with everything."""
    records = [
        record(0, standing=Standing.DOUBTFUL, money=None),
        record(1, 1_000),
        record(2, standing=Standing.QUEUED),
        record(3, 0, standing=Standing.NONE),
    ]
    assert kinds(look(records, [lump(wh, wh * PRICE)])) == found


@pytest.mark.parametrize("standing", [Standing.SENT, Standing.DOUBTFUL])
@pytest.mark.parametrize(
    ("wh", "kind"),
    [
        (0, Kind.LATE),
        (100, Kind.LATE),
        (600, Kind.CONFIRMED),
        (1_100, Kind.SURPLUS),
        (1_000, Kind.SURPLUS),
        (620, Kind.ENERGY_DIFFERS),
    ],
)
def test_scenario_11_a_total_of_one_window(
    wh: int, kind: Kind, standing: Standing
) -> None:
    """Nothing, once or twice, after the known streams are subtracted."""
    mine = record(3, standing=standing)
    period = Span(start=mine.start, end=mine.end)
    item = Item(start=mine.start, end=mine.end, energy_wh=wh)
    item = replace(item, cost=Amount(value=wh * PRICE))
    others = [replace(other(3, 60), end=mine.start + 5 * (QUARTER / 15))]
    others.append(replace(others[0], wh=40, money=40 * PRICE, key="more"))
    (finding,) = look([mine], [item], period=period, others=others)
    assert finding.kind is kind


def test_scenario_11_a_total_that_could_be_either_says_nothing() -> None:
    """Another stream may hold exactly what is doubtful."""
    mine = record(3, standing=Standing.DOUBTFUL)
    period = Span(start=mine.start, end=mine.end)
    for wh in (500, 1_000):
        item = Item(start=mine.start, end=mine.end, energy_wh=wh)
        part = replace(other(3), end=mine.start + QUARTER / 3)
        findings = look([mine], [item], period=period, others=[part])
        expected = Kind.UNPRICED if wh == 500 else Kind.LATE
        assert kinds(findings) == [expected]


def test_a_total_among_records_is_a_bucket() -> None:
    """A report has one or the other; a total without records of ours is foreign."""
    item = lump(4_000, Decimal("1.2"))
    assert kinds(look(DAYFUL, [*FAITHFUL, item])) == [Kind.CONFIRMED] * 8
    assert look([], []) == ()
    hour = replace(item, end=START + HOUR)
    period = Span(start=START, end=START + HOUR)
    assert kinds(look([], [hour], period=period)) == [Kind.FOREIGN]
    named = replace(hour, record_reference_id="theirs")
    findings = look(DAYFUL[:4], [named], period=period)
    assert kinds(findings) == [*[Kind.LATE] * 4, Kind.OVERLAPPING_FOREIGN]


# Properties


@st.composite
def reports(draw: st.DrawFn) -> tuple[list[Record], list[Record], list[Item]]:
    """Draw records of some streams and a faithful report of them."""
    slots = st.lists(
        st.tuples(st.integers(0, 95), st.integers(1, 4)),
        unique_by=lambda pair: pair[0],
        min_size=1,
        max_size=12,
    )
    ours = [record(slot, 100 * wh) for slot, wh in draw(slots)]
    theirs = [other(slot, 100 * wh) for slot, wh in draw(slots)]
    echoed = draw(st.booleans())
    scope = theirs if draw(st.booleans()) else []
    items = [reported(whole, echoed=echoed) for whole in (*ours, *scope)]
    return ours, theirs, draw(st.permutations(items))


@given(reports())
def test_invariant_10_a_faithful_report_confirms_everything(
    drawn: tuple[list[Record], list[Record], list[Item]],
) -> None:
    """With or without ids, with or without the other streams."""
    ours, theirs, items = drawn
    findings = look(ours, items, others=theirs, now=PAST)
    assert kinds(findings) == [Kind.CONFIRMED] * len(ours)
    assert [finding.key for finding in findings] == [whole.key for whole in ours]


@given(reports(), st.data())
def test_invariant_10_one_change_changes_one_finding(
    drawn: tuple[list[Record], list[Record], list[Item]], data: st.DataObject
) -> None:
    """An item that is dropped, doubled or priced anew shows where it belongs."""
    ours, theirs, items = drawn
    theirs = [  # of another energy, so that no item could be either's
        replace(whole, wh=whole.wh + 50, money=(whole.wh + 50) * PRICE)
        for whole in theirs
    ]
    items = [reported(ours[n], echoed=False) for n in range(len(ours))]
    items += [reported(whole) for whole in theirs]
    number = data.draw(st.integers(0, len(ours) - 1))
    item = items[number]
    rest = [*items[:number], *items[number + 1 :]]
    dear = replace(item, cost=Amount(value=Decimal(77)))
    more = replace(item, energy_wh=item.energy_wh + 7)
    changed = {
        Kind.LATE: rest,
        Kind.SURPLUS: [*items, item],
        Kind.REPRICED: [*rest, dear],
        Kind.UNPRICED: [*rest, replace(item, cost=None)],
        Kind.ENERGY_DIFFERS: [*rest, more],
    }
    for kind, changed_items in changed.items():
        shuffled = data.draw(st.permutations(changed_items))
        findings = look(ours, shuffled, others=theirs, now=PAST)
        expected = [Kind.CONFIRMED] * len(ours)
        expected[number] = kind
        assert kinds(findings) == expected


records_of_all_kinds = st.builds(
    record,
    st.integers(0, 5),
    st.integers(0, 3),
    standing=st.sampled_from(Standing),
    sent_at=st.sampled_from([None, START, START + DAY]),
    money=st.sampled_from([None, Decimal(0), PRICE]),
    quoted=st.booleans(),
)
items_of_all_kinds = st.builds(
    Item,
    start=st.integers(-1, 5).map(lambda slot: START + slot * QUARTER),
    end=st.integers(6, 7).map(lambda slot: START + slot * QUARTER),
    energy_wh=st.integers(0, 6),
    cost=st.sampled_from([None, Amount(value=Decimal(0)), Amount(value=PRICE)]),
    record_reference_id=st.sampled_from([None, "ours-3", "other-3", "theirs"]),
)


@given(
    st.lists(records_of_all_kinds, unique_by=lambda whole: whole.key),
    st.lists(records_of_all_kinds, unique_by=lambda whole: whole.key),
    st.lists(items_of_all_kinds),
    st.tuples(st.sampled_from([START + HOUR, SOON, PAST]), st.sampled_from(Rule)),
    st.data(),
)
def test_invariant_10_every_record_has_one_finding_in_any_order(
    ours: list[Record],
    theirs: list[Record],
    items: list[Item],
    known: tuple[datetime, Rule],
    data: st.DataObject,
) -> None:
    """Whatever the report says; no item is found twice unless as a total."""
    now, rule = known
    items += [reported(whole, echoed=False) for whole in (*ours, *theirs)]
    period = Span(start=START, end=START + 6 * QUARTER)
    theirs = [
        replace(whole, key=f"other-{whole.key}", reference_id=f"other-{whole.key}")
        for whole in theirs
    ]
    missed = {2, 3}
    findings = look(
        ours, items, period=period, others=theirs, now=now, rule=rule, missed=missed
    )
    count = len(ours)
    assert [finding.key for finding in findings[:count]] == [one.key for one in ours]
    assert {finding.key for finding in findings[count:]} <= {None}
    shuffled = data.draw(st.permutations(items))
    assert findings == look(
        ours, shuffled, period=period, others=theirs, now=now, rule=rule, missed=missed
    )
    if len({finding.items for finding in findings}) > 1:  # not a total
        shown = [item for finding in findings for item in finding.items]
        assert all(shown.count(item) <= items.count(item) for item in shown)
    resent = [finding for finding in findings if finding.resend]
    assert all(
        rule is Rule.REPLACES or finding.kind is Kind.MISSING for finding in resent
    )
