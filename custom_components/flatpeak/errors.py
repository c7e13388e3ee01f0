"""What users are told when a request fails."""

import math

from .api import (
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

ERROR_KEYS: dict[type[FlatPeakError], str] = {
    FlatPeakAccountDisabledError: "account_disabled",
    FlatPeakAuthenticationError: "invalid_auth",
    FlatPeakConnectionError: "cannot_connect",
    FlatPeakInvalidRequestError: "invalid_request",
    FlatPeakMalformedAnswerError: "invalid_answer",
    FlatPeakNotFoundError: "location_not_found",
    FlatPeakPriceUnavailableError: "price_unavailable",
    FlatPeakRateLimitError: "rate_limited",
    FlatPeakRefusedError: "location_refused",
    FlatPeakServerError: "server_error",
}


def error_key(error: FlatPeakError) -> str:
    """Return the translation key of an error."""
    return ERROR_KEYS[type(error)]


def placeholders(error: FlatPeakError) -> dict[str, str]:
    """Return what the texts may name; never a secret."""
    return {
        "minutes": str(math.ceil((error.retry_after or 0) / 60)),
        "detail": str(error),
        "code": error.code or "",
    }
