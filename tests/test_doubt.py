"""A price that cannot be right is kept, shown, and not counted."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from custom_components.flatpeak.book import Book
from custom_components.flatpeak.doubt import doubted, judged, rejudged
from custom_components.flatpeak.metering import PricedWindow, Total

from .books import BERLIN, QUARTER, line

METER = "0badcafe"
START = datetime(2026, 11, 1, 12, tzinfo=BERLIN)
COUNT = 30
NEXT = START + COUNT * QUARTER


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """Return a book of thirty quarters of an hour, 1 kWh at 0.25 each."""
    book = Book(tmp_path, "01ENTRY")
    book.append([(METER, line(START + n * QUARTER)) for n in range(COUNT)])
    return book


def add(book: Book, *lines: PricedWindow) -> list[PricedWindow]:
    """Add lines as the ledger does, and return them."""
    found = judged([(METER, one) for one in lines], book)
    book.append(found)
    return [one for _, one in found]


@pytest.mark.parametrize(
    ("money", "fine"),
    [("5", True), ("5.01", False), ("250", False), ("-5", True), ("-25", False)],
)
def test_scenario_08_invariant_9_implausible_price(
    book: Book, money: str, fine: bool
) -> None:
    """Above twenty times the median, money is kept and not counted."""
    (found,) = add(book, line(NEXT, money=money))
    assert found.doubted is not fine
    assert found.money == Decimal(money)
    total = Total.of(book.between(METER, START, NEXT + QUARTER))
    counted = Decimal(money) if fine else Decimal(0)
    assert total.money == COUNT * Decimal("0.25") + counted
    assert total.unpriced == (not fine)
    assert bool(doubted(book, METER, NEXT + QUARTER)) is not fine
    reread = Book(book._folder, "01ENTRY")
    reread.load()
    assert reread.between(METER, NEXT, NEXT + QUARTER) == [found]


def test_another_currency_has_no_history(book: Book) -> None:
    """Yen are not compared with pounds."""
    (found,) = add(book, replace(line(NEXT, money="25"), currency="JPY"))
    assert not found.doubted


def test_a_new_tariff_settles_itself(book: Book) -> None:
    """What is in doubt becomes usual, and is then counted."""
    many = [line(NEXT + n * QUARTER, money="25") for n in range(2 * COUNT)]
    late = NEXT + 2 * COUNT * QUARTER
    assert all(one.doubted for one in add(book, *many[: COUNT - 1]))
    assert rejudged(book, METER, late) == []
    add(book, *many[COUNT - 1 :])
    calm = rejudged(book, METER, late)
    assert len(calm) == len(doubted(book, METER, late)) > 0
    book.append(calm)
    assert doubted(book, METER, late) == []


def test_a_corrected_price_is_counted(book: Book) -> None:
    """FlatPeak's correction replaces the money."""
    add(book, line(NEXT, money="250"))
    (found,) = add(book, line(NEXT, money="0.25"))
    assert not found.doubted
    assert doubted(book, METER, NEXT + timedelta(days=1)) == []


def test_nothing_unpriced_is_in_doubt(book: Book) -> None:
    """Unknown is unknown."""
    (found,) = add(book, line(NEXT, money=None))
    assert not found.doubted
    assert judged([], book) == []
