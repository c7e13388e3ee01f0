"""One immutable picture of everything the entities show."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from .api import TariffDirection
from .book import Book
from .const import DIRECTION_EXPORT, DIRECTION_IMPORT, KIND_GRID
from .foreign import counted
from .journal import Journal, MeterState, Queued, Status
from .metering import (
    Origin,
    PricedWindow,
    Slice,
    Total,
    day_start,
    local_date,
)
from .meters import Meter
from .problem import OK

# A day ends for the sensors when its last window is priced, at the latest after this.
ROLLOVER = timedelta(minutes=10)
# Records that get their price by themselves; the others wait for somebody.
UNDER_WAY = (Status.NEW, Status.ATTEMPTED)
PRICED = (Origin.INSTANT, Origin.REPORT, Origin.QUOTE)
RATE_AGE = timedelta(minutes=15)
WORDS = {
    TariffDirection.IMPORT: DIRECTION_IMPORT,
    TariffDirection.EXPORT: DIRECTION_EXPORT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """The local days that the totals are about, and where they begin (UTC)."""

    today: date
    zone: tzinfo

    @property
    def yesterday(self) -> date:
        """Return the day before."""
        return self.today - timedelta(days=1)

    @property
    def month(self) -> date:
        """Return the first day of this month."""
        return self.today.replace(day=1)

    @property
    def last_month(self) -> date:
        """Return the first day of the month before."""
        return (self.month - timedelta(days=1)).replace(day=1)

    @property
    def year(self) -> date:
        """Return the first day of this year."""
        return self.today.replace(month=1, day=1)

    def start(self, day: date) -> datetime:
        """Return the first instant of a local day."""
        return day_start(day, self.zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is known of one meter, or of the location. Money in large units.

    A total of None is unknown. `rate` is money per hour.
    """

    today: Total | None = None
    yesterday: Total | None = None
    this_month: Total | None = None
    last_month: Total | None = None
    this_year: Total | None = None
    all_time: Total | None = None
    since: datetime | None = None
    current_cost: Decimal | None = None
    rate: Decimal | None = None
    data_until: datetime | None = None
    pending: int = 0
    problem: str = OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that entities read, all of one moment."""

    periods: Periods
    currency: str | None
    location: Figures
    meters: Mapping[str, Figures]
    others: Figures = Figures()  # what others recorded: a part of the location's
    price: Decimal | None = None
    export_price: Decimal | None = None
    tariff_status: str | None = None
    backfill_progress: int | None = None  # percent; None where there was never one


def take_snapshot(
    periods: Periods,
    now: datetime,
    meters: Mapping[str, Meter],
    journal: Journal,
    book: Book,
    *,
    prices: Mapping[TariffDirection, Decimal | None],
    latest: Mapping[str, Slice],
    holes: Mapping[str, datetime],
    reported: Mapping[TariffDirection, Figures],
    problem: Callable[[str | None], str],
) -> Snapshot:
    """Derive everything that is shown.

    `prices` are those of now per kWh, `latest` the newest settled slice of each meter,
    `holes` the last hours that meters lack of a past that was stopped, `reported` what
    FlatPeak alone knows of what the location bought and sold, `problem` the one of a
    meter (key) or of all, in a word.
    """
    figures: dict[str, Figures] = {}
    for key in meters:
        if (state := journal.meters.get(key)) is None:
            figures[key] = Figures()  # it was just added
            continue
        price = prices[TariffDirection(state.stream.tariff_direction)]
        figures[key] = replace(
            meter_figures(key, state, journal, book, periods, holes.get(key)),
            rate=_rate(price, _power(latest.get(key), now)),
            problem=problem(key),
        )
    others = others_figures(meters.values(), journal, book, periods)
    location = _location_figures(meters, figures, journal, reported, others)
    return Snapshot(
        periods=periods,
        currency=journal.facts.currency,
        location=replace(
            location,
            pending=sum(meter.pending for meter in figures.values()),
            problem=problem(None),
        ),
        meters=figures,
        others=others,
        price=prices[TariffDirection.IMPORT],
        export_price=prices[TariffDirection.EXPORT],
        tariff_status=journal.facts.tariff_status.get("commodity_import"),
    )


def _location_figures(
    meters: Mapping[str, Meter],
    figures: Mapping[str, Figures],
    journal: Journal,
    reported: Mapping[TariffDirection, Figures],
    others: Figures,
) -> Figures:
    """Return the location's totals: of our grid meters and others, or from reports."""
    sides: list[Sequence[Figures]] = []
    for direction in TariffDirection.IMPORT, TariffDirection.EXPORT:
        grid = grid_keys(meters.values(), direction)
        said = [reported[direction]] if direction in reported else []
        sides.append([figures[key] for key in grid] or said)
    bought, sold = sides
    if not bought:
        return Figures()
    return net_figures(bought, sold, journal.facts.earning_sign, others)


def grid_keys(meters: Iterable[Meter], direction: TariffDirection) -> list[str]:
    """Return the keys of the grid meters of a direction."""
    word = WORDS[direction]
    return [
        meter.key
        for meter in meters
        if meter.kind == KIND_GRID and meter.direction == word
    ]


def others_figures(
    meters: Collection[Meter], journal: Journal, book: Book, periods: Periods
) -> Figures:
    """Return what others recorded at the location: bought less sold.

    Beside grid meters of ours, that is: without those the reports have it all.
    """
    net: dict[date, Total] = {}
    currency = journal.facts.currency
    bought, sold = (
        grid_keys(meters, direction)
        for direction in (TariffDirection.IMPORT, TariffDirection.EXPORT)
    )
    if bought:
        lines = counted(book, TariffDirection.IMPORT, bought, journal.outbox)
        net = _by_day(lines, periods, currency)
    if bought or sold:
        lines = counted(book, TariffDirection.EXPORT, sold, journal.outbox)
        for day, total in _by_day(lines, periods, currency).items():
            earned = total.signed(journal.facts.earning_sign)
            net[day] = net.get(day, Total()) - earned
    return Figures(**_totals(net, periods))


