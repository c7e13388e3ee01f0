"""The two dialects on the wire: reading requests strictly, writing answers.

The field names, units and defaults are FlatPeak documentation. That an unknown field
or a field of the other dialect is refused, and every code here except
`data_json_invalid`, is invented.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
import json
import re
from typing import Any

from .ledger import Account, Draft
from .report import Item
from .switches import Dialect, ReferenceIds, Switches
from .tariff import Direction

type Json = dict[str, Any]

RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII
)
COMMON_FIELDS = frozenset(
    {
        "location_id",
        "device_id",
        "session_reference_id",
        "record_reference_id",
        "units",
        "value",
        "confidence",
        "start_time",
        "end_time",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """What one dialect calls things."""

    flow: str
    flows: dict[str, Direction]
    rate: str
    report_direction: str
    report_directions: frozenset[Direction]
    money: str
    carbon: bool
    extra_fields: frozenset[str] = frozenset()
    flags: frozenset[str] = frozenset()


GRAMMARS = {
    Dialect.ZERO: Grammar(
        flow="direction",
        flows={"IMPORT": Direction.IMPORT, "EXPORT": Direction.EXPORT},
        rate="tariff_rate",
        report_direction="direction",
        report_directions=frozenset({Direction.IMPORT, Direction.EXPORT}),
        money="tariff",
        carbon=True,
        extra_fields=frozenset({"measurand"}),
        flags=frozenset({"include_tariff", "include_carbon"}),
    ),
    Dialect.ANODE: Grammar(
        flow="energy_flow_direction",
        flows={"INBOUND": Direction.IMPORT, "OUTBOUND": Direction.EXPORT},
        rate="tariff_direction",
        report_direction="tariff_direction",
        report_directions=frozenset(Direction),
        money="cost",
        carbon=False,
    ),
}
VERSIONS = {version.value: version for version in Dialect} | {
    "2024-08-24": Dialect.ZERO  # as the published specification writes it
}


@dataclass(eq=False)
class RefusedError(Exception):
    """A request that FlatPeak would not carry out."""

    status: int
    code: str
    message: str
    kind: str = "invalid_request"
    short: bool = False
    validation: bool = False


def invalid(code: str, message: str) -> RefusedError:
    """Make the refusal of a request that cannot be understood."""
    return RefusedError(400, code, message, validation=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back: a status and a JSON body."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request as it was read, before and after it is known who asks."""

    method: str
    template: str
    path: str
    match: dict[str, str]
    query: dict[str, str]
    headers: dict[str, str]
    raw: bytes
    dialect: Dialect = Dialect.ANODE
    account: Account | None = None
    key: str = ""

    @property
    def caller(self) -> Account:
        """Who asks.

        Raises:
            LookupError: Nobody was let in yet.
        """
        if self.account is None:
            raise LookupError("The call was not admitted")
        return self.account

    @property
    def grammar(self) -> Grammar:
        """The words of the asked dialect."""
        return GRAMMARS[self.dialect]

    def body(self) -> Any:
        """Return the JSON body, decimals exact.

        Raises:
            RefusedError: It is not JSON.
        """
        kind = self.headers.get("content-type", "").partition(";")[0]
        if kind != "application/json":
            raise invalid("content_type_invalid", "The body must be application/json")
        try:
            return json.loads(
                self.raw, parse_float=Decimal, parse_constant=_no_constant
            )
        except ValueError as error:
            raise invalid("data_json_invalid", "The body is not JSON") from error

    def fields(self, allowed: frozenset[str], required: frozenset[str]) -> Json:
        """Return a JSON object that has what it must and nothing else.

        Raises:
            RefusedError: It is something else.
        """
        return checked(self.body(), allowed, required)

    def flags(self, *known: str) -> dict[str, bool]:
        """Return boolean query parameters, absent ones as False.

        Raises:
            RefusedError: A value is not a boolean.
        """
        values = {name: self.query.get(name, "false") for name in known}
        for name, value in values.items():
            if value not in ("true", "false"):
                raise invalid(f"{name}_invalid", f"{name} must be true or false")
        return {name: value == "true" for name, value in values.items()}

    def only(self, *known: str) -> None:
        """Refuse query parameters that this dialect does not have here.

        Raises:
            RefusedError: There is one.
        """
        if unknown := set(self.query) - set(known):
            name = min(unknown)
            raise invalid("query_invalid", f"Unknown query parameter {name}")


def _no_constant(name: str) -> None:
    raise ValueError(name)


def checked(value: Any, allowed: frozenset[str], required: frozenset[str]) -> Json:
    """Check a JSON object's field names.

    Raises:
        RefusedError: It is no object, a field is unknown, or a required one is missing.
    """
    if not isinstance(value, dict):
        raise invalid("data_json_invalid", "An object is expected")
    if unknown := value.keys() - allowed:
        name = min(unknown)
        raise invalid(f"{name}_not_supported", f"Field {name} is not supported")
    for name in sorted(required):
        if value.get(name) in (None, ""):
            raise invalid(f"{name}_missing", f"{name} is required")
    return value


