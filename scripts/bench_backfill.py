"""Measure the fetching of the past: requests, memory, the event loop, and time.

A Home Assistant core with a real recorder, whose hourly statistics are imported; the
simulator runs in a process of its own. The 2 seconds between requests are left out.
"""

from argparse import ArgumentParser, Namespace
import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
import gc
import logging
import os
from pathlib import Path
import sys
from tempfile import TemporaryDirectory
from threading import Event, Thread
import time
from types import SimpleNamespace
from typing import Any, Self
from unittest.mock import patch

import aiohttp
import psutil  # type: ignore[import-untyped]

# First of all that is Home Assistant's, as in tests/lifetime.py.
from pytest_homeassistant_custom_component import plugins  # isort: split

from homeassistant.core import CoreState, HomeAssistant
from homeassistant.helpers import aiohttp_client, recorder as recorder_helper
from homeassistant.loader import DATA_CUSTOM_COMPONENTS
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_test_home_assistant,
)
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_recorder_block_till_done,
)
import pytest_socket

from custom_components.flatpeak import account
from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.coordinator import FlatPeakCoordinator
from custom_components.flatpeak.history import LONGEST_RANGE
from custom_components.flatpeak.meters import new_meter
from tests.history import import_past
from tests.home import ENERGY

SOURCES = {
    "sensor.grid_import": ("import", "grid"),
    "sensor.grid_export": ("export", "grid"),
    "sensor.heat_pump": ("import", "device"),
    "sensor.car": ("import", "device"),
    "sensor.washer": ("import", "device"),
    "sensor.fridge": ("import", "device"),
}
BEAT = 0.001  # seconds
LONGEST_BLOCK = 20  # milliseconds
MOST_MEMORY = 200  # MB
UPLOAD, REPORT = "/meters/interval", "/costs/interval/"
MS, MB = 1000, 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A time in which the event loop was late, in milliseconds, during a step."""

    own: float  # that this process computed
    late: float
    step: str


@dataclass(slots=True)
class Heart:
    """How late the event loop was.

    Python's garbage collection, which stops everything for as long as there are objects
    in all of Home Assistant, is done between the steps and measured apart.
    """

    step: str = ""
    blocks: list[Block] = field(default_factory=list)
    collections: list[float] = field(default_factory=list)

    async def beat(self) -> None:
        """Note each time that the event loop was late."""
        while True:
            due, computed = time.perf_counter() + BEAT, time.process_time()
            step = self.step
            await asyncio.sleep(BEAT)
            late = time.perf_counter() - due
            if late > BEAT and self.step == step != "garbage":
                # A busy machine lets a process wait: that is nobody's block.
                own = min(late, time.process_time() - computed)
                self.blocks.append(Block(own=own * MS, late=late * MS, step=step))

    async def rest(self) -> None:
        """Collect garbage while nobody listens."""
        self.step = "garbage"
        await asyncio.sleep(2 * BEAT)
        began = time.perf_counter()
        gc.collect()
        self.collections.append((time.perf_counter() - began) * MS)
        await asyncio.sleep(2 * BEAT)


class Scale:
    """The memory of this process, weighed by a thread."""

    def __init__(self) -> None:
        """Weigh it now."""
        self._process = psutil.Process()
        gc.collect()
        self.before = self.peak = self._process.memory_info().rss
        self._stop = Event()
        self._thread = Thread(target=self._weigh)

    def _weigh(self) -> None:
        while not self._stop.wait(0.02):
            self.peak = max(self.peak, self._process.memory_info().rss)

    def __enter__(self) -> Self:
        """Begin to weigh."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        self._thread.join()
        self.after = self._process.memory_info().rss


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One request as it went out."""

    method: str
    url: str
    query: dict[str, str]
    headers: dict[str, str]
    data: bytes | None


class Recorder:
    """A session that notes what is sent through it."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        """Wrap a session."""
        self._session = session
        self.sent: list[Sent] = []

    def request(self, method: str, url: Any, **options: Any) -> Any:
        """Note a request, and send it."""
        data = options.get("data")
        self.sent.append(
            Sent(
                method=method,
                url=str(url),
                query=dict(options.get("params") or {}),
                headers=dict(options["headers"]),
                data=None if data is None else data.getvalue(),
            )
        )
        return self._session.request(method, url, **options)


@asynccontextmanager
async def simulator() -> AsyncIterator[SimpleNamespace]:
    """Run the simulator in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.simulator", "--timezone", "UTC"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout  # noqa: S101
    lines = [(await process.stdout.readline()).decode().strip() for _ in range(4)]
    try:
        yield SimpleNamespace(**dict(line.split("=", 1) for line in lines))
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def home_assistant(folder: str) -> AsyncIterator[HomeAssistant]:
    """Run a core with a recorder."""
    resolver = aiohttp.ThreadedResolver()
    resolver.real_close = resolver.close  # type: ignore[attr-defined]
    with patch.object(aiohttp_client, "_async_make_resolver", return_value=resolver):
        async with async_test_home_assistant(
            config_dir=folder, initial_state=CoreState.running
        ) as hass:
            hass.data.pop(DATA_CUSTOM_COMPONENTS)
            await hass.config.async_set_time_zone("UTC")
            recorder_helper.async_initialize_recorder(hass)
            database = {"db_url": f"sqlite:///{folder}/home-assistant_v2.db"}
            assert await async_setup_component(hass, "recorder", {"recorder": database})  # noqa: S101
            assert await async_setup_component(hass, "sensor", {})  # noqa: S101
            yield hass
            await hass.async_stop(force=True)


