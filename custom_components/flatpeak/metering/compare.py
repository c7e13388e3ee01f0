"""The table by which our records and a report are reconciled."""

from collections.abc import Container, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from .findings import (
    Finding,
    Kind,
    PricedItem,
    Record,
    Rule,
    Standing,
    kind_of_unsent,
)
from .lump import judge_total
from .model import Span
from .overlap import overlapping
from .pairing import STORED, Pairing, is_close, money_of, pair

DIGIT = Decimal("0.00001")  # FlatPeak documentation: up to five decimals
DAY = timedelta(hours=24)  # a record that is not there after this is not late
SETTLED = timedelta(minutes=10)
LAGS = 4
MANY = 5
SHORTEST_DAY = timedelta(hours=23)
RESENT = {Kind.MISSING, Kind.ENERGY_DIFFERS, Kind.ZERO_DIFFERS}


def compare[Item: PricedItem](
    records: Sequence[Record],
    items: Iterable[Item],
    *,
    period: Span,
    now: datetime,
    rule: Rule,
    others: Sequence[Record] = (),
    missed: Container[Hashable] = (),
    lag: timedelta = timedelta(0),
    digit: Decimal = DIGIT,
) -> tuple[Finding[Item], ...]:
    """Return one finding per record, in their order, then those of foreign items.

    `records` are all of one stream within the period that was asked for; `others` are
    what our other streams may have in the same report, whether it contains them or
    not. `missed` are the keys that an earlier read did not find either, `lag` is the
    longest time after which a record was seen to become visible, `digit` the last
    digit of the report's money. The order of the items does not matter.
    """
    ordered = sorted(items, key=_place)
    total = judge_total(records, others, ordered, period, digit)
    if total is not None:
        return total
    pairing = pair(records, others, ordered)
    table = _Table(
        pairing=pairing,
        now=now,
        rule=rule,
        missed=missed,
        certain=max(SETTLED, LAGS * lag),
        half=digit / 2,
        witness=_witness(records, pairing),
        outage=_is_outage(records, pairing, now),
    )
    is_ours = overlapping((*records, *others))
    return (
        *(table.finding(record) for record in records),
        *(
            Finding(
                kind=Kind.OVERLAPPING_FOREIGN if is_ours(item) else Kind.FOREIGN,
                items=(item,),
            )
            for item in pairing.left
            if not _is_bucket(item, period)
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table[Item: PricedItem]:
    """The table, and what its lines depend on besides the record."""

    pairing: Pairing[Item]
    now: datetime
    rule: Rule
    missed: Container[Hashable]
    certain: timedelta  # after it a doubtful record that is not there is missing
    half: Decimal  # of the last digit of money
    witness: datetime | None  # the latest sending of a record that is there
    outage: bool

    def finding(self, record: Record) -> Finding[Item]:
        """Return the finding of one record."""
        items = tuple(self.pairing.found.get(record.key, ()))
        kind = self._present(record, items) if items else self._absent(record)
        resend = kind in RESENT and (
            self.rule is Rule.REPLACES
            or (kind is Kind.MISSING and record.standing is Standing.DOUBTFUL)
        )
        return Finding(kind=kind, key=record.key, items=items, resend=resend)

    def _present(self, record: Record, items: Sequence[Item]) -> Kind:
        """Return what the report's item for a record says."""
        item, money = items[0], money_of(items[0])
        same = is_close(record, item)
        if not same and not record.wh:
            return Kind.ZERO_DIFFERS
        if record.standing not in STORED:
            return Kind.ADOPT
        if len(items) > 1:
            return Kind.SURPLUS
        if not same:
            return Kind.ENERGY_DIFFERS
        if money is None:
            return Kind.UNPRICED
        if record.money is None or record.quoted:
            return Kind.REPRICED
        if abs(money - record.money) > self.half:
            return Kind.REPRICED
        return Kind.CONFIRMED

    def _absent(self, record: Record) -> Kind:
        """Return what it means that a record is not there."""
        if record.standing not in STORED:
            return kind_of_unsent(record)
        if not record.wh:
            return Kind.CONFIRMED
        if record.sent_at is None:
            return Kind.LATE
        age = self.now - record.sent_at
        witnessed = self.witness is not None and self.witness > record.sent_at
        if record.standing is Standing.DOUBTFUL:
            if self.rule is Rule.REPLACES or (witnessed and age > self.certain):
                return Kind.MISSING
            return Kind.UNCONFIRMED if age > DAY else Kind.LATE
        if age <= DAY or record.key not in self.missed:
            return Kind.LATE
        if self.outage:
            return Kind.OUTAGE
        return Kind.MISSING if witnessed else Kind.LATE


def _witness[Item: PricedItem](
    records: Iterable[Record], pairing: Pairing[Item]
) -> datetime | None:
    """Return when the latest sent record that is visible was sent."""
    return max(
        (
            record.sent_at
            for record in records
            if record.sent_at
            and record.standing is Standing.SENT
            and record.key in pairing.found
        ),
        default=None,
    )


def _is_outage[Item: PricedItem](
    records: Iterable[Record], pairing: Pairing[Item], now: datetime
) -> bool:
    """Return whether so much is missing that it is the report that fails."""
    past = [
        record.key in pairing.found
        for record in records
        if record.standing is Standing.SENT
        and record.wh
        and record.sent_at
        and now - record.sent_at > DAY
    ]
    missing = past.count(False)
    return missing > MANY or 2 * missing > len(past)


def _is_bucket(item: PricedItem, period: Span) -> bool:
    """Return whether an item is a sum of records, for a time that is not ours."""
    if item.record_reference_id:
        return False
    return (
        item.end - item.start >= SHORTEST_DAY
        or item.start < period.start
        or (period.end is not None and period.end < item.end)
    )


def _place(item: PricedItem) -> tuple[datetime, datetime, str, int, bool, Decimal]:
    """Return where an item comes, so that a report's order does not matter."""
    money = money_of(item)
    return (
        item.start,
        item.end,
        item.record_reference_id or "",
        item.energy_wh,
        money is None,
        money or Decimal(0),
    )
