"""What both fault matrices share: the faults, and the states of the outbox."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from custom_components.flatpeak.api import client as client_module
from custom_components.flatpeak.exchange import Key, key_of
from custom_components.flatpeak.journal import Queued, Status
from custom_components.flatpeak.metering import Window, record_reference_id
from custom_components.flatpeak.outbox import BATCH_ABOVE

from .desk import IMPORT, METERS, MINUTE, WH, WINDOW, Counter
from .simulator import FlatPeakSimulator
from .simulator.faults import FaultKind

MANY = BATCH_ABOVE + 1
FIRST = WINDOW * 3  # from the start of a desk to the first record of many
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


async def _nothing(_: Counter) -> list[Key]:
    return []


async def _one(desk: Counter) -> list[Key]:
    desk.queue(IMPORT, desk.start + END)
    return []


async def _several(desk: Counter) -> list[Key]:
    for number in range(3):
        for meter in METERS:
            desk.queue(meter, desk.start + WINDOW * number)
    return []


async def _doubtful(desk: Counter) -> list[Key]:
    desk.queue(IMPORT, desk.start + END - WINDOW, attempted=desk.now - MINUTE)
    return []


async def _doubtful_but_stored(desk: Counter) -> list[Key]:
    await _doubtful(desk)
    stream = desk.journal.meters[IMPORT].stream
    end = desk.start + END
    desk.simulator.add_record(
        desk.location,
        end - WINDOW,
        end,
        WH,
        device_id=None if stream.owner == desk.location else stream.owner,
        record_reference_id=record_reference_id(stream, end - WINDOW, end),
    )
    return []


async def _many(desk: Counter) -> list[Key]:
    for number in range(MANY):
        desk.queue(IMPORT, desk.start + FIRST + WINDOW * number)
    return []


async def _under_way(desk: Counter) -> list[Key]:
    await _many(desk)
    await desk.cycle()
    return []


async def _set_aside(desk: Counter) -> list[Key]:
    key = desk.queue(IMPORT, desk.start + END - WINDOW)
    desk.simulator.fail("/costs/instant", status=400)
    await desk.cycle()
    desk.queue(IMPORT, desk.start + END)
    return [key]


async def _held(desk: Counter) -> list[Key]:
    end = desk.start + END
    window = Window(start=end - WINDOW, end=end, mwh=0, held=500_000_000)
    item = Queued(meter=IMPORT, window=window, wh=0, status=Status.HELD)
    desk.queued[key_of(item)] = item
    desk.journal = replace(desk.journal, outbox=(item,))
    desk.queue(IMPORT, desk.start + END)
    return [key_of(item)]


# Each returns what waits for the user before anything strikes.
STATES: dict[str, Callable[[Counter], Awaitable[list[Key]]]] = {
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


async def settle(desk: Counter) -> None:
    """Live on until nothing waits."""
    begin = desk.now
    while meters := {i.meter for i in desk.journal.outbox if i.status in WAITING}:
        assert desk.now < begin + PATIENCE
        await desk.live(desk.now + WINDOW, sorted(meters), step=WINDOW)


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
