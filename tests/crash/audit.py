"""The books compared with the exact account, and with the simulated FlatPeak's."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import groupby, pairwise

from custom_components.flatpeak.book import Book
from custom_components.flatpeak.decisions import stuck
from custom_components.flatpeak.journal import Journal, Queued, Status
from custom_components.flatpeak.metering import PricedWindow, Rule, Stream
from custom_components.flatpeak.meters import meter_key
from custom_components.flatpeak.series import statistic_id
from tests.desk import is_record
from tests.home import SLOT
from tests.lifetime import Life, register, used
from tests.lives import shown
from tests.simulator import Direction, FlatPeakSimulator
from tests.simulator.ledger import Draft
from tests.simulator.report import priced
from tests.simulator.switches import Overwrite

from .files import books_of, statistics_of

MWH = 1_000_000  # per kWh
DAY = 24 * 3600  # seconds

type Period = tuple[str, str, datetime, datetime]  # owner, direction, start, end


@dataclass(slots=True, kw_only=True)
class Audit:
    """What was found; `wrong` says what must not be."""

    wrong: list[str] = field(default_factory=list)
    requests: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    windows: int = 0
    estimated: int = 0
    kwh: Decimal = Decimal(0)
    records: int = 0  # that FlatPeak holds
    repeated: int = 0  # that the network delivered twice
    doubles: int = 0  # that we sent twice, and FlatPeak holds twice
    missing: int = 0
    unconfirmed: int = 0
    pending: int = 0
    money: Decimal = Decimal(0)
    exact_money: Decimal = Decimal(0)
    their_money: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A window as it must be: our energy, and what the tariff makes of it."""

    period: Period
    mwh: int
    wh: int
    money: Decimal | None  # as booked
    exact: Decimal  # by the simulator's tariff
    estimated: bool


def audit(simulator: FlatPeakSimulator, life: Life, midnight: datetime) -> Audit:
    """Compare energy, money and records, to the last mWh and digit.

    From `midnight` on, a whole day was calm.
    """
    journal, book = books_of(life)
    found = Audit(requests=len(simulator.requests))
    found.faults.update(one.fault for one in simulator.requests if one.fault)
    ours: dict[Period, _Entry] = {}
    for source, (direction, _) in life.meters.items():
        key = meter_key(life.location, direction, source)
        entries = _entries(simulator, life, journal, book, key)
        _check_energy(found, life, source, journal.meters[key].cut_until, entries)
        _check_use(found, source, entries)
        _check_money(found, source, entries)
        _check_shown(found, life, key, entries, midnight)
        _check_statistics(found, life, key, entries)
        ours |= {entry.period: entry for entry in entries}
    _check_records(found, simulator, ours, _listed(found, journal, book, simulator.now))
    _check_journal(found, journal, simulator)
    _check_log(found, life)
    return found


def _entries(
    simulator: FlatPeakSimulator, life: Life, journal: Journal, book: Book, key: str
) -> list[_Entry]:
    """Return all windows of a meter: those booked, and those only in the outbox."""
    stream = journal.meters[key].stream
    lines: dict[datetime, PricedWindow] = {
        item.window.start: PricedWindow(
            start=item.window.start,
            end=item.window.end,
            mwh=item.window.mwh,
            estimated=item.window.estimated,
        )
        for item in journal.outbox
        if item.meter == key
    }
    booked = book.between(key, life.begin, simulator.now)
    lines |= {line.start: line for line in booked}
    entries, sum_, sent = [], 0, 0
    for _, line in sorted(lines.items()):
        # Whole Wh go out: the differences of the rounded cumulative energy.
        sum_ += line.mwh
        wh = (sum_ + 500) // 1000 - sent
        sent += wh
        entries.append(
            _Entry(
                period=(stream.owner, stream.tariff_direction, line.start, line.end),
                mwh=line.mwh,
                wh=wh,
                money=line.money,
                exact=_cost(simulator, life, stream, line, wh),
                estimated=line.estimated,
            )
        )
    return entries


def _cost(
    simulator: FlatPeakSimulator,
    life: Life,
    stream: Stream,
    line: PricedWindow,
    wh: int,
) -> Decimal:
    """Return what the simulator's tariff makes of a window's whole Wh."""
    draft = Draft(
        location_id=life.location,
        start=line.start,
        end=line.end,
        energy=Fraction(wh),
        tariff_direction=Direction(stream.tariff_direction),
    )
    location = simulator.ledger.locations[life.location]
    return priced(draft, location, simulator.now, simulator.switches).cost


