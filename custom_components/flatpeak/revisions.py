"""What becomes of windows whose imported statistic was revised.

The energy in our books is right at once. FlatPeak's record is sent again only where it
is known to replace; the second look may find that out. Until then, or for good where
FlatPeak adds, our money is a quote, and the difference is shown.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from homeassistant.util import dt as dt_util

from .api import FlatPeakAuthenticationError, FlatPeakError
from .book import Line
from .exchange import Exchange, Key
from .journal import Queued, Status
from .ledger import STORED, Ledger
from .metering import Origin, PricedWindow, Rule, Window
from .review import QUOTED, TRAILING, queued

AT_ONCE = 20  # quotes in a cycle


def revised(
    meter: str,
    windows: Sequence[Window],
    booked: Sequence[PricedWindow],
    rule: Rule,
) -> tuple[list[Line], list[Queued]]:
    """Return lines with the energy of by now, and the records that have to go out.

    A window without a record gets one under any rule: it is looked up and then sent.
    """
    before = {line.start: line for line in booked}
    lines: list[Line] = []
    out: list[Queued] = []
    for window in windows:
        line = before.get(window.start) or _unused(window)
        now = replace(line, mwh=window.mwh, estimated=window.estimated)
        record = queued(meter, now)
        if record.wh == queued(meter, line).wh:
            lines.append((meter, now))  # FlatPeak has whole Wh: nothing changes there
            continue
        if line.origin is Origin.CARRIED:
            out.append(replace(record, status=Status.ATTEMPTED))
        elif line.origin in STORED and rule is Rule.REPLACES:
            out.append(record)
        lines.append((meter, _unpriced(now)))
    return lines, out


def _unused(window: Window) -> PricedWindow:
    """Return what the books mean by having no line of a window."""
    return PricedWindow(
        start=window.start,
        end=window.end,
        mwh=0,
        money=Decimal(0),
        carbon=Decimal(0),
        origin=Origin.CARRIED,
    )


def _unpriced(line: PricedWindow) -> PricedWindow:
    """Return a line whose money was that of other energy; nothing costs nothing."""
    known = None if line.mwh else Decimal(0)
    origin = Origin.REVISED if line.origin in STORED else line.origin
    return replace(
        line,
        money=known,
        confidence=None,
        carbon=known,
        doubted=False,
        origin=None if origin is Origin.CARRIED else origin,
    )


async def async_price(exchange: Exchange, ledger: Ledger) -> None:
    """Ask what corrected windows cost, some at a time. Hold the ledger's lock.

    Nothing is asked while sending is paused: a quote tells FlatPeak the energy, too.
    Raises FlatPeakAuthenticationError, and HomeAssistantError when the disk does not
    take the answers.
    """
    now = dt_util.utcnow()
    journal = ledger.journal
    if journal.facts.paused:
        return
    waiting: set[Key] = {(item.meter, item.window.start) for item in journal.outbox}
    due = [
        (meter, line)
        for meter in journal.meters
        for line in ledger.book.between(meter, now - TRAILING, now)
        if line.origin in QUOTED and line.money is None
        if (meter, line.start) not in waiting
    ]
    lines: list[Line] = []
    for meter, line in due[:AT_ONCE]:
        state = journal.meters[meter]
        if not exchange.pace.may_ask_for(state.stream):
            continue
        try:
            quote = await exchange.async_quote(queued(meter, line), state)
        except FlatPeakAuthenticationError:
            raise
        except FlatPeakError as error:
            exchange.failed(error, state)
            continue
        lines.append((meter, replace(quote, origin=line.origin)))
    await ledger.async_book(lines)
