"""All that differs between the API generations: meter records and cost reports.

A request is written in the dialect that it names in `Flatpeak-Version`. An answer is
read in either, whatever was asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

from .models import (
    Aggregation,
    CostItem,
    CostReport,
    Dialect,
    EnergyDirection,
    MeterRecord,
    PricedRecord,
    TariffDirection,
)
from .wire import (
    JsonObject,
    amount,
    flag,
    items,
    mapping,
    member,
    number,
    period,
    rfc3339,
    text,
)

DEFAULT_DIALECT = Dialect.ANODE
INSTANT_DIALECT = Dialect.ZERO  # Carbon comes back in this one only.
INTERVAL_DIALECT = Dialect.ANODE
BATCH_DIALECT = Dialect.ANODE

TARIFF_DIRECTION_FIELDS = ("tariff_direction", "tariff_rate", "direction")

_MONEY = (("cost", "value"), ("tariff", "value"))
_CARBON = (("carbon", "value"),)
_WATT_HOURS = {"WH": 1, "KWH": 1000}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """How a dialect says things."""

    flow_field: str
    flows: Mapping[EnergyDirection, str]
    tariff_field: str
    report_field: str
    extra: Mapping[str, str] = field(default_factory=dict)
    includes: bool = False


_WORDS = {
    Dialect.ZERO: _Words(
        flow_field="direction",
        flows={EnergyDirection.IMPORT: "IMPORT", EnergyDirection.EXPORT: "EXPORT"},
        tariff_field="tariff_rate",
        report_field="direction",
        extra={"measurand": "TRANSFERRED"},
        includes=True,
    ),
    Dialect.ANODE: _Words(
        flow_field="energy_flow_direction",
        flows={EnergyDirection.IMPORT: "INBOUND", EnergyDirection.EXPORT: "OUTBOUND"},
        tariff_field="tariff_direction",
        report_field="tariff_direction",
    ),
}


def record_query(
    dialect: Dialect,
    *,
    include_tariff: bool,
    include_carbon: bool,
    non_persistent: bool,
) -> dict[str, str]:
    """Return the query of ``POST /costs/instant``."""
    return _includes(dialect, tariff=include_tariff, carbon=include_carbon) | {
        "non_persistent": _word(non_persistent)
    }


def record_body(dialect: Dialect, record: MeterRecord) -> dict[str, str | Decimal]:
    """Return one record as both endpoints take it; what is not given is left out.

    Raises:
        ValueError: A time is naive.
    """
    words = _WORDS[dialect]
    fields = {
        "location_id": record.location_id,
        "device_id": record.device_id,
        "session_reference_id": record.session_reference_id,
        "record_reference_id": record.record_reference_id,
        words.flow_field: words.flows[record.energy_direction],
        words.tariff_field: record.tariff_direction.value,
        **words.extra,
        "units": record.units.value,
        "confidence": record.confidence,
        "value": record.value,
        "start_time": _utc(record.start),
        "end_time": _utc(record.end),
    }
    return {name: value for name, value in fields.items() if value is not None}


def report_query(
    dialect: Dialect, direction: TariffDirection, aggregation: Aggregation | None
) -> dict[str, str]:
    """Return the query of ``POST /costs/interval/{id}``."""
    query = {_WORDS[dialect].report_field: direction.value}
    if aggregation:
        query["aggregation"] = aggregation.value
    return query | _includes(dialect, tariff=True, carbon=True)


def read_record(body: JsonObject) -> PricedRecord:
    """Read the answer of ``POST /costs/instant``.

    Raises:
        ValueError: It cannot be read.
    """
    found = items(body)
    if len(found) != 1:
        raise ValueError("data is not one item")
    return PricedRecord(
        id=text(body, "id"),
        currency_code=text(body, "currency_code"),
        live_mode=flag(body, "live_mode"),
        item=_item(body, found[0]),
    )


def read_report(body: JsonObject) -> CostReport:
    """Read the answer of ``POST /costs/interval/{id}``, sorted by start.

    Raises:
        ValueError: It cannot be read.
    """
    found = (_item(body, entry) for entry in items(body))
    direction = text(body, *TARIFF_DIRECTION_FIELDS)
    return CostReport(
        object_id=text(body, "object_id"),
        tariff_direction=member(TariffDirection, direction),
        location_timezone=text(body, "location_timezone"),
        currency_code=text(body, "currency_code"),
        live_mode=flag(body, "live_mode"),
        items=tuple(sorted(found, key=lambda item: (item.start, item.end))),
    )


def _item(body: JsonObject, entry: JsonObject) -> CostItem:
    """Read energy and money of one period."""
    start, end = period(entry, "start_time", "end_time")
    # Grams are the only unit that is documented; anything else is not guessed at.
    in_grams = text(body, "carbon_units") in {None, "gCO2eq"}
    return CostItem(
        start=start,
        end=end,
        energy_wh=_energy(body, entry),
        cost=amount(entry, *_MONEY),
        carbon=amount(entry, *_CARBON) if in_grams else None,
        session_reference_id=text(entry, "session_reference_id"),
        record_reference_id=text(entry, "record_reference_id"),
    )


def _energy(body: JsonObject, entry: JsonObject) -> int:
    """Read energy in whole Wh."""
    value = number(mapping(entry.get("energy"), "energy"), "value")
    if value is None:
        raise ValueError("energy.value is missing")
    factor = _WATT_HOURS.get((text(body, "energy_units") or "WH").upper())
    if factor is None:
        raise ValueError("energy_units is not known")
    return int((value * factor).to_integral_value(ROUND_HALF_UP))


def _includes(dialect: Dialect, *, tariff: bool, carbon: bool) -> dict[str, str]:
    """Return the flags that ask for money and carbon, where a dialect has them."""
    if not _WORDS[dialect].includes:
        return {}
    return {"include_tariff": _word(tariff), "include_carbon": _word(carbon)}


def _word(value: bool) -> str:
    """Return a boolean as a query has it."""
    return "true" if value else "false"


def _utc(moment: datetime) -> str:
    """Return an aware time in UTC; a naive one is refused, never guessed at."""
    return rfc3339(moment.astimezone(UTC) if moment.tzinfo else moment)
