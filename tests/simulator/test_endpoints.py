"""What the simulator takes, refuses and answers, over plain HTTP."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from . import DayNight, FlatPeakSimulator, Tariff
from .conftest import ACCOUNT, KEY, NOW, Client
from .switches import Dialect

pytestmark = pytest.mark.usefixtures("socket_enabled")

FIXTURES = Path(__file__).parent.parent / "fixtures"
NOON = ("2026-11-03T12:00:00Z", "2026-11-03T12:30:00Z")
DAY = ("2026-11-03T00:00:00+01:00", "2026-11-04T00:00:00+01:00")


def seed(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the documented example of an endpoint: request and response."""
    example = json.loads((FIXTURES / f"costs_{name}_seed.json").read_text())
    return example["request"], example["response"]


def shape(value: Any) -> Any:
    """Reduce JSON to its field names, in order, and lists to their first line."""
    if isinstance(value, dict):
        return [(name, shape(one)) for name, one in value.items()]
    return [shape(value[0])] if isinstance(value, list) else None


async def seeded(simulator: FlatPeakSimulator, client: Client) -> None:
    """Set up the account, home and device of the documented examples."""
    request, response = seed("instant")
    simulator.now = datetime(2022, 2, 1, 10, 33, tzinfo=UTC)
    simulator.add_account(response["account_id"], "sk_live_seed")
    simulator.add_location(
        response["account_id"], location_id=request["location_id"], tariff="daynight"
    )
    simulator.add_device(response["account_id"], device_id=request["device_id"])
    await client.login(response["account_id"], "sk_live_seed")


async def test_instant_answers_in_the_seed_shape(
    simulator: FlatPeakSimulator, client: Client
) -> None:
    """The documented request gets the documented answer but for id and money."""
    request, expected = seed("instant")
    await seeded(simulator, client)
    reply = await client.call(
        "POST",
        "/costs/instant",
        request,
        query={"include_tariff": "true", "include_carbon": "true"},
        dialect=Dialect.ZERO,
    )
    assert reply.status == 200
    assert shape(reply.body) == shape(expected)
    for name in ("tariff", "carbon"):
        assert reply.body["data"].pop(name).keys() == expected["data"].pop(name).keys()
    assert reply.body | {"id": ""} == expected | {"id": ""}
    assert reply.body["id"].startswith("mre_")


async def test_interval_answers_in_the_seed_shape(
    simulator: FlatPeakSimulator, client: Client
) -> None:
    """The documented report looks as documented, with our record in it."""
    record, _ = seed("instant")
    _, expected = seed("interval")
    await seeded(simulator, client)
    await client.call("POST", "/costs/instant", record, dialect=Dialect.ZERO)
    reply = await client.report(
        record["start_time"], record["end_time"], owner=record["device_id"]
    )
    assert shape(reply.body) == shape(expected)
    for body in (reply.body, expected):
        body["data"][0].pop("cost")
        body |= {"id": "", "currency_code": ""}  # the seed's EUR is no London's
    assert reply.body == expected


async def test_both_dialects_on_both_endpoints(client: Client) -> None:
    """The header alone decides the words, of requests and of answers."""
    period = {"start_time": NOON[0], "end_time": NOON[1]}
    record = {"location_id": client.location, "units": "KWH", "value": 1.5, **period}
    flags = {"include_tariff": "true", "include_carbon": "true"}
    zero = await client.call(
        "POST",
        "/costs/instant",
        record | {"direction": "EXPORT"},
        query=flags,
        dialect="2024-08-24",
    )
    assert (zero.body["direction"], zero.body["tariff_rate"]) == ("EXPORT", "EXPORT")
    assert zero.body["data"]["tariff"] == {"value": Decimal("0.15"), "confidence": 1}
    assert zero.body["data"]["carbon"] == {"value": 300, "confidence": 1}
    anode = await client.call(
        "POST", "/costs/instant", record | {"energy_flow_direction": "OUTBOUND"}
    )
    assert anode.body["energy_flow_direction"] == "OUTBOUND"
    assert anode.body["tariff_direction"] == "IMPORT"
    assert anode.body["data"]["cost"] == {"value": Decimal("0.45"), "confidence": 1}
    assert "carbon" not in anode.body["data"]
    path = f"/costs/interval/{client.location}"
    report = await client.call(
        "POST",
        path,
        period,
        query=flags | {"direction": "EXPORT", "aggregation": "DAY"},
        dialect=Dialect.ZERO,
    )
    assert report.body["direction"] == "EXPORT"
    assert report.body["carbon_units"] == "gCO2eq"
    (line,) = report.body["data"]
    assert (line["tariff"], line["carbon"]) == (
        zero.body["data"]["tariff"],
        zero.body["data"]["carbon"],
    )
    bare = await client.call("POST", path, period)
    assert bare.body["tariff_direction"] == "IMPORT"
    assert bare.body["data"][0]["cost"] == anode.body["data"]["cost"]


