"""Records that do not get on by themselves, and what the user decides about them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from custom_components.flatpeak.book import Book
from custom_components.flatpeak.decisions import (
    Decided,
    left_out,
    released,
    sent_again,
    stuck,
)
from custom_components.flatpeak.exchange import Key
from custom_components.flatpeak.journal import Journal, MeterState, Queued, Status
from custom_components.flatpeak.lookup import AT_ONCE
from custom_components.flatpeak.metering import (
    Anchor,
    Answer,
    Origin,
    Quality,
    Rule,
    Slice,
    Window,
)

from .books import STREAM
from .desk import (
    IMPORT,
    MINUTE,
    START,
    WH,
    WINDOW,
    Desk,
    is_record,
    open_desk,
    shortest_gap,
)
from .simulator import DEFAULT, FlatPeakSimulator
from .simulator.faults import FaultKind

HOUR = timedelta(hours=1)
END = START + 4 * HOUR
INSTANT = "/costs/instant"
UNKNOWN_CODE = {"code": "made_up", "message": "Not like this"}


def in_doubt(*open_: Quality, held: int = 1_300, followed: int = 300) -> Journal:
    """Return a meter at a thousand times its level, with a record that is held."""
    end = START + WINDOW
    slices = tuple(
        Slice(
            start=end + n * 5 * MINUTE,
            end=end + (n + 1) * 5 * MINUTE,
            mwh=100,
            quality=quality,
        )
        for n, quality in enumerate(open_)
    )
    state = MeterState(
        stream=STREAM,
        source="sensor.grid",
        anchor=Anchor(end=end, state=50_000_000, thousands=1),
        open=slices,
        carry=400,
    )
    window = Window(start=START, end=end, mwh=0, held=held, followed=followed)
    item = Queued(meter=IMPORT, window=window, wh=0, status=Status.HELD)
    return Journal(meters={IMPORT: state}, outbox=(item,))


@pytest.mark.parametrize(
    ("answer", "wh", "carry"),
    [
        (Answer.ACCEPT, [2], -300),
        (Answer.REPLACED, [1], -300),
        (Answer.DISCARD, [], 400),
    ],
)
def test_what_is_released_takes_the_remainder_with_it(
    tmp_path: Path, answer: Answer, wh: list[int], carry: int
) -> None:
    """As any other record does, so that small loads are neither lost nor doubled."""
    after, _ = released(
        in_doubt(), Book(tmp_path, "1"), START, meter=IMPORT, answer=answer
    )
    assert [item.wh for item in after.outbox] == wh
    assert after.meters[IMPORT].carry == carry


@pytest.mark.parametrize("answer", Answer)
def test_invariant_9_the_level_is_right_once_the_user_says_so(
    tmp_path: Path, answer: Answer
) -> None:
    """Then the open window counts, too. A wrong reading stays in doubt."""
    journal = in_doubt(Quality.MEASURED, Quality.FOLLOWS)
    after, _ = released(
        journal, Book(tmp_path, "1"), START, meter=IMPORT, answer=answer
    )
    state = after.meters[IMPORT]
    assert state.anchor is not None
    if answer is Answer.DISCARD:
        assert state == journal.meters[IMPORT]
    else:
        assert state.anchor.thousands == 0
        assert [part.quality for part in state.open] == [
            Quality.MEASURED,
            Quality.SPREAD,
        ]


def test_invariant_9_an_answer_is_not_about_a_later_jump(tmp_path: Path) -> None:
    """What is in the open window was not in the question."""
    journal = in_doubt(Quality.HELD, Quality.FOLLOWS)
    after, _ = released(
        journal, Book(tmp_path, "1"), START, meter=IMPORT, answer=Answer.ACCEPT
    )
    state, before = after.meters[IMPORT], journal.meters[IMPORT]
    assert (state.anchor, state.open) == (before.anchor, before.open)


@pytest.mark.parametrize(
    ("fault", "status", "tries"),
    [
        ({"status": 409}, Status.SET_ASIDE, 5),
        ({"status": 422, "body": UNKNOWN_CODE}, Status.SET_ASIDE, 5),
        ({"status": 500}, Status.LOST, 24),
        ({"kind": FaultKind.DROP}, Status.LOST, 24),
    ],
    ids=str,
)
async def test_never_found_is_set_aside(
    flatpeak: FlatPeakSimulator,
    tmp_path: Path,
    fault: dict[str, Any],
    status: Status,
    tries: int,
) -> None:
    """What never appears in the report is not sent for ever, nor in quick succession.

    FlatPeak's reason is kept, where it gives one.
    """
    async with open_desk(flatpeak, tmp_path) as desk:
        desk.now = START
        facts = replace(desk.journal.facts, rule=Rule.REPLACES)
        desk.journal = replace(desk.journal, facts=facts)
        key = desk.queue(IMPORT, START - WINDOW)
        flatpeak.fail(INSTANT, **fault, times=None)
        requests = []
        while desk.now < START + 48 * HOUR:
            requests += await desk.cycle(desk.now + 5 * MINUTE)
        assert desk.status(key) is status
        (item,) = desk.journal.outbox
        assert item.tries == tries
        assert (item.error is not None) == (status is Status.SET_ASIDE)
        stored = [one for one in requests if is_record(one)]
        assert len(stored) == tries
        assert shortest_gap(stored[3:], is_record) >= HOUR / 2
        flatpeak.faults.clear()
        desk.journal = sent_again(
            desk.journal, desk.book, desk.now, meter=IMPORT, status=status
        )[0]
        await desk.cycle()
        assert desk.journal.outbox == ()
        assert desk.submissions(key) == 1
        assert desk.line(key).money == flatpeak.stored_cost(
            desk.location, START - WINDOW, START, "IMPORT"
        )


async def test_two_hours_without_posts_need_nobody(
    flatpeak: FlatPeakSimulator, tmp_path: Path
) -> None:
    """Reports are read all the while, and FlatPeak replaces: nothing is given up."""
    async with open_desk(flatpeak, tmp_path) as desk:
        facts = replace(desk.journal.facts, rule=Rule.REPLACES)
        desk.journal = replace(desk.journal, facts=facts)
        flatpeak.fail(INSTANT, status=500, times=None)
        await desk.live(START + 2 * HOUR)
        assert {item.status for item in desk.journal.outbox} <= {
            Status.NEW,
            Status.ATTEMPTED,
        }
        flatpeak.faults.clear()
        await desk.live(START + 4 * HOUR)
        desk.assert_settled()


@pytest.mark.parametrize("overwrite", ["same_period", "never"])
async def test_a_refusal_that_may_be_stored_ends(
    flatpeak: FlatPeakSimulator, tmp_path: Path, overwrite: str
) -> None:
    """Without a witness it is the user's a day later, in FlatPeak's words."""
    flatpeak.switches = DEFAULT.but({"overwrite": overwrite})
    async with open_desk(flatpeak, tmp_path) as desk:
        key = desk.queue(IMPORT, START - WINDOW)
        flatpeak.fail(INSTANT, status=422, body=UNKNOWN_CODE)
        await desk.live(START + 23 * HOUR, (), step=30 * MINUTE)
        assert desk.status(key) is Status.ATTEMPTED
        assert desk.line(key).money, "a quote"
        await desk.live(START + 26 * HOUR, (), step=30 * MINUTE)
        (item,) = stuck(desk.journal, desk.book, IMPORT, desk.now, Status.SET_ASIDE)
        assert "made_up Not like this" in (item.error or "")
        assert desk.submissions(key) == 0


async def correction(desk: Desk, wh: int) -> Key:
    """Return a record that was stored and corrected; the answer to that was lost."""
    key = desk.queue(IMPORT, END, wh=500)
    await desk.cycle(END + WINDOW)
    item = replace(
        desk.queued[key],
        window=replace(desk.queued[key].window, mwh=wh * 1000),
        wh=wh,
        status=Status.ATTEMPTED,
        attempted=desk.now,
        tries=1,
    )
    desk.journal = replace(desk.journal, outbox=(item,))
    return key


async def test_scenario_21_a_doubtful_correction_to_zero_is_listed(
    flatpeak: FlatPeakSimulator, tmp_path: Path
) -> None:
    """Where FlatPeak shows the old energy a day later, the user decides."""
    flatpeak.switches = DEFAULT.but({"overwrite": "never"})
    async with open_desk(flatpeak, tmp_path) as desk:
        key = await correction(desk, wh=0)
        await desk.live(END + 26 * HOUR, (), step=30 * MINUTE)
        (item,) = stuck(desk.journal, desk.book, IMPORT, desk.now, Status.ATTEMPTED)
        assert (item.window.start, item.wh) == (END, 0)
        assert desk.line(key).mwh == 500_007
        desk.journal, lines = left_out(
            desk.journal, desk.book, desk.now, meter=IMPORT, status=Status.ATTEMPTED
        )
        desk.book.append(lines)
        assert (desk.line(key).mwh, desk.line(key).money) == (0, Decimal(0))


async def test_scenario_21_nothing_where_nothing_was_used(
    flatpeak: FlatPeakSimulator, tmp_path: Path
) -> None:
    """A report that leaves out a record of nothing confirms it."""
    async with open_desk(flatpeak, tmp_path) as desk:
        key = await correction(desk, wh=0)
        flatpeak.ledger.submissions.clear()
        await desk.cycle(desk.now + 2 * MINUTE)
        line = desk.line(key)
        assert (line.mwh, line.money, line.currency) == (0, Decimal(0), "GBP")
        assert line.origin is Origin.REPORT
        assert desk.journal.outbox == ()


async def test_what_is_too_little_to_send_is_nobodys_question(
    flatpeak: FlatPeakSimulator, tmp_path: Path
) -> None:
    """It waits for no answer of FlatPeak, however long FlatPeak is away."""
    async with open_desk(flatpeak, tmp_path) as desk:
        desk.queue(IMPORT, END, wh=0, attempted=END - 48 * HOUR)
        assert not stuck(desk.journal, desk.book, IMPORT, END, Status.ATTEMPTED)


@pytest.mark.parametrize("wh", [0, 300])
async def test_scenario_19_a_refused_correction_is_left_out(
    flatpeak: FlatPeakSimulator, tmp_path: Path, wh: int
) -> None:
    """The books have the corrected energy; only the cost of nothing is known."""
    async with open_desk(flatpeak, tmp_path) as desk:
        key = await correction(desk, wh=wh)
        (item,) = desk.journal.outbox
        refused = replace(item, status=Status.SET_ASIDE, error="No")
        desk.journal = replace(desk.journal, outbox=(refused,))
        desk.journal, lines = left_out(
            desk.journal, desk.book, desk.now, meter=IMPORT, status=Status.SET_ASIDE
        )
        desk.book.append(lines)
        line = desk.line(key)
        assert (line.mwh, line.money) == (wh * 1000, None if wh else 0)
        assert desk.journal.outbox == ()


@pytest.mark.parametrize("stored", [True, False])
async def test_scenario_10_at_most_once_there_and_exactly_once_here(
    flatpeak: FlatPeakSimulator, tmp_path: Path, *, stored: bool
) -> None:
    """Where FlatPeak adds and its report never shows a thing, nothing is guessed.

    Our figures are complete all the same, and the record is listed as unconfirmed.
    """
    flatpeak.switches = DEFAULT.but({"overwrite": "never", "lag": 30 * 86400.0})
    async with open_desk(flatpeak, tmp_path) as desk:
        flatpeak.fail(INSTANT, stored=stored)
        await desk.live(START + 26 * HOUR, (IMPORT,), step=WINDOW)
        (item,) = stuck(desk.journal, desk.book, IMPORT, desk.now, Status.ATTEMPTED)
        assert desk.journal.outbox == (item,)
        copies = {key: desk.submissions(key) for key in desk.queued}
        assert copies.pop((IMPORT, item.window.start)) == stored
        assert set(copies.values()) == {1}
        lines = desk.book.between(IMPORT, START, desk.now)
        assert len(lines) == len(desk.queued)
        assert sum(line.mwh for line in lines) == sum(
            queued.window.mwh for queued in desk.queued.values()
        )
        twin = desk.line((IMPORT, START + WINDOW))
        assert desk.line((IMPORT, START)).money == twin.money


def queue_of_earlier_life(desk: Desk, count: int) -> list[Key]:
    """Queue windows that were cut again after a backup was restored."""
    keys = [desk.queue(IMPORT, START + n * WINDOW) for n in range(count)]
    outbox = tuple(
        replace(item, status=Status.ATTEMPTED) for item in desk.journal.outbox
    )
    desk.journal = replace(desk.journal, outbox=outbox)
    return keys


@pytest.mark.parametrize(
    ("rule", "answer"), [(Rule.REPLACES, sent_again), (Rule.ADDS, left_out)]
)
@pytest.mark.parametrize("unaggregated", ["records", "total"])
@pytest.mark.parametrize(
    ("start", "end", "wh"), [(0, 15, 500), (0, 15, 50), (5, 20, 100), (0, 60, 900)]
)
async def test_scenario_13_other_energy_without_a_name_is_a_question(
    flatpeak: FlatPeakSimulator,
    tmp_path: Path,
    answer: Callable[..., Decided],
    start: int,
    end: int,
    wh: int,
    unaggregated: str,
    rule: Rule,
) -> None:
    """It may be ours, of before a backup was restored, or an appliance's.

    So nothing goes out before the user says so, and our figures are complete.
    """
    overwrite = "same_period" if rule is Rule.REPLACES else "never"
    flatpeak.switches = DEFAULT.but(
        {
            "reference_ids": "omitted",
            "unaggregated": unaggregated,
            "overwrite": overwrite,
        }
    )
    async with open_desk(flatpeak, tmp_path) as desk:
        facts = replace(desk.journal.facts, rule=rule)
        desk.journal = replace(desk.journal, facts=facts)
        queue_of_earlier_life(desk, 4)
        flatpeak.add_record(
            desk.location, START + start * MINUTE, START + end * MINUTE, wh
        )

        def asked() -> list[Queued]:
            return stuck(desk.journal, desk.book, IMPORT, desk.now, Status.ATTEMPTED)

        desk.start = START + 4 * WINDOW  # later windows are sent as usual
        desk.now = START + HOUR
        await desk.live(START + 24 * HOUR, (IMPORT,), step=HOUR)
        assert not asked()
        await desk.live(START + 27 * HOUR, (IMPORT,), step=HOUR)
        open_ = asked()
        assert START in {item.window.start for item in open_}
        waiting = [(IMPORT, item.window.start) for item in open_]
        requests = await desk.live(START + 72 * HOUR, (IMPORT,), step=HOUR)
        assert asked() == open_
        assert len([one for one in requests if not is_record(one)]) < 30
        assert not any(desk.submissions(key) for key in waiting if key[1] != START)
        lines = desk.book.between(IMPORT, START, START + HOUR)
        assert [line.mwh for line in lines] == [WH * 1000 + 7] * 4
        assert all(line.money for line in lines)
        before = len(flatpeak.ledger.submissions)
        desk.journal, more = answer(
            desk.journal, desk.book, desk.now, meter=IMPORT, status=Status.ATTEMPTED
        )
        desk.book.append(more)
        await desk.cycle()
        assert desk.journal.outbox == ()
        assert desk.book.between(IMPORT, START, START + HOUR)[0].money == lines[0].money
        sent = len(flatpeak.ledger.submissions) - before
        assert sent == (len(open_) if answer is sent_again else 0)


async def test_invariant_12_what_waits_for_an_answer_holds_up_nothing(
    flatpeak: FlatPeakSimulator, tmp_path: Path
) -> None:
    """Where each hour has to be asked for by itself, all of them get their turn."""
    flatpeak.switches = DEFAULT.but(
        {"reference_ids": "omitted", "unaggregated": "total"}
    )
    async with open_desk(flatpeak, tmp_path) as desk:
        hours = 30
        queue_of_earlier_life(desk, 4 * hours)
        for n in range(hours - 1):
            begin = START + n * HOUR
            flatpeak.add_record(desk.location, begin, begin + HOUR, 900)
        desk.now = START + 60 * HOUR
        first = await desk.cycle()
        assert len(first) <= 1 + AT_ONCE
        desk.start = desk.now
        await desk.live(desk.now + 4 * HOUR, ())
        open_ = stuck(desk.journal, desk.book, IMPORT, desk.now, Status.ATTEMPTED)
        assert len(open_) == 4 * (hours - 1)
        assert desk.journal.outbox == tuple(open_)
        assert all(desk.line((IMPORT, item.window.start)).money for item in open_)
        requests = await desk.live(desk.now + 24 * HOUR, ())
        assert len(requests) < 6 * hours


async def test_scenario_13_what_reaches_beyond_the_last_cut_waits_for_it(
    flatpeak: FlatPeakSimulator, tmp_path: Path
) -> None:
    """A record of an earlier life with longer windows is adopted when all is cut."""
    flatpeak.switches = DEFAULT.but({"reference_ids": "omitted"})
    async with open_desk(flatpeak, tmp_path) as desk:

        def cut(count: int) -> None:
            queue_of_earlier_life(desk, count)
            state = desk.journal.meters[IMPORT]
            state = replace(state, settled_until=START + count * WINDOW)
            desk.journal = replace(desk.journal, meters={IMPORT: state})

        flatpeak.add_record(desk.location, START, START + 3 * WINDOW, 2 * WH)
        cut(2)
        desk.now = START + HOUR
        await desk.cycle()
        assert len(desk.journal.outbox) == 2
        desk.journal = replace(desk.journal, outbox=())
        cut(3)
        await desk.cycle(desk.now + HOUR)
        assert desk.journal.outbox == ()
        line, *quoted = desk.book.between(IMPORT, START, START + HOUR)
        assert not any(one.mwh or one.money for one in quoted)
        assert (line.end, line.mwh) == (START + 3 * WINDOW, 3 * (WH * 1000 + 7))
        stored = flatpeak.stored_cost(desk.location, START, desk.now, "IMPORT")
        assert line.money == stored
        assert len(flatpeak.ledger.submissions) == 1
