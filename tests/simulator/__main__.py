"""Run the simulator: `python -m tests.simulator [--port N] [--tariff dynamic] …`."""

from argparse import ArgumentParser, Namespace
import asyncio
import contextlib
from pathlib import Path
import signal
import sys
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .server import FlatPeakSimulator
from .state import load, save
from .switches import DEFAULT, Switches
from .tariff import TARIFFS

DEMO_ACCOUNT = "acc_demo00000000000000000000"
DEMO_KEY = "sk_live_demo_not_a_real_key"
DEMO_LOCATION = "loc_demo00000000000000000000"
SAVE_SECONDS = 5


def _arguments() -> Namespace:
    parser = ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 for any free one")
    parser.add_argument("--account", default=DEMO_ACCOUNT)
    parser.add_argument("--key", default=DEMO_KEY)
    parser.add_argument("--location", default=DEMO_LOCATION)
    parser.add_argument("--timezone", type=_zone, default="Europe/London")
    parser.add_argument("--currency", default="GBP")
    parser.add_argument("--tariff", choices=TARIFFS, default="dynamic")
    parser.add_argument(
        "--switches",
        type=_switches,
        default=DEFAULT,
        metavar="NAME=VALUE,…",
        help="behaviour that the documentation leaves open, see README.md",
    )
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="keep devices and records here"
    )
    return parser.parse_args()


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except ZoneInfoNotFoundError as error:
        raise ValueError(name) from error
    return name


def _switches(text: str) -> Switches:
    pairs = dict(pair.split("=", 1) for pair in text.split(",") if pair)
    return DEFAULT.but(dict(pairs))


async def _serve(arguments: Namespace) -> None:
    simulator = FlatPeakSimulator(port=arguments.port, switches=arguments.switches)
    simulator.add_account(arguments.account, arguments.key)
    simulator.add_location(
        arguments.account,
        location_id=arguments.location,
        reference_id="Demo house",
        timezone=arguments.timezone,
        currency=arguments.currency,
        tariff=arguments.tariff,
    )
    if arguments.state and arguments.state.exists():
        load(simulator, arguments.state)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with simulator:
        lines = {
            "url": simulator.url,
            "account_id": arguments.account,
            "api_key": arguments.key,
            "location_id": arguments.location,
        }
        text = "".join(f"{name}={value}\n" for name, value in lines.items())
        sys.stdout.write(text)
        sys.stdout.flush()
        await _keep(simulator, arguments.state, stopped)


async def _keep(
    simulator: FlatPeakSimulator, path: Path | None, stopped: asyncio.Event
) -> None:
    """Write the state now and then, and at the end."""
    saved = None
    while not stopped.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), SAVE_SECONDS if path else None)
        ledger = simulator.ledger
        stored = len(ledger.devices), len(ledger.submissions)
        if path and stored != saved:
            save(simulator, path)
            saved = stored


def main() -> int:
    """Serve until interrupted; 1 if the port is taken."""
    try:
        asyncio.run(_serve(_arguments()))
    except OSError as error:
        sys.stderr.write(f"Cannot listen: {error.strerror}\n")
        return 1
    return 0


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
