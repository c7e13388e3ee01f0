"""FlatPeak's endpoints: what each takes, checks, does and answers."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, time, timedelta
from typing import Any

from .core import Batch, Core
from .days import Aggregation
from .ledger import Device, Draft, Location, Problem
from .report import Priced, items, priced, single, spans
from .switches import Dialect, EmptyBuckets, StatusText, TariffFlag, Unpriced
from .tariff import Direction, Structure
from .wire import (
    DIRECTIONS,
    Answer,
    Call,
    Grammar,
    Json,
    RefusedError,
    checked,
    draft as read_draft,
    figure,
    instant,
    invalid,
    item,
    one_of,
    period,
    stamp,
    text,
    utc_stamp,
)

MOST_RECORDS = 10_000
PRICE_DAYS = timedelta(days=90)
CALLERS_IDS = frozenset({"session_reference_id", "record_reference_id"})
AGGREGATIONS = {one.value: one for one in Aggregation}
PLACES = {
    "GB": ("Europe/London", "GBP"),
    "DE": ("Europe/Berlin", "EUR"),
    "US": ("America/New_York", "USD"),
}
ADDRESS_FIELDS = frozenset(
    {"address_line1", "address_line2", "city", "state", "post_code", "country_code"}
)
type Endpoint = Callable[[Core, Call], Answer]


def login(core: Core, call: Call) -> Answer:
    """Exchange an account id and an API key for a bearer."""
    return Answer(
        body={
            "bearer_token": core.issue_token(call.caller, call.key),
            "expires_in": int(core.switches.token_life),
            "live_mode": call.caller.live_mode,
        }
    )


def costs_instant(core: Core, call: Call) -> Answer:
    """Take one record, store it unless told not to, and say what it cost."""
    grammar = call.grammar
    call.only("non_persistent", *grammar.flags)
    persistent = not call.flags("non_persistent")["non_persistent"]
    body = call.body()
    draft = read_draft(body, grammar)
    location = _placed(core, call, draft)
    problem = location.problem(draft.tariff_direction)
    stored = persistent and (
        problem is None or core.switches.unpriced is Unpriced.STORED
    )
    record = core.store(draft) if stored else None
    if problem:
        raise _unpriced(problem)
    line = priced(draft, location, core.now, core.switches, record)
    flows = {meaning: word for word, meaning in grammar.flows.items()}
    return Answer(
        body=_present(
            {
                "id": record.id if record else core.ledger.new_id("mre"),
                "object": "meter_record",
                "live_mode": call.caller.live_mode,
                grammar.flow: flows[draft.energy_direction],
                grammar.rate: draft.tariff_direction,
                "currency_code": location.currency_code,
                "energy_units": "WH",
                "carbon_units": "gCO2eq" if grammar.carbon else None,
                "request": {**body, "non_persistent": not persistent},
                "data": item(
                    single(line),
                    draft.end,
                    grammar,
                    _wanted(core, call),
                    core.switches,
                    echo=CALLERS_IDS,
                ),
                "time_created": utc_stamp(core.now),
                "account_id": call.caller.id,
            }
        )
    )


def _placed(core: Core, call: Call, draft: Draft) -> Location:
    core.check_length(draft.start, draft.end)
    location = core.find_location(call.caller, draft.location_id)
    if draft.device_id is not None:
        core.find_device(call.caller, draft.device_id)
    return location


def _unpriced(problem: Problem) -> RefusedError:
    return RefusedError(
        422, problem.code, f"No price: {problem.code}", short=problem.short
    )


def _wanted(core: Core, call: Call) -> dict[str, bool]:
    wanted = call.flags(*call.grammar.flags)
    if core.switches.tariff_flag is TariffFlag.INCLUDED:
        wanted["include_tariff"] = True
    return wanted


def _present(body: Json) -> Json:
    return {name: value for name, value in body.items() if value is not None}


def costs_interval(core: Core, call: Call) -> Answer:
    """Report what a location or a device cost in a period."""
    grammar = call.grammar
    call.only("aggregation", grammar.report_direction, *grammar.flags)
    owner = core.find_owner(call.caller, call.match["id"])
    direction = _report_direction(call)
    aggregation: Aggregation | None = None
    if "aggregation" in call.query:
        aggregation = one_of(call.query, "aggregation", AGGREGATIONS, Aggregation.DAY)
    both = frozenset({"start_time", "end_time"})
    start, end = period(call.fields(both, both))
    core.check_length(start, end)
    location = owner if isinstance(owner, Location) else _home(core, owner)
    if location and (problem := location.problem(direction)):
        raise _unpriced(problem)
    bounds = None
    if aggregation:
        bounds = spans(start, end, aggregation, location, core.switches)
        start, end = bounds[0][0], bounds[-1][1].astimezone(end.tzinfo)
    lines = core.lines(owner.id, start, end, direction, core.now)
    return _report(
        core,
        call,
        object_id=owner.id,
        location=location,
        direction=direction,
        lines=lines,
        span=(start, end),
        bounds=bounds,
    )


def costs_session(core: Core, call: Call) -> Answer:
    """Report what the records of one session cost."""
    grammar = call.grammar
    call.only(grammar.report_direction, *grammar.flags)
    direction = _report_direction(call)
    reference = call.match["id"]
    lines = [
        core.price(record)
        for record in core.ledger.records(core.now)
        if record.draft.session_reference_id == reference
        and record.location.account is call.caller
        and record.draft.tariff_direction is direction
    ]
    drafts = [line.draft for line in lines]
    start = min((draft.start for draft in drafts), default=core.now)
    end = max((draft.end for draft in drafts), default=core.now)
    return _report(
        core,
        call,
        object_id=drafts[0].owner if drafts else None,
        location=core.ledger.locations[drafts[0].location_id] if drafts else None,
        direction=direction,
        lines=lines,
        span=(start, end),
        bounds=None,
        echo=frozenset({"session_reference_id"}),
    )


def _report_direction(call: Call) -> Direction:
    name = call.grammar.report_direction
    known = {one.value: one for one in call.grammar.report_directions}
    return one_of(call.query, name, known, Direction.IMPORT)


def _home(core: Core, device: Device) -> Location | None:
    """Find a device's location: that of its latest record."""
    own = [one for one in core.ledger.submissions if one.draft.device_id == device.id]
    return own[-1].location if own else None


