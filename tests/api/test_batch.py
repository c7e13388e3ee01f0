"""Many records at once: sent once, followed to the end, and read with care."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
import warnings

import aiohttp
import pytest

from custom_components.flatpeak.api import (
    MAX_BATCH_RECORDS,
    Dialect,
    EnergyDirection,
    FailedRecord,
    FlatPeakAuthenticationError,
    FlatPeakClient,
    FlatPeakConnectionError,
    FlatPeakError,
    FlatPeakInvalidRequestError,
    FlatPeakMalformedAnswerError,
    FlatPeakNotFoundError,
    FlatPeakRateLimitError,
    FlatPeakRefusedError,
    FlatPeakServerError,
    MeterBatch,
    MeterRecord,
    TariffDirection,
    client as client_module,
)
from custom_components.flatpeak.api.dialect import BATCH_DIALECT
from custom_components.flatpeak.api.once import send_once
from custom_components.flatpeak.api.resources import read_batch
from custom_components.flatpeak.api.wire import JsonObject
from tests.simulator import FlatPeakSimulator

from .conftest import (
    ACCOUNT,
    DEVICE,
    KEY,
    LOCATION,
    RECORD,
    START,
    Reply,
    ScriptedFlatPeak,
)

SUBMIT = "/meters/interval"
FOLLOW = "/meters/batch"
BATCH: JsonObject = {
    "id": "bat_65e42b7827c0526548432b9f",
    "object": "meter_batch",
    "records_submitted": 3,
    "records_accepted": 2,
    "records_processed": 1,
    "failed_records": [
        {
            "record_num": 2,
            "record_reference_id": "REC-3",
            "error": "end_time must not be before start_time",
        }
    ],
    "time_created": "2023-11-07T05:31:56Z",
    "account_id": ACCOUNT,
}
TAKEN = Reply(body=BATCH)
BROKEN = [Reply(drop=True), Reply(reset=True)]


def meter_records(number: int) -> list[MeterRecord]:
    """Return records of half an hour each, alternately of device and location."""
    step = timedelta(minutes=30)
    return [
        replace(
            RECORD,
            start=START + index * step,
            end=START + (index + 1) * step,
            value=Decimal(index),
            device_id=None if index % 2 else DEVICE,
            record_reference_id=f"REC-{index + 1}",
        )
        for index in range(number)
    ]


def batch(submitted: int, accepted: int, processed: int, failed: int) -> MeterBatch:
    """Return a batch with this many failed records."""
    return MeterBatch(
        id="bat_1",
        submitted=submitted,
        accepted=accepted,
        processed=processed,
        failed=tuple(FailedRecord(number=index, error="") for index in range(failed)),
    )


@pytest.mark.parametrize(
    ("dialect", "words"),
    [
        (
            Dialect.ZERO,
            {
                "direction": "EXPORT",
                "tariff_rate": "EXPORT",
                "measurand": "TRANSFERRED",
            },
        ),
        (
            Dialect.ANODE,
            {"energy_flow_direction": "OUTBOUND", "tariff_direction": "EXPORT"},
        ),
    ],
)
async def test_both_dialects(
    http: aiohttp.ClientSession,
    url: str,
    flatpeak: ScriptedFlatPeak,
    *,
    dialect: Dialect,
    words: dict[str, str],
) -> None:
    """A batch is a list of records in the words of its dialect, in their order."""
    flatpeak.play(SUBMIT, TAKEN)
    flatpeak.play(FOLLOW, TAKEN)
    client = FlatPeakClient(http, ACCOUNT, KEY, base_url=url, batch_dialect=dialect)
    export = replace(
        meter_records(2)[1],
        energy_direction=EnergyDirection.EXPORT,
        tariff_direction=TariffDirection.EXPORT,
        value=Decimal("0.10"),
    )
    sent = await client.async_submit_records([RECORD, export])
    assert sent == await client.async_get_batch(sent.id)
    (submitted,), (followed,) = flatpeak.asked(SUBMIT), flatpeak.asked(FOLLOW)
    assert (submitted.method, submitted.query) == ("PUT", {})
    assert submitted.headers["Content-Type"] == "application/json"
    assert submitted.headers["Content-Length"] == str(len(submitted.body))
    first, second = submitted.json
    assert (first["record_reference_id"], first["device_id"]) == ("REC-1", DEVICE)
    assert second == {
        "location_id": LOCATION,
        "record_reference_id": "REC-2",
        **words,
        "units": "WH",
        "value": Decimal("0.10"),
        "start_time": "2026-03-01T11:00:00Z",
        "end_time": "2026-03-01T11:30:00Z",
    }
    assert (followed.method, followed.query) == ("GET", {"batch_id": BATCH["id"]})
    for seen in (submitted, followed):
        assert seen.headers["Flatpeak-Version"] == dialect


async def test_a_record_is_the_same_alone_and_in_a_batch(
    http: aiohttp.ClientSession, url: str, flatpeak: ScriptedFlatPeak
) -> None:
    """In one dialect there is one way to write a record."""
    flatpeak.play(SUBMIT, TAKEN)
    client = FlatPeakClient(
        http, ACCOUNT, KEY, base_url=url, instant_dialect=BATCH_DIALECT
    )
    await client.async_submit_records([RECORD])
    with pytest.raises(FlatPeakMalformedAnswerError):
        await client.async_submit_record(RECORD)
    (together,), (alone,) = flatpeak.asked(SUBMIT), flatpeak.asked("/costs/instant")
    assert together.body == b"[" + alone.body + b"]"
    assert together.headers["Flatpeak-Version"] == "2025-09-14.anode"


async def test_the_answer(client: FlatPeakClient, flatpeak: ScriptedFlatPeak) -> None:
    """Partial success is a success that names what failed."""
    flatpeak.play(SUBMIT, TAKEN)
    found = await client.async_submit_records(meter_records(3))
    failed = FailedRecord(
        number=2,
        record_reference_id="REC-3",
        error="end_time must not be before start_time",
    )
    assert found == MeterBatch(
        id="bat_65e42b7827c0526548432b9f",
        submitted=3,
        accepted=2,
        processed=1,
        failed=(failed,),
    )
    assert not found.is_done


@pytest.mark.parametrize("number", [0, MAX_BATCH_RECORDS + 1])
async def test_too_few_or_too_many(
    client: FlatPeakClient, flatpeak: ScriptedFlatPeak, number: int
) -> None:
    """What FlatPeak would refuse is not sent."""
    with pytest.raises(ValueError, match="1 to 10000"):
        await client.async_submit_records([RECORD] * number)
    assert not flatpeak.seen


async def test_as_many_as_there_can_be(
    client: FlatPeakClient, flatpeak: ScriptedFlatPeak
) -> None:
    """A body of megabytes arrives whole, without a warning of aiohttp."""
    flatpeak.play(SUBMIT, TAKEN)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await client.async_submit_records(meter_records(MAX_BATCH_RECORDS))
    (seen,) = flatpeak.asked(SUBMIT)
    assert len(seen.body) > 2**20
    values = [record["value"] for record in seen.json]
    assert values == list(range(MAX_BATCH_RECORDS))


@pytest.mark.parametrize("field", ["start", "value"])
async def test_values_are_checked_before_they_are_sent(
    client: FlatPeakClient, flatpeak: ScriptedFlatPeak, field: str
) -> None:
    """One record that cannot be sent exactly holds the batch back."""
    naive = datetime(2026, 3, 1)  # noqa: DTZ001
    bad: dict[str, Any] = {"start": naive, "value": Decimal("nan")}
    records = [RECORD, replace(RECORD, **{field: bad[field]})]
    with pytest.raises(ValueError, match=r"aware|finite"):
        await client.async_submit_records(records)
    assert not flatpeak.asked(SUBMIT)


async def put(http: aiohttp.ClientSession, url: str, **options: Any) -> int:
    """Send a PUT as aiohttp does by itself, and return its status."""
    async with http.put(f"{url}{SUBMIT}", data=b"[]", **options) as response:
        return response.status


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("kept", [False, True])
async def test_aiohttp_repeats_a_put(
    http: aiohttp.ClientSession,
    url: str,
    flatpeak: ScriptedFlatPeak,
    broken: Reply,
    *,
    kept: bool,
) -> None:
    """Why a batch needs care: the server reads it twice, also on a new connection."""
    flatpeak.play(SUBMIT, TAKEN)
    if kept:
        await put(http, url, headers={"Authorization": "x"})
    asked = len(flatpeak.asked(SUBMIT))
    flatpeak.play(SUBMIT, broken, TAKEN)
    assert await put(http, url, headers={"Authorization": "x"}) == 200
    assert len(flatpeak.asked(SUBMIT)) - asked == 2
    flatpeak.play(SUBMIT, broken, TAKEN)
    with pytest.raises(aiohttp.ClientConnectionError):
        await put(http, url, headers={"Authorization": "x"}, middlewares=(send_once,))
    assert len(flatpeak.asked(SUBMIT)) - asked == 3


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("kept", [False, True])
async def test_a_batch_is_sent_once(
    http: aiohttp.ClientSession,
    client: FlatPeakClient,
    flatpeak: ScriptedFlatPeak,
    broken: Reply,
    *,
    kept: bool,
) -> None:
    """A connection that breaks leaves it in doubt, a kept one as well as a new one."""
    await client.async_login()
    connector = http.connector
    assert connector
    assert len(connector._conns) == 1
    if not kept:
        goodbye = {"Connection": "close"}
        flatpeak.play("/devices", Reply(body={"data": []}, headers=goodbye))
        await client.async_list_devices()
        assert not connector._conns
    flatpeak.play(SUBMIT, broken, TAKEN)
    with pytest.raises(FlatPeakConnectionError, match="broke") as caught:
        await client.async_submit_records([RECORD])
    assert caught.value.may_be_stored
    assert caught.value.__context__ is None
    assert len(flatpeak.asked(SUBMIT)) == 1
    assert (await client.async_submit_records([RECORD])).submitted == 3
    assert len(flatpeak.asked(SUBMIT)) == 2
    assert client.requests == len(flatpeak.seen)


async def test_no_connection(client: FlatPeakClient, unused_tcp_port: int) -> None:
    """Where nobody listens, nothing can have been stored."""
    await client.async_login()
    client._base_url = f"http://127.0.0.1:{unused_tcp_port}"
    with pytest.raises(FlatPeakConnectionError, match="no connection") as caught:
        await client.async_submit_records([RECORD])
    assert not caught.value.may_be_stored


async def test_time_outs(
    client: FlatPeakClient, flatpeak: ScriptedFlatPeak, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch may take longer than other requests, but not for ever."""
    monkeypatch.setattr(client_module, "REQUEST_TIMEOUT", 0.05)
    await client.async_login()
    flatpeak.play(SUBMIT, Reply(body=BATCH, delay=0.1))
    await client.async_submit_records([RECORD])
    monkeypatch.setattr(client_module, "BATCH_TIMEOUT", 0.05)
    with pytest.raises(FlatPeakConnectionError, match="no answer") as caught:
        await client.async_submit_records([RECORD])
    assert caught.value.may_be_stored


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_batch_is_sent_again_unchanged(
    client: FlatPeakClient, flatpeak: ScriptedFlatPeak, status: int
) -> None:
    """What was refused was not stored: log in again, and repeat it once."""
    flatpeak.play(SUBMIT, Reply(status=status), TAKEN)
    await client.async_submit_records(meter_records(2))
    first, second = flatpeak.asked(SUBMIT)
    assert first.body == second.body
    assert first.headers["Authorization"] != second.headers["Authorization"]
    flatpeak.play(SUBMIT, Reply(status=status))
    with pytest.raises(FlatPeakRefusedError) as caught:
        await client.async_submit_records(meter_records(2))
    assert not caught.value.may_be_stored


