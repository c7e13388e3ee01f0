"""A second look at our records in FlatPeak's interval report.

What each finding leads to is the table of `metering.compare`. Nothing is sent again on
a guess: only where FlatPeak is known to replace, and one window to find out whether it
does.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal

from .api import Aggregation, CostItem, CostReport, FlatPeakClient, TariffDirection
from .book import Book, Line
from .exchange import Key, as_record
from .foreign import Holders, Site
from .journal import Journal, MeterState, Queued, Status
from .metering import (
    Finding,
    Kind,
    Origin,
    PricedWindow,
    Record,
    Rule,
    Span,
    Standing,
    Stream,
    Total,
    Window,
    compare,
    day_start,
    local_date,
    next_day_start,
    record_reference_id,
)
from .report import as_window

TRAILING = timedelta(days=35)
# Per record: FlatPeak rounds energy to whole Wh and money to five decimals.
WH_TOLERANCE = 1
MONEY_TOLERANCE = Decimal("0.000005")
# What is shown of a day: more than one percent of it, or half a pound.
SHARE = Decimal("0.01")
AMOUNT = Decimal("0.5")

CORRECTIONS = {Kind.ENERGY_DIFFERS, Kind.ZERO_DIFFERS}
ABSENT = {Kind.LATE, Kind.MISSING, Kind.OUTAGE}
AGREED = {Kind.CONFIRMED, Kind.REPRICED, Kind.UNPRICED}
DIFFERING = {
    *CORRECTIONS,
    Kind.MISSING,
    Kind.OUTAGE,
    Kind.SURPLUS,
    Kind.OVERLAPPING_FOREIGN,
}
BOOKED = (Origin.INSTANT, Origin.REPORT, Origin.QUOTE, Origin.REVISED)
QUOTED = (Origin.QUOTE, Origin.REVISED)  # money for what FlatPeak may not have


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A local day on which FlatPeak's money for a meter is not ours."""

    day: date
    ours: Decimal
    theirs: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What a look at one meter's records came to."""

    lines: tuple[Line, ...] = ()
    again: tuple[Queued, ...] = ()  # to be sent once more
    rule: Rule | None = None  # what was learned of FlatPeak
    other_writer: bool = False
    differences: tuple[Difference, ...] = ()


@dataclass(slots=True)
class Memory:
    """What earlier looks at a location saw. In memory: a restart begins anew."""

    missed: set[Key] = field(default_factory=set)
    resent: set[Key] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """The meter that is looked at, and what the books have of it."""

    key: str
    state: MeterState
    windows: Mapping[datetime, PricedWindow]
    waiting: Sequence[Queued]
    rule: Rule
    began: datetime


async def async_review(
    client: FlatPeakClient,
    key: str,
    journal: Journal,
    book: Book,
    since: datetime,
    *,
    now: datetime,
    began: datetime,
    zone: tzinfo,
    memory: Memory,
    grid: Holders | None = None,
) -> Review:
    """Compare a stream's booked windows since then with the report.

    The sums are compared first; the records are asked for only when those differ.
    What an earlier life than ours, which `began` then, may have sent is no other
    writer's. `grid` are the grid meters of the direction, where the stream is the
    location's own: then what others recorded there is looked at, too, by whole local
    days. Raises FlatPeakError.
    """
    state = journal.meters[key]
    if grid is not None:
        since = day_start(local_date(since, zone), zone)
    windows = [w for w in book.between(key, since, now) if w.origin in BOOKED]
    if not windows and grid is None:
        return Review()
    first = min(window.start for window in windows) if grid is None else since
    period = Span(start=first, end=now)

    async def ask(aggregation: Aggregation | None) -> CostReport:
        return await client.async_get_costs(
            state.stream.owner,
            period.start,
            now,
            direction=TariffDirection(state.stream.tariff_direction),
            aggregation=aggregation,
        )

    days = (await ask(Aggregation.DAY)).items
    site = None
    if grid is not None:
        site = Site.of(state.stream, journal, book, period, grid)
    scopes = site.scopes if site else [()]
    # Sums say nothing of energy that was moved from one window to another.
    moved = any(window.origin is Origin.REVISED for window in windows)
    if not moved and any(agrees([*windows, *more], days) for more in scopes):
        return Review()
    report = await ask(None)
    subject = _Subject(
        key=key,
        state=state,
        windows={window.start: window for window in windows},
        waiting=[item for item in journal.outbox if item.meter == key],
        rule=journal.facts.rule,
        began=began,
    )
    findings = compare(
        _records(subject),
        report.items,
        period=period,
        now=now,
        rule=journal.facts.rule,
        others=others_records(state.stream, journal, book, period.start, now),
        missed={start for meter, start in memory.missed if meter == key},
        lag=timedelta(seconds=journal.facts.lag),
    )
    if site:
        findings = site.judged(findings)
    review = _concluded(subject, findings, report.currency_code, zone, memory)
    if not site:
        return review
    lines = site.lines(report, findings, journal.facts.currency)
    disputed = any(found.kind is Kind.DISPUTED for found in findings)
    lumps = _lumps(windows, days, period, zone) if disputed else []
    return replace(
        review,
        lines=(*review.lines, *lines),
        differences=(*review.differences, *lumps),
    )