def _report(
    core: Core,
    call: Call,
    *,
    object_id: str | None,
    location: Location | None,
    direction: Direction,
    lines: Sequence[Priced],
    span: tuple[datetime, datetime],
    bounds: Sequence[tuple[datetime, datetime]] | None,
    echo: frozenset[str] = frozenset(),
) -> Answer:
    if not lines and core.switches.empty_buckets is EmptyBuckets.NOT_FOUND:
        raise RefusedError(404, "no_records", "No meter records found")
    grammar, (start, end) = call.grammar, span
    data = [
        item(one, end, grammar, _wanted(core, call), core.switches, echo=echo)
        for one in items(lines, start, end, bounds, core.switches)
    ]
    return Answer(
        body=_present(
            {
                "id": core.ledger.new_id("ecs"),
                "object": "energy_cost",
                "object_id": object_id,
                "live_mode": call.caller.live_mode,
                grammar.report_direction: direction,
                "location_timezone": location.timezone if location else None,
                "currency_code": location.currency_code if location else None,
                "energy_units": "WH",
                "carbon_units": "gCO2eq" if grammar.carbon else None,
                "data": data,
                "account_id": call.caller.id,
            }
        )
    )


def meters_interval(core: Core, call: Call) -> Answer:
    """Take many records, to be worked off later."""
    call.only()
    body = call.body()
    if not isinstance(body, list) or not body:
        raise invalid("data_json_invalid", "A list of records is expected")
    if len(body) > MOST_RECORDS:
        raise invalid("too_many_records", f"At most {MOST_RECORDS} records")
    drafts, failed = [], []
    for index, one in enumerate(body):
        try:
            draft = read_draft(one, call.grammar)
            _placed(core, call, draft)
        except RefusedError as refusal:
            reference = one.get("record_reference_id") if isinstance(one, dict) else ""
            line = {"record_num": index, "error": refusal.message}
            failed.append(
                line | ({"record_reference_id": reference} if reference else {})
            )
        else:
            drafts.append(draft)
    batch = Batch(
        id=core.ledger.new_id("bat"),
        account=call.caller,
        submitted=len(body),
        accepted=len(drafts),
        processed=0,
        failed=failed,
        created=core.now,
    )
    core.batches[batch.id] = batch
    core.later(core.switches.batch_delay, lambda: _process(core, batch, drafts))
    core.catch_up()
    return Answer(body=_batch(batch))


