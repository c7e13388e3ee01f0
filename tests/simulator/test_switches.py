"""Every switch changes what it says, and nothing else is needed to see it."""

from collections.abc import Awaitable, Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from . import DEFAULT, VARIANTS, Direction, FaultKind, Switches
from .conftest import ACCOUNT, Client
from .switches import Dialect, Unpriced, Visibility

pytestmark = pytest.mark.usefixtures("socket_enabled")

type Scenario = Callable[[Client], Awaitable[Any]]

DAY = ("2026-11-03T00:00:00+01:00", "2026-11-04T00:00:00+01:00")
THREE_DAYS = ("2026-11-02T00:00:00+01:00", "2026-11-05T00:00:00+01:00")
NOON = ("2026-11-03T12:00:00Z", "2026-11-03T12:30:00Z")
LATER = ("2026-11-03T12:30:00Z", "2026-11-03T13:00:00Z")


def utc(text: str) -> str:
    """Write a time as UTC day, hour and minute."""
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%d %H:%M")


def stored_on_day(client: Client, direction: str = "IMPORT") -> Decimal:
    """Ask the simulator itself what the day cost."""
    start, end = (datetime.fromisoformat(one) for one in DAY)
    return client.simulator.stored_cost(client.location, start, end, direction)


async def default_dialect(client: Client) -> Any:
    """Ask without a version; which word names the direction?"""
    reply = await client.call(
        "POST",
        f"/costs/interval/{client.location}",
        {"start_time": DAY[0], "end_time": DAY[1]},
        dialect=None,
    )
    return "tariff_direction" in reply.body


async def bucket_zone(client: Client) -> Any:
    """Ask with an American offset for a record half an hour after local midnight."""
    await client.instant("2026-11-02T23:30:00Z", "2026-11-02T23:45:00Z")
    reply = await client.report(
        "2026-11-01T00:00:00-05:00", "2026-11-05T00:00:00-05:00", "DAY"
    )
    return [utc(one["start_time"]) for one in reply.body["data"]]


async def edge_bucket(client: Client) -> Any:
    """Ask for a month by a few of its days."""
    await client.instant("2026-11-02T12:00:00Z", "2026-11-02T12:30:00Z", 10)
    await client.instant(*NOON, 500)
    await client.instant("2026-11-20T12:00:00Z", "2026-11-20T12:30:00Z", 7)
    (item,) = (await client.report(*DAY, "MONTH")).body["data"]
    return utc(item["start_time"]), utc(item["end_time"]), item["energy"]["value"]


async def empty_buckets(client: Client) -> Any:
    """Ask for three days with one record, then for none."""
    await client.instant(*NOON, 500)
    some = await client.report(*THREE_DAYS, "DAY")
    none = await client.report(
        "2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z", direction=Direction.EXPORT
    )
    return len(some.body["data"]), none.status


async def unaggregated(client: Client) -> Any:
    """Ask for the records of a day."""
    await client.instant(*NOON, 500)
    await client.instant(*LATER, 700)
    data = (await client.report(*DAY)).body["data"]
    return [one["energy"]["value"] for one in data]


async def order(client: Client) -> Any:
    """Ask for six records in the order of their times."""
    for hour in range(6):
        await client.instant(
            f"2026-11-03T0{hour}:00:00Z", f"2026-11-03T0{hour}:30:00Z", hour
        )
    data = (await client.report(*DAY)).body["data"]
    found = [one["energy"]["value"] for one in data]
    if found == sorted(found):
        return "ascending"
    return "descending" if found[::-1] == sorted(found) else sorted(found)


async def straddling(client: Client) -> Any:
    """Store one record over the start of the range, one over its end."""
    await client.instant("2026-11-03T11:45:00Z", "2026-11-03T12:15:00Z", 1)
    await client.instant("2026-11-03T12:15:00Z", "2026-11-03T12:45:00Z", 20)
    await client.instant("2026-11-03T12:45:00Z", "2026-11-03T13:15:00Z", 300)
    data = (await client.report(NOON[0], LATER[1])).body["data"]
    return sum(one["energy"]["value"] for one in data)


async def overwrite(client: Client) -> Any:
    """Send a period twice, the next one, and one that overlaps that alone."""
    await client.instant(*NOON, 1)
    await client.instant(*NOON, 20)
    await client.instant(*LATER, 4000)
    await client.instant("2026-11-03T12:45:00Z", "2026-11-03T13:15:00Z", 300)
    return [line.energy for line in client.simulator.records]


