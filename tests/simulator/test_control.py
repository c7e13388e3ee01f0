"""The simulator as a program of its own, and its handles for other processes."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
import signal
import sys
from typing import Any

import aiohttp
import pytest

from . import FlatPeakSimulator
from .conftest import NOW, Client

pytestmark = pytest.mark.usefixtures("socket_enabled")

NOON = ("2026-11-03T12:00:00Z", "2026-11-03T12:30:00Z")


async def control(
    client: Client, method: str, path: str, body: Any = None, status: int = 200
) -> Any:
    """Turn a handle; it needs no credentials."""
    reply = await client.call(
        method, f"/_simulator{path}", body, authorization="none", dialect=None
    )
    assert reply.status == status
    return reply.body


async def test_state_requests_and_records(client: Client) -> None:
    """They tell all that happened, and no key; asking is not logged."""
    await client.instant(*NOON, 500, record_reference_id="R")
    state = await control(client, "GET", "/state")
    assert state["now"] == "2026-11-10T12:00:00Z"
    assert (state["requests"], state["records"]) == (2, 1)
    assert state["switches"]["overwrite"] == "same_period"
    assert [one["id"] for one in state["locations"]] == [client.location]
    assert "sk_live" not in str(state)
    (request,) = await control(client, "GET", "/requests?skip=1")
    assert (request["template"], request["body"]["value"]) == ("/costs/instant", 500)
    (record,) = await control(client, "GET", "/records")
    assert (record["owner"], record["record_reference_id"]) == (client.location, "R")
    assert (record["exact_cost"], record["cost"]) == ("3/20", "0.15000")
    path = f"/stored_cost?owner={client.location}&start={NOON[0]}&end={NOON[1]}"
    assert await control(client, "GET", path) == {"cost": "0.15000"}


async def test_switches_clock_and_faults(
    simulator: FlatPeakSimulator, client: Client
) -> None:
    """They act on the running simulator; nonsense is refused."""
    await control(client, "PUT", "/switches", {"order": "descending", "lag": 5})
    assert (simulator.switches.order, simulator.switches.lag) == ("descending", 5)
    await control(client, "PUT", "/switches", {"order": "random"}, status=400)
    await control(client, "PUT", "/switches", {"disorder": "random"}, status=400)
    moved = await control(client, "PUT", "/clock", {"advance": 90})
    assert moved == {"now": "2026-11-10T12:01:30Z"}
    await control(client, "PUT", "/clock", {"now": "2026-01-01T00:00:00"}, status=400)
    await control(client, "PUT", "/clock", {"now": "2026-11-10T13:00:00+01:00"})
    assert simulator.now == NOW
    await control(client, "PUT", "/clock", {"now": None})
    assert simulator.now != NOW
    fault = {"path": "/locations", "status": 429, "retry_after": 5}
    assert len(await control(client, "POST", "/faults", fault)) == 1
    await client.login()
    assert (await client.call("GET", "/locations")).status == 429
    await control(client, "POST", "/faults", fault | {"kind": "drop", "times": None})
    assert await control(client, "DELETE", "/faults") == []
    assert (await client.call("GET", "/locations")).status == 200


async def test_homes_records_prices_and_problems(
    simulator: FlatPeakSimulator, client: Client
) -> None:
    """Another process can set up a house and its troubles."""
    home = {"account_id": "acc_example", "tariff": "fixed", "city": "Elsewhere"}
    location = (await control(client, "POST", "/locations", home))["id"]
    record = {"location_id": location, "start": NOON[0], "end": NOON[1], "wh": 1000}
    await control(client, "POST", "/records", record)
    settled = {"location_id": location, "start": NOON[0], "end": NOON[1]}
    await control(client, "POST", "/settle", settled | {"price": 0.5})
    await control(client, "POST", "/settle", settled | {"change": "-0.1"})
    (line,) = simulator.records
    assert line.cost == Decimal("0.4")
    problem = {"location_id": location, "direction": "IMPORT", "code": "no_price_data"}
    await control(client, "PUT", "/problem", problem)
    assert (await client.report(*NOON, owner=location)).status == 422
    await control(client, "PUT", "/account", {"account_id": "acc_example"})
    reply = await client.call("GET", "/locations")
    assert reply.body["code"] == "account_disabled"
    await control(client, "PUT", "/tokens", {})
    assert (await client.call("GET", "/locations")).status == 403


async def test_offline_and_refusing(client: Client) -> None:
    """Offline leaves the handles reachable; refusing ends by itself."""
    await control(client, "PUT", "/offline", {"offline": True})
    with pytest.raises(aiohttp.ClientError):
        await client.call("GET", "/locations")
    await control(client, "PUT", "/offline", {"offline": False})
    assert (await client.call("GET", "/locations")).status == 200
    await control(client, "PUT", "/offline", {"refuse_for": 0.2})
    await asyncio.sleep(0.05)
    with pytest.raises(aiohttp.ClientConnectorError):
        await client.call("GET", "/locations")
    await asyncio.sleep(0.25)
    assert (await client.call("GET", "/locations")).status == 200


@pytest.fixture
async def program() -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the simulator as a program."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.simulator", "--timezone", "Europe/Berlin"),
        *("--currency", "EUR", "--tariff", "daynight", "--switches", "lag=3"),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    yield process
    if process.returncode is None:
        process.kill()
        await process.wait()


async def test_as_a_program(program: asyncio.subprocess.Process) -> None:
    """It prints how to reach it, serves one home, and stops when told."""
    assert program.stdout is not None
    printed = [(await program.stdout.readline()).decode().strip() for _ in range(4)]
    facts = dict(line.split("=", 1) for line in printed)
    simulator = FlatPeakSimulator(port=int(facts["url"].rsplit(":", 1)[1]))
    assert simulator.url == facts["url"]
    async with aiohttp.ClientSession() as session:
        client = Client(simulator, session)
        await client.login(facts["account_id"], facts["api_key"])
        (home,) = (await client.call("GET", "/locations")).body["data"]
        assert (home["id"], home["reference_id"]) == (
            facts["location_id"],
            "Demo house",
        )
        assert (home["timezone"], home["currency_code"]) == ("Europe/Berlin", "EUR")
        assert (await control(client, "GET", "/state"))["switches"]["lag"] == 3
        taken = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.simulator", "--port", str(simulator.port)),
            cwd=Path(__file__).parents[2],
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await taken.communicate()
        assert (taken.returncode, b"Cannot listen" in errors) == (1, True)
    program.send_signal(signal.SIGTERM)
    assert await program.wait() == 0
