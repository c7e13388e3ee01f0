"""Tests of the journal on disk."""

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import atomicwrites  # type: ignore[import-untyped]
from homeassistant.exceptions import HomeAssistantError
from hypothesis import given, settings, strategies as st
import pytest

from custom_components.flatpeak.journal import (
    VERSION,
    Facts,
    Journal,
    JournalVersionError,
    MeterState,
    Queued,
    Status,
    read_journal,
    write_journal,
)
from custom_components.flatpeak.metering import (
    Anchor,
    Lengths,
    Quality,
    Rule,
    Slice,
    Stream,
    Window,
)

from .books import QUARTER, STREAM, full_disk, instants, mode, window

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

START = datetime(2026, 11, 22, 10, tzinfo=UTC)
words = st.text(max_size=8)
# A new field is drawn as well; one of another type needs its line here.
by_type: dict[object, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    bool | None: st.none() | st.booleans(),
    int: st.integers(-(10**15), 10**15),
    int | None: st.none() | st.integers(-(10**15), 10**15),
    str: words,
    str | None: st.none() | words,
    datetime: instants,
    datetime | None: st.none() | instants,
    Quality: st.sampled_from(Quality),
    Status: st.sampled_from(Status),
    Rule: st.sampled_from(Rule),
    Mapping[str, str]: st.dictionaries(words, words, max_size=2),
}


def every_field[T: DataclassInstance](kind: type[T]) -> st.SearchStrategy[T]:
    """Return a strategy that draws all fields, those with defaults, too."""
    return st.builds(
        kind, **{field.name: by_type[field.type] for field in fields(kind)}
    )


for kind in (Stream, Anchor, Slice, Window, Facts, Lengths):
    by_type[kind] = every_field(kind)
by_type[Lengths | None] = st.none() | by_type[Lengths]
by_type[Anchor | None] = st.none() | by_type[Anchor]
by_type[tuple[Slice, ...]] = st.lists(by_type[Slice], max_size=3).map(tuple)
for owner in (Queued, MeterState):
    by_type[owner] = every_field(owner)
by_type[tuple[Queued, ...]] = st.lists(by_type[Queued], max_size=4).map(tuple)
by_type[Mapping[str, MeterState]] = st.dictionaries(
    words, by_type[MeterState], max_size=3
)
JOURNAL = Journal(
    facts=Facts(timezone="Asia/Kathmandu", currency="NPR", live_mode=True),
    meters={
        "0badcafe": MeterState(
            stream=STREAM,
            source="sensor.grid",
            anchor=Anchor(end=START, state=5_000_000),
            live_until=START,
        )
    },
    outbox=(Queued(meter="0badcafe", window=window(START - QUARTER), wh=1000),),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the journal goes."""
    return tmp_path / "flatpeak.01JOURNAL.journal"


@settings(deadline=None)
@given(every_field(Journal))
def test_invariant_4_everything_comes_back(journal: Journal) -> None:
    """What is written is what is read, to the microsecond and the mWh."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        write_journal(path, journal)
        assert read_journal(path) == journal


@pytest.mark.parametrize("direction", ["IMPORT", "EXPORT"])
def test_enumerations_come_back_as_words(path: Path, direction: str) -> None:
    """A status is a `Status` again, a quality a `Quality`."""
    state = JOURNAL.meters["0badcafe"]
    part = Slice(start=START, end=START + QUARTER, mwh=1, quality=Quality.NO_DATA)
    stream = replace(STREAM, energy_direction=direction)
    item = replace(JOURNAL.outbox[0], status=Status.ATTEMPTED, attempted=START)
    write_journal(
        path,
        Journal(
            meters={"a": replace(state, stream=stream, open=(part,))}, outbox=(item,)
        ),
    )
    read = read_journal(path)
    assert read is not None
    assert read.outbox[0].status is Status.ATTEMPTED
    assert read.meters["a"].open[0].quality is Quality.NO_DATA
    assert read.meters["a"].stream == stream
    assert read.meters["a"].open[0].start.tzinfo is UTC


def test_journals_of_version_1_can_be_read(path: Path) -> None:
    """Whoever changes the format has to read this one, too."""
    path.write_text(
        '{"version":1,"facts":{"timezone":"Asia/Kathmandu","currency":"NPR",'
        '"live_mode":true,"tariff_status":{}},"meters":{"0badcafe":{"stream":'
        '["loc_1","IMPORT","IMPORT"],"source":"sensor.grid","anchor":'
        '[1795341600,5000000,null,null,null,null],"open":[],"carry":0,'
        '"live_until":1795341600}},"outbox":[["0badcafe",1795340700,1795341600,'
        '1000000,1000,0,0,"new",null]]}'
    )
    assert read_journal(path) == JOURNAL


def test_no_file_is_no_journal(path: Path) -> None:
    """A new entry has no past."""
    assert read_journal(path) is None


def test_invariant_13_only_the_owner_may_read(path: Path) -> None:
    """Habits can be read from energy: nobody else may."""
    write_journal(path, JOURNAL)
    assert mode(path) == 0o600
    write_journal(path, JOURNAL)
    assert mode(path) == 0o600


def test_invariant_4_a_torn_journal_is_never_empty(path: Path) -> None:
    """Wherever the file is cut off, reading it fails instead of starting anew."""
    write_journal(path, JOURNAL)
    whole = path.read_bytes().removesuffix(b"\n")
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="line 1 column"):
            read_journal(path)


