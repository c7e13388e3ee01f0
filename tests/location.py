"""A location in London with one grid meter, and what it asks FlatPeak."""

from datetime import UTC, datetime, timedelta

from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntryState
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.coordinator import FlatPeakCoordinator

from .desk import is_record
from .home import Home
from .simulator.core import LoggedRequest

MORNING = datetime(2026, 11, 11, 8, tzinfo=UTC)
EVENING = datetime(2026, 11, 11, 23, 30, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 12, tzinfo=UTC)
SLOT = timedelta(minutes=5)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
JUST = 0.6 * SECOND  # timers of tests run up to half a second early

GRID = "sensor.grid_import"
GRID_METER = {GRID: ("import", "grid")}
WH = 80


def use(_: datetime) -> dict[str, float]:
    """Return what the grid meter uses in a slot, in kWh."""
    return {GRID: WH / 1000}


async def set_up(
    home: Home, location: str, meters: dict[str, tuple[str, str]] = GRID_METER
) -> MockConfigEntry:
    """Set an entry up, in windows of 5 minutes."""
    entry = home.add_entry(location, meters, window=5)
    await home.set_up(entry)
    assert entry.state is ConfigEntryState.LOADED
    return entry


def coordinator_of(entry: MockConfigEntry) -> FlatPeakCoordinator:
    """Return the coordinator of a loaded entry."""
    coordinator: FlatPeakCoordinator = entry.runtime_data
    return coordinator


def key_of(entry: MockConfigEntry) -> str:
    """Return the key of the first meter."""
    return next(iter(coordinator_of(entry).meters))


class Log:
    """The requests that arrive from now on."""

    def __init__(self, home: Home) -> None:
        """Begin after those that are there."""
        self._requests = home.simulator.requests
        self._seen = len(self._requests)

    def new(self) -> list[LoggedRequest]:
        """Return what arrived since the last look, but for records and log-ins."""
        new = self._requests[self._seen :]
        self._seen = len(self._requests)
        return [r for r in new if r.path != "/login" and not is_record(r)]

    def templates(self) -> list[str]:
        """Return what was asked since the last look."""
        return [request.template for request in self.new()]


def reauthentications(home: Home) -> int:
    """Return how many flows ask for a new key."""
    flows = home.hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    return sum(flow["context"]["source"] == SOURCE_REAUTH for flow in flows)


REPORT = "/costs/interval/{id}"
REPORTS = [REPORT, REPORT]  # what was bought, and what others sold
PRICES = "/prices/{id}"
LOCATION = "/locations/{id}"
