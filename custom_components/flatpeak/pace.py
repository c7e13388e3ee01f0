"""When FlatPeak may be asked again, and what it could not do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
import logging

from .api import (
    FlatPeakAccountDisabledError,
    FlatPeakError,
    FlatPeakPriceUnavailableError,
    FlatPeakRefusedError,
)
from .metering import Stream

_LOGGER = logging.getLogger(__name__)

PRICE_PAUSE = timedelta(minutes=15)  # FlatPeak documentation, "Errors"
SHORTEST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
EVERYTHING = ""
REPORT = "/costs/interval"  # of the past: says nothing about the tariff of today


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What goes wrong in the same way, and since when."""

    error: FlatPeakError
    since: datetime


@dataclass(slots=True)
class Backoff:
    """How long an account waits with everything, for all its locations."""

    until: datetime | None = None
    why: FlatPeakError | None = None  # the last error that made all wait
    failures: int = 0
    disabled: bool = False  # FlatPeak says so
    enabled: datetime | None = None  # when FlatPeak last took that back
    trouble: Trouble | None = None  # why nothing comes at the moment
    answered: datetime | None = None  # when FlatPeak last did what was asked
    mended: datetime | None = None  # when something ended that had lasted


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How we stand with FlatPeak: what it said last, of the account and the rest.

    Attributes:
        disabled: Whether the account is switched off.
        trouble: Why nothing comes at the moment, if nothing below says it.
        answered: When FlatPeak last did what was asked of this account.
        refused: Owners (location, devices) that we may not use.
        unpriced: Tariff directions without a price.
        good: When an owner was last seen to be ours to use.
        priced: Tariff directions whose last answer had a price.
        mended: When any of this ended that had lasted for an hour.
    """

    disabled: bool = False
    trouble: Trouble | None = None
    answered: datetime | None = None
    refused: Mapping[str, Trouble] = field(default_factory=dict)
    unpriced: Mapping[str, Trouble] = field(default_factory=dict)
    good: Mapping[str, datetime] = field(default_factory=dict)
    priced: frozenset[str] = frozenset()
    mended: datetime | None = None


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
        self._refused: dict[str, Trouble] = {}  # by owner
        self._no_price: dict[str, Trouble] = {}  # by tariff direction
        self._good: dict[str, datetime] = {}  # by owner
        self._priced: set[str] = set()  # tariff directions
        self._cured: dict[str, datetime] = {}  # by tariff direction
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

    @property
    def why(self) -> FlatPeakError | None:
        """Return why everything has to wait, whichever home was told; else None."""
        return self._backoff.why if self.wait else None

    def refuses(self, owner: str) -> bool:
        """Return whether FlatPeak did not let us use an owner when last asked."""
        return owner in self._refused

    def lacks_price(self, direction: str) -> bool:
        """Return whether a tariff had no price when it was last asked for one."""
        return direction in self._unpriced

    def cured(self, direction: str) -> datetime | None:
        """Return when what lacked a price of a tariff last got one again.

        That can be the account, too: what was refused may go through now.
        """
        times = (self._cured.get(direction), self._backoff.enabled)
        return max((time for time in times if time), default=None)

    def priced(self, direction: str) -> None:
        """Note that a tariff has a price."""
        if direction in self._unpriced:
            self._cured[direction] = self._utcnow()
        self._unpriced.discard(direction)
        self._pauses.pop(direction, None)
        self.has_price(direction)

    def has_price(self, direction: str) -> None:
        """Note that one of a tariff's prices is known; another may be missing."""
        self._mend(self._no_price.pop(direction, None))
        self._priced.add(direction)

    def listed(self, direction: str, lacked: FlatPeakError | None) -> None:
        """Note that there is a price list, where `lacked` was said before.

        It is no proof that a record which lacked a price has one now.
        """
        if lacked is not None:
            self._cured[direction] = self._utcnow()
        trouble = self._no_price.get(direction)
        if trouble is None or trouble.error is lacked:
            self.has_price(direction)

    def succeeded(self, owner: str = EVERYTHING) -> None:
        """Note that FlatPeak answers: what comes next need not wait.

        Named is an owner that turned out to be ours to use.
        """
        now = self._utcnow()
        if self._backoff.why:
            _LOGGER.info("FlatPeak answers again")
        self._backoff.failures = 0
        self._backoff.until = self._backoff.why = None
        self._mend(self._backoff.trouble)
        if self._backoff.disabled:
            self._backoff.mended = self._backoff.enabled = now
        self._backoff.disabled = False
        self._backoff.trouble = None
        self._backoff.answered = now
        self.last_error = None
        if owner:
            self._good[owner] = now
            self._mend(self._refused.pop(owner, None))
            self._pauses.pop(owner, None)

    @property
    def failures(self) -> int:
        """Return how often in a row nothing came."""
        return self._backoff.failures

    @property
    def standing(self) -> Standing:
        """Return how we stand with FlatPeak."""
        return Standing(
            disabled=self._backoff.disabled,
            trouble=self._backoff.trouble,
            answered=self._backoff.answered,
            refused=dict(self._refused),
            unpriced=dict(self._no_price),
            good=dict(self._good),
            priced=frozenset(self._priced),
            mended=self._backoff.mended,
        )

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
                if REPORT not in error.request or not direction:
                    self._priced.discard(direction)
                    self._no_price[direction] = self._noted(
                        self._no_price.get(direction), error
                    )
                self._pauses[direction] = now + PRICE_PAUSE
            case FlatPeakRefusedError():
                self._refused[owner] = self._noted(self._refused.get(owner), error)
                self._pauses[owner] = now + LONGEST_PAUSE
            case FlatPeakAccountDisabledError():
                self._wait_for(error)
                self._backoff.disabled = True
                self._backoff.until = now + LONGEST_PAUSE
            case _:
                self._wait_for(error)
                before = self._backoff.trouble
                since = before.since if before else now
                self._backoff.trouble = Trouble(error=error, since=since)
                longer = SHORTEST_PAUSE * 2 ** min(self._backoff.failures, 10)
                asked = timedelta(seconds=error.retry_after or 0)
                pause = max(min(longer, LONGEST_PAUSE), asked)
                self._backoff.until = now + pause
                self._backoff.failures += 1

    def _wait_for(self, error: FlatPeakError) -> None:
        """Note why nothing can be asked, and say so once."""
        if self._backoff.why is None:
            _LOGGER.info("FlatPeak cannot be used at the moment: %s", error)
        self._backoff.why = error

    def _noted(self, before: Trouble | None, error: FlatPeakError) -> Trouble:
        """Return a trouble, which lasts as long as FlatPeak says the same."""
        same = (
            before is not None
            and type(before.error) is type(error)
            and before.error.code == error.code
        )
        since = before.since if before and same else self._utcnow()
        return Trouble(error=error, since=since)

    def _mend(self, trouble: Trouble | None) -> None:
        """Note that a trouble has ended, where it had lasted."""
        now = self._utcnow()
        if trouble and now - trouble.since >= LONGEST_PAUSE:
            self._backoff.mended = now
