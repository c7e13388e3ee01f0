"""Whether a statistic can be a meter, before it becomes one."""

from datetime import UTC, datetime, timedelta
import json
from pathlib import Path

from homeassistant.core import HomeAssistant
import pytest

from custom_components.flatpeak.meter_check import (
    Candidate,
    Doubt,
    Problem,
    async_describe,
    find_doubts,
)
from custom_components.flatpeak.metering import Row, SourceKind
from custom_components.flatpeak.sources import Dashboard

from .past import SLOT, hourly

NOW = datetime(2026, 11, 11, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
GRID = Candidate(source="sensor.grid", direction="import", kind="grid")
PUMP = Candidate(source="sensor.pump", direction="import", kind="device")
UTILITY = Candidate(source="utility:grid", direction="import", kind="grid")
EMPTY = Dashboard()


def one_row(end: datetime, length: timedelta = SLOT) -> list[Row]:
    """Return a row."""
    return [Row(start=end - length, end=end, state=1.0, sum=1.0)]


@pytest.mark.parametrize(
    ("candidate", "rows", "shown", "silent"),
    [
        (GRID, [], "12.3", False),
        (GRID, [], "unavailable", True),
        (GRID, [], "unknown", True),
        (GRID, one_row(NOW - timedelta(hours=23)), "unavailable", False),
        (GRID, one_row(NOW - timedelta(hours=25)), "unavailable", True),
        (GRID, one_row(NOW - timedelta(hours=25)), "12.3", False),
        (UTILITY, [], None, True),
        (UTILITY, one_row(NOW - timedelta(days=6), HOUR), None, False),
        (UTILITY, one_row(NOW - timedelta(days=8), HOUR), None, True),
    ],
)
def test_recent_data(
    candidate: Candidate, rows: list[Row], shown: str | None, *, silent: bool
) -> None:
    """A day without data is doubtful; a new sensor that has a value is not."""
    found = find_doubts(candidate, SourceKind.ENERGY, rows, EMPTY, shown, NOW)
    assert found == ([Doubt.SILENT] if silent else [])


@pytest.mark.parametrize(
    ("candidate", "kind", "found"),
    [
        (GRID, SourceKind.POWER, [Doubt.POWER_ON_GRID]),
        (PUMP, SourceKind.POWER, []),
        (GRID, SourceKind.ENERGY, []),
    ],
)
def test_power_on_the_grid(
    candidate: Candidate, kind: SourceKind, found: list[Doubt]
) -> None:
    """Power will do for an appliance."""
    assert find_doubts(candidate, kind, [], EMPTY, "1", NOW) == found


@pytest.mark.parametrize(
    ("candidate", "kind", "found"),
    [
        (GRID, SourceKind.ENERGY, [Doubt.LOOKS_HOURLY]),
        (PUMP, SourceKind.ENERGY, [Doubt.LOOKS_HOURLY]),
        (PUMP, SourceKind.POWER, []),
        (UTILITY, SourceKind.ENERGY, []),
    ],
)
def test_hourly(candidate: Candidate, kind: SourceKind, found: list[Doubt]) -> None:
    """Only a register can be seen to report hourly."""
    assert find_doubts(candidate, kind, hourly(NOW), EMPTY, "1", NOW) == found


@pytest.mark.parametrize(
    ("dashboard", "direction", "kind", "found"),
    [
        (Dashboard(exports=("sensor.grid",)), "import", "grid", True),
        (Dashboard(imports=("sensor.grid",)), "export", "grid", True),
        (Dashboard(imports=("sensor.grid",)), "import", "grid", False),
        (Dashboard(exports=("sensor.grid",)), "import", "device", False),
        (
            Dashboard(exports=("sensor.grid",), imports=("sensor.grid",)),
            "import",
            "grid",
            False,
        ),
    ],
)
def test_direction(
    dashboard: Dashboard, direction: str, kind: str, *, found: bool
) -> None:
    """The dashboard may know better which way the energy flows."""
    candidate = Candidate(source="sensor.grid", direction=direction, kind=kind)
    doubts = find_doubts(candidate, SourceKind.ENERGY, [], dashboard, "1", NOW)
    assert doubts == ([Doubt.OTHER_DIRECTION] if found else [])


@pytest.mark.usefixtures("enable_custom_integrations")
async def test_every_doubt_has_a_text(hass: HomeAssistant) -> None:
    """Each is an amber box of its own, that names the sensor it is about."""
    names = {"source": "The meter", "until": "yesterday", "home": "Cabin"}
    text = await async_describe(hass, [(doubt, names) for doubt in Doubt])
    boxes = text.split("\n\n")
    assert len(set(boxes)) == len(Doubt)
    assert all(box.startswith('<ha-alert alert-type="warning">') for box in boxes)
    assert [
        doubt for doubt, box in zip(Doubt, boxes, strict=True) if "The meter" not in box
    ] == [Doubt.TEST_MODE]
    assert await async_describe(hass, []) == ""


def test_every_problem_has_a_text() -> None:
    """In both dialogues that can have it."""
    path = Path("custom_components/flatpeak/translations/en.json")
    texts = json.loads(path.read_text())
    for problem in Problem:
        assert texts["config"]["error"][problem]
        assert texts["config_subentries"]["meter"]["error"][problem]
