"""The fate of records of which it is not known whether FlatPeak has stored them.

What FlatPeak does with a second record of the same period is not documented. So a
doubtful record is looked up in the report. Unless FlatPeak is known to replace, it
goes out again only when a record that was certainly sent later is visible there and it
is not.
"""

from collections.abc import Container, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby

from .api import CostItem, FlatPeakAuthenticationError, FlatPeakError
from .batches import Batches
from .earlier import (
    end_of_hour,
    in_question,
    is_of_earlier_life,
    ours_in,
    shared,
    take,
)
from .exchange import Exchange, Key, Round, as_record, key_of
from .journal import LONGEST_LAG, Journal, MeterState, Queued, Status
from .metering import (
    Finding,
    Kind,
    Origin,
    PricedWindow,
    Record,
    Span,
    Standing,
    compare,
    hour_start,
)
from .turns import Turns

AT_ONCE = 20  # requests about single records in a cycle
SECOND_READ = timedelta(minutes=5)  # two reads of a batch's records have to agree
RARELY = timedelta(days=1)
OFTEN = 4  # looks, at growing intervals
LONGEST_RANGE = timedelta(days=90)  # FlatPeak documentation, "Costs"
LONGEST_WINDOW = timedelta(hours=1)
MOST_REFUSALS = 5  # where FlatPeak says no, though it may have stored the record
MOST_TRIES = 24  # at growing intervals: a day
# After this, or four times the longest lag, a record that is stored is visible.
SURE = timedelta(minutes=10)
LAGS = 4
# Between two looks, of which only the second one finds a record: it came in between.
NEAR = timedelta(minutes=70)
TOLERANCE_WH = 1  # FlatPeak rounds energy to whole Wh
STORED = {Kind.CONFIRMED, Kind.REPRICED, Kind.UNPRICED, Kind.SURPLUS}
ABSENT = {Kind.LATE, Kind.MISSING, Kind.UNCONFIRMED}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """The doubtful records of one stream, oldest first."""

    meter: str
    state: MeterState
    items: Sequence[Queued]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What a report says of records, by their start."""

    findings: Mapping[Hashable, Finding[CostItem]]
    currency: str | None
    items: Sequence[CostItem] = ()  # what an earlier life may have sent
    agreed: Container[datetime] = ()  # starts of its records that are as we have them
    # When all that shares energy with a record had ended, by its start.
    ended: Mapping[datetime, datetime] = field(default_factory=dict)

    def of(self, item: Queued) -> Finding[CostItem]:
        """Return what it says of one record."""
        return self.findings[item.window.start]


class Lookups:
    """Finds out whether doubtful records were stored."""

    def __init__(self, exchange: Exchange, batches: Batches) -> None:
        """Begin without having looked anything up."""
        self._exchange = exchange
        self._batches = batches
        self._turns: Turns[Key] = Turns()
        self._first_reads: dict[Key, tuple[datetime, CostItem]] = {}
        self._unseen: dict[Key, datetime] = {}  # when it was last not there
        self._unwitnessed: set[Key] = set()  # at their last look
        self._left = AT_ONCE

    def sent(self, item: Queued) -> None:
        """Look a record up that was sent: at once, and later the more often it was.

        What FlatPeak never has would else be sent again and again.
        """
        self._turns.wait(key_of(item), self._now, item.tries - 1)

    def answered(self, item: Queued) -> None:
        """Begin anew with records that lacked a witness: this one is the first."""
        first = {key for key in self._unwitnessed if key[0] == item.meter}
        self._unwitnessed -= first
        for key in first:
            self._turns.forget(key)

    async def async_resolve(
        self, items: Sequence[Queued], journal: Journal, result: Round
    ) -> None:
        """Look up doubtful records, those of a stream in one report.

        Raises FlatPeakAuthenticationError.
        """
        self._left = AT_ONCE
        # That somebody is asked about a record tells nothing of it.
        items = [
            replace(item, attempted=None) if is_of_earlier_life(item) else item
            for item in items
        ]
        due = [item for item in items if self._is_due(item, journal)]
        earlier = {item.meter for item in due if is_of_earlier_life(item)}
        known = set(map(key_of, due))
        due += [
            item
            for item in items
            if item.meter in earlier
            and is_of_earlier_life(item)
            and key_of(item) not in known
            and self._now - item.window.start <= LONGEST_RANGE
        ]
        due.sort(key=key_of)
        for meter, group in groupby(due, key=lambda item: item.meter):
            state = journal.meters[meter]
            question = _Question(meter=meter, state=state, items=tuple(group))
            if not self._exchange.pace.may_ask_for(state.stream):
                continue
            try:
                await self._resolve(question, journal, result)
            except FlatPeakAuthenticationError:
                raise
            except FlatPeakError as error:
                self._exchange.failed(error, state)

    def _is_due(self, item: Queued, journal: Journal) -> bool:
        """Return whether to look a record up: at its turn, or once after a cure.

        So is the end of its batch.
        """
        if self._turns.is_due(key_of(item), self._now):
            return True
        stream = journal.meters[item.meter].stream
        times = (
            self._exchange.pace.cured(stream.tariff_direction),
            self._batches.ended(item),
        )
        return any(
            self._turns.was_vain(key_of(item), time)
            for time in times
            if time is not None and time <= self._now
        )

    async def _resolve(
        self, question: _Question, journal: Journal, result: Round
    ) -> None:
        """Look up the records of one stream."""
        items = []
        for item in question.items:
            if self._exchange.carries(item):
                result.settle(item, self._exchange.carried(item))
            elif item.window.end - question.items[0].window.start <= LONGEST_RANGE:
                items.append(item)
        if not items:
            return
        question = replace(question, items=items)
        earlier = any(map(is_of_earlier_life, items))
        answer = await self._ask(
            question, journal, self._witnesses(question), whole_hours=earlier
        )
        if _is_total(items, answer) and (earlier or len(answer.findings) > 1):
            if earlier and len(hours := _by_hour(items)) > 1:
                for hour in hours:
                    # Else those that wait would keep the later ones from their turn.
                    due = any(self._is_due(item, journal) for item in hour)
                    if not due or self._left <= 0:
                        continue
                    self._left -= 1
                    await self._resolve(replace(question, items=hour), journal, result)
                return
            items = await self._ask_one_by_one(question, answer, journal, result)
            question = replace(question, items=items)
        items, answer = await self._adopt(question, answer, journal, result)
        for item in items:
            await self._conclude(item, answer, journal, result)

    async def _ask_one_by_one(
        self, question: _Question, total: _Answer, journal: Journal, result: Round
    ) -> list[Queued]:
        """Conclude what reports of single windows tell; return what is left.

        They need not show a longer record of an earlier life: that its windows are not
        there only a total tells that is explained without them.
        """
        known, left = len(result.done), []
        turns = sorted(question.items, key=lambda item: not self._is_due(item, journal))
        for item in sorted(turns[: self._left], key=key_of):
            self._left -= 1
            alone = replace(question, items=(item,))
            answer = await self._ask(alone, journal, ())
            finding = answer.of(item)
            is_told = finding.kind in STORED or total.of(item).kind is Kind.LATE
            if is_of_earlier_life(item) and not is_told:
                left.append(item)
                continue
            if finding.kind is Kind.LATE and await self._seen_later(alone, journal):
                missing = replace(finding, kind=Kind.MISSING, resend=True)
                answer = replace(answer, findings={item.window.start: missing})
            await self._conclude(item, answer, journal, result)
        if len(result.done) == known:
            return left
        for item in left:  # what was found explains more of the total next time
            await self._wait(item, total.of(item), question.state, result)
        return []

    async def _adopt(
        self, question: _Question, answer: _Answer, journal: Journal, result: Round
    ) -> tuple[list[Queued], _Answer]:
        """Adopt what an earlier life sent; return what is left to conclude.

        All that shares energy is decided together, once all of it would be visible.
        """
        ended: dict[datetime, datetime] = {}
        through: set[Key] = set()
        earlier = [item for item in question.items if is_of_earlier_life(item)]
        for part in shared(
            earlier, answer.agreed, answer.items, journal, self._exchange
        ):
            ended |= {item.window.start: part.end for item in part.items}
            if part.is_free and not part.goes_on:
                continue
            through |= {key_of(item) for item in part.items}
            visible = not part.goes_on and self._would_be_visible(part.end, journal)
            if visible and part.is_priced and not part.is_open:
                take(part, self._exchange, answer.currency, result)
                for item in part.items:
                    self._turns.forget(key_of(item))
                continue
            for item in part.items:
                await self._hold(
                    item, answer.of(item), question.state, result, is_open=part.is_open
                )
        left = [item for item in question.items if key_of(item) not in through]
        return left, replace(answer, ended=ended)

    async def _hold(
        self,
        item: Queued,
        finding: Finding[CostItem],
        state: MeterState,
        result: Round,
        *,
        is_open: bool = True,
    ) -> None:
        """Send nothing where something of ours may be; a day later ask the user."""
        asks = is_open and self._now - item.window.end > RARELY
        if asks:
            result.change(in_question(item))
        await self._wait(item, finding, state, result, is_asked=asks)

    async def _ask(
        self,
        question: _Question,
        journal: Journal,
        witnesses: Sequence[PricedWindow],
        *,
        whole_hours: bool = False,
    ) -> _Answer:
        """Return what one report says of records and witnesses.

        Whatever an earlier life cut, no window lies in two hours.
        """
        state, items = question.state, question.items
        begins = items[0].window.start
        ends = max(item.window.end for item in items)
        if whole_hours:
            begins = hour_start(begins)
            ends = max(ends, min(end_of_hour(ends), hour_start(self._now)))
        if witnesses:
            ends = max(ends, witnesses[-1].end)
        report = await self._exchange.async_report(state, begins, ends)
        asked = {item.window.start for item in items}
        booked = [
            line
            for line in self._exchange.book.between(question.meter, begins, ends)
            if line.start not in asked and line.origin is not Origin.CARRIED
        ]
        records = [
            *(_doubtful(item, state) for item in items),
            *(_sent(line, state) for line in booked),
        ]
        findings = compare(
            records,
            report.items,
            period=Span(start=begins, end=ends),
            now=self._exchange.utcnow(),
            rule=journal.facts.rule,
            lag=timedelta(seconds=journal.facts.lag),
            others=self._others(question, journal, begins, ends),
        )
        by_start = {found.key: found for found in findings[: len(records)]}
        earlier = [item for item in items if is_of_earlier_life(item)]
        agreed = {
            item.window.start
            for item in earlier
            if _agrees(item, by_start[item.window.start])
        }
        return _Answer(
            findings=by_start,
            currency=report.currency_code,
            items=ours_in(findings, earlier, agreed, state),
            agreed=agreed,
        )

    def _others(
        self, question: _Question, journal: Journal, start: datetime, end: datetime
    ) -> list[Record]:
        """Return what other streams may have in the same report."""
        return [
            _sent(line, state)
            for meter, state in journal.meters.items()
            if meter != question.meter
            if state.stream.tariff_direction == question.state.stream.tariff_direction
            for line in self._exchange.book.between(meter, start, end)
            if line.origin is not Origin.CARRIED
        ]

    def _witnesses(self, question: _Question) -> list[PricedWindow]:
        """Return windows whose records were certainly sent later than a doubtful one.

        Only a window that ended after the attempt is certain to have been sent later.
        """
        begins = question.items[0].window.start
        since = min(
            (item.attempted for item in question.items if item.attempted),
            default=None,
        )
        if since is None:
            return []
        lines = self._exchange.book.between(
            question.meter, since - LONGEST_WINDOW, begins + LONGEST_RANGE
        )
        return [
            line
            for line in lines
            if line.origin is Origin.INSTANT
            and line.end > since
            and line.end - begins <= LONGEST_RANGE
        ]

    async def _seen_later(self, question: _Question, journal: Journal) -> bool:
        """Return whether a record that was sent later is visible, asked for by itself.

        Where FlatPeak gives one total for any period nothing else tells.
        """
        (item,) = question.items
        witnesses = self._witnesses(question)
        lag = timedelta(seconds=journal.facts.lag)
        if not witnesses or not item.attempted or not _is_old(item, lag, self._now):
            return False
        first = witnesses[0]
        report = await self._exchange.async_report(
            question.state, first.start, first.end
        )
        findings = compare(
            [_sent(first, question.state)],
            report.items,
            period=Span(start=first.start, end=first.end),
            now=self._now,
            rule=journal.facts.rule,
            others=self._others(question, journal, first.start, first.end),
        )
        return findings[0].kind in STORED

    @property
    def _now(self) -> datetime:
        """Return the time."""
        return self._exchange.utcnow()

    async def _conclude(
        self,
        item: Queued,
        answer: _Answer,
        journal: Journal,
        result: Round,
    ) -> None:
        """Act on what the report says of one record."""
        key, finding = key_of(item), answer.of(item)
        state = journal.meters[item.meter]
        if finding.kind in ABSENT:
            self._unseen[key] = self._now
        if finding.kind is Kind.CONFIRMED and not finding.items:
            self._turns.forget(key)
            result.settle(item, self._exchange.nothing(item))
            return
        if finding.kind in STORED:
            found = finding.items[0]
            self._learn_lag(item, result)
            if found.cost and self._is_certain(item, found):
                line = await self._line(item, found, answer.currency, state)
                self._turns.forget(key)
                self._first_reads.pop(key, None)
                result.settle(item, line)
                return
            if found.cost:
                self._turns.note(key, self._now, SECOND_READ)
                if self._exchange.book.get(*key) is None:
                    line = await self._line(item, found, answer.currency, state)
                    provisional = replace(line, origin=Origin.QUOTE)
                    result.booked.append((item.meter, provisional))
                return
        elif is_of_earlier_life(item) and finding.items:
            await self._hold(item, finding, state, result)
            return
        elif self._may_resend(item, finding, answer, journal):
            self._turns.forget(key)
            result.change(_again(item))
            return
        elif item.error and finding.kind is Kind.UNCONFIRMED:
            self._turns.forget(key)
            result.change(_given_up(item))
            return
        await self._wait(item, finding, state, result)

    def _learn_lag(self, item: Queued, result: Round) -> None:
        """Note how long a record took to become visible, money or not.

        What nobody looked for, as in an outage, is no lag; nor is what FlatPeak takes
        to work a batch off.
        """
        unseen = self._unseen.pop(key_of(item), None)
        sent = self._batches.ended(item) if item.batch else item.attempted
        if unseen and sent and sent <= unseen and self._now - unseen <= NEAR:
            late = int((self._now - sent).total_seconds())
            result.lag = max(result.lag, min(late, LONGEST_LAG))

    async def _wait(
        self,
        item: Queued,
        finding: Finding[CostItem],
        state: MeterState,
        result: Round,
        *,
        is_asked: bool = False,
    ) -> None:
        """Look again later, and show a price meanwhile.

        Out of turn no price is asked for: it may be the one that is missing.
        """
        key = key_of(item)
        in_turn = self._turns.is_due(key, self._now)
        often = self._turns.count(key) < OFTEN
        rarely = is_asked or (finding.kind is Kind.UNCONFIRMED and in_turn)
        self._turns.note(key, self._now, RARELY if rarely and not often else None)
        alone = _Question(meter=key[0], state=state, items=(item,))
        if item.attempted is not None and not self._witnesses(alone):
            self._unwitnessed.add(key)
        if in_turn and self._exchange.book.get(*key) is None and self._left > 0:
            self._left -= 1
            line = await self._exchange.async_quote(item, state)
            result.booked.append((item.meter, line))

    def _may_resend(
        self,
        item: Queued,
        finding: Finding[CostItem],
        answer: _Answer,
        journal: Journal,
    ) -> bool:
        """Return whether a record that is not there will not come any more."""
        lag = timedelta(seconds=journal.facts.lag)
        if self._batches.may_come(item, max(SURE, LAGS * lag)):
            return False
        return finding.resend or self._never_sent(item, finding, answer, journal)

    def _never_sent(
        self,
        item: Queued,
        finding: Finding[CostItem],
        answer: _Answer,
        journal: Journal,
    ) -> bool:
        """Return whether a record of another life would be visible by now."""
        if item.attempted is not None or finding.kind is not Kind.LATE:
            return False
        end = answer.ended.get(item.window.start, item.window.end)
        return self._would_be_visible(end, journal)

    def _would_be_visible(self, end: datetime, journal: Journal) -> bool:
        """Return whether what was sent at the end of a window can be seen by now."""
        lag = timedelta(seconds=journal.facts.lag)
        return self._now - end > max(SURE, LAGS * lag)

    def _is_certain(self, item: Queued, found: CostItem) -> bool:
        """Return whether a record of a batch was read twice, and the same."""
        if item.batch is None:
            return True
        key = key_of(item)
        at, before = self._first_reads.setdefault(key, (self._now, found))
        if before != found:
            self._first_reads[key] = (self._now, found)
            return False
        return self._now - at >= SECOND_READ

    async def _line(
        self, item: Queued, found: CostItem, currency: str | None, state: MeterState
    ) -> PricedWindow:
        """Return a stored record's line; a total of more than it is no price."""
        alone = (found.start, found.end) == (item.window.start, item.window.end)
        if found.energy_wh <= item.wh + TOLERANCE_WH or (
            alone and item.attempted is None
        ):
            return self._exchange.line(item, Origin.REPORT, found, currency)
        quote = await self._exchange.async_quote(item, state)
        return replace(quote, origin=Origin.REPORT)


