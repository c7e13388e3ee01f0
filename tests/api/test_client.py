"""The client against real HTTP on loopback."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from email.utils import format_datetime
import socket
from typing import Any

import aiohttp
from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak.api import (
    Aggregation,
    CostReport,
    Device,
    Dialect,
    FlatPeakAccountDisabledError,
    FlatPeakAuthenticationError,
    FlatPeakClient,
    FlatPeakConnectionError,
    FlatPeakError,
    FlatPeakInvalidRequestError,
    FlatPeakMalformedAnswerError,
    FlatPeakNotFoundError,
    FlatPeakPriceUnavailableError,
    FlatPeakRateLimitError,
    FlatPeakRefusedError,
    FlatPeakServerError,
    LocationStatus,
    Login,
    PriceList,
    TariffDirection,
    client as client_module,
)

from .conftest import (
    ACCOUNT,
    DEVICE,
    END,
    KEY,
    LOCATION,
    RECORD,
    START,
    Reply,
    ScriptedFlatPeak,
    seed,
)

type Play = Callable[[FlatPeakClient], Awaitable[object]]

PRICED = Reply(body=seed("instant")["response"])
INSTANT = "/costs/instant"
INTERVAL = f"/costs/interval/{DEVICE}"


def submit(client: FlatPeakClient) -> Awaitable[object]:
    """Send a record that is to be stored."""
    return client.async_submit_record(RECORD)


def simulate(client: FlatPeakClient) -> Awaitable[object]:
    """Send a record that leaves no trace."""
    return client.async_submit_record(RECORD, non_persistent=True)


def report(client: FlatPeakClient) -> Awaitable[CostReport]:
    """Ask for a report."""
    return client.async_get_costs(DEVICE, START, END, direction=TariffDirection.IMPORT)


def prices(client: FlatPeakClient) -> Awaitable[PriceList]:
    """Ask for prices."""
    return client.async_get_prices(LOCATION, START, END, TariffDirection.IMPORT)


async def test_login(client: FlatPeakClient, flatpeak: ScriptedFlatPeak) -> None:
    """A forced log-in sends the credentials once, and its token is used after it."""
    assert await client.async_login() == Login(live_mode=False)
    await client.async_list_devices()
    login, devices = flatpeak.seen
    credentials = aiohttp.encode_basic_auth(ACCOUNT, KEY)
    assert (login.method, login.path) == ("GET", "/login")
    assert login.headers["Authorization"] == credentials
    assert login.headers["Flatpeak-Version"] == "2025-09-14.anode"
    assert devices.headers["Authorization"] == "Bearer token-number-1"
    assert client.requests == 2
    await client.async_login()
    assert flatpeak.tokens == 2


async def test_any_credentials_can_be_tried(
    http: aiohttp.ClientSession, url: str, flatpeak: ScriptedFlatPeak
) -> None:
    """What a user types by mistake is sent as it is."""
    await FlatPeakClient(http, "a:b \u2603", "k", base_url=f"{url}/").async_login()
    assert flatpeak.seen[0].headers["Authorization"].startswith("Basic ")


async def test_address_is_checked(http: aiohttp.ClientSession) -> None:
    """A client cannot be made that would send credentials in the clear."""
    with pytest.raises(ValueError, match="https"):
        FlatPeakClient(http, ACCOUNT, KEY, base_url="http://api.flatpeak.com")


@pytest.mark.parametrize(
    ("lifetime", "elapsed", "logins"),
    [(3600, 3479, 1), (3600, 3481, 2), (100, 49, 1), (100, 51, 2)],
)
async def test_early_refresh(
    client: FlatPeakClient,
    flatpeak: ScriptedFlatPeak,
    monkeypatch: pytest.MonkeyPatch,
    *,
    lifetime: int,
    elapsed: float,
    logins: int,
) -> None:
    """A token is renewed 2 minutes before its end, a short one at half its life."""
    flatpeak.expires_in = lifetime
    await client.async_list_devices()
    loop = asyncio.get_running_loop()
    clock = loop.time
    monkeypatch.setattr(loop, "time", lambda: clock() + elapsed)
    await client.async_list_devices()
    assert flatpeak.tokens == logins


async def test_one_request_and_one_login_at_a_time(
    client: FlatPeakClient, flatpeak: ScriptedFlatPeak
) -> None:
    """Ten requests at once share one log-in and wait for each other."""
    flatpeak.play("/devices", Reply(body={"data": []}, delay=0.005))
    await asyncio.gather(*(client.async_list_devices() for _ in range(10)))
    assert flatpeak.tokens == 1
    assert flatpeak.busiest == 1
    assert client.requests == 11


async def test_an_invalid_token_causes_one_login(
    client: FlatPeakClient, flatpeak: ScriptedFlatPeak
) -> None:
    """Ten requests with a token that is no longer good share the next log-in."""
    await client.async_login()
    flatpeak.valid = lambda token: token != "Bearer token-number-1"
    await asyncio.gather(*(client.async_list_devices() for _ in range(10)))
    assert flatpeak.tokens == 2
    assert client.requests == 1 + 1 + 1 + 10


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_record_is_sent_again_unchanged(
    client: FlatPeakClient, flatpeak: ScriptedFlatPeak, status: int
) -> None:
    """What was refused was not stored: log in again, and repeat it once."""
    flatpeak.play(INSTANT, Reply(status=status), PRICED)
    await submit(client)
    first, second = flatpeak.asked(INSTANT)
    assert first.body == second.body
    assert first.headers["Authorization"] == "Bearer token-number-1"
    assert second.headers["Authorization"] == "Bearer token-number-2"


async def test_a_refused_token_is_not_used_again(
    client: FlatPeakClient, flatpeak: ScriptedFlatPeak
) -> None:
    """When the log-in after a refusal fails, the next request starts with one."""
    await client.async_login()
    flatpeak.play(INSTANT, Reply(status=403), PRICED)
    flatpeak.play("/login", Reply(status=500))
    with pytest.raises(FlatPeakServerError):
        await submit(client)
    flatpeak.play("/login")
    await submit(client)
    tokens = [seen.headers["Authorization"] for seen in flatpeak.asked(INSTANT)]
    assert tokens == ["Bearer token-number-1", "Bearer token-number-2"]


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_for_good(
    client: FlatPeakClient, flatpeak: ScriptedFlatPeak, status: int
) -> None:
    """With a good log-in, a refusal is about the location; no more is tried."""
    flatpeak.play(INSTANT, Reply(status=status, body={"message": "not yours"}))
    with pytest.raises(FlatPeakRefusedError, match="not yours") as caught:
        await submit(client)
    assert type(caught.value) is FlatPeakRefusedError
    assert not caught.value.may_be_stored
    assert caught.value.request == "POST /costs/instant"
    assert len(flatpeak.asked(INSTANT)) == 2
    assert flatpeak.tokens == 2


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(status=401), FlatPeakAuthenticationError),
        (Reply(status=403, body={"message": "x"}), FlatPeakAuthenticationError),
        (
            Reply(status=422, body={"code": "account_disabled"}),
            FlatPeakAccountDisabledError,
        ),
        (Reply(status=404), FlatPeakMalformedAnswerError),
        (Reply(status=429), FlatPeakRateLimitError),
        (Reply(status=500), FlatPeakServerError),
        (Reply(body=b"<html>"), FlatPeakMalformedAnswerError),
        (Reply(body={"expires_in": 3600}), FlatPeakMalformedAnswerError),
        (Reply(drop=True), FlatPeakConnectionError),
    ],
)
@pytest.mark.parametrize("had_token", [False, True])
async def test_a_failed_login_stores_nothing(
    client: FlatPeakClient,
    flatpeak: ScriptedFlatPeak,
    reply: Reply,
    kind: type[FlatPeakError],
    *,
    had_token: bool,
) -> None:
    """Whether at first or after a refusal: the record is not stored."""
    if had_token:
        await client.async_login()
        flatpeak.play(INSTANT, Reply(status=403), PRICED)
    flatpeak.play("/login", reply)
    with pytest.raises(kind) as caught:
        await submit(client)
    assert type(caught.value) is kind
    assert not caught.value.may_be_stored
    assert caught.value.request == "GET /login"
    flatpeak.play("/login")
    flatpeak.play(INSTANT, PRICED)
    await submit(client)  # and the client recovers by itself


FAILURES: list[tuple[Reply, type[FlatPeakError], bool]] = [
    (Reply(status=400), FlatPeakInvalidRequestError, False),
    (Reply(status=404), FlatPeakNotFoundError, False),
    (Reply(status=409), FlatPeakInvalidRequestError, True),
    (Reply(status=422, body={"code": "x_y"}), FlatPeakInvalidRequestError, True),
    (Reply(status=422, body={"message": "x"}), FlatPeakPriceUnavailableError, True),
    (
        Reply(status=422, body={"code": "account_disabled"}),
        FlatPeakAccountDisabledError,
        True,
    ),
    (Reply(status=429), FlatPeakRateLimitError, False),
    (Reply(status=500), FlatPeakServerError, True),
    (
        Reply(status=302, headers={"Location": "/else"}),
        FlatPeakMalformedAnswerError,
        True,
    ),
    (Reply(body=b"<html>"), FlatPeakMalformedAnswerError, True),
    (Reply(body=b""), FlatPeakMalformedAnswerError, True),
    (Reply(body=[]), FlatPeakMalformedAnswerError, True),
    (Reply(status=204, body=b""), FlatPeakMalformedAnswerError, True),
    (Reply(body={"data": {"energy": 1}}), FlatPeakMalformedAnswerError, True),
    (Reply(drop=True), FlatPeakConnectionError, True),
    (Reply(raw=b"SSH-2.0-OpenSSH\r\n\r\n"), FlatPeakMalformedAnswerError, True),
    (
        Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
        FlatPeakConnectionError,
        True,
    ),
    (
        Reply(headers={"Content-Encoding": "gzip"}, body=b"not zipped"),
        FlatPeakConnectionError,
        True,
    ),
]


@pytest.mark.parametrize(("reply", "kind", "may_be_stored"), FAILURES)
@pytest.mark.parametrize("ask", [submit, simulate, prices])
async def test_failures(
    client: FlatPeakClient,
    flatpeak: ScriptedFlatPeak,
    ask: Play,
    reply: Reply,
    kind: type[FlatPeakError],
    *,
    may_be_stored: bool,
) -> None:
    """Each failure has its exception, and only a record can have been stored."""
    flatpeak.play(INSTANT, reply)
    flatpeak.play(f"/prices/{LOCATION}", reply)
    with pytest.raises(kind) as caught:
        await ask(client)
    error = caught.value
    assert type(error) is kind
    assert error.may_be_stored is (may_be_stored and ask is submit)
    assert error.__cause__ is error.__context__ is None
    assert len(flatpeak.seen) == 2
    assert not flatpeak.asked("/else")


async def test_retry_after(client: FlatPeakClient, flatpeak: ScriptedFlatPeak) -> None:
    """The server's wish is passed on, and its own clock tells what a date means."""
    now = datetime.now(UTC).replace(microsecond=0)
    skewed = now + timedelta(hours=5)
    wish = format_datetime(skewed + timedelta(minutes=1), usegmt=True)
    date = format_datetime(skewed, usegmt=True)
    headers = {"Retry-After": wish, "Date": date}
    flatpeak.play(INSTANT, Reply(status=429, headers=headers))
    with pytest.raises(FlatPeakRateLimitError) as caught:
        await submit(client)
    assert caught.value.retry_after == 60
    flatpeak.play(INSTANT, Reply(status=503, headers={"Retry-After": "7"}))
    with pytest.raises(FlatPeakServerError) as other:
        await submit(client)
    assert other.value.retry_after == 7


