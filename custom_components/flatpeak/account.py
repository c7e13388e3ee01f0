"""The accounts of this installation: each asks one thing at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """What all entries of one account share."""

    client: FlatPeakClient
    backoff: Backoff = field(default_factory=Backoff)


ACCOUNTS: HassKey[dict[tuple[str, str, str], Account]] = HassKey(DOMAIN)


@callback
def async_account(hass: HomeAssistant, data: Mapping[str, Any]) -> Account:
    """Return the account of an entry's data."""
    identity = (data[CONF_BASE_URL], data[CONF_ACCOUNT_ID], data[CONF_API_KEY])
    accounts = hass.data.setdefault(ACCOUNTS, {})
    if identity not in accounts:
        client = FlatPeakClient(
            async_get_clientsession(hass),
            data[CONF_ACCOUNT_ID],
            data[CONF_API_KEY],
            base_url=data[CONF_BASE_URL],
        )
        accounts[identity] = Account(client=client)
    return accounts[identity]