def _again(item: Queued) -> Queued:
    """Return a record that is not stored: to be sent again, but not for ever."""
    if item.tries >= (MOST_REFUSALS if item.error else MOST_TRIES):
        return _given_up(item)
    return replace(item, status=Status.NEW, batch=None)


def _given_up(item: Queued) -> Queued:
    """Return a record that waits for the user, with FlatPeak's reason if it has one."""
    status = Status.SET_ASIDE if item.error else Status.LOST
    return replace(item, status=status, batch=None)


def _agrees(item: Queued, finding: Finding[CostItem]) -> bool:
    """Return whether a record is there with the energy that we know."""
    return finding.kind in STORED and any(
        (found.start, found.end) == (item.window.start, item.window.end)
        and abs(found.energy_wh - item.wh) <= TOLERANCE_WH
        for found in finding.items[:1]
    )


def _by_hour(items: Sequence[Queued]) -> list[Sequence[Queued]]:
    """Return records by the hour; those of a gap cannot be told apart."""
    if any(item.window.estimated for item in items):
        return [items]
    hours = groupby(items, key=lambda item: hour_start(item.window.start))
    return [tuple(hour) for _, hour in hours]


def _is_old(item: Queued, lag: timedelta, now: datetime) -> bool:
    """Return whether a record would be visible by now."""
    return item.attempted is not None and now - item.attempted > max(SURE, LAGS * lag)


def _doubtful(item: Queued, state: MeterState) -> Record:
    """Return a doubtful record as the comparison takes it."""
    record = as_record(item.window, state, Standing.DOUBTFUL, item.attempted)
    return replace(record, wh=item.wh)


def _sent(line: PricedWindow, state: MeterState) -> Record:
    """Return a booked window: its record was sent after its end, at the earliest."""
    at = line.end if line.origin is Origin.INSTANT else None
    return as_record(line, state, Standing.SENT, at)


def _is_total(items: Sequence[Queued], answer: _Answer) -> bool:
    """Return whether a report gave one total instead of records."""
    return any(
        answer.of(item).kind is Kind.DISPUTED
        or any(
            (found.start, found.end) != (item.window.start, item.window.end)
            for found in answer.of(item).items
        )
        for item in items
    )
