"""Home Assistant and other Python programs as child processes."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
import json
import math
import os
from pathlib import Path
import re
import shutil
import signal
import socket
import subprocess
import time
from types import TracebackType
from typing import Any, Self

import aiohttp

from .client import Client, onboard

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv/ha/bin/python"
CORE = {
    "name": "Home",
    "latitude": 51.5,
    "longitude": -0.12,
    "elevation": 10,
    "unit_system": "metric",
    "time_zone": "Europe/London",
    "currency": "GBP",
    "country": "GB",
}
CONFIGURATION = """
frontend:
energy:
logbook:
my:
recorder:
  commit_interval: 1
logger:
  default: warning
"""
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d [\d:.]+ (?P<level>[A-Z]+) ")
START_SECONDS = 240
STOP_SECONDS = 30


class RigError(Exception):
    """A process did not do what it was started for."""


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def port_taken(port: int) -> bool:
    """Return whether somebody listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


class Process:
    """A child process of Python that ends with us; its output goes to a file."""

    def __init__(self, name: str, arguments: Sequence[str | Path], log: Path) -> None:
        """Say what to run; the log begins anew."""
        self.name = name
        self.log = log
        self._command = [PYTHON, Path(__file__).with_name("child.py"), *arguments]
        self._child: subprocess.Popen[bytes] | None = None
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")

    @property
    def running(self) -> bool:
        """Return whether it was started and has not ended."""
        return self._child is not None and self._child.poll() is None

    def launch(self) -> None:
        """Start it, in a session of its own so that a Ctrl-C is ours alone."""
        # Compiled modules make every start but the first more than twice as fast.
        unwanted = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "VIRTUAL_ENV")
        environment = {k: v for k, v in os.environ.items() if k not in unwanted}
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(  # noqa: S603  # Our own words.
                self._command,
                cwd=ROOT,
                env=environment | {"PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    async def until(
        self, what: str, check: Callable[[], Awaitable[bool]], seconds: float
    ) -> None:
        """Wait until a check holds.

        Raises:
            RigError: The process ended, or the time is over.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._child is None or (code := self._child.poll()) is not None:
                raise RigError(f"{self.name} ended ({code}): see {self.log}\n{self}")
            with suppress(aiohttp.ClientError, OSError):
                if await check():
                    return
            await asyncio.sleep(0.1)
        raise RigError(f"{self.name}: not {what} after {seconds:.0f} s: see {self.log}")

    async def ended(self) -> None:
        """Wait for an end that nobody asked for.

        Raises:
            RigError: It has ended.
        """

        async def never() -> bool:
            return False

        await self.until("ended", never, math.inf)

    def __str__(self) -> str:
        """Return the end of its output."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-15:])

    async def stop(self) -> None:
        """End it in order, and by force if it does not end."""
        if (child := self._child) is None:
            return
        self._child = None
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(child.wait, STOP_SECONDS)
        child.kill()
        child.wait()

    def kill(self) -> None:
        """End it at this instant, as a power cut would."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None


@dataclass(kw_only=True)
class HomeAssistant:
    """One Home Assistant with its own folder, which is kept between starts.

    async with HomeAssistant(folder=path, components=[...]) as home:
        async with home.client() as ha: ...
    """

    folder: Path
    port: int = field(default_factory=free_port)
    components: Sequence[Path] = ()
    core: dict[str, Any] = field(default_factory=dict)
    yaml: str = ""
    user: str = "rig"
    password: str = "rig"

    def __post_init__(self) -> None:
        """Name its files."""
        self._token_file = self.folder / "token"
        script = Path(__file__).with_name("hass.py")
        self.process = Process(
            "Home Assistant",
            [script, str(self.port), "--config", self.folder],
            self.folder / "output.log",
        )

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        """Return a long-lived access token of its owner."""
        return self._token_file.read_text(encoding="utf-8")

    def client(self) -> Client:
        """Return a connection to enter."""
        return Client(self.url, self.token)

    async def __aenter__(self) -> Self:
        """Start it."""
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        await self.stop()

    async def start(self) -> None:
        """Start it, create its owner the first time, and wait until it is running.

        Raises:
            RigError: It does not start, or only in recovery mode.
        """
        if port_taken(self.port):
            raise RigError(f"port {self.port} is taken by another program")
        self._configure()
        self.process.launch()
        await self.process.until("listening", self._listening, START_SECONDS)
        if not self._token_file.exists():
            token = await onboard(self.url, self.user, self.password)
            self._token_file.write_text(token, encoding="utf-8")
        await self.process.until("running", self._running, START_SECONDS)

    async def stop(self) -> None:
        """Stop it in order."""
        await self.process.stop()

    def kill(self) -> None:
        """Stop it as a power cut would."""
        self.process.kill()

    def problems(self, about: str = "") -> list[str]:
        """Return the log's warnings and errors since the object was made.

        Only those that name `about`; the notice that every custom integration gets
        is left out.
        """
        found: list[str] = []
        relevant = False
        for line in self.process.log.read_text(encoding="utf-8").splitlines():
            if match := LOG_LINE.match(line):
                relevant = match["level"] in ("WARNING", "ERROR", "CRITICAL")
                if relevant:
                    found.append(line)
            elif relevant:
                found[-1] += f"\n{line}"
        notice = "has not been tested by Home Assistant"
        return [text for text in found if about in text and notice not in text]

    def _configure(self) -> None:
        """Write the configuration and take copies of the custom integrations."""
        self.folder.mkdir(parents=True, exist_ok=True)
        core = (f"  {key}: {json.dumps(v)}\n" for key, v in (CORE | self.core).items())
        text = f"homeassistant:\n{''.join(core)}{CONFIGURATION}{self.yaml}"
        (self.folder / "configuration.yaml").write_text(text, encoding="utf-8")
        target = self.folder / "custom_components"
        shutil.rmtree(target, ignore_errors=True)
        for source in self.components:
            shutil.copytree(
                source,
                target / source.name,
                ignore=shutil.ignore_patterns("__pycache__"),
            )

    async def _listening(self) -> bool:
        """Return whether the frontend is served."""
        async with (
            aiohttp.ClientSession(self.url) as session,
            session.get("/manifest.json") as answer,
        ):
            return answer.ok

    async def _running(self) -> bool:
        """Return whether the start is over."""
        async with self.client() as ha:
            config = await ha("get_config")
        if config["recovery_mode"]:
            raise RigError(f"Home Assistant is in recovery mode: see {self.folder}")
        return bool(config["state"] == "RUNNING")
