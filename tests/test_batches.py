"""Many records in one request, followed to their end."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
import sys
from time import CLOCK_MONOTONIC, clock_gettime
from typing import Any

from homeassistant.util import dt as dt_util
import pytest

from custom_components.flatpeak.api import (
    FlatPeakAuthenticationError,
    FlatPeakPriceUnavailableError,
)
from custom_components.flatpeak.batches import NO_ANSWER
from custom_components.flatpeak.decisions import left_out, sent_again, stuck
from custom_components.flatpeak.exchange import key_of
from custom_components.flatpeak.journal import Journal, Status, read_journal
from custom_components.flatpeak.metering import Origin, record_reference_id
from custom_components.flatpeak.outbox import Outbox

from .desk import (
    DEVICE,
    EXPORT,
    IMPORT,
    MINUTE,
    START,
    WINDOW,
    Desk,
    open_desk,
)
from .home import ACCOUNT, KEY, Home
from .simulator import DEFAULT, VARIANTS, FlatPeakSimulator
from .simulator.core import LoggedRequest
from .simulator.faults import FaultKind

COUNT = 60
BATCH, FOLLOW, INSTANT = "/meters/interval", "/meters/batch", "/costs/instant"
END = START + WINDOW * COUNT
HOUR = timedelta(hours=1)
# What a batch and its report may be like.
SWITCHES = {"batch_delay", "lag", "visibility", "reference_ids", "unaggregated"}
SWITCHES |= {"overwrite", "execution", "order", "empty_buckets"}
FLATPEAKS = {
    name: switches
    for name, switches in VARIANTS.items()
    if name.partition("=")[0] in SWITCHES
} | {"worst": DEFAULT.but({"overwrite": "never", "visibility": "out_of_order"})}


@pytest.fixture
async def desk(flatpeak: FlatPeakSimulator, tmp_path: Path) -> AsyncIterator[Desk]:
    """Return a desk with 60 waiting windows of each meter."""
    async with open_desk(flatpeak, tmp_path) as desk:
        for number in range(COUNT):
            for meter in (IMPORT, EXPORT, DEVICE):
                desk.queue(meter, START + WINDOW * number, wh=100 + number)
        desk.now = END
        yield desk


async def settle(desk: Desk, *, hours: int = 4) -> list[LoggedRequest]:
    """Do a cycle every five minutes until all is known."""
    requests = await desk.cycle()
    until = desk.now + hours * HOUR
    while desk.journal.outbox and desk.now < until:
        requests += await desk.cycle(desk.now + 5 * MINUTE)
    return requests


def count(requests: Sequence[LoggedRequest], template: str) -> int:
    """Return how many requests went to an endpoint."""
    return sum(request.template == template for request in requests)


@pytest.mark.parametrize("name", FLATPEAKS)
async def test_one_batch_for_each_stream(desk: Desk, name: str) -> None:
    """More than fifty records go out in one request; the report prices them."""
    desk.simulator.switches = FLATPEAKS[name]
    requests = await settle(desk, hours=12)
    assert count(requests, BATCH) == 3
    desk.assert_settled()
    origins = {
        line.origin
        for meter in (IMPORT, EXPORT, DEVICE)
        for line in desk.book.between(meter, START, END)
    }
    assert origins == {Origin.REPORT}


async def test_reads_are_few(desk: Desk) -> None:
    """Each stream is read twice, and its batch is followed."""
    requests = await settle(desk)
    assert count(requests, "/costs/interval/{id}") <= 3 * 3
    assert count(requests, FOLLOW) <= 3 * 2
    assert count(requests, INSTANT) == 0


async def test_scenario_06_two_reads_have_to_agree(desk: Desk) -> None:
    """What the first read says is provisional until a second one, 5 minutes later."""
    await desk.cycle()
    await desk.cycle(desk.now + MINUTE)
    await desk.cycle(desk.now + MINUTE)
    lines = desk.book.between(IMPORT, START, END)
    assert [line.origin for line in lines] == [Origin.QUOTE] * COUNT
    assert all(line.money for line in lines)
    assert {item.status for item in desk.journal.outbox} == {Status.ATTEMPTED}
    await desk.cycle(desk.now + 6 * MINUTE)
    desk.assert_settled()


async def test_fifty_go_singly(flatpeak: FlatPeakSimulator, tmp_path: Path) -> None:
    """Only more than fifty are worth a batch."""
    async with open_desk(flatpeak, tmp_path) as desk:
        for number in range(50):
            desk.queue(IMPORT, START + WINDOW * number)
        requests = await desk.cycle(END)
        assert count(requests, BATCH) == 0
        desk.assert_settled()


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": FaultKind.DROP, "stored": True},
        {"kind": FaultKind.DROP},
        {"status": 500, "stored": True},
        {"kind": FaultKind.GARBAGE, "stored": True},
        {"status": 429, "retry_after": 60},
        {"status": 503},
    ],
    ids=str,
)
@pytest.mark.parametrize("overwrite", ["same_period", "never"])
async def test_invariant_4_batch_without_an_answer(
    desk: Desk, fault: dict[str, object], overwrite: str
) -> None:
    """It is looked up in bulk, and sent again only where that is safe."""
    desk.simulator.switches = DEFAULT.but({"overwrite": overwrite})
    desk.simulator.fail(BATCH, **fault)  # type: ignore[arg-type]
    await desk.cycle()
    lost = {item.meter for item in desk.journal.outbox if item.batch == NO_ANSWER}
    certain = fault.get("status") == 429
    assert len(lost) == (0 if certain else 1)
    await desk.live(desk.now + 4 * HOUR)
    await settle(desk, hours=12)
    desk.assert_settled()


async def test_a_record_that_fails_is_set_aside(desk: Desk) -> None:
    """The others of its batch are settled, and it is never dropped."""
    bad = desk.queue(IMPORT, START - WINDOW, wh=-5)
    await settle(desk)
    assert desk.status(bad) is Status.SET_ASIDE
    (item,) = desk.journal.outbox
    assert item.error
    desk.assert_settled(without=[bad])


async def test_a_number_of_a_record_that_is_gone_is_no_other_ones(desk: Desk) -> None:
    """A failure without an id is nobody's once the batch is not all there any more."""
    bad = desk.queue(IMPORT, START - WINDOW, wh=-5)
    await desk.cycle()
    assert desk.status(bad) is Status.SET_ASIDE
    desk.journal, _ = left_out(
        desk.journal, desk.book, desk.now, meter=IMPORT, status=Status.SET_ASIDE
    )
    (batch,) = (one for one in desk.simulator.batches.values() if one.failed)
    batch.failed = [{"record_num": 0, "error": "negative"}]
    del desk.queued[bad]
    await settle(desk)
    desk.assert_settled()


