"""The parent's side of `lifetime.py`: it starts, watches and kills Home Assistant."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
import json
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from signal import SIGKILL

from .lifetime import DONE, UP, Life, live
from .simulator import FlatPeakSimulator

PATIENCE = 120  # real seconds for the next sign of life

# The server imports Home Assistant once; each life is a process that it forks.
_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.lifetime"])


class Child:
    """The process in which Home Assistant lives."""

    def __init__(self, process: ForkServerProcess, pipe: Connection) -> None:
        """Take a process that was started."""
        self._process = process
        self._pipe = pipe
        self.last: datetime | None = None  # the end of the last slot that was lived

    async def up(self) -> None:
        """Wait until Home Assistant has started."""
        assert await self._told() == UP

    async def live(self, until: datetime) -> None:
        """Live until then."""
        async for _ in self.slots(until):
            pass

    async def slots(self, until: datetime) -> AsyncIterator[datetime]:
        """Live until then and yield the end of each slot."""
        self._pipe.send(until)
        while (told := await self._told()) != DONE:
            assert isinstance(told, datetime)
            self.last = told
            yield told

    async def stop(self) -> None:
        """Shut down properly."""
        self._pipe.send(None)
        await asyncio.to_thread(self._process.join)
        assert self._process.exitcode == 0

    async def kill(self) -> None:
        """Be gone at once, by SIGKILL."""
        self._process.kill()
        await asyncio.to_thread(self._process.join)

    @property
    def was_killed(self) -> bool:
        """Return whether SIGKILL is what ended it."""
        return self._process.exitcode == -SIGKILL

    async def _told(self) -> object:
        """Return what it tells next."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await asyncio.to_thread(self._pipe.recv)
            except EOFError:
                raise AssertionError("Home Assistant ended") from None


@asynccontextmanager
async def born(life: Life, simulator: FlatPeakSimulator) -> AsyncIterator[Child]:
    """Begin to start Home Assistant; it is dead afterwards."""
    simulator.now = life.now
    pipe, childs = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=live, args=(life, childs))
    await asyncio.to_thread(process.start)
    childs.close()
    child = Child(process, pipe)
    try:
        yield child
    finally:
        await child.kill()
        pipe.close()


@asynccontextmanager
async def alive(life: Life, simulator: FlatPeakSimulator) -> AsyncIterator[Child]:
    """Start Home Assistant; it is dead afterwards."""
    async with born(life, simulator) as child:
        await child.up()
        yield child


def shown(life: Life, meter: str, key: str) -> dict[datetime, Decimal]:
    """Return the last value that a sensor showed for each period."""
    found: dict[datetime, Decimal] = {}
    for text in life.journal.read_text().splitlines():
        line = json.loads(text)
        if line["unique_id"] != f"{life.location}_{meter}_{key}":
            continue
        if line["state"] in ("unknown", "unavailable"):
            continue
        found[datetime.fromisoformat(line["last_reset"])] = Decimal(line["state"])
    return found
