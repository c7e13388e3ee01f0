"""What others recorded, as lines of the book."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from hypothesis import given, strategies as st
import pytest

from custom_components.flatpeak.api import Amount, CostItem, CostReport
from custom_components.flatpeak.book import Book
from custom_components.flatpeak.foreign import (
    Site,
    apart,
    counted,
    is_lump,
    others_key,
    renewed,
)
from custom_components.flatpeak.journal import Journal, MeterState, Queued
from custom_components.flatpeak.metering import (
    Finding,
    Kind,
    Origin,
    PricedWindow,
    Span,
    Window,
)

from .books import QUARTER, STREAM, line, window

START = datetime(2026, 11, 11, 8, tzinfo=UTC)
PERIOD = Span(start=START, end=START + timedelta(days=1))
NOW = START + timedelta(days=60)


def item(
    place: int, wh: int = 100, money: str | None = "0.5", length: int = 1, **more: str
) -> CostItem:
    """Return a record of others, some quarters of an hour after the start."""
    return CostItem(
        start=START + place * QUARTER,
        end=START + (place + length) * QUARTER,
        energy_wh=wh,
        cost=None if money is None else Amount(value=Decimal(money)),
        **more,  # type: ignore[arg-type]
    )


def test_a_second_look_replaces() -> None:
    """New, revised and gone; what is as before is not written again."""
    first = renewed([], [item(0), item(1), item(2)], [], "EUR")
    assert [one.mwh for one in first] == [100_000] * 3
    assert renewed(first, [item(0), item(1), item(2)], [], "EUR") == []
    doubted = [replace(one, doubted=True) for one in first]
    assert renewed(doubted, [item(0), item(1), item(2)], [], "EUR") == []
    second = renewed(first, [item(0), item(1, money="0.7")], [], "EUR")
    assert [(one.start, one.mwh, one.money) for one in second] == [
        (START + QUARTER, 100_000, Decimal("0.7")),
        (START + 2 * QUARTER, 0, Decimal(0)),
    ]


def test_records_of_one_instant_are_one_line() -> None:
    """Both count; where one has no price, their money is unknown."""
    [both] = renewed([], [item(0), item(0, wh=50, money="0.1", length=2)], [], "EUR")
    assert (both.mwh, both.money) == (150_000, Decimal("0.6"))
    assert both.end == START + 2 * QUARTER
    [unknown] = renewed([], [item(0), item(0, money=None)], [], "EUR")
    assert unknown.money is None


spans = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 6)), max_size=12)


@given(spans, spans)
def test_scenario_18_no_overlap_counts(
    theirs: list[tuple[int, int]], ours: list[tuple[int, int]]
) -> None:
    """Exactly what overlaps none of our windows, whatever their lengths."""
    lines = [
        replace(line(START + n * QUARTER), end=START + (n + length) * QUARTER)
        for n, length in theirs
    ]
    held = [
        replace(window(START + n * QUARTER), end=START + (n + length) * QUARTER)
        for n, length in ours
    ]
    assert apart(lines, held) == [
        one
        for one in lines
        if not any(w.start < one.end and one.start < w.end for w in held)
    ]


def test_a_window_without_data_holds_nothing() -> None:
    """Zero that was measured does."""
    zero = Window(start=START, end=START + QUARTER, mwh=0)
    assert apart([line(START)], [zero]) == []
    assert apart([line(START)], [replace(zero, partial=True)]) == [line(START)]


def test_a_total_is_no_record() -> None:
    """One line of the whole period, without an id."""
    whole = CostItem(start=PERIOD.start, end=NOW, energy_wh=1)
    assert is_lump([whole], Span(start=START, end=NOW))
    assert not is_lump([whole], PERIOD)
    assert not is_lump([], PERIOD)
    named = replace(whole, record_reference_id="a")
    assert not is_lump([named], Span(start=START, end=NOW))


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """Return an empty book."""
    return Book(tmp_path, "01ENTRY")


APPLIANCE = MeterState(stream=replace(STREAM, owner="dev_1"), source="sensor.pump")


def site(book: Book, *waiting: Queued) -> Site:
    """Return what a location with a grid meter and an appliance knows."""
    meters = {
        "grid": MeterState(stream=STREAM, source="sensor.grid"),
        "pump": APPLIANCE,
    }
    journal = Journal(meters=meters, outbox=waiting)
    return Site.of(STREAM, journal, book, PERIOD, ["grid"])


def foreign(*items: CostItem) -> list[Finding[CostItem]]:
    """Return findings that are nobody's."""
    return [Finding(kind=Kind.FOREIGN, items=(one,)) for one in items]


