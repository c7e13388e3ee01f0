"""What each status, code and header means."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
import json

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak.api import (
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
from custom_components.flatpeak.api.answers import (
    Answer,
    failure,
    http_date,
    redact,
    retry_delay,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def answered(
    status: int, body: object = None, *, at_login: bool = False
) -> FlatPeakError:
    """Return the exception for an answer to a record."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = Answer(status=status, raw=raw)
    return failure("POST /x", answer, secrets=(), stores=True, at_login=at_login)


@pytest.mark.parametrize(
    ("status", "kind", "may_be_stored"),
    [
        (302, FlatPeakMalformedAnswerError, True),
        (304, FlatPeakMalformedAnswerError, True),
        (400, FlatPeakInvalidRequestError, False),
        (401, FlatPeakRefusedError, False),
        (403, FlatPeakRefusedError, False),
        (404, FlatPeakNotFoundError, False),
        (405, FlatPeakInvalidRequestError, True),
        (408, FlatPeakConnectionError, True),
        (409, FlatPeakInvalidRequestError, True),
        (413, FlatPeakInvalidRequestError, True),
        (429, FlatPeakRateLimitError, False),
        (500, FlatPeakServerError, True),
        (503, FlatPeakServerError, True),
        (599, FlatPeakServerError, True),
    ],
)
@pytest.mark.parametrize("body", [{"message": "no"}, b"<html>", b""])
def test_status(
    status: int, kind: type[FlatPeakError], body: object, *, may_be_stored: bool
) -> None:
    """The status decides, whatever the body is."""
    error = answered(status, body)
    assert type(error) is kind
    assert error.status == status
    assert error.code is None
    assert error.may_be_stored is may_be_stored
    assert str(error).startswith(f"POST /x: answered {status}")


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        ({"code": "pending_connect"}, FlatPeakPriceUnavailableError, "pending_connect"),
        (
            {"code": " No_Tariff_Connected "},
            FlatPeakPriceUnavailableError,
            "no_tariff_connected",
        ),
        ({"code": "no_price_data"}, FlatPeakPriceUnavailableError, "no_price_data"),
        ({"message": "busy"}, FlatPeakPriceUnavailableError, "pending_connect"),
        ({"code": None}, FlatPeakPriceUnavailableError, "pending_connect"),
        (
            {"code": "account_disabled"},
            FlatPeakAccountDisabledError,
            "account_disabled",
        ),
        ({"code": "value_invalid"}, FlatPeakInvalidRequestError, "value_invalid"),
        (b"<html>", FlatPeakMalformedAnswerError, None),
        (["code"], FlatPeakMalformedAnswerError, None),
    ],
)
def test_unprocessable(
    body: object, kind: type[FlatPeakError], code: str | None
) -> None:
    """A 422 is told apart by its code, and may come after storing."""
    error = answered(422, body)
    assert type(error) is kind
    assert error.code == code
    assert error.may_be_stored


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {}, FlatPeakInvalidRequestError),
        (401, {}, FlatPeakAuthenticationError),
        (403, {}, FlatPeakAuthenticationError),
        (403, {"code": "account_disabled"}, FlatPeakAccountDisabledError),
        (404, {}, FlatPeakMalformedAnswerError),
        (422, {}, FlatPeakInvalidRequestError),
        (422, {"code": "account_disabled"}, FlatPeakAccountDisabledError),
        (429, {}, FlatPeakRateLimitError),
        (502, {}, FlatPeakServerError),
    ],
)
def test_at_login(status: int, body: object, kind: type[FlatPeakError]) -> None:
    """Only the log-in decides about credentials."""
    assert type(answered(status, body, at_login=True)) is kind


def test_detail() -> None:
    """The text has FlatPeak's words, on one line, and not too many."""
    error = answered(422, {"code": "no_price_data", "message": "no\n price "})
    assert str(error) == "POST /x: answered 422 no_price_data no price"
    long = answered(500, {"message": "ab " * 1000})
    assert len(str(long)) <= len("POST /x: ") + 200
    assert answered(400, {"code": "Not a code!"}).code is None
    assert answered(400, {"code": ["a"], "message": 5}).code is None


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("key hunter2 is bad", "key *** is bad"),
        ("key HUNTER2!", "key ***!"),
        ("hunter2-and-more", "***"),
        ("loc_123 of acc_9, sk_live_x", "*** of ***, ***"),
        ("eyJhbGciOi.eyJzdWIi.c2ln-_x", "***"),
        ("a.b matches literally, axb does not", "*** matches literally, axb does not"),
        ("a\r\nb", "a b"),
    ],
)
def test_redact(said: str, shown: str) -> None:
    """Secrets are masked, longest first, and so is what looks like one."""
    assert redact(said, ["", "hunter2", "hunter2-and-more", "a.b"]) == shown


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("86401", 86400),
        ("9" * 5000, 86400),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(hours=1), usegmt=True), 0),
        (format_datetime(NOW + timedelta(days=9), usegmt=True), 86400),
        ("Sun, 01 Mar 2026 12:00:05 -0000", 5),
        (None, None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("nan", None),
        ("\u0665", None),
        ("soon", None),
        ("Sun, 99 Mar 2026 12:00:05 GMT", None),
    ],
)
def test_retry_delay(value: str | None, seconds: float | None) -> None:
    """Seconds or a date on the server's clock, from 0 to a day."""
    assert retry_delay(value, NOW) == seconds


def test_retry_delay_on_our_clock(freezer: FrozenDateTimeFactory) -> None:
    """A server that does not tell the time is taken to agree with us."""
    freezer.move_to(NOW)
    assert retry_delay("Sun, 01 Mar 2026 12:01:00 GMT", None) == 60


def test_http_date() -> None:
    """A date is aware, and garbage is none."""
    assert http_date("Sun, 01 Mar 2026 12:00:00 GMT") == NOW
    assert http_date("Sun, 01 Mar 2026 12:00:00 -0000") == NOW
    assert http_date("Sun, 01 Mar 99999 12:00:00 GMT") is None
    assert http_date(None) is None
