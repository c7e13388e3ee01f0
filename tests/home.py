"""A home for tests: sensors in a Home Assistant with a real recorder, and a clock."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.recorder.db_schema import RecorderRuns
from homeassistant.components.recorder.tasks import CompileMissingStatisticsTask
from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.recorder import get_instance, session_scope
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)
from sqlalchemy import text

from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.meters import new_meter

from .simulator import FlatPeakSimulator

ACCOUNT = "acc_example"
KEY = "sk_live_example"
SLOT = timedelta(minutes=5)

ENERGY = {
    "device_class": "energy",
    "state_class": "total_increasing",
    "unit_of_measurement": "kWh",
}
POWER = {
    "device_class": "power",
    "state_class": "measurement",
    "unit_of_measurement": "W",
}

# kWh that each source uses in the slot that begins at an instant.
type Usage = Callable[[datetime], Mapping[str, float]]


class Home:
    """Sensors, a FlatPeak of their own and the time that passes for both."""

    def __init__(
        self,
        hass: HomeAssistant,
        simulator: FlatPeakSimulator,
        freezer: FrozenDateTimeFactory,
    ) -> None:
        """Begin without sensors; the simulator's clock is ours."""
        self.hass = hass
        self.simulator = simulator
        self.freezer = freezer
        self.registers: dict[str, Decimal] = {}
        simulator.clock = dt_util.utcnow

    def add_sensor(self, source: str, kwh: float = 1000) -> None:
        """Add an energy sensor with a register that stands at `kwh`."""
        self.registers[source] = Decimal(str(kwh))
        self.report(source)

    def report(self, source: str) -> None:
        """Let a sensor report its register."""
        self.hass.states.async_set(source, str(self.registers[source]), ENERGY)

    def add_entry(
        self,
        location_id: str,
        meters: Mapping[str, tuple[str, str]],
        *,
        entry_id: str | None = None,
        **options: Any,
    ) -> MockConfigEntry:
        """Add a config entry; `meters` maps a source to its direction and kind."""
        entry = self.new_entry(location_id, meters, entry_id=entry_id, **options)
        entry.add_to_hass(self.hass)
        return entry

    def new_entry(
        self,
        location_id: str,
        meters: Mapping[str, tuple[str, str]],
        *,
        entry_id: str | None = None,
        **options: Any,
    ) -> MockConfigEntry:
        """Return a config entry as the set-up flow makes it; it is not added yet."""
        return MockConfigEntry(
            domain=DOMAIN,
            entry_id=entry_id,
            title="Home",
            unique_id=location_id,
            data={
                "account_id": ACCOUNT,
                "api_key": KEY,
                "base_url": self.simulator.url,
                "location_id": location_id,
            },
            options={"window": 30, "include_carbon": True, **options},
            subentries_data=[
                _meter(self.hass, location_id, source, direction, kind)
                # The same id each time, as it is when Home Assistant starts again.
                | {"subentry_id": source}
                for source, (direction, kind) in meters.items()
            ],
        )

    async def set_up(self, entry: MockConfigEntry) -> None:
        """Set the entry up and wait for the first poll."""
        await self.hass.config_entries.async_setup(entry.entry_id)
        await self.hass.async_block_till_done(wait_background_tasks=True)

    async def go_to(self, time: datetime) -> None:
        """Let the clock jump, and what is due happen."""
        self.freezer.move_to(time)
        async_fire_time_changed(self.hass, time)
        await self.hass.async_block_till_done(wait_background_tasks=True)

    async def live(self, until: datetime, usage: Usage) -> None:
        """Live slot by slot, as the recorder does: statistics, then our push."""
        start = dt_util.utcnow().replace(second=0, microsecond=0)
        start -= timedelta(minutes=start.minute % 5)
        while start < until:
            await self.live_slot(start, usage(start))
            start += SLOT

    async def live_slot(self, start: datetime, used: Mapping[str, float]) -> None:
        """Live one slot, push included."""
        await self.live_rows(start, used)
        await self.go_to(start + SLOT + timedelta(seconds=75))  # the push

    async def live_rows(self, start: datetime, used: Mapping[str, float]) -> None:
        """Live one slot: half-way the sensors report what was used."""
        middle = start + SLOT / 2
        if dt_util.utcnow() < middle:
            self.freezer.move_to(middle)
        for source, kwh in used.items():
            self.registers[source] += Decimal(str(kwh))
            self.report(source)
        await self.hass.async_block_till_done()
        end = start + SLOT
        await self.go_to(end + timedelta(seconds=10))  # the recorder's own run
        await async_wait_recording_done(self.hass)

    async def restart(self, entry: MockConfigEntry, back: datetime) -> None:
        """Be down until an instant."""
        await self.hass.config_entries.async_unload(entry.entry_id)
        await self.come_back(back)
        await self.set_up(entry)

    async def come_back(self, back: datetime) -> None:
        """Let the recorder begin a run, and write what it missed."""
        instance = get_instance(self.hass)
        await instance.async_add_executor_job(_begin_run, self.hass, back)
        self.freezer.move_to(back)
        # At once: else the recorder's own run would come first, and leave out the rest.
        instance.queue_task(CompileMissingStatisticsTask())
        await async_wait_recording_done(self.hass)

    async def rename_table(self, old: str, new: str) -> None:
        """Rename a table of the recorder: what needs it fails."""

        def rename() -> None:
            with session_scope(hass=self.hass) as session:
                session.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))

        await get_instance(self.hass).async_add_executor_job(rename)

    def state(self, key: str, meter: str = "location") -> State:
        """Return the state of a sensor by the end of its unique id."""
        registry = er.async_get(self.hass)
        for entry in registry.entities.values():
            if entry.platform == DOMAIN and entry.unique_id.endswith(f"_{meter}_{key}"):
                state = self.hass.states.get(entry.entity_id)
                assert state is not None
                return state
        raise KeyError(key)

    def value(self, key: str, meter: str = "location") -> Decimal:
        """Return the number that a sensor shows."""
        return Decimal(self.state(key, meter).state)


def _begin_run(hass: HomeAssistant, start: datetime) -> None:
    """Let the recorder begin a run, as it does when Home Assistant starts."""
    with session_scope(hass=hass) as session:
        session.add(RecorderRuns(start=start, created=start))


def _meter(
    hass: HomeAssistant, location_id: str, source: str, direction: str, kind: str
) -> ConfigSubentryData:
    """Describe a meter as the set-up flow does."""
    entity = er.async_get(hass).async_get(source)
    return new_meter(
        location_id,
        source,
        registry_id=entity.id if entity else None,
        title=source.removeprefix("sensor.").replace("_", " ").capitalize(),
        direction=direction,
        kind=kind,
    )
