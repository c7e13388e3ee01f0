"""The invariants about money and late meters, through thousands of generated books."""

from collections import defaultdict
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st

from custom_components.flatpeak.advance import advance
from custom_components.flatpeak.book import Book
from custom_components.flatpeak.journal import MeterState, Queued
from custom_components.flatpeak.metering import (
    Origin,
    PricedWindow,
    Quality,
    Reporting,
    Row,
    Slice,
    Source,
    SourceKind,
    Span,
    Total,
    Window,
    cut,
    hours,
    revise,
    settle,
)
from custom_components.flatpeak.snapshot import Figures, net_figures

from .books import STREAM
from .world import CASES, KWH

THOUSAND = settings(max_examples=1_000, deadline=None)
HOUR = timedelta(hours=1)
SLOT = timedelta(minutes=5)

# Prices are 0 and negative at times, and money has any number of digits.
money = (
    st.none()
    | st.sampled_from(["0", "0.0", "-0.75", "0.00001"]).map(Decimal)
    | (st.decimals(-(10**9), 10**9, places=10))
)
zones = st.sampled_from(CASES)
lengths = st.sampled_from([5, 15, 30, 60])


@st.composite
def ledgers(draw: st.DrawFn) -> tuple[list[PricedWindow], ZoneInfo]:
    """Draw a day and a half of windows around a change of the clock."""
    zone, begin = draw(zones)
    kinds = st.tuples(st.integers(0, 3).map(lambda n: n * 777_777), money, money)
    windows = []
    for number, (mwh, cost, carbon) in enumerate(
        draw(st.lists(kinds, min_size=1, max_size=48))
    ):
        window = PricedWindow(
            start=begin + number * HOUR / 2,
            end=begin + (number + 1) * HOUR / 2,
            mwh=mwh,
            money=cost,
            carbon=carbon,
            currency="GBP",
            origin=None if cost is None else Origin.INSTANT,
            doubted=cost is not None and draw(st.integers(0, 9)) == 0,
        )
        if draw(st.integers(0, 3)) == 0:
            window = carried(window)
        windows.append(window)
    return windows, ZoneInfo(zone)


def carried(window: PricedWindow) -> PricedWindow:
    """Return a window that is too little to send, as it is booked."""
    return PricedWindow(
        start=window.start,
        end=window.end,
        mwh=window.mwh % 500,
        money=Decimal(0),
        carbon=Decimal(0),
        origin=Origin.CARRIED,
    )


def by_day(
    windows: list[PricedWindow], zone: ZoneInfo
) -> dict[date, list[PricedWindow]]:
    """Return the windows with energy of each local day."""
    days: defaultdict[date, list[PricedWindow]] = defaultdict(list)
    for window in windows:
        days[window.start.astimezone(zone).date()].append(window)
    return days


@THOUSAND
@given(ledgers())
def test_invariant_5_unknown_money_is_never_zero(
    drawn: tuple[list[PricedWindow], ZoneInfo],
) -> None:
    """Of an hour, of a day, and of what was bought less what was sold.

    What is too little to send has its cost in the next record: it is no price.
    """
    windows, zone = drawn
    of_hours = hours(windows, [], windows[-1].end, currency="GBP").complete
    for start, hour in of_hours.items():
        lines = [line for line in windows if start <= line.start < start + HOUR]
        assert (hour.money == {}) is _is_unknown(lines)
    totals = {
        day: (Total.of(lines), [line for line in lines if line.mwh])
        for day, lines in by_day(windows, zone).items()
    }
    for total, used in totals.values():
        unknown = _is_unknown(used)
        assert (total.money is None) is unknown
        assert (total.priced, total.unpriced) == tuple(map(len, _sent(used)))
        assert (total.carbon is None) is any(line.carbon is None for line in used)
        net = net_figures([Figures(today=total)], [Figures(today=Total())])
        assert (net.today is None) is unknown
        net = net_figures([Figures(today=Total())], [Figures(today=total)])
        assert (net.today is None) is unknown


