"""Reading of all that is no cost: log-in, locations, devices, prices, batches.

All readers raise ValueError for an answer that cannot be read.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from .answers import LONGEST_DETAIL, redact
from .dialect import TARIFF_DIRECTION_FIELDS
from .models import (
    Device,
    FailedRecord,
    Location,
    LocationStatus,
    Login,
    MeterBatch,
    PriceInterval,
    PriceList,
    TariffDirection,
    TariffState,
    TariffStructure,
)
from .wire import (
    JsonObject,
    amount,
    count,
    flag,
    items,
    mapping,
    member,
    number,
    objects,
    period,
    required_text,
    text,
)

_ADDRESS = ("address_line1", "address_line2", "post_code", "city", "country_code")
_PRIVATE = ("address_line1", "address_line2", "post_code", "city", "state")
_SHORT = 2
_PRICE = (("price", "value"), ("tariff", "rate"), ("tariff", "cost"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a log-in gives: a bearer token, and for how many seconds it is good."""

    token: str = field(repr=False)
    seconds: float
    login: Login


@dataclass(frozen=True, slots=True, kw_only=True)
class Page[T]:
    """Part of a list, and whether there is more."""

    found: tuple[T, ...]
    has_more: bool


def read_session(body: JsonObject) -> Session:
    """Read the answer of ``GET /login``."""
    token = required_text(body, "bearer_token")
    seconds = number(body, "expires_in")
    if not seconds or seconds < 0:
        raise ValueError("expires_in is missing")
    if not (token.isascii() and token.isprintable()):
        raise ValueError("bearer_token is not a token")
    login = Login(live_mode=flag(body, "live_mode"))
    return Session(token=token, seconds=float(seconds), login=login)


def read_page[T](read: Callable[[JsonObject], T], body: JsonObject) -> Page[T]:
    """Read one page of a list."""
    found = tuple(read(entry) for entry in items(body))
    return Page(found=found, has_more=bool(flag(body, "has_more")))


def read_location(body: JsonObject) -> Location:
    """Read a location."""
    postal = mapping(body.get("postal_address") or {}, "postal_address")
    states = mapping(body.get("tariff_status") or {}, "tariff_status")
    lines = (text(postal, name) for name in _ADDRESS)
    return Location(
        id=required_text(body, "id"),
        reference_id=text(body, "reference_id"),
        timezone=text(body, "timezone"),
        currency_code=text(body, "currency_code"),
        live_mode=flag(body, "live_mode"),
        tariff_status={name: word for name in states if (word := text(states, name))},
        address=", ".join(filter(None, lines)) or None,
        city=text(postal, "city"),
    )


def private_words(body: JsonObject) -> set[str]:
    """Return what a location, or a list of them, says of where people live.

    What has less than three characters would mask half of every text.
    """
    entries = objects(body, "data") if "data" in body else [body]
    postals = [
        mapping(entry.get("postal_address") or {}, "postal_address")
        for entry in entries
    ]
    words = (text(postal, name) or "" for postal in postals for name in _PRIVATE)
    return {word for word in words if len(word) > _SHORT}


def read_location_status(body: JsonObject) -> LocationStatus:
    """Read the answer of ``GET /locations/{id}/status``."""
    states = mapping(body.get("tariff_status"), "tariff_status")
    return LocationStatus(
        commodity_import=_tariff_state(states, "commodity_import"),
        commodity_export=_tariff_state(states, "commodity_export"),
    )


def _tariff_state(states: JsonObject, name: str) -> TariffState | None:
    """Read the state of one tariff."""
    if not (found := states.get(name)):
        return None
    state = mapping(found, name)
    tariff = mapping(state.get("tariff") or {}, "tariff")
    provider = mapping(state.get("provider") or {}, "provider")
    return TariffState(
        status=text(state, "status"),
        structure=member(TariffStructure, text(tariff, "structure_type")),
        provider=text(provider, "display_name"),
    )


def read_device(body: JsonObject) -> Device:
    """Read a device."""
    return Device(id=required_text(body, "id"), reference_id=text(body, "reference_id"))


def read_prices(location_id: str, body: JsonObject) -> PriceList:
    """Read the answer of ``POST /prices/{id}``, sorted by start, per kWh."""
    direction = text(body, *TARIFF_DIRECTION_FIELDS)
    return PriceList(
        location_id=location_id,
        location_timezone=text(body, "location_timezone"),
        currency_code=text(body, "currency_code"),
        tariff_direction=member(TariffDirection, direction),
        intervals=tuple(
            sorted(map(_interval, items(body)), key=lambda each: (each.start, each.end))
        ),
    )


def _interval(entry: JsonObject) -> PriceInterval:
    """Read the price of one stretch of time."""
    start, end = period(entry, "valid_from", "valid_to")
    return PriceInterval(start=start, end=end, price=amount(entry, *_PRICE))


def read_batch(body: JsonObject, secrets: Collection[str] | None) -> MeterBatch:
    """Read the answer of ``PUT /meters/interval`` and of ``GET /meters/batch``."""
    batch = MeterBatch(
        id=required_text(body, "id"),
        submitted=count(body, "records_submitted"),
        accepted=count(body, "records_accepted"),
        processed=count(body, "records_processed"),
        failed=tuple(
            _failed(entry, secrets) for entry in objects(body, "failed_records")
        ),
    )
    if any(failed.number >= batch.submitted for failed in batch.failed):
        raise ValueError("record_num is beyond the records")
    return batch


def _failed(entry: JsonObject, secrets: Collection[str] | None) -> FailedRecord:
    """Read why a record was not taken; the words may be shown."""
    error = redact(text(entry, "error") or "", secrets)
    return FailedRecord(
        number=count(entry, "record_num"),
        record_reference_id=text(entry, "record_reference_id"),
        error=error[:LONGEST_DETAIL],
    )
