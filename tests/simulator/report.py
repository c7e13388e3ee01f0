"""Records priced, rounded and summed as reports show them.

A sum adds the rounded costs of its records unless `aggregate_rounding` says
otherwise. Everything before the rounding is exact (`Fraction`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from random import Random

from .days import UTC, Aggregation, buckets
from .ledger import Draft, Location, Record
from .switches import (
    AggregateConfidence,
    AggregateRounding,
    BucketZone,
    CostRounding,
    EdgeBucket,
    EmptyBuckets,
    EnergyRounding,
    ExportSign,
    Order,
    Straddling,
    Switches,
    TestMoney,
    Unaggregated,
)
from .tariff import Direction, Piece, cost

CARBON_DIGITS = 2
NOTHING = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """A record with its money and carbon: exact, and as a report shows it.

    `exact_cost` has the answer's sign; it starts from rounded energy only where the
    switch says so. `carbon` is None where the location has none.
    """

    draft: Draft
    record: Record | None
    energy: int  # Wh
    exact_cost: Fraction
    cost: Decimal
    confidence: Fraction
    carbon: Fraction | None
    carbon_confidence: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of an answer. Energy in Wh, money in large units, carbon in g."""

    start: datetime
    end: datetime
    energy: int = 0
    cost: Decimal = Decimal(0)
    confidence: Decimal = Decimal(1)
    carbon: Decimal | None = None
    carbon_confidence: Decimal = Decimal(1)
    session_reference_id: str | None = None
    record_reference_id: str | None = None


def rounded(value: Fraction, digits: int, how: str = ROUND_HALF_UP) -> Decimal:
    """Round an exact number once, to so many decimals; halves away from zero."""
    scaled = value * 10**digits
    whole, rest = divmod(abs(scaled), 1)
    half = Fraction(1, 2)
    up = rest > half or (rest == half and (how == ROUND_HALF_UP or int(whole) % 2 == 1))
    units = (int(whole) + up) * (-1 if scaled < 0 else 1)
    return Decimal(units).scaleb(-digits, Context(prec=60))


def cost_digits(switches: Switches) -> int:
    """Return how many decimals a cost has."""
    return 3 if switches.cost_rounding is CostRounding.THREE else 5


def priced(
    draft: Draft,
    location: Location,
    now: datetime,
    switches: Switches,
    record: Record | None = None,
) -> Priced:
    """Price a record as prices are known now; without a price it is 0, unsure."""
    half_even = switches.energy_rounding is EnergyRounding.HALF_EVEN
    how = ROUND_HALF_EVEN if half_even else ROUND_HALF_UP
    energy = int(rounded(draft.energy, 0, how))
    from_rounded = switches.cost_rounding is CostRounding.ROUNDED_ENERGY
    basis = Fraction(energy) if from_rounded else draft.energy
    direction = draft.tariff_direction
    prices = location.prices(direction, draft.start, draft.end, now)
    exact = cost(prices, basis) if prices else NOTHING
    if direction is Direction.EXPORT and switches.export_sign is ExportSign.NEGATIVE:
        exact = -exact
    if not location.account.live_mode and switches.test_money is TestMoney.RANDOM:
        exact = Fraction(Random().randint(1, 10_000), 1000)
    emissions = location.emissions(draft.start, draft.end, now)
    return Priced(
        draft=draft,
        record=record,
        energy=energy,
        exact_cost=exact,
        cost=rounded(exact, cost_digits(switches)),
        confidence=min(draft.confidence, _lowest(prices)),
        carbon=cost(emissions, draft.energy) if emissions else None,
        carbon_confidence=_lowest(emissions),
    )


def _lowest(parts: Sequence[Piece]) -> Fraction:
    return min((Fraction(part.confidence) for part in parts), default=NOTHING)


def selected(
    records: Iterable[Record], start: datetime, end: datetime, switches: Switches
) -> list[Record]:
    """Keep the records that belong to a period, by `straddling`."""

    def belongs(draft: Draft) -> bool:
        match switches.straddling:
            case Straddling.STARTING:
                return start <= draft.start < end
            case Straddling.OVERLAPPING:
                return draft.start < end and draft.end > start
            case Straddling.CONTAINED:
                return start <= draft.start and draft.end <= end

    return [record for record in records if belongs(record.draft)]


