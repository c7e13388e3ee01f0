"""Sensors: what each meter and the location cost."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    EntityCategory,
    Platform,
    UnitOfEnergy,
    UnitOfMass,
    UnitOfRatio,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.typing import StateType

from .coordinator import FlatPeakConfigEntry, FlatPeakCoordinator
from .entity import FlatPeakEntity, async_forget
from .metering import Total
from .meters import Meter
from .problem import PROBLEMS
from .snapshot import Figures, Periods, Snapshot

PARALLEL_UPDATES = 0

TARIFF_STATUSES = ["connected", "not_connected", "error", "not_supported"]

type Value = StateType | Decimal | date | datetime
type TotalOf = Callable[[Figures], Total | None]
type StartOf = Callable[[Periods], date]


@dataclass(frozen=True, kw_only=True)
class FlatPeakSensorEntityDescription(SensorEntityDescription):
    """A sensor that reads one value of a snapshot, and of its device's figures.

    A period's sensor names the local day on which the period begins, and its total.
    `money` is what follows the currency in the unit; None is no money. `others` is what
    others recorded at the location, and not its total.
    """

    value_fn: Callable[[Snapshot, Figures], Value]
    exists_fn: Callable[[FlatPeakCoordinator], bool] = lambda _: True
    first_day_fn: StartOf | None = None
    total_fn: TotalOf | None = None
    money: str | None = None
    others: bool = False


# What the figures of a period say, and how it is shown.
MEASURES: dict[str, tuple[Callable[[Total], Decimal | None], dict[str, Any]]] = {
    "cost": (
        lambda total: total.money,
        {
            "device_class": SensorDeviceClass.MONETARY,
            "suggested_display_precision": 2,
            "money": "",
        },
    ),
    "energy": (
        lambda total: total.kwh,
        {
            "device_class": SensorDeviceClass.ENERGY,
            "native_unit_of_measurement": UnitOfEnergy.KILO_WATT_HOUR,
            "suggested_display_precision": 2,
        },
    ),
    "carbon": (  # grams of CO2 equivalent
        lambda total: total.carbon,
        {
            "device_class": SensorDeviceClass.WEIGHT,
            "native_unit_of_measurement": UnitOfMass.GRAMS,
            "suggested_display_precision": 0,
        },
    ),
}
PERIODS: dict[str, tuple[TotalOf, StartOf | None]] = {
    "today": (lambda figures: figures.today, lambda periods: periods.today),
    "this_month": (lambda figures: figures.this_month, lambda periods: periods.month),
    "yesterday": (lambda figures: figures.yesterday, lambda periods: periods.yesterday),
    "last_month": (
        lambda figures: figures.last_month,
        lambda periods: periods.last_month,
    ),
    "this_year": (lambda figures: figures.this_year, lambda periods: periods.year),
    "total": (lambda figures: figures.all_time, None),
}


def _sum(
    measure: str, period: str, *, enabled: bool = True
) -> FlatPeakSensorEntityDescription:
    """Describe the sum of a period."""
    value, shown = MEASURES[measure]
    total_of, first_day = PERIODS[period]

    def read(_: Snapshot, figures: Figures) -> Decimal | None:
        total = total_of(figures)
        return value(total) if total else None

    return FlatPeakSensorEntityDescription(
        key=f"{measure}_{period}",
        translation_key=f"{measure}_{period}",
        state_class=SensorStateClass.TOTAL,
        entity_registry_enabled_default=enabled,
        value_fn=read,
        first_day_fn=first_day,
        total_fn=total_of,
        **shown,
    )


PERIOD_SENSORS = (
    _sum("cost", "today"),
    _sum("cost", "this_month"),
    _sum("energy", "today"),
    _sum("energy", "this_month"),
    _sum("cost", "yesterday", enabled=False),
    _sum("cost", "last_month", enabled=False),
    _sum("carbon", "today", enabled=False),
    _sum("carbon", "this_month", enabled=False),
    FlatPeakSensorEntityDescription(
        key="data_until",
        translation_key="data_until",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda _, figures: figures.data_until,
    ),
)

# What only our own books know.
LONG_SENSORS = (
    _sum("cost", "this_year", enabled=False),
    _sum("cost", "total", enabled=False),
)
OUTBOX_SENSORS = (
    FlatPeakSensorEntityDescription(
        key="pending_records",
        translation_key="pending_records",
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda _, figures: figures.pending,
    ),
)

LAST_ERROR = FlatPeakSensorEntityDescription(
    key="last_error",
    translation_key="last_error",
    device_class=SensorDeviceClass.ENUM,
    entity_category=EntityCategory.DIAGNOSTIC,
    options=PROBLEMS,
    value_fn=lambda _, figures: figures.problem,
)

METER_SENSORS = (
    FlatPeakSensorEntityDescription(
        key="current_cost",
        translation_key="current_cost",
        device_class=SensorDeviceClass.MONETARY,
        suggested_display_precision=4,
        value_fn=lambda _, figures: figures.current_cost,
        money="",
    ),
    FlatPeakSensorEntityDescription(
        key="cost_rate",
        translation_key="cost_rate",
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=3,
        value_fn=lambda _, figures: figures.rate,
        money="/h",
    ),
    *PERIOD_SENSORS,
    *LONG_SENSORS,
    *OUTBOX_SENSORS,
    FlatPeakSensorEntityDescription(
        key="measured_share",
        translation_key="measured_share",
        entity_category=EntityCategory.DIAGNOSTIC,
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        entity_registry_enabled_default=False,
        value_fn=lambda _, figures: _measured_share(figures.this_month),
    ),
    replace(LAST_ERROR, entity_registry_enabled_default=False),
)

# What others recorded at the location, which is a part of its totals.
OTHERS_SENSORS = tuple(
    replace(
        _sum("cost", period, enabled=False),
        key=f"others_cost_{period}",
        translation_key=f"others_cost_{period}",
        others=True,
    )
    for period in ("today", "this_month")
)

LOCATION_SENSORS = (
    FlatPeakSensorEntityDescription(
        key="price",
        translation_key="price",
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=4,
        value_fn=lambda snapshot, _: snapshot.price,
        money="/kWh",
    ),
    FlatPeakSensorEntityDescription(
        key="export_price",
        translation_key="export_price",
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=4,
        value_fn=lambda snapshot, _: snapshot.export_price,
        exists_fn=lambda coordinator: coordinator.poll.sells,
        money="/kWh",
    ),
    FlatPeakSensorEntityDescription(
        key="tariff_status",
        translation_key="tariff_status",
        device_class=SensorDeviceClass.ENUM,
        entity_category=EntityCategory.DIAGNOSTIC,
        options=TARIFF_STATUSES,
        value_fn=lambda snapshot, _: _tariff_status(snapshot.tariff_status),
    ),
    LAST_ERROR,
    *PERIOD_SENSORS,
)

# Of a location whose past was fetched, or is being.
PROGRESS = FlatPeakSensorEntityDescription(
    key="backfill_progress",
    translation_key="backfill_progress",
    native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
    entity_category=EntityCategory.DIAGNOSTIC,
    value_fn=lambda snapshot, _: snapshot.backfill_progress,
    exists_fn=lambda coordinator: coordinator.data.backfill_progress is not None,
)


def _measured_share(total: Total | None) -> Decimal | None:
    """Return the percentage of energy that was measured, not spread over a gap."""
    return total.measured_share if total else None


def _tariff_status(status: str | None) -> str | None:
    """Return a state for the location's import tariff; None for a new word."""
    known = (status or "").lower()
    return known if known in TARIFF_STATUSES else None


