"""A simulator with a stopped clock, and a plain HTTP client for it."""

from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
import json
from typing import Any

import aiohttp
import pytest

from . import Direction, Fixed, FlatPeakSimulator, Tariff
from .switches import Dialect

ACCOUNT = "acc_example"
KEY = "sk_live_example"
NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
TARIFF = Tariff(
    imports=Fixed(Decimal("0.3")),
    exports=Fixed(Decimal("0.1")),
    carbon=Fixed(Decimal(200)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer: status, JSON body (text where it is none) and headers."""

    status: int
    body: Any
    headers: dict[str, str]


class Client:
    """A careless client: it sends what it is told, with a bearer."""

    def __init__(
        self, simulator: FlatPeakSimulator, session: aiohttp.ClientSession
    ) -> None:
        """Know where to ask; `location` and `device` are set by the fixture."""
        self.simulator = simulator
        self.session = session
        self.bearer = ""
        self.location = ""
        self.device = ""

    async def login(self, account: str = ACCOUNT, key: str = KEY) -> Reply:
        """Log in and keep the bearer."""
        basic = b64encode(f"{account}:{key}".encode()).decode()
        reply = await self.call("GET", "/login", authorization=f"Basic {basic}")
        self.bearer = reply.body.get("bearer_token", "")
        return reply

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: dict[str, str] | None = None,
        dialect: Dialect | str | None = Dialect.ANODE,
        authorization: str | None = None,
        data: bytes | None = None,
        content_type: str = "application/json",
    ) -> Reply:
        """Send one request."""
        headers = {"Authorization": authorization or f"Bearer {self.bearer}"}
        if dialect is not None:
            headers["Flatpeak-Version"] = dialect
        if body is not None:
            data = json.dumps(body, default=float).encode()
        if data is not None:
            headers["Content-Type"] = content_type
        async with self.session.request(
            method,
            self.simulator.url + path,
            data=data,
            params=query,
            headers=headers,
        ) as response:
            raw = await response.text()
            is_json = response.content_type == "application/json"
            return Reply(
                status=response.status,
                body=json.loads(raw, parse_float=Decimal) if is_json else raw,
                headers=dict(response.headers),
            )

    async def instant(
        self,
        start: str,
        end: str,
        value: float | Decimal = 1000,
        *,
        non_persistent: bool = False,
        **changes: Any,
    ) -> Reply:
        """Submit a record in the anode dialect; a change to None drops a field."""
        body = {
            "location_id": self.location,
            "units": "WH",
            "value": value,
            "start_time": start,
            "end_time": end,
            **changes,
        }
        return await self.call(
            "POST",
            "/costs/instant",
            {name: one for name, one in body.items() if one is not None},
            query={"non_persistent": "true"} if non_persistent else None,
        )

    async def report(
        self,
        start: str,
        end: str,
        aggregation: str | None = None,
        *,
        owner: str | None = None,
        direction: Direction | str = Direction.IMPORT,
    ) -> Reply:
        """Ask for a report in the anode dialect."""
        query = {"tariff_direction": str(direction)}
        if aggregation:
            query["aggregation"] = aggregation
        return await self.call(
            "POST",
            f"/costs/interval/{owner or self.location}",
            {"start_time": start, "end_time": end},
            query=query,
        )


@pytest.fixture
async def simulator() -> AsyncIterator[FlatPeakSimulator]:
    """Run a simulator whose clock stands at `NOW`; needs `socket_enabled`."""
    async with FlatPeakSimulator() as simulator:
        simulator.now = NOW
        simulator.add_account(ACCOUNT, KEY)
        yield simulator


@pytest.fixture
async def client(simulator: FlatPeakSimulator) -> AsyncIterator[Client]:
    """Log a client in, at an account with a home in Berlin and a device."""
    async with aiohttp.ClientSession() as session:
        client = Client(simulator, session)
        client.location = simulator.add_location(
            ACCOUNT, timezone="Europe/Berlin", currency="EUR", tariff=TARIFF
        )
        client.device = simulator.add_device(ACCOUNT, reference_id="car")
        await client.login()
        yield client
