"""The simulated FlatPeak without its HTTP: state, rules and the handles for tests."""

import asyncio
from base64 import b64decode
import binascii
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from heapq import heappop, heappush
from itertools import count
from typing import Any

from .faults import Fault, FaultKind, Faults
from .ledger import Account, Device, Draft, Ledger, Location, Problem, Record, utc_now
from .report import Priced, priced, selected, total
from .switches import (
    DEFAULT,
    BadVersion,
    Dialect,
    ErrorBody,
    ExpiredBearer,
    LocationReport,
    LongRange,
    RateLimitHeader,
    Switches,
    UnknownId,
    ValidationBody,
)
from .tariff import TARIFFS, Direction, Revision, Tariff
from .wire import VERSIONS, Answer, Call, RefusedError, invalid

LONGEST = timedelta(days=90)
TEST_PREFIX = "sk_test_"
ADDRESS = {"address_line1": "1 Example Street", "post_code": "ZZ1 1ZZ"}


@dataclass(slots=True, kw_only=True)
class LoggedRequest:
    """A request as it arrived. `status` is None while, or where, none was answered.

    Headers are without credentials and in lower case; decimals of `body` are exact.
    `fault` is what struck it; a `copy` is what the network made of one. `is_open` while
    it is worked on.
    """

    time: datetime
    method: str
    template: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    status: int | None = None
    fault: FaultKind | None = None
    copy: bool = False
    is_open: bool = True


