"""Records on their way, through every kind of trouble."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
import logging
from pathlib import Path
from typing import Any

import pytest

from custom_components.flatpeak.api import (
    FlatPeakAuthenticationError,
    FlatPeakRateLimitError,
    client as client_module,
)
from custom_components.flatpeak.exchange import Key
from custom_components.flatpeak.journal import LONGEST_LAG, Status
from custom_components.flatpeak.metering import Origin
from custom_components.flatpeak.outbox import ROUND, Outbox
from custom_components.flatpeak.pace import PRICE_PAUSE

from .desk import (
    DEVICE,
    EXPORT,
    IMPORT,
    MINUTE,
    START,
    WH,
    WINDOW,
    Desk,
    is_quote,
    is_record,
    open_desk,
    shortest_gap,
)
from .home import KEY
from .simulator import FlatPeakSimulator
from .simulator.core import Core
from .simulator.faults import FaultKind
from .simulator.switches import (
    DEFAULT,
    Execution,
    LocationReport,
    Overwrite,
    Unaggregated,
    Unpriced,
)
from .simulator.wire import Answer, Call

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
INSTANT = "/costs/instant"
REPORT = "/costs/interval/*"

# Who waits after a failure, with the record that met it.
NOBODY: frozenset[str] = frozenset()
OWNER = frozenset({IMPORT, EXPORT})  # the two that are recorded on the location
DIRECTION = frozenset({IMPORT, DEVICE})
ALL = frozenset({IMPORT, EXPORT, DEVICE})


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What can happen to a request, and what must come of the record.

    `fault` of None is that no connection can be made. `stored` is whether FlatPeak
    stores the record all the same.
    """

    fault: dict[str, Any] | None
    status: Status
    pause: timedelta = MINUTE
    waiting: frozenset[str] = ALL
    stored: bool = False


def _price(code: str | None) -> dict[str, Any]:
    body = {"code": code, "message": "No price"} if code else {"message": "No price"}
    return {"status": 422, "body": body}


DISABLED = {
    "status": 422,
    "body": {"code": "account_disabled", "message": "Account disabled"},
}
NEW, ATTEMPTED = Status.NEW, Status.ATTEMPTED

TROUBLE = {
    "no connection": Trouble(fault=None, status=NEW),
    "400": Trouble(
        fault={"status": 400},
        status=Status.SET_ASIDE,
        waiting=NOBODY,
        pause=timedelta(0),
    ),
    **{
        # Twice, because the client logs in and tries again.
        f"{status}": Trouble(
            fault={"status": status, "times": 2}, status=NEW, waiting=OWNER, pause=HOUR
        )
        for status in (401, 403)
    },
    "404": Trouble(fault={"status": 404}, status=NEW, waiting=OWNER, pause=HOUR),
    "409": Trouble(fault={"status": 409}, status=ATTEMPTED),
    "429": Trouble(fault={"status": 429}, status=NEW),
    "429, short": Trouble(fault={"status": 429, "retry_after": 5}, status=NEW),
    "429, long": Trouble(
        fault={"status": 429, "retry_after": 600}, status=NEW, pause=10 * MINUTE
    ),
    **{
        f"422 {code}": Trouble(
            fault=_price(code),
            status=ATTEMPTED,
            waiting=DIRECTION,
            pause=15 * MINUTE,
        )
        for code in ("pending_connect", "no_tariff_connected", "no_price_data", None)
    },
    "422 account_disabled": Trouble(fault=DISABLED, status=ATTEMPTED, pause=HOUR),
    "500": Trouble(fault={"status": 500}, status=ATTEMPTED),
    "503, long": Trouble(
        fault={"status": 503, "retry_after": 300}, status=ATTEMPTED, pause=5 * MINUTE
    ),
    "drop": Trouble(fault={"kind": FaultKind.DROP}, status=ATTEMPTED),
    "garbage": Trouble(fault={"kind": FaultKind.GARBAGE}, status=ATTEMPTED),
    "empty": Trouble(fault={"kind": FaultKind.EMPTY}, status=ATTEMPTED),
    "time-out": Trouble(
        fault={"kind": FaultKind.DELAY, "delay": 0.3}, status=ATTEMPTED
    ),
}
STORED = {
    f"{name}, stored": replace(
        trouble, fault={**(trouble.fault or {}), "stored": True}, stored=True
    )
    for name, trouble in TROUBLE.items()
    if trouble.status is ATTEMPTED
}


