"""Handles for other processes, below `/_simulator/`: none of this is FlatPeak's."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal
import json
from typing import Any

from aiohttp import web

from .app import dump
from .core import Core
from .faults import Fault, FaultKind
from .report import Priced
from .wire import Json

type Refuse = Callable[[float], Awaitable[None]]
PREFIX = "/_simulator"


def add_control(app: web.Application, core: Core, refuse: Refuse) -> None:
    """Add the control endpoints.

    Args:
        app: Where to.
        core: What they control.
        refuse: Lets the listener refuse connections for so many seconds.
    """
    control = _Control(core, refuse)
    routes: list[tuple[str, str, Callable[[Json], Any]]] = [
        ("GET", "/state", control.state),
        ("GET", "/requests", control.requests),
        ("GET", "/records", control.records),
        ("GET", "/stored_cost", control.stored_cost),
        ("PUT", "/switches", control.switches),
        ("POST", "/faults", control.fail),
        ("DELETE", "/faults", control.clear_faults),
        ("PUT", "/clock", control.clock),
        ("PUT", "/offline", control.offline),
        ("POST", "/locations", control.add_location),
        ("POST", "/records", control.add_record),
        ("POST", "/settle", control.settle),
        ("PUT", "/problem", control.problem),
        ("PUT", "/account", control.account),
        ("PUT", "/tokens", control.tokens),
    ]
    for method, path, action in routes:
        app.router.add_route(method, PREFIX + path, _handler(action))


def _handler(
    action: Callable[[Json], Any],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        try:
            body = json.loads(raw, parse_float=Decimal) if raw else dict(request.query)
            answer = action(body)
        except (KeyError, TypeError, ValueError) as error:
            answer, status = {"error": f"{type(error).__name__}: {error}"}, 400
        else:
            status = 200
        return web.Response(
            status=status, body=dump(answer), content_type="application/json"
        )

    return handle


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text} has no zone")
    return at


def _times(body: Json) -> Json:
    return {
        name: _time(value) if name in ("start", "end") else value
        for name, value in body.items()
    }


class _Control:
    """The actions; each takes a JSON object and gives what to answer."""

    def __init__(self, core: Core, refuse: Refuse) -> None:
        self._core = core
        self._refuse = refuse
        self._refusing: asyncio.Future[None] | None = None

    def state(self, _: Json) -> Json:
        return self._core.state()

    def requests(self, query: Json) -> list[Json]:
        return [asdict(one) for one in self._core.requests[int(query.get("skip", 0)) :]]

    def records(self, _: Json) -> list[Json]:
        return [_record(line) for line in self._core.records]

    def stored_cost(self, query: Json) -> Json:
        return {"cost": str(self._core.stored_cost(**_times(query)))}

    def switches(self, body: Json) -> Json:
        self._core.switches = self._core.switches.but(body)
        return asdict(self._core.switches)

    def fail(self, body: Json) -> list[Json]:
        kind = FaultKind(body.pop("kind", FaultKind.STATUS))
        self._core.faults.add(Fault(kind=kind, **body))
        return [asdict(one) for one in self._core.faults.waiting]

    def clear_faults(self, _: Json) -> list[Json]:
        self._core.faults.clear()
        return []

    def clock(self, body: Json) -> Json:
        if "advance" in body:
            self._core.advance(timedelta(seconds=float(body["advance"])))
        else:
            self._core.now = None if body["now"] is None else _time(body["now"])
        return {"now": self._core.now}

    def offline(self, body: Json) -> Json:
        if "refuse_for" in body:
            seconds = float(body["refuse_for"])
            self._refusing = asyncio.ensure_future(self._refuse(seconds))
            return {"refuse_for": seconds}
        self._core.offline = bool(body["offline"])
        return {"offline": self._core.offline}

    def add_location(self, body: Json) -> Json:
        return {"id": self._core.add_location(**body)}

    def add_record(self, body: Json) -> Json:
        return {"id": self._core.add_record(**_times(body)).id}

    def settle(self, body: Json) -> Json:
        amounts: Json = {
            name: Decimal(str(value)) if name in ("price", "change") else value
            for name, value in _times(body).items()
        }
        self._core.settle(**amounts)
        return {}

    def problem(self, body: Json) -> Json:
        self._core.set_problem(**body)
        return {}

    def account(self, body: Json) -> Json:
        self._core.disable_account(**body)
        return {}

    def tokens(self, _: Json) -> Json:
        self._core.revoke_tokens()
        return {}


def _record(line: Priced) -> Json:
    draft, record = line.draft, line.record
    return {
        "id": record.id if record else None,
        "owner": draft.owner,
        "location_id": draft.location_id,
        "device_id": draft.device_id,
        "energy_direction": draft.energy_direction,
        "tariff_direction": draft.tariff_direction,
        "start": draft.start,
        "end": draft.end,
        "wh": str(draft.energy),
        "energy": line.energy,
        "exact_cost": str(line.exact_cost),
        "cost": str(line.cost),
        "confidence": line.confidence,
        "session_reference_id": draft.session_reference_id,
        "record_reference_id": draft.record_reference_id,
        "stored_at": record.stored_at if record else None,
        "visible_at": record.visible_at if record else None,
    }
