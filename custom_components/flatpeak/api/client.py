"""The FlatPeak client.

FlatPeak documentation, authentication: account id and API key go to ``GET /login``,
its bearer token to everything else, for as long as `expires_in` says.
"""

import asyncio
from base64 import b64encode
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from io import BytesIO
from itertools import chain
import logging
import re
import time
from typing import override

import aiohttp
from yarl import URL

from .address import DEFAULT_BASE_URL, normalize_base_url
from .answers import Answer, failure, http_date
from .dialect import (
    BATCH_DIALECT,
    DEFAULT_DIALECT,
    INSTANT_DIALECT,
    INTERVAL_DIALECT,
    read_record,
    read_report,
    record_body,
    record_query,
    report_query,
)
from .exceptions import (
    FlatPeakConnectionError,
    FlatPeakError,
    FlatPeakMalformedAnswerError,
    FlatPeakNotFoundError,
)
from .models import (
    Aggregation,
    CostReport,
    Device,
    Dialect,
    Location,
    LocationStatus,
    Login,
    MeterBatch,
    MeterRecord,
    PricedRecord,
    PriceList,
    TariffDirection,
)
from .once import send_once
from .resources import (
    Session,
    private_words,
    read_batch,
    read_device,
    read_location,
    read_location_status,
    read_page,
    read_prices,
    read_session,
)
from .wire import Body, JsonObject, encode, load, rfc3339

_LOGGER = logging.getLogger(__name__)

CONNECT_TIMEOUT = 10.0
LOGIN_TIMEOUT = 15.0
REQUEST_TIMEOUT = 30.0
BATCH_TIMEOUT = 120.0  # 10,000 records are 3 MB.

# FlatPeak documentation, reporting: so many in one call.
MAX_BATCH_RECORDS = 10_000