async def test_a_failed_login_stores_nothing(
    client: FlatPeakClient, flatpeak: ScriptedFlatPeak
) -> None:
    """Without a token nothing goes out."""
    flatpeak.play("/login", Reply(status=403))
    with pytest.raises(FlatPeakAuthenticationError) as caught:
        await client.async_submit_records([RECORD])
    assert not caught.value.may_be_stored
    assert not flatpeak.asked(SUBMIT)


@pytest.mark.parametrize(
    ("reply", "kind", "may_be_stored"),
    [
        (Reply(status=400), FlatPeakInvalidRequestError, False),
        (Reply(status=404), FlatPeakNotFoundError, False),
        (Reply(status=429), FlatPeakRateLimitError, False),
        (Reply(status=409), FlatPeakInvalidRequestError, True),
        (Reply(status=422, body={"code": "x_y"}), FlatPeakInvalidRequestError, True),
        (Reply(status=500), FlatPeakServerError, True),
        (Reply(status=302), FlatPeakMalformedAnswerError, True),
        (Reply(body=b"<html>"), FlatPeakMalformedAnswerError, True),
        (Reply(body={}), FlatPeakMalformedAnswerError, True),
    ],
)
async def test_failures(
    client: FlatPeakClient,
    flatpeak: ScriptedFlatPeak,
    reply: Reply,
    kind: type[FlatPeakError],
    *,
    may_be_stored: bool,
) -> None:
    """Sending a batch can have stored something, following it cannot."""
    flatpeak.play(SUBMIT, reply)
    flatpeak.play(FOLLOW, reply)
    with pytest.raises(kind) as caught:
        await client.async_submit_records([RECORD])
    assert type(caught.value) is kind
    assert caught.value.request == "PUT /meters/interval"
    assert caught.value.may_be_stored is may_be_stored
    with pytest.raises(kind) as caught:
        await client.async_get_batch("bat_1")
    assert type(caught.value) is kind
    assert caught.value.request == "GET /meters/batch"
    assert not caught.value.may_be_stored
    assert len(flatpeak.seen) == 3


