"""Priced windows, and what they sum to."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from decimal import Decimal
from enum import StrEnum
from typing import Self

from .calendar import local_date


class Origin(StrEnum):
    """Where a window's money comes from."""

    INSTANT = "instant"  # the answer to the record itself
    REPORT = "report"  # the interval report
    QUOTE = "quote"  # a price asked for without storing the record
    REVISED = "revised"  # a quote: FlatPeak's record has the energy of before
    CARRIED = "carried"  # too little for a whole Wh: it rides in the next record


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedWindow:
    """A line of the book: energy in mWh, money in large units, carbon in g CO2eq."""

    start: datetime
    end: datetime
    mwh: int
    money: Decimal | None = None
    currency: str | None = None
    carbon: Decimal | None = None
    confidence: Decimal | None = None
    origin: Origin | None = None
    estimated: bool = False
    partial: bool = False
    doubted: bool = False  # the price cannot be right: the money is not counted

    @property
    def is_priced(self) -> bool:
        """Return whether there is money to count."""
        return self.money is not None and not self.doubted

    def counted_in(self, currency: str | None) -> Self:
        """Return the line without its money where that is of another currency."""
        if currency is None or self.currency in (None, currency):
            return self
        return replace(self, money=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """The sum of windows with energy. Properties are None where it is unknown.

    A carried window is neither priced nor unpriced: the next record has its cost.
    """

    mwh: int = 0
    priced: int = 0
    unpriced: int = 0
    money_sum: Decimal = Decimal(0)
    carbon_sum: Decimal = Decimal(0)
    without_carbon: int = 0
    estimated: int = 0  # mWh of windows that a gap was spread over

    @property
    def kwh(self) -> Decimal:
        """Return the energy in kWh."""
        return Decimal(self.mwh) / 1_000_000

    @property
    def money(self) -> Decimal | None:
        """Return what is priced; None when there is energy and none of it is."""
        return None if self.unpriced and not self.priced else self.money_sum

    @property
    def carbon(self) -> Decimal | None:
        """Return grams of CO2 equivalent; None when any window lacks them.

        A partial sum would look like a good figure: nothing says how much is missing.
        """
        return None if self.without_carbon else self.carbon_sum

    @property
    def measured_share(self) -> Decimal | None:
        """Return the percentage of energy in windows that were measured throughout."""
        if not self.mwh:
            return None
        return 100 - Decimal(100 * self.estimated) / self.mwh

    def __add__(self, other: Total) -> Total:
        """Join two sets of windows."""
        return Total(
            mwh=self.mwh + other.mwh,
            priced=self.priced + other.priced,
            unpriced=self.unpriced + other.unpriced,
            money_sum=self.money_sum + other.money_sum,
            carbon_sum=self.carbon_sum + other.carbon_sum,
            without_carbon=self.without_carbon + other.without_carbon,
            estimated=self.estimated + other.estimated,
        )

    def __sub__(self, other: Total) -> Total:
        """Return the net of what was bought and what was sold."""
        return self + Total(
            mwh=-other.mwh,
            priced=other.priced,
            unpriced=other.unpriced,
            money_sum=-other.money_sum,
            carbon_sum=-other.carbon_sum,
            without_carbon=other.without_carbon,
            estimated=-other.estimated,
        )

    def signed(self, sign: int) -> Total:
        """Return the same with the sign of its money changed, or not."""
        return replace(self, money_sum=self.money_sum * sign)

    @classmethod
    def of(cls, windows: Iterable[PricedWindow]) -> Total:
        """Sum windows; those without energy have nothing to sum."""
        return cls.joined(cls._line(line) for line in windows if line.mwh)

    @classmethod
    def joined(cls, totals: Iterable[Total]) -> Total:
        """Join many totals; thousands of them in a few milliseconds."""
        mwh = priced = unpriced = without_carbon = estimated = 0
        money = carbon = Decimal(0)
        for total in totals:
            mwh += total.mwh
            priced += total.priced
            unpriced += total.unpriced
            money += total.money_sum
            carbon += total.carbon_sum
            without_carbon += total.without_carbon
            estimated += total.estimated
        return cls(
            mwh=mwh,
            priced=priced,
            unpriced=unpriced,
            money_sum=money,
            carbon_sum=carbon,
            without_carbon=without_carbon,
            estimated=estimated,
        )

    def without(self, other: Total) -> Total:
        """Return what is left when windows that were summed are taken out again."""
        return Total(
            mwh=self.mwh - other.mwh,
            priced=self.priced - other.priced,
            unpriced=self.unpriced - other.unpriced,
            money_sum=self.money_sum - other.money_sum,
            carbon_sum=self.carbon_sum - other.carbon_sum,
            without_carbon=self.without_carbon - other.without_carbon,
            estimated=self.estimated - other.estimated,
        )

    @classmethod
    def _line(cls, line: PricedWindow) -> Total:
        """Return the total of one window."""
        return cls(
            mwh=line.mwh,
            priced=int(line.is_priced and line.origin is not Origin.CARRIED),
            unpriced=int(not line.is_priced),
            money_sum=(line.money or Decimal(0)) if line.is_priced else Decimal(0),
            carbon_sum=line.carbon or Decimal(0),
            without_carbon=int(line.carbon is None),
            estimated=line.mwh if line.estimated else 0,
        )


class DaySums:
    """The total of each local day of a set of windows, kept up as they come and go."""

    def __init__(self, zone: tzinfo, currency: str | None = None) -> None:
        """Begin without windows; money of another currency is not counted."""
        self._zone = zone
        self._currency = currency
        self._counts: Counter[date] = Counter()
        self._totals: dict[date, Total] = {}

    def add(self, window: PricedWindow) -> None:
        """Take a window in."""
        day = local_date(window.start, self._zone)
        self._counts[day] += 1
        before = self._totals.get(day, Total())
        self._totals[day] = before + self._total(window)

    def remove(self, window: PricedWindow) -> None:
        """Take a window out that was taken in."""
        day = local_date(window.start, self._zone)
        self._counts[day] -= 1
        if self._counts[day]:
            self._totals[day] = self._totals[day].without(self._total(window))
        else:
            del self._counts[day], self._totals[day]

    def totals(self) -> dict[date, Total]:
        """Return the days that have windows."""
        return dict(self._totals)

    def _total(self, window: PricedWindow) -> Total:
        """Return what a window adds."""
        return Total.of([window.counted_in(self._currency)])
