"""A report that gives one total instead of records."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product

from .findings import Finding, Kind, PricedItem, Record, Standing, kind_of_unsent
from .model import Span
from .pairing import is_close, money_of
from .reconcile import TOLERANCE_WH, Expected, ReportItem


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guess:
    """What a total may consist of, and what that says of our stored records."""

    sent: Kind
    doubtful: Kind
    parts: Sequence[Record]


def judge_total[Item: PricedItem](
    records: Sequence[Record],
    others: Sequence[Record],
    items: Sequence[Item],
    period: Span,
    digit: Decimal,
) -> tuple[Finding[Item], ...] | None:
    """Return one finding per record where a report is a total of the asked period.

    The total has to be the sum of what was sent, with or without what is doubtful and
    with or without the other streams; of a single record it may be nothing or the
    double. None: the report consists of records.
    """
    if not _is_total(items, (*records, *others), period):
        return None
    wh = sum(item.energy_wh for item in items)
    fits = [guess for guess in _guesses(records, others) if _fits(guess, wh)]
    if not fits and any(_spans(record, period) for record in records):
        return None
    fits = [guess for guess in fits if _money_fits(guess, items, digit)]
    priced = all(item.cost for item in items)
    return tuple(
        Finding(
            key=record.key,
            kind=_kind(record, fits, priced=priced),
            items=tuple(items),
        )
        for record in records
    )


def _is_total(
    items: Sequence[ReportItem], records: Sequence[Expected], period: Span
) -> bool:
    """Return whether all items are of the asked period, and none is a record."""
    if not records or not items:
        return False
    if any(item.record_reference_id or not _spans(item, period) for item in items):
        return False
    alike = [record for record in records if _spans(record, period)]
    return not any(is_close(record, item) for record in alike for item in items)


def _spans(thing: ReportItem | Expected, period: Span) -> bool:
    """Return whether a record or an item is exactly of a period."""
    return thing.start == period.start and thing.end == period.end


def _guesses(records: Sequence[Record], others: Sequence[Record]) -> Iterator[_Guess]:
    """Yield what a total may consist of."""
    sent = [record for record in records if record.standing is Standing.SENT]
    doubtful = [record for record in records if record.standing is Standing.DOUBTFUL]
    stored = [*sent, *doubtful]
    guesses = [
        (Kind.CONFIRMED, Kind.CONFIRMED, stored),
        (Kind.CONFIRMED, Kind.LATE, sent),
    ]
    if len(stored) == 1:
        kinds = (Kind.LATE, Kind.CONFIRMED, Kind.SURPLUS)
        guesses = [(kind, kind, stored * times) for times, kind in enumerate(kinds)]
    for (of_sent, of_doubtful, parts), more in product(guesses, ((), others)):
        yield _Guess(sent=of_sent, doubtful=of_doubtful, parts=[*parts, *more])


def _fits(guess: _Guess, wh: int) -> bool:
    """Return whether a total's energy is that of its parts, each of them rounded."""
    difference = wh - sum(part.wh for part in guess.parts)
    return abs(difference) <= TOLERANCE_WH * len(guess.parts)


def _money_fits(guess: _Guess, items: Sequence[PricedItem], digit: Decimal) -> bool:
    """Return whether a total's money is that of its parts, as far as it is known."""
    ours = [part.money for part in guess.parts if part.money is not None]
    theirs = [money for item in items if (money := money_of(item)) is not None]
    if len(ours) < len(guess.parts) or len(theirs) < len(items):
        return True
    zero = Decimal(0)
    return abs(sum(theirs, zero) - sum(ours, zero)) <= digit / 2 * len(ours)


def _kind(record: Record, fits: Sequence[_Guess], *, priced: bool) -> Kind:
    """Return what a total says of a record, given the guesses that fit.

    Where they disagree nothing follows.
    """
    if not fits:
        return Kind.DISPUTED
    if record.standing is Standing.SENT:
        kinds = {guess.sent for guess in fits}
    elif record.standing is Standing.DOUBTFUL:
        kinds = {guess.doubtful for guess in fits}
    else:
        return kind_of_unsent(record)
    if len(kinds) > 1:
        return Kind.LATE
    kind = kinds.pop()
    known = priced and record.money is not None
    return kind if known or kind is not Kind.CONFIRMED else Kind.UNPRICED