# Seconds before a token runs out in which it is no longer used.
_REFRESH_MARGIN = 120.0
_PAGE_SIZE = "100"
_LARGE_ANSWER = 20_000  # bytes: a millisecond of reading
_ID = re.compile(r"\w+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Call:
    """One request; `path` is the template that may be named in a log."""

    method: str
    path: str
    object_id: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Body | Sequence[Body] | None = None
    dialect: Dialect = DEFAULT_DIALECT
    stores: bool = False
    limit: float | None = None

    @property
    def name(self) -> str:
        """Return method and path without ids."""
        return f"{self.method} {self.path}"

    @property
    def is_large(self) -> bool:
        """Return whether there is too much in it to be looked at in the event loop."""
        return not isinstance(self.body, Mapping | None)

    @property
    def ids(self) -> set[str]:
        """Return the ids that the request names."""
        body = self.body or ()
        bodies = [body] if isinstance(body, Mapping) else body
        named = chain.from_iterable(each.items() for each in (self.query, *bodies))
        cursor = self.query.get("starting_after", "")
        # A record's own reference is no secret, and there can be thousands of them.
        return {self.object_id, cursor} | {
            str(value)
            for name, value in named
            if name.endswith("_id") and name != "record_reference_id"
        }


_LOGIN = _Call(method="GET", path="/login")


class FlatPeakClient:
    """Everything that the integration asks of FlatPeak, one request at a time.

    Every method raises a `FlatPeakError`, in whose text there is no secret, and
    ValueError for a naive time or a number that is not finite, which is never sent.
    Redirects are not followed: credentials stay with the address they are for.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        account_id: str,
        api_key: str,
        *,
        base_url: str = DEFAULT_BASE_URL,
        instant_dialect: Dialect = INSTANT_DIALECT,
        interval_dialect: Dialect = INTERVAL_DIALECT,
        batch_dialect: Dialect = BATCH_DIALECT,
        turn: asyncio.Lock | None = None,
    ) -> None:
        """Prepare a client; nothing is sent yet.

        Clients with the same `turn` ask one after the other.

        Raises:
            ValueError: The address is not one that credentials may go to.
        """
        self._http = session
        self._account_id = account_id
        self._api_key = api_key
        self._base_url = normalize_base_url(base_url)
        self._instant_dialect = instant_dialect
        self._interval_dialect = interval_dialect
        self._batch_dialect = batch_dialect
        self._basic = b64encode(f"{account_id}:{api_key}".encode()).decode()
        self._lock = turn or asyncio.Lock()
        self._session: Session | None = None
        # An older token may still be good, and come back in an error.
        self._tokens: deque[str] = deque(maxlen=8)
        # Where people live. Until FlatPeak has said it, none of its words is repeated.
        self._private: set[str] | None = None
        self._renew_at = 0.0
        self._requests = 0
        self._by_day: Counter[date] = Counter()
        self._server_time: tuple[datetime, float] | None = None

    @override
    def __repr__(self) -> str:
        """Return the address, and nothing of the account."""
        return f"<{type(self).__name__} {self._base_url}>"

    @property
    def requests(self) -> int:
        """Return how many HTTP requests were sent, log-ins included."""
        return self._requests

    @property
    def requests_by_day(self) -> Mapping[date, int]:
        """Return the requests of today and yesterday (UTC)."""
        return self._by_day

    @property
    def server_time_offset(self) -> timedelta | None:
        """Return FlatPeak's clock minus ours at its last dated answer, or None."""
        if self._server_time is None:
            return None
        said, then = self._server_time
        passed = timedelta(seconds=time.monotonic() - then)
        return said + passed - datetime.now(UTC)

    async def async_login(self) -> Login:
        """Log in, even if there is a good token, and return what it says."""
        async with self._lock:
            return (await self._log_in()).login

    async def async_list_locations(self) -> tuple[Location, ...]:
        """Return every location of the account, newest first."""
        return await self._list("/locations", read_location, lambda found: found.id)

    async def async_get_location(self, location_id: str) -> Location:
        """Return one location."""
        call = _Call(method="GET", path="/locations/{id}", object_id=location_id)
        return await self._request(call, read_location)

    async def async_get_location_status(self, location_id: str) -> LocationStatus:
        """Return the state of a location's energy tariffs."""
        call = _Call(method="GET", path="/locations/{id}/status", object_id=location_id)
        return await self._request(call, read_location_status)

    async def async_list_devices(
        self, reference_id: str | None = None
    ) -> tuple[Device, ...]:
        """Return the devices of the account, or those with a reference."""
        only = {} if reference_id is None else {"reference_id": reference_id}
        found = await self._list("/devices", read_device, lambda each: each.id, only)
        return tuple(
            device
            for device in found
            if reference_id is None or device.reference_id == reference_id
        )

    async def async_create_device(self, reference_id: str) -> Device:
        """Create a device; FlatPeak does not promise that its reference is unique."""
        body = {"reference_id": reference_id}
        call = _Call(method="POST", path="/devices", body=body)
        return await self._request(call, read_device)

    async def async_get_prices(
        self,
        location_id: str,
        start: datetime,
        end: datetime,
        direction: TariffDirection,
    ) -> PriceList:
        """Return prices per kWh (FlatPeak documentation: of at most 90 days)."""
        call = _Call(
            method="POST",
            path="/prices/{id}",
            object_id=location_id,
            body={**_period(start, end), "tariff_direction": direction.value},
        )
        return await self._request(call, partial(read_prices, location_id))

    async def async_submit_record(
        self,
        record: MeterRecord,
        *,
        include_tariff: bool = True,
        include_carbon: bool = True,
        non_persistent: bool = False,
    ) -> PricedRecord:
        """Send a meter record, which is stored, and return what its energy costs.

        After an error, `may_be_stored` tells whether it may be stored all the same.

        Args:
            record: Energy or average power of one period.
            include_tariff: Whether to ask for money, where the dialect has a choice.
            include_carbon: Whether to ask for carbon, where the dialect has it.
            non_persistent: Whether to leave no trace: what would it cost?
        """
        call = _Call(
            method="POST",
            path="/costs/instant",
            query=record_query(
                self._instant_dialect,
                include_tariff=include_tariff,
                include_carbon=include_carbon,
                non_persistent=non_persistent,
            ),
            body=record_body(self._instant_dialect, record),
            dialect=self._instant_dialect,
            stores=not non_persistent,
        )
        return await self._request(call, read_record)

    async def async_submit_records(self, records: Sequence[MeterRecord]) -> MeterBatch:
        """Send many meter records at once, of any owner; they are stored later.

        A batch that is taken may hold records that failed: read `failed`, and follow
        it by `async_get_batch`. It is sent once, and after an error `may_be_stored`
        tells whether any of it may be stored all the same.

        Raises:
            ValueError: There are no records, or more than `MAX_BATCH_RECORDS`.
        """
        if not 0 < len(records) <= MAX_BATCH_RECORDS:
            raise ValueError(f"1 to {MAX_BATCH_RECORDS} records can be sent at once")
        dialect = self._batch_dialect
        body = await _aside(
            lambda: [record_body(dialect, record) for record in records]
        )
        call = _Call(
            method="PUT",
            path="/meters/interval",
            body=body,
            dialect=dialect,
            stores=True,
            limit=BATCH_TIMEOUT,
        )
        return await self._request_batch(call)

    async def async_get_batch(self, batch_id: str) -> MeterBatch:
        """Return how far a batch is."""
        call = _Call(
            method="GET",
            path="/meters/batch",
            query={"batch_id": batch_id},
            dialect=self._batch_dialect,
        )
        return await self._request_batch(call)

    async def async_get_costs(
        self,
        object_id: str,
        start: datetime,
        end: datetime,
        *,
        direction: TariffDirection,
        aggregation: Aggregation | None = None,
    ) -> CostReport:
        """Return what the records of a location or device cost, in Wh and currency.

        FlatPeak's documentation leaves open what a period without records answers: a
        404 is an empty report here, and `async_get_location` tells whether a location
        is known. The offset of the times is kept, because buckets may depend on it.
        """
        call = _Call(
            method="POST",
            path="/costs/interval/{id}",
            object_id=object_id,
            query=report_query(self._interval_dialect, direction, aggregation),
            body=_period(start, end),
            dialect=self._interval_dialect,
        )
        try:
            return await self._request(call, read_report)
        except FlatPeakNotFoundError:
            return CostReport(
                object_id=object_id,
                tariff_direction=direction,
                location_timezone=None,
                currency_code=None,
                live_mode=None,
                items=(),
            )

    async def _request_batch(self, call: _Call) -> MeterBatch:
        """Send a request about a batch, and keep secrets out of what failed."""
        return await self._request(
            call, lambda body: read_batch(body, self._secrets(call))
        )

    async def _list[T](
        self,
        path: str,
        read: Callable[[JsonObject], T],
        key: Callable[[T], str],
        query: Mapping[str, str] | None = None,
    ) -> tuple[T, ...]:
        """Return a whole list, page by page."""
        found: dict[str, T] = {}
        cursor: dict[str, str] = {}
        while True:
            asked = {"limit": _PAGE_SIZE, **(query or {}), **cursor}
            call = _Call(method="GET", path=path, query=asked)
            page = await self._request(call, partial(read_page, read))
            new = {key(entry): entry for entry in page.found}
            if page.has_more and not new.keys() - found.keys():
                raise FlatPeakMalformedAnswerError(call.name, "paging goes in circles")
            found |= new
            if not page.has_more:
                return tuple(found.values())
            cursor = {"starting_after": key(page.found[-1])}

    async def _request[T](self, call: _Call, read: Callable[[JsonObject], T]) -> T:
        """Send a request with a good token, and read its answer."""
        if "{id}" in call.path and not _ID.fullmatch(call.object_id):
            raise FlatPeakNotFoundError(call.name, "no id of FlatPeak looks like this")
        async with self._lock:
            session = self._session
            if not session or asyncio.get_running_loop().time() >= self._renew_at:
                session = await self._log_in()
            answer = await self._send(call, f"Bearer {session.token}")
            if answer.is_refusal:
                # Which status an expired token gets is not documented. What was
                # refused was not done, so that even a record can be sent again.
                session = await self._log_in()
                answer = await self._send(call, f"Bearer {session.token}")
            if call.is_large or len(answer.raw) > _LARGE_ANSWER:
                return await _aside(lambda: self._read(call, answer, read))
            return self._read(call, answer, read)

    async def _log_in(self) -> Session:
        """Get a new token; the caller holds the lock."""
        self._renew_at = 0.0
        asked = asyncio.get_running_loop().time()
        answer = await self._send(_LOGIN, f"Basic {self._basic}", LOGIN_TIMEOUT)
        session = self._read(_LOGIN, answer, read_session)
        margin = min(_REFRESH_MARGIN, session.seconds / 2)
        self._renew_at = asked + session.seconds - margin
        self._session = session
        self._tokens.append(session.token)
        return session

    async def _send(
        self, call: _Call, authorization: str, limit: float | None = None
    ) -> Answer:
        """Send one request and return its answer, whatever it says."""
        limit = limit or call.limit or REQUEST_TIMEOUT
        headers = {
            "Accept": "application/json",
            "Authorization": authorization,
            "Flatpeak-Version": call.dialect.value,
        }
        data = None
        if call.body is not None:
            headers["Content-Type"] = "application/json"
            body = call.body
            raw = await _aside(lambda: encode(body)) if call.is_large else encode(body)
            data = BytesIO(raw)  # aiohttp sends it piece by piece.
        url = URL(self._base_url + call.path.replace("{id}", call.object_id))
        started = asyncio.get_running_loop().time()
        self._requests += 1
        today = datetime.now(UTC).date()
        self._by_day[today] += 1
        for day in [day for day in self._by_day if today - day > timedelta(days=1)]:
            del self._by_day[day]
        try:
            async with (
                asyncio.timeout(limit),
                self._http.request(
                    call.method,
                    url,
                    params=call.query,
                    headers=headers,
                    data=data,
                    allow_redirects=False,
                    raise_for_status=False,
                    middlewares=(send_once,) if call.stores else None,
                    timeout=aiohttp.ClientTimeout(connect=CONNECT_TIMEOUT),
                ) as response,
            ):
                answer = Answer(
                    status=response.status,
                    raw=await response.read(),
                    date=http_date(response.headers.get("Date")),
                    retry_after=response.headers.get("Retry-After"),
                )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            problem = _unanswered(call, f"no connection ({_kind(error)})", stored=False)
        except TimeoutError:
            problem = _unanswered(call, f"no answer in {limit:g} s")
        except aiohttp.ClientResponseError:
            problem = FlatPeakMalformedAnswerError(
                call.name, "the answer is not HTTP", may_be_stored=call.stores
            )
        except (aiohttp.ClientError, OSError) as error:
            problem = _unanswered(call, f"the connection broke ({_kind(error)})")
        else:
            self._note(call, answer, asyncio.get_running_loop().time() - started)
            return answer
        # Raised out here, so that no exception of aiohttp with its URL hangs on it.
        _LOGGER.debug("%s", problem)
        raise problem

    def _note(self, call: _Call, answer: Answer, seconds: float) -> None:
        """Note that and when an answer came."""
        _LOGGER.debug("%s answered %s in %.3f s", call.name, answer.status, seconds)
        if answer.date:
            self._server_time = answer.date, time.monotonic()

    def _read[T](
        self, call: _Call, answer: Answer, read: Callable[[JsonObject], T]
    ) -> T:
        """Return what an answer holds, or raise what it means."""
        if not answer.is_success:
            raise failure(
                call.name,
                answer,
                secrets=self._secrets(call),
                stores=call.stores,
                at_login=call is _LOGIN,
            )
        try:
            body = load(answer.raw)
            if call.path.startswith("/locations"):
                self._private = (self._private or set()) | private_words(body)
            return read(body)
        except ValueError as error:
            problem = str(error)
        raise FlatPeakMalformedAnswerError(
            call.name,
            f"answered {answer.status}, but {problem}",
            status=answer.status,
            may_be_stored=call.stores,
        )

    def _secrets(self, call: _Call) -> set[str] | None:
        """Return all that must not be in a text about a request; None is not known."""
        if self._private is None:
            return None
        ours = {self._account_id, self._api_key, self._basic}
        return ours | {*self._tokens} | self._private | call.ids


async def _aside[T](work: Callable[[], T]) -> T:
    """Do what takes long in a thread, so that the event loop goes on."""
    return await asyncio.get_running_loop().run_in_executor(None, work)


def _period(start: datetime, end: datetime) -> dict[str, str]:
    """Return the body that names a period."""
    return {"start_time": rfc3339(start), "end_time": rfc3339(end)}


def _kind(error: Exception) -> str:
    """Return what kind of error it is; its text may hold the URL."""
    return type(error).__name__


def _unanswered(call: _Call, detail: str, *, stored: bool = True) -> FlatPeakError:
    """Return the exception for a request that got no answer."""
    return FlatPeakConnectionError(
        call.name, detail, may_be_stored=call.stores and stored
    )
