"""Both dialects, on both endpoints."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
import json

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.flatpeak.api import (
    Aggregation,
    Amount,
    Dialect,
    EnergyDirection,
    TariffDirection,
    Units,
)
from custom_components.flatpeak.api.dialect import (
    INSTANT_DIALECT,
    INTERVAL_DIALECT,
    read_record,
    read_report,
    record_body,
    record_query,
    report_query,
)
from custom_components.flatpeak.api.wire import JsonObject, load

from .conftest import DEVICE, END, LOCATION, RECORD, START

PAIRS = [
    (EnergyDirection.IMPORT, TariffDirection.IMPORT),
    (EnergyDirection.EXPORT, TariffDirection.EXPORT),
    (EnergyDirection.IMPORT, TariffDirection.LOCAL),
]
ENTRY: JsonObject = {
    "start_time": "2026-03-01T10:30:00Z",
    "end_time": "2026-03-01T11:00:00Z",
    "energy": {"value": 250},
}


def test_the_seeds_decide() -> None:
    """Each endpoint is asked in the dialect of its documented example."""
    assert INSTANT_DIALECT is Dialect.ZERO
    assert INTERVAL_DIALECT is Dialect.ANODE


@pytest.mark.parametrize(
    ("pair", "flow"), zip(PAIRS, ["INBOUND", "OUTBOUND", "INBOUND"], strict=True)
)
def test_anode_record(pair: tuple[EnergyDirection, TariffDirection], flow: str) -> None:
    """Anode says both directions, because its default price is the import price."""
    record = replace(RECORD, energy_direction=pair[0], tariff_direction=pair[1])
    assert record_body(Dialect.ANODE, record) == {
        "location_id": LOCATION,
        "device_id": DEVICE,
        "record_reference_id": "REC-1",
        "energy_flow_direction": flow,
        "tariff_direction": pair[1],
        "units": "WH",
        "value": Decimal(250),
        "start_time": "2026-03-01T10:30:00Z",
        "end_time": "2026-03-01T11:00:00Z",
    }


@pytest.mark.parametrize("pair", PAIRS)
def test_zero_record(pair: tuple[EnergyDirection, TariffDirection]) -> None:
    """Zero says the same in its own words, and what it measures."""
    record = replace(RECORD, energy_direction=pair[0], tariff_direction=pair[1])
    assert record_body(Dialect.ZERO, record) == {
        "location_id": LOCATION,
        "device_id": DEVICE,
        "record_reference_id": "REC-1",
        "direction": pair[0],
        "tariff_rate": pair[1],
        "measurand": "TRANSFERRED",
        "units": "WH",
        "value": Decimal(250),
        "start_time": "2026-03-01T10:30:00Z",
        "end_time": "2026-03-01T11:00:00Z",
    }


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("units", Units)
def test_every_field(dialect: Dialect, units: Units) -> None:
    """Optional fields are sent when given, and times in UTC."""
    paris = timezone(timedelta(hours=1))
    record = replace(
        RECORD,
        device_id=None,
        units=units,
        confidence=Decimal("0.75"),
        session_reference_id="S",
        start=START.astimezone(paris),
        end=END.astimezone(paris),
    )
    body = record_body(dialect, record)
    assert body["units"] == units
    assert body["confidence"] == Decimal("0.75")
    assert body["session_reference_id"] == "S"
    assert body["start_time"] == "2026-03-01T10:30:00Z"
    assert body["end_time"] == "2026-03-01T11:00:00Z"
    assert "device_id" not in body


def test_a_naive_time_is_refused() -> None:
    """Whose time it is would be a guess."""
    with pytest.raises(ValueError, match="aware"):
        record_body(Dialect.ZERO, replace(RECORD, end=datetime(2026, 3, 1, 11)))  # noqa: DTZ001


@pytest.mark.parametrize("tariff", [False, True])
@pytest.mark.parametrize("carbon", [False, True])
@pytest.mark.parametrize("transient", [False, True])
def test_record_query(*, tariff: bool, carbon: bool, transient: bool) -> None:
    """Each flag reaches the query; anode has only the last one."""
    flags = {
        "include_tariff": tariff,
        "include_carbon": carbon,
        "non_persistent": transient,
    }
    zero = record_query(Dialect.ZERO, **flags)
    assert zero == {name: str(value).lower() for name, value in flags.items()}
    anode = record_query(Dialect.ANODE, **flags)
    assert anode == {"non_persistent": str(transient).lower()}


@pytest.mark.parametrize("direction", TariffDirection)
@pytest.mark.parametrize("aggregation", [None, *Aggregation])
def test_report_query(
    direction: TariffDirection, aggregation: Aggregation | None
) -> None:
    """Direction has two names; zero must be asked for money and carbon."""
    buckets = {"aggregation": aggregation.value} if aggregation else {}
    assert report_query(Dialect.ANODE, direction, aggregation) == {
        "tariff_direction": direction.value,
        **buckets,
    }
    assert report_query(Dialect.ZERO, direction, aggregation) == {
        "direction": direction.value,
        **buckets,
        "include_tariff": "true",
        "include_carbon": "true",
    }


@pytest.mark.parametrize("name", ["tariff_direction", "tariff_rate", "direction"])
def test_report_of_either_dialect(name: str) -> None:
    """Money, direction and carbon are found under either name, sorted by start."""
    later = {
        "start_time": "2026-03-01T12:00:00+01:00",
        "end_time": "2026-03-01T12:30:00+01:00",
        "energy": {"value": 3},
        "cost": {"value": Decimal("0.5"), "confidence": 1},
    }
    first = {
        **ENTRY,
        "tariff": {"value": Decimal("-0.25")},
        "carbon": {"value": 9, "confidence": Decimal("0.8")},
        "session_reference_id": " ",
        "record_reference_id": " REC-1 ",
    }
    report = read_report(
        {
            "object_id": "dev_1 ",
            name: "EXPORT",
            "location_timezone": "Asia/Kathmandu",
            "currency_code": "",
            "live_mode": None,
            "data": [later, first],
        }
    )
    assert report.tariff_direction is TariffDirection.EXPORT
    assert report.object_id == "dev_1"
    assert report.location_timezone == "Asia/Kathmandu"
    assert report.currency_code is None
    assert report.live_mode is None
    early, late = report.items
    assert early.cost == Amount(value=Decimal("-0.25"))
    assert early.carbon == Amount(value=Decimal(9), confidence=Decimal("0.8"))
    assert (early.session_reference_id, early.record_reference_id) == (None, "REC-1")
    assert late.start == datetime(2026, 3, 1, 11, tzinfo=UTC)
    assert late.cost == Amount(value=Decimal("0.5"), confidence=Decimal(1))
    assert late.carbon is None


@pytest.mark.parametrize("data", [[], None, {}])
def test_empty_report(data: object) -> None:
    """A report may hold nothing."""
    assert read_report({"data": data}).items == ()


def test_single_item() -> None:
    """One object in place of a list is one item, and the other way round."""
    assert read_report({"data": ENTRY}).items[0].energy_wh == 250
    assert read_record({"data": [ENTRY]}).item.energy_wh == 250


@pytest.mark.parametrize("data", [None, [], [ENTRY, ENTRY], "x"])
def test_record_has_one_item(data: object) -> None:
    """The answer to one record is one item."""
    with pytest.raises(ValueError, match="data"):
        read_record({"data": data})


@pytest.mark.parametrize(
    ("units", "value", "watt_hours"),
    [
        (None, 10284, 10284),
        ("WH", Decimal("10283.5"), 10284),
        ("wh ", Decimal("0.4"), 0),
        ("KWH", Decimal("1.657"), 1657),
        ("WH", -5, -5),
    ],
)
def test_energy(units: str | None, value: object, watt_hours: int) -> None:
    """Energy is whole Wh, whatever it came in."""
    body = {"energy_units": units, "data": {**ENTRY, "energy": {"value": value}}}
    assert read_record(body).item.energy_wh == watt_hours


@pytest.mark.parametrize(
    "energy", [None, 5, {}, {"value": None}, {"value": "5"}, {"value": True}]
)
def test_no_energy(energy: object) -> None:
    """Energy that is not there is not zero."""
    with pytest.raises(ValueError, match=r"energy|value"):
        read_record({"data": {**ENTRY, "energy": energy}})


def test_unknown_units() -> None:
    """Energy and carbon in another unit are not guessed at."""
    with pytest.raises(ValueError, match="energy_units"):
        read_record({"energy_units": "MJ", "data": ENTRY})
    body = {"carbon_units": "kg", "data": {**ENTRY, "carbon": {"value": 1}}}
    assert read_record(body).item.carbon is None


WORDS = st.sampled_from(
    [
        "data",
        "energy",
        "cost",
        "tariff",
        "carbon",
        "value",
        "confidence",
        "start_time",
        "end_time",
        "energy_units",
        "object",
    ]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["WH", "2026-03-01T10:30:00Z", "9999-12-31T23:59:59-01:00"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=6)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(value=JSON | st.dictionaries(WORDS, JSON, max_size=6))
def test_any_json_is_read_or_refused(value: object) -> None:
    """No answer whatever gets another exception than ValueError."""
    raw = json.dumps(value).encode()
    for read in (read_record, read_report):
        try:
            read(load(raw))
        except ValueError as error:
            assert str(error)  # noqa: PT017