@pytest.mark.parametrize(
    ("units", "value", "energy", "wh"),
    [
        ("W", 20567, 10284, "10283.5"),
        ("KW", 2, 1000, "1000"),
        ("WH", 8.5, 9, "8.5"),
        ("KWH", 0.0015, 2, "1.5"),
    ],
)
async def test_units(
    client: Client, units: str, value: float, energy: int, wh: str
) -> None:
    """Power is an average over the record, energy is as given; whole Wh come back."""
    reply = await client.instant(*NOON, value, units=units)
    assert reply.body["data"]["energy"]["value"] == energy
    (line,) = client.simulator.records
    assert line.draft.energy == Decimal(wh)
    assert line.exact_cost == Decimal(wh) * Decimal("0.0003")


async def test_a_record_belongs_to_its_device(client: Client) -> None:
    """With both ids it is the device's, and not in the location's report."""
    await client.instant(*NOON, device_id=client.device)
    own = await client.report(*DAY, owner=client.device)
    assert [one["energy"]["value"] for one in own.body["data"]] == [1000]
    assert own.body["object_id"] == client.device
    assert own.body["location_timezone"] == "Europe/Berlin"
    assert (await client.report(*DAY)).body["data"] == []


async def test_a_device_without_records_has_no_home(client: Client) -> None:
    """Nothing tells its zone or currency yet."""
    reply = await client.report(*DAY, "DAY", owner=client.device)
    assert (reply.status, reply.body["data"]) == (200, [])
    assert not {"location_timezone", "currency_code"} & reply.body.keys()


async def test_non_persistent_leaves_no_trace(client: Client) -> None:
    """It is priced and said to be not stored."""
    reply = await client.instant(*NOON, non_persistent=True)
    assert reply.body["request"]["non_persistent"] is True
    assert reply.body["data"]["cost"]["value"] == Decimal("0.3")
    assert client.simulator.records == []


async def test_own_generation_is_free_and_its_own_stream(client: Client) -> None:
    """LOCAL costs 0 and leaves the import record of the same period alone."""
    await client.instant(*NOON, 100)
    reply = await client.instant(*NOON, 200, tariff_direction="LOCAL")
    assert reply.body["data"]["cost"] == {"value": 0, "confidence": 1}
    for direction, energy in (("IMPORT", 100), ("LOCAL", 200)):
        report = await client.report(*DAY, "DAY", direction=direction)
        assert [one["energy"]["value"] for one in report.body["data"]] == [energy]


async def test_times_come_back_in_the_offset_of_the_end(client: Client) -> None:
    """Start and end may differ in offset; the end's is used."""
    reply = await client.instant("2026-11-03T12:00:00Z", "2026-11-03T18:00:00+05:30")
    assert reply.body["data"]["start_time"] == "2026-11-03T17:30:00+05:30"
    report = await client.report("2026-11-03T00:00:00Z", "2026-11-03T20:00:00-03:00")
    assert report.body["data"][0]["end_time"] == "2026-11-03T09:30:00-03:00"


