"""Readings that cannot be right are held back until the user decides."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
import json
from pathlib import Path
import re
from typing import Any
from unittest.mock import Mock

from homeassistant.config_entries import ConfigEntryDisabler, ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er, issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

import custom_components.flatpeak
from custom_components.flatpeak.const import CONF_REPORTING, DOMAIN
from custom_components.flatpeak.coordinator import FlatPeakCoordinator
from custom_components.flatpeak.issues import FIXABLE, Issue, issue_id
from custom_components.flatpeak.journal import Status
from custom_components.flatpeak.metering import Reporting, Rule, record_reference_id
from custom_components.flatpeak.repairs import (
    ANSWERS,
    async_create_fix_flow,
)
from custom_components.flatpeak.review import Difference

from .home import ACCOUNT, ENERGY, Home
from .past import add_net_statistic, hourly, let_rise
from .simulator import DEFAULT
from .simulator.faults import FaultKind

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


async def test_invariant_9_a_meter_that_goes_on_claiming_has_one_repair(
    home: Home, entry: MockConfigEntry, issue_registry: ir.IssueRegistry
) -> None:
    """It tells of all of it."""

    def claim(start: datetime) -> dict[str, float]:
        return {PUMP: 0.05 if start.minute % 30 else CLAIM}

    await home.live(BEGIN + timedelta(hours=5), claim)
    [issue] = [one for one in issue_registry.issues.values() if one.domain == DOMAIN]
    held = entry.runtime_data.ledger.journal.outbox
    assert len(held) == 1 + 4
    assert {item.status for item in held} == {Status.HELD}
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["energy"].startswith(f"{5 * CLAIM}.")


@pytest.mark.parametrize(
    ("choice", "followed"), [("discard", False), ("replaced", True)]
)
async def test_invariant_9_user_decides_on_another_unit(
    home: Home,
    issue_registry: ir.IssueRegistry,
    choice: str,
    *,
    followed: bool,
) -> None:
    """A thousand times the register: only a new meter's rises count, then and later."""
    location = home.simulator.add_location(ACCOUNT)
    home.add_sensor(PUMP, 50)
    entry = home.add_entry(location, {PUMP: ("import", "grid")}, window=15)
    await home.set_up(entry)
    await home.live(BEGIN + timedelta(minutes=30), use)
    home.registers[PUMP] *= 1000
    await home.live(BEGIN + timedelta(minutes=120), use)
    key = meter_key(entry)
    before = home.value("energy_today", key)
    assert before < Decimal("0.4")
    identity = issue_id(entry.entry_id, Issue.QUARANTINE, key)
    assert issue_registry.async_get_issue(DOMAIN, identity)
    await choose(home, identity, {"next_step_id": choice})
    assert issue_registry.async_get_issue(DOMAIN, identity) is None
    await home.live(BEGIN + timedelta(minutes=180), use)
    asked_again = issue_registry.async_get_issue(DOMAIN, identity) is not None
    assert asked_again is not followed
    lived = Decimal("0.05") * 29 if followed else 0
    gained = home.value("energy_today", key) - before
    assert abs(gained - lived) <= Decimal("0.05") * followed
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