@dataclass(slots=True, kw_only=True)
class Batch:
    """Records that came in one call and are worked off later."""

    id: str
    account: Account
    submitted: int
    accepted: int
    processed: int
    failed: list[dict[str, Any]]
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Who a bearer is, and for how long."""

    account: Account
    key: str
    expires: datetime


class Core:
    """A FlatPeak in memory.

    Attributes:
        switches: The undocumented behaviour; may be changed at any time.
        clock: Gives the time, aware UTC; real by default.
        offline: Whether every connection breaks without an answer.
        requests: Everything that arrived, oldest first.
        faults: The trouble still to come.
        ledger: What is stored.
    """

    def __init__(self, switches: Switches = DEFAULT) -> None:
        """Start empty, in real time."""
        self.switches = switches
        self.clock: Callable[[], datetime] = utc_now
        self.offline = False
        self.requests: list[LoggedRequest] = []
        self.faults = Faults()
        self.ledger = Ledger()
        self.batches: dict[str, Batch] = {}
        self._tokens: dict[str, Token] = {}
        self._agenda: list[tuple[datetime, int, Callable[[], object]]] = []
        self._numbers = count(1)
        self.stopping = asyncio.Event()

    # -- time ------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The simulator's time. Setting it stops the clock there, None frees it."""
        return self.clock()

    @now.setter
    def now(self, value: datetime | None) -> None:
        self.clock = utc_now if value is None else lambda: value
        self.catch_up()

    def advance(self, step: timedelta) -> None:
        """Move a stopped clock on."""
        self.now = self.now + step

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        """Plan work; it is done when the clock has passed it and anyone looks."""
        due = self.now + timedelta(seconds=seconds)
        heappush(self._agenda, (due, next(self._numbers), action))

    async def pause(self, seconds: float) -> None:
        """Keep a request waiting, though not for longer than the server runs."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopping.wait()

    def catch_up(self) -> None:
        """Do the planned work that is due."""
        while self._agenda and self._agenda[0][0] <= self.now:
            heappop(self._agenda)[2]()

    # -- what a test sets up ---------------------------------------------------

    def add_account(self, account_id: str, api_key: str) -> Account:
        """Add an account, or another key; the key's prefix picks test or live."""
        live = not api_key.startswith(TEST_PREFIX)
        account = next(
            (
                one
                for one in self.ledger.accounts
                if one.id == account_id and one.live_mode is live
            ),
            None,
        )
        if account is None:
            account = Account(id=account_id, live_mode=live)
            self.ledger.accounts.append(account)
        account.keys.add(api_key)
        return account

    def remove_key(self, api_key: str) -> None:
        """Delete an API key; its bearers end with it."""
        for account in self.ledger.accounts:
            account.keys.discard(api_key)

    def revoke_tokens(self) -> None:
        """End every bearer at once."""
        self._tokens.clear()

    def account(self, account_id: str) -> Account:
        """Return an account, in live mode if it has one.

        Raises:
            KeyError: There is none.
        """
        found = [one for one in self.ledger.accounts if one.id == account_id]
        if not found:
            raise KeyError(account_id)
        return max(found, key=lambda one: one.live_mode)

    def add_location(
        self,
        account_id: str,
        *,
        location_id: str | None = None,
        reference_id: str | None = None,
        timezone: str | None = "Europe/London",
        currency: str | None = "GBP",
        tariff: str | Tariff | None = "fixed",
        city: str = "Exampleton",
        country_code: str = "GB",
    ) -> str:
        """Add a home and return its id; a tariff by name is one of `TARIFFS`."""
        location = Location(
            id=location_id or self.ledger.new_id("loc"),
            account=self.account(account_id),
            created=self.now,
            reference_id=reference_id,
            timezone=timezone,
            currency_code=currency,
            tariff=TARIFFS[tariff] if isinstance(tariff, str) else tariff,
            address={**ADDRESS, "city": city, "country_code": country_code},
        )
        self.ledger.locations[location.id] = location
        return location.id

    def add_device(
        self,
        account_id: str,
        *,
        device_id: str | None = None,
        reference_id: str | None = None,
    ) -> str:
        """Add a device and return its id."""
        device = Device(
            id=device_id or self.ledger.new_id("dev"),
            account=self.account(account_id),
            created=self.now,
            reference_id=reference_id,
        )
        self.ledger.devices[device.id] = device
        return device.id

    def add_record(
        self,
        location_id: str,
        start: datetime,
        end: datetime,
        wh: float | Decimal | Fraction,
        *,
        device_id: str | None = None,
        direction: str = "IMPORT",
        tariff_direction: str | None = None,
        record_reference_id: str | None = None,
        session_reference_id: str | None = None,
    ) -> Record:
        """Store a record that another client sent."""
        return self.store(
            Draft(
                location_id=location_id,
                device_id=device_id,
                start=start,
                end=end,
                energy=Fraction(str(wh)),
                energy_direction=Direction(direction),
                tariff_direction=Direction(tariff_direction or direction),
                record_reference_id=record_reference_id,
                session_reference_id=session_reference_id,
            )
        )

    def disable_account(self, account_id: str, *, disabled: bool = True) -> None:
        """Let everything of an account answer 422 `account_disabled`."""
        for account in self.ledger.accounts:
            if account.id == account_id:
                account.disabled = disabled

    def set_problem(
        self,
        location_id: str,
        direction: str,
        code: str | None,
        *,
        short: bool = False,
    ) -> None:
        """Take away the price of a direction; a code of None gives it back."""
        problems = self.ledger.locations[location_id].problems
        problems.pop(Direction(direction), None)
        if code is not None:
            problems[Direction(direction)] = Problem(code=code, short=short)

    def settle(
        self,
        location_id: str,
        start: datetime,
        end: datetime,
        *,
        direction: str = "IMPORT",
        price: Decimal | None = None,
        change: Decimal = Decimal(0),
    ) -> None:
        """Correct past prices: a new one, or an addition; reports follow at once."""
        self.ledger.locations[location_id].revisions.append(
            Revision(
                direction=Direction(direction),
                start=start,
                end=end,
                price=price,
                change=change,
            )
        )

    def fail(
        self,
        path: str,
        *,
        method: str = "*",
        kind: FaultKind = FaultKind.STATUS,
        times: int | None = 1,
        skip: int = 0,
        status: int = 500,
        body: Any = None,
        retry_after: int | None = None,
        delay: float = 0,
        stored: bool = False,
    ) -> None:
        """Plan trouble; see `Fault`."""
        self.faults.add(
            Fault(
                path=path,
                method=method,
                kind=kind,
                times=times,
                skip=skip,
                status=status,
                body=body,
                retry_after=retry_after,
                delay=delay,
                stored=stored,
            )
        )

    # -- what a test looks at --------------------------------------------------

    @property
    def records(self) -> list[Priced]:
        """What is stored and not replaced, priced as of now, whatever the lag."""
        self.catch_up()
        return [self.price(record) for record in self.ledger.records()]

    def stored_cost(
        self, owner: str, start: datetime, end: datetime, direction: str = "IMPORT"
    ) -> Decimal:
        """Sum the money of a period as a report would, were there no lag.

        The rounding, sign, edge and scope follow the switches in force.
        """
        self.catch_up()
        lines = self.lines(owner, start, end, Direction(direction))
        return total(lines, self.switches)

    def lines(
        self,
        owner: str,
        start: datetime,
        end: datetime,
        direction: Direction,
        seen_at: datetime | None = None,
    ) -> list[Priced]:
        """Return an owner's priced records of a period and tariff direction."""
        scope = self.switches.location_report
        records = [
            record
            for record in self.ledger.records(seen_at)
            if record.draft.tariff_direction is direction
            and (
                record.draft.owner == owner
                or (
                    scope is LocationReport.WITH_DEVICES
                    and record.draft.location_id == owner
                )
            )
        ]
        return [
            self.price(record)
            for record in selected(records, start, end, self.switches)
        ]

    def price(self, record: Record) -> Priced:
        """Price a stored record as of now."""
        return priced(record.draft, record.location, self.now, self.switches, record)

    # -- what FlatPeak does ----------------------------------------------------

    def store(self, draft: Draft) -> Record:
        """Store a record now."""
        return self.ledger.store(draft, self.now, self.switches)

    def execute(self, call: Call, endpoint: Callable[[Core, Call], Answer]) -> Answer:
        """Carry out a request and answer it."""
        try:
            call = self._admitted(call)
            return endpoint(self, call)
        except RefusedError as refusal:
            return self.refused(refusal, call)

    def _admitted(self, call: Call) -> Call:
        self.catch_up()
        dialect = self._dialect(call)
        if call.template == "/login":
            account, key = self._known(call)
        else:
            account, key = self._bearer(call), ""
        if account.disabled:
            raise RefusedError(
                422, "account_disabled", "The account is disabled", kind="api_error"
            )
        return replace(call, dialect=dialect, account=account, key=key)

    def _dialect(self, call: Call) -> Dialect:
        version = call.headers.get("flatpeak-version")
        if version is None:
            return self.switches.default_dialect
        if version in VERSIONS:
            return VERSIONS[version]
        if self.switches.bad_version is BadVersion.REFUSED:
            raise invalid("version_invalid", "Flatpeak-Version is not known")
        return self.switches.default_dialect

    def _known(self, call: Call) -> tuple[Account, str]:
        scheme, _, encoded = call.headers.get("authorization", "").partition(" ")
        try:
            user, _, key = b64decode(encoded, validate=True).decode().partition(":")
        except binascii.Error, UnicodeDecodeError:
            scheme, user, key = "", "", ""
        for account in self.ledger.accounts:
            if scheme == "Basic" and account.id == user and key in account.keys:
                return account, key
        raise RefusedError(403, "forbidden", "Access denied", short=True)

    def _bearer(self, call: Call) -> Account:
        scheme, _, text = call.headers.get("authorization", "").partition(" ")
        token = self._tokens.get(text) if scheme == "Bearer" else None
        if token and token.expires > self.now and token.key in token.account.keys:
            return token.account
        how = self.switches.expired_bearer
        raise RefusedError(
            401 if how is ExpiredBearer.SHORT_401 else 403,
            "bearer_invalid",
            "Access denied",
            short=how is not ExpiredBearer.FULL_403,
        )

    def issue_token(self, account: Account, key: str) -> str:
        """Log a key in and return its bearer."""
        life = timedelta(seconds=self.switches.token_life)
        text = self.ledger.new_id("simulated.bearer")
        self._tokens[text] = Token(account=account, key=key, expires=self.now + life)
        return text

    def find_location(self, account: Account, location_id: str) -> Location:
        """Return an account's location.

        Raises:
            RefusedError: It is not known, or another account's.
        """
        return self._owned(account, self.ledger.locations.get(location_id))

    def find_device(self, account: Account, device_id: str) -> Device:
        """Return an account's device.

        Raises:
            RefusedError: It is not known, or another account's.
        """
        return self._owned(account, self.ledger.devices.get(device_id))

    def find_owner(self, account: Account, object_id: str) -> Location | Device:
        """Return an account's location or device.

        Raises:
            RefusedError: It is not known, or another account's.
        """
        if object_id in self.ledger.devices:
            return self.find_device(account, object_id)
        return self.find_location(account, object_id)

    def _owned[T: (Location, Device)](self, account: Account, found: T | None) -> T:
        if found is not None and found.account is account:
            return found
        if found is not None and found.account.id != account.id:
            raise RefusedError(403, "forbidden", "Access denied")
        status = {
            UnknownId.NOT_FOUND: 404,
            UnknownId.FORBIDDEN: 403,
            UnknownId.UNPROCESSABLE: 422,
        }[self.switches.unknown_id]
        raise RefusedError(status, "object_not_found", "No such object")

    def check_length(self, start: datetime, end: datetime) -> None:
        """Refuse a period of more than 90 days, unless the switch accepts it."""
        refused = self.switches.long_range is LongRange.REFUSED
        if refused and end - start > LONGEST:
            raise invalid("time_range_invalid", "At most 90 days at a time")

    def refused(
        self, refusal: RefusedError, call: Call, retry_after: int | None = None
    ) -> Answer:
        """Write an error in the shape that the switches ask for."""
        switches = self.switches
        short = refusal.short or switches.error_body is ErrorBody.SHORT
        if refusal.validation and switches.validation_body is ValidationBody.SHORT:
            short = True
        headers = {}
        if retry_after is not None:
            silent = switches.rate_limit_header is RateLimitHeader.NONE
            if not (refusal.status == 429 and silent):
                headers["Retry-After"] = str(retry_after)
        if short:
            return Answer(
                status=refusal.status,
                body={"message": refusal.message},
                headers=headers,
            )
        moment = self.now.replace(tzinfo=None).isoformat(timespec="milliseconds")
        context = call.template.strip("/").replace("/{id}", "").replace("/", "_")
        return Answer(
            status=refusal.status,
            body={
                "object": "error",
                "live_mode": call.account.live_mode if call.account else False,
                "context": f"api.{context}",
                "type": refusal.kind,
                "code": refusal.code,
                "message": refusal.message,
                "time_created": moment,
            },
            headers=headers,
        )

    def spoiled(self, fault: Fault, call: Call) -> Answer:
        """Answer as a STATUS fault says."""
        if fault.body is not None:
            headers = {}
            if fault.retry_after is not None:
                headers["Retry-After"] = str(fault.retry_after)
            return Answer(status=fault.status, body=fault.body, headers=headers)
        kind = "api_error" if fault.status >= 500 else "invalid_request"
        if fault.status == 429:
            kind = "rate_limit"
        refusal = RefusedError(
            fault.status, kind, f"Simulated {fault.status}", kind=kind
        )
        return self.refused(refusal, call, fault.retry_after)

    def state(self) -> dict[str, Any]:
        """Describe all for people and for other processes, without any key."""
        self.catch_up()
        return {
            "now": self.now,
            "offline": self.offline,
            "switches": asdict(self.switches),
            "accounts": [
                {"id": one.id, "live_mode": one.live_mode, "disabled": one.disabled}
                for one in self.ledger.accounts
            ],
            "locations": [
                {
                    "id": one.id,
                    "reference_id": one.reference_id,
                    "timezone": one.timezone,
                    "currency_code": one.currency_code,
                }
                for one in self.ledger.locations.values()
            ],
            "devices": [
                {"id": one.id, "reference_id": one.reference_id}
                for one in self.ledger.devices.values()
            ],
            "requests": len(self.requests),
            "records": len(self.ledger.records()),
            "faults": [asdict(one) for one in self.faults.waiting],
        }
