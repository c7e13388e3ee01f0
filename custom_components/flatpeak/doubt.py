"""Prices that cannot be right: their money is kept in the book, and not counted."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from .book import Book, Line
from .metering import HISTORY, Origin, PricedWindow, highest_price, is_below

SHOWN = timedelta(days=35)


def judged(lines: Sequence[Line], book: Book) -> list[Line]:
    """Return lines with their money in doubt where it is far from the usual price.

    What is in doubt counts as history all the same: a tariff that has really changed
    so much is the usual one after a week.
    """
    by_meter: defaultdict[str, list[PricedWindow]] = defaultdict(list)
    for meter, line in lines:
        by_meter[meter].append(line)
    return [
        (meter, line)
        for meter, own in by_meter.items()
        for line in _judged(meter, own, book)
    ]


def rejudged(book: Book, meter: str, now: datetime) -> list[Line]:
    """Return the lines of a meter that are no longer in doubt."""
    return [
        (meter, line)
        for _, line in judged(
            [(meter, line) for line in doubted(book, meter, now)], book
        )
        if not line.doubted
    ]


def doubted(book: Book, meter: str, now: datetime) -> list[PricedWindow]:
    """Return the lines of a meter that are in doubt, of the last 35 days."""
    return [line for line in book.between(meter, now - SHOWN, now) if line.doubted]


def _judged(
    meter: str, lines: Sequence[PricedWindow], book: Book
) -> Iterator[PricedWindow]:
    """Yield the lines of one meter, judged by what it cost before and after."""
    first = min(line.start for line in lines)
    last = max(line.end for line in lines)
    known = [
        line
        for line in book.between(meter, first - HISTORY, last + HISTORY)
        if line.origin is not Origin.CARRIED
    ]
    highest = {
        currency: highest_price([line for line in known if line.currency == currency])
        for currency in {line.currency for line in lines}
    }
    for line in lines:
        fine = line.money is None or is_below(
            highest[line.currency], line.money, line.mwh
        )
        yield replace(line, doubted=not fine)
