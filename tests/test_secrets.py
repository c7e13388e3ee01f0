"""What must never be seen is searched for, wherever something is shown (invariant 13).

FlatPeak echoes everything it knows in every error. The home lives through all that can
go wrong; then logs, repairs, diagnostics, entities, system health and flows are read.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
import json
import logging
from typing import Any

from homeassistant.components.system_health import get_info
from homeassistant.config_entries import SOURCE_USER
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
)
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.flatpeak.account import ACCOUNTS
from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.diagnostics import (
    async_get_config_entry_diagnostics,
    async_get_device_diagnostics,
)
from custom_components.flatpeak.issues import Issue

from .home import ACCOUNT, KEY, Home
from .simulator.faults import FaultKind

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
GRID = "sensor.grid_import"
PUMP = "sensor.heat_pump"

STREET = "1 Example Street"
POSTCODE = "ZZ1 1ZZ"
CITY = "Exampleton"
MAIL = "someone.private@example.org"

# The web server of the simulator logs for FlatPeak, not for us.
NOT_OURS = ("aiohttp.access", "aiohttp.server", "tests", "asyncio", "sqlalchemy")
# It logs the names of statistics, which hold the location's id, by design.
RECORDER = "homeassistant.components.recorder"

pytestmark = pytest.mark.freeze_time(BEGIN)


def use(_: datetime) -> dict[str, float]:
    """Return what the meters count in a slot, in kWh."""
    return {GRID: 0.1, PUMP: 0.05}


def secrets_of(home: Home) -> set[str]:
    """Return everything that must never be seen."""
    core = home.simulator
    tokens = set(core._tokens)
    assert tokens
    ids = {*core.ledger.locations, *core.ledger.devices}
    return {ACCOUNT, KEY, STREET, POSTCODE, CITY, MAIL} | ids | tokens


def echo(home: Home, code: str | None = None) -> dict[str, Any]:
    """Return the body of an error that tells all."""
    said = " ".join(sorted(secrets_of(home)))
    return {"message": f"Refused: {said} {POSTCODE.replace(' ', '')}", "code": code}


def assert_none(home: Home, where: str, text: str) -> None:
    """Look for every secret, in any case."""
    for secret in secrets_of(home):
        assert secret.lower() not in text.lower(), f"{secret} in {where}"


def flows(home: Home) -> Iterator[str]:
    """Yield what the flows under way show."""
    for flow in home.hass.config_entries.flow.async_progress():
        yield str(flow)


async def assert_nothing_shown(
    home: Home, entry: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    """Read all that a user, a log or a bug report can show."""
    hass = home.hass
    for line in caplog.records:
        if not line.name.startswith((*NOT_OURS, RECORDER)):
            formatted = logging.Formatter().format(line)
            # The unique ids are made of the location's id, by design; Home Assistant
            # logs them where an entity or an entry has none of its own yet.
            assert_none(home, f"log {line.name} {line.levelname}", formatted)
    caplog.clear()
    assert_none(home, "title", entry.title)
    assert_none(home, "reason", str(entry.reason))
    for issue in ir.async_get(hass).issues.values():
        assert_none(home, f"repair {issue.issue_id}", str(issue))
    for state in hass.states.async_all():
        assert_none(home, state.entity_id, str(state.as_dict()))
    for entity in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id):
        shown = (entity.entity_id, entity.name, entity.original_name)
        assert_none(home, "entity", str(shown))
    found = await async_get_config_entry_diagnostics(hass, entry)
    assert_none(home, "diagnostics", json.dumps(found))
    for device in dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id):
        assert_none(home, "device", str((device.name, device.model)))
        found = await async_get_device_diagnostics(hass, entry, device)
        assert_none(home, "diagnostics of a device", json.dumps(found))
    assert_none(home, "system health", str((await get_info(hass))[DOMAIN]))
    error = entry.runtime_data.last_exception
    while error:
        assert_none(home, "exception", f"{error} {error!r} {error.__dict__}")
        error = error.__cause__ or error.__context__


@pytest.fixture
async def entry(home: Home, caplog: pytest.LogCaptureFixture) -> MockConfigEntry:
    """Return a home whose every step is logged."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("sqlalchemy").setLevel(logging.WARNING)
    location = home.simulator.add_location(ACCOUNT, reference_id="Home", city=CITY)
    home.add_sensor(GRID)
    home.add_sensor(PUMP)
    meters = {GRID: ("import", "grid"), PUMP: ("import", "device")}
    entry = home.add_entry(location, meters, window=5)
    await home.set_up(entry)
    await home.live(BEGIN + 10 * MINUTE, use)
    assert await async_setup_component(home.hass, "system_health", {})
    await home.hass.async_block_till_done()
    return entry