def written(site: Site, *items: CostItem, more: Kind | None = None) -> list[datetime]:
    """Return the starts of the lines that a report leads to."""
    findings = foreign(*items)
    if more:
        findings.append(Finding(kind=more, key=START))
    report = CostReport(
        object_id=None,
        tariff_direction=None,
        location_timezone=None,
        currency_code="EUR",
        live_mode=None,
        items=items,
    )
    return [one.start for _, one in site.lines(report, findings, None)]


def test_what_is_not_taken(book: Book) -> None:
    """Older than asked, perhaps an appliance's, nothing used, or not to be believed."""
    book.append([("pump", line(START + 4 * QUARTER))])
    place = site(book)
    assert written(place, item(0), item(-1, length=2), item(2, wh=0)) == [START]
    pump = item(4, wh=77)
    assert written(place, pump) == []
    assert written(place, replace(pump, record_reference_id="a")) == [pump.start]
    assert written(place, item(0), more=Kind.OUTAGE) == []


def test_a_waiting_window_holds_too(book: Book) -> None:
    """It is measured, though not priced."""
    waiting = Queued(meter="grid", window=window(START), wh=1)
    assert written(site(book, waiting), item(0), item(1)) == [START + QUARTER]
    assert written(site(book, replace(waiting, meter="pump")), item(0)) == [START]


def test_only_grid_meters_hold(book: Book) -> None:
    """What is beside an appliance counts; only what is beside a grid meter overlaps."""
    book.append([("grid", line(START)), ("pump", line(START + QUARTER))])
    own = Finding[CostItem](kind=Kind.CONFIRMED, key=START)
    found = site(book).judged([own, *foreign(item(0), item(1))])
    assert [one.kind for one in found] == [
        Kind.CONFIRMED,
        Kind.OVERLAPPING_FOREIGN,
        Kind.FOREIGN,
    ]


def test_a_sum_may_hold_the_devices(book: Book) -> None:
    """Or not; but nothing can be said where our windows came later."""
    theirs = replace(line(START), origin=Origin.REPORT)
    book.append([(others_key("IMPORT"), theirs), ("pump", line(START + QUARTER))])
    without, with_devices = site(book).scopes
    assert list(without) == [theirs]
    assert list(with_devices) == [theirs, line(START + QUARTER)]
    book.append([("grid", line(START))])
    assert site(book).scopes == ()


def test_folded_days_stay_counted(book: Book) -> None:
    """What overlapped was left out before; our folded day would cover all of it."""
    key = others_key("IMPORT")
    theirs: list[PricedWindow] = [
        replace(line(START + n * QUARTER), origin=Origin.REPORT) for n in range(3)
    ]
    book.append([(key, one) for one in theirs])
    assert counted(book, "IMPORT", ["grid"], ()) == theirs
    book.append([("grid", line(START + 2 * QUARTER))])
    assert counted(book, "IMPORT", ["grid"], ()) == theirs[:2]
    book.append([(key, replace(theirs[2], mwh=0, money=Decimal(0)))])
    book.fold(NOW, UTC)
    [folded] = counted(book, "IMPORT", ["grid"], ())
    assert (folded.mwh, folded.money) == (2_000_000, Decimal("0.50"))
