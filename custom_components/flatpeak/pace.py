"""When FlatPeak may be asked again, and what it could not do."""

from collections.abc import Callable
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


class Pace:
    """The pauses of one location: of everything, an owner, or a tariff direction."""

    def __init__(self, utcnow: Callable[[], datetime]) -> None:
        """Begin without any pause."""
        self._utcnow = utcnow
        self._pauses: dict[str, datetime] = {}
        self._failures = 0
        self._unpriced: set[str] = set()  # tariff directions that lacked a price
        self.last_error: FlatPeakError | None = None

    def may_ask(self, owner: str = EVERYTHING, direction: str = EVERYTHING) -> bool:
        """Return whether nothing says to wait, with an owner's records or a tariff."""
        now = self._utcnow()
        keys = (EVERYTHING, owner, direction)
        return all(self._pauses.get(key, now) <= now for key in keys)

    def may_ask_for(self, stream: Stream) -> bool:
        """Return whether nothing says to wait with a stream."""
        return self.may_ask(stream.owner, stream.tariff_direction)

    def lacks_price(self, direction: str) -> bool:
        """Return whether a tariff had no price when it was last asked for one."""
        return direction in self._unpriced

    def priced(self, direction: str) -> None:
        """Note that a tariff has a price."""
        self._unpriced.discard(direction)
        self._pauses.pop(direction, None)

    def succeeded(self) -> None:
        """Note that FlatPeak answers: what comes next need not wait."""
        self._failures = 0
        self._pauses.pop(EVERYTHING, None)
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
                self._pauses[EVERYTHING] = now + LONGEST_PAUSE
            case _:
                longer = SHORTEST_PAUSE * 2 ** min(self._failures, 10)
                asked = timedelta(seconds=error.retry_after or 0)
                pause = max(min(longer, LONGEST_PAUSE), asked)
                self._pauses[EVERYTHING] = now + pause
                self._failures += 1
