"""Which statistic a meter's costs are in, by what the recorder has already."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from custom_components.flatpeak.metering import Hour, Reporting
from custom_components.flatpeak.meters import Meter
from custom_components.flatpeak.series import Basis, all_series, cost_id

HOME, KEY = "loc_home", "1a2b3c4d"
METER = Meter(
    key=KEY,
    source="sensor.grid_import",
    source_registry_id=None,
    direction="import",
    kind="grid",
    reporting=Reporting.CONTINUOUS,
    max_power_kw=70,
    title="Grid import",
    subentry_id="1",
)
FIRST, DOLLARS = cost_id(HOME, KEY), cost_id(HOME, KEY, "USD")
HOUR = Hour(mwh=1, money={"USD": Decimal(1)}, carbon=None)
BASIS = Basis(title=METER.title, currency="USD", sign=1)


@pytest.mark.parametrize(
    ("units", "identity"),
    [
        ({}, FIRST),
        ({FIRST: "USD"}, FIRST),
        ({FIRST: "EUR"}, DOLLARS),
        ({FIRST: "EUR", DOLLARS: "USD"}, DOLLARS),
        ({DOLLARS: "USD"}, DOLLARS),  # that of euros, which ended, was deleted
    ],
)
def test_a_currency_has_one_series(units: dict[str, str], identity: str) -> None:
    """The first one has no name in its id; each keeps the series that it has."""
    known: Any = {id_: {"unit_of_measurement": unit} for id_, unit in units.items()}
    found = all_series(
        HOME, METER, BASIS, {datetime(2026, 11, 11, tzinfo=UTC): HOUR}, known
    )
    costs = [one.id for one in found if one.meta["unit_of_measurement"] == "USD"]
    assert costs == [identity]
