"""Imported statistics: days late, and revised when they were priced long ago."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from homeassistant.components.recorder.models import (
    StatisticData,
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import async_add_external_statistics
from homeassistant.util import dt as dt_util
from homeassistant.util.unit_conversion import EnergyConverter, PowerConverter
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.flatpeak.coordinator import FlatPeakCoordinator
from custom_components.flatpeak.journal import Journal
from custom_components.flatpeak.metering import Origin, PricedWindow, Rule, Window
from custom_components.flatpeak.review import Difference
from custom_components.flatpeak.revisions import revised
from custom_components.flatpeak.series import statistic_id

from .desk import is_quote, is_record
from .home import ACCOUNT, KEY, Home
from .simulator import DEFAULT
from .simulator.core import LoggedRequest
from .statistics import Recorded, assert_sums

GRID, PUMP = "utility:grid", "utility:pump"
LATE = 5  # the hour whose power comes later
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
FIRST = datetime(2026, 11, 9, tzinfo=UTC)  # the hour that the statistic begins with
NOW = datetime(2026, 11, 11, 8, tzinfo=UTC)
WH = [400, 0, 250, 900, 120, *[300] * 19]  # of each hour of a day

pytestmark = pytest.mark.freeze_time(NOW)


class Utility:
    """Hourly energy that another integration imports."""

    def __init__(self, home: Home, wh: Sequence[int]) -> None:
        """Begin with the energy of each hour (Wh)."""
        self.home = home
        self.wh = list(wh)

    async def deliver(self, *, unit: str = "Wh", since: int = 0) -> None:
        """Import all hours since a number, the one before them included."""
        rows = [
            StatisticData(start=FIRST + (n - 1) * HOUR, sum=sum(self.wh[:n]))
            for n in range(since, len(self.wh) + 1)
        ]
        async_add_external_statistics(
            self.home.hass,
            StatisticMetaData(
                mean_type=StatisticMeanType.NONE,
                has_sum=True,
                name="Grid",
                source="utility",
                statistic_id=GRID,
                unit_class=EnergyConverter.UNIT_CLASS,
                unit_of_measurement=unit,
            ),
            rows,
        )
        await async_wait_recording_done(self.home.hass)


@pytest.fixture
async def utility(home: Home) -> Utility:
    """Return a utility that has delivered a day, of the day before yesterday."""
    utility = Utility(home, WH)
    await utility.deliver()
    return utility


@pytest.fixture
async def entry(home: Home, utility: Utility) -> MockConfigEntry:
    """Return a home with that meter, whose first day was sent."""
    location = home.simulator.add_location(ACCOUNT, tariff="daynight", timezone="UTC")
    entry = home.add_entry(location, {GRID: ("import", "grid")}, window=30)
    await home.set_up(entry)
    await push(home)
    return entry


async def push(home: Home) -> None:
    """Let the recorder run, and our push after it."""
    now = dt_util.utcnow()
    await home.live(now + timedelta(minutes=5), lambda _: {})


async def night(home: Home) -> None:
    """Go to the first look of the next day, and push."""
    tomorrow = dt_util.utcnow().replace(hour=0, minute=15, second=0) + DAY
    await home.go_to(tomorrow)
    await push(home)


def coordinator_of(entry: MockConfigEntry) -> FlatPeakCoordinator:
    """Return the coordinator."""
    coordinator: FlatPeakCoordinator = entry.runtime_data
    return coordinator


def journal_of(entry: MockConfigEntry) -> Journal:
    """Return the journal."""
    return coordinator_of(entry).ledger.journal


def lines(entry: MockConfigEntry) -> list[PricedWindow]:
    """Return all that is booked."""
    (key,) = coordinator_of(entry).meters
    return coordinator_of(entry).ledger.book.between(key, FIRST, NOW + 30 * DAY)


def hours(entry: MockConfigEntry) -> list[int]:
    """Return the booked energy of each hour, in mWh."""
    booked = lines(entry)
    found = [0] * ((booked[-1].end - FIRST) // HOUR)
    for line in booked:
        found[(line.start - FIRST) // HOUR] += line.mwh
    return found


def mwh(wh: Sequence[int]) -> list[int]:
    """Return Wh as mWh."""
    return [1000 * energy for energy in wh]


def know(home: Home, entry: MockConfigEntry, rule: Rule) -> None:
    """Let FlatPeak have a rule, and us know it."""
    learn(home, rule)
    ledger = coordinator_of(entry).ledger
    facts = replace(ledger.journal.facts, rule=rule)
    ledger.journal = replace(ledger.journal, facts=facts)


def learn(home: Home, rule: Rule) -> None:
    """Let FlatPeak have a rule."""
    if rule is Rule.ADDS:
        home.simulator.switches = DEFAULT.but({"overwrite": "never"})


def stored(home: Home, entry: MockConfigEntry) -> Decimal:
    """Return what FlatPeak's records cost."""
    return home.simulator.stored_cost(entry.unique_id or "", FIRST, NOW + 30 * DAY)