async def test_refused_as_a_whole(desk: Desk) -> None:
    """Then its records go out one by one, so that the bad one is found."""
    desk.simulator.fail(BATCH, status=400)
    requests = await settle(desk)
    assert count(requests, BATCH) == 3  # the refused one, and the other streams'
    assert count(requests, INSTANT) == COUNT
    desk.assert_settled()


async def test_no_price_no_batch(desk: Desk) -> None:
    """Where there was no price, one is asked for before a batch goes out."""
    desk.simulator.set_problem(desk.location, "IMPORT", "pending_connect")
    desk.pace.failed(
        FlatPeakPriceUnavailableError("POST /prices/{id}", "no price"),
        direction="IMPORT",
    )
    requests = await desk.cycle(desk.now + 16 * MINUTE)
    assert count(requests, BATCH) == 1  # what was sold has another tariff
    assert count(requests, INSTANT) == 1
    desk.simulator.set_problem(desk.location, "IMPORT", None)
    requests = await desk.cycle(desk.now + 16 * MINUTE)
    assert count(requests, BATCH) == 2
    assert count(requests, INSTANT) == 1
    await settle(desk)
    desk.assert_settled()


async def test_a_batch_that_flatpeak_forgot(desk: Desk) -> None:
    """Where its id is unknown, the report tells."""
    await desk.cycle()
    desk.simulator.batches.clear()
    await settle(desk)
    desk.assert_settled()


async def test_a_batch_that_never_ends(desk: Desk) -> None:
    """After half an hour the report is read, whatever is said of the batch."""
    desk.simulator.fail(FOLLOW, status=500, times=None)
    await settle(desk, hours=30)
    desk.assert_settled()


