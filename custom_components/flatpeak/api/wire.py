"""JSON on the wire: numbers keep every digit, and reading is forgiving.

What cannot be read raises ValueError with a text that repeats nothing of the answer.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
import json
from typing import Any

from .models import Amount

type JsonObject = dict[str, Any]
type Body = Mapping[str, str | Decimal]

_LIMIT = 10**15  # Beyond it nothing is a price, a cost or an energy.


def encode(body: Body | Sequence[Body]) -> bytes:
    """Return JSON in which a `Decimal` is a number with all its digits.

    Args:
        body: One flat object, or a list of them.

    Raises:
        ValueError: A number is not finite.
    """
    if isinstance(body, Mapping):
        return _flat(body).encode()
    return f"[{', '.join(map(_flat, body))}]".encode()


def _flat(body: Body) -> str:
    """Return one flat object."""
    fields = (f"{json.dumps(name)}: {_literal(body[name])}" for name in body)
    return f"{{{', '.join(fields)}}}"


def _literal(value: str | Decimal) -> str:
    """Return a string or number as JSON has it."""
    if isinstance(value, str):
        return json.dumps(value)
    if not value.is_finite():
        raise ValueError("Only finite numbers can be sent")
    return format(value, "f")


def rfc3339(moment: datetime) -> str:
    """Return an aware time in RFC 3339, its offset kept, UTC as ``Z``.

    Raises:
        ValueError: The time is naive.
    """
    if moment.utcoffset() is None:
        raise ValueError("Only aware times can be sent")
    written = moment.isoformat()
    utc = written.removesuffix("+00:00")
    return written if utc == written else f"{utc}Z"


def load(raw: bytes) -> JsonObject:
    """Return the JSON object that was answered; fractions become `Decimal`."""
    try:
        body = json.loads(
            raw,
            parse_float=Decimal,
            parse_constant=_refuse,
            object_hook=_let_others_run,
        )
    except ValueError, ArithmeticError, RecursionError:
        body = None
    return mapping(body, "the answer")


def _let_others_run(entry: JsonObject) -> JsonObject:
    """Return an object as it is.

    Half a megabyte is read in one go of some 20 ms, in which no other thread gets a
    turn, the event loop's neither; between calls of Python code it does.
    """
    return entry


def _refuse(_: str) -> None:
    """Refuse NaN and Infinity, which Python would read but JSON does not have."""
    raise ValueError


def mapping(value: object, name: str) -> JsonObject:
    """Return a JSON object."""
    if not isinstance(value, dict):
        raise ValueError(f"{name} is not a JSON object")  # noqa: TRY004
    return value


def items(body: JsonObject) -> list[JsonObject]:
    """Return the objects in `data`; a single one and none at all are fine."""
    if "data" not in body and text(body, "object") is None:
        raise ValueError("data is missing")
    return objects(body, "data")


def objects(body: JsonObject, name: str) -> list[JsonObject]:
    """Return the objects in a list; a single one and none at all are fine."""
    found = body.get(name) or []
    entries = found if isinstance(found, list) else [found]
    return [mapping(entry, f"an item of {name}") for entry in entries]


def text(body: JsonObject, *names: str) -> str | None:
    """Return the first of these fields with text in it, trimmed."""
    found = (body.get(name) for name in names)
    trimmed = (value.strip() for value in found if isinstance(value, str))
    return next(filter(None, trimmed), None)


def required_text(body: JsonObject, name: str) -> str:
    """Return a text that must be there, trimmed."""
    if (value := text(body, name)) is None:
        raise ValueError(f"{name} is missing")
    return value


def flag(body: JsonObject, name: str) -> bool | None:
    """Return a boolean, or None where there is none."""
    value = body.get(name)
    return value if isinstance(value, bool) else None


def number(body: JsonObject, name: str) -> Decimal | None:
    """Return a number, or None where the field is missing or null."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"{name} is not a number")  # noqa: TRY004
    if not -_LIMIT < value < _LIMIT:
        raise ValueError(f"{name} is out of range")
    return Decimal(value)


def count(body: JsonObject, name: str) -> int:
    """Return a whole number from 0 on that must be there."""
    value = number(body, name)
    if value is None or value < 0 or value % 1:
        raise ValueError(f"{name} is not a count")
    return int(value)


def moment(body: JsonObject, name: str) -> datetime:
    """Return a time in UTC; one without a zone is UTC already."""
    try:
        value = datetime.fromisoformat(required_text(body, name))
        aware = value if value.utcoffset() is not None else value.replace(tzinfo=UTC)
        return aware.astimezone(UTC)
    except ValueError, OverflowError:
        pass
    raise ValueError(f"{name} is not a time")


def period(body: JsonObject, start: str, end: str) -> tuple[datetime, datetime]:
    """Return start and end, in UTC."""
    span = moment(body, start), moment(body, end)
    if span[1] < span[0]:
        raise ValueError(f"{end} is before {start}")
    return span


def amount(body: JsonObject, *paths: tuple[str, str]) -> Amount | None:
    """Return the first amount found at one of the paths (object, field).

    FlatPeak documentation: a value of 0 with confidence 0 means "no data".
    """
    for outer, inner in paths:
        if (found := body.get(outer)) is None:
            continue
        entry = mapping(found, outer)
        value, confidence = number(entry, inner), number(entry, "confidence")
        if value is None:
            continue
        if value == 0 and confidence == 0:
            return None
        return Amount(value=value, confidence=confidence)
    return None


def member[E: StrEnum](kind: type[E], word: str | None) -> E | None:
    """Return the member that a word names, or None for one we do not know."""
    return kind(word) if word and word in kind else None
