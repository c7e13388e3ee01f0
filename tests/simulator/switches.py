"""Every behaviour of FlatPeak that its documentation leaves open, as a switch.

All of this is invented: a default is the likelier guess, the other members are what
the integration must survive as well. README.md says what each one does.
"""

from dataclasses import dataclass, field, fields, replace
from enum import Enum, StrEnum
from typing import Any


class Dialect(StrEnum):
    """An API generation, as the header `Flatpeak-Version` names it."""

    ZERO = "2024-08-24.zero"
    ANODE = "2025-09-14.anode"


class BucketZone(StrEnum):
    """Whose midnights bound the DAY and MONTH buckets."""

    LOCATION = "location"
    REQUEST_OFFSET = "request_offset"
    UTC = "utc"


class EdgeBucket(StrEnum):
    """What becomes of a bucket that the asked range cuts."""

    CLIPPED = "clipped"
    FULL = "full"


class EmptyBuckets(StrEnum):
    """How a bucket, or a whole answer, without records looks."""

    OMITTED = "omitted"
    ZERO = "zero"
    NOT_FOUND = "not_found"


class Unaggregated(StrEnum):
    """What a report without `aggregation` lists."""

    RECORDS = "records"
    TOTAL = "total"


class Order(StrEnum):
    """The order of a report's items."""

    ASCENDING = "ascending"
    DESCENDING = "descending"
    SHUFFLED = "shuffled"


class Straddling(StrEnum):
    """Which records belong to a range whose edge they cross."""

    STARTING = "starting"
    OVERLAPPING = "overlapping"
    CONTAINED = "contained"


class Overwrite(StrEnum):
    """Which earlier records of the same owner a new one replaces."""

    SAME_PERIOD = "same_period"
    OVERLAP = "overlap"
    NEVER = "never"


class OverwriteKey(StrEnum):
    """Whether records of different directions leave each other alone."""

    DIRECTION = "direction"
    OWNER = "owner"


class LocationReport(StrEnum):
    """Whether a location's report holds its devices' records."""

    OWN = "own"
    WITH_DEVICES = "with_devices"


class CostRounding(StrEnum):
    """How the cost of one record is rounded."""

    FIVE = "five"
    THREE = "three"
    ROUNDED_ENERGY = "rounded_energy"


class AggregateRounding(StrEnum):
    """Whether a sum adds rounded costs or is rounded itself."""

    SUM_OF_ROUNDED = "sum_of_rounded"
    ROUNDED_SUM = "rounded_sum"


class EnergyRounding(StrEnum):
    """How half a Wh is rounded; the documented sample fits both."""

    HALF_UP = "half_up"
    HALF_EVEN = "half_even"


class AggregateConfidence(StrEnum):
    """The confidence of a sum."""

    LOWEST = "lowest"
    WEIGHTED = "weighted"


class ExportSign(StrEnum):
    """The sign of money earned."""

    POSITIVE = "positive"
    NEGATIVE = "negative"


class ReferenceIds(StrEnum):
    """Whether reports repeat the caller's own ids."""

    ECHOED = "echoed"
    OMITTED = "omitted"


class TariffFlag(StrEnum):
    """What zero answers when `include_tariff` was not sent."""

    OMITTED = "omitted"
    INCLUDED = "included"


class ExpiredBearer(StrEnum):
    """How a missing, unknown or expired bearer is refused."""

    SHORT_403 = "short_403"
    FULL_403 = "full_403"
    SHORT_401 = "short_401"


class UnknownId(StrEnum):
    """How an id that nobody has is refused."""

    NOT_FOUND = "not_found"
    FORBIDDEN = "forbidden"
    UNPROCESSABLE = "unprocessable"


class BadVersion(StrEnum):
    """What an unknown `Flatpeak-Version` leads to."""

    REFUSED = "refused"
    IGNORED = "ignored"


class ValidationBody(StrEnum):
    """Whether the answer to a bad request has a code."""

    CODED = "coded"
    SHORT = "short"


class ErrorBody(StrEnum):
    """The shape of all other errors."""

    FULL = "full"
    SHORT = "short"


class RateLimitHeader(StrEnum):
    """What a 429 says about waiting."""

    RETRY_AFTER = "retry_after"
    NONE = "none"


