"""Which statistics a meter has, what they are called, and what is in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from homeassistant.components.recorder.models import (
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.const import UnitOfEnergy, UnitOfMass
from homeassistant.util import slugify
from homeassistant.util.unit_conversion import EnergyConverter, MassConverter

from .const import DIRECTION_EXPORT, DOMAIN
from .metering import Hour
from .meters import Meter

MWH_PER_KWH = 1_000_000
UNITS: dict[str, str] = {
    EnergyConverter.UNIT_CLASS: UnitOfEnergy.KILO_WATT_HOUR,
    MassConverter.UNIT_CLASS: UnitOfMass.GRAMS,
}

type Hourly = Mapping[datetime, Hour]
type Values = Mapping[datetime, Decimal | None]
type Known = Mapping[str, StatisticMetaData]


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What all hours of a meter depend on, besides the book.

    `sign` is -1 where FlatPeak gives what was earned a minus sign: the Energy
    dashboard wants it positive.
    """

    title: str
    currency: str | None
    sign: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One statistic: what it is called, and the values of some hours, in order."""

    meta: StatisticMetaData
    values: Values

    @property
    def id(self) -> str:
        """Return the statistic id."""
        return self.meta["statistic_id"]


def statistic_id(location_id: str, meter: str, key: str) -> str:
    """Return the id of a meter's statistic: `energy`, `cost` or `carbon`."""
    return f"{DOMAIN}:{slugify(f'{location_id}_{meter}_{key}')}"


def cost_id(location_id: str, meter: str, currency: str | None = None) -> str:
    """Return the id of a meter's cost: a later currency than the first is named."""
    base = statistic_id(location_id, meter, "cost")
    return f"{base}_{slugify(currency)}" if currency else base


def cost_meta(
    location_id: str, meter: str, currency: str | None, known: Known
) -> StatisticMetaData | None:
    """Return the cost of a meter in a currency; None: there is none."""
    ids = cost_id(location_id, meter), cost_id(location_id, meter, currency)
    found = [known[identity] for identity in ids if identity in known]
    metas = (meta for meta in found if meta["unit_of_measurement"] == currency)
    return next(metas, None) if currency else None


def all_series(
    location_id: str, meter: Meter, basis: Basis, found: Hourly, known: Known
) -> list[Series]:
    """Return the series of a meter, by what the recorder knows of them already.

    Energy and cost are there before their first row, so that they can be chosen.
    Without a currency there is no cost.
    """
    energy = _series(
        statistic_id(location_id, meter.key, "energy"),
        f"{meter.title} \N{EN DASH} energy (FlatPeak)",
        UnitOfEnergy.KILO_WATT_HOUR,
        {hour: Decimal(one.mwh) / MWH_PER_KWH for hour, one in found.items()},
        EnergyConverter.UNIT_CLASS,
    )
    carbon = _series(
        statistic_id(location_id, meter.key, "carbon"),
        f"{meter.title} \N{EN DASH} carbon (FlatPeak)",
        UnitOfMass.GRAMS,
        # Reports do not tell it: what a row has from an answer stays.
        {h: one.carbon for h, one in found.items() if one.carbon is not None},
        MassConverter.UNIT_CLASS,
    )
    has_carbon = carbon.id in known or any(one.carbon for one in found.values())
    costs = _costs(location_id, meter, basis, found, known)
    return [energy, *costs, *([carbon] if has_carbon else [])]


def _costs(
    location_id: str, meter: Meter, basis: Basis, found: Hourly, known: Known
) -> list[Series]:
    """Return one series for each currency."""
    in_hours = dict.fromkeys(name for one in found.values() for name in one.money)
    currencies = [name for name in (*in_hours, basis.currency) if name]
    base = known.get(cost_id(location_id, meter.key))
    # A currency with a series of its own keeps it, also when the first one is gone.
    own = {name: cost_id(location_id, meter.key, name) for name in currencies}
    unserved = next((name for name in own if own[name] not in known), None)
    first = base["unit_of_measurement"] if base else unserved
    result = []
    for currency in dict.fromkeys(currencies):
        later = None if currency == first else currency
        values = {
            hour: one.money[currency] * basis.sign if currency in one.money else None
            for hour, one in found.items()
        }
        identity = cost_id(location_id, meter.key, later)
        result.append(_series(identity, _cost_name(meter, later), currency, values))
    return result


def _cost_name(meter: Meter, currency: str | None) -> str:
    """Return what a series is called: the word is the one of the Energy dashboard."""
    word = "compensation" if meter.direction == DIRECTION_EXPORT else "cost"
    unit = f" in {currency}" if currency else ""
    return f"{meter.title} \N{EN DASH} {word}{unit} (FlatPeak)"


def _series(
    identity: str, name: str, unit: str, values: Values, unit_class: str | None = None
) -> Series:
    """Describe a statistic of sums."""
    return Series(
        meta=StatisticMetaData(
            has_sum=True,
            mean_type=StatisticMeanType.NONE,
            name=name,
            source=DOMAIN,
            statistic_id=identity,
            unit_class=unit_class,
            unit_of_measurement=unit,
        ),
        values=values,
    )
