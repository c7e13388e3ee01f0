"""Which items of a report are whose, over all streams that it may contain."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from .findings import PricedItem, Record, Standing
from .overlap import Timed
from .reconcile import TOLERANCE_WH, Expected, ReportItem

STORED = {Standing.SENT, Standing.DOUBTFUL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing[Item: PricedItem]:
    """What our records are in a report, copies last, and what is nobody's."""

    found: Mapping[Hashable, Sequence[Item]]
    left: Sequence[Item]


def pair[Item: PricedItem](
    records: Iterable[Record], others: Iterable[Record], items: Iterable[Item]
) -> Pairing[Item]:
    """Return the items of each of our records, and those that nothing explains.

    An item with our id is ours; one without any id is a record's when period and
    energy (within 1 Wh) agree. As many records as possible get an item, ours before
    the others, which the report need not contain.
    """
    ours, theirs = _by_period(records), _by_period(others)
    found: dict[Hashable, Sequence[Item]] = {}
    left: list[Item] = []
    for period, same in _by_period(items).items():
        mine = ours.get(period, [])
        shared = _share(mine, theirs.get(period, []), same)
        found |= shared.found
        left += shared.left
    return Pairing(found=found, left=left)


def is_close(record: Expected, item: ReportItem) -> bool:
    """Return whether energy agrees, up to what FlatPeak rounds."""
    return abs(item.energy_wh - record.wh) <= TOLERANCE_WH


def money_of(item: PricedItem) -> Decimal | None:
    """Return an item's money."""
    return item.cost.value if item.cost else None


def _share[Item: PricedItem](
    ours: Sequence[Record], others: Sequence[Record], items: Sequence[Item]
) -> Pairing[Item]:
    """Share out the items of one period."""
    taken = _assign((*ours, *others), items)
    found: dict[Hashable, Sequence[Item]] = {}
    left = [number for number in range(len(items)) if number not in taken.values()]
    for place, record in enumerate(ours):
        if place in taken:
            first = items[taken[place]]
            copies = [n for n in left if _is_copy(record, first, items[n])]
            numbers = [taken[place], *copies]
        else:
            numbers = _changed(record, [(n, items[n]) for n in left])
        if numbers:
            found[record.key] = [items[number] for number in numbers]
        left = [number for number in left if number not in numbers]
    # Copies of other streams' records are found when their stream is looked at.
    unknown = [items[n] for n in left if not any(_may_be(o, items[n]) for o in others)]
    return Pairing(found=found, left=unknown)


def _changed(record: Record, left: Iterable[tuple[int, ReportItem]]) -> list[int]:
    """Return the item that may be a stored record with other energy.

    Nothing else explains it, and the record itself is not there.
    """
    if record.standing not in STORED:
        return []
    without_id = [(n, item) for n, item in left if item.record_reference_id is None]
    without_id.sort(key=lambda pair: abs(pair[1].energy_wh - record.wh))
    return [number for number, _ in without_id[:1]]


def _assign(
    records: Sequence[Record], items: Sequence[PricedItem]
) -> Mapping[int, int]:
    """Return the number of the item that each record gets.

    A record that has no item left asks those who took one to take another: so the most
    records get one, and none that has one loses it to a later record.
    """
    owner: dict[int, int] = {}

    def place(number: int, asked: set[int]) -> bool:
        """Find an item for a record."""
        record = records[number]
        wanted = [n for n, item in enumerate(items) if _may_be(record, item)]
        for n in sorted(wanted, key=lambda n: _unlike(record, items[n])):
            if n in asked:
                continue
            asked.add(n)
            if n not in owner or place(owner[n], asked):
                owner[n] = number
                return True
        return False

    for number in range(len(records)):
        place(number, set())
    return {number: n for n, number in owner.items()}


def _may_be(record: Expected, item: ReportItem) -> bool:
    """Return whether an item of a record's period can be that record."""
    if item.record_reference_id is None:
        return is_close(record, item)
    return item.record_reference_id == record.reference_id


def _is_copy(record: Record, first: ReportItem, item: ReportItem) -> bool:
    """Return whether a record is there once more; all copies have its id, or none."""
    has_id = item.record_reference_id == first.record_reference_id
    return has_id and _may_be(record, item)


def _unlike(record: Record, item: PricedItem) -> tuple[bool, bool, bool, int]:
    """Return how unlike an item is, so that the most alike comes first."""
    return (
        item.record_reference_id is None,
        not is_close(record, item),
        money_of(item) != record.money,
        abs(item.energy_wh - record.wh),
    )


def _by_period[Thing: Timed](
    things: Iterable[Thing],
) -> Mapping[tuple[datetime, datetime], list[Thing]]:
    """Group records or items by their period."""
    groups: defaultdict[tuple[datetime, datetime], list[Thing]] = defaultdict(list)
    for thing in things:
        groups[thing.start.astimezone(UTC), thing.end.astimezone(UTC)].append(thing)
    return groups