def _sent(
    lines: list[PricedWindow],
) -> tuple[list[PricedWindow], list[PricedWindow]]:
    """Return the windows with energy and money of their own, and those without."""
    sent = [line for line in lines if line.mwh and line.origin is not Origin.CARRIED]
    priced = [line for line in sent if line.money is not None and not line.doubted]
    return priced, [line for line in sent if line not in priced]


def _is_unknown(lines: list[PricedWindow]) -> bool:
    """Return whether nothing is priced of what has to be."""
    priced, unpriced = _sent(lines)
    return bool(unpriced) and not priced


@settings(max_examples=500, deadline=None)
@given(ledgers())
def test_invariant_7_money_is_what_was_answered(
    drawn: tuple[list[PricedWindow], ZoneInfo],
) -> None:
    """To the last digit, through the file and in any sum; carbon as well."""
    windows, zone = drawn
    with TemporaryDirectory() as folder:
        Book(Path(folder), "entry").append([("meter", window) for window in windows])
        book = Book(Path(folder), "entry")
        book.load()
    read = book.between("meter", windows[0].start, windows[-1].end)
    assert [(w.money, str(w.money), w.carbon, w.currency) for w in read] == [
        (w.money, str(w.money), w.carbon, w.currency) for w in windows
    ]
    for day, lines in by_day(windows, zone).items():
        total = book.days("meter", zone)[day]
        priced = [w.money for w in lines if w.mwh and w.money is not None]
        if not any(window.doubted for window in lines):
            assert Fraction(total.money_sum) == sum(map(Fraction, priced))
        assert total.mwh == sum(window.mwh for window in lines)