def booked(entry: MockConfigEntry) -> Decimal:
    """Return what our lines cost, all of which have a price."""
    return sum((line.money or Decimal(0) for line in lines(entry)), Decimal(0))


def sent(home: Home, since: int = 0) -> list[LoggedRequest]:
    """Return the requests that store a record, since a number of requests."""
    return [
        request for request in home.simulator.requests[since:] if is_record(request)
    ]


def assert_priced(entry: MockConfigEntry) -> None:
    """Check that nothing waits, for FlatPeak or for a price."""
    assert journal_of(entry).outbox == ()
    assert all(line.money is not None for line in lines(entry) if line.mwh)


async def test_scenario_19_days_late(
    home: Home, utility: Utility, entry: MockConfigEntry
) -> None:
    """A new meter begins with the last day that there is; later ones follow."""
    assert hours(entry) == mwh(WH)
    assert len(sent(home)) == 2 * 23, "of an hour without energy there is nothing"
    utility.wh += [500] * 5
    await utility.deliver(since=24)
    await push(home)
    assert hours(entry) == mwh([*WH, *[500] * 5])
    assert len(sent(home)) == 2 * 28
    assert booked(entry) == stored(home, entry)
    await push(home)
    await night(home)
    assert len(sent(home)) == 2 * 28
    assert_priced(entry)


async def test_scenario_19_two_days_late_for_ever(
    home: Home, utility: Utility, entry: MockConfigEntry
) -> None:
    """What comes a day later each day is settled a day later each day."""
    for _ in range(3):
        utility.wh += WH
        await utility.deliver(since=len(utility.wh) - 24)
        await night(home)
    assert hours(entry) == mwh(WH * 4)
    assert len(sent(home)) == 2 * 23 * 4
    assert booked(entry) == stored(home, entry)
    assert_priced(entry)


# More in hours 1 (nothing so far) and 4, less in 3 and 23, nothing any more in 5.
REVISED = [400, 120, 250, 700, 330, 0, *[300] * 17, 290]
SINCE_THEN = [500]  # the hour that comes after the revision


async def revise(home: Home, utility: Utility, entry: MockConfigEntry) -> int:
    """Revise what was billed, live through a night; return the requests before it."""
    before = len(home.simulator.requests)
    utility.wh = [*REVISED, *SINCE_THEN]
    await utility.deliver()
    await push(home)
    assert hours(entry) == mwh([*WH, *SINCE_THEN]), "nothing of it is in the next hour"
    await night(home)
    await push(home)
    assert hours(entry) == mwh([*REVISED, *SINCE_THEN]), "our energy is right at once"
    assert_priced(entry)
    return before


def values(requests: Sequence[LoggedRequest]) -> list[tuple[int, int]]:
    """Return the hour and the Wh of each record that was sent."""
    return [
        (
            (datetime.fromisoformat(request.body["start_time"]) - FIRST) // HOUR,
            request.body["value"],
        )
        for request in requests
    ]


AGAIN = [(3, 350), (4, 165), (5, 0), (23, 145)]  # each of the half hours
NEW = [(24, 250), (24, 250), (1, 60), (1, 60)]  # without a record so far


async def test_scenario_19_scenario_21_flatpeak_replaces(
    home: Home, utility: Utility, entry: MockConfigEntry
) -> None:
    """Every window that changed is sent again, once, also where nothing was used."""
    know(home, entry, Rule.REPLACES)
    before = await revise(home, utility, entry)
    assert sorted(values(sent(home, before))) == sorted([*NEW, *AGAIN, *AGAIN])
    assert booked(entry) == stored(home, entry)
    assert {line.origin for line in lines(entry)} == {Origin.INSTANT}
    before = len(home.simulator.requests)
    await night(home)
    assert sent(home, before) == []
    assert differences(entry) == []