async def test_server_time(
    client: FlatPeakClient, flatpeak: ScriptedFlatPeak, freezer: FrozenDateTimeFactory
) -> None:
    """The last dated answer, even an error, tells how far the clocks are apart."""
    assert client.server_time_offset is None
    freezer.move_to("2026-03-01 12:00:00")
    date = {"Date": "Sun, 01 Mar 2026 12:03:00 GMT"}
    flatpeak.play(INSTANT, Reply(status=500, headers=date))
    with pytest.raises(FlatPeakServerError):
        await submit(client)
    assert client.server_time_offset == timedelta(minutes=3)
    flatpeak.play(INSTANT, Reply(status=500, headers={"Date": "tomorrow"}))
    with pytest.raises(FlatPeakServerError):
        await submit(client)
    assert client.server_time_offset == timedelta(minutes=3)


@pytest.mark.parametrize("ask", [submit, report])
async def test_time_out(
    client: FlatPeakClient,
    flatpeak: ScriptedFlatPeak,
    monkeypatch: pytest.MonkeyPatch,
    ask: Play,
) -> None:
    """An answer that does not come in time leaves a record in doubt."""
    await client.async_login()
    monkeypatch.setattr(client_module, "REQUEST_TIMEOUT", 0.05)
    flatpeak.play(INSTANT, Reply(delay=0.5))
    flatpeak.play(INTERVAL, Reply(delay=0.5))
    with pytest.raises(
        FlatPeakConnectionError, match=r"no answer in 0\.05 s"
    ) as caught:
        await ask(client)
    assert caught.value.may_be_stored is (ask is submit)
    assert caught.value.__context__ is None


