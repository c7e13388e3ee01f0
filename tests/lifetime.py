"""A Home Assistant of its own: it lives, dies and comes back where the meters are.

Home Assistant's own bootstrap starts it, from a configuration folder with a database,
a journal, a book and a config entry that earlier lives have left there. Only the web
page and the helpers that Home Assistant loads without being told are left out, and its
clock stands still until the process moves it.

`live` is what the process runs, and `lives.py` starts it. Its orders are instants until
which it lives, or None to shut down properly. It tells `UP` when it has started, the
end of each slot that it has lived, and `DONE`. What the sensors show is appended to a
file, line by line.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
import json
import logging
from multiprocessing.connection import Connection
import os
from pathlib import Path
import sys
from typing import Any, override
from unittest.mock import patch

import aiohttp
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory

# First of all that is Home Assistant's: it prepares the modules for a stopped clock.
from pytest_homeassistant_custom_component import plugins  # isort: split

from homeassistant import bootstrap, loader
from homeassistant.const import EVENT_STATE_CHANGED, STATE_UNAVAILABLE
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers import aiohttp_client, entity_registry as er
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_recorder_block_till_done,
)
import pytest_socket

from .home import ENERGY, SLOT, Home

GRID, SOLD, WASHER = "sensor.grid_import", "sensor.grid_export", "sensor.washer"
METERS = {
    GRID: ("import", "grid"),
    SOLD: ("export", "grid"),
    WASHER: ("import", "device"),
}
T1, T2, ROOF, PUMP = "sensor.t1", "sensor.t2", "sensor.roof", "sensor.pump"
TWO_REGISTERS = {
    T1: ("import", "grid"),
    T2: ("import", "grid"),
    ROOF: ("export", "grid"),
    PUMP: ("import", "device"),
}
STEADY = (3, 4, 5, 9, 10, 11)  # hours of UTC in which a house of two registers is even
_LOGGER = logging.getLogger(__name__)

ENTRY_ID = "lifetime"
UP, DONE = "up", "done"
FIRST = Decimal(1000)  # kWh: where the registers stand at the beginning


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One start of the process.

    Attributes:
        folder: Configuration folder, which outlives the process.
        url: The simulator's address.
        location: The location's id.
        zone: Home Assistant's time zone.
        begin: When the registers began to count.
        now: When the process starts.
        window: Minutes of a window.
        meters: Direction and kind of each source.
        keep_days: How long the recorder keeps details.
    """

    folder: str
    url: str
    location: str
    zone: str
    begin: datetime
    now: datetime
    window: int = 30
    meters: Mapping[str, tuple[str, str]] = field(default_factory=METERS.copy)
    keep_days: int = 10

    @property
    def storage(self) -> Path:
        """Return the folder of Home Assistant's files, and of the books."""
        return Path(self.folder) / ".storage"

    @property
    def database(self) -> Path:
        """Return the recorder's file."""
        return Path(self.folder) / "home-assistant_v2.db"

    @property
    def journal(self) -> Path:
        """Return the file of what the sensors showed."""
        return Path(self.folder) / "shown.jsonl"

    @property
    def log(self) -> Path:
        """Return Home Assistant's log, of all lives."""
        return Path(self.folder) / "stderr.log"


def used(source: str, slot: int) -> int:
    """Return the energy (mWh) of a slot, by its number since 1970."""
    match source:
        case "sensor.grid_import":
            return 2_000 + slot * 7919 % 180_011
        case "sensor.grid_export":
            return max(0, slot * 6007 % 90_007 - 30_000)
        case "sensor.t1":
            return _household(slot) if is_day(slot) else 0
        case "sensor.t2":
            return 0 if is_day(slot) else _household(slot)
        case "sensor.roof":
            return _household(slot + 5) // 2 if slot // 12 % 24 in range(7, 15) else 0
        case "sensor.pump":
            return _household(slot + 9) // 3
        case _:
            return slot * 4513 % 70_001 if slot // 30 % 3 else 0


def is_day(slot: int) -> bool:
    """Return whether T1 counts: from 7:30 to 23:30 in Berlin, in winter."""
    return 13 <= slot // 6 % 48 < 45


def _household(slot: int) -> int:
    """Return what a house of two registers uses in a slot."""
    steady = slot // 12 % 24 in STEADY
    return 81_234 if steady else 2_000 + slot * 7919 % 180_011