def describe(
    hass: HomeAssistant, flatpeak: SimpleNamespace, count: int
) -> MockConfigEntry:
    """Return an entry with meters."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Home",
        unique_id=flatpeak.location_id,
        data={
            "account_id": flatpeak.account_id,
            "api_key": flatpeak.api_key,
            "base_url": flatpeak.url,
            "location_id": flatpeak.location_id,
        },
        options={"window": 30, "include_carbon": True},
        subentries_data=[
            new_meter(
                flatpeak.location_id,
                source,
                registry_id=None,
                title=source,
                direction=direction,
                kind=kind,
            )
            for source, (direction, kind) in list(SOURCES.items())[:count]
        ],
    )
    entry.add_to_hass(hass)
    return entry


async def fetch(
    coordinator: FlatPeakCoordinator, heart: Heart
) -> tuple[float, float, float]:
    """Do all steps, and return the seconds that they take.

    They are those of asking and booking, of waiting for batches, and of writing the
    statistics.
    """
    worked = waited = wrote = 0.0
    backfill = coordinator.backfill
    while True:
        await heart.rest()
        heart.step = stage(coordinator)
        began = time.perf_counter()
        before = backfill.job
        wait = await backfill.async_step()
        if backfill.job is not before:
            coordinator._publish()  # noqa: SLF001
            await asyncio.sleep(0)
        took = time.perf_counter() - began
        if heart.step == "statistics":
            wrote += took
        else:
            worked += took
        if wait is None:
            return worked, waited, wrote
        # What was told to wait: a batch that is still worked off.
        dues = map(backfill._turns.due, backfill.job.parts)  # noqa: SLF001
        turns = [due for due in dues if due]
        now = dt_util.utcnow()
        if turns and min(turns) > now:
            began = time.perf_counter()
            await asyncio.sleep((min(turns) - now).total_seconds())
            waited += time.perf_counter() - began


def stage(coordinator: FlatPeakCoordinator) -> str:
    """Name the next step."""
    parts = coordinator.backfill.job.parts.values()
    part = next((part for part in parts if not part.is_done), None)
    if part is None:
        return "end"
    if part.end is None:
        return "freeze"
    if part.is_booked:
        return "statistics"
    if part.batch is not None:
        return "costs" if part.followed else "follow"
    return "look" if part.to_look else "send"


async def stop(task: asyncio.Task[None]) -> None:
    """End a task."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def watch_a_start(hass: HomeAssistant, entry: MockConfigEntry) -> Heart:
    """Return how late the loop is while an entry starts, garbage and all."""
    heart = Heart(step="start")
    await hass.config_entries.async_unload(entry.entry_id)
    task = hass.loop.create_task(heart.beat())
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    await stop(task)
    return heart


async def replay(
    before: list[Sent], sent: list[Sent], flatpeak: SimpleNamespace, old: str
) -> float:
    """Send the same with bare aiohttp, and return the seconds it takes.

    What comes `before` is not counted.
    """
    took = 0.0
    token = ""
    async with aiohttp.ClientSession() as session:
        for number, one in enumerate((*before, *sent)):
            headers = dict(one.headers)
            if token and not headers["Authorization"].startswith("Basic"):
                headers["Authorization"] = f"Bearer {token}"
            url = one.url.replace(old, flatpeak.url)
            began = time.perf_counter()
            async with session.request(
                one.method, url, params=one.query, headers=headers, data=one.data
            ) as answer:
                await answer.read()
            if number >= len(before):
                took += time.perf_counter() - began
            if answer.status >= 400:  # noqa: PLR2004
                raise RuntimeError(f"{one.method} {url}: {answer.status}")
            if url.endswith("/login"):
                token = (await answer.json())["bearer_token"]
            if one.method == "PUT":
                await asyncio.sleep(0.5)  # it is worked off after 0.2 s
    return took