async def overwrite_key(client: Client) -> Any:
    """Import, export and own generation of one period."""
    await client.instant(*NOON, 1)
    for flow, rate, value in (("OUTBOUND", "EXPORT", 20), ("INBOUND", "LOCAL", 300)):
        await client.instant(
            *NOON, value, energy_flow_direction=flow, tariff_direction=rate
        )
    return [line.energy for line in client.simulator.records]


async def location_report(client: Client) -> Any:
    """A record of the location, and one of a device there."""
    await client.instant(*NOON, 1)
    await client.instant(*NOON, 20, device_id=client.device)
    (item,) = (await client.report(*DAY, "DAY")).body["data"]
    stored = stored_on_day(client)
    assert stored == Decimal(item["cost"]["value"])
    return item["energy"]["value"]


async def cost_rounding(client: Client) -> Any:
    """50 W for 5 minutes are 4.1666… Wh, at 0.3 per kWh."""
    reply = await client.instant(
        NOON[0], "2026-11-03T12:05:00Z", 50, units="W", non_persistent=True
    )
    return str(reply.body["data"]["cost"]["value"])


async def aggregate_rounding(client: Client) -> Any:
    """Three records that each cost 0.0000125."""
    for minute in (0, 10, 20):
        await client.instant(
            f"2026-11-03T12:{minute:02}:00Z",
            f"2026-11-03T12:{minute + 5:02}:00Z",
            0.5,
            units="W",
        )
    (item,) = (await client.report(*DAY, "DAY")).body["data"]
    stored = stored_on_day(client)
    assert stored == item["cost"]["value"]
    return item["cost"]["value"] * 100_000


async def energy_rounding(client: Client) -> Any:
    """Half a Wh above an even number."""
    reply = await client.instant(*NOON, 20.5, non_persistent=True)
    return reply.body["data"]["energy"]["value"]


async def aggregate_confidence(client: Client) -> Any:
    """One sure record, and one a third as large that is half sure."""
    await client.instant(*NOON, 300)
    await client.instant(*LATER, 100, confidence=0.5)
    (item,) = (await client.report(*DAY, "DAY")).body["data"]
    return str(item["cost"]["confidence"])


async def export_sign(client: Client) -> Any:
    """Export of 1 kWh: instant, report and what the simulator says it stored."""
    reply = await client.instant(
        *NOON, energy_flow_direction="OUTBOUND", tariff_direction="EXPORT"
    )
    report = await client.report(*DAY, "DAY", direction="EXPORT")
    stored = stored_on_day(client, "EXPORT")
    first, second = reply.body["data"], report.body["data"][0]
    assert first["cost"]["value"] == second["cost"]["value"] == stored
    return str(stored.normalize())


async def reference_ids(client: Client) -> Any:
    """Which of our own ids a report by period and one by session repeat."""
    await client.instant(*NOON, session_reference_id="S 1", record_reference_id="R")
    report = await client.report(*DAY)
    session = await client.call("POST", "/costs/session/S%201")
    return [
        sorted(set(ECHOED) & one.body["data"][0].keys()) for one in (report, session)
    ]


async def tariff_flag(client: Client) -> Any:
    """A zero report without `include_tariff`."""
    await client.instant(*NOON)
    reply = await client.call(
        "POST",
        f"/costs/interval/{client.location}",
        {"start_time": DAY[0], "end_time": DAY[1]},
        dialect=Dialect.ZERO,
    )
    return "tariff" in reply.body["data"][0]


async def expired_bearer(client: Client) -> Any:
    """A bearer that ran out."""
    client.simulator.advance(timedelta(hours=1))
    reply = await client.call("GET", "/locations")
    return reply.status, "code" in reply.body


async def unknown_id(client: Client) -> Any:
    """A location that nobody has."""
    return (await client.call("GET", "/locations/loc_nobody")).status


async def bad_version(client: Client) -> Any:
    """A version that never was."""
    return (await client.call("GET", "/locations", dialect="2020-01-01.dc")).status


async def validation_body(client: Client) -> Any:
    """A record that ends before it starts."""
    reply = await client.instant(NOON[1], NOON[0])
    return reply.status, reply.body.get("code")


async def error_body(client: Client) -> Any:
    """A direction without a tariff."""
    client.simulator.set_problem(client.location, "IMPORT", "no_price_data")
    reply = await client.instant(*NOON)
    return reply.status, reply.body.get("code")


async def rate_limit_header(client: Client) -> Any:
    """Too many requests."""
    client.simulator.fail("/locations", status=429, retry_after=7)
    reply = await client.call("GET", "/locations")
    assert (reply.status, reply.body["type"]) == (429, "rate_limit")
    return reply.headers.get("Retry-After")