async def test_the_search_finds(home: Home, entry: MockConfigEntry) -> None:
    """A secret is found in any case, so that a search in vain means something."""
    for secret in secrets_of(home):
        with pytest.raises(AssertionError):
            assert_none(home, "here", f"x{secret.upper()}x")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, None),
        (400, ACCOUNT),
        (403, None),
        (404, None),
        (422, None),
        (422, "no_price_data"),
        (422, "account_disabled"),
        (429, None),
        (500, None),
    ],
)
async def test_invariant_13_errors_that_tell_all(
    home: Home,
    entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    status: int,
    code: str | None,
) -> None:
    """Whatever is refused, with whatever words."""
    await assert_nothing_shown(home, entry, caplog)
    body = echo(home, code)
    for path in "/costs/*", "/prices/*", "/locations/*", "/meters/*", "/devices*":
        home.simulator.fail(path, status=status, body=body, times=None)
    await home.live(BEGIN + 20 * MINUTE, use)
    await home.go_to(BEGIN + 6 * 60 * MINUTE + 11 * MINUTE)  # the poll
    await home.live(BEGIN + 6 * 60 * MINUTE + 20 * MINUTE, use)
    assert "answered" in caplog.text
    assert "***" in caplog.text or code == "account_disabled" or status == 404
    await assert_nothing_shown(home, entry, caplog)
    if status == 400:
        raised = {
            issue.translation_key for issue in ir.async_get(home.hass).issues.values()
        }
        assert Issue.REFUSED in raised
    # A restart in the midst of it: the client does not know yet what is an address.
    del home.hass.data[ACCOUNTS]
    await home.hass.config_entries.async_reload(entry.entry_id)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    await assert_nothing_shown(home, entry, caplog)


@pytest.mark.parametrize("kind", [FaultKind.DROP, FaultKind.GARBAGE, FaultKind.EMPTY])
async def test_invariant_13_answers_that_are_none(
    home: Home,
    entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    kind: FaultKind,
) -> None:
    """Broken connections and pages of somebody else."""
    home.simulator.fail("*", kind=kind, times=None)
    await home.live(BEGIN + 20 * MINUTE, use)
    await home.go_to(BEGIN + 6 * 60 * MINUTE + 11 * MINUTE)
    await home.live(BEGIN + 6 * 60 * MINUTE + 20 * MINUTE, use)
    await assert_nothing_shown(home, entry, caplog)


async def test_invariant_13_a_key_that_is_withdrawn(
    home: Home, entry: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    """The form for a new one does not show the old one."""
    body = echo(home)
    home.simulator.revoke_tokens()
    home.simulator.fail("/login", status=403, body=body, times=None)
    home.simulator._tokens["kept"] = "kept"  # type: ignore[assignment]
    await home.live(BEGIN + 20 * MINUTE, use)
    shown = list(flows(home))
    assert shown
    for flow in shown:
        for secret in (KEY, STREET, POSTCODE, CITY, MAIL):
            assert secret not in flow
    await assert_nothing_shown(home, entry, caplog)


async def test_invariant_13_set_up_that_fails(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    """The forms of the set-up and the log tell nothing, whatever FlatPeak says."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("sqlalchemy").setLevel(logging.WARNING)
    flow = home.hass.config_entries.flow
    said = f"{ACCOUNT} {KEY} {MAIL}"
    entered = {
        "account_id": ACCOUNT,
        "api_key": KEY,
        "advanced": {"base_url": home.simulator.url},
    }
    for status in 400, 403, 422, 429, 500:
        home.simulator.fail("/login", status=status, body={"message": said})
        form = await flow.async_init(DOMAIN, context={"source": SOURCE_USER})
        result = await flow.async_configure(form["flow_id"], entered)
        assert result["errors"]
        placeholders = str(result["description_placeholders"])
        for secret in (ACCOUNT, KEY, MAIL):
            assert secret not in placeholders
        flow.async_abort(form["flow_id"])
    for line in caplog.records:
        if line.name.startswith("custom_components"):
            for secret in (ACCOUNT, KEY, MAIL):
                assert secret not in logging.Formatter().format(line)