async def strike(simulator: FlatPeakSimulator, path: str, trouble: Trouble) -> None:
    """Let trouble strike the next request to a path."""
    if trouble.fault is None:
        await simulator.refuse()
        await asyncio.sleep(0.01)  # so that the client sees its connection closed
    else:
        simulator.fail(path, **trouble.fault)


async def calm(simulator: FlatPeakSimulator, trouble: Trouble) -> None:
    """Let all be well again."""
    simulator.faults.clear()
    await asyncio.sleep((trouble.fault or {}).get("delay", 0))
    await simulator.listen()


@pytest.fixture
async def desk(
    flatpeak: FlatPeakSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desk]:
    """Return a desk at a FlatPeak that keeps every copy, with tokens that last."""
    monkeypatch.setattr(client_module, "REQUEST_TIMEOUT", 0.2)
    flatpeak.switches = replace(DEFAULT, overwrite=Overwrite.NEVER, token_life=1e6)
    async with open_desk(flatpeak, tmp_path) as desk:
        yield desk


@pytest.mark.parametrize("name", [*TROUBLE, *STORED])
async def test_invariant_4_scenario_05_failed_record(desk: Desk, name: str) -> None:
    """After any failure others go on where they can, and nothing is lost or twice."""
    trouble = {**TROUBLE, **STORED}[name]
    failed = desk.queue(IMPORT)
    others = {meter: desk.queue(meter) for meter in (DEVICE, EXPORT)}
    others[IMPORT] = desk.queue(IMPORT, START + WINDOW)
    begin = START + 2 * WINDOW
    await strike(desk.simulator, INSTANT, trouble)
    await desk.cycle(begin)
    assert desk.status(failed) is trouble.status
    assert desk.submissions(failed) == trouble.stored
    for meter, key in others.items():
        assert desk.status(key) is (NEW if meter in trouble.waiting else None)

    await calm(desk.simulator, trouble)
    if trouble.pause:
        asked = await desk.cycle(begin + trouble.pause - SECOND)
        assert not asked, "the pause is kept"
        asked = await desk.cycle(begin + trouble.pause)
        assert asked, "and no longer"
        assert all(desk.status(key) is None for key in others.values())

    await desk.live(begin + trouble.pause + 75 * MINUTE)
    set_aside = [failed] if trouble.status is Status.SET_ASIDE else []
    desk.assert_settled(without=set_aside)
    if trouble.stored:
        assert desk.line(failed).origin is Origin.REPORT
        assert sum(map(is_record, desk.simulator.requests)) == len(desk.queued)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (name, path)
        for name, trouble in TROUBLE.items()
        for path in (REPORT, INSTANT)
        if trouble.fault or path == REPORT  # the look-up is the first to meet it
    ],
)
async def test_invariant_4_failed_lookup(desk: Desk, name: str, path: str) -> None:
    """A doubtful record stays so, whatever its look-up and its quote come to."""
    trouble = TROUBLE[name]
    doubtful = desk.queue(IMPORT, attempted=START + WINDOW)
    others = {meter: desk.queue(meter) for meter in (DEVICE, EXPORT)}
    begin = START + 2 * WINDOW
    await strike(desk.simulator, path, trouble)
    asked = await desk.cycle(begin)
    assert desk.status(doubtful) is ATTEMPTED
    assert desk.submissions(doubtful) == 0
    unknown = name == "404" and path == REPORT  # a period without records, perhaps
    waiting = NOBODY if unknown else trouble.waiting or ALL
    for meter, key in others.items():
        assert desk.status(key) is (NEW if meter in waiting else None)
    assert any(map(is_quote, asked)) == (path == INSTANT or unknown)
    assert (desk.book.get(*doubtful) is not None) == unknown

    await calm(desk.simulator, trouble)
    pause = trouble.pause or MINUTE
    if not unknown:
        asked = await desk.cycle(begin + pause - SECOND)
        assert not any(desk.location in request.path for request in asked)
    asked = await desk.cycle(begin + pause)
    assert any(desk.location in request.path for request in asked)
    assert desk.line(doubtful).origin is Origin.QUOTE
    await desk.live(begin + pause + 75 * MINUTE)
    desk.assert_settled()


