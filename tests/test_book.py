"""Tests of the book of priced windows."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
import multiprocessing
import os
from pathlib import Path
import sys
from tempfile import TemporaryDirectory
from threading import Thread
from time import sleep

from homeassistant.exceptions import HomeAssistantError
from hypothesis import given, settings, strategies as st
import pytest

from custom_components.flatpeak.book import FULL_DETAIL, Book, Line
from custom_components.flatpeak.journal import Journal, read_journal, write_journal
from custom_components.flatpeak.metering import (
    Origin,
    PricedWindow,
    Total,
    day_start,
)

from .books import (
    BERLIN,
    KATHMANDU,
    LORD_HOWE,
    QUARTER,
    ST_JOHNS,
    ZONES,
    amounts,
    energies,
    exact,
    full_disk,
    line,
    mode,
    seconds,
)

ENTRY = "01ENTRY"
START = datetime(2026, 11, 22, 10, tzinfo=UTC)
FILE = f"flatpeak.{ENTRY}.book-2026-11.jsonl"
LONG_AGO = datetime(2027, 6, 1, tzinfo=UTC)  # more than 40 days after everything

priced_windows = st.builds(
    PricedWindow,
    start=seconds,
    end=seconds,
    mwh=energies,
    money=st.none() | exact,
    currency=st.sampled_from([None, "GBP", "JPY"]),
    carbon=st.none() | exact,
    confidence=st.none() | exact,
    origin=st.none() | st.sampled_from(Origin),
    estimated=st.booleans(),
    partial=st.booleans(),
)
# Quarters of an hour around the turn of a month, as FlatPeak would price them.
quarters = st.integers(-400, 400).map(
    lambda number: datetime(2026, 11, 1, tzinfo=UTC) + number * QUARTER
)
real_windows = st.builds(
    lambda start, **fields: PricedWindow(start=start, end=start + QUARTER, **fields),
    quarters,
    mwh=energies,
    money=st.none() | amounts,
    currency=st.sampled_from([None, "GBP", "EUR"]),
    carbon=st.none() | amounts,
    origin=st.sampled_from(Origin),
    estimated=st.booleans(),
    partial=st.booleans(),
    doubted=st.booleans(),
)
real_lines = st.lists(st.tuples(st.sampled_from("ab"), real_windows), max_size=16)


def loaded(folder: Path, entry: str = ENTRY) -> Book:
    """Return a book as it is after a restart."""
    book = Book(folder, entry)
    book.load()
    return book


def everything(book: Book, meter: str = "a") -> list[PricedWindow]:
    """Return all windows of a meter."""
    return book.between(
        meter,
        datetime(2000, 1, 1, tzinfo=UTC),
        datetime(2100, 1, 1, tzinfo=UTC),
    )


def kept(folder: Path, lines: list[Line]) -> Book:
    """Return a book with lines."""
    book = Book(folder, ENTRY)
    book.append(lines)
    return book


def day_figures(book: Book, meter: str, zone: tzinfo) -> dict[date, tuple[object, ...]]:
    """Return what a day's total says."""
    return {
        day: (total.mwh, total.money, total.carbon)
        for day, total in book.days(meter, zone).items()
    }


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(max_size=4), priced_windows), max_size=8))
def test_invariant_7_everything_comes_back(lines: list[Line]) -> None:
    """Every field is read as it was written: money to its last digit."""
    expected = {(meter, window.start): window for meter, window in lines}
    with TemporaryDirectory() as folder:
        kept(Path(folder), lines)
        book = loaded(Path(folder))
        for (meter, start), window in expected.items():
            read = book.get(meter, start)
            assert read == window
            assert str(read and read.money) == str(window.money)
        meters = {meter for meter, _ in lines}
        assert sum(len(everything(book, meter)) for meter in meters) == len(expected)


def test_lines_of_the_first_version_can_be_read(tmp_path: Path) -> None:
    """Whoever changes the format has to read this one, too."""
    text = (
        '["a",1795341600,1795342500,1000,"0.250","GBP","61.5","1","instant",2]\n'
        '["a",1795342500,1795343400,2000,null,null,null,null,null,1]\n'
    )
    (tmp_path / FILE).write_text(text)
    first = PricedWindow(
        start=START,
        end=START + QUARTER,
        mwh=1000,
        money=Decimal("0.250"),
        currency="GBP",
        carbon=Decimal("61.5"),
        confidence=Decimal(1),
        origin=Origin.INSTANT,
        partial=True,
    )
    second = PricedWindow(
        start=first.end, end=first.end + QUARTER, mwh=2000, estimated=True
    )
    windows = everything(loaded(tmp_path))
    assert windows == [first, second]
    (tmp_path / FILE).unlink()
    kept(tmp_path, [("a", one) for one in windows])
    assert (tmp_path / FILE).read_text() == text


