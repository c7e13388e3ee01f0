"""What a meter subentry is."""

from types import MappingProxyType

from homeassistant.config_entries import ConfigSubentry, ConfigSubentryData
import pytest

from custom_components.flatpeak.metering.model import Reporting
from custom_components.flatpeak.meters import (
    Meter,
    device_reference_id,
    meter_key,
    new_meter,
)

LOCATION = "loc_64f1c0ffee0123456789abcd"


def _stored(data: ConfigSubentryData) -> ConfigSubentry:
    """Return the subentry as Home Assistant keeps it."""
    return ConfigSubentry(
        data=MappingProxyType(dict(data["data"])),
        subentry_type=data["subentry_type"],
        title=data["title"],
        unique_id=data["unique_id"],
    )


def test_key_is_pinned() -> None:
    """A key never changes: FlatPeak's devices and the totals hang on it."""
    # printf '%s' 'loc_64f1c0ffee0123456789abcd|import|sensor.grid' | sha256sum
    assert meter_key(LOCATION, "import", "sensor.grid") == "4fb5771b"
    assert device_reference_id("4fb5771b") == "ha-4fb5771b"


def test_key_depends_on_each_part() -> None:
    """Location, direction and source make the meter."""
    keys = {
        meter_key(location, direction, source)
        for location in (LOCATION, "loc_other")
        for direction in ("import", "export")
        for source in ("sensor.grid", "sensor.heat_pump")
    }
    assert len(keys) == 8


@pytest.mark.parametrize(
    ("kind", "max_power"), [("grid", 70), ("device", 30)], ids=["grid", "device"]
)
def test_new_meter_is_read_back(kind: str, max_power: int) -> None:
    """What the flow stores is what the meter reads."""
    data = new_meter(
        LOCATION,
        "sensor.grid",
        registry_id=None,
        title="Grid import",
        direction="import",
        kind=kind,
    )
    key = meter_key(LOCATION, "import", "sensor.grid")
    assert data == {
        "subentry_type": "meter",
        "title": "Grid import",
        "unique_id": key,
        "data": {
            "source": "sensor.grid",
            "source_registry_id": None,
            "direction": "import",
            "kind": kind,
            "reporting": "continuous",
            "max_power": max_power,
            "meter_key": key,
        },
    }
    subentry = _stored(data)
    assert Meter.from_subentry(subentry) == Meter(
        key=key,
        source="sensor.grid",
        source_registry_id=None,
        direction="import",
        kind=kind,
        reporting=Reporting.CONTINUOUS,
        max_power_kw=max_power,
        title="Grid import",
        subentry_id=subentry.subentry_id,
    )


def test_key_follows_the_registry() -> None:
    """A renamed entity is the same meter."""
    before, after = (
        new_meter(
            LOCATION,
            source,
            registry_id="0123456789abcdef",
            title="Grid import",
            direction="import",
            kind="grid",
        )
        for source in ("sensor.grid", "sensor.renamed")
    )
    assert before["unique_id"] == after["unique_id"]
    assert before["unique_id"] == meter_key(LOCATION, "import", "0123456789abcdef")
    assert after["data"]["source"] == "sensor.renamed"