async def test_pauses_grow_and_end(desk: Desk) -> None:
    """Each failure in a row doubles the pause, up to an hour; success ends it."""
    key = desk.queue()
    desk.simulator.fail(INSTANT, status=429, times=None)
    requests = await desk.live(START + 7 * HOUR, (), step=MINUTE / 2)
    times = [request.time for request in requests]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    minutes = [pause // MINUTE for pause in pauses]
    assert minutes == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]
    assert desk.status(key) is NEW
    assert type(desk.pace.last_error) is FlatPeakRateLimitError

    desk.simulator.faults.clear()
    await desk.cycle(desk.now + HOUR)
    assert desk.status(key) is None
    desk.queue(start=START + WINDOW)
    desk.simulator.fail(INSTANT, status=429)
    await desk.cycle()
    assert await desk.cycle(desk.now + MINUTE), "the first pause is short again"
    desk.assert_settled()


async def test_oldest_first_in_rounds(desk: Desk) -> None:
    """Records go out by age, whatever the order they came in, so many at a time."""
    starts = [START + WINDOW * n for n in range(ROUND + 5)]
    for start in reversed(starts):
        desk.queue(start=start)
    due = desk.outbox.due(desk.journal.outbox, desk.journal.meters)
    assert [item.window.start for item in due] == starts[:ROUND]
    requests = await desk.cycle(starts[-1] + WINDOW)
    assert [request.body["start_time"] for request in requests] == [
        start.isoformat().replace("+00:00", "Z") for start in starts
    ]
    desk.assert_settled()


async def test_one_record_finds_out_whether_flatpeak_answers(desk: Desk) -> None:
    """After a failure no more is marked as attempted than has to be."""
    for number in range(3):
        desk.queue(start=START + WINDOW * number)
    desk.simulator.fail(INSTANT, status=429)
    await desk.cycle(START + WINDOW * 3)
    desk.now += 2 * MINUTE
    assert len(desk.outbox.due(desk.journal.outbox, desk.journal.meters)) == 1
    await desk.cycle()
    desk.assert_settled()


async def test_record_as_sent(desk: Desk) -> None:
    """A record carries its stream, its energy in whole Wh and an id of its own."""
    keys = [desk.queue(meter) for meter in (IMPORT, EXPORT, DEVICE)]
    requests = await desk.cycle(START + WINDOW)
    bodies = [request.body for request in requests]
    assert [(body.get("device_id"), body["tariff_rate"]) for body in bodies] == [
        (None, "IMPORT"),
        (None, "EXPORT"),
        (desk.journal.meters[DEVICE].stream.owner, "IMPORT"),
    ]
    assert {body["location_id"] for body in bodies} == {desk.location}
    assert {body["value"] for body in bodies} == {WH}
    assert len({body["record_reference_id"] for body in bodies}) == len(keys)
    line = desk.line(keys[0])
    assert (line.origin, line.currency, line.mwh) == (
        Origin.INSTANT,
        "GBP",
        WH * 1000 + 7,
    )
    assert line.money == Decimal("0.03770")
    assert line.carbon is not None
    assert line.confidence == 1


async def test_resent_as_it_was(desk: Desk) -> None:
    """A record that goes out again is the same, to the byte."""
    key = desk.queue()
    desk.simulator.fail(INSTANT, status=500)
    await desk.cycle(START + WINDOW)
    await desk.live(START + 2 * HOUR)
    wire = [
        request.body
        for request in desk.simulator.requests
        if is_record(request)
        and request.body["start_time"] == "2026-11-11T08:00:00Z"
        and request.body["tariff_rate"] == "IMPORT"
        and "device_id" not in request.body
    ]
    assert len(wire) == 2
    assert wire[0] == wire[1]
    assert desk.submissions(key) == 1
    desk.assert_settled()


async def test_small_loads_are_carried(desk: Desk) -> None:
    """A window of less than a Wh is booked at no cost, without a request."""
    keys = [desk.queue(wh=0), desk.queue(EXPORT, wh=0, attempted=START + WINDOW)]
    assert not await desk.cycle(START + WINDOW)
    for key in keys:
        assert desk.status(key) is None
        line = desk.line(key)
        assert line.origin is Origin.CARRIED
        assert (line.mwh, line.money) == (7, Decimal(0))