def test_types_come_back(tmp_path: Path) -> None:
    """Times are UTC again and origins are `Origin`."""
    kept(tmp_path, [("a", line(START))])
    read = loaded(tmp_path).get("a", START)
    assert read is not None
    assert read.start.tzinfo is UTC
    assert read.origin is Origin.INSTANT
    assert isinstance(read.money, Decimal)


def test_a_later_line_replaces_an_earlier_one(tmp_path: Path) -> None:
    """In memory, after a restart, and when both come at once."""
    quote = replace(line(START, money="9"), origin=Origin.QUOTE)
    book = kept(tmp_path, [("a", quote), ("b", line(START, money="7"))])
    assert book.days("a", UTC)[START.date()].money == 9
    book.append([("a", line(START, money="8")), ("a", line(START, money="0.25"))])
    for each in (book, loaded(tmp_path)):
        assert everything(each) == [line(START)]
        assert each.days("a", UTC) == {START.date(): Total.of([line(START)])}
        assert everything(each, "b") == [line(START, money="7")]


def test_a_file_per_month_of_utc(tmp_path: Path) -> None:
    """The month is that of the window's start, whatever zone it comes in."""
    end = datetime(2026, 12, 1, tzinfo=UTC)
    local = (end - QUARTER).astimezone(KATHMANDU)
    book = kept(tmp_path, [("a", line(local)), ("a", line(end))])
    names = [f"flatpeak.{ENTRY}.book-2026-{month}.jsonl" for month in (11, 12)]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert everything(loaded(tmp_path)) == everything(book)


def test_nothing_to_write_makes_no_file(tmp_path: Path) -> None:
    """An empty list is fine."""
    kept(tmp_path, [])
    assert not list(tmp_path.iterdir())
    assert loaded(tmp_path).days("a", UTC) == {}


def test_invariant_4_torn_last_line(tmp_path: Path) -> None:
    """Wherever a crash cut it off: what was before stays, what comes after counts."""
    path = tmp_path / FILE
    kept(tmp_path, [("a", line(START))])
    before = path.read_bytes()
    kept(tmp_path, [("a", line(START + QUARTER))])
    whole = path.read_bytes()
    later = line(START + 2 * QUARTER)
    for size in range(len(before), len(whole)):
        path.write_bytes(whole[:size])
        book = loaded(tmp_path)
        # Only the newline may be missing from a line that counts.
        second = [line(START + QUARTER)] if size == len(whole) - 1 else []
        assert everything(book) == [line(START), *second]
        book.append([("a", later)])
        assert everything(loaded(tmp_path)) == [line(START), *second, later]


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\0\0\0\0",
        b"\xff\xfe\xfd",
        b"{}",
        b"null",
        b"5",
        b'"abcdefghij"',
        b"[]",
        b'["a",1,2]',
        b'["a","1",2,3,null,null,null,null,null,0]',
        b'["a",1e30,2,3,null,null,null,null,null,0]',
        b'["a",1e300,2,3,null,null,null,null,null,0]',
        b'["a",NaN,2,3,null,null,null,null,null,0]',
        b'["a",1,2,3,"much",null,null,null,null,0]',
        b'["a",1,2,3,[],null,null,null,null,0]',
        b'["a",1,2,3,null,null,null,null,"rumour",0]',
        b'["a",1,2,3,null,null,null,null,null,"x"]',
        b'[["a"],1,2,3,null,null,null,null,null,0]',
    ],
)
def test_invariant_4_garbage_lines_are_skipped(tmp_path: Path, garbage: bytes) -> None:
    """A line that cannot be read takes no other one with it."""
    path = tmp_path / FILE
    kept(tmp_path, [("a", line(START))])
    with path.open("ab") as file:
        file.write(garbage + b"\n")
    kept(tmp_path, [("a", line(START + QUARTER))])
    assert everything(loaded(tmp_path)) == [line(START), line(START + QUARTER)]