async def test_login_time_out(
    client: FlatPeakClient, flatpeak: ScriptedFlatPeak, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log-in has a time-out of its own."""
    monkeypatch.setattr(client_module, "LOGIN_TIMEOUT", 0.05)
    flatpeak.play("/login", Reply(delay=0.5))
    with pytest.raises(FlatPeakConnectionError, match="GET /login: no answer"):
        await submit(client)


async def test_no_connection(
    http: aiohttp.ClientSession, client: FlatPeakClient, unused_tcp_port: int
) -> None:
    """Where nobody listens, or no TLS is spoken, nothing can have been stored."""
    await client.async_login()
    https = client._base_url.replace("http:", "https:")
    for address in (f"http://127.0.0.1:{unused_tcp_port}", https):
        client._base_url = address
        with pytest.raises(FlatPeakConnectionError, match="no connection") as caught:
            await submit(client)
        assert not caught.value.may_be_stored
        assert caught.value.__context__ is None
    other = FlatPeakClient(http, ACCOUNT, KEY, base_url="https://flatpeak.invalid")
    with pytest.raises(FlatPeakConnectionError):
        await other.async_login()


async def test_a_silent_network_stores_nothing(
    client: FlatPeakClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is never made is certain, even if it takes its time."""
    await client.async_login()
    monkeypatch.setattr(client_module, "CONNECT_TIMEOUT", 0.1)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:  # a full backlog drops what comes after it
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        client._base_url = f"http://127.0.0.1:{port}"
        with pytest.raises(FlatPeakConnectionError, match="no connection") as caught:
            await submit(client)
        for one in waiting:
            one.close()
    assert not caught.value.may_be_stored


async def test_cancelled(client: FlatPeakClient, flatpeak: ScriptedFlatPeak) -> None:
    """A request that is cancelled does not block the next."""
    flatpeak.play(INSTANT, Reply(delay=0.5), PRICED)
    task = asyncio.create_task(client.async_submit_record(RECORD))
    await flatpeak.arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await submit(client)


async def test_a_broken_kept_connection_does_not_repeat_a_record(
    client: FlatPeakClient, flatpeak: ScriptedFlatPeak
) -> None:
    """A record is sent once, also on a connection that was used before."""
    await client.async_login()
    flatpeak.play(INSTANT, Reply(drop=True), PRICED)
    with pytest.raises(FlatPeakConnectionError, match="broke"):
        await submit(client)
    assert len(flatpeak.asked(INSTANT)) == 1


async def test_values_are_checked_before_they_are_sent(
    client: FlatPeakClient, flatpeak: ScriptedFlatPeak
) -> None:
    """What cannot be sent exactly is not sent."""
    naive = datetime(2026, 3, 1)  # noqa: DTZ001
    with pytest.raises(ValueError, match="aware"):
        await client.async_get_prices(LOCATION, naive, END, TariffDirection.IMPORT)
    endless = {"start": START, "end": END, "value": Decimal("inf")}
    record = type(RECORD)(location_id=LOCATION, **endless)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="finite"):
        await client.async_submit_record(record)
    assert not flatpeak.asked(INSTANT)