async def test_aggregates_of_a_clock_change_are_the_stored_sums(
    simulator: FlatPeakSimulator, client: Client
) -> None:
    """Days of 24, 25 and 24 hours and their month add up to what was stored."""
    location = simulator.add_location(
        ACCOUNT,
        timezone="Europe/London",
        tariff=Tariff(
            imports=DayNight(day=Decimal("0.31234"), night=Decimal("0.12347"))
        ),
    )
    start = datetime(2026, 10, 23, 23, tzinfo=UTC)
    for half_hour in range(73 * 2):
        since = start + half_hour * timedelta(minutes=30)
        simulator.add_record(
            location, since, since + timedelta(minutes=30), 100 + half_hour
        )
    end = start + timedelta(hours=73)
    reply = await client.report(
        start.isoformat(), end.isoformat(), "DAY", owner=location
    )
    times = [
        [datetime.fromisoformat(one[name]) for name in ("start_time", "end_time")]
        for one in reply.body["data"]
    ]
    assert [(until - since) / timedelta(hours=1) for since, until in times] == [
        24,
        25,
        24,
    ]
    costs = [one["cost"]["value"] for one in reply.body["data"]]
    assert costs == [
        simulator.stored_cost(location, since, until) for since, until in times
    ]
    month = await client.report(
        start.isoformat(), end.isoformat(), "MONTH", owner=location
    )
    (item,) = month.body["data"]
    assert item["cost"]["value"] == sum(costs)
    assert item["cost"]["value"] == sum(line.cost for line in simulator.records)
    exact = sum(line.exact_cost for line in simulator.records)
    assert abs(item["cost"]["value"] - Decimal(float(exact))) < Decimal("0.00073")


async def test_settled_prices_change_reports(
    simulator: FlatPeakSimulator, client: Client
) -> None:
    """What a past record cost follows the price that holds for its time now."""
    await client.instant(*NOON)
    since = datetime.fromisoformat(NOON[0])
    simulator.settle(
        client.location, since, since + timedelta(minutes=15), price=Decimal("0.5")
    )
    (item,) = (await client.report(*DAY, "DAY")).body["data"]
    assert item["cost"]["value"] == Decimal("0.4")
    export = await client.report(*DAY, "DAY", direction="EXPORT")
    assert export.body["data"] == []


GOOD = {"start_time": NOON[0], "end_time": NOON[1], "units": "WH", "value": 1}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"location_id": None}, "location_id_missing"),
        ({"units": None}, "units_missing"),
        ({"value": None}, "value_missing"),
        ({"start_time": None}, "start_time_missing"),
        ({"end_time": None}, "end_time_missing"),
        ({"units": "MWH"}, "units_invalid"),
        ({"units": "Wh"}, "units_invalid"),
        ({"units": 5}, "units_invalid"),
        ({"value": -1}, "value_invalid"),
        ({"value": "1"}, "value_invalid"),
        ({"value": True}, "value_invalid"),
        ({"confidence": 1.5}, "confidence_invalid"),
        ({"start_time": "2026-11-03T12:00:00"}, "start_time_invalid"),
        ({"start_time": "2026-11-03"}, "start_time_invalid"),
        ({"start_time": "2026-11-33T12:00:00Z"}, "start_time_invalid"),
        ({"start_time": 1762171200}, "start_time_invalid"),
        ({"end_time": "2026-11-03T11:00:00Z"}, "end_time_invalid"),
        ({"end_time": NOON[0]}, "end_time_invalid"),
        ({"end_time": "2027-11-03T11:00:00Z"}, "time_range_invalid"),
        ({"energy_flow_direction": "IMPORT"}, "energy_flow_direction_invalid"),
        ({"tariff_direction": "INBOUND"}, "tariff_direction_invalid"),
        ({"direction": "IMPORT"}, "direction_not_supported"),
        ({"tariff_rate": "IMPORT"}, "tariff_rate_not_supported"),
        ({"measurand": "TRANSFERRED"}, "measurand_not_supported"),
        ({"colour": "green"}, "colour_not_supported"),
    ],
)
async def test_bad_records_are_refused(
    client: Client, change: dict[str, Any], code: str
) -> None:
    """Each mistake is a 400 with a code, and nothing is stored."""
    body = {"location_id": client.location, **GOOD, **change}
    reply = await client.call("POST", "/costs/instant", body)
    assert (reply.status, reply.body["code"]) == (400, code)
    assert reply.body["type"] == "invalid_request"
    assert client.simulator.records == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"direction": "INBOUND"}, "direction_invalid"),
        ({"direction": "LOCAL"}, "direction_invalid"),
        ({"measurand": "OFFERED"}, "measurand_invalid"),
        (
            {"energy_flow_direction": "INBOUND"},
            "energy_flow_direction_not_supported",
        ),
        ({"tariff_direction": "IMPORT"}, "tariff_direction_not_supported"),
    ],
)
async def test_zero_refuses_the_words_of_anode(
    client: Client, change: dict[str, Any], code: str
) -> None:
    """A body in the other dialect does not slip through."""
    body = {"location_id": client.location, **GOOD, **change}
    reply = await client.call("POST", "/costs/instant", body, dialect=Dialect.ZERO)
    assert (reply.status, reply.body["code"]) == (400, code)


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("POST", "/costs/instant", {"include_tariff": "true"}),
        ("POST", "/costs/instant", {"non_persistent": "yes"}),
        ("POST", "/costs/interval/{location}", {"direction": "IMPORT"}),
        ("POST", "/costs/interval/{location}", {"aggregation": "WEEK"}),
        ("POST", "/costs/interval/{location}", {"tariff_direction": "import"}),
        ("GET", "/devices", {"limit": "101"}),
        ("GET", "/devices", {"limit": "many"}),
        ("GET", "/devices", {"starting_after": "dev_unknown"}),
    ],
)
async def test_bad_queries_are_refused(
    client: Client, method: str, path: str, query: dict[str, str]
) -> None:
    """Unknown names and values in a query are a 400."""
    path = path.format(location=client.location)
    body = {"start_time": NOON[0], "end_time": NOON[1]}
    if path.endswith("instant"):
        body = {"location_id": client.location, **GOOD}  # type: ignore[dict-item]
    reply = await client.call(
        method, path, body if method == "POST" else None, query=query
    )
    assert reply.status == 400