async def test_scenario_19_scenario_21_flatpeak_adds(
    home: Home, utility: Utility, entry: MockConfigEntry
) -> None:
    """What has a record is not sent again: ours is a quote, and it shows."""
    know(home, entry, Rule.ADDS)
    first = booked(entry)
    before = await revise(home, utility, entry)
    assert sorted(values(sent(home, before))) == sorted(NEW)
    assert len([r for r in home.simulator.requests[before:] if is_quote(r)]) == 6
    changed = [line for line in lines(entry) if line.origin is Origin.REVISED]
    assert len(changed) == 8
    (shown,) = differences(entry)
    assert shown.ours < shown.theirs
    assert shown.theirs - shown.ours == stored(home, entry) - booked(entry)
    before = len(home.simulator.requests)
    await night(home)
    assert sent(home, before) == []
    (again,) = differences(entry)
    assert again.theirs - again.ours == shown.theirs - shown.ours
    assert booked(entry) != first
    utility.wh = [*WH, *SINCE_THEN]
    utility.wh[1] = 120  # was nothing, and has a record since
    await utility.deliver()
    await night(home)
    await push(home)
    assert booked(entry) == stored(home, entry)
    await night(home)
    assert differences(entry) == []
    assert Origin.REVISED not in {line.origin for line in lines(entry)}


@pytest.mark.parametrize("rule", [Rule.REPLACES, Rule.ADDS])
async def test_scenario_20_the_smallest_correction_teaches_the_rule(
    home: Home, utility: Utility, entry: MockConfigEntry, rule: Rule
) -> None:
    """It goes alone. What comes of it is seen a night later, and acted on after it."""
    learn(home, rule)
    before = await revise(home, utility, entry)
    assert sorted(values(sent(home, before))) == sorted([*NEW, (5, 0)])
    assert journal_of(entry).facts.rule is Rule.UNKNOWN
    before = len(home.simulator.requests)
    await night(home)
    assert journal_of(entry).facts.rule is rule
    assert sent(home, before) == []
    await night(home)
    found = sorted(values(sent(home, before)))
    if rule is Rule.REPLACES:
        assert found == sorted([*AGAIN, *AGAIN])[:4] + [(5, 0)] + [(23, 145)] * 2
        assert booked(entry) == stored(home, entry)
        await night(home)
        assert differences(entry) == []
    else:
        assert found == []
        assert differences(entry) != []


async def test_invariant_4_a_restart_before_a_revision_is_sent(
    home: Home, utility: Utility, entry: MockConfigEntry
) -> None:
    """The new energy never gets the money of the old one, and goes out all the same."""
    know(home, entry, Rule.REPLACES)
    utility.wh = list(REVISED)
    await utility.deliver()
    before = len(home.simulator.requests)
    await home.go_to(datetime(2026, 11, 12, 0, 15, tzinfo=UTC))
    assert len(journal_of(entry).outbox) == 10
    assert sent(home, before) == []
    await home.hass.config_entries.async_unload(entry.entry_id)
    await home.set_up(entry)
    await push(home)
    assert sorted(values(sent(home, before))) == sorted([*NEW[2:], *AGAIN, *AGAIN])
    assert hours(entry) == mwh(REVISED)
    assert booked(entry) == stored(home, entry)
    assert_priced(entry)


async def test_invariant_9_another_unit_is_no_revision(
    home: Home, utility: Utility, entry: MockConfigEntry
) -> None:
    """A factor of 1000, to and fro, reaches neither FlatPeak nor the books."""
    know(home, entry, Rule.REPLACES)
    before, then = len(home.simulator.requests), lines(entry)
    for unit in ("kWh", "Wh", "mWh", "Wh"):
        await utility.deliver(unit=unit)
        await push(home)
        await night(home)
        assert lines(entry) == then
    assert sent(home, before) == []
    assert_priced(entry)


async def test_scenario_19_prices_that_cannot_be_asked_for(
    home: Home, utility: Utility, entry: MockConfigEntry
) -> None:
    """Energy is right without them; its money is unknown until they come."""
    know(home, entry, Rule.ADDS)
    utility.wh = [*WH[:-1], 1000]
    await utility.deliver()
    for _ in range(4):
        home.simulator.fail("/costs/instant", status=503)
    await night(home)
    assert hours(entry) == mwh(utility.wh)
    assert [line.money for line in lines(entry)[-2:]] == [None] * 2
    assert home.state("cost_this_month").state != "unknown"
    for _ in range(4):
        await home.go_to(dt_util.utcnow() + HOUR)
        await push(home)
    assert_priced(entry)


