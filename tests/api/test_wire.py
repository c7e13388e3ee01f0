"""Exact numbers out, forgiving reading in."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
import json
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.flatpeak.api import Amount, TariffDirection
from custom_components.flatpeak.api.wire import (
    amount,
    encode,
    flag,
    items,
    load,
    member,
    moment,
    number,
    period,
    rfc3339,
    text,
)


@given(value=st.decimals(allow_nan=False, allow_infinity=False, min_value=-1e20))
def test_a_number_keeps_its_digits(value: Decimal) -> None:
    """What is sent is read back as the same number, digit by digit."""
    raw = encode({"value": value})
    assert json.loads(raw, parse_float=Decimal, parse_int=Decimal)["value"] == value


def test_a_number_has_no_exponent() -> None:
    """A large or small number is written out."""
    raw = encode({"a": Decimal("2E+3"), "b": Decimal("1E-9"), "c": 'say "x"\n'})
    assert raw == rb'{"a": 2000, "b": 0.000000001, "c": "say \"x\"\n"}'


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_only_finite_numbers_are_sent(value: str) -> None:
    """JSON has no other numbers."""
    with pytest.raises(ValueError, match="finite"):
        encode({"value": Decimal(value)})


@pytest.mark.parametrize(
    ("moment_", "written"),
    [
        (datetime(2026, 3, 1, 10, tzinfo=UTC), "2026-03-01T10:00:00Z"),
        (
            datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/London")),
            "2026-01-01T00:00:00Z",
        ),
        (
            datetime(2026, 7, 1, tzinfo=ZoneInfo("Asia/Kathmandu")),
            "2026-07-01T00:00:00+05:45",
        ),
        (
            datetime(2026, 7, 1, tzinfo=timezone(-timedelta(hours=3, minutes=30))),
            "2026-07-01T00:00:00-03:30",
        ),
    ],
)
def test_times_are_written(moment_: datetime, written: str) -> None:
    """The offset is kept, and UTC is Z."""
    assert rfc3339(moment_) == written


def test_a_naive_time_is_not_sent() -> None:
    """Whose time it is would be a guess."""
    with pytest.raises(ValueError, match="aware"):
        rfc3339(datetime(2026, 3, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b"3",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e99999999999999999999}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b"\xff\xfe\xfd",
    ],
)
def test_not_a_json_object(raw: bytes) -> None:
    """Whatever is no JSON object says so."""
    with pytest.raises(ValueError, match=r"^the answer is not a JSON object$"):
        load(raw)


def test_fractions_are_exact() -> None:
    """A fraction is never a binary float."""
    assert load(b'{"a": 0.1, "b": 12}') == {"a": Decimal("0.1"), "b": 12}


def test_items() -> None:
    """A list, a single object and nothing at all are read."""
    assert items({"data": [{"a": 1}, {}]}) == [{"a": 1}, {}]
    assert items({"data": {"a": 1}}) == [{"a": 1}]
    assert items({"data": []}) == items({"data": None}) == []
    assert items({"object": "energy_cost"}) == []


@pytest.mark.parametrize("body", [{}, {"status": "ok"}, {"data": "x"}, {"data": [1]}])
def test_no_items(body: dict[str, object]) -> None:
    """JSON of something else is no empty report."""
    with pytest.raises(ValueError, match="data"):
        items(body)


def test_text_and_flag() -> None:
    """Texts are trimmed; empty ones and other types count as missing."""
    assert text({"a": " ", "b": "CONNECTED "}, "a", "b") == "CONNECTED"
    assert text({"a": 5, "b": None}, "a", "b", "c") is None
    assert flag({"a": False}, "a") is False
    assert flag({"a": "true"}, "a") is None


def test_number() -> None:
    """Numbers are exact, and missing is not zero."""
    assert number({"a": Decimal("-0.5")}, "a") == Decimal("-0.5")
    assert number({"a": 7}, "a") == 7
    assert number({"a": None}, "a") is None
    assert number({}, "a") is None


@pytest.mark.parametrize(
    "value", ["7", True, [], {}, 10**15, -(10**15), Decimal("1e9999999")]
)
def test_not_a_number(value: object) -> None:
    """Anything else is refused, also what could not be counted with."""
    with pytest.raises(ValueError, match=r"^a is"):
        number({"a": value}, "a")


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-01T10:00:00Z",
        "2026-03-01T10:00:00.000",
        "2026-03-01T10:00:00",
        "2026-03-01T11:00:00+01:00",
        " 2026-03-01T04:30:00-05:30 ",
    ],
)
def test_moment(written: str) -> None:
    """Any offset is read, and a time without one is UTC."""
    found = moment({"a": written}, "a")
    assert found == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "written",
    [None, "", 0, "soon", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00+05:00"],
)
def test_not_a_moment(written: object) -> None:
    """What is no time is not repeated in the error."""
    with pytest.raises(ValueError, match=r"^a is not a time$") as caught:
        moment({"a": written}, "a")
    assert caught.value.__context__ is None


def test_period() -> None:
    """A period does not end before it starts."""
    body = {"a": "2026-03-01T10:00:00Z", "b": "2026-03-01T10:30:00Z"}
    assert period(body, "a", "b")[1] - period(body, "a", "b")[0] == timedelta(
        minutes=30
    )
    with pytest.raises(ValueError, match="a is before b"):
        period(body, "b", "a")


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"cost": {"value": 0, "confidence": 0}}, None),
        ({"cost": {"value": Decimal("0.0"), "confidence": Decimal("0.0")}}, None),
        (
            {"cost": {"value": 0, "confidence": 1}},
            Amount(value=Decimal(0), confidence=Decimal(1)),
        ),
        ({"cost": {"value": 0}}, Amount(value=Decimal(0))),
        ({"cost": {"value": -3, "confidence": None}}, Amount(value=Decimal(-3))),
        ({"cost": None, "tariff": {"value": 2}}, Amount(value=Decimal(2))),
        ({"cost": {}, "tariff": {"value": 2}}, Amount(value=Decimal(2))),
        ({"cost": {"confidence": 1}}, None),
        ({}, None),
    ],
)
def test_amount(body: dict[str, object], found: Amount | None) -> None:
    """Zero and negative money are money; zero without confidence is not."""
    assert amount(body, ("cost", "value"), ("tariff", "value")) == found


@pytest.mark.parametrize(
    "cost", [5, "5", [], {"value": "5"}, {"value": 5, "confidence": "high"}]
)
def test_not_an_amount(cost: object) -> None:
    """Money of the wrong shape is not guessed at."""
    with pytest.raises(ValueError, match=r"cost|value|confidence"):
        amount({"cost": cost}, ("cost", "value"))


def test_member() -> None:
    """A word that we do not know is none."""
    assert member(TariffDirection, "LOCAL") is TariffDirection.LOCAL
    assert member(TariffDirection, "SIDEWAYS") is None
    assert member(TariffDirection, None) is None
