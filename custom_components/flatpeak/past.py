"""The job of fetching the past of meters: its parts, and how far each has come.

It holds every record of the past from before it is first sent until its line is in the
book and in the statistics.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Self

from .history import chunks
from .metering import Adoption, Origin, PastRecord, PricedWindow

NO_ANSWER = ""  # the batch of records whose request was never answered
FOUND = "found"  # one that was not answered, and whose records are there
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of a meter's records so far."""

    adopted: int = 0  # FlatPeak had them
    sent: int = 0
    refused: int = 0  # FlatPeak does not take them: energy without money
    left_out: int = 0  # somebody else's are there, or impossible readings: not sent
    unpriced: int = 0  # no money after the last look

    def plus(self, **more: int) -> Self:
        """Return a tally with more of something."""
        return type(self)(
            **{name: getattr(self, name) + more.get(name, 0) for name in _COUNTS}
        )

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return {name: getattr(self, name) for name in _COUNTS}


_COUNTS = ("adopted", "sent", "refused", "left_out", "unpriced")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One meter's past, and how far it has come.

    Attributes:
        meter: Key of the meter.
        start: From when (UTC).
        end: Where its live windows begin; None until the statistics are read.
        looked: Up to here the report was read before anything is sent.
        records: Frozen, oldest first, until they are settled.
        total: How many there were.
        batch: Id of the batch that is on its way; None: there is none.
        batch_end: The start of the last record in it.
        attempted: When it was sent, or about to be.
        followed: Whether FlatPeak is done with the batch, as far as it says.
        tries: How often a batch was sent in vain.
        told: Whether the statistics have what is in the book.
        stopped: Whether nothing of it is to be sent any more.
        rest: Records that were not sent when it was stopped, for a later fetch.
    """

    meter: str
    start: datetime
    end: datetime | None = None
    looked: datetime | None = None
    records: tuple[PastRecord, ...] = ()
    total: int = 0
    batch: str | None = None
    batch_end: datetime | None = None
    attempted: datetime | None = None
    followed: bool = False
    tries: int = 0
    told: bool = False
    tally: Tally = Tally()
    error: str | None = None
    stopped: bool = False
    rest: tuple[PastRecord, ...] = ()

    @property
    def is_done(self) -> bool:
        """Return whether nothing is left to do."""
        return self.end is not None and not self.records and self.told

    @property
    def is_booked(self) -> bool:
        """Return whether all records are in the book, if not all with their money."""
        return all(record.booked for record in self.records)

    @property
    def unsettled(self) -> tuple[PastRecord, ...]:
        """Return the records that are not in the book."""
        return tuple(record for record in self.records if not record.booked)

    @property
    def in_batch(self) -> tuple[PastRecord, ...]:
        """Return the records that were sent, and of which the fate is open."""
        if self.batch is None or self.batch_end is None:
            return ()
        end = self.batch_end
        return tuple(one for one in self.unsettled if one.window.start <= end)

    @property
    def to_look(self) -> tuple[PastRecord, ...]:
        """Return the records of which the report was not asked before sending them."""
        looked = self.looked
        if looked is None:
            return self.unsettled
        return tuple(one for one in self.unsettled if one.window.start >= looked)

    @property
    def progress(self) -> float:
        """Return how far it is, from 0 to 1: half of it until it is sent."""
        if self.end is None:
            return 0.0
        if self.is_done:
            return 1.0
        settled = 1 - len(self.records) / max(self.total, len(self.records), 1)
        begun = 0.1 if self.looked is None else 0.25
        return begun + 0.25 * (self.batch is not None) + 0.49 * settled


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Everything that the file holds: the parts, in the order of their work."""

    parts: Mapping[str, Part] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Return whether all parts are."""
        return all(part.is_done for part in self.parts.values())

    @property
    def percent(self) -> int | None:
        """Return how far it is; None where there was never one."""
        if not self.parts:
            return None
        if self.is_done:
            return 100
        share = sum(part.progress for part in self.parts.values()) / len(self.parts)
        return min(99, int(100 * share))

    @property
    def at_work(self) -> tuple[Part, ...]:
        """Return the parts that are not done."""
        return tuple(part for part in self.parts.values() if not part.is_done)

    def with_part(self, part: Part) -> Job:
        """Return the job with a part as it is now."""
        return Job(parts={**self.parts, part.meter: part})

    def only(self, meters: Iterable[str]) -> Job:
        """Return the job without the parts of meters that are gone."""
        kept = set(meters)
        return Job(parts={k: part for k, part in self.parts.items() if k in kept})


def stopped(part: Part, first: datetime | None) -> Part | None:
    """Return a part of which nothing more is sent; None where nothing of it is left.

    What may have been sent is followed to its end. A later fetch ends at the meter's
    first line in the book (`first`), so what was not sent after that is kept for it.
    """
    sent = {one.window.start for one in part.in_batch}
    kept = [one for one in part.records if one.booked or one.window.start in sent]
    unsent = [
        one for one in part.records if not one.booked and one.window.start not in sent
    ]
    begins = [time for time in (first, kept[0].window.start if kept else None) if time]
    rest = [
        one for one in (*part.rest, *unsent) if begins and one.window.end > min(begins)
    ]
    has_lines = first is not None and part.end is not None and first < part.end
    if not (kept or rest or has_lines):
        return None
    return replace(
        part,
        end=part.end or part.start,
        told=part.told or part.end is None,
        records=tuple(kept),
        total=max(part.total - len(unsent), 0),
        rest=tuple(sorted(rest, key=lambda one: one.window.start)),
        stopped=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The records that costs are wanted for, and those that a report is read for."""

    asked: Sequence[PastRecord]
    here: Sequence[PastRecord] = ()
    start: datetime = NEVER
    end: datetime = NEVER


def next_reading(part: Part, read: datetime | None) -> Reading:
    """Return what to read next of a part, of which costs are known until `read`."""
    sent = {one.window.start for one in part.in_batch}
    asked = [one for one in part.records if one.booked or one.window.start in sent]
    ahead = [one for one in asked if read is None or one.window.start >= read]
    if not ahead:
        return Reading(asked=asked)
    start, end = chunks(ahead)[0]
    here = [one for one in ahead if one.window.start < end]
    return Reading(asked=asked, here=here, start=start, end=end)


def looked_at(
    records: Sequence[PastRecord], asked: Sequence[PastRecord], found: Adoption
) -> tuple[PastRecord, ...]:
    """Return the records that are left of those that were looked at.

    What is adopted without money is booked, and read again.
    """
    unpriced = {(one.start, one.end) for one in found.lines if one.money is None}
    gone = {one.window.start for one in asked}
    left = [
        *(one for one in records if one.window.start not in gone),
        *(one for one in found.rest if one.wh),
        *(
            replace(one, booked=True)
            for one in asked
            if (one.window.start, one.window.end) in unpriced
        ),
    ]
    return tuple(sorted(left, key=lambda one: one.window.start))


def without(
    part: Part, settled: Sequence[tuple[PastRecord, PricedWindow]], *, for_good: bool
) -> Part:
    """Return a part without the records that are settled, or booked at least."""
    open_ = {
        one.window.start
        for one, line in settled
        if line.money is None and line.origin is Origin.REPORT and not for_good
    }
    done = {one.window.start for one, _ in settled} - open_
    records = tuple(
        replace(one, booked=True) if one.window.start in open_ else one
        for one in part.records
        if one.window.start not in done
    )
    part = replace(part, records=records, told=False)
    if part.batch is not None and not part.in_batch:
        part = replace(part, batch=None, batch_end=None, attempted=None, tries=0)
    return part
