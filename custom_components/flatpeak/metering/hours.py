"""Full hours of UTC, which are the rows of statistics, and their running sums."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import isclose

from .calendar import hour_start
from .model import Span
from .totals import PricedWindow, Total

HOUR = timedelta(hours=1)
# Far below the last digit of any money: two floats that are meant to be the same.
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """What a meter used in a full hour of UTC, once nothing of it is open.

    Energy in mWh, money in large units by currency, carbon in g CO2eq. A currency is
    missing, and carbon None, where there is energy of which nothing is known.
    """

    mwh: int
    money: Mapping[str | None, Decimal]
    carbon: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Complete hours by their start, in order, and the first one that is not."""

    complete: Mapping[datetime, Hour]
    open_from: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SumRow:
    """One row of a statistic: the hour's own value, and the sum up to its end."""

    start: datetime
    state: Decimal
    sum: Decimal


def hours(
    lines: Sequence[PricedWindow],
    waiting: Sequence[Span],
    until: datetime,
    *,
    since: datetime | None = None,
    currency: str | None = None,
    unsent: Sequence[Span] = (),
) -> Hours:
    """Return the complete hours that the lines of a book make up.

    Args:
        lines: A meter's lines in order, also those before `since`. A line that crosses
            an hour sums up a day: nothing is said of its hours.
        waiting: What has no price or no decision yet, and so keeps its hours open.
        until: The meter is cut until here.
        since: Hours that begin earlier are left out.
        currency: Of money whose line says none, where no line before it says one.
        unsent: Time that nobody waits for, and that is in no line.
    """
    first = hour_start(since or (lines[0].start if lines else until))
    end = hour_start(until)
    sums = [Span(start=one.start, end=one.end) for one in lines if not _is_detail(one)]
    closed = {
        hour
        for span in (*waiting, *sums, *unsent)
        for hour in _each(max(hour_start(span.start), first), min(span.end or end, end))
    }
    near = _from(lines, first)
    named = next((line.currency for line in near if line.currency), currency)
    parts: defaultdict[datetime, list[PricedWindow]] = defaultdict(list)
    for line, quiet in _with_pauses(near, end):
        named = line.currency or named
        parts[hour_start(line.start)].append(replace(line, currency=named))
        for hour in quiet:
            # Nothing was used, which cost nothing in the currency of the time.
            parts[hour].append(replace(line, mwh=0, currency=named))
    return Hours(
        complete={
            hour: _sum(parts[hour])
            for hour in sorted(parts)
            if first <= hour < end and hour not in closed
        },
        open_from=min([end, *(hour_start(span.start) for span in waiting)]),
    )


def rewritten(
    before: Decimal,
    rows: Mapping[datetime, tuple[float, float]],
    wanted: Mapping[datetime, Decimal | None],
) -> list[SumRow]:
    """Return the rows to write, from the first one that is wrong or missing on.

    Args:
        before: The sum of the last row before all of these.
        rows: State and sum of the rows there are, by start.
        wanted: The hours' values, by start. An unknown one makes no row, and turns
            one that is there into nothing. Other rows keep their value.
    """
    result: list[SumRow] = []
    total = before
    for start in sorted(rows.keys() | wanted.keys()):
        row = rows.get(start)
        value = wanted.get(start)
        if value is None:
            if row is None:
                continue
            value = Decimal(0) if start in wanted else exact(row[0])
        total += value
        if result or row is None or not _is_same(row, (value, total)):
            result.append(SumRow(start=start, state=value, sum=total))
    return result


def exact(number: float) -> Decimal:
    """Return the decimal that a float was made of."""
    return Decimal(repr(number))


def _is_same(row: tuple[float, float], wanted: tuple[Decimal, Decimal]) -> bool:
    """Return whether a row says what is wanted."""
    return all(
        isclose(one, float(two), rel_tol=0, abs_tol=TOLERANCE)
        for one, two in zip(row, wanted, strict=True)
    )


def _from(lines: Sequence[PricedWindow], first: datetime) -> list[PricedWindow]:
    """Return the lines that end after an instant, and the last one that does not."""
    before = next((line for line in reversed(lines) if line.end <= first), None)
    near = [line for line in lines if line.end > first]
    return [before, *near] if before else near


def _with_pauses(
    lines: Iterable[PricedWindow], end: datetime
) -> Iterator[tuple[PricedWindow, Iterable[datetime]]]:
    """Yield lines that lie in one hour, and the hours after them without any.

    What is between a line and the sum of a day is unknown.
    """
    for line, after in pairwise((*lines, None)):
        if line is None or not _is_detail(line):
            continue
        if after is not None and not _is_detail(after):
            yield line, ()
        else:
            stop = hour_start(after.start) if after else end
            yield line, _each(hour_start(line.start) + HOUR, stop)


def _sum(lines: Sequence[PricedWindow]) -> Hour:
    """Return what the lines of one hour sum to."""
    total = Total.of(lines)
    money: defaultdict[str | None, Decimal] = defaultdict(Decimal)
    for line in lines if total.money is not None else ():
        if not total.mwh:
            money[line.currency] = Decimal(0)
        elif line.mwh and line.is_priced:
            money[line.currency] += line.money or 0
    return Hour(mwh=total.mwh, money=dict(money), carbon=total.carbon)


def _is_detail(line: PricedWindow) -> bool:
    """Return whether a line lies in one hour."""
    return line.end <= hour_start(line.start) + HOUR


def _each(start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the hours that begin in a period; `start` is one."""
    while start < end:
        yield start
        start += HOUR