@pytest.mark.parametrize("lag", [0, 1200])
@pytest.mark.parametrize("hours", [0.35, 3, 30])
async def test_invariant_4_an_unfinished_batch_is_not_sent_again(
    desk: Desk, hours: float, lag: int
) -> None:
    """Under *adds* neither while FlatPeak works on it, nor as long as reports lag.

    Windows that were sent later are visible all the while. After a day it is listed.
    """
    desk.simulator.switches = DEFAULT.but(
        {"overwrite": "never", "batch_delay": hours * 3600, "lag": lag}
    )
    requests = await desk.live(desk.now + (hours + 3) * HOUR)
    assert count(requests, BATCH) == 3
    assert count(requests, FOLLOW) < 3 * (hours + 6), "it is asked for ever less"
    desk.assert_settled()


async def test_scenario_10_an_unfinished_batch_is_listed(desk: Desk) -> None:
    """After a day it is as doubtful as any record, for the user to decide on."""
    desk.simulator.switches = DEFAULT.but({"batch_delay": 40 * 3600.0})
    await desk.live(END + 23 * HOUR)
    assert not stuck(desk.journal, desk.book, IMPORT, desk.now, Status.ATTEMPTED)
    await desk.live(END + 25 * HOUR)
    listed = stuck(desk.journal, desk.book, IMPORT, desk.now, Status.ATTEMPTED)
    assert len(listed) == COUNT


async def test_invariant_4_killed_before_the_answer_to_a_batch(desk: Desk) -> None:
    """What was marked to go out together waits for as long as a batch can take."""
    desk.simulator.switches = DEFAULT.but({"overwrite": "never", "batch_delay": 2400.0})
    sent = desk.outbox.async_send
    marked: list[Journal] = []

    async def killed(*arguments: Any) -> None:
        marked.append(desk.journal)
        await sent(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk.outbox, "async_send", killed)
        await desk.cycle()
    desk.journal = marked[-1]  # the last one's answer did not come
    desk.outbox = Outbox(desk.exchange)
    requests = await desk.live(desk.now + 4 * HOUR)
    assert count(requests, BATCH) == 0
    desk.assert_settled()


def _stuck(desk: Desk) -> Journal:
    """Return a journal with a record that was sent two days ago."""
    desk.queue(IMPORT, END, attempted=END - 48 * HOUR)
    return desk.journal


async def test_invariant_4_scenario_10_unconfirmed_after_a_day(desk: Desk) -> None:
    """It is listed, and nothing but the user's word sends it again or leaves it out."""
    journal = _stuck(desk)
    book = desk.book
    (item,) = stuck(journal, book, IMPORT, END, Status.ATTEMPTED)
    assert stuck(journal, book, IMPORT, END - 25 * HOUR, Status.ATTEMPTED) == []
    again = sent_again(journal, book, END, meter=IMPORT, status=Status.ATTEMPTED)[0]
    assert stuck(again, book, IMPORT, END, Status.ATTEMPTED) == []
    (new,) = [one for one in again.outbox if one.window == item.window]
    assert (new.status, new.attempted, new.tries) == (Status.NEW, None, 0)
    without, lines = left_out(
        journal, desk.book, END, meter=IMPORT, status=Status.ATTEMPTED
    )
    assert item not in without.outbox
    assert len(without.outbox) == len(journal.outbox) - 1
    ((meter, line),) = lines
    assert (meter, line.mwh, line.money) == (IMPORT, item.window.mwh, None)


async def test_set_aside_is_left_out(desk: Desk) -> None:
    """The energy of a refused record stays in the books; its cost is unknown."""
    bad = desk.queue(IMPORT, START - WINDOW, wh=-5)
    await settle(desk)
    (item,) = stuck(desk.journal, desk.book, IMPORT, desk.now, Status.SET_ASIDE)
    journal, lines = left_out(
        desk.journal, desk.book, desk.now, meter=IMPORT, status=Status.SET_ASIDE
    )
    assert journal.outbox == ()
    assert [line.start for _, line in lines] == [bad[1]]
    again = sent_again(
        desk.journal, desk.book, desk.now, meter=IMPORT, status=Status.SET_ASIDE
    )[0]
    assert [one.status for one in again.outbox] == [Status.NEW]
    assert item.error
    assert again.outbox[0].error is None


GRID = "sensor.grid_import"
SIX = {
    GRID: ("import", "grid"),
    "sensor.grid_export": ("export", "grid"),
    **{f"sensor.plug_{n}": ("import", "device") for n in range(4)},
}
EVENING = datetime(2026, 11, 11, 18, tzinfo=UTC)