@THOUSAND
@given(
    st.lists(st.integers(0, 3_000_000), min_size=2, max_size=30),
    st.integers(1, 11),
    zones,
    lengths,
    st.data(),
)
def test_invariant_8_a_late_meter_is_priced_in_the_hour_before(
    used: list[int],
    slot: int,
    case: tuple[str, datetime],
    minutes: int,
    data: st.DataObject,
) -> None:
    """It shows what an hour used some minutes after it; steps are taken at any time."""
    begin, zone = case[1], ZoneInfo(case[0])
    source = Source(max_power=20_000, reporting=Reporting.HOURLY)
    rows, level = [], 1_000 * KWH
    for number in range(12 * len(used) + 13):
        hour, part = divmod(number - 1, 12)
        if number and part == slot and 0 < hour <= len(used):
            level += used[hour - 1]
        start = begin - SLOT + number * SLOT
        rows.append(Row(start=start, end=start + SLOT, state=level / KWH))
    state = MeterState(stream=STREAM, source="sensor.late")
    records: list[Queued] = []
    steps = data.draw(st.sets(st.integers(1, len(rows)), max_size=8))
    for count in (*sorted(steps), len(rows)):
        now = rows[count - 1].end + timedelta(minutes=data.draw(st.integers(0, 15)))
        anchor = state.anchor
        step = advance(
            "meter",
            state,
            [r for r in rows if r.end <= now and (not anchor or r.end >= anchor.end)],
            source,
            now=now if count < len(rows) else now + HOUR,
            runs=[begin - HOUR],
            minutes=minutes,
            zone=zone,
        )
        state = step.state
        records += step.records
    found: defaultdict[int, int] = defaultdict(int)
    for item in records:
        found[(item.window.start - begin) // HOUR] += item.window.mwh
    assert [found[hour] for hour in range(len(used))] == used
    assert set(found) <= set(range(len(used)))


@THOUSAND
@given(
    st.lists(st.none() | st.integers(0, 9_000), min_size=3, max_size=60),
    zones,
    lengths,
)
def test_invariant_1_power_is_energy_where_it_is_known(
    watts: list[int | None], case: tuple[str, datetime], minutes: int
) -> None:
    """Mean times time, and nothing made up where there is none."""
    begin = case[1]
    rows = [
        Row(start=begin + n * SLOT, end=begin + (n + 1) * SLOT, mean=float(mean))
        for n, mean in enumerate(watts)
        if mean is not None
    ]
    source = Source(kind=SourceKind.POWER, max_power=10_000)
    slices = settle(rows, None, source, (), begin + 9 * HOUR).slices
    windows, rest = cut(slices, minutes, ZoneInfo(case[0]))
    known = [
        round(Fraction(mean * 300 * 1000, 3600)) for mean in watts if mean is not None
    ][1:]
    parts: list[Slice | Window] = [*windows, *rest]
    assert sum(part.mwh for part in parts) == sum(known)
    blind = {begin + n * SLOT for n, mean in enumerate(watts) if mean is None}
    for window in windows:
        inside = range((window.end - window.start) // SLOT)
        lacks = any(window.start + n * SLOT in blind for n in inside)
        assert window.partial is lacks
    assert not any(p.mwh for p in slices if p.quality is Quality.NO_DATA)


@THOUSAND
@given(st.data(), zones, lengths)
def test_invariant_1_scenario_19_revisions_add_up(
    data: st.DataObject, case: tuple[str, datetime], minutes: int
) -> None:
    """Whatever is revised, when and how often: in the end each hour has its energy."""
    begin, zone = case[1], ZoneInfo(case[0])
    source = Source(imported=True, slot=HOUR, max_power=20_000)
    energy = st.integers(0, 3) | st.integers(0, 3_000_000)
    used: list[int] = [0]
    book: dict[datetime, PricedWindow] = {}
    state = MeterState(stream=STREAM, source="utility:grid")

    def rows() -> list[Row]:
        return [
            Row(
                start=begin + (n - 1) * HOUR,
                end=begin + n * HOUR,
                sum=(base + sum(used[: n + 1])) / KWH,
            )
            for n in range(len(used))
        ]

    base = data.draw(st.integers(0, 10**9))
    for _ in range(data.draw(st.integers(1, 6))):
        for hour in data.draw(st.sets(st.integers(1, 40), max_size=3)):
            if hour < len(used):
                used[hour] = data.draw(energy)
        base = data.draw(st.just(base) | st.integers(0, 10**9))
        used += data.draw(st.lists(energy, max_size=12))
        now = begin + len(used) * HOUR
        step = advance(
            "meter",
            state,
            [r for r in rows() if not state.anchor or r.end >= state.anchor.end],
            source,
            now=now,
            runs=[now],
            minutes=minutes,
            zone=zone,
        )
        state = step.state if step.closed else state
        for item in step.records:
            window = item.window
            assert window.start not in book
            book[window.start] = line(window.start, window.end, window.mwh)
        if data.draw(st.booleans()):
            _take(book, state, rows(), source, minutes, zone)
    _take(book, state, rows(), source, minutes, zone)
    assert _take(book, state, rows(), source, minutes, zone) == 0
    found: defaultdict[int, int] = defaultdict(int)
    for booked in book.values():
        found[(booked.start - begin) // HOUR + 1] += booked.mwh
    assert {hour: mwh for hour, mwh in found.items() if mwh} == {
        hour: mwh for hour, mwh in enumerate(used) if mwh and hour
    }


def line(start: datetime, end: datetime, mwh: int) -> PricedWindow:
    """Return a booked window."""
    return PricedWindow(start=start, end=end, mwh=mwh, origin=Origin.INSTANT)


def _take(
    book: dict[datetime, PricedWindow],
    state: MeterState,
    rows: list[Row],
    source: Source,
    minutes: int,
    zone: ZoneInfo,
) -> int:
    """Take a revision over, and return how many windows changed."""
    if state.since is None or state.anchor is None:
        return 0
    changed = revise(
        rows,
        sorted(book.values(), key=lambda window: window.start),
        [],
        source,
        period=Span(start=state.since, end=state.anchor.end),
        now=state.anchor.end + HOUR,
        minutes=minutes,
        zone=zone,
    )
    for window in changed:
        before = book.get(window.start)
        assert before is None or before.end == window.end
        book[window.start] = replace(
            before or line(window.start, window.end, 0), mwh=window.mwh
        )
    return len(changed)
