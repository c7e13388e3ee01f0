"""A look at the location's own stream where no meter of ours records.

Where one does, its review finds what others recorded there.
"""

from datetime import datetime, tzinfo

from .api import Aggregation, CostReport, FlatPeakClient, TariffDirection
from .book import Book, Line
from .foreign import Holders, Site
from .journal import Journal
from .metering import Span, Stream, compare, day_start, local_date
from .review import agrees, others_records


async def async_others(
    client: FlatPeakClient,
    location_id: str,
    direction: TariffDirection,
    journal: Journal,
    book: Book,
    since: datetime,
    *,
    now: datetime,
    zone: tzinfo,
    grid: Holders,
) -> list[Line]:
    """Return the lines of the book that change by what others recorded since then.

    By whole local days; `grid` are our grid meters of the direction. Raises
    FlatPeakError.
    """
    period = Span(start=day_start(local_date(since, zone), zone), end=now)
    stream = Stream(
        owner=location_id, energy_direction=direction, tariff_direction=direction
    )

    async def ask(aggregation: Aggregation | None) -> CostReport:
        return await client.async_get_costs(
            location_id,
            period.start,
            now,
            direction=direction,
            aggregation=aggregation,
        )

    site = Site.of(stream, journal, book, period, grid)
    days = (await ask(Aggregation.DAY)).items
    if any(agrees(scope, days) for scope in site.scopes):
        return []
    report = await ask(None)
    findings = compare(
        (),
        report.items,
        period=period,
        now=now,
        rule=journal.facts.rule,
        others=others_records(stream, journal, book, period.start, now),
    )
    return site.lines(report, findings, journal.facts.currency)
