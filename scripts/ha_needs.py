"""Print what Home Assistant would install while it starts with some integrations.

ha_needs.py [DOMAIN...]     in addition to the integrations that it always has
"""

import asyncio
import sys
import tempfile
from unittest.mock import patch

from homeassistant import bootstrap, loader, requirements
from homeassistant.core import HomeAssistant


async def needs(domains: set[str]) -> set[str]:
    """Return the pinned requirements of the integrations and all they depend on."""
    found: set[str] = set()

    async def record(
        _manager: object, _name: str, wanted: list[str], _built_in: bool = True
    ) -> None:
        """Note instead of installing."""
        found.update(wanted)

    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(
            requirements.RequirementsManager, "async_process_requirements", record
        ),
    ):
        hass = HomeAssistant(folder)
        hass.config.skip_pip = False
        loader.async_setup(hass)
        for domain in domains | bootstrap.DEFAULT_INTEGRATIONS:
            await requirements.async_get_integration_with_requirements(hass, domain)
        await hass.async_stop(force=True)
    return found


if __name__ == "__main__":
    print(
        *sorted(asyncio.run(needs(set(sys.argv[1:]))), key=str.lower),
        sep="\n",
    )
