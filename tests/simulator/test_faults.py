"""Trouble on demand really strikes, where and as often as it was told."""

import asyncio
from datetime import timedelta

import aiohttp
import pytest

from . import DEFAULT, FaultKind, FlatPeakSimulator
from .conftest import Client

pytestmark = pytest.mark.usefixtures("socket_enabled")

NOON = ("2026-11-03T12:00:00Z", "2026-11-03T12:30:00Z")


@pytest.mark.parametrize("stored", [False, True])
async def test_drop(simulator: FlatPeakSimulator, client: Client, stored: bool) -> None:
    """No answer comes; the record is stored, or not."""
    simulator.fail("/costs/*", kind=FaultKind.DROP, stored=stored)
    with pytest.raises(aiohttp.ClientError):
        await client.instant(*NOON)
    assert len(simulator.records) == stored
    assert simulator.requests[-1].status is None
    assert (await client.instant(*NOON)).status == 200
    assert len(simulator.records) == 1


@pytest.mark.parametrize("stored", [False, True])
async def test_status(
    simulator: FlatPeakSimulator, client: Client, stored: bool
) -> None:
    """The status is as told, in FlatPeak's usual body; the record is stored or not."""
    simulator.fail("/costs/*", status=503, stored=stored, retry_after=9)
    reply = await client.instant(*NOON)
    assert (reply.status, reply.body["type"]) == (503, "api_error")
    assert reply.headers["Retry-After"] == "9"
    assert len(simulator.records) == stored


async def test_status_with_a_body(simulator: FlatPeakSimulator, client: Client) -> None:
    """A body of one's own goes out as it is."""
    simulator.fail("/locations", status=404, body={"a": [1]}, retry_after=3)
    simulator.fail("/locations", status=418, body="tea")
    replies = [await client.call("GET", "/locations") for _ in range(2)]
    assert [(one.status, one.body) for one in replies] == [
        (404, {"a": [1]}),
        (418, "tea"),
    ]
    assert replies[0].headers["Retry-After"] == "3"


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FaultKind.GARBAGE, "<html><body>Bad gateway</body></html>"),
        (FaultKind.EMPTY, ""),
    ],
)
async def test_unreadable_answers(
    simulator: FlatPeakSimulator,
    client: Client,
    kind: FaultKind,
    body: str,
    stored: bool,
) -> None:
    """A 200 that says nothing."""
    simulator.fail("/costs/*", kind=kind, stored=stored)
    reply = await client.instant(*NOON)
    assert (reply.status, reply.body) == (200, body)
    assert len(simulator.records) == stored


@pytest.mark.parametrize(("overwrite", "kept"), [("same_period", 1), ("never", 2)])
async def test_repeat(
    simulator: FlatPeakSimulator, client: Client, overwrite: str, kept: int
) -> None:
    """The network delivers a request twice; whether one replaces is a switch."""
    simulator.switches = DEFAULT.but({"overwrite": overwrite})
    simulator.fail("/costs/instant", kind=FaultKind.REPEAT)
    assert (await client.instant(*NOON)).status == 200
    assert [(one.status, one.copy, one.fault) for one in simulator.requests[-2:]] == [
        (200, False, FaultKind.REPEAT),
        (200, True, FaultKind.REPEAT),
    ]
    assert not any(one.is_open for one in simulator.requests)
    assert len(simulator.records) == kept


async def test_times_skip_and_method(
    simulator: FlatPeakSimulator, client: Client
) -> None:
    """A fault passes some, hits some, and leaves others alone."""
    simulator.fail("/locations", method="GET", skip=1, times=2)
    statuses = [(await client.call("GET", "/locations")).status for _ in range(4)]
    assert statuses == [200, 500, 500, 200]
    simulator.fail("/loc*", method="POST", times=None)
    assert (await client.call("GET", "/locations")).status == 200
    for _ in range(3):
        assert (await client.call("POST", "/locations", {})).status == 500
    simulator.faults.clear()
    assert (await client.call("POST", "/locations", {})).status == 400


async def test_delay(simulator: FlatPeakSimulator, client: Client) -> None:
    """The proper answer comes late."""
    simulator.fail("/costs/*", kind=FaultKind.DELAY, delay=0.05)
    simulator.fail("/costs/*", kind=FaultKind.DELAY, delay=0.05, stored=True)
    loop = asyncio.get_running_loop()
    for _ in range(2):
        began = loop.time()
        assert (await client.instant(*NOON)).status == 200
        assert loop.time() - began >= 0.05


@pytest.mark.parametrize(
    ("execution", "stored", "expected"),
    [("prompt", False, 0), ("late", False, 1), ("prompt", True, 1)],
)
async def test_a_client_that_gives_up(
    simulator: FlatPeakSimulator,
    client: Client,
    execution: str,
    stored: bool,
    expected: int,
) -> None:
    """Whether its request is still carried out is a switch, unless it was before."""
    simulator.switches = DEFAULT.but({"execution": execution})
    simulator.fail("/costs/*", kind=FaultKind.DELAY, delay=0.2, stored=stored)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await client.instant(*NOON)
    await asyncio.sleep(0.3)
    assert len(simulator.records) == expected


async def test_offline(simulator: FlatPeakSimulator, client: Client) -> None:
    """Every connection breaks, until it does not."""
    simulator.offline = True
    for _ in range(2):
        with pytest.raises(aiohttp.ClientError):
            await client.instant(*NOON)
    simulator.offline = False
    assert simulator.records == []
    assert (await client.instant(*NOON)).status == 200


async def test_refused_connections(
    simulator: FlatPeakSimulator, client: Client
) -> None:
    """Nobody listens, kept connections break; later the same port answers again."""
    port = simulator.port
    await simulator.refuse()
    await asyncio.sleep(0.05)  # until the client has seen its connection end
    with pytest.raises(aiohttp.ClientConnectorError):
        await client.instant(*NOON)
    await simulator.listen()
    await simulator.listen()
    assert simulator.port == port
    assert (await client.instant(*NOON)).status == 200
    await simulator.refuse(0.01)
    assert (await client.instant(*NOON)).status == 200


async def test_a_put_on_a_kept_connection_is_repeated_by_aiohttp(
    simulator: FlatPeakSimulator, client: Client
) -> None:
    """A batch whose answer is lost comes twice, without its sender's knowledge."""
    record = {
        "location_id": client.location,
        "units": "WH",
        "value": 1,
        "start_time": NOON[0],
        "end_time": NOON[1],
    }
    simulator.fail("/meters/*", kind=FaultKind.DROP, stored=True)
    assert (await client.call("PUT", "/meters/interval", [record])).status == 200
    simulator.advance(timedelta(seconds=1))
    assert len(simulator.batches) == 2
    assert len(simulator.ledger.submissions) == 2
    assert len(simulator.records) == 1
