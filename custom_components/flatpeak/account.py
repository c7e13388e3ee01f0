"""The accounts of this installation: each asks one thing at a time."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from homeassistant.const import CONF_API_KEY
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.util.hass_dict import HassKey

from .api import FlatPeakClient
from .const import CONF_ACCOUNT_ID, CONF_BASE_URL, DOMAIN
from .pace import Backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What all entries of one account share, but the client: that is one per key."""

    client: FlatPeakClient
    turn: asyncio.Lock
    backoff: Backoff


ACCOUNTS: HassKey[dict[tuple[str, str, str], Account]] = HassKey(DOMAIN)


@callback
def async_account(hass: HomeAssistant, data: Mapping[str, Any]) -> Account:
    """Return the account of an entry's data."""
    url, account_id = data[CONF_BASE_URL], data[CONF_ACCOUNT_ID]
    identity = (url, account_id, data[CONF_API_KEY])
    accounts = hass.data.setdefault(ACCOUNTS, {})
    if identity not in accounts:
        turn, backoff = next(
            (
                (known.turn, known.backoff)
                for key, known in accounts.items()
                if key[:2] == identity[:2]
            ),
            (asyncio.Lock(), Backoff()),
        )
        client = FlatPeakClient(
            async_get_clientsession(hass),
            account_id,
            data[CONF_API_KEY],
            base_url=url,
            turn=turn,
        )
        accounts[identity] = Account(client=client, turn=turn, backoff=backoff)
    return accounts[identity]
