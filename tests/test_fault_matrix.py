"""Each fault, at each endpoint, in each state of the outbox: all is right afterwards.

A cell puts the outbox into a state, adds what lets the endpoint be asked, lets the
fault strike, and goes on living. FlatPeak keeps every copy, so that none is hidden.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from custom_components.flatpeak.api import (
    FlatPeakAuthenticationError,
    client as client_module,
)
from custom_components.flatpeak.exchange import Key, key_of
from custom_components.flatpeak.journal import Queued, Status
from custom_components.flatpeak.metering import Window, record_reference_id
from custom_components.flatpeak.outbox import BATCH_ABOVE

from .desk import (
    DEVICE,
    IMPORT,
    METERS,
    MINUTE,
    START,
    WH,
    WINDOW,
    Desk,
    is_record,
    open_desk,
)
from .simulator import DEFAULT, FlatPeakSimulator
from .simulator.faults import FaultKind

MANY = BATCH_ABOVE + 1
FIRST = START + WINDOW * 3
END = FIRST + WINDOW * MANY
PATIENCE = timedelta(hours=12)
TURNS = 50  # of the event loop, while FlatPeak dawdles
WAITING = {Status.NEW, Status.ATTEMPTED}


def _unprocessable(code: str | None) -> dict[str, Any]:
    body = {"message": "Not now"} | ({"code": code} if code else {})
    return {"status": 422, "body": body}


CERTAIN: dict[str, dict[str, Any]] = {
    # Twice, because the client logs in and tries again.
    **{f"{status}": {"status": status, "times": 2} for status in (401, 403)},
    "400": {"status": 400},
    "404": {"status": 404},
    "429": {"status": 429, "retry_after": 90},
}
DOUBTFUL: dict[str, dict[str, Any]] = {
    "409": {"status": 409},
    **{
        f"422 {code}": _unprocessable(code)
        for code in (
            "pending_connect",
            "no_tariff_connected",
            "no_price_data",
            "account_disabled",
            "unheard_of",
            None,
        )
    },
    "500": {"status": 500},
    "503": {"status": 503, "retry_after": 300},
    "delay": {"kind": FaultKind.DELAY, "delay": 1},
    "drop": {"kind": FaultKind.DROP},
    "garbage": {"kind": FaultKind.GARBAGE},
    "empty": {"kind": FaultKind.EMPTY},
}
# What is done before it fails; of what is only read nothing else comes.
DONE = {f"{name}, done": {**fault, "stored": True} for name, fault in DOUBTFUL.items()}
FAULTS = {**CERTAIN, **DOUBTFUL, **DONE}


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An endpoint, and what lets it be asked."""

    path: str
    trigger: Callable[[Desk], Awaitable[None]]
    stores: bool = False


async def _need_a_token(desk: Desk) -> None:
    desk.simulator.revoke_tokens()
    desk.queue(DEVICE, END)


async def _need_an_answer(desk: Desk) -> None:
    desk.queue(DEVICE, END)


async def _need_a_report(desk: Desk) -> None:
    desk.queue(DEVICE, END, attempted=desk.now - MINUTE)


async def _need_a_batch(desk: Desk) -> None:
    for number in range(MANY):
        desk.queue(DEVICE, FIRST + WINDOW * number)


async def _need_a_status(desk: Desk) -> None:
    outbox = desk.journal.outbox
    desk.journal = replace(desk.journal, outbox=())
    await _need_a_batch(desk)
    await desk.cycle()
    desk.journal = replace(desk.journal, outbox=(*outbox, *desk.journal.outbox))
    desk.now += MINUTE


ENDPOINTS = {
    "login": Endpoint(path="/login", trigger=_need_a_token),
    "instant": Endpoint(path="/costs/instant", trigger=_need_an_answer, stores=True),
    "interval": Endpoint(path="/costs/interval/*", trigger=_need_a_report),
    "batch": Endpoint(path="/meters/interval", trigger=_need_a_batch, stores=True),
    "batch status": Endpoint(path="/meters/batch", trigger=_need_a_status),
}


async def _nothing(_: Desk) -> list[Key]:
    return []


async def _one(desk: Desk) -> list[Key]:
    desk.queue(IMPORT, END)
    return []


async def _several(desk: Desk) -> list[Key]:
    for number in range(3):
        for meter in METERS:
            desk.queue(meter, START + WINDOW * number)
    return []


async def _doubtful(desk: Desk) -> list[Key]:
    desk.queue(IMPORT, END - WINDOW, attempted=desk.now - MINUTE)
    return []