@pytest.mark.parametrize("room", [0, 1, 30, 75])
def test_invariant_4_full_disk(tmp_path: Path, room: int) -> None:
    """Nothing is taken up that is not on disk; with space again all goes on."""
    book = kept(tmp_path, [("a", line(START))])
    size = (tmp_path / FILE).stat().st_size
    more = [("a", line(START + n * QUARTER)) for n in (1, 2, 3)]
    with full_disk(size + room), pytest.raises(HomeAssistantError):
        book.append(more)
    assert everything(book) == [line(START)]
    assert book.days("a", UTC)[START.date()].mwh == 1_000_000
    assert everything(loaded(tmp_path))[0] == line(START)
    book.append(more)
    assert everything(book) == everything(loaded(tmp_path))
    assert len(everything(book)) == 4


def refuse(_descriptor: int) -> None:
    """Be a disk that cannot promise anything."""
    raise OSError(5, os.strerror(5))


def test_invariant_4_no_line_counts_without_fsync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line in the operating system's cache is not on disk."""
    book = kept(tmp_path, [("a", line(START))])
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(HomeAssistantError, match="Input/output"):
            book.append([("a", line(START, money="5"))])
    assert everything(book) == [line(START)]


def test_invariant_4_all_lines_or_none(tmp_path: Path) -> None:
    """A second month that cannot be written keeps the first out of memory, too."""
    (tmp_path / f"flatpeak.{ENTRY}.book-2026-12.jsonl").mkdir()
    book = Book(tmp_path, ENTRY)
    december = datetime(2026, 12, 1, tzinfo=UTC)
    with pytest.raises(HomeAssistantError):
        book.append([("a", line(START)), ("a", line(december))])
    assert everything(book) == []


def test_invariant_4_a_new_file_has_a_durable_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is synced until it was once; a failure is made up for."""
    synced: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        fsync(descriptor)
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    book = Book(tmp_path, ENTRY)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(HomeAssistantError):
            book.append([("a", line(START))])
    monkeypatch.setattr(os, "fsync", note)
    book.append([("a", line(START))])
    assert synced == [tmp_path.name, FILE]
    book.append([("a", line(START))])
    assert synced == [tmp_path.name, FILE, FILE]


def test_invariant_13_only_the_owner_may_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first byte on, after a failed write, and when folded."""
    modes: list[int] = []

    def fail(descriptor: int) -> None:
        modes.extend(mode(path) for path in tmp_path.iterdir())
        refuse(descriptor)

    book = Book(tmp_path, ENTRY)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(HomeAssistantError):
            book.append([("a", line(START))])
    book.append([("a", line(START)), ("a", line(START + QUARTER))])
    modes.append(mode(tmp_path / FILE))
    book.fold(LONG_AGO, UTC)
    modes.append(mode(tmp_path / FILE))
    assert modes == [0o600] * 3


@settings(deadline=None)
@given(real_lines, st.sampled_from(ZONES))
def test_invariant_7_folding_keeps_every_total(lines: list[Line], zone: tzinfo) -> None:
    """To the last digit; and what is not known stays unknown. Twice changes nothing."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        book = kept(folder, lines)
        expected = [day_figures(book, meter, zone) for meter in "ab"]
        book.fold(LONG_AGO, zone)
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        inodes = {path.stat().st_ino for path in folder.iterdir()}
        for each in (book, loaded(folder)):
            assert [day_figures(each, meter, zone) for meter in "ab"] == expected
            each.fold(LONG_AGO, zone)
            assert [day_figures(each, meter, zone) for meter in "ab"] == expected
        assert files == {path.name: path.read_bytes() for path in folder.iterdir()}
        assert inodes == {path.stat().st_ino for path in folder.iterdir()}
        assert everything(book) == everything(loaded(folder))


@settings(deadline=None)
@given(real_lines)
def test_folding_in_another_zone_keeps_the_sum(lines: list[Line]) -> None:
    """After a location's zone was corrected, days may differ but never the sum."""
    with TemporaryDirectory() as folder:
        book = kept(Path(folder), lines)
        sums = [Total.of(everything(book, meter)) for meter in "ab"]
        book.fold(LONG_AGO, BERLIN)
        book.fold(LONG_AGO, KATHMANDU)
        for meter, before in zip("ab", sums, strict=True):
            after = Total.of(everything(book, meter))
            assert (after.mwh, after.money, after.carbon) == (
                before.mwh,
                before.money,
                before.carbon,
            )


