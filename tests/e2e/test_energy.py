"""The Energy dashboard in a real Home Assistant and browser: a past with costs."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
import re
from zoneinfo import ZoneInfo

from homeassistant.util.yaml import parse_yaml
from playwright.async_api import Page, expect
import pytest
import pytest_asyncio

from scripts.demo_setup import (
    DOMAIN,
    HOUSE,
    PATH,
    cost_statistics,
    energy_preferences,
    entities,
    fetch_past,
    meters,
    show_costs,
    until_loaded,
)
from tests.rig.browser import browser, quiet
from tests.rig.process import HomeAssistant
from tests.simulator import FlatPeakSimulator, day_start

from .conftest import ACCOUNT, HOME_ID, KEY, SCREENSHOTS, Screen
from .steps import INTEGRATION, PUSH_SECONDS, RATE, Json, push, states, until_valued

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.usefixtures("socket_enabled"),
]

PROGRESS = "sensor.home_history_fetched"
DAYS = 9  # whole days of which the house has a past
FETCHED_SECONDS = 300
REVIEWED_SECONDS = 180
CENT = Decimal("0.01")
STEPS = 60  # of the mouse across a graph: several for each day
AMOUNT = re.compile(r"^(.+) \(change\): (-?[\d.]+)\sGBP$")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def statistics(
    home: HomeAssistant, simulator: FlatPeakSimulator
) -> AsyncIterator[Json]:
    """Set the home up, fetch its past, and return the cost statistics' ids."""
    simulator.faults.clear()
    async with home.client() as ha:
        house = {
            one["unique_id"]: one["entity_id"] for one in await entities(ha, HOUSE)
        }
        account = {
            "account_id": ACCOUNT,
            "api_key": KEY,
            "advanced": {"base_url": simulator.url},
        }
        await ha.flow(DOMAIN, account, {"location_id": HOME_ID}, meters(house))
        await until_loaded(ha)
        costs = await cost_statistics(ha, {"location_id": HOME_ID}, house)
        await ha("energy/save_prefs", **energy_preferences(house, costs))
        await show_costs(ha, costs)
        await push(home)
        # The past ends where the first push has begun.
        await until_valued(home, RATE, seconds=PUSH_SECONDS)
        await fetch_past(ha)

        async def fetched() -> bool:
            return (await states(home)).get(PROGRESS) == "100"

        await home.process.until("fetched", fetched, FETCHED_SECONDS)
        yield {
            "IMPORT": costs[house["grid_import_energy"]],
            "EXPORT": costs[house["grid_export_energy"]],
        }


def zone(simulator: FlatPeakSimulator) -> ZoneInfo:
    """Return the time zone of the home."""
    return ZoneInfo(str(simulator.ledger.locations[HOME_ID].timezone))


def past_days(simulator: FlatPeakSimulator) -> list[datetime]:
    """Return the starts of the past days, today's last."""
    there = zone(simulator)
    today = datetime.now(there).date()
    return [day_start(today - timedelta(days=n), there) for n in range(DAYS, -1, -1)]


def account_of(
    simulator: FlatPeakSimulator, direction: str, owner: str = HOME_ID
) -> list[Decimal]:
    """Return what each past day cost, by FlatPeak's exact account."""
    days = past_days(simulator)
    return [
        simulator.stored_cost(owner, start, end, direction)
        for start, end in pairwise(days)
    ]


async def accounts_by_title(
    home: HomeAssistant, simulator: FlatPeakSimulator
) -> dict[str, list[Decimal]]:
    """Return what each past day cost, for each meter by its title."""
    async with home.client() as ha:
        (entry,) = await ha("config_entries/get", domain=DOMAIN)
        listed = await ha("config_entries/subentries/list", entry_id=entry["entry_id"])
    devices = {one.reference_id: one.id for one in simulator.ledger.devices.values()}
    result = {}
    for meter in listed:
        owner = devices.get(f"ha-{meter['unique_id']}", HOME_ID)
        direction = "EXPORT" if "export" in meter["title"] else "IMPORT"
        result[meter["title"]] = account_of(simulator, direction, owner)
    return result


async def shown_by_statistics(
    home: HomeAssistant, simulator: FlatPeakSimulator, statistic_id: str
) -> list[Decimal]:
    """Return each past day's change of a statistic, to a cent's hundredth."""
    days = past_days(simulator)
    async with home.client() as ha:
        found = await ha(
            "recorder/statistics_during_period",
            start_time=days[0].isoformat(),
            end_time=days[-1].isoformat(),
            statistic_ids=[statistic_id],
            period="day",
            types=["change"],
        )
    return [
        Decimal(str(row["change"])).quantize(Decimal("0.00001"))
        for row in found[statistic_id][:DAYS]
    ]