def _by_day(
    lines: Iterable[PricedWindow], periods: Periods, currency: str | None
) -> dict[date, Total]:
    """Return the total of each local day that has lines."""
    days: dict[date, Total] = {}
    for line in lines:
        day = local_date(line.start, periods.zone)
        days[day] = days.get(day, Total()) + Total.of([line.counted_in(currency)])
    return days


def current_day(
    now: datetime, zone: tzinfo, shown: date | None, journal: Journal
) -> date:
    """Return the local day that "today" is about.

    Yesterday stays until its last window is priced, for at most ten minutes.
    """
    today = local_date(now, zone)
    midnight = day_start(today, zone)
    yesterday = today - timedelta(days=1)
    if shown != yesterday or now >= midnight + ROLLOVER:
        return today
    cut = all(
        state.cut_until is None or state.cut_until >= midnight
        for state in journal.meters.values()
    )
    priced = all(
        item.window.end > midnight
        for item in journal.outbox
        if item.status in UNDER_WAY
    )
    return today if cut and priced else yesterday


def meter_figures(
    key: str,
    state: MeterState,
    journal: Journal,
    book: Book,
    periods: Periods,
    hole: datetime | None = None,
) -> Figures:
    """Return the figures of one meter from the books and the outbox.

    A past that was stopped may lack hours until `hole`: we count since the day after.
    """
    if state.anchor is None:
        return Figures()
    waiting = [item for item in journal.outbox if item.meter == key]
    currency = journal.facts.currency
    days = dict(book.days(key, periods.zone, currency))
    unbooked: defaultdict[date, list[PricedWindow]] = defaultdict(list)
    for window in (item.window for item in waiting):
        if book.get(key, window.start) is None:
            line = PricedWindow(
                start=window.start,
                end=window.end,
                mwh=window.mwh,
                estimated=window.estimated,
            )
            unbooked[local_date(window.start, periods.zone)].append(line)
    for day, lines in unbooked.items():
        days[day] = days.get(day, Total()) + Total.of(lines)
    latest = book.latest(key, *PRICED)
    lacking = local_date(hole, periods.zone) if hole else date.min
    since = min((day for day in days if day > lacking), default=None)
    return Figures(
        **_totals(days, periods),
        since=periods.start(since) if since else state.cut_until,
        current_cost=latest.counted_in(currency).money if latest else None,
        data_until=min(
            (
                item.window.start
                for item in waiting
                if item.status in UNDER_WAY and not is_priced(book, item)
            ),
            default=state.cut_until,
        ),
        pending=len(waiting),
    )


def _totals(days: Mapping[date, Total], periods: Periods) -> dict[str, Any]:
    """Return the totals of all periods."""
    tomorrow = periods.today + timedelta(days=1)
    return {
        "today": _between(days, periods.today, tomorrow),
        "yesterday": _between(days, periods.yesterday, periods.today),
        "this_month": _between(days, periods.month, tomorrow),
        "last_month": _between(days, periods.last_month, periods.month),
        "this_year": _between(days, periods.year, tomorrow),
        "all_time": Total.joined(days.values()),
    }


def is_priced(book: Book, item: Queued) -> bool:
    """Return whether a record that is under way has a price already, by a quote."""
    line = book.get(item.meter, item.window.start)
    return line is not None and line.money is not None


def _between(days: Mapping[date, Total], first: date, end: date) -> Total:
    """Return the total of the days from `first` until before `end`."""
    return Total.joined(total for day, total in days.items() if first <= day < end)


def net_figures(
    imports: Sequence[Figures],
    exports: Sequence[Figures],
    earning_sign: int = 1,
    others: Figures | None = None,
) -> Figures:
    """Return a location's figures: what was bought less what was sold.

    `others` are net already. What of theirs has no price does not make our totals
    unknown.
    """
    figures = [*imports, *exports]

    def net(name: str) -> Total | None:
        bought = [getattr(part, name) for part in imports]
        sold = [getattr(part, name) for part in exports]
        if any(total is None or total.money is None for total in (*bought, *sold)):
            return None
        more = getattr(others, name, None) or Total()
        return sum(bought, more) - sum(sold, Total()).signed(earning_sign)

    return Figures(
        today=net("today"),
        yesterday=net("yesterday"),
        this_month=net("this_month"),
        last_month=net("last_month"),
        this_year=net("this_year"),
        all_time=net("all_time"),
        since=_latest(part.since for part in figures),
        data_until=min(
            (part.data_until for part in figures if part.data_until), default=None
        ),
    )


def _latest(times: Iterable[datetime | None]) -> datetime | None:
    """Return the last of the known times."""
    return max((time for time in times if time), default=None)


def _power(latest: Slice | None, now: datetime) -> Decimal | None:
    """Return the mean power of the latest slice, in kW; None when it is too old."""
    if latest is None or now - latest.end > RATE_AGE:
        return None
    hours = Decimal((latest.end - latest.start).total_seconds()) / 3600
    return Decimal(latest.mwh) / 1_000_000 / hours


def _rate(price: Decimal | None, power: Decimal | None) -> Decimal | None:
    """Return the cost per hour; no power at a negative price costs 0, not -0."""
    if price is None or power is None:
        return None
    return round(price * power, 6) + 0
