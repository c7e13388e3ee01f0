"""Every failure has a text of its own, and the text says only what it may."""

from collections.abc import Iterator
import json
from pathlib import Path
from string import Formatter

import pytest

from custom_components.flatpeak.api import FlatPeakError, exceptions
from custom_components.flatpeak.errors import error_key, placeholders

TEXTS = json.loads(Path("custom_components/flatpeak/translations/en.json").read_text())[
    "exceptions"
]
KINDS = {
    "FlatPeakAccountDisabledError": "account_disabled",
    "FlatPeakAuthenticationError": "invalid_auth",
    "FlatPeakConnectionError": "cannot_connect",
    "FlatPeakInvalidRequestError": "invalid_request",
    "FlatPeakMalformedAnswerError": "invalid_answer",
    "FlatPeakNotFoundError": "location_not_found",
    "FlatPeakPriceUnavailableError": "price_unavailable",
    "FlatPeakRateLimitError": "rate_limited",
    "FlatPeakRefusedError": "location_refused",
    "FlatPeakServerError": "server_error",
}


def _kinds() -> Iterator[type[FlatPeakError]]:
    """Yield every exception that the client raises."""
    for kind in vars(exceptions).values():
        if isinstance(kind, type) and issubclass(kind, FlatPeakError):
            yield kind


def test_no_kind_is_forgotten() -> None:
    """A new kind of failure needs a text."""
    assert {kind.__name__ for kind in _kinds()} == {*KINDS, "FlatPeakError"}


@pytest.mark.parametrize("name", KINDS)
def test_text_of_an_error(name: str) -> None:
    """The special error has its own text, not that of the kind it belongs to."""
    error = getattr(exceptions, name)("GET /x", "said no", code="y", retry_after=61)
    assert error_key(error) == KINDS[name]
    known = placeholders(error)
    assert known == {"minutes": "2", "detail": "GET /x: said no", "code": "y"}
    text = TEXTS[KINDS[name]]["message"]
    named = {field for _, field, _, _ in Formatter().parse(text) if field}
    assert named <= known.keys()
    assert text.format(**known).endswith(".")


def test_without_details() -> None:
    """An error without code and delay still fills its text."""
    error = exceptions.FlatPeakConnectionError("GET /x", "no answer")
    assert placeholders(error)["minutes"] == "0"
    assert placeholders(error)["code"] == ""
