"""Readings that cannot be right are held back until the user decides."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus

from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.coordinator import FlatPeakCoordinator
from custom_components.flatpeak.issues import Issue, issue_id
from custom_components.flatpeak.journal import Status
from custom_components.flatpeak.repairs import async_create_fix_flow

from .home import ACCOUNT, Home

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
PUMP = "sensor.heat_pump"
CLAIM = 500  # kWh in 5 minutes: 6 MW

pytestmark = pytest.mark.freeze_time(BEGIN)


def use(_: datetime) -> dict[str, float]:
    """Return what the pump uses in a slot."""
    return {PUMP: 0.05}


@pytest.fixture
async def entry(home: Home) -> MockConfigEntry:
    """Return a home whose pump claimed the impossible an hour and a half ago."""
    location = home.simulator.add_location(ACCOUNT)
    home.add_sensor(PUMP)
    entry = home.add_entry(location, {PUMP: ("import", "grid")}, window=15)
    await home.set_up(entry)
    await home.live(BEGIN + timedelta(minutes=30), use)
    home.registers[PUMP] += CLAIM
    await home.live(BEGIN + timedelta(minutes=120), use)
    return entry


def meter_key(entry: MockConfigEntry) -> str:
    """Return the key of the only meter."""
    coordinator: FlatPeakCoordinator = entry.runtime_data
    return next(iter(coordinator.meters))


async def answer(
    home: Home, hass_client: ClientSessionGenerator, entry: MockConfigEntry, choice: str
) -> dict[str, object]:
    """Answer the repair as the frontend does."""
    assert await async_setup_component(home.hass, "repairs", {})
    client = await hass_client()
    url = "/api/repairs/issues/fix"
    identity = issue_id(entry.entry_id, Issue.QUARANTINE, meter_key(entry))
    body = {"handler": DOMAIN, "issue_id": identity}
    async with client.post(url, json=body) as response:
        assert response.status == HTTPStatus.OK
        menu = await response.json()
    assert menu["type"] == "menu"
    assert menu["menu_options"] == ["accept", "discard", "replaced"]
    assert menu["description_placeholders"]["meter"] == "Heat pump"
    body = {"next_step_id": choice}
    async with client.post(f"{url}/{menu['flow_id']}", json=body) as response:
        assert response.status == HTTPStatus.OK
        result: dict[str, object] = await response.json()
    return result


async def test_invariant_9_impossible_energy_is_not_sent(
    home: Home, entry: MockConfigEntry, issue_registry: ir.IssueRegistry
) -> None:
    """It reaches neither FlatPeak nor the sensors; what follows goes on."""
    issue = issue_registry.async_get_issue(
        DOMAIN, issue_id(entry.entry_id, Issue.QUARANTINE, meter_key(entry))
    )
    assert issue is not None
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["energy"].startswith("500.0")
    assert sum(record.energy for record in home.simulator.records) < 2000
    held = [
        item
        for item in entry.runtime_data.ledger.journal.outbox
        if item.status is Status.HELD
    ]
    assert len(held) == 1
    assert held[0].window.start == BEGIN + timedelta(minutes=30)
    assert home.value("energy_today", meter_key(entry)) < 2
    later = [record.draft.start for record in home.simulator.records]
    assert max(later) > held[0].window.end


@pytest.mark.parametrize(
    ("choice", "energy"),
    [("accept", CLAIM), ("discard", 0), ("replaced", 0)],
)
async def test_invariant_9_user_decides(
    home: Home,
    entry: MockConfigEntry,
    hass_client: ClientSessionGenerator,
    issue_registry: ir.IssueRegistry,
    choice: str,
    energy: int,
) -> None:
    """The answer is carried out, the issue goes, and all that counts is priced."""
    result = await answer(home, hass_client, entry, choice)
    assert result["type"] == "create_entry"
    await home.live(BEGIN + timedelta(minutes=150), use)
    key = meter_key(entry)
    assert (
        issue_registry.async_get_issue(
            DOMAIN, issue_id(entry.entry_id, Issue.QUARANTINE, key)
        )
        is None
    )
    assert home.value("pending_records", key) == 0
    lived = Decimal("0.05") * 29  # the first slot begins before the first row
    assert abs(home.value("energy_today", key) - lived - energy) <= Decimal("0.05")
    stored = home.simulator.stored_cost(
        entry.unique_id or "", BEGIN - timedelta(days=1), BEGIN + timedelta(days=1)
    )
    assert home.value("cost_today", key) == stored


async def test_decision_after_unload(
    home: Home, entry: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    """A location that is not loaded says so, and the question stays."""
    assert await async_setup_component(home.hass, "repairs", {})
    client = await hass_client()
    identity = issue_id(entry.entry_id, Issue.QUARANTINE, meter_key(entry))
    await home.hass.config_entries.async_unload(entry.entry_id)
    body = {"handler": DOMAIN, "issue_id": identity}
    async with client.post("/api/repairs/issues/fix", json=body) as response:
        menu = await response.json()
    url = f"/api/repairs/issues/fix/{menu['flow_id']}"
    async with client.post(url, json={"next_step_id": "accept"}) as response:
        result = await response.json()
    assert (result["type"], result["reason"]) == ("abort", "entry_not_loaded")


async def test_issue_of_nobody(home: Home) -> None:
    """An issue that names no meter is a mistake of ours."""
    with pytest.raises(ValueError, match="name their entry"):
        await async_create_fix_flow(home.hass, "made_up", None)


async def test_removed_entry_asks_nothing(
    home: Home, entry: MockConfigEntry, issue_registry: ir.IssueRegistry
) -> None:
    """With the entry its question goes."""
    identity = issue_id(entry.entry_id, Issue.QUARANTINE, meter_key(entry))
    assert issue_registry.async_get_issue(DOMAIN, identity)
    await home.hass.config_entries.async_remove(entry.entry_id)
    assert issue_registry.async_get_issue(DOMAIN, identity) is None