@pytest.mark.parametrize(
    "typed", ["", ".", "..", "a/b", "a?b", "loc_\u00e9", "a b", "a\n"]
)
async def test_no_id(
    client: FlatPeakClient, flatpeak: ScriptedFlatPeak, typed: str
) -> None:
    """What cannot be an id is unknown, and never becomes another path."""
    with pytest.raises(FlatPeakNotFoundError) as caught:
        await client.async_get_location(typed)
    assert caught.value.request == "GET /locations/{id}"
    assert not flatpeak.seen


async def test_locations(client: FlatPeakClient, flatpeak: ScriptedFlatPeak) -> None:
    """A list is read to its end."""
    flatpeak.play(
        "/locations",
        Reply(body={"data": [{"id": "loc_3"}, {"id": "loc_2"}], "has_more": True}),
        Reply(body={"data": [{"id": "loc_1"}], "has_more": False}),
    )
    found = await client.async_list_locations()
    assert [location.id for location in found] == ["loc_3", "loc_2", "loc_1"]
    assert [seen.query for seen in flatpeak.asked("/locations")] == [
        {"limit": "100"},
        {"limit": "100", "starting_after": "loc_2"},
    ]


@pytest.mark.parametrize("data", [[], [{"id": "loc_1"}]])
async def test_endless_paging(
    client: FlatPeakClient, flatpeak: ScriptedFlatPeak, data: list[dict[str, str]]
) -> None:
    """A list that never ends is not half believed."""
    flatpeak.play("/locations", Reply(body={"data": data, "has_more": True}))
    with pytest.raises(FlatPeakMalformedAnswerError, match="circles"):
        await client.async_list_locations()