async def test_credentials_end_a_round(desk: Desk) -> None:
    """Without a log-in nothing more is tried, and nothing is doubtful."""
    keys = [desk.queue(start=START + WINDOW * n) for n in range(3)]
    doubtful = desk.queue(EXPORT, attempted=START + WINDOW)
    desk.simulator.remove_key(KEY)
    with pytest.raises(FlatPeakAuthenticationError):
        await desk.cycle(START + 3 * WINDOW)
    assert desk.status(doubtful) is ATTEMPTED
    desk.journal = replace(desk.journal, outbox=desk.journal.outbox[:-1])
    before = len(desk.simulator.requests)
    with pytest.raises(FlatPeakAuthenticationError):
        await desk.cycle()
    assert [request.path for request in desk.simulator.requests[before:]] == ["/login"]
    assert [desk.status(key) for key in keys] == [NEW] * 3


async def test_400_is_set_aside_once(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """A record that FlatPeak does not take is not tried again, and is logged once."""
    key = desk.queue()
    desk.simulator.fail(INSTANT, status=400)
    with caplog.at_level(logging.WARNING):
        await desk.live(START + 2 * HOUR)
    warnings = [r for r in caplog.records if "does not accept a record" in r.message]
    assert len(warnings) == 1
    assert desk.location not in caplog.text
    assert KEY not in caplog.text
    desk.assert_settled(without=[key])


async def test_quoted_while_doubtful(desk: Desk) -> None:
    """A doubtful record has its price at once, and keeps its carbon when found."""
    desk.simulator.switches = replace(desk.simulator.switches, lag=1200)
    desk.simulator.fail(INSTANT, stored=True)
    key = desk.queue()
    await desk.cycle(START + WINDOW)
    assert desk.book.get(*key) is None
    requests = await desk.cycle(desk.now + MINUTE)
    assert [is_quote(request) for request in requests] == [False, True]
    assert desk.status(key) is ATTEMPTED
    quote = desk.line(key)
    assert (quote.origin, quote.money) == (Origin.QUOTE, Decimal("0.03770"))
    assert quote.carbon is not None

    asked = await desk.live(START + 2 * HOUR, [IMPORT])
    assert not any(map(is_quote, asked)), "once is enough"
    found = desk.line(key)
    assert (found.origin, found.money) == (Origin.REPORT, quote.money)
    assert found.carbon == quote.carbon
    assert desk.submissions(key) == 1


async def test_lookups_become_rare(desk: Desk) -> None:
    """A doubtful record is looked up at once, after 1, 5, 30 minutes, then hourly."""
    desk.queue(attempted=START + WINDOW)
    desk.now = START + WINDOW - MINUTE
    requests = await desk.live(START + 4 * HOUR, (), step=MINUTE)
    times = [r.time for r in requests if r.template == "/costs/interval/{id}"]
    assert [(time - times[0]) // MINUTE for time in times] == [
        0,
        1,
        6,
        36,
        96,
        156,
        216,
    ]
    assert sum(map(is_quote, requests)) == 1
    assert not any(map(is_record, requests)), "there is no witness"


async def test_scenario_10_resent_only_with_a_visible_witness(desk: Desk) -> None:
    """As long as reports lag, their silence proves nothing."""
    desk.simulator.switches = replace(desk.simulator.switches, lag=7200)
    key = desk.queue(attempted=START + WINDOW)
    await desk.live(START + 2 * HOUR + WINDOW, [IMPORT])
    assert desk.status(key) is ATTEMPTED
    assert desk.submissions(key) == 0
    await desk.live(START + 6 * HOUR, ())  # the last one becomes visible
    assert desk.status(key) is None
    assert desk.submissions(key) == 1


async def test_witness_must_be_later(desk: Desk) -> None:
    """A window that ended before the attempt may have been sent before it."""
    early = desk.queue(start=START + WINDOW)
    desk.now = START + 2 * WINDOW
    await desk.cycle()
    assert desk.line(early).origin is Origin.INSTANT
    doubtful = desk.queue(attempted=desk.now)
    await desk.live(START + 5 * HOUR, ())
    assert desk.status(doubtful) is ATTEMPTED
    assert desk.submissions(doubtful) == 0


async def test_not_resent_before_ten_minutes(desk: Desk) -> None:
    """A witness is there at once, but the record may be on its way."""
    attempted = START + 2 * WINDOW - MINUTE
    doubtful = desk.queue(attempted=attempted)
    desk.now = attempted
    witness = desk.queue(start=START + WINDOW)
    await desk.live(attempted + 10 * MINUTE - SECOND, (), step=30 * SECOND)
    assert desk.line(witness).origin is Origin.INSTANT
    assert desk.submissions(doubtful) == 0
    await desk.live(attempted + 2 * HOUR, (), step=30 * SECOND)
    assert desk.submissions(doubtful) == 1
    assert desk.status(doubtful) is None


async def test_late_execution_is_found(desk: Desk) -> None:
    """A request that is carried out after its connection died is not doubled."""
    desk.simulator.switches = replace(
        desk.simulator.switches, execution=Execution.LATE, late_by=480
    )
    key = desk.queue()
    desk.simulator.fail(INSTANT, kind=FaultKind.DROP)
    await desk.cycle(START + WINDOW)
    await desk.live(START + 3 * HOUR)
    assert desk.submissions(key) == 1
    desk.assert_settled()


async def test_report_without_money(desk: Desk) -> None:
    """A record that is found unpriced waits for its price, with a quote."""
    doubtful = desk.queue(attempted=START + WINDOW)
    desk.simulator.add_record(desk.location, START, START + WINDOW, WH)
    item = {
        "start_time": "2026-11-11T08:00:00Z",
        "end_time": "2026-11-11T08:15:00Z",
        "energy": {"value": WH},
        "cost": {"value": 0, "confidence": 0},
    }
    body = {"object": "energy_cost", "currency_code": "GBP", "data": [item]}
    desk.simulator.fail(REPORT, status=200, body=body)
    await desk.cycle(START + HOUR)
    assert desk.status(doubtful) is ATTEMPTED
    assert desk.line(doubtful).origin is Origin.QUOTE
    await desk.cycle(START + 2 * HOUR)
    desk.assert_settled()
    assert desk.line(doubtful).origin is Origin.REPORT


@pytest.mark.parametrize("lag", [400, 2000, 7200])
async def test_lag_is_learned(desk: Desk, lag: int) -> None:
    """How long a record took to become visible is kept, up to the next look."""
    desk.simulator.switches = replace(desk.simulator.switches, lag=lag)
    desk.simulator.fail(INSTANT, kind=FaultKind.DROP, stored=True)
    key = desk.queue()
    desk.now = START + WINDOW
    await desk.live(START + 6 * HOUR, ())
    assert desk.status(key) is None
    assert lag <= desk.journal.facts.lag <= 6 * lag


async def test_longest_lag_that_is_learned(desk: Desk) -> None:
    """Four lags are a day at most: then it is time to ask the user."""
    desk.simulator.switches = replace(desk.simulator.switches, lag=20 * 3600)
    desk.simulator.fail(INSTANT, kind=FaultKind.DROP, stored=True)
    desk.queue()
    desk.now = START + WINDOW
    await desk.live(START + 24 * HOUR, ())
    desk.assert_settled()
    assert desk.journal.facts.lag == LONGEST_LAG


async def _cut_before_a_restart(desk: Desk) -> Key:
    """Return a window that may have been sent before Home Assistant began again."""
    desk.outbox = Outbox(desk.exchange)
    key = desk.queue(start=desk.now - WINDOW)
    desk.journal = replace(
        desk.journal,
        outbox=tuple(
            replace(item, status=ATTEMPTED) if item.status is NEW else item
            for item in desk.journal.outbox
        ),
    )
    return key


async def _assert_no_lag(desk: Desk) -> None:
    """Check that nothing was learned, and so nothing waits after the next start."""
    desk.assert_settled()
    assert desk.journal.facts.lag == 0
    key = await _cut_before_a_restart(desk)
    await desk.live(desk.now + HOUR, ())
    assert desk.status(key) is None
    assert desk.submissions(key) == 1


async def test_an_outage_is_no_lag(desk: Desk) -> None:
    """A record was there, but for a day nobody could look: nothing is learned."""
    desk.simulator.switches = replace(desk.simulator.switches, lag=360)
    desk.simulator.fail(INSTANT, kind=FaultKind.DROP, stored=True)
    first = desk.queue()
    desk.now = START + WINDOW
    await desk.cycle()
    await desk.cycle(desk.now + MINUTE)
    assert desk.status(first) is ATTEMPTED
    desk.simulator.offline = True
    await desk.live(START + 24 * HOUR, (), step=WINDOW)
    desk.simulator.offline = False
    await desk.live(START + 27 * HOUR, ())
    await _assert_no_lag(desk)


async def test_visible_without_money_is_visible(desk: Desk) -> None:
    """A price that comes a day later is no lag of the report."""
    desk.simulator.fail(INSTANT, kind=FaultKind.DROP, stored=True)
    desk.queue()
    item = {
        "start_time": "2026-11-11T08:00:00Z",
        "end_time": "2026-11-11T08:15:00Z",
        "energy": {"value": WH},
        "cost": {"value": 0, "confidence": 0},
    }
    body = {"object": "energy_cost", "currency_code": "GBP", "data": [item]}
    desk.simulator.fail(REPORT, status=200, body=body, times=None)
    desk.now = START + WINDOW
    await desk.live(START + 24 * HOUR, (), step=WINDOW)
    desk.simulator.faults.clear()
    await desk.live(START + 27 * HOUR, ())
    await _assert_no_lag(desk)


@pytest.mark.parametrize("unpriced", Unpriced)
async def test_invariant_12_no_price(desk: Desk, unpriced: Unpriced) -> None:
    """A missing price is asked for at most once in 15 minutes, and is no loss."""
    desk.simulator.switches = replace(desk.simulator.switches, unpriced=unpriced)
    desk.simulator.set_problem(desk.location, "IMPORT", "pending_connect")
    requests = await desk.live(START + 2 * HOUR, step=MINUTE)
    refused = [request for request in requests if request.status == 422]
    assert len(refused) > 3
    assert shortest_gap(refused, lambda _: True) >= 15 * MINUTE
    exports = [item for item in desk.journal.outbox if item.meter == EXPORT]
    assert not exports, "the other direction goes on"
    assert len(desk.book.between(EXPORT, START, desk.now)) == 8
    assert not desk.book.between(IMPORT, START, desk.now)

    desk.simulator.set_problem(desk.location, "IMPORT", None)
    await desk.live(START + 5 * HOUR)
    desk.assert_settled()


@pytest.mark.parametrize("minutes", [200, 220, 240, 1800])
@pytest.mark.parametrize("unpriced", Unpriced)
@pytest.mark.parametrize("code", ["pending_connect", "account_disabled"])
async def test_scenario_05_looked_up_at_once_when_the_cause_is_gone(
    desk: Desk, unpriced: Unpriced, minutes: int, code: str
) -> None:
    """What was refused for hours or days is settled with the next record's answer."""
    desk.simulator.switches = replace(desk.simulator.switches, unpriced=unpriced)
    await desk.live(START + 2 * WINDOW, [IMPORT])
    desk.simulator.set_problem(desk.location, "IMPORT", code)
    await desk.live(START + minutes * MINUTE, [IMPORT])
    assert [item.status for item in desk.journal.outbox].count(ATTEMPTED) == 1
    desk.simulator.set_problem(desk.location, "IMPORT", None)
    # The pause ends, a window closes whose record was sent later, and the next push.
    pause = HOUR if code == "account_disabled" else PRICE_PAUSE
    await desk.live(desk.now + pause + WINDOW + 5 * MINUTE, [IMPORT])
    desk.assert_settled()


@pytest.mark.parametrize("minutes", [200, 220, 240, 1800])
@pytest.mark.parametrize("stored", [False, True])
async def test_scenario_05_looked_up_at_once_where_reports_go_on(
    desk: Desk, minutes: int, *, stored: bool
) -> None:
    """Looks in vain while there was no price do not make the next one late."""
    lag = (minutes - 20) * 60  # it is visible before what comes later
    desk.simulator.switches = replace(desk.simulator.switches, lag=lag)
    desk.simulator.fail(INSTANT, stored=stored, **_price("no_price_data"))
    desk.simulator.fail(INSTANT, times=None, **_price("no_price_data"))
    await desk.live(START + minutes * MINUTE, [IMPORT])
    desk.simulator.faults.clear()
    desk.simulator.switches = replace(desk.simulator.switches, lag=0)
    await desk.live(desk.now + PRICE_PAUSE + WINDOW + 5 * MINUTE, [IMPORT])
    desk.assert_settled()


@pytest.mark.parametrize("stored", [False, True])
async def test_scenario_05_a_poll_that_finds_prices_lets_the_report_decide(
    desk: Desk, *, stored: bool
) -> None:
    """An appliance that is idle sends nothing that would show it; once is enough."""
    desk.simulator.switches = replace(desk.simulator.switches, lag=30 * 3600)
    desk.simulator.fail(INSTANT, stored=stored, **_price("no_tariff_connected"))
    desk.simulator.fail(INSTANT, times=None, **_price("no_tariff_connected"))
    key = desk.queue()
    await desk.live(START + 31 * HOUR, ())
    desk.simulator.faults.clear()
    lacked = desk.pace.standing.unpriced["IMPORT"].error
    assert not await desk.cycle(desk.now + PRICE_PAUSE), "it is not its turn"
    desk.pace.listed("IMPORT", lacked)
    requests = await desk.cycle(desk.now + MINUTE)
    assert [request.template for request in requests] == ["/costs/interval/{id}"]
    assert (desk.status(key) is None) == stored
    assert not await desk.cycle(desk.now + MINUTE)
    assert desk.submissions(key) == stored


async def test_scenario_05_price_is_asked_for_before_a_record(
    desk: Desk,
) -> None:
    """After a missing price only a quote may fail again, which stores nothing."""
    desk.queue()
    desk.simulator.fail(INSTANT, **_price("no_price_data"))
    await desk.cycle(START + WINDOW)
    desk.journal = replace(desk.journal, outbox=())
    waiting = desk.queue(start=START + WINDOW)
    desk.simulator.fail(INSTANT, **_price("no_price_data"))
    requests = await desk.cycle(START + 2 * WINDOW)
    assert [is_quote(request) for request in requests] == [True]
    assert desk.status(waiting) is NEW, "certainly not stored"
    requests = await desk.cycle(START + 3 * WINDOW)
    assert [is_quote(request) for request in requests] == [True, False]
    assert desk.status(waiting) is None
    desk.queue(start=START + 2 * WINDOW)
    assert len(await desk.cycle()) == 1, "the price is back"


async def test_invariant_12_one_at_a_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two locations of an account never ask at the same time."""
    simulator = desk.simulator
    other = Desk(simulator, desk.exchange.client, desk.book._folder / "other")
    desk.book._folder.joinpath("other").mkdir()
    at_once: list[int] = []
    execute = simulator.execute

    def watched(call: Call, endpoint: Callable[[Core, Call], Answer]) -> Answer:
        at_once.append(sum(r.status is None for r in simulator.requests))
        return execute(call, endpoint)

    monkeypatch.setattr(simulator, "execute", watched)
    simulator.fail("*", kind=FaultKind.DELAY, delay=0.01, times=None)
    for each in (desk, other):
        each.now = START + 4 * WINDOW
        for n in range(4):
            each.queue(start=START + WINDOW * n)
    await asyncio.gather(desk.cycle(), other.cycle())
    assert at_once == [1] * 8


async def test_a_total_of_several_streams_is_no_price(desk: Desk) -> None:
    """Where one total holds an appliance as well, the record is asked for its own."""
    desk.simulator.switches = replace(
        desk.simulator.switches,
        unaggregated=Unaggregated.TOTAL,
        location_report=LocationReport.WITH_DEVICES,
    )
    desk.queue(DEVICE, wh=2 * WH)
    await desk.cycle(START + WINDOW)
    key = desk.queue()
    desk.simulator.fail(INSTANT, kind=FaultKind.DROP, stored=True)
    await desk.cycle()
    assert desk.status(key) is ATTEMPTED
    await desk.live(START + 2 * HOUR, ())
    assert desk.status(key) is None
    assert desk.line(key).money == Decimal("0.03770")
    assert desk.submissions(key) == 1
