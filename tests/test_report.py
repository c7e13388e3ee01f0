"""What FlatPeak's report changes, and a location's totals from reports alone."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from custom_components.flatpeak.api import (
    FlatPeakClient,
    FlatPeakPriceUnavailableError,
    TariffDirection,
)
from custom_components.flatpeak.book import Line
from custom_components.flatpeak.metering import Origin, Total
from custom_components.flatpeak.report import LocationReport
from custom_components.flatpeak.review import Memory, async_review
from custom_components.flatpeak.snapshot import Figures, Periods, net_figures

from .desk import DEVICE, EXPORT, IMPORT, START, WH, WINDOW, Desk, open_desk
from .home import ACCOUNT
from .simulator import VARIANTS, FlatPeakSimulator
from .simulator.core import LoggedRequest
from .simulator.switches import (
    EmptyBuckets,
    ReferenceIds,
    Switches,
    Unaggregated,
)
from .simulator.tariff import Fixed, Tariff

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
COUNT = 8
# Whole records, whatever a report calls an item or an empty period.
SAFE = {
    name: switches
    for name, switches in VARIANTS.items()
    if name.partition("=")[0]
    in {
        "bucket_zone",
        "edge_bucket",
        "empty_buckets",
        "order",
        "straddling",
        "reference_ids",
        "default_dialect",
        "aggregate_rounding",
        "aggregate_confidence",
        "energy_rounding",
        "unaggregated",
    }
}


@pytest.fixture
async def desk(flatpeak: FlatPeakSimulator, tmp_path: Path) -> AsyncIterator[Desk]:
    """Return a desk that has sent windows of all meters, two hours of them."""
    async with open_desk(flatpeak, tmp_path) as desk:
        for n in range(COUNT):
            for meter in (IMPORT, EXPORT, DEVICE):
                desk.queue(meter, START + WINDOW * n)
        await desk.cycle(START + COUNT * WINDOW)
        yield desk


async def review(
    desk: Desk, meter: str = IMPORT, since: datetime = START
) -> tuple[list[Line], list[LoggedRequest]]:
    """Compare a meter's windows with the report; return also what was asked."""
    before = len(desk.simulator.requests)
    found = await async_review(
        desk.exchange.client,
        meter,
        desk.journal,
        desk.book,
        since,
        now=desk.now,
        began=START,
        zone=UTC,
        memory=Memory(),
    )
    return list(found.lines), desk.simulator.requests[before:]


@pytest.mark.parametrize("meter", [IMPORT, EXPORT, DEVICE])
async def test_days_that_agree(desk: Desk, meter: str) -> None:
    """Where the day's sums agree nothing more is asked."""
    lines, requests = await review(desk, meter)
    assert lines == []
    assert [request.query["aggregation"] for request in requests] == ["DAY"]


@pytest.mark.parametrize("name", SAFE)
async def test_revised_price(desk: Desk, name: str) -> None:
    """A price that was corrected is taken, for the windows that it is about."""
    desk.simulator.switches = SAFE[name]
    revised = START + 2 * WINDOW
    desk.simulator.settle(
        desk.location, revised, revised + WINDOW, price=Decimal("0.5")
    )
    lines, requests = await review(desk)
    if SAFE[name].unaggregated is Unaggregated.TOTAL:
        assert lines == [], "one total says nothing about windows"
        return
    [(meter, line)] = lines
    assert (meter, line.start, line.origin) == (IMPORT, revised, Origin.REPORT)
    assert line.money == Decimal("0.06")
    assert line.currency == "GBP"
    assert line.mwh == WH * 1000 + 7, "our own energy stays"
    assert line.carbon is not None, "reports have none: what was known stays"
    assert len(requests) == 2
    desk.book.append(lines)
    lines, requests = await review(desk)
    assert lines == []


async def test_quote_is_confirmed(desk: Desk) -> None:
    """A window whose price was only quoted is confirmed by the report."""
    line = desk.line((IMPORT, START))
    money = line.money
    desk.book.append([(IMPORT, replace(line, origin=Origin.QUOTE, money=None))])
    [(_, found)], _ = await review(desk)
    assert (found.start, found.origin, found.money) == (START, Origin.REPORT, money)


async def test_quote_of_the_right_money_is_confirmed(desk: Desk) -> None:
    """Where the records are read anyway, they say that one was stored."""
    line = desk.line((IMPORT, START))
    desk.book.append([(IMPORT, replace(line, origin=Origin.QUOTE))])
    desk.simulator.add_record(desk.location, START, START + HOUR, 500)
    assert await review_origins(desk) == [Origin.REPORT]


async def review_origins(desk: Desk) -> list[Origin | None]:
    """Return where the money of changed lines comes from."""
    lines, _ = await review(desk)
    return [line.origin for _, line in lines]


async def test_foreign_record_changes_nothing(desk: Desk) -> None:
    """What others recorded makes the sums differ, but is none of our windows."""
    desk.simulator.add_record(desk.location, START, START + HOUR, 500)
    desk.simulator.add_record(
        desk.location, START, START + WINDOW, WH, record_reference_id="other"
    )
    desk.simulator.switches = replace(
        desk.simulator.switches, reference_ids=ReferenceIds.ECHOED
    )
    lines, requests = await review(desk)
    assert lines == []
    assert len(requests) == 2


async def test_missing_record_is_no_news(desk: Desk) -> None:
    """A report that lags shows nothing, and nothing is made of it."""
    for rule in EmptyBuckets:
        desk.simulator.switches = Switches(empty_buckets=rule)
        desk.simulator.ledger.submissions.clear()
        lines, _ = await review(desk)
        assert lines == []


