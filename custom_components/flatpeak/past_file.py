"""The file of the job of fetching the past, next to the journal.

Rewritten atomically with fsync, like the journal.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
import json
from pathlib import Path
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import STORAGE_DIR
from homeassistant.util import dt as dt_util
from homeassistant.util.file import write_utf8_file_atomic

from .const import DOMAIN
from .metering import PastRecord, Window
from .past import Job, Part, Tally

VERSION = 2


class JobVersionError(Exception):
    """The job was written by a newer version of the integration."""


def job_path(hass: HomeAssistant, entry_id: str) -> Path:
    """Return the file of an entry's job."""
    return Path(hass.config.path(STORAGE_DIR)) / f"{DOMAIN}.{entry_id}.backfill"


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
        "stopped": part.stopped,
    }
    text = json.dumps(head, separators=(",", ":"))[:-1]
    records = ",".join(map(_record_text, part.records))
    rest = ",".join(map(_record_text, part.rest))
    return f'{text},"records":[{records}],"rest":[{rest}]}}'


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
            "rest": tuple(map(_record, data.get("rest", ()))),  # not in version 1
        }
    )


def _stamp(time: datetime | None) -> int | None:
    return None if time is None else round(time.timestamp())


def _time(stamp: int | None) -> datetime | None:
    return None if stamp is None else dt_util.utc_from_timestamp(stamp)
