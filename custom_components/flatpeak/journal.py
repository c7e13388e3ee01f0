"""The journal: how far each meter is settled, and which records are on their way.

One small file per config entry. Its first line is a whole journal, each line after it
says what has changed since. A write that fails raises; nothing is sent before the write
that holds it.
"""

from collections.abc import Container, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import reduce
import json
from pathlib import Path
from typing import Any

from homeassistant.util import dt as dt_util
from homeassistant.util.file import write_utf8_file_atomic

from .metering import Anchor, Lengths, Quality, Rule, Slice, Stream, Window

# 1 lacked the account's habits, batches and tries; 2 named the meter of each record; 3
# had one line; 4 did not know of registers that show another unit.
VERSION = 5

# Four times this is a day: until then at most something waits because reports lag.
LONGEST_LAG = 6 * 60 * 60  # seconds

# Estimated, partial, status, attempted, held, tries, batch, error and followed of most
# records. Those at the end that are so are left out: after a day offline it is a long
# list.
USUAL: tuple[Any, ...] = (0, 0, "new", None, 0, 0, None, None, 0)


class JournalVersionError(Exception):
    """The journal was written by a newer version of the integration."""


class Status(StrEnum):
    """How far a record has come."""

    NEW = "new"  # certainly not stored by FlatPeak
    ATTEMPTED = "attempted"  # sent, or about to be: storage unknown until answered
    SET_ASIDE = "set_aside"  # FlatPeak will not take it
    LOST = "lost"  # sent again and again, and never in the report
    HELD = "held"  # in quarantine: the user decides


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """A record as it goes out, frozen when its window was cut."""

    meter: str
    window: Window
    wh: int
    status: Status = Status.NEW
    attempted: datetime | None = None  # without `tries` nobody knows if it was
    tries: int = 0  # how often it was sent, and may have been stored
    batch: str | None = None  # id of the batch that it went in, until its fate is known
    error: str | None = None  # why FlatPeak does not take it, in its words


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterState:
    """What is known of one meter: whose stream it writes and how far it is."""

    stream: Stream
    source: str
    anchor: Anchor | None = None
    open: tuple[Slice, ...] = ()  # settled, but in no closed window yet
    settled_until: datetime | None = None  # the end of the last slice
    carry: int = 0  # mWh: the sub-Wh remainder that rides in the next record
    live_until: datetime | None = None  # we watched until here, at least
    since: datetime | None = None  # where the first energy of the source begins

    @property
    def cut_until(self) -> datetime | None:
        """Return the watermark: everything before it is in windows."""
        if self.open:
            return self.open[0].start
        return self.settled_until or (self.anchor.end if self.anchor else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What must be known of the location to go on without the network."""

    name: str | None = None
    timezone: str | None = None
    currency: str | None = None
    live_mode: bool | None = None
    tariff_status: Mapping[str, str] = field(default_factory=dict)
    earning_sign: int = 1  # -1 where FlatPeak gives what was earned a minus sign
    rule: Rule = Rule.UNKNOWN  # what a second record of the same period does
    lag: int = 0  # seconds: the longest that a record took to become visible
    other_writer: bool = False  # somebody else sends our records: nothing is sent
    paused: bool = False  # the user does not want anything to be sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """Everything that one file holds."""

    facts: Facts = Facts()
    meters: Mapping[str, MeterState] = field(default_factory=dict)
    outbox: tuple[Queued, ...] = ()
    lengths: Lengths | None = None  # of windows; None before anything was cut


def of_meters(journal: Journal, meters: Container[str]) -> Journal:
    """Return what a journal says of some meters (keys).

    What it knows of meters that were removed is kept: they may come back.
    """
    return replace(
        journal,
        meters={key: s for key, s in journal.meters.items() if key in meters},
        outbox=tuple(item for item in journal.outbox if item.meter in meters),
    )


def read_journal(path: Path) -> Journal | None:
    """Return the journal of `path`, or None when there is none.

    Raises JournalVersionError for a newer version, ValueError for a torn file: an
    entry must never start empty when it has a past. Of a last line that was cut off
    nothing was done yet.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    # A power cut can leave zeros where a line was to be added, and its end after them.
    first, *lines = content.removesuffix(b"\n").split(b"\n")
    data = json.loads(first)
    if data["version"] > VERSION:
        raise JournalVersionError(str(data["version"]))
    changes = [data, *map(json.loads, lines[:-1])]
    with suppress(ValueError):
        changes += map(json.loads, lines[-1:])
    return reduce(changed, changes, Journal())


def write_journal(path: Path, journal: Journal) -> None:
    """Write it whole and fsync. Raises HomeAssistantError (WriteError)."""
    write_utf8_file_atomic(str(path), as_line(journal), private=True)


def as_line(journal: Journal) -> str:
    """Return a journal whole, on one line."""
    return _line({"version": VERSION, **changes(None, journal)})


def as_change(before: Journal, after: Journal) -> str | None:
    """Return on one line what leads from a journal to another.

    None is: that needs a whole one.
    """
    # Records name their meter by its place.
    if [*after.meters][: len(before.meters)] != [*before.meters]:
        return None
    line = _line(changes(before, after))
    return line if changed(before, json.loads(line)) == after else None


def changes(before: Journal | None, after: Journal) -> dict[str, Any]:
    """Return what is new in a journal; without an earlier one it is everything."""
    numbers = {key: number for number, key in enumerate(after.meters)}
    known = before or Journal()
    waiting = {_key(item): item for item in known.outbox}
    data: dict[str, Any] = {
        "meters": {
            key: _meter_data(state)
            for key, state in after.meters.items()
            if known.meters.get(key) != state
        },
        "outbox": [
            _queued_data(item, numbers)
            for item in after.outbox
            if waiting.get(_key(item)) != item
        ],
    }
    if before is None or before.facts != after.facts:
        data["facts"] = _facts_data(after.facts)
    if before is None or before.lengths != after.lengths:
        data["lengths"] = _lengths_data(after.lengths)
    kept = {_key(item) for item in after.outbox}
    if gone := [[key, _stamp(at)] for key, at in waiting if (key, at) not in kept]:
        data["gone"] = gone
    return data


def changed(before: Journal, data: Mapping[str, Any]) -> Journal:
    """Return what a journal is after changes."""
    states = {key: _meter(value) for key, value in data["meters"].items()}
    meters = {**before.meters, **states}
    keys = dict(enumerate(meters))
    items = [_queued(item, keys) for item in data["outbox"]]
    new = {_key(item): item for item in items}
    known = {_key(item) for item in before.outbox}
    gone = {(key, _time(start)) for key, start in data.get("gone", ())}
    return Journal(
        facts=_facts(data["facts"]) if "facts" in data else before.facts,
        meters=meters,
        outbox=(
            *(
                new.get(_key(item), item)
                for item in before.outbox
                if _key(item) not in gone
            ),
            *(item for item in items if _key(item) not in known),
        ),
        lengths=_lengths(data["lengths"]) if "lengths" in data else before.lengths,
    )


def _line(data: Mapping[str, Any]) -> str:
    # Its end belongs to it: what is lost with the next line does not touch this one.
    return json.dumps(data, separators=(",", ":")) + "\n"


def _key(item: Queued) -> tuple[str, datetime]:
    return item.meter, item.window.start


def _time(stamp: float | None) -> datetime | None:
    return None if stamp is None else dt_util.utc_from_timestamp(stamp)


def _stamp(time: datetime | None) -> float | None:
    if time is None:
        return None
    return _whole(time.timestamp())


def _whole(seconds: float) -> float:
    return int(seconds) if seconds.is_integer() else seconds


def _facts(data: dict[str, Any]) -> Facts:
    return Facts(**{**data, "rule": Rule(data.get("rule", Rule.UNKNOWN))})


def _facts_data(facts: Facts) -> dict[str, Any]:
    return {
        "name": facts.name,
        "timezone": facts.timezone,
        "currency": facts.currency,
        "live_mode": facts.live_mode,
        "tariff_status": dict(facts.tariff_status),
        "earning_sign": facts.earning_sign,
        "rule": facts.rule,
        "lag": facts.lag,
        "other_writer": facts.other_writer,
        "paused": facts.paused,
    }


def _lengths_data(lengths: Lengths | None) -> list[Any] | None:
    if lengths is None:
        return None
    return [lengths.minutes, lengths.before, _stamp(lengths.until)]


def _lengths(data: list[Any] | None) -> Lengths | None:
    if data is None:
        return None
    minutes, before, until = data
    return Lengths(minutes=minutes, before=before, until=_time(until))


def _meter_data(state: MeterState) -> dict[str, Any]:
    stream, anchor = state.stream, state.anchor
    return {
        "stream": [stream.owner, stream.energy_direction, stream.tariff_direction],
        "source": state.source,
        "anchor": anchor
        and [
            _stamp(anchor.end),
            anchor.state,
            anchor.sum,
            _stamp(anchor.last_reset),
            anchor.high_water,
            _stamp(anchor.changed),
            anchor.before_claim,
            anchor.thousands,
        ],
        "open": [
            [_stamp(part.start), _stamp(part.end), part.mwh, part.quality]
            for part in state.open
        ],
        "settled_until": _stamp(state.settled_until),
        "carry": state.carry,
        "live_until": _stamp(state.live_until),
        "since": _stamp(state.since),
    }


def _meter(data: dict[str, Any]) -> MeterState:
    owner, energy, tariff = data["stream"]
    anchor = None
    if data["anchor"]:
        end, state, sum_, last_reset, high_water, changed, *more = data["anchor"]
        anchor = Anchor(
            end=dt_util.utc_from_timestamp(end),
            state=state,
            sum=sum_,
            last_reset=_time(last_reset),
            high_water=high_water,
            changed=_time(changed),
            before_claim=more[0] if more else None,
            thousands=more[1] if more[1:] else 0,
        )
    return MeterState(
        stream=Stream(owner=owner, energy_direction=energy, tariff_direction=tariff),
        source=data["source"],
        anchor=anchor,
        open=tuple(
            Slice(
                start=dt_util.utc_from_timestamp(start),
                end=dt_util.utc_from_timestamp(end),
                mwh=mwh,
                quality=Quality(quality),
            )
            for start, end, mwh, quality in data["open"]
        ),
        settled_until=_time(data.get("settled_until")),
        carry=data["carry"],
        live_until=_time(data["live_until"]),
        since=_time(data.get("since")),
    )


def _queued_data(item: Queued, numbers: Mapping[str, int]) -> list[Any]:
    """Return a record's line: it is written again and again, so it is short."""
    window = item.window
    number = numbers.get(item.meter)
    length = (window.end - window.start).total_seconds()
    data = [
        item.meter if number is None else number,
        _stamp(window.start),
        _stamp(window.end) if number is None else _whole(length),
        window.mwh,
        item.wh,
    ]
    more = [
        int(window.estimated),
        int(window.partial),
        item.status,
        _stamp(item.attempted),
        window.held,
        item.tries,
        item.batch,
        item.error,
        window.followed,
    ]
    while more and more[-1] == USUAL[len(more) - 1]:
        more.pop()
    return data + more


def _queued(data: list[Any], keys: Mapping[int, str]) -> Queued:
    """Read a record's line; that of an unknown meter has its key and its end."""
    meter, start, end, mwh, wh, *more = data
    begins = dt_util.utc_from_timestamp(start)
    if isinstance(meter, int):
        meter, ends = keys[meter], begins + timedelta(seconds=end)
    else:
        ends = dt_util.utc_from_timestamp(end)
    more += USUAL[len(more) :]
    estimated, partial, status, attempted, held, tries, batch, error, followed = more
    return Queued(
        meter=meter,
        window=Window(
            start=begins,
            end=ends,
            mwh=mwh,
            estimated=bool(estimated),
            partial=bool(partial),
            held=held,
            followed=followed,
        ),
        wh=wh,
        status=Status(status),
        attempted=_time(attempted),
        tries=tries,
        batch=batch,
        error=error,
    )