def register(source: str, begin: datetime, start: datetime) -> Decimal:
    """Return where a register (kWh) stands at the end of the slot from `start`."""
    slots = (int(time.timestamp()) // 300 for time in (begin, start))
    total = sum(used(source, slot) for slot in range(next(slots), next(slots) + 1))
    return FIRST + Decimal(total) / 1_000_000


class _Remote:
    """The simulator of another process, as far as a home needs it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = dt_util.utcnow


class _Home(Home):
    """A home whose sensors follow their registers and whose FlatPeak is elsewhere."""

    def __init__(
        self,
        hass: HomeAssistant,
        freezer: FrozenDateTimeFactory,
        life: Life,
        parent: Connection,
    ) -> None:
        super().__init__(hass, _Remote(life.url), freezer)  # type: ignore[arg-type]
        self._begin = life.begin
        self._parent = parent
        self._log = life.journal.open("a")
        self.registers = dict.fromkeys(life.meters, Decimal(0))
        hass.bus.async_listen(EVENT_STATE_CHANGED, self._note)

    def usage(self, start: datetime) -> dict[str, Any]:
        """Return what brings the registers to where they are in a slot."""
        return {
            source: register(source, self._begin, start) - before
            for source, before in self.registers.items()
        }

    @override
    async def go_to(self, time: datetime) -> None:
        """Take the simulator along, if it can be reached."""
        session = aiohttp_client.async_get_clientsession(self.hass)
        url = f"{self.simulator.url}/_simulator/clock"
        try:
            async with session.put(url, json={"now": time.isoformat()}) as answer:
                await answer.read()
        except aiohttp.ClientConnectionError:
            pass
        await super().go_to(time)

    @override
    async def live_slot(self, start: datetime, used: Any) -> None:
        """Say that the slot was lived."""
        await super().live_slot(start, used)
        self._parent.send(start + SLOT)

    @callback
    def _note(self, event: Event[EventStateChangedData]) -> None:
        """Write down what a sensor shows."""
        state = event.data["new_state"]
        entry = er.async_get(self.hass).async_get(event.data["entity_id"])
        if state is None or entry is None:
            return
        reset = state.attributes.get("last_reset")
        line = {
            "time": dt_util.utcnow().isoformat(),
            "unique_id": entry.unique_id,
            "state": state.state,
            "last_reset": reset,
        }
        self._log.write(json.dumps(line, default=str) + "\n")
        self._log.flush()


async def _started(life: Life) -> HomeAssistant:
    """Return a Home Assistant that its own bootstrap has set up."""
    hass = HomeAssistant(life.folder)
    loader.async_setup(hass)
    hass.config.skip_pip = True
    for source in life.meters:
        hass.states.async_set(source, STATE_UNAVAILABLE, ENERGY)
    config = {
        "homeassistant": {"time_zone": life.zone},
        "recorder": {
            "db_url": f"sqlite:///{life.database}",
            "include": {"entities": list(life.meters)},
            "purge_keep_days": life.keep_days,
        },
    }
    with patch.object(bootstrap, "DEFAULT_INTEGRATIONS", set()):
        assert await bootstrap.async_from_config_dict(config, hass)
    return hass


async def _live(life: Life, freezer: FrozenDateTimeFactory, parent: Connection) -> None:
    """Start Home Assistant and do what the parent says."""
    resolver = aiohttp.ThreadedResolver()
    resolver.real_close = resolver.close  # type: ignore[attr-defined]
    with patch.object(aiohttp_client, "_async_make_resolver", return_value=resolver):
        hass = await _started(life)
        home = _Home(hass, freezer, life, parent)
        if hass.config_entries.async_get_entry(ENTRY_ID) is None:
            entry = home.new_entry(
                life.location, life.meters, entry_id=ENTRY_ID, window=life.window
            )
            await hass.config_entries.async_add(entry)
        # The recorder now compiles what it missed, from readings of before.
        await hass.async_start()
        await async_recorder_block_till_done(hass)
        await hass.async_block_till_done(wait_background_tasks=True)
        parent.send(UP)
        loop = asyncio.get_running_loop()
        while until := await loop.run_in_executor(None, parent.recv):
            await home.live(until, home.usage)
            parent.send(DONE)
        await hass.async_stop(force=True)


def live(life: Life, parent: Connection) -> None:
    """Live one life."""
    with life.log.open("ab") as errors:
        os.dup2(errors.fileno(), sys.stderr.fileno())
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)
    life.storage.mkdir(exist_ok=True)
    plugins.pytest_runtest_setup()
    pytest_socket.enable_socket()
    with freeze_time(life.now.astimezone(UTC)) as freezer:
        assert isinstance(freezer, FrozenDateTimeFactory)
        try:
            asyncio.run(_live(life, freezer, parent))
        except Exception:
            _LOGGER.exception("This life went wrong")
            os._exit(1)  # the recorder's thread would keep it from ending