async def test_decision_that_cannot_be_kept(
    home: Home,
    entry: MockConfigEntry,
    hass_client: ClientSessionGenerator,
    issue_registry: ir.IssueRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the disk is full the form says so, and the question stays."""
    monkeypatch.setattr(
        "custom_components.flatpeak.journal_file.JournalFile.write",
        Mock(side_effect=HomeAssistantError("No space left on device")),
    )
    result = await answer(home, hass_client, entry, "accept")
    assert (result["type"], result["reason"]) == ("abort", "books_not_written")
    identity = issue_id(entry.entry_id, Issue.QUARANTINE, meter_key(entry))
    assert issue_registry.async_get_issue(DOMAIN, identity)


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


async def open_issue(home: Home, identity: str) -> Any:
    """Open an issue's flow; return what it shows."""
    assert await async_setup_component(home.hass, "repairs", {})
    manager = home.hass.data["repairs"]["flow_manager"]
    return await manager.async_init(DOMAIN, data={"issue_id": identity})


async def submit(home: Home, form: Any, **entered: str) -> Any:
    """Return what comes of an answer."""
    manager = home.hass.data["repairs"]["flow_manager"]
    result = await manager.async_configure(form["flow_id"], entered)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    return result


async def choose(home: Home, identity: str, answer: dict[str, str]) -> None:
    """Open an issue's flow, and give an answer."""
    result = await submit(home, await open_issue(home, identity), **answer)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def replace_source(home: Home, identity: str, **entered: str) -> tuple[Any, Any]:
    """Return the form that asks for a sensor, and what comes of an answer."""
    form = await open_issue(home, identity)
    return form, await submit(home, form, **entered)


def suggested(result: Any) -> dict[str, str]:
    """Return what a form is filled with."""
    return {
        str(field): field.description["suggested_value"]
        for field in result["data_schema"].schema
        if field.description
    }


@pytest.fixture
async def grid(home: Home) -> MockConfigEntry:
    """Return a home with one meter that has been read for half an hour."""
    location = home.simulator.add_location(ACCOUNT)
    home.add_sensor(PUMP)
    entry = home.add_entry(location, {PUMP: ("import", "grid")}, window=15)
    await home.set_up(entry)
    await home.live(BEGIN + timedelta(minutes=30), use)
    return entry


@pytest.mark.parametrize("choice", ["send_again", "leave_out"])
async def test_refused_records(
    home: Home,
    grid: MockConfigEntry,
    issue_registry: ir.IssueRegistry,
    choice: str,
) -> None:
    """What FlatPeak will not take is shown, never dropped, and blocks nothing."""
    home.simulator.fail("/costs/instant", status=400)
    await home.live(BEGIN + timedelta(minutes=75), use)
    key = meter_key(grid)
    identity = issue_id(grid.entry_id, Issue.REFUSED, key)
    issue = issue_registry.async_get_issue(DOMAIN, identity)
    assert issue is not None
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["count"] == "1"
    assert home.value("pending_records", key) == 1
    used = home.value("energy_today", key)
    await choose(home, identity, {"next_step_id": choice})
    assert issue_registry.async_get_issue(DOMAIN, identity) is None
    assert home.value("energy_today", key) == used
    await home.live(BEGIN + timedelta(minutes=90), use)
    assert home.value("pending_records", key) == 0
    coordinator: FlatPeakCoordinator = grid.runtime_data
    lines = coordinator.ledger.book.between(key, BEGIN, BEGIN + timedelta(hours=2))
    unknown = [line for line in lines if line.money is None]
    assert len(unknown) == (choice == "leave_out")
    stored = home.simulator.stored_cost(
        grid.unique_id or "", BEGIN, BEGIN + timedelta(hours=2)
    )
    assert home.value("cost_today", key) == stored


@pytest.mark.parametrize("choice", ["send_again", "leave_out"])
async def test_invariant_4_unconfirmed_records(
    home: Home,
    grid: MockConfigEntry,
    issue_registry: ir.IssueRegistry,
    choice: str,
) -> None:
    """A day without a witness: the user decides, and the figures are complete."""
    home.simulator.fail("/costs/instant", kind=FaultKind.DROP)
    await home.live(BEGIN + timedelta(minutes=45), use)
    key = meter_key(grid)
    assert home.value("pending_records", key) == 1
    money = home.value("cost_this_month", key)
    # Nothing is used from now on: a later record would be a witness.
    await home.live_rows(BEGIN + timedelta(minutes=45), {})
    await home.go_to(BEGIN + timedelta(hours=25))
    # What became of it is looked up in the two hours after the trouble.
    await home.go_to(BEGIN + timedelta(hours=28))
    coordinator: FlatPeakCoordinator = grid.runtime_data
    coordinator._publish()
    identity = issue_id(grid.entry_id, Issue.UNCONFIRMED, key)
    assert issue_registry.async_get_issue(DOMAIN, identity)
    assert home.value("cost_this_month", key) >= money
    await choose(home, identity, {"next_step_id": choice})
    assert issue_registry.async_get_issue(DOMAIN, identity) is None
    waiting = 1 if choice == "send_again" else 0
    assert home.value("pending_records", key) == waiting
    # No 5-minute run of the recorder has to come first.
    await home.go_to(dt_util.utcnow() + timedelta(seconds=61))
    assert home.value("pending_records", key) == 0


async def test_lost_records(
    home: Home, grid: MockConfigEntry, issue_registry: ir.IssueRegistry
) -> None:
    """What never arrives is told apart from what FlatPeak refuses."""
    key = meter_key(grid)
    coordinator: FlatPeakCoordinator = grid.runtime_data
    home.simulator.fail("/costs/instant", status=400)
    await home.live(BEGIN + timedelta(minutes=65), use)
    ledger = coordinator.ledger
    outbox = tuple(
        replace(item, status=Status.LOST, error=None) for item in ledger.journal.outbox
    )
    assert len(outbox) == 1
    ledger.journal = replace(ledger.journal, outbox=outbox)
    coordinator._publish()
    refused = issue_id(grid.entry_id, Issue.REFUSED, key)
    assert issue_registry.async_get_issue(DOMAIN, refused) is None
    identity = issue_id(grid.entry_id, Issue.LOST, key)
    issue = issue_registry.async_get_issue(DOMAIN, identity)
    assert issue is not None
    assert issue.translation_key == "lost"
    await choose(home, identity, {"next_step_id": "send_again"})
    assert issue_registry.async_get_issue(DOMAIN, identity) is None
    await home.go_to(dt_util.utcnow() + timedelta(seconds=61))
    assert home.value("pending_records", key) == 0
    stored = home.simulator.stored_cost(
        grid.unique_id or "", BEGIN, BEGIN + timedelta(hours=2)
    )
    assert home.value("cost_today", key) == stored


async def test_scenario_17_another_writer(
    home: Home,
    grid: MockConfigEntry,
    issue_registry: ir.IssueRegistry,
) -> None:
    """While somebody else sends our records nothing is sent, and nothing is lost."""
    identity = issue_id(grid.entry_id, Issue.OTHER_WRITER)
    (state,) = grid.runtime_data.ledger.journal.meters.values()
    home.hass.states.async_set(PUMP, STATE_UNAVAILABLE, ENERGY)
    noon = BEGIN + timedelta(hours=4)
    for number in range(8):  # of another Home Assistant, whose sensor still answers
        start = noon - timedelta(minutes=15 * (8 - number))
        end = start + timedelta(minutes=15)
        home.simulator.add_record(
            grid.unique_id or "",
            start,
            end,
            150,
            record_reference_id=record_reference_id(state.stream, start, end),
        )
    await home.live(noon + timedelta(minutes=5), lambda _: {})
    assert issue_registry.async_get_issue(DOMAIN, identity) is None
    await home.live(noon + timedelta(minutes=15), lambda _: {})  # and poll
    assert issue_registry.async_get_issue(DOMAIN, identity)

    sent = len(home.simulator.ledger.submissions)
    await home.live(noon + timedelta(minutes=45), use)
    assert len(home.simulator.ledger.submissions) == sent
    assert home.value("pending_records", meter_key(grid))
    await choose(home, identity, {"next_step_id": "go_on"})
    assert issue_registry.async_get_issue(DOMAIN, identity) is None
    await home.live(noon + timedelta(minutes=60), use)
    assert len(home.simulator.ledger.submissions) > sent
    assert home.value("pending_records", meter_key(grid)) == 0
    assert home.value("cost_today", meter_key(grid)) == home.simulator.stored_cost(
        grid.unique_id or "", BEGIN, dt_util.utcnow()
    )


async def test_scenario_17_flatpeak_adds_what_another_sends(
    home: Home,
    grid: MockConfigEntry,
    issue_registry: ir.IssueRegistry,
) -> None:
    """All that we sent is there twice: said to the user, and not counted."""
    home.simulator.switches = DEFAULT.but({"overwrite": "never"})
    await home.live(BEGIN + timedelta(hours=4), use)
    ours = list(home.simulator.ledger.submissions)
    for record in ours:
        home.simulator.store(record.draft)
    await home.live(BEGIN + timedelta(hours=4, minutes=15), use)
    key = meter_key(grid)
    identity = issue_id(grid.entry_id, Issue.DIFFERENCE, key)
    assert issue_registry.async_get_issue(DOMAIN, identity)
    assert grid.runtime_data.ledger.journal.facts.rule is Rule.ADDS
    stored = home.simulator.stored_cost(grid.unique_id or "", BEGIN, dt_util.utcnow())
    twice = sum(home.simulator.price(record).cost for record in ours)
    assert twice
    assert home.value("cost_today", key) == stored - twice


async def test_scenario_22_source_replaced(
    home: Home,
    grid: MockConfigEntry,
    issue_registry: ir.IssueRegistry,
) -> None:
    """The totals stay, what was used in between is unknown, the new sensor counts."""
    key = meter_key(grid)
    subentry = grid.subentries[PUMP]
    late = {**subentry.data, CONF_REPORTING: Reporting.HOURLY.value}
    before = home.value("energy_today", key)
    home.hass.config_entries.async_update_subentry(grid, subentry, data=late)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    home.hass.states.async_remove(PUMP)
    await home.go_to(BEGIN + timedelta(hours=25))
    coordinator: FlatPeakCoordinator = grid.runtime_data
    coordinator._publish()
    identity = issue_id(grid.entry_id, Issue.SOURCE_MISSING, key)
    assert issue_registry.async_get_issue(DOMAIN, identity)
    month = home.value("energy_this_month", key)
    assert month == before
    new = "sensor.new_pump"
    home.add_sensor(new, 77)
    start = BEGIN + timedelta(hours=25)
    await home.live(start + timedelta(minutes=15), lambda _: {new: 1})
    form, result = await replace_source(
        home, identity, source=new, reporting="continuous"
    )
    assert suggested(form) == {"reporting": "hourly"}  # as the old one was
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert issue_registry.async_get_issue(DOMAIN, identity) is None
    until = start + timedelta(minutes=65)
    await home.live(until, lambda _: {new: 1})
    coordinator = grid.runtime_data
    assert coordinator.meters[key].source == new
    assert coordinator.meters[key].reporting is Reporting.CONTINUOUS
    # Twelve slots are in closed windows; the first row only says where the new sensor
    # stands.
    lived = home.value("energy_this_month", key) - month
    assert lived == 11
    assert home.simulator.records[-1].draft.owner == grid.unique_id


async def test_a_wrong_new_source_can_be_corrected(
    home: Home, grid: MockConfigEntry, issue_registry: ir.IssueRegistry
) -> None:
    """*Change meter* takes another one; what was counted until then stays."""
    key = meter_key(grid)
    before = home.value("energy_today", key)
    home.hass.states.async_remove(PUMP)
    home.add_sensor("sensor.wrong", 5)
    home.add_sensor("sensor.right", 77)
    await home.go_to(BEGIN + timedelta(hours=25))
    grid.runtime_data._publish()
    identity = issue_id(grid.entry_id, Issue.SOURCE_MISSING, key)
    await replace_source(home, identity, source="sensor.wrong", reporting="continuous")
    start = BEGIN + timedelta(hours=25)
    await home.live(start + timedelta(minutes=15), lambda _: {"sensor.wrong": 0.1})
    form = await grid.start_subentry_reconfigure_flow(home.hass, PUMP)
    fields = {"source": "sensor.right", "reporting": "continuous", "max_power": 70}
    flows = home.hass.config_entries.subentries
    result = await flows.async_configure(form["flow_id"], fields)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    assert result["type"] is FlowResultType.ABORT
    assert grid.runtime_data.meters[key].source == "sensor.right"
    counted = home.value("energy_this_month", key) - before
    assert 0 < counted <= Decimal("0.3")
    await home.live(start + timedelta(minutes=45), lambda _: {"sensor.right": 1})
    gained = home.value("energy_this_month", key) - before - counted
    assert 4 <= gained <= 6
    assert issue_registry.async_get_issue(DOMAIN, identity) is None


@pytest.mark.parametrize("reporting", ["hourly", "continuous"])
async def test_a_new_source_is_checked(
    home: Home, grid: MockConfigEntry, reporting: str
) -> None:
    """The repair says what *Change meter* says, and suggests the same."""
    home.hass.states.async_remove(PUMP)
    await home.go_to(BEGIN + timedelta(hours=25))
    grid.runtime_data._publish()
    new, key = "sensor.utility", meter_key(grid)
    home.add_sensor(new)
    if reporting == "continuous":
        other = home.simulator.add_location(ACCOUNT)
        home.add_entry(other, {new: ("import", "grid")})
    await let_rise(home.hass, new, hourly(BEGIN + timedelta(hours=25)))
    identity = issue_id(grid.entry_id, Issue.SOURCE_MISSING, key)
    form, result = await replace_source(home, identity, source=new, reporting=reporting)
    assert suggested(form) == {"reporting": "continuous"}
    if reporting == "continuous":
        assert result["step_id"] == "details"
        doubts = result["description_placeholders"]["doubts"]
        assert "utility has risen only just after full hours" in doubts
        assert "utility is already a meter of Home" in doubts
        assert suggested(result) == {"reporting": "hourly"}
        assert grid.runtime_data.meters[key].source == PUMP
        result = await submit(home, result, reporting="hourly")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    meter = grid.runtime_data.meters[key]
    assert (meter.source, meter.reporting) == (new, Reporting.HOURLY)


async def test_a_net_meter_is_no_new_source(home: Home, grid: MockConfigEntry) -> None:
    """The repair explains it, and takes another sensor."""
    home.hass.states.async_remove(PUMP)
    await home.go_to(BEGIN + timedelta(hours=25))
    grid.runtime_data._publish()
    net, new, key = "utility:net", "sensor.new_pump", meter_key(grid)
    await add_net_statistic(home.hass)
    home.add_sensor(new)
    identity = issue_id(grid.entry_id, Issue.SOURCE_MISSING, key)
    form, result = await replace_source(
        home, identity, source=net, reporting="continuous"
    )
    assert (result["type"], result["errors"]) == ("form", {"source": "net_meter"})
    assert suggested(result) == {"source": net, "reporting": "continuous"}
    result = await submit(home, form, source=new, reporting="continuous")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert grid.runtime_data.meters[key].source == new


async def test_an_unloaded_home_takes_no_new_source(
    home: Home, grid: MockConfigEntry
) -> None:
    """An open form ends when its home is unloaded."""
    home.hass.states.async_remove(PUMP)
    await home.go_to(BEGIN + timedelta(hours=25))
    grid.runtime_data._publish()
    new, key = "sensor.new_pump", meter_key(grid)
    home.add_sensor(new)
    form = await open_issue(home, issue_id(grid.entry_id, Issue.SOURCE_MISSING, key))
    await home.hass.config_entries.async_unload(grid.entry_id)
    result = await submit(home, form, source=new, reporting="continuous")
    assert (result["type"], result["reason"]) == ("abort", "entry_not_loaded")


async def test_source_problems(
    home: Home, grid: MockConfigEntry, issue_registry: ir.IssueRegistry
) -> None:
    """A sensor without a state class is not recorded; one that is away is silent."""
    key = meter_key(grid)
    coordinator: FlatPeakCoordinator = grid.runtime_data

    def raised() -> list[Issue]:
        coordinator._publish()
        return [
            issue
            for issue in Issue
            if issue_registry.async_get_issue(
                DOMAIN, issue_id(grid.entry_id, issue, key)
            )
        ]

    assert raised() == []
    home.hass.states.async_set(PUMP, "1000")
    assert raised() == [Issue.SOURCE_NOT_RECORDED]
    home.hass.states.async_set(PUMP, "unavailable", ENERGY)
    assert raised() == []
    await home.go_to(BEGIN + timedelta(hours=25))
    assert raised() == [Issue.SOURCE_SILENT]
    home.report(PUMP)
    assert raised() == []


def test_every_issue_has_its_texts() -> None:
    """No issue lacks a text, and no text asks for what is never given."""
    path = Path(custom_components.flatpeak.__file__).parent / "translations/en.json"
    texts = json.loads(path.read_text())["issues"]
    assert set(texts) == set(Issue)
    given = {"location", "meter", "energy", "start", "max_power", "count", "error"}
    given |= {"source", "price", "currency", "day", "ours", "theirs", "minutes"}
    given |= {"url", "statistic", "sensors", "meters", "device", "doubts"}
    for issue, text in texts.items():
        words = json.dumps(text, ensure_ascii=False)
        assert set(re.findall(r"\{(\w+)\}", words)) <= given
        assert ("fix_flow" in text) == (issue in FIXABLE)
        if issue in ANSWERS:
            menu = text["fix_flow"]["step"]["init"]["menu_options"]
            assert list(menu) == ANSWERS[issue]


def test_every_issue_has_its_page() -> None:
    """Each repair leads to a section of its own, and each section is about one."""
    page = Path("docs/repairs.md").read_text()
    sections = re.findall(r'^<a id="(\w+)"></a>\n### \S.*\n\n\S', page, re.MULTILINE)
    assert sorted(sections) == sorted(Issue)
    assert page.count("\n### ") == page.count("<a id=") == len(sections)


async def test_learn_more(
    home: Home, entry: MockConfigEntry, issue_registry: ir.IssueRegistry
) -> None:
    """The link is made of the manifest's documentation and the issue."""
    identity = issue_id(entry.entry_id, Issue.QUARANTINE, meter_key(entry))
    issue = issue_registry.async_get_issue(DOMAIN, identity)
    assert issue is not None
    assert issue.learn_more_url == (
        "https://github.com/flatpeak-ha/flatpeak/blob/HEAD/docs/repairs.md#quarantine"
    )


async def test_a_price_in_doubt_and_a_difference_are_shown(
    home: Home, grid: MockConfigEntry, issue_registry: ir.IssueRegistry
) -> None:
    """Both name the day and the sums, and go away with their cause."""
    coordinator: FlatPeakCoordinator = grid.runtime_data
    key = meter_key(grid)
    book = coordinator.ledger.book
    line = book.between(key, BEGIN, BEGIN + timedelta(hours=1))[0]
    doubtful = replace(line, money=Decimal(500), doubted=True)
    book.append([(key, doubtful)])
    coordinator.poll.differences[key] = (
        Difference(day=BEGIN.date(), ours=Decimal(1), theirs=Decimal("1.6")),
    )
    coordinator._publish()
    found = {
        issue: issue_registry.async_get_issue(
            DOMAIN, issue_id(grid.entry_id, issue, key)
        )
        for issue in (Issue.DOUBTED_PRICE, Issue.DIFFERENCE)
    }
    assert all(found.values())
    texts = [entry.translation_placeholders for entry in found.values() if entry]
    assert texts[1] is not None
    assert (texts[1]["day"], texts[1]["ours"], texts[1]["theirs"]) == (
        "2026-11-11",
        "1.00",
        "1.60",
    )
    assert home.value("cost_today", key) < 1
    book.append([(key, line)])
    coordinator.poll.differences.clear()
    coordinator._publish()
    for issue in found:
        identity = issue_id(grid.entry_id, issue, key)
        assert issue_registry.async_get_issue(DOMAIN, identity) is None


async def test_a_renamed_source_has_its_new_name(
    home: Home, issue_registry: ir.IssueRegistry, entity_registry: er.EntityRegistry
) -> None:
    """The repair names the sensor that can be found."""
    entity_registry.async_get_or_create(
        "sensor", "demo", "pump", suggested_object_id="heat_pump"
    )
    home.add_sensor(PUMP)
    location = home.simulator.add_location(ACCOUNT)
    entry = home.add_entry(location, {PUMP: ("import", "grid")})
    await home.set_up(entry)
    entity_registry.async_update_entity(PUMP, new_entity_id="sensor.renamed")
    entity_registry.async_update_entity(
        "sensor.renamed", disabled_by=er.RegistryEntryDisabler.USER
    )
    entry.runtime_data._publish()
    issue = issue_registry.async_get_issue(
        DOMAIN, issue_id(entry.entry_id, Issue.SOURCE_DISABLED, meter_key(entry))
    )
    assert issue is not None
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["source"] == "sensor.renamed"


async def test_a_disabled_home_asks_nothing(
    home: Home, entry: MockConfigEntry, issue_registry: ir.IssueRegistry
) -> None:
    """Its repairs come back with it; after a mere reload they are still ignored."""
    identity = issue_id(entry.entry_id, Issue.QUARANTINE, meter_key(entry))
    entries = home.hass.config_entries

    async def show() -> ir.IssueEntry | None:
        await home.hass.async_block_till_done(wait_background_tasks=True)
        entry.runtime_data._publish()
        return issue_registry.async_get_issue(DOMAIN, identity)

    issue_registry.async_ignore(DOMAIN, identity, ignore=True)
    await entries.async_reload(entry.entry_id)
    ignored = await show()
    assert ignored is not None
    assert ignored.dismissed_version is not None
    await entries.async_set_disabled_by(entry.entry_id, ConfigEntryDisabler.USER)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    assert not issue_registry.issues
    await entries.async_set_disabled_by(entry.entry_id, None)
    assert await show()


@pytest.mark.parametrize("removed", [False, True])
async def test_a_home_that_could_not_start_asks_nothing(
    home: Home, issue_registry: ir.IssueRegistry, *, removed: bool
) -> None:
    """Also one that is disabled or removed while its set-up is tried again."""
    entry = home.add_entry(home.simulator.add_location(ACCOUNT), {})
    await home.set_up(entry)
    home.simulator.disable_account(ACCOUNT)
    await home.go_to(BEGIN + timedelta(hours=7))
    entry.runtime_data._publish()
    identity = issue_id(entry.entry_id, Issue.ACCOUNT_DISABLED)
    entries = home.hass.config_entries
    await entries.async_reload(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert issue_registry.async_get_issue(DOMAIN, identity)
    if removed:
        await entries.async_remove(entry.entry_id)
    else:
        await entries.async_set_disabled_by(entry.entry_id, ConfigEntryDisabler.USER)
    assert not issue_registry.issues


async def test_a_removed_meter_asks_nothing(
    home: Home, grid: MockConfigEntry, issue_registry: ir.IssueRegistry
) -> None:
    """Its repairs go with it, and an open form ends."""
    key = meter_key(grid)
    coordinator: FlatPeakCoordinator = grid.runtime_data
    home.hass.states.async_remove(PUMP)
    await home.go_to(BEGIN + timedelta(hours=25))
    coordinator._publish()
    identity = issue_id(grid.entry_id, Issue.SOURCE_MISSING, key)
    assert issue_registry.async_get_issue(DOMAIN, identity)
    meters = dict(coordinator.meters)
    coordinator.meters.clear()
    result = await open_issue(home, identity)
    assert (result["type"], result["reason"]) == ("abort", "meter_removed")
    coordinator.meters.update(meters)
    home.hass.config_entries.async_remove_subentry(grid, PUMP)
    await home.hass.config_entries.async_reload(grid.entry_id)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    grid.runtime_data._publish()
    assert issue_registry.async_get_issue(DOMAIN, identity) is None
