"""Each fault, at each endpoint, in each state of the outbox: all is right afterwards.

A cell puts the outbox into a state, adds what lets the endpoint be asked, lets the
fault strike, and goes on living. FlatPeak keeps every copy, so that none is hidden.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from custom_components.flatpeak.api import FlatPeakAuthenticationError
from custom_components.flatpeak.exchange import key_of
from custom_components.flatpeak.journal import Status

from .desk import DEVICE, MINUTE, WINDOW, Desk, is_record, open_desk
from .matrix import DONE, END, FAULTS, FIRST, MANY, STATES, be_impatient, settle
from .simulator import DEFAULT, FlatPeakSimulator
from .simulator.faults import FaultKind


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An endpoint, and what lets it be asked."""

    path: str
    trigger: Callable[[Desk], Awaitable[None]]
    stores: bool = False


async def _need_a_token(desk: Desk) -> None:
    desk.simulator.revoke_tokens()
    desk.queue(DEVICE, desk.start + END)


async def _need_an_answer(desk: Desk) -> None:
    desk.queue(DEVICE, desk.start + END)


async def _need_a_report(desk: Desk) -> None:
    desk.queue(DEVICE, desk.start + END, attempted=desk.now - MINUTE)


async def _need_a_batch(desk: Desk) -> None:
    for number in range(MANY):
        desk.queue(DEVICE, desk.start + FIRST + WINDOW * number)


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
        desk.now = desk.start + END + WINDOW
        yield desk


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

    await settle(desk)
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
