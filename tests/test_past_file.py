"""The job's file: everything comes back, and no half of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
import json
from pathlib import Path

from homeassistant.exceptions import HomeAssistantError
import pytest

from custom_components.flatpeak.metering import PastRecord, Window
from custom_components.flatpeak.past import Job, Part, Tally
from custom_components.flatpeak.past_file import read_job, write_job

from .books import full_disk, mode

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
RECORDS = tuple(
    PastRecord(
        window=Window(
            start=START + HOUR * n,
            end=START + HOUR * (n + 1),
            mwh=1_000_001 + n,
            estimated=bool(n % 2),
            partial=bool(n % 3),
        ),
        wh=1000 + n,
        booked=bool(n % 5),
    )
    for n in range(24)
)
PART = Part(
    meter="a1b2c3d4",
    start=START,
    end=START + 24 * HOUR,
    looked=START + 5 * HOUR,
    records=RECORDS,
    total=30,
    batch="bat_1",
    batch_end=START + 7 * HOUR,
    attempted=START + 100 * HOUR,
    followed=True,
    tries=2,
    told=True,
    tally=Tally(adopted=1, sent=2, refused=3, left_out=4, unpriced=5),
    error='"No"',
    stopped=True,
    rest=RECORDS[:3],
)
JOB = Job(parts={"a1b2c3d4": PART, "b": Part(meter="b", start=START)})


def test_invariant_4_everything_comes_back(tmp_path: Path) -> None:
    """Every field is read as it was written, by its owner alone."""
    path = tmp_path / "job"
    assert read_job(path) == Job()
    write_job(path, JOB)
    assert read_job(path) == JOB
    assert mode(path) == 0o600
    write_job(path, JOB.only(["b"]))
    assert read_job(path).parts.keys() == {"b"}


def test_a_file_of_before_it_could_be_stopped(tmp_path: Path) -> None:
    """It is read as one of which nothing was stopped."""
    path = tmp_path / "job"
    write_job(path, JOB)
    data = json.loads(path.read_text())
    for part in data["parts"]:
        del part["stopped"], part["rest"]
    path.write_text(json.dumps({**data, "version": 1}))
    part = replace(PART, stopped=False, rest=())
    assert read_job(path) == JOB.with_part(part)


def test_invariant_4_full_disk(tmp_path: Path) -> None:
    """A write that fails raises, and the file is as it was."""
    path = tmp_path / "job"
    write_job(path, Job())
    before = path.read_bytes()
    with full_disk(100), pytest.raises(HomeAssistantError):
        write_job(path, JOB)
    assert path.read_bytes() == before


def test_progress() -> None:
    """Between nothing and all there is a way, and 100 is the end alone."""
    assert Job().percent is None
    begun = Part(meter="a", start=START, end=START, records=RECORDS[:1], total=1)
    steps = [
        Part(meter="a", start=START),
        begun,
        replace(begun, looked=START + HOUR, batch=""),
        Part(meter="a", start=START, end=START, total=1),
        Part(meter="a", start=START, end=START, total=1, told=True),
    ]
    shown = [Job(parts={"a": part}).percent for part in steps]
    assert shown == [0, 10, 50, 59, 100]
    assert not Job(parts={"a": begun}).is_done