async def test_a_key_that_is_refused_while_prices_are_asked_for(
    home: Home, utility: Utility, entry: MockConfigEntry
) -> None:
    """The user is asked for another key."""
    know(home, entry, Rule.ADDS)
    utility.wh = [*WH[:-1], 1000]
    await utility.deliver()
    ledger = coordinator_of(entry).ledger
    async with ledger.lock:
        await coordinator_of(entry)._pusher.async_revise()
    home.simulator.remove_key(KEY)
    home.simulator.revoke_tokens()
    await push(home)
    assert any(entry.async_get_active_flows(home.hass, {"reauth"}))


def differences(entry: MockConfigEntry) -> list[Difference]:
    """Return the differences that the repair shows."""
    (shown,) = coordinator_of(entry).poll.differences.values()
    return list(shown)


def test_scenario_28_less_than_a_wh_is_ours_alone() -> None:
    """FlatPeak's record is the same, and so is what it costs."""
    line = PricedWindow(
        start=FIRST,
        end=FIRST + HOUR,
        mwh=1_000,
        money=Decimal("0.1"),
        origin=Origin.INSTANT,
    )
    windows = [
        Window(start=FIRST, end=FIRST + HOUR, mwh=1_400),
        Window(start=FIRST + HOUR, end=FIRST + 2 * HOUR, mwh=300),
    ]
    found, again = revised("meter", windows, [line], Rule.REPLACES)
    assert again == []
    assert found[0] == ("meter", replace(line, mwh=1_400))
    assert (found[1][1].origin, found[1][1].money) == (Origin.CARRIED, Decimal(0))


async def test_nothing_is_asked_while_sending_is_paused(
    home: Home, entry: MockConfigEntry, utility: Utility
) -> None:
    """A quote would tell the energy; it is asked for when sending goes on."""
    know(home, entry, Rule.ADDS)
    await coordinator_of(entry).async_set_sending(on=False)
    utility.wh[2] += 100
    await utility.deliver()
    before = len(home.simulator.requests)
    await night(home)
    await push(home)
    assert hours(entry) == mwh(utility.wh)
    posted = [one for one in home.simulator.requests[before:] if one.method == "POST"]
    assert not [one for one in posted if is_quote(one) or is_record(one)]
    await coordinator_of(entry).async_set_sending(on=True)
    await push(home)
    assert [one for one in home.simulator.requests[before:] if is_quote(one)]


async def test_an_hour_of_power_that_comes_late(home: Home) -> None:
    """Without data it has a row of nothing; then its own, and all later sums move."""
    await deliver_power(home, [n for n in range(24) if n != LATE])
    location = home.simulator.add_location(ACCOUNT, tariff="daynight", timezone="UTC")
    entry = home.add_entry(location, {PUMP: ("import", "device")}, window=30)
    await home.set_up(entry)
    await push(home)
    (key,) = coordinator_of(entry).meters
    recorded = Recorded(home, location)
    rows = await recorded.rows_of(statistic_id(location, key, "energy"))
    assert rows[FIRST + LATE * HOUR][0] == 0
    assert hours(entry)[LATE] == 0

    await deliver_power(home, [LATE])
    await night(home)
    await push(home)
    rows = await recorded.rows_of(statistic_id(location, key, "energy"))
    assert_sums(rows)
    assert {start: state for start, (state, _) in rows.items()} == {
        FIRST + n * HOUR: (300 + n) / 1000 for n in range(1, 24)
    }
    assert_priced(entry)


async def deliver_power(home: Home, hours: Iterable[int]) -> None:
    """Import the mean power of some hours of the first day: 300 W and its number."""
    async_add_external_statistics(
        home.hass,
        StatisticMetaData(
            mean_type=StatisticMeanType.ARITHMETIC,
            has_sum=False,
            name="Pump",
            source="utility",
            statistic_id=PUMP,
            unit_class=PowerConverter.UNIT_CLASS,
            unit_of_measurement="W",
        ),
        [StatisticData(start=FIRST + n * HOUR, mean=300 + n) for n in hours],
    )
    await async_wait_recording_done(home.hass)
