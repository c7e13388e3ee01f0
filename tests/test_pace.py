"""When FlatPeak may be asked again."""

from datetime import UTC, datetime, timedelta

from custom_components.flatpeak.api import (
    FlatPeakAccountDisabledError,
    FlatPeakPriceUnavailableError,
    FlatPeakRateLimitError,
    FlatPeakRefusedError,
    FlatPeakServerError,
)
from custom_components.flatpeak.pace import LONGEST_PAUSE, PRICE_PAUSE, Backoff, Pace

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Clock:
    """A clock that a test sets."""

    now = BEGIN

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now


def test_invariant_12_locations_of_an_account_wait_together() -> None:
    """What one location is told to wait holds for the others, and ends for all."""
    clock, backoff = Clock(), Backoff()
    home, cabin, stranger = Pace(clock, backoff), Pace(clock, backoff), Pace(clock)
    home.failed(FlatPeakRateLimitError("GET /x", "slow down", retry_after=300))
    assert not cabin.may_ask()
    assert cabin.wait == 5 * MINUTE
    assert stranger.may_ask()
    clock.now += 5 * MINUTE
    assert cabin.may_ask()
    home.failed(FlatPeakServerError("GET /x", "down"))
    assert home.wait == 2 * MINUTE
    cabin.succeeded()
    assert home.may_ask()


def test_invariant_12_pauses_grow_to_an_hour() -> None:
    """Each failure doubles the pause, and no pause is longer than an hour."""
    clock = Clock()
    pace = Pace(clock)
    waits = []
    for _ in range(9):
        pace.failed(FlatPeakServerError("GET /x", "down"))
        waits.append(pace.wait)
        clock.now += pace.wait
    assert waits[:4] == [MINUTE, 2 * MINUTE, 4 * MINUTE, 8 * MINUTE]
    assert waits[-1] == LONGEST_PAUSE


def test_invariant_12_a_price_is_asked_for_every_15_minutes() -> None:
    """Only its direction waits, and whoever asks keeps to it."""
    clock = Clock()
    pace = Pace(clock)
    pace.failed(FlatPeakPriceUnavailableError("POST /x", "none"), direction="IMPORT")
    assert not pace.may_ask(direction="IMPORT")
    assert not pace.may_ask("loc_1", "IMPORT")
    assert pace.may_ask("loc_1", "EXPORT")
    assert pace.lacks_price("IMPORT")
    clock.now += PRICE_PAUSE
    assert pace.may_ask(direction="IMPORT")
    pace.priced("IMPORT")
    assert not pace.lacks_price("IMPORT")


def test_owners_and_accounts_wait_an_hour() -> None:
    """What is not ours to use may be again later."""
    clock = Clock()
    pace = Pace(clock)
    pace.failed(FlatPeakRefusedError("POST /x", "no"), "dev_1")
    assert not pace.may_ask("dev_1")
    assert pace.may_ask("loc_1")
    pace.failed(FlatPeakAccountDisabledError("POST /x", "off"))
    assert pace.wait == LONGEST_PAUSE