async def measure(arguments: Namespace) -> bool:
    """Do it, print what it took, and return whether that is little enough."""
    with TemporaryDirectory() as folder:
        (Path(folder) / ".storage").mkdir()
        async with simulator() as flatpeak, home_assistant(folder) as hass:
            midnight = datetime.now(UTC).replace(
                hour=0, minute=0, second=0, microsecond=0
            )
            start = midnight - timedelta(days=arguments.days)
            sources = list(SOURCES)[: arguments.meters]
            for source in sources:
                import_past(
                    hass,
                    source,
                    start - timedelta(hours=1),
                    midnight,
                    Decimal(9000),
                    pause=False,
                )
                hass.states.async_set(source, "9000", ENERGY)
            await async_recorder_block_till_done(hass)
            entry = describe(hass, flatpeak, arguments.meters)
            recorder = Recorder(aiohttp_client.async_get_clientsession(hass))
            with patch.object(account, "async_get_clientsession", lambda _: recorder):
                await hass.config_entries.async_setup(entry.entry_id)
            await hass.async_block_till_done(wait_background_tasks=True)
            coordinator: FlatPeakCoordinator = entry.runtime_data
            await coordinator._async_push()  # noqa: SLF001
            first = len(recorder.sent)
            gc.collect()
            heart = Heart()
            gc.disable()
            task = hass.loop.create_task(heart.beat())
            with Scale() as scale:
                await coordinator.backfill.async_begin(coordinator.meters, start)
                worked, waited, wrote = await fetch(coordinator, heart)
            await stop(task)
            gc.enable()
            again = len(recorder.sent)
            rows = {
                key: len(coordinator.ledger.book.between(key, start, midnight))
                for key in coordinator.meters
            }
            await coordinator.backfill.async_begin(coordinator.meters, start)
            await fetch(coordinator, heart)
            before, sent = recorder.sent[:first], recorder.sent[first:again]
            repeated = recorder.sent[again:]
            start_again = await watch_a_start(hass, entry)
        async with simulator() as fresh:
            # Ids of a simulator are the same each time for the same requests.
            bare = await replay(before, sent, fresh, flatpeak.url)
    return report(
        arguments,
        heart,
        start_again,
        scale,
        sent,
        repeated,
        rows,
        worked,
        waited,
        wrote,
        bare,
    )


def report(
    arguments: Namespace,
    heart: Heart,
    start_again: Heart,
    scale: Scale,
    sent: list[Sent],
    repeated: list[Sent],
    rows: dict[str, int],
    worked: float,
    waited: float,
    wrote: float,
    bare: float,
) -> bool:
    """Print the figures, and return whether they are good."""
    paths = Counter((one.method, one.url.split("/", 3)[3]) for one in sent)
    uploads = sum(n for (_, path), n in paths.items() if path == UPLOAD[1:])
    reports = sum(n for (_, path), n in paths.items() if path.startswith(REPORT[1:]))
    spans = -(-arguments.days // LONGEST_RANGE.days)
    streams = arguments.meters
    blocks = sorted(heart.blocks, key=lambda block: block.own, reverse=True)
    worst = blocks[0]
    growth = (scale.peak - scale.before) / MB
    kept = (scale.after - scale.before) / MB
    costs = spans * streams
    waits = max(one.late for one in blocks)
    starts = sorted(start_again.blocks, key=lambda block: block.own, reverse=True)
    figures = {
        "records": f"{sum(rows.values())} of {streams} meters",
        "upload requests per meter": f"{uploads / streams:g}",
        "report requests": f"{reports}: {costs} for costs, 1 per 90 days and stream;"
        f" {reports - costs} looks before sending, where others may have written",
        "requests in all": f"{len(sent)}, and {len(repeated)} when it is run again",
        "memory growth": f"{growth:.0f} MB at most, {kept:.0f} MB at the end",
        "longest block of the loop": f"{worst.own:.1f} ms ({worst.step}), then"
        f" {', '.join(f'{one.own:.1f} ({one.step})' for one in blocks[1:5])}",
        "  by the clock": f"{waits:.0f} ms, waiting for the processor included,"
        " without garbage collection",
        "  garbage collection": f"{max(heart.collections):.0f} ms by the clock for all"
        " objects of Home Assistant; the bench keeps it between the steps",
        "  at the next start": f"{starts[0].own:.1f} ms, {starts[0].late:.0f} by the"
        " clock, garbage collection included; the set-up of the entry is in it",
        "time without 2 s between": f"{worked:.1f} s to ask and book, {waited:.1f} s"
        f" until batches were worked off, {wrote:.1f} s to write the statistics",
        "by bare aiohttp": f"{bare:.1f} s: ratio {worked / bare:.2f}",
    }
    for name, figure in figures.items():
        print(f"{name:<26} {figure}")
    return (
        uploads == streams
        and growth < MOST_MEMORY
        and worst.own < LONGEST_BLOCK
        and not repeated
    )


def main() -> None:
    """Measure once; 1 if it takes too much."""
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)
    parser = ArgumentParser(prog="scripts/bench-backfill", description=__doc__)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--meters", type=int, default=6, choices=range(1, 7))
    arguments = parser.parse_args()
    plugins.pytest_runtest_setup()
    pytest_socket.enable_socket()
    logging.getLogger().setLevel(logging.WARNING)
    good = asyncio.run(measure(arguments))
    sys.stdout.flush()
    os._exit(0 if good else 1)


if __name__ == "__main__":
    main()
