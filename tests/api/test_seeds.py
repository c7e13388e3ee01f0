"""The two documented examples, field by field."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from custom_components.flatpeak.api import (
    Aggregation,
    Amount,
    CostItem,
    CostReport,
    Dialect,
    EnergyDirection,
    FlatPeakClient,
    MeterRecord,
    PricedRecord,
    TariffDirection,
    Units,
)

from .conftest import ACCOUNT, KEY, Reply, ScriptedFlatPeak, seed

INTERVAL_PATH = "/costs/interval/dev_65e6d8334c8d715963d99db3"
ITEM = CostItem(
    start=datetime(2022, 2, 1, 10, 30, tzinfo=UTC),
    end=datetime(2022, 2, 1, 11, 0, tzinfo=UTC),
    energy_wh=10284,
    cost=Amount(value=Decimal("928.372"), confidence=Decimal(1)),
    session_reference_id="SESSION1234567890",
    record_reference_id="MET1234567890",
)


def record_of(asked: dict[str, Any]) -> MeterRecord:
    """Return the record of the example's request."""
    return MeterRecord(
        location_id=asked["location_id"],
        device_id=asked["device_id"],
        session_reference_id=asked["session_reference_id"],
        record_reference_id=asked["record_reference_id"],
        energy_direction=EnergyDirection(asked["direction"]),
        tariff_direction=TariffDirection(asked["tariff_rate"]),
        units=Units(asked["units"]),
        confidence=Decimal(asked["confidence"]),
        value=Decimal(asked["value"]),
        start=datetime.fromisoformat(asked["start_time"]),
        end=datetime.fromisoformat(asked["end_time"]),
    )


async def test_instant_request(
    client: FlatPeakClient, flatpeak: ScriptedFlatPeak
) -> None:
    """The request is the example's, in the same order, and asks for everything."""
    example = seed("instant")
    flatpeak.play("/costs/instant", Reply(body=seed("instant")["response"]))
    await client.async_submit_record(record_of(example["request"]))
    (seen,) = flatpeak.asked("/costs/instant")
    assert seen.method == "POST"
    assert list(seen.json.items()) == list(example["request"].items())
    assert isinstance(seen.json["value"], int)
    assert seen.query == {
        "include_tariff": "true",
        "include_carbon": "true",
        "non_persistent": "false",
    }
    assert seen.headers["Content-Type"] == "application/json"
    assert seen.headers["Flatpeak-Version"] == "2024-08-24.zero"
    assert seen.headers["Authorization"] == "Bearer token-number-1"


@pytest.mark.parametrize("dialect", Dialect)
async def test_instant_answer(
    http: aiohttp.ClientSession,
    url: str,
    flatpeak: ScriptedFlatPeak,
    dialect: Dialect,
) -> None:
    """The answer is read value by value, whichever dialect was asked."""
    flatpeak.play("/costs/instant", Reply(body=seed("instant")["response"]))
    client = FlatPeakClient(http, ACCOUNT, KEY, base_url=url, instant_dialect=dialect)
    record = record_of(seed("instant")["request"])
    assert await client.async_submit_record(record) == PricedRecord(
        id="mre_65e641b570b2901d3a40199d",
        currency_code="GBP",
        live_mode=True,
        item=CostItem(
            start=ITEM.start,
            end=ITEM.end,
            energy_wh=10284,
            cost=ITEM.cost,
            carbon=Amount(value=Decimal("35.24"), confidence=Decimal("0.8")),
            session_reference_id="SESSION1234567890",
            record_reference_id="MET1234567890",
        ),
    )


async def test_interval_request(
    client: FlatPeakClient, flatpeak: ScriptedFlatPeak
) -> None:
    """The request is the example's, with the documented query."""
    example = seed("interval")["request"]
    flatpeak.play(INTERVAL_PATH, Reply(body=seed("interval")["response"]))
    await client.async_get_costs(
        "dev_65e6d8334c8d715963d99db3",
        datetime.fromisoformat(example["start_time"]),
        datetime.fromisoformat(example["end_time"]),
        direction=TariffDirection.LOCAL,
        aggregation=Aggregation.MONTH,
    )
    (seen,) = flatpeak.asked(INTERVAL_PATH)
    assert seen.method == "POST"
    assert list(seen.json.items()) == list(example.items())
    assert seen.query == {"tariff_direction": "LOCAL", "aggregation": "MONTH"}
    assert seen.headers["Flatpeak-Version"] == "2025-09-14.anode"


@pytest.mark.parametrize("dialect", Dialect)
async def test_interval_answer(
    http: aiohttp.ClientSession,
    url: str,
    flatpeak: ScriptedFlatPeak,
    dialect: Dialect,
) -> None:
    """The answer is read value by value, whichever dialect was asked."""
    flatpeak.play(INTERVAL_PATH, Reply(body=seed("interval")["response"]))
    client = FlatPeakClient(http, ACCOUNT, KEY, base_url=url, interval_dialect=dialect)
    report = await client.async_get_costs(
        "dev_65e6d8334c8d715963d99db3",
        ITEM.start,
        ITEM.end,
        direction=TariffDirection.IMPORT,
    )
    assert report == CostReport(
        object_id="dev_65e6d8334c8d715963d99db3",
        tariff_direction=TariffDirection.IMPORT,
        location_timezone="Europe/London",
        currency_code="EUR",
        live_mode=True,
        items=(ITEM,),
    )
