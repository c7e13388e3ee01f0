"""The job of fetching the past of meters: a file of its own next to the journal.

Rewritten atomically with fsync, like the journal. It holds every record of the past
from before it is first sent until its line is in the book and in the statistics.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
import json
from pathlib import Path
from typing import Any, Self

from homeassistant.util import dt as dt_util
from homeassistant.util.file import write_utf8_file_atomic

from .metering import PastRecord, Window

VERSION = 1
NO_ANSWER = ""  # the batch of records whose request was never answered
FOUND = "found"  # one that was not answered, and whose records are there


class JobVersionError(Exception):
    """The job was written by a newer version of the integration."""


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

    def with_part(self, part: Part) -> Job:
        """Return the job with a part as it is now."""
        return Job(parts={**self.parts, part.meter: part})

    def only(self, meters: Iterable[str]) -> Job:
        """Return the job without the parts of meters that are gone."""
        kept = set(meters)
        return Job(parts={k: part for k, part in self.parts.items() if k in kept})


def read_job(path: Path) -> Job:
    """Return the job of `path`, an empty one when there is none. Blocking.

    Raises JobVersionError for a newer version, ValueError for a torn file.
    """
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError:
        return Job()
    if data["version"] > VERSION:
        raise JobVersionError(str(data["version"]))
    parts = [_part(entry) for entry in data["parts"]]
    return Job(parts={part.meter: part for part in parts})


def write_job(path: Path, job: Job) -> None:
    """Write and fsync. Blocking. Raises HomeAssistantError (WriteError)."""
    parts = ",".join(_written(part) for part in job.parts.values())
    text = f'{{"version":{VERSION},"parts":[{parts}]}}'
    write_utf8_file_atomic(str(path), text, private=True)


def _written(part: Part) -> str:
    """Return a part as JSON, record by record: other threads get their turn."""
    head = {
        "meter": part.meter,
        "start": _stamp(part.start),
        "end": _stamp(part.end),
        "looked": _stamp(part.looked),
        "total": part.total,
        "batch": part.batch,
        "batch_end": _stamp(part.batch_end),
        "attempted": _stamp(part.attempted),
        "followed": part.followed,
        "tries": part.tries,
        "told": part.told,
        "tally": part.tally.as_dict(),
        "error": part.error,
    }
    records = ",".join(map(_record_text, part.records))
    return f'{json.dumps(head, separators=(",", ":"))[:-1]},"records":[{records}]}}'


def _record_text(record: PastRecord) -> str:
    """Return a record as a JSON list: start, seconds, mWh, Wh, flags."""
    window = record.window
    start = _stamp(window.start)
    seconds = int((window.end - window.start).total_seconds())
    flags = window.estimated + 2 * window.partial + 4 * record.booked
    return f"[{start},{seconds},{window.mwh},{record.wh},{flags}]"


def _record(data: Sequence[int]) -> PastRecord:
    """Read what `_record_text` wrote."""
    stamp, seconds, mwh, wh, flags = data
    start = dt_util.utc_from_timestamp(stamp)
    window = Window(
        start=start,
        end=start + timedelta(seconds=seconds),
        mwh=mwh,
        estimated=bool(flags & 1),
        partial=bool(flags & 2),
    )
    return PastRecord(window=window, wh=wh, booked=bool(flags & 4))


def _part(data: dict[str, Any]) -> Part:
    """Read what `_written` wrote."""
    times = ("start", "end", "looked", "batch_end", "attempted")
    return Part(
        **{
            **data,
            **{name: _time(data[name]) for name in times},
            "tally": Tally(**data["tally"]),
            "records": tuple(map(_record, data["records"])),
        }
    )


def _stamp(time: datetime | None) -> int | None:
    return None if time is None else round(time.timestamp())


def _time(stamp: int | None) -> datetime | None:
    return None if stamp is None else dt_util.utc_from_timestamp(stamp)