def _check_energy(
    found: Audit,
    life: Life,
    source: str,
    until: datetime | None,
    entries: Sequence[_Entry],
) -> None:
    """Every mWh of the register is in one window, and each window is there once."""
    assert until is not None
    begin = life.begin + SLOT  # the first row only sets the mark
    counted = sum(entry.mwh for entry in entries)
    before, after = (register(source, life.begin, at - SLOT) for at in (begin, until))
    rise = int((after - before) * MWH)
    found.windows += len(entries)
    found.estimated += sum(entry.estimated for entry in entries)
    found.kwh += Decimal(counted) / MWH
    if counted != rise:
        found.wrong.append(f"{source}: {counted} mWh counted, {rise} mWh used")
    edges = [(begin, begin), *(entry.period[2:] for entry in entries), (until, until)]
    for (_, end), (start, _) in pairwise(edges):
        if start < end:
            found.wrong.append(f"{source}: windows overlap at {start:%d %H:%M}")
        if any(used(source, slot) for slot in _slots(end, start)):
            found.wrong.append(f"{source}: a hole {end:%d %H:%M} to {start:%d %H:%M}")


def _check_use(found: Audit, source: str, entries: Sequence[_Entry]) -> None:
    """A measured window holds what was used in it, estimated ones do so together."""
    for estimated, group in groupby(entries, key=lambda entry: entry.estimated):
        run = list(group)
        for part in [run] if estimated else [[entry] for entry in run]:
            start, end = part[0].period[2], part[-1].period[3]
            counted = sum(entry.mwh for entry in part)
            real = sum(used(source, slot) for slot in _slots(start, end))
            if counted != real:
                found.wrong.append(
                    f"{source} {start:%d %H:%M} to {end:%d %H:%M}: "
                    f"{counted} mWh counted, {real} mWh used"
                )