async def test_location(client: FlatPeakClient, flatpeak: ScriptedFlatPeak) -> None:
    """One location, and the state of its tariffs."""
    path = f"/locations/{LOCATION}"
    flatpeak.play(path, Reply(body={"id": LOCATION, "timezone": "Europe/Paris"}))
    flatpeak.play(f"{path}/status", Reply(body={"tariff_status": {}}))
    location = await client.async_get_location(LOCATION)
    assert (location.id, location.timezone) == (LOCATION, "Europe/Paris")
    assert await client.async_get_location_status(LOCATION) == LocationStatus()
    assert [seen.method for seen in flatpeak.seen] == ["GET", "GET", "GET"]


async def test_devices(client: FlatPeakClient, flatpeak: ScriptedFlatPeak) -> None:
    """Devices are filtered by the server, and by us where it does not."""
    wanted = {"id": "dev_1", "reference_id": "ha-0a0b0c0d"}
    flatpeak.play("/devices", Reply(body={"data": [{"id": "dev_2"}, wanted]}))
    assert await client.async_list_devices("ha-0a0b0c0d") == (
        Device(id="dev_1", reference_id="ha-0a0b0c0d"),
    )
    (seen,) = flatpeak.asked("/devices")
    assert seen.query == {"limit": "100", "reference_id": "ha-0a0b0c0d"}
    assert len(await client.async_list_devices()) == 2


async def test_create_device(
    client: FlatPeakClient, flatpeak: ScriptedFlatPeak
) -> None:
    """A device is created with its reference, answered by 201."""
    body = {"id": "dev_1", "reference_id": "ha-0a0b0c0d"}
    flatpeak.play("/devices", Reply(status=201, body=body))
    created = await client.async_create_device("ha-0a0b0c0d")
    assert created == Device(id="dev_1", reference_id="ha-0a0b0c0d")
    (seen,) = flatpeak.asked("/devices")
    assert seen.method == "POST"
    assert seen.json == {"reference_id": "ha-0a0b0c0d"}