def _concluded(
    subject: _Subject,
    findings: Sequence[Finding[CostItem]],
    currency: str | None,
    zone: tzinfo,
    memory: Memory,
) -> Review:
    """Return what the findings lead to, and remember what a second look needs."""
    lines, again = [], []
    rule, flipped = None, False
    for found in findings:
        if not isinstance(found.key, datetime):
            continue
        window = subject.windows.get(found.key)
        if window is None:
            continue
        key = (subject.key, window.start)
        if found.kind is Kind.SURPLUS:
            rule = Rule.ADDS
        if key in memory.resent and found.kind in AGREED:
            memory.resent.discard(key)
            rule = rule or Rule.REPLACES
        if found.kind in AGREED and (line := _revised(window, found, currency)):
            lines.append((subject.key, line))
        if found.resend and _is_certain(window):
            flipped = flipped or (key in memory.resent and found.kind in CORRECTIONS)
            again.append(queued(subject.key, window))
        memory.missed.discard(key)
        if found.kind in ABSENT:
            memory.missed.add(key)
    probe = [] if rule else _probe(subject, findings, memory)
    waiting = {item.window.start for item in subject.waiting}
    sent = [item for item in (*again, *probe) if item.window.start not in waiting]
    memory.resent |= {(subject.key, item.window.start) for item in sent}
    return Review(
        lines=tuple(lines),
        again=() if flipped else tuple(sent),
        rule=rule,
        other_writer=flipped or _is_anothers(subject, findings),
        differences=tuple(_differences(subject, findings, zone)),
    )


def _is_certain(window: PricedWindow) -> bool:
    """Return whether we know a window's energy better than FlatPeak.

    Where that of an adopted record does not fit ours, nobody knows.
    """
    if window.origin is Origin.REPORT:
        return not window.estimated
    return window.origin is not Origin.QUOTE


def _probe(
    subject: _Subject, findings: Iterable[Finding[CostItem]], memory: Memory
) -> list[Queued]:
    """Return the smallest correction that is due, to learn what FlatPeak does.

    There is no other way to find out, and while one is on its way no second one goes.
    """
    if subject.rule is not Rule.UNKNOWN or memory.resent:
        return []
    due = [
        subject.windows[found.key]
        for found in findings
        if found.kind in CORRECTIONS
        and isinstance(found.key, datetime)
        and found.key in subject.windows
        and _is_certain(subject.windows[found.key])
    ]
    smallest = min(due, key=lambda window: window.mwh, default=None)
    return [queued(subject.key, smallest)] if smallest else []


def _is_anothers(subject: _Subject, findings: Iterable[Finding[CostItem]]) -> bool:
    """Return whether a record of ours is there that we have not made yet."""
    until = subject.state.cut_until
    return until is not None and any(
        found.key is None
        and item.start >= max(until, subject.began)
        and item.record_reference_id
        == record_reference_id(subject.state.stream, item.start, item.end)
        for found in findings
        for item in found.items
    )


def _differences(
    subject: _Subject, findings: Iterable[Finding[CostItem]], zone: tzinfo
) -> list[Difference]:
    """Return the days on which the difference is worth showing."""
    ours: defaultdict[date, Decimal] = defaultdict(Decimal)
    extra: defaultdict[date, Decimal] = defaultdict(Decimal)
    for window in subject.windows.values():
        ours[local_date(window.start, zone)] += window.money or 0
    for found in findings:
        if found.kind not in DIFFERING:
            continue
        money = sum((i.cost.value for i in found.items if i.cost), Decimal(0))
        known = isinstance(found.key, datetime) and subject.windows.get(found.key)
        if known and known.money is None:
            continue  # it will be asked for
        start = known.start if known else found.items[0].start
        ours_of_it = (known.money if known else None) or Decimal(0)
        extra[local_date(start, zone)] += money - ours_of_it
    return [
        Difference(day=day, ours=ours[day], theirs=ours[day] + more)
        for day, more in sorted(extra.items())
        if abs(more) > min(AMOUNT, abs(ours[day]) * SHARE)
    ]