def test_a_folded_day_is_one_line(tmp_path: Path) -> None:
    """Of each meter and currency; the flags of its windows stay."""
    windows = [
        line(START, money="0.1"),
        replace(line(START + QUARTER, money="-0.3"), partial=True),
        replace(line(START + 2 * QUARTER, money=None), partial=True),
        replace(line(START + 3 * QUARTER, money="7"), currency="EUR"),
    ]
    book = kept(tmp_path, [("a", one) for one in windows] + [("b", line(START))])
    book.fold(LONG_AGO, UTC)
    pounds = PricedWindow(
        start=START,
        end=START + 2 * QUARTER,
        mwh=2_000_000,
        money=Decimal("-0.2"),
        currency="GBP",
        partial=True,
    )
    unpriced = replace(windows[2], origin=None)
    assert everything(book) == [pounds, unpriced, replace(windows[3], origin=None)]
    assert len((tmp_path / FILE).read_text().splitlines()) == 4


def test_folding_spares_what_is_younger_than_40_days(tmp_path: Path) -> None:
    """A month is folded as a whole, once its last window is 40 days old."""
    windows = [line(START), line(START + QUARTER)]
    book = kept(tmp_path, [("a", one) for one in windows])
    old_enough = windows[1].end + FULL_DETAIL
    assert timedelta(days=40) == FULL_DETAIL
    book.fold(old_enough - timedelta(seconds=1), UTC)
    assert everything(book) == windows
    book.fold(old_enough, UTC)
    assert [one.mwh for one in everything(book)] == [2_000_000]


def test_folding_one_month_spares_the_others(tmp_path: Path) -> None:
    """Months are judged one by one, also where a local day lies in two of them."""
    turn = datetime(2026, 12, 1, tzinfo=UTC)
    starts = [turn + number * QUARTER for number in (-2, -1, 0, 1)]
    book = kept(tmp_path, [("a", line(start)) for start in starts])
    book.fold(turn + FULL_DETAIL, ST_JOHNS)
    assert [one.mwh for one in everything(book)] == [2_000_000, 1_000_000, 1_000_000]
    day = date(2026, 11, 30)  # St. John's is 3.5 h behind
    assert book.days("a", ST_JOHNS)[day].mwh == 4_000_000
    book.fold(LONG_AGO, ST_JOHNS)
    assert [one.mwh for one in everything(book)] == [2_000_000, 2_000_000]
    assert loaded(tmp_path).days("a", ST_JOHNS)[day].money == 1


def test_invariant_4_a_window_that_waits_is_not_folded(tmp_path: Path) -> None:
    """Its line is going to be replaced: inside a day's line it would count twice."""
    quote = replace(line(START), origin=Origin.QUOTE)
    book = kept(tmp_path, [("a", quote), ("a", line(START + QUARTER))])
    book.fold(LONG_AGO, UTC, {("b", START), ("a", START)})
    assert book.get("a", START) == quote
    book.append([("a", line(START))])
    assert Total.of(everything(book)).mwh == 2_000_000
    book.fold(LONG_AGO, UTC)
    assert [one.mwh for one in everything(book)] == [2_000_000]


def test_folding_keeps_apart_what_is_not_priced(tmp_path: Path) -> None:
    """Also without energy: folding again would join it with the priced line."""
    nothing = [line(START + number * QUARTER, 0, None) for number in (2, 3)]
    book = kept(tmp_path, [("a", one) for one in (line(START), *nothing)])
    for _ in range(2):
        book.fold(LONG_AGO, UTC)
        assert [one.money for one in everything(book)] == [Decimal("0.25"), None]


def test_folding_keeps_apart_what_is_estimated(tmp_path: Path) -> None:
    """The share of a month that was measured is the same a year later."""
    spread = replace(line(START + QUARTER, 3_000_000), estimated=True)
    book = kept(tmp_path, [("a", line(START)), ("a", spread)])
    book.fold(LONG_AGO, UTC)
    assert book.days("a", UTC)[START.date()].measured_share == 25
    assert loaded(tmp_path).days("a", UTC)[START.date()].measured_share == 25