async def test_money_that_is_gone_is_kept(desk: Desk) -> None:
    """A report without money does not take ours away."""
    item = {
        "start_time": START.isoformat(),
        "end_time": (START + WINDOW).isoformat(),
        "energy": {"value": WH},
        "cost": {"value": 0, "confidence": 0},
    }
    body = {"object": "energy_cost", "currency_code": "GBP", "data": [item]}
    desk.simulator.fail("/costs/interval/*", status=200, body=body, times=2)
    lines, requests = await review(desk)
    assert lines == []
    assert len(requests) == 2


async def test_nothing_to_review(desk: Desk) -> None:
    """Without windows in the period nothing is asked."""
    assert await review(desk, since=START + COUNT * WINDOW) == ([], [])
    carried = replace(desk.line((IMPORT, START)), origin=Origin.CARRIED)
    starts = [start for meter, start in desk.queued if meter == IMPORT]
    desk.book.append([(IMPORT, replace(carried, start=start)) for start in starts])
    assert await review(desk) == ([], [])


LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 11, 10, tzinfo=UTC)


def total(wh: int, money: str) -> tuple[int, Decimal]:
    """Return energy and money as a total has them."""
    return wh * 1000, Decimal(money)


def shown(found: Total | None) -> tuple[int, Decimal]:
    """Return a total's energy and money."""
    assert found is not None
    assert found.money is not None
    return found.mwh, found.money


@pytest.fixture
async def alone(flatpeak: FlatPeakSimulator, tmp_path: Path) -> AsyncIterator[Desk]:
    """Return a location where others have recorded something in each period."""
    async with open_desk(flatpeak, tmp_path) as desk:
        desk.now = NOW
        desk.location = flatpeak.add_location(ACCOUNT, tariff="fixed")
        for days, wh in ((0, 1000), (1, 2000), (5, 4000), (20, 8000)):
            start = datetime(2026, 11, 11, 3, tzinfo=UTC) - DAY * days
            flatpeak.add_record(desk.location, start, start + HOUR, wh)
            flatpeak.add_record(
                desk.location, start, start + HOUR, wh / 10, direction="EXPORT"
            )
        yield desk


class Net:
    """The reports of both directions, netted as the coordinator does."""

    def __init__(self, client: FlatPeakClient, location: str) -> None:
        """Prepare one report for each direction."""
        self._reports = [
            LocationReport(client, location, direction)
            for direction in (TariffDirection.IMPORT, TariffDirection.EXPORT)
        ]

    async def async_figures(self, periods: Periods, now: datetime) -> Figures:
        """Return what was bought less what was sold."""
        bought, sold = [
            await report.async_figures(periods, now) for report in self._reports
        ]
        return net_figures([bought], [sold])


@pytest.mark.parametrize("name", SAFE)
async def test_totals_of_a_location(alone: Desk, name: str) -> None:
    """Each period is what was bought less what was sold, whatever a report is like."""
    alone.simulator.switches = SAFE[name]
    report = Net(alone.exchange.client, alone.location)
    periods = Periods(today=date(2026, 11, 11), zone=LONDON)
    figures = await report.async_figures(periods, NOW)
    assert shown(figures.today) == total(900, "0.2585")
    assert shown(figures.yesterday) == total(1800, "0.517")
    assert shown(figures.this_month) == total(6300, "1.8095")
    assert shown(figures.last_month) == total(7200, "2.068")
    assert figures.data_until == NOW


async def test_past_is_asked_for_rarely(alone: Desk) -> None:
    """What is past is read again after six hours, or when a day has ended."""
    report = Net(alone.exchange.client, alone.location)
    periods = Periods(today=date(2026, 11, 11), zone=LONDON)
    counts = []
    for today, hours in ((periods, 0), (periods, 5), (periods, 9), (periods, 10)):
        before = len(alone.simulator.requests)
        await report.async_figures(today, NOW + HOUR * hours)
        counts.append(len(alone.simulator.requests) - before)
    assert counts == [8, 2, 8, 2]
    before = len(alone.simulator.requests)
    tomorrow = Periods(today=date(2026, 11, 12), zone=LONDON)
    await report.async_figures(tomorrow, NOW + 29 * HOUR / 2)
    assert len(alone.simulator.requests) - before == 8


async def test_first_instant_of_a_month(alone: Desk) -> None:
    """A period without any length is 0, and not asked for."""
    report = Net(alone.exchange.client, alone.location)
    periods = Periods(today=date(2026, 11, 1), zone=LONDON)
    figures = await report.async_figures(periods, periods.start(periods.today))
    assert figures.today == figures.this_month == Total()
    assert shown(figures.last_month) == total(7200, "2.068")


async def test_home_that_sells_nothing(alone: Desk) -> None:
    """No export tariff is no trouble; no import tariff is."""
    client = alone.exchange.client
    tariff = Tariff(imports=Fixed(Decimal("0.25")))
    location = alone.simulator.add_location(ACCOUNT, tariff=tariff)
    alone.simulator.add_record(location, NOW - HOUR, NOW, 1000)
    periods = Periods(today=date(2026, 11, 11), zone=LONDON)
    figures = await Net(client, location).async_figures(periods, NOW)
    assert shown(figures.today) == total(1000, "0.25")
    assert figures.yesterday == Total()

    nothing = alone.simulator.add_location(ACCOUNT, tariff=None)
    with pytest.raises(FlatPeakPriceUnavailableError):
        await Net(client, nothing).async_figures(periods, NOW)
