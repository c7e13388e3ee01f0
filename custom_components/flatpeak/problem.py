"""Which of all that is wrong is to be shown first."""

from collections.abc import Iterable

from .api import FlatPeakPriceUnavailableError, FlatPeakRefusedError
from .errors import ERROR_KEYS, error_key
from .journal import Journal, Status, of_meters
from .pace import Pace

OK = "ok"
OTHER_WRITER = "other_writer"
WRONG_CLOCK = "wrong_clock"
NOT_WRITTEN = "books_not_written"
REFUSED = "records_refused"
PRICE = "price_unavailable"

OF_SOME = (FlatPeakPriceUnavailableError, FlatPeakRefusedError)

PROBLEMS = [OK, *ERROR_KEYS.values(), NOT_WRITTEN, OTHER_WRITER, REFUSED, WRONG_CLOCK]


def problem_of(
    journal: Journal,
    pace: Pace,
    failures: Iterable[str],
    *,
    wrong_clock: bool,
    meter: str | None = None,
) -> str:
    """Return the problem that keeps most from working, in a word; "ok" for none.

    `failures` are what the last poll and the last push failed of. What concerns a
    single record, device or tariff counts for a `meter` (key) only if it is its own.
    """
    if meter:
        journal = of_meters(journal, [meter])
    streams = [state.stream for state in journal.meters.values()]
    refused = pace.standing.refused
    found = (
        (OTHER_WRITER, journal.facts.other_writer),
        (WRONG_CLOCK, wrong_clock),
        *((failure, True) for failure in failures),
        *_last(pace, alone=meter is not None),
        *(
            (error_key(refused[stream.owner].error), True)
            for stream in streams
            if stream.owner in refused
        ),
        (PRICE, any(pace.lacks_price(stream.tariff_direction) for stream in streams)),
        (REFUSED, any(item.status is Status.SET_ASIDE for item in journal.outbox)),
    )
    return next((problem for problem, there in found if there), OK)


def _last(pace: Pace, *, alone: bool) -> list[tuple[str, bool]]:
    """Return the last error; for a meter `alone` not one that may be another's."""
    error = pace.last_error
    if error is None or (alone and isinstance(error, OF_SOME)):
        return []
    return [(error_key(error), True)]