class LongRange(StrEnum):
    """Whether a report may span more than 90 days."""

    REFUSED = "refused"
    ACCEPTED = "accepted"


class Visibility(StrEnum):
    """In which order stored records appear in reports."""

    IN_ORDER = "in_order"
    OUT_OF_ORDER = "out_of_order"


class Execution(StrEnum):
    """Whether a request is still carried out after its connection died."""

    PROMPT = "prompt"
    LATE = "late"


class Unpriced(StrEnum):
    """Whether a record refused with a 422 price code is stored all the same."""

    NOT_STORED = "not_stored"
    STORED = "stored"


class StatusText(StrEnum):
    """Whether tariff states come as one documented sample shows them."""

    CLEAN = "clean"
    TRAILING_SPACE = "trailing_space"


class TestMoney(StrEnum):
    """What money a test key sees; an old page calls it randomised."""

    __test__ = False

    EXACT = "exact"
    RANDOM = "random"


def _seconds(default: float, *others: float) -> Any:
    return field(default=default, metadata={"others": others})


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """One possible FlatPeak. Times are seconds of the simulator's clock."""

    default_dialect: Dialect = Dialect.ANODE
    bucket_zone: BucketZone = BucketZone.LOCATION
    edge_bucket: EdgeBucket = EdgeBucket.CLIPPED
    empty_buckets: EmptyBuckets = EmptyBuckets.OMITTED
    unaggregated: Unaggregated = Unaggregated.RECORDS
    order: Order = Order.ASCENDING
    straddling: Straddling = Straddling.STARTING
    overwrite: Overwrite = Overwrite.SAME_PERIOD
    overwrite_key: OverwriteKey = OverwriteKey.DIRECTION
    location_report: LocationReport = LocationReport.OWN
    cost_rounding: CostRounding = CostRounding.FIVE
    aggregate_rounding: AggregateRounding = AggregateRounding.SUM_OF_ROUNDED
    energy_rounding: EnergyRounding = EnergyRounding.HALF_UP
    aggregate_confidence: AggregateConfidence = AggregateConfidence.LOWEST
    export_sign: ExportSign = ExportSign.POSITIVE
    reference_ids: ReferenceIds = ReferenceIds.ECHOED
    tariff_flag: TariffFlag = TariffFlag.OMITTED
    expired_bearer: ExpiredBearer = ExpiredBearer.SHORT_403
    unknown_id: UnknownId = UnknownId.NOT_FOUND
    bad_version: BadVersion = BadVersion.REFUSED
    validation_body: ValidationBody = ValidationBody.CODED
    error_body: ErrorBody = ErrorBody.FULL
    rate_limit_header: RateLimitHeader = RateLimitHeader.RETRY_AFTER
    long_range: LongRange = LongRange.REFUSED
    lag: float = _seconds(0.0, 120.0)
    visibility: Visibility = Visibility.IN_ORDER
    execution: Execution = Execution.PROMPT
    late_by: float = _seconds(30.0)
    unpriced: Unpriced = Unpriced.NOT_STORED
    batch_delay: float = _seconds(0.2, 60.0)
    token_life: float = _seconds(3600.0, 180.0)
    status_text: StatusText = StatusText.CLEAN
    test_money: TestMoney = TestMoney.EXACT

    def but(self, changes: dict[str, Any]) -> Switches:
        """Give these switches with some changed, from plain values by name.

        Raises:
            ValueError: A name or a value is not known.
        """
        known = {one.name: type(getattr(self, one.name)) for one in fields(self)}
        if unknown := changes.keys() - known.keys():
            raise ValueError(f"No such switch: {', '.join(sorted(unknown))}")
        return replace(
            self,
            **{name: known[name](value) for name, value in changes.items()},
        )


DEFAULT = Switches()


def _others(name: str, metadata: Any) -> list[Any]:
    value = getattr(DEFAULT, name)
    if isinstance(value, Enum):
        return [member for member in type(value) if member is not value]
    return list(metadata["others"])


VARIANTS: dict[str, Switches] = {
    f"{one.name}={value}": replace(DEFAULT, **{one.name: value})
    for one in fields(Switches)
    for value in _others(one.name, one.metadata)
}
"""Every FlatPeak that differs from the default one in a single switch, by name."""
