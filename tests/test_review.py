"""What the report says of our records, and what comes of it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from custom_components.flatpeak.exchange import key_of
from custom_components.flatpeak.journal import MeterState
from custom_components.flatpeak.metering import (
    Anchor,
    Origin,
    Rule,
    record_reference_id,
)
from custom_components.flatpeak.review import Memory, Review, async_review

from .desk import DEVICE, EXPORT, IMPORT, START, WH, WINDOW, Desk, open_desk
from .simulator import DEFAULT, VARIANTS, FlatPeakSimulator

COUNT = 8
END = START + COUNT * WINDOW
DAY = timedelta(days=1)


@pytest.fixture
async def desk(flatpeak: FlatPeakSimulator, tmp_path: Path) -> AsyncIterator[Desk]:
    """Return a desk that has sent windows of all meters, eight of each."""
    async with open_desk(flatpeak, tmp_path) as desk:
        for n in range(COUNT):
            for meter in (IMPORT, EXPORT, DEVICE):
                desk.queue(meter, START + WINDOW * n)
        await desk.cycle(END)
        yield desk


async def review(desk: Desk, memory: Memory | None = None) -> Review:
    """Look at the import meter."""
    return await async_review(
        desk.exchange.client,
        IMPORT,
        desk.journal,
        desk.book,
        START,
        now=desk.now,
        began=START,
        zone=UTC,
        memory=memory or Memory(),
    )


def set_rule(desk: Desk, rule: Rule) -> None:
    """Let it be known what FlatPeak does with a second record."""
    facts = replace(desk.journal.facts, rule=rule)
    desk.journal = replace(desk.journal, facts=facts)


def correct(desk: Desk, number: int, mwh: int) -> None:
    """Let our books hold other energy than FlatPeak."""
    line = desk.line((IMPORT, START + number * WINDOW))
    assert line.money
    desk.book.append(
        [(IMPORT, replace(line, mwh=mwh, money=line.money * mwh / 120_007))]
    )


def take(desk: Desk, found: Review) -> None:
    """Do what the coordinator does with a review."""
    desk.book.append(found.lines)
    journal = desk.journal
    facts = replace(journal.facts, rule=found.rule or journal.facts.rule)
    desk.journal = replace(journal, facts=facts, outbox=(*journal.outbox, *found.again))


@pytest.mark.parametrize("name", VARIANTS)
async def test_invariant_10_nothing_to_say(desk: Desk, name: str) -> None:
    """What is stored as we sent it leads to nothing, whatever reports are like."""
    desk.simulator.switches = VARIANTS[name]
    desk.now += DAY * 2
    found = await review(desk)
    assert found.again == ()
    assert not found.other_writer
    assert found.rule is None
    desk.book.append(found.lines)
    assert (await review(desk)).lines == ()


async def test_scenario_20_one_probe_teaches_the_rule(desk: Desk) -> None:
    """The smallest correction goes alone; then FlatPeak is known to replace."""
    correct(desk, 2, 500_000)
    correct(desk, 5, 300_000)
    memory = Memory()
    found = await review(desk, memory)
    assert [item.window.start for item in found.again] == [START + 5 * WINDOW]
    assert len(found.differences) == 1
    take(desk, found)
    assert (await review(desk, memory)).again == ()
    await desk.cycle()
    found = await review(desk, memory)
    assert found.rule is Rule.REPLACES
    take(desk, found)
    found = await review(desk, memory)
    assert [item.window.start for item in found.again] == [START + 2 * WINDOW]
    take(desk, found)
    await desk.cycle()
    found = await review(desk, memory)
    assert (found.lines, found.again, found.differences) == ((), (), ())


@pytest.mark.parametrize("rule", [Rule.UNKNOWN, Rule.REPLACES])
async def test_scenario_16_what_was_adopted_in_doubt_is_not_corrected(
    desk: Desk, rule: Rule
) -> None:
    """Nobody knows whose energy is right: the difference is shown, nothing is sent."""
    set_rule(desk, rule)
    correct(desk, 2, 500_000)
    line = desk.line((IMPORT, START + 2 * WINDOW))
    adopted = replace(line, origin=Origin.REPORT, estimated=True)
    desk.book.append([(IMPORT, adopted)])
    found = await review(desk)
    assert found.again == ()
    assert len(found.differences) == 1


@pytest.mark.parametrize("overwrite", ["same_period", "never"])
async def test_scenario_20_no_second_probe_while_one_is_on_its_way(
    desk: Desk, overwrite: str
) -> None:
    """As long as the report shows the old energy nothing more is sent."""
    correct(desk, 2, 500_000)
    correct(desk, 5, 300_000)
    desk.now += timedelta(hours=3)
    desk.simulator.switches = DEFAULT.but({"overwrite": overwrite, "lag": 7200.0})
    memory = Memory()
    take(desk, await review(desk, memory))
    await desk.cycle()
    assert desk.journal.outbox == ()
    for _ in range(3):
        desk.now += timedelta(minutes=30)
        found = await review(desk, memory)
        assert (found.again, found.rule) == ((), None)
        assert found.differences
    desk.now += timedelta(hours=1)
    found = await review(desk, memory)
    assert found.rule is (Rule.ADDS if overwrite == "never" else Rule.REPLACES)


async def test_scenario_20_one_probe_teaches_that_it_adds(desk: Desk) -> None:
    """Then nothing more is sent, and the difference is shown."""
    desk.simulator.switches = DEFAULT.but({"overwrite": "never"})
    correct(desk, 2, 500_000)
    correct(desk, 5, 300_000)
    memory = Memory()
    take(desk, await review(desk, memory))
    await desk.cycle()
    found = await review(desk, memory)
    assert found.rule is Rule.ADDS
    take(desk, found)
    found = await review(desk, memory)
    assert found.again == ()
    assert found.differences


async def test_scenario_21_revised_to_zero(desk: Desk) -> None:
    """Where a record exists, FlatPeak has to learn that it was nothing."""
    set_rule(desk, Rule.REPLACES)
    correct(desk, 3, 0)
    found = await review(desk)
    assert [(item.window.start, item.wh) for item in found.again] == [
        (START + 3 * WINDOW, 0)
    ]
    take(desk, found)
    requests = await desk.cycle()
    assert len(requests) == 1
    assert desk.line((IMPORT, START + 3 * WINDOW)).money == 0
    assert (await review(desk)).again == ()


async def test_scenario_12_missing_after_two_looks(desk: Desk) -> None:
    """A record that was there and is gone is sent again where that is safe."""
    set_rule(desk, Rule.REPLACES)
    submissions = desk.simulator.ledger.submissions
    gone = START + 2 * WINDOW
    submissions[:] = [
        one
        for one in submissions
        if (one.draft.owner, one.draft.tariff_direction, one.draft.start)
        != (desk.location, "IMPORT", gone)
    ]
    memory = Memory()
    assert (await review(desk, memory)).again == ()
    desk.now += 2 * DAY
    assert (await review(desk, memory)).again != () or memory.missed
    found = await review(desk, memory)
    take(desk, found)
    await desk.cycle()
    assert (await review(desk, memory)).differences == ()


async def test_a_report_that_fails_is_not_believed(desk: Desk) -> None:
    """Where much is missing nothing is sent again, and the difference is shown."""
    set_rule(desk, Rule.REPLACES)
    desk.simulator.ledger.submissions.clear()
    desk.simulator.add_record(desk.location, START, START + WINDOW, WH)
    memory = Memory()
    desk.now += 2 * DAY
    for _ in range(3):
        found = await review(desk, memory)
        assert found.again == ()
    assert found.differences


async def test_scenario_17_records_that_we_did_not_make(desk: Desk) -> None:
    """A record with our id beyond our mark is another writer's."""
    state: MeterState = replace(desk.journal.meters[IMPORT], anchor=Anchor(end=END))
    desk.journal = replace(desk.journal, meters={**desk.journal.meters, IMPORT: state})
    desk.now = END + WINDOW
    reference = record_reference_id(state.stream, END, END + WINDOW)
    assert not (await review(desk)).other_writer
    desk.simulator.add_record(
        desk.location, END, END + WINDOW, WH, record_reference_id=reference
    )
    assert (await review(desk)).other_writer