async def table_of_yesterday(page: Page) -> str:
    """Return the Energy dashboard's totals of yesterday."""
    await page.goto("/energy")
    await quiet(page, 1500)
    await page.locator("ha-date-range-picker ha-icon-button").first.click()
    await page.get_by_text("Yesterday", exact=True).click()
    await quiet(page, 1500)
    totals = page.locator("hui-energy-sources-table-card")
    await expect(totals).to_contain_text("Grid total")
    return await totals.locator("table, .mdc-data-table").first.inner_text()


def pounds(money: Decimal) -> str:
    """Return money as the dashboard writes it."""
    return f"{money.quantize(CENT, ROUND_HALF_UP):.2f}"


async def test_the_past_in_the_energy_dashboard(
    home: HomeAssistant, simulator: FlatPeakSimulator, statistics: Json
) -> None:
    """Ten days have their cost; the table of a past day is FlatPeak's, to the cent."""
    for direction, statistic_id in statistics.items():
        exact = account_of(simulator, direction)
        assert all(exact)
        assert await shown_by_statistics(home, simulator, statistic_id) == exact
    async with home.client() as ha:
        issues: Json = await ha("energy/validate")
    assert [one for source in issues["energy_sources"] for one in source] == []
    async with browser(home, height=1300, timezone=zone(simulator).key) as page:
        table = await table_of_yesterday(page)
        await page.screenshot(path=SCREENSHOTS / "30-energy-yesterday.png")
        for direction in statistics:
            assert pounds(account_of(simulator, direction)[-1]) in table
        await page.locator("ha-date-range-picker ha-icon-button").first.click()
        await page.get_by_text("Last 30 days", exact=True).click()
        await quiet(page, 1500)
        await page.screenshot(path=SCREENSHOTS / "31-energy-month.png")
    assert home.problems(DOMAIN) == []


async def tooltips(page: Page, picture_of: str) -> dict[str, dict[str, Decimal]]:
    """Move the mouse across the graph of costs; return what it shows of each day."""
    graph = page.locator("hui-statistics-graph-card ha-chart-base")
    await graph.scroll_into_view_if_needed()
    box = await graph.bounding_box()
    assert box is not None
    tooltip = graph.locator(".chart > div:has(ha-chart-tooltip-marker)")
    found = {}
    for step in range(STEPS):
        x = box["x"] + box["width"] * (step + 0.5) / STEPS
        await page.mouse.move(x, box["y"] + box["height"] / 2)
        await page.wait_for_timeout(100)
        if await tooltip.count():
            day, *lines = (await tooltip.inner_text()).splitlines()
            if day == picture_of:
                await page.screenshot(path=SCREENSHOTS / "33-tooltip.png")
            found[day] = dict(amount(line) for line in lines)
    return found


def amount(line: str) -> tuple[str, Decimal]:
    """Return name and money of a tooltip's line: Heat pump (change): 3.49 GBP."""
    match = AMOUNT.match(line.strip())
    assert match, line
    return match[1], Decimal(match[2])


async def test_the_tooltip_of_past_days(
    home: HomeAssistant, simulator: FlatPeakSimulator, statistics: Json
) -> None:
    """The tooltip of each past day is FlatPeak's account of each meter, to the cent."""
    exact = await accounts_by_title(home, simulator)
    assert len(exact) == 5
    there = zone(simulator)
    starts = [day.astimezone(there) for day in past_days(simulator)[:DAYS]]
    days = [f"{day:%-d %B %Y}" for day in starts]
    async with browser(home, height=1300, timezone=there.key) as page:
        await page.goto(f"/{PATH}")
        await quiet(page, 2000)
        shown = await tooltips(page, picture_of=days[-1])
    names = {title: cost_name(title) for title in exact}
    for number, day in enumerate(days):
        found = shown[day]
        assert found.keys() == set(names.values())
        for title, name in names.items():
            # Half a cent may be rounded either way.
            assert abs(found[name] - exact[title][number]) <= CENT / 2
    assert home.problems(DOMAIN) == []