def test_invariant_7_days_are_of_one_currency(tmp_path: Path) -> None:
    """What was paid in another one is known by its energy alone."""
    euros = replace(line(START + QUARTER), currency="EUR")
    book = kept(tmp_path, [("a", line(START))])
    assert book.days("a", UTC, "GBP")[START.date()].money == Decimal("0.25")
    book.append([("a", euros)])
    day = book.days("a", UTC, "GBP")[START.date()]
    assert (day.money, day.mwh) == (Decimal("0.25"), 2_000_000)
    assert book.days("a", UTC, "EUR")[START.date()].money == Decimal("0.25")


def test_a_late_window_joins_a_folded_day(tmp_path: Path) -> None:
    """A record that found its price after months is added, and folded next time."""
    book = kept(tmp_path, [("a", line(START + n * QUARTER)) for n in (0, 1)])
    book.fold(LONG_AGO, UTC)
    book.append([("a", line(START + 2 * QUARTER))])
    assert book.days("a", UTC)[START.date()].mwh == 3_000_000
    book.fold(LONG_AGO, UTC)
    assert [one.mwh for one in everything(book)] == [3_000_000]
    assert everything(loaded(tmp_path)) == everything(book)


def test_invariant_4_folding_on_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    """It raises; memory and file are as they were."""
    lines = [("a", line(START + number * QUARTER)) for number in range(3)]
    book = kept(tmp_path, [*lines, *[("b", one) for _, one in lines]])
    before = (tmp_path / FILE).read_bytes()
    with full_disk(20), pytest.raises(HomeAssistantError):
        book.fold(LONG_AGO, UTC)
    assert (tmp_path / FILE).read_bytes() == before
    assert everything(book) == [one for _, one in lines]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        (BERLIN, date(2026, 3, 29), 23),
        (BERLIN, date(2026, 10, 25), 25),
        (KATHMANDU, date(2026, 10, 25), 24),
        (ST_JOHNS, date(2026, 3, 8), 23),
        (ST_JOHNS, date(2026, 11, 1), 25),
        (LORD_HOWE, date(2026, 4, 5), 24.5),
        (LORD_HOWE, date(2026, 10, 4), 23.5),
    ],
)
@pytest.mark.parametrize("folded", [False, True])
def test_invariant_6_a_day_is_the_location_s(
    tmp_path: Path, zone: tzinfo, day: date, hours: float, folded: bool
) -> None:
    """Its windows are those from its first instant until the next day's."""
    start = day_start(day, zone)
    book = kept(
        tmp_path, [("a", line(start + n * QUARTER)) for n in range(-20, 4 * 25 + 20)]
    )
    if folded:
        book.fold(LONG_AGO + timedelta(days=365), zone)
    days = book.days("a", zone)
    assert days[day].mwh == hours * 4 * 1_000_000
    assert days[day - timedelta(days=1)].mwh == 20_000_000
    assert days[day].money == Decimal(hours)
    assert sum(total.mwh for total in days.values()) == 140_000_000


def test_days_are_known_anew_after_each_line(tmp_path: Path) -> None:
    """Per zone and meter; what was read before stays as it was."""
    book = kept(tmp_path, [("a", line(START)), ("b", line(START))])
    first, other = book.days("a", UTC), book.days("b", UTC)
    assert book.days("a", UTC) == first
    assert book.days("a", LORD_HOWE).keys() == {date(2026, 11, 22)}
    late = line(START + timedelta(hours=10))  # the 23rd on Lord Howe
    book.append([("a", late)])
    assert book.days("a", UTC)[START.date()].mwh == 2_000_000
    assert book.days("a", LORD_HOWE).keys() == {date(2026, 11, 22), date(2026, 11, 23)}
    assert first[START.date()].mwh == 1_000_000
    assert book.days("b", UTC) == other


@settings(deadline=None)
@given(st.lists(real_lines, max_size=4), st.sampled_from(ZONES))
def test_day_sums_that_are_kept_up_are_those_of_all_lines(
    rounds: list[list[Line]], zone: tzinfo
) -> None:
    """Lines that come, and come again, change a sum as if it were made anew."""
    with TemporaryDirectory() as folder:
        book = Book(Path(folder), ENTRY)
        book.days("a", zone)
        for lines in rounds:
            book.append(lines)
        assert book.days("a", zone) == loaded(Path(folder)).days("a", zone)


