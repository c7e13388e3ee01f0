"""Which of all that is wrong is to be shown first."""

from collections.abc import Sequence

from .errors import ERROR_KEYS, error_key
from .journal import Journal, Status
from .pace import Pace

OK = "ok"
OTHER_WRITER = "other_writer"
WRONG_CLOCK = "wrong_clock"
NOT_WRITTEN = "books_not_written"
REFUSED = "records_refused"
PRICE = "price_unavailable"

PROBLEMS = [OK, *ERROR_KEYS.values(), NOT_WRITTEN, OTHER_WRITER, REFUSED, WRONG_CLOCK]


def problem_of(
    journal: Journal, pace: Pace, failures: Sequence[str], *, wrong_clock: bool
) -> str:
    """Return the problem that keeps most from working, in a word; "ok" for none.

    `failures` are what the last poll and the last push failed of.
    """
    directions = {state.stream.tariff_direction for state in journal.meters.values()}
    found = (
        (OTHER_WRITER, journal.facts.other_writer),
        (WRONG_CLOCK, wrong_clock),
        *((failure, True) for failure in failures),
        (error_key(pace.last_error) if pace.last_error else OK, pace.last_error),
        (PRICE, any(map(pace.lacks_price, directions))),
        (REFUSED, any(item.status is Status.SET_ASIDE for item in journal.outbox)),
    )
    return next((problem for problem, there in found if there), OK)