@pytest.mark.parametrize("data", [b"", b"\0" * 64, b"\xff\xfe{}", b"[1,2"])
def test_invariant_4_garbage_is_never_empty(path: Path, data: bytes) -> None:
    """Zeros after a power cut, for instance, are no journal."""
    path.write_bytes(data)
    with pytest.raises(ValueError):  # noqa: PT011
        read_journal(path)


def test_a_newer_version_is_refused(path: Path) -> None:
    """Whatever it holds: this version cannot know what it means."""
    path.write_text(json.dumps({"version": VERSION + 1, "new": "shape"}))
    with pytest.raises(JournalVersionError, match=str(VERSION + 1)):
        read_journal(path)


def test_invariant_4_a_full_disk_leaves_the_old_journal(path: Path) -> None:
    """The write raises; the old file is whole and nothing else is left behind."""
    write_journal(path, JOURNAL)
    bigger = replace(JOURNAL, outbox=JOURNAL.outbox * 500)
    with full_disk(8192), pytest.raises(HomeAssistantError):
        write_journal(path, bigger)
    assert read_journal(path) == JOURNAL
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    write_journal(path, bigger)
    assert read_journal(path) == bigger


def test_invariant_4_no_write_counts_without_fsync(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that cannot promise keeps the old journal."""

    def fail(_descriptor: int) -> None:
        raise OSError(5, os.strerror(5))

    write_journal(path, JOURNAL)
    monkeypatch.setattr(atomicwrites, "_proper_fsync", fail)
    with pytest.raises(HomeAssistantError):
        write_journal(path, Journal())
    assert read_journal(path) == JOURNAL


def test_invariant_4_the_old_journal_is_there_until_the_new_one_is_durable(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the instant of the fsync the old file still is what a reader would get."""
    seen: list[Any] = []
    fsync = os.fsync

    def look(descriptor: int) -> None:
        fsync(descriptor)
        seen.append(read_journal(path))

    write_journal(path, JOURNAL)
    monkeypatch.setattr(atomicwrites, "_proper_fsync", look)
    write_journal(path, Journal())
    # First the new file, then its folder, after it has the name.
    assert seen == [JOURNAL, Journal()]


def test_a_missing_folder_raises(tmp_path: Path) -> None:
    """There is no place to be durable in."""
    with pytest.raises(HomeAssistantError):
        write_journal(tmp_path / "gone" / "journal", Journal())


def test_cut_until_is_the_start_of_the_open_window() -> None:
    """The watermark stands before what is settled but in no window yet."""
    state = MeterState(stream=STREAM, source="sensor.grid")
    assert state.cut_until is None
    assert state.carry == 0
    state = replace(state, anchor=Anchor(end=START))
    assert state.cut_until == START
    early = START - timedelta(minutes=10)
    parts = (
        Slice(start=early, end=early + timedelta(minutes=5), mwh=1),
        Slice(start=early + timedelta(minutes=5), end=START, mwh=2),
    )
    assert replace(state, open=parts).cut_until == early
