"""Run the simulator and a Home Assistant with a living house; see scripts/demo."""

from argparse import ArgumentParser, Namespace
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
import json
from pathlib import Path
import shutil
import signal
import sys
import tempfile
import time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import aiohttp

from scripts.demo_setup import DOMAIN, HOUSE, PATH, Json, set_up, table, values
from tests.rig.client import CommandError
from tests.rig.process import (
    ROOT,
    HomeAssistant,
    Process,
    RigError,
    free_port,
    port_taken,
)
from tests.simulator.tariff import TARIFFS

KEPT = ROOT / ".demo"
PORT = 8123
SIMULATOR_PORT = 8124
WITHOUT_VALUE = ("unknown", "unavailable")
CHECK_SECONDS = 12 * 60
# One of them has its afternoon: the house has given to the grid today.
CHECK_ZONES = (
    "Pacific/Honolulu",
    "America/Los_Angeles",
    "America/Chicago",
    "America/Sao_Paulo",
    "Europe/London",
    "Europe/Helsinki",
    "Asia/Karachi",
    "Asia/Bangkok",
    "Asia/Tokyo",
    "Pacific/Auckland",
)
AFTERNOON = 15
# Whoever is on this machine is the demo's only user.
AUTH = [
    {
        "type": "trusted_networks",
        "trusted_networks": ["127.0.0.1"],
        "allow_bypass_login": True,
    },
    {"type": "homeassistant"},
]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a demo was first started with, and keeps."""

    timezone: str
    tariff: str


@dataclass(kw_only=True)
class Demo:
    """The two programs."""

    home: HomeAssistant
    simulator: Process


def arguments() -> Namespace:
    """Return what was asked for."""
    parser = ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("--port", type=int, help=f"of Home Assistant ({PORT})")
    parser.add_argument("--fresh", action="store_true", help="begin from nothing")
    parser.add_argument("--check", action="store_true", help="try it out and stop")
    parser.add_argument("--timezone", type=zone, help="of the house")
    parser.add_argument("--tariff", choices=TARIFFS, help="of the house")
    return parser.parse_args()


def zone(name: str) -> str:
    """Return the name of a time zone that exists.

    Raises:
        ValueError: It does not.
    """
    try:
        return ZoneInfo(name).key
    except ZoneInfoNotFoundError as error:
        raise ValueError(name) from error


def afternoon() -> str:
    """Return a time zone in which it is afternoon."""
    now = datetime.now(UTC)
    return min(
        CHECK_ZONES,
        key=lambda name: abs(now.astimezone(ZoneInfo(name)).hour - AFTERNOON),
    )


def settings(folder: Path, asked: Namespace) -> Settings:
    """Return the settings that a folder keeps, or new ones.

    Raises:
        RigError: Others are asked for.
    """
    kept = folder / "demo.json"
    # Home Assistant remembers what the simulator must not have forgotten.
    if not asked.fresh and kept.exists() and (folder / "simulator.json").exists():
        if asked.timezone or asked.tariff:
            raise RigError("Another --timezone or --tariff needs --fresh.")
        return Settings(**json.loads(kept.read_text(encoding="utf-8")))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    new = Settings(
        timezone=asked.timezone or (afternoon() if asked.check else "Europe/London"),
        tariff=asked.tariff or "dynamic",
    )
    kept.write_text(json.dumps(vars(new)), encoding="utf-8")
    return new


@asynccontextmanager
async def running(folder: Path, asked: Namespace) -> AsyncIterator[Demo]:
    """Start both programs, set them up if they are new, and stop them.

    Raises:
        RigError: A port is taken, or one does not start.
        CommandError: Home Assistant refuses the set-up.
    """
    port = asked.port or (free_port() if asked.check else PORT)
    simulator_port = free_port() if asked.check else SIMULATOR_PORT
    if port_taken(port):
        raise RigError(f"Port {port} is taken: stop what uses it, or give --port N.")
    if port_taken(simulator_port):
        raise RigError(f"Port {simulator_port} is taken: does a demo run already?")
    chosen = settings(folder, asked)
    simulator = Process(
        "The simulator",
        [
            *("-m", "tests.simulator", "--port", str(simulator_port)),
            *("--timezone", chosen.timezone, "--tariff", chosen.tariff),
            *("--state", folder / "simulator.json"),
        ],
        folder / "simulator.log",
    )
    home = HomeAssistant(
        folder=folder / "home",
        port=port,
        components=[
            ROOT / "custom_components/flatpeak",
            ROOT / "scripts/demo_house",
        ],
        core={"time_zone": chosen.timezone, "auth_providers": AUTH},
        yaml=f"{HOUSE}:\n",
        user="demo",
        password="demo",  # noqa: S106  # It is printed.
    )
    try:
        simulator.launch()
        await simulator.until("listening", lambda: listening(simulator), 30)
        await home.start()
        async with home.client() as ha:
            await set_up(ha, announced(simulator))
        yield Demo(home=home, simulator=simulator)
    finally:
        await home.stop()
        await simulator.stop()


def announced(simulator: Process) -> Json:
    """Return the address and credentials that the simulator printed."""
    lines = simulator.log.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


async def listening(simulator: Process) -> bool:
    """Return whether the simulator answers."""
    if "location_id" not in (api := announced(simulator)):
        return False
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{api['url']}/_simulator/state") as answer,
    ):
        return answer.ok


async def check(asked: Namespace) -> int:
    """Wait until every sensor has a value and print them; return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder), asked) as demo:
            rows = await until_valued(demo)
            await demo.home.stop()
            problems = demo.home.problems(DOMAIN)
    print(table(rows) if rows else "There is no sensor.")
    empty = [name for name, state, _ in rows if state in WITHOUT_VALUE]
    if empty:
        print("Without a value:", *empty, sep="\n  ")
    if problems:
        print("In the log:", *problems, sep="\n  ")
    if empty or problems or not rows:
        return 1
    print(f"All {len(rows)} sensors have a value, and the log is clean.")
    return 0


def is_settled(rows: list[tuple[str, str, str]]) -> bool:
    """Return whether all sensors have values, and the past has come."""
    return all(
        state not in WITHOUT_VALUE
        and (not name.endswith("History fetched") or state == "100")
        for name, state, _ in rows
    )


async def until_valued(demo: Demo) -> list[tuple[str, str, str]]:
    """Return the sensors as soon as all have a value, or as they are in the end."""
    end = time.monotonic() + CHECK_SECONDS
    while True:
        async with demo.home.client() as ha:
            rows = await values(ha)
        if (rows and is_settled(rows)) or time.monotonic() > end:
            return rows
        if not (demo.home.process.running and demo.simulator.running):
            raise RigError("a program has ended by itself")
        await asyncio.sleep(5)


async def show(asked: Namespace) -> int:
    """Run until somebody ends it."""
    begun = time.monotonic()
    print("Starting ...", flush=True)
    async with running(KEPT, asked) as demo:
        print(
            f"Ready after {time.monotonic() - begun:.0f} s.\n\n"
            f"  {demo.home.url}/{PATH}    logs in by itself\n"
            "  user demo, password demo    where it asks\n\n"
            "The first costs appear within five minutes.  Ctrl-C ends it; the next "
            "start goes on from there.",
            flush=True,
        )
        await asyncio.gather(demo.home.process.ended(), demo.simulator.ended())
    return 0


async def main() -> int:
    """Do what was asked for, and say what went wrong."""
    asked = arguments()
    if (task := asyncio.current_task()) is None:
        raise RuntimeError("main runs as a task")
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await (check(asked) if asked.check else show(asked))
    except (CommandError, RigError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(asyncio.run(main()))