def total(lines: Sequence[Priced], switches: Switches) -> Decimal:
    """Sum money as an aggregate does."""
    if switches.aggregate_rounding is AggregateRounding.ROUNDED_SUM:
        exact = sum((line.exact_cost for line in lines), NOTHING)
        return rounded(exact, cost_digits(switches))
    return sum((line.cost for line in lines), Decimal(0))


def single(line: Priced) -> Item:
    """Show one record."""
    draft = line.draft
    carbon = line.carbon
    return Item(
        start=draft.start,
        end=draft.end,
        energy=line.energy,
        cost=line.cost,
        confidence=rounded(line.confidence, 5),
        carbon=None if carbon is None else rounded(carbon, CARBON_DIGITS),
        carbon_confidence=rounded(line.carbon_confidence, 5),
        session_reference_id=draft.session_reference_id,
        record_reference_id=draft.record_reference_id,
    )


def combined(
    lines: Sequence[Priced], start: datetime, end: datetime, switches: Switches
) -> Item:
    """Show several records as one line."""
    if not lines:
        return Item(start=start, end=end)
    carbons = [line.carbon for line in lines if line.carbon is not None]
    return Item(
        start=start,
        end=end,
        energy=sum(line.energy for line in lines),
        cost=total(lines, switches),
        confidence=_joined(
            [(line.confidence, line.draft.energy) for line in lines], switches
        ),
        carbon=rounded(sum(carbons, NOTHING), CARBON_DIGITS) if carbons else None,
        carbon_confidence=_joined(
            [(line.carbon_confidence, line.draft.energy) for line in lines], switches
        ),
    )


def _joined(parts: list[tuple[Fraction, Fraction]], switches: Switches) -> Decimal:
    weight = sum((energy for _, energy in parts), NOTHING)
    weighted = switches.aggregate_confidence is AggregateConfidence.WEIGHTED
    if not weighted or not weight:
        return rounded(min(sure for sure, _ in parts), 5)
    return rounded(sum((sure * energy for sure, energy in parts), NOTHING) / weight, 5)


def spans(
    start: datetime,
    end: datetime,
    aggregation: Aggregation,
    location: Location | None,
    switches: Switches,
) -> list[tuple[datetime, datetime]]:
    """List the buckets of a report, clipped to the range or whole."""
    zone: tzinfo = UTC
    if switches.bucket_zone is BucketZone.LOCATION and location is not None:
        zone = location.zone
    if switches.bucket_zone is BucketZone.REQUEST_OFFSET:
        zone = end.tzinfo or UTC
    whole = buckets(start, end, aggregation, zone)
    if switches.edge_bucket is EdgeBucket.FULL:
        return whole
    return [(max(since, start), min(until, end)) for since, until in whole]


def items(
    lines: Sequence[Priced],
    start: datetime,
    end: datetime,
    bounds: Sequence[tuple[datetime, datetime]] | None,
    switches: Switches,
) -> list[Item]:
    """Build the lines of a report from the priced records of its period.

    Args:
        lines: The records.
        start: Start of the range.
        end: End of the range.
        bounds: The buckets; None for no aggregation.
        switches: How to show and to order them.
    """
    if bounds is None:
        found = [single(line) for line in lines]
        if switches.unaggregated is Unaggregated.TOTAL:
            found = [combined(lines, start, end, switches)] if lines else []
    else:
        groups = [
            (_within(lines, index, bounds), *span) for index, span in enumerate(bounds)
        ]
        found = [
            combined(group, since, until, switches)
            for group, since, until in groups
            if group or switches.empty_buckets is EmptyBuckets.ZERO
        ]
    found.sort(key=lambda item: item.start)
    if switches.order is Order.DESCENDING:
        found.reverse()
    if switches.order is Order.SHUFFLED:
        Random(len(found)).shuffle(found)
    return found


def _within(
    lines: Sequence[Priced], index: int, bounds: Sequence[tuple[datetime, datetime]]
) -> list[Priced]:
    """Give a bucket the records that start in it; the first one also older ones."""
    since, until = bounds[index]
    return [
        line
        for line in lines
        if line.draft.start < until and (line.draft.start >= since or index == 0)
    ]