def cost_name(title: str) -> str:
    """Return what the cost statistic of a meter is called."""
    word = "compensation" if "export" in title else "cost"
    return f"{title} \N{EN DASH} {word} (FlatPeak)"


async def test_a_card_to_copy(
    home: HomeAssistant, simulator: FlatPeakSimulator, statistics: Json
) -> None:
    """The options show a card of what appliances cost; a dashboard shows its graph."""
    async with browser(home, timezone=zone(simulator).key) as page:
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        screen = Screen(page)
        await screen.go(INTEGRATION)
        await page.get_by_label("Configure", exact=True).first.click()
        await expect(screen.dialog).to_contain_text("Show costs on a dashboard")
        await screen.dialog.locator("ha-switch").last.click()
        await screen.press("Submit")
        await expect(screen.dialog).to_contain_text("What appliances cost")
        await screen.show("34-card-to-copy")
        copy = screen.dialog.get_by_role("button", name="Copy to clipboard")
        await copy.first.click()
        card = parse_yaml(await page.evaluate("navigator.clipboard.readText()"))
        await screen.press("Submit")
        await expect(screen.dialog).to_contain_text("successfully saved")
        async with home.client() as ha:
            view = {"title": "Appliances", "cards": [card]}
            await ha("lovelace/config/save", url_path=PATH, config={"views": [view]})
        await screen.go(f"/{PATH}")
        graph = page.locator("hui-statistics-graph-card")
        await expect(graph).to_contain_text("What appliances cost")
        for appliance in ("Heat pump", "EV charger", "Washing machine"):
            await expect(graph).to_contain_text(appliance)
        await screen.show("35-card-copied")
        assert screen.complaints == []
    assert home.problems(DOMAIN) == []


async def every_bar(
    home: HomeAssistant, simulator: FlatPeakSimulator
) -> dict[str, dict[datetime, float]]:
    """Return each past hour of all our statistics, by their names."""
    days = past_days(simulator)
    async with home.client() as ha:
        listed = await ha("recorder/list_statistic_ids", statistic_type="sum")
        names = {
            one["statistic_id"]: one["name"]
            for one in listed
            if one["source"] == DOMAIN
        }
        found = await ha(
            "recorder/statistics_during_period",
            start_time=days[0].isoformat(),
            end_time=days[-1].isoformat(),
            statistic_ids=list(names),
            period="hour",
            types=["state"],
        )
    return {
        names[identity]: {
            datetime.fromtimestamp(row["start"] / 1000, UTC): row["state"]
            for row in rows
        }
        for identity, rows in found.items()
    }


async def test_settled_prices_reach_their_day_alone(
    home: HomeAssistant, simulator: FlatPeakSimulator, statistics: Json
) -> None:
    """Past prices change; after the look at all days one day has moved, no other.

    That is so for every bar of what was bought, and no bar of another series moves.
    """
    days = past_days(simulator)
    before = await every_bar(home, simulator)
    simulator.settle(HOME_ID, days[-2], days[-1], change=Decimal("0.05"))
    exact = await accounts_by_title(home, simulator)
    bought = {cost_name(t): exact[t][-1] for t in exact if "export" not in t}
    assert len(bought) == 4
    async with home.client() as ha:
        (entry,) = await ha("config_entries/get", domain=DOMAIN)
        path = f"/api/config/config_entries/entry/{entry['entry_id']}/reload"
        await ha.rest("POST", path)  # a start looks at all days, as every night does

    async def moved() -> bool:
        bars = await every_bar(home, simulator)
        return all(
            abs(Decimal(sum(v for h, v in bars[name].items() if h >= days[-2])) - money)
            < CENT / 100
            for name, money in bought.items()
        )

    await home.process.until("reviewed", moved, REVIEWED_SECONDS)
    after = await every_bar(home, simulator)
    assert len(after) >= 2 * len(exact)
    assert after.keys() == before.keys()
    for name, bars in after.items():
        assert bars.keys() == before[name].keys()
        changed = {hour for hour in bars if bars[hour] != before[name][hour]}
        assert bool(changed) == (name in bought)
        assert all(hour >= days[-2] for hour in changed)
    (shown,) = (await shown_by_statistics(home, simulator, statistics["IMPORT"]))[-1:]
    async with browser(home, height=1300, timezone=zone(simulator).key) as page:
        table = await table_of_yesterday(page)
        await page.screenshot(path=SCREENSHOTS / "32-energy-settled.png")
    assert pounds(shown) in table
    assert home.problems(DOMAIN) == []