def _process(core: Core, batch: Batch, drafts: Iterable[Draft]) -> None:
    for draft in drafts:
        core.store(draft)
        batch.processed += 1


def _batch(batch: Batch) -> Json:
    return {
        "id": batch.id,
        "object": "meter_batch",
        "records_submitted": batch.submitted,
        "records_accepted": batch.accepted,
        "records_processed": batch.processed,
        "failed_records": batch.failed,
        "time_created": utc_stamp(batch.created),
        "account_id": batch.account.id,
    }


def meters_batch(core: Core, call: Call) -> Answer:
    """Tell how far a batch is."""
    call.only("batch_id")
    batch = core.batches.get(call.query.get("batch_id", ""))
    if batch is None or batch.account is not call.caller:
        raise RefusedError(404, "batch_not_found", "No such batch")
    return Answer(body=_batch(batch))


def list_devices(core: Core, call: Call) -> Answer:
    """List devices, newest first."""
    known = {name: _device(one) for name, one in core.ledger.devices.items()}
    ids = core.ledger.owned(call.caller, Device)
    return _page(call, [known[one] for one in ids], "reference_id")


def create_device(core: Core, call: Call) -> Answer:
    """Create a device; two may have the same reference."""
    body = call.fields(frozenset({"reference_id"}), frozenset())
    device = Device(
        id=core.ledger.new_id("dev"),
        account=call.caller,
        created=core.now,
        reference_id=text(body, "reference_id"),
    )
    core.ledger.devices[device.id] = device
    return Answer(status=201, body=_device(device))


def get_device(core: Core, call: Call) -> Answer:
    """Show a device."""
    return Answer(body=_device(core.find_device(call.caller, call.match["id"])))


def _device(device: Device) -> Json:
    return _present(
        {
            "id": device.id,
            "object": "device",
            "live_mode": device.account.live_mode,
            "reference_id": device.reference_id,
            "time_created": utc_stamp(device.created),
            "account_id": device.account.id,
        }
    )


def _page(call: Call, stock: list[Json], *filters: str) -> Answer:
    call.only("limit", "starting_after", "ending_before", *filters)
    for name in filters:
        if name in call.query:
            stock = [one for one in stock if one.get(name) == call.query[name]]
    limit = call.query.get("limit", "30")
    if not limit.isdecimal() or not 1 <= int(limit) <= 100:
        raise invalid("limit_invalid", "limit must be from 1 to 100")
    size = int(limit)
    ids = [one["id"] for one in stock]
    first, last = 0, len(stock)
    if "starting_after" in call.query:
        first = _position(ids, call.query["starting_after"]) + 1
    if "ending_before" in call.query:
        last = _position(ids, call.query["ending_before"])
        first = max(first, last - size)
    return Answer(
        body={
            "object": "list",
            "url": call.template,
            "has_more": first + size < last,
            "data": stock[first : min(first + size, last)],
        }
    )


def _position(ids: list[str], cursor: str) -> int:
    if cursor not in ids:
        raise invalid("cursor_invalid", "The cursor is not known")
    return ids.index(cursor)


def list_locations(core: Core, call: Call) -> Answer:
    """List locations, newest first."""
    ids = core.ledger.owned(call.caller, Location)
    stock = [_location(core, core.ledger.locations[one]) for one in ids]
    return _page(call, stock, "reference_id", "customer_id")


