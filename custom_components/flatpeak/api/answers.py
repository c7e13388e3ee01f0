"""What an answer of FlatPeak means, when it is not the one that was hoped for."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
import re

from .exceptions import (
    FlatPeakAccountDisabledError,
    FlatPeakAuthenticationError,
    FlatPeakConnectionError,
    FlatPeakError,
    FlatPeakInvalidRequestError,
    FlatPeakMalformedAnswerError,
    FlatPeakNotFoundError,
    FlatPeakPriceUnavailableError,
    FlatPeakRateLimitError,
    FlatPeakRefusedError,
    FlatPeakServerError,
)
from .wire import JsonObject, load, text

PENDING_CONNECT = "pending_connect"
NO_TARIFF_CONNECTED = "no_tariff_connected"
NO_PRICE_DATA = "no_price_data"
ACCOUNT_DISABLED = "account_disabled"

# FlatPeak documentation, errors: an answer without a code says the same as the first.
_PRICE_CODES = frozenset({PENDING_CONNECT, NO_TARIFF_CONNECTED, NO_PRICE_DATA})
_KNOWN_CODES = _PRICE_CODES | {ACCOUNT_DISABLED}

# Nothing else is proof that a record was not stored: a 422 and a 5xx can come after it.
_NOT_STORED = frozenset({400, 401, 403, 404, 429})

_BY_STATUS: dict[int, type[FlatPeakError]] = {
    HTTPStatus.UNAUTHORIZED: FlatPeakRefusedError,
    HTTPStatus.FORBIDDEN: FlatPeakRefusedError,
    HTTPStatus.NOT_FOUND: FlatPeakNotFoundError,
    HTTPStatus.REQUEST_TIMEOUT: FlatPeakConnectionError,
    HTTPStatus.TOO_MANY_REQUESTS: FlatPeakRateLimitError,
}

# Only the log-in decides about credentials, and it knows of no locations or prices: a
# "not found" there means that the address is not FlatPeak's.
_AT_LOGIN: dict[int, type[FlatPeakError]] = {
    HTTPStatus.UNAUTHORIZED: FlatPeakAuthenticationError,
    HTTPStatus.FORBIDDEN: FlatPeakAuthenticationError,
    HTTPStatus.NOT_FOUND: FlatPeakMalformedAnswerError,
    HTTPStatus.UNPROCESSABLE_ENTITY: FlatPeakInvalidRequestError,
}

_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LOOKS_SECRET = re.compile(
    r"\b(?:acc|cus|dev|loc|sk)_\w+|\beyJ[\w.-]+|[\w.+-]+@[\w-]+\.[\w.-]+", re.IGNORECASE
)
_MASK = "***"
LONGEST_DETAIL = 200
_LONGEST_WAIT = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for a request."""

    status: int
    raw: bytes = field(repr=False)
    date: datetime | None = None
    retry_after: str | None = None

    @property
    def is_success(self) -> bool:
        """Tell whether the request was done."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def is_refusal(self) -> bool:
        """Tell whether the token may be the reason."""
        return self.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


def failure(
    request: str,
    answer: Answer,
    *,
    secrets: Collection[str] | None,
    stores: bool = False,
    at_login: bool = False,
) -> FlatPeakError:
    """Return the exception for an answer that is no success.

    Args:
        request: Method and path, without ids.
        answer: What came back.
        secrets: What must not be in the text; None: that is not known yet, so that
            none of FlatPeak's words can be in it.
        stores: Whether a record was sent that is to be stored.
        at_login: Whether the request was the log-in.
    """
    body = _body(answer)
    code = _code(body, secrets)
    kind = (_AT_LOGIN if at_login else {}).get(answer.status)
    if code == ACCOUNT_DISABLED:
        kind = FlatPeakAccountDisabledError
    kind = kind or _BY_STATUS.get(answer.status) or _by_class(answer, body, code)
    if kind is FlatPeakPriceUnavailableError:
        code = code or PENDING_CONNECT
    said = redact(text(body or {}, "message") or "", secrets)
    detail = " ".join(filter(None, (f"answered {answer.status}", code, said)))
    return kind(
        request,
        detail[:LONGEST_DETAIL],
        status=answer.status,
        code=code,
        may_be_stored=stores and answer.status not in _NOT_STORED,
        retry_after=retry_delay(answer.retry_after, answer.date),
    )


def _by_class(
    answer: Answer, body: JsonObject | None, code: str | None
) -> type[FlatPeakError]:
    """Return the exception for a status that has none of its own."""
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return FlatPeakServerError
    if answer.status < HTTPStatus.BAD_REQUEST:
        return FlatPeakMalformedAnswerError
    if answer.status != HTTPStatus.UNPROCESSABLE_ENTITY:
        return FlatPeakInvalidRequestError
    if body is None:
        return FlatPeakMalformedAnswerError
    if code is None or code in _PRICE_CODES:
        return FlatPeakPriceUnavailableError
    return FlatPeakInvalidRequestError


def _body(answer: Answer) -> JsonObject | None:
    """Return the JSON object of an answer, or None where it has none."""
    try:
        return load(answer.raw)
    except ValueError:
        return None


def _code(body: JsonObject | None, secrets: Collection[str] | None) -> str | None:
    """Return FlatPeak's error code, where it looks like one."""
    said = (text(body or {}, "code") or "").lower()
    code = said if said in _KNOWN_CODES else redact(said, secrets)
    return code if _CODE.fullmatch(code) else None


def redact(said: str, secrets: Collection[str] | None) -> str:
    """Return one line of text with the secrets, and what looks like one, masked.

    None: what is secret is not known yet, and nothing of the text is left.
    """
    if secrets is None:
        return ""
    longest_first = sorted(filter(None, secrets), key=len, reverse=True)
    line = " ".join(said.split())
    for secret in longest_first:
        words = r"\s*".join(re.escape(word) for word in secret.split())
        line = re.sub(words, _MASK, line, flags=re.IGNORECASE)
    return _LOOKS_SECRET.sub(_MASK, line)


def http_date(value: str | None) -> datetime | None:
    """Return the time of an HTTP date in UTC, or None where there is none."""
    try:
        moment = parsedate_to_datetime(value or "")
    except ValueError, OverflowError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def retry_delay(value: str | None, now: datetime | None) -> float | None:
    """Return the seconds that a `Retry-After` asks for, from 0 to a day, or None.

    Args:
        value: The header: seconds or an HTTP date.
        now: The server's own time, against which a date is meant.
    """
    said = (value or "").strip()
    if said.isascii() and said.isdigit():
        return min(float(said), _LONGEST_WAIT)
    if (until := http_date(said)) is None:
        return None
    wait = (until - (now or datetime.now(UTC))).total_seconds()
    return min(max(wait, 0.0), _LONGEST_WAIT)