def _lumps(
    windows: Iterable[PricedWindow],
    days: Iterable[CostItem],
    period: Span,
    zone: tzinfo,
) -> list[Difference]:
    """Return the days whose sums differ, where FlatPeak gives one total.

    Only what is exactly a local day, or today until now, says anything of one.
    """
    ours: defaultdict[date, Decimal] = defaultdict(Decimal)
    for window in windows:
        ours[local_date(window.start, zone)] += window.money or 0
    theirs = {
        local_date(item.start, zone): item.cost.value
        for item in days
        if item.cost and item.start == day_start(local_date(item.start, zone), zone)
        if item.end in (next_day_start(item.start, zone), period.end)
    }
    return [
        Difference(day=day, ours=ours[day], theirs=money)
        for day, money in sorted(theirs.items())
        if day in ours
        if abs(money - ours[day]) > min(AMOUNT, abs(ours[day]) * SHARE)
    ]


def _records(subject: _Subject) -> list[Record]:
    """Return all that we have, or may have, in the report."""
    booked = [
        _record(
            window,
            subject.state,
            Standing.DOUBTFUL if window.origin is Origin.QUOTE else Standing.SENT,
        )
        for window in subject.windows.values()
    ]
    return booked + [
        replace(
            _record(item.window, subject.state, _standing(item)),
            wh=item.wh,
            sent_at=item.attempted,
        )
        for item in subject.waiting
        if item.window.start not in subject.windows
    ]


def _standing(item: Queued) -> Standing:
    """Return how far a waiting record has come."""
    return Standing.DOUBTFUL if item.status is Status.ATTEMPTED else Standing.QUEUED


def others_records(
    stream: Stream, journal: Journal, book: Book, start: datetime, end: datetime
) -> list[Record]:
    """Return what our other streams may have in the same report.

    A removed meter's records in this very stream are nobody's now.
    """
    others = {
        key: state
        for key, state in journal.meters.items()
        if state.stream != stream
        if state.stream.tariff_direction == stream.tariff_direction
    }
    booked = [
        _record(window, state, Standing.SENT)
        for key, state in others.items()
        for window in book.between(key, start, end)
        if window.origin in BOOKED
    ]
    return booked + [
        _record(item.window, others[item.meter], _standing(item))
        for item in journal.outbox
        if item.meter in others and book.get(item.meter, item.window.start) is None
    ]


def _record(
    window: Window | PricedWindow, state: MeterState, standing: Standing
) -> Record:
    """Return a record as the comparison takes it.

    It was sent after its window's end, at the earliest.
    """
    record = as_record(window, state, standing, window.end)
    if isinstance(window, Window):
        return record
    return replace(record, money=window.money, quoted=window.origin in QUOTED)


def queued(meter: str, window: PricedWindow) -> Queued:
    """Return a booked window's record, to be sent again with its bounds and energy."""
    return Queued(
        meter=meter,
        window=Window(
            start=window.start,
            end=window.end,
            mwh=window.mwh,
            estimated=window.estimated,
            partial=window.partial,
        ),
        wh=round(window.mwh / 1000),
    )


def agrees(windows: Sequence[PricedWindow], items: Sequence[CostItem]) -> bool:
    """Return whether the sums of a report are ours, up to rounding."""
    ours = Total.of(replace(window, doubted=False) for window in windows)
    theirs = Total.of(as_window(item) for item in items)
    count = len(windows)
    return (
        not ours.unpriced
        and not theirs.unpriced
        and abs(ours.mwh - theirs.mwh) <= WH_TOLERANCE * 1000 * count
        and abs(ours.money_sum - theirs.money_sum) <= MONEY_TOLERANCE * count
    )


def _revised(
    window: PricedWindow, found: Finding[CostItem], currency: str | None
) -> PricedWindow | None:
    """Return a window with the report's money; None where nothing is new.

    One total of a longer time says nothing of its windows.
    """
    item = next(iter(found.items), None)
    if item is None or item.cost is None or item.start != window.start:
        return None
    if item.end != window.end:
        return None
    if item.cost.value == window.money and window.origin not in QUOTED:
        return None
    return replace(
        window,
        money=item.cost.value,
        confidence=item.cost.confidence,
        currency=currency or window.currency,
        origin=Origin.REPORT,
    )