@pytest.mark.parametrize(
    ("counts", "done"),
    [
        ((5, 5, 0, 0), False),
        ((5, 5, 4, 0), False),
        ((5, 5, 5, 0), True),
        ((5, 2, 0, 3), False),  # three were not accepted, two are to come
        ((5, 2, 1, 3), False),
        ((5, 2, 2, 3), True),
        ((5, 4, 3, 2), True),  # one failed late, and was not processed
        ((5, 4, 4, 0), True),  # the one that was not accepted is not named
        ((5, 0, 0, 5), True),
        ((5, 0, 0, 0), False),  # not even looked at
    ],
)
def test_done(counts: tuple[int, int, int, int], *, done: bool) -> None:
    """A batch is done when each of its records is accounted for."""
    assert batch(*counts).is_done is done


@pytest.mark.parametrize("none", [{}, {"failed_records": None}, {"failed_records": []}])
def test_nothing_failed(none: JsonObject) -> None:
    """A batch in which nothing failed may not say so."""
    body = {name: BATCH[name] for name in BATCH if name != "failed_records"}
    assert read_batch(body | none, ()).failed == ()


def test_a_bare_failure() -> None:
    """The place alone says which record failed."""
    body = BATCH | {"failed_records": [{"record_num": 0}]}
    assert read_batch(body, ()).failed == (FailedRecord(number=0, error=""),)


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"records_submitted": None},
        {"records_accepted": "2"},
        {"records_processed": -1},
        {"records_processed": Decimal("0.5")},
        {"failed_records": "REC-3"},
        {"failed_records": [5]},
        {"failed_records": [{"record_reference_id": "REC-3"}]},
        {"failed_records": [{"record_num": -1}]},
        {"failed_records": [{"record_num": 3}]},
        {"failed_records": [{"record_num": True}]},
    ],
)
def test_what_cannot_be_read(change: JsonObject) -> None:
    """A failure that points at no record, or at a wrong one, is not believed."""
    with pytest.raises(ValueError, match=r"id|record"):
        read_batch(BATCH | change, ())