async def async_setup_entry(
    hass: HomeAssistant,
    entry: FlatPeakConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the sensors of the location and of each meter."""
    coordinator = entry.runtime_data
    location_id, poll = coordinator.location_id, coordinator.poll
    of_location = [*LOCATION_SENSORS, PROGRESS]
    for there, some in (
        (bool(coordinator.meters), OUTBOX_SENSORS),
        (poll.has_grid_meter, OTHERS_SENSORS),
        (poll.has_import_meter, LONG_SENSORS),
    ):
        if there:
            of_location += some
        else:
            async_forget(hass, Platform.SENSOR, location_id, some)
    _follow(coordinator, async_add_entities, None, of_location)
    for meter in coordinator.meters.values():
        _follow(coordinator, async_add_entities, meter, METER_SENSORS)


def _follow(
    coordinator: FlatPeakCoordinator,
    add: AddConfigEntryEntitiesCallback,
    meter: Meter | None,
    descriptions: Iterable[FlatPeakSensorEntityDescription],
) -> None:
    """Add each sensor of a device as soon as there is something for it to show."""
    waiting = list(descriptions)

    @callback
    def look() -> None:
        if found := [each for each in waiting if _exists(coordinator, each)]:
            waiting[:] = [each for each in waiting if each not in found]
            add(
                [FlatPeakSensor(coordinator, meter, each) for each in found],
                config_subentry_id=meter.subentry_id if meter else None,
            )

    coordinator.config_entry.async_on_unload(coordinator.async_add_listener(look))
    look()


def _exists(
    coordinator: FlatPeakCoordinator, description: FlatPeakSensorEntityDescription
) -> bool:
    """Return whether a sensor has anything to show; money needs a currency."""
    has_unit = description.money is None or bool(coordinator.data.currency)
    return has_unit and description.exists_fn(coordinator)


class FlatPeakSensor(FlatPeakEntity, SensorEntity):
    """A figure of a meter, or of the location."""

    entity_description: FlatPeakSensorEntityDescription

    def __init__(
        self,
        coordinator: FlatPeakCoordinator,
        meter: Meter | None,
        description: FlatPeakSensorEntityDescription,
    ) -> None:
        """Take the unit of money from the location's currency."""
        super().__init__(coordinator, meter, description)
        self._take_unit()

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        """Follow the location's currency, too."""
        self._take_unit()
        super()._handle_coordinator_update()

    def _take_unit(self) -> None:
        """Take the currency, if it is known, as the unit of money."""
        money, currency = self.entity_description.money, self.coordinator.data.currency
        if money is not None and currency:
            self._attr_native_unit_of_measurement = f"{currency}{money}"

    @property
    def _figures(self) -> Figures:
        """Return what is known of this device."""
        snapshot = self.coordinator.data
        if self.entity_description.others:
            return snapshot.others
        return snapshot.meters[self.meter.key] if self.meter else snapshot.location

    @property
    def _begins(self) -> datetime | None:
        """Return when the sensor's period began, in the location's zone."""
        if (first_day := self.entity_description.first_day_fn) is None:
            return None
        periods = self.coordinator.data.periods
        return periods.start(first_day(periods)).astimezone(periods.zone)

    @property
    @override
    def native_value(self) -> Value:
        """Return the figure; None is unknown, which is not zero."""
        return self.entity_description.value_fn(self.coordinator.data, self._figures)

    @property
    @override
    def last_reset(self) -> datetime | None:
        """Return the start of the period."""
        return self._begins

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Say since when we count, and how much of it others recorded.

        That is said where there is such a thing. A total of all time has no beginning
        but ours.
        """
        if self.entity_description.total_fn is None:
            return None
        attributes: dict[str, Any] = {}
        begins, since = self._begins, self._figures.since
        if since and (begins is None or since > begins):
            attributes["since"] = since.isoformat()
        if not self.meter and (total := self._total_of(self.coordinator.data.others)):
            attributes["others"] = None if total.money is None else float(total.money)
        return attributes or None

    def _total_of(self, others: Figures) -> Total | None:
        """Return what of a total of money others recorded; None where nothing is."""
        description = self.entity_description
        if description.others or description.money is None or not description.total_fn:
            return None
        total = description.total_fn(others)
        return total if total and (total.priced or total.unpriced) else None
