"""HTTP around the core: logging, faults and broken connections."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from functools import partial
import json
from typing import Any

from aiohttp import web

from .core import Core, LoggedRequest
from .endpoints import ROUTES, Endpoint
from .faults import Fault, FaultKind
from .switches import Execution
from .wire import Answer, Call, figure, stamp

LARGEST_BODY = 16 * 2**20
PRIVATE = frozenset({"authorization", "cookie", "proxy-authorization"})


def add_flatpeak(app: web.Application, core: Core) -> None:
    """Add FlatPeak's endpoints, and a refusal of every other path."""
    for method, template, endpoint in ROUTES:
        app.router.add_route(method, template, _handler(core, template, endpoint))


def _handler(
    core: Core, template: str, endpoint: Endpoint
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        call = Call(
            method=request.method,
            template=template if template != ROUTES[-1][1] else request.path,
            path=request.path,
            match=dict(request.match_info),
            query=dict(request.query),
            headers={name.lower(): value for name, value in request.headers.items()},
            raw=await request.read(),
        )
        logged = _log(core, call)
        try:
            response = await _respond(core, request, call, endpoint, logged)
        finally:
            logged.is_open = False
        if response is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        logged.status = response.status
        response.headers["Date"] = f"{core.now:%a, %d %b %Y %H:%M:%S} GMT"
        return response

    return handle


def _log(core: Core, call: Call) -> LoggedRequest:
    try:
        body = json.loads(call.raw, parse_float=Decimal) if call.raw else None
    except ValueError:
        body = call.raw.decode(errors="replace")
    logged = LoggedRequest(
        time=core.now,
        method=call.method,
        template=call.template,
        path=call.path,
        query=call.query,
        headers={
            name: value for name, value in call.headers.items() if name not in PRIVATE
        },
        body=body,
    )
    core.requests.append(logged)
    return logged


async def _respond(
    core: Core,
    request: web.Request,
    call: Call,
    endpoint: Endpoint,
    logged: LoggedRequest,
) -> web.Response | None:
    """Answer a request, or give None where the connection is to break."""
    if core.offline:
        return None
    execute = partial(core.execute, call, endpoint)
    fault = core.faults.take(call.method, call.path)
    if fault is None:
        return respond(execute())
    logged.fault = fault.kind
    if fault.kind is FaultKind.REPEAT:
        answer = execute()
        status = execute().status
        core.requests.append(replace(logged, status=status, copy=True, is_open=False))
        return respond(answer)
    done = execute() if fault.stored else None
    if fault.delay:
        await core.pause(fault.delay)
    late = core.switches.execution is Execution.LATE
    if fault.kind is FaultKind.DELAY:
        gone = request.transport is None or request.transport.is_closing()
        if done is None and gone and not late:
            return None
        return respond(done or execute())
    if fault.kind is FaultKind.DROP:
        if done is None and late:
            core.later(core.switches.late_by, execute)
        return None
    return _spoiled(core, fault, call)


def _spoiled(core: Core, fault: Fault, call: Call) -> web.Response:
    match fault.kind:
        case FaultKind.GARBAGE:
            return web.Response(
                text="<html><body>Bad gateway</body></html>", content_type="text/html"
            )
        case FaultKind.EMPTY:
            return web.Response()
        case _:
            return respond(core.spoiled(fault, call))


def respond(answer: Answer) -> web.Response:
    """Put an answer into HTTP."""
    return web.Response(
        status=answer.status,
        headers=answer.headers,
        body=dump(answer.body),
        content_type="application/json",
    )


def dump(value: Any) -> bytes:
    """Write JSON; exact numbers as plain ones, times as RFC 3339."""
    return json.dumps(value, default=_plain).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal | Fraction):
        return figure(value)
    return stamp(value)