async def test_no_secret(client: FlatPeakClient, flatpeak: ScriptedFlatPeak) -> None:
    """What failed may be shown: ids and keys are masked in it, and it is cut."""
    home, heater, run = "whereILive", "theHeater", "bat_heat"
    said = f"{ACCOUNT} {KEY} token-number-1 {home} {heater} REC-1 {'x' * 500}"
    failed = [{"record_num": 0, "record_reference_id": "REC-1", "error": said}]
    body = BATCH | {"id": run, "failed_records": failed}
    flatpeak.play(SUBMIT, Reply(body=body))
    record = replace(RECORD, location_id=home, device_id=heater)
    found = await client.async_submit_records([RECORD, record])
    (failure,) = found.failed
    assert failure.error.startswith("*** *** *** *** *** REC-1 xxx")
    assert len(failure.error) == 200
    assert run not in repr(found)

    flatpeak.play(SUBMIT, Reply(status=400, body={"message": said}))
    with pytest.raises(FlatPeakError, match="REC-1") as caught:
        await client.async_submit_records([record])
    flatpeak.play(FOLLOW, Reply(status=404, body={"message": f"{run} {KEY}"}))
    with pytest.raises(FlatPeakError) as other:
        await client.async_get_batch(run)
    text = f"{caught.value} {other.value}"
    secrets = (ACCOUNT, KEY, "token-number-1", home, heater, run)
    assert not [secret for secret in secrets if secret in text]


@pytest.fixture
async def simulator(
    socket_enabled: None,
) -> AsyncGenerator[FlatPeakSimulator]:
    """Run a FlatPeak whose clock stands still, with an account."""
    async with FlatPeakSimulator() as running:
        running.now = datetime(2026, 3, 2, tzinfo=UTC)
        running.add_account(ACCOUNT, KEY)
        yield running


@pytest.mark.parametrize("dialect", Dialect)
async def test_a_batch_to_its_end(
    http: aiohttp.ClientSession, simulator: FlatPeakSimulator, dialect: Dialect
) -> None:
    """Good records are stored later, a bad one is named by place and reference."""
    location = simulator.add_location(ACCOUNT)
    client = FlatPeakClient(
        http, ACCOUNT, KEY, base_url=simulator.url, batch_dialect=dialect
    )
    good = [
        replace(record, location_id=location, device_id=None)
        for record in meter_records(3)
    ]
    late = replace(good[1], end=START)
    found = await client.async_submit_records([good[0], late, good[2]])
    assert (found.submitted, found.accepted, found.processed) == (3, 2, 0)
    (failed,) = found.failed
    assert (failed.number, failed.record_reference_id) == (1, "REC-2")
    assert not found.is_done
    assert not simulator.records
    simulator.advance(timedelta(seconds=1))
    found = await client.async_get_batch(found.id)
    assert found.is_done
    stored = [(line.draft.start, line.draft.end) for line in simulator.records]
    assert stored == [(record.start, record.end) for record in (good[0], good[2])]
    with pytest.raises(FlatPeakNotFoundError):
        await client.async_get_batch("bat_none")
