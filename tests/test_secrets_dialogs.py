"""What must never be seen is searched for in what dialogues send (invariant 13).

Each answer is read as the browser gets it. Some of it has to be there: the homes to
choose from, the account that a new key has to be of, what was typed in the same form,
and the ids of our statistics, which hold the location's id by design.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from aiohttp.test_utils import TestClient
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.exceptions import ServiceValidationError
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.issues import Issue, issue_id

from .home import ACCOUNT, ENERGY, KEY, Home
from .test_secrets import GRID, PUMP, echo, secrets_of, use

BEGIN = datetime(2026, 11, 11, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FLOWS = "/api/config/config_entries/flow"
OPTIONS = "/api/config/config_entries/options/flow"
METERS = "/api/config/config_entries/subentries/flow"
REPAIRS = "/api/repairs/issues/fix"

pytestmark = pytest.mark.freeze_time(BEGIN)

type Say = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def entry(home: Home) -> MockConfigEntry:
    """Return a home with two meters, one of which has lost its sensor for a day."""
    location = home.simulator.add_location(ACCOUNT, reference_id="Home")
    home.add_sensor(GRID)
    home.add_sensor(PUMP)
    meters = {GRID: ("import", "grid"), PUMP: ("import", "device")}
    entry = home.add_entry(location, meters, window=5)
    await home.set_up(entry)
    await home.live(BEGIN + 70 * MINUTE, use)
    home.simulator.fail("/costs/*", status=400, body=echo(home), times=2)
    await home.live(BEGIN + 80 * MINUTE, use)
    home.hass.states.async_set(PUMP, STATE_UNAVAILABLE, ENERGY)
    await home.go_to(BEGIN + timedelta(hours=26))
    entry.runtime_data._publish()
    home.add_sensor("sensor.spare")
    return entry


@pytest.fixture
async def say(
    home: Home, entry: MockConfigEntry, hass_client: ClientSessionGenerator
) -> Say:
    """Return how a step of a dialogue is taken, and its answer searched."""
    for component in ("config", "repairs"):
        assert await async_setup_component(home.hass, component, {})
    client: TestClient[Any, Any] = await hass_client()

    async def step(
        url: str, body: dict[str, Any] | None, right: set[str] | None = None
    ) -> dict[str, Any]:
        asked = client.get(url) if body is None else client.post(url, json=body)
        async with asked as response:
            assert response.status == HTTPStatus.OK, await response.text()
            text, answer = await response.text(), await response.json()
        await home.hass.async_block_till_done(wait_background_tasks=True)
        for secret in secrets_of(home) - (right or set()):
            assert secret.lower() not in text.lower(), f"{secret} in {text}"
        found: dict[str, Any] = answer
        return found

    return step


def account(home: Home) -> dict[str, Any]:
    """Return what is typed of an account."""
    advanced = {"base_url": home.simulator.url}
    return {"account_id": ACCOUNT, "api_key": KEY, "advanced": advanced}


async def test_invariant_13_dialogue_of_the_set_up(home: Home, say: Say) -> None:
    """Only the list of homes shows where they are."""
    typed = {ACCOUNT, KEY}
    second = home.simulator.add_location(ACCOUNT, reference_id="Cabin")
    home.simulator.add_location(ACCOUNT, reference_id="Villa")
    url = f"{FLOWS}/{(await say(FLOWS, {'handler': DOMAIN}))['flow_id']}"
    for status in 403, 429, 500:
        home.simulator.fail("/locations", status=status, body=echo(home), times=2)
        answer = await say(url, account(home), typed)
        assert answer["errors"]
        home.simulator.faults.clear()
    answer = await say(url, account(home), secrets_of(home) - typed)
    assert answer["step_id"] == "location"
    homes = {*home.simulator.ledger.locations}
    home.simulator.fail("/locations/*", status=404, body=echo(home))
    answer = await say(url, {"location_id": second}, secrets_of(home) - typed)
    assert answer["errors"]
    answer = await say(url, {"location_id": second})
    assert answer["step_id"] == "meters"
    answer = await say(url, {"import_meters": [GRID], "device_meters": ["sensor.x"]})
    assert answer["errors"]
    answer = await say(url, {"device_meters": [GRID]})
    assert answer["step_id"] == "doubts"
    answer = await say(url, {"next_step_id": "accept"}, homes)
    assert answer["type"] == "create_entry"


async def test_invariant_13_dialogues_of_the_account(
    home: Home, entry: MockConfigEntry, say: Say
) -> None:
    """The account is named; the key is not, unless it was typed in the same form."""
    body = {"handler": DOMAIN, "entry_id": entry.entry_id}
    answer = await say(FLOWS, body, {ACCOUNT})
    url = f"{FLOWS}/{answer['flow_id']}"
    home.simulator.fail("/locations/*", status=403, body=echo(home), times=2)
    assert (await say(url, account(home), {ACCOUNT, KEY}))["errors"]
    assert (await say(url, account(home)))["reason"] == "reconfigure_successful"

    entry.async_start_reauth(home.hass)
    await home.hass.async_block_till_done()
    (flow,) = home.hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    url = f"{FLOWS}/{flow['flow_id']}"
    await say(url, None, {ACCOUNT})
    home.simulator.fail("/locations/*", status=403, body=echo(home), times=2)
    assert (await say(url, {"api_key": KEY}, {ACCOUNT, KEY}))["errors"]
    assert (await say(url, {"api_key": KEY}))["reason"] == "reauth_successful"


async def test_invariant_13_options(
    home: Home, entry: MockConfigEntry, say: Say
) -> None:
    """The past and its preview, and cards, which name statistics."""
    statistics = {entry.data["location_id"]}
    url = f"{OPTIONS}/{(await say(OPTIONS, {'handler': entry.entry_id}))['flow_id']}"
    fields = {"window": "5", "include_carbon": True, "history": True, "cards": True}
    assert (await say(url, fields, statistics))["step_id"] == "cards"
    answer = await say(url, {})
    assert answer["step_id"] == "history"
    answer = await say(url, {"next_step_id": "history_choose"})
    choice = {"start": "2026-11-01", "meters": list(entry.runtime_data.meters)}
    assert (await say(url, {**choice, "start": "2030-01-01"}))["errors"]
    assert (await say(url, choice))["step_id"] == "history"
    answer = await say(url, {"next_step_id": "history_skip"})
    assert answer["type"] == "create_entry"


async def test_invariant_13_meters(
    home: Home, entry: MockConfigEntry, say: Say
) -> None:
    """A new meter, and one that is changed."""
    handler = [entry.entry_id, "meter"]
    url = f"{METERS}/{(await say(METERS, {'handler': handler}))['flow_id']}"
    what = {"direction": "import", "kind": "device"}
    assert (await say(url, {"source": GRID, **what}))["errors"]
    answer = await say(url, {"source": "sensor.spare", **what})
    assert answer["step_id"] == "details"
    answer = await say(url, {"reporting": "continuous", "max_power": 9})
    assert answer["type"] == "create_entry"
    home.add_sensor("sensor.other")
    answer = await say(METERS, {"handler": handler, "subentry_id": PUMP})
    url = f"{METERS}/{answer['flow_id']}"
    how = {"reporting": "continuous", "max_power": 9}
    assert (await say(url, {"source": "sensor.none", **how}))["errors"]
    answer = await say(url, {"source": "sensor.other", **how})
    if answer["type"] == "form":
        answer = await say(url, how)
    assert answer["reason"] == "reconfigure_successful"


async def test_invariant_13_repairs(
    home: Home, entry: MockConfigEntry, say: Say
) -> None:
    """What FlatPeak refused with all it knows, and a sensor that is gone."""
    keys = {meter.source: meter.key for meter in entry.runtime_data.meters.values()}
    for issue, source, answer in (
        (Issue.REFUSED, GRID, {"next_step_id": "leave_out"}),
        (Issue.SOURCE_SILENT, PUMP, {"source": "sensor.spare", "reporting": "hourly"}),
    ):
        identity = issue_id(entry.entry_id, issue, keys[source])
        shown = await say(REPAIRS, {"handler": DOMAIN, "issue_id": identity})
        assert shown["description_placeholders"]["meter"]
        done = await say(f"{REPAIRS}/{shown['flow_id']}", answer)
        assert done["type"] == "create_entry"


async def test_invariant_13_backfill(home: Home, entry: MockConfigEntry) -> None:
    """Neither the action's answer nor what it raises tells anything."""
    call: dict[str, Any] = {"config_entry_id": entry.entry_id, "preview": True}
    said = [str(await fetch(home, call))]
    for wrong in {"meters": ["nothing"]}, {"start": "2001-01-01"}:
        with pytest.raises(ServiceValidationError) as raised:
            await fetch(home, call | wrong)
        error = raised.value
        said.append(f"{error} {error.__dict__}")
    said.append(str(await fetch(home, {**call, "preview": False})))
    for secret in secrets_of(home):
        assert secret.lower() not in " ".join(said).lower()


async def fetch(home: Home, data: dict[str, Any]) -> Any:
    """Return what the action answers."""
    return await home.hass.services.async_call(
        DOMAIN, "backfill", data, blocking=True, return_response=True
    )