@pytest.mark.parametrize(
    ("data", "content_type", "code"),
    [
        (b"{", "application/json", "data_json_invalid"),
        (b'{"value": NaN}', "application/json", "data_json_invalid"),
        (b"[]", "application/json", "data_json_invalid"),
        (b"", "application/json", "data_json_invalid"),
        (b"{}", "text/plain", "content_type_invalid"),
    ],
)
async def test_bad_content_is_refused(
    client: Client, data: bytes, content_type: str, code: str
) -> None:
    """What is not a JSON object is a 400."""
    reply = await client.call(
        "POST", "/costs/instant", data=data, content_type=content_type
    )
    assert (reply.status, reply.body["code"]) == (400, code)


@pytest.mark.parametrize(
    ("account", "key"),
    [
        (ACCOUNT, "sk_live_wrong"),
        ("acc_wrong", KEY),
        (ACCOUNT, ""),
        ("", ""),
        (ACCOUNT, "sk_live_other"),
    ],
)
async def test_wrong_credentials(
    simulator: FlatPeakSimulator, client: Client, account: str, key: str
) -> None:
    """They are a 403 with a message alone."""
    simulator.add_account("acc_other", "sk_live_other")
    reply = await client.login(account, key)
    assert (reply.status, list(reply.body)) == (403, ["message"])


@pytest.mark.parametrize(
    "authorization", ["Basic !", "Basic /w==", "Bearer x", "nothing"]
)
async def test_malformed_credentials(client: Client, authorization: str) -> None:
    """Neither the log-in nor anything else takes them."""
    for path in ("/login", "/locations"):
        reply = await client.call("GET", path, authorization=authorization)
        assert reply.status == 403


async def test_bearers_end(simulator: FlatPeakSimulator, client: Client) -> None:
    """Revoked, and with the key that got them."""
    assert (await client.call("GET", "/locations")).status == 200
    simulator.revoke_tokens()
    assert (await client.call("GET", "/locations")).status == 403
    await client.login()
    assert (await client.call("GET", "/locations")).status == 200
    simulator.remove_key(KEY)
    assert (await client.call("GET", "/locations")).status == 403


async def test_live_mode_follows_the_key(
    simulator: FlatPeakSimulator, client: Client
) -> None:
    """Test and live objects are apart, under one account id."""
    simulator.add_account(ACCOUNT, "sk_test_example")
    reply = await client.login(key="sk_test_example")
    assert reply.body["live_mode"] is False
    assert (await client.call("GET", "/locations")).body["data"] == []
    assert (await client.call("GET", f"/locations/{client.location}")).status == 404
    assert (await client.login()).body["live_mode"] is True