@pytest.mark.freeze_time(EVENING)
async def test_48_hours_without_the_cloud(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """Six meters come back in under a minute, with one batch for each stream."""
    location = home.simulator.add_location(ACCOUNT, tariff="dynamic")
    for source in SIX:
        home.add_sensor(source)
    entry = home.add_entry(location, SIX, window=30)
    await home.set_up(entry)
    slots = EVENING + timedelta(minutes=35)
    await home.live(slots, _used)
    home.simulator.offline = True
    await home.live(EVENING + 48 * HOUR, _used)
    home.simulator.offline = False
    waiting = [home.value("pending_records", key) for key in entry.runtime_data.meters]
    assert min(waiting) >= 94
    before = len(home.simulator.requests)
    began = clock_gettime(CLOCK_MONOTONIC)  # the only one that does not stand still
    await home.live(EVENING + 48 * HOUR + timedelta(minutes=75), _used)
    seconds = clock_gettime(CLOCK_MONOTONIC) - began
    requests = home.simulator.requests[before:]
    assert count(requests, BATCH) == len(SIX)
    with capsys.disabled():
        sys.stdout.write(
            f"\n48 hours, six meters: {sum(waiting)} records, {len(requests)} requests"
            f" (6 batches), {seconds:.1f} s of run time\n"
        )
    assert seconds < 60
    end = EVENING + 50 * HOUR
    for key, state in entry.runtime_data.ledger.journal.meters.items():
        assert home.value("pending_records", key) == 0
        stream = state.stream
        stored = home.simulator.stored_cost(
            stream.owner, EVENING - HOUR, end, stream.tariff_direction
        )
        assert home.value("cost_this_month", key) == stored
    periods = [
        (one.draft.owner, one.draft.tariff_direction, one.draft.start)
        for one in home.simulator.ledger.submissions
    ]
    assert len(periods) == len(set(periods))


@pytest.mark.freeze_time(EVENING)
async def test_invariant_4_a_batch_is_followed_after_a_restart(home: Home) -> None:
    """Its id is on disk before anything else is done."""
    location = home.simulator.add_location(ACCOUNT, tariff="dynamic")
    home.add_sensor(GRID)
    entry = home.add_entry(location, {GRID: ("import", "grid")}, window=15)
    home.simulator.switches = DEFAULT.but(
        {"batch_delay": 2 * 3600.0, "overwrite": "never"}
    )
    await home.set_up(entry)
    await home.live(EVENING + 25 * MINUTE, _grid)
    await entry.runtime_data.async_set_sending(on=False)
    await home.live(EVENING + 15 * HOUR, _grid)
    await entry.runtime_data.async_set_sending(on=True)
    while not home.simulator.batches:
        await home.live(dt_util.utcnow() + 5 * MINUTE, _grid)
    (batch,) = home.simulator.batches
    journal = read_journal(entry.runtime_data.ledger._path)
    assert journal
    assert [item.batch for item in journal.outbox].count(batch) > 50
    before = len(home.simulator.requests)
    await home.hass.config_entries.async_reload(entry.entry_id)
    await home.live(EVENING + 19 * HOUR, _grid)
    requests = home.simulator.requests[before:]
    assert count(requests, FOLLOW) > 0
    assert count(requests, BATCH) == 0
    (key,) = entry.runtime_data.meters
    assert home.value("pending_records", key) == 0
    starts = [one.draft.start for one in home.simulator.ledger.submissions]
    assert len(starts) == len(set(starts)) > 70


def _grid(start: datetime) -> dict[str, float]:
    """Return what the grid meter alone counts in a slot."""
    return {GRID: _used(start)[GRID]}


def _used(start: datetime) -> dict[str, float]:
    """Return what each meter counts in a slot."""
    number = int(start.timestamp()) // 300
    return {source: (50 + (number + n) % 9) / 1000 for n, source in enumerate(SIX)}


async def test_credentials_end_a_batch(desk: Desk) -> None:
    """A key that is refused stores nothing: all of it waits."""
    desk.simulator.remove_key(KEY)
    desk.simulator.revoke_tokens()
    with pytest.raises(FlatPeakAuthenticationError):
        await desk.cycle()
    assert {item.status for item in desk.journal.outbox} == {Status.NEW}
    desk.simulator.add_account(ACCOUNT, KEY)
    await settle(desk)
    desk.assert_settled()


async def test_credentials_end_a_look(desk: Desk) -> None:
    """Neither a batch nor a record is looked up with a key that is refused."""
    await desk.cycle()
    desk.simulator.remove_key(KEY)
    desk.simulator.revoke_tokens()
    with pytest.raises(FlatPeakAuthenticationError):
        await desk.cycle(desk.now + 2 * MINUTE)
    desk.simulator.add_account(ACCOUNT, KEY)
    await settle(desk)
    desk.assert_settled()


async def test_credentials_before_a_batch(desk: Desk) -> None:
    """The price that is asked for first needs a good key, too."""
    desk.pace.failed(
        FlatPeakPriceUnavailableError("POST /prices/{id}", "no price"),
        direction="IMPORT",
    )
    desk.pace.failed(
        FlatPeakPriceUnavailableError("POST /prices/{id}", "no price"),
        direction="EXPORT",
    )
    desk.simulator.remove_key(KEY)
    desk.simulator.revoke_tokens()
    with pytest.raises(FlatPeakAuthenticationError):
        await desk.cycle(desk.now + 16 * MINUTE)
    assert {item.status for item in desk.journal.outbox} == {Status.NEW}


async def test_a_batch_refused_in_doubt(desk: Desk) -> None:
    """What is said of a batch that may be stored is said of its records."""
    desk.simulator.fail(BATCH, status=409)
    await desk.cycle()
    said = {item.error for item in desk.journal.outbox if item.batch == NO_ANSWER}
    assert len(said) == 1
    assert said != {None}
    await settle(desk, hours=30)
    refused = stuck(desk.journal, desk.book, IMPORT, desk.now, Status.SET_ASIDE)
    assert len(refused) in (0, COUNT)
    journal = desk.journal
    for meter in (IMPORT, EXPORT, DEVICE):
        journal = sent_again(
            journal, desk.book, desk.now, meter=meter, status=Status.SET_ASIDE
        )[0]
    desk.journal = journal
    await settle(desk, hours=30)
    desk.assert_settled()


async def test_what_a_batch_takes_is_no_lag(desk: Desk) -> None:
    """That counts from when FlatPeak had finished with it, if at all."""
    desk.simulator.switches = DEFAULT.but({"batch_delay": 4 * 3600.0, "lag": 900.0})
    await desk.live(desk.now + 7 * HOUR)
    desk.assert_settled()
    assert desk.journal.facts.lag <= 7200


async def test_energy_that_another_life_knew_better(
    flatpeak: FlatPeakSimulator, tmp_path: Path
) -> None:
    """Of a gap we know the sum: the window's money is FlatPeak's, the energy ours."""
    async with open_desk(flatpeak, tmp_path) as desk:
        key = desk.queue(IMPORT, START)
        item = replace(desk.queued[key], status=Status.ATTEMPTED)
        desk.journal = replace(desk.journal, outbox=(item,))
        stream = desk.journal.meters[IMPORT].stream
        flatpeak.add_record(
            desk.location,
            START,
            START + WINDOW,
            500,
            record_reference_id=record_reference_id(stream, START, START + WINDOW),
        )
        await desk.cycle(START + HOUR)
        line = desk.line(key)
        assert (line.mwh, line.origin) == (item.window.mwh, Origin.REPORT)
        assert line.money == flatpeak.stored_cost(desk.location, START, END, "IMPORT")
        assert desk.journal.outbox == ()


async def test_failed_records_without_an_id(desk: Desk) -> None:
    """Then the place in the batch tells which one it is."""
    await desk.cycle()
    (batch,) = {item.batch for item in desk.journal.outbox if item.meter == IMPORT}
    assert batch
    items = sorted(
        (item for item in desk.journal.outbox if item.meter == IMPORT), key=key_of
    )
    body = {
        "id": batch,
        "records_submitted": COUNT,
        "records_accepted": COUNT,
        "records_processed": COUNT - 1,
        "failed_records": [{"record_num": 3, "error": "No such tariff"}],
    }
    desk.simulator.fail(FOLLOW, status=200, body=body)
    await desk.cycle(desk.now + MINUTE)
    aside = [i for i in desk.journal.outbox if i.status is Status.SET_ASIDE]
    assert [key_of(one) for one in aside] == [key_of(items[3])]
