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
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp

from scripts.demo_cards import dashboard
from tests.rig.client import Client, CommandError
from tests.rig.process import (
    ROOT,
    HomeAssistant,
    Process,
    RigError,
    free_port,
    port_taken,
)

Json = dict[str, Any]

KEPT = ROOT / ".demo"
PORT = 8123
SIMULATOR_PORT = 8124
DOMAIN = "flatpeak"
HOUSE = "demo_house"
PATH = "energy-costs"
DEVICES = ("heat_pump", "ev_charger", "washing_machine")
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

    simulator_port: int
    timezone: str
    tariff: str


@dataclass(kw_only=True)
class Demo:
    """The two programs."""

    home: HomeAssistant
    simulator: Process
    api: Json


def arguments() -> Namespace:
    """Return what was asked for."""
    parser = ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("--port", type=int, help=f"of Home Assistant ({PORT})")
    parser.add_argument("--fresh", action="store_true", help="begin from nothing")
    parser.add_argument("--check", action="store_true", help="try it out and stop")
    parser.add_argument("--timezone", type=ZoneInfo, help="of the house")
    parser.add_argument("--tariff", default="dynamic", help="as the simulator has")
    return parser.parse_args()


def afternoon() -> str:
    """Return a time zone in which it is afternoon."""
    now = datetime.now(UTC)
    return min(
        CHECK_ZONES,
        key=lambda zone: abs(now.astimezone(ZoneInfo(zone)).hour - AFTERNOON),
    )


def settings(folder: Path, asked: Namespace) -> Settings:
    """Return the settings that a folder keeps, or new ones."""
    kept = folder / "demo.json"
    # Home Assistant remembers what the simulator must not have forgotten.
    if not asked.fresh and kept.exists() and (folder / "simulator.json").exists():
        return Settings(**json.loads(kept.read_text(encoding="utf-8")))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    new = Settings(
        simulator_port=free_port() if asked.check else SIMULATOR_PORT,
        timezone=str(
            asked.timezone or (afternoon() if asked.check else "Europe/London")
        ),
        tariff=asked.tariff,
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
    if port_taken(port):
        raise RigError(f"port {port} is taken: stop what uses it, or give --port N")
    chosen = settings(folder, asked)
    if port_taken(chosen.simulator_port):
        raise RigError(f"port {chosen.simulator_port} of the simulator is taken")
    simulator = Process(
        "The simulator",
        [
            *("-m", "tests.simulator", "--port", str(chosen.simulator_port)),
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
        demo = Demo(home=home, simulator=simulator, api=announced(simulator))
        await set_up(demo)
        yield demo
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


async def entities(ha: Client, platform: str) -> list[Json]:
    """Return an integration's enabled entities."""
    listed: list[Json] = await ha("config/entity_registry/list")
    return [
        entity
        for entity in listed
        if entity["platform"] == platform and entity["disabled_by"] is None
    ]


async def set_up(demo: Demo) -> None:
    """Set up the Energy dashboard, the integration and the cost dashboard."""
    async with demo.home.client() as ha:
        entries = await ha("config_entries/get", domain=DOMAIN)
        if not entries:
            house = {
                entity["unique_id"]: entity["entity_id"]
                for entity in await entities(ha, HOUSE)
            }
            await ha("energy/save_prefs", **energy_preferences(house))
            await ha.flow(DOMAIN, account(demo.api), meters(house))
            await ha(
                "lovelace/dashboards/create",
                url_path=PATH,
                title="Energy costs",
                icon="mdi:cash-clock",
            )
        await until_loaded(ha)
        listed = await ha("config/device_registry/list")
        config = dashboard(await entities(ha, DOMAIN), listed)
        await ha("lovelace/config/save", url_path=PATH, config=config)


def energy_preferences(house: dict[str, str]) -> Json:
    """Return what the Energy dashboard shall show."""
    return {
        "energy_sources": [
            {
                "type": "grid",
                "stat_energy_from": house["grid_import_energy"],
                "stat_energy_to": house["grid_export_energy"],
                "cost_adjustment_day": 0,
            },
            {"type": "solar", "stat_energy_from": house["solar_energy"]},
        ],
        "device_consumption": [
            {"stat_consumption": house[f"{device}_energy"]} for device in DEVICES
        ],
    }


def account(api: Json) -> Json:
    """Return what a person enters in the first form."""
    return {
        "account_id": api["account_id"],
        "api_key": api["api_key"],
        "advanced": {"base_url": api["url"]},
    }


def meters(house: dict[str, str]) -> Json:
    """Return what a person chooses in the last form."""
    return {
        "import_meters": [house["grid_import_energy"]],
        "export_meters": [house["grid_export_energy"]],
        "device_meters": [house[f"{device}_energy"] for device in DEVICES],
    }


async def until_loaded(ha: Client) -> None:
    """Wait until the integration runs.

    Raises:
        CommandError: It does not.
    """
    for _ in range(300):
        (entry,) = await ha("config_entries/get", domain=DOMAIN)
        if entry["state"] == "loaded":
            return
        await asyncio.sleep(0.1)
    raise CommandError(f"{DOMAIN} is {entry['state']}: {entry['reason']}")


async def values(ha: Client) -> list[tuple[str, str, str]]:
    """Return name, state and unit of each enabled sensor of the integration."""
    ours = {entity["entity_id"] for entity in await entities(ha, DOMAIN)}
    states = await ha("get_states")
    shown = [state for state in states if state["entity_id"] in ours]
    missing = ours - {state["entity_id"] for state in shown}
    return sorted(
        [
            *((entity_id, "unknown", "") for entity_id in missing),
            *(
                (
                    state["attributes"].get("friendly_name", state["entity_id"]),
                    state["state"],
                    state["attributes"].get("unit_of_measurement", ""),
                )
                for state in shown
                if state["entity_id"].startswith("sensor.")
            ),
        ]
    )


def table(rows: list[tuple[str, str, str]]) -> str:
    """Return rows in columns."""
    width = max(len(row[0]) for row in rows)
    return "\n".join(
        f"{name:{width}}  {state:>26}  {unit}" for name, state, unit in rows
    )


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


async def until_valued(demo: Demo) -> list[tuple[str, str, str]]:
    """Return the sensors as soon as all have a value, or as they are in the end."""
    end = time.monotonic() + CHECK_SECONDS
    while True:
        async with demo.home.client() as ha:
            rows = await values(ha)
        waiting = sum(state in WITHOUT_VALUE for _, state, _ in rows)
        if (rows and not waiting) or time.monotonic() > end:
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
