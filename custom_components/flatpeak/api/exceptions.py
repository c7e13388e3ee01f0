"""What can go wrong between us and FlatPeak.

Every exception says what was asked and what came back, never with a secret in it,
and whether a record that was being sent may have been stored.
"""


class FlatPeakError(Exception):
    """Base of everything that the client raises.

    Attributes:
        request: Method and path without ids, such as ``POST /costs/interval/{id}``.
        status: HTTP status, or None when no answer came.
        code: FlatPeak's error code, or None.
        may_be_stored: Whether a record that was sent may have been stored all the
            same. False only where that is certain: no connection was made, or the
            answer was 400, 401, 403, 404 or 429 (`docs/architecture.md`).
        retry_after: Seconds that the server asked us to wait, or None.
    """

    def __init__(
        self,
        request: str,
        detail: str,
        *,
        status: int | None = None,
        code: str | None = None,
        may_be_stored: bool = False,
        retry_after: float | None = None,
    ) -> None:
        """Describe a failed request."""
        super().__init__(f"{request}: {detail}")
        self.request = request
        self.status = status
        self.code = code
        self.may_be_stored = may_be_stored
        self.retry_after = retry_after


class FlatPeakAuthenticationError(FlatPeakError):
    """The account id or the API key was not accepted at the log-in."""


class FlatPeakRefusedError(FlatPeakError):
    """The log-in is good, but this location or device is not ours to use."""


class FlatPeakNotFoundError(FlatPeakRefusedError):
    """FlatPeak does not know this location or device."""


class FlatPeakRateLimitError(FlatPeakError):
    """Too many requests; `retry_after` says how long to wait, if FlatPeak did."""


class FlatPeakPriceUnavailableError(FlatPeakError):
    """There is no price yet: `code` is one of the three 422 price codes."""


class FlatPeakAccountDisabledError(FlatPeakError):
    """The account is out of subscription or switched off."""


class FlatPeakInvalidRequestError(FlatPeakError):
    """FlatPeak does not accept what was asked; asking again will not help."""


class FlatPeakConnectionError(FlatPeakError):
    """No answer came: no network, a time-out, or a connection that broke."""


class FlatPeakServerError(FlatPeakConnectionError):
    """FlatPeak itself is in trouble (5xx)."""


class FlatPeakMalformedAnswerError(FlatPeakError):
    """An answer came that cannot be read."""
