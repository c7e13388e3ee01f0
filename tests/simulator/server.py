"""The simulator as a server on loopback."""

import asyncio
from types import TracebackType
from typing import Self

from aiohttp import web

from .app import LARGEST_BODY, add_flatpeak
from .control import add_control
from .core import Core
from .switches import DEFAULT, Switches

HOST = "127.0.0.1"


class FlatPeakSimulator(Core):
    """A FlatPeak that speaks HTTP on 127.0.0.1, in this event loop.

    Use it as an asynchronous context manager, or `start` and `stop` it. It never
    listens anywhere else and keeps everything in memory.
    """

    def __init__(self, *, port: int = 0, switches: Switches = DEFAULT) -> None:
        """Prepare a simulator.

        Args:
            port: Where to listen; 0 for any free port.
            switches: How it behaves where the documentation is silent.
        """
        super().__init__(switches)
        self.port = port
        app = web.Application(client_max_size=LARGEST_BODY)
        add_control(app, self, self.refuse)
        add_flatpeak(app, self)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        self._site: web.TCPSite | None = None

    @property
    def url(self) -> str:
        """The API's address, without a slash at the end."""
        return f"http://{HOST}:{self.port}"

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            OSError: The port is taken.
        """
        await self._runner.setup()
        await self.listen()

    async def stop(self) -> None:
        """Break all connections and be gone."""
        self.stopping.set()
        await self._runner.cleanup()

    async def listen(self) -> None:
        """Accept connections; also after `refuse`."""
        if self._site is not None:
            return
        site = web.TCPSite(self._runner, HOST, self.port)
        await site.start()
        self._site = site
        self.port = self._runner.addresses[0][1]

    async def refuse(self, seconds: float | None = None) -> None:
        """Break all connections and accept none, for a while or until `listen`."""
        if self._site is not None:
            await self._site.stop()
            self._site = None
        server = self._runner.server
        for connection in server.connections if server else ():
            connection.force_close()
        if seconds is not None:
            await asyncio.sleep(seconds)
            await self.listen()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()
