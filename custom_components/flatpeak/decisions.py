"""What the user decides about records that do not get on by themselves."""

from dataclasses import replace
from datetime import datetime, timedelta

from .book import Book, Line
from .journal import Journal, Queued, Status
from .metering import PricedWindow, release, to_wire

# Until then a witness may still turn up.
PATIENCE = timedelta(hours=24)


def held_records(journal: Journal, meter: str) -> list[Queued]:
    """Return the records of a meter that wait for a decision, oldest first."""
    return _of(journal, meter, Status.HELD)


def released(journal: Journal, meter: str, *, accept: bool) -> Journal:
    """Return the journal with a meter's held energy counted, or given up."""
    held = held_records(journal, meter)
    state = journal.meters[meter]
    windows = [release(item.window, accept=accept) for item in held]
    wired, carry = to_wire(windows, state.carry)
    kept = [item for item in journal.outbox if item not in held]
    free = [Queued(meter=meter, window=w, wh=wh) for w, wh in wired if w.mwh]
    return replace(
        journal,
        meters={**journal.meters, meter: replace(state, carry=carry)},
        outbox=(*kept, *free),
    )


def set_aside(journal: Journal, meter: str) -> list[Queued]:
    """Return the records of a meter that FlatPeak will not take, oldest first."""
    return _of(journal, meter, Status.SET_ASIDE)


def unconfirmed(journal: Journal, meter: str, now: datetime) -> list[Queued]:
    """Return the records of which nobody can tell whether FlatPeak has them.

    They were sent a day ago, are not in the report, and nothing that was sent later is.
    """
    return [
        item
        for item in _of(journal, meter, Status.ATTEMPTED)
        if item.wh and item.attempted and now - item.attempted > PATIENCE
    ]


def sent_again(journal: Journal, meter: str, now: datetime, status: Status) -> Journal:
    """Return the journal with a meter's stuck records as if they were new."""
    stuck = _stuck(journal, meter, now, status)
    return replace(
        journal,
        outbox=tuple(
            replace(
                item,
                status=Status.NEW,
                attempted=None,
                tries=0,
                batch=None,
                error=None,
            )
            if item in stuck
            else item
            for item in journal.outbox
        ),
    )


def left_out(
    journal: Journal, book: Book, meter: str, now: datetime, status: Status
) -> tuple[Journal, list[Line]]:
    """Return the journal without a meter's stuck records, and lines to book first.

    Their energy stays in the books. Its cost is known where it was quoted.
    """
    stuck = _stuck(journal, meter, now, status)
    lines = [
        (
            meter,
            PricedWindow(
                start=item.window.start,
                end=item.window.end,
                mwh=item.window.mwh,
                estimated=item.window.estimated,
                partial=item.window.partial,
            ),
        )
        for item in stuck
        if book.get(meter, item.window.start) is None
    ]
    kept = tuple(item for item in journal.outbox if item not in stuck)
    return replace(journal, outbox=kept), lines


def _stuck(journal: Journal, meter: str, now: datetime, status: Status) -> list[Queued]:
    """Return the records that a decision is about."""
    if status is Status.SET_ASIDE:
        return set_aside(journal, meter)
    return unconfirmed(journal, meter, now)


def _of(journal: Journal, meter: str, status: Status) -> list[Queued]:
    """Return a meter's records of a status, oldest first."""
    found = [
        item for item in journal.outbox if item.meter == meter and item.status is status
    ]
    return sorted(found, key=lambda item: item.window.start)