async def test_what_belongs_to_others_is_forbidden(
    simulator: FlatPeakSimulator, client: Client
) -> None:
    """A location or a device of another account is a 403 wherever it is named."""
    simulator.add_account("acc_other", "sk_live_other")
    location = simulator.add_location("acc_other")
    device = simulator.add_device("acc_other")
    end = {"end_time": "2026-11-11T00:00:00Z"}
    replies = [
        await client.instant(*NOON, location_id=location),
        await client.instant(*NOON, device_id=device),
        await client.report(*DAY, owner=location),
        await client.report(*DAY, owner=device),
        await client.call("GET", f"/locations/{location}"),
        await client.call("GET", f"/locations/{location}/status"),
        await client.call("GET", f"/devices/{device}"),
        await client.call("POST", f"/prices/{location}", end),
    ]
    assert [reply.status for reply in replies] == [403] * len(replies)
    unknown = await client.instant(*NOON, device_id="dev_nobody")
    assert unknown.status == 404
    assert simulator.records == []


@pytest.mark.parametrize(
    "code", ["pending_connect", "no_tariff_connected", "no_price_data"]
)
async def test_price_problems_are_per_direction(
    simulator: FlatPeakSimulator, client: Client, code: str
) -> None:
    """One direction has no price, the other one does; it may heal."""
    simulator.set_problem(client.location, "EXPORT", code)
    path, end = f"/prices/{client.location}", {"end_time": "2026-11-11T00:00:00Z"}
    replies = [
        await client.instant(
            *NOON, energy_flow_direction="OUTBOUND", tariff_direction="EXPORT"
        ),
        await client.report(*DAY, direction="EXPORT"),
        await client.call("POST", path, end | {"tariff_direction": "EXPORT"}),
    ]
    assert [(one.status, one.body["code"]) for one in replies] == [(422, code)] * 3
    assert (await client.instant(*NOON)).status == 200
    simulator.set_problem(client.location, "EXPORT", code, short=True)
    short = await client.report(*DAY, direction="EXPORT")
    assert (short.status, list(short.body)) == (422, ["message"])
    simulator.set_problem(client.location, "EXPORT", None)
    assert (await client.report(*DAY, direction="EXPORT")).status == 200


async def test_a_disabled_account_is_so_everywhere(
    simulator: FlatPeakSimulator, client: Client
) -> None:
    """Even the log-in says so, as an `api_error`."""
    simulator.disable_account(ACCOUNT)
    for reply in (
        await client.call("GET", "/locations"),
        await client.instant(*NOON),
        await client.login(),
    ):
        assert reply.status == 422
        assert (reply.body["code"], reply.body["type"]) == (
            "account_disabled",
            "api_error",
        )
    simulator.disable_account(ACCOUNT, disabled=False)
    assert (await client.login()).status == 200


async def test_batch(simulator: FlatPeakSimulator, client: Client) -> None:
    """Good records are stored later, bad ones are named by their place."""
    good = {"location_id": client.location, **GOOD}
    records = [
        good,
        good | {"end_time": "2026-11-03T11:00:00Z", "record_reference_id": "late"},
        good | {"location_id": "loc_nobody"},
        "nonsense",
        good | {"device_id": client.device},
    ]
    reply = await client.call("PUT", "/meters/interval", records)
    counts = {
        name: value for name, value in reply.body.items() if name.startswith("records_")
    }
    assert (reply.status, reply.body["object"]) == (200, "meter_batch")
    assert counts == {
        "records_submitted": 5,
        "records_accepted": 2,
        "records_processed": 0,
    }
    failed = reply.body["failed_records"]
    assert [one["record_num"] for one in failed] == [1, 2, 3]
    assert failed[0] == {
        "record_num": 1,
        "error": "end_time must not be before start_time",
        "record_reference_id": "late",
    }
    assert simulator.records == []
    simulator.advance(timedelta(seconds=1))
    query = {"batch_id": reply.body["id"]}
    later = await client.call("GET", "/meters/batch", query=query)
    assert later.body == reply.body | {"records_processed": 2}
    assert [line.draft.owner for line in simulator.records] == [
        client.location,
        client.device,
    ]


async def test_bad_batches(client: Client) -> None:
    """Too many, none, no list, and a batch that is not there."""
    good = {"location_id": client.location, **GOOD}
    bodies: list[Any] = [[good] * 10_001, [], {}]
    for body in bodies:
        assert (await client.call("PUT", "/meters/interval", body)).status == 400
    reply = await client.call("GET", "/meters/batch", query={"batch_id": "bat_none"})
    assert reply.status == 404


