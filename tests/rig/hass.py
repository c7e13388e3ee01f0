"""Home Assistant as it is, but on one address and port, and without mDNS.

hass.py PORT HASS-ARGUMENT...

Runs in the environment that Home Assistant is installed in.
"""

import json
import os
from pathlib import Path
import sys
from typing import override

from aiohttp import ThreadedResolver
from homeassistant.__main__ import main
from homeassistant.components.http import config as http
from homeassistant.const import RESTART_EXIT_CODE
from homeassistant.helpers import aiohttp_client
from PIL import Image, ImageDraw


class Resolver(ThreadedResolver):
    """A resolver that does not ask mDNS, which opens a port on every interface."""

    @override
    async def close(self) -> None:
        """Stay open: sessions share it."""

    async def real_close(self) -> None:
        """Do what Home Assistant asks for at its end."""


def write_store(path: Path, version: int, minor: int, data: object) -> None:
    """Write a file of Home Assistant's storage."""
    path.parent.mkdir(parents=True, exist_ok=True)
    store = {"version": version, "minor_version": minor, "key": path.name, "data": data}
    path.write_text(json.dumps(store), encoding="utf-8")


def prepare(folder: Path, port: int) -> None:
    """Write what no YAML can say.

    An `http:` section is only imported on trial: unless someone confirms it, Home
    Assistant ends after five minutes, to go back to every interface and port 8123.
    """
    address = {"server_host": ["127.0.0.1"], "server_port": port}
    stable = {
        **http.HTTP_STORAGE_SCHEMA(address),
        "created_at": "2026-01-01T00:00:00+00:00",
        "error": None,
        "error_message": None,
    }
    write_store(
        folder / ".storage/http",
        http.STORAGE_VERSION,
        http.STORAGE_MINOR_VERSION,
        {"stable": stable, "pending": None, "yaml_migration_done": True},
    )
    # The core_config step would set up integrations that need the internet.
    onboarding = folder / ".storage/onboarding"
    if not onboarding.exists():
        write_store(onboarding, 4, 1, {"done": ["core_config"]})
    # Built-in icons come from the internet: show this instead.
    icon = folder / ".cache/brands/integrations/_placeholder/icon.png"
    if not icon.exists():
        icon.parent.mkdir(parents=True)
        image = Image.new("RGBA", (256, 256))
        shape = (16, 16, 240, 240)
        ImageDraw.Draw(image).rounded_rectangle(shape, 48, fill="#c8d0d6")
        image.save(icon)


def run(arguments: list[str]) -> int:
    """Run Home Assistant until it ends."""
    port, *rest = arguments
    prepare(Path(rest[rest.index("--config") + 1]), int(port))
    sys.argv[1:] = rest
    aiohttp_client._async_make_resolver = lambda _hass: Resolver()  # type: ignore[assignment,return-value]
    code = main()
    if code == RESTART_EXIT_CODE:  # What a supervisor would take care of.
        os.execv(sys.executable, [sys.executable, __file__, *arguments])  # noqa: S606
    return code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
