"""What the user decides about records that do not get on by themselves.

A decision is a function of the journal, the book and the time (UTC), and returns what
is to be made durable: lines of the book first, then the journal.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from .book import Book, Line
from .journal import Journal, MeterState, Queued, Status
from .metering import Answer, PricedWindow, Quality, Window, release, to_wire

# Until then a witness may still turn up.
PATIENCE = timedelta(hours=24)

type Decided = tuple[Journal, list[Line]]
type Decision = Callable[[Journal, Book, datetime], Decided]


def held_records(journal: Journal, meter: str) -> list[Queued]:
    """Return the records of a meter that wait for a decision, oldest first."""
    return _of(journal, meter, Status.HELD)


def released(
    journal: Journal, _book: Book, _now: datetime, *, meter: str, answer: Answer
) -> Decided:
    """Count a meter's held energy, or give it up."""
    held = held_records(journal, meter)
    state = journal.meters[meter]
    if answer is not Answer.DISCARD:
        state = _trusted(state)
    windows = [release(item.window, answer) for item in held]
    wired, carry = to_wire(windows, state.carry)
    known = set(held)  # there may be thousands
    kept = [item for item in journal.outbox if item not in known]
    free = [Queued(meter=meter, window=w, wh=wh) for w, wh in wired if w.mwh]
    meters = {**journal.meters, meter: replace(state, carry=carry)}
    return replace(journal, meters=meters, outbox=(*kept, *free)), []


def _trusted(state: MeterState) -> MeterState:
    """Return a meter whose register's level is right, whatever its unit seems to be.

    Not so where another jump is in the open window: nobody was asked about that.
    """
    if any(part.quality is Quality.HELD for part in state.open):
        return state
    return replace(
        state,
        anchor=state.anchor and replace(state.anchor, thousands=0),
        open=tuple(
            replace(part, quality=Quality.SPREAD)
            if part.quality is Quality.FOLLOWS
            else part
            for part in state.open
        ),
    )


def stuck(
    journal: Journal, book: Book, meter: str, now: datetime, status: Status
) -> list[Queued]:
    """Return the records of a meter that do not get on by themselves, oldest first.

    They are refused (set aside), never found (lost), or unconfirmed (attempted): sent a
    day ago, not in the report, and nothing that was sent later is.
    """
    found = _of(journal, meter, status)
    if status is not Status.ATTEMPTED:
        return found
    return [
        item
        for item in found
        if item.attempted and now - item.attempted > PATIENCE
        # What is too little to send is nobody's question, but where it is a correction.
        if item.wh or book.get(meter, item.window.start)
    ]


def sent_again(
    journal: Journal, book: Book, now: datetime, *, meter: str, status: Status
) -> Decided:
    """Take a meter's stuck records for new ones."""
    again = set(stuck(journal, book, meter, now, status))
    outbox = tuple(
        replace(
            item, status=Status.NEW, attempted=None, tries=0, batch=None, error=None
        )
        if item in again
        else item
        for item in journal.outbox
    )
    return replace(journal, outbox=outbox), []


def left_out(
    journal: Journal, book: Book, now: datetime, *, meter: str, status: Status
) -> Decided:
    """Keep a meter's stuck records in our books alone.

    Their energy stays there, a correction's in the place of what it corrects. Its cost
    is known where it was quoted.
    """
    out = stuck(journal, book, meter, now, status)
    lines = [
        (meter, _without_cost(item.window))
        for item in out
        if _is_news(item, book.get(meter, item.window.start))
    ]
    known = set(out)
    kept = tuple(item for item in journal.outbox if item not in known)
    return replace(journal, outbox=kept), lines


def gone_on(journal: Journal, _book: Book, _now: datetime) -> Decided:
    """Send again, though somebody else seemed to send our records."""
    return replace(journal, facts=replace(journal.facts, other_writer=False)), []


def switched(journal: Journal, _book: Book, _now: datetime, *, on: bool) -> Decided:
    """Send what waits, or nothing from now on; windows are cut in any case."""
    return replace(journal, facts=replace(journal.facts, paused=not on)), []


def _is_news(item: Queued, line: PricedWindow | None) -> bool:
    """Return whether the book has another energy for a record's window, or none."""
    return line is None or line.mwh != item.window.mwh


def _without_cost(window: Window) -> PricedWindow:
    """Return a window's line; only that of no energy has a cost without FlatPeak."""
    return PricedWindow(
        start=window.start,
        end=window.end,
        mwh=window.mwh,
        money=None if window.mwh else Decimal(0),
        estimated=window.estimated,
        partial=window.partial,
    )


def _of(journal: Journal, meter: str, status: Status) -> list[Queued]:
    """Return a meter's records of a status, oldest first."""
    found = [
        item for item in journal.outbox if item.meter == meter and item.status is status
    ]
    return sorted(found, key=lambda item: item.window.start)