def create_location(core: Core, call: Call) -> Answer:
    """Create a location from city and country; it has no tariff yet."""
    body = call.fields(
        frozenset({"reference_id", "customer_id", "postal_address"}),
        frozenset({"postal_address"}),
    )
    address = checked(
        body["postal_address"], ADDRESS_FIELDS, frozenset({"city", "country_code"})
    )
    country = text(address, "country_code")
    if country == "US" and not address.get("state"):
        raise invalid("state_missing", "state is required")
    if country not in PLACES:
        raise invalid("country_code_invalid", "country_code is not known")
    reference = text(body, "reference_id")
    twin = any(
        one.account is call.caller and one.reference_id == reference
        for one in core.ledger.locations.values()
    )
    if reference and twin:
        status = 409 if call.dialect is Dialect.ZERO else 400
        raise RefusedError(status, "reference_id_exists", "reference_id is taken")
    zone, currency = PLACES[country]
    location = Location(
        id=core.ledger.new_id("loc"),
        account=call.caller,
        created=core.now,
        reference_id=reference,
        timezone=zone,
        currency_code=currency,
        address=address,
    )
    core.ledger.locations[location.id] = location
    return Answer(status=201, body=_location(core, location))


def get_location(core: Core, call: Call) -> Answer:
    """Show a location."""
    location = core.find_location(call.caller, call.match["id"])
    return Answer(body=_location(core, location))


def _location(core: Core, location: Location) -> Json:
    return _present(
        {
            "id": location.id,
            "object": "location",
            "live_mode": location.account.live_mode,
            "reference_id": location.reference_id,
            "timezone": location.timezone,
            "currency_code": location.currency_code,
            "postal_address": location.address,
            "tariff_status": {
                "commodity_import": _status(core, location, Direction.IMPORT),
                "commodity_export": _status(core, location, Direction.EXPORT),
                "non_commodity_import": "NOT_CONNECTED",
                "non_commodity_export": "NOT_CONNECTED",
                "local": "NOT_CONNECTED",
            },
            "tariff_elements": [],
            "time_created": utc_stamp(location.created),
            "account_id": location.account.id,
        }
    )


def _status(core: Core, location: Location, direction: Direction) -> str:
    problem = location.problem(direction)
    status = "CONNECTED"
    if problem:
        status = "ERROR" if problem.code == "no_price_data" else "NOT_CONNECTED"
    space = core.switches.status_text is StatusText.TRAILING_SPACE
    return f"{status} " if space else status


def location_status(core: Core, call: Call) -> Answer:
    """Show how a location's tariffs are connected."""
    location = core.find_location(call.caller, call.match["id"])
    problem = location.problem(Direction.IMPORT)
    if problem and problem.code == "pending_connect":
        raise _unpriced(problem)
    return Answer(
        body={
            "object": "location_status",
            "live_mode": location.account.live_mode,
            "tariff_status": {
                "commodity_import": _connection(core, location, Direction.IMPORT),
                "commodity_export": _connection(core, location, Direction.EXPORT),
                "non_commodity_import": _connection(core, location, None),
                "non_commodity_export": {"status": "NOT_CONNECTED"},
                "local": {"status": "NOT_CONNECTED"},
            },
            "account_id": location.account.id,
        }
    )


def _connection(core: Core, location: Location, direction: Direction | None) -> Json:
    """Show one tariff; one that is not connected has empty texts, as documented."""
    curve = None
    status = "NOT_CONNECTED"
    if direction is not None:
        status = _status(core, location, direction)
        curve = location.tariff.curve(direction) if location.tariff else None
    market = curve is not None and curve.structure is Structure.DYNAMIC
    connection = "MARKET" if market else "MANUAL"
    return {
        "status": status,
        "connection_type": connection if curve else "",
        "provider": {
            "id": "prv_simulated" if curve else "",
            "display_name": "Example Energy" if curve else "",
            "logo_url": "",
        },
        "tariff": {
            "id": "trf_simulated" if curve else "",
            "display_name": "Example tariff" if curve else "",
            "structure_type": curve.structure if curve else "",
            "contract_end_date": "",
        },
    }