def _slots(start: datetime, end: datetime) -> range:
    """Return the numbers of the slots between two instants."""
    return range(int(start.timestamp()) // 300, int(end.timestamp()) // 300)


def _check_money(found: Audit, source: str, entries: Sequence[_Entry]) -> None:
    """Every window costs what the tariff says."""
    for entry in entries:
        found.money += entry.money or 0
        found.exact_money += entry.exact
        if entry.money != entry.exact:
            at = f"{entry.period[2]:%d %H:%M}"
            found.wrong.append(f"{source} {at}: {entry.money}, not {entry.exact}")


def _check_shown(
    found: Audit, life: Life, key: str, entries: Sequence[_Entry], midnight: datetime
) -> None:
    """The sensors have shown the sums of the calm day, and of the month."""
    end = midnight + timedelta(days=1)
    of_day = [entry for entry in entries if midnight <= entry.period[2] < end]
    for name, counted in (("today", of_day), ("this_month", entries)):
        sums = {
            "cost": sum((entry.exact for entry in counted), Decimal(0)),
            "energy": Decimal(sum(entry.mwh for entry in counted)) / MWH,
        }
        for what, value in sums.items():
            values = shown(life, key, f"{what}_{name}")
            period = midnight if name == "today" else min(values)
            if values.get(period) != value:
                found.wrong.append(
                    f"{key} {what}_{name}: {values.get(period)}, not {value}"
                )


def _check_statistics(
    found: Audit, life: Life, key: str, entries: Sequence[_Entry]
) -> None:
    """The recorder's hours hold what was used in them, and their sums go up by it."""
    hours = defaultdict[datetime, list[_Entry]](list)
    for entry in entries:
        hours[entry.period[2].replace(minute=0)].append(entry)
    for what, of_hour in (
        ("energy", lambda entry: Decimal(entry.mwh) / MWH),
        ("cost", lambda entry: entry.exact),
    ):
        rows = statistics_of(life, statistic_id(life.location, key, what))
        if not rows:
            found.wrong.append(f"{key} {what}: no statistics")
        before = Decimal(0)
        for start, state, sum_ in rows:
            value = sum(map(of_hour, hours[start]), Decimal(0))
            if (state, sum_) != (value, before + value):
                found.wrong.append(
                    f"{key} {what} of {start:%d %H:%M}: {state}, sum {sum_}; "
                    f"not {value}, sum {before + value}"
                )
            before += value
        late = sorted(hours.keys() - {start for start, _, _ in rows})
        # The last hour is still open.
        if late and late != [max(hours)]:
            found.wrong.append(f"{key} {what}: no statistics of {late[0]:%d %H:%M}")


def _check_log(found: Audit, life: Life) -> None:
    """Nothing failed that nobody expects to."""
    count = life.log.read_text().count("Traceback")
    if count:
        found.wrong.append(f"{count} tracebacks in {life.log}")


def _listed(found: Audit, journal: Journal, book: Book, now: datetime) -> set[Period]:
    """Return the periods that the integration says are not confirmed."""
    listed = [
        item
        for key in journal.meters
        for item in stuck(journal, book, key, now, Status.ATTEMPTED)
    ]
    found.unconfirmed = len(listed)
    found.pending = len(journal.outbox) - len(listed)
    return {_period(journal, item) for item in listed}


def _period(journal: Journal, item: Queued) -> Period:
    """Return which record waits."""
    stream = journal.meters[item.meter].stream
    window = item.window
    return stream.owner, stream.tariff_direction, window.start, window.end


def _check_records(
    found: Audit,
    simulator: FlatPeakSimulator,
    ours: dict[Period, _Entry],
    listed: set[Period],
) -> None:
    """FlatPeak holds what we hold, each record once."""
    records = [(_period_of(one.draft), one) for one in simulator.records]
    held = Counter(period for period, _ in records)
    energies = {period: one.draft.energy for period, one in records}
    found.records = len(records)
    found.their_money = sum((one.cost for _, one in records), Decimal(0))
    copies = Counter(_copies(simulator))
    adds = simulator.switches.overwrite is Overwrite.NEVER
    for period, count in held.items():
        repeated = min(count - 1, copies[period]) if adds else 0
        found.repeated += repeated
        if count > 1 + repeated:
            found.doubles += count - 1 - repeated
            found.wrong.append(f"FlatPeak holds {_name(period)} {count} times")
        if period not in ours:
            found.wrong.append(f"FlatPeak holds {_name(period)}, which is not ours")
        elif energies[period] != ours[period].wh:
            found.wrong.append(
                f"FlatPeak holds {energies[period]} Wh of {_name(period)}, "
                f"not {ours[period].wh}"
            )
    missing = {period for period, entry in ours.items() if entry.wh} - held.keys()
    found.missing = len(missing)
    wrong = missing - listed if adds else missing
    found.wrong += [f"Missing, not listed: {_name(period)}" for period in sorted(wrong)]
    # What reports can show is looked up, and is not for the user to worry about.
    wrong = set() if simulator.switches.lag > DAY else listed - missing
    found.wrong += [f"Listed, not missing: {_name(period)}" for period in sorted(wrong)]


def _period_of(draft: Draft) -> Period:
    """Return which record FlatPeak holds."""
    return draft.owner, str(draft.tariff_direction), draft.start, draft.end


def _copies(simulator: FlatPeakSimulator) -> Iterator[Period]:
    """Return the periods that the network delivered once more."""
    for one in simulator.requests:
        if one.copy and is_record(one):
            body = one.body
            yield (
                body.get("device_id") or body["location_id"],
                body.get("direction") or body["tariff_direction"],
                datetime.fromisoformat(body["start_time"]),
                datetime.fromisoformat(body["end_time"]),
            )


def _name(period: Period) -> str:
    owner, direction, start, _ = period
    return f"{owner[:8]} {direction} {start:%d %H:%M}"


def _check_journal(
    found: Audit, journal: Journal, simulator: FlatPeakSimulator
) -> None:
    """Nothing waits that need not, and nothing false was learned."""
    if found.pending:
        found.wrong.append(f"{found.pending} records still wait")
    if journal.facts.other_writer:
        found.wrong.append("another writer is suspected")
    adds = simulator.switches.overwrite is Overwrite.NEVER
    if journal.facts.rule is (Rule.REPLACES if adds else Rule.ADDS):
        found.wrong.append(f"FlatPeak is thought to be one that {journal.facts.rule}")
