"""A clock that is wrong records nothing, and loses nothing."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
import pytest

from custom_components.flatpeak.clock import skew
from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.issues import Issue, issue_id

from .home import ACCOUNT, SLOT, Home

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
GRID = "sensor.grid_import"


def use(_: datetime) -> dict[str, float]:
    """Return what is used in a slot."""
    return {GRID: 0.1}


@pytest.mark.freeze_time(BEGIN)
async def test_scenario_23_a_clock_that_jumps_ahead(
    home: Home, issue_registry: ir.IssueRegistry
) -> None:
    """Nothing is cut or sent beyond FlatPeak's time; all is counted afterwards."""
    ahead = timedelta(0)
    home.simulator.clock = lambda: dt_util.utcnow() - ahead
    location = home.simulator.add_location(ACCOUNT)
    home.add_sensor(GRID)
    entry = home.add_entry(location, {GRID: ("import", "grid")}, window=15)
    await home.set_up(entry)
    await home.live(BEGIN + HOUR, use)
    client = entry.runtime_data.client
    assert skew(client) is None
    identity = issue_id(entry.entry_id, Issue.CLOCK)
    records = len(home.simulator.records)

    ahead = timedelta(hours=1)  # as if our clock had been set
    await home.live(BEGIN + HOUR + 3 * SLOT, use)
    assert len(home.simulator.records) <= records + 1
    records = len(home.simulator.records)
    await home.go_to(BEGIN + timedelta(hours=4, minutes=11))  # a poll tells the time
    await home.live(BEGIN + timedelta(hours=4, minutes=30), use)
    assert skew(client) == ahead
    issue = issue_registry.async_get_issue(DOMAIN, identity)
    assert issue is not None
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["minutes"] == "+60"
    assert len(home.simulator.records) == records
    asked = len(home.simulator.requests)
    await home.live(BEGIN + timedelta(hours=5), use)
    assert 1 <= len(home.simulator.requests) - asked <= 3
    assert len(home.simulator.records) == records

    ahead = timedelta(0)
    await home.live(BEGIN + timedelta(hours=6, minutes=15), use)
    assert issue_registry.async_get_issue(DOMAIN, identity) is None
    (key,) = entry.runtime_data.meters
    journal = entry.runtime_data.ledger.journal
    lived = home.registers[GRID] - 1000
    open_ = sum(part.mwh for part in journal.meters[key].open)
    # The first slot begins before the first row.
    first = Decimal("0.1")
    assert home.value("energy_today", key) == lived - first - Decimal(open_) / 10**6
    await home.live(BEGIN + timedelta(hours=6, minutes=50), use)
    assert home.value("pending_records", key) == 0
    periods = [one.draft.start for one in home.simulator.ledger.submissions]
    assert len(periods) == len(set(periods))
    assert home.value("cost_today", key) == home.simulator.stored_cost(
        location, BEGIN - HOUR, BEGIN + 12 * HOUR
    )
