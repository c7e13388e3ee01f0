"""Reading of log-in, locations, devices and prices."""

from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

import pytest

from custom_components.flatpeak.api import (
    Amount,
    Device,
    Location,
    LocationStatus,
    Login,
    PriceInterval,
    TariffDirection,
    TariffState,
    TariffStructure,
)
from custom_components.flatpeak.api.resources import (
    read_device,
    read_location,
    read_location_status,
    read_page,
    read_prices,
    read_session,
)
from custom_components.flatpeak.api.wire import JsonObject


def test_session() -> None:
    """A log-in gives a token and how long it is good; the mode may be missing."""
    body = {"bearer_token": " abc ", "expires_in": 3600, "live_mode": True}
    session = read_session(body)
    assert (session.token, session.seconds) == ("abc", 3600)
    assert session.login == Login(live_mode=True)
    del body["live_mode"]
    assert read_session(body).login == Login(live_mode=None)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"bearer_token": "abc"},
        {"bearer_token": "abc", "expires_in": 0},
        {"bearer_token": "abc", "expires_in": -1},
        {"bearer_token": "abc", "expires_in": "3600"},
        {"bearer_token": "", "expires_in": 3600},
        {"bearer_token": 5, "expires_in": 3600},
        {"bearer_token": "a\r\nX-Evil: b", "expires_in": 3600},
        {"bearer_token": "\u2603", "expires_in": 3600},
    ],
)
def test_no_session(body: JsonObject) -> None:
    """A token that could not be sent is none."""
    with pytest.raises(ValueError, match=r"bearer_token|expires_in"):
        read_session(body)


def test_location() -> None:
    """A location is read with its texts trimmed."""
    body = {
        "id": "loc_1",
        "object": "location",
        "live_mode": True,
        "reference_id": "home",
        "timezone": "Europe/London",
        "currency_code": "GBP",
        "postal_address": {
            "address_line1": "1 High Street",
            "address_line2": "",
            "city": "London",
            "post_code": "N1 1AA",
            "country_code": "GB",
        },
        "tariff_status": {
            "commodity_import": "CONNECTED ",
            "commodity_export": "",
            "local": None,
        },
    }
    assert read_location(body) == Location(
        id="loc_1",
        reference_id="home",
        timezone="Europe/London",
        currency_code="GBP",
        live_mode=True,
        tariff_status={"commodity_import": "CONNECTED"},
        address="1 High Street, N1 1AA, London, GB",
        city="London",
    )


@pytest.mark.parametrize(
    "body", [{"id": "loc_1"}, {"id": "loc_1", "postal_address": None}]
)
def test_bare_location(body: JsonObject) -> None:
    """Only the id is needed."""
    assert read_location(body) == Location(id="loc_1", tariff_status={})


@pytest.mark.parametrize(
    "body", [{}, {"id": None}, {"id": "loc_1", "postal_address": "here"}]
)
def test_no_location(body: JsonObject) -> None:
    """Without an id, or in another shape, it is none."""
    with pytest.raises(ValueError, match=r"id|postal_address"):
        read_location(body)


def test_location_status() -> None:
    """Status, structure and provider are read; empty texts are nothing."""
    body = {
        "tariff_status": {
            "commodity_import": {
                "status": "CONNECTED ",
                "provider": {"id": "prv_1", "display_name": "Octopus"},
                "tariff": {"structure_type": "DYNAMIC"},
            },
            "commodity_export": {
                "status": "NOT_CONNECTED",
                "provider": {"display_name": ""},
                "tariff": {"structure_type": ""},
            },
            "local": {"status": "NOT_CONNECTED"},
        }
    }
    assert read_location_status(body) == LocationStatus(
        commodity_import=TariffState(
            status="CONNECTED", structure=TariffStructure.DYNAMIC, provider="Octopus"
        ),
        commodity_export=TariffState(status="NOT_CONNECTED"),
    )
    assert read_location_status({"tariff_status": {}}) == LocationStatus()
    with pytest.raises(ValueError, match="tariff_status"):
        read_location_status({})


def test_page() -> None:
    """A page knows whether there is more."""
    entries = [{"id": "dev_1", "reference_id": "a"}, {"id": "dev_2"}]
    page = read_page(read_device, {"data": entries, "has_more": True})
    assert page.found == (Device(id="dev_1", reference_id="a"), Device(id="dev_2"))
    assert page.has_more
    assert not read_page(read_device, {"data": []}).has_more


@pytest.mark.parametrize(
    ("outer", "inner"), [("price", "value"), ("tariff", "rate"), ("tariff", "cost")]
)
def test_prices(outer: str, inner: str) -> None:
    """Prices are sorted, of any length, and may be negative or missing."""
    read = partial(read_prices, "loc_1")
    found = read(
        {
            "location_timezone": "Europe/London",
            "currency_code": "GBP",
            "tariff_direction": "IMPORT",
            "data": [
                {
                    "valid_from": "2026-03-01T01:00:00Z",
                    "valid_to": "2026-03-01T03:00:00Z",
                    outer: {inner: 0, "confidence": 0},
                },
                {
                    "valid_from": "2026-03-01T00:00:00Z",
                    "valid_to": "2026-03-01T01:00:00Z",
                    outer: {inner: Decimal("-0.01234"), "confidence": Decimal("0.6")},
                },
            ],
        }
    )
    hours = [datetime(2026, 3, 1, hour, tzinfo=UTC) for hour in (0, 1, 3)]
    price = Amount(value=Decimal("-0.01234"), confidence=Decimal("0.6"))
    assert found.intervals == (
        PriceInterval(start=hours[0], end=hours[1], price=price),
        PriceInterval(start=hours[1], end=hours[2], price=None),
    )
    assert found.location_id == "loc_1"
    assert found.location_timezone == "Europe/London"
    assert found.currency_code == "GBP"
    assert found.tariff_direction is TariffDirection.IMPORT
