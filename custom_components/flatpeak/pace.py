"""When FlatPeak may be asked again, and what it could not do."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from .api import (
    FlatPeakAccountDisabledError,
    FlatPeakError,
    FlatPeakPriceUnavailableError,
    FlatPeakRefusedError,
)
from .metering import Stream

PRICE_PAUSE = timedelta(minutes=15)  # FlatPeak documentation, "Errors"
SHORTEST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
EVERYTHING = ""


@dataclass(slots=True)
class Backoff:
    """How long an account waits with everything, for all its locations."""

    until: datetime | None = None
    failures: int = 0


class Pace:
    """The pauses of one location: of everything, an owner, or a tariff direction."""

    def __init__(
        self, utcnow: Callable[[], datetime], backoff: Backoff | None = None
    ) -> None:
        """Begin without any pause but the account's."""
        self._utcnow = utcnow
        self._backoff = backoff or Backoff()
        self._pauses: dict[str, datetime] = {}
        self._unpriced: set[str] = set()  # tariff directions that lacked a price
        self.last_error: FlatPeakError | None = None

    def may_ask(self, owner: str = EVERYTHING, direction: str = EVERYTHING) -> bool:
        """Return whether nothing says to wait, with an owner's records or a tariff."""
        now = self._utcnow()
        pauses = [self._pauses.get(key, now) for key in (owner, direction)]
        return not self.wait and max(pauses) <= now

    def may_ask_for(self, stream: Stream) -> bool:
        """Return whether nothing says to wait with a stream."""
        return self.may_ask(stream.owner, stream.tariff_direction)

    @property
    def wait(self) -> timedelta:
        """Return how long everything has to wait."""
        until = self._backoff.until
        return max(until - self._utcnow(), timedelta(0)) if until else timedelta(0)

    def lacks_price(self, direction: str) -> bool:
        """Return whether a tariff had no price when it was last asked for one."""
        return direction in self._unpriced

    def priced(self, direction: str) -> None:
        """Note that a tariff has a price."""
        self._unpriced.discard(direction)
        self._pauses.pop(direction, None)

    def succeeded(self) -> None:
        """Note that FlatPeak answers: what comes next need not wait."""
        self._backoff.failures = 0
        self._backoff.until = None
        self.last_error = None

    def failed(
        self,
        error: FlatPeakError,
        owner: str = EVERYTHING,
        direction: str = EVERYTHING,
    ) -> None:
        """Wait: for a price, as long as the server says, or longer each time."""
        self.last_error = error
        now = self._utcnow()
        match error:
            case FlatPeakPriceUnavailableError():
                self._unpriced.add(direction)
                self._pauses[direction] = now + PRICE_PAUSE
            case FlatPeakRefusedError():
                self._pauses[owner] = now + LONGEST_PAUSE
            case FlatPeakAccountDisabledError():
                self._backoff.until = now + LONGEST_PAUSE
            case _:
                longer = SHORTEST_PAUSE * 2 ** min(self._backoff.failures, 10)
                asked = timedelta(seconds=error.retry_after or 0)
                pause = max(min(longer, LONGEST_PAUSE), asked)
                self._backoff.until = now + pause
                self._backoff.failures += 1