async def test_scenario_17_a_correction_that_flips_back(desk: Desk) -> None:
    """What we replaced is as it was: somebody else writes the same records."""
    set_rule(desk, Rule.REPLACES)
    correct(desk, 2, 500_000)
    memory = Memory()
    take(desk, await review(desk, memory))
    await desk.cycle()
    start = START + 2 * WINDOW
    stream = desk.journal.meters[IMPORT].stream
    desk.simulator.add_record(
        desk.location,
        start,
        start + WINDOW,
        WH,
        record_reference_id=record_reference_id(stream, start, start + WINDOW),
    )
    found = await review(desk, memory)
    assert found.other_writer
    assert found.again == ()


async def test_scenario_18_foreign_records_are_shown(desk: Desk) -> None:
    """What overlaps our windows is in our meter already: shown, not added."""
    desk.simulator.add_record(desk.location, START, START + WINDOW * 2, 5000)
    found = await review(desk)
    assert found.lines == ()
    (difference,) = found.differences
    assert difference.theirs > difference.ours


async def test_doubtful_records_are_left_alone(desk: Desk) -> None:
    """What is under way is the outbox's."""
    key = desk.queue(IMPORT, END, attempted=desk.now)
    desk.now += timedelta(hours=1)
    found = await review(desk)
    assert key not in {key_of(item) for item in found.again}
    assert found.differences == ()


async def test_settled_prices_change_one_day(desk: Desk) -> None:
    """Only the windows whose price was corrected change."""
    before = {line.start: line for line in desk.book.between(IMPORT, START, END)}
    desk.simulator.settle(desk.location, START, START + WINDOW, price=Decimal("0.5"))
    found = await review(desk)
    ((_, line),) = found.lines
    assert line.start == START
    assert line.money != before[START].money
    assert line.origin is Origin.REPORT
