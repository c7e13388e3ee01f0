"""What goes to FlatPeak and what comes back, whatever the dialect on the wire.

Times are aware datetimes, money is `Decimal` in large units of the currency
(ISO 4217), energy from FlatPeak is whole Wh, carbon is grams of CO2 equivalent.
Ids and addresses are left out of every `repr`, so that no log can show them.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Dialect(StrEnum):
    """An API generation, as the header `Flatpeak-Version` names it."""

    ZERO = "2024-08-24.zero"
    ANODE = "2025-09-14.anode"


class EnergyDirection(StrEnum):
    """Which way the energy flowed, seen from the home."""

    IMPORT = "IMPORT"
    EXPORT = "EXPORT"


class TariffDirection(StrEnum):
    """Which price applies."""

    IMPORT = "IMPORT"
    EXPORT = "EXPORT"
    LOCAL = "LOCAL"


class Units(StrEnum):
    """What a record's value means: average power, or energy of the period."""

    W = "W"
    KW = "KW"
    WH = "WH"
    KWH = "KWH"


class Aggregation(StrEnum):
    """Buckets of a cost report."""

    DAY = "DAY"
    MONTH = "MONTH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A successful log-in; the bearer token stays inside the client."""

    live_mode: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A home. The postal address is only for choosing between homes."""

    id: str = field(repr=False)
    reference_id: str | None = None
    timezone: str | None = None
    currency_code: str | None = None
    live_mode: bool | None = None
    tariff_status: dict[str, str]  # e.g. {"commodity_import": "CONNECTED"}
    address: str | None = field(default=None, repr=False)
    city: str | None = None

    @property
    def name(self) -> str | None:
        """Return what people call it, as far as FlatPeak knows."""
        return self.reference_id or self.city


class TariffStructure(StrEnum):
    """How the prices of a tariff come about."""

    FIXED = "FIXED"
    TIME_OF_DAY = "TIME_OF_DAY"
    MARKET = "MARKET"
    DYNAMIC = "DYNAMIC"


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffState:
    """State of one tariff of a location; None is what FlatPeak did not say."""

    status: str | None = None  # CONNECTED, NOT_CONNECTED, ERROR, NOT_SUPPORTED
    structure: TariffStructure | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationStatus:
    """The energy tariffs of a location; None where FlatPeak names none."""

    commodity_import: TariffState | None = None
    commodity_export: TariffState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Something with records of its own."""

    id: str = field(repr=False)
    reference_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterRecord:
    """Energy, or average power, of one period."""

    location_id: str = field(repr=False)
    start: datetime
    end: datetime
    value: Decimal
    units: Units = Units.WH
    device_id: str | None = field(default=None, repr=False)
    session_reference_id: str | None = None
    record_reference_id: str | None = None
    energy_direction: EnergyDirection = EnergyDirection.IMPORT
    tariff_direction: TariffDirection = TariffDirection.IMPORT
    confidence: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A value with FlatPeak's confidence: 1 is final, less is a forecast."""

    value: Decimal
    confidence: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CostItem:
    """Energy and money of one record, or of one bucket of a report.

    `cost` and `carbon` are None where FlatPeak gave none, and where it gave 0 with
    confidence 0, which means "no data".
    """

    start: datetime
    end: datetime
    energy_wh: int
    cost: Amount | None = None
    carbon: Amount | None = None
    session_reference_id: str | None = None
    record_reference_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedRecord:
    """The answer to one meter record."""

    id: str | None
    currency_code: str | None
    live_mode: bool | None
    item: CostItem


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRecord:
    """A record of a batch that FlatPeak did not take, and its reason in words."""

    number: int  # Its place among the records that were sent, from 0.
    record_reference_id: str | None = None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterBatch:
    """How far FlatPeak is with records that were sent together; all are counts.

    FlatPeak documentation, meters: a batch is worked off after it was answered, and
    `failed` names the records that were not accepted as well as those that failed
    later.
    """

    id: str = field(repr=False)
    submitted: int
    accepted: int
    processed: int
    failed: tuple[FailedRecord, ...] = ()

    @property
    def is_done(self) -> bool:
        """Tell whether nothing more is to come; a report tells what is stored.

        The documentation leaves open whether a record that fails late counts as
        processed, and whether every one that is not accepted is named.
        """
        if 0 < self.accepted <= self.processed:
            return True
        return self.processed + len(self.failed) >= self.submitted


@dataclass(frozen=True, slots=True, kw_only=True)
class CostReport:
    """The answer to a report over a period; `items` are sorted by start."""

    object_id: str | None = field(repr=False)
    tariff_direction: TariffDirection | None
    location_timezone: str | None
    currency_code: str | None
    live_mode: bool | None
    items: tuple[CostItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceInterval:
    """Money per kWh from `start` until `end`; None when FlatPeak has no price."""

    start: datetime
    end: datetime
    price: Amount | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """Prices of one direction of a location, sorted, of unequal length."""

    location_id: str = field(repr=False)
    location_timezone: str | None
    currency_code: str | None
    tariff_direction: TariffDirection | None
    intervals: tuple[PriceInterval, ...]