async def long_range(client: Client) -> Any:
    """A report of half a year."""
    reply = await client.report("2026-05-01T00:00:00Z", "2026-11-01T00:00:00Z")
    return reply.status


async def lag(client: Client) -> Any:
    """Replace a record, and look at the report each minute."""
    await client.instant(*NOON, 1)
    client.simulator.advance(timedelta(minutes=10))
    await client.instant(*NOON, 20)
    seen = []
    for _ in range(3):
        data = (await client.report(*DAY)).body["data"]
        seen.append([one["energy"]["value"] for one in data])
        client.simulator.advance(timedelta(minutes=1))
    assert [line.energy for line in client.simulator.records] == [20]
    return seen


async def visibility(client: Client) -> Any:
    """Which of two records is in the report at once."""
    await client.instant(*NOON, 1)
    await client.instant(*LATER, 20)
    seen = []
    for _ in range(2):
        data = (await client.report(*DAY)).body["data"]
        seen.append([one["energy"]["value"] for one in data])
        client.simulator.advance(timedelta(minutes=10))
    return seen


async def execution(client: Client) -> Any:
    """Drop a record before it is stored, and look again half a minute later."""
    client.simulator.fail("/costs/instant", kind=FaultKind.DROP)
    with pytest.raises(aiohttp.ClientError):
        await client.instant(*NOON)
    seen = [len(client.simulator.records)]
    client.simulator.advance(timedelta(seconds=30))
    return [*seen, len(client.simulator.records)]


async def unpriced(client: Client) -> Any:
    """A record in a direction without a price: refused, yet stored?"""
    client.simulator.set_problem(client.location, "IMPORT", "pending_connect")
    statuses = [
        (await client.instant(*NOON, non_persistent=trial)).status
        for trial in (True, False)
    ]
    assert statuses == [422, 422]
    return len(client.simulator.records)


async def batch_delay(client: Client) -> Any:
    """How much of a batch is done after a second."""
    reply = await client.call(
        "PUT",
        "/meters/interval",
        [
            {
                "location_id": client.location,
                "units": "KWH",
                "value": 1,
                "start_time": NOON[0],
                "end_time": NOON[1],
            }
        ],
    )
    client.simulator.advance(timedelta(seconds=1))
    later = await client.call(
        "GET", "/meters/batch", query={"batch_id": reply.body["id"]}
    )
    return reply.body["records_processed"], later.body["records_processed"]


async def token_life(client: Client) -> Any:
    """What the log-in promises, and whether it is kept after four minutes."""
    reply = await client.login()
    client.simulator.advance(timedelta(minutes=4))
    status = (await client.call("GET", "/locations")).status
    return reply.body["expires_in"], status


async def status_text(client: Client) -> Any:
    """The state of the import tariff."""
    reply = await client.call("GET", f"/locations/{client.location}")
    return reply.body["tariff_status"]["commodity_import"]


async def money_of_test_keys(client: Client) -> Any:
    """Whether a test key sees the tariff's money."""
    client.simulator.add_account(ACCOUNT, "sk_test_example")
    assert (await client.login(key="sk_test_example")).body["live_mode"] is False
    for account in client.simulator.ledger.accounts:
        if not account.live_mode:
            client.simulator.ledger.locations[client.location].account = account
    replies = [await client.instant(*NOON, non_persistent=True) for _ in range(5)]
    money = {reply.body["data"]["cost"]["value"] for reply in replies}
    return money == {Decimal("0.3")}


