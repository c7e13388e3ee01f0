"""The accounts of an installation."""

import asyncio
from collections.abc import Mapping

from homeassistant.util import dt as dt_util

from custom_components.flatpeak.account import async_account
from custom_components.flatpeak.api import FlatPeakRateLimitError
from custom_components.flatpeak.const import CONF_ACCOUNT_ID, CONF_BASE_URL
from custom_components.flatpeak.pace import Pace

from .home import ACCOUNT, KEY, Home

SECOND_KEY = "sk_live_second"


def _data(home: Home, account: str = ACCOUNT, key: str = KEY) -> Mapping[str, str]:
    """Return what an entry says of an account."""
    return {
        CONF_BASE_URL: home.simulator.url,
        CONF_ACCOUNT_ID: account,
        "api_key": key,
    }


async def test_invariant_12_two_keys_of_an_account_take_turns(home: Home) -> None:
    """Each entry asks with its own key, and not while it is the other one's turn."""
    simulator = home.simulator
    simulator.add_account(ACCOUNT, SECOND_KEY)
    first, second = (
        async_account(home.hass, _data(home, key=key)) for key in (KEY, SECOND_KEY)
    )
    assert first.client is not second.client
    async with first.turn:
        asking = asyncio.create_task(second.client.async_list_locations())
        for _ in range(500):
            await asyncio.sleep(0)
        assert not simulator.requests
    await asking
    assert [one.path for one in simulator.requests] == ["/login", "/locations"]


async def test_invariant_12_two_keys_of_an_account_wait_together(home: Home) -> None:
    """What FlatPeak says to one of them holds for the account, and for no other."""
    one, two, other = (
        Pace(dt_util.utcnow, async_account(home.hass, _data(home, *who)).backoff)
        for who in ((ACCOUNT, KEY), (ACCOUNT, SECOND_KEY), ("acc_other", KEY))
    )
    one.failed(FlatPeakRateLimitError("GET /x", "slow down", retry_after=300))
    assert not two.may_ask()
    assert other.may_ask()