def test_first_and_last(tmp_path: Path) -> None:
    """What is earliest and latest, in whatever order it came."""
    starts = [START + number * QUARTER for number in (3, 0, 2, 1)]
    book = kept(tmp_path, [("a", line(start)) for start in starts])
    assert book.first("a") == line(START)
    assert book.until("a") == START + 4 * QUARTER
    assert book.first("b") is None
    assert book.until("b") is None


def test_between_is_by_start_and_in_order(tmp_path: Path) -> None:
    """The end of a period is not in it."""
    starts = [START + number * QUARTER for number in (3, 0, 2, 1)]
    book = kept(tmp_path, [("a", line(start)) for start in starts])
    found = book.between("a", START + QUARTER, START + 3 * QUARTER)
    assert [one.start for one in found] == [START + QUARTER, START + 2 * QUARTER]
    assert book.between("b", START, START + QUARTER) == []


def test_latest_is_by_time_and_origin(tmp_path: Path) -> None:
    """The order of writing does not matter."""
    late = replace(line(START + QUARTER), origin=Origin.CARRIED)
    book = kept(
        tmp_path, [("a", late), ("a", line(START - QUARTER)), ("a", line(START))]
    )
    assert book.latest("a", Origin.INSTANT, Origin.REPORT) == line(START)
    assert book.latest("a", Origin.CARRIED) == late
    assert book.latest("a", Origin.QUOTE) is None
    assert book.latest("b", Origin.INSTANT) is None
    assert book.get("b", START) is None


def test_entries_do_not_touch_each_other(tmp_path: Path) -> None:
    """Also where one id begins like another: each has its own lines and files."""
    others = [f"{ENTRY}2", f"0{ENTRY}", f"{ENTRY}.x", ENTRY.lower()]
    for number, entry in enumerate([ENTRY, *others]):
        Book(tmp_path, entry).append([("a", line(START, mwh=number + 1))])
    journal = tmp_path / f"flatpeak.{ENTRY}.journal"
    journal.touch()
    book = loaded(tmp_path)
    assert [one.mwh for one in everything(book)] == [1]
    book.remove()
    assert not (tmp_path / FILE).exists()
    assert journal.exists()
    for number, entry in enumerate(others, 1):
        assert [one.mwh for one in everything(loaded(tmp_path, entry))] == [number + 1]
    book.remove()


def test_read_while_lines_are_written(tmp_path: Path) -> None:
    """The event loop reads while an executor adds: no error, and no stale day."""
    book = kept(tmp_path, [("a", line(START + n * QUARTER)) for n in range(500)])
    added = 60
    readers: tuple[Callable[[], object], ...] = (
        lambda: book.days("a", UTC),
        lambda: book.latest("a", Origin.QUOTE),
        lambda: everything(book),
    )

    def write() -> None:
        for number in range(500, 500 + added):
            book.append([("a", line(START + number * QUARTER))])

    interval = sys.getswitchinterval()
    writer = Thread(target=write)
    sys.setswitchinterval(1e-5)
    writer.start()
    try:
        while writer.is_alive():
            for read in readers:
                read()
    finally:
        writer.join()
        sys.setswitchinterval(interval)
    total = sum(total.mwh for total in book.days("a", UTC).values())
    assert total == (500 + added) * 1_000_000


def _write_for_ever(folder: Path) -> None:
    """Book a line, then say so in the journal, again and again."""
    book = loaded(folder)
    number = len(everything(book))
    while True:
        book.append([("a", line(START + number * QUARTER))])
        number += 1
        write_journal(folder / "journal", Journal(meters={}, outbox=()))
        (folder / "count").write_text(str(number))


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_invariant_4_killed_at_any_instant(tmp_path: Path) -> None:
    """What a killed process had booked is there, whole, and the next one goes on."""
    context = multiprocessing.get_context("fork")
    booked = 0
    count = tmp_path / "count"
    count.touch()
    for pause in (0.02, 0.031, 0.043, 0.057, 0.074, 0.05, 0.038, 0.026):
        process = context.Process(target=_write_for_ever, args=(tmp_path,))
        process.start()
        sleep(pause)
        process.kill()
        process.join()
        windows = everything(loaded(tmp_path))
        assert len(windows) >= max(booked, int(count.read_text() or 0))
        assert windows == [line(START + n * QUARTER) for n in range(len(windows))]
        booked = len(windows)
    assert booked
    assert read_journal(tmp_path / "journal") == Journal()