ECHOED = ["record_reference_id", "session_reference_id"]
EXPECTED: dict[Scenario, dict[str, Any]] = {
    default_dialect: {"2025-09-14.anode": True, "2024-08-24.zero": False},
    bucket_zone: {
        "location": ["02 23:00"],
        "request_offset": ["02 05:00"],
        "utc": ["02 00:00"],
    },
    edge_bucket: {
        "clipped": ("02 23:00", "03 23:00", 500),
        "full": ("31 23:00", "30 23:00", 517),
    },
    empty_buckets: {"omitted": (1, 200), "zero": (3, 200), "not_found": (1, 404)},
    unaggregated: {"records": [500, 700], "total": [1200]},
    order: {
        "ascending": "ascending",
        "descending": "descending",
        "shuffled": [0, 1, 2, 3, 4, 5],
    },
    straddling: {"starting": 320, "overlapping": 321, "contained": 20},
    overwrite: {
        "same_period": [20, 4000, 300],
        "overlap": [20, 300],
        "never": [1, 20, 4000, 300],
    },
    overwrite_key: {"direction": [1, 20, 300], "owner": [300]},
    location_report: {"own": 1, "with_devices": 21},
    cost_rounding: {"five": "0.00125", "three": "0.001", "rounded_energy": "0.0012"},
    aggregate_rounding: {"sum_of_rounded": 3, "rounded_sum": 4},
    energy_rounding: {"half_up": 21, "half_even": 20},
    aggregate_confidence: {"lowest": "0.5", "weighted": "0.875"},
    export_sign: {"positive": "0.1", "negative": "-0.1"},
    reference_ids: {
        "echoed": [ECHOED, ECHOED],
        "omitted": [[], ["session_reference_id"]],
    },
    tariff_flag: {"omitted": False, "included": True},
    expired_bearer: {
        "short_403": (403, False),
        "full_403": (403, True),
        "short_401": (401, False),
    },
    unknown_id: {"not_found": 404, "forbidden": 403, "unprocessable": 422},
    bad_version: {"refused": 400, "ignored": 200},
    validation_body: {"coded": (400, "end_time_invalid"), "short": (400, None)},
    error_body: {"full": (422, "no_price_data"), "short": (422, None)},
    rate_limit_header: {"retry_after": "7", "none": None},
    long_range: {"refused": 400, "accepted": 200},
    lag: {"0.0": [[20], [20], [20]], "120.0": [[1], [1], [20]]},
    visibility: {"in_order": [[1, 20], [1, 20]], "out_of_order": [[20], [1, 20]]},
    execution: {"prompt": [0, 0], "late": [0, 1]},
    unpriced: {"not_stored": 0, "stored": 1},
    batch_delay: {"0.2": (0, 1), "60.0": (0, 0)},
    token_life: {"3600.0": (3600, 200), "180.0": (180, 403)},
    status_text: {"clean": "CONNECTED", "trailing_space": "CONNECTED "},
    money_of_test_keys: {"exact": True, "random": False},
}
SCENARIOS = {
    scenario.__name__.replace("money_of_test_keys", "test_money"): scenario
    for scenario in EXPECTED
}
SETTINGS = {
    f"{one.name}={getattr(DEFAULT, one.name)}": DEFAULT for one in fields(Switches)
}


@pytest.mark.parametrize(
    "setting",
    [name for name in SETTINGS | VARIANTS if not name.startswith("late_by=")],
)
async def test_switch(client: Client, setting: str) -> None:
    """Each setting of each switch, the default too, shows as expected."""
    client.simulator.switches = (SETTINGS | VARIANTS)[setting]
    name, _, value = setting.partition("=")
    scenario = SCENARIOS[name]
    assert await scenario(client) == EXPECTED[scenario][value]


async def test_late_by(client: Client) -> None:
    """A late request may also be executed later still."""
    client.simulator.switches = DEFAULT.but({"execution": "late", "late_by": 90.0})
    assert await execution(client) == [0, 0]
    client.simulator.advance(timedelta(seconds=60))
    assert len(client.simulator.records) == 1


def test_every_switch_has_its_variants_and_its_expectations() -> None:
    """No switch can be added without being shown here."""
    names = {one.name for one in fields(Switches)} - {"late_by"}
    assert names == SCENARIOS.keys()
    assert {name.partition("=")[0] for name in VARIANTS} == names
    for setting in VARIANTS:
        name, _, value = setting.partition("=")
        assert value in EXPECTED[SCENARIOS[name]]
    assert DEFAULT not in VARIANTS.values()
    assert replace(DEFAULT, unpriced=Unpriced.STORED) in VARIANTS.values()


def test_every_switch_is_explained() -> None:
    """The documentation lists each switch with all its values."""
    readme = Path(__file__).with_name("README.md").read_text()
    for setting in VARIANTS:
        name, _, value = setting.partition("=")
        rows = [row for row in readme.splitlines() if row.startswith(f"| `{name}` ")]
        assert len(rows) == 1
        assert value.removesuffix(".0") in rows[0]


def test_switches_by_name() -> None:
    """Plain words set switches; wrong ones are refused."""
    changed = DEFAULT.but({"visibility": "out_of_order", "lag": "5"})
    assert (changed.visibility, changed.lag) == (Visibility.OUT_OF_ORDER, 5.0)
    for wrong in ({"lagg": 5}, {"visibility": "sideways"}, {"lag": "long"}):
        with pytest.raises(ValueError, match=r"lagg|sideways|long"):
            DEFAULT.but(wrong)