async def test_devices_are_created_and_paged(client: Client) -> None:
    """Newest first, by cursor, and by reference."""
    created = [
        (await client.call("POST", "/devices", {"reference_id": f"ha-{n}"}))
        for n in range(5)
    ]
    assert {reply.status for reply in created} == {201}
    ids = [*(reply.body["id"] for reply in created[::-1]), client.device]
    first = await client.call("GET", "/devices", query={"limit": "4"})
    assert [one["id"] for one in first.body["data"]] == ids[:4]
    assert (first.body["object"], first.body["has_more"]) == ("list", True)
    after = {"limit": "4", "starting_after": ids[3]}
    second = await client.call("GET", "/devices", query=after)
    assert [one["id"] for one in second.body["data"]] == ids[4:]
    assert second.body["has_more"] is False
    before = {"limit": "2", "ending_before": ids[4]}
    back = await client.call("GET", "/devices", query=before)
    assert [one["id"] for one in back.body["data"]] == ids[2:4]
    mine = await client.call("GET", "/devices", query={"reference_id": "ha-3"})
    assert [one["id"] for one in mine.body["data"]] == [created[3].body["id"]]
    one = await client.call("GET", f"/devices/{ids[0]}")
    assert one.body == created[4].body
    bad = await client.call("POST", "/devices", {"reference_id": 3})
    assert (bad.status, bad.body["code"]) == (400, "reference_id_invalid")


async def test_locations_are_created_and_read(client: Client) -> None:
    """City and country give zone and currency; there is no tariff yet."""
    address = {"city": "Anytown", "country_code": "US"}
    body = {"reference_id": "home", "postal_address": address | {"state": "NY"}}
    reply = await client.call("POST", "/locations", body)
    assert (reply.status, reply.body["timezone"]) == (201, "America/New_York")
    assert reply.body["tariff_status"]["commodity_import"] == "NOT_CONNECTED"
    refused = await client.instant(*NOON, location_id=reply.body["id"])
    assert (refused.status, refused.body["code"]) == (422, "no_tariff_connected")
    read = await client.call("GET", f"/locations/{reply.body['id']}")
    listed = await client.call("GET", "/locations", query={"reference_id": "home"})
    assert listed.body["data"] == [read.body] == [reply.body]
    for dialect, status in ((Dialect.ANODE, 400), (Dialect.ZERO, 409)):
        twin = await client.call("POST", "/locations", body, dialect=dialect)
        assert twin.status == status
    for wrong in (address, {"city": "Anytown"}, address | {"country_code": "XX"}):
        bad = await client.call("POST", "/locations", {"postal_address": wrong})
        assert bad.status == 400


async def test_location_without_zone_and_currency(
    simulator: FlatPeakSimulator, client: Client
) -> None:
    """Both are optional in the schema, and then in no answer."""
    location = simulator.add_location(ACCOUNT, timezone=None, currency=None)
    answers = [
        await client.call("GET", f"/locations/{location}"),
        await client.instant(*NOON, location_id=location),
        await client.report(*DAY, owner=location),
    ]
    names = {"timezone", "location_timezone", "currency_code"}
    assert not any(names & one.body.keys() for one in answers)


async def test_location_status(simulator: FlatPeakSimulator, client: Client) -> None:
    """Structure and connection per tariff; empty texts where there is none."""
    path = f"/locations/{client.location}/status"
    status = (await client.call("GET", path)).body["tariff_status"]
    assert status["commodity_import"]["status"] == "CONNECTED"
    assert status["commodity_import"]["tariff"]["structure_type"] == "FIXED"
    assert status["non_commodity_import"]["connection_type"] == ""
    assert status["local"] == {"status": "NOT_CONNECTED"}
    simulator.set_problem(client.location, "IMPORT", "no_price_data")
    status = (await client.call("GET", path)).body["tariff_status"]
    assert status["commodity_import"]["status"] == "ERROR"
    simulator.set_problem(client.location, "IMPORT", "pending_connect")
    assert (await client.call("GET", path)).status == 422
    market = simulator.add_location(ACCOUNT, tariff="dynamic")
    reply = await client.call("GET", f"/locations/{market}/status")
    connection = reply.body["tariff_status"]["commodity_export"]
    assert connection["tariff"]["structure_type"] == "DYNAMIC"


