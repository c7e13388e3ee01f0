"""A scripted FlatPeak on loopback: real HTTP, real sockets."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
import json
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
import struct
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
import pytest

from custom_components.flatpeak.api import FlatPeakClient, MeterRecord

ACCOUNT = "acc_f00dfeedf00dfeedf00dfeed"
KEY = "sk_test_NotARealKeyNotARealKey"
LOCATION = "loc_c0ffeec0ffeec0ffeec0ffee"
DEVICE = "dev_deadbeefdeadbeefdeadbeef"
START = datetime(2026, 3, 1, 10, 30, tzinfo=UTC)
END = datetime(2026, 3, 1, 11, 0, tzinfo=UTC)
RECORD = MeterRecord(
    location_id=LOCATION,
    device_id=DEVICE,
    record_reference_id="REC-1",
    start=START,
    end=END,
    value=Decimal(250),
)
AUTHORIZATION = b"%AUTHORIZATION%"  # in a body: the header of the request
FIXTURES = Path(__file__).parent.parent / "fixtures"


def seed(name: str) -> dict[str, Any]:
    """Return one of the documented examples: request and response."""
    text = (FIXTURES / f"costs_{name}_seed.json").read_text()
    return json.loads(text)  # type: ignore[no-any-return]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the server does with one request."""

    status: int = 200
    body: object = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    drop: bool = False
    reset: bool = False
    raw: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A request that reached the server."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body, its fractions exact."""
        return json.loads(self.body, parse_float=Decimal)


class ScriptedFlatPeak:
    """A server that keeps what it is asked, and answers from a script."""

    def __init__(self) -> None:
        """Start with a log-in that works and hands out a new token each time."""
        self.seen: list[Seen] = []
        self.tokens = 0
        self.expires_in = 3600
        self.arrived = asyncio.Event()
        self.busy = 0
        self.busiest = 0
        self.valid: Callable[[str], bool] = lambda _: True
        self._script: dict[str, list[Reply]] = {}

    def play(self, path: str, *replies: Reply) -> None:
        """Answer requests to a path in this order; the last one repeats."""
        self._script[path] = list(replies)

    def asked(self, path: str) -> list[Seen]:
        """Return the requests to a path."""
        return [seen for seen in self.seen if seen.path == path]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        seen = Seen(
            method=request.method,
            path=request.path,
            query=dict(request.query),
            headers=dict(request.headers),
            body=await request.read(),
        )
        self.seen.append(seen)
        if seen.path != "/login":
            self.arrived.set()
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            return await self._play(request, self._next(seen))
        finally:
            self.busy -= 1

    def _next(self, seen: Seen) -> Reply:
        """Return what is to happen now."""
        if replies := self._script.get(seen.path):
            return replies.pop(0) if len(replies) > 1 else replies[0]
        if seen.path == "/login":
            self.tokens += 1
            token = f"token-number-{self.tokens}"
            body = {"bearer_token": token, "expires_in": self.expires_in}
            return Reply(body={**body, "live_mode": False})
        if not self.valid(seen.headers["Authorization"]):
            return Reply(status=403, body={"message": "Token has expired"})
        return Reply(body={"object": "list", "data": [], "id": "dev_1"})

    async def _play(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        """Do what the script says."""
        await asyncio.sleep(reply.delay)
        assert request.transport
        if reply.raw is not None:
            request.transport.write(reply.raw)
        if reply.reset:  # To close without lingering sends RST in place of FIN.
            raw_socket = request.transport.get_extra_info("socket")
            raw_socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            request.transport.abort()
        if reply.drop or reply.raw is not None:
            request.transport.close()
        said = reply.body
        raw = said if isinstance(said, bytes) else json.dumps(said).encode()
        body = raw.replace(AUTHORIZATION, request.headers["Authorization"].encode())
        return web.Response(status=reply.status, body=body, headers=reply.headers)


@pytest.fixture
async def http(
    socket_enabled: None,
) -> AsyncGenerator[aiohttp.ClientSession]:
    """Return a session that may use sockets."""
    async with aiohttp.ClientSession() as session:
        yield session


@asynccontextmanager
async def _serving(handler: ScriptedFlatPeak) -> AsyncGenerator[str]:
    """Serve on loopback, without an access log, and give the address."""
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{tail:.*}", handler.answer)
    server = TestServer(app)
    await server.start_server(access_log=None, shutdown_timeout=0.1)
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()


@pytest.fixture
def flatpeak() -> ScriptedFlatPeak:
    """Return the script of the server."""
    return ScriptedFlatPeak()


@pytest.fixture
async def url(
    flatpeak: ScriptedFlatPeak,
    socket_enabled: None,
) -> AsyncGenerator[str]:
    """Return the address of the running server."""
    async with _serving(flatpeak) as address:
        yield address


@pytest.fixture
def client(http: aiohttp.ClientSession, url: str) -> FlatPeakClient:
    """Return a client of the running server, which has seen the account's homes."""
    client = FlatPeakClient(http, ACCOUNT, KEY, base_url=url)
    client._private = set()
    return client