async def _doubtful_but_stored(desk: Desk) -> list[Key]:
    await _doubtful(desk)
    stream = desk.journal.meters[IMPORT].stream
    reference = record_reference_id(stream, END - WINDOW, END)
    desk.simulator.add_record(
        desk.location, END - WINDOW, END, WH, record_reference_id=reference
    )
    return []


async def _many(desk: Desk) -> list[Key]:
    for number in range(MANY):
        desk.queue(IMPORT, FIRST + WINDOW * number)
    return []


async def _under_way(desk: Desk) -> list[Key]:
    await _many(desk)
    await desk.cycle()
    return []


async def _set_aside(desk: Desk) -> list[Key]:
    key = desk.queue(IMPORT, END - WINDOW)
    desk.simulator.fail("/costs/instant", status=400)
    await desk.cycle()
    desk.queue(IMPORT, END)
    return [key]


async def _held(desk: Desk) -> list[Key]:
    window = Window(start=END - WINDOW, end=END, mwh=0, held=500_000_000)
    item = Queued(meter=IMPORT, window=window, wh=0, status=Status.HELD)
    desk.queued[key_of(item)] = item
    desk.journal = replace(desk.journal, outbox=(item,))
    desk.queue(IMPORT, END)
    return [key_of(item)]


# Each returns what waits for the user before anything strikes.
STATES: dict[str, Callable[[Desk], Awaitable[list[Key]]]] = {
    "nothing": _nothing,
    "one": _one,
    "several meters": _several,
    "doubtful": _doubtful,
    "doubtful, stored": _doubtful_but_stored,
    "many": _many,
    "batch under way": _under_way,
    "one set aside": _set_aside,
    "one held": _held,
}
CELLS = [
    pytest.param(fault, endpoint, state, id=f"{fault} - {endpoint} - {state}")
    for endpoint, what in ENDPOINTS.items()
    for fault in FAULTS
    if what.stores or fault not in DONE
    for state in STATES
]


@pytest.fixture
async def desk(flatpeak: FlatPeakSimulator, tmp_path: Path) -> AsyncIterator[Desk]:
    """Return a desk at a FlatPeak that keeps every copy."""
    flatpeak.switches = DEFAULT.but({"overwrite": "never", "token_life": 1e6})
    async with open_desk(flatpeak, tmp_path) as desk:
        desk.now = END + WINDOW
        yield desk


def be_impatient(simulator: FlatPeakSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the client give up as soon as FlatPeak begins to dawdle."""
    limits: list[asyncio.Timeout] = []

    def timeout(seconds: float) -> asyncio.Timeout:
        limits.append(asyncio.timeout(seconds))
        return limits[-1]

    async def pause(_: float) -> None:
        limits[-1].reschedule(asyncio.get_running_loop().time())
        for _ in range(TURNS):
            await asyncio.sleep(0)

    shim = SimpleNamespace(**{**vars(asyncio), "timeout": timeout})
    monkeypatch.setattr(client_module, "asyncio", shim)
    monkeypatch.setattr(simulator, "pause", pause)


@pytest.mark.parametrize(("fault", "endpoint", "state"), CELLS)
async def test_invariant_4_fault_matrix(
    desk: Desk, fault: str, endpoint: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Energy and money are exact, nothing is stored twice, and nothing waits."""
    simulator = desk.simulator
    stuck = await STATES[state](desk)
    await ENDPOINTS[endpoint].trigger(desk)
    trouble = FAULTS[fault]
    before = len(simulator.requests)
    if endpoint == "login":
        trouble = {**trouble, "times": 1}
    simulator.fail(ENDPOINTS[endpoint].path, **trouble)
    be_impatient(simulator, monkeypatch)
    with suppress(FlatPeakAuthenticationError):
        await desk.cycle()
    assert simulator.faults.waiting == []
    monkeypatch.undo()

    begin = desk.now
    while meters := {i.meter for i in desk.journal.outbox if i.status in WAITING}:
        assert desk.now < begin + PATIENCE
        await desk.live(desk.now + WINDOW, sorted(meters), step=WINDOW)
    refused = [
        request
        for request in simulator.requests[before:]
        if is_record(request) and request.status == 400
    ]
    aside = [key_of(i) for i in desk.journal.outbox if i.status is Status.SET_ASIDE]
    new = set(aside) - set(stuck)
    assert len(new) == len(refused)
    desk.assert_settled(without=[*stuck, *new])


def test_every_cell_is_there() -> None:
    """No fault of the simulator is left out, but for what nobody here can undo.

    What the network delivers twice is there twice where FlatPeak adds.
    """
    kinds = {fault.get("kind", FaultKind.STATUS) for fault in FAULTS.values()}
    assert kinds == set(FaultKind) - {FaultKind.REPEAT}