def prices(core: Core, call: Call) -> Answer:
    """List prices per kWh (anode)."""
    if call.dialect is not Dialect.ANODE:
        raise RefusedError(404, "not_found", "Not found")
    call.only()
    location = core.find_location(call.caller, call.match["id"])
    body = call.fields(
        frozenset({"start_time", "end_time", "tariff_direction"}),
        frozenset({"end_time"}),
    )
    direction = one_of(body, "tariff_direction", DIRECTIONS, Direction.IMPORT)
    end = instant(body, "end_time")
    now = core.now.replace(microsecond=0).astimezone(end.tzinfo)
    start, end = period({"start_time": stamp(now), **body})
    return Answer(
        body=_prices(core, call, location, direction, (start, end))
        | {"object": "price", "tariff_direction": direction, "request": body}
    )


def tariff_rates(core: Core, call: Call) -> Answer:
    """List prices per kWh (zero), without carbon."""
    if call.dialect is not Dialect.ZERO:
        raise RefusedError(404, "not_found", "Not found")
    call.only("start_time", "end_time", "direction", *call.grammar.flags)
    location = core.find_location(call.caller, call.match["id"])
    direction = _report_direction(call)
    return Answer(
        body=_prices(core, call, location, direction, period(call.query))
        | {"object": "tariff_rate", "direction": direction, "request": call.query}
    )


def _prices(
    core: Core,
    call: Call,
    location: Location,
    direction: Direction,
    span: tuple[datetime, datetime],
) -> Json:
    start, end = span
    if end - start > PRICE_DAYS:
        raise invalid("time_range_invalid", "At most 90 days at a time")
    if problem := location.problem(direction):
        raise _unpriced(problem)
    local = core.now.astimezone(location.zone)
    update = datetime.combine(local.date(), time(23), location.zone)
    zero = call.dialect is Dialect.ZERO
    return {
        "id": core.ledger.new_id("rts" if zero else "prs"),
        "live_mode": call.caller.live_mode,
        "location_id": location.id,
        "location_timezone": location.timezone,
        "currency_code": location.currency_code,
        "last_updated": utc_stamp(update - timedelta(days=1)),
        "next_update": utc_stamp(update),
        "data": [
            {
                "valid_from": stamp(piece.start.astimezone(end.tzinfo)),
                "valid_to": stamp(piece.end.astimezone(end.tzinfo)),
                **_price(call.grammar, figure(piece.value), figure(piece.confidence)),
            }
            for piece in location.prices(direction, start, end, core.now)
        ],
        "time_created": utc_stamp(core.now),
        "account_id": call.caller.id,
    }


def _price(grammar: Grammar, value: float, confidence: float) -> dict[str, Any]:
    name, amount = ("tariff", "rate") if grammar.carbon else ("price", "value")
    return {name: {amount: value, "confidence": confidence}}


def not_found(_core: Core, _call: Call) -> Answer:
    """Refuse a path that does not exist."""
    raise RefusedError(404, "not_found", "Not found")


ROUTES: tuple[tuple[str, str, Endpoint], ...] = (
    ("GET", "/login", login),
    ("POST", "/costs/instant", costs_instant),
    ("POST", "/costs/interval/{id}", costs_interval),
    ("POST", "/costs/session/{id}", costs_session),
    ("PUT", "/meters/interval", meters_interval),
    ("GET", "/meters/batch", meters_batch),
    ("GET", "/devices", list_devices),
    ("POST", "/devices", create_device),
    ("GET", "/devices/{id}", get_device),
    ("GET", "/locations", list_locations),
    ("POST", "/locations", create_location),
    ("GET", "/locations/{id}", get_location),
    ("GET", "/locations/{id}/status", location_status),
    ("POST", "/prices/{id}", prices),
    ("GET", "/tariffs/rates/{id}", tariff_rates),
    ("*", "/{id:.*}", not_found),
)