def text(body: Json, name: str) -> str | None:
    """Return an optional text field.

    Raises:
        RefusedError: It is not text.
    """
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(f"{name}_invalid", f"{name} must be text")
    return value


def instant(body: Json, name: str) -> datetime:
    """Return a required time with its offset.

    Raises:
        RefusedError: It is not RFC 3339 with a zone.
    """
    value = text(body, name)
    if value is None or not RFC3339.fullmatch(value):
        raise invalid(f"{name}_invalid", f"{name} must be RFC 3339 with an offset")
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise invalid(f"{name}_invalid", f"{name} is no time") from error


def period(body: Json) -> tuple[datetime, datetime]:
    """Return start and end.

    Raises:
        RefusedError: One is wrong, or the end is not after the start.
    """
    start, end = instant(body, "start_time"), instant(body, "end_time")
    if end < start:
        raise invalid("end_time_invalid", "end_time must not be before start_time")
    if end == start:
        raise invalid("end_time_invalid", "end_time must be after start_time")
    return start, end


def one_of[T](body: Json, name: str, known: dict[str, T], default: T) -> T:
    """Return what a word of a field means.

    Raises:
        RefusedError: The word is not known.
    """
    word = text(body, name)
    if word is None:
        return default
    if word not in known:
        raise invalid(f"{name}_invalid", f"{name} must be one of {sorted(known)}")
    return known[word]


def number(body: Json, name: str) -> Fraction:
    """Return a number.

    Raises:
        RefusedError: It is missing or not a number.
    """
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise invalid(f"{name}_invalid", f"{name} must be a number")
    return Fraction(value)


DIRECTIONS = {direction.value: direction for direction in Direction}


def draft(value: Any, grammar: Grammar) -> Draft:
    """Read a meter record.

    Raises:
        RefusedError: Something in it is wrong.
    """
    allowed = COMMON_FIELDS | {grammar.flow, grammar.rate} | grammar.extra_fields
    required = frozenset({"location_id", "units", "value", "start_time", "end_time"})
    body = checked(value, allowed, required)
    start, end = period(body)
    hours = Fraction((end - start) // timedelta(microseconds=1), 3_600_000_000)
    factors = {
        "W": hours,
        "KW": hours * 1000,
        "WH": Fraction(1),
        "KWH": Fraction(1000),
    }
    factor = one_of(body, "units", factors, Fraction(1))
    amount = number(body, "value")
    if amount < 0:
        raise invalid("value_invalid", "value must not be negative")
    confidence = number(body, "confidence") if "confidence" in body else Fraction(1)
    if not 0 <= confidence <= 1:
        raise invalid("confidence_invalid", "confidence must be from 0 to 1")
    one_of(body, "measurand", {"TRANSFERRED": True}, default=True)
    flow = one_of(body, grammar.flow, grammar.flows, Direction.IMPORT)
    follows = "direction" if grammar.flow == "direction" else None
    rate = one_of(body, grammar.rate, DIRECTIONS, flow if follows else Direction.IMPORT)
    return Draft(
        location_id=str(text(body, "location_id")),
        device_id=text(body, "device_id") or None,
        start=start,
        end=end,
        energy=amount * factor,
        energy_direction=flow,
        tariff_direction=rate,
        session_reference_id=text(body, "session_reference_id"),
        record_reference_id=text(body, "record_reference_id"),
        confidence=confidence,
    )


def stamp(at: datetime) -> str:
    """Write a time in its own offset, UTC as `Z`."""
    return at.isoformat().replace("+00:00", "Z")


def utc_stamp(at: datetime) -> str:
    """Write a system time: UTC, whole seconds."""
    return stamp(at.astimezone(UTC).replace(microsecond=0))


def figure(value: Decimal | Fraction) -> int | float:
    """Give a JSON number; integral ones without a point."""
    return int(value) if value == int(value) else float(value)


def item(
    one: Item,
    offset: datetime,
    grammar: Grammar,
    wanted: dict[str, bool],
    switches: Switches,
    *,
    echo: frozenset[str],
) -> Json:
    """Write one line of an answer.

    Args:
        one: The line.
        offset: A time with the offset to write times in.
        grammar: The dialect.
        wanted: Its `include_…` flags; money is always there without such a flag.
        switches: Which of the caller's ids are repeated.
        echo: Caller's ids that are repeated in any case.
    """
    ids = {
        "session_reference_id": one.session_reference_id,
        "record_reference_id": one.record_reference_id,
    }
    if switches.reference_ids is ReferenceIds.OMITTED:
        ids = {name: value for name, value in ids.items() if name in echo}
    written: Json = {
        "start_time": stamp(one.start.astimezone(offset.tzinfo)),
        "end_time": stamp(one.end.astimezone(offset.tzinfo)),
        **{name: value for name, value in ids.items() if value is not None},
        "energy": {"value": one.energy},
    }
    if wanted.get("include_tariff", True):
        written[grammar.money] = {
            "value": figure(one.cost),
            "confidence": figure(one.confidence),
        }
    if wanted.get("include_carbon") and one.carbon is not None:
        written["carbon"] = {
            "value": figure(one.carbon),
            "confidence": figure(one.carbon_confidence),
        }
    return written
