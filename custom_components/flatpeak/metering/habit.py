"""How a meter reports, told from when its register rises."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import isfinite

from .model import Reporting, Row

SLOT = timedelta(minutes=5)
SOON = 15  # minutes after a full hour: until then an hourly meter has reported
ENOUGH = 10  # hours with a rise
ALMOST_ALL = 0.9
MWH = 1_000_000  # in a kWh


def habit(rows: Sequence[Row]) -> Reporting | None:
    """Return how a register reports by its 5-minute rows (kWh); None is not clear.

    A meter that reports the past hour rises once an hour, just after the full hour of
    UTC, and at no other time. One that hardly ever rises tells nothing.
    """
    rises = list(_rises(rows))
    hours = Counter(rise.replace(minute=0) for rise in rises)
    if len(hours) < ENOUGH:
        return None
    prompt = sum(rise.minute < SOON for rise in rises) / len(rises)
    single = sum(count == 1 for count in hours.values()) / len(hours)
    hourly = min(prompt, single) >= ALMOST_ALL
    return Reporting.HOURLY if hourly else Reporting.CONTINUOUS


def _rises(rows: Sequence[Row]) -> Iterator[datetime]:
    """Yield the start (UTC) of each slot in which the register rose.

    After a gap nobody knows when it rose.
    """
    slots = [row for row in rows if row.end - row.start == SLOT]
    for before, row in pairwise(slots):
        old, new = _level(before), _level(row)
        if before.end != row.start or old is None or new is None:
            continue
        if new > old:
            yield row.start.astimezone(UTC)


def _level(row: Row) -> int | None:
    """Return where the register stands (mWh)."""
    if row.state is None or not isfinite(row.state):
        return None
    return round(row.state * MWH)