async def test_prices(client: FlatPeakClient, flatpeak: ScriptedFlatPeak) -> None:
    """Prices are asked for in anode's words, and the offset is kept."""
    paris = timezone(timedelta(hours=1))
    flatpeak.play(f"/prices/{LOCATION}", Reply(body={"data": []}))
    assert await client.async_get_prices(
        LOCATION, START.astimezone(paris), END, TariffDirection.EXPORT
    ) == PriceList(
        location_id=LOCATION,
        location_timezone=None,
        currency_code=None,
        tariff_direction=None,
        intervals=(),
    )
    (seen,) = flatpeak.asked(f"/prices/{LOCATION}")
    assert seen.headers["Flatpeak-Version"] == "2025-09-14.anode"
    assert seen.json == {
        "start_time": "2026-03-01T11:30:00+01:00",
        "end_time": "2026-03-01T11:00:00Z",
        "tariff_direction": "EXPORT",
    }


@pytest.mark.parametrize(
    ("dialect", "query"),
    [
        (
            Dialect.ZERO,
            {"direction": "LOCAL", "include_tariff": "true", "include_carbon": "true"},
        ),
        (Dialect.ANODE, {"tariff_direction": "LOCAL"}),
    ],
)
async def test_report_in_either_dialect(
    http: aiohttp.ClientSession,
    url: str,
    flatpeak: ScriptedFlatPeak,
    dialect: Dialect,
    query: dict[str, str],
) -> None:
    """The chosen dialect is what goes out."""
    flatpeak.play(INTERVAL, Reply(body=seed("interval")["response"]))
    client = FlatPeakClient(http, ACCOUNT, KEY, base_url=url, interval_dialect=dialect)
    await client.async_get_costs(
        DEVICE,
        START,
        END,
        direction=TariffDirection.LOCAL,
        aggregation=Aggregation.DAY,
    )
    (seen,) = flatpeak.asked(INTERVAL)
    assert seen.query == {**query, "aggregation": "DAY"}
    assert seen.headers["Flatpeak-Version"] == dialect


@pytest.mark.parametrize(
    ("dialect", "query", "words"),
    [
        (
            Dialect.ZERO,
            {"include_tariff": "false", "include_carbon": "false"},
            {"direction", "tariff_rate", "measurand"},
        ),
        (Dialect.ANODE, {}, {"energy_flow_direction", "tariff_direction"}),
    ],
)
async def test_record_in_either_dialect(
    http: aiohttp.ClientSession,
    url: str,
    flatpeak: ScriptedFlatPeak,
    *,
    dialect: Dialect,
    query: dict[str, str],
    words: set[str],
) -> None:
    """The chosen dialect is what goes out."""
    flatpeak.play(INSTANT, PRICED)
    client = FlatPeakClient(http, ACCOUNT, KEY, base_url=url, instant_dialect=dialect)
    await client.async_submit_record(
        RECORD, include_tariff=False, include_carbon=False, non_persistent=True
    )
    (seen,) = flatpeak.asked(INSTANT)
    assert seen.query == {**query, "non_persistent": "true"}
    assert seen.headers["Flatpeak-Version"] == dialect
    body: dict[str, Any] = seen.json
    assert body.keys() - words == {
        "location_id",
        "device_id",
        "record_reference_id",
        "units",
        "value",
        "start_time",
        "end_time",
    }


async def test_an_unknown_period_is_an_empty_report(
    client: FlatPeakClient, flatpeak: ScriptedFlatPeak
) -> None:
    """A 404 for a report means that there is nothing to report."""
    flatpeak.play(INTERVAL, Reply(status=404, body={"message": "no records"}))
    found = await report(client)
    assert found == CostReport(
        object_id=DEVICE,
        tariff_direction=TariffDirection.IMPORT,
        location_timezone=None,
        currency_code=None,
        live_mode=None,
        items=(),
    )
