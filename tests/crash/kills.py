"""When Home Assistant is killed, and what it was doing then."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime
from enum import StrEnum
from random import Random

from custom_components.flatpeak.journal import Status
from custom_components.flatpeak.metering import record_reference_id
from tests.desk import is_record
from tests.lifetime import Life
from tests.lives import Child
from tests.simulator import FaultKind, FlatPeakSimulator
from tests.simulator.core import LoggedRequest

from .files import books_of, half_written, journal_path
from .weather import RECORD

START = 1.0  # real seconds within which a start is killed
WORK = 0.1  # real seconds: the work of three slots, of which one closes windows
OK = 200
HELD = 4.0  # real seconds that a request waits whose sender is killed
ARRIVAL = 200  # turns of the loop in which what was sent last arrives

type Attempt = tuple[str, datetime]  # the id of a record, and when it was to go out


class Aim(StrEnum):
    """At what a kill is aimed."""

    ANY = "any"  # uniformly over the work of three slots
    START = "start"  # uniformly over the start
    STORED = "stored"  # a record is stored, and not answered
    ARRIVED = "arrived"  # a record has arrived, and is not stored
    ANSWERED = "answered"  # the answer is on its way back
    MARKED = "marked"  # the journal is in place, with the record marked as attempted
    WRITE = "write"  # a file is being written


class Hit(StrEnum):
    """What a kill hit."""

    START = "starting"
    WRITE = "during a write"
    BEFORE = "before the request"
    FLYING = "request in flight"
    ANSWERED = "answered, not booked"
    IDLE = "nothing on its way"


def aims(random: Random, count: int) -> list[Aim]:
    """Return at what to aim: every other time at nothing special, else at each."""
    special = [aim for aim in Aim if aim is not Aim.ANY]
    rounds = -(-count // (2 * len(special)))
    found: list[Aim] = []
    for _ in range(rounds):
        some = [*special, *[Aim.ANY] * len(special)]
        random.shuffle(some)
        found += some
    return found[:count]


class Killer:
    """Kills a life at the instant that is aimed at, and says what that hit."""

    def __init__(
        self, simulator: FlatPeakSimulator, life: Life, random: Random
    ) -> None:
        """Get ready before the life begins."""
        self._simulator = simulator
        self._life = life
        self._random = random
        self._asked = len(simulator.requests)
        self._before = _attempts(life)
        self._halves = half_written(life.storage)

    async def in_start(self, child: Child) -> Hit:
        """Kill it before it has lived."""
        await asyncio.sleep(self._random.uniform(0, START))
        await child.kill()
        return Hit.START

    async def in_work(self, child: Child, aim: Aim, until: datetime) -> Hit:
        """Kill it while it lives; `until` then, what is aimed at has to come."""
        if aim in (Aim.STORED, Aim.ARRIVED, Aim.ANSWERED):
            self._simulator.faults.clear()
            await self._simulator.listen()
        if aim in (Aim.STORED, Aim.ARRIVED):
            stored = aim is Aim.STORED
            self._simulator.fail(
                RECORD, kind=FaultKind.DELAY, delay=HELD, stored=stored
            )
        happened = self._sign(aim)
        work = asyncio.create_task(child.live(until))
        if aim is Aim.ANY:
            await asyncio.sleep(self._random.uniform(0, WORK))
        while not happened() and not work.done():  # noqa: ASYNC110
            await asyncio.sleep(0)
        held = any(one.is_open for one in self._requests())
        await child.kill()
        await asyncio.gather(work, return_exceptions=True)
        for _ in range(ARRIVAL):
            await asyncio.sleep(0)
        return self._hit(held=held)

    def _sign(self, aim: Aim) -> Callable[[], object]:
        """Return what says that the moment has come."""
        requests, written = self._simulator.requests, self._written()
        submissions = self._simulator.ledger.submissions
        asked, stored = len(requests), len(submissions)

        def records() -> Iterator[LoggedRequest]:
            return filter(is_record, requests[asked:])

        signs: dict[Aim, Callable[[], object]] = {
            Aim.STORED: lambda: len(submissions) > stored,
            Aim.ARRIVED: lambda: any(one.fault for one in records()),
            Aim.ANSWERED: lambda: any(one.status == OK for one in records()),
            Aim.MARKED: lambda: self._written() != written,
            Aim.WRITE: self._new_halves,
        }
        return signs.get(aim, lambda: True)

    def _written(self) -> int:
        """Return when the journal was last put in place (ns); 0 is never."""
        path = journal_path(self._life)
        return path.stat().st_mtime_ns if path.exists() else 0

    def _requests(self) -> list[LoggedRequest]:
        """Return what this life has asked."""
        return self._simulator.requests[self._asked :]

    def _new_halves(self) -> set[str]:
        """Return the files that this life has half written."""
        return half_written(self._life.storage) - self._halves

    def _hit(self, *, held: bool) -> Hit:
        """Return what the life was doing, by what it has left."""
        if self._new_halves():
            return Hit.WRITE
        if held:
            return Hit.FLYING
        fresh = _attempts(self._life) - self._before
        last = max((at for _, at in fresh), default=None)
        now = {record for record, at in fresh if at == last}
        asked = {
            one.body["record_reference_id"]: one
            for one in filter(is_record, self._requests())
        }
        if now - asked.keys():
            return Hit.BEFORE
        answered = any(asked[record].status == OK for record in now)
        return Hit.ANSWERED if answered else Hit.IDLE


def _attempts(life: Life) -> set[Attempt]:
    """Return what the journal calls attempted and the book does not have."""
    journal, _ = books_of(life)
    return {
        (
            record_reference_id(
                journal.meters[item.meter].stream, item.window.start, item.window.end
            ),
            item.attempted,
        )
        for item in journal.outbox
        if item.status is Status.ATTEMPTED and item.attempted
    }
