"""No secret leaves the client by an exception, a repr or a log."""

from collections.abc import Iterator
from dataclasses import replace
import logging
import traceback

import aiohttp
import pytest

from custom_components.flatpeak.api import (
    CostReport,
    Device,
    FlatPeakClient,
    FlatPeakError,
    Location,
    PriceList,
    TariffDirection,
    client as client_module,
)

from .conftest import (
    ACCOUNT,
    AUTHORIZATION,
    DEVICE,
    END,
    KEY,
    LOCATION,
    RECORD,
    START,
    Reply,
    ScriptedFlatPeak,
)

TOKEN = "token-number-"
BASIC = aiohttp.encode_basic_auth(ACCOUNT, KEY).removeprefix("Basic ")
SECRETS = (ACCOUNT, KEY, TOKEN, BASIC, LOCATION, DEVICE, "Secret Street")
ECHO = f"{AUTHORIZATION.decode()} {ACCOUNT} {KEY} Basic {BASIC} {LOCATION} {DEVICE}"

REPLIES = [
    *(
        Reply(
            status=status,
            body={"message": echo, "code": code},
            headers={"Location": f"/{LOCATION}/{KEY}", "Retry-After": KEY},
        )
        for status in (302, 400, 401, 403, 404, 409, 422, 429, 500)
        for echo in (ECHO, ECHO.upper())
        for code in (None, "account_disabled", KEY, LOCATION.upper(), "value_invalid")
    ),
    Reply(body=f"<html>{ECHO}".encode()),
    Reply(body={"data": {"start_time": ECHO, "end_time": ECHO, "energy": ECHO}}),
    Reply(body={"data": ECHO, "energy_units": ECHO}),
    Reply(body={"bearer_token": f"{ECHO}\u2603", "expires_in": 3600}),
    Reply(body={"bearer_token": ECHO, "expires_in": ECHO}),
    Reply(drop=True),
    Reply(delay=2),
    Reply(raw=f"{ECHO}\r\n\r\n".encode()),
    Reply(raw=f"HTTP/1.1 200 OK\r\nContent-Length: x{KEY}\r\n\r\n".encode()),
    Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
    Reply(headers={"Content-Encoding": "gzip"}, body=ECHO.encode()),
]


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Return an exception and all that it hangs on."""
    while error:
        yield error
        error = error.__cause__ or error.__context__


def assert_no_secret(text: str) -> None:
    """Look for every secret, in any case."""
    for secret in SECRETS:
        assert secret.lower() not in text.lower(), secret


@pytest.mark.parametrize("path", ["/login", "/costs/instant", "interval"])
async def test_failures(
    client: FlatPeakClient,
    flatpeak: ScriptedFlatPeak,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
) -> None:
    """A server that echoes everything it knows gets none of it into our texts."""
    caplog.set_level(logging.DEBUG)
    raised = 0
    for reply in REPLIES:
        monkeypatch.undo()
        del flatpeak.seen[:]
        flatpeak._script.clear()
        flatpeak.tokens = 0
        await client.async_login()
        client._renew_at = 0.0 if path == "/login" else client._renew_at
        monkeypatch.setattr(client_module, "REQUEST_TIMEOUT", 0.4)
        monkeypatch.setattr(client_module, "LOGIN_TIMEOUT", 0.4)
        flatpeak.play(
            f"/costs/interval/{LOCATION}" if path == "interval" else path, reply
        )
        try:
            if path == "interval":
                await client.async_get_costs(
                    LOCATION, START, END, direction=TariffDirection.IMPORT
                )
            else:
                await client.async_submit_record(RECORD)
        except FlatPeakError as error:
            raised += 1
            for link in chain(error):
                assert_no_secret(f"{link} {link!r} {link.__dict__}")
            assert_no_secret("".join(traceback.format_exception(error)))
            assert len(str(error)) < 250  # noqa: PT017
    # For a report, a 404 is no failure, unless it says that the account is off.
    empty_reports = 8 if path == "interval" else 0
    assert raised == len(REPLIES) - empty_reports
    assert "GET /login" in caplog.text
    assert_no_secret(caplog.text)


async def test_what_does_not_look_like_a_secret(
    http: aiohttp.ClientSession, url: str, flatpeak: ScriptedFlatPeak
) -> None:
    """What the client knows to be one is masked, whatever its shape."""
    plain = ("my-account", "pa55 word", "whereILive", "theHeater", "lastPage")
    account, key, location, device, last = plain
    client = FlatPeakClient(http, account, key, base_url=url)
    client._private = set()
    echo = Reply(status=400, body={"message": " ".join(plain)})
    more = Reply(body={"data": [{"id": last}], "has_more": True})
    flatpeak.play("/costs/instant", echo)
    flatpeak.play(f"/locations/{location}", echo)
    flatpeak.play("/locations", more, echo)
    record = replace(RECORD, location_id=location, device_id=device)
    for ask, hidden in (
        (client.async_submit_record(record), {account, key, location, device}),
        (client.async_get_location(location), {account, key, location}),
        (client.async_list_locations(), {account, key, last}),
    ):
        with pytest.raises(FlatPeakError) as caught:
            await ask
        assert not [word for word in hidden if word in str(caught.value)]
        assert "***" in str(caught.value)


async def test_invariant_13_addresses(
    http: aiohttp.ClientSession, url: str, flatpeak: ScriptedFlatPeak
) -> None:
    """Once a home was read, its address is masked; before, no word is repeated."""
    client = FlatPeakClient(http, ACCOUNT, KEY, base_url=url)
    words = "Nobody at 1  SECRET street, zz11zz Ham (AB): ask me@example.org, no"
    answer = {"message": words, "code": "ham"}
    flatpeak.play("/costs/instant", *[Reply(status=400, body=answer)] * 2)
    with pytest.raises(FlatPeakError) as caught:
        await client.async_submit_record(RECORD)
    assert str(caught.value) == "POST /costs/instant: answered 400"
    assert caught.value.code is None
    address = {
        "address_line1": "1 Secret Street",
        "post_code": "ZZ1 1ZZ",
        "city": "Ham",
        "state": "AB",
    }
    home = {"id": LOCATION, "postal_address": address}
    flatpeak.play("/locations", Reply(body={"data": [home]}))
    await client.async_list_locations()
    with pytest.raises(FlatPeakError) as caught:
        await client.async_submit_record(RECORD)
    said = str(caught.value)
    assert said.endswith("answered 400 Nobody at ***, *** *** (AB): ask ***, no")


async def test_an_older_token_stays_a_secret(
    client: FlatPeakClient, flatpeak: ScriptedFlatPeak
) -> None:
    """It may still be good when an error tells it."""
    await client.async_login()
    first = client._tokens[0]
    await client.async_login()
    flatpeak.play("/costs/instant", Reply(status=400, body={"message": first}))
    with pytest.raises(FlatPeakError) as caught:
        await client.async_submit_record(RECORD)
    assert first not in str(caught.value)
    assert "***" in str(caught.value)


async def test_no_connection(
    http: aiohttp.ClientSession,
    unused_tcp_port: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Where nobody listens, nothing is told about who asked."""
    caplog.set_level(logging.DEBUG)
    url = f"http://127.0.0.1:{unused_tcp_port}"
    client = FlatPeakClient(http, ACCOUNT, KEY, base_url=url)
    with pytest.raises(FlatPeakError) as caught:
        await client.async_submit_record(RECORD)
    for link in chain(caught.value):
        assert_no_secret(f"{link} {link!r} {link.__dict__}")
    assert "no connection" in caplog.text
    assert_no_secret(caplog.text)


async def test_reprs(client: FlatPeakClient) -> None:
    """What is printed by mistake tells nothing."""
    await client.async_login()
    location = Location(
        id=LOCATION,
        timezone="Europe/London",
        tariff_status={},
        address="1 Secret Street",
        city="London",
    )
    nothing = {"location_timezone": None, "currency_code": None}
    report = CostReport(
        object_id=LOCATION, tariff_direction=None, live_mode=None, items=(), **nothing
    )
    prices = PriceList(
        location_id=LOCATION, tariff_direction=None, intervals=(), **nothing
    )
    device = Device(id=DEVICE, reference_id="ha-0a0b0c0d")
    shown = (client, location, report, prices, device, RECORD, client._session)
    assert_no_secret(" ".join(map(repr, shown)))
    assert "Europe/London" in repr(location)
    assert "127.0.0.1" in repr(client)
    assert replace(location, id="loc_2") != location