async def test_prices(simulator: FlatPeakSimulator, client: Client) -> None:
    """Unequal intervals, clipped to the request, from now on where no start is said."""
    simulator.add_location(
        ACCOUNT, location_id="loc_night", timezone="Europe/Berlin", tariff="daynight"
    )
    body = {"end_time": "2026-11-11T12:00:00+01:00"}
    reply = await client.call("POST", "/prices/loc_night", body)
    assert reply.body["object"] == "price"
    data = [
        (one["valid_from"], one["price"]["value"], one["price"]["confidence"])
        for one in reply.body["data"]
    ]
    assert data == [
        ("2026-11-10T13:00:00+01:00", Decimal("0.3142"), 1),
        ("2026-11-10T23:30:00+01:00", Decimal("0.1287"), 1),
        ("2026-11-11T00:00:00+01:00", Decimal("0.1287"), Decimal("0.8")),
        ("2026-11-11T07:30:00+01:00", Decimal("0.3142"), Decimal("0.8")),
    ]
    assert reply.body["data"][-1]["valid_to"] == body["end_time"]
    too_long = {"start_time": "2026-07-01T00:00:00Z", **body}
    assert (await client.call("POST", "/prices/loc_night", too_long)).status == 400
    zero = await client.call("POST", "/prices/loc_night", body, dialect=Dialect.ZERO)
    assert zero.status == 404


async def test_zero_rates(client: Client) -> None:
    """The older generation reads prices elsewhere, in other words."""
    path = f"/tariffs/rates/{client.location}"
    query = {"start_time": NOON[0], "end_time": NOON[1], "direction": "EXPORT"}
    reply = await client.call("GET", path, query=query, dialect=Dialect.ZERO)
    assert reply.body["object"] == "tariff_rate"
    assert reply.body["data"] == [
        {
            "valid_from": NOON[0],
            "valid_to": NOON[1],
            "tariff": {"rate": Decimal("0.1"), "confidence": 1},
        }
    ]
    assert (await client.call("GET", path, query=query)).status == 404


async def test_session_report(client: Client) -> None:
    """All records of a session, whoever owns them; none is an empty answer."""
    await client.instant(*NOON, session_reference_id="car/1")
    await client.instant(
        "2026-11-03T12:30:00Z",
        "2026-11-03T13:00:00Z",
        device_id=client.device,
        session_reference_id="car/1",
    )
    reply = await client.call("POST", "/costs/session/car%2F1")
    assert [one["cost"]["value"] for one in reply.body["data"]] == [Decimal("0.3")] * 2
    other = await client.call("POST", "/costs/session/none")
    assert (other.status, other.body["data"]) == (200, [])


async def test_unknown_paths(client: Client) -> None:
    """They are 404 with an error body, also with a wrong method."""
    for method, path in (("GET", "/v1/energy"), ("GET", "/costs/instant")):
        reply = await client.call(method, path)
        assert (reply.status, reply.body["object"]) == (404, "error")


async def test_the_request_log_has_no_secrets(
    simulator: FlatPeakSimulator, client: Client
) -> None:
    """It tells time, template, query, body and status, and no credentials."""
    await client.instant(*NOON, 1.25, non_persistent=True)
    login, record = simulator.requests
    assert (login.template, login.status, login.body) == ("/login", 200, None)
    assert (record.method, record.path, record.status, record.time) == (
        "POST",
        "/costs/instant",
        200,
        NOW,
    )
    assert record.query == {"non_persistent": "true"}
    assert record.body["value"] == Decimal("1.25")
    assert record.headers["flatpeak-version"] == Dialect.ANODE
    assert not any(
        secret in str(one) for one in (login, record) for secret in (KEY, client.bearer)
    )
    await client.report(*DAY)
    assert simulator.requests[-1].template == "/costs/interval/{id}"


async def test_the_date_header_is_the_clock(client: Client) -> None:
    """A client that compares clocks sees the simulator's."""
    reply = await client.call("GET", "/locations")
    assert reply.headers["Date"] == "Tue, 10 Nov 2026 12:00:00 GMT"


async def test_two_simulators_side_by_side() -> None:
    """Each has its own port; a taken one is an error."""
    async with FlatPeakSimulator() as one, FlatPeakSimulator() as other:
        assert one.url != other.url
        with pytest.raises(OSError, match="in use"):
            await FlatPeakSimulator(port=one.port).start()
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{one.url}/login") as response,
        ):
            assert response.status == 403
